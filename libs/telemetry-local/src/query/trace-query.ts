/**
 * Finds traces, a page at a time.   Read path: store -> [trace-query] -> snapshot -> DuckDB.
 *
 * A trace is found if any of its spans starts in the range (and, when asked for, belongs to the session); what is said of it is of all its spans.
 */
import type { Page, StoreTraceQuery, TraceRecord } from '@cogniverse/foundation/telemetry';
import type { SqlRows } from '../database.js';
import type { StoreEngine } from '../engine.js';
import { projectKey } from '../project-key.js';
import type { SourceOptions } from '../snapshot.js';
import { steps, stretches } from './block-steps.js';
import { testOfSessions, testOfTraces } from './block-tests.js';
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

/** Traces that are looked at beyond those of the page, because their order by all their spans may differ from that by the spans that were seen; and how many times more if that is not enough. */
const SPARE_TRACES = 20;
const MORE_TRACES = 4;

/** Place of `sort_key` in a row. */
const SORT_KEY = 11;

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
  const cursor =
    query.cursor === undefined
      ? undefined
      : decodeCursor(query.cursor, { query: digest, sort, order, value: KEYS[sort], id: TRACE_ID });
  const after = cursor === undefined ? 'true' : afterCursor(cursor);
  const restricted = sessions !== undefined || range.start !== undefined || range.end !== undefined;

  return engine.withSnapshot(async (snapshot) => {
    const fulfils = condition === undefined ? 'true' : traceConditionOf(snapshot, projectKey(ref), condition, sql);
    const inSession = sessions === undefined ? 'true' : sql.anyOf('session_id', sessions);
    const inFound = (sources: readonly string[]) =>
      `SEMI JOIN (SELECT trace_id FROM (${sources.join(' UNION ALL BY NAME ')}) WHERE ${project} AND ${inSession}) USING (trace_id)`;
    const pageOf = (spans: string, parameters = sql.parameters) =>
      engine.query(
        `SELECT * FROM (
         SELECT lower(hex(trace_id)) AS id, min(start_ns) AS first_ns, max(end_ns) AS last_ns, ${TRACE_LATENCY_NANOS} / 1e6 AS latency,
           count(*), count(*) FILTER (WHERE status = 2),
           arg_min(name, (start_ns, seq)) FILTER (WHERE parent_id IS NULL),
           lower(hex(arg_min(span_id, (start_ns, seq)) FILTER (WHERE parent_id IS NULL))),
           arg_min(session_id, (start_ns, seq)) FILTER (WHERE session_id IS NOT NULL),
           coalesce(sum(tokens_prompt), 0), coalesce(sum(tokens_completion), 0),
           ${sort === 'latency' ? TRACE_LATENCY_NANOS : 'min(start_ns)'} AS sort_key
         FROM (${spans})
         GROUP BY trace_id)
       WHERE ${after} ORDER BY sort_key ${order}, id ${order} LIMIT ${limit + 1}`,
        parameters,
      );
    /** All spans of the traces that are found, wherever they are. */
    const spansOf = (found: string) =>
      `SELECT * FROM (SELECT * FROM (${snapshot.source({ projectKey: key })}) WHERE ${project} AND ${fulfils}) ${found}`;
    const options: SourceOptions = { projectKey: key, range };
    /** As far as a trace of this page may have its first span: it is found by that one, or by a span that comes before it. */
    const reached = cursor === undefined || restricted || order === 'asc' ? undefined : BigInt(cursor.value);
    const hot = snapshot.hot.map((table) => snapshot.hotSource(table, options));
    const tests = sessions === undefined ? [] : [testOfSessions(sessions)];
    const plan = steps(engine, snapshot, {
      key,
      range: reached === undefined ? range : { ...range, end: reached + 1n },
      order,
      tests,
      rows: limit + 1,
      isFiltered: true,
      isSelective: tests.length > 0,
    });
    const sources = [...hot];
    let rows: SqlRows = [];
    // What is not read yet bounds the start of a trace from above whatever the traces are found by; from below only if any span finds its trace.
    if (sort !== 'start_time' || (order === 'asc' && restricted)) {
      rows = await pageOf(spansOf(restricted ? inFound(snapshot.sources(options)) : ''));
    } else if (condition === undefined && (cursor === undefined || reached !== undefined)) {
      for (let step = await plan.next(0); !step.done; step = await plan.next(rows.length)) {
        const { stretches: times, isFinal } = step.value;
        sources.push(...times.map((of) => snapshot.daySource(of.file, options, of.times)));
        if (sources.length === 0) continue;
        let isComplete = false;
        for (let most = limit + SPARE_TRACES; !isComplete; most *= MORE_TRACES) {
          // By the starts that were seen; the first span of a trace may be earlier than these.
          const seen = (await engine.query(
            `SELECT lower(hex(trace_id)), min(start_ns) AS first_ns FROM (${sources.join(' UNION ALL BY NAME ')})
             WHERE ${project} AND ${inSession} ${reached === undefined ? '' : `AND start_ns <= ${reached}`}
             GROUP BY trace_id ORDER BY first_ns ${order} LIMIT ${most}`,
            sql.parameters,
          )) as [string, bigint][];
          if (seen.length === 0) break;
          const ids = seen.map(([id]) => id);
          const whole = await stretches(engine, snapshot, { key, range: {}, tests: [testOfTraces(ids)] });
          const all = { projectKey: key };
          const parts = [
            ...whole.map((of) => snapshot.daySource(of.file, all, of.times)),
            ...snapshot.hot.map((table) => snapshot.hotSource(table, all)),
          ];
          // A statement takes no value that it does not use: those of the sessions are in the one above.
          const ofTraces = new SqlBuilder();
          rows = await pageOf(
            `SELECT * FROM (${parts.join(' UNION ALL BY NAME ')}) WHERE ${projectCondition(ref, ofTraces)}
             AND trace_id IN (${ids.map((id) => `from_hex('${id}')`).join(', ')})`,
            ofTraces.parameters,
          );
          const enough = rows[limit]?.[SORT_KEY] as bigint | undefined;
          const [, worst] = seen.at(-1)!;
          isComplete =
            seen.length < most || (enough !== undefined && (order === 'desc' ? enough > worst : enough < worst));
        }
        if (rows.length > limit && isFinal(rows[limit]![SORT_KEY] as bigint)) break;
      }
    } else {
      for (let step = await plan.next(0); !step.done; step = await plan.next(rows.length)) {
        sources.push(...step.value.stretches.map(({ file, times }) => snapshot.daySource(file, options, times)));
        if (sources.length === 0) continue;
        rows = await pageOf(spansOf(inFound(sources)));
        if (rows.length > limit && step.value.isFinal(rows[limit]![SORT_KEY] as bigint)) break;
      }
    }
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
