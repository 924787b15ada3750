/**
 * OTLP/JSON both ways.   Server: `application/json` bodies in, spans out of the read API.
 *
 * Source: OTLP 1.x, "JSON Protobuf Encoding": lowerCamelCase names only, ids as hex, enums as numbers, 64-bit integers as decimal strings,
 * bytes as base64, NaN and infinities as strings, unknown fields ignored. Wider on the way in, as protobuf's JSON is: hex of either case,
 * enum names, integers as numbers, `null` for a field that is not set.
 */
import { knownStatusCode, NO_PARENT } from './decoder.js';
import { DEFAULT_OTLP_LIMITS, ElementBudget, OtlpDecodeError, type OtlpLimits, tooMany } from './limits.js';
import type {
  AnyValue,
  Attributes,
  OtlpEvent,
  OtlpLink,
  OtlpResourceSpans,
  OtlpScope,
  OtlpScopeSpans,
  OtlpSpan,
  OtlpTraces,
} from './model.js';

/** `AnyValue` in JSON: one of its keys, or none for a value without content. */
export interface OtlpJsonAnyValue {
  stringValue?: string;
  boolValue?: boolean;
  /** Decimal digits. */
  intValue?: string;
  /** As text where JSON has no number for it: `JSON.stringify` writes -0 as 0. */
  doubleValue?: number | 'NaN' | 'Infinity' | '-Infinity' | '-0';
  arrayValue?: { values: OtlpJsonAnyValue[] };
  kvlistValue?: { values: OtlpJsonKeyValue[] };
  /** Base64. */
  bytesValue?: string;
}
export interface OtlpJsonKeyValue {
  key: string;
  value: OtlpJsonAnyValue;
}
export interface OtlpJsonEvent {
  timeUnixNano: string;
  name: string;
  attributes: OtlpJsonKeyValue[];
  droppedAttributesCount: number;
}
export interface OtlpJsonLink {
  traceId: string;
  spanId: string;
  traceState: string;
  attributes: OtlpJsonKeyValue[];
  droppedAttributesCount: number;
  flags: number;
}
export interface OtlpJsonSpan {
  traceId: string;
  spanId: string;
  traceState: string;
  parentSpanId: string;
  flags: number;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: OtlpJsonKeyValue[];
  droppedAttributesCount: number;
  events: OtlpJsonEvent[];
  droppedEventsCount: number;
  links: OtlpJsonLink[];
  droppedLinksCount: number;
  status: { code: number; message: string };
}
export interface OtlpJsonScopeSpans {
  scope: { name: string; version: string; attributes: OtlpJsonKeyValue[]; droppedAttributesCount: number };
  schemaUrl: string;
  spans: OtlpJsonSpan[];
}
export interface OtlpJsonResourceSpans {
  resource: { attributes: OtlpJsonKeyValue[]; droppedAttributesCount: number };
  schemaUrl: string;
  scopeSpans: OtlpJsonScopeSpans[];
}
/** `ExportTraceServiceRequest` in OTLP/JSON, ready for `JSON.stringify`. */
export interface OtlpJson {
  resourceSpans: OtlpJsonResourceSpans[];
}

export function encodeTracesJson(traces: OtlpTraces): OtlpJson {
  return {
    resourceSpans: traces.resourceSpans.map((group) => ({
      resource: {
        attributes: encodeAttributes(group.resource.attributes),
        droppedAttributesCount: group.resource.droppedAttributesCount,
      },
      schemaUrl: group.schemaUrl,
      scopeSpans: group.scopeSpans.map((scopeSpans) => ({
        scope: { ...scopeSpans.scope, attributes: encodeAttributes(scopeSpans.scope.attributes) },
        schemaUrl: scopeSpans.schemaUrl,
        spans: scopeSpans.spans.map(encodeSpan),
      })),
    })),
  };
}

function encodeSpan(span: OtlpSpan): OtlpJsonSpan {
  return {
    ...span,
    startTimeUnixNano: String(span.startTimeUnixNano),
    endTimeUnixNano: String(span.endTimeUnixNano),
    attributes: encodeAttributes(span.attributes),
    events: span.events.map((event) => ({
      ...event,
      timeUnixNano: String(event.timeUnixNano),
      attributes: encodeAttributes(event.attributes),
    })),
    links: span.links.map((link) => ({ ...link, attributes: encodeAttributes(link.attributes) })),
    status: { ...span.status },
  };
}

function encodeAttributes(attributes: Attributes): OtlpJsonKeyValue[] {
  return Array.from(attributes, ([key, value]) => ({ key, value: encodeAnyValue(value) }));
}

function encodeAnyValue(value: AnyValue): OtlpJsonAnyValue {
  switch (typeof value) {
    case 'string':
      return { stringValue: value };
    case 'boolean':
      return { boolValue: value };
    case 'bigint':
      return { intValue: String(value) };
    case 'number':
      if (Object.is(value, -0)) return { doubleValue: '-0' };
      if (Number.isFinite(value)) return { doubleValue: value };
      return { doubleValue: String(value) as 'NaN' | 'Infinity' | '-Infinity' };
  }
  if (value === null) return {};
  if (value instanceof Uint8Array) return { bytesValue: Buffer.from(value).toString('base64') };
  if (value instanceof Map) return { kvlistValue: { values: encodeAttributes(value) } };
  return { arrayValue: { values: value.map(encodeAnyValue) } };
}

/** Decodes an OTLP/JSON body, or what was parsed from one. Errors: `OtlpDecodeError`, and no other. */
export function decodeTracesJson(
  json: string | Uint8Array | object,
  limits: OtlpLimits = DEFAULT_OTLP_LIMITS,
): OtlpTraces {
  const reader = new JsonReader(limits);
  if (typeof json !== 'string' && !(json instanceof Uint8Array)) return reader.traces(json);
  checkStructure(typeof json === 'string' ? Buffer.from(json) : json, limits);
  return reader.traces(parse(json));
}

function parse(json: string | Uint8Array): unknown {
  try {
    if (typeof json === 'string') return JSON.parse(json);
    return JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString());
  } catch (error) {
    throw new OtlpDecodeError('malformed', `The body is no JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** A look at what `JSON.parse` would make, before it does: it allocates for every pair of braces, whatever they mean. */
function checkStructure(bytes: Uint8Array, limits: OtlpLimits): void {
  let containers = 0;
  let values = 0;
  let depth = 0;
  // An attribute's list takes three levels of JSON (value, arrayValue, values), a map four; ten lead to the attribute.
  const maxDepth = limits.maxDepth * 4 + 16;
  let inString = false;
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i]!;
    if (inString) {
      if (byte === 0x5c) i += 1;
      else if (byte === 0x22) inString = false;
      continue;
    }
    switch (byte) {
      case 0x22: // "
        inString = true;
        break;
      case 0x2c: // ,
        values += 1;
        break;
      case 0x5b: // [
      case 0x7b: // {
        containers += 1;
        depth += 1;
        if (depth > maxDepth) throw tooMany('levels of nesting', maxDepth);
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1;
        break;
    }
  }
  if (containers > limits.maxJsonContainers) throw tooMany('JSON objects and arrays', limits.maxJsonContainers);
  if (values > limits.maxJsonValues) throw tooMany('JSON values', limits.maxJsonValues);
}

const HEX = /^(?:[0-9a-fA-F]{2})*$/;
const LONE_SURROGATE = /\p{Surrogate}/u;
const LONE_SURROGATES = /\p{Surrogate}/gu;
const DECIMAL = /^-?(?:0|[1-9][0-9]{0,19})$/;
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;
const UINT64_MAX = 2n ** 64n - 1n;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const SPAN_KINDS = [
  'SPAN_KIND_UNSPECIFIED',
  'SPAN_KIND_INTERNAL',
  'SPAN_KIND_SERVER',
  'SPAN_KIND_CLIENT',
  'SPAN_KIND_PRODUCER',
  'SPAN_KIND_CONSUMER',
] as const;
const STATUS_CODES = ['STATUS_CODE_UNSET', 'STATUS_CODE_OK', 'STATUS_CODE_ERROR'] as const;
const NO_FIELDS: Fields = Object.freeze(Object.create(null));

type Fields = Readonly<Record<string, unknown>>;

class JsonReader {
  readonly #budget: ElementBudget;

  constructor(limits: OtlpLimits) {
    this.#budget = new ElementBudget(limits);
  }

  traces(json: unknown): OtlpTraces {
    if (json === null || json === undefined) throw malformed('the body', 'an object', json);
    return {
      resourceSpans: list(own(fields(json, 'the body'), 'resourceSpans'), 'resourceSpans').map((item) =>
        this.#resourceSpans(item),
      ),
    };
  }

  #resourceSpans(json: unknown): OtlpResourceSpans {
    this.#budget.takeGroup();
    const group = fields(json, 'resourceSpans');
    const resource = fields(own(group, 'resource'), 'resource');
    return {
      resource: {
        attributes: this.#attributes(resource),
        droppedAttributesCount: uint32(resource, 'droppedAttributesCount'),
      },
      schemaUrl: text(group, 'schemaUrl'),
      scopeSpans: list(own(group, 'scopeSpans'), 'scopeSpans').map((item) => this.#scopeSpans(item)),
    };
  }

  #scopeSpans(json: unknown): OtlpScopeSpans {
    this.#budget.takeGroup();
    const group = fields(json, 'scopeSpans');
    const spans = list(own(group, 'spans'), 'spans');
    this.#budget.takeSpans(spans.length);
    return {
      scope: this.#scope(fields(own(group, 'scope'), 'scope')),
      schemaUrl: text(group, 'schemaUrl'),
      spans: spans.map((item) => this.#span(fields(item, 'spans'))),
    };
  }

  #scope(scope: Fields): OtlpScope {
    return {
      name: text(scope, 'name'),
      version: text(scope, 'version'),
      attributes: this.#attributes(scope),
      droppedAttributesCount: uint32(scope, 'droppedAttributesCount'),
    };
  }

  #span(span: Fields): OtlpSpan {
    const parentSpanId = id(span, 'parentSpanId');
    const status = fields(own(span, 'status'), 'status');
    return {
      traceId: id(span, 'traceId'),
      spanId: id(span, 'spanId'),
      traceState: text(span, 'traceState'),
      parentSpanId: parentSpanId === NO_PARENT ? '' : parentSpanId,
      flags: uint32(span, 'flags'),
      name: text(span, 'name'),
      kind: enumeration(span, 'kind', SPAN_KINDS),
      startTimeUnixNano: uint64(span, 'startTimeUnixNano'),
      endTimeUnixNano: uint64(span, 'endTimeUnixNano'),
      attributes: this.#attributes(span),
      droppedAttributesCount: uint32(span, 'droppedAttributesCount'),
      events: list(own(span, 'events'), 'events').map((item) => this.#event(fields(item, 'events'))),
      droppedEventsCount: uint32(span, 'droppedEventsCount'),
      links: list(own(span, 'links'), 'links').map((item) => this.#link(fields(item, 'links'))),
      droppedLinksCount: uint32(span, 'droppedLinksCount'),
      status: { code: knownStatusCode(enumeration(status, 'code', STATUS_CODES)), message: text(status, 'message') },
    };
  }

  #event(event: Fields): OtlpEvent {
    this.#budget.takeEvent();
    return {
      timeUnixNano: uint64(event, 'timeUnixNano'),
      name: text(event, 'name'),
      attributes: this.#attributes(event),
      droppedAttributesCount: uint32(event, 'droppedAttributesCount'),
    };
  }

  #link(link: Fields): OtlpLink {
    this.#budget.takeLink();
    return {
      traceId: id(link, 'traceId'),
      spanId: id(link, 'spanId'),
      traceState: text(link, 'traceState'),
      attributes: this.#attributes(link),
      droppedAttributesCount: uint32(link, 'droppedAttributesCount'),
      flags: uint32(link, 'flags'),
    };
  }

  #attributes(holder: Fields): Attributes {
    const attributes: Attributes = new Map();
    for (const item of list(own(holder, 'attributes'), 'attributes')) {
      this.#budget.takeAttribute();
      this.#keyValue(attributes, item, 1);
    }
    return attributes;
  }

  #keyValue(attributes: Attributes, json: unknown, depth: number): void {
    const pair = fields(json, 'an attribute');
    attributes.set(text(pair, 'key'), this.#anyValue(own(pair, 'value'), depth));
  }

  #anyValue(json: unknown, depth: number): AnyValue {
    const any = fields(json, 'an attribute value');
    if (has(any, 'stringValue')) return text(any, 'stringValue');
    if (has(any, 'intValue')) return integer(any['intValue'], 'intValue', INT64_MIN, INT64_MAX);
    if (has(any, 'doubleValue')) return double(any['doubleValue']);
    if (has(any, 'boolValue')) {
      const value = any['boolValue'];
      if (typeof value !== 'boolean') throw malformed('boolValue', 'true or false', value);
      return value;
    }
    if (has(any, 'arrayValue')) {
      this.#budget.takeContainer(depth);
      return list(own(fields(any['arrayValue'], 'arrayValue'), 'values'), 'arrayValue.values').map((item) => {
        this.#budget.takeNode();
        return this.#anyValue(item, depth + 1);
      });
    }
    if (has(any, 'kvlistValue')) {
      this.#budget.takeContainer(depth);
      const map: Attributes = new Map();
      for (const item of list(own(fields(any['kvlistValue'], 'kvlistValue'), 'values'), 'kvlistValue.values')) {
        this.#budget.takeNode();
        this.#keyValue(map, item, depth + 1);
      }
      return map;
    }
    if (has(any, 'bytesValue')) {
      const value = any['bytesValue'];
      if (typeof value !== 'string' || !BASE64.test(value)) throw malformed('bytesValue', 'base64', value);
      return new Uint8Array(Buffer.from(value, 'base64'));
    }
    return null;
  }
}

/** A field of the object itself: what `Object.prototype` holds is nobody's field. */
function own(holder: Fields, name: string): unknown {
  return Object.hasOwn(holder, name) ? holder[name] : undefined;
}

/** Whether a field is there and not `null`, which means the same as not there. */
function has(holder: Fields, name: string): boolean {
  return Object.hasOwn(holder, name) && holder[name] !== null && holder[name] !== undefined;
}

function fields(json: unknown, what: string): Fields {
  if (json === undefined || json === null) return NO_FIELDS;
  if (typeof json !== 'object' || Array.isArray(json)) throw malformed(what, 'an object', json);
  return json as Fields;
}

function list(json: unknown, what: string): readonly unknown[] {
  if (json === undefined || json === null) return [];
  if (!Array.isArray(json)) throw malformed(what, 'an array', json);
  return json;
}

function text(holder: Fields, name: string): string {
  if (!has(holder, name)) return '';
  const value = holder[name];
  if (typeof value !== 'string') throw malformed(name, 'a string', value);
  return LONE_SURROGATE.test(value) ? value.replace(LONE_SURROGATES, '\ufffd') : value;
}

function id(holder: Fields, name: string): string {
  if (!has(holder, name)) return '';
  const value = holder[name];
  if (typeof value !== 'string' || value.length > 128 || !HEX.test(value)) throw malformed(name, 'hex digits', value);
  return value.toLowerCase();
}

function integer(value: unknown, name: string, min: bigint, max: bigint): bigint {
  if (typeof value === 'number' ? Number.isInteger(value) : typeof value === 'string' && DECIMAL.test(value)) {
    const number = BigInt(value as number | string);
    if (number >= min && number <= max) return number;
  }
  throw malformed(name, `an integer from ${min} to ${max}`, value);
}

function uint64(holder: Fields, name: string): bigint {
  return has(holder, name) ? integer(holder[name], name, 0n, UINT64_MAX) : 0n;
}

function uint32(holder: Fields, name: string): number {
  return has(holder, name) ? Number(integer(holder[name], name, 0n, 0xffffffffn)) : 0;
}

function enumeration(holder: Fields, name: string, names: readonly string[]): number {
  if (!has(holder, name)) return 0;
  const value = holder[name];
  const known = typeof value === 'string' ? names.indexOf(value) : -1;
  return known >= 0 ? known : Number(integer(value, name, -0x80000000n, 0x7fffffffn));
}

function double(value: unknown): number {
  if (typeof value === 'number') return value;
  if (value === 'NaN') return Number.NaN;
  if (value === 'Infinity') return Number.POSITIVE_INFINITY;
  if (value === '-Infinity') return Number.NEGATIVE_INFINITY;
  if (typeof value === 'string' && /^-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/.test(value)) return Number(value);
  throw malformed('doubleValue', 'a number', value);
}

function malformed(what: string, expected: string, value: unknown): OtlpDecodeError {
  const kind = value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;
  const shown =
    typeof value === 'string' ? `"${value.slice(0, 40)}"` : typeof value === 'number' ? String(value) : kind;
  return new OtlpDecodeError(
    'malformed',
    `The body is no OTLP trace request: ${what} must be ${expected}, not ${shown}.`,
  );
}
