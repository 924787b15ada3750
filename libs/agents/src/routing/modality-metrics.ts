/**
 * Latency, errors and throughput per modality, over a rolling window of requests.   Routing: search -> [tracker] -> routing decisions, alerts.
 * Recording is O(1) and allocates nothing; percentiles are computed when they are asked for, and kept until the next request.
 */
import { performance } from 'node:perf_hooks';
import type { Clock } from '@cogniverse/foundation/telemetry';
import { textOfError } from './error-tally.js';
import { checkArgument, quoted } from './invalid-argument-error.js';
import { ModalityWindow } from './modality-window.js';
import { MODALITIES, type QueryModality } from './query-modality.js';

/** Latencies a modality can be asked to keep: 8 MB of them. */
const MAX_WINDOW_SIZE = 1_000_000;

export interface ModalityMetricsOptions {
  /** Latencies that are kept a modality, 1 to 1,000,000; 8 bytes each, taken at the modality's first request. Default 1000. */
  readonly windowSize?: number | undefined;
  /** Default: the process's. */
  readonly clock?: Pick<Clock, 'monotonicMillis' | 'wallMillis'> | undefined;
}

/**
 * Units: latencies in milliseconds, rates 0 to 1, throughput in requests per second.
 * Range: latencies are those of the window; counts, errors and throughput those since the start or the last reset.
 * Empty: a modality without requests has zeros, and an empty `errorBreakdown`.
 */
export interface ModalityStats {
  readonly modality: QueryModality;
  readonly totalRequests: number;
  readonly successCount: number;
  readonly errorCount: number;
  readonly successRate: number;
  readonly p50Latency: number;
  readonly p95Latency: number;
  readonly p99Latency: number;
  readonly avgLatency: number;
  readonly minLatency: number;
  readonly maxLatency: number;
  /** Failures by the text of their error, at most 100 texts of 200 characters; those of later texts are together under `other`. */
  readonly errorBreakdown: Readonly<Record<string, number>>;
  /** Requests over the time from the first to the last; 0 while no time has passed between them. */
  readonly throughputQps: number;
}

export interface ModalitySummary {
  readonly totalRequests: number;
  readonly overallSuccessRate: number;
  /** Modalities with requests. */
  readonly activeModalities: number;
  /** The mean of the active modalities' p95 latencies, each with the same weight; milliseconds. */
  readonly avgLatencyP95: number;
  /** Requests of each active modality. */
  readonly modalityBreakdown: Readonly<Partial<Record<QueryModality, number>>>;
}

export interface SlowModality {
  readonly modality: QueryModality;
  readonly p95Latency: number;
  readonly totalRequests: number;
}

export interface ErrorProneModality {
  readonly modality: QueryModality;
  /** Failures over requests, 0 to 1. */
  readonly errorRate: number;
  readonly errorCount: number;
  readonly errorBreakdown: Readonly<Record<string, number>>;
}

const processClock: Pick<Clock, 'monotonicMillis' | 'wallMillis'> = {
  monotonicMillis: () => performance.now(),
  wallMillis: () => Date.now(),
};

/** Once a process: a service may have a tracker a tenant. */
let hasWarned = false;

/** Errors of the constructor and of the reading methods: `InvalidArgumentError`. Recording never throws. */
export class ModalityMetricsTracker {
  readonly windowSize: number;
  readonly #clock: Pick<Clock, 'monotonicMillis' | 'wallMillis'>;
  /** Milliseconds since 1970 at the monotonic clock's 0, taken once: times of requests keep their order when the wall clock jumps. */
  readonly #wallOffset: number;
  /** Of modalities with requests only. */
  readonly #windows = new Map<QueryModality, ModalityWindow>();
  #scratch: Float64Array | undefined;
  #invalidRecords = 0;

  constructor(options: ModalityMetricsOptions = {}) {
    const known = (option: string): boolean => option === 'windowSize' || option === 'clock';
    checkArgument(
      typeof options === 'object' && options !== null && Object.keys(options).every(known),
      'options',
      options,
      'Give { windowSize } as an object; there is no other option.',
    );
    this.windowSize = options.windowSize ?? 1000;
    checkArgument(
      Number.isInteger(this.windowSize) && this.windowSize >= 1 && this.windowSize <= MAX_WINDOW_SIZE,
      'windowSize',
      this.windowSize,
      `Give the number of latencies to keep a modality, a whole number from 1 to ${MAX_WINDOW_SIZE}.`,
    );
    this.#clock = options.clock ?? processClock;
    this.#wallOffset = this.#clock.wallMillis() - this.#clock.monotonicMillis();
  }

  /**
   * Counts one request, and puts its latency into the window in place of the oldest.
   *
   * Units:  `latencyMs` is in milliseconds.
   * Errors: none. A latency that is negative or not finite, or an unknown modality, is not recorded: see `invalidRecords`.
   *         A failure without an error is counted as `unknown_error`.
   */
  recordModalityExecution(modality: QueryModality, latencyMs: number, success: boolean, error?: string): void {
    this.#record(modality, latencyMs, success, error);
  }

  #record(modality: QueryModality, latencyMs: number, success: boolean, error: unknown): void {
    // The comparison refuses NaN too.
    if (typeof latencyMs !== 'number' || !(latencyMs >= 0 && latencyMs < Number.POSITIVE_INFINITY)) {
      this.#refuse('latencyMs', latencyMs);
      return;
    }
    let window = this.#windows.get(modality);
    if (window === undefined) {
      if (!MODALITIES.includes(modality)) {
        this.#refuse('modality', modality);
        return;
      }
      window = new ModalityWindow(this.windowSize);
      this.#windows.set(modality, window);
    }
    window.record(latencyMs, success, error, this.#clock);
  }

  #refuse(field: string, value: unknown): void {
    this.#invalidRecords += 1;
    if (hasWarned) return;
    hasWarned = true;
    process.emitWarning(
      `A modality execution was not recorded: its ${field} is ${quoted(value)}. Others like it are counted (invalidRecords), without a warning.`,
      { code: 'COGNIVERSE_INVALID_MODALITY_RECORD' },
    );
  }

  /**
   * Runs `fn`, and records how long it took and whether it failed: thrown, or rejected. Its result, its error, and a promise that it
   * returns come out as they are; a promise counts as done when it settles.
   */
  timeModality<T>(modality: QueryModality, fn: () => T): T {
    const start = this.#clock.monotonicMillis();
    const record = (success: boolean, thrown: unknown) =>
      this.#record(modality, this.#clock.monotonicMillis() - start, success, success ? undefined : textOfError(thrown));
    let result: T;
    try {
      result = fn();
    } catch (thrown) {
      record(false, thrown);
      throw thrown;
    }
    if (!isThenable(result)) {
      record(true, undefined);
      return result;
    }
    // One `then` only: a lazy thenable (a query builder) runs once.
    const promise = result instanceof Promise ? result : Promise.resolve(result);
    return promise.then(
      (value: unknown) => {
        record(true, undefined);
        return value;
      },
      (thrown: unknown) => {
        record(false, thrown);
        throw thrown;
      },
    ) as T;
  }

  /** Records that were refused since the start or the last `resetAllStats()`; the first one of a process also gives a warning of the process. */
  get invalidRecords(): number {
    return this.#invalidRecords;
  }

  /** Zeros for a modality without requests. */
  getModalityStats(modality: QueryModality): ModalityStats {
    const window = this.#windowOf(modality);
    return window === undefined ? emptyStats(modality) : this.#statsOf(modality, window);
  }

  /** By modality; those without requests are left out. */
  getAllStats(): Partial<Record<QueryModality, ModalityStats>> {
    return Object.fromEntries(this.#active().map(([modality, window]) => [modality, this.#statsOf(modality, window)]));
  }

  getSummaryStats(): ModalitySummary {
    const active = this.#active();
    const sum = (figure: (window: ModalityWindow) => number) => active.reduce((total, [, w]) => total + figure(w), 0);
    const totalRequests = sum(({ requests }) => requests);
    return {
      totalRequests,
      overallSuccessRate: totalRequests === 0 ? 0 : sum(({ successes }) => successes) / totalRequests,
      activeModalities: active.length,
      avgLatencyP95: active.length === 0 ? 0 : sum((window) => this.#summary(window).p95 / active.length),
      modalityBreakdown: Object.fromEntries(active.map(([modality, { requests }]) => [modality, requests])),
    };
  }

  /** The `topK` (0 or more) slowest modalities with requests by p95 latency, slowest first. */
  getSlowestModalities(topK = 3): SlowModality[] {
    checkArgument(Number.isInteger(topK) && topK >= 0, 'topK', topK, 'Give a whole number, 0 or more.');
    return this.#active()
      .map(([modality, window]) => ({
        modality,
        p95Latency: this.#summary(window).p95,
        totalRequests: window.requests,
      }))
      .sort((a, b) => b.p95Latency - a.p95Latency)
      .slice(0, topK);
  }

  /** Modalities with an error rate of `minErrorRate` (0 to 1, included) or more, highest first. */
  getErrorProneModalities(minErrorRate = 0.1): ErrorProneModality[] {
    checkArgument(minErrorRate >= 0 && minErrorRate <= 1, 'minErrorRate', minErrorRate, 'Give a rate from 0 to 1.');
    return this.#active()
      .map(([modality, window]) => {
        const errorCount = window.requests - window.successes;
        return {
          modality,
          errorRate: errorCount / window.requests,
          errorCount,
          errorBreakdown: window.errors.toObject(),
        };
      })
      .filter(({ errorRate }) => errorRate >= minErrorRate)
      .sort((a, b) => b.errorRate - a.errorRate);
  }

  /** A copy of the latencies in the window, oldest first. */
  modalityLatencies(modality: QueryModality): number[] {
    return this.#windowOf(modality)?.latencies() ?? [];
  }

  /** When the first and the last request since the start or the last reset were recorded; undefined without requests. */
  requestTimes(modality: QueryModality): { readonly first: Date; readonly last: Date } | undefined {
    const window = this.#windowOf(modality);
    if (window === undefined) return undefined;
    const { firstMillis, lastMillis } = window;
    return { first: new Date(this.#wallOffset + firstMillis), last: new Date(this.#wallOffset + lastMillis) };
  }

  /** Forgets one modality, and gives its memory back. */
  resetModalityStats(modality: QueryModality): void {
    checkModality(modality);
    this.#windows.delete(modality);
  }

  /** Forgets everything. */
  resetAllStats(): void {
    this.#windows.clear();
    this.#invalidRecords = 0;
  }

  #windowOf(modality: QueryModality): ModalityWindow | undefined {
    checkModality(modality);
    return this.#windows.get(modality);
  }

  #active(): [QueryModality, ModalityWindow][] {
    return MODALITIES.flatMap((modality) => {
      const window = this.#windows.get(modality);
      return window === undefined ? [] : [[modality, window] satisfies [QueryModality, ModalityWindow]];
    });
  }

  #summary(window: ModalityWindow) {
    this.#scratch ??= new Float64Array(this.windowSize);
    return window.summary(this.#scratch);
  }

  #statsOf(modality: QueryModality, window: ModalityWindow): ModalityStats {
    const { requests, successes } = window;
    const latency = this.#summary(window);
    const seconds = (window.lastMillis - window.firstMillis) / 1000;
    return {
      modality,
      totalRequests: requests,
      successCount: successes,
      errorCount: requests - successes,
      successRate: successes / requests,
      p50Latency: latency.p50,
      p95Latency: latency.p95,
      p99Latency: latency.p99,
      avgLatency: latency.average,
      minLatency: latency.min,
      maxLatency: latency.max,
      errorBreakdown: window.errors.toObject(),
      throughputQps: seconds > 0 ? requests / seconds : 0,
    };
  }
}

function emptyStats(modality: QueryModality): ModalityStats {
  return {
    modality,
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
}

function checkModality(modality: QueryModality): void {
  const remedy = `Give one of QueryModality: ${MODALITIES.join(', ')}.`;
  checkArgument(MODALITIES.includes(modality), 'modality', modality, remedy);
}

/** Never throws, whatever it is asked about. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  try {
    return typeof (value as { then?: unknown }).then === 'function';
  } catch {
    return false; // a `then` that throws when it is read, or a revoked proxy, is not awaited by anyone
  }
}
