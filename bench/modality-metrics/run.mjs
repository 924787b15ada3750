/**
 * What recording and reading latencies per modality costs.   `npm run bench -- modality-metrics [--window N] [--rounds N]`
 *
 *   --window N   latencies kept a modality (default: 1000)
 *   --rounds N   turns of each contender, of which medians are taken (default: 40)
 *
 * Beside the tracker: an array a modality that is cut to its window after each record, as the Python tracker does, and sorted as a copy to
 * be read; the same with `shift()`; and hdr-histogram-js (microseconds up to an hour, 3 digits), which has no window: it counts
 * everything since the start. All four keep the same counters and read the same clock at each record, except where said.
 *
 * All run in one process, in turns, so that what else the machine does hits all alike. Time is the processor time of the process, its
 * collector of garbage included. Printed: nanoseconds a call, median of the turns, and the quarter points; ratios are of the medians.
 */
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ModalityMetricsTracker, QueryModality } from '@cogniverse/agents/routing';
import { build } from 'hdr-histogram-js';

const { values: options } = parseArgs({
  options: { window: { type: 'string', default: '1000' }, rounds: { type: 'string', default: '40' } },
});
const WINDOW = Number(options.window);
const ROUNDS = Number(options.rounds);
const WARM_UP_ROUNDS = 10;
const RECORDS_A_TURN = 10_000;
const READS_A_TURN = 50;
const MODALITIES = Object.values(QueryModality);
const PERCENTILES = [50, 95, 99];

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

let seed = 1;
const random = () => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return (seed + 0.5) / 2 ** 32;
};
/** Milliseconds as searches take them: many around 150, few over a second. */
const latency = () => 150 * Math.exp(0.8 * Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random()));
const latencies = Array.from({ length: 100_000 }, latency);

/** What all contenders but the tracker keep beside their latencies. */
class Counters {
  requests = 0;
  successes = 0;
  errors = new Map();
  first = 0;
  last = 0;
  count(success, error) {
    this.requests += 1;
    if (success) this.successes += 1;
    else this.errors.set(error, (this.errors.get(error) ?? 0) + 1);
    this.last = performance.now();
    if (this.requests === 1) this.first = this.last;
  }
}

/** Linear interpolation, as in textbooks. */
function percentileOf(sorted, percentile) {
  const position = ((sorted.length - 1) * percentile) / 100;
  const low = sorted[Math.floor(position)];
  return low + (sorted[Math.ceil(position)] - low) * (position % 1);
}

class ArrayTracker {
  modalities = new Map(MODALITIES.map((modality) => [modality, { counters: new Counters(), latencies: [] }]));
  constructor(cut) {
    this.cut = cut;
  }
  record(modality, milliseconds, success, error) {
    const entry = this.modalities.get(modality);
    entry.latencies.push(milliseconds);
    if (entry.latencies.length > WINDOW) entry.latencies = this.cut(entry.latencies);
    entry.counters.count(success, error);
  }
  read(modality) {
    const sorted = [...this.modalities.get(modality).latencies].sort((a, b) => a - b);
    const percentiles = PERCENTILES.map((percentile) => percentileOf(sorted, percentile));
    return [...percentiles, sorted.reduce((sum, value) => sum + value, 0) / sorted.length, sorted[0], sorted.at(-1)];
  }
}

class HistogramTracker {
  modalities = new Map(
    MODALITIES.map((modality) => {
      const range = { lowestDiscernibleValue: 1, highestTrackableValue: 3_600_000_000 };
      return [
        modality,
        { counters: new Counters(), sum: 0, histogram: build({ ...range, numberOfSignificantValueDigits: 3 }) },
      ];
    }),
  );
  record(modality, milliseconds, success, error) {
    const entry = this.modalities.get(modality);
    entry.histogram.recordValue(Math.round(milliseconds * 1000));
    entry.sum += milliseconds; // the histogram's own `mean` walks through all its counts
    entry.counters.count(success, error);
  }
  read(modality) {
    const { histogram, sum, counters } = this.modalities.get(modality);
    const percentiles = PERCENTILES.map((percentile) => histogram.getValueAtPercentile(percentile) / 1000);
    return [...percentiles, sum / counters.requests, histogram.minNonZeroValue / 1000, histogram.maxValue / 1000];
  }
}

class OwnTracker {
  constructor(clock) {
    this.tracker = new ModalityMetricsTracker({ windowSize: WINDOW, clock });
  }
  record(modality, milliseconds, success, error) {
    this.tracker.recordModalityExecution(modality, milliseconds, success, error);
  }
  read(modality) {
    const stats = this.tracker.getModalityStats(modality);
    return [stats.p50Latency, stats.p95Latency, stats.p99Latency, stats.avgLatency, stats.minLatency, stats.maxLatency];
  }
}

function cutByShift(array) {
  array.shift();
  return array;
}

let ticks = 0;
const noClock = { monotonicMillis: () => (ticks += 1), wallMillis: () => 0 };
const makers = {
  ModalityMetricsTracker: () => new OwnTracker(),
  'ModalityMetricsTracker, its clock left out': () => new OwnTracker(noClock),
  'array, cut by slice() (the Python way)': () => new ArrayTracker((array) => array.slice(-WINDOW)),
  'array, cut by shift()': () => new ArrayTracker(cutByShift),
  'hdr-histogram-js (no window)': () => new HistogramTracker(),
};
const names = Object.keys(makers);

const sortedCopy = (values) => [...values].sort((a, b) => a - b);
const format = (value) => value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 1 : 0 });

/** Runs all in turns; prints nanoseconds of processor time a call. */
function compare(title, callsATurn, turnOf) {
  const turns = new Map(names.map((name) => [name, turnOf(makers[name]())]));
  const times = new Map(names.map((name) => [name, []]));
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    for (const name of names) {
      const before = process.cpuUsage();
      turns.get(name)();
      const { user, system } = process.cpuUsage(before);
      if (round >= 0) times.get(name).push(((user + system) * 1000) / callsATurn);
    }
  }
  console.log(`\n${title}`);
  let base;
  for (const name of names) {
    const sorted = sortedCopy(times.get(name));
    const [low, median, high] = [0.25, 0.5, 0.75].map((part) => sorted[Math.floor(sorted.length * part)]);
    base ??= median;
    const figures = `${format(median)} ns (${format(low)} to ${format(high)})`;
    console.log(`  ${name.padEnd(44)} ${figures.padEnd(38)} ${(median / base).toFixed(2)}x`);
  }
}

let sink = 0;
function fill(tracker, count = MODALITIES.length * WINDOW) {
  for (let i = 0; i < count; i += 1) tracker.record(MODALITIES[i % 6], latencies[i % latencies.length], true);
}
let next = 0;
const recordNext = (tracker) => {
  const i = next++;
  tracker.record(MODALITIES[i % 6], latencies[i % latencies.length], i % 20 !== 0, 'timeout');
};

console.log(`Node ${process.version}, windows of ${WINDOW} latencies, 6 modalities`);
compare('A record (one in twenty a failure), windows full', RECORDS_A_TURN, (tracker) => {
  fill(tracker);
  return () => {
    for (let i = 0; i < RECORDS_A_TURN; i += 1) recordNext(tracker);
  };
});
compare(
  'Three percentiles, average, least and most of one modality, read after each round of records',
  READS_A_TURN,
  (tracker) => {
    fill(tracker);
    return () => {
      for (let i = 0; i < READS_A_TURN; i += 1) {
        for (let record = 0; record < 6; record += 1) recordNext(tracker); // one of each: nothing that was kept holds
        sink += tracker.read(QueryModality.VIDEO)[1];
      }
    };
  },
);
compare('The same, read again with no record in between', READS_A_TURN, (tracker) => {
  fill(tracker);
  return () => {
    for (let i = 0; i < READS_A_TURN; i += 1) sink += tracker.read(QueryModality.VIDEO)[1];
  };
});

console.log('\nMemory of a tracker with six full windows');
const TRACKERS = 50;
function memoryUsed() {
  for (let i = 0; i < 3; i += 1) collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
for (const name of names) {
  const kept = [];
  const before = memoryUsed();
  for (let i = 0; i < TRACKERS; i += 1) {
    const tracker = makers[name]();
    fill(tracker);
    kept.push(tracker);
  }
  const bytes = memoryUsed() - before;
  sink += kept.length;
  kept.length = 0; // or it would be freed while the next one is measured
  console.log(`  ${name.padEnd(44)} ${format(bytes / TRACKERS / 1000)} kB`);
}

console.log('\nError of p50, p95 and p99, relative to the exact percentile of the last latencies');
const errorsOf = (tracker, expected) => {
  const found = tracker.read(QueryModality.VIDEO);
  return PERCENTILES.map((percentile, i) => {
    const exact = percentileOf(expected, percentile);
    return `${(100 * Math.abs(found[i] / exact - 1)).toPrecision(2)} %`.replace(/^0\.0 /, '0 ').padStart(9);
  }).join(' ');
};
for (const name of names) {
  const recent = latencies.slice(0, WINDOW);
  const steady = makers[name]();
  for (const value of recent) steady.record(QueryModality.VIDEO, value, true);
  const slower = makers[name]();
  for (let i = 0; i < 20 * WINDOW; i += 1)
    slower.record(QueryModality.VIDEO, latencies[i % latencies.length] / 4, true);
  for (const value of recent) slower.record(QueryModality.VIDEO, value, true);
  const sorted = sortedCopy(recent);
  console.log(
    `  ${name.padEnd(44)} ${errorsOf(steady, sorted)}   after it became 4 times slower: ${errorsOf(slower, sorted)}`,
  );
}
if (sink === 0) throw new Error('Nothing was done.');
