/**
 * `GET /v1/projects/{p}/traces`.   Read path: client -> [traces] -> store.   Source: Phoenix 20.26.
 */

import { InvalidQueryError } from '@cogniverse/foundation/store';
import type { ProjectRef, StoredSpan, TelemetryStore } from '@cogniverse/foundation/telemetry';
import type { FastifyInstance } from 'fastify';
import { readFilter } from './filter-parameter.js';
import { opaqueId } from './opaque-id.js';
import { isoMicros, phoenixSpanSummary } from './phoenix-span.js';
import { resolveProject, TENANT_PARAMETER } from './project-resolution.js';
import { badValue, QueryParameters } from './query-parameters.js';
import { sessionIdOf } from './sessions.js';

const KNOWN = [
  'cursor',
  'limit',
  'start_time',
  'end_time',
  'sort',
  'order',
  'include_spans',
  'session_identifier',
  'filter',
  'error',
  'min_latency_ms',
  'max_latency_ms',
  TENANT_PARAMETER,
];
/** Spans that one answer with `include_spans` holds at most. */
const MAX_INCLUDED_SPANS = 20_000;
const TRACES_A_QUERY = 100;

export function registerTraces(app: FastifyInstance, store: TelemetryStore): void {
  app.get('/v1/projects/:project/traces', async (request) => {
    const query = new QueryParameters(request, KNOWN);
    const [startTime, endTime] = [query.time('start_time'), query.time('end_time')];
    const traceQuery = {
      startTime,
      endTime,
      sessionId: query.list('session_identifier')?.map(sessionIdOf),
      condition: conditionOf(query, startTime, endTime),
      sort:
        query.oneOf('sort', ['start_time', 'latency_ms'], 'start_time') === 'start_time'
          ? ('start_time' as const)
          : ('latency' as const),
      order: query.oneOf('order', ['desc', 'asc'], 'desc'),
      limit: query.integer('limit', { min: 1, max: 1000, default: 100 }),
      cursor: query.single('cursor') || undefined,
    };
    const includeSpans = query.boolean('include_spans');
    const { id: projectId, tenantId, name } = await resolveProject(store, request, query);
    const project = { tenantId, name };
    const page = await store.queryTraces({ ...traceQuery, project });
    const ids = page.items.map((trace) => trace.traceId);
    const spans = includeSpans ? await spansOfTraces(store, project, ids) : undefined;
    return {
      data: page.items.map((trace) => ({
        id: opaqueId('Trace', `${projectId}:${trace.traceId}`),
        trace_id: trace.traceId,
        project_id: opaqueId('Project', projectId),
        start_time: isoMicros(trace.startTimeUnixNano),
        end_time: isoMicros(trace.endTimeUnixNano),
        token_count_prompt: trace.tokenCountPrompt,
        token_count_completion: trace.tokenCountCompletion,
        token_count_total: trace.tokenCountPrompt + trace.tokenCountCompletion,
        latency_ms: trace.latencyMillis,
        span_count: trace.spanCount,
        error_count: trace.errorCount,
        root_name: trace.rootName ?? null,
        root_span_id: trace.rootSpanId ?? null,
        session_id: trace.sessionId ?? null,
        tenant_id: tenantId,
        spans:
          spans === undefined
            ? null
            : (spans.get(trace.traceId) ?? []).map((stored) => phoenixSpanSummary(stored, projectId)),
      })),
      next_cursor: page.nextCursor ?? null,
    };
  });
}

/** `filter`, and the older parameters that say the same. Errors: as `readFilter`. */
function conditionOf(
  query: QueryParameters,
  startTime: bigint | undefined,
  endTime: bigint | undefined,
): string | undefined {
  const filter = readFilter(query, 'trace');
  const parts = filter === undefined ? [] : [`(${filter})`];
  if (query.single('error') !== undefined) parts.push(`error_count ${query.boolean('error') ? '>' : '=='} 0`);
  for (const [name, sign] of [
    ['min_latency_ms', '>='],
    ['max_latency_ms', '<='],
  ] as const) {
    const text = query.single(name);
    if (text === undefined) continue;
    if (!/^\d{1,15}(?:\.\d{1,9})?$/.test(text)) throw badValue(name, text, 'a number of milliseconds from 0');
    parts.push(`latency_ms ${sign} ${Number(text)}`);
  }
  // A range finds traces by any of their spans; Phoenix means the start of the trace.
  if (startTime !== undefined) parts.push(`start_time >= '${isoNanos(startTime)}'`);
  if (endTime !== undefined) parts.push(`start_time < '${isoNanos(endTime)}'`);
  return parts.length === 0 ? undefined : parts.join(' and ');
}

function isoNanos(nanos: bigint): string {
  const seconds = new Date(Number(nanos / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${String(nanos % 1_000_000_000n).padStart(9, '0')}+00:00`;
}

/** All spans of the traces, each by start time. */
async function spansOfTraces(
  store: TelemetryStore,
  project: ProjectRef,
  traceIds: readonly string[],
): Promise<Map<string, StoredSpan[]>> {
  const spans = new Map<string, StoredSpan[]>(traceIds.map((id) => [id, []]));
  let count = 0;
  for (let i = 0; i < traceIds.length; i += TRACES_A_QUERY) {
    const filters = { traceId: traceIds.slice(i, i + TRACES_A_QUERY) };
    let cursor: string | undefined;
    do {
      const page = await store.querySpans({ project, filters, sort: 'start_time', order: 'asc', limit: 1000, cursor });
      count += page.items.length;
      if (count > MAX_INCLUDED_SPANS) {
        throw new InvalidQueryError(
          `"include_spans" finds more than ${MAX_INCLUDED_SPANS} spans on this page; ask for a smaller "limit".`,
        );
      }
      for (const stored of page.items) spans.get(stored.span.traceId)?.push(stored);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
  }
  return spans;
}
