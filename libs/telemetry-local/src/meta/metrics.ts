/**
 * Metrics over the spans of one project, or of all, in buckets of time and in groups.   Read path: store -> [metrics] -> snapshot -> DuckDB.
 *
 * Counts of spans, tokens, cost and attributes belong to the bucket in which their span starts. Trace metrics (`trace_count`, `error_rate`,
 * `latency_*`) belong to the bucket in which the trace starts; a trace is what of its spans starts in the range. Grouped, a trace counts in
 * every group that one of its spans is in, with its whole latency and state; spans without a value are in no group. What two projects hold of
 * one trace are two traces.
 */

import { checkInput, InvalidQueryError, isoTime, METRIC_NAMES, STORE_OPERATIONS } from '@cogniverse/foundation/store';
import type { MetricPoint, ModelPrice, StoreMetricQuery } from '@cogniverse/foundation/telemetry';
import { type DuckDBListValue, listValue } from '@duckdb/node-api';
import type { SqlRows } from '../database.js';
import type { SomeProjects } from '../engine.js';
import { attributeNumberSql, attributeTextSql } from '../query/attribute-condition.js';
import { TRACE_LATENCY_NANOS } from '../query/project-query.js';
import { nanosRange, requireProject, requireText, shown } from '../query/query-input.js';
import type { SqlBuilder } from '../query/sql-builder.js';
import type { NanosRange } from '../snapshot.js';
import { wellFormed } from '../span-table.js';

/** What metrics need of the engine. */
export interface SpanSource {
  withSpans<T>(
    projects: SomeProjects,
    range: NanosRange,
    fn: (spans: { source: string; sql: SqlBuilder; run: (statement: string) => Promise<SqlRows> }) => Promise<T>,
    condition?: string,
  ): Promise<T>;
}

type AttributeAggregate = 'mean' | 'sum' | 'min' | 'max' | 'p95';

const ATTRIBUTE_METRIC = /^attribute:(.+):(mean|sum|min|max|p95)$/s;
const GROUPS = {
  name: 'name',
  kind: 'span_kind',
  model: 'model',
  session: 'session_id',
  project: 'project',
  tenant: 'tenant_id',
} as const;
const MAX_METRICS = 50;
const MAX_PRICES = 1000;
const MAX_POINTS = 100_000;
const LATENCY_PERCENTILES: Readonly<Record<string, number>> = {
  latency_p50: 0.5,
  latency_p95: 0.95,
  latency_p99: 0.99,
};

/** A metric over the rows of spans in one bucket and group: what is taken of a row, and how the rows are put together. */
interface SpanMetric {
  input(sql: SqlBuilder, priced: boolean): string;
  aggregate(column: string): string;
}

/** `fsum` rounds once, not with each addend. */
const sumOf = (input: SpanMetric['input']): SpanMetric => ({ input, aggregate: (column) => `fsum(${column})` });

/** The same sums in the same order as the docstring of `MetricQuery.prices`: equal to the last bit. NULL without a price, or without tokens. */
const PRICE_OF_TOKENS = `CASE WHEN coalesce(tokens_prompt, tokens_completion) IS NOT NULL
  THEN (coalesce(tokens_prompt, 0) * prompt_price + coalesce(tokens_completion, 0) * completion_price) / 1e6 END`;

const SPAN_METRICS: Readonly<Record<string, SpanMetric>> = {
  span_count: { input: () => '1', aggregate: (column) => `count(${column})` },
  tokens_prompt: sumOf(() => 'tokens_prompt'),
  tokens_completion: sumOf(() => 'tokens_completion'),
  // As recorded; where only the parts were, their sum.
  tokens_total: sumOf((sql) => {
    const recorded = finiteAttributeSql('llm.token_count.total', sql);
    return `coalesce(${recorded}, tokens_prompt + tokens_completion, tokens_prompt, tokens_completion)`;
  }),
  cost_total: sumOf((_sql, priced) => (priced ? `coalesce(cost, ${PRICE_OF_TOKENS})` : 'cost')),
};

/** SQL of a metric over the rows of traces, each with `millis` and `failed`. */
const TRACE_METRICS: Readonly<Record<string, string>> = {
  trace_count: 'count(*)',
  error_rate: 'avg(failed)',
  latency_mean: 'avg(millis)',
  ...Object.fromEntries(
    Object.entries(LATENCY_PERCENTILES).map(([name, share]) => [name, `quantile_cont(millis, ${share})`]),
  ),
};

const AGGREGATES: Readonly<Record<AttributeAggregate, SpanMetric['aggregate']>> = {
  mean: (column) => `avg(${column})`,
  sum: (column) => `fsum(${column})`,
  min: (column) => `min(${column})`,
  max: (column) => `max(${column})`,
  p95: (column) => `quantile_cont(${column}, 0.95)`,
};

/** NULL where the attribute is missing, no number, or none that can be calculated with. */
function finiteAttributeSql(key: string, sql: SqlBuilder): string {
  const number = attributeNumberSql(key, sql);
  return `CASE WHEN isfinite(${number}) THEN ${number} END`;
}

/** Undefined for a metric of traces. Errors: `InvalidQueryError` listing all names. */
function spanMetricOf(name: string): SpanMetric | undefined {
  if (Object.hasOwn(TRACE_METRICS, name)) return undefined;
  if (Object.hasOwn(SPAN_METRICS, name)) return SPAN_METRICS[name];
  const attribute = ATTRIBUTE_METRIC.exec(name);
  if (attribute !== null) {
    const [, key, aggregate] = attribute as unknown as [string, string, AttributeAggregate];
    return { input: (sql) => finiteAttributeSql(key, sql), aggregate: AGGREGATES[aggregate] };
  }
  throw new InvalidQueryError(
    `metricNames holds ${shown(name)}; known are ${METRIC_NAMES.join(', ')}, and attribute:<key>:<mean|sum|min|max|p95>.`,
  );
}

/** Errors: `InvalidQueryError` listing what can be grouped by. */
function groupSql(groupBy: string | undefined, sql: SqlBuilder): string {
  if (groupBy === undefined) return "''";
  if (Object.hasOwn(GROUPS, groupBy)) return GROUPS[groupBy as keyof typeof GROUPS];
  if (typeof groupBy === 'string' && groupBy.startsWith('attribute:') && groupBy.length > 'attribute:'.length) {
    const text = attributeTextSql(requireText(groupBy.slice('attribute:'.length), 'groupBy'), sql);
    // Without the mark of its type, as people write the value.
    return `CASE WHEN ${text}[1] = 'b' THEN (${text} = 'b1')::VARCHAR ELSE substr(${text}, 2) END`;
  }
  throw new InvalidQueryError(
    `groupBy is ${shown(groupBy)}; it must be one of ${Object.keys(GROUPS).join(', ')}, or attribute:<key>.`,
  );
}

function bucketNanos(bucketSeconds: number | undefined): bigint | undefined {
  return bucketSeconds === undefined ? undefined : BigInt(Math.round(bucketSeconds * 1000)) * 1_000_000n;
}

/** SQL: the spans of `source`, each with the price of its model, NULL where the table has none. */
function pricedSql(source: string, prices: Readonly<Record<string, ModelPrice>>, sql: SqlBuilder): string {
  // As the names of models are stored. Two that are then the same must not give a span twice: the later one holds.
  const rows = new Map(Object.entries(prices).map(([model, price]) => [wellFormed(model), price]));
  // One list a column: binding a value costs more than joining a row. As text, which holds a double exactly: the type of a list is guessed from its first value.
  const list = (items: readonly (string | number)[]) => sql.bind(listValue(items.map(String)));
  const priced = [...rows.values()];
  const columns = [
    `unnest(${list([...rows.keys()])}::VARCHAR[]) AS priced_model`,
    `unnest(${list(priced.map((price) => price.promptPerMillionTokens))}::DOUBLE[]) AS prompt_price`,
    `unnest(${list(priced.map((price) => price.completionPerMillionTokens))}::DOUBLE[]) AS completion_price`,
  ];
  return `SELECT * FROM (${source}) LEFT JOIN (SELECT ${columns.join(', ')}) ON model = priced_model`;
}

interface Row {
  readonly bucket: bigint;
  readonly group: string;
  /** Null where the rows of the bucket and group have nothing of it. */
  readonly values: ReadonlyMap<string, number | null>;
}

/**
 * Errors: `InvalidQueryError` for an unknown metric or group, a bucket that cannot be, or more than `MAX_POINTS` points;
 * `BackendUnavailableError` if it took too long.
 *
 * Order: by time, then by metric as asked, then by group.
 */
export async function getMetrics(engine: SpanSource, query: StoreMetricQuery): Promise<MetricPoint[]> {
  checkInput(STORE_OPERATIONS.getMetrics.request, query);
  const { metricNames, prices = {} } = query;
  if (query.project !== undefined && query.tenantId !== undefined) {
    throw new InvalidQueryError(`project and tenantId are both given; ask for one project, or for all of a tenant.`);
  }
  const projects = query.project === undefined ? { tenantId: query.tenantId } : requireProject(query.project);
  // Two tenants, or two projects, may hold spans of one trace id.
  const trace = query.project === undefined ? 'project_key, project, trace_id' : 'trace_id';
  if (metricNames.length > MAX_METRICS) {
    throw new InvalidQueryError(`metricNames lists ${metricNames.length} metrics; at most ${MAX_METRICS} are allowed.`);
  }
  const models = Object.keys(prices).length;
  if (models > MAX_PRICES) {
    throw new InvalidQueryError(`prices has ${models} models; at most ${MAX_PRICES} are allowed.`);
  }
  const names = [...new Set(metricNames.map((name) => requireText(name, 'metricNames')))];
  const range = nanosRange(query);
  const width = bucketNanos(query.bucketSeconds);
  // Buckets count from the start of the range; without one, from 1970, so that they stay where they are as time goes on.
  const origin = range.start ?? 0n;
  const bucketOf = (time: string) => (width === undefined ? '0::BIGINT' : `(${time} - ${origin}) // ${width}`);

  const metrics = names.map((name) => ({ name, ofSpans: spanMetricOf(name) }));
  const priced = models > 0 && names.includes('cost_total');

  return engine.withSpans(
    projects,
    range,
    async ({ source, sql, run }) => {
      const inputs: string[] = [];
      const spanValues: string[] = [];
      const traceValues: string[] = [];
      for (const { name, ofSpans } of metrics) {
        if (ofSpans === undefined) {
          traceValues.push(`(${TRACE_METRICS[name]})::DOUBLE`);
        } else {
          const column = `v${inputs.length}`;
          inputs.push(`${ofSpans.input(sql, priced)} AS ${column}`);
          spanValues.push(`(${ofSpans.aggregate(column)})::DOUBLE`);
        }
      }
      // Of all spans, also those that are in no group; not from "spans", which would then be put together whole, with what their attributes say.
      const isDated = width === undefined && range.start === undefined;
      const first =
        isDated && query.groupBy !== undefined ? `(SELECT min(start_ns) FROM (${source}))` : 'min(start_ns)';
      const select = (ofSpans: boolean, rows: string, values: readonly string[]) =>
        `(SELECT ${ofSpans} AS of_spans, ${bucketOf('start_ns')} AS bucket, metric_group, ${first} AS first_ns,
          [${values.join(', ')}] AS metric_values
        FROM ${rows} WHERE metric_group IS NOT NULL GROUP BY bucket, metric_group LIMIT ${MAX_POINTS + 1})`;
      const parts = [
        ...(spanValues.length === 0 ? [] : [select(true, 'spans', spanValues)]),
        ...(traceValues.length === 0 ? [] : [select(false, 'grouped_traces', traceValues)]),
      ];
      const columns = [trace, 'parent_id', 'start_ns', 'end_ns', 'seq', 'status'];
      const rows = await run(`
      WITH spans AS (
        SELECT ${[...columns, `${groupSql(query.groupBy, sql)} AS metric_group`, ...inputs].join(', ')}
        FROM (${priced ? pricedSql(source, prices, sql) : source})),
      traces AS (
        SELECT ${trace}, min(start_ns) AS start_ns, ${TRACE_LATENCY_NANOS} / 1e6 AS millis, max((status = 2)::INTEGER) AS failed
        FROM spans GROUP BY ${trace}),
      grouped_traces AS (
        SELECT * FROM traces JOIN (SELECT DISTINCT ${trace}, metric_group FROM spans) USING (${trace}))
      SELECT * FROM (${parts.join(' UNION ALL ')}) ORDER BY bucket, metric_group`);
      const ofSpans = metrics.filter((metric) => metric.ofSpans !== undefined).map(({ name }) => name);
      const ofTraces = metrics.filter((metric) => metric.ofSpans === undefined).map(({ name }) => name);
      const results = (rows as [boolean, bigint, string, bigint, DuckDBListValue][]).map(
        ([isOfSpans, bucket, group, first, list]) => {
          const metricNames = isOfSpans ? ofSpans : ofTraces;
          const values = new Map(metricNames.map((name, index) => [name, list.items[index] as number | null] as const));
          return { bucket, group, first, values };
        },
      );
      const earliest = results.reduce<bigint | undefined>(
        (least, { first }) => (least === undefined || first < least ? first : least),
        undefined,
      );
      const timeOf = (bucket: bigint) =>
        width === undefined ? (range.start ?? earliest ?? 0n) : origin + bucket * width;
      return pointsOf(results, names, timeOf, query.groupBy !== undefined);
    },
    query.condition,
  );
}

function pointsOf(
  rows: readonly Row[],
  names: readonly string[],
  timeOf: (bucket: bigint) => bigint,
  grouped: boolean,
): MetricPoint[] {
  const ofBucket = new Map<bigint, Row[]>();
  for (const row of rows) {
    const list = ofBucket.get(row.bucket);
    if (list === undefined) ofBucket.set(row.bucket, [row]);
    else list.push(row);
  }
  const buckets = [...ofBucket.keys()].sort((a, b) => (a < b ? -1 : 1));
  const points: MetricPoint[] = [];
  for (const bucket of buckets) {
    const timestamp = isoTime(timeOf(bucket));
    for (const metricName of names) {
      for (const { group, values } of ofBucket.get(bucket)!) {
        const value = values.get(metricName);
        if (value !== undefined && value !== null)
          points.push({ timestamp, metricName, value, ...(grouped ? { group } : {}) });
      }
    }
  }
  if (points.length > MAX_POINTS) {
    throw new InvalidQueryError(
      `The answer has more than ${MAX_POINTS} points. Take wider buckets, a shorter range, or another groupBy.`,
    );
  }
  return points;
}
