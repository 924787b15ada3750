/**
 * Finds traces, a page at a time.   Read path: store -> [trace-query] -> snapshot -> DuckDB.
 *
 * A trace is found if any of its spans starts in the range (and, when asked for, belongs to the session); what is said of it is of all its spans.
 */
import type { Page, StoreTraceQuery, TraceRecord } from '@cogniverse/foundation/telemetry';
import type { StoreEngine } from '../engine.js';
import { projectKey } from '../project-key.js';
import { traceConditionOf } from './conditions/query-condition.js';
import { type Cursor, decodeCursor, encodeCursor, queryDigest } from './cursor.js';
import { TRACE_LATENCY_NANOS } from './project-query.js';
import { nanosRange, oneOf, pageLimit, requireKnownFields, requireProject, textList } from './query-input.js';
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
] as const satisfies readonly (keyof StoreTraceQuery)[];
const SORTS = ['start_time', 'latency'] as const;
const ORDERS = ['desc', 'asc'] as const;
const KEYS = { start_time: /^\d{1,19}$/, latency: /^-?\d{1,19}$/ };
const TRACE_ID = /^[0-9a-f]{32}$/;

type TraceRow = [
  id: string,
  start: bigint,
  end: bigint,
  latency: number,
  spans: bigint,
  errors: bigint,
  rootName: string | null,
  rootSpan: string | null,
  session: string | null,
  prompt: number,
  completion: number,
  sortKey: bigint,
];

function afterCursor(cursor: Cursor): string {
  const beyond = cursor.order === 'desc' ? '<' : '>';
  return `(sort_key ${beyond} ${cursor.value} OR (sort_key = ${cursor.value} AND id ${beyond} '${cursor.id}'))`;
}

/** Errors: `InvalidQueryError` for what cannot be asked, `BackendUnavailableError` if it took too long. */
export async function queryTraces(engine: StoreEngine, query: StoreTraceQuery): Promise<Page<TraceRecord>> {
  requireKnownFields(query, FIELDS, '');
  const ref = requireProject(query.project);
  const { key } = projectKey(ref);
  const limit = pageLimit(query.limit, 100);
  const sort = oneOf(query.sort ?? 'start_time', SORTS, 'sort');
  const order = oneOf(query.order ?? 'desc', ORDERS, 'order');
  const range = nanosRange(query);
  const sql = new SqlBuilder();
  const project = projectCondition(ref, sql);
  const sessions = query.sessionId === undefined ? undefined : textList(query.sessionId, 'sessionId');
  const { condition } = query;
  const digest = queryDigest({ key, ...range, sessions, condition });
  const after =
    query.cursor === undefined
      ? 'true'
      : afterCursor(decodeCursor(query.cursor, { query: digest, sort, order, value: KEYS[sort], id: TRACE_ID }));
  const restricted = sessions !== undefined || range.start !== undefined || range.end !== undefined;

  return engine.withSnapshot(async (snapshot) => {
    const fulfils = condition === undefined ? 'true' : traceConditionOf(snapshot, projectKey(ref), condition, sql);
    const inSession = sessions === undefined ? 'true' : sql.anyOf('session_id', sessions);
    const found = restricted
      ? `SEMI JOIN (SELECT DISTINCT trace_id FROM (${snapshot.source({ projectKey: key, range })}) WHERE ${project} AND ${inSession}) USING (trace_id)`
      : '';
    const rows = await engine.query(
      `SELECT * FROM (
         SELECT lower(hex(trace_id)) AS id, min(start_ns) AS first_ns, max(end_ns) AS last_ns, ${TRACE_LATENCY_NANOS} / 1e6 AS latency,
           count(*), count(*) FILTER (WHERE status = 2),
           arg_min(name, (start_ns, seq)) FILTER (WHERE parent_id IS NULL),
           lower(hex(arg_min(span_id, (start_ns, seq)) FILTER (WHERE parent_id IS NULL))),
           arg_min(session_id, (start_ns, seq)) FILTER (WHERE session_id IS NOT NULL),
           coalesce(sum(tokens_prompt), 0), coalesce(sum(tokens_completion), 0),
           ${sort === 'latency' ? TRACE_LATENCY_NANOS : 'min(start_ns)'} AS sort_key
         FROM (SELECT * FROM (${snapshot.source({ projectKey: key })}) WHERE ${project} AND ${fulfils}) ${found}
         GROUP BY trace_id)
       WHERE ${after} ORDER BY sort_key ${order}, id ${order} LIMIT ${limit + 1}`,
      sql.parameters,
    );
    const page = (rows as TraceRow[]).slice(0, limit);
    const last = page.at(-1);
    return {
      items: page.map(
        ([traceId, start, end, latency, spans, errors, rootName, rootSpan, session, prompt, completion]) => ({
          traceId,
          project: ref.name,
          tenantId: ref.tenantId ?? undefined,
          startTimeUnixNano: start,
          endTimeUnixNano: end,
          latencyMillis: latency,
          spanCount: Number(spans),
          errorCount: Number(errors),
          rootName: rootName ?? undefined,
          rootSpanId: rootSpan ?? undefined,
          sessionId: session ?? undefined,
          tokenCountPrompt: prompt,
          tokenCountCompletion: completion,
        }),
      ),
      nextCursor:
        rows.length > limit && last !== undefined
          ? encodeCursor({ query: digest, sort, order, value: String(last[11]), id: last[0] })
          : undefined,
    };
  });
}
