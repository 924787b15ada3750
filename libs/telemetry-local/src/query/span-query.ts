/**
 * Finds spans, a page at a time.   Read path: store -> [span-query] -> snapshot -> DuckDB.
 *
 * By start time the days are read in order, a few at a time, until the page is full: each day file gives its first rows only, and wide
 * columns are read for those alone. Hot tables, and the file for odd times, may hold any time and take part in each step.
 */
import type { Page, StoredSpan, StoreSpanQuery } from '@cogniverse/foundation/telemetry';
import type { DuckDBValue } from '@duckdb/node-api';
import type { SqlRows } from '../database.js';
import { type DayFile, NANOS_PER_DAY, OTHER_DAYS } from '../day-files.js';
import type { StoreEngine } from '../engine.js';
import { projectKey } from '../project-key.js';
import type { Snapshot, SourceOptions } from '../snapshot.js';
import { RESTORE_SELECT, RESTORE_SEQUENCE, RESTORE_START, SpanRestorer } from '../span-table.js';
import { type Cursor, decodeCursor, encodeCursor, queryDigest } from './cursor.js';
import { nanosRange, oneOf, pageLimit, requireKnownFields, requireProject } from './query-input.js';
import { filterConditions, projectCondition } from './span-conditions.js';
import { SqlBuilder } from './sql-builder.js';

const FIELDS = [
  'project',
  'startTime',
  'endTime',
  'filters',
  'sort',
  'order',
  'limit',
  'cursor',
] as const satisfies readonly (keyof StoreSpanQuery)[];
const SORTS = ['start_time', 'sequence'] as const;
const ORDERS = ['desc', 'asc'] as const;
const WHOLE_NUMBER = /^\d{1,19}$/;
const FIRST_DAYS = 2;

/** SQL: the row comes after the cursor. */
function afterCursor(cursor: Cursor): string {
  const beyond = cursor.order === 'desc' ? '<' : '>';
  if (cursor.sort === 'sequence') return `seq ${beyond} ${cursor.id}`;
  return `start_ns ${beyond}= ${cursor.value} AND (start_ns ${beyond} ${cursor.value} OR seq ${beyond} ${cursor.id})`;
}

interface Step {
  readonly sources: string[];
  /** Whether a row that starts at this time can no longer be preceded by a row of a later step. */
  readonly isFinal: (start: bigint) => boolean;
}

/** The sources in the order of their days: two, then four, then eight at a time. */
function* steps(snapshot: Snapshot, options: SourceOptions, sort: string, order: string): Generator<Step> {
  const days = snapshot.daysIn(options.range);
  const source = (file: DayFile) => snapshot.daySource(file, options);
  const always = [
    ...days.filter(({ day }) => day === OTHER_DAYS).map(source),
    ...snapshot.hot.map((hot) => snapshot.hotSource(hot, options)),
  ];
  const ordered = days.filter(({ day }) => day !== OTHER_DAYS);
  if (order === 'desc') ordered.reverse();
  if (sort === 'sequence' || ordered.length <= FIRST_DAYS) {
    yield { sources: [...always, ...ordered.map(source)], isFinal: () => true };
    return;
  }
  for (let from = 0, count = FIRST_DAYS; from < ordered.length; from += count, count = from) {
    const part = ordered.slice(from, from + count);
    const lastDay = BigInt(part.at(-1)!.day);
    yield {
      sources: [...(from === 0 ? always : []), ...part.map(source)],
      isFinal: (start) =>
        order === 'desc' ? start >= lastDay * NANOS_PER_DAY : start < (lastDay + 1n) * NANOS_PER_DAY,
    };
  }
}

function compareRows(a: DuckDBValue[], b: DuckDBValue[], sort: string, order: string): number {
  const sign = order === 'asc' ? 1 : -1;
  const [startA, startB] = [a[RESTORE_START] as bigint, b[RESTORE_START] as bigint];
  if (sort === 'start_time' && startA !== startB) return startA < startB ? -sign : sign;
  return (a[RESTORE_SEQUENCE] as bigint) < (b[RESTORE_SEQUENCE] as bigint) ? -sign : sign;
}

/** Errors: `InvalidQueryError` for what cannot be asked, `BackendUnavailableError` if it took too long. */
export async function querySpans(engine: StoreEngine, query: StoreSpanQuery): Promise<Page<StoredSpan>> {
  requireKnownFields(query, FIELDS, '');
  const project = projectKey(requireProject(query.project));
  const limit = pageLimit(query.limit, 1000);
  const sort = oneOf(query.sort ?? 'start_time', SORTS, 'sort');
  const order = oneOf(query.order ?? 'desc', ORDERS, 'order');
  const sql = new SqlBuilder();
  const conditions = [projectCondition(project, sql), ...filterConditions(query.filters, sql)];
  const range = nanosRange(query);
  const { filters } = query;
  const digest = queryDigest({ project: project.key, ...range, filters });
  if (query.cursor !== undefined) {
    const expected = { query: digest, sort, order, value: WHOLE_NUMBER, id: WHOLE_NUMBER };
    conditions.push(afterCursor(decodeCursor(query.cursor, expected)));
  }
  const where = conditions.join(' AND ');
  const orderBy = sort === 'sequence' ? `seq ${order}` : `start_ns ${order}, seq ${order}`;
  const options: SourceOptions = { projectKey: project.key, range };

  return engine.withSnapshot(async (snapshot) => {
    let rows: SqlRows = [];
    for (const { sources, isFinal } of steps(snapshot, options, sort, order)) {
      if (sources.length === 0) continue;
      const parts = sources.map(
        (source) => `(SELECT * FROM (${source}) WHERE ${where} ORDER BY ${orderBy} LIMIT ${limit + 1})`,
      );
      const statement = `SELECT ${RESTORE_SELECT} FROM (${parts.join(' UNION ALL ')}) ORDER BY ${orderBy} LIMIT ${limit + 1}`;
      const found = await engine.query(statement, sql.parameters);
      rows = [...rows, ...found].sort((a, b) => compareRows(a, b, sort, order)).slice(0, limit + 1);
      // The hot tables and the file for odd times may have given rows of days that were not read yet.
      if (rows.length > limit && isFinal(rows[limit]![RESTORE_START] as bigint)) break;
    }
    const restorer = new SpanRestorer();
    const items = rows.slice(0, limit).map((row) => restorer.restore(row));
    const last = items.at(-1);
    const nextCursor =
      rows.length > limit && last !== undefined
        ? encodeCursor({
            query: digest,
            sort,
            order,
            value: String(last.span.startTimeUnixNano),
            id: String(last.sequence),
          })
        : undefined;
    return { items, nextCursor };
  });
}
