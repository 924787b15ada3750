/** The end of a span whose callback gave a promise or a generator.   Write path: span() -> [span-completion] -> end of the span. */
import { context as contextApi } from '@opentelemetry/api';
import type { Completion } from './completion.js';
import type { TelemetryContext } from './context-keys.js';
import { Span, type TelemetrySpan } from './span.js';

/** Ends a span when what its callback gave is complete. */
export class SpanCompletion implements Completion {
  readonly #span: TelemetrySpan;
  readonly #context: TelemetryContext;

  constructor(span: TelemetrySpan, context: TelemetryContext) {
    this.#span = span;
    this.#context = context;
  }

  done(): Promise<void> | undefined {
    const span = this.#span;
    span.end();
    return span instanceof Span ? span.delivery : undefined;
  }

  failed(error: unknown): Promise<void> | undefined {
    if (this.#span instanceof Span) this.#span.fail(error);
    return this.done();
  }

  /** The event says why the span took as long as it did: until its generator was collected. */
  abandoned(): void {
    this.#span.addEvent('iteration.abandoned');
    this.#span.end();
  }

  step<R>(advance: () => R): R {
    return contextApi.with(this.#context, advance);
  }
}
