/** `timeModality`: measures and records around a function, and is otherwise not there. */
import { ModalityMetricsTracker, QueryModality } from '@cogniverse/agents/routing';
import { ManualClock } from '@cogniverse/foundation/telemetry/testing';
import { beforeEach, describe, expect, it } from 'vitest';

const { VIDEO } = QueryModality;
let clock: ManualClock;
let tracker: ModalityMetricsTracker;
beforeEach(() => {
  clock = new ManualClock();
  tracker = new ModalityMetricsTracker({ clock });
});
const recorded = () => {
  const { successCount, errorBreakdown } = tracker.getModalityStats(VIDEO);
  return { latencies: tracker.modalityLatencies(VIDEO), successCount, errorBreakdown };
};

describe('timeModality', () => {
  it('gives what the function gives, and records how long it took', async () => {
    const results: string[] = [];
    // A function that takes time while nothing else runs.
    const slow = new ModalityMetricsTracker({
      clock: {
        wallMillis: () => 0,
        monotonicMillis: (() => {
          let now = 0;
          return () => (now += 25);
        })(),
      },
    });
    expect(slow.timeModality(VIDEO, () => results)).toBe(results);
    expect(slow.modalityLatencies(VIDEO)).toEqual([25]);
    expect(slow.getModalityStats(VIDEO)).toMatchObject({ totalRequests: 1, successRate: 1 });
  });

  it('of an async function records when its promise is fulfilled', async () => {
    const result = tracker.timeModality(VIDEO, async () => {
      await clock.advance(120);
      return 'found';
    });
    expect(recorded().latencies).toEqual([]);
    expect(await result).toBe('found');
    expect(recorded()).toEqual({ latencies: [120], successCount: 1, errorBreakdown: {} });
  });

  it('has recorded when the caller goes on', async () => {
    await tracker.timeModality(VIDEO, async () => 1);
    expect(recorded().successCount).toBe(1);
  });

  it('throws on what the function throws, the same object, and records the failure', () => {
    const error = new Error('Connection timeout');
    expect(() =>
      tracker.timeModality(VIDEO, () => {
        throw error;
      }),
    ).toThrow(error);
    expect(recorded()).toEqual({ latencies: [0], successCount: 0, errorBreakdown: { 'Connection timeout': 1 } });
  });

  it('rejects with what the promise rejects with, the same object, and records the failure', async () => {
    const error = new Error('Connection timeout');
    const result = tracker.timeModality(VIDEO, async () => {
      await clock.advance(30);
      throw error;
    });
    expect(await result.catch((thrown: unknown) => thrown)).toBe(error);
    expect(recorded()).toEqual({ latencies: [30], successCount: 0, errorBreakdown: { 'Connection timeout': 1 } });
  });

  it.each([
    ['a text', 'busy', 'busy'],
    ['nothing', undefined, 'unknown_error'],
    ['null', null, 'unknown_error'],
    ['an error without a message', new Error(), 'unknown_error'],
    ['an object that says something', { message: 'denied' }, 'denied'],
    [
      'an object that throws when asked',
      new Proxy(
        {},
        {
          has: () => {
            throw new Error('trap');
          },
        },
      ),
      'unknown_error',
    ],
  ])('takes a thrown value that is %s as it is', (_, thrown, key) => {
    let caught: unknown = 'nothing was thrown';
    try {
      tracker.timeModality(VIDEO, () => {
        throw thrown;
      });
    } catch (error) {
      caught = error;
    }
    expect(caught).toBe(thrown);
    expect(recorded().errorBreakdown).toEqual({ [key]: 1 });
  });

  it('runs a lazy thenable once', async () => {
    let runs = 0;
    const query: PromiseLike<string> = {
      // biome-ignore lint/suspicious/noThenProperty: a query builder
      then: (onFulfilled, onRejected) => {
        runs += 1;
        return Promise.resolve('row').then(onFulfilled, onRejected);
      },
    };
    expect(await tracker.timeModality(VIDEO, () => query)).toBe('row');
    expect(runs).toBe(1);
    expect(recorded().successCount).toBe(1);
  });

  it('runs the function for a modality that is none, and counts an invalid record', () => {
    expect(tracker.timeModality('smell' as QueryModality, () => 42)).toBe(42);
    expect(tracker.invalidRecords).toBe(1);
  });

  it('measures what runs at the same time apart', async () => {
    await Promise.all([
      tracker.timeModality(VIDEO, () => clock.advance(10)),
      tracker.timeModality(VIDEO, () => clock.advance(20)),
    ]);
    expect(recorded().successCount).toBe(2);
  });
});
