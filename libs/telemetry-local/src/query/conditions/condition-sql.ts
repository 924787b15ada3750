/**
 * A condition as SQL: true of the same rows as the plain evaluator finds (`matchesCondition`).   Read path: query -> [condition-sql] -> DuckDB.
 *
 * Values are bound, every other word of the SQL is written here. A condition that looks only at its own span becomes a plain test of columns;
 * any other a subquery over the spans of the project. Alias of a row: `r0` of the condition, `r1`, `r2`, ... of the loops around.
 */

import { conditionParts, parseCondition } from '@cogniverse/foundation/store';
import type { Condition, ConditionExpression, ConditionLoop } from '@cogniverse/foundation/telemetry';
import { DuckDBBlobValue } from '@duckdb/node-api';
import { wellFormed } from '../../span-table.js';
import type { SqlBuilder } from '../sql-builder.js';
import { attributeExists, attributeReading } from './attribute-reading.js';
import { type ConditionScope, type ConditionTable, recordedCost, withTables } from './condition-tables.js';

const COMPARISONS = { eq: '=', ne: '<>', lt: '<', lte: '<=', gt: '>', gte: '>=' } as const;
const STATUS_TEXT = (row: string) => `CASE ${row}status WHEN 2 THEN 'ERROR' WHEN 1 THEN 'OK' ELSE 'UNSET' END`;
const TOKENS_TOTAL = (row: string) => `CASE WHEN coalesce(${row}tokens_prompt, ${row}tokens_completion) IS NOT NULL
  THEN coalesce(${row}tokens_prompt, 0) + coalesce(${row}tokens_completion, 0) END`;
const ID_BYTES: Readonly<Record<string, number>> = { span_id: 8, parent_id: 8, trace_id: 16 };

/** SQL of a condition on spans. */
export interface SpanConditionSql {
  /** A boolean over the columns of spans that start in the range. */
  readonly sql: string;
  /** It looks at columns of the span alone; else it is a subquery, not to be repeated. */
  readonly ofOneSpan: boolean;
  readonly expression: ConditionExpression;
}

/**
 *
 * Errors: `InvalidQueryError` with the place of what is wrong in the text.
 */
export function spanConditionSql(text: string, scope: ConditionScope, sql: SqlBuilder): SpanConditionSql {
  const condition = parseCondition('span', text);
  if (isOfOneSpan(condition.expression)) {
    return {
      sql: `(${new ConditionCompiler(condition, sql, '').predicate})`,
      ofOneSpan: true,
      expression: condition.expression,
    };
  }
  return {
    sql: subquery(condition, 'seq', `(${scope.spans('range')})`, scope, sql),
    ofOneSpan: false,
    expression: condition.expression,
  };
}

/** SQL: a boolean over a column `trace_id`. Errors: as `spanConditionSql`. */
export function traceConditionSql(text: string, scope: ConditionScope, sql: SqlBuilder): string {
  return subquery(parseCondition('trace', text), 'trace_id', 'condition_traces', scope, sql);
}

/** SQL: a boolean over a column `session_id`. Errors: as `spanConditionSql`. */
export function sessionConditionSql(text: string, scope: ConditionScope, sql: SqlBuilder): string {
  return subquery(parseCondition('session', text), 'session_id', 'condition_sessions', scope, sql);
}

function subquery(condition: Condition, column: string, from: string, scope: ConditionScope, sql: SqlBuilder): string {
  const compiler = new ConditionCompiler(condition, sql, 'r0.');
  const tables = new Set(compiler.tables);
  if (from.startsWith('condition_')) tables.add(from as ConditionTable);
  return `${column} IN (${withTables(tables, scope, sql)} SELECT r0.${column} FROM ${from} r0 ${compiler.joins} WHERE ${compiler.predicate})`;
}

function isOfOneSpan(expression: ConditionExpression): boolean {
  const { kind } = expression;
  if (kind === 'annotation' || kind === 'has_parent' || kind === 'loop') return false;
  if (kind === 'field' && expression.name.startsWith('cumulative_')) return false;
  return conditionParts(expression).every(isOfOneSpan);
}

class ConditionCompiler {
  readonly predicate: string;
  readonly tables = new Set<ConditionTable>();
  readonly #condition: Condition;
  readonly #sql: SqlBuilder;
  /** Prefixes of the columns of rows: the innermost loop's is the last. */
  readonly #rows: string[];
  /** Joins of annotations, by target and name. */
  readonly #notes = new Map<string, { alias: string; join: string }>();
  #aliases = 0;

  constructor(condition: Condition, sql: SqlBuilder, row: string) {
    this.#condition = condition;
    this.#sql = sql;
    this.#rows = [row];
    this.predicate = this.#sqlOf(condition.expression);
  }

  get joins(): string {
    return [...this.#notes.values()].map(({ join }) => join).join('\n');
  }

  #row(depth: number): string {
    return this.#rows[this.#rows.length - 1 - depth]!;
  }

  #table(table: ConditionTable): ConditionTable {
    this.tables.add(table);
    return table;
  }

  #list(expressions: readonly ConditionExpression[], between: string): string {
    return expressions.map((expression) => this.#sqlOf(expression)).join(between);
  }

  #sqlOf(expression: ConditionExpression): string {
    switch (expression.kind) {
      case 'literal':
        return this.#literal(expression.value);
      case 'field':
        return this.#field(expression);
      case 'attribute':
        return this.#attribute(expression);
      case 'has_attribute':
        return `coalesce(${attributeExists(expression.places, this.#attributesRow, this.#sql)}, false)`;
      case 'annotation': {
        const alias = this.#note(expression.target, expression.name);
        return expression.field === 'exists' ? `(${alias}.name IS NOT NULL)` : `${alias}.${expression.field}`;
      }
      case 'has_parent':
        return this.#parentExists(this.#row(expression.depth));
      case 'and':
        return `(${this.#list(expression.operands, ' AND ')})`;
      case 'or':
        return `(${this.#list(expression.operands, ' OR ')})`;
      case 'not':
        return `(NOT ${this.#sqlOf(expression.operand)})`;
      case 'comparison': {
        const byId = expression.operator === 'eq' ? this.#idIn(expression.left, [expression.right]) : undefined;
        return (
          byId ??
          `(${this.#sqlOf(expression.left)} ${COMPARISONS[expression.operator]} ${this.#sqlOf(expression.right)})`
        );
      }
      case 'is_null':
        return `(${this.#sqlOf(expression.operand)} IS NULL)`;
      case 'one_of':
        if (expression.values.length === 0) return 'false';
        return (
          this.#idIn(expression.operand, expression.values) ??
          `(${this.#sqlOf(expression.operand)} IN (${this.#list(expression.values, ', ')}))`
        );
      case 'contains':
        return `contains(lower(${this.#sqlOf(expression.text)}), lower(${this.#sqlOf(expression.part)}))`;
      case 'any_root_contains': {
        const column = expression.attribute === 'input.value' ? 'input_value' : 'output_value';
        return `EXISTS (SELECT 1 FROM ${this.#table('condition_session_spans')} x WHERE x.session_id = ${this.#row(0)}session_id AND x.parent_id IS NULL
          AND contains(lower(x.${column}), lower(${this.#sqlOf(expression.part)})))`;
      }
      case 'arithmetic': {
        const right = this.#sqlOf(expression.right);
        const divisor = expression.operator === '/' || expression.operator === '%' ? `nullif(${right}, 0)` : right;
        return finite(`${this.#sqlOf(expression.left)} ${expression.operator} ${divisor}`);
      }
      case 'negative':
        return `(- ${this.#sqlOf(expression.operand)})`;
      case 'concatenation':
        return `(${this.#sqlOf(expression.left)} || ${this.#sqlOf(expression.right)})`;
      case 'loop':
        return this.#loop(expression);
    }
  }

  #literal(value: string | number | bigint | boolean): string {
    if (typeof value === 'boolean') return String(value);
    if (typeof value === 'string') return `${this.#sql.bind(wellFormed(value))}::VARCHAR`;
    return `${this.#sql.bind(value)}::${typeof value === 'bigint' ? 'BIGINT' : 'DOUBLE'}`;
  }

  /** An id among literal ids, as bytes: the files are searched by them. Undefined for any other expression. */
  #idIn(operand: ConditionExpression, values: readonly ConditionExpression[]): string | undefined {
    if (operand.kind !== 'field' || operand.row !== 'span' || operand.ofParent) return undefined;
    const bytes = ID_BYTES[operand.name];
    const ids = values.map((value) => (value.kind === 'literal' && typeof value.value === 'string' ? value.value : ''));
    if (bytes === undefined || !ids.every((id) => id.length === bytes * 2 && /^[0-9a-f]+$/.test(id))) return undefined;
    const blobs = ids.map((id) => new DuckDBBlobValue(Buffer.from(id, 'hex')));
    return `(${this.#sql.anyOf(`${this.#row(operand.depth)}${operand.name}`, blobs)})`;
  }

  /** Prefix of the columns that hold the attributes which the condition speaks of. */
  get #attributesRow(): string {
    return this.#condition.language === 'span' ? this.#rows[0]! : `${this.#rows[0]}root.`;
  }

  #attribute({ type, places }: ConditionExpression & { kind: 'attribute' }): string {
    const reading = attributeReading(type, places, this.#attributesRow, this.#sql);
    // Where the value has a column that holds it as it is, that is read first.
    const column = this.#condition.language === 'span' ? COLUMNS[type]?.[places[0]!.key] : undefined;
    return column === undefined ? reading : `coalesce(${this.#rows[0]}${column}, ${reading})`;
  }

  #note(target: 'span' | 'trace' | 'session', name: string): string {
    const key = `${target}:${name}`;
    let note = this.#notes.get(key);
    if (note === undefined) {
      const alias = `n${this.#notes.size}`;
      const table = this.#table(`condition_${target}_notes`);
      const join = `LEFT JOIN ${table} ${alias} ON ${alias}.${target}_id = ${this.#rows[0]}${target}_id AND ${alias}.name = ${this.#literal(name)}`;
      note = { alias, join };
      this.#notes.set(key, note);
    }
    return note.alias;
  }

  #parentExists(row: string): string {
    return `EXISTS (SELECT 1 FROM ${this.#table('condition_spans')} p WHERE p.trace_id = ${row}trace_id AND p.span_id = ${row}parent_id)`;
  }

  #field({ name, row: kind, depth, ofParent, type }: ConditionExpression & { kind: 'field' }): string {
    const row = this.#row(depth);
    if (!ofParent) return this.#fieldOf(kind, name, row, type === 'number');
    const alias = this.#alias();
    const value = this.#fieldOf(kind, name, `${alias}.`, type === 'number');
    return `(SELECT any_value(${value}) FROM ${this.#table('condition_spans')} ${alias} WHERE ${alias}.trace_id = ${row}trace_id AND ${alias}.span_id = ${row}parent_id)`;
  }

  #fieldOf(kind: 'span' | 'trace' | 'session' | 'annotation', name: string, row: string, isNumber: boolean): string {
    if (name === 'start_time') return `${row}start_ns`;
    if (name === 'end_time') return `${row}end_ns`;
    if (kind === 'span') return this.#spanField(name, row);
    if (kind === 'annotation') return `${row}${name}`;
    switch (name) {
      case 'trace_id':
        return `lower(hex(${row}trace_id))`;
      case 'input':
      case 'first_input':
        return `${row}root.input_value`;
      case 'output':
        return `${row}root.output_value`;
      case 'last_output':
        return `${row}last_root.output_value`;
      case 'duration_ms':
        return `((${row}end_ns - ${row}start_ns) / 1e6)`;
      case 'token_count_total':
        return `(${row}token_count_prompt + ${row}token_count_completion)`;
      default:
        return isNumber ? `${row}${name}::DOUBLE` : `${row}${name}`;
    }
  }

  #spanField(name: string, row: string): string {
    switch (name) {
      case 'span_id':
      case 'trace_id':
      case 'parent_id':
        return `lower(hex(${row}${name}))`;
      case 'status_code':
        return STATUS_TEXT(row);
      case 'latency_ms':
        return `((${row}end_ns - ${row}start_ns) / 1e6)`;
      case 'total_cost':
        return `coalesce(${row}cost, 0)`;
      case 'prompt_cost':
        return recordedCost('prompt', row, this.#sql);
      case 'completion_cost':
        return recordedCost('completion', row, this.#sql);
      case 'llm_token_count_prompt':
        return `${row}tokens_prompt`;
      case 'llm_token_count_completion':
        return `${row}tokens_completion`;
      case 'llm_token_count_total':
        return TOKENS_TOTAL(row);
      case 'cumulative_error_count':
        return this.#below('count(*) FILTER (WHERE d.status = 2)', row);
      case 'cumulative_llm_token_count_prompt':
        return this.#below('sum(d.tokens_prompt)', row);
      case 'cumulative_llm_token_count_completion':
        return this.#below('sum(d.tokens_completion)', row);
      case 'cumulative_llm_token_count_total':
        return this.#below(`sum(${TOKENS_TOTAL('d.')})`, row);
      default:
        return `${row}${name}`; // span_kind, name, status_message
    }
  }

  #below(aggregate: string, row: string): string {
    return `(SELECT coalesce(${aggregate}, 0)::DOUBLE FROM ${this.#table('condition_below')} b JOIN ${this.#table('condition_spans')} d USING (seq) WHERE b.above = ${row}seq)`;
  }

  #alias(): string {
    this.#aliases += 1;
    return `r${this.#aliases}`;
  }

  #loop(loop: ConditionLoop): string {
    const owner = this.#row(loop.owner.depth);
    const alias = this.#alias();
    const { from, on } = this.#source(loop, owner, alias);
    this.#rows.push(`${alias}.`);
    const conditions = [on];
    if (loop.condition !== undefined) conditions.push(this.#sqlOf(loop.condition));
    const value = loop.value === undefined ? undefined : this.#sqlOf(loop.value);
    this.#rows.pop();
    if (loop.operation === 'any') conditions.push(value!);
    if (loop.operation === 'all') conditions.push(`(${value}) IS NOT TRUE`);
    const rest = `FROM ${from} ${alias} WHERE ${conditions.join(' AND ')}`;
    switch (loop.operation) {
      case 'any':
        return `EXISTS (SELECT 1 ${rest})`;
      case 'all':
        return `(NOT EXISTS (SELECT 1 ${rest}))`;
      case 'len':
        return `(SELECT count(*)::DOUBLE ${rest})`;
      case 'sum':
        return `(SELECT coalesce(sum(${value}), 0)::DOUBLE ${rest})`;
      default:
        return `(SELECT ${loop.operation}(${value}) ${rest})`;
    }
  }

  #source({ source, owner: { row: kind } }: ConditionLoop, owner: string, alias: string): { from: string; on: string } {
    const ofSession = kind === 'session';
    switch (source) {
      case 'spans':
        if (ofSession)
          return { from: this.#table('condition_session_spans'), on: `${alias}.session_id = ${owner}session_id` };
        return { from: this.#table('condition_spans'), on: `${alias}.trace_id = ${owner}trace_id` };
      case 'traces':
        return { from: this.#table('condition_traces'), on: `${alias}.session_id = ${owner}session_id` };
      case 'children':
        return {
          from: this.#table('condition_spans'),
          on: `${alias}.trace_id = ${owner}trace_id AND ${alias}.parent_id = ${owner}span_id`,
        };
      case 'siblings':
        return {
          from: this.#table('condition_spans'),
          on: `${alias}.trace_id = ${owner}trace_id AND ${alias}.parent_id = ${owner}parent_id AND ${alias}.seq <> ${owner}seq AND ${this.#parentExists(owner)}`,
        };
      case 'annotations':
        return { from: this.#table('condition_span_notes'), on: `${alias}.span_id = ${owner}span_id` };
      case 'trace_annotations':
        return { from: this.#table('condition_trace_notes'), on: `${alias}.trace_id = ${owner}trace_id` };
      case 'session_annotations':
        return { from: this.#table('condition_session_notes'), on: `${alias}.session_id = ${owner}session_id` };
      case 'span_annotations': {
        const spans = this.#table(ofSession ? 'condition_session_spans' : 'condition_spans');
        const id = ofSession ? 'session_id' : 'trace_id';
        return {
          from: `(SELECT n.*, s.${id} FROM ${this.#table('condition_span_notes')} n JOIN ${spans} s USING (span_id))`,
          on: `${alias}.${id} = ${owner}${id}`,
        };
      }
    }
  }
}

/** Attributes with a column of their own that holds nothing else. */
const COLUMNS: Readonly<Partial<Record<'string' | 'number' | 'boolean', Readonly<Record<string, string>>>>> = {
  string: Object.assign(Object.create(null), { 'llm.model_name': 'model', 'session.id': 'session_id' }),
  number: Object.assign(Object.create(null), {
    'llm.token_count.prompt': 'tokens_prompt',
    'llm.token_count.completion': 'tokens_completion',
    'llm.cost.total': 'cost',
  }),
};

/** What is no finite number is nothing. The SQL is said once. */
function finite(number: string): string {
  return `list_first(list_filter([(${number})::DOUBLE], lambda x: isfinite(x)))`;
}
