/**
 * Holds rules against what telemetry counted.   Alerting: rules + snapshots -> [check-alerts] -> whoever tells people.
 * A function of its arguments: it keeps no state, reads no clock, and tells nobody. That is the monitor's work, which calls it again and again.
 */
import type { LedgerSnapshot, TelemetryStats } from '@cogniverse/foundation/telemetry';
import type { AlertMetric, AlertRule } from './alert-rule.js';
import { checkArgument, quoted } from './invalid-argument-error.js';
import type { ModalityStats } from './modality-metrics.js';
import type { QueryModality } from './query-modality.js';
import { recommendedAlerts } from './recommended-alerts.js';

/** What was counted at one moment. What is left out gives no verdicts. */
export interface AlertSnapshot {
  /** When; milliseconds on any clock, the same for both snapshots. */
  readonly atMillis: number;
  /** `telemetry.getStats()`. */
  readonly stats?:
    | (Pick<TelemetryStats, 'cacheHits' | 'cacheMisses' | 'failedInitializations'> & {
        readonly export: Pick<LedgerSnapshot, 'total' | 'tenants'>;
      })
    | undefined;
  /** `tracker.getAllStats()`. */
  readonly modalities?: Partial<Record<QueryModality, ModalityStats>> | undefined;
}

/** What a rule says of one group. */
export interface AlertCheck {
  readonly rule: AlertRule;
  /** Whom it is about; empty: everything together. */
  readonly group: { readonly modality?: QueryModality; readonly tenantId?: string };
  /** In the rule's unit; null when there is nothing to measure. */
  readonly value: number | null;
  /** Lookups, requests or spans behind the value. */
  readonly samples: number;
  /** `no_data`: no verdict, which is not "all is well". */
  readonly condition: 'met' | 'not_met' | 'no_data';
  /** One line for people. */
  readonly message: string;
}

export interface AlertCheckInput {
  /** Default: `recommendedAlerts()`. */
  readonly rules?: readonly AlertRule[] | undefined;
  readonly current: AlertSnapshot;
  /** An earlier one of the same process, best a minute or some minutes old: counts are then those of the time between. */
  readonly previous?: AlertSnapshot | undefined;
}

/** A measurement of one group, before it is held against a rule. */
type Measured = Pick<AlertCheck, 'group' | 'value' | 'samples'>;

/**
 * One check a rule and group, in the order of the rules.
 *
 * Range:  hit rate, error rate and failed initializations are those between the snapshots; without `previous` those since the start. A latency is that of the
 *         window at `current`. Drops are a rate, so without `previous` there is no verdict.
 * Errors: `InvalidArgumentError` for a rule with a metric that is none, and without a snapshot.
 * Empty:  nothing to look at gives `no_data`; a rule by modality or tenant gives no check for one that never had a request or a drop.
 * Resets: a count that is lower than before began anew, and counts from 0.
 */
export function checkAlerts(input: AlertCheckInput): AlertCheck[] {
  const { rules = recommendedAlerts(), current, previous } = (input ?? {}) as AlertCheckInput;
  const remedy = 'Give { atMillis, stats: telemetry.getStats(), modalities: tracker.getAllStats() }.';
  checkArgument(typeof current === 'object' && current !== null, 'current', current, remedy);
  checkArgument(
    Array.isArray(rules),
    'rules',
    rules,
    'Give a list of rules, as recommendedAlerts() does, or leave it out.',
  );
  return rules.flatMap((rule) =>
    measure(rule, current, previous).map((measured) => {
      const { value, samples } = measured;
      const hasData = value !== null && samples >= rule.minSamples;
      const beyond = value !== null && (rule.operator === '<' ? value < rule.threshold : value > rule.threshold);
      const condition = hasData ? (beyond ? 'met' : 'not_met') : 'no_data';
      return { rule, ...measured, condition, message: messageOf(rule, measured, condition) };
    }),
  );
}

const METERS: Readonly<Record<AlertMetric, (current: AlertSnapshot, previous?: AlertSnapshot) => Measured[]>> = {
  cache_hit_rate({ stats }, previous) {
    if (stats === undefined) return [nothing({})];
    const hits = since(stats.cacheHits, previous?.stats?.cacheHits);
    const lookups = hits + since(stats.cacheMisses, previous?.stats?.cacheMisses);
    return [{ group: {}, value: ratio(hits, lookups), samples: lookups }];
  },

  failed_initializations({ stats }, previous) {
    if (stats === undefined) return [nothing({})];
    const failed = since(stats.failedInitializations, previous?.stats?.failedInitializations);
    return [{ group: {}, value: failed, samples: failed }];
  },

  modality_p95_latency: ({ modalities }, previous) =>
    Object.values(modalities ?? {}).map(({ modality, totalRequests, p95Latency }) => {
      const group = { modality };
      const isNew = since(totalRequests, previous?.modalities?.[modality]?.totalRequests) > 0;
      return isNew ? { group, value: p95Latency, samples: totalRequests } : nothing(group); // the window is of another time
    }),

  modality_error_rate: ({ modalities }, previous) =>
    Object.values(modalities ?? {}).map(({ modality, totalRequests, errorCount }) => {
      const before = previous?.modalities?.[modality];
      const wasReset = before !== undefined && (totalRequests < before.totalRequests || errorCount < before.errorCount);
      const requests = wasReset ? totalRequests : since(totalRequests, before?.totalRequests);
      const errors = wasReset ? errorCount : since(errorCount, before?.errorCount);
      return { group: { modality }, value: ratio(errors, requests), samples: requests };
    }),

  queue_drops_per_minute({ stats, atMillis }, previous) {
    if (stats === undefined) return [nothing({})];
    const minutes = previous?.stats === undefined ? 0 : (atMillis - previous.atMillis) / 60_000;
    const rate = (group: Measured['group'], now: Counts, before: Counts): Measured => {
      const drops = since(queueDrops(now), queueDrops(before));
      return minutes > 0 ? { group, value: drops / minutes, samples: drops } : nothing(group);
    };
    const tenants = Object.entries(stats.export.tenants).filter(([, counts]) => queueDrops(counts) > 0);
    return [
      rate({}, stats.export.total, previous?.stats?.export.total),
      ...tenants.map(([tenantId, counts]) => {
        const before = previous?.stats?.export.tenants;
        return rate({ tenantId }, counts, before && Object.hasOwn(before, tenantId) ? before[tenantId] : undefined);
      }),
    ];
  },
};

function measure(rule: AlertRule, current: AlertSnapshot, previous: AlertSnapshot | undefined): Measured[] {
  // Rules are data, and may come from a store of another version.
  const remedy = `Give one of: ${Object.keys(METERS).join(', ')}.`;
  checkArgument(Object.hasOwn(METERS, rule.metric), `metric of the rule ${quoted(rule.name)}`, rule.metric, remedy);
  return METERS[rule.metric](current, previous).filter(({ group }) => {
    const grouping = group.modality !== undefined ? 'modality' : group.tenantId !== undefined ? 'tenant' : 'total';
    return rule.groups.includes(grouping);
  });
}

type Counts = { readonly dropped: Readonly<Record<string, number>> } | undefined;

function queueDrops(counts: Counts): number {
  return (counts?.dropped['queue_full'] ?? 0) + (counts?.dropped['queue_bytes'] ?? 0);
}

function nothing(group: Measured['group']): Measured {
  return { group, value: null, samples: 0 };
}

function since(now: number, before = 0): number {
  return now >= before ? now - before : now;
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

function messageOf(rule: AlertRule, { group, value }: Measured, condition: AlertCheck['condition']): string {
  const who = group.modality ?? group.tenantId;
  const about = `${rule.name}${who === undefined ? '' : ` (${who})`}`;
  if (value === null) return `${about}: nothing to measure`;
  const relation = `${textOf(value, rule)}, alert ${rule.operator === '<' ? 'under' : 'over'} ${textOf(rule.threshold, rule)}`;
  return condition === 'no_data' ? `${about}: ${relation}; too few samples for a verdict` : `${about}: ${relation}`;
}

function textOf(value: number, { unit }: AlertRule): string {
  if (unit === 'ratio') return `${Number((value * 100).toFixed(2))} %`;
  return `${Number(value.toFixed(2))}${unit === 'count' ? '' : ` ${unit}`}`;
}
