/**
 * Which blocks of spans may hold what a query asks for.   Read path: span-query, trace-query -> [block-tests] -> block-steps.
 *
 * A test that says no is sure that no span of the block is found; what cannot be told from a block has no test. So nothing here decides what is found: SQL does, of the blocks that
 * are left. Inputs were checked before.
 */

import { attributePlaces } from '@cogniverse/foundation/store';
import type {
  AttributeFilter,
  AttributePlace,
  ConditionExpression,
  SpanFilters,
} from '@cogniverse/foundation/telemetry';
import { FIELD, fragmentsOf, idHash, KIND, MAX_VALUE_LENGTH, mixed, numberHash, textHash } from '../block-hash.js';
import type { FilledBlock } from '../filled-block.js';

export type BlockTest = (block: FilledBlock) => boolean;

type Comparison = 'eq' | 'gt' | 'gte' | 'lt' | 'lte';
const STATUS_CODES = ['UNSET', 'OK', 'ERROR'];
const ID_DIGITS: Readonly<Record<string, number>> = { span_id: 16, parent_id: 16, trace_id: 32 };

const anyOf =
  (tests: readonly BlockTest[]): BlockTest =>
  (block) =>
    tests.some((test) => test(block));
const has =
  (hash: number): BlockTest =>
  (block) =>
    block.has(hash);
const isKind = (key: string, kind: number): BlockTest => has(mixed(textHash(0, key) + kind));
const list = (value: unknown) => (Array.isArray(value) ? value : [value]) as string[];
const oneOf = (value: unknown, hash: (text: string) => number): BlockTest =>
  anyOf(list(value).map((text) => has(hash(text))));

/** The value may be inside one of the outer attributes, which no block tells of. */
function inside(places: readonly AttributePlace[]): BlockTest[] {
  return places
    .filter(({ inner }) => inner.length > 0)
    .flatMap(({ key, json }) => [isKind(key, KIND.nested), ...(json ? [isKind(key, KIND.any)] : [])]);
}

/** The attribute itself is this text. */
function isText(key: string, value: string): BlockTest {
  if (value.length <= MAX_VALUE_LENGTH) return has(textHash(textHash(0, key), value));
  return holdsText(key, value) ?? isKind(key, KIND.any);
}

/** The attribute itself is a text that holds this one. Undefined if nothing can be told. */
function holdsText(key: string, part: string): BlockTest | undefined {
  const fragments = fragmentsOf(part);
  const isThere = isKind(key, KIND.any);
  return fragments.length === 0 ? undefined : (block) => isThere(block) && block.hasFragments(fragments);
}

/** The attribute itself is a number that compares like this. */
function isNumber(key: string, comparison: Comparison, value: number | bigint): BlockTest {
  const hash = textHash(0, key);
  // Rounded, as the bounds are: order stays, but what differs may become equal.
  const nearest = Number(value);
  return (block) => {
    const bounds = block.bounds(hash);
    if (bounds === undefined) return false;
    if (comparison === 'gt' || comparison === 'gte') return bounds.greatest >= nearest;
    if (comparison === 'lt' || comparison === 'lte') return bounds.least <= nearest;
    return (
      bounds.least <= nearest &&
      bounds.greatest >= nearest &&
      (!Number.isInteger(nearest) || block.has(numberHash(hash, nearest)))
    );
  };
}

function ofAttribute({ key, operator, value }: AttributeFilter): BlockTest[] {
  const outer = inside(attributePlaces(key.split('.')).map((place) => ({ ...place, json: false })));
  const ofOwn = () => {
    if (operator === 'contains') return holdsText(key, value as string);
    if (operator === 'exists' || operator === 'ne') return isKind(key, KIND.any);
    if (typeof value === 'string') return operator === 'eq' ? isText(key, value) : isKind(key, KIND.any);
    if (typeof value === 'boolean') return isKind(key, value ? KIND.isTrue : KIND.isFalse);
    return isNumber(key, operator, value as number | bigint);
  };
  const own = ofOwn();
  return own === undefined ? [] : [anyOf([own, ...outer])];
}

/** Each must be true of a block with spans that all filters are true of. */
export function testsOfFilters(filters: SpanFilters | undefined): BlockTest[] {
  if (filters === undefined) return [];
  const { name, status, spanKind, traceId, spanId, parentId, sessionId, rootOnly, attributes } = filters;
  const tests: BlockTest[] = [];
  if (name !== undefined) tests.push(oneOf(name, (text) => textHash(FIELD.name, text)));
  if (status !== undefined) tests.push(oneOf(status, (text) => mixed(FIELD.status + STATUS_CODES.indexOf(text))));
  if (spanKind !== undefined) tests.push(oneOf(spanKind, (text) => textHash(FIELD.kind, text.toUpperCase())));
  if (traceId !== undefined) tests.push(testOfTraces(list(traceId)));
  if (spanId !== undefined) tests.push(oneOf(spanId, (id) => idHash(FIELD.span, id.toLowerCase())));
  if (parentId === null || rootOnly === true) tests.push(has(FIELD.root));
  if (typeof parentId === 'string') tests.push(has(idHash(FIELD.span, parentId.toLowerCase())));
  if (sessionId !== undefined) tests.push(testOfSessions(list(sessionId)));
  for (const filter of attributes ?? []) tests.push(...ofAttribute(filter));
  return tests;
}

export function testOfTraces(ids: readonly string[]): BlockTest {
  return oneOf(ids, (id) => idHash(FIELD.trace, id.toLowerCase()));
}

export function testOfSessions(ids: readonly string[]): BlockTest {
  return oneOf(ids, (id) => textHash(FIELD.session, id));
}

// ---- conditions

/** Each must be true of a block with spans that the condition is true of. */
export function testsOfCondition(expression: ConditionExpression): BlockTest[] {
  switch (expression.kind) {
    case 'and':
      return expression.operands.flatMap(testsOfCondition);
    case 'or': {
      const ways = expression.operands.map(testsOfCondition);
      return ways.some((tests) => tests.length === 0)
        ? []
        : [(block) => ways.some((tests) => tests.every((test) => test(block)))];
    }
    case 'comparison':
      return expression.operator === 'ne' || expression.right.kind !== 'literal'
        ? []
        : ofComparison(expression.left, expression.operator, expression.right.value);
    case 'one_of': {
      const ways = expression.values.map((value) =>
        value.kind === 'literal' ? ofComparison(expression.operand, 'eq', value.value) : [],
      );
      return ways.some((tests) => tests.length === 0) ? [] : [anyOf(ways.flat())];
    }
    case 'contains': {
      const { text, part } = expression;
      if (text.kind !== 'attribute' || part.kind !== 'literal' || typeof part.value !== 'string') return [];
      const [own] = text.places;
      const test = looksTyped(part.value) ? undefined : holdsText(own!.key, part.value);
      // A list is searched as text, too.
      return test === undefined ? [] : [anyOf([test, isKind(own!.key, KIND.nested), ...inside(text.places)])];
    }
    case 'has_attribute':
      return [anyOf([isKind(expression.places[0]!.key, KIND.any), ...inside(expression.places)])];
    default:
      return [];
  }
}

/** Whether the text may be part of a number or boolean as people write it, which a condition compares as text. */
function looksTyped(text: string): boolean {
  return (
    /^[\d.eE+-]*$/.test(text) || ['true', 'false', 'nan', '-infinity'].some((word) => word.includes(text.toLowerCase()))
  );
}

function ofComparison(
  operand: ConditionExpression,
  comparison: Comparison,
  value: string | number | bigint | boolean,
): BlockTest[] {
  if (operand.kind === 'field') {
    const isOwn = operand.row === 'span' && operand.depth === 0 && !operand.ofParent;
    return isOwn && comparison === 'eq' && typeof value === 'string' ? ofField(operand.name, value) : [];
  }
  if (operand.kind !== 'attribute' || operand.places.length === 0) return [];
  const { places, type } = operand;
  const { key } = places[0]!;
  if (type === 'number' && (typeof value === 'number' || typeof value === 'bigint'))
    return [anyOf([isNumber(key, comparison, value), ...inside(places)])];
  if (type !== 'string' || typeof value !== 'string' || comparison !== 'eq') return [];
  return looksTyped(value) || value.startsWith('[') ? [] : [anyOf([isText(key, value), ...inside(places)])];
}

function ofField(name: string, value: string): BlockTest[] {
  const digits = ID_DIGITS[name];
  if (digits !== undefined) {
    const isId = value.length === digits && /^[0-9a-f]+$/.test(value);
    return isId ? [has(idHash(name === 'trace_id' ? FIELD.trace : FIELD.span, value))] : [];
  }
  if (name === 'name') return [has(textHash(FIELD.name, value))];
  if (name === 'span_kind') return [has(textHash(FIELD.kind, value))];
  const code = STATUS_CODES.indexOf(value);
  return name === 'status_code' && code !== -1 ? [has(mixed(FIELD.status + code))] : [];
}
