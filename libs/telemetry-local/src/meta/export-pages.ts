/**
 * Pages of an export: each parent (a data set, an experiment) with all that belongs to it, table after table.   Meta store: transfers -> [export-pages].
 *
 * The cursor holds where the page ended, and how much of that parent there was when its export began: what is written later does not appear in
 * part.
 */

import { InvalidQueryError } from '@cogniverse/foundation/store';
import type { Page } from '@cogniverse/foundation/telemetry';
import type { SqlRows } from '../database.js';
import { SqlBuilder } from '../query/sql-builder.js';
import type { Read } from './dataset-reads.js';

export interface ExportParent {
  readonly id: string;
  readonly position: bigint;
  /** What was written of it when its export began, in numbers of the tables' own. */
  readonly bounds: readonly bigint[];
}

export interface ExportTable<T> {
  readonly columns: string;
  /** What follows FROM, with its WHERE. */
  readonly source: (sql: SqlBuilder, parent: ExportParent) => string;
  /** Columns that are together unique in the parent, and their types. */
  readonly key: readonly (readonly [column: string, type: 'BIGINT' | 'INTEGER' | 'VARCHAR'])[];
  readonly record: (row: SqlRows[number]) => T;
}

export interface ExportSource<T> {
  /** The tenant's first parent that stands at the position, or after it. */
  readonly parent: (position: bigint) => Promise<ExportParent | undefined>;
  readonly tables: readonly ExportTable<T>[];
}

interface Place {
  readonly position: string;
  readonly bounds: readonly string[];
  readonly table: number;
  /** The key of the last record that was given; none at the start of a table. */
  readonly after: readonly string[];
}

const MAX_RECORDS = 2 ** 31;

/** Errors: `InvalidQueryError` for a cursor that no export gave out. */
export async function exportPage<T>(
  read: Read,
  query: { readonly limit?: number | undefined; readonly cursor?: string | undefined },
  { parent: parentAt, tables }: ExportSource<T>,
): Promise<Page<T>> {
  const { limit = MAX_RECORDS, cursor } = query;
  const found: { record: T; place: Place }[] = [];
  const start = cursor === undefined ? undefined : placeOf(cursor, tables);
  let from = start === undefined ? 0n : BigInt(start.position);
  while (found.length <= limit) {
    const current = await parentAt(from);
    if (current === undefined) break;
    // A parent that was deleted since is passed over.
    const resumed = start !== undefined && String(current.position) === start.position ? start : undefined;
    const parent = resumed === undefined ? current : { ...current, bounds: resumed.bounds.map(BigInt) };
    for (let table = resumed?.table ?? 0; table < tables.length && found.length <= limit; table++) {
      const after = resumed?.table === table ? resumed.after : [];
      const count = limit + 1 - found.length;
      for (const { record, key } of await recordsOf(read, tables[table]!, { parent, after, count })) {
        const place = { position: String(parent.position), bounds: parent.bounds.map(String), table, after: key };
        found.push({ record, place });
      }
    }
    from = parent.position + 1n;
  }
  return {
    items: found.slice(0, limit).map(({ record }) => record),
    nextCursor: found.length > limit ? cursorOf(found[limit - 1]!.place) : undefined,
  };
}

async function recordsOf<T>(
  read: Read,
  { columns, source, key, record }: ExportTable<T>,
  wanted: { readonly parent: ExportParent; readonly after: readonly string[]; readonly count: number },
): Promise<{ record: T; key: string[] }[]> {
  const sql = new SqlBuilder();
  const names = key.map(([column]) => column).join(', ');
  const from = source(sql, wanted.parent);
  const { after } = wanted;
  const values = after.map((value, index) => `${sql.bind(value)}::${key[index]![1]}`);
  const beyond = after.length === 0 ? '' : `AND (${names}) > (${values.join(', ')})`;
  const rows = await read(
    `SELECT ${columns}, ${names} FROM ${from} ${beyond} ORDER BY ${names} LIMIT ${sql.bind(BigInt(wanted.count))}`,
    sql.parameters,
  );
  return rows.map((row) => ({ record: record(row), key: row.slice(-key.length).map(String) }));
}

function cursorOf({ position, bounds, table, after }: Place): string {
  return Buffer.from(JSON.stringify([position, bounds, table, after])).toString('base64url');
}

function placeOf<T>(cursor: string, tables: readonly ExportTable<T>[]): Place {
  try {
    const [position, bounds, table, after] = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    const key = tables[table]?.key ?? [];
    const isPlace =
      [position, ...bounds].every(isPosition) &&
      after.length === key.length &&
      key.length > 0 &&
      key.every(([, type], index) =>
        type === 'VARCHAR' ? typeof after[index] === 'string' : isPosition(after[index]),
      );
    if (isPlace) return { position, bounds, table, after };
  } catch {
    // refused below
  }
  throw new InvalidQueryError('cursor is not one that this store gave out. Use that of the page before, unchanged.');
}

function isPosition(value: unknown): boolean {
  return typeof value === 'string' && /^\d{1,18}$/.test(value);
}
