/**
 * One operation of a store over HTTP, and what both ends do with it.   Server <-> remote store.
 */
import type { z } from 'zod';
import { InvalidQueryError } from '../../errors.js';

export interface StoreOperation<Request, Result> {
  readonly method: 'GET' | 'POST';
  /** Below `STORE_ROUTE_PREFIX`. */
  readonly path: string;
  /** Asks twice and nothing has changed: may be tried again when no answer came. */
  readonly reads: boolean;
  readonly request: z.ZodType<Request>;
  readonly result: z.ZodType<Result>;
}

/** One operation for each call. */
export type OperationsOf<Calls> = {
  readonly [M in keyof Calls]-?: Calls[M] extends (request: infer Request) => Promise<infer Result>
    ? StoreOperation<NonNullable<Request>, Result>
    : never;
};

export function reading<Request extends object, Result>(
  route: `${'GET' | 'POST'} ${string}`,
  requestShape: z.ZodType<Request>,
  result: z.ZodType<Result>,
): StoreOperation<Request, Result> {
  const [method, path] = route.split(' ') as ['GET' | 'POST', string];
  return { method, path, reads: true, request: requestShape, result };
}

export function writing<Request extends object, Result>(
  route: `POST ${string}`,
  requestShape: z.ZodType<Request>,
  result: z.ZodType<Result>,
): StoreOperation<Request, Result> {
  return { ...reading(route, requestShape, result), reads: false };
}

/** Errors: `InvalidQueryError` naming each field and value that cannot be, and each key that is not known. */
export function checkInput<T>(schema: z.ZodType<T>, value: T): void {
  const checked = schema.safeEncode(value);
  if (!checked.success) throw refusal(checked.error, value, camelCase);
}

/** Parses a request that came over HTTP. Errors: `InvalidQueryError` naming each field and its value. */
export function decodeStoreRequest<Request, Result>(
  operation: StoreOperation<Request, Result>,
  wire: unknown,
): Request {
  const parsed = operation.request.safeDecode(wire as never);
  if (parsed.success) return parsed.data;
  throw refusal(parsed.error, wire, String);
}

/** The JSON form of a request. Errors: `InvalidQueryError` naming each field and its value. */
export function encodeStoreRequest<Request, Result>(
  operation: StoreOperation<Request, Result>,
  value: Request,
): unknown {
  const encoded = operation.request.safeEncode(value as never);
  if (encoded.success) return encoded.data;
  throw refusal(encoded.error, value, camelCase);
}

export function encodeStoreResult<Request, Result>(operation: StoreOperation<Request, Result>, value: Result): unknown {
  return operation.result.encode(value as never);
}

/** Errors: zod's, if this is no answer of that operation. */
export function decodeStoreResult<Request, Result>(operation: StoreOperation<Request, Result>, wire: unknown): Result {
  return operation.result.decode(wire as never);
}

/** A sentence for each fault, in the names that the caller wrote: those of a path are the wire's. */
function refusal(error: z.ZodError, input: unknown, nameOf: (key: PropertyKey) => string): InvalidQueryError {
  const sentences = error.issues.map((issue) => {
    const { names: path, value } = placeOf(issue.path, input, nameOf);
    const field = path.join('.');
    if (issue.code === 'unrecognized_keys') {
      const keys = issue.keys.map((key) => JSON.stringify(key)).join(', ');
      return `Unknown ${issue.keys.length === 1 ? 'key' : 'keys'} ${keys}${field === '' ? '' : ` in ${field}`}; ${issue.message}.`;
    }
    const isAbsent = issue.code === 'invalid_type' && issue.expected === 'nonoptional'; // zod's own word, for whatever schema
    const remedy = isAbsent ? 'it must be given' : issue.message;
    return `${field || 'The request'} is ${shown(value)}; ${remedy}.`;
  });
  return new InvalidQueryError(sentences.join(' '), { cause: error });
}

function camelCase(key: PropertyKey): string {
  return String(key).replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}

/** What stands at a path, and the path as the caller wrote it. A key that the caller has is his own, such as the name of a model. */
function placeOf(path: readonly PropertyKey[], input: unknown, nameOf: (key: PropertyKey) => string) {
  const names: string[] = [];
  let value = input;
  for (const key of path) {
    const held = Object(value) as Record<PropertyKey, unknown>;
    const name = Object.hasOwn(held, key) ? String(key) : nameOf(key);
    names.push(name);
    value = Object.hasOwn(held, name) ? held[name] : undefined;
  }
  return { names, value };
}

function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'number') return String(value); // JSON has no NaN
  const json =
    JSON.stringify(value, (_key, held) => (typeof held === 'bigint' ? held.toString() : held)) ?? typeof value;
  return json.length > 60 ? `${json.slice(0, 60)}...` : json;
}
