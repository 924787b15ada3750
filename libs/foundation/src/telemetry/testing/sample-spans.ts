/** Spans to test with.   Testing: plain values, and the bytes that travel. */
import { encodeScopePrefix, encodeSpanInto, type OtlpSpan, ProtoWriter } from '../../otlp/index.js';
import type { ScopeBytes } from '../export/tenant-queue.js';

/** A valid root span; `overrides` replaces any of its fields. */
export function sampleSpan(name: string, overrides: Partial<OtlpSpan> = {}): OtlpSpan {
  return {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    traceState: '',
    parentSpanId: '',
    flags: 1,
    name,
    kind: 1,
    startTimeUnixNano: 1_767_225_600_000_000_000n,
    endTimeUnixNano: 1_767_225_600_001_000_000n,
    attributes: new Map(),
    droppedAttributesCount: 0,
    events: [],
    droppedEventsCount: 0,
    links: [],
    droppedLinksCount: 0,
    status: { code: 0, message: '' },
    ...overrides,
  };
}

/** The body of an OTLP `Span` message. */
export function encodeSampleSpan(name: string, overrides: Partial<OtlpSpan> = {}): Uint8Array {
  const writer = new ProtoWriter();
  encodeSpanInto(writer, sampleSpan(name, overrides));
  return writer.finish();
}

/** A scope as a queue takes it. Equal names need equal ids. */
export function sampleScope(id: number, name: string): ScopeBytes {
  const scope = { name, version: '', attributes: new Map(), droppedAttributesCount: 0 };
  return { id, prefix: encodeScopePrefix(scope, '') };
}
