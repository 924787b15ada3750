/** What is known of blocks of spans leaves out none that holds what is asked for. */
import { inspect } from 'node:util';
import type { AnyValue, OtlpSpan } from '@cogniverse/foundation/otlp';
import {
  type AttributeFilter,
  parseCondition,
  type SpanFilters,
  type TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { GrowingBlocks } from '../../dist/blocks.js';
import { FilledBlock } from '../../dist/filled-block.js';
import { projectKey } from '../../dist/project-key.js';
import { testsOfCondition, testsOfFilters } from '../../dist/query/block-tests.js';
import { ACME, allPages, openStore, request, span, temporaryDirectory } from './store-fixture.js';

const KEYS = ['k', 'a', 'a.b', 'a.b.c', 'input.value', 'metadata', 'ä', '\0name'];
const text = fc.oneof(
  fc.constantFrom(
    '',
    '5',
    '-1.5e3',
    'true',
    'İstanbul',
    'KELVIN 300 K',
    '検索エンジン',
    'a\ud800b',
    '😀😀😀',
    '[1,"x"]',
  ),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: 'binary', minLength: 60, maxLength: 90 }),
);
const leaf: fc.Arbitrary<AnyValue> = fc.oneof(
  text,
  fc.boolean(),
  fc.constantFrom(0, -0, 1, 5.5, Number.NaN, Infinity, -1e300, 1n, 2n ** 53n + 1n, -(2n ** 63n)),
  fc.double(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constant(null),
);
const value: fc.Arbitrary<AnyValue> = fc.oneof(
  { weight: 4, arbitrary: leaf },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.tuple(fc.constantFrom('b', 'c', 'b.c'), leaf), { maxLength: 3 })
      .map((entries): AnyValue => new Map(entries)),
  },
  { weight: 1, arbitrary: fc.array(leaf, { maxLength: 3 }) },
);
const attributes = fc
  .array(fc.tuple(fc.constantFrom(...KEYS), value), { maxLength: 5 })
  .map((entries) => new Map<string, AnyValue>(entries));
const changes = fc.record({
  name: text,
  attributes,
  status: fc.record({ code: fc.constantFrom(0 as const, 1 as const, 2 as const), message: fc.constant('') }),
});

/** Each attribute by its path, those inside maps and lists, too. */
function* leaves(path: string, of: AnyValue): Generator<[string, AnyValue]> {
  if (of instanceof Map) for (const [key, inner] of of) yield* leaves(`${path}.${key}`, inner);
  else if (Array.isArray(of)) for (const [index, inner] of of.entries()) yield* leaves(`${path}.${index}`, inner);
  else yield [path, of];
}

/** Filters and conditions that are true of the span, unless something else stands at an earlier place of the path. */
function* questionsOf(made: OtlpSpan): Generator<{ filters?: SpanFilters; condition?: string }> {
  const statuses = ['UNSET', 'OK', 'ERROR'] as const;
  yield { filters: { name: made.name, status: statuses[made.status.code]!, spanKind: 'unknown' } };
  yield { filters: { traceId: made.traceId, spanId: made.spanId } };
  yield { filters: made.parentSpanId === '' ? { parentId: null } : { parentId: made.parentSpanId } };
  for (const [outer, of] of made.attributes) {
    for (const [key, found] of leaves(outer, of)) {
      const filter = (more: Omit<AttributeFilter, 'key'>) => ({ filters: { attributes: [{ key, ...more }] } });
      if (found === null || found instanceof Uint8Array || found instanceof Map || Array.isArray(found)) continue;
      yield filter({ operator: 'exists' });
      if (Number.isNaN(found)) continue;
      yield filter({ operator: 'eq', value: found });
      if (typeof found === 'number' || typeof found === 'bigint') {
        yield filter({ operator: 'gte', value: found });
        yield filter({ operator: 'lte', value: found });
      } else if (typeof found === 'string') {
        const part = found.slice(1, 9);
        yield filter({
          operator: 'contains',
          value: part.toUpperCase().toLowerCase() === part.toLowerCase() ? part.toUpperCase() : part,
        });
        if (!/[\p{C}'"\\]/u.test(found + key)) {
          yield { condition: `attributes['${key}'] == '${found}' and name != 'x'` };
          yield { condition: `'${part}' in attributes['${key}'] or status_code == 'nothing'` };
        }
      }
    }
  }
}

it('leaves out no block with a span that a filter or a condition is true of', () => {
  fc.assert(
    fc.property(fc.array(changes, { minLength: 1, maxLength: 8 }), (all) => {
      const blocks = new GrowingBlocks();
      const project = projectKey(ACME);
      const made = all.map((change, n) => span(n, change));
      for (const one of made) blocks.add(1, project, one);
      const [{ filter, fragments, numbers }] = blocks.of(1) as [ReturnType<typeof blocks.of>[number]];
      const block = new FilledBlock(filter, fragments, numbers);
      for (const one of made) {
        for (const { filters, condition } of questionsOf(one)) {
          const tests =
            condition === undefined
              ? testsOfFilters(filters)
              : testsOfCondition(parseCondition('span', condition).expression);
          for (const test of tests) expect(test(block), inspect({ filters, condition }, { depth: 5 })).toBe(true);
        }
      }
    }),
    { numRuns: 400 },
  );
});

it('leaves out blocks that hold nothing of what is asked for', () => {
  const blocks = new GrowingBlocks();
  const attribute = (n: number) =>
    new Map<string, AnyValue>([
      ['user.id', `user-${n % 7}`],
      ['latency', n],
      ['input.value', `question ${n} about the harbour`],
    ]);
  for (let n = 0; n < 3000; n++) blocks.add(1, projectKey(ACME), span(n, { attributes: attribute(n) }));
  const all = blocks.of(1).map((one) => new FilledBlock(one.filter, one.fragments, one.numbers));
  expect(blocks.of(1).map(({ spans }) => spans)).toEqual([1024, 1024, 952]);
  const left = (filters: SpanFilters) => {
    const tests = testsOfFilters(filters);
    return all.filter((block) => tests.every((test) => test(block))).length;
  };
  const by = (filter: AttributeFilter) => left({ attributes: [filter] });
  expect(by({ key: 'user.id', operator: 'eq', value: 'user-3' })).toBe(3);
  expect(by({ key: 'user.id', operator: 'eq', value: 'nobody' })).toBe(0);
  expect(by({ key: 'latency', operator: 'gt', value: 2500 })).toBe(1);
  expect(by({ key: 'latency', operator: 'gt', value: 3000 })).toBe(0);
  expect(by({ key: 'input.value', operator: 'contains', value: 'QUESTION 2999' })).toBe(1);
  expect(by({ key: 'input.value', operator: 'contains', value: 'lighthouse' })).toBe(0);
  expect(left({ traceId: span(1500).traceId })).toBe(1);
  expect(left({ spanId: span(1500).spanId })).toBe(1);
});

it('gives the same answers as reads of hot spans, which know nothing of blocks: flushed, after a deletion, and after a restart', async () => {
  const [some] = fc.sample(fc.array(changes, { minLength: 6, maxLength: 6 }), 1);
  const made = some!.map((change, n) => span(n, change));
  const dataDir = temporaryDirectory();
  const hot = await openStore();
  // Each request closes its segment, so it is a block of its own.
  let store = await openStore({ dataDir, segmentMaxSpans: 1, maxWaitingSegments: 100 });
  for (const one of made) for (const each of [hot, store]) await each.ingest(request([one]));
  const check = async (spans: readonly OtlpSpan[]) => {
    for (const question of spans.flatMap((one) => [...questionsOf(one)].slice(0, 12))) {
      const ids = async (of: TelemetryStore) =>
        (await allPages(of, { project: ACME, ...question, limit: 2 })).map(({ span: { spanId } }) => spanId);
      expect(await ids(store), inspect(question, { depth: 5 })).toEqual(await ids(hot));
    }
  };
  await expect.poll(async () => (await store.figures())['flushes_total'], { timeout: 20_000 }).toBe(made.length);
  await check(made.slice(0, 2));
  for (const each of [hot, store]) await each.deleteSpans({ project: ACME, spanIds: [made[0]!.spanId] });
  await check(made.slice(0, 1));
  await store.shutdown();
  store = await openStore({ dataDir });
  await check(made.slice(2, 4));
});
