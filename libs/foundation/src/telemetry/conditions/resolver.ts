/**
 * Gives every name of a condition its meaning and every expression its type, and refuses what fits no type.   Read path: parser -> [resolver] -> condition.
 *
 * Source: what Phoenix 20.26 accepts (`phoenix/trace/dsl/filter.py`), with two differences: a name of the span language that is a slip away
 * from a known one is refused (Phoenix looks for an attribute of that name and finds nothing), and all three languages follow one set of rules.
 */
import { InvalidQueryError } from '../errors.js';
import { parseTime } from '../providers/time.js';
import { type AttributePlace, attributePlaces, NUMBER_TEXT } from './attribute-path.js';
import type {
  Condition,
  ConditionComparison,
  ConditionExpression,
  ConditionLanguage,
  ConditionLoop,
  ConditionLoopSource,
  ConditionRowKind,
} from './condition.js';
import { conditionError, didYouMean, nearestName, shownName } from './condition-error.js';
import { parseSyntax } from './parser.js';
import type { ArithmeticSign, ComparisonSign, Comprehension, Syntax } from './syntax.js';
import {
  ANNOTATION_ACCESSORS,
  ANNOTATION_FIELDS,
  ANY_ROOT,
  ELEMENTS,
  LANGUAGES,
  NUMBER_ATTRIBUTES,
  OLD_NAMES,
  UPPER_CASE_FIELDS,
} from './vocabulary.js';

/** An attribute takes the type of what it is compared with; `None` is a value of any type. */
type Value =
  | ConditionExpression
  | { readonly kind: 'untyped'; readonly type: 'attribute'; readonly places: readonly AttributePlace[] }
  | { readonly kind: 'null'; readonly type: 'null' };

interface Scope {
  readonly variable: string;
  readonly row: ConditionRowKind;
  readonly source: ConditionLoopSource;
}

const LOOPS = new Set(['any', 'all', 'len', 'sum', 'max', 'min']);
const CALLS = ['str', 'float', 'int', ...LOOPS];
const MAX_LOOPS = 3;
const MAX_LIST = 10_000;
const COMPARISONS: Readonly<Partial<Record<ComparisonSign, ConditionComparison>>> = {
  '==': 'eq',
  is: 'eq',
  '!=': 'ne',
  'is not': 'ne',
  '<': 'lt',
  '<=': 'lte',
  '>': 'gt',
  '>=': 'gte',
};
const NOUNS = {
  string: 'a text',
  number: 'a number',
  time: 'a time',
  boolean: 'a condition',
  attribute: 'an attribute',
  null: 'None',
} as const;

/**
 * Reads a condition of Phoenix's language, for example `span_kind == 'LLM' and latency_ms > 500`.
 *
 * Errors: `InvalidQueryError` with the place, what was expected there, and the nearest known name.
 * Source: Phoenix 20.26; docs/conditions.md.
 */
export function parseCondition(language: ConditionLanguage, text: string): Condition {
  if (typeof text !== 'string') {
    throw new InvalidQueryError(`The condition is ${String(text)}; it must be a text such as "latency_ms > 500".`);
  }
  return { language, text, expression: new Resolver(language, text).whole(parseSyntax(text)) };
}

/** What a projection of a span names: a field of the span language, or an attribute by its dotted path. */
export type SpanProjection =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'attribute'; readonly path: string };

/** Reads what a query selects of a span, for example `name`, `llm.model_name`, `attributes['a']['b']`. Errors: as `parseCondition`. */
export function parseProjection(text: string): SpanProjection {
  const syntax = parseSyntax(text);
  const value = new Resolver('span', text).projected(syntax);
  if (value.kind === 'field') return { kind: 'field', name: value.name };
  if (value.kind === 'untyped' || value.kind === 'attribute') return { kind: 'attribute', path: value.places[0]!.key };
  throw conditionError(text, 0, "expected a field or an attribute, such as name, input.value, attributes['a']");
}

class Resolver {
  readonly #language: ConditionLanguage;
  readonly #text: string;
  readonly #scopes: Scope[] = [];

  constructor(language: ConditionLanguage, text: string) {
    this.#language = language;
    this.#text = text;
  }

  whole(syntax: Syntax): ConditionExpression {
    const value = this.#condition(syntax);
    if (value.kind === 'literal') {
      throw this.#error(
        syntax,
        'a constant is no condition on its own; expected a comparison, or it beside `and`, `or`, `not`',
      );
    }
    return value;
  }

  projected(syntax: Syntax): Value {
    return this.#value(syntax);
  }

  #error(syntax: { start: number }, problem: string): InvalidQueryError {
    return conditionError(this.#text, syntax.start, problem);
  }

  #source(syntax: { start: number; end: number }): string {
    return shownName(this.#text.slice(syntax.start, syntax.end));
  }

  #condition(syntax: Syntax): ConditionExpression {
    const value = this.#value(syntax);
    if (value.type === 'boolean') return value;
    const source = this.#source(syntax);
    throw this.#error(
      syntax,
      `${source} is ${NOUNS[value.type]}, not a condition; expected a comparison such as ${source.slice(0, -1)} == ...\``,
    );
  }

  #value(syntax: Syntax): Value {
    switch (syntax.kind) {
      case 'constant':
        return constant(syntax.value);
      case 'and':
      case 'or':
        return {
          kind: syntax.kind,
          type: 'boolean',
          operands: syntax.operands.map((operand) => this.#condition(operand)),
        };
      case 'not':
        return not(this.#condition(syntax.operand));
      case 'comparison':
        return this.#comparisons(syntax);
      case 'arithmetic':
        return this.#arithmetic(syntax.sign, syntax.left, syntax.right);
      case 'negative':
      case 'positive': {
        const operand = this.#number(this.#value(syntax.operand), syntax.operand);
        if (syntax.kind === 'positive') return operand;
        if (operand.kind === 'literal') return { ...operand, value: -(operand.value as number) };
        return { kind: 'negative', type: 'number', operand };
      }
      case 'call':
        return this.#call(syntax);
      case 'list':
        throw this.#error(syntax, 'a list stands on the right of `in` or `not in` only');
      case 'name':
      case 'member':
      case 'subscript':
        return this.#path(syntax);
    }
  }

  // ---- names

  #path(syntax: Syntax): Value {
    const { root, steps } = this.#steps(syntax);
    const scopeIndex = this.#scopes.findLastIndex(({ variable }) => variable === root);
    if (scopeIndex !== -1) return this.#ofVariable(syntax, scopeIndex, steps);
    if (this.#scopes.length > 0) {
      const variables = this.#scopes.map(({ variable }) => shownName(variable)).join(' and ');
      throw this.#error(
        syntax,
        `${this.#source(syntax)} cannot be reached inside a loop; there are the fields of ${variables}`,
      );
    }
    const annotation = this.#annotation(syntax, root, steps);
    if (annotation !== undefined) return annotation;
    if (root === 'parent_span' && this.#language === 'span') {
      throw this.#error(
        syntax,
        '`parent_span` can only be compared with None: `parent_span is None`, `parent_span is not None`',
      );
    }
    const dotted = steps.every((step) => step.member)
      ? [root, ...steps.map((step) => String(step.key))].join('.')
      : undefined;
    const { fields, loops } = LANGUAGES[this.#language];
    const name = dotted === undefined ? undefined : this.#language === 'span' ? (OLD_NAMES[dotted] ?? dotted) : dotted;
    const type = name === undefined ? undefined : fields[name];
    if (name !== undefined && type !== undefined) {
      return { kind: 'field', type, name, row: this.#language, depth: 0, ofParent: false };
    }
    const keys = steps.map((step) => String(step.key));
    if (root === 'attributes' && steps.length > 0 && !steps[0]!.member) return this.#attribute(syntax, keys);
    if (root === 'metadata' && steps.length > 0 && !steps[0]!.member)
      return this.#attribute(syntax, ['metadata', ...keys]);
    if (this.#language !== 'span') {
      if (dotted === 'user.id') return this.#attribute(syntax, ['user', 'id']);
      if (root in ANY_ROOT && this.#language === 'session') {
        throw this.#error(syntax, `${shownName(root)} stands on the right of \`in\` only: \`'text' in ${root}\``);
      }
      if (Object.hasOwn(loops, root)) {
        throw this.#error(syntax, `${shownName(root)} is a collection; loop over it: \`any(... for x in ${root})\``);
      }
      const known = [
        ...Object.keys(fields),
        ...Object.keys(ANNOTATION_ACCESSORS[this.#language]),
        'attributes',
        'metadata',
        'user.id',
      ];
      throw this.#error(
        syntax,
        `there is no ${shownName(dotted ?? root)}${didYouMean(dotted ?? root, known) || `; known are ${known.join(', ')}`}`,
      );
    }
    if (dotted !== undefined && steps.length === 0) {
      const near = nearestName(root, Object.keys(fields));
      if (near !== undefined && near[0] === root[0]) {
        throw this.#error(
          syntax,
          `there is no ${shownName(root)}, did you mean ${shownName(near)}? An attribute of this name is attributes['${root}']`,
        );
      }
    }
    if (steps.some((step) => !step.member)) {
      throw this.#error(
        syntax,
        `${shownName(root)} has no keys; write attributes['...'], metadata['...'] or annotations['...']`,
      );
    }
    return this.#attribute(syntax, [root, ...keys]);
  }

  /** `a.b['c'][0]` as `a` and its steps. */
  #steps(syntax: Syntax): { root: string; steps: { member: boolean; key: string | number }[] } {
    const steps: { member: boolean; key: string | number }[] = [];
    let current = syntax;
    while (current.kind !== 'name') {
      if (current.kind === 'member') {
        steps.unshift({ member: true, key: current.name });
        current = current.object;
      } else if (current.kind === 'subscript') {
        steps.unshift(...this.#keys(current.key).map((key) => ({ member: false, key })));
        current = current.object;
      } else {
        throw this.#error(current, `${this.#source(current)} has no fields`);
      }
    }
    return { root: current.name, steps };
  }

  #keys(syntax: Syntax): (string | number)[] {
    const keys = syntax.kind === 'list' && syntax.items.length > 0 ? syntax.items : [syntax];
    return keys.map((key) => {
      const isIndex = key.kind === 'constant' && typeof key.value === 'number' && Number.isSafeInteger(key.value);
      if (isIndex || (key.kind === 'constant' && typeof key.value === 'string')) return key.value as string | number;
      throw this.#error(key, "expected a key in quotes, such as attributes['a.b'], or the place in a list");
    });
  }

  #attribute(syntax: Syntax, keys: readonly string[]): Value {
    const path = keys.flatMap((key) => key.split('.'));
    if (path.length > 64) throw this.#error(syntax, 'a path has at most 64 parts');
    const places = attributePlaces(path);
    if (NUMBER_ATTRIBUTES.has(path.join('.'))) return { kind: 'attribute', type: 'number', places };
    return { kind: 'untyped', type: 'attribute', places };
  }

  #annotation(
    syntax: Syntax,
    root: string,
    steps: readonly { member: boolean; key: string | number }[],
  ): Value | undefined {
    const accessors = ANNOTATION_ACCESSORS[this.#language];
    const [first, second, more] = steps;
    if (!(root in accessors)) {
      if (Object.values(ANNOTATION_ACCESSORS).some((known) => root in known) && first?.member === false) {
        throw this.#error(
          syntax,
          `${shownName(`${root}[...]`)} is not known in conditions on ${this.#language}s; there is ${Object.keys(accessors).map(shownName).join(', ')}` +
            (this.#language === 'span' ? '' : ', and `any(a.label == ... for a in span_annotations)`'),
        );
      }
      return undefined;
    }
    if (first === undefined || first.member || typeof first.key !== 'string') {
      if (this.#language !== 'span' && first === undefined) return undefined; // named without a key: a collection
      throw this.#error(syntax, `expected the name of an annotation: ${root}['name']`);
    }
    if (first.key === '') throw this.#error(syntax, 'the name of the annotation is empty');
    const annotation = { kind: 'annotation', target: accessors[root]!, name: first.key } as const;
    if (second === undefined) return { ...annotation, type: 'boolean', field: 'exists' };
    const type = second.member ? ANNOTATION_FIELDS[String(second.key)] : undefined;
    if (type === undefined || more !== undefined) {
      const field = String(second.key);
      throw this.#error(
        syntax,
        `an annotation has no ${shownName(field)}${didYouMean(field, Object.keys(ANNOTATION_FIELDS)) || `; it has ${Object.keys(ANNOTATION_FIELDS).join(', ')}`}`,
      );
    }
    return { ...annotation, type, field: second.key as 'label' | 'score' | 'explanation' | 'identifier' };
  }

  #ofVariable(syntax: Syntax, scopeIndex: number, steps: readonly { member: boolean; key: string | number }[]): Value {
    const { variable, row } = this.#scopes[scopeIndex]!;
    const depth = this.#scopes.length - 1 - scopeIndex;
    const { fields } = ELEMENTS[row];
    const ofParent = row === 'span' && steps[0]?.key === 'parent_span';
    const rest = ofParent ? steps.slice(1) : steps;
    const [step] = rest;
    const known = `it has ${Object.keys(fields).join(', ')}${row === 'span' && !ofParent ? ', parent_span' : ''}`;
    if (step === undefined || rest.length > 1 || !step.member) {
      if (ofParent && step === undefined) {
        throw this.#error(
          syntax,
          `${this.#source(syntax)} can only be compared with None, or asked for one of its fields`,
        );
      }
      throw this.#error(syntax, `${this.#source(syntax)} is no field of ${shownName(variable)}; ${known}`);
    }
    const name = String(step.key);
    const type = fields[name];
    if (type === undefined) {
      throw this.#error(
        syntax,
        `${shownName(variable)} has no ${shownName(name)}${didYouMean(name, Object.keys(fields)) || `; ${known}`}`,
      );
    }
    return { kind: 'field', type, name, row, depth, ofParent };
  }

  /** A span itself, of which only its being there can be asked; undefined for anything else. */
  #parentSpan(syntax: Syntax): ConditionExpression | undefined {
    if (
      syntax.kind === 'name' &&
      syntax.name === 'parent_span' &&
      this.#language === 'span' &&
      this.#scopes.length === 0
    ) {
      return { kind: 'has_parent', type: 'boolean', depth: 0 };
    }
    if (syntax.kind !== 'member' || syntax.name !== 'parent_span' || syntax.object.kind !== 'name') return undefined;
    const { name } = syntax.object;
    const index = this.#scopes.findLastIndex(({ variable, row }) => variable === name && row === 'span');
    return index === -1 ? undefined : { kind: 'has_parent', type: 'boolean', depth: this.#scopes.length - 1 - index };
  }

  // ---- values

  #string(value: Value, syntax: Syntax): ConditionExpression {
    if (value.kind === 'untyped') return { kind: 'attribute', type: 'string', places: value.places };
    if (value.type === 'string') return value as ConditionExpression;
    throw this.#error(syntax, `${this.#source(syntax)} is ${NOUNS[value.type]}; expected a text`);
  }

  #number(value: Value, syntax: Syntax): ConditionExpression {
    if (value.kind === 'untyped') return { kind: 'attribute', type: 'number', places: value.places };
    if (value.type === 'number') return value as ConditionExpression;
    throw this.#error(syntax, `${this.#source(syntax)} is ${NOUNS[value.type]}; expected a number`);
  }

  #arithmetic(operator: ArithmeticSign, leftSyntax: Syntax, rightSyntax: Syntax): ConditionExpression {
    const [left, right] = [this.#value(leftSyntax), this.#value(rightSyntax)];
    if (operator === '+' && left.type !== 'number' && right.type !== 'number') {
      return {
        kind: 'concatenation',
        type: 'string',
        left: this.#string(left, leftSyntax),
        right: this.#string(right, rightSyntax),
      };
    }
    return {
      kind: 'arithmetic',
      type: 'number',
      operator,
      left: this.#number(left, leftSyntax),
      right: this.#number(right, rightSyntax),
    };
  }

  #call(syntax: Syntax & { kind: 'call' }): Value {
    const { name, argument } = syntax;
    if (LOOPS.has(name)) {
      if (argument.kind === 'comprehension') return this.#loop(name as ConditionLoop['operation'], argument);
      throw this.#error(argument, `\`${name}(...)\` takes a loop, such as ${exampleLoop(name)}`);
    }
    if (argument.kind === 'comprehension' || !CALLS.includes(name)) {
      throw this.#error(
        syntax,
        `there is no ${shownName(`${name}(...)`)}${didYouMean(name, CALLS) || `; there are ${CALLS.join(', ')}`}`,
      );
    }
    const value = this.#value(argument);
    if (name === 'str') {
      if (value.type === 'number' || value.type === 'time' || value.type === 'boolean' || value.type === 'null') {
        throw this.#error(
          syntax,
          `str() takes an attribute or a text, and ${this.#source(argument)} is ${NOUNS[value.type]}`,
        );
      }
      return this.#string(value, argument);
    }
    if (value.kind === 'literal' && typeof value.value === 'string') {
      const number = NUMBER_TEXT.test(value.value.replace(/^\+/, '')) ? Number(value.value) : Number.NaN;
      if (!Number.isFinite(number)) throw this.#error(argument, `${this.#source(argument)} is no number`);
      return constant(number);
    }
    return this.#number(value, argument);
  }

  // ---- comparisons

  #comparisons(syntax: Syntax & { kind: 'comparison' }): ConditionExpression {
    const operands: ConditionExpression[] = [];
    let left = syntax.first;
    for (const { sign, operand } of syntax.rest) {
      operands.push(this.#comparison(syntax, sign, left, operand));
      left = operand;
    }
    return operands.length === 1 ? operands[0]! : { kind: 'and', type: 'boolean', operands };
  }

  #comparison(whole: Syntax, sign: ComparisonSign, leftSyntax: Syntax, rightSyntax: Syntax): ConditionExpression {
    if (sign === 'in' || sign === 'not in') {
      const found = this.#in(leftSyntax, rightSyntax);
      return sign === 'in' ? found : not(found);
    }
    for (const [one, other] of [
      [leftSyntax, rightSyntax],
      [rightSyntax, leftSyntax],
    ] as const) {
      const parent = this.#parentSpan(one);
      if (parent === undefined) continue;
      if (other.kind !== 'constant' || other.value !== null || !['is', '==', 'is not', '!='].includes(sign)) {
        throw this.#error(whole, `${this.#source(one)} can only be compared with None (\`is None\`, \`is not None\`)`);
      }
      return sign === 'is' || sign === '==' ? not(parent) : parent;
    }
    const left = this.#value(leftSyntax);
    const right = this.#value(rightSyntax);
    const operator = COMPARISONS[sign]!;
    const orders = operator !== 'eq' && operator !== 'ne';
    if (left.kind === 'null' || right.kind === 'null') {
      if (orders) throw this.#error(whole, `None has no order; write \`is None\` or \`is not None\``);
      const value = left.kind === 'null' ? right : left;
      if (value.kind === 'null' || value.kind === 'literal') throw this.#error(whole, 'it compares two constants');
      if (value.kind === 'untyped') {
        const present: ConditionExpression = { kind: 'has_attribute', type: 'boolean', places: value.places };
        return operator === 'eq' ? not(present) : present;
      }
      const isNull: ConditionExpression = { kind: 'is_null', type: 'boolean', operand: value };
      return operator === 'eq' ? isNull : not(isNull);
    }
    if (sign === 'is' || sign === 'is not') {
      const singleton = [left, right].some((value) => value.kind === 'literal' && typeof value.value === 'boolean');
      if (!singleton)
        throw this.#error(whole, `\`${sign}\` is for None, True and False; write ${sign === 'is' ? '==' : '!='}`);
    }
    const pair = this.#comparable(left, right, leftSyntax, rightSyntax, orders);
    if (orders && pair.left.type === 'boolean') {
      throw this.#error(whole, `${NOUNS.boolean} has no order; write ==, != or \`is\``);
    }
    return { kind: 'comparison', type: 'boolean', operator, ...pair };
  }

  /** Both of one type. */
  #comparable(
    left: Value,
    right: Value,
    leftSyntax: Syntax,
    rightSyntax: Syntax,
    orders: boolean,
  ): { left: ConditionExpression; right: ConditionExpression } {
    if (left.kind === 'untyped' && right.kind === 'untyped') {
      const type = orders ? 'number' : 'string';
      return {
        left: { kind: 'attribute', type, places: left.places },
        right: { kind: 'attribute', type, places: right.places },
      };
    }
    // A constant that does not fit is told before the field that it does not fit.
    if (left.kind === 'literal') {
      const first = this.#as(left, right, leftSyntax);
      return { left: first, right: this.#as(right, left, rightSyntax) };
    }
    const second = this.#as(right, left, rightSyntax);
    return { left: this.#as(left, right, leftSyntax), right: second };
  }

  /** The value, in the type of the other. */
  #as(value: Value, other: Value, syntax: Syntax): ConditionExpression {
    if (value.kind === 'untyped') {
      if (other.type === 'time') {
        throw this.#error(
          syntax,
          `a time is compared with a time in quotes (ISO 8601), not with ${this.#source(syntax)}`,
        );
      }
      return { kind: 'attribute', type: other.type as 'string' | 'number' | 'boolean', places: value.places };
    }
    if (value.type === other.type || other.kind === 'untyped') {
      if (value.type === 'time' && other.kind === 'untyped') {
        throw this.#error(syntax, 'a time is compared with a time in quotes (ISO 8601), not with an attribute');
      }
      if (value.kind === 'literal' && typeof value.value === 'string' && isUpperCase(other)) {
        return { ...value, value: value.value.toUpperCase() };
      }
      return value as ConditionExpression;
    }
    if (value.kind === 'literal' && typeof value.value === 'string' && other.type === 'time') {
      return { kind: 'literal', type: 'time', value: this.#time(value.value, syntax) };
    }
    if (value.type === 'time' && other.kind === 'literal' && typeof other.value === 'string')
      return value as ConditionExpression;
    const quoted = [value, other].find(
      (one) => one.kind === 'literal' && typeof one.value === 'string' && NUMBER_TEXT.test(one.value),
    );
    const hint =
      quoted?.kind === 'literal' && [value.type, other.type].includes('number')
        ? `; write ${quoted.value} without quotes`
        : '';
    throw this.#error(syntax, `${this.#source(syntax)} is ${NOUNS[value.type]}; expected ${NOUNS[other.type]}${hint}`);
  }

  #time(text: string, syntax: Syntax): bigint {
    try {
      return parseTime(text, 'the time');
    } catch (error) {
      if (!(error instanceof InvalidQueryError)) throw error;
      throw this.#error(syntax, "expected a time in ISO 8601 with its zone, such as '2026-07-01T12:00:00Z'");
    }
  }

  #in(leftSyntax: Syntax, rightSyntax: Syntax): ConditionExpression {
    if (rightSyntax.kind === 'list') return this.#oneOf(leftSyntax, rightSyntax);
    if (
      this.#language === 'session' &&
      this.#scopes.length === 0 &&
      rightSyntax.kind === 'name' &&
      rightSyntax.name in ANY_ROOT
    ) {
      const part = this.#string(this.#value(leftSyntax), leftSyntax);
      return { kind: 'any_root_contains', type: 'boolean', attribute: ANY_ROOT[rightSyntax.name]!, part };
    }
    const text = this.#value(rightSyntax);
    if (text.kind !== 'untyped' && text.type !== 'string') {
      throw this.#error(
        rightSyntax,
        `\`in\` searches a text or a list, and ${this.#source(rightSyntax)} is ${NOUNS[text.type]}`,
      );
    }
    const part = this.#string(this.#value(leftSyntax), leftSyntax);
    return { kind: 'contains', type: 'boolean', text: this.#string(text, rightSyntax), part };
  }

  #oneOf(leftSyntax: Syntax, list: Syntax & { kind: 'list' }): ConditionExpression {
    if (list.items.length > MAX_LIST) throw this.#error(list, `a list has at most ${MAX_LIST} values`);
    const left = this.#value(leftSyntax);
    if (left.kind === 'literal' || left.kind === 'null') {
      throw this.#error(leftSyntax, 'it looks for a constant in a list; expected a field on the left');
    }
    const items = list.items.map((syntax) => ({ syntax, value: this.#value(syntax) }));
    for (const { syntax, value } of items) {
      if (value.kind === 'null')
        throw this.#error(syntax, 'None is found in no list; write `is None` or `is not None`');
    }
    const typed = items.find(({ value }) => value.kind !== 'untyped')?.value;
    const other = left.kind === 'untyped' ? (typed ?? constant('')) : left;
    return {
      kind: 'one_of',
      type: 'boolean',
      operand: left.kind === 'untyped' ? this.#as(left, other, leftSyntax) : left,
      values: items.map(({ syntax, value }) => this.#as(value, other, syntax)),
    };
  }

  // ---- loops

  #loop(operation: ConditionLoop['operation'], loop: Comprehension): ConditionExpression {
    if (operation === 'len' && !loop.list) {
      throw this.#error(loop, `\`len\` takes a list: \`len([x for x in ...])\``);
    }
    if (this.#scopes.length === MAX_LOOPS)
      throw this.#error(loop, `there are at most ${MAX_LOOPS} loops inside one another`);
    const { source, owner, element } = this.#iterable(loop.iterable);
    const { variable } = loop;
    if (this.#scopes.some((scope) => scope.variable === variable)) {
      throw this.#error(loop, `${shownName(variable)} is the variable of a loop around this one`);
    }
    this.#scopes.push({ variable, row: element, source });
    const conditions = loop.conditions.map((condition) => this.#condition(condition));
    const condition: ConditionExpression | undefined =
      conditions.length > 1 ? { kind: 'and', type: 'boolean', operands: conditions } : conditions[0];
    const value = this.#loopValue(operation, loop);
    this.#scopes.pop();
    const type = operation === 'any' || operation === 'all' ? 'boolean' : value?.type === 'time' ? 'time' : 'number';
    return { kind: 'loop', type, operation, source, owner, element, value, condition };
  }

  #loopValue(operation: ConditionLoop['operation'], loop: Comprehension): ConditionExpression | undefined {
    const { element, variable } = loop;
    if (operation === 'len') {
      if (element.kind === 'name' && element.name === variable) return undefined;
      throw this.#error(
        element,
        `\`len\` counts what the loop finds: \`len([${variable} for ${variable} in ... if ...])\``,
      );
    }
    if (operation === 'any' || operation === 'all') return this.#condition(element);
    const value = this.#value(element);
    if (value.type === 'time' && operation !== 'sum') return value;
    return this.#number(value, element);
  }

  #iterable(syntax: Syntax): { source: ConditionLoopSource; owner: ConditionLoop['owner']; element: ConditionRowKind } {
    const top = LANGUAGES[this.#language].loops;
    if (syntax.kind === 'name') {
      const element = Object.hasOwn(top, syntax.name) ? top[syntax.name as ConditionLoopSource] : undefined;
      if (element !== undefined) {
        const owner = { row: this.#language, depth: this.#scopes.length };
        return { source: syntax.name as ConditionLoopSource, owner, element };
      }
      const known = Object.keys(top);
      const choices = known.length === 0 ? '; conditions on spans have no loops' : `; there are ${known.join(', ')}`;
      throw this.#error(
        syntax,
        `there is no collection ${shownName(syntax.name)}${didYouMean(syntax.name, known) || choices}`,
      );
    }
    if (syntax.kind === 'member' && syntax.object.kind === 'name') {
      const { name } = syntax.object;
      const index = this.#scopes.findLastIndex(({ variable }) => variable === name);
      if (index !== -1) {
        const { row } = this.#scopes[index]!;
        const { loops } = ELEMENTS[row];
        const element = Object.hasOwn(loops, syntax.name) ? loops[syntax.name as ConditionLoopSource] : undefined;
        if (element !== undefined) {
          const owner = { row, depth: this.#scopes.length - 1 - index };
          return { source: syntax.name as ConditionLoopSource, owner, element };
        }
        const known = Object.keys(loops).map((one) => `${name}.${one}`);
        throw this.#error(
          syntax,
          `${this.#source(syntax)} is no collection; there ${known.length === 0 ? 'is none' : `are ${known.join(', ')}`} of ${shownName(name)}`,
        );
      }
    }
    throw this.#error(
      syntax,
      `${this.#source(syntax)} is no collection; there are ${Object.keys(top).join(', ') || 'none'}`,
    );
  }
}

function constant(value: string | number | boolean | null): Value {
  if (value === null) return { kind: 'null', type: 'null' };
  return { kind: 'literal', type: typeof value as 'string' | 'number' | 'boolean', value };
}

function not(operand: ConditionExpression): ConditionExpression {
  return { kind: 'not', type: 'boolean', operand };
}

function isUpperCase(value: Value): boolean {
  return value.kind === 'field' && UPPER_CASE_FIELDS.has(value.name);
}

function exampleLoop(name: string): string {
  if (name === 'len') return '`len([s for s in spans])`';
  return name === 'any' || name === 'all'
    ? `\`${name}(s.status_code == 'ERROR' for s in spans)\``
    : `\`${name}(s.latency_ms for s in spans)\``;
}
