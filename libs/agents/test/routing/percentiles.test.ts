/** Percentiles are numpy's, to the last bit. `fixtures/percentiles.py` made the expectations. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ModalityMetricsTracker, QueryModality } from '@cogniverse/agents/routing';
import { describe, expect, it } from 'vitest';

interface Case {
  readonly name: string;
  readonly latencies: number[];
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly min: number;
  readonly max: number;
  /** Null where numpy's own sum overflows. */
  readonly mean: number | null;
}
const { cases } = JSON.parse(readFileSync(join(import.meta.dirname, 'fixtures/percentiles.json'), 'utf8')) as {
  readonly cases: readonly Case[];
};

function statsOf(latencies: readonly number[], windowSize: number) {
  const tracker = new ModalityMetricsTracker({ windowSize });
  for (const latency of latencies) tracker.recordModalityExecution(QueryModality.VIDEO, latency, true);
  return tracker.getModalityStats(QueryModality.VIDEO);
}
/** `toBe` compares by `Object.is`: bit for bit. */
function expectNumpys(stats: ReturnType<typeof statsOf>, expected: Case) {
  expect(stats.p50Latency).toBe(expected.p50);
  expect(stats.p95Latency).toBe(expected.p95);
  expect(stats.p99Latency).toBe(expected.p99);
  expect(stats.minLatency).toBe(expected.min);
  expect(stats.maxLatency).toBe(expected.max);
}

describe('exact percentiles against values of numpy', () => {
  it('has cases', () => expect(cases.length).toBeGreaterThan(30));

  it.each(cases)('$name', (expected) => {
    expectNumpys(statsOf(expected.latencies, expected.latencies.length), expected);
  });

  it.each(cases)('$name, in a window that is not full', (expected) => {
    expectNumpys(statsOf(expected.latencies, 2 * expected.latencies.length + 1), expected);
  });

  it.each(cases)('$name, in a window that has wrapped', (expected) => {
    expectNumpys(statsOf([1e9, 0, 7, ...expected.latencies], expected.latencies.length), expected);
  });

  it.each(cases)('$name: the average, up to the order of its additions', (expected) => {
    const { avgLatency } = statsOf(expected.latencies, 1000);
    if (expected.mean === null) {
      expect(avgLatency).toBeGreaterThanOrEqual(expected.min);
      expect(avgLatency).toBeLessThanOrEqual(expected.max);
    } else expect(Math.abs(avgLatency - expected.mean)).toBeLessThanOrEqual(1e-13 * expected.mean);
  });
});

describe('percentiles of windows that are hard on a selection', () => {
  const sizes = [13, 100, 1000, 5000];
  const shapes: Record<string, (i: number, size: number) => number> = {
    ascending: (i) => i,
    descending: (i, size) => size - i,
    'all the same': () => 7,
    'two values in turn': (i) => i % 2,
    // 5000 of them are more than pivots get through in their rounds: the rest is sorted.
    'an organ pipe': (i, size) => Math.min(i, size - i),
    'a saw': (i) => i % 17,
  };
  const cases = Object.entries(shapes).flatMap(([shape, valueAt]) => sizes.map((size) => ({ shape, size, valueAt })));

  it.each(cases)('$shape, $size latencies', ({ size, valueAt }) => {
    const latencies = Array.from({ length: size }, (_, i) => valueAt(i, size));
    const sorted = Float64Array.from(latencies).sort();
    const expected = [0.5, 0.95, 0.99].map((fraction) => {
      const position = (size - 1) * fraction;
      const [low, high] = [sorted[Math.floor(position)]!, sorted[Math.ceil(position)]!];
      return low + (high - low) * (position % 1);
    });
    const { p50Latency, p95Latency, p99Latency, minLatency, maxLatency } = statsOf(latencies, size);
    for (const [i, found] of [p50Latency, p95Latency, p99Latency].entries()) expect(found).toBeCloseTo(expected[i]!, 8);
    expect([minLatency, maxLatency]).toEqual([sorted[0], sorted.at(-1)]);
  });
});
