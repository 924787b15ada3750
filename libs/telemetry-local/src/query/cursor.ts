/**
 * Where the next page begins: after a row, not at a count, so that what arrives between two pages shifts nothing.   Read path: query -> [cursor].
 */
import { createHash } from 'node:crypto';
import { InvalidQueryError } from '@cogniverse/foundation/store';

/** `query` binds a cursor to the query it came from (`queryDigest`). `value` is the sort key of the last row as text, `id` settles ties. */
export interface Cursor {
  readonly query: string;
  readonly sort: string;
  readonly order: 'asc' | 'desc';
  readonly value: string;
  readonly id: string;
}

/** What makes a query another one than the pages before were of: all of it but its cursor and the size of its pages. */
export function queryDigest(query: object): string {
  const parts = Object.entries(query)
    .filter(([key, value]) => key !== 'cursor' && key !== 'limit' && value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify(parts, (_key, value) => (typeof value === 'bigint' ? `${value}n` : value));
  return createHash('sha256').update(text).digest('base64url').slice(0, 12);
}

export function encodeCursor(cursor: Cursor): string {
  return Buffer.from(JSON.stringify([2, cursor.query, cursor.sort, cursor.order, cursor.value, cursor.id])).toString(
    'base64url',
  );
}

/** Errors: `InvalidQueryError` for what is no cursor, or one of another query. */
export function decodeCursor(
  text: unknown,
  expected: { query: string; sort: string; order: string; value: RegExp; id: RegExp },
): Cursor {
  const refused = (why: string) =>
    new InvalidQueryError(`cursor ${why}. Take it unchanged from nextCursor of the page before.`);
  if (typeof text !== 'string' || text.length > 1000) throw refused('is not a cursor of this store');
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch (error) {
    throw new InvalidQueryError(refused('is not a cursor of this store').message, { cause: error });
  }
  if (
    !Array.isArray(parts) ||
    parts.length !== 6 ||
    parts[0] !== 2 ||
    !parts.slice(1).every((p) => typeof p === 'string')
  ) {
    throw refused('is not a cursor of this store');
  }
  const [, query, sort, order, value, id] = parts as [number, string, string, 'asc' | 'desc', string, string];
  if (sort !== expected.sort || order !== expected.order) {
    throw refused(`belongs to sort ${sort.slice(0, 20)}, order ${order.slice(0, 20)}`);
  }
  if (query !== expected.query) throw refused('belongs to a query with other filters, times or project');
  if (!expected.value.test(value) || !expected.id.test(id)) throw refused('is not a cursor of this store');
  return { query, sort, order, value, id };
}
