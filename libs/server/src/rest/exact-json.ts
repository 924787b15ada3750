/**
 * JSON whose numbers keep what they were written as: 64-bit integers their digits, `12.0` that it is no integer.   Write path: client -> [exact-json] -> create-spans.
 */
import { randomUUID } from 'node:crypto';
import { InvalidQueryError } from '@cogniverse/foundation/store';

/** A number that JavaScript would write in another way. Numbers that it writes alike are plain ones. */
export class WrittenNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  valueOf(): number {
    return Number(this.text);
  }

  toJSON(): number {
    return this.valueOf();
  }
}

/** Stands before the text of a number. Of this process alone, so that no text of a request is ever taken for one. */
const MARK = `number ${randomUUID()} `;
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Errors: a `SyntaxError` for what is no JSON. */
export function parseExactJson(text: string): unknown {
  const marked = text.replace(TOKEN, (token) =>
    token.startsWith('"') || String(Number(token)) === token ? token : `"${MARK}${token}"`,
  );
  if (marked === text) return JSON.parse(text);
  return JSON.parse(marked, (_key, value: unknown) =>
    typeof value === 'string' && value.startsWith(MARK) ? new WrittenNumber(value.slice(MARK.length)) : value,
  );
}

/** As OTLP has it: an integer of 64 bits, or a double. Errors: `InvalidQueryError` for an integer of more bits. */
export function exactNumber(value: number | WrittenNumber): bigint | number {
  const text = typeof value === 'number' ? String(value) : value.text;
  if (!/^-?\d+$/.test(text) || Object.is(value, -0)) return Number(value);
  const integer = BigInt(text);
  if (BigInt.asIntN(64, integer) === integer) return integer;
  throw new InvalidQueryError(
    `The integer ${text.slice(0, 60)} does not fit into 64 bits. Send it as a text, or as a number with a point.`,
  );
}
