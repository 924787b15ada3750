/** A clock that only moves when told to.   Testing: for everything that takes a `Clock`. */
import type { Clock, ClockTimer } from '../export/clock.js';

interface PendingTimer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  #now = 0;
  #order = 0;
  #timers: PendingTimer[] = [];
  /** Milliseconds since 1970 at time 0; may be changed at any time, as a wall clock may jump. */
  wallOffset: number;

  constructor(options: { startWallMillis?: number } = {}) {
    this.wallOffset = options.startWallMillis ?? Date.UTC(2026, 0, 1);
  }

  monotonicMillis(): number {
    return this.#now;
  }

  wallMillis(): number {
    return this.wallOffset + this.#now;
  }

  schedule(delayMillis: number, callback: () => void): ClockTimer {
    const timer: PendingTimer = { at: this.#now + Math.max(delayMillis, 0), order: this.#order++, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Milliseconds until the next timer, or undefined. */
  get untilNext(): number | undefined {
    const next = this.#next();
    return next === undefined ? undefined : next.at - this.#now;
  }

  #next(): PendingTimer | undefined {
    return this.#timers.reduce<PendingTimer | undefined>(
      (first, timer) =>
        first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order)
          ? timer
          : first,
      undefined,
    );
  }

  /** Runs what falls due within `millis`, in its order, a step for each. */
  *#moveOn(millis: number): Generator<void> {
    const target = this.#now + millis;
    for (let next = this.#next(); next !== undefined && next.at <= target; next = this.#next()) {
      this.#now = Math.max(this.#now, next.at);
      const due = next;
      this.#timers = this.#timers.filter((other) => other !== due);
      due.callback();
      yield;
    }
    this.#now = target;
  }

  /** Moves on by `millis`, running what falls due in its order; promises that resolve on the way are followed up in between. */
  async advance(millis: number): Promise<void> {
    await settle();
    for (const _ of this.#moveOn(millis)) await settle();
  }

  /** As `advance()`, at once: for code without `await`. */
  tick(millis: number): void {
    for (const _ of this.#moveOn(millis));
  }
}

/** Lets every promise that can go on do so: a turn of the event loop begins when none is left. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
