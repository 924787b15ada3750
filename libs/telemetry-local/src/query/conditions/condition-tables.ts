/**
 * The tables that conditions look at, as common table expressions over the spans of one project.   Read path: condition-sql -> [condition-tables].
 */
import type { ProjectRef } from '@cogniverse/foundation/telemetry';
import { TRACE_LATENCY_NANOS } from '../project-query.js';
import { projectCondition } from '../span-conditions.js';
import type { SqlBuilder } from '../sql-builder.js';
import { attributeText } from './attribute-reading.js';

export type ConditionTable =
  | 'condition_spans'
  | 'condition_traces'
  | 'condition_sessions'
  | 'condition_session_spans'
  | 'condition_below'
  | 'condition_span_notes'
  | 'condition_trace_notes'
  | 'condition_session_notes';

/** Columns of the table of spans that nothing here reads, and that are wide. */
const UNREAD = 'rest, origin, trace_state, flags, kind, tenant_id, project, project_key, seg';

/** What each is made of, in the order in which they are written. */
const NEEDS: Readonly<Record<ConditionTable, readonly ConditionTable[]>> = {
  condition_spans: [],
  condition_traces: ['condition_spans'],
  condition_sessions: ['condition_traces'],
  condition_session_spans: ['condition_spans', 'condition_traces'],
  condition_below: ['condition_spans'],
  condition_span_notes: [],
  condition_trace_notes: [],
  condition_session_notes: [],
};

/** SQL: a finite number that was recorded as such, 0 without. */
export function recordedCost(part: 'prompt' | 'completion', row: string, sql: SqlBuilder): string {
  const text = attributeText(`llm.cost.${part}`, row, sql);
  const number = `TRY_CAST(substr(${text}, 2) AS DOUBLE)`;
  return `CASE WHEN ${text}[1] IN ('i', 'd') AND isfinite(${number}) THEN ${number} ELSE 0 END`;
}

/** The sums and counts of a trace's spans, which a session's traces add up. */
export const SPAN_SUMS = [
  'token_count_prompt',
  'token_count_completion',
  'total_cost',
  'prompt_cost',
  'completion_cost',
  'tool_span_count',
  'llm_span_count',
] as const;

export interface ConditionScope {
  readonly project: ProjectRef;
  /** SELECT over all spans of the project, or those that start in the range of a query, with the columns of `span-table.ts`. Binds values. */
  readonly spans: (of: 'project' | 'range') => string;
}

/** `WITH ...`, or nothing, for the tables asked for and what they are made of. */
export function withTables(asked: ReadonlySet<ConditionTable>, scope: ConditionScope, sql: SqlBuilder): string {
  const needed = new Set<ConditionTable>();
  const add = (table: ConditionTable) => {
    for (const part of NEEDS[table]) add(part);
    needed.add(table);
  };
  for (const table of asked) add(table);
  const tables = [...needed].map(
    (table) =>
      `${table}${table === 'condition_below' ? '(above, seq, trace_id, span_id)' : ''} AS (${tableSql(table, scope, sql)})`,
  );
  return tables.length === 0 ? '' : `WITH RECURSIVE ${tables.join(',\n')}`;
}

function tableSql(table: ConditionTable, { project, spans }: ConditionScope, sql: SqlBuilder): string {
  switch (table) {
    case 'condition_spans':
      return `SELECT * EXCLUDE (${UNREAD}) FROM (${spans('project')})`;
    case 'condition_traces':
      return `SELECT trace_id, min(start_ns) AS start_ns, max(end_ns) AS end_ns, ${TRACE_LATENCY_NANOS} / 1e6 AS latency_ms,
        count(*) AS num_spans, count(*) FILTER (WHERE status = 2) AS error_count,
        coalesce(sum(tokens_prompt), 0) AS token_count_prompt, coalesce(sum(tokens_completion), 0) AS token_count_completion,
        coalesce(sum(cost), 0) AS total_cost, sum(${recordedCost('prompt', '', sql)}) AS prompt_cost, sum(${recordedCost('completion', '', sql)}) AS completion_cost,
        count(*) FILTER (WHERE span_kind = 'TOOL') AS tool_span_count, count(*) FILTER (WHERE span_kind = 'LLM') AS llm_span_count,
        arg_min(session_id, (start_ns, seq)) FILTER (WHERE session_id <> '') AS session_id,
        arg_min({'attributes': attributes, 'input_value': input_value, 'output_value': output_value}, (start_ns, seq))
          FILTER (WHERE parent_id IS NULL) AS root
        FROM condition_spans GROUP BY trace_id`;
    case 'condition_sessions':
      return `SELECT session_id, min(start_ns) AS start_ns, max(end_ns) AS end_ns, count(*) AS num_traces,
        count(*) FILTER (WHERE error_count > 0) AS num_traces_with_error, ${SPAN_SUMS.map((name) => `sum(${name}) AS ${name}`).join(', ')},
        arg_min(root, (start_ns, trace_id)) FILTER (WHERE root IS NOT NULL) AS root,
        arg_max(root, (start_ns, trace_id)) FILTER (WHERE root IS NOT NULL) AS last_root
        FROM condition_traces WHERE session_id IS NOT NULL GROUP BY session_id`;
    case 'condition_session_spans':
      return `SELECT s.* REPLACE (t.session_id AS session_id) FROM condition_spans s JOIN condition_traces t USING (trace_id) WHERE t.session_id IS NOT NULL`;
    case 'condition_below':
      // Each span and all below it. A set: what was found once is not followed again, so a cycle ends.
      return `SELECT seq, seq, trace_id, span_id FROM condition_spans
        UNION SELECT b.above, c.seq, c.trace_id, c.span_id FROM condition_below b JOIN condition_spans c ON c.trace_id = b.trace_id AND c.parent_id = b.span_id`;
    case 'condition_span_notes':
      return notesSql('span', 'unhex(target_id) AS span_id', project, sql);
    case 'condition_trace_notes':
      return notesSql('trace', 'unhex(target_id) AS trace_id', project, sql);
    case 'condition_session_notes':
      return notesSql('session', 'target_id AS session_id', project, sql);
  }
}

function notesSql(target: 'span' | 'trace' | 'session', id: string, project: ProjectRef, sql: SqlBuilder): string {
  return `SELECT ${id}, name, label, score, explanation, identifier FROM meta.target_annotations
    WHERE target = '${target}' AND ${projectCondition(project, sql)}`;
}
