/** An export target without a network: what arrives is decoded and kept, in the order of arrival.   Testing. */
import { type AnyValue, decodeTraces, type OtlpResource, type OtlpScope, type OtlpSpan } from '../../otlp/index.js';
import type { ExportTarget, SendOptions, SendResult, SpanSender } from '../export/export-target.js';

export interface ReceivedSpan {
  readonly resource: OtlpResource;
  readonly scope: OtlpScope;
  readonly span: OtlpSpan;
}

export interface ReceivedRequest {
  readonly spans: readonly ReceivedSpan[];
  readonly bytes: number;
  readonly options: SendOptions;
}

export interface MemoryTargetOptions {
  /** Destination: targets with equal keys share it. Default: one of its own. */
  readonly key?: string | undefined;
  readonly resourceAttributes?: ReadonlyMap<string, AnyValue> | undefined;
  readonly maxRequestBytes?: number | undefined;
  readonly maxSpanBytes?: number | undefined;
  /**
   * What becomes of a request; by default it is taken. Spans of a request that was not `sent` are not in `spans`.
   * A promise holds the request in flight until it resolves.
   */
  readonly respond?: ((request: ReceivedRequest, attempt: number) => SendResult | Promise<SendResult>) | undefined;
}

export interface MemoryTarget extends ExportTarget {
  /** Spans of the requests that were taken. */
  readonly spans: readonly ReceivedSpan[];
  /** Every attempt, taken or not. */
  readonly requests: readonly ReceivedRequest[];
  /** Attempts that have no result yet. */
  readonly openRequests: number;
  /** The most attempts that had no result at one time. */
  readonly mostOpenRequests: number;
  /** How often a sender was closed. */
  readonly closed: number;
  /** The same destination for another project. */
  forProject(resourceAttributes: ReadonlyMap<string, AnyValue>): ExportTarget;
  /** Forgets what arrived. */
  clear(): void;
}

export const SENT: SendResult = { status: 'sent', rejectedSpans: 0, message: '' };

let targets = 0;

export function memoryTarget(options: MemoryTargetOptions = {}): MemoryTarget {
  targets += 1;
  const key = options.key ?? `memory ${targets}`;
  let spans: ReceivedSpan[] = [];
  let requests: ReceivedRequest[] = [];
  let open = 0;
  let mostOpen = 0;
  let closed = 0;
  let attempts = 0;
  const sender: SpanSender = {
    async send(body, sendOptions) {
      const request = { spans: [...flatten(body)], bytes: body.length, options: sendOptions };
      requests.push(request);
      open += 1;
      mostOpen = Math.max(mostOpen, open);
      attempts += 1;
      try {
        const result = (await options.respond?.(request, attempts)) ?? SENT;
        if (result.status === 'sent') spans.push(...request.spans);
        return result;
      } finally {
        open -= 1;
      }
    },
    async close() {
      closed += 1;
    },
  };
  const base = {
    key,
    maxRequestBytes: options.maxRequestBytes,
    maxSpanBytes: options.maxSpanBytes,
    createSender: () => sender,
  };
  return {
    ...base,
    resourceAttributes: options.resourceAttributes ?? new Map(),
    get spans() {
      return spans;
    },
    get requests() {
      return requests;
    },
    get openRequests() {
      return open;
    },
    get mostOpenRequests() {
      return mostOpen;
    },
    get closed() {
      return closed;
    },
    forProject: (resourceAttributes) => ({ ...base, resourceAttributes }),
    clear() {
      spans = [];
      requests = [];
    },
  };
}

function* flatten(body: Uint8Array): Generator<ReceivedSpan> {
  for (const { resource, scopeSpans } of decodeTraces(body).resourceSpans) {
    for (const { scope, spans } of scopeSpans) {
      for (const span of spans) yield { resource, scope, span };
    }
  }
}
