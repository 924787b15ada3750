/** Aggregated metrics over stored spans.   Read path: provider -> [analytics]. */
import type { MetricPoint, TimeInput } from './records.js';

export interface MetricQuery {
  project?: string | undefined;
  /** See `METRIC_NAMES`; and `attribute:<key>:<mean|sum|min|max|p95>`. Any other is an `InvalidQueryError` that lists these. */
  metricNames: readonly string[];
  startTime?: TimeInput | undefined;
  endTime?: TimeInput | undefined;
  /** Width of a bucket in seconds; one bucket over the whole range by default. */
  bucketSeconds?: number | undefined;
  /** `name`, `kind`, `model`, `session`, `tenant`, or `attribute:<key>`. */
  groupBy?: string | undefined;
}

/** `error_rate` is 0 to 1; latencies are of traces, in milliseconds, percentiles by linear interpolation. */
export const METRIC_NAMES = [
  'span_count',
  'trace_count',
  'error_rate',
  'latency_p50',
  'latency_p95',
  'latency_p99',
  'latency_mean',
  'tokens_prompt',
  'tokens_completion',
  'tokens_total',
  'cost_total',
] as const;

export interface AnalyticsStore {
  /** A bucket without data gives no point, never 0. */
  getMetrics(query: MetricQuery): Promise<MetricPoint[]>;
}
