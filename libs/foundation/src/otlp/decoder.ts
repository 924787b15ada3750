/**
 * Protobuf bytes to OTLP traces, in one pass and within limits.   Server and stores: body -> [decoder] -> rows.
 *
 * Source: opentelemetry-proto v1. As protobuf asks for: unknown fields, and known fields of another wire type, are skipped; a single field
 * that comes twice holds the last value, a message the merged one. Groups are refused, no message of OTLP has any. OTLP traces have no
 * repeated field of plain numbers, so packed fields do not occur.
 *
 * Where protobuf leaves a choice: text that is no UTF-8 holds U+FFFD in place of the bad bytes (refusing would lose the whole batch); a
 * status code that OTLP does not know reads as unset; a kind that it does not know stays as it is; an all-zero parent id reads as none.
 */
import { constants } from 'node:buffer';
import { ByteInterner } from './byte-interner.js';
import { DEFAULT_OTLP_LIMITS, ElementBudget, OtlpDecodeError, type OtlpLimits } from './limits.js';
import type {
  AnyValue,
  Attributes,
  OtlpEvent,
  OtlpLink,
  OtlpResourceSpans,
  OtlpScopeSpans,
  OtlpSpan,
  OtlpTraces,
  StatusCodeNumber,
} from './model.js';

/** Decodes an `ExportTraceServiceRequest`. Errors: `OtlpDecodeError`, and no other, whatever the bytes are. */
export function decodeTraces(body: Uint8Array, limits: OtlpLimits = DEFAULT_OTLP_LIMITS): OtlpTraces {
  return new TraceReader(body, limits).traces();
}

/** A status code as the model knows it: what OTLP does not know is unset. */
export function knownStatusCode(code: number): StatusCodeNumber {
  return code === 1 || code === 2 ? code : 0;
}

export const NO_PARENT = '0000000000000000';

// Shared by all requests: what they hold is a function of the bytes alone, so nothing of one request shows in another.
const keys = new ByteInterner(4096, 64);
const texts = new ByteInterner(4096, 32);

const bigScratch = new BigInt64Array(1);
const halves = new Uint32Array(bigScratch.buffer);
const [LOW, HIGH] = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? ([0, 1] as const) : ([1, 0] as const);

/** Reads protobuf's wire format out of one body; `end` is always the end of the message that is being read. */
export class ProtoReader {
  protected readonly bytes: Buffer;
  protected readonly view: DataView;
  protected position = 0;
  /** Upper half of the last varint. */
  protected high = 0;

  constructor(body: Uint8Array) {
    this.bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    this.view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  }

  protected tag(): number {
    const byte = this.bytes[this.position]!;
    if (byte < 0x80) {
      this.position += 1;
      return byte;
    }
    const tag = this.varint();
    if (this.high !== 0) throw malformed('a field number that is too large', this.position);
    return tag;
  }

  /** Low 32 bits of a varint; `high` holds the rest. */
  protected varint(): number {
    const bytes = this.bytes;
    let at = this.position;
    let byte = bytes[at++]!;
    this.high = 0;
    if (byte < 0x80) {
      this.position = at;
      return byte;
    }
    let low = byte & 0x7f;
    let high = 0;
    for (let shift = 7; shift < 70; shift += 7) {
      if (at >= bytes.length) throw malformed('a number that is cut off', this.position);
      byte = bytes[at++]!;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.position = at;
        this.high = high >>> 0;
        return low >>> 0;
      }
    }
    throw malformed('a number of more than ten bytes', this.position);
  }

  protected int64(): bigint {
    halves[LOW] = this.varint();
    halves[HIGH] = this.high;
    return bigScratch[0]!;
  }

  protected fixed64(end: number): bigint {
    const at = this.position;
    if (at + 8 > end) throw malformed('a number that is cut off', at);
    this.position = at + 8;
    return this.view.getBigUint64(at, true);
  }

  protected fixed32(end: number): number {
    const at = this.position;
    if (at + 4 > end) throw malformed('a number that is cut off', at);
    this.position = at + 4;
    return this.view.getUint32(at, true);
  }

  protected double(end: number): number {
    const at = this.position;
    if (at + 8 > end) throw malformed('a number that is cut off', at);
    this.position = at + 8;
    return this.view.getFloat64(at, true);
  }

  /** Reads a length, and gives where what follows ends. */
  protected until(end: number): number {
    const length = this.varint();
    const until = this.position + length;
    if (this.high !== 0 || until > end) throw malformed('a length beyond the end of its message', this.position);
    return until;
  }

  /** Text that repeats little. */
  protected string(end: number): string {
    const until = this.until(end);
    const start = this.position;
    this.position = until;
    if (until === start) return '';
    return until - start <= 32
      ? texts.get(this.bytes, start, until - start)
      : this.bytes.toString('utf8', start, until);
  }

  /** An id. One of the wrong length is its span's trouble (`validateSpan`), one of absurd length the whole body's. */
  protected id(end: number): string {
    const until = this.until(end);
    const start = this.position;
    if (until - start > 64) throw malformed('an id of more than 64 bytes', start);
    this.position = until;
    return this.bytes.toString('hex', start, until);
  }

  /** Skips a field whose tag was read. */
  protected skip(tag: number, end: number): void {
    if (tag >>> 3 === 0) throw malformed('field number 0', this.position);
    switch (tag & 7) {
      case 0:
        this.varint();
        return;
      case 1:
        this.fixed64(end);
        return;
      case 2:
        this.position = this.until(end);
        return;
      case 5:
        this.fixed32(end);
        return;
      default:
        throw malformed(`wire type ${tag & 7}`, this.position);
    }
  }

  /** A message ends where its length says, or it is no message. */
  protected ended(end: number): void {
    if (this.position !== end) throw malformed('a field that runs over the end of its message', this.position);
  }
}

class TraceReader extends ProtoReader {
  readonly #budget: ElementBudget;

  constructor(body: Uint8Array, limits: OtlpLimits) {
    super(body);
    if (body.byteLength > constants.MAX_STRING_LENGTH)
      throw malformed('more bytes than a string can hold characters,', 0);
    this.#budget = new ElementBudget(limits);
  }

  traces(): OtlpTraces {
    const end = this.bytes.length;
    const resourceSpans: OtlpResourceSpans[] = [];
    while (this.position < end) {
      const tag = this.tag();
      if (tag === 0x0a) {
        this.#budget.takeGroup();
        resourceSpans.push(this.#resourceSpans(this.until(end)));
      } else this.skip(tag, end);
    }
    this.ended(end);
    return { resourceSpans };
  }

  #resourceSpans(end: number): OtlpResourceSpans {
    const group: OtlpResourceSpans = {
      resource: { attributes: new Map(), droppedAttributesCount: 0 },
      schemaUrl: '',
      scopeSpans: [],
    };
    while (this.position < end) {
      const tag = this.tag();
      switch (tag) {
        case 0x0a:
          this.#resource(group.resource, this.until(end));
          break;
        case 0x12:
          this.#budget.takeGroup();
          group.scopeSpans.push(this.#scopeSpans(this.until(end)));
          break;
        case 0x1a:
          group.schemaUrl = this.string(end);
          break;
        default:
          this.skip(tag, end);
      }
    }
    this.ended(end);
    return group;
  }

  #resource(resource: OtlpResourceSpans['resource'], end: number): void {
    while (this.position < end) {
      const tag = this.tag();
      if (tag === 0x0a) this.#attribute(resource.attributes, end);
      else if (tag === 0x10) resource.droppedAttributesCount = this.varint();
      else this.skip(tag, end);
    }
    this.ended(end);
  }

  #scopeSpans(end: number): OtlpScopeSpans {
    this.#countSpans(end);
    const group: OtlpScopeSpans = {
      scope: { name: '', version: '', attributes: new Map(), droppedAttributesCount: 0 },
      schemaUrl: '',
      spans: [],
    };
    while (this.position < end) {
      const tag = this.tag();
      switch (tag) {
        case 0x0a:
          this.#scope(group.scope, this.until(end));
          break;
        case 0x12:
          group.spans.push(this.#span(this.until(end)));
          break;
        case 0x1a:
          group.schemaUrl = this.string(end);
          break;
        default:
          this.skip(tag, end);
      }
    }
    this.ended(end);
    return group;
  }

  /** Counts the spans before the first one is made: a few nanoseconds each, against half a kilobyte each. */
  #countSpans(end: number): void {
    const start = this.position;
    let count = 0;
    while (this.position < end) {
      const tag = this.tag();
      if (tag === 0x12) {
        count += 1;
        this.position = this.until(end);
      } else this.skip(tag, end);
    }
    this.#budget.takeSpans(count);
    this.position = start;
  }

  #scope(scope: OtlpScopeSpans['scope'], end: number): void {
    while (this.position < end) {
      const tag = this.tag();
      switch (tag) {
        case 0x0a:
          scope.name = this.string(end);
          break;
        case 0x12:
          scope.version = this.string(end);
          break;
        case 0x1a:
          this.#attribute(scope.attributes, end);
          break;
        case 0x20:
          scope.droppedAttributesCount = this.varint();
          break;
        default:
          this.skip(tag, end);
      }
    }
    this.ended(end);
  }

  #span(end: number): OtlpSpan {
    const span: OtlpSpan = {
      traceId: '',
      spanId: '',
      traceState: '',
      parentSpanId: '',
      flags: 0,
      name: '',
      kind: 0,
      startTimeUnixNano: 0n,
      endTimeUnixNano: 0n,
      attributes: new Map(),
      droppedAttributesCount: 0,
      events: [],
      droppedEventsCount: 0,
      links: [],
      droppedLinksCount: 0,
      status: { code: 0, message: '' },
    };
    while (this.position < end) {
      const tag = this.tag();
      switch (tag) {
        case 0x0a:
          span.traceId = this.id(end);
          break;
        case 0x12:
          span.spanId = this.id(end);
          break;
        case 0x1a:
          span.traceState = this.string(end);
          break;
        case 0x22: {
          const parent = this.id(end);
          span.parentSpanId = parent === NO_PARENT ? '' : parent;
          break;
        }
        case 0x2a:
          span.name = this.string(end);
          break;
        case 0x30:
          span.kind = this.varint() | 0;
          break;
        case 0x39:
          span.startTimeUnixNano = this.fixed64(end);
          break;
        case 0x41:
          span.endTimeUnixNano = this.fixed64(end);
          break;
        case 0x4a:
          this.#attribute(span.attributes, end);
          break;
        case 0x50:
          span.droppedAttributesCount = this.varint();
          break;
        case 0x5a:
          this.#budget.takeEvent();
          span.events.push(this.#event(this.until(end)));
          break;
        case 0x60:
          span.droppedEventsCount = this.varint();
          break;
        case 0x6a:
          this.#budget.takeLink();
          span.links.push(this.#link(this.until(end)));
          break;
        case 0x70:
          span.droppedLinksCount = this.varint();
          break;
        case 0x7a:
          this.#status(span.status, this.until(end));
          break;
        case 0x85:
          span.flags = this.fixed32(end);
          break;
        default:
          this.skip(tag, end);
      }
    }
    this.ended(end);
    return span;
  }

  #event(end: number): OtlpEvent {
    const event: OtlpEvent = { timeUnixNano: 0n, name: '', attributes: new Map(), droppedAttributesCount: 0 };
    while (this.position < end) {
      const tag = this.tag();
      switch (tag) {
        case 0x09:
          event.timeUnixNano = this.fixed64(end);
          break;
        case 0x12:
          event.name = this.string(end);
          break;
        case 0x1a:
          this.#attribute(event.attributes, end);
          break;
        case 0x20:
          event.droppedAttributesCount = this.varint();
          break;
        default:
          this.skip(tag, end);
      }
    }
    this.ended(end);
    return event;
  }

  #link(end: number): OtlpLink {
    const link: OtlpLink = {
      traceId: '',
      spanId: '',
      traceState: '',
      attributes: new Map(),
      droppedAttributesCount: 0,
      flags: 0,
    };
    while (this.position < end) {
      const tag = this.tag();
      switch (tag) {
        case 0x0a:
          link.traceId = this.id(end);
          break;
        case 0x12:
          link.spanId = this.id(end);
          break;
        case 0x1a:
          link.traceState = this.string(end);
          break;
        case 0x22:
          this.#attribute(link.attributes, end);
          break;
        case 0x28:
          link.droppedAttributesCount = this.varint();
          break;
        case 0x35:
          link.flags = this.fixed32(end);
          break;
        default:
          this.skip(tag, end);
      }
    }
    this.ended(end);
    return link;
  }

  #status(status: OtlpSpan['status'], end: number): void {
    while (this.position < end) {
      const tag = this.tag();
      if (tag === 0x12) status.message = this.string(end);
      else if (tag === 0x18) status.code = knownStatusCode(this.varint());
      else this.skip(tag, end);
    }
    this.ended(end);
  }

  #attribute(attributes: Attributes, parentEnd: number): void {
    this.#budget.takeAttribute();
    this.#keyValue(attributes, this.until(parentEnd), 1);
  }

  #keyValue(attributes: Attributes, end: number, depth: number): void {
    let key = '';
    let value: AnyValue = null;
    while (this.position < end) {
      const tag = this.tag();
      if (tag === 0x0a) {
        const until = this.until(end);
        const start = this.position;
        this.position = until;
        key = until === start ? '' : keys.get(this.bytes, start, until - start);
      } else if (tag === 0x12) value = this.#anyValue(value, this.until(end), depth);
      else this.skip(tag, end);
    }
    this.ended(end);
    attributes.set(key, value);
  }

  /** `before` is the value of the same field that came earlier in its message: lists and maps are merged into it. */
  #anyValue(before: AnyValue, end: number, depth: number): AnyValue {
    let value = before;
    while (this.position < end) {
      const tag = this.tag();
      switch (tag) {
        case 0x0a:
          value = this.string(end);
          break;
        case 0x10: {
          const low = this.varint();
          value = low !== 0 || this.high !== 0;
          break;
        }
        case 0x18:
          value = this.int64();
          break;
        case 0x21:
          value = this.double(end);
          break;
        case 0x2a:
          value = this.#list(Array.isArray(value) ? value : undefined, this.until(end), depth);
          break;
        case 0x32:
          value = this.#map(value instanceof Map ? value : undefined, this.until(end), depth);
          break;
        case 0x3a: {
          const until = this.until(end);
          value = new Uint8Array(this.bytes.subarray(this.position, until));
          this.position = until;
          break;
        }
        default:
          this.skip(tag, end);
      }
    }
    this.ended(end);
    return value;
  }

  #list(before: AnyValue[] | undefined, end: number, depth: number): AnyValue[] {
    this.#budget.takeContainer(depth);
    const list = before ?? [];
    while (this.position < end) {
      const tag = this.tag();
      if (tag === 0x0a) {
        this.#budget.takeNode();
        list.push(this.#anyValue(null, this.until(end), depth + 1));
      } else this.skip(tag, end);
    }
    this.ended(end);
    return list;
  }

  #map(before: Attributes | undefined, end: number, depth: number): Attributes {
    this.#budget.takeContainer(depth);
    const map: Attributes = before ?? new Map();
    while (this.position < end) {
      const tag = this.tag();
      if (tag === 0x0a) {
        this.#budget.takeNode();
        this.#keyValue(map, this.until(end), depth + 1);
      } else this.skip(tag, end);
    }
    this.ended(end);
    return map;
  }
}

function malformed(what: string, position: number): OtlpDecodeError {
  return new OtlpDecodeError('malformed', `The body is no OTLP trace request: ${what} at byte ${position}.`);
}
