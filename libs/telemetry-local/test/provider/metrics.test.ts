/** Metrics, held against a plain computation over the same spans. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AnyValue, encodeTraces, type OtlpSpan } from '@cogniverse/foundation/otlp';
import {
  METRIC_NAMES,
  type MetricPoint,
  type MetricQuery,
  type StoreMetricQuery,
  type TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import { contractSpan } from '@cogniverse/foundation/telemetry/testing';
import { openLocalStore } from '@cogniverse/telemetry-local';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';

let dataDir: string;
let store: TelemetryStore;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'cogniverse-metrics-'));
  // Small segments, so that spans are read from hot tables and day files at once.
  store = await openLocalStore({ dataDir, segmentMaxSpans: 40 });
});
afterAll(async () => {
  await store.shutdown();
  await rm(dataDir, { recursive: true });
});

const T0 = 1_780_000_000_000_000_000n;

async function ingest(tenantId: string, spans: readonly OtlpSpan[], project = 'p'): Promise<void> {
  await ingestProjects(tenantId, { [project]: spans });
}

async function ingestProjects(tenantId: string, spansOf: Readonly<Record<string, readonly OtlpSpan[]>>): Promise<void> {
  const body = encodeTraces({
    resourceSpans: Object.entries(spansOf).map(([project, spans]) => ({
      resource: {
        attributes: new Map([
          ['openinference.project.name', project],
          ['tenant.id', tenantId],
        ]),
        droppedAttributesCount: 0,
      },
      schemaUrl: '',
      scopeSpans: [
        {
          scope: { name: '', version: '', attributes: new Map(), droppedAttributesCount: 0 },
          schemaUrl: '',
          spans: [...spans],
        },
      ],
    })),
  });
  expect(await store.ingest({ body, format: 'protobuf' })).toMatchObject({ status: 'stored', rejectedSpans: 0 });
}

// ---- the plain computation

type Value = string | undefined;
const numberOf = (value: AnyValue | undefined): number | undefined => {
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
};
const textOf = (value: AnyValue | undefined): Value => {
  if (value === undefined) return undefined;
  return typeof value === 'string' ? value : String(value);
};
const defined = (values: (number | undefined)[]) => values.filter((value) => value !== undefined);
const sum = (values: number[]) => (values.length === 0 ? undefined : values.reduce((a, b) => a + b, 0));
const mean = (values: number[]) => (values.length === 0 ? undefined : sum(values)! / values.length);
const ascending = (times: bigint[]) => [...times].sort((a, b) => (a < b ? -1 : Number(a > b)));
function percentile(values: number[], share: number): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
  return low + (high - low) * (place - Math.floor(place));
}

/** A span, and whose it is. */
interface OwnedSpan extends OtlpSpan {
  readonly tenantId: string;
  readonly project: string;
}

function groupOf(span: OwnedSpan, groupBy: string | undefined): Value {
  switch (groupBy) {
    case undefined:
      return '';
    case 'name':
      return span.name;
    case 'kind':
      return (span.attributes.get('openinference.span.kind') as string | undefined)?.toUpperCase() ?? 'UNKNOWN';
    case 'model':
      return textOf(span.attributes.get('llm.model_name'));
    case 'session':
      return textOf(span.attributes.get('session.id'));
    case 'tenant':
      return span.tenantId;
    case 'project':
      return span.project;
    default:
      return textOf(span.attributes.get(groupBy.slice('attribute:'.length)));
  }
}

/** As recorded; else the tokens by the price of the model. */
function costOf({ attributes }: OtlpSpan, prices: MetricQuery['prices'] = {}): number | undefined {
  const recorded = numberOf(attributes.get('llm.cost.total'));
  if (recorded !== undefined) return recorded;
  const model = attributes.get('llm.model_name');
  const price = typeof model === 'string' && Object.hasOwn(prices, model) ? prices[model] : undefined;
  const prompt = numberOf(attributes.get('llm.token_count.prompt'));
  const completion = numberOf(attributes.get('llm.token_count.completion'));
  if (price === undefined || (prompt === undefined && completion === undefined)) return undefined;
  return ((prompt ?? 0) * price.promptPerMillionTokens + (completion ?? 0) * price.completionPerMillionTokens) / 1e6;
}

function spanMetric(name: string, spans: OtlpSpan[], prices: MetricQuery['prices']): number | undefined {
  const of = (key: string) => spans.map((span) => numberOf(span.attributes.get(key)));
  switch (name) {
    case 'span_count':
      return spans.length === 0 ? undefined : spans.length;
    case 'tokens_prompt':
      return sum(defined(of('llm.token_count.prompt')));
    case 'tokens_completion':
      return sum(defined(of('llm.token_count.completion')));
    case 'tokens_total':
      return sum(
        defined(
          spans.map((span) => {
            const [total, prompt, completion] = ['total', 'prompt', 'completion'].map((part) =>
              numberOf(span.attributes.get(`llm.token_count.${part}`)),
            );
            return total ?? (prompt === undefined ? completion : prompt + (completion ?? 0));
          }),
        ),
      );
    case 'cost_total':
      return sum(defined(spans.map((span) => costOf(span, prices))));
  }
  const [, key, aggregate] = /^attribute:(.+):(.+)$/.exec(name)!;
  const values = defined(of(key!));
  if (values.length === 0) return undefined;
  switch (aggregate) {
    case 'mean':
      return mean(values);
    case 'sum':
      return sum(values);
    case 'p95':
      return percentile(values, 0.95);
    default:
      return aggregate === 'min' ? Math.min(...values) : Math.max(...values);
  }
}

/** Conditions, and what they mean. */
const CONDITIONS: Readonly<Record<string, (span: OtlpSpan) => boolean>> = {
  "span_kind == 'LLM'": (span) => span.attributes.get('openinference.span.kind') === 'LLM',
  'latency_ms >= 1000': (span) => span.endTimeUnixNano - span.startTimeUnixNano >= 1_000_000_000n,
  "parent_span is None and (session.id == 's1' or llm.model_name is None)": (span) =>
    span.attributes.get('session.id') === 's1' || !span.attributes.has('llm.model_name'),
};

interface Trace {
  readonly start: bigint;
  readonly millis: number;
  readonly failed: boolean;
  readonly groups: ReadonlySet<Value>;
}

function traceMetric(name: string, traces: Trace[]): number | undefined {
  if (traces.length === 0) return undefined;
  const millis = traces.map((trace) => trace.millis);
  switch (name) {
    case 'trace_count':
      return traces.length;
    case 'error_rate':
      return traces.filter((trace) => trace.failed).length / traces.length;
    case 'latency_mean':
      return mean(millis);
    default:
      return percentile(millis, Number(name.slice('latency_p'.length)) / 100);
  }
}

function plainMetrics(all: readonly OwnedSpan[], query: StoreMetricQuery): Map<string, number> {
  const spans = all.filter(
    (span) =>
      span.startTimeUnixNano >= ((query.startTime as bigint | undefined) ?? 0n) &&
      span.startTimeUnixNano < ((query.endTime as bigint | undefined) ?? 2n ** 63n) &&
      (query.condition === undefined || CONDITIONS[query.condition]!(span)),
  );
  const traceOf = ({ tenantId, project, traceId }: OwnedSpan) => JSON.stringify([tenantId, project, traceId]);
  const traces = Array.from(new Set(spans.map(traceOf)), (trace): Trace => {
    const members = spans.filter((span) => traceOf(span) === trace);
    const start = ascending(members.map((span) => span.startTimeUnixNano))[0]!;
    const end = ascending(members.map((span) => span.endTimeUnixNano)).at(-1)!;
    // Members are in the order of ingestion, and the sort keeps it.
    const [root] = members
      .filter((span) => span.parentSpanId === '')
      .sort((a, b) => Number(a.startTimeUnixNano - b.startTimeUnixNano));
    const nanos = root === undefined ? end - start : root.endTimeUnixNano - root.startTimeUnixNano;
    return {
      start,
      millis: Number(nanos) / 1e6,
      failed: members.some((span) => span.status.code === 2),
      groups: new Set(members.map((span) => groupOf(span, query.groupBy))),
    };
  });
  const origin = (query.startTime as bigint | undefined) ?? 0n;
  const width = BigInt((query.bucketSeconds ?? 0) * 1e9);
  const bucketOf = (time: bigint) => (width === 0n ? 0n : (time - origin) / width);
  const groups = new Set(spans.map((span) => groupOf(span, query.groupBy)));
  const buckets = new Set([...spans.map((span) => bucketOf(span.startTimeUnixNano))]);
  const first = ascending(spans.map((span) => span.startTimeUnixNano))[0] ?? 0n;
  const values = new Map<string, number>();
  for (const bucket of buckets) {
    const time = width === 0n ? ((query.startTime as bigint | undefined) ?? first) : origin + bucket * width;
    for (const group of groups) {
      if (group === undefined) continue;
      for (const metric of query.metricNames) {
        const value = /^(trace_count|error_rate|latency_)/.test(metric)
          ? traceMetric(
              metric,
              traces.filter((trace) => bucketOf(trace.start) === bucket && trace.groups.has(group)),
            )
          : spanMetric(
              metric,
              spans.filter(
                (span) => bucketOf(span.startTimeUnixNano) === bucket && groupOf(span, query.groupBy) === group,
              ),
              query.prices,
            );
        if (value !== undefined) values.set(JSON.stringify([String(time), metric, query.groupBy && group]), value);
      }
    }
  }
  return values;
}

function nanosOf(timestamp: string): bigint {
  const [, seconds, fraction] = /^(.+)\.(\d+)Z$/.exec(timestamp)!;
  return BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt(fraction!.padEnd(9, '0'));
}

const keyed = (points: MetricPoint[]) =>
  new Map(
    points.map(({ timestamp, metricName, group, value }) => [
      JSON.stringify([String(nanosOf(timestamp)), metricName, group]),
      value,
    ]),
  );

// ---- any spans, any query

const count = fc.bigInt({ min: 0n, max: 1000n });
const anyNumber: fc.Arbitrary<AnyValue> = fc.oneof(
  count,
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.constantFrom<AnyValue>(Number.NaN, Number.POSITIVE_INFINITY, 'text', true, 2n ** 60n),
);
const anySpans = fc
  .array(
    fc.record({
      trace: fc.nat(6),
      root: fc.boolean(),
      name: fc.constantFrom('a', 'b', 'ü"\''),
      startTimeUnixNano: fc.bigInt({ min: T0, max: T0 + 5_000_000_000n }),
      nanos: fc.oneof(fc.bigInt({ min: 0n, max: 3_000_000_000n }), fc.constantFrom(0n, 1n)),
      status: fc.constantFrom<0 | 1 | 2>(0, 0, 1, 2),
      attributes: fc.record(
        {
          'openinference.span.kind': fc.constantFrom('LLM', 'tool'),
          'session.id': fc.constantFrom('s1', 's2'),
          'llm.model_name': fc.constantFrom('m1', 'm2'),
          'llm.token_count.prompt': count,
          'llm.token_count.completion': count,
          'llm.token_count.total': count,
          'llm.cost.total': fc.double({ min: 0, max: 1, noNaN: true }),
          'a/b~c': anyNumber,
          tag: fc.constantFrom<AnyValue>('x', 1n, 1, true, '1'),
        },
        { requiredKeys: [] },
      ),
    }),
    { maxLength: 30 },
  )
  .map((list) => {
    const traceIds = Array.from({ length: 7 }, () => contractSpan().traceId);
    return list.map(({ trace, root, nanos, startTimeUnixNano, attributes, ...rest }) =>
      contractSpan({
        ...rest,
        traceId: traceIds[trace]!,
        parentSpanId: root ? '' : contractSpan().spanId,
        startTimeUnixNano,
        endTimeUnixNano: startTimeUnixNano + nanos,
        attributes: attributes as Record<string, AnyValue>,
      }),
    );
  });
const price = fc.oneof(fc.double({ min: 0, max: 1e3, noNaN: true }), fc.constantFrom(0, 0.15, 2.5));
const anyPrices = fc.dictionary(
  fc.constantFrom('m1', 'm2', 'M1', 'ü"\'', 'toString', ''),
  fc.record({ promptPerMillionTokens: price, completionPerMillionTokens: price }),
);
const anyQuery = fc.record(
  {
    startTime: fc.bigInt({ min: T0 - 10n, max: T0 + 3_000_000_000n }),
    endTime: fc.bigInt({ min: T0 + 1_000_000_000n, max: T0 + 6_000_000_000n }),
    bucketSeconds: fc.constantFrom(1, 0.25, 60),
    groupBy: fc.constantFrom(
      'name',
      'kind',
      'model',
      'session',
      'project',
      'tenant',
      'attribute:tag',
      'attribute:missing',
    ),
    prices: anyPrices,
    condition: fc.constantFrom(...Object.keys(CONDITIONS)),
  },
  { requiredKeys: [] },
);
const metricNames = [
  ...METRIC_NAMES,
  ...['mean', 'sum', 'min', 'max', 'p95'].map((aggregate) => `attribute:a/b~c:${aggregate}`),
];

it('agrees with a plain computation over the same spans', async () => {
  await fc.assert(
    fc.asyncProperty(anySpans, anyQuery, async (spans, range) => {
      const project = { tenantId: `tenant-${contractSpan().spanId}`, name: 'p' };
      const half = spans.length >> 1;
      for (const part of [spans.slice(0, half), spans.slice(half)])
        if (part.length > 0) await ingest(project.tenantId, part);
      const owned = spans.map((span) => ({ ...span, tenantId: project.tenantId, project: 'p' }));
      await expectPlain({ project, metricNames, ...range }, owned);
    }),
    { numRuns: 60 },
  );
});

async function expectPlain(query: StoreMetricQuery, spans: readonly OwnedSpan[]): Promise<void> {
  const found = keyed(await store.getMetrics(query));
  const expected = plainMetrics(spans, query);
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [key, value] of expected) {
    const tolerance = 1e-9 * Math.max(1, Math.abs(value));
    expect(Math.abs(found.get(key)! - value), `${key}: ${found.get(key)} for ${value}`).toBeLessThanOrEqual(tolerance);
  }
}

it('agrees with a plain computation over all projects of a tenant, whose traces may have the same ids', async () => {
  await fc.assert(
    fc.asyncProperty(anySpans, anySpans, anyQuery, async (first, second, range) => {
      const tenantId = `tenant-${contractSpan().spanId}`;
      // The second project has spans of the first one's traces, and another tenant has them too.
      const ids = first.map(({ traceId }) => traceId);
      const shared = second.map((span, at) => ({ ...span, traceId: ids[at % 3] ?? span.traceId }));
      const owned: OwnedSpan[] = [];
      for (const [project, spans] of Object.entries({ one: first, two: shared })) {
        if (spans.length > 0) await ingest(tenantId, spans, project);
        owned.push(...spans.map((span) => ({ ...span, tenantId, project })));
      }
      if (first.length > 0) await ingest(`${tenantId}-other`, first, 'one');
      await expectPlain({ tenantId, metricNames, ...range }, owned);
    }),
    { numRuns: 40 },
  );
});

it('adds up all tenants where none is named, each with its own traces', async () => {
  const name = `all-${contractSpan().spanId}`;
  // A month later than what the other tests write.
  const at = 30 * 86_400_000;
  const startTime = T0 + BigInt(at) * 1_000_000n;
  const spans = [contractSpan({ name, at, millis: 10 }), contractSpan({ name, at, millis: 30, status: 2 })];
  const tenants = ['acme', 'globex'].map((tenant) => `${tenant}-${name}`);
  for (const tenant of tenants) await ingest(tenant, spans);
  const all = async (more: Partial<StoreMetricQuery>) =>
    (
      await store.getMetrics({
        metricNames: ['span_count', 'trace_count', 'error_rate', 'latency_mean'],
        startTime,
        condition: `name == '${name}'`,
        ...more,
      })
    ).map(({ value, group }) => (group === undefined ? value : [group, value]));
  expect(await all({})).toEqual([4, 4, 0.5, 20]);
  expect(await all({ tenantId: tenants[0]! })).toEqual([2, 2, 0.5, 20]);
  expect(await all({ tenantId: null })).toEqual([]);
  expect(await all({ metricNames: ['span_count'], groupBy: 'tenant' })).toEqual(tenants.map((tenant) => [tenant, 2]));
});

it('refuses a project and a tenant at once, and a condition over more projects than it can hold', async () => {
  const metricNames = ['span_count'];
  const both = { metricNames, project: { tenantId: 'acme', name: 'p' }, tenantId: 'acme' };
  await expect(store.getMetrics(both)).rejects.toThrow('project and tenantId are both given');
  const tenantId = `many-${contractSpan().spanId}`;
  const condition = "name == 'search'";
  await expect(store.getMetrics({ metricNames, tenantId, condition: 'name ==' })).rejects.toThrow(/character/);
  expect(await store.getMetrics({ metricNames, tenantId, condition })).toEqual([]);
  await ingestProjects(
    tenantId,
    Object.fromEntries(Array.from({ length: 201 }, (_, number) => [`p${number}`, [contractSpan()]])),
  );
  await expect(store.getMetrics({ metricNames, tenantId, condition })).rejects.toThrow('over 201 projects');
  expect((await store.getMetrics({ metricNames, tenantId })).map(({ value }) => value)).toEqual([201]);
});

it('prices each span as JavaScript does, to the last bit', async () => {
  const tokens = fc.oneof(
    count,
    fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }),
    fc.double({ min: 0, max: 1e9, noNaN: true }),
  );
  const attributes = fc.record(
    {
      'llm.model_name': fc.constantFrom('m1', 'm2', 'ü"\'', 'toString', ''),
      'llm.token_count.prompt': tokens,
      'llm.token_count.completion': tokens,
      'llm.token_count.total': tokens,
      'llm.cost.total': fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(Number.NaN)),
    },
    { requiredKeys: ['llm.model_name'] },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(attributes, { minLength: 1, maxLength: 30 }), anyPrices, async (list, prices) => {
      const project = { tenantId: `tenant-${contractSpan().spanId}`, name: 'p' };
      const spans = list.map((one, at) =>
        contractSpan({ name: `span ${at}`, attributes: one as Record<string, AnyValue> }),
      );
      await ingest(project.tenantId, spans);
      const points = await store.getMetrics({ project, metricNames: ['cost_total'], prices, groupBy: 'name' });
      const expected = new Map(spans.map((span) => [span.name, costOf(span, prices)]));
      for (const [name, cost] of expected) if (cost === undefined) expected.delete(name);
      // A sum has no negative zero.
      expect(new Map(points.map(({ group, value }) => [group, value + 0]))).toEqual(
        new Map([...expected].map(([name, cost]) => [name, cost! + 0])),
      );
    }),
    { numRuns: 60 },
  );
});

it.each([
  [
    { m: { promptPerMillionTokens: -1, completionPerMillionTokens: 0 } },
    'prices.m.promptPerMillionTokens is -1; it must be a number from 0',
  ],
  [7, 'prices is 7; it must be an object'],
  [
    Object.fromEntries(
      Array.from({ length: 1001 }, (_, at) => [`m${at}`, { promptPerMillionTokens: 1, completionPerMillionTokens: 1 }]),
    ),
    'prices has 1001 models; at most 1000 are allowed',
  ],
])('refuses a table of prices that cannot be', async (prices, told) => {
  const query = { project: { tenantId: 'acme', name: 'p' }, metricNames: ['cost_total'], prices: prices as never };
  await expect(store.getMetrics(query)).rejects.toThrow(told);
});

it('counts a span once, whatever names the table has that are stored as the same one', async () => {
  const project = { tenantId: `tenant-${contractSpan().spanId}`, name: 'p' };
  await ingest(project.tenantId, [
    contractSpan({ attributes: { 'llm.model_name': '\ud800', 'llm.token_count.prompt': 1_000_000n } }),
  ]);
  const price = (each: number) => ({ promptPerMillionTokens: each, completionPerMillionTokens: each });
  const prices = { '\ud800': price(1), '\ud801': price(3) };
  const points = await store.getMetrics({ project, metricNames: ['span_count', 'cost_total'], prices });
  expect(points.map(({ value }) => value)).toEqual([1, 3]);
});

it('gives points by time, then by metric as asked, then by group, each once', async () => {
  const project = { tenantId: `tenant-${contractSpan().spanId}`, name: 'p' };
  await ingest(project.tenantId, [
    contractSpan({ name: 'b' }),
    contractSpan({ name: 'a' }),
    contractSpan({ name: 'a', at: 1000 }),
  ]);
  const points = await store.getMetrics({
    project,
    metricNames: ['trace_count', 'span_count', 'trace_count'],
    bucketSeconds: 1,
    groupBy: 'name',
  });
  const second = (n: number) => new Date(Number(T0 / 1_000_000n) + n * 1000).toISOString();
  expect(points.map(({ timestamp, metricName, group, value }) => [timestamp, metricName, group, value])).toEqual([
    [second(0), 'trace_count', 'a', 1],
    [second(0), 'trace_count', 'b', 1],
    [second(0), 'span_count', 'a', 1],
    [second(0), 'span_count', 'b', 1],
    [second(1), 'trace_count', 'a', 1],
    [second(1), 'span_count', 'a', 1],
  ]);
});
