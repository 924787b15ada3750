/** Any sequence of calls: the tracker says what a plain model with arrays says. */
import { ModalityMetricsTracker, type ModalityStats, QueryModality } from '@cogniverse/agents/routing';
import { ManualClock } from '@cogniverse/foundation/telemetry/testing';
import fc from 'fast-check';
import { expect, it } from 'vitest';

const modalities = Object.values(QueryModality);

/** The reference, in its own plain terms; percentiles by the textbook. */
class Model {
  readonly #windowSize: number;
  readonly #records = new Map<
    QueryModality,
    { latency: number; success: boolean; error: string | undefined; at: number }[]
  >();
  constructor(windowSize: number) {
    this.#windowSize = windowSize;
  }
  record(modality: QueryModality, latency: number, success: boolean, error: string | undefined, at: number) {
    this.#records.set(modality, [...(this.#records.get(modality) ?? []), { latency, success, error, at }]);
  }
  reset(modality: QueryModality) {
    this.#records.delete(modality);
  }
  stats(modality: QueryModality): ModalityStats {
    const records = this.#records.get(modality) ?? [];
    const window = records
      .slice(-this.#windowSize)
      .map(({ latency }) => latency)
      .sort((a, b) => a - b);
    const percentile = (q: number) => {
      if (window.length === 0) return 0;
      const position = (window.length - 1) * q;
      const [low, high] = [window[Math.floor(position)]!, window[Math.ceil(position)]!];
      return low + (high - low) * (position % 1);
    };
    const failed = records.filter(({ success }) => !success);
    const errorBreakdown: Record<string, number> = {};
    for (const { error } of failed) {
      const key = error || 'unknown_error';
      errorBreakdown[key] = (errorBreakdown[key] ?? 0) + 1;
    }
    const seconds = ((records.at(-1)?.at ?? 0) - (records[0]?.at ?? 0)) / 1000;
    return {
      modality,
      totalRequests: records.length,
      successCount: records.length - failed.length,
      errorCount: failed.length,
      successRate: records.length === 0 ? 0 : (records.length - failed.length) / records.length,
      p50Latency: percentile(0.5),
      p95Latency: percentile(0.95),
      p99Latency: percentile(0.99),
      avgLatency: window.length === 0 ? 0 : window.reduce((sum, latency) => sum + latency, 0) / window.length,
      minLatency: window[0] ?? 0,
      maxLatency: window.at(-1) ?? 0,
      errorBreakdown,
      throughputQps: seconds > 0 ? records.length / seconds : 0,
    };
  }
}

/** Numbers up to the rounding of a few operations, which among the smallest doubles is as large as they are; everything else exactly. */
function expectClose(actual: ModalityStats, expected: ModalityStats) {
  for (const [key, value] of Object.entries(expected)) {
    const found = actual[key as keyof ModalityStats];
    if (typeof value === 'number')
      expect(Math.abs((found as number) - value)).toBeLessThanOrEqual(1e-12 * value + 1e-300);
    else expect(found).toStrictEqual(value);
  }
}

const modality = fc.constantFrom(...modalities);
const step = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constant('record' as const),
      modality,
      latency: fc.oneof(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.nat(5)),
      success: fc.boolean(),
      error: fc.option(fc.constantFrom('timeout', 'format', ''), { nil: undefined }),
      afterMillis: fc.nat(2000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('read' as const), modality }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset' as const), modality }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('refused' as const), modality, latency: fc.constantFrom(-1, Number.NaN) }),
  },
);

it('any sequence of records, reads and resets gives the figures of a plain model', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 12 }), fc.array(step, { maxLength: 120 }), async (windowSize, steps) => {
      const clock = new ManualClock();
      const tracker = new ModalityMetricsTracker({ windowSize, clock });
      const model = new Model(windowSize);
      let now = 0;
      for (const each of steps) {
        if (each.kind === 'record') {
          now += each.afterMillis;
          if (each.afterMillis > 0) await clock.advance(each.afterMillis);
          tracker.recordModalityExecution(each.modality, each.latency, each.success, each.error);
          model.record(each.modality, each.latency, each.success, each.error, now);
        } else if (each.kind === 'read')
          expectClose(tracker.getModalityStats(each.modality), model.stats(each.modality));
        else if (each.kind === 'reset') {
          tracker.resetModalityStats(each.modality);
          model.reset(each.modality);
        } else tracker.recordModalityExecution(each.modality, each.latency, true);
      }
      const expected = modalities.map((name) => model.stats(name)).filter(({ totalRequests }) => totalRequests > 0);
      const all = tracker.getAllStats();
      expect(Object.keys(all)).toEqual(expected.map(({ modality: name }) => name));
      for (const stats of expected) expectClose(all[stats.modality]!, stats);
      const slowest = tracker.getSlowestModalities(6).map(({ p95Latency }) => p95Latency);
      expect(slowest).toEqual([...slowest].sort((a, b) => b - a));
      expect(slowest).toHaveLength(expected.length);
      expect(
        tracker
          .getErrorProneModalities(0.5)
          .map(({ modality: name }) => name)
          .sort(),
      ).toEqual(
        expected
          .filter(({ errorCount, totalRequests }) => errorCount >= totalRequests / 2)
          .map(({ modality: name }) => name)
          .sort(),
      );
    }),
    { numRuns: 60 },
  );
});

it('percentiles are ordered, and never outside of what was recorded, for any finite latencies', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 50 }),
      (latencies) => {
        const tracker = new ModalityMetricsTracker();
        for (const latency of latencies) tracker.recordModalityExecution(QueryModality.TEXT, latency, true);
        const { minLatency, p50Latency, p95Latency, p99Latency, maxLatency, avgLatency } =
          tracker.getModalityStats('text');
        const ordered = [minLatency, p50Latency, p95Latency, p99Latency, maxLatency];
        expect(ordered).toEqual([...ordered].sort((a, b) => a - b));
        expect([minLatency, maxLatency]).toEqual([Math.min(...latencies), Math.max(...latencies)]);
        expect(Number.isFinite(avgLatency)).toBe(true);
      },
    ),
  );
});
