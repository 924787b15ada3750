/** Waits until certain spans have their fate, and knows whether all of them were exported.   Write path: flush and synchronous export. */

export class Settlement {
  #remaining = 0;
  #done = false;
  /** A span of it was not exported. */
  lost = false;
  readonly #resolve: (allExported: boolean) => void;
  /** Resolves with true if every span was exported, with false as soon as they are settled otherwise, or at `expire()`. */
  readonly settled: Promise<boolean>;

  constructor() {
    let resolve: (allExported: boolean) => void = () => undefined;
    this.settled = new Promise((done) => {
      resolve = done;
    });
    this.#resolve = resolve;
  }

  expect(spans: number): void {
    this.#remaining += spans;
  }

  /** `spans` of it have their fate. */
  settle(spans: number, lost: boolean): void {
    this.#remaining -= spans;
    if (lost) this.lost = true;
    this.finishIfSettled();
  }

  finishIfSettled(): void {
    if (this.#remaining > 0 || this.#done) return;
    this.#done = true;
    this.#resolve(!this.lost);
  }

  /** Gives up waiting. */
  expire(): void {
    if (this.#done) return;
    this.#done = true;
    this.#resolve(false);
  }

  get done(): boolean {
    return this.#done;
  }
}

/** The spans of one queue that a settlement waits for: sequence numbers `from` (included) to `to` (not included). */
export interface SettlementMark {
  readonly settlement: Settlement;
  readonly from: number;
  to: number;
}
