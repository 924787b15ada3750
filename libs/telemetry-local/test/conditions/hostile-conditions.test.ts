/** Conditions and filters that want something else than spans, and values that are found inside maps. */
import { InvalidQueryError } from '@cogniverse/foundation/telemetry';
import { expect, it } from 'vitest';
import { ACME, openStore, request, span } from '../store/store-fixture.js';

const INJECTIONS = [
  "'; DROP TABLE spans; --",
  "' OR '1'='1",
  '$p0',
  "\"); ATTACH '/etc/passwd'; --",
  "x' UNION SELECT * FROM meta.keys --",
  '\\',
  '%',
  '😀',
  '\u202e',
];

it('takes hostile texts as texts, wherever a condition may hold one', async () => {
  const store = await openStore();
  await store.ingest(
    request(INJECTIONS.map((text, n) => span(n, { name: text, attributes: new Map([[text, text]]) }))),
  );
  for (const text of INJECTIONS) {
    const literal = JSON.stringify(text);
    for (const condition of [
      `name == ${literal}`,
      `name in [${literal}]`,
      `attributes[${literal}] == ${literal}`,
      `attributes[${literal}] is not None and ${literal} in name`,
      `annotations[${literal}].label == ${literal} or name == ${literal}`,
    ]) {
      const { items } = await store.querySpans({ project: ACME, condition });
      expect(
        items.map((item) => item.span.name),
        condition,
      ).toEqual([text]);
    }
    expect(
      (await store.queryTraces({ project: ACME, condition: `any(s.name == ${literal} for s in spans)` })).items,
    ).toHaveLength(1);
  }
});

it('refuses what is no condition without a word of the database, and takes thousands of values', async () => {
  const store = await openStore();
  await store.ingest(request([span(0)]));
  for (const condition of [
    '1; DROP TABLE spans',
    'seq == 1',
    'name == (SELECT 1)',
    'sum(1) > 0',
    `${'('.repeat(5000)}1`,
    'name == "\\x"',
  ]) {
    const refusal = await store.querySpans({ project: ACME, condition }).then(
      ({ items }) => items.length,
      (error: unknown) => error,
    );
    if (refusal === 0) continue; // an attribute that no span has
    expect(refusal).toBeInstanceOf(InvalidQueryError);
    expect(String(refusal)).not.toMatch(/duckdb|binder|parser error|catalog/i);
  }
  const many = Array.from({ length: 5000 }, (_, n) => `'step ${n}'`).join(', ');
  expect((await store.querySpans({ project: ACME, condition: `name in [${many}]` })).items).toHaveLength(1);
});

it('finds by filter what is inside a map, and what was recorded with its dots', async () => {
  const store = await openStore();
  await store.ingest(
    request([
      span(0, { attributes: new Map([['user', new Map([['id', 7n]])]]) }),
      span(1, { attributes: new Map([['user.id', 7n]]) }),
      span(2, { attributes: new Map([['user', 'id']]) }),
    ]),
  );
  const attributes = [{ key: 'user.id', operator: 'eq' as const, value: 7 }];
  const { items } = await store.querySpans({ project: ACME, filters: { attributes }, order: 'asc' });
  expect(items.map((item) => item.span.spanId)).toEqual([span(0).spanId, span(1).spanId]);
});
