/** Aggregated metrics over stored spans.   Read path: provider -> [analytics]. */
import type { MetricPoint, TimeInput } from './records.js';

/** What a model's tokens cost. Units: of whatever currency the costs that spans record are in, for a million tokens; 0 or more. */
export interface ModelPrice {
  readonly promptPerMillionTokens: number;
  readonly completionPerMillionTokens: number;
}

export interface MetricQuery {
  /** Full project name; the provider's own project by default. */
  project?: string | undefined;
  /** Over the spans of all projects of the tenant, and then no `project`. What two projects hold of one trace are two traces. Default false. */
  allProjects?: boolean | undefined;
  /** See `METRIC_NAMES`; and `attribute:<key>:<mean|sum|min|max|p95>`. Any other is an `InvalidQueryError` that lists these. */
  metricNames: readonly string[];
  startTime?: TimeInput | undefined;
  endTime?: TimeInput | undefined;
  /** Width of a bucket in seconds; one bucket over the whole range by default. */
  bucketSeconds?: number | undefined;
  /** `name`, `kind`, `model`, `session`, `project`, `tenant`, or `attribute:<key>`. */
  groupBy?: string | undefined;
  /** Only spans of which this is true count, in Phoenix's language; see `parseCondition`. A trace is then what is left of its spans. */
  condition?: string | undefined;
  /**
   * Prices for `cost_total`, by the name of the model (`llm.model_name`, letter by letter). Default: none, only costs as recorded count.
   *
   * A span that records `llm.cost.total` costs that. Any other costs
   * `(prompt * promptPerMillionTokens + completion * completionPerMillionTokens) / 1e6`, in doubles, with the tokens of
   * `llm.token_count.prompt` and `llm.token_count.completion`, of which one may be missing. A span of a model that is not in the table, or
   * without either count (`llm.token_count.total` alone does not say at which price), has no cost: it adds nothing, also no 0.
   *
   * Errors: `InvalidQueryError` for a price that is no finite number from 0; `NotSupportedError` if the backend cannot price.
   */
  prices?: Readonly<Record<string, ModelPrice>> | undefined;
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
