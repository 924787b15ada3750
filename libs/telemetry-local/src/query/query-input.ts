/**
 * Checks of what a query holds, before any of it comes near SQL.   Read path: [query-input] -> query.
 */

import { InvalidQueryError, parseTime } from '@cogniverse/foundation/store';
import type { ProjectRef, TimeInput } from '@cogniverse/foundation/telemetry';
import type { NanosRange } from '../snapshot.js';

const MAX_TEXT_LENGTH = 100_000;
const MAX_LIST_LENGTH = 10_000;
export const MAX_PAGE = 1000;

export function shown(value: unknown): string {
  const text = typeof value === 'bigint' ? `${value}n` : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

export function requireText(value: unknown, field: string): string {
  if (typeof value !== 'string') throw new InvalidQueryError(`${field} is ${shown(value)}; it must be a string.`);
  if (value.length > MAX_TEXT_LENGTH) {
    throw new InvalidQueryError(`${field} has ${value.length} characters; at most ${MAX_TEXT_LENGTH} are allowed.`);
  }
  return value;
}

/** One or many, as a list. */
export function textList(value: unknown, field: string): string[] {
  const list = Array.isArray(value) ? value : [value];
  if (list.length > MAX_LIST_LENGTH) {
    throw new InvalidQueryError(`${field} lists ${list.length} values; at most ${MAX_LIST_LENGTH} are allowed.`);
  }
  return list.map((entry) => requireText(entry, field));
}

/** In lower case. */
export function hexId(value: unknown, bytes: number, field: string): string {
  const id = requireText(value, field).toLowerCase();
  if (id.length !== 2 * bytes || !/^[0-9a-f]*$/.test(id)) {
    throw new InvalidQueryError(`${field} is ${shown(value)}; it must be an id of ${2 * bytes} hex digits.`);
  }
  return id;
}

export function oneOf<T extends string>(value: unknown, allowed: readonly T[], field: string): T {
  if (!allowed.includes(value as T)) {
    throw new InvalidQueryError(`${field} is ${shown(value)}; it must be one of ${allowed.join(', ')}.`);
  }
  return value as T;
}

/** A mistyped field would quietly ask for something else: it is refused, as the server refuses it. `field`: where it stands, empty for the query itself. */
export function requireKnownFields(value: object, known: readonly string[], field: string): void {
  const unknown = Object.keys(value).filter((key) => !known.includes(key));
  if (unknown.length === 0) return;
  throw new InvalidQueryError(
    `Unknown ${unknown.length === 1 ? 'key' : 'keys'} ${unknown.map(shown).join(', ')}${field === '' ? '' : ` in ${field}`}; known are ${known.join(', ')}.`,
  );
}

export function pageLimit(value: unknown, fallback: number, max = MAX_PAGE): number {
  if (value === undefined) return fallback;
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > max) {
    throw new InvalidQueryError(`limit is ${shown(value)}; it must be a whole number from 1 to ${max}.`);
  }
  return value as number;
}

export function requireProject(project: unknown): ProjectRef {
  if (typeof project !== 'object' || project === null) {
    throw new InvalidQueryError(`project is ${shown(project)}; it must be { tenantId, name }.`);
  }
  const { tenantId, name } = project as Partial<ProjectRef>;
  return {
    tenantId: tenantId === null ? null : requireText(tenantId, 'project.tenantId'),
    name: requireText(name, 'project.name'),
  };
}

export function nanosRange(query: { startTime?: TimeInput | undefined; endTime?: TimeInput | undefined }): NanosRange {
  return {
    start: query.startTime === undefined ? undefined : parseTime(query.startTime, 'startTime'),
    end: query.endTime === undefined ? undefined : parseTime(query.endTime, 'endTime'),
  };
}
