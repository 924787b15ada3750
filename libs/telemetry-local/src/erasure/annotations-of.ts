/** Deletes what `meta.duckdb` holds of spans or a project that are being deleted, within a change of it.   Control path: eraser -> [annotations-of]. */
import type { ProjectRef } from '@cogniverse/foundation/telemetry';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { SqlParameters } from '../database.js';
import type { DayFile } from '../day-file.js';
import { rowsOf } from '../meta/meta-database.js';
import type { SpanCondition } from './span-condition.js';

const OF_PROJECT = 'tenant_id IS NOT DISTINCT FROM $tenant::VARCHAR AND project = $project';

async function run(connection: DuckDBConnection, statement: string, parameters: SqlParameters): Promise<number> {
  const result = await connection.runAndReadAll(statement, parameters);
  return Number(result.getRows()[0]?.[0] ?? 0);
}

/** Tells projects of all tenants apart; no part of it is null. */
const PROJECT_KEY = "tenant_id IS NULL, coalesce(tenant_id, ''), project";

/**
 * Annotations of the spans of one day file that are about to go, and of the traces and sessions of which none is left then, in `all` the files.
 * Gives their number.
 */
export function deleteAnnotationsOfSpans(
  connection: DuckDBConnection,
  file: DayFile,
  all: readonly DayFile[],
  gone: SpanCondition,
): Promise<number> {
  const leaving = (id: string) => `SELECT ${PROJECT_KEY}, ${id} FROM ${file.catalog}.spans WHERE ${gone.sql}`;
  const staying = (id: string, isAnnotated: string) =>
    all
      .map(({ day, catalog }) => {
        const stays = day === file.day ? `(${gone.sql}) IS NOT TRUE` : 'true';
        return `SELECT ${PROJECT_KEY}, ${id} FROM ${catalog}.spans WHERE ${isAnnotated} AND ${stays}`;
      })
      .join(' UNION ALL ');
  const annotated = (target: string, id: string) =>
    `IN (SELECT ${id} FROM meta.target_annotations WHERE target = '${target}')`;
  const withoutSpans = (target: string, id: string, isAnnotated: string) =>
    `(target = '${target}' AND (${PROJECT_KEY}, target_id) IN (SELECT * FROM (${leaving(id)}) EXCEPT SELECT * FROM (${staying(id, isAnnotated)})))`;
  return run(
    connection,
    `DELETE FROM meta.target_annotations WHERE
       (target IN ('span', 'document') AND (${PROJECT_KEY}, target_id) IN (${leaving('lower(hex(span_id))')}))
       OR ${withoutSpans('trace', 'lower(hex(trace_id))', `trace_id ${annotated('trace', 'unhex(target_id)')}`)}
       OR ${withoutSpans('session', 'session_id', `session_id ${annotated('session', 'target_id')}`)}`,
    gone.parameters,
  );
}

/** Whatever table names the project. Gives the number of rows, by table. */
export async function deleteRowsOfProject(
  connection: DuckDBConnection,
  project: ProjectRef,
): Promise<Record<string, number>> {
  const tables = await connection.runAndReadAll(
    "SELECT table_name FROM duckdb_columns() WHERE database_name = 'meta' AND column_name = 'project' ORDER BY table_name",
  );
  const deleted: Record<string, number> = {};
  for (const [table] of tables.getRows() as [string][]) {
    const parameters = { tenant: project.tenantId, project: project.name };
    deleted[rowsOf(table)] = await run(connection, `DELETE FROM meta."${table}" WHERE ${OF_PROJECT}`, parameters);
  }
  return deleted;
}
