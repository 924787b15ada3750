/** Whether a span can be kept: what OTLP demands of it.   Server and stores: decoder -> [validate] -> rows. */
import type { OtlpSpan } from './model.js';

const TRACE_ID = /^(?!0{32})[0-9a-f]{32}$/;
const SPAN_ID = /^(?!0{16})[0-9a-f]{16}$/;
/** Times are kept as signed 64-bit integers: until the year 2262. */
const TIME_MAX = 2n ** 63n - 1n;

/**
 * Why the span must be rejected, or undefined if it may be kept. An empty name, an end before the start and unknown kinds are fine:
 * they say something about who sent it, and are shown as they came.
 */
export function validateSpan(span: OtlpSpan): string | undefined {
  if (!TRACE_ID.test(span.traceId)) return 'trace id is not 16 bytes, or all zero';
  if (!SPAN_ID.test(span.spanId)) return 'span id is not 8 bytes, or all zero';
  if (span.parentSpanId !== '') {
    if (!SPAN_ID.test(span.parentSpanId)) return 'parent span id is not 8 bytes';
    if (span.parentSpanId === span.spanId) return 'span is its own parent';
  }
  if (span.startTimeUnixNano > TIME_MAX || span.endTimeUnixNano > TIME_MAX) return 'time is after the year 2262';
  return undefined;
}
