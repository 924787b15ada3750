/**
 * The filters of a span query, as SQL.   Read path: span-query -> [span-conditions].
 */

import { InvalidQueryError } from '@cogniverse/foundation/store';
import type { ProjectRef, SpanFilters } from '@cogniverse/foundation/telemetry';
import { DuckDBBlobValue } from '@duckdb/node-api';
import { attributeConditionSql } from './attribute-condition.js';
import { hexId, oneOf, requireKnownFields, requireText, shown, textList } from './query-input.js';
import type { SqlBuilder } from './sql-builder.js';

const STATUS_CODES = ['UNSET', 'OK', 'ERROR'] as const;
const MAX_CONDITIONS = 100;
const KNOWN = [
  'name',
  'status',
  'spanKind',
  'traceId',
  'spanId',
  'parentId',
  'sessionId',
  'rootOnly',
  'attributes',
] as const satisfies readonly (keyof SpanFilters)[];

/** SQL: the row belongs to this tenant; undefined: any tenant. null: it names none. */
export function tenantCondition(tenantId: unknown, sql: SqlBuilder): string {
  if (tenantId === undefined) return 'true';
  if (tenantId === null) return 'tenant_id IS NULL';
  return `tenant_id = ${sql.bind(requireText(tenantId, 'tenantId'))}`;
}

/** SQL: the row belongs to this project, by name and not only by number. */
export function projectCondition(project: ProjectRef, sql: SqlBuilder): string {
  return `${tenantCondition(project.tenantId, sql)} AND project = ${sql.bind(project.name)}`;
}

/** Ids as they are stored. Upper case is taken. Errors: `InvalidQueryError` for what can be no id. */
function blobs(value: unknown, bytes: number, field: string): DuckDBBlobValue[] {
  return textList(value, field).map((id) => new DuckDBBlobValue(Buffer.from(hexId(id, bytes, field), 'hex')));
}

export function traceIdCondition(value: unknown, sql: SqlBuilder): string {
  return sql.anyOf('trace_id', blobs(value, 16, 'filters.traceId'));
}

/** Errors: `InvalidQueryError` for an unknown filter, or one with a value that does not fit. */
export function filterConditions(filters: SpanFilters | undefined, sql: SqlBuilder): string[] {
  if (filters === undefined) return [];
  if (typeof filters !== 'object' || filters === null) {
    throw new InvalidQueryError(`filters is ${shown(filters)}; it must be an object.`);
  }
  requireKnownFields(filters, KNOWN, 'filters');
  const conditions: string[] = [];
  if (filters.name !== undefined) conditions.push(sql.anyOf('name', textList(filters.name, 'filters.name')));
  if (filters.status !== undefined) {
    const codes = textList(filters.status, 'filters.status').map((status) =>
      STATUS_CODES.indexOf(oneOf(status, STATUS_CODES, 'filters.status')),
    );
    conditions.push(sql.anyOf('status', codes));
  }
  if (filters.spanKind !== undefined) {
    const kinds = textList(filters.spanKind, 'filters.spanKind').map((kind) => kind.toUpperCase());
    conditions.push(sql.anyOf('span_kind', kinds));
  }
  if (filters.traceId !== undefined) conditions.push(traceIdCondition(filters.traceId, sql));
  if (filters.spanId !== undefined) {
    conditions.push(sql.anyOf('span_id', blobs(filters.spanId, 8, 'filters.spanId')));
  }
  if (filters.parentId === null || filters.rootOnly === true) conditions.push('parent_id IS NULL');
  if (typeof filters.parentId === 'string' || (filters.parentId !== undefined && filters.parentId !== null)) {
    conditions.push(
      sql.anyOf('parent_id', blobs(requireText(filters.parentId, 'filters.parentId'), 8, 'filters.parentId')),
    );
  }
  if (filters.rootOnly !== undefined && typeof filters.rootOnly !== 'boolean') {
    throw new InvalidQueryError(`filters.rootOnly is ${shown(filters.rootOnly)}; it must be true or false.`);
  }
  if (filters.sessionId !== undefined) {
    conditions.push(sql.anyOf('session_id', textList(filters.sessionId, 'filters.sessionId')));
  }
  if (filters.attributes !== undefined) {
    if (!Array.isArray(filters.attributes) || filters.attributes.length > MAX_CONDITIONS) {
      throw new InvalidQueryError(`filters.attributes must be a list of at most ${MAX_CONDITIONS} conditions.`);
    }
    for (const filter of filters.attributes) conditions.push(attributeConditionSql(filter, sql));
  }
  return conditions;
}
