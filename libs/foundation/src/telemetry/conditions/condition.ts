/**
 * A condition that was understood: every name has its meaning, every expression its type.   Read path: resolver -> [condition] -> evaluator, or
 * a provider's own language (SQL).
 *
 * An expression gives a value of its type, or nothing (null), and null is as in SQL: what is compared or calculated with nothing gives nothing,
 * `and`, `or` and `not` follow three-valued logic, and a row is found if its condition is true.
 */

import type { AttributePlace } from './attribute-path.js';

export type ConditionLanguage = 'span' | 'trace' | 'session';

/** `time`: nanoseconds since 1970. Numbers are doubles. */
export type ConditionType = 'string' | 'number' | 'time' | 'boolean';

/** What a loop runs over, and what a condition is about. */
export type ConditionRowKind = 'span' | 'trace' | 'session' | 'annotation';

export type ConditionComparison = 'eq' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte';

/** The rows of a loop, by the row that they belong to. */
export type ConditionLoopSource =
  | 'spans'
  | 'traces'
  | 'children'
  | 'siblings'
  | 'annotations'
  | 'trace_annotations'
  | 'span_annotations'
  | 'session_annotations';

export type ConditionExpression =
  | { readonly kind: 'literal'; readonly type: ConditionType; readonly value: string | number | bigint | boolean }
  | {
      /** A field of a row. */
      readonly kind: 'field';
      readonly type: ConditionType;
      readonly name: string;
      readonly row: ConditionRowKind;
      /** How many loops outwards: 0 is the row of the innermost. */
      readonly depth: number;
      /** Of the row's parent span; nothing where none is stored. */
      readonly ofParent: boolean;
    }
  | {
      /**
       * An attribute of the span, or of the root span of the trace, or of the first root span of the session; where its value is looked for.
       * As string: a string, a number or boolean as people write it, a list as JSON. As number: a number, or a string that is one in JSON.
       * As boolean: a boolean, 0, 1, "true" or "false". Else nothing.
       */
      readonly kind: 'attribute';
      readonly type: 'string' | 'number' | 'boolean';
      readonly places: readonly AttributePlace[];
    }
  | {
      /** Of an annotation of that name; a row with several is found if the condition is true of one of them. `exists` is never null. */
      readonly kind: 'annotation';
      readonly type: ConditionType;
      readonly target: 'span' | 'trace' | 'session';
      readonly name: string;
      readonly field: 'label' | 'score' | 'explanation' | 'identifier' | 'exists';
    }
  | {
      /** The attribute is there, with a value of any kind. Never null. */
      readonly kind: 'has_attribute';
      readonly type: 'boolean';
      readonly places: readonly AttributePlace[];
    }
  | { readonly kind: 'has_parent'; readonly type: 'boolean'; readonly depth: number }
  | { readonly kind: 'and' | 'or'; readonly type: 'boolean'; readonly operands: readonly ConditionExpression[] }
  | { readonly kind: 'not'; readonly type: 'boolean'; readonly operand: ConditionExpression }
  | {
      readonly kind: 'comparison';
      readonly type: 'boolean';
      readonly operator: ConditionComparison;
      readonly left: ConditionExpression;
      readonly right: ConditionExpression;
    }
  | { readonly kind: 'is_null'; readonly type: 'boolean'; readonly operand: ConditionExpression }
  | {
      readonly kind: 'one_of';
      readonly type: 'boolean';
      readonly operand: ConditionExpression;
      readonly values: readonly ConditionExpression[];
    }
  | {
      /** Ignores case, letter by letter. */
      readonly kind: 'contains';
      readonly type: 'boolean';
      readonly text: ConditionExpression;
      readonly part: ConditionExpression;
    }
  | {
      /** Any root span of the session has a text in this attribute that holds the part. Never null. */
      readonly kind: 'any_root_contains';
      readonly type: 'boolean';
      readonly attribute: 'input.value' | 'output.value';
      readonly part: ConditionExpression;
    }
  | {
      /** `/` and `%` by 0 give nothing; the sign of `%` is the dividend's. */
      readonly kind: 'arithmetic';
      readonly type: 'number';
      readonly operator: '+' | '-' | '*' | '/' | '%';
      readonly left: ConditionExpression;
      readonly right: ConditionExpression;
    }
  | { readonly kind: 'negative'; readonly type: 'number'; readonly operand: ConditionExpression }
  | {
      readonly kind: 'concatenation';
      readonly type: 'string';
      readonly left: ConditionExpression;
      readonly right: ConditionExpression;
    }
  | ConditionLoop;

/**
 * `any`: of the rows that fulfil `condition`, `value` is true for one. `all`: none of them where it is not. `len`: their number.
 * `sum`: 0 without rows. `max`, `min`: nothing without rows. Rows without a value do not count.
 */
export interface ConditionLoop {
  readonly kind: 'loop';
  readonly type: ConditionType;
  readonly operation: 'any' | 'all' | 'len' | 'sum' | 'max' | 'min';
  readonly source: ConditionLoopSource;
  /** The row that the rows belong to: its kind, and how many loops outwards it is, seen from where the loop stands. */
  readonly owner: { readonly row: ConditionRowKind; readonly depth: number };
  readonly element: ConditionRowKind;
  /** Undefined for `len`. Seen from inside the loop. */
  readonly value: ConditionExpression | undefined;
  readonly condition: ConditionExpression | undefined;
}

export interface Condition {
  readonly language: ConditionLanguage;
  readonly text: string;
  readonly expression: ConditionExpression;
}

/** The expressions right below one, loops' included. */
export function conditionParts(expression: ConditionExpression): readonly ConditionExpression[] {
  switch (expression.kind) {
    case 'and':
    case 'or':
      return expression.operands;
    case 'not':
    case 'is_null':
    case 'negative':
      return [expression.operand];
    case 'comparison':
    case 'arithmetic':
    case 'concatenation':
      return [expression.left, expression.right];
    case 'one_of':
      return [expression.operand, ...expression.values];
    case 'contains':
      return [expression.text, expression.part];
    case 'any_root_contains':
      return [expression.part];
    case 'loop':
      return [expression.value, expression.condition].filter((part) => part !== undefined);
    default:
      return [];
  }
}
