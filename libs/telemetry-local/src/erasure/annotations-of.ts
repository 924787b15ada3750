/** Deletes what `meta.duckdb` holds of spans or a project that are being deleted, within a change of it.   Control path: eraser -> [annotations-of]. */
import type { ProjectRef } from '@cogniverse/foundation/telemetry';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { SqlParameters } from '../database.js';
import type { DayFile } from '../day-files.js';
import { rowsOf } from '../meta/meta-database.js';
import type { SpanCondition } from './span-condition.js';

const OF_PROJECT = 'tenant_id IS NOT DISTINCT FROM $tenant::VARCHAR AND project = $project';

async function run(connection: DuckDBConnection, statement: string, parameters: SqlParameters): Promise<number> {
  const result = await connection.runAndReadAll(statement, parameters);
  return Number(result.getRows()[0]?.[0] ?? 0);
}

/**
 * Annotations of the spans of one day file that are about to go, and of the traces and sessions of which none is left then, in `all` the files.
 * Gives their number.
 */
export function deleteAnnotationsOfSpans(
  connection: DuckDBConnection,
  project: ProjectRef,
  file: DayFile,
  all: readonly DayFile[],
  gone: SpanCondition,
): Promise<number> {
  const leaving = (column: string) => `SELECT ${column} FROM ${file.catalog}.spans WHERE ${gone.sql}`;
  const staying = (column: string) =>
    all
      .map(({ day, catalog }) => {
        const stays = day === file.day ? `NOT (${gone.sql})` : 'true';
        return `SELECT ${column} FROM ${catalog}.spans WHERE ${OF_PROJECT} AND ${column} IS NOT NULL AND ${stays}`;
      })
      .join(' UNION ALL ');
  const withoutSpans = (target: string, column: string, text: string) =>
    `(target = '${target}' AND target_id IN (SELECT ${text} FROM (${leaving(column)}) EXCEPT SELECT ${text} FROM (${staying(column)})))`;
  return run(
    connection,
    `DELETE FROM meta.target_annotations WHERE ${OF_PROJECT} AND (
       (target IN ('span', 'document') AND target_id IN (SELECT lower(hex(span_id)) FROM (${leaving('span_id')})))
       OR ${withoutSpans('trace', 'trace_id', 'lower(hex(trace_id))')}
       OR ${withoutSpans('session', 'session_id', 'session_id')})`,
    { ...gone.parameters, tenant: project.tenantId, project: project.name },
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
