/**
 * An attribute by its path, and its readings as text, number and boolean.   Read path: span -> [attribute-path] -> evaluator.
 *
 * `a.b.c` is the attribute of that name; else what is at `b.c` inside the attribute `a.b` or `a`, if that is a map, a list, or one of the
 * strings that hold JSON by convention (`metadata` and others). Inside a map a key may hold dots, too.
 */
import type { AttributeValue } from '../providers/records.js';

/** Parts of a path that are looked for inside one attribute. */
const MAX_INNER_PARTS = 8;
const JSON_STRINGS = ['metadata', 'llm.prompt_template.variables', 'tool.parameters'];
/** A number as JSON writes it. */
export const NUMBER_TEXT = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Where a value may be: at `inner` inside the attribute `key`; in the attribute itself if `inner` is empty. */
export interface AttributePlace {
  readonly key: string;
  readonly inner: readonly string[];
  /** The attribute, if a string, holds JSON: OpenInference's `metadata`, `document.metadata`, `tool.parameters` and others. */
  readonly json: boolean;
}

/** The places of a path, in the order in which they are looked at. */
export function attributePlaces(path: readonly string[]): AttributePlace[] {
  const places: AttributePlace[] = [];
  for (let parts = path.length; parts > 0 && path.length - parts <= MAX_INNER_PARTS; parts -= 1) {
    const key = path.slice(0, parts).join('.');
    places.push({
      key,
      inner: path.slice(parts),
      json: JSON_STRINGS.some((name) => key === name || key.endsWith(`.${name}`)),
    });
  }
  return places;
}

/** What `read` makes of the first place where it makes something of what is there; null where there is none. */
export function readAttribute<T>(
  attributes: Readonly<Record<string, AttributeValue>>,
  places: readonly AttributePlace[],
  read: (value: AttributeValue) => T | null,
): T | null {
  for (const { key, inner, json } of places) {
    const value = Object.hasOwn(attributes, key) ? attributes[key] : undefined;
    if (value === undefined || value === null) continue;
    const outer = inner.length > 0 && json && typeof value === 'string' ? parsed(value) : value;
    const found = within(outer, inner);
    if (found === undefined || found === null) continue;
    const result = read(found);
    if (result !== null) return result;
  }
  return null;
}

function parsed(text: string): AttributeValue | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? (value as AttributeValue) : undefined;
  } catch {
    return undefined; // a text that only has the name of JSON
  }
}

function within(value: AttributeValue | undefined, path: readonly string[]): AttributeValue | undefined {
  if (path.length === 0) return value;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return undefined;
  if (Array.isArray(value)) {
    const [index, ...rest] = path;
    return /^(?:0|[1-9]\d{0,8})$/.test(index!) ? within(value[Number(index)], rest) : undefined;
  }
  const whole = path.join('.');
  if (Object.hasOwn(value, whole) && value[whole] !== null) return value[whole];
  const [key, ...rest] = path;
  return rest.length > 0 && Object.hasOwn(value, key!) ? within(value[key!], rest) : undefined;
}

/** The text of a string, a number, a boolean, or a list of these (as JSON); null for anything else. */
export function textOf(value: AttributeValue): string | null {
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  return Array.isArray(value) ? jsonOf(value) : null;
}

function jsonOf(value: AttributeValue): string | null {
  if (value === null || typeof value === 'string') return JSON.stringify(value);
  if (!Array.isArray(value)) return textOf(value);
  const parts = value.map(jsonOf);
  return parts.includes(null) ? null : `[${parts.join(',')}]`;
}

/** Finite numbers only. */
export function numberOf(value: AttributeValue): number | null {
  const isNumber =
    typeof value === 'number' || typeof value === 'bigint' || (typeof value === 'string' && NUMBER_TEXT.test(value));
  const number = isNumber ? Number(value) : Number.NaN;
  return Number.isFinite(number) ? number : null;
}

export function booleanOf(value: AttributeValue): boolean | null {
  const text = typeof value === 'string' ? value.toLowerCase() : value;
  if (text === true || text === 'true' || text === 1) return true;
  return text === false || text === 'false' || text === 0 ? false : null;
}
