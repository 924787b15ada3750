/**
 * Pages by position.   Meta store: domains -> [meta-page].
 */

import { InvalidQueryError } from '@cogniverse/foundation/store';
import type { Page } from '@cogniverse/foundation/telemetry';
import type { SqlRows } from '../database.js';

const ALL = 2n ** 62n;

/** The cursor is the position of the first row of the next page: nothing is passed over, and nothing shown twice, whatever comes and goes. */
export async function pageFrom<T>(query: {
  readonly limit: number | undefined;
  readonly cursor: string | undefined;
  /** At most `count` rows, begun at the position `bound` if it is given; the last column of each is its position. */
  readonly read: (bound: bigint | undefined, count: bigint) => Promise<SqlRows>;
  readonly item: (row: SqlRows[number]) => T;
}): Promise<Page<T>> {
  const { limit, cursor, read, item } = query;
  if (cursor !== undefined && !/^\d{1,18}$/.test(cursor)) {
    throw new InvalidQueryError('cursor is not one that this store gave out. Use that of the page before, unchanged.');
  }
  const rows = await read(
    cursor === undefined ? undefined : BigInt(cursor),
    limit === undefined ? ALL : BigInt(limit + 1),
  );
  const next = limit === undefined ? undefined : rows[limit];
  return { items: rows.slice(0, limit).map(item), nextCursor: next === undefined ? undefined : String(next.at(-1)) };
}
