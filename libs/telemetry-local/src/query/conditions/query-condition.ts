/** The condition of a query, over what its snapshot holds of the project.   Read path: span-query, trace-query, session-query -> [query-condition]. */
import type { ProjectKey } from '../../project-key.js';
import type { NanosRange, Snapshot } from '../../snapshot.js';
import { projectCondition } from '../span-conditions.js';
import type { SqlBuilder } from '../sql-builder.js';
import { type SpanConditionSql, sessionConditionSql, spanConditionSql, traceConditionSql } from './condition-sql.js';
import type { ConditionScope } from './condition-tables.js';

function scopeOf(snapshot: Snapshot, project: ProjectKey, sql: SqlBuilder, range?: NanosRange): ConditionScope {
  const spans = (of: 'project' | 'range') =>
    `SELECT * FROM (${snapshot.source({ projectKey: project.key, ...(of === 'range' && { range }) })}) WHERE ${projectCondition(project, sql)}`;
  return { project, spans };
}

/** Errors: `InvalidQueryError` for a condition that cannot be read. */
export function spanConditionOf(
  snapshot: Snapshot,
  project: ProjectKey,
  range: NanosRange,
  text: string,
  sql: SqlBuilder,
): SpanConditionSql {
  return spanConditionSql(text, scopeOf(snapshot, project, sql, range), sql);
}

/** SQL: a boolean over a column `trace_id`. Errors: as `spanConditionOf`. */
export function traceConditionOf(snapshot: Snapshot, project: ProjectKey, text: string, sql: SqlBuilder): string {
  return traceConditionSql(text, scopeOf(snapshot, project, sql), sql);
}

/** SQL: a boolean over a column `session_id`, of traces or sessions. Errors: as `spanConditionOf`. */
export function sessionConditionOf(snapshot: Snapshot, project: ProjectKey, text: string, sql: SqlBuilder): string {
  return sessionConditionSql(text, scopeOf(snapshot, project, sql), sql);
}
