/**
 * OTLP traces as plain values, exact and without wrapper objects.   Used by the write path, the server and the stores.
 *
 * Source: opentelemetry-proto v1, `trace.proto`, `common.proto`, `resource.proto`.
 */

/**
 * One OTLP `AnyValue`. The JavaScript type tells the OTLP type, so nothing is lost:
 * `bigint` is a 64-bit integer, `number` a double, `Map` a key-value list, `null` a value without content.
 */
export type AnyValue = string | boolean | bigint | number | Uint8Array | null | AnyValue[] | Attributes;

/** Attributes in their order. A key that came twice holds the last value. A `Map`, so that no key ever reaches a prototype. */
export type Attributes = Map<string, AnyValue>;

/** 0 unset, 1 ok, 2 error. */
export type StatusCodeNumber = 0 | 1 | 2;

export interface OtlpEvent {
  /** Nanoseconds since 1970. */
  timeUnixNano: bigint;
  name: string;
  attributes: Attributes;
  droppedAttributesCount: number;
}

export interface OtlpLink {
  /** 32 lower-case hex digits. */
  traceId: string;
  /** 16 lower-case hex digits. */
  spanId: string;
  traceState: string;
  attributes: Attributes;
  droppedAttributesCount: number;
  flags: number;
}

export interface OtlpSpan {
  /** 32 lower-case hex digits. */
  traceId: string;
  /** 16 lower-case hex digits. */
  spanId: string;
  traceState: string;
  /** 16 lower-case hex digits; empty for a root. */
  parentSpanId: string;
  flags: number;
  name: string;
  /** OTLP `SpanKind`: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number;
  /** Nanoseconds since 1970. */
  startTimeUnixNano: bigint;
  /** Nanoseconds since 1970. */
  endTimeUnixNano: bigint;
  attributes: Attributes;
  droppedAttributesCount: number;
  events: OtlpEvent[];
  droppedEventsCount: number;
  links: OtlpLink[];
  droppedLinksCount: number;
  status: { code: StatusCodeNumber; message: string };
}

export interface OtlpScope {
  name: string;
  version: string;
  attributes: Attributes;
  droppedAttributesCount: number;
}

export interface OtlpResource {
  attributes: Attributes;
  droppedAttributesCount: number;
}

export interface OtlpScopeSpans {
  scope: OtlpScope;
  schemaUrl: string;
  spans: OtlpSpan[];
}

export interface OtlpResourceSpans {
  resource: OtlpResource;
  schemaUrl: string;
  scopeSpans: OtlpScopeSpans[];
}

/** `ExportTraceServiceRequest` and `TracesData` alike. */
export interface OtlpTraces {
  resourceSpans: OtlpResourceSpans[];
}
