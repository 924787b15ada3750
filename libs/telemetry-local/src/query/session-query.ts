/**
 * Finds sessions, a page at a time, and the turns of one.   Read path: store -> [session-query] -> snapshot -> DuckDB.
 *
 * A trace belongs to the session that its first span with a session id names, and to no other. A session is found if any span of its traces
 * starts in the range; what is said of it is of all its traces. What takes wide columns (input, output, user) is read for the page alone.
 */

import { SessionNotFoundError } from '@cogniverse/foundation/store';
import type {
  Page,
  ProjectRef,
  SessionRecord,
  SessionTurn,
  StoreSessionQuery,
  TurnContent,
} from '@cogniverse/foundation/telemetry';
import { DuckDBBlobValue } from '@duckdb/node-api';
import type { StoreEngine } from '../engine.js';
import { type ProjectKey, projectKey } from '../project-key.js';
import type { Snapshot } from '../snapshot.js';
import { wellFormed } from '../span-table.js';
import { attributeTextSql } from './attribute-condition.js';
import { sessionConditionOf } from './conditions/query-condition.js';
import { decodeCursor, encodeCursor, queryDigest } from './cursor.js';
import {
  nanosRange,
  oneOf,
  pageLimit,
  requireKnownFields,
  requireProject,
  requireText,
  textList,
} from './query-input.js';
import { projectCondition } from './span-conditions.js';
import { SqlBuilder } from './sql-builder.js';

const FIELDS = [
  'project',
  'startTime',
  'endTime',
  'sessionId',
  'condition',
  'sort',
  'order',
  'limit',
  'cursor',
] as const satisfies readonly (keyof StoreSessionQuery)[];
const SORT_KEYS = { start_time: 'start_ns', end_time: 'end_ns', sequence: 'seq' } as const;
const SORTS = ['start_time', 'end_time', 'sequence'] as const;
const ORDERS = ['desc', 'asc'] as const;
const WHOLE_NUMBER = /^\d{1,19}$/;

/** SQL: one row a trace that belongs to a session, over spans of one project. */
function tracesSql(spans: string): string {
  return `SELECT trace_id, arg_min(session_id, (start_ns, seq)) FILTER (WHERE session_id <> '') AS session_id, min(start_ns) AS start_ns,
      max(end_ns) AS end_ns, min(seq) AS seq, count(*) FILTER (WHERE status = 2) AS errors, sum(tokens_prompt) AS prompt,
      sum(tokens_completion) AS completion, sum(cost) FILTER (WHERE isfinite(cost)) AS cost
    FROM (${spans}) GROUP BY trace_id HAVING count(session_id) FILTER (WHERE session_id <> '') > 0`;
}

type SessionColumns = [
  sessionId: string,
  start: bigint,
  end: bigint,
  traces: bigint,
  failed: bigint,
  prompt: number,
  completion: number,
  cost: number | null,
  firstTrace: string,
  lastTrace: string,
  sortKey: bigint,
];

/** Errors: `InvalidQueryError` for what cannot be asked, `BackendUnavailableError` if it took too long. */
export async function listSessions(engine: StoreEngine, query: StoreSessionQuery): Promise<Page<SessionRecord>> {
  requireKnownFields(query, FIELDS, '');
  const ref = requireProject(query.project);
  const project = projectKey(ref);
  const limit = pageLimit(query.limit, 100);
  const sort = oneOf(query.sort ?? 'start_time', SORTS, 'sort');
  const order = oneOf(query.order ?? 'desc', ORDERS, 'order');
  const range = nanosRange(query);
  const ids = query.sessionId === undefined ? undefined : textList(query.sessionId, 'sessionId').map(wellFormed);
  const { condition } = query;
  const digest = queryDigest({ project: project.key, ...range, ids, condition });
  const sql = new SqlBuilder();
  const having: string[] = ['true'];
  if (query.cursor !== undefined) {
    const cursor = decodeCursor(query.cursor, { query: digest, sort, order, value: WHOLE_NUMBER, id: /^/ });
    const beyond = order === 'desc' ? '<' : '>';
    having.push(
      `(sort_key ${beyond} ${cursor.value} OR (sort_key = ${cursor.value} AND session_id ${beyond} ${sql.bind(cursor.id)}))`,
    );
  }
  return engine.withSnapshot(async (snapshot) => {
    const ofProject = projectCondition(ref, sql);
    const fulfils = condition === undefined ? 'true' : sessionConditionOf(snapshot, project, condition, sql);
    const source = (inRange: boolean) =>
      `SELECT * FROM (${snapshot.source({ projectKey: project.key, ...(inRange ? { range } : {}) })}) WHERE ${ofProject}`;
    const chosen = ids === undefined ? 'true' : sql.anyOf('session_id', ids);
    // Only traces that can be of these sessions are put together.
    const spans =
      ids === undefined
        ? source(false)
        : `SELECT * FROM (${source(false)}) SEMI JOIN (SELECT DISTINCT trace_id FROM (${source(false)}) WHERE ${chosen}) USING (trace_id)`;
    const restricted = range.start !== undefined || range.end !== undefined;
    const inRange = restricted
      ? `SEMI JOIN (SELECT DISTINCT t.session_id FROM traces t SEMI JOIN (SELECT DISTINCT trace_id FROM (${source(true)})) USING (trace_id)) USING (session_id)`
      : '';
    const rows = (await engine.query(
      `WITH traces AS (${tracesSql(spans)})
       SELECT * FROM (
         SELECT session_id, min(start_ns), max(end_ns), count(*), count(*) FILTER (WHERE errors > 0), coalesce(sum(prompt), 0),
           coalesce(sum(completion), 0), sum(cost), lower(hex(arg_min(trace_id, (start_ns, seq)))),
           lower(hex(arg_max(trace_id, (start_ns, seq)))), ${sort === 'end_time' ? 'max' : 'min'}(${SORT_KEYS[sort]}) AS sort_key
         FROM traces ${inRange} WHERE ${chosen} AND ${fulfils} GROUP BY session_id)
       WHERE ${having.join(' AND ')} ORDER BY sort_key ${order}, session_id ${order} LIMIT ${limit + 1}`,
      sql.parameters,
    )) as SessionColumns[];
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const ends = await rootContents(engine, snapshot, project, [...new Set(page.flatMap((row) => [row[8], row[9]]))]);
    const users = await usersOf(
      engine,
      snapshot,
      project,
      page.map((row) => row[0]),
    );
    return {
      items: page.map(([sessionId, start, end, traces, failed, prompt, completion, cost, first, latest]) => ({
        id: sessionRecordId(project, sessionId),
        sessionId,
        project: ref.name,
        tenantId: ref.tenantId ?? undefined,
        startTimeUnixNano: start,
        endTimeUnixNano: end,
        traceCount: Number(traces),
        errorCount: Number(failed),
        tokenCountPrompt: prompt,
        tokenCountCompletion: completion,
        costTotal: cost ?? undefined,
        userId: users.get(sessionId),
        firstInput: ends.get(first)?.input?.value,
        lastOutput: ends.get(latest)?.output?.value,
      })),
      nextCursor:
        rows.length > limit && last !== undefined
          ? encodeCursor({ query: digest, sort, order, value: String(last[10]), id: last[0] })
          : undefined,
    };
  });
}

/** `<id of the project>:<session id>`. */
export function sessionRecordId(project: ProjectKey, sessionId: string): string {
  return `${project.id}:${sessionId}`;
}

/** Of all traces that belong to these sessions, as 32 hexadecimal digits. */
export async function traceIdsOfSessions(
  engine: StoreEngine,
  ref: ProjectRef,
  sessionIds: readonly string[],
): Promise<string[]> {
  const project = projectKey(ref);
  const sql = new SqlBuilder();
  return engine.withSnapshot(async (snapshot) => {
    const source = `SELECT * FROM (${snapshot.source({ projectKey: project.key })}) WHERE ${projectCondition(ref, sql)}`;
    const chosen = sql.anyOf('session_id', sessionIds.map(wellFormed));
    const spans = `SELECT * FROM (${source}) SEMI JOIN (SELECT DISTINCT trace_id FROM (${source}) WHERE ${chosen}) USING (trace_id)`;
    const rows = await engine.query(
      `SELECT lower(hex(trace_id)) FROM (${tracesSql(spans)}) WHERE ${chosen}`,
      sql.parameters,
    );
    return (rows as [string][]).map(([traceId]) => traceId);
  });
}

type TurnColumns = [
  traceId: string,
  start: bigint,
  end: bigint,
  errors: bigint,
  prompt: number | null,
  completion: number | null,
];

/** A page of the traces of one session, the oldest first. Errors: `SessionNotFoundError` where there is none, as for `listSessions`. */
export async function getSessionTurns(
  engine: StoreEngine,
  query: { project: ProjectRef; sessionId: string; limit?: number | undefined; cursor?: string | undefined },
): Promise<Page<SessionTurn>> {
  requireKnownFields(query, ['project', 'sessionId', 'limit', 'cursor'], '');
  const ref = requireProject(query.project);
  const project = projectKey(ref);
  const sessionId = wellFormed(requireText(query.sessionId, 'sessionId'));
  const limit = pageLimit(query.limit, 100);
  const digest = queryDigest({ project: project.key, sessionId });
  const sql = new SqlBuilder();
  const after =
    query.cursor === undefined
      ? undefined
      : decodeCursor(query.cursor, {
          query: digest,
          sort: 'start_time',
          order: 'asc',
          value: WHOLE_NUMBER,
          id: /^[0-9a-f]{32}$/,
        });
  return engine.withSnapshot(async (snapshot) => {
    const condition = projectCondition(ref, sql);
    const session = sql.bind(sessionId);
    const source = `SELECT * FROM (${snapshot.source({ projectKey: project.key })}) WHERE ${condition}`;
    const spans = `SELECT * FROM (${source}) SEMI JOIN (SELECT DISTINCT trace_id FROM (${source}) WHERE session_id = ${session}) USING (trace_id)`;
    const beyond =
      after === undefined
        ? 'true'
        : `(start_ns > ${after.value} OR (start_ns = ${after.value} AND lower(hex(trace_id)) > '${after.id}'))`;
    const rows = (await engine.query(
      `SELECT lower(hex(trace_id)), start_ns, end_ns, errors, prompt, completion FROM (${tracesSql(spans)})
       WHERE session_id = ${session} AND ${beyond} ORDER BY start_ns, trace_id LIMIT ${limit + 1}`,
      sql.parameters,
    )) as TurnColumns[];
    if (rows.length === 0 && after === undefined) {
      throw new SessionNotFoundError(`Project "${ref.name}" has no session "${shownId(sessionId)}".`);
    }
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const contents = await rootContents(
      engine,
      snapshot,
      project,
      page.map(([traceId]) => traceId),
    );
    return {
      items: page.map(([traceId, start, end, errors, prompt, completion]) => {
        const root = contents.get(traceId);
        return {
          traceId,
          startTimeUnixNano: start,
          endTimeUnixNano: end,
          errorCount: Number(errors),
          rootSpanId: root?.spanId,
          rootName: root?.name,
          input: root?.input,
          output: root?.output,
          tokenCountPrompt: prompt ?? 0,
          tokenCountCompletion: completion ?? 0,
        };
      }),
      nextCursor:
        rows.length > limit && last !== undefined
          ? encodeCursor({ query: digest, sort: 'start_time', order: 'asc', value: String(last[1]), id: last[0] })
          : undefined,
    };
  });
}

function shownId(id: string): string {
  return id.length > 100 ? `${id.slice(0, 100)}...` : id;
}

interface RootContent {
  readonly spanId: string;
  readonly name: string;
  readonly input: TurnContent | undefined;
  readonly output: TurnContent | undefined;
}

/**
 * What went into the root of each trace, and came out. The root is the earliest span without a parent; where there is none, the earliest whose parent is
 * not in the trace: it is in another process, or it has not arrived.
 */
async function rootContents(
  engine: StoreEngine,
  snapshot: Snapshot,
  project: ProjectKey,
  traceIds: readonly string[],
): Promise<Map<string, RootContent>> {
  if (traceIds.length === 0) return new Map();
  const sql = new SqlBuilder();
  const condition = projectCondition(project, sql);
  const ids = sql.anyOf(
    'trace_id',
    traceIds.map((id) => new DuckDBBlobValue(Buffer.from(id, 'hex'))),
  );
  const textOf = (key: string) => {
    const text = attributeTextSql(key, sql);
    return `CASE WHEN ${text}[1] IN ('s', 'i', 'd') THEN substr(${text}, 2) WHEN ${text}[1] = 'b' THEN (${text} = 'b1')::VARCHAR END`;
  };
  const rows = await engine.query(
    `WITH spans AS (SELECT * FROM (${snapshot.source({ projectKey: project.key })}) WHERE ${condition} AND ${ids}),
     roots AS (
       SELECT s.* FROM spans s WHERE s.parent_id IS NULL
         OR NOT EXISTS (SELECT 1 FROM spans p WHERE p.trace_id = s.trace_id AND p.span_id = s.parent_id)
       QUALIFY row_number() OVER (PARTITION BY s.trace_id ORDER BY s.parent_id IS NOT NULL, s.start_ns, s.seq) = 1)
     SELECT lower(hex(trace_id)), lower(hex(span_id)), name, ${textOf('input.value')}, ${textOf('input.mime_type')},
       ${textOf('output.value')}, ${textOf('output.mime_type')} FROM roots`,
    sql.parameters,
  );
  const content = (value: string | null, mimeType: string | null): TurnContent | undefined =>
    value === null ? undefined : { value, mimeType: mimeType ?? undefined };
  return new Map(
    (rows as [string, string, string, ...(string | null)[]][]).map(
      ([traceId, spanId, name, input = null, inputType = null, output = null, outputType = null]) => [
        traceId,
        { spanId, name, input: content(input, inputType), output: content(output, outputType) },
      ],
    ),
  );
}

/** The first `user.id` among the spans of each session's traces. */
async function usersOf(
  engine: StoreEngine,
  snapshot: Snapshot,
  project: ProjectKey,
  sessionIds: readonly string[],
): Promise<Map<string, string>> {
  if (sessionIds.length === 0) return new Map();
  const sql = new SqlBuilder();
  const source = `SELECT * FROM (${snapshot.source({ projectKey: project.key })}) WHERE ${projectCondition(project, sql)}`;
  const chosen = sql.anyOf('session_id', sessionIds);
  const user = attributeTextSql('user.id', sql);
  const rows = await engine.query(
    `WITH spans AS (SELECT * FROM (${source}) SEMI JOIN (SELECT DISTINCT trace_id FROM (${source}) WHERE ${chosen}) USING (trace_id))
     SELECT t.session_id, arg_min(substr(s.user_id, 2), (s.start_ns, s.seq))
     FROM (SELECT trace_id, start_ns, seq, ${user} AS user_id FROM spans) s JOIN (${tracesSql('FROM spans')}) t ON t.trace_id = s.trace_id
     WHERE s.user_id[1] IN ('s', 'i') AND length(s.user_id) > 1 GROUP BY t.session_id`,
    sql.parameters,
  );
  return new Map(rows as [string, string][]);
}
