/**
 * Data sets and their versions.   Meta store: handlers -> [datasets] -> meta database.
 */
import { randomUUID } from 'node:crypto';
import {
  DatasetExistsError,
  DatasetNotFoundError,
  type DatasetRecord,
  type DatasetRow,
  type NewDatasetRow,
  type TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import type { DuckDBConnection } from '@duckdb/node-api';
import { type MetaDatabase, type MetaSchema, OF_TENANT } from './meta-database.js';
import { appendText, jsonText, requiredName } from './meta-fields.js';

type DatasetInput = Omit<Parameters<TelemetryStore['createDataset']>[0], 'tenantId'>;

export const DATASET_SCHEMA: MetaSchema = {
  sql: `
  CREATE TABLE IF NOT EXISTS meta.datasets (
    id VARCHAR NOT NULL, tenant_id VARCHAR, name VARCHAR NOT NULL, description VARCHAR NOT NULL, metadata VARCHAR NOT NULL,
    created_at VARCHAR NOT NULL, position BIGINT NOT NULL);
  CREATE TABLE IF NOT EXISTS meta.dataset_versions (
    id VARCHAR NOT NULL, dataset_id VARCHAR NOT NULL, number INTEGER NOT NULL, created_at VARCHAR NOT NULL, row_count BIGINT NOT NULL,
    tenant_id VARCHAR);
  CREATE TABLE IF NOT EXISTS meta.dataset_rows (
    id VARCHAR NOT NULL, dataset_id VARCHAR NOT NULL, version INTEGER NOT NULL, position BIGINT NOT NULL,
    input VARCHAR NOT NULL, output VARCHAR NOT NULL, metadata VARCHAR NOT NULL, tenant_id VARCHAR);`,
  positioned: ['datasets', 'dataset_rows'],
};

const DATASETS = `SELECT d.id, d.name, d.description, d.metadata, v.id, d.created_at, v.created_at, v.row_count
  FROM meta.datasets d JOIN meta.dataset_versions v ON v.dataset_id = d.id
  WHERE d.${OF_TENANT} AND v.number = (SELECT max(number) FROM meta.dataset_versions WHERE dataset_id = d.id)`;

export class Datasets {
  readonly #meta: MetaDatabase;

  constructor(meta: MetaDatabase) {
    this.#meta = meta;
  }

  /** Errors: `DatasetExistsError`, `InvalidQueryError`. */
  async createDataset(tenantId: string | null, dataset: DatasetInput): Promise<DatasetRecord> {
    const name = requiredName(dataset.name, 'name');
    const rows = dataset.rows.map(datasetRowText);
    const metadata = jsonText(dataset.metadata ?? {}, 'metadata');
    const id = randomUUID();
    return this.#meta.commit(async (connection) => {
      if ((await this.#datasets(connection, tenantId, name)).length > 0) {
        throw new DatasetExistsError(
          `There is a data set named "${name}" already. Append to it, or choose another name.`,
        );
      }
      const now = new Date().toISOString();
      await connection.run(
        'INSERT INTO meta.datasets VALUES ($id, $tenant, $name, $description, $metadata, $now, $position)',
        {
          id,
          tenant: tenantId,
          name,
          description: dataset.description ?? '',
          metadata,
          now,
          position: this.#meta.nextPosition(),
        },
      );
      await this.#addVersion(connection, tenantId, id, 1, rows, BigInt(rows.length), now);
      return (await this.#datasets(connection, tenantId, name))[0]!;
    });
  }

  /** Adds rows as a new version. Errors: `DatasetNotFoundError`, `InvalidQueryError`. */
  async appendToDataset(
    tenantId: string | null,
    name: string,
    newRows: readonly NewDatasetRow[],
  ): Promise<DatasetRecord> {
    const rows = newRows.map(datasetRowText);
    return this.#meta.commit(async (connection) => {
      const dataset = await this.dataset(connection, tenantId, name);
      const newest = await connection.runAndReadAll(
        'SELECT max(number), max(row_count) FROM meta.dataset_versions WHERE dataset_id = $id',
        { id: dataset.id },
      );
      const [number, rowCount] = newest.getRows()[0] as [number, bigint];
      const now = new Date().toISOString();
      await this.#addVersion(connection, tenantId, dataset.id, number + 1, rows, rowCount + BigInt(rows.length), now);
      return this.dataset(connection, tenantId, name);
    });
  }

  /** In the order of their creation. */
  async listDatasets(tenantId: string | null): Promise<DatasetRecord[]> {
    const rows = await this.#meta.host.query(`${DATASETS} ORDER BY d.position`, { tenant: tenantId });
    return rows.map((row) => datasetOf(row as DatasetColumns));
  }

  /** In the order they were added. Errors: `DatasetNotFoundError`. */
  async getDatasetRows(tenantId: string | null, name: string): Promise<DatasetRow[]> {
    const rows = await this.#meta.host.query(
      `SELECT r.id, r.input, r.output, r.metadata FROM meta.datasets d LEFT JOIN meta.dataset_rows r ON r.dataset_id = d.id
       WHERE d.${OF_TENANT} AND d.name = $name ORDER BY r.position`,
      { tenant: tenantId, name },
    );
    if (rows.length === 0) throw datasetNotFound(name);
    return (rows as [string | null, string, string, string][]).flatMap(([id, input, output, metadata]) =>
      id === null
        ? [] // the data set's own row, without any of its own
        : [{ id, input: JSON.parse(input), output: JSON.parse(output), metadata: JSON.parse(metadata) }],
    );
  }

  // ---- within a change

  async #datasets(connection: DuckDBConnection, tenantId: string | null, name: string): Promise<DatasetRecord[]> {
    const found = await connection.runAndReadAll(`${DATASETS} AND d.name = $name`, { tenant: tenantId, name });
    return found.getRows().map((row) => datasetOf(row as DatasetColumns));
  }

  /** Within a change. Errors: `DatasetNotFoundError`. */
  async dataset(connection: DuckDBConnection, tenantId: string | null, name: string): Promise<DatasetRecord> {
    const [found] = await this.#datasets(connection, tenantId, name);
    if (found === undefined) throw datasetNotFound(name);
    return found;
  }

  async #addVersion(
    connection: DuckDBConnection,
    tenantId: string | null,
    datasetId: string,
    number: number,
    rows: readonly RowText[],
    rowCount: bigint,
    now: string,
  ): Promise<void> {
    await connection.run(
      'INSERT INTO meta.dataset_versions VALUES ($id, $dataset, $number::INTEGER, $now, $rows, $tenant)',
      {
        id: randomUUID(),
        dataset: datasetId,
        number,
        now,
        rows: rowCount,
        tenant: tenantId,
      },
    );
    const appender = await connection.createAppender('dataset_rows', 'main', 'meta');
    for (const { input, output, metadata } of rows) {
      appender.appendVarchar(randomUUID());
      appender.appendVarchar(datasetId);
      appender.appendInteger(number);
      appender.appendBigInt(this.#meta.nextPosition());
      appender.appendVarchar(input);
      appender.appendVarchar(output);
      appender.appendVarchar(metadata);
      appendText(appender, tenantId);
      appender.endRow();
    }
    appender.closeSync();
  }
}

type DatasetColumns = [
  id: string,
  name: string,
  description: string,
  metadata: string,
  versionId: string,
  createdAt: string,
  updatedAt: string,
  rowCount: bigint,
];

function datasetOf(row: DatasetColumns): DatasetRecord {
  const [id, name, description, metadata, versionId, createdAt, updatedAt, rowCount] = row;
  return {
    id,
    name,
    description,
    metadata: JSON.parse(metadata),
    versionId,
    createdAt,
    updatedAt,
    exampleCount: Number(rowCount),
  };
}

interface RowText {
  readonly input: string;
  readonly output: string;
  readonly metadata: string;
}

function datasetRowText(row: NewDatasetRow, index: number): RowText {
  return {
    input: jsonText(row.input, `rows.${index}.input`),
    output: jsonText(row.output ?? {}, `rows.${index}.output`),
    metadata: jsonText(row.metadata ?? {}, `rows.${index}.metadata`),
  };
}

function datasetNotFound(name: string): DatasetNotFoundError {
  return new DatasetNotFoundError(`There is no data set named "${name}". Create it first.`);
}
