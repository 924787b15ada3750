/**
 * JSON that is read and written back without loss.   Control path: configuration file -> [json text] -> document.
 *
 * Numbers that JavaScript would write in another way (`1.0`, `12345678901234567890`) are kept as they were written.
 */
import { randomUUID } from 'node:crypto';
import { describe } from '../telemetry/config.js';
import { ConfigurationError } from '../telemetry/errors.js';
import type { JsonValue } from './config-store.js';
import type { FilePosition } from './errors.js';

/** Stands before the text of a kept number. Of this process alone, so that no text of a file is ever taken for one. */
const NUMBER_MARK = `number ${randomUUID()} `;
const WRITTEN_NUMBER = new RegExp(`"${NUMBER_MARK}([^"]*)"`, 'g');
const MAX_DEPTH = 100;

/** Undefined if the text is no JSON; `findJsonFault` says where. */
export function parseJsonText(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const kept = text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g, (token) =>
    token.startsWith('"') || JSON.stringify(Number(token)) === token ? token : `"${NUMBER_MARK}${token}"`,
  );
  return kept === text ? value : JSON.parse(kept);
}

export function writeJsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2).replace(WRITTEN_NUMBER, '$1')}\n`;
}

/** A copy for use: plain values, numbers as numbers. */
export function plainValue(value: unknown): JsonValue {
  if (typeof value === 'string') {
    return value.startsWith(NUMBER_MARK) ? Number(value.slice(NUMBER_MARK.length)) : value;
  }
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value !== 'object' || value === null) return value as JsonValue;
  // fromEntries defines its keys, so that `__proto__` is a plain one.
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plainValue(inner)]));
}

/** A copy of what is to be stored. Keys with undefined are left out. Errors: `ConfigurationError` naming what JSON cannot hold. */
export function storableValue(value: unknown, path = 'value', depth = 0): JsonValue {
  const refuse = (why: string): never => {
    throw new ConfigurationError(`${path} cannot be stored: ${why}.`);
  };
  if (depth > MAX_DEPTH) return refuse(`it is nested deeper than ${MAX_DEPTH} levels, or in itself`);
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : refuse(`${value} is no JSON number`);
  if (Array.isArray(value)) return value.map((inner, index) => storableValue(inner, `${path}[${index}]`, depth + 1));
  const prototype = typeof value === 'object' ? Object.getPrototypeOf(value) : undefined;
  if (typeof value !== 'object' || (prototype !== null && Object.getPrototypeOf(prototype) !== null)) {
    return refuse(`${describe(value)} is no plain JSON value`);
  }
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => [key, storableValue(inner, `${path}.${key}`, depth + 1)]),
  );
}

/** Where a text stops being JSON. The parser's own message would show what stands there, which may be a credential. */
export function findJsonFault(text: string): FilePosition {
  const offset = faultOffset(text);
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: before.at(-1)!.length + 1, offset };
}

function faultOffset(text: string): number {
  let at = 0;
  class Fault extends Error {}
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found !== null) at += found[0].length;
    return found !== null;
  };
  const space = (): boolean => take(/[ \t\n\r]*/y);
  const need = (pattern: RegExp): void => {
    if (!take(pattern)) throw new Fault();
  };
  const string = (): void => {
    need(/"/y);
    // As far as it is well formed; then the fault is where it stops.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a text may not hold them
    take(/(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*/y);
    need(/"/y);
  };
  const list = (close: RegExp, item: () => void): void => {
    space();
    if (take(close)) return;
    for (;;) {
      item();
      space();
      if (take(close)) return;
      need(/,/y);
      space();
    }
  };
  const value = (): void => {
    space();
    if (take(/\{/y)) {
      list(/\}/y, () => {
        string();
        space();
        need(/:/y);
        value();
      });
    } else if (take(/\[/y)) list(/\]/y, value);
    else if (text[at] === '"') string();
    else need(/(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/y);
  };
  try {
    value();
    space();
  } catch (error) {
    if (!(error instanceof Fault) && !(error instanceof RangeError)) throw error;
  }
  return at;
}
