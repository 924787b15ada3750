/** Times as callers give them.   Read path: query -> [time] -> nanoseconds. */
import { InvalidQueryError } from '../errors.js';
import type { TimeInput } from './records.js';

/** A calendar date, or a date and a time with its zone; up to nine digits after the second. */
const ISO = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(Z|[+-]\d{2}:?\d{2})?)?$/i;
const TIME_MAX = 2n ** 63n - 1n;

/**
 * Nanoseconds since 1970 of a `Date`, an ISO 8601 string (to the nanosecond; a date alone is its midnight in UTC), or nanoseconds.
 *
 * Errors: `InvalidQueryError` naming `field`: a bare number, whose unit would be a guess; a time of day without a zone, which would mean
 * another time on another machine; an invalid date; a time before 1970 or after 2262.
 */
export function parseTime(input: TimeInput, field: string): bigint {
  const nanos = toNanos(input, field);
  if (nanos < 0n || nanos > TIME_MAX) throw refused(field, input, 'it is before 1970 or after 2262');
  return nanos;
}

/**
 * A range of times that can hold nothing is a mistake, told instead of answered with nothing.
 *
 * Errors: `InvalidQueryError` for a time that is none, and if the end, which is not included, is not after the start.
 */
export function checkTimeRange(range: { startTime?: TimeInput | undefined; endTime?: TimeInput | undefined }): void {
  const start = range.startTime === undefined ? undefined : parseTime(range.startTime, 'startTime');
  const end = range.endTime === undefined ? undefined : parseTime(range.endTime, 'endTime');
  if (start === undefined || end === undefined || end > start) return;
  const [from, to] = [range.startTime, range.endTime].map((time) => (time instanceof Date ? time.toJSON() : time));
  throw new InvalidQueryError(
    `endTime is ${to}, which is not after startTime ${from}; the range would hold nothing. Give an end after the start.`,
  );
}

function toNanos(input: TimeInput, field: string): bigint {
  if (typeof input === 'bigint') return input;
  if (typeof input === 'string') return isoNanos(input, field);
  if (input instanceof Date) {
    const millis = input.getTime();
    if (Number.isNaN(millis)) throw refused(field, 'Invalid Date', 'it is no date');
    return BigInt(millis) * 1_000_000n;
  }
  throw refused(field, input, 'its unit would be a guess');
}

function isoNanos(input: string, field: string): bigint {
  const match = ISO.exec(input.trim());
  if (match === null) throw refused(field, input, 'it is no ISO 8601 time');
  const [, date, time, second = '00', fraction = '', zone] = match;
  if (time !== undefined && zone === undefined)
    throw refused(field, input, 'it has no zone: add "Z" or an offset such as "+02:00"');
  const offset = zone === undefined ? 'Z' : zone.toUpperCase().replace(/^([+-]\d{2})(\d{2})$/, '$1:$2');
  const millis = Date.parse(`${date}T${time ?? '00:00'}:${second}.000${offset}`);
  // `Date` takes 31 February for 3 March.
  if (Number.isNaN(millis) || !new Date(`${date}T00:00:00Z`).toJSON()?.startsWith(date!))
    throw refused(field, input, 'there is no such time');
  return BigInt(millis) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}

function refused(field: string, input: unknown, why: string): InvalidQueryError {
  const shown = typeof input === 'string' ? JSON.stringify(input.slice(0, 60)) : String(input);
  return new InvalidQueryError(
    `${field} is ${shown}: ${why}. Give a Date, an ISO 8601 string such as "2026-01-31T12:00:00Z", or nanoseconds since 1970 as a bigint.`,
  );
}

/** ISO 8601 in UTC: with milliseconds, and to the nanosecond where there is more. */
export function isoTime(nanos: bigint): string {
  const iso = new Date(Number(nanos / 1_000_000n)).toISOString();
  const rest = nanos % 1_000_000n;
  return rest === 0n ? iso : `${iso.slice(0, -1)}${rest.toString().padStart(6, '0')}Z`;
}
