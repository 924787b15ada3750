/**
 * Data sets, their versions and rows.   Meta store: handlers -> [datasets] -> meta database.
 *
 * Rows of the table are only added: each says what one example holds from a version on, or that it is gone from there on. So every
 * version stays readable as it was.
 */
import { createHash, randomUUID } from 'node:crypto';
import { DatasetExistsError, DatasetNotFoundError, InvalidQueryError } from '@cogniverse/foundation/store';
import type {
  DatasetRecord,
  DatasetRowPage,
  DatasetUpload,
  DatasetVersionRecord,
  NewDatasetRow,
  Page,
} from '@cogniverse/foundation/telemetry';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { StoreRequest } from '../store-port.js';
import { appendRows } from './append-rows.js';
import {
  datasetNotFound,
  datasetOf,
  findDatasets,
  type Read,
  readOf,
  requireDataset,
  rowOf,
  selectDatasets,
  selectRows,
  versionNumber,
} from './dataset-reads.js';
import { DatasetSplits } from './dataset-splits.js';
import type { MetaDatabase, MetaSchema } from './meta-database.js';
import { jsonText, requiredName } from './meta-fields.js';
import { pageFrom } from './meta-page.js';

export const DATASET_SCHEMA: MetaSchema = {
  sql: `
  CREATE TABLE IF NOT EXISTS meta.datasets (
    id VARCHAR NOT NULL, tenant_id VARCHAR, name VARCHAR NOT NULL, description VARCHAR NOT NULL, metadata VARCHAR NOT NULL,
    created_at VARCHAR NOT NULL, position BIGINT NOT NULL, updated_at VARCHAR);
  CREATE TABLE IF NOT EXISTS meta.dataset_versions (
    id VARCHAR NOT NULL, dataset_id VARCHAR NOT NULL, number INTEGER NOT NULL, created_at VARCHAR NOT NULL, row_count BIGINT NOT NULL,
    tenant_id VARCHAR);
  CREATE TABLE IF NOT EXISTS meta.dataset_rows (
    id VARCHAR NOT NULL, dataset_id VARCHAR NOT NULL, version INTEGER NOT NULL, position BIGINT NOT NULL,
    input VARCHAR NOT NULL, output VARCHAR NOT NULL, metadata VARCHAR NOT NULL,
    tenant_id VARCHAR, external_id VARCHAR, span_id VARCHAR, content_hash VARCHAR, is_deleted BOOLEAN);`,
  positioned: ['datasets', 'dataset_rows'],
};

interface Upload {
  readonly tenantId: string | null;
  readonly name: string;
  readonly action: 'create' | 'append' | 'update';
  readonly rows: readonly NewDatasetRow[];
  readonly description?: string | undefined;
  readonly metadata?: Record<string, unknown> | undefined;
}

export class Datasets {
  readonly splits: DatasetSplits;
  readonly #meta: MetaDatabase;
  readonly #read: Read;

  constructor(meta: MetaDatabase) {
    this.#meta = meta;
    this.#read = (sql, parameters) => meta.host.query(sql, parameters);
    this.splits = new DatasetSplits(meta);
  }

  // ---- changes

  /** Errors: `DatasetExistsError`, `InvalidQueryError`. */
  async createDataset(request: StoreRequest<'createDataset'>): Promise<DatasetRecord> {
    return (await this.#upload({ ...request, action: 'create' }, 'ids')).dataset;
  }

  /** Adds rows; one with the `externalId` of an example takes its place. Errors: `DatasetNotFoundError`, `InvalidQueryError`. */
  async appendToDataset(request: StoreRequest<'appendToDataset'>): Promise<DatasetRecord> {
    return (await this.#upload({ ...request, action: 'append' }, 'ids')).dataset;
  }

  /** Errors: `DatasetExistsError`, `DatasetNotFoundError` for the id of a row, `InvalidQueryError`. */
  async uploadDataset(request: StoreRequest<'uploadDataset'>): Promise<DatasetUpload> {
    return this.#upload(request, 'ids or contents');
  }

  /** `match`: what tells a row that is there already. By ids alone, an append to a data set that is missing is refused. */
  async #upload(upload: Upload, match: 'ids' | 'ids or contents'): Promise<DatasetUpload> {
    const { tenantId, action, rows } = upload;
    const name = requiredName(upload.name, 'name');
    const incoming = rows.map(rowText);
    requireDistinctIds(incoming);
    const metadata = jsonText(upload.metadata ?? {}, 'metadata');
    return this.#meta.commit(async (connection) => {
      const read = readOf(connection);
      const [found] = await findDatasets(read, { tenantId, name });
      if (found !== undefined && action === 'create') {
        throw new DatasetExistsError(
          `There is a data set named "${name}" already. Append to it, or choose another name.`,
        );
      }
      if (found === undefined && action === 'append' && match === 'ids') throw datasetNotFound(name);
      const previous = found === undefined ? [] : await this.#heldRows(read, found);
      const change = diff(incoming, previous, { byContent: match !== 'ids', deletes: action !== 'append' });
      const now = new Date().toISOString();
      const datasetId = found?.id ?? randomUUID();
      if (found === undefined) {
        await connection.run(
          'INSERT INTO meta.datasets VALUES ($id, $tenant, $name, $description, $metadata, $now, $position, $now)',
          {
            id: datasetId,
            tenant: tenantId,
            name,
            description: upload.description ?? '',
            metadata,
            now,
            position: this.#meta.nextPosition(),
          },
        );
      }
      if (found === undefined || change.written.length + change.deleted.length > 0) {
        await this.#reuseRows(read, datasetId, change.written);
        await this.#addVersion(connection, { datasetId, tenantId, now, change, previousCount: previous.length });
      }
      const assigned = await this.splits.assign(connection, {
        tenantId,
        datasetId,
        rows: change.placed.flatMap(({ id, splits }) => (splits === undefined ? [] : [{ id, splits }])),
        removed: change.deleted.map(({ id }) => id),
      });
      const created = new Set(change.written.filter((row) => !row.isKnown).map(({ id }) => id));
      const updated = new Set(change.written.filter((row) => row.isKnown).map(({ id }) => id));
      for (const id of assigned) if (!created.has(id)) updated.add(id);
      const [dataset] = await findDatasets(read, { tenantId, id: datasetId });
      return {
        dataset: dataset!,
        createdCount: created.size,
        updatedCount: updated.size,
        deletedCount: change.deleted.length,
      };
    });
  }

  /** Errors: `DatasetNotFoundError`, `DatasetExistsError` if the tenant has another one of that name, `InvalidQueryError`. */
  async changeDataset(request: StoreRequest<'changeDataset'>): Promise<DatasetRecord> {
    const { tenantId, datasetId, description } = request;
    const name = request.name === undefined ? undefined : requiredName(request.name, 'name');
    const metadata = request.metadata === undefined ? undefined : jsonText(request.metadata, 'metadata');
    return this.#meta.commit(async (connection) => {
      const read = readOf(connection);
      const dataset = await requireDataset(read, { tenantId, id: datasetId });
      if (name !== undefined && name !== dataset.name && (await findDatasets(read, { tenantId, name })).length > 0) {
        throw new DatasetExistsError(`There is a data set named "${name}" already. Choose another name.`);
      }
      await connection.run(
        'UPDATE meta.datasets SET name = $name, description = $description, metadata = $metadata, updated_at = $now WHERE id = $id',
        {
          id: dataset.id,
          name: name ?? dataset.name,
          description: description ?? dataset.description,
          metadata: metadata ?? JSON.stringify(dataset.metadata),
          now: new Date().toISOString(),
        },
      );
      return requireDataset(read, { tenantId, id: datasetId });
    });
  }

  /** A new version without these rows. Errors: `DatasetNotFoundError`, also for a row that the newest version does not have. */
  async deleteDatasetRows(request: StoreRequest<'deleteDatasetRows'>): Promise<DatasetRecord> {
    const { tenantId, datasetId } = request;
    const ids = new Set(request.rowIds);
    return this.#meta.commit(async (connection) => {
      const read = readOf(connection);
      const dataset = await requireDataset(read, { tenantId, id: datasetId });
      const previous = await this.#heldRows(read, dataset);
      const deleted = previous.filter(({ id }) => ids.has(id));
      requireAll(dataset, ids, deleted);
      if (deleted.length === 0) return dataset;
      const now = new Date().toISOString();
      const change = { written: [], placed: [], deleted };
      await this.#addVersion(connection, { datasetId, tenantId, now, change, previousCount: previous.length });
      await this.splits.assign(connection, { tenantId, datasetId, rows: [], removed: [...ids] });
      return requireDataset(read, { tenantId, id: datasetId });
    });
  }

  /** Within a change: all of a data set but its experiments. */
  async remove(connection: DuckDBConnection, datasetId: string): Promise<void> {
    for (const table of ['dataset_split_rows', 'dataset_splits', 'dataset_rows', 'dataset_versions']) {
      await connection.run(`DELETE FROM meta.${table} WHERE dataset_id = $id`, { id: datasetId });
    }
    await connection.run('DELETE FROM meta.datasets WHERE id = $id', { id: datasetId });
  }

  // ---- reads

  /** In the order of their creation. */
  async listDatasets(request: StoreRequest<'listDatasets'>): Promise<DatasetRecord[]> {
    return findDatasets(this.#read, request);
  }

  async queryDatasets(request: StoreRequest<'queryDatasets'>): Promise<Page<DatasetRecord>> {
    const { limit, cursor, ...wanted } = request;
    return pageFrom({
      limit,
      cursor,
      read: (bound, count) => selectDatasets(this.#read, { ...wanted, bound, count }),
      item: datasetOf,
    });
  }

  /** Errors: `DatasetNotFoundError`. */
  async listDatasetVersions(request: StoreRequest<'listDatasetVersions'>): Promise<Page<DatasetVersionRecord>> {
    const { tenantId, datasetId, limit, cursor } = request;
    const dataset = await requireDataset(this.#read, { tenantId, id: datasetId });
    return pageFrom({
      limit,
      cursor,
      read: (bound, count) =>
        this.#read(
          `SELECT id, created_at, row_count, number FROM meta.dataset_versions
           WHERE dataset_id = $id AND number <= $bound ORDER BY number DESC LIMIT $count`,
          { id: dataset.id, bound: bound ?? 2n ** 31n, count },
        ),
      item: ([id, createdAt, rowCount]) => ({
        id: id as string,
        createdAt: createdAt as string,
        exampleCount: Number(rowCount),
      }),
    });
  }

  /** In the order they were added. Errors: `DatasetNotFoundError`, also for a version or split that the data set does not have. */
  async getDatasetRows(request: StoreRequest<'getDatasetRows'>): Promise<DatasetRowPage> {
    const { tenantId, datasetId, versionId, limit, cursor } = request;
    const read = this.#read;
    const dataset = await requireDataset(read, { tenantId, id: datasetId });
    const splits =
      request.splits === undefined ? undefined : await this.splits.resolve(read, dataset.id, request.splits);
    const version = await versionNumber(read, dataset, versionId ?? dataset.versionId);
    const page = await pageFrom({
      limit,
      cursor,
      read: (bound, count) => selectRows(read, { datasetId: dataset.id, version, bound, splits }, count),
      item: rowOf,
    });
    return { ...page, versionId: versionId ?? dataset.versionId };
  }

  // ---- within a change

  async #heldRows(read: Read, { id }: DatasetRecord): Promise<HeldRow[]> {
    const rows = await read(
      `SELECT id, external_id, span_id, position, content_hash, input, output, metadata FROM (
         SELECT id, external_id, span_id, position, content_hash, is_deleted,
           CASE WHEN content_hash IS NULL THEN input END AS input, CASE WHEN content_hash IS NULL THEN output END AS output,
           CASE WHEN content_hash IS NULL THEN metadata END AS metadata
         FROM meta.dataset_rows WHERE dataset_id = $id QUALIFY row_number() OVER (PARTITION BY id ORDER BY version DESC) = 1)
       WHERE is_deleted IS NOT TRUE ORDER BY position`,
      { id },
    );
    return rows.map(([rowId, externalId, spanId, position, hash, input, output, metadata]) => ({
      id: rowId as string,
      externalId: externalId as string | null,
      spanId: spanId as string | null,
      position: position as bigint,
      hash: (hash as string | null) ?? contentHash(input as string, output as string, metadata as string),
    }));
  }

  /** An example that was deleted comes back as itself, at its place. */
  async #reuseRows(read: Read, datasetId: string, written: readonly PlacedRow[]): Promise<void> {
    const created = new Map(
      written.flatMap((row) => (row.isKnown || row.externalId === null ? [] : [[row.externalId, row]])),
    );
    if (created.size === 0) return;
    const known = await read(
      'SELECT DISTINCT external_id, id, position FROM meta.dataset_rows WHERE dataset_id = $id AND external_id IS NOT NULL',
      { id: datasetId },
    );
    for (const [externalId, id, position] of known) {
      const row = created.get(externalId as string);
      if (row !== undefined) Object.assign(row, { id, position });
    }
  }

  async #addVersion(connection: DuckDBConnection, version: NewVersion): Promise<void> {
    const { datasetId, tenantId, now, change, previousCount } = version;
    const created = change.written.filter((row) => !row.isKnown).length;
    const added = await connection.runAndReadAll(
      `INSERT INTO meta.dataset_versions (id, dataset_id, number, created_at, row_count, tenant_id)
       SELECT $id, $dataset, coalesce(max(number), 0) + 1, $now, $count::BIGINT, $tenant
       FROM meta.dataset_versions WHERE dataset_id = $dataset RETURNING number`,
      {
        id: randomUUID(),
        dataset: datasetId,
        now,
        count: BigInt(previousCount + created - change.deleted.length),
        tenant: tenantId,
      },
    );
    const number = added.getRows()[0]![0] as number;
    await connection.run('UPDATE meta.datasets SET updated_at = $now WHERE id = $id', { id: datasetId, now });
    for (const row of change.written) if (row.position === NO_POSITION) row.position = this.#meta.nextPosition();
    const columns = (row: HeldRow, { input, output, metadata }: RowContent, isDeleted: boolean) => [
      row.id,
      datasetId,
      number,
      row.position,
      input,
      output,
      metadata,
      tenantId,
      row.externalId,
      row.spanId,
      row.hash,
      isDeleted,
    ];
    await appendRows(connection, 'dataset_rows', [
      ...change.written.map((row) => columns(row, row, false)),
      ...change.deleted.map((row) => columns(row, GONE, true)),
    ]);
  }
}

interface NewVersion {
  readonly datasetId: string;
  readonly tenantId: string | null;
  readonly now: string;
  readonly change: RowChange;
  readonly previousCount: number;
}

// ---- what an upload changes

interface RowContent {
  readonly input: string;
  readonly output: string;
  readonly metadata: string;
}

interface HeldRow {
  readonly id: string;
  readonly externalId: string | null;
  readonly spanId: string | null;
  position: bigint;
  readonly hash: string;
}

interface PlacedRow extends HeldRow, RowContent {
  readonly splits: readonly string[] | undefined;
  /** Is in the newest version already, with other contents. */
  readonly isKnown: boolean;
}

interface RowChange {
  /** New, or with other contents. */
  readonly written: readonly PlacedRow[];
  /** All that the upload brought, under their ids. */
  readonly placed: readonly { readonly id: string; readonly splits: readonly string[] | undefined }[];
  readonly deleted: readonly HeldRow[];
}

interface IncomingRow extends RowContent {
  /** Of an example that is there. */
  readonly id: string | undefined;
  readonly externalId: string | undefined;
  readonly spanId: string | undefined;
  readonly splits: readonly string[] | undefined;
  readonly hash: string;
}

/** Takes its place when its version is written. */
const NO_POSITION = -1n;
const GONE: RowContent = { input: '{}', output: '{}', metadata: '{}' };

/**
 * An incoming row with an id is the example of that id, whatever it holds. One without is the first example of equal contents that no
 * other incoming row is; failing that, it is new. Source: Phoenix 20.26, `_diff_examples`.
 */
function diff(
  incoming: readonly IncomingRow[],
  previous: readonly HeldRow[],
  { byContent, deletes }: { byContent: boolean; deletes: boolean },
): RowChange {
  const byId = new Map(previous.map((row) => [row.id, row]));
  const byExternalId = new Map(previous.flatMap((row) => (row.externalId === null ? [] : [[row.externalId, row]])));
  const byHash = new Map<string, HeldRow[]>();
  if (byContent) for (const row of previous) byHash.set(row.hash, [...(byHash.get(row.hash) ?? []), row]);
  const matched = new Set<string>();
  const written: PlacedRow[] = [];
  const placed: RowChange['placed'][number][] = [];
  for (const row of incoming) {
    let held: HeldRow | undefined;
    if (row.id !== undefined) held = byId.get(row.id);
    else if (row.externalId !== undefined) held = byExternalId.get(row.externalId);
    else held = byHash.get(row.hash)?.find(({ id }) => !matched.has(id));
    if (row.id !== undefined && held === undefined) {
      throw new InvalidQueryError(`rows holds the id "${row.id}"; the data set has no such example.`);
    }
    if (held !== undefined) matched.add(held.id);
    if (held !== undefined && held.hash === row.hash) {
      placed.push({ id: held.id, splits: row.splits });
      continue;
    }
    const place: PlacedRow = {
      ...row,
      id: held?.id ?? randomUUID(),
      externalId: held?.externalId ?? row.externalId ?? null,
      spanId: row.spanId ?? held?.spanId ?? null,
      position: held?.position ?? NO_POSITION,
      isKnown: held !== undefined,
    };
    written.push(place);
    placed.push(place); // the same object: its id may yet become that of a deleted example
  }
  return { written, placed, deleted: deletes ? previous.filter(({ id }) => !matched.has(id)) : [] };
}

function requireDistinctIds(rows: readonly IncomingRow[]): void {
  const seen = new Set<string>();
  for (const { id, externalId } of rows) {
    const key = id === undefined ? externalId : `id:${id}`;
    if (key === undefined) continue;
    if (seen.has(key)) {
      throw new InvalidQueryError(`rows holds the id ${JSON.stringify(id ?? externalId)} twice; each example once.`);
    }
    seen.add(key);
  }
}

function rowText(row: NewDatasetRow, index: number): IncomingRow {
  const field = `rows.${index}`;
  const content = {
    input: jsonText(row.input, `${field}.input`),
    output: jsonText(row.output ?? {}, `${field}.output`),
    metadata: jsonText(row.metadata ?? {}, `${field}.metadata`),
  };
  return {
    ...content,
    id: row.id,
    externalId: row.externalId === undefined ? undefined : requiredName(row.externalId, `${field}.externalId`),
    spanId: row.spanId === undefined ? undefined : requiredName(row.spanId, `${field}.spanId`),
    splits: row.splits?.map((name) => requiredName(name, `${field}.splits`)),
    hash: contentHash(content.input, content.output, content.metadata),
  };
}

/** Equal for equal contents, whatever the order of their keys. */
export function contentHash(input: string, output: string, metadata: string): string {
  const canonical = [input, output, metadata].map((text) => JSON.stringify(sorted(JSON.parse(text))));
  return createHash('sha256').update(canonical.join('\n')).digest('hex').slice(0, 32);
}

/** Objects as lists of their entries by key: an object would put keys that are numbers first, and lose `__proto__`. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return { entries: entries.map(([key, held]) => [key, sorted(held)]) };
}

function requireAll(dataset: DatasetRecord, wanted: ReadonlySet<string>, found: readonly { id: string }[]): void {
  const known = new Set(found.map(({ id }) => id));
  const missing = [...wanted].filter((id) => !known.has(id));
  if (missing.length > 0) {
    throw new DatasetNotFoundError(
      `The newest version of the data set "${dataset.name}" has no row ${missing.slice(0, 5).join(', ')}.`,
    );
  }
}
