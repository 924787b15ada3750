/**
 * An independent codec for OTLP traces: protobufjs over the official definitions, translated to our model. Tests compare ours with it, so
 * that one bug cannot hide another.
 */
import protobuf from 'protobufjs';
import type { AnyValue, Attributes, OtlpTraces } from '../../dist/otlp/index.js';

/** opentelemetry-proto v1: the messages of traces, with their field numbers. Enums are int32 on the wire, and open. */
const DEFINITIONS = `
syntax = "proto3";
message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; string schema_url = 3; }
message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }
message ScopeSpans { InstrumentationScope scope = 1; repeated Span spans = 2; string schema_url = 3; }
message InstrumentationScope { string name = 1; string version = 2; repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; fixed32 flags = 16; string name = 5;
  int32 kind = 6; fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9;
  uint32 dropped_attributes_count = 10;
  message Event { fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4; }
  repeated Event events = 11;
  uint32 dropped_events_count = 12;
  message Link {
    bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; repeated KeyValue attributes = 4; uint32 dropped_attributes_count = 5;
    fixed32 flags = 6;
  }
  repeated Link links = 13;
  uint32 dropped_links_count = 14;
  Status status = 15;
}
message Status { string message = 2; int32 code = 3; }
message AnyValue {
  oneof value {
    string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; ArrayValue array_value = 5;
    KeyValueList kvlist_value = 6; bytes bytes_value = 7;
  }
}
message ArrayValue { repeated AnyValue values = 1; }
message KeyValueList { repeated KeyValue values = 1; }
message KeyValue { string key = 1; AnyValue value = 2; }
message ExportTraceServiceResponse { ExportTracePartialSuccess partial_success = 1; }
message ExportTracePartialSuccess { int64 rejected_spans = 1; string error_message = 2; }
`;

export const root = protobuf.parse(DEFINITIONS).root;
const requestType = root.lookupType('ExportTraceServiceRequest');
export const responseType = root.lookupType('ExportTraceServiceResponse');

// What protobufjs decodes to: fields that were not sent read as their defaults from the prototype.
// biome-ignore lint/suspicious/noExplicitAny: messages built at run time
type Message = any;

export function officialDecode(bytes: Uint8Array): OtlpTraces {
  // As a `Buffer`, so that text is read by the platform: protobufjs' own reader makes other characters of what is no UTF-8.
  const request: Message = requestType.decode(Buffer.from(bytes));
  return {
    resourceSpans: request.resourceSpans.map((group: Message) => ({
      resource: {
        attributes: attributes(group.resource?.attributes ?? []),
        droppedAttributesCount: group.resource?.droppedAttributesCount ?? 0,
      },
      schemaUrl: group.schemaUrl,
      scopeSpans: group.scopeSpans.map((scopeSpans: Message) => ({
        scope: {
          name: scopeSpans.scope?.name ?? '',
          version: scopeSpans.scope?.version ?? '',
          attributes: attributes(scopeSpans.scope?.attributes ?? []),
          droppedAttributesCount: scopeSpans.scope?.droppedAttributesCount ?? 0,
        },
        schemaUrl: scopeSpans.schemaUrl,
        spans: scopeSpans.spans.map((span: Message) => ({
          traceId: hex(span.traceId),
          spanId: hex(span.spanId),
          traceState: span.traceState,
          parentSpanId: hex(span.parentSpanId),
          flags: span.flags,
          name: span.name,
          kind: span.kind,
          startTimeUnixNano: big(span.startTimeUnixNano),
          endTimeUnixNano: big(span.endTimeUnixNano),
          attributes: attributes(span.attributes),
          droppedAttributesCount: span.droppedAttributesCount,
          events: span.events.map((event: Message) => ({
            timeUnixNano: big(event.timeUnixNano),
            name: event.name,
            attributes: attributes(event.attributes),
            droppedAttributesCount: event.droppedAttributesCount,
          })),
          droppedEventsCount: span.droppedEventsCount,
          links: span.links.map((link: Message) => ({
            traceId: hex(link.traceId),
            spanId: hex(link.spanId),
            traceState: link.traceState,
            attributes: attributes(link.attributes),
            droppedAttributesCount: link.droppedAttributesCount,
            flags: link.flags,
          })),
          droppedLinksCount: span.droppedLinksCount,
          status: { code: span.status?.code ?? 0, message: span.status?.message ?? '' },
        })),
      })),
    })),
  };
}

export function officialEncode(traces: OtlpTraces): Uint8Array {
  const message = {
    resourceSpans: traces.resourceSpans.map((group) => ({
      ...group,
      resource: { ...group.resource, attributes: keyValues(group.resource.attributes) },
      scopeSpans: group.scopeSpans.map((scopeSpans) => ({
        ...scopeSpans,
        scope: { ...scopeSpans.scope, attributes: keyValues(scopeSpans.scope.attributes) },
        spans: scopeSpans.spans.map((span) => ({
          ...span,
          traceId: Buffer.from(span.traceId, 'hex'),
          spanId: Buffer.from(span.spanId, 'hex'),
          parentSpanId: Buffer.from(span.parentSpanId, 'hex'),
          startTimeUnixNano: long(span.startTimeUnixNano, true),
          endTimeUnixNano: long(span.endTimeUnixNano, true),
          attributes: keyValues(span.attributes),
          events: span.events.map((event) => ({
            ...event,
            timeUnixNano: long(event.timeUnixNano, true),
            attributes: keyValues(event.attributes),
          })),
          links: span.links.map((link) => ({
            ...link,
            traceId: Buffer.from(link.traceId, 'hex'),
            spanId: Buffer.from(link.spanId, 'hex'),
            attributes: keyValues(link.attributes),
          })),
        })),
      })),
    })),
  };
  return requestType.encode(message).finish();
}

function keyValues(from: Attributes): Message[] {
  return Array.from(from, ([key, value]) => ({ key, value: toMessage(value) }));
}

function toMessage(value: AnyValue): Message {
  if (value === null) return {};
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'bigint') return { intValue: long(value, false) };
  if (typeof value === 'number') return { doubleValue: value };
  if (value instanceof Uint8Array) return { bytesValue: value };
  if (value instanceof Map) return { kvlistValue: { values: keyValues(value) } };
  return { arrayValue: { values: value.map(toMessage) } };
}

function attributes(pairs: Message[]): Attributes {
  return new Map(pairs.map((pair) => [pair.key, fromMessage(pair.value)]));
}

function fromMessage(any: Message): AnyValue {
  if (any === null || any === undefined) return null;
  // The oneof's field that came last, by its own property: the prototype holds defaults for all of them.
  switch (any.value) {
    case 'stringValue':
      return any.stringValue;
    case 'boolValue':
      return any.boolValue;
    case 'intValue':
      return big(any.intValue);
    case 'doubleValue':
      return any.doubleValue;
    case 'arrayValue':
      return any.arrayValue.values.map(fromMessage);
    case 'kvlistValue':
      return attributes(any.kvlistValue.values);
    case 'bytesValue':
      return new Uint8Array(any.bytesValue);
    default:
      return null;
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** protobufjs gives 64-bit integers as `Long`, whose text is exact. */
function big(value: { toString(): string } | number): bigint {
  return BigInt(value.toString());
}

/** The class `long`, whose static methods protobufjs does not declare. */
const Long = protobuf.util.Long as unknown as { fromString(digits: string, unsigned: boolean): protobuf.Long };

export function long(value: bigint, unsigned: boolean): protobuf.Long {
  return Long.fromString(String(value), unsigned);
}
