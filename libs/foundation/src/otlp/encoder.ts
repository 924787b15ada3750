/**
 * OTLP traces to protobuf bytes.   Write path: span's end -> [encoder] -> tenant queue. Also the stores' and the server's way out.
 *
 * Source: opentelemetry-proto v1, `trace.proto`, `common.proto`, `resource.proto`; field numbers below are theirs.
 */
import { AttributeList } from './attribute-list.js';
import type { Attributes, OtlpResource, OtlpScope, OtlpTraces } from './model.js';
import { OtlpEncodeError, ProtoWriter, varintSize } from './proto-writer.js';

/**
 * Values nested deeper are refused with `OtlpEncodeError` (`too_deep`), so that no input exhausts the stack. Receivers take less: with the
 * 100 messages inside one another that protobuf's own decoders allow, about 31 maps or 47 lists, and they refuse the whole request beyond.
 */
export const MAX_ENCODE_DEPTH = 256;

/** A number that is an OTLP double whatever its value: a key whose values are measurements keeps one type. */
export class OtlpDouble {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** `AnyValue`, read only. */
export type EncodableValue =
  | string
  | boolean
  | bigint
  | number
  | OtlpDouble
  | Uint8Array
  | null
  | readonly EncodableValue[]
  | EncodableAttributes;

export interface EncodableAttributes extends ReadonlyMap<string, EncodableValue> {}

export interface EncodableEvent {
  readonly timeUnixNano: bigint;
  readonly name: string;
  readonly attributes: EncodableAttributes | AttributeList;
  readonly droppedAttributesCount: number;
}

export interface EncodableLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState: string;
  readonly attributes: EncodableAttributes | AttributeList;
  readonly droppedAttributesCount: number;
  readonly flags: number;
}

/** The shape of `OtlpSpan`, read only. */
export interface EncodableSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState: string;
  readonly parentSpanId: string;
  readonly flags: number;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: bigint;
  readonly endTimeUnixNano: bigint;
  readonly attributes: EncodableAttributes | AttributeList;
  readonly droppedAttributesCount: number;
  readonly events: readonly EncodableEvent[];
  readonly droppedEventsCount: number;
  readonly links: readonly EncodableLink[];
  readonly droppedLinksCount: number;
  readonly status: { readonly code: number; readonly message: string };
  /** True: a `number` that is a safe integer is an OTLP int, as OpenTelemetry's API means it. Otherwise every `number` is a double. */
  readonly integersAsInt?: boolean | undefined;
}

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** Encoded `KeyValue.key` fields, whose length must be known before the pair's. Keys are few and repeat; should they not, the cache starts anew. */
const keyFields = new Map<string, Uint8Array>();
const KEY_FIELDS_MAX = 4096;
const CACHED_KEY_LENGTH_MAX = 128;
const keyWriter = new ProtoWriter({ initialBytes: 256 });

function keyField(key: string): Uint8Array {
  let field = keyFields.get(key);
  if (field === undefined) {
    keyWriter.reset();
    keyWriter.string(0x0a, key);
    field = keyWriter.finish();
    if (key.length <= CACHED_KEY_LENGTH_MAX) {
      if (keyFields.size === KEY_FIELDS_MAX) keyFields.clear();
      keyFields.set(key, field);
    }
  }
  return field;
}

/** Body of the `Span` message, without tag and length. On `OtlpEncodeError` the writer holds a part of it: `truncate()` or `reset()` it. */
export function encodeSpanInto(writer: ProtoWriter, span: EncodableSpan): void {
  const integersAsInt = span.integersAsInt === true;
  writer.hex(0x0a, span.traceId);
  writer.hex(0x12, span.spanId);
  if (span.traceState !== '') writer.string(0x1a, span.traceState);
  if (span.parentSpanId !== '') writer.hex(0x22, span.parentSpanId);
  if (span.name !== '') writer.string(0x2a, span.name);
  if (span.kind !== 0) writer.int32(0x30, span.kind);
  writer.fixed64(0x39, span.startTimeUnixNano);
  writer.fixed64(0x41, span.endTimeUnixNano);
  if (span.attributes.size !== 0) encodeAttributes(writer, 0x4a, span.attributes, integersAsInt, 1);
  uint32(writer, 0x50, span.droppedAttributesCount);
  for (const event of span.events) {
    const start = writer.begin(0x5a);
    writer.fixed64(0x09, event.timeUnixNano);
    if (event.name !== '') writer.string(0x12, event.name);
    encodeAttributes(writer, 0x1a, event.attributes, integersAsInt, 1);
    uint32(writer, 0x20, event.droppedAttributesCount);
    writer.end(start);
  }
  uint32(writer, 0x60, span.droppedEventsCount);
  for (const link of span.links) {
    const start = writer.begin(0x6a);
    writer.hex(0x0a, link.traceId);
    writer.hex(0x12, link.spanId);
    if (link.traceState !== '') writer.string(0x1a, link.traceState);
    encodeAttributes(writer, 0x22, link.attributes, integersAsInt, 1);
    uint32(writer, 0x28, link.droppedAttributesCount);
    if (link.flags !== 0) writer.fixed32(0x35, link.flags);
    writer.end(start);
  }
  uint32(writer, 0x70, span.droppedLinksCount);
  const { code, message } = span.status;
  if (code !== 0 || message !== '') {
    const start = writer.begin(0x7a);
    if (message !== '') writer.string(0x12, message);
    if (code !== 0) writer.int32(0x18, code);
    writer.end(start);
  }
  if (span.flags !== 0) writer.fixed32(0x85, span.flags);
}

/** Kept from request to request, so that it grows once. */
const requestWriter = new ProtoWriter({ initialBytes: 16 * 1024 });

/** `ExportTraceServiceRequest` (and `TracesData`, which has the same fields). */
export function encodeTraces(traces: OtlpTraces): Uint8Array {
  const writer = requestWriter;
  writer.reset();
  for (const resourceSpans of traces.resourceSpans) {
    const resourceStart = writer.begin(0x0a, 3);
    const resource = writer.begin(0x0a, 2);
    encodeResourceInto(writer, resourceSpans.resource);
    writer.end(resource, 2);
    for (const scopeSpans of resourceSpans.scopeSpans) {
      const scopeStart = writer.begin(0x12, 3);
      encodeScopePrefixInto(writer, scopeSpans.scope, scopeSpans.schemaUrl);
      for (const span of scopeSpans.spans) {
        const spanStart = writer.begin(0x12, 2);
        encodeSpanInto(writer, span);
        writer.end(spanStart, 2);
      }
      writer.end(scopeStart, 3);
    }
    if (resourceSpans.schemaUrl !== '') writer.string(0x1a, resourceSpans.schemaUrl);
    writer.end(resourceStart, 3);
  }
  return writer.finish();
}

/** Body of the `Resource` message. */
export function encodeResource(resource: OtlpResource): Uint8Array {
  const writer = new ProtoWriter({ initialBytes: 512 });
  encodeResourceInto(writer, resource);
  return writer.finish();
}

/** The fields of `ScopeSpans` except `spans`, ready to be followed by `spans` entries (tag 0x12, length, body). */
export function encodeScopePrefix(scope: OtlpScope, schemaUrl: string): Uint8Array {
  const writer = new ProtoWriter({ initialBytes: 512 });
  encodeScopePrefixInto(writer, scope, schemaUrl);
  return writer.finish();
}

function encodeResourceInto(writer: ProtoWriter, resource: OtlpResource): void {
  encodeAttributes(writer, 0x0a, resource.attributes, false, 1);
  uint32(writer, 0x10, resource.droppedAttributesCount);
}

function encodeScopePrefixInto(writer: ProtoWriter, scope: OtlpScope, schemaUrl: string): void {
  const start = writer.begin(0x0a);
  if (scope.name !== '') writer.string(0x0a, scope.name);
  if (scope.version !== '') writer.string(0x12, scope.version);
  encodeAttributes(writer, 0x1a, scope.attributes, false, 1);
  uint32(writer, 0x20, scope.droppedAttributesCount);
  writer.end(start);
  if (schemaUrl !== '') writer.string(0x1a, schemaUrl);
}

function uint32(writer: ProtoWriter, tag: number, value: number): void {
  if (value !== 0) writer.int32(tag, value);
}

function encodeAttributes(
  writer: ProtoWriter,
  tag: number,
  attributes: EncodableAttributes | AttributeList | Attributes,
  integersAsInt: boolean,
  depth: number,
): void {
  if (attributes instanceof AttributeList) {
    const { entries } = attributes;
    for (let at = 0; at < entries.length; at += 2) {
      encodeAttribute(writer, tag, entries[at] as string, entries[at + 1]!, integersAsInt, depth);
    }
    return;
  }
  for (const [key, value] of attributes) encodeAttribute(writer, tag, key, value, integersAsInt, depth);
}

function encodeAttribute(
  writer: ProtoWriter,
  tag: number,
  key: string,
  value: EncodableValue,
  integersAsInt: boolean,
  depth: number,
): void {
  const field = keyField(key);
  switch (typeof value) {
    case 'string':
      writer.stringKeyValue(tag, field, value);
      return;
    case 'boolean':
      writer.keyValueHead(tag, field, 2);
      writer.byte(0x10);
      writer.byte(value ? 1 : 0);
      return;
    case 'number':
      if (integersAsInt && value >= 0 && (value | 0) === value) {
        writer.keyValueHead(tag, field, 1 + varintSize(value));
        writer.int32(0x18, value);
        return;
      }
      if (!integersAsInt || !Number.isSafeInteger(value)) {
        writer.keyValueHead(tag, field, 9);
        writer.double(0x21, value);
        return;
      }
  }
  encodePair(writer, tag, field, value, integersAsInt, depth);
}

/** A `KeyValue` whose value's length is known only once it is written. */
function encodePair(
  writer: ProtoWriter,
  tag: number,
  field: Uint8Array,
  value: EncodableValue,
  integersAsInt: boolean,
  depth: number,
): void {
  const pair = writer.begin(tag);
  writer.raw(field);
  const start = writer.begin(0x12);
  encodeAnyValue(writer, value, integersAsInt, depth);
  writer.end(start);
  writer.end(pair);
}

/** Body of an `AnyValue`. */
function encodeAnyValue(writer: ProtoWriter, value: EncodableValue, integersAsInt: boolean, depth: number): void {
  switch (typeof value) {
    case 'string':
      writer.string(0x0a, value);
      return;
    case 'boolean':
      writer.byte(0x10);
      writer.byte(value ? 1 : 0);
      return;
    case 'number':
      if (integersAsInt && Number.isSafeInteger(value)) writer.int64(0x18, BigInt(value));
      else writer.double(0x21, value);
      return;
    case 'bigint':
      // OTLP has no integer above 64 bits; as text its digits survive.
      if (value < INT64_MIN || value > INT64_MAX) writer.string(0x0a, String(value));
      else writer.int64(0x18, value);
      return;
  }
  if (value === null) return;
  if (value instanceof Uint8Array) {
    writer.bytes(0x3a, value);
    return;
  }
  if (depth > MAX_ENCODE_DEPTH) {
    throw new OtlpEncodeError('too_deep', `An attribute is nested deeper than ${MAX_ENCODE_DEPTH} levels.`);
  }
  if (value instanceof OtlpDouble) {
    writer.double(0x21, value.value);
    return;
  }
  if (value instanceof Map) {
    const start = writer.begin(0x32);
    encodeAttributes(writer, 0x0a, value, integersAsInt, depth + 1);
    writer.end(start);
    return;
  }
  const start = writer.begin(0x2a);
  for (const element of value as readonly EncodableValue[]) {
    const elementStart = writer.begin(0x0a);
    encodeAnyValue(writer, element, integersAsInt, depth + 1);
    writer.end(elementStart);
  }
  writer.end(start);
}
