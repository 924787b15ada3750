/** The tracker of the reference: what it counts, the shape of every answer, windows, resets, and input that is no input. */
import { InvalidArgumentError, ModalityMetricsTracker, QueryModality } from '@cogniverse/agents/routing';
import { ManualClock } from '@cogniverse/foundation/telemetry/testing';
import { describe, expect, it } from 'vitest';

const { VIDEO, IMAGE, AUDIO, DOCUMENT, TEXT, MIXED } = QueryModality;
const ZEROS = {
  totalRequests: 0,
  successCount: 0,
  errorCount: 0,
  successRate: 0,
  p50Latency: 0,
  p95Latency: 0,
  p99Latency: 0,
  avgLatency: 0,
  minLatency: 0,
  maxLatency: 0,
  errorBreakdown: {},
  throughputQps: 0,
};

/** Ten requests, one a second: 100 to 190 ms; the last two fail. */
async function tenRequests() {
  const clock = new ManualClock();
  const tracker = new ModalityMetricsTracker({ clock });
  for (let i = 0; i < 10; i += 1) {
    if (i > 0) await clock.advance(1000);
    tracker.recordModalityExecution(VIDEO, 100 + 10 * i, i < 8, i < 8 ? undefined : 'Connection timeout');
  }
  return tracker;
}

describe('every return shape', () => {
  it('getModalityStats: the keys and values of the reference, in camelCase', async () => {
    const tracker = await tenRequests();
    expect(tracker.getModalityStats(VIDEO)).toStrictEqual({
      modality: 'video',
      totalRequests: 10,
      successCount: 8,
      errorCount: 2,
      successRate: 0.8,
      p50Latency: 145,
      p95Latency: 185.5,
      p99Latency: 189.1,
      avgLatency: 145,
      minLatency: 100,
      maxLatency: 190,
      errorBreakdown: { 'Connection timeout': 2 },
      throughputQps: 10 / 9,
    });
  });

  it('getModalityStats: zeros for a modality without requests', () => {
    const tracker = new ModalityMetricsTracker();
    for (const modality of Object.values(QueryModality)) {
      expect(tracker.getModalityStats(modality)).toStrictEqual({ modality, ...ZEROS });
    }
  });

  it('getAllStats: only modalities with requests, by name', async () => {
    const tracker = await tenRequests();
    tracker.recordModalityExecution(IMAGE, 7, true);
    expect(tracker.getAllStats()).toStrictEqual({
      video: tracker.getModalityStats(VIDEO),
      image: tracker.getModalityStats(IMAGE),
    });
    expect(new ModalityMetricsTracker().getAllStats()).toStrictEqual({});
  });

  it('getSummaryStats: totals over all modalities, and the mean of their p95 latencies', async () => {
    const tracker = await tenRequests();
    tracker.recordModalityExecution(TEXT, 14.5, true);
    expect(tracker.getSummaryStats()).toStrictEqual({
      totalRequests: 11,
      overallSuccessRate: 9 / 11,
      activeModalities: 2,
      avgLatencyP95: 100,
      modalityBreakdown: { video: 10, text: 1 },
    });
    expect(new ModalityMetricsTracker().getSummaryStats()).toStrictEqual({
      totalRequests: 0,
      overallSuccessRate: 0,
      activeModalities: 0,
      avgLatencyP95: 0,
      modalityBreakdown: {},
    });
  });

  it('getSlowestModalities: by p95 latency, the slowest first, as many as asked for', () => {
    const tracker = new ModalityMetricsTracker();
    const latencies = { [VIDEO]: 500, [DOCUMENT]: 50, [AUDIO]: 200, [TEXT]: 20 };
    for (const [modality, latency] of Object.entries(latencies)) {
      tracker.recordModalityExecution(modality as QueryModality, latency, true);
    }
    expect(tracker.getSlowestModalities()).toStrictEqual([
      { modality: 'video', p95Latency: 500, totalRequests: 1 },
      { modality: 'audio', p95Latency: 200, totalRequests: 1 },
      { modality: 'document', p95Latency: 50, totalRequests: 1 },
    ]);
    expect(tracker.getSlowestModalities(1).map(({ modality }) => modality)).toEqual(['video']);
    expect(tracker.getSlowestModalities(10)).toHaveLength(4);
    expect(tracker.getSlowestModalities(0)).toEqual([]);
  });

  it('getErrorProneModalities: at or above the rate, the highest first', () => {
    const tracker = new ModalityMetricsTracker();
    for (let i = 0; i < 10; i += 1) {
      tracker.recordModalityExecution(VIDEO, 100, i % 2 === 0, 'error1');
      tracker.recordModalityExecution(DOCUMENT, 50, i > 0, 'error2');
      tracker.recordModalityExecution(TEXT, 10, true);
    }
    const video = { modality: 'video', errorRate: 0.5, errorCount: 5, errorBreakdown: { error1: 5 } };
    const document = { modality: 'document', errorRate: 0.1, errorCount: 1, errorBreakdown: { error2: 1 } };
    expect(tracker.getErrorProneModalities()).toStrictEqual([video, document]); // exactly 10 % is in
    expect(tracker.getErrorProneModalities(0.2)).toStrictEqual([video]);
    expect(tracker.getErrorProneModalities(0)).toHaveLength(3);
  });

  it('an answer is a copy: later requests do not change it', () => {
    const tracker = new ModalityMetricsTracker();
    tracker.recordModalityExecution(VIDEO, 1, false, 'timeout');
    const before = tracker.getModalityStats(VIDEO);
    tracker.recordModalityExecution(VIDEO, 3, false, 'timeout');
    expect(before).toMatchObject({ totalRequests: 1, p50Latency: 1, errorBreakdown: { timeout: 1 } });
    expect(tracker.getModalityStats(VIDEO)).toMatchObject({ totalRequests: 2, p50Latency: 2 });
  });
});

describe('windows', () => {
  it('keep the last latencies; counts go on', () => {
    const tracker = new ModalityMetricsTracker({ windowSize: 5 });
    for (let i = 0; i < 12; i += 1) tracker.recordModalityExecution(VIDEO, i, i !== 0, 'early');
    expect(tracker.modalityLatencies(VIDEO)).toEqual([7, 8, 9, 10, 11]);
    expect(tracker.getModalityStats(VIDEO)).toMatchObject({
      totalRequests: 12,
      errorCount: 1,
      errorBreakdown: { early: 1 },
      minLatency: 7,
      p50Latency: 9,
      maxLatency: 11,
    });
  });

  it('are 1000 latencies long unless said otherwise, and one long at least', () => {
    expect(new ModalityMetricsTracker().windowSize).toBe(1000);
    const tracker = new ModalityMetricsTracker({ windowSize: 1 });
    for (const latency of [3, 1, 2]) tracker.recordModalityExecution(TEXT, latency, true);
    expect(tracker.getModalityStats(TEXT)).toMatchObject({ p50Latency: 2, p99Latency: 2, avgLatency: 2 });
  });

  it('belong to one modality each', () => {
    const tracker = new ModalityMetricsTracker({ windowSize: 2 });
    for (const modality of Object.values(QueryModality)) tracker.recordModalityExecution(modality, 1, true);
    tracker.recordModalityExecution(MIXED, 2, true);
    expect(tracker.modalityLatencies(MIXED)).toEqual([1, 2]);
    expect(tracker.modalityLatencies(AUDIO)).toEqual([1]);
  });

  it.each([
    [500, '500'],
    [{ window_size: 500 }, '{"window_size":500}'],
    [null, 'null'],
  ])('is never the default by mistake: new ModalityMetricsTracker(%j) is refused', (options, shown) => {
    const create = () => new ModalityMetricsTracker(options as never);
    expect(create).toThrow(InvalidArgumentError);
    expect(create).toThrow(`options is ${shown}. Give { windowSize } as an object; there is no other option.`);
  });

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1_000_001, '10'])(
    'of size %s are refused, with field, value and remedy',
    (windowSize) => {
      const create = () => new ModalityMetricsTracker({ windowSize: windowSize as number });
      expect(create).toThrow(expect.objectContaining({ code: 'invalid_argument', name: 'InvalidArgumentError' }));
      expect(create).toThrow(/^windowSize is .+\. Give the number of latencies .+ 1 to 1000000\.$/);
    },
  );
});

describe('throughput', () => {
  it('is requests over the time from the first to the last, on a clock that never jumps', async () => {
    const clock = new ManualClock({ startWallMillis: Date.UTC(2026, 0, 1) });
    const tracker = new ModalityMetricsTracker({ clock });
    tracker.recordModalityExecution(VIDEO, 1, true);
    await clock.advance(500);
    clock.wallOffset -= 3_600_000;
    tracker.recordModalityExecution(VIDEO, 1, true);
    expect(tracker.getModalityStats(VIDEO).throughputQps).toBe(4);
    expect(tracker.requestTimes(VIDEO)).toEqual({
      first: new Date('2026-01-01T00:00:00.000Z'),
      last: new Date('2026-01-01T00:00:00.500Z'),
    });
  });

  it('is 0 after one request, and while no time has passed', () => {
    const tracker = new ModalityMetricsTracker({ clock: new ManualClock() });
    tracker.recordModalityExecution(VIDEO, 1, true);
    expect(tracker.getModalityStats(VIDEO).throughputQps).toBe(0);
    tracker.recordModalityExecution(VIDEO, 1, true);
    expect(tracker.getModalityStats(VIDEO).throughputQps).toBe(0);
  });

  it('takes the time of the process by itself', () => {
    const tracker = new ModalityMetricsTracker();
    const before = Date.now();
    tracker.recordModalityExecution(VIDEO, 1, true);
    const { first, last } = tracker.requestTimes(VIDEO)!;
    expect(last).toEqual(first);
    expect(Math.abs(first.getTime() - before)).toBeLessThan(10_000);
    expect(tracker.requestTimes(TEXT)).toBeUndefined();
  });
});

describe('reset', () => {
  it('of one modality leaves the others', async () => {
    const tracker = await tenRequests();
    tracker.recordModalityExecution(TEXT, 5, true);
    tracker.resetModalityStats(VIDEO);
    expect(tracker.getModalityStats(VIDEO)).toStrictEqual({ modality: 'video', ...ZEROS });
    expect(tracker.modalityLatencies(VIDEO)).toEqual([]);
    expect(tracker.requestTimes(VIDEO)).toBeUndefined();
    expect(tracker.getAllStats()).toStrictEqual({ text: tracker.getModalityStats(TEXT) });
    tracker.recordModalityExecution(VIDEO, 3, true);
    expect(tracker.getModalityStats(VIDEO)).toMatchObject({ totalRequests: 1, maxLatency: 3, errorBreakdown: {} });
  });

  it('of all leaves nothing', async () => {
    const tracker = await tenRequests();
    tracker.recordModalityExecution(TEXT, Number.NaN, true);
    tracker.resetAllStats();
    expect(tracker.getAllStats()).toEqual({});
    expect(tracker.getSlowestModalities()).toEqual([]);
    expect(tracker.invalidRecords).toBe(0);
  });
});

describe('errors', () => {
  const breakdown = (...errors: (string | undefined)[]) => {
    const tracker = new ModalityMetricsTracker();
    for (const error of errors) tracker.recordModalityExecution(VIDEO, 1, false, error);
    return tracker.getModalityStats(VIDEO).errorBreakdown;
  };

  it('are counted by their text; without one as unknown_error', () => {
    expect(breakdown('timeout', 'format', 'timeout', undefined, '')).toStrictEqual({
      timeout: 2,
      format: 1,
      unknown_error: 2,
    });
  });

  it('of a success are not counted', () => {
    const tracker = new ModalityMetricsTracker();
    tracker.recordModalityExecution(VIDEO, 1, true, 'ignored');
    expect(tracker.getModalityStats(VIDEO)).toMatchObject({ errorCount: 0, errorBreakdown: {} });
  });

  it('have at most 100 keys; the rest is counted as other', () => {
    const errors = Array.from({ length: 250 }, (_, i) => `request ${i} failed`);
    const counts = breakdown(...errors, 'request 3 failed', 'request 249 failed');
    expect(Object.keys(counts)).toHaveLength(101);
    expect(counts).toMatchObject({ 'request 0 failed': 1, 'request 3 failed': 2, other: 151 });
    expect(Object.values(counts).reduce((a, b) => a + b)).toBe(252);
  });

  it('are told apart by their first 200 characters, none of them half of one', () => {
    const long = 'x'.repeat(199);
    expect(breakdown(`${long}\u{1f600} a`, `${long}\u{1f600} b`, `${long}yz`)).toEqual({ [long]: 2, [`${long}y`]: 1 });
  });

  it('named like members of an object are names like others', () => {
    const counts = breakdown('__proto__', 'constructor', '__proto__', 'toString');
    expect(Object.entries(counts)).toEqual([
      ['__proto__', 2],
      ['constructor', 1],
      ['toString', 1],
    ]);
    expect(Object.getPrototypeOf(counts)).toBe(Object.prototype);
  });

  it('that are no text, from code without types, are counted by what they say', () => {
    const throwing = {
      get message(): string {
        throw new Error('no');
      },
    };
    const untyped = [new Error('boom'), { message: 404 }, 7, null, throwing, Object.create(null)] as string[];
    expect(breakdown(...untyped)).toEqual({ boom: 1, 404: 1, 7: 1, unknown_error: 3 });
  });
});

describe('input that is no measurement never harms the caller', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1, '12' as unknown as number, 5n as unknown as number])(
    'a latency of %s is not recorded, and counted',
    (latency) => {
      const tracker = new ModalityMetricsTracker();
      tracker.recordModalityExecution(VIDEO, latency, true);
      expect(tracker.invalidRecords).toBe(1);
      expect(tracker.getAllStats()).toEqual({});
    },
  );

  it.each(['VIDEO', '__proto__', '', undefined, null, Symbol('video')])(
    'a modality of %s is not recorded, and counted',
    (modality) => {
      const tracker = new ModalityMetricsTracker();
      tracker.recordModalityExecution(modality as QueryModality, 1, true);
      expect(tracker.invalidRecords).toBe(1);
      expect(tracker.getAllStats()).toEqual({});
    },
  );

  it('a latency of -0 is 0', () => {
    const tracker = new ModalityMetricsTracker();
    tracker.recordModalityExecution(VIDEO, -0, true);
    expect(tracker.getModalityStats(VIDEO).minLatency).toBe(0);
  });

  it('reading tells a caller of his mistake', () => {
    const tracker = new ModalityMetricsTracker();
    const wrong = 'vidoe' as QueryModality;
    const calls = [
      () => tracker.getModalityStats(wrong),
      () => tracker.modalityLatencies(wrong),
      () => tracker.requestTimes(wrong),
      () => tracker.resetModalityStats(wrong),
    ];
    for (const call of calls) {
      expect(call).toThrow(
        'modality is "vidoe". Give one of QueryModality: video, image, audio, document, text, mixed.',
      );
    }
    expect(() => tracker.getSlowestModalities(1.5)).toThrow('topK is 1.5. Give a whole number, 0 or more.');
    expect(() => tracker.getErrorProneModalities(10)).toThrow('minErrorRate is 10. Give a rate from 0 to 1.');
    expect(() => tracker.getErrorProneModalities(Number.NaN)).toThrow('minErrorRate is NaN.');
  });
});
