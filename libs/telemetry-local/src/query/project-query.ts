/**
 * Tenants, projects, and statistics over the traces of each project.   Read path: store -> [project-query] -> snapshot -> DuckDB.
 */

import { InvalidQueryError } from '@cogniverse/foundation/store';
import type {
  LocatedId,
  ProjectRecord,
  ProjectStatistics,
  StoreCalls,
  TelemetryStore,
  TenantSummary,
} from '@cogniverse/foundation/telemetry';
import { DuckDBBlobValue } from '@duckdb/node-api';
import type { StoreEngine } from '../engine.js';
import { keyOfProjectId, projectKey } from '../project-key.js';
import { wellFormed } from '../span-table.js';
import { hexId, nanosRange, requireText, shown, textList } from './query-input.js';
import { tenantCondition } from './span-conditions.js';
import { SqlBuilder } from './sql-builder.js';

/** SQL over the rows of one trace: its latency in nanoseconds, of its earliest root, without a root of all its spans. */
export const TRACE_LATENCY_NANOS =
  'coalesce(arg_min(end_ns - start_ns, (start_ns, seq)) FILTER (WHERE parent_id IS NULL), max(end_ns) - min(start_ns))';

type ProjectRow = [string | null, string, bigint, bigint, bigint, bigint];

async function projectsWhere(engine: StoreEngine, key: bigint | undefined, where: string, sql: SqlBuilder) {
  return engine.withSnapshot(async (snapshot) => {
    const rows = await engine.query(
      `SELECT tenant_id, project, sum(spans)::BIGINT, count(*), min(first_ns), max(last_ns) FROM (
         SELECT tenant_id, project, trace_id, count(*) AS spans, min(start_ns) AS first_ns, max(end_ns) AS last_ns
         FROM (${snapshot.source({ projectKey: key })}) WHERE ${where} GROUP BY tenant_id, project, trace_id)
       GROUP BY tenant_id, project ORDER BY tenant_id NULLS FIRST, project`,
      sql.parameters,
    );
    return (rows as ProjectRow[]).map(
      ([tenantId, name, spanCount, traceCount, first, last]): ProjectRecord => ({
        id: projectKey({ tenantId, name }).id,
        tenantId,
        name,
        spanCount: Number(spanCount),
        traceCount: Number(traceCount),
        firstSpanUnixNano: first,
        lastSpanUnixNano: last,
        description: '',
      }),
    );
  });
}

export function listProjects(
  engine: StoreEngine,
  query: Parameters<TelemetryStore['listProjects']>[0],
): Promise<ProjectRecord[]> {
  const sql = new SqlBuilder();
  const conditions = [tenantCondition(query?.tenantId, sql)];
  if (query?.name !== undefined) conditions.push(`project = ${sql.bind(requireText(query.name, 'name'))}`);
  return projectsWhere(engine, undefined, conditions.join(' AND '), sql);
}

export async function getProjectById(engine: StoreEngine, id: string): Promise<ProjectRecord | undefined> {
  const key = keyOfProjectId(requireText(id, 'id'));
  if (key === undefined) return undefined;
  const projects = await projectsWhere(engine, key, 'true', new SqlBuilder());
  return projects.find((project) => project.id === id);
}

export async function listTenants(engine: StoreEngine): Promise<TenantSummary[]> {
  return engine.withSnapshot(async (snapshot) => {
    const rows = await engine.query(
      `SELECT tenant_id, count(DISTINCT project), count(*) FROM (${snapshot.source({})})
       GROUP BY tenant_id ORDER BY tenant_id NULLS FIRST`,
    );
    return (rows as [string | null, bigint, bigint][]).map(([tenantId, projects, spans]) => ({
      tenantId,
      projectCount: Number(projects),
      spanCount: Number(spans),
    }));
  });
}

/**
 * Which projects hold the spans, traces or sessions of the given ids: for callers that name no project. An id may be in several projects, and of several tenants.
 *
 * Errors: `InvalidQueryError` unless ids of exactly one kind are given.
 */
export async function locate(engine: StoreEngine, query: Parameters<StoreCalls['locate']>[0]): Promise<LocatedId[]> {
  const { tenantId, spanIds, traceIds, sessionIds } = query;
  const kinds = [spanIds, traceIds, sessionIds].filter((ids) => ids !== undefined);
  if (kinds.length !== 1) throw new InvalidQueryError('Give one of spanIds, traceIds and sessionIds.');
  const sql = new SqlBuilder();
  const tenant = tenantCondition(tenantId, sql);
  const blobs = (ids: readonly string[], bytes: number, field: string) =>
    textList(ids, field).map((id) => new DuckDBBlobValue(Buffer.from(hexId(id, bytes, field), 'hex')));
  let [id, condition] = [
    'session_id',
    sql.anyOf('session_id', textList(sessionIds ?? [], 'sessionIds').map(wellFormed)),
  ];
  if (spanIds !== undefined)
    [id, condition] = ['lower(hex(span_id))', sql.anyOf('span_id', blobs(spanIds, 8, 'spanIds'))];
  if (traceIds !== undefined)
    [id, condition] = ['lower(hex(trace_id))', sql.anyOf('trace_id', blobs(traceIds, 16, 'traceIds'))];
  return engine.withSnapshot(async (snapshot) => {
    const rows = await engine.query(
      `SELECT DISTINCT ${id}, tenant_id, project FROM (${snapshot.source({})}) WHERE ${tenant} AND ${condition}
       ORDER BY ALL NULLS FIRST`,
      sql.parameters,
    );
    return (rows as [string, string | null, string][]).map(([located, owner, name]) => ({
      id: located,
      project: { tenantId: owner, name },
    }));
  });
}

type StatisticsRow = [string | null, string, bigint, bigint, number, number, number, number, number];

export async function getStatistics(
  engine: StoreEngine,
  query: Parameters<TelemetryStore['getStatistics']>[0],
): Promise<ProjectStatistics[]> {
  if (typeof query !== 'object' || query === null) {
    throw new InvalidQueryError(`The query is ${shown(query)}; it must be an object.`);
  }
  const sql = new SqlBuilder();
  const where = tenantCondition(query.tenantId, sql);
  const range = nanosRange(query);
  return engine.withSnapshot(async (snapshot) => {
    const rows = await engine.query(
      `SELECT tenant_id, project, spans, traces, error_rate, latency[1], latency[2], latency[3], mean FROM (
         SELECT tenant_id, project, sum(spans)::BIGINT AS spans, count(*) AS traces, avg(error) AS error_rate,
           quantile_cont(millis, [0.5, 0.95, 0.99]) AS latency, avg(millis) AS mean FROM (
           SELECT tenant_id, project, trace_id, count(*) AS spans, max((status = 2)::INTEGER) AS error, ${TRACE_LATENCY_NANOS} / 1e6 AS millis
           FROM (${snapshot.source({ range })}) WHERE ${where} GROUP BY tenant_id, project, trace_id)
         GROUP BY tenant_id, project)
       ORDER BY tenant_id NULLS FIRST, project`,
      sql.parameters,
    );
    return (rows as StatisticsRow[]).map(
      ([tenantId, name, spans, traces, errorRate, p50, p95, p99, mean]): ProjectStatistics => ({
        project: { tenantId, name },
        spanCount: Number(spans),
        traceCount: Number(traces),
        errorRate,
        latencyP50Millis: p50,
        latencyP95Millis: p95,
        latencyP99Millis: p99,
        latencyMeanMillis: mean,
      }),
    );
  });
}
