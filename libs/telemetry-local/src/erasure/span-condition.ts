/**
 * Which stored spans an erasure is about, as SQL over the columns of a day file.   Control path: handler -> [span-condition] -> day files.
 */
import type { ProjectRef } from '@cogniverse/foundation/telemetry';
import { DuckDBBlobValue } from '@duckdb/node-api';
import type { SqlParameters } from '../database.js';
import { projectKey } from '../project-key.js';
import { projectCondition } from '../query/span-conditions.js';
import { SqlBuilder } from '../query/sql-builder.js';
import type { NanosRange } from '../snapshot.js';

export interface SpanCondition {
  readonly sql: string;
  readonly parameters: SqlParameters;
}

export function spansOfTenant(tenant: string | null): SpanCondition {
  const sql = new SqlBuilder();
  return { sql: `tenant_id IS NOT DISTINCT FROM ${sql.bind(tenant)}::VARCHAR`, parameters: sql.parameters };
}

/** Spans of a project that all that is given is true of; ids are hexadecimal. */
export interface SpanChoice {
  readonly traceIds?: readonly string[] | undefined;
  readonly spanIds?: readonly string[] | undefined;
  /** Spans that carry one of the ids, and all of these traces. */
  readonly sessions?: { readonly ids: readonly string[]; readonly traceIds: readonly string[] } | undefined;
  readonly range?: NanosRange | undefined;
}

/** Only those of a sequence before `before`. */
export function spansOfProject(project: ProjectRef, which: SpanChoice, before: bigint): SpanCondition {
  const sql = new SqlBuilder();
  return { sql: `${conditionOf(project, which, sql)} AND seq < ${before}`, parameters: sql.parameters };
}

/** The same within a larger condition. */
export function conditionOf(project: ProjectRef, which: SpanChoice, sql: SqlBuilder): string {
  const blobs = (ids: readonly string[]) => ids.map((id) => new DuckDBBlobValue(Buffer.from(id, 'hex')));
  const parts = [`project_key = ${projectKey(project).key}`, projectCondition(project, sql)];
  if (which.traceIds !== undefined) parts.push(sql.anyOf('trace_id', blobs(which.traceIds)));
  if (which.spanIds !== undefined) parts.push(sql.anyOf('span_id', blobs(which.spanIds)));
  if (which.sessions !== undefined) {
    const { ids, traceIds } = which.sessions;
    const carries = `(session_id IS NOT NULL AND ${sql.anyOf('session_id', ids)})`;
    parts.push(`(${carries} OR ${sql.anyOf('trace_id', blobs(traceIds))})`);
  }
  if (which.range?.start !== undefined) parts.push(`start_ns >= ${which.range.start}`);
  if (which.range?.end !== undefined) parts.push(`start_ns < ${which.range.end}`);
  return parts.join(' AND ');
}
