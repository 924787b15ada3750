/**
 * A project's own view of its destination: the resource of its spans, and senders whose requests make no spans.   Write path: tenant
 * project -> [project-target] -> pipeline. There is one for every live project, so it keeps next to nothing.
 */
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import type { AnyValue } from '../../otlp/index.js';
import type { ExportTarget, SpanSender } from './export-target.js';

/** Whatever instrumentation there is, and in whose context a send may run: our own requests make no spans, and carry no `traceparent`. */
const QUIET = suppressTracing(ROOT_CONTEXT);

export class ProjectTarget implements ExportTarget {
  readonly #destination: ExportTarget;
  readonly #resourceAttributes: () => Iterable<readonly [string, AnyValue]>;

  /** `resourceAttributes`: the project's, asked for when a queue is opened. The destination's own come on top. */
  constructor(destination: ExportTarget, resourceAttributes: () => Iterable<readonly [string, AnyValue]>) {
    this.#destination = destination;
    this.#resourceAttributes = resourceAttributes;
  }

  get key(): string {
    return this.#destination.key;
  }

  get label(): string | undefined {
    return this.#destination.label;
  }

  get maxRequestBytes(): number | undefined {
    return this.#destination.maxRequestBytes;
  }

  get maxSpanBytes(): number | undefined {
    return this.#destination.maxSpanBytes;
  }

  get resourceAttributes(): ReadonlyMap<string, AnyValue> {
    return new Map([...this.#resourceAttributes(), ...this.#destination.resourceAttributes]);
  }

  createSender(): SpanSender {
    const sender = context.with(QUIET, () => this.#destination.createSender());
    return {
      send: (body, options) => context.with(QUIET, () => sender.send(body, options)),
      close: () => context.with(QUIET, () => sender.close()),
    };
  }
}
