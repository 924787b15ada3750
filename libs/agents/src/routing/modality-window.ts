/**
 * What is known of one modality: its last latencies, and its totals.   Recording path: tracker -> [modality-window].
 * Everything that changes with a request lies in typed arrays or is a small integer: recording allocates nothing.
 */
import type { Clock } from '@cogniverse/foundation/telemetry';
import { ErrorTally } from './error-tally.js';
import { percentilesOf } from './percentiles.js';

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
   * Percentiles and the like, computed once and kept until the next request. There is at least one request.
   * `scratch` is as long as the window; what is in it before and after means nothing.
   */
  summary(scratch: Float64Array): LatencySummary {
    this.#summary ??= summarize(this.#latencies, this.#filled, scratch);
    return this.#summary;
  }
}

const FRACTIONS = [0.5, 0.95, 0.99];

function summarize(latencies: Float64Array, count: number, scratch: Float64Array): LatencySummary {
  const values = count === scratch.length ? scratch : scratch.subarray(0, count);
  values.set(count === latencies.length ? latencies : latencies.subarray(0, count));
  let min = Number.POSITIVE_INFINITY;
  let max = 0;
  let sum = 0;
  for (let i = 0; i < count; i += 1) {
    const value = values[i]!;
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
  }
  const average = sum < Number.POSITIVE_INFINITY ? sum / count : averageOfHuge(values);
  const [p50, p95, p99] = percentilesOf(values, FRACTIONS) as [number, number, number];
  return { p50, p95, p99, average, min, max };
}

/** The sum has no place in a double, the average has. */
function averageOfHuge(values: Float64Array): number {
  let average = 0;
  for (const value of values) average += value / values.length;
  return average;
}
