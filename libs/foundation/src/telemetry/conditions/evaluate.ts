/**
 * A condition on rows in memory, plainly: what any faster way must agree with, and a way for providers that have none.   Read path: rows -> [evaluate].
 */
import type { AttributeValue } from '../providers/records.js';
import { booleanOf, numberOf, readAttribute, textOf } from './attribute-path.js';
import {
  type Condition,
  type ConditionComparison,
  type ConditionExpression,
  type ConditionLoop,
  type ConditionLoopSource,
  conditionParts,
} from './condition.js';

const READINGS: Readonly<Record<'string' | 'number' | 'boolean', (value: AttributeValue) => ConditionValue>> = {
  string: textOf,
  number: numberOf,
  boolean: booleanOf,
};

/** A value of a condition's expression; null is nothing. */
export type ConditionValue = string | number | bigint | boolean | null;

export interface ConditionAnnotation {
  readonly name: string;
  readonly label: string | null;
  readonly score: number | null;
  readonly explanation: string | null;
  readonly identifier: string;
}

/** A span, a trace, a session or an annotation, as conditions see it. */
export interface ConditionRow {
  /** By the names of the language, `latency_ms` for example; null where there is none. Times are nanoseconds since 1970 as bigint. */
  field(name: string): ConditionValue;
  /** The attributes that conditions speak of; undefined where there is no such span. */
  readonly attributes?: Readonly<Record<string, AttributeValue>> | undefined;
  annotations?(target: 'span' | 'trace' | 'session'): readonly ConditionAnnotation[];
  rows?(source: ConditionLoopSource): readonly ConditionRow[];
  readonly parent?: ConditionRow | undefined;
  /** Of a session: the attributes of its root spans. */
  readonly roots?: readonly Readonly<Record<string, AttributeValue>>[];
}

/** Whether the condition is true of the row. With several annotations of one name, whether it is true with any choice of one of them. */
export function matchesCondition(condition: Condition, row: ConditionRow): boolean {
  const { expression } = condition;
  return choices(annotationsIn(expression), row).some(
    (chosen) => evaluate(expression, { rows: [row], chosen }) === true,
  );
}

interface Context {
  /** The row of the innermost loop is the last. */
  readonly rows: readonly ConditionRow[];
  readonly chosen: ReadonlyMap<string, ConditionAnnotation | undefined>;
}

type AnnotationExpression = ConditionExpression & { kind: 'annotation' };

function annotationKey({ target, name }: AnnotationExpression): string {
  return `${target}:${name}`;
}

function annotationsIn(expression: ConditionExpression): AnnotationExpression[] {
  if (expression.kind === 'annotation') return [expression];
  return conditionParts(expression).flatMap(annotationsIn);
}

/** Each way to choose one annotation for each name; none where the row has none. */
function choices(asked: readonly AnnotationExpression[], row: ConditionRow): Context['chosen'][] {
  const byKey = new Map(asked.map((annotation) => [annotationKey(annotation), annotation]));
  let chosen: Context['chosen'][] = [new Map()];
  for (const [key, { target, name }] of byKey) {
    const found = row.annotations?.(target).filter((annotation) => annotation.name === name) ?? [];
    const options = found.length === 0 ? [undefined] : found;
    chosen = chosen.flatMap((map) => options.map((option) => new Map([...map, [key, option]])));
  }
  return chosen;
}

function evaluate(expression: ConditionExpression, context: Context): ConditionValue {
  const top = context.rows[0]!;
  const at = (depth: number) => context.rows[context.rows.length - 1 - depth]!;
  const text = (part: ConditionExpression) => evaluate(part, context) as string | null;
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'field': {
      const row = at(expression.depth);
      const owner = expression.ofParent ? row.parent : row;
      return owner?.field(expression.name) ?? null;
    }
    case 'attribute':
      return top.attributes === undefined
        ? null
        : readAttribute(top.attributes, expression.places, READINGS[expression.type]);
    case 'has_attribute':
      return top.attributes !== undefined && readAttribute(top.attributes, expression.places, () => true) !== null;
    case 'annotation': {
      const annotation = context.chosen.get(annotationKey(expression));
      if (expression.field === 'exists') return annotation !== undefined;
      return annotation?.[expression.field] ?? null;
    }
    case 'has_parent':
      return at(expression.depth).parent !== undefined;
    case 'and':
    case 'or': {
      const decisive = expression.kind === 'or';
      const values = expression.operands.map((operand) => evaluate(operand, context));
      if (values.includes(decisive)) return decisive;
      return values.includes(null) ? null : !decisive;
    }
    case 'not': {
      const value = evaluate(expression.operand, context);
      return value === null ? null : !value;
    }
    case 'comparison': {
      const [left, right] = [evaluate(expression.left, context), evaluate(expression.right, context)];
      return left === null || right === null ? null : compare(expression.operator, left, right);
    }
    case 'is_null':
      return evaluate(expression.operand, context) === null;
    case 'one_of': {
      const value = evaluate(expression.operand, context);
      const values = expression.values.map((one) => evaluate(one, context));
      if (values.length === 0) return false;
      if (value === null) return null;
      if (values.some((one) => one !== null && compare('eq', value, one))) return true;
      return values.includes(null) ? null : false;
    }
    case 'contains':
      return contains(text(expression.text), text(expression.part));
    case 'any_root_contains': {
      const { attribute } = expression;
      const part = text(expression.part);
      return (top.roots ?? []).some(
        (root) => typeof root[attribute] === 'string' && contains(root[attribute], part) === true,
      );
    }
    case 'arithmetic': {
      const left = evaluate(expression.left, context) as number | null;
      const right = evaluate(expression.right, context) as number | null;
      return left === null || right === null ? null : calculate(expression.operator, left, right);
    }
    case 'negative': {
      const value = evaluate(expression.operand, context) as number | null;
      return value === null ? null : -value;
    }
    case 'concatenation': {
      const [left, right] = [text(expression.left), text(expression.right)];
      return left === null || right === null ? null : left + right;
    }
    case 'loop':
      return loop(expression, context);
  }
}

function loop(expression: ConditionLoop, context: Context): ConditionValue {
  const owner = context.rows[context.rows.length - 1 - expression.owner.depth]!;
  const contexts = (owner.rows?.(expression.source) ?? [])
    .map((row) => ({ ...context, rows: [...context.rows, row] }))
    .filter((inner) => expression.condition === undefined || evaluate(expression.condition, inner) === true);
  if (expression.operation === 'len') return contexts.length;
  const values = contexts.map((inner) => evaluate(expression.value!, inner));
  if (expression.operation === 'any') return values.includes(true);
  if (expression.operation === 'all') return values.every((value) => value === true);
  const present = values.filter((value) => value !== null) as (number | bigint)[];
  if (expression.operation === 'sum') return (present as number[]).reduce((sum, value) => sum + value, 0);
  if (present.length === 0) return null;
  return present.reduce((best, value) => (value > best === (expression.operation === 'max') ? value : best));
}

/** Text is in the order of its UTF-8 bytes, which is that of its characters' numbers. */
function compare(operator: ConditionComparison, left: ConditionValue, right: ConditionValue): boolean {
  const order =
    typeof left === 'string' && typeof right === 'string'
      ? Buffer.compare(Buffer.from(left), Buffer.from(right))
      : left! < right!
        ? -1
        : left! > right!
          ? 1
          : 0;
  switch (operator) {
    case 'eq':
      return order === 0;
    case 'ne':
      return order !== 0;
    case 'lt':
      return order < 0;
    case 'lte':
      return order <= 0;
    case 'gt':
      return order > 0;
    case 'gte':
      return order >= 0;
  }
}

function lowerCase(text: string): string {
  return Array.from(text, (letter) => letter.toLowerCase()).join('');
}

function contains(text: string | null, part: string | null): boolean | null {
  return text === null || part === null ? null : lowerCase(text).includes(lowerCase(part));
}

/** What is no finite number is nothing. */
function calculate(operator: '+' | '-' | '*' | '/' | '%', left: number, right: number): number | null {
  const result = { '+': left + right, '-': left - right, '*': left * right, '/': left / right, '%': left % right }[
    operator
  ];
  return Number.isFinite(result) ? result : null;
}
