/** The alerts that the reference recommends, as rules.   Alerting: [recommended-alerts] -> check-alerts. */
import type { AlertRule } from './alert-rule.js';
import { checkArgument } from './invalid-argument-error.js';

const RULES = {
  low_cache_hit_rate: {
    metric: 'cache_hit_rate',
    operator: '<',
    threshold: 0.95,
    unit: 'ratio',
    severity: 'warning',
    groups: ['total'],
    minSamples: 100,
    forMillis: 300_000,
    description: 'The cache of tenants is too small for the tenants in use: tenants are set up again and again.',
    remedy:
      'Raise max_cached_tenants (default 100). Of 1,000 tenants whose requests follow a Zipf distribution, with four spans a request, 351 ' +
      'must be live for 95 % at exponent 1.0, 106 at 1.25, 24 at 1.5: see docs/multi-tenancy.md.',
  },
  failed_initializations: {
    metric: 'failed_initializations',
    operator: '>',
    threshold: 0,
    unit: 'count',
    severity: 'error',
    groups: ['total'],
    minSamples: 0,
    forMillis: 0,
    description:
      'A provider, or the destination of a project, could not be set up: its spans go to otlp_endpoint, or nowhere.',
    remedy: 'Read the log line that names the tenant and the error; check provider, provider_config and otlp_endpoint.',
  },
  high_modality_latency: {
    metric: 'modality_p95_latency',
    operator: '>',
    threshold: 1000,
    unit: 'ms',
    severity: 'warning',
    groups: ['modality'],
    minSamples: 20,
    forMillis: 60_000,
    description: 'One in twenty requests of this modality takes longer than the threshold.',
    remedy: 'Look at the slowest traces of this modality; route its queries elsewhere while it is slow.',
  },
  high_modality_error_rate: {
    metric: 'modality_error_rate',
    operator: '>',
    threshold: 0.1,
    unit: 'ratio',
    severity: 'error',
    groups: ['modality'],
    minSamples: 20,
    forMillis: 60_000,
    description: 'More requests of this modality fail than the threshold allows.',
    remedy: 'errorBreakdown of getModalityStats() tells which errors they are.',
  },
  queue_drops: {
    metric: 'queue_drops_per_minute',
    operator: '>',
    threshold: 100,
    unit: 'spans/min',
    severity: 'error',
    groups: ['total', 'tenant'],
    minSamples: 0,
    forMillis: 0,
    description: 'Spans end faster than the backend takes them: the queue is full, and spans are lost.',
    remedy: 'Look at the backend first; then raise max_queue_size, or record or sample less for this tenant.',
  },
} as const satisfies Record<string, Omit<AlertRule, 'name'>>;

export type RecommendedAlertName = keyof typeof RULES;

/** What a rule may be given in place of what is recommended. */
export interface AlertOverride {
  readonly threshold?: number | undefined;
  readonly severity?: AlertRule['severity'] | undefined;
  readonly minSamples?: number | undefined;
  readonly forMillis?: number | undefined;
}
/** By name of rule; `false` leaves the rule out. */
export type AlertOverrides = { readonly [Name in RecommendedAlertName]?: AlertOverride | false | undefined };

const NAMES = Object.keys(RULES) as RecommendedAlertName[];
const SEVERITIES: readonly unknown[] = ['warning', 'error'];
const OVERRIDABLE: Readonly<Record<string, readonly [isRight: (value: unknown) => boolean, remedy: string]>> = {
  threshold: [isAmount, 'Give a number, 0 or more, in the unit of the rule.'],
  minSamples: [isAmount, 'Give a number, 0 or more.'],
  forMillis: [isAmount, 'Give milliseconds, 0 or more.'],
  severity: [(value) => SEVERITIES.includes(value), 'Give "warning" or "error".'],
};

/**
 * Cache hit rate under 95 %, failed initializations, a modality's p95 latency over a second, a modality's error rate over 10 %, more than
 * 100 spans a minute dropped by full queues. New objects at each call.
 *
 * Errors: `InvalidArgumentError` for an override that names no rule, or sets something that cannot be set.
 */
export function recommendedAlerts(overrides: AlertOverrides = {}): AlertRule[] {
  for (const [name, override] of Object.entries(overrides)) {
    checkArgument(Object.hasOwn(RULES, name), 'overrides', name, `Give names of rules: ${NAMES.join(', ')}.`);
    for (const [field, value] of Object.entries(override || {})) {
      const known = Object.hasOwn(OVERRIDABLE, field) ? OVERRIDABLE[field] : undefined;
      const settable = `What can be set: ${Object.keys(OVERRIDABLE).join(', ')}.`;
      if (known === undefined) checkArgument(false, `overrides.${name}`, field, settable);
      else if (value !== undefined) checkArgument(known[0](value), `overrides.${name}.${field}`, value, known[1]);
    }
  }
  return NAMES.flatMap((name) => {
    const override = overrides[name];
    if (override === false) return [];
    const set = Object.fromEntries(Object.entries(override ?? {}).filter(([, value]) => value !== undefined));
    return [{ name, ...RULES[name], groups: [...RULES[name].groups], ...set }];
  });
}

function isAmount(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value < Number.POSITIVE_INFINITY;
}
