/** Ids that count from 1, so that a test can name them.   Testing. */
import type { IdGenerator } from '../span-identity.js';

export class CountingIds implements IdGenerator {
  #traces = 0;
  #spans = 0;

  generateTraceId(): string {
    this.#traces += 1;
    return this.#traces.toString(16).padStart(32, '0');
  }

  generateSpanId(): string {
    this.#spans += 1;
    return this.#spans.toString(16).padStart(16, '0');
  }

  /** Counts from 1 again. */
  restart(): void {
    this.#traces = 0;
    this.#spans = 0;
  }
}
