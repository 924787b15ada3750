/** Filters, ranges, orders and pages against an evaluator that is too simple to be wrong. */
import type { AnyValue, Attributes, OtlpSpan } from '@cogniverse/foundation/otlp';
import {
  type AttributeFilter,
  InvalidQueryError,
  type SpanFilters,
  type StoreSpanQuery,
  type TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACME, allPages, hex, NOON, openStore, request, resourceOf, span } from './store-fixture.js';

const DAY = 86_400_000_000_000n;
/** Hostile on purpose: each must be an ordinary name or value. */
const WORDS = [
  'search',
  "o'brien",
  '"; DROP TABLE spans; --',
  '$p0',
  '%',
  '_',
  '\\',
  'a\0b',
  'Ärger',
  'ÄRGER',
  '😀',
  '',
  'n',
];
const KEYS = ['k', 'a.b', 'a/b', 'a~b', "it's", '$.x', '0', '__proto__', 'input.value', 'ä'];
const NUMBERS = [0, -0, 5, 5.5, -5.5, NaN, Infinity, -Infinity, 2 ** 53, 2 ** 63, 1e300];
const INTEGERS = [0n, 5n, -5n, 6n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)];

const word = fc.constantFrom(...WORDS);
const value: fc.Arbitrary<AnyValue> = fc.oneof(
  word,
  fc.boolean(),
  fc.constantFrom(...NUMBERS),
  fc.constantFrom(...INTEGERS),
  fc.constant(null),
  fc.constant<AnyValue>(['x']),
  fc.constant(new Uint8Array([1])),
);
const attributes: fc.Arbitrary<Attributes> = fc
  .array(fc.tuple(fc.constantFrom(...KEYS), value), { maxLength: 5 })
  .map((entries) => new Map(entries));

const changes = fc.record({
  name: word,
  attributes: fc
    .tuple(attributes, fc.option(word), fc.option(fc.constantFrom('LLM', 'tool')))
    .map(
      ([map, session, kind]): Attributes =>
        new Map<string, AnyValue>([
          ...map,
          ...(session === null ? [] : ([['session.id', session]] as const)),
          ...(kind === null ? [] : ([['openinference.span.kind', kind]] as const)),
        ]),
    ),
  status: fc.record({ code: fc.constantFrom(0 as const, 1 as const, 2 as const), message: fc.constant('') }),
  startTimeUnixNano: fc
    .tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 2 }))
    .map(([day, n]) => NOON - BigInt(day) * DAY + BigInt(n)),
});

const filterValue = fc.oneof(
  word,
  fc.boolean(),
  fc.constantFrom(...NUMBERS),
  fc.constantFrom(...INTEGERS, 2n ** 64n, -(2n ** 70n), 2n ** 2000n),
  fc.double(),
);
const attributeFilter: fc.Arbitrary<AttributeFilter> = fc.oneof(
  fc.record({ key: fc.constantFrom(...KEYS, 'absent'), operator: fc.constant('exists' as const) }),
  fc.record({ key: fc.constantFrom(...KEYS), operator: fc.constant('contains' as const), value: word }),
  fc.record({
    key: fc.constantFrom(...KEYS),
    operator: fc.constantFrom('eq' as const, 'ne' as const),
    value: filterValue,
  }),
  fc.record({
    key: fc.constantFrom(...KEYS),
    operator: fc.constantFrom('gt' as const, 'gte' as const, 'lt' as const, 'lte' as const),
    value: filterValue.filter((v) => typeof v !== 'boolean'),
  }),
);
const oneOrMany = <T>(item: fc.Arbitrary<T>) => fc.oneof(item, fc.array(item, { maxLength: 3 }));
const filters: fc.Arbitrary<SpanFilters> = fc.record(
  {
    name: oneOrMany(word),
    status: oneOrMany(fc.constantFrom('UNSET' as const, 'OK' as const, 'ERROR' as const)),
    spanKind: oneOrMany(fc.constantFrom('LLM', 'TOOL', 'UNKNOWN')),
    sessionId: oneOrMany(word),
    traceId: oneOrMany(fc.constantFrom(hex(1, 32), hex(6, 32), hex(0xabc, 32))),
    spanId: oneOrMany(fc.constantFrom(hex(1, 16), hex(2, 16), hex(7, 16), hex(0xabc, 16))),
    parentId: fc.constantFrom(null, hex(1, 16), hex(0xabc, 16)),
    rootOnly: fc.boolean(),
    attributes: fc.array(attributeFilter, { maxLength: 2 }),
  },
  { requiredKeys: [] },
);

function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** Of two strings the order of their UTF-8 bytes, of two numbers their order; undefined for anything else. */
function compare(a: AnyValue | undefined, b: unknown): number | undefined {
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b));
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (!isNumber(a) || !isNumber(b)) return undefined;
  // JavaScript compares bigints and numbers by their exact values.
  return a < b ? -1 : a > b ? 1 : a <= b && a >= b ? 0 : undefined;
}

function attributeMatches(attributes: Attributes, { key, operator, value }: AttributeFilter): boolean {
  const held = attributes.get(key);
  if (operator === 'exists') return held !== undefined;
  if (held === undefined) return false;
  if (operator === 'contains') {
    return typeof held === 'string' && held.toLowerCase().includes((value as string).toLowerCase());
  }
  const order = compare(held, value);
  if (operator === 'ne') return order !== 0;
  if (order === undefined) return false;
  return { eq: order === 0, gt: order > 0, gte: order >= 0, lt: order < 0, lte: order <= 0 }[operator];
}

function matches(item: OtlpSpan, wanted: SpanFilters): boolean {
  const any = (allowed: unknown, held: unknown) =>
    allowed === undefined || (Array.isArray(allowed) ? allowed : [allowed]).includes(held);
  const kind = item.attributes.get('openinference.span.kind');
  return (
    any(wanted.name, item.name) &&
    any(wanted.status, ['UNSET', 'OK', 'ERROR'][item.status.code]) &&
    any(wanted.spanKind, typeof kind === 'string' ? kind.toUpperCase() : 'UNKNOWN') &&
    any(wanted.sessionId, item.attributes.get('session.id')) &&
    any(wanted.traceId, item.traceId) &&
    any(wanted.spanId, item.spanId) &&
    (wanted.parentId === undefined || item.parentSpanId === (wanted.parentId ?? '')) &&
    (wanted.rootOnly !== true || item.parentSpanId === '') &&
    (wanted.attributes ?? []).every((filter) => attributeMatches(item.attributes, filter))
  );
}

type Wanted = Omit<StoreSpanQuery, 'project'>;

/** Ids that the query must give, in its order. `list` is in the order of ingestion. */
function evaluate(list: readonly OtlpSpan[], query: Wanted): string[] {
  const { startTime, endTime } = query as { startTime?: bigint; endTime?: bigint };
  const found = list
    .map((item, sequence) => ({ item, sequence }))
    .filter(({ item }) => matches(item, query.filters ?? {}))
    .filter(({ item }) => startTime === undefined || item.startTimeUnixNano >= startTime)
    .filter(({ item }) => endTime === undefined || item.startTimeUnixNano < endTime)
    .sort((a, b) => {
      const byTime = query.sort === 'sequence' ? 0n : a.item.startTimeUnixNano - b.item.startTimeUnixNano;
      return byTime === 0n ? a.sequence - b.sequence : byTime < 0n ? -1 : 1;
    })
    .map(({ item }) => item.spanId);
  return query.order === 'asc' ? found : found.reverse();
}

async function storeWith(list: readonly OtlpSpan[], segmentMaxSpans: number): Promise<TelemetryStore> {
  const store = await openStore({ segmentMaxSpans, maxWaitingSegments: 1000 });
  for (let from = 0; from < list.length; from += 7) {
    await store.ingest(request(list.slice(from, from + 7)));
    // The same ids in another project: never an answer to this one.
    await store.ingest(request(list.slice(from, from + 7), resourceOf({ tenantId: 'other', name: ACME.name })));
  }
  return store;
}

describe('a query for spans', () => {
  it('finds what a plain loop over all spans finds, in its order, page by page', { timeout: 120_000 }, async () => {
    const list = fc
      .sample(fc.array(changes, { minLength: 70, maxLength: 70 }), { numRuns: 1, seed: 7 })[0]!
      .map((change, n) => span(n, change));
    // Some in day files, some hot.
    const store = await storeWith(list, 50);
    const time = fc.option(
      fc
        .tuple(fc.integer({ min: -1, max: 10 }), fc.integer({ min: 0, max: 2 }))
        .map(([d, n]) => NOON - BigInt(d) * DAY + BigInt(n)),
      { nil: undefined },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          filters,
          startTime: time,
          endTime: time,
          sort: fc.constantFrom('start_time' as const, 'sequence' as const, undefined),
          order: fc.constantFrom('asc' as const, 'desc' as const, undefined),
          limit: fc.constantFrom(1, 3, 10, 1000, undefined),
        }),
        async (query) => {
          const found = await allPages(store, { project: ACME, ...query });
          expect(found.map((item) => item.span.spanId)).toEqual(evaluate(list, query));
          for (const { project } of found) expect(project).toEqual(ACME);
        },
      ),
      { numRuns: 250 },
    );
  });

  const absurd: [string, unknown][] = [
    ['limit', { limit: 1001 }],
    ['limit', { limit: 1.5 }],
    ['limit', { limit: '5' }],
    ['sort', { sort: 'name' }],
    ['order', { order: 'desc; DROP TABLE spans' }],
    ['startTime', { startTime: 5 }],
    ['endTime', { endTime: 'yesterday' }],
    ['cursor', { cursor: 'x' }],
    ['cursor', { cursor: Buffer.from('[1,"start_time","desc","1 OR 1=1","1"]').toString('base64url') }],
    ['cursor', { cursor: Buffer.from('[1,"start_time","asc","1","1"]').toString('base64url') }],
    ['cursor', { cursor: 5 }],
    ['filters', { filters: 'name' }],
    ['nmae', { filters: { nmae: 'x' } }],
    ['__proto__', { filters: JSON.parse('{"__proto__":1}') }],
    ['filters.status', { filters: { status: 'error' } }],
    ['filters.name', { filters: { name: 5 } }],
    ['filters.name', { filters: { name: 'x'.repeat(100_001) } }],
    ['filters.traceId', { filters: { traceId: 'no id' } }],
    ['filters.spanId', { filters: { spanId: [hex(1, 16), "'"] } }],
    ['filters.parentId', { filters: { parentId: 'zz' } }],
    ['filters.rootOnly', { filters: { rootOnly: 1 } }],
    ['filters.attributes', { filters: { attributes: {} } }],
    ['filters.attributes.operator', { filters: { attributes: [{ key: 'a', operator: '=' }] } }],
    ['exists', { filters: { attributes: [{ key: 'a', operator: 'exists', value: 1 }] } }],
    ['contains', { filters: { attributes: [{ key: 'a', operator: 'contains', value: 1 }] } }],
    ['gt', { filters: { attributes: [{ key: 'a', operator: 'gt', value: true }] } }],
    ['eq', { filters: { attributes: [{ key: 'a', operator: 'eq', value: { a: 1 } }] } }],
    ['project', { project: 'search' }],
    ['project.tenantId', { project: { name: 'search' } }],
  ];

  it('that is absurd is refused, and the error names what is wrong', async () => {
    const store = await openStore();
    for (const [field, query] of absurd) {
      const answer = store.querySpans({ project: ACME, ...(query as object) });
      await expect(answer, field).rejects.toThrow(InvalidQueryError);
      await expect(answer).rejects.toThrow(field);
    }
  });
});
