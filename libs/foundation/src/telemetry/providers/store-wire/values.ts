/**
 * The JSON forms that all operations are made of: names, numbers, times, records, pages.   Server <-> remote store.
 *
 * Keys are snake_case on the wire and camelCase in TypeScript; 64-bit integers are decimal strings. Both directions are exact.
 */
import { z } from 'zod';
import type { ImportCounts, Page, ProjectRef, TimeInput } from '../records.js';
import { parseTime } from '../time.js';

export type Shape<T> = { readonly [K in keyof T]-?: z.ZodType };

export function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function renameKeys(value: unknown, names: ReadonlyMap<string, string>): unknown {
  // zod encodes what a schema holds once before it checks it. What is no object goes on, to be refused as none.
  if (!isObject(value)) return value;
  // A key without a name stays as it is, so that a strict schema refuses it by its name instead of losing it.
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [names.get(key) ?? key, held]));
}

/** A record whose keys are camelCase in TypeScript and snake_case on the wire. `strict` refuses keys that it does not know. */
function wireObject<T extends object>(
  shape: Shape<T>,
  mode: 'strict' | 'loose',
  names: Readonly<Record<string, string>> = {},
): z.ZodType<T> {
  const keys = Object.keys(shape) as (keyof T & string)[];
  const wireName = (key: string) => names[key] ?? snakeCase(key);
  const fields = Object.fromEntries(keys.map((key) => [wireName(key), shape[key]]));
  const camelOf = new Map(keys.map((key) => [wireName(key), key]));
  const snakeOf = new Map<string, string>(keys.map((key) => [key, wireName(key)]));
  const record = z.custom<T>(isObject, OBJECT);
  const strict = mode === 'strict';
  return z.codec(
    strict ? knowing(Object.keys(fields), z.looseObject(fields, OBJECT)) : z.object(fields),
    strict ? knowing(keys, record) : record,
    {
      decode: (wire) => renameKeys(wire, camelOf) as T,
      encode: (value) => renameKeys(value, snakeOf) as never,
    },
  );
}

/** Refuses keys that are not among `known`, and lists these. On either side, so that a key of the wire is none of TypeScript's. */
function knowing<S extends z.ZodType>(known: readonly string[], schema: S): S {
  return schema.check((payload) => {
    if (!isObject(payload.value)) return;
    const keys = Object.keys(payload.value).filter((key) => !known.includes(key));
    if (keys.length === 0) return;
    const message = known.length === 0 ? 'there are none' : `known are ${known.join(', ')}`;
    payload.issues.push({ code: 'unrecognized_keys', keys, message, input: payload.value });
  });
}

/** A request: unknown keys are refused. */
export const request = <T extends object>(shape: Shape<T>) => wireObject<T>(shape, 'strict');
/** An answer: keys that a newer server adds are passed over. */
export const answer = <T extends object>(shape: Shape<T>) => wireObject<T>(shape, 'loose');

export const OBJECT = 'it must be an object';

/**
 * A request that says whose things it is about: `tenantId` in TypeScript, `tenant` on the wire as everywhere in this API, where empty or `null`
 * stands for what names no tenant.
 */
export const ofTenant = <T extends { tenantId?: string | null | undefined }>(shape: Shape<T>) =>
  wireObject<T>(shape, 'strict', { tenantId: 'tenant' });

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const int64 = z.codec(z.string().regex(/^-?\d{1,19}$/, 'expected a decimal string'), z.bigint(), {
  decode: (text) => BigInt(text),
  encode: (value) => value.toString(),
});

/** A double; what JSON has no number for is a string, as in OTLP JSON. */
export const double = z.codec(
  z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])]),
  z.custom<number>(isNumber),
  {
    decode: (wire) => Number(wire),
    encode: (value) => (Number.isFinite(value) ? value : (String(value) as 'NaN')),
  },
);

export function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}

/** `undefined` in a record that always has the key; `null` on the wire. */
export function absent<T>(schema: z.ZodType<T>): z.ZodType<T | undefined> {
  return z.codec(schema.nullable(), z.custom<T | undefined>(), {
    decode: (wire) => wire ?? undefined,
    encode: (value) => value ?? null,
  });
}

/** Any JSON object, taken as it is: no copy, so no key is lost. */
export const jsonObject = z.custom<Record<string, unknown>>(isObject, OBJECT);

/** ISO 8601, or a decimal string of nanoseconds since 1970. */
export function time(field: string): z.ZodType<TimeInput | undefined> {
  return z
    .codec(z.string(), z.custom<TimeInput>(), {
      decode: (text) => parseTime(/^\d{1,19}$/.test(text) ? BigInt(text) : text, field),
      encode: (input) => parseTime(input, field).toString(),
    })
    .optional();
}

/** What may be said of each value stands with it, as the end of a sentence: "<field> is <value>; it must be ...". */
const STRING = 'it must be a string';

export function oneOrMore<T extends z.ZodType>(schema: T, what: string) {
  return z.union([schema, z.array(schema)], `it must be ${what}, or a list of these`).optional();
}

export function listOf<T extends z.ZodType>(schema: T, what = 'it must be a list') {
  return z.array(schema, what);
}

export function oneOf<const T extends readonly string[]>(values: T) {
  return z.enum(values, `it must be one of ${values.join(', ')}`);
}

export const text = z.string(STRING);
export const optionalText = text.optional();
export const textOrNull = z.string('it must be a string or null').nullish();
export const texts = oneOrMore(text, 'a string');
export const nonEmpty = z.string(STRING).min(1, 'it must not be empty');
export const flag = z.boolean('it must be true or false').optional();
export const count = z.int().nonnegative();
export const tenantId = z.string('it must be a string or null').nullable();
const PAGE_SIZE = 'it must be a whole number from 1 to 1000';
export const pageSize = z.int(PAGE_SIZE).min(1, PAGE_SIZE).max(1000, PAGE_SIZE).optional();
export const scoreOrNull = z.number('it must be a finite number or null').nullish();
export const annotatorKind = oneOf(['HUMAN', 'LLM', 'CODE']);
export const STATUS_CODES = ['UNSET', 'OK', 'ERROR'] as const;
export const order = oneOf(['desc', 'asc']).optional();

export const projectRef = request<ProjectRef>({ tenantId, name: text });

/** In an address: absent is "all tenants", empty is "spans that name no tenant". */
export const tenantParameter = z.codec(z.string(), tenantId, {
  decode: (wire) => (wire === '' ? null : wire),
  encode: (value) => value ?? '',
});

export function pageOf<T>(item: z.ZodType<T>): z.ZodType<Page<T>> {
  return z.codec(z.object({ data: z.array(item), next_cursor: z.string().nullable() }), z.custom<Page<T>>(isObject), {
    decode: ({ data, next_cursor }) => ({ items: data, nextCursor: next_cursor ?? undefined }),
    encode: ({ items, nextCursor }) => ({ data: [...items], next_cursor: nextCursor ?? null }),
  });
}

/** An answer's envelope, as in Phoenix's REST API. */
export function dataOf<T>(schema: z.ZodType<T>): z.ZodType<T> {
  return z.codec(z.object({ data: schema }), z.custom<T>(), {
    decode: ({ data }) => data as T,
    encode: (data) => ({ data }),
  });
}

/** The answer of a call that gives nothing. */
export const nothing: z.ZodType<void> = z.codec(z.object({ data: z.null() }), z.custom<void>(), {
  decode: () => undefined,
  encode: () => ({ data: null }),
});

/** The answer of an import. */
export const importCounts = dataOf(answer<ImportCounts>({ imported: count, existing: count }));
