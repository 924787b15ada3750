/**
 * What is known of one modality: its last latencies, and its totals.   Recording path: tracker -> [modality-window].
 * Everything that changes with a request lies in typed arrays or is a small integer: recording allocates nothing.
 */
import type { Clock } from '@cogniverse/foundation/telemetry';
import { ErrorTally } from './error-tally.js';
import { percentileOfSorted } from './percentile.js';

/** Of the latencies in the window, in milliseconds. */
export interface LatencySummary {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly average: number;
  readonly min: number;
  readonly max: number;
}

/** Places in the totals. */
const REQUESTS = 0;
const SUCCESSES = 1;
const FIRST_MILLIS = 2;
const LAST_MILLIS = 3;

export class ModalityWindow {
  /** A ring: full, its oldest entry is at `#next`. */
  readonly #latencies: Float64Array;
  #next = 0;
  #filled = 0;
  readonly #totals = new Float64Array(4);
  readonly errors = new ErrorTally();
  /** Of the window as it is now; absent after a request. */
  #summary: LatencySummary | undefined;

  constructor(windowSize: number) {
    this.#latencies = new Float64Array(windowSize);
  }

  /** Takes one request. O(1), no allocation, no throw. `latencyMillis` is finite and not negative. */
  record(latencyMillis: number, success: boolean, error: unknown, clock: Pick<Clock, 'monotonicMillis'>): void {
    const next = this.#next;
    this.#latencies[next] = latencyMillis + 0; // -0 becomes 0
    this.#next = next + 1 === this.#latencies.length ? 0 : next + 1;
    if (this.#filled < this.#latencies.length) this.#filled += 1;
    const totals = this.#totals;
    totals[LAST_MILLIS] = clock.monotonicMillis(); // straight into the array: as an argument it would be put in a box
    if (totals[REQUESTS] === 0) totals[FIRST_MILLIS] = totals[LAST_MILLIS]!;
    totals[REQUESTS]! += 1;
    if (success) totals[SUCCESSES]! += 1;
    else this.errors.count(error);
    this.#summary = undefined;
  }

  get requests(): number {
    return this.#totals[REQUESTS]!;
  }
  get successes(): number {
    return this.#totals[SUCCESSES]!;
  }
  get firstMillis(): number {
    return this.#totals[FIRST_MILLIS]!;
  }
  get lastMillis(): number {
    return this.#totals[LAST_MILLIS]!;
  }

  /** A copy of the window, oldest first. */
  latencies(): number[] {
    const wrapped = this.#filled === this.#latencies.length ? this.#next : 0;
    return [...this.#latencies.subarray(wrapped, this.#filled), ...this.#latencies.subarray(0, wrapped)];
  }

  /**
   * Percentiles and the like, sorted once and kept until the next request. There is at least one request.
   * `scratch` is as long as the window; what is in it before and after means nothing.
   */
  summary(scratch: Float64Array): LatencySummary {
    this.#summary ??= summarize(this.#latencies, this.#filled, scratch);
    return this.#summary;
  }
}

function summarize(latencies: Float64Array, count: number, scratch: Float64Array): LatencySummary {
  scratch.set(count === latencies.length ? latencies : latencies.subarray(0, count));
  const sorted = (count === scratch.length ? scratch : scratch.subarray(0, count)).sort();
  return {
    p50: percentileOfSorted(sorted, count, 0.5),
    p95: percentileOfSorted(sorted, count, 0.95),
    p99: percentileOfSorted(sorted, count, 0.99),
    average: average(sorted),
    min: sorted[0]!,
    max: sorted[count - 1]!,
  };
}

function average(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  if (sum < Number.POSITIVE_INFINITY) return sum / values.length;
  let mean = 0; // the sum has no place in a double, the average has
  for (const value of values) mean += value / values.length;
  return mean;
}
