/**
 * The seam of the write path: what a provider may replace.   Write path: scheduler -> [target] -> sender -> backend.
 *
 * Phoenix sets its project attribute and limits, the embedded store takes the bytes without a network.
 */
import type { AnyValue } from '../../otlp/model.js';
import type { DropReason } from './ledger.js';

export interface ExportTarget {
  /** Destination and credentials. Projects whose targets have equal keys share one sender, its connections and its back-off. */
  readonly key: string;
  /** What log lines call the destination; without credentials. Default: they do not name it. */
  readonly label?: string | undefined;
  /** Added to the resource of every span of the project; `openinference.project.name` is among them. */
  readonly resourceAttributes: ReadonlyMap<string, AnyValue>;
  /** Largest request, in bytes before compression. Default 3.5 MiB. */
  readonly maxRequestBytes?: number | undefined;
  /** Largest span, in bytes. Default 16 MiB. */
  readonly maxSpanBytes?: number | undefined;
  /** Called once per key. */
  createSender(): SpanSender;
}

export interface SendOptions {
  /** Deadline of this attempt, in milliseconds. */
  readonly timeoutMillis: number;
  /** Spans in the body. */
  readonly spanCount: number;
}

/** One attempt's outcome, by the table of `docs/export-pipeline.md`. */
export type SendResult =
  | { readonly status: 'sent'; readonly rejectedSpans: number; readonly message: string }
  /** Worth another try. `ambiguous`: the backend may have it already. */
  | {
      readonly status: 'retryable';
      readonly reason: DropReason;
      readonly error: Error;
      readonly afterMillis?: number | undefined;
      readonly ambiguous: boolean;
      /** A kept connection that the backend had closed meanwhile: says nothing about the backend, so the next attempt need not wait. */
      readonly staleConnection?: boolean | undefined;
    }
  /** Too large, or refused as a whole: worth splitting, down to the span at fault. */
  | { readonly status: 'splittable'; readonly reason: DropReason; readonly error: Error }
  | { readonly status: 'failed'; readonly reason: DropReason; readonly error: Error };

export interface SpanSender {
  /**
   * One attempt: no retry in here. Never rejects. `body` is an OTLP `ExportTraceServiceRequest`; it must not be kept, nor read once the
   * promise has resolved: its memory is used again.
   */
  send(body: Uint8Array, options: SendOptions): Promise<SendResult>;
  /** Frees connections. */
  close(): Promise<void>;
}
