/** Records as Arrow tables: columns, types, and nothing lost on the way. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Annotation, AttributeValue, DatasetRow, MetricPoint, SpanRecord } from '@cogniverse/foundation/telemetry';
import { toTable } from '@cogniverse/foundation/telemetry/arrow';
import { type Table, tableFromIPC, tableToIPC } from 'apache-arrow';
import { desc, fromArrow, op } from 'arquero';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toJsonForm } from '../../../dist/telemetry/providers/json-form.js';
import { readColumn } from './read-column.js';
import { attributesOf, everyType, spanRecord } from './records.js';

const SPAN_COLUMNS = [
  'context.span_id',
  'context.trace_id',
  'name',
  'span_kind',
  'parent_id',
  'start_time',
  'end_time',
  'duration_ms',
  'status_code',
  'status_message',
  'events',
  'links',
  'kind',
  'scope.name',
  'scope.version',
  'project',
  'tenant_id',
  'session_id',
];

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Type and values by column, as another program reads them. */
function read(table: Table): Record<string, { type: string; values: unknown[] }> {
  const received = tableFromIPC(tableToIPC(table));
  return Object.fromEntries(
    received.schema.fields.map((field) => {
      const json = field.metadata.get('content_type') === 'application/json';
      const values = readColumn(received.getChild(field.name)!);
      return [field.name, { type: json ? 'JSON' : String(field.type), values }];
    }),
  );
}

describe('toTable', () => {
  it("gives spans the reference's standardized columns, times exact to the nanosecond", async () => {
    const table = await toTable(everyType);
    const columns = read(table);
    expect(table.schema.names.slice(0, SPAN_COLUMNS.length)).toEqual(SPAN_COLUMNS);
    expect(columns['context.span_id']).toEqual({
      type: 'Utf8',
      values: ['b7ad6b7169203331', '00f067aa0ba902b7', 'cccccccccccccccc'],
    });
    expect(columns['parent_id']!.values).toEqual([null, 'b7ad6b7169203331', null]);
    expect(columns['start_time']).toEqual({
      type: 'Timestamp<NANOSECOND, UTC>',
      values: [1_700_000_000_123_456_789n, 1_700_000_000_123_456_790n, 1_700_000_000_123_456_789n],
    });
    expect(columns['duration_ms']).toEqual({ type: 'Float64', values: [2.5, 2.5, 2.5] });
    expect(columns['status_code']!.values).toEqual(['UNSET', 'ERROR', 'UNSET']);
    expect(columns['session_id']!.values).toEqual(['s-1', null, null]);
    expect(columns['events']!.values[0]).toEqual([
      { name: 'first', timestamp: 1_700_000_000_123_456_790n, attributes: '{"size":3}' },
      { name: 'second', timestamp: 1_700_000_000_123_456_791n, attributes: '{}' },
    ]);
    expect(columns['links']!.values).toEqual([
      [{ trace_id: '1'.repeat(32), span_id: '2'.repeat(16), attributes: '{}' }],
      [],
      [],
    ]);
    expect(columns['resource.service.name']).toEqual({ type: 'Utf8', values: ['search', null, null] });
  });

  it('gives an attribute the narrowest type that holds all its values, and JSON text where none does', async () => {
    const columns = read(await toTable(everyType));
    const attributes = Object.entries(columns).filter(([name]) => name.startsWith('attributes.'));
    expect(Object.fromEntries(attributes.map(([name, column]) => [name.slice(11), column]))).toEqual({
      bytes: { type: 'Binary', values: [new Uint8Array([0, 255]), new Uint8Array([]), null] },
      flag: { type: 'Bool', values: [true, false, null] },
      flags: { type: 'List<Bool>', values: [[true, false], null, null] },
      fraction: { type: 'Float64', values: [0.1, 2, -0] },
      fractions: { type: 'List<Float64>', values: [[0.5, 1], null, null] },
      long: { type: 'Int64', values: [9_223_372_036_854_775_807n, 9_007_199_254_740_992n, null] },
      map: { type: 'JSON', values: ['{"inner":[1,"x"]}', '{"inner":"9007199254740993"}', null] },
      mixed: { type: 'JSON', values: ['1', '"one"', null] },
      none: { type: 'Utf8', values: [null, null, null] },
      text: { type: 'Utf8', values: ['Zürich, 東京, 😀', null, null] },
      texts: { type: 'List<Utf8>', values: [['a', null, ''], [], null] },
      whole: { type: 'Int64', values: [10n, -3n, 7n] },
      wholes: { type: 'List<Int64>', values: [[1n, 2n], null, null] },
    });
  });

  it('never rounds: integers that a double cannot hold are not mixed with fractions, and no 64-bit overflow wraps', async () => {
    const spans = [2n ** 60n, 0.5].map((value) =>
      spanRecord({ attributes: { value, over: 2n ** 63n, list: [value] } }),
    );
    spans.push(spanRecord({ endTimeUnixNano: 2n ** 64n - 1n, attributes: { value: Number.NaN, list: [[1]] } }));
    const columns = read(await toTable(spans));
    expect(columns['attributes.value']).toEqual({ type: 'JSON', values: ['"1152921504606846976"', '0.5', '"NaN"'] });
    expect(columns['attributes.over']).toEqual({
      type: 'JSON',
      values: ['"9223372036854775808"', '"9223372036854775808"', null],
    });
    expect(columns['attributes.list']).toEqual({ type: 'JSON', values: ['["1152921504606846976"]', '[0.5]', '[[1]]'] });
    expect(columns['end_time']!.values[2]).toBeNull();
  });

  it('has the same columns in the same order, whatever the order of the records', async () => {
    const forwards = await toTable(everyType);
    const backwards = await toTable([...everyType].reverse());
    expect(backwards.schema.toString()).toBe(forwards.schema.toString());
    expect(forwards.schema.names.slice(SPAN_COLUMNS.length)).toEqual(
      [...forwards.schema.names.slice(SPAN_COLUMNS.length)].sort(),
    );
  });

  it('gives no records the standard columns without rows, of the kind that was asked for', async () => {
    const empty = tableFromIPC(tableToIPC(await toTable([])));
    expect([empty.numRows, empty.schema.names]).toEqual([0, SPAN_COLUMNS]);
    expect((await toTable([], { kind: 'metric' })).schema.names).toEqual(['timestamp', 'metric_name', 'value']);
  });

  it('takes what iterateSpans gives, and keeps no record', async () => {
    const first: WeakRef<SpanRecord>[] = [];
    async function* spans(): AsyncGenerator<SpanRecord> {
      for (let index = 0; index < 40_000; index += 1) {
        const record = spanRecord({ spanId: index.toString(16).padStart(16, '0'), attributes: { index } });
        if (index < 100) first.push(new WeakRef(record));
        yield record;
        if (index !== 1000) continue;
        await new Promise((resolve) => setImmediate(resolve)); // until then a WeakRef keeps its target
        collectGarbage();
        expect(first.filter((record) => record.deref() !== undefined)).toEqual([]);
      }
    }
    const table = await toTable(spans());
    expect(table.numRows).toBe(40_000);
    expect(table.batches.map(({ numRows }) => numRows)).toEqual([16_384, 16_384, 7232]);
    const columns = read(table);
    expect(columns['attributes.index']!.values).toEqual(Array.from({ length: 40_000 }, (_, index) => BigInt(index)));
    expect(columns['context.span_id']!.values[39_999]).toBe('0000000000009c3f');
  });

  it('converts 100,000 spans in a heap of 100 MB', async () => {
    const program = `
      import { toTable } from '@cogniverse/foundation/telemetry/arrow';
      const hex = (index, length) => index.toString(16).padStart(length, '0');
      async function* spans() {
        for (let index = 0; index < 100_000; index += 1) {
          yield {
            traceId: hex(index, 32), spanId: hex(index, 16), parentSpanId: undefined, name: 'search', spanKind: 'CHAIN', kind: 'INTERNAL',
            startTimeUnixNano: 1_700_000_000_000_000_000n + BigInt(index), endTimeUnixNano: 1_700_000_001_000_000_000n, durationMillis: 1000,
            statusCode: 'OK', statusMessage: '', events: [], links: [], scope: { name: 'test', version: '1' },
            attributes: { query: 'a question of some length, number ' + index, top_k: index % 10, score: index / 3, cached: index % 2 === 0 },
            resource: { 'service.name': 'search' }, project: 'cogniverse-acme-search', tenantId: 'acme', sessionId: undefined,
          };
        }
      }
      const table = await toTable(spans());
      console.log(table.numRows, table.getChild('attributes.query').get(99_999));`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--max-old-space-size=100', '--input-type=module', '--eval', program],
      { cwd: import.meta.dirname },
    );
    expect(stdout.trim()).toBe('100000 a question of some length, number 99999');
  });

  it('gives annotations, metric points and rows of data sets their columns', async () => {
    const annotation: Annotation = {
      id: 'a-1',
      target: 'span',
      spanId: 'b7ad6b7169203331',
      name: 'relevance',
      annotatorKind: 'HUMAN',
      label: null,
      score: 0.5,
      explanation: null,
      metadata: { reviewer: 'ada' },
      identifier: '',
      createdAt: '2026-01-31T12:00:00.123456789Z',
      updatedAt: '2026-01-31T12:00:00Z',
    };
    const annotations = read(await toTable([annotation]));
    expect(Object.keys(annotations)).toEqual([
      'target',
      'span_id',
      'trace_id',
      'session_id',
      'document_position',
      'name',
      'label',
      'score',
      'explanation',
      'annotator_kind',
      'identifier',
      'id',
      'created_at',
      'updated_at',
      'metadata.reviewer',
    ]);
    expect(annotations['score']).toEqual({ type: 'Float64', values: [0.5] });
    expect(annotations['created_at']!.values).toEqual([1_769_860_800_123_456_789n]);

    const point: MetricPoint = { timestamp: '2026-01-31T12:00:00Z', metricName: 'span_count', value: 3 };
    expect(read(await toTable([point]))).toEqual({
      timestamp: { type: 'Timestamp<NANOSECOND, UTC>', values: [1_769_860_800_000_000_000n] },
      metric_name: { type: 'Utf8', values: ['span_count'] },
      value: { type: 'Float64', values: [3] },
    });
    const grouped = await toTable([{ ...point, group: 'a' }, point]);
    expect(read(grouped)['group']).toEqual({ type: 'Utf8', values: ['a', null] });

    const row: DatasetRow = {
      id: 'r-1',
      input: { query: 'peace' },
      output: { ids: ['1'] },
      metadata: { at: { x: 1 } },
      externalId: undefined,
      splits: [],
      spanId: undefined,
      updatedAt: '2026-01-31T12:00:00.000Z',
    };
    expect(read(await toTable([row]))).toEqual({
      id: { type: 'Utf8', values: ['r-1'] },
      'input.query': { type: 'Utf8', values: ['peace'] },
      'output.ids': { type: 'List<Utf8>', values: [['1']] },
      'metadata.at': { type: 'JSON', values: ['{"x":1}'] },
    });
  });

  it('refuses what is no record, and records of several kinds', async () => {
    const point: MetricPoint = { timestamp: '2026-01-31T12:00:00Z', metricName: 'span_count', value: 3 };
    await expect(toTable([spanRecord(), point])).rejects.toThrow(
      'toTable() got a metric in a table of spans (row 1). Make a table of each kind.',
    );
    await expect(toTable([spanRecord()], { kind: 'annotation' })).rejects.toThrow(TypeError);
    await expect(toTable([{} as SpanRecord])).rejects.toThrow(
      'toTable() got a record that is no span, annotation, metric point or row of a data set. Give it what a store of a provider gives.',
    );
  });
});

describe('any records', () => {
  const text = fc.string({ unit: 'binary', maxLength: 12 });
  const integer = fc.oneof(
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
    fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
  );
  const scalar: fc.Arbitrary<AttributeValue> = fc.oneof(
    text,
    fc.boolean(),
    fc.double(),
    integer,
    fc.uint8Array({ maxLength: 5 }),
    fc.constant(null),
  );
  const listOf = (element: fc.Arbitrary<AttributeValue>) =>
    fc.array(fc.option(element, { freq: 8 }), { maxLength: 4 }) as fc.Arbitrary<AttributeValue>;
  const value: fc.Arbitrary<AttributeValue> = fc.oneof(
    { weight: 6, arbitrary: scalar },
    { weight: 3, arbitrary: fc.oneof(listOf(text), listOf(integer), listOf(fc.double()), listOf(fc.boolean())) },
    { weight: 1, arbitrary: listOf(scalar) },
    { weight: 1, arbitrary: fc.dictionary(text, scalar, { maxKeys: 3 }) },
  );
  // Few keys, so that values of several types meet in one column.
  const key = fc.oneof(fc.constantFrom('a', 'b', 'llm.model_name', '', '__proto__'), text);
  const attributes = fc.array(fc.tuple(key, value), { maxLength: 6 }).map(attributesOf);
  const nanos = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
  const record = fc
    .record({
      traceId: fc.stringMatching(/^[\da-f]{32}$/),
      spanId: fc.stringMatching(/^[\da-f]{16}$/),
      parentSpanId: fc.option(fc.stringMatching(/^[\da-f]{16}$/), { nil: undefined }),
      name: text,
      startTimeUnixNano: nanos,
      endTimeUnixNano: nanos,
      durationMillis: fc.double({ noNaN: true }),
      statusCode: fc.constantFrom('UNSET', 'OK', 'ERROR'),
      statusMessage: text,
      attributes,
      events: fc.array(fc.record({ name: text, timeUnixNano: nanos, attributes }), { maxLength: 2 }),
      links: fc.array(fc.record({ traceId: text, spanId: text, attributes }), { maxLength: 2 }),
      resource: attributes,
      tenantId: fc.option(text, { nil: undefined }),
      sessionId: fc.option(text, { nil: undefined }),
    })
    .map(spanRecord as (fields: object) => SpanRecord);

  /** What the columns under a prefix say about a row. */
  function valuesOf(columns: ReturnType<typeof read>, prefix: string, row: number): [string, unknown][] {
    return Object.entries(columns)
      .filter(([name]) => name.startsWith(prefix))
      .filter(([, { values }]) => values[row] !== null)
      .map(([name, { type, values }]) => [
        name.slice(prefix.length),
        type === 'JSON' ? JSON.parse(values[row] as string) : values[row],
      ]);
  }

  /** The same of the record. An attribute that is null is not told from one that is missing. */
  function expectedOf(columns: ReturnType<typeof read>, prefix: string, given: SpanRecord['attributes']): unknown[] {
    return Object.entries(given)
      .filter(([, attribute]) => attribute !== null)
      .map(([name, attribute]) => {
        const { type } = columns[prefix + name]!;
        if (type === 'JSON') return [name, JSON.parse(JSON.stringify(toJsonForm(attribute)))];
        if (type === 'Int64') return [name, BigInt(attribute as number)];
        if (type === 'List<Int64>') {
          return [name, (attribute as number[]).map((element) => (element === null ? null : BigInt(element)))];
        }
        return [name, attribute];
      });
  }
  const byKey = (one: unknown, other: unknown) => ((one as [string])[0] < (other as [string])[0] ? -1 : 1);

  it('come back equal from their table', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record, { maxLength: 12 }), async (records) => {
        const columns = read(await toTable(records));
        records.forEach((span, row) => {
          const cell = (name: string) => columns[name]!.values[row];
          expect(cell('context.trace_id')).toBe(span.traceId);
          expect(cell('context.span_id')).toBe(span.spanId);
          expect(cell('parent_id')).toBe(span.parentSpanId ?? null);
          expect(cell('name')).toBe(span.name);
          expect(cell('start_time')).toBe(span.startTimeUnixNano);
          expect(cell('end_time')).toBe(span.endTimeUnixNano);
          expect(cell('duration_ms')).toBe(span.durationMillis);
          expect(cell('status_code')).toBe(span.statusCode);
          expect(cell('status_message')).toBe(span.statusMessage);
          expect(cell('tenant_id')).toBe(span.tenantId ?? null);
          expect(cell('session_id')).toBe(span.sessionId ?? null);
          const text = (given: SpanRecord['attributes']) => JSON.stringify(toJsonForm(given));
          expect(cell('events')).toEqual(
            span.events.map((event) => ({
              name: event.name,
              timestamp: event.timeUnixNano,
              attributes: text(event.attributes),
            })),
          );
          expect(cell('links')).toEqual(
            span.links.map((link) => ({
              trace_id: link.traceId,
              span_id: link.spanId,
              attributes: text(link.attributes),
            })),
          );
          for (const [prefix, given] of [
            ['attributes.', span.attributes],
            ['resource.', span.resource],
          ] as const) {
            expect(valuesOf(columns, prefix, row).sort(byKey)).toEqual(expectedOf(columns, prefix, given).sort(byKey));
          }
        });
      }),
      { numRuns: 150 },
    );
  });
});

describe('Arquero', () => {
  const spans = ['encode', 'search', 'search', 'encode', 'search'].map((name, index) =>
    spanRecord({
      name,
      durationMillis: index,
      startTimeUnixNano: 1_700_000_000_000_000_001n + BigInt(index),
      attributes: { top_k: index, query: `Frage ${index} 😀`, tags: ['a', String(index)] },
    }),
  );
  const expected = [
    { name: 'search', spans: 3, mean: (1 + 2 + 4) / 3, top_k: 4 },
    { name: 'encode', spans: 2, mean: 1.5, top_k: 3 },
  ];

  it("computes over what Arrow's file and stream formats carry, and reads every type", async () => {
    for (const format of ['file', 'stream'] as const) {
      const bytes = tableToIPC(await toTable(spans), format);
      const grouped = fromArrow(bytes)
        .groupby('name')
        .rollup({ spans: op.count(), mean: op.mean('duration_ms'), top_k: op.max('attributes.top_k') })
        .orderby(desc('spans'));
      expect(grouped.objects()).toEqual(expected);
    }
    const [row] = fromArrow(tableToIPC(await toTable(everyType)), { useBigInt: true }).objects() as object[];
    expect(row).toMatchObject({
      'context.span_id': 'b7ad6b7169203331',
      start_time: new Date(1_700_000_000_123),
      'attributes.text': 'Zürich, 東京, 😀',
      'attributes.flag': true,
      'attributes.whole': 10n,
      'attributes.long': 9_223_372_036_854_775_807n,
      'attributes.fraction': 0.1,
      'attributes.bytes': new Uint8Array([0, 255]),
      'attributes.texts': ['a', null, ''],
      'attributes.none': null,
      'attributes.map': '{"inner":[1,"x"]}',
      'resource.service.name': 'search',
    });
  });
});

it.each([undefined, null, 5, {}])('%j is no list of records, and is told what one is', async (records) => {
  const told = 'toTable() takes records: what getSpans() gave, iterateSpans(), or another list of a store.';
  await expect(toTable(records as never)).rejects.toThrow(new TypeError(told));
});

it('a kind of record that does not exist is refused, with those that do', async () => {
  const told = 'toTable() knows no kind "spans"; kinds are span, annotation, metric, dataset_row.';
  await expect(toTable([], { kind: 'spans' as never })).rejects.toThrow(new TypeError(told));
});
