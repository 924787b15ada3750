/**
 * Lets one request at a time try a destination that keeps failing.   Write path: retry-sender, one per destination.
 *
 * Closed, all requests in flight go their way. After repeated failures it opens: one probe at a time goes out, however many tenants wait.
 */
import type { Clock, ClockTimer } from './clock.js';

/** Failures in a row, of any request, after which only probes go out. */
const OPENS_AFTER = 3;

export class Circuit {
  readonly #clock: Clock;
  #failures = 0;
  #probing = false;
  /** Monotonic time before which no probe goes out. */
  #nextProbeAt = 0;
  #wakers = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get open(): boolean {
    return this.#failures >= OPENS_AFTER;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Waits for the turn to send. False if that does not come before `deadline` (monotonic), or `stopped()` became true. */
  async enter(deadline: number, stopped: () => boolean): Promise<boolean> {
    for (;;) {
      if (stopped()) return false;
      const now = this.#clock.monotonicMillis();
      if (!this.open) return true;
      if (!this.#probing && now >= this.#nextProbeAt) {
        this.#probing = true;
        return true;
      }
      if (now >= deadline) return false;
      await this.sleep(Math.min(this.#probing ? deadline - now : this.#nextProbeAt - now, deadline - now));
    }
  }

  /** The destination answered. */
  succeeded(): void {
    this.#failures = 0;
    this.#probing = false;
    this.#wake();
  }

  /** The attempt failed, and the next probe may go out after `delayMillis`. */
  failed(delayMillis: number): void {
    this.#failures += 1;
    this.#probing = false;
    this.#nextProbeAt = this.#clock.monotonicMillis() + delayMillis;
    this.#wake();
  }

  /** An attempt that says nothing about the destination. */
  left(): void {
    this.#probing = false;
    this.#wake();
  }

  /** Waits, at most until something changes. */
  sleep(millis: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel();
        this.#wakers.delete(wake);
        resolve();
      };
      const timer: ClockTimer = this.#clock.schedule(millis, wake);
      this.#wakers.add(wake);
    });
  }

  #wake(): void {
    for (const wake of [...this.#wakers]) wake();
  }

  /** Wakes all that wait, so that they see that the pipeline stopped. */
  stop(): void {
    this.#wake();
  }
}
