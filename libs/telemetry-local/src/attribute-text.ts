/**
 * Attribute values as text that tells their type, exactly.   Write path: span -> [attribute-text] -> row; read path: the way back.
 *
 * The first character is the type: `s` string, `b` boolean, `i` 64-bit integer, `d` double, `x` bytes (base64), `j` anything nested,
 * `<` a string that has its own column. So a filter compares text, and numbers are cast from what follows the `i` or `d`.
 */
import type { AnyValue } from '@cogniverse/foundation/otlp';

/** The value is in the column of its own. */
export const IN_COLUMN = '<';

type NestedJson =
  | string
  | boolean
  | null
  | { i: string }
  | { d: string }
  | { x: string }
  | { m: [string, NestedJson][] }
  | NestedJson[];

function doubleText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** A copy of its own: a small Buffer is a window into a shared block, which must not travel with it. */
function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}

function toNested(value: AnyValue): NestedJson {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return { i: value.toString() };
  if (typeof value === 'number') return { d: doubleText(value) };
  if (value instanceof Uint8Array) return { x: base64(value) };
  if (Array.isArray(value)) return value.map(toNested);
  return { m: [...value].map(([key, entry]) => [key, toNested(entry)]) };
}

function fromNested(json: NestedJson): AnyValue {
  if (json === null || typeof json !== 'object') return json;
  if (Array.isArray(json)) return json.map(fromNested);
  if ('i' in json) return BigInt(json.i);
  if ('d' in json) return Number(json.d);
  if ('x' in json) return bytesOf(json.x);
  return new Map(json.m.map(([key, entry]) => [key, fromNested(entry)]));
}

export function attributeText(value: AnyValue): string {
  switch (typeof value) {
    case 'string':
      return `s${value}`;
    case 'bigint':
      return `i${value}`;
    case 'number':
      return `d${doubleText(value)}`;
    case 'boolean':
      return value ? 'b1' : 'b0';
    default:
      return value instanceof Uint8Array ? `x${base64(value)}` : `j${JSON.stringify(toNested(value))}`;
  }
}

/** Errors: `Error` for text that `attributeText` never gave, which means a damaged file. */
export function attributeValue(text: string): AnyValue {
  switch (text.charCodeAt(0)) {
    case 115: // s
      return text.slice(1);
    case 105: // i
      return BigInt(text.slice(1));
    case 100: // d
      return Number(text.slice(1));
    case 98: // b
      return text === 'b1';
    case 120: // x
      return bytesOf(text.slice(1));
    case 106: // j
      return fromNested(JSON.parse(text.slice(1)) as NestedJson);
    default:
      throw new Error('a stored attribute has an unknown type mark');
  }
}
