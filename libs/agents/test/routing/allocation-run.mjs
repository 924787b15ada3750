/**
 * How many bytes of garbage a record makes: prints JSON.   Run with --expose-gc, and a young generation that holds all of it.
 *
 * Latencies are boxed beforehand, so that only what the tracker allocates is seen. Beside it what Node's own clock allocates: up to Node 22
 * the number that it returns is boxed, 16 bytes; from Node 24 it is not.
 */
import { performance } from 'node:perf_hooks';
import { ModalityMetricsTracker, QueryModality } from '@cogniverse/agents/routing';

const RECORDS = 1_000_000;
const modalities = Object.values(QueryModality);
const errors = ['timeout', 'refused', undefined];
const latencies = ['boxed', ...Array.from({ length: 1000 }, (_, i) => i * 1.25 + 0.1)];
const ticking = { ticks: 0, monotonicMillis: () => (ticking.ticks += 1), wallMillis: () => 0 };

/** A function of its own for each tracker: what V8 learns of one is not used for the other. */
function recorder(tracker) {
  const record = new Function(
    'tracker, modalities, latencies, errors',
    `return (count) => {
      for (let i = 0; i < count; i += 1) {
        tracker.recordModalityExecution(modalities[i % 6], latencies[1 + (i % 1000)], i % 8 !== 0, errors[i % 3]);
      }
    }`,
  );
  return record(tracker, modalities, latencies, errors);
}
const last = new Float64Array(1);
function readClock(count) {
  for (let i = 0; i < count; i += 1) last[0] = performance.now();
}

function bytesOf(run) {
  run(RECORDS / 2);
  run(RECORDS / 2); // compiled by now
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  run(RECORDS);
  return (process.memoryUsage().heapUsed - before) / RECORDS;
}

const own = new ModalityMetricsTracker({ clock: ticking });
// Node's clock first: V8 reads it without a box only where it has seen no other, as in a process that injects none.
const clock = bytesOf(readClock);
const recordedWithClock = bytesOf(recorder(new ModalityMetricsTracker()));
const recorded = bytesOf(recorder(own));
const requests = own.getSummaryStats().totalRequests;
process.stdout.write(JSON.stringify({ recorded, clock, recordedWithClock, requests }));
