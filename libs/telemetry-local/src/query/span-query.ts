/**
 * Finds spans, a page at a time.   Read path: store -> [span-query] -> snapshot -> DuckDB.
 *
 * By start time the runs of the project (`runs.ts`) are read in order, a few at a time, until the page is full and what was not read cannot come before it:
 * each day file gives its first rows only, and wide columns are read for those alone. Hot tables may hold any time and take part in the first step.
 */
import type { Page, StoredSpan, StoreSpanQuery } from '@cogniverse/foundation/telemetry';
import type { DuckDBValue } from '@duckdb/node-api';
import type { SqlRows } from '../database.js';
import type { StoreEngine } from '../engine.js';
import { projectKey } from '../project-key.js';
import type { SourceOptions } from '../snapshot.js';
import { RESTORE_SELECT, RESTORE_SEQUENCE, RESTORE_START, SpanRestorer } from '../span-table.js';
import { spanConditionOf } from './conditions/query-condition.js';
import { type Cursor, decodeCursor, encodeCursor, queryDigest } from './cursor.js';
import { nanosRange, oneOf, pageLimit, requireKnownFields, requireProject } from './query-input.js';
import { runsInOrder, steps } from './run-steps.js';
import { filterConditions, projectCondition } from './span-conditions.js';
import { SqlBuilder } from './sql-builder.js';

const FIELDS = [
  'project',
  'startTime',
  'endTime',
  'filters',
  'condition',
  'sort',
  'order',
  'limit',
  'cursor',
] as const satisfies readonly (keyof StoreSpanQuery)[];
const SORTS = ['start_time', 'sequence'] as const;
const ORDERS = ['desc', 'asc'] as const;
const WHOLE_NUMBER = /^\d{1,19}$/;
/** With one of these few spans are found, wherever they are: one step for all. */
const SELECTIVE = ['traceId', 'spanId', 'parentId', 'sessionId'] as const;

/** SQL: the row comes after the cursor. */
function afterCursor(cursor: Cursor): string {
  const beyond = cursor.order === 'desc' ? '<' : '>';
  if (cursor.sort === 'sequence') return `seq ${beyond} ${cursor.id}`;
  return `start_ns ${beyond}= ${cursor.value} AND (start_ns ${beyond} ${cursor.value} OR seq ${beyond} ${cursor.id})`;
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
  const { filters, condition } = query;
  const digest = queryDigest({ project: project.key, ...range, filters, condition });
  /** Of what is left to give. */
  let left = range;
  if (query.cursor !== undefined) {
    const expected = { query: digest, sort, order, value: WHOLE_NUMBER, id: WHOLE_NUMBER };
    const cursor = decodeCursor(query.cursor, expected);
    conditions.push(afterCursor(cursor));
    const reached = BigInt(cursor.value);
    left = order === 'desc' ? { ...range, end: reached + 1n } : { ...range, start: reached };
  }
  const orderBy = sort === 'sequence' ? `seq ${order}` : `start_ns ${order}, seq ${order}`;
  const options: SourceOptions = { projectKey: project.key, range };

  return engine.withSnapshot(async (snapshot) => {
    const test = condition === undefined ? undefined : spanConditionOf(snapshot, project, range, condition, sql);
    if (test !== undefined) conditions.push(test.sql);
    const where = conditions.join(' AND ');
    let rows: SqlRows = [];
    const inSteps =
      sort === 'start_time' && test?.ofOneSpan !== false && SELECTIVE.every((name) => filters?.[name] === undefined);
    const plan = inSteps
      ? steps(snapshot, options, await runsInOrder(engine, snapshot, project.key, left, order), order)
      : // What looks at other spans is found once, not for each source.
        [
          {
            sources: test?.ofOneSpan === false ? [snapshot.source(options)] : snapshot.sources(options),
            isFinal: () => true,
          },
        ];
    for (const { sources, isFinal } of plan) {
      if (sources.length === 0) continue;
      const parts = sources.map(
        (source) => `(SELECT * FROM (${source}) WHERE ${where} ORDER BY ${orderBy} LIMIT ${limit + 1})`,
      );
      const statement = `SELECT ${RESTORE_SELECT} FROM (${parts.join(' UNION ALL ')}) ORDER BY ${orderBy} LIMIT ${limit + 1}`;
      const found = await engine.query(statement, sql.parameters);
      rows = [...rows, ...found].sort((a, b) => compareRows(a, b, sort, order)).slice(0, limit + 1);
      // The rows may include some that rows of runs not read yet come before.
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
