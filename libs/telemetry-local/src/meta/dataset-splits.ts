/**
 * Splits: named parts of a data set.   Meta store: handlers -> [dataset-splits] -> meta database.
 *
 * A split belongs to one data set. Which examples are in it does not depend on the version.
 */
import { randomUUID } from 'node:crypto';
import { DatasetExistsError, DatasetNotFoundError } from '@cogniverse/foundation/store';
import type { DatasetSplitRecord } from '@cogniverse/foundation/telemetry';
import type { DuckDBConnection } from '@duckdb/node-api';
import { SqlBuilder } from '../query/sql-builder.js';
import type { StoreRequest } from '../store-port.js';
import { appendRows } from './append-rows.js';
import { type Read, readOf, requireDataset, selectRows, versionNumber } from './dataset-reads.js';
import type { MetaDatabase, MetaSchema } from './meta-database.js';
import { jsonText, requiredName } from './meta-fields.js';

export const DATASET_SPLIT_SCHEMA: MetaSchema = {
  sql: `
  CREATE TABLE IF NOT EXISTS meta.dataset_splits (
    id VARCHAR NOT NULL, tenant_id VARCHAR, dataset_id VARCHAR NOT NULL, name VARCHAR NOT NULL, description VARCHAR,
    color VARCHAR NOT NULL, metadata VARCHAR NOT NULL, created_at VARCHAR NOT NULL, updated_at VARCHAR NOT NULL, position BIGINT NOT NULL);
  CREATE TABLE IF NOT EXISTS meta.dataset_split_rows (
    tenant_id VARCHAR, dataset_id VARCHAR NOT NULL, split_id VARCHAR NOT NULL, row_id VARCHAR NOT NULL);`,
  positioned: ['dataset_splits'],
};

/** Colours of Phoenix: of a split that is created, and of one that an upload names. */
const CREATED_COLOR = '#33c5e8';
const NAMED_COLOR = '#808080';

export class DatasetSplits {
  readonly #meta: MetaDatabase;
  readonly #read: Read;

  constructor(meta: MetaDatabase) {
    this.#meta = meta;
    this.#read = (sql, parameters) => meta.host.query(sql, parameters);
  }

  /** In the order of their creation. Errors: `DatasetNotFoundError`. */
  async listDatasetSplits({ tenantId, datasetId }: StoreRequest<'listDatasetSplits'>): Promise<DatasetSplitRecord[]> {
    const dataset = await requireDataset(this.#read, { tenantId, id: datasetId });
    return this.#list(this.#read, dataset.id);
  }

  /** Errors: `DatasetExistsError` if the data set has one of that name, `DatasetNotFoundError` also for a row, `InvalidQueryError`. */
  async createDatasetSplit(request: StoreRequest<'createDatasetSplit'>): Promise<DatasetSplitRecord> {
    const { tenantId, datasetId } = request;
    const name = requiredName(request.name, 'name');
    const metadata = jsonText(request.metadata ?? {}, 'metadata');
    return this.#meta.commit(async (connection) => {
      const read = readOf(connection);
      await requireDataset(read, { tenantId, id: datasetId });
      await this.#requireFreeName(read, datasetId, name);
      const rowIds = await this.#rowsOf(read, request, request.rowIds ?? []);
      const { description, color = CREATED_COLOR } = request;
      const id = await this.#insert(connection, { tenantId, datasetId, name, description, color, metadata });
      await this.#add(connection, { tenantId, datasetId, pairs: rowIds.map((rowId) => [id, rowId]) });
      return this.#require(read, datasetId, id);
    });
  }

  /** Of a row that is both added and removed, the removal holds. Errors: as of `createDatasetSplit`, and `DatasetNotFoundError` for the split. */
  async changeDatasetSplit(request: StoreRequest<'changeDatasetSplit'>): Promise<DatasetSplitRecord> {
    const { tenantId, datasetId, splitId } = request;
    const name = request.name === undefined ? undefined : requiredName(request.name, 'name');
    const metadata = request.metadata === undefined ? undefined : jsonText(request.metadata, 'metadata');
    return this.#meta.commit(async (connection) => {
      const read = readOf(connection);
      await requireDataset(read, { tenantId, id: datasetId });
      const split = await this.#require(read, datasetId, splitId);
      if (name !== undefined && name !== split.name) await this.#requireFreeName(read, datasetId, name);
      const added = await this.#rowsOf(read, request, request.addRowIds ?? []);
      const removed = await this.#rowsOf(read, request, request.removeRowIds ?? []);
      await connection.run(
        `UPDATE meta.dataset_splits SET name = $name, description = $description, color = $color, metadata = $metadata,
           updated_at = $now WHERE id = $id`,
        {
          id: splitId,
          name: name ?? split.name,
          description: request.description === undefined ? split.description : request.description,
          color: request.color ?? split.color,
          metadata: metadata ?? JSON.stringify(split.metadata),
          now: new Date().toISOString(),
        },
      );
      await this.#removeRows(connection, splitId, [...added, ...removed]);
      const kept = added.filter((id) => !removed.includes(id));
      await this.#add(connection, { tenantId, datasetId, pairs: kept.map((rowId) => [splitId, rowId]) });
      return this.#require(read, datasetId, splitId);
    });
  }

  /** Its examples stay. Errors: `DatasetNotFoundError`. */
  async deleteDatasetSplit({ tenantId, datasetId, splitId }: StoreRequest<'deleteDatasetSplit'>): Promise<void> {
    await this.#meta.commit(async (connection) => {
      const read = readOf(connection);
      await requireDataset(read, { tenantId, id: datasetId });
      await this.#require(read, datasetId, splitId);
      await connection.run('DELETE FROM meta.dataset_split_rows WHERE split_id = $id', { id: splitId });
      await connection.run('DELETE FROM meta.dataset_splits WHERE id = $id', { id: splitId });
    });
  }

  /** Ids of splits that are given by id or name. Errors: `DatasetNotFoundError`. */
  async resolve(read: Read, datasetId: string, wanted: readonly string[]): Promise<string[]> {
    const splits = await this.#list(read, datasetId);
    return wanted.map((one) => {
      const found = splits.find(({ id }) => id === one) ?? splits.find(({ name }) => name === one);
      if (found === undefined) throw new DatasetNotFoundError(`The data set has no split ${JSON.stringify(one)}.`);
      return found.id;
    });
  }

  /** Within a change: these rows are in these splits, by name, and in no other; the removed ones in none. Gives the rows whose splits changed. */
  async assign(
    connection: DuckDBConnection,
    change: {
      readonly tenantId: string | null;
      readonly datasetId: string;
      readonly rows: readonly { readonly id: string; readonly splits: readonly string[] }[];
      readonly removed: readonly string[];
    },
  ): Promise<string[]> {
    const { tenantId, datasetId, rows, removed } = change;
    if (rows.length + removed.length === 0) return [];
    const read = readOf(connection);
    const idOf = new Map((await this.#list(read, datasetId)).map(({ id, name }) => [name, id]));
    for (const name of new Set(rows.flatMap(({ splits }) => splits))) {
      if (idOf.has(name)) continue;
      const split = { tenantId, datasetId, name, description: null, color: NAMED_COLOR, metadata: '{}' };
      idOf.set(name, await this.#insert(connection, split));
    }
    const held = new Map<string, Set<string>>();
    const members = await read('SELECT row_id, split_id FROM meta.dataset_split_rows WHERE dataset_id = $id', {
      id: datasetId,
    });
    for (const [rowId, splitId] of members as [string, string][]) {
      const ofRow = held.get(rowId) ?? new Set();
      held.set(rowId, ofRow.add(splitId));
    }
    const changed: string[] = [];
    const pairs: [string, string][] = [];
    for (const { id, splits } of rows) {
      const wanted = new Set(splits.map((name) => idOf.get(name)!));
      const before = held.get(id) ?? new Set();
      if (wanted.size === before.size && [...wanted].every((split) => before.has(split))) continue;
      changed.push(id);
      for (const splitId of wanted) pairs.push([splitId, id]);
    }
    const gone = removed.filter((id) => held.has(id));
    await this.#removeRows(
      connection,
      undefined,
      [...changed, ...gone].filter((id) => held.has(id)),
    );
    await this.#add(connection, { tenantId, datasetId, pairs });
    return changed;
  }

  async #insert(
    connection: DuckDBConnection,
    split: {
      readonly tenantId: string | null;
      readonly datasetId: string;
      readonly name: string;
      readonly description: string | null | undefined;
      readonly color: string;
      readonly metadata: string;
    },
  ): Promise<string> {
    const id = randomUUID();
    await connection.run(
      `INSERT INTO meta.dataset_splits (id, tenant_id, dataset_id, name, description, color, metadata, created_at, updated_at, position)
       VALUES ($id, $tenant, $dataset, $name, $description, $color, $metadata, $now, $now, $position)`,
      {
        id,
        tenant: split.tenantId,
        dataset: split.datasetId,
        name: split.name,
        description: split.description ?? null,
        color: split.color,
        metadata: split.metadata,
        now: new Date().toISOString(),
        position: this.#meta.nextPosition(),
      },
    );
    return id;
  }

  async #add(
    connection: DuckDBConnection,
    members: {
      readonly tenantId: string | null;
      readonly datasetId: string;
      readonly pairs: readonly (readonly [splitId: string, rowId: string])[];
    },
  ): Promise<void> {
    const { tenantId, datasetId, pairs } = members;
    await appendRows(
      connection,
      'dataset_split_rows',
      pairs.map(([splitId, rowId]) => [tenantId, datasetId, splitId, rowId]),
    );
  }

  async #removeRows(
    connection: DuckDBConnection,
    splitId: string | undefined,
    rowIds: readonly string[],
  ): Promise<void> {
    if (rowIds.length === 0) return;
    const sql = new SqlBuilder();
    const conditions = [sql.anyOf('row_id', rowIds)];
    if (splitId !== undefined) conditions.push(`split_id = ${sql.bind(splitId)}`);
    await connection.run(`DELETE FROM meta.dataset_split_rows WHERE ${conditions.join(' AND ')}`, sql.parameters);
  }

  /** Ids of rows of the newest version, each once. Errors: `DatasetNotFoundError` naming those that are not there. */
  async #rowsOf(
    read: Read,
    { tenantId, datasetId }: { readonly tenantId: string | null; readonly datasetId: string },
    wanted: readonly string[],
  ): Promise<string[]> {
    const ids = [...new Set(wanted)];
    if (ids.length === 0) return [];
    const dataset = await requireDataset(read, { tenantId, id: datasetId });
    const version = await versionNumber(read, dataset, dataset.versionId);
    const known = new Set((await selectRows(read, { datasetId, version, ids })).map(([id]) => id));
    const missing = ids.filter((id) => !known.has(id));
    if (missing.length > 0) {
      throw new DatasetNotFoundError(`The data set "${dataset.name}" has no row ${missing.slice(0, 5).join(', ')}.`);
    }
    return ids;
  }

  async #requireFreeName(read: Read, datasetId: string, name: string): Promise<void> {
    if ((await this.#list(read, datasetId)).some((split) => split.name === name)) {
      throw new DatasetExistsError(`The data set has a split named "${name}" already. Choose another name.`);
    }
  }

  async #require(read: Read, datasetId: string, splitId: string): Promise<DatasetSplitRecord> {
    const found = (await this.#list(read, datasetId)).find(({ id }) => id === splitId);
    if (found === undefined) throw new DatasetNotFoundError(`The data set has no split "${splitId}".`);
    return found;
  }

  async #list(read: Read, datasetId: string): Promise<DatasetSplitRecord[]> {
    const rows = await read(
      `SELECT s.id, s.name, s.description, s.color, s.metadata, s.created_at, s.updated_at, coalesce(m.count, 0)
       FROM meta.dataset_splits s LEFT JOIN (
         SELECT split_id, count(*) AS count FROM meta.dataset_split_rows WHERE dataset_id = $id GROUP BY split_id
       ) m ON m.split_id = s.id
       WHERE s.dataset_id = $id ORDER BY s.position`,
      { id: datasetId },
    );
    return (rows as SplitColumns[]).map(
      ([id, name, description, color, metadata, createdAt, updatedAt, exampleCount]) => ({
        id,
        name,
        description,
        color,
        metadata: JSON.parse(metadata),
        createdAt,
        updatedAt,
        exampleCount: Number(exampleCount),
      }),
    );
  }
}

type SplitColumns = [
  id: string,
  name: string,
  description: string | null,
  color: string,
  metadata: string,
  createdAt: string,
  updatedAt: string,
  exampleCount: bigint,
];
