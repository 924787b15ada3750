/**
 * The query string of a request, checked: nothing unknown, nothing twice, nothing out of range.   Read path: client -> [query-parameters] -> routes.
 *
 * Errors of every method: `InvalidQueryError` naming parameter, value and what is allowed.
 */
import { InvalidQueryError, parseTime } from '@cogniverse/foundation/store';
import type { FastifyRequest } from 'fastify';

/** Values that one repeatable parameter may have. */
const MAX_VALUES = 5000;
/** Phoenix reads a bare number as seconds since 1970 up to this one, and as milliseconds above it. */
const LARGEST_SECONDS = 2e10;

export class QueryParameters {
  readonly #values = new Map<string, readonly string[]>();

  /** Every parameter of the request must be among `known`. */
  constructor(request: FastifyRequest, known: readonly string[]) {
    for (const [name, value] of Object.entries(request.query as Record<string, string | string[]>)) {
      if (!known.includes(name)) {
        throw new InvalidQueryError(`Unknown query parameter "${clip(name)}". Known here: ${known.join(', ')}.`);
      }
      this.#values.set(name, typeof value === 'string' ? [value] : value);
    }
  }

  /** All values of a repeatable parameter; undefined when it was not given. */
  list(name: string): readonly string[] | undefined {
    const values = this.#values.get(name);
    if (values !== undefined && values.length > MAX_VALUES) {
      throw new InvalidQueryError(`"${name}" is given ${values.length} times; ${MAX_VALUES} are allowed.`);
    }
    return values;
  }

  /** The value of a parameter that may stand once. It may be empty. */
  single(name: string): string | undefined {
    const values = this.#values.get(name);
    if (values !== undefined && values.length > 1) {
      throw new InvalidQueryError(`"${name}" is given ${values.length} times; once is allowed.`);
    }
    return values?.[0];
  }

  integer(name: string, options: { min: number; max: number; default: number }): number {
    const text = this.single(name);
    if (text === undefined) return options.default;
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text) || value < options.min || value > options.max) {
      throw badValue(name, text, `a whole number from ${options.min} to ${options.max}`);
    }
    return value;
  }

  oneOf<T extends string>(name: string, allowed: readonly T[], fallback: T): T {
    const text = this.single(name);
    if (text === undefined) return fallback;
    return allowed.find((value) => value === text) ?? raise(badValue(name, text, `one of ${allowed.join(', ')}`));
  }

  /** As a REST framework in Python reads it. */
  boolean(name: string): boolean {
    const text = this.single(name)?.toLowerCase();
    if (text === undefined || ['false', '0', 'no', 'off', 'f', 'n'].includes(text)) return false;
    if (['true', '1', 'yes', 'on', 't', 'y'].includes(text)) return true;
    throw badValue(name, text, 'true or false');
  }

  /** Nanoseconds since 1970. ISO 8601, where a time without zone is UTC; or a number of seconds or milliseconds since 1970, as Phoenix takes it. */
  time(name: string): bigint | undefined {
    const text = this.single(name);
    if (text === undefined) return undefined;
    const number = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : undefined;
    if (number !== undefined) {
      const [whole = '0', fraction = ''] = text.split('.');
      const digits = number <= LARGEST_SECONDS ? 9 : 6;
      return parseTime(BigInt(whole + fraction.padEnd(digits, '0').slice(0, digits)), name);
    }
    // A "+" that was not percent-encoded arrives as a blank.
    const zoned = text.replace(/(T[\d:.]+) (\d{2}:?\d{2})$/i, '$1+$2');
    const hasTime = /\d[T ]\d{2}:/i.test(zoned);
    return parseTime(hasTime && !/(?:Z|[+-]\d{2}:?\d{2})$/i.test(zoned) ? `${zoned}Z` : zoned, name);
  }

  /** Hex ids of `digits` digits, in lower case. */
  ids(name: string, digits: number): readonly string[] | undefined {
    return this.list(name)?.map((text) => hexId(name, text, digits));
  }
}

export function hexId(name: string, text: string, digits: number): string {
  const id = text.toLowerCase();
  if (id.length !== digits || !/^[0-9a-f]+$/.test(id)) throw badValue(name, text, `${digits} hex digits`);
  return id;
}

export function badValue(name: string, value: string, allowed: string): InvalidQueryError {
  return new InvalidQueryError(`"${name}" is ${JSON.stringify(clip(value))}; it must be ${allowed}.`);
}

function clip(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}

function raise(error: Error): never {
  throw error;
}
