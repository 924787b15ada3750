/** The recommended alerts: five rules as data, and real telemetry driven into each condition. */
import {
  type AlertOverrides,
  type AlertRule,
  type AlertSnapshot,
  checkAlerts,
  ModalityMetricsTracker,
  QueryModality,
  recommendedAlerts,
} from '@cogniverse/agents/routing';
import { createTelemetry, type Telemetry, type TelemetryConfigOptions } from '@cogniverse/foundation/telemetry';
import { memoryTarget } from '@cogniverse/foundation/telemetry/testing';
import { afterEach, describe, expect, it } from 'vitest';

const { VIDEO, TEXT } = QueryModality;
const open: Telemetry[] = [];
afterEach(async () => {
  for (const telemetry of open.splice(0)) await telemetry.shutdown(20);
});

/** Spans stay in memory, unless the backend is said to never answer. */
function startTelemetry(config: TelemetryConfigOptions = {}, answers = true) {
  const target = memoryTarget(answers ? {} : { respond: () => new Promise<never>(() => undefined) });
  const telemetry = createTelemetry(
    { flushOnExit: false, batchConfig: { logDroppedSpans: false }, ...config },
    { exportTarget: () => target, logger: { warn: () => undefined }, environment: {} },
  );
  open.push(telemetry);
  return telemetry;
}
const record = (telemetry: Telemetry, tenantId: string, spans = 1) => {
  for (let i = 0; i < spans; i += 1) telemetry.span('search', { tenantId }, () => undefined);
};
const snapshot = (atMillis: number, telemetry?: Telemetry, tracker?: ModalityMetricsTracker): AlertSnapshot => ({
  atMillis,
  stats: telemetry?.getStats(),
  modalities: tracker?.getAllStats(),
});
/** The checks of one rule, without the rule. */
function check(name: string, current: AlertSnapshot, previous?: AlertSnapshot, rules = recommendedAlerts()) {
  return checkAlerts({ rules, current, previous })
    .filter(({ rule }) => rule.name === name)
    .map(({ rule, ...rest }) => rest);
}

describe('recommended alerts as rules', () => {
  it("are the reference's five", () => {
    const told = recommendedAlerts().map(
      ({ metric, operator, threshold, unit }) => `${metric} ${operator} ${threshold} ${unit}`,
    );
    expect(told).toEqual([
      'cache_hit_rate < 0.95 ratio',
      'failed_initializations > 0 count',
      'modality_p95_latency > 1000 ms',
      'modality_error_rate > 0.1 ratio',
      'queue_drops_per_minute > 100 spans/min',
    ]);
  });

  it('are plain data, and say what to do', () => {
    const rules = recommendedAlerts();
    expect(JSON.parse(JSON.stringify(rules))).toStrictEqual(rules);
    for (const { description, remedy } of rules) expect([description, remedy]).not.toContain('');
    expect(rules[0]!.remedy).toMatch(/max_cached_tenants.*docs\/multi-tenancy\.md/);
    expect(new Set(rules.map(({ name }) => name)).size).toBe(rules.length);
  });

  it('can be set otherwise, or left out, and are new at each call', () => {
    const rules = recommendedAlerts({
      high_modality_latency: {
        threshold: 300,
        severity: 'error',
        minSamples: undefined,
      },
      low_cache_hit_rate: false,
    });
    expect(rules.map(({ name }) => name)).not.toContain('low_cache_hit_rate');
    expect(rules.find(({ name }) => name === 'high_modality_latency')).toMatchObject({
      threshold: 300,
      severity: 'error',
      minSamples: 20,
      metric: 'modality_p95_latency',
    });
    (rules[0]!.groups as string[]).push('changed');
    expect(recommendedAlerts()[1]!.groups).toEqual(['total']);
  });

  it.each([
    [{ high_latency: false }, 'overrides is "high_latency". Give names of rules: low_cache_hit_rate, '],
    [{ queue_drops: { treshold: 5 } }, 'overrides.queue_drops is "treshold". What can be set: threshold, '],
    [{ queue_drops: { threshold: -5 } }, 'overrides.queue_drops.threshold is -5. Give a number, 0 or more'],
    [{ queue_drops: { severity: 'urgent' } }, 'overrides.queue_drops.severity is "urgent". Give "warning" or "error".'],
  ])('refuse %j', (overrides, message) => {
    expect(() => recommendedAlerts(overrides as AlertOverrides)).toThrow(message);
  });

  it('with a metric that is none are refused when they are checked', () => {
    const rules = [{ ...recommendedAlerts()[0]!, metric: 'latency' }] as unknown as AlertRule[];
    expect(() => checkAlerts({ rules, current: { atMillis: 0 } })).toThrow(
      'metric of the rule "low_cache_hit_rate" is "latency". Give one of: cache_hit_rate, ',
    );
  });
});

describe('no data gives no verdict', () => {
  it('without anything', () => {
    const checks = checkAlerts({ current: { atMillis: 0 } });
    expect(checks.map(({ rule, condition, value }) => [rule.name, condition, value])).toEqual([
      ['low_cache_hit_rate', 'no_data', null],
      ['failed_initializations', 'no_data', null],
      ['queue_drops', 'no_data', null],
    ]);
  });

  it('of a telemetry and a tracker that did nothing yet, but for what is counted from the start', () => {
    const checks = checkAlerts({ current: snapshot(0, startTelemetry(), new ModalityMetricsTracker()) });
    expect(checks.map(({ rule, condition }) => [rule.name, condition])).toEqual([
      ['low_cache_hit_rate', 'no_data'],
      ['failed_initializations', 'not_met'],
      ['queue_drops', 'no_data'],
    ]);
  });
});

describe('cache hit rate under 95 %', () => {
  const rule = 'low_cache_hit_rate';

  it('is met by more tenants than the cache holds, and not by fewer', () => {
    const crowded = startTelemetry({ maxCachedTenants: 10 });
    const roomy = startTelemetry({ maxCachedTenants: 100 });
    for (const telemetry of [crowded, roomy]) {
      for (let i = 0; i < 1000; i += 1) record(telemetry, `tenant-${i % 20}`);
    }
    const [met] = check(rule, snapshot(0, crowded));
    expect(met).toMatchObject({ group: {}, value: 0, condition: 'met' });
    expect(met!.message).toBe('low_cache_hit_rate: 0 %, alert under 95 %');
    expect(check(rule, snapshot(0, roomy))).toMatchObject([{ value: 0.98, samples: 1000, condition: 'not_met' }]);
  });

  it('has no verdict of fewer than 100 lookups', () => {
    const telemetry = startTelemetry();
    for (let i = 0; i < 50; i += 1) record(telemetry, `tenant-${i}`);
    expect(check(rule, snapshot(0, telemetry))).toEqual([
      {
        group: {},
        value: 0,
        samples: 50,
        condition: 'no_data',
        message: 'low_cache_hit_rate: 0 %, alert under 95 %; too few samples for a verdict',
      },
    ]);
  });

  it('is that of the time between two snapshots', () => {
    const telemetry = startTelemetry();
    for (let i = 0; i < 90; i += 1) record(telemetry, `tenant-${i}`);
    const cold = snapshot(0, telemetry);
    record(telemetry, 'tenant-0', 200);
    expect(check(rule, snapshot(60_000, telemetry))).toMatchObject([{ condition: 'met' }]); // since the start
    expect(check(rule, snapshot(60_000, telemetry), cold)).toMatchObject([
      { value: 1, samples: 200, condition: 'not_met' },
    ]);
  });
});

describe('failed initializations', () => {
  const rule = 'failed_initializations';

  it('are met by a provider that is not installed, once a period', async () => {
    const telemetry = createTelemetry(
      { provider: 'absent', flushOnExit: false, otlpEndpoint: '127.0.0.1:1' },
      { logger: { warn: () => undefined }, environment: {} },
    );
    open.push(telemetry);
    expect(check(rule, snapshot(0, telemetry))).toMatchObject([{ value: 0, condition: 'not_met' }]);
    record(telemetry, 'acme');
    await telemetry.forceFlush(50);
    const after = snapshot(60_000, telemetry);
    expect(check(rule, after)).toMatchObject([{ group: {}, condition: 'met', value: 1 }]);
    expect(check(rule, after)[0]!.message).toBe('failed_initializations: 1, alert over 0');
    expect(check(rule, snapshot(120_000, telemetry), after)).toMatchObject([{ value: 0, condition: 'not_met' }]);
  });
});

describe('p95 latency over 1000 ms per modality', () => {
  const rule = 'high_modality_latency';
  const trackerOf = (latencies: Partial<Record<QueryModality, number>>, count = 20) => {
    const tracker = new ModalityMetricsTracker();
    for (const [modality, latency] of Object.entries(latencies)) {
      for (let i = 0; i < count; i += 1) tracker.recordModalityExecution(modality as QueryModality, latency, true);
    }
    return tracker;
  };

  it('is met by the slow modality only; at the threshold it is not', () => {
    const tracker = trackerOf({ [VIDEO]: 1200.5, [TEXT]: 1000 });
    expect(check(rule, snapshot(0, undefined, tracker))).toMatchObject([
      {
        group: { modality: 'video' },
        value: 1200.5,
        samples: 20,
        condition: 'met',
        message: 'high_modality_latency (video): 1200.5 ms, alert over 1000 ms',
      },
      { group: { modality: 'text' }, value: 1000, condition: 'not_met' },
    ]);
  });

  it('has no verdict of fewer than 20 requests, and none when there was no request since', () => {
    expect(check(rule, snapshot(0, undefined, trackerOf({ [VIDEO]: 5000 }, 19)))).toMatchObject([
      { condition: 'no_data' },
    ]);
    const slow = snapshot(0, undefined, trackerOf({ [VIDEO]: 5000 }));
    expect(check(rule, { ...slow, atMillis: 60_000 }, slow)).toMatchObject([
      { value: null, condition: 'no_data', message: 'high_modality_latency (video): nothing to measure' },
    ]);
  });
});

describe('error rate over 10 % per modality', () => {
  const rule = 'high_modality_error_rate';
  const fail = (tracker: ModalityMetricsTracker, modality: QueryModality, requests: number, failures: number) => {
    for (let i = 0; i < requests; i += 1) tracker.recordModalityExecution(modality, 1, i >= failures, 'timeout');
  };

  it('is met by the modality that fails only; at 10 % it is not', () => {
    const tracker = new ModalityMetricsTracker();
    fail(tracker, VIDEO, 20, 3);
    fail(tracker, TEXT, 20, 2);
    expect(check(rule, snapshot(0, undefined, tracker))).toMatchObject([
      {
        group: { modality: 'video' },
        value: 0.15,
        condition: 'met',
        message: 'high_modality_error_rate (video): 15 %, alert over 10 %',
      },
      { group: { modality: 'text' }, value: 0.1, condition: 'not_met' },
    ]);
  });

  it('is that of the time between two snapshots: a long good past hides no outage', () => {
    const tracker = new ModalityMetricsTracker();
    fail(tracker, VIDEO, 10_000, 0);
    const before = snapshot(0, undefined, tracker);
    fail(tracker, VIDEO, 100, 50);
    const after = snapshot(60_000, undefined, tracker);
    expect(check(rule, after)).toMatchObject([{ condition: 'not_met' }]);
    expect(check(rule, after, before)).toMatchObject([{ value: 0.5, samples: 100, condition: 'met' }]);
  });

  it('counts from 0 after a reset', () => {
    const tracker = new ModalityMetricsTracker();
    fail(tracker, VIDEO, 100, 100);
    const before = snapshot(0, undefined, tracker);
    tracker.resetAllStats();
    fail(tracker, VIDEO, 40, 10);
    expect(check(rule, snapshot(60_000, undefined, tracker), before)).toMatchObject([{ value: 0.25, samples: 40 }]);
    fail(tracker, VIDEO, 160, 10); // more requests than before the reset, but fewer failures
    expect(check(rule, snapshot(60_000, undefined, tracker), before)).toMatchObject([{ value: 0.1, samples: 200 }]);
  });
});

describe('queue drops over 100 a minute', () => {
  const rule = 'queue_drops';
  const small = {
    batchConfig: { maxQueueSize: 4, maxExportBatchSize: 4, maxRequestsInFlight: 1, logDroppedSpans: false },
  };

  it('are met in total and for the tenant that floods, not for another', () => {
    const telemetry = startTelemetry(small, false);
    record(telemetry, 'quiet', 10);
    const before = snapshot(1_000_000, telemetry);
    record(telemetry, 'noisy', 300);
    const quietDrops = telemetry.getStats().export.tenants['quiet']!.dropped['queue_full']!;
    expect(quietDrops).toBeGreaterThan(0);
    const checks = check(rule, snapshot(1_120_000, telemetry), before);
    const { queue_full: noisyDrops } = telemetry.getStats().export.tenants['noisy']!.dropped;
    expect(checks).toMatchObject([
      { group: {}, value: noisyDrops! / 2, samples: noisyDrops, condition: 'met' },
      { group: { tenantId: 'quiet' }, value: 0, condition: 'not_met' },
      { group: { tenantId: 'noisy' }, value: noisyDrops! / 2, condition: 'met' },
    ]);
    expect(checks[2]!.message).toMatch(/^queue_drops \(noisy\): \d+(\.\d+)? spans\/min, alert over 100 spans\/min$/);
    expect(check(rule, snapshot(1_600_000, telemetry), before)[0]).toMatchObject({ condition: 'not_met' }); // as many in ten minutes
  });

  it('have no verdict without an earlier snapshot, or from the same moment', () => {
    const telemetry = startTelemetry(small, false);
    record(telemetry, 'noisy', 300);
    const now = snapshot(5, telemetry);
    expect(check(rule, now)).toMatchObject([
      { condition: 'no_data' },
      { group: { tenantId: 'noisy' }, condition: 'no_data' },
    ]);
    expect(check(rule, now, now)).toMatchObject([{ condition: 'no_data' }, { condition: 'no_data' }]);
  });

  it('count spans dropped for their bytes too, and for nothing else', () => {
    const stats = (dropped: Record<string, number>) => {
      const telemetry = startTelemetry().getStats();
      return { ...telemetry, export: { total: { ...telemetry.export.total, dropped }, tenants: {} } };
    };
    const previous = { atMillis: 0, stats: stats({}) };
    const current = {
      atMillis: 60_000,
      stats: stats({ queue_full: 60, queue_bytes: 50, invalid: 1000, http_400: 1000 }),
    };
    expect(check(rule, current, previous)).toMatchObject([{ value: 110, condition: 'met' }]);
  });

  it('of tenants are left out of a rule that asks for the total only', () => {
    const telemetry = startTelemetry(small, false);
    const before = snapshot(0, telemetry);
    record(telemetry, 'noisy', 300);
    const rules = recommendedAlerts().map((each) => ({ ...each, groups: ['total' as const] }));
    expect(check(rule, snapshot(60_000, telemetry), before, rules)).toMatchObject([{ group: {}, condition: 'met' }]);
  });
});

it('a check without a snapshot is refused, and is told what one is', () => {
  const check = checkAlerts as (input?: unknown) => unknown;
  const told =
    'current is undefined. Give { atMillis, stats: telemetry.getStats(), modalities: tracker.getAllStats() }.';
  expect(() => check()).toThrow(told);
  expect(() => check({ rules: recommendedAlerts() })).toThrow(told);
  expect(() => check({ rules: 'all', current: { atMillis: 0 } })).toThrow(/^rules is "all"\. Give a list of rules/);
});
