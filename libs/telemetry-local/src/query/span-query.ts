/**
 * Finds spans, a page at a time.   Read path: store -> [span-query] -> snapshot -> DuckDB.
 *
 * By start time the blocks of the project (`blocks.ts`) are read in order, some at a time, without those that cannot hold what is asked for, until the page is full and what
 * was not read cannot come before it. Hot tables may hold any time and take part in the first step. Wide columns are read at the end, for the rows of the page alone.
 */
import type { Page, StoredSpan, StoreSpanQuery } from '@cogniverse/foundation/telemetry';
import type { DayFile } from '../day-file.js';
import type { StoreEngine } from '../engine.js';
import { projectKey } from '../project-key.js';
import type { HotTable, Snapshot, SourceOptions, TimeSpan } from '../snapshot.js';
import { RESTORE_SELECT, RESTORE_SEQUENCE, SpanRestorer } from '../span-table.js';
import { steps, stretchesOf } from './block-steps.js';
import { testsOfCondition, testsOfFilters } from './block-tests.js';
import { spanConditionOf } from './conditions/query-condition.js';
import { type Cursor, decodeCursor, encodeCursor, queryDigest } from './cursor.js';
import { nanosRange, oneOf, pageLimit, requireKnownFields, requireProject } from './query-input.js';
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

/** A row that was found: `place` is a number in the list of places. */
type FoundRow = [start: bigint, sequence: bigint, place: number];
type Place = { readonly file: DayFile } | { readonly hot: HotTable };

/** In order; a row that was found by two steps once. */
function merged(known: readonly FoundRow[], found: readonly FoundRow[], sort: string, order: string): FoundRow[] {
  const sign = order === 'asc' ? 1 : -1;
  const isKnown = new Set(known.map(([, sequence]) => sequence));
  return [...known, ...found.filter(([, sequence]) => !isKnown.has(sequence))].sort(([a, i], [b, j]) =>
    sort === 'start_time' && a !== b ? (a < b ? -sign : sign) : i < j ? -sign : sign,
  );
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
    if (sort === 'start_time') left = order === 'desc' ? { ...range, end: reached + 1n } : { ...range, start: reached };
  }
  const orderBy = sort === 'sequence' ? `seq ${order}` : `start_ns ${order}, seq ${order}`;
  const options: SourceOptions = { projectKey: project.key, range };

  return engine.withSnapshot(async (snapshot) => {
    const test = condition === undefined ? undefined : spanConditionOf(snapshot, project, range, condition, sql);
    if (test !== undefined) conditions.push(test.sql);
    const where = conditions.join(' AND ');
    /** Where the rows that are found stand: their number tells from which. */
    const places: Place[] = [];
    let rows: FoundRow[] = [];
    const find = async (sources: readonly { place: Place; source: string }[], together: boolean) => {
      if (sources.length === 0) return;
      const parts = sources.map(({ place, source }) => {
        places.push(place);
        return `SELECT *, ${places.length - 1} AS place FROM (${source})`;
      });
      // What looks at other spans is found once, not for each source.
      const all = together ? [parts.join(' UNION ALL BY NAME ')] : parts;
      const first = `ORDER BY ${orderBy} LIMIT ${limit + 1}`;
      const found = await engine.query(
        `SELECT * FROM (${all.map((part) => `(SELECT start_ns, seq, place FROM (${part}) WHERE ${where} ${first})`).join(' UNION ALL ')}) ${first}`,
        sql.parameters,
      );
      rows = merged(rows, found as FoundRow[], sort, order).slice(0, limit + 1);
    };
    const hot = snapshot.hot.map((table) => ({ place: { hot: table }, source: snapshot.hotSource(table, options) }));
    const ofFile = (file: DayFile, times?: readonly TimeSpan[]) => ({
      place: { file },
      source: snapshot.daySource(file, options, times),
    });
    if (test?.ofOneSpan === false) {
      await find([...snapshot.daysIn(range).map((file) => ofFile(file)), ...hot], true);
    } else {
      const tests = [...testsOfFilters(filters), ...(test === undefined ? [] : testsOfCondition(test.expression))];
      const isSelective = sort === 'sequence' || SELECTIVE.some((name) => filters?.[name] !== undefined);
      const isFiltered = filters !== undefined || test !== undefined;
      const question = { key: project.key, range: left, order, tests, rows: limit + 1, isFiltered, isSelective };
      const plan = steps(engine, snapshot, question);
      let step = await plan.next(0);
      for (let isFirst = true; !step.done; isFirst = false) {
        const { stretches, isFinal } = step.value;
        await find([...(isFirst ? hot : []), ...stretches.map(({ file, times }) => ofFile(file, times))], false);
        // The rows may include some that rows of blocks not read yet come before.
        if (rows.length > limit && isFinal(rows[limit]![0])) break;
        step = await plan.next(rows.length);
      }
    }
    const page = rows.slice(0, limit);
    const items = await restored(engine, snapshot, project.key, page, places);
    const last = page.at(-1);
    const nextCursor =
      rows.length > limit && last !== undefined
        ? encodeCursor({ query: digest, sort, order, value: String(last[0]), id: String(last[1]) })
        : undefined;
    return { items, nextCursor };
  });
}

/** The rows in their order, with all that is stored of them. One that was deleted meanwhile is left out. */
async function restored(
  engine: StoreEngine,
  snapshot: Snapshot,
  key: bigint,
  rows: readonly FoundRow[],
  places: readonly Place[],
): Promise<StoredSpan[]> {
  if (rows.length === 0) return [];
  const byPlace = new Map<DayFile | HotTable, FoundRow[]>();
  for (const row of rows) {
    const place = places[row[2]]!;
    const source = 'file' in place ? place.file : place.hot;
    const ofSource = byPlace.get(source);
    if (ofSource === undefined) byPlace.set(source, [row]);
    else ofSource.push(row);
  }
  const parts = Array.from(byPlace, ([source, ofSource]) => {
    // The database finds by times what it needs not read; a list of sequences it compares with all that it has read.
    const times = stretchesOf(ofSource.map(([start]) => ({ first: start, last: start })));
    const from = 'file' in source ? snapshot.daySource(source, { projectKey: key }, times) : `FROM ${source.table}`;
    return `SELECT ${RESTORE_SELECT} FROM (${from}) WHERE seq IN (${ofSource.map(([, sequence]) => sequence).join(', ')})`;
  });
  const restorer = new SpanRestorer();
  const spans = new Map<bigint, StoredSpan>();
  for (const row of await engine.query(parts.join(' UNION ALL ')))
    spans.set(row[RESTORE_SEQUENCE] as bigint, restorer.restore(row));
  return rows.map(([, sequence]) => spans.get(sequence)).filter((span) => span !== undefined);
}
