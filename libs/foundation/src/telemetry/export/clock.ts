/**
 * Time of the write path.   Injected, so that tests own it.
 *
 * Delays come from the monotonic clock: a wall clock that jumps moves nothing. Timers never keep the process alive, unless asked to.
 */

import { performance } from 'node:perf_hooks'; // the global of this name is a getter

/** Longest delay a Node timer takes; above it Node fires at once. */
export const MAX_TIMER_MILLIS = 2 ** 31 - 1;

export interface ClockTimer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds on a clock that never jumps; only differences mean something. */
  monotonicMillis(): number;
  /** Milliseconds since 1970; only for dates that others sent. */
  wallMillis(): number;
  /** Calls back once. `keepAlive`: the process waits for it (a flush in progress); by default it does not. */
  schedule(delayMillis: number, callback: () => void, keepAlive?: boolean): ClockTimer;
}

export const systemClock: Clock = {
  monotonicMillis: () => performance.now(),
  wallMillis: () => Date.now(),
  schedule(delayMillis, callback, keepAlive = false) {
    const timer = setTimeout(callback, Math.min(Math.max(delayMillis, 0), MAX_TIMER_MILLIS));
    if (!keepAlive) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
