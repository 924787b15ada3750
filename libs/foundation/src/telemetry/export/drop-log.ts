/** Says which tenant lost how many spans, and why.   Write path: ledger -> [drop log] -> logger. A bounded number of lines a minute. */
import type { Clock, ClockTimer } from './clock.js';
import { systemClock } from './clock.js';
import type { DropReason } from './ledger.js';
import { FencedLogger, type PipelineLogger } from './pipeline-logger.js';

/** Tenants and reasons whose counts wait for their line. Beyond it they share one line. */
const MAX_PENDING = 1000;

export interface DropLogOptions {
  logger: PipelineLogger;
  /** Lines a minute. 0: none. */
  maxRatePerMinute: number;
  clock?: Clock | undefined;
}

interface Pending {
  tenantId: string;
  reason: string;
  count: number;
}

export class DropLog {
  readonly #logger: PipelineLogger;
  #maxRate: number;
  readonly #clock: Clock;
  readonly #pending = new Map<string, Pending>();
  #minuteStart: number;
  #linesInMinute = 0;
  #timer: ClockTimer | undefined;

  constructor(options: DropLogOptions) {
    this.#logger = new FencedLogger(options.logger);
    this.#maxRate = options.maxRatePerMinute;
    this.#clock = options.clock ?? systemClock;
    this.#minuteStart = this.#clock.monotonicMillis();
  }

  /** Lines a minute, from now on. 0: none; what waits for its line is then written no more. */
  set maxRatePerMinute(rate: number) {
    this.#maxRate = rate;
    if (rate > 0) return;
    this.#pending.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  record(tenantId: string, reason: DropReason, count: number): void {
    if (this.#maxRate <= 0) return;
    const key = `${reason} ${tenantId}`;
    let pending = this.#pending.get(key);
    if (pending === undefined) {
      const full = this.#pending.size >= MAX_PENDING;
      const sharedKey = full ? '' : key;
      pending = this.#pending.get(sharedKey);
      if (pending === undefined) {
        pending = full ? { tenantId: '', reason: '', count: 0 } : { tenantId, reason, count: 0 };
        this.#pending.set(sharedKey, pending);
      }
    }
    pending.count += count;
    // One line gathers what follows within a second, so that a burst is one line with its count.
    this.#timer ??= this.#clock.schedule(1000, () => this.#write());
  }

  #write(): void {
    this.#timer = undefined;
    const now = this.#clock.monotonicMillis();
    if (now - this.#minuteStart >= 60_000) {
      this.#minuteStart = now;
      this.#linesInMinute = 0;
    }
    this.#writeLines(this.#maxRate - this.#linesInMinute);
    if (this.#pending.size > 0) {
      this.#timer = this.#clock.schedule(this.#minuteStart + 60_000 - now, () => this.#write());
    }
  }

  #writeLines(room: number): void {
    const largestFirst = [...this.#pending].sort((a, b) => b[1].count - a[1].count).slice(0, Math.max(room, 0));
    for (const [key, { tenantId, reason, count }] of largestFirst) {
      this.#pending.delete(key);
      this.#linesInMinute += 1;
      this.#logger.warn(
        key === ''
          ? `dropped ${count} spans of further tenants (see getStats())`
          : `dropped ${count} spans of tenant ${JSON.stringify(tenantId)}: ${reason}`,
      );
    }
  }

  /** Writes what waits, as far as this minute has room, and stops. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const now = this.#clock.monotonicMillis();
    this.#writeLines(now - this.#minuteStart >= 60_000 ? this.#maxRate : this.#maxRate - this.#linesInMinute);
    this.#pending.clear();
  }
}
