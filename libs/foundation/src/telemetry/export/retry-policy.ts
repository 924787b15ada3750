/** When the next attempt goes out.   Write path: a pure function of retry-sender. */
import { MAX_TIMER_MILLIS } from './clock.js';

export interface RetryPolicy {
  /** Bound of the first delay, in milliseconds. */
  readonly initialBackoffMillis: number;
  readonly maxBackoffMillis: number;
  /** Time from the first attempt after which a request is given up, in milliseconds. */
  readonly maxElapsedMillis: number;
}

/** Source: OTLP 1.11 asks for exponential back-off with jitter. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  initialBackoffMillis: 1000,
  maxBackoffMillis: 30_000,
  maxElapsedMillis: 300_000,
};

export interface RetryState {
  /** Attempts that failed so far, at least 1. */
  readonly failures: number;
  /** Since the first attempt began, in milliseconds. */
  readonly elapsedMillis: number;
  /** What the backend asked for, if it did. */
  readonly hintMillis?: number | undefined;
  /** 0 (included) to 1 (not included). */
  readonly random: number;
}

/**
 * Milliseconds until the next attempt, or null to give up: the larger of back-off (full jitter) and hint, at most what is left of the
 * total. A hint that is no positive number counts as none, never as 0.
 */
export function nextDelay(state: RetryState, policy: RetryPolicy = DEFAULT_RETRY_POLICY): number | null {
  const left = policy.maxElapsedMillis - state.elapsedMillis;
  if (!(left > 0)) return null;
  const bound = Math.min(policy.maxBackoffMillis, policy.initialBackoffMillis * 2 ** Math.min(state.failures - 1, 30));
  const backoff = state.random * bound;
  const { hintMillis } = state;
  const hint = hintMillis !== undefined && hintMillis > 0 && !Number.isNaN(hintMillis) ? hintMillis : 0;
  return Math.min(Math.max(backoff, hint), left, MAX_TIMER_MILLIS);
}

/**
 * An HTTP `Retry-After` in milliseconds: seconds, or a date held against `nowMillis` (wall clock, since 1970). Undefined if it is
 * absent, junk, not positive, or past.
 */
export function parseRetryAfter(header: string | undefined, nowMillis: number): number | undefined {
  const text = header?.trim();
  if (text === undefined || text === '') return undefined;
  if (/^\d+$/.test(text)) {
    const seconds = Number(text);
    return seconds > 0 ? Math.min(seconds * 1000, MAX_TIMER_MILLIS) : undefined;
  }
  // An HTTP date only: `Date.parse` alone would take "-1" or "2" for a year.
  if (!/^[A-Za-z]{3,9},? .*\d{2}:\d{2}:\d{2}/.test(text)) return undefined;
  const millis = Date.parse(text) - nowMillis;
  return millis > 0 ? Math.min(millis, MAX_TIMER_MILLIS) : undefined;
}
