/**
 * Reads of data sets, which changes need as much as their readers.   Meta store: datasets, splits, experiments -> [dataset-reads].
 */

import { DatasetNotFoundError } from '@cogniverse/foundation/store';
import type { DatasetRecord, DatasetRow } from '@cogniverse/foundation/telemetry';
import type { DuckDBConnection, DuckDBListValue } from '@duckdb/node-api';
import type { SqlParameters, SqlRows } from '../database.js';
import { SqlBuilder } from '../query/sql-builder.js';

/** Reads, on whichever connection: that of a change sees what the change has written. */
export type Read = (sql: string, parameters: SqlParameters) => Promise<SqlRows>;

export function readOf(connection: DuckDBConnection): Read {
  return async (sql, parameters) => (await connection.runAndReadAll(sql, parameters)).getRows();
}

/** A part of a list by position. */
export interface Part {
  readonly order?: 'asc' | 'desc' | undefined;
  /** Begin at this position. */
  readonly bound?: bigint | undefined;
  readonly count?: bigint | undefined;
}

/** SQL: from the bound on, in the order; and what stands after WHERE. */
export function partSql({ order, bound, count }: Part, sql: SqlBuilder): { condition: string; tail: string } {
  const descending = order === 'desc';
  return {
    condition: bound === undefined ? 'true' : `position ${descending ? '<=' : '>='} ${sql.bind(bound)}`,
    tail: `ORDER BY position ${descending ? 'DESC' : 'ASC'}${count === undefined ? '' : ` LIMIT ${sql.bind(count)}`}`,
  };
}

interface WantedDatasets extends Part {
  readonly tenantId?: string | null | undefined;
  readonly id?: string | undefined;
  readonly name?: string | undefined;
}

/** In the order of their creation. */
export async function findDatasets(read: Read, wanted: WantedDatasets): Promise<DatasetRecord[]> {
  return (await selectDatasets(read, wanted)).map(datasetOf);
}

/** Rows for `datasetOf`; the last column of each is its position. */
export async function selectDatasets(read: Read, wanted: WantedDatasets): Promise<SqlRows> {
  const sql = new SqlBuilder();
  const part = partSql(wanted, sql);
  const conditions = [part.condition];
  if (wanted.tenantId !== undefined)
    conditions.push(`tenant_id IS NOT DISTINCT FROM ${sql.bind(wanted.tenantId)}::VARCHAR`);
  if (wanted.id !== undefined) conditions.push(`id = ${sql.bind(wanted.id)}`);
  if (wanted.name !== undefined) conditions.push(`name = ${sql.bind(wanted.name)}`);
  return read(
    `WITH d AS (FROM meta.datasets WHERE ${conditions.join(' AND ')} ${part.tail})
     SELECT d.id, d.tenant_id, d.name, d.description, d.metadata, v.id, d.created_at, coalesce(d.updated_at, v.created_at), v.row_count, d.position
     FROM d JOIN (
       SELECT dataset_id, max_by(id, number) AS id, max_by(created_at, number) AS created_at, max_by(row_count, number) AS row_count
       FROM meta.dataset_versions WHERE dataset_id IN (SELECT id FROM d) GROUP BY dataset_id) v ON v.dataset_id = d.id
     ORDER BY d.position ${wanted.order === 'desc' ? 'DESC' : 'ASC'}`,
    sql.parameters,
  );
}

export function datasetOf(row: SqlRows[number]): DatasetRecord {
  const [id, tenantId, name, description, metadata, versionId, createdAt, updatedAt, rowCount] =
    row as unknown as DatasetColumns;
  return {
    id,
    tenantId,
    name,
    description,
    metadata: JSON.parse(metadata),
    versionId,
    createdAt,
    updatedAt,
    exampleCount: Number(rowCount),
  };
}

type DatasetColumns = [
  id: string,
  tenantId: string | null,
  name: string,
  description: string,
  metadata: string,
  versionId: string,
  createdAt: string,
  updatedAt: string,
  rowCount: bigint,
  position: bigint,
];

/** Errors: `DatasetNotFoundError`. */
export async function requireDataset(
  read: Read,
  wanted: { tenantId: string | null; id?: string; name?: string },
): Promise<DatasetRecord> {
  const [found] = await findDatasets(read, wanted);
  if (found === undefined) throw datasetNotFound(wanted.name ?? wanted.id ?? '');
  return found;
}

/** Errors: `DatasetNotFoundError`. */
export async function versionNumber(read: Read, dataset: DatasetRecord, versionId: string): Promise<number> {
  const [row] = await read('SELECT number FROM meta.dataset_versions WHERE dataset_id = $dataset AND id = $id', {
    dataset: dataset.id,
    id: versionId,
  });
  if (row === undefined) {
    throw new DatasetNotFoundError(`The data set "${dataset.name}" has no version "${versionId}".`);
  }
  return row[0] as number;
}

export interface HeldRows {
  readonly datasetId: string;
  /** Its number. */
  readonly version: number;
  /** Begin at this position. */
  readonly bound?: bigint | undefined;
  /** Ids of splits, of which a row must be in one. */
  readonly splits?: readonly string[] | undefined;
  /** Ids of rows. */
  readonly ids?: readonly string[] | undefined;
}

/** SQL of a table: what a version holds. */
export function heldRows(sql: SqlBuilder, wanted: HeldRows): string {
  const { bound, ids, splits } = wanted;
  const conditions = [`dataset_id = ${sql.bind(wanted.datasetId)}`, `version <= ${sql.bind(wanted.version)}`];
  if (bound !== undefined) conditions.push(`position >= ${sql.bind(bound)}`);
  if (ids !== undefined) conditions.push(sql.anyOf('id', ids));
  if (splits !== undefined) {
    conditions.push(`id IN (SELECT row_id FROM meta.dataset_split_rows WHERE ${sql.anyOf('split_id', splits)})`);
  }
  return `(SELECT * FROM (FROM meta.dataset_rows WHERE ${conditions.join(' AND ')}
    QUALIFY row_number() OVER (PARTITION BY id ORDER BY version DESC) = 1) WHERE is_deleted IS NOT TRUE)`;
}

/** Rows for `rowOf`, by position, which is the last column of each. */
export async function selectRows(read: Read, wanted: HeldRows, count?: bigint): Promise<SqlRows> {
  const sql = new SqlBuilder();
  return read(
    `SELECT r.id, r.external_id, r.input, r.output, r.metadata, r.span_id, v.created_at, s.names, r.position
     FROM ${heldRows(sql, wanted)} r
     JOIN meta.dataset_versions v ON v.dataset_id = r.dataset_id AND v.number = r.version
     LEFT JOIN (SELECT m.row_id, list(s.name ORDER BY s.name) AS names
                FROM meta.dataset_split_rows m JOIN meta.dataset_splits s ON s.id = m.split_id
                WHERE m.dataset_id = ${sql.bind(wanted.datasetId)} GROUP BY m.row_id) s ON s.row_id = r.id
     ORDER BY r.position ${count === undefined ? '' : `LIMIT ${sql.bind(count)}`}`,
    sql.parameters,
  );
}

export function rowOf(row: SqlRows[number]): DatasetRow {
  const [id, externalId, input, output, metadata, spanId, updatedAt, names] = row as [
    string,
    string | null,
    string,
    string,
    string,
    string | null,
    string,
    DuckDBListValue | null,
    bigint,
  ];
  return {
    id,
    externalId: externalId ?? undefined,
    input: JSON.parse(input),
    output: JSON.parse(output),
    metadata: JSON.parse(metadata),
    splits: (names?.items ?? []) as string[],
    spanId: spanId ?? undefined,
    updatedAt,
  };
}

export function datasetNotFound(name: string): DatasetNotFoundError {
  return new DatasetNotFoundError(`There is no data set "${name}". Create it first.`);
}
