/**
 * A condition on a figure of telemetry, as plain data: it can be stored, sent, and taken over by any monitor.
 * Alerting: [alert-rule] + snapshots -> check-alerts -> whoever tells people.
 */

/**
 * What a rule looks at, and what it is measured in.
 *
 * - `cache_hit_rate`: lookups of tenants that were answered from the manager's cache, 0 to 1
 * - `failed_initializations`: destinations of tenants' spans and providers that could not be set up
 * - `modality_p95_latency`: the p95 latency in a modality's window, milliseconds
 * - `modality_error_rate`: failures over requests of a modality, 0 to 1
 * - `queue_drops_per_minute`: spans dropped because a tenant's queue was full, in number or in bytes
 */
export type AlertMetric =
  | 'cache_hit_rate'
  | 'failed_initializations'
  | 'modality_p95_latency'
  | 'modality_error_rate'
  | 'queue_drops_per_minute';

/** What a verdict is given for: everything together, or each modality or tenant by itself. */
export type AlertGrouping = 'total' | 'modality' | 'tenant';

export interface AlertRule {
  /** Unique among the rules that are checked together. */
  readonly name: string;
  readonly metric: AlertMetric;
  /** The condition is met when the value is below, or above, the threshold; at the threshold it is not. */
  readonly operator: '<' | '>';
  readonly threshold: number;
  readonly unit: 'ratio' | 'count' | 'ms' | 'spans/min';
  readonly severity: 'warning' | 'error';
  readonly groups: readonly AlertGrouping[];
  /** Lookups or requests that it takes for a verdict; with fewer there is none. */
  readonly minSamples: number;
  /** How long the condition should be met before someone is told; 0: at once. For the monitor that checks again and again. */
  readonly forMillis: number;
  /** What it means when the condition is met. */
  readonly description: string;
  /** What to do then. */
  readonly remedy: string;
}
