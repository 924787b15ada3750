/**
 * Any JavaScript value as a snapshot that the encoder takes.   Write path: setAttribute() -> [attribute-values] -> span -> encoder.
 *
 * Never throws, whatever a getter, a proxy or a `toJSON` does; bounded in nodes, depth and bytes, so that no value stalls a request.
 */
import { type EncodableValue, OtlpDouble } from '../otlp/index.js';

export interface ValueLimits {
  /** Characters of a text, by code point. Infinity: no limit. */
  readonly valueLength: number;
  /** Nesting; what is deeper becomes `[Truncated]`. */
  readonly depth: number;
  /** Bytes of one binary value; what is behind is cut. */
  readonly valueBytes: number;
}

const CIRCULAR = '[Circular]';
const TRUNCATED = '[Truncated]';
export const UNREADABLE = '[Unreadable]';

/** Elements and entries of one value, over all its levels. */
const MAX_NODES = 10_000;
/** A BigInt above this many hex digits is not written out: its decimal form takes quadratic time. */
const MAX_BIGINT_HEX_DIGITS = 1024;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** Undefined: there is nothing to record (`undefined`, `null`). */
export function snapshot(value: unknown, limits: ValueLimits): EncodableValue | undefined {
  switch (typeof value) {
    case 'string':
      return value.length > limits.valueLength ? cutText(value, limits.valueLength) : value;
    case 'number':
    case 'boolean':
      return value;
    case 'undefined':
      return undefined;
    default:
      return value === null ? undefined : new Snapshot(limits).take(value, 0);
  }
}

/** The first `length` code points. */
function cutText(text: string, length: number): string {
  if (text.length <= length) return text;
  let index = 0;
  for (let taken = 0; taken < length && index < text.length; taken += 1) {
    const code = text.charCodeAt(index);
    const next = text.charCodeAt(index + 1);
    index += code >= 0xd800 && code < 0xdc00 && next >= 0xdc00 && next < 0xe000 ? 2 : 1;
  }
  return text.slice(0, index);
}

class Snapshot {
  readonly #limits: ValueLimits;
  readonly #ancestors: object[] = [];
  #nodesLeft = MAX_NODES;

  constructor(limits: ValueLimits) {
    this.#limits = limits;
  }

  take(value: unknown, depth: number): EncodableValue {
    switch (typeof value) {
      case 'string':
        return cutText(value, this.#limits.valueLength);
      case 'number':
      case 'boolean':
        return value;
      case 'bigint':
        return integer(value);
      case 'undefined':
        return null;
      case 'symbol':
        return cutText(value.toString(), this.#limits.valueLength);
      case 'function':
        return '[Function]'; // its name may be a getter, its source is nobody's attribute
    }
    if (value === null || value === undefined) return null;
    if (this.#ancestors.includes(value)) return CIRCULAR;
    if (depth >= this.#limits.depth) return TRUNCATED;
    this.#ancestors.push(value);
    try {
      return this.#takeObject(value, depth + 1);
    } catch {
      return UNREADABLE; // a proxy, a getter or a toJSON of the caller's threw; the placeholder tells it
    } finally {
      this.#ancestors.pop();
    }
  }

  #takeObject(value: object, depth: number): EncodableValue {
    if (Array.isArray(value)) return this.#takeElements(value.length, (index) => value[index], depth);
    if (ArrayBuffer.isView(value)) {
      if (value instanceof Uint8Array || value instanceof DataView || value instanceof Uint8ClampedArray) {
        return this.#bytes(value.buffer, value.byteOffset, value.byteLength);
      }
      const numbers = value as unknown as ArrayLike<number | bigint>;
      return this.#takeElements(numbers.length, (index) => numbers[index], depth);
    }
    if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer)
      return this.#bytes(value, 0, value.byteLength);
    if (value instanceof Date) {
      const time = Date.prototype.getTime.call(value);
      return Number.isNaN(time) ? 'Invalid Date' : new Date(time).toISOString();
    }
    if (value instanceof Map) return this.#takeEntries(Map.prototype.entries.call(value), depth);
    if (value instanceof Set) return this.#takeIterable(Set.prototype.values.call(value), depth);
    if (value instanceof Error) return this.take(`${value.name}: ${value.message}`, depth);
    if (value instanceof RegExp || value instanceof URL) return this.take(String(value), depth);
    if (value instanceof String || value instanceof Number || value instanceof Boolean)
      return this.take(value.valueOf(), depth);
    if (value instanceof BigInt || value instanceof Symbol) return this.take(value.valueOf(), depth);
    if (value instanceof OtlpDouble) return value;
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === 'function') return this.take(toJSON.call(value, ''), depth);
    return this.#takeEntries(this.#properties(value), depth);
  }

  /** Own enumerable properties; a getter that throws costs its own value only. */
  *#properties(value: object): Generator<[string, unknown]> {
    for (const key of Object.keys(value)) {
      let property: unknown;
      try {
        property = (value as Record<string, unknown>)[key];
      } catch {
        property = UNREADABLE; // recorded in place of the value
      }
      yield [key, property];
    }
  }

  #takeElements(length: number, element: (index: number) => unknown, depth: number): EncodableValue[] {
    const taken: EncodableValue[] = [];
    for (let index = 0; index < length; index += 1) {
      if (this.#nodesLeft === 0) {
        taken.push(TRUNCATED);
        break;
      }
      this.#nodesLeft -= 1;
      taken.push(this.take(element(index), depth));
    }
    return taken;
  }

  #takeIterable(elements: Iterable<unknown>, depth: number): EncodableValue[] {
    const taken: EncodableValue[] = [];
    for (const element of elements) {
      if (this.#nodesLeft === 0) {
        taken.push(TRUNCATED);
        break;
      }
      this.#nodesLeft -= 1;
      taken.push(this.take(element, depth));
    }
    return taken;
  }

  #takeEntries(entries: Iterable<[unknown, unknown]>, depth: number): Map<string, EncodableValue> {
    const taken = new Map<string, EncodableValue>();
    for (const [key, value] of entries) {
      if (this.#nodesLeft === 0) {
        taken.set(TRUNCATED, true);
        break;
      }
      this.#nodesLeft -= 1;
      taken.set(typeof key === 'string' ? key : keyText(key), this.take(value, depth));
    }
    return taken;
  }

  #bytes(buffer: ArrayBufferLike, offset: number, length: number): Uint8Array {
    return new Uint8Array(buffer, offset, Math.min(length, this.#limits.valueBytes)).slice();
  }
}

/** A key of a `Map` that is no string. */
function keyText(key: unknown): string {
  switch (typeof key) {
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(key);
    case 'symbol':
      return key.toString();
    case 'bigint':
      return String(integer(key));
    default:
      return key === null ? 'null' : '[object]';
  }
}

function integer(value: bigint): bigint | string {
  if (value >= INT64_MIN && value <= INT64_MAX) return value;
  const hex = value.toString(16);
  return hex.length > MAX_BIGINT_HEX_DIGITS ? `[BigInt of ${hex.length} hex digits]` : value.toString();
}
