/**
 * Where the next page begins: after a row, not at a count, so that what arrives between two pages shifts nothing.   Read path: query -> [cursor].
 */
import { InvalidQueryError } from '@cogniverse/foundation/telemetry';

/** `sort` and `order` bind a cursor to the query it came from. `value` is the sort key of the last row as text, `id` settles ties. */
export interface Cursor {
  readonly sort: string;
  readonly order: 'asc' | 'desc';
  readonly value: string;
  readonly id: string;
}

export function encodeCursor(cursor: Cursor): string {
  return Buffer.from(JSON.stringify([1, cursor.sort, cursor.order, cursor.value, cursor.id])).toString('base64url');
}

/** Errors: `InvalidQueryError` for what is no cursor, or one of another sort or order. */
export function decodeCursor(
  text: unknown,
  expected: { sort: string; order: string; value: RegExp; id: RegExp },
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
    parts.length !== 5 ||
    parts[0] !== 1 ||
    !parts.slice(1).every((p) => typeof p === 'string')
  ) {
    throw refused('is not a cursor of this store');
  }
  const [, sort, order, value, id] = parts as [number, string, 'asc' | 'desc', string, string];
  if (sort !== expected.sort || order !== expected.order) {
    throw refused(`belongs to sort ${sort.slice(0, 20)}, order ${order.slice(0, 20)}`);
  }
  if (!expected.value.test(value) || !expected.id.test(id)) throw refused('is not a cursor of this store');
  return { sort, order, value, id };
}
