/**
 * Data sets out of a store and into another, with their ids, versions and times.   Meta store: handlers -> [dataset-transfer] -> meta database.
 *
 * An import adds what is missing by its id and changes nothing that is there. All is checked before anything is written, so that a
 * page goes in as a whole or not at all.
 */

import { DatasetExistsError } from '@cogniverse/foundation/store';
import type { DatasetExport, ImportCounts, Page } from '@cogniverse/foundation/telemetry';
import { SqlBuilder } from '../query/sql-builder.js';
import type { StoreRequest } from '../store-port.js';
import { appendRows } from './append-rows.js';
import { datasetNotFound, type Read, readOf } from './dataset-reads.js';
import { contentHash } from './datasets.js';
import { type ExportTable, exportPage } from './export-pages.js';
import { firstOf, foreignId, pair, timeText } from './import-rows.js';
import { type MetaDatabase, OF_TENANT } from './meta-database.js';
import { jsonText, requiredName } from './meta-fields.js';

type Kind<K extends DatasetExport['kind']> = Extract<DatasetExport, { kind: K }>;

/** Bounds of a data set: its newest version, its newest split. */
const TABLES: readonly ExportTable<DatasetExport>[] = [
  {
    columns: `d.id, d.name, d.description, d.metadata, d.created_at,
      coalesce(d.updated_at, (SELECT max_by(created_at, number) FROM meta.dataset_versions WHERE dataset_id = d.id), d.created_at)`,
    source: (sql, { id }) => `meta.datasets d WHERE d.id = ${sql.bind(id)}`,
    key: [['d.position', 'BIGINT']],
    record: (row) => {
      const [id, name, description, metadata, createdAt, updatedAt] = row as string[];
      return {
        kind: 'dataset',
        id: id!,
        name: name!,
        description: description!,
        metadata: JSON.parse(metadata!),
        createdAt: createdAt!,
        updatedAt: updatedAt!,
      };
    },
  },
  {
    columns: 'id, dataset_id, created_at, row_count',
    source: (sql, { id, bounds }) =>
      `meta.dataset_versions WHERE dataset_id = ${sql.bind(id)} AND number <= ${sql.bind(bounds[0]!)}`,
    key: [['number', 'INTEGER']],
    record: ([id, datasetId, createdAt, count, number]) => ({
      kind: 'version',
      id: id as string,
      datasetId: datasetId as string,
      number: number as number,
      createdAt: createdAt as string,
      exampleCount: Number(count),
    }),
  },
  {
    columns: 'r.id, r.dataset_id, v.id, r.external_id, r.span_id, r.input, r.output, r.metadata, r.is_deleted',
    source: (sql, { id, bounds }) =>
      `meta.dataset_rows r JOIN meta.dataset_versions v ON v.dataset_id = r.dataset_id AND v.number = r.version
       WHERE r.dataset_id = ${sql.bind(id)} AND r.version <= ${sql.bind(bounds[0]!)}`,
    key: [
      ['r.position', 'BIGINT'],
      ['r.version', 'INTEGER'],
    ],
    record: ([id, datasetId, versionId, externalId, spanId, input, output, metadata, isDeleted]) => ({
      kind: 'row',
      id: id as string,
      datasetId: datasetId as string,
      versionId: versionId as string,
      externalId: externalId as string | null,
      spanId: spanId as string | null,
      input: JSON.parse(input as string),
      output: JSON.parse(output as string),
      metadata: JSON.parse(metadata as string),
      isDeleted: isDeleted === true,
    }),
  },
  {
    columns: 'id, dataset_id, name, description, color, metadata, created_at, updated_at',
    source: (sql, { id, bounds }) =>
      `meta.dataset_splits WHERE dataset_id = ${sql.bind(id)} AND position <= ${sql.bind(bounds[1]!)}`,
    key: [['position', 'BIGINT']],
    record: ([id, datasetId, name, description, color, metadata, createdAt, updatedAt]) => ({
      kind: 'split',
      id: id as string,
      datasetId: datasetId as string,
      name: name as string,
      description: description as string | null,
      color: color as string,
      metadata: JSON.parse(metadata as string),
      createdAt: createdAt as string,
      updatedAt: updatedAt as string,
    }),
  },
  {
    columns: 'm.dataset_id',
    source: (sql, { id, bounds }) =>
      `meta.dataset_split_rows m JOIN meta.dataset_splits s ON s.id = m.split_id
       WHERE m.dataset_id = ${sql.bind(id)} AND s.position <= ${sql.bind(bounds[1]!)} AND m.row_id IN (
         SELECT id FROM meta.dataset_rows WHERE dataset_id = ${sql.bind(id)} AND version <= ${sql.bind(bounds[0]!)})`,
    key: [
      ['m.split_id', 'VARCHAR'],
      ['m.row_id', 'VARCHAR'],
    ],
    record: ([datasetId, splitId, rowId]) => ({
      kind: 'split_row',
      datasetId: datasetId as string,
      splitId: splitId as string,
      rowId: rowId as string,
    }),
  },
];

export class DatasetTransfer {
  readonly #meta: MetaDatabase;

  constructor(meta: MetaDatabase) {
    this.#meta = meta;
  }

  /** Data set by data set, in the order of their creation. Errors: `InvalidQueryError`. */
  async exportDatasets({ tenantId, ...page }: StoreRequest<'exportDatasets'>): Promise<Page<DatasetExport>> {
    const read: Read = (sql, parameters) => this.#meta.host.query(sql, parameters);
    return exportPage(read, page, {
      tables: TABLES,
      parent: async (position) => {
        const [found] = await read(
          `SELECT id, position, (SELECT coalesce(max(number), 0) FROM meta.dataset_versions WHERE dataset_id = d.id)::BIGINT,
             (SELECT coalesce(max(position), 0) FROM meta.dataset_splits WHERE dataset_id = d.id)
           FROM meta.datasets d WHERE ${OF_TENANT} AND position >= $position ORDER BY position LIMIT 1`,
          { tenant: tenantId, position },
        );
        if (found === undefined) return undefined;
        const [id, at, ...bounds] = found as [string, ...bigint[]];
        return { id, position: at!, bounds };
      },
    });
  }

  /**
   * Errors: `DatasetExistsError` where a name, or the number of a version, is that of something else already; `DatasetNotFoundError` for
   * what a record belongs to; `InvalidQueryError` for an id that is taken.
   */
  async importDatasets({ tenantId, records }: StoreRequest<'importDatasets'>): Promise<ImportCounts> {
    const texts = new Map(records.map((record, index) => [record, textsOf(record, `records.${index}`)]));
    const kind = <K extends DatasetExport['kind']>(name: K) =>
      records.filter((record): record is Kind<K> => record.kind === name);
    const versions = firstOf(kind('version'), ({ id }) => id);
    const splits = firstOf(kind('split'), ({ id }) => id);
    return this.#meta.commit(async (connection) => {
      const read = readOf(connection);
      const newDatasets = await missingDatasets(
        read,
        tenantId,
        firstOf(kind('dataset'), ({ id }) => id),
      );
      const parents = new Set(records.flatMap((record) => (record.kind === 'dataset' ? [] : [record.datasetId])));
      await requireDatasets(read, tenantId, parents, newDatasets);
      const known = await idsAndParents(read, 'dataset_versions', 'number', [...parents], versions);
      const newVersions = added(versions, known, 'version', ({ number }) => `version ${number}`);
      const numbers = new Map(
        [...known, ...newVersions].map(({ id, datasetId, number }) => [pair(datasetId, id), number]),
      );
      const knownSplits = await idsAndParents(read, 'dataset_splits', 'name', [...parents], splits);
      const newSplits = added(splits, knownSplits, 'split', ({ name }) => `split "${name}"`);
      const splitKeys = new Set([...knownSplits, ...newSplits].map(({ id, datasetId }) => pair(datasetId, id)));

      const numberOf = ({ datasetId, versionId }: Kind<'row'>) => {
        const number = numbers.get(pair(datasetId, versionId));
        if (number === undefined) throw datasetNotFound(`${datasetId}" with the version "${versionId}`);
        return number as number;
      };
      const rows = firstOf(kind('row'), (row) => pair(row.id, numberOf(row)));
      const held = await rowsOf(read, rows);
      const parentOf = new Map(held.rows.map(({ id, datasetId }) => [id, datasetId]));
      for (const { id, datasetId } of rows) {
        if ((parentOf.get(id) ?? datasetId) !== datasetId) throw foreignId('row', id);
        parentOf.set(id, datasetId);
      }
      const newRows = rows.filter((row) => !held.keys.has(pair(row.id, numberOf(row))));
      const members = firstOf(kind('split_row'), ({ splitId, rowId }) => pair(splitId, rowId));
      for (const { datasetId, splitId } of members) {
        if (!splitKeys.has(pair(datasetId, splitId))) throw datasetNotFound(`${datasetId}" with the split "${splitId}`);
      }
      const heldMembers = await membersOf(read, members);
      const newMembers = members.filter(({ splitId, rowId }) => !heldMembers.has(pair(splitId, rowId)));

      const text = (record: DatasetExport) => texts.get(record)!;
      const next = () => this.#meta.nextPosition();
      const placeOfRow = new Map(held.rows.map(({ id, position }) => [id, position]));
      const place = (id: string) => {
        const position = placeOfRow.get(id) ?? next();
        placeOfRow.set(id, position);
        return position;
      };
      await appendRows(
        connection,
        'datasets',
        newDatasets.map((record) => {
          const { metadata, createdAt, updatedAt } = text(record);
          const { id, name, description } = record;
          return [id, tenantId, name, description, metadata!, createdAt!, next(), updatedAt!];
        }),
      );
      await appendRows(
        connection,
        'dataset_versions',
        newVersions.map((record) => {
          const { id, datasetId, number, exampleCount } = record;
          return [id, datasetId, number, text(record)['createdAt']!, BigInt(exampleCount), tenantId];
        }),
      );
      await appendRows(
        connection,
        'dataset_rows',
        newRows.map((record) => {
          const { input, output, metadata } = text(record);
          const { id, datasetId, externalId, spanId, isDeleted } = record;
          const hash = contentHash(input!, output!, metadata!);
          const content = [input!, output!, metadata!, tenantId, externalId, spanId, hash, isDeleted];
          return [id, datasetId, numberOf(record), place(id), ...content];
        }),
      );
      await appendRows(
        connection,
        'dataset_splits',
        newSplits.map((record) => {
          const { metadata, createdAt, updatedAt } = text(record);
          const { id, datasetId, name, description, color } = record;
          return [id, tenantId, datasetId, name, description, color, metadata!, createdAt!, updatedAt!, next()];
        }),
      );
      await appendRows(
        connection,
        'dataset_split_rows',
        newMembers.map(({ datasetId, splitId, rowId }) => [tenantId, datasetId, splitId, rowId]),
      );
      const imported = newDatasets.length + newVersions.length + newRows.length + newSplits.length + newMembers.length;
      return { imported, existing: records.length - imported };
    });
  }
}

// ---- what is there

/** Those whose id the store does not have. Errors: `DatasetExistsError`, `InvalidQueryError`. */
async function missingDatasets(
  read: Read,
  tenantId: string | null,
  datasets: readonly Kind<'dataset'>[],
): Promise<Kind<'dataset'>[]> {
  if (datasets.length === 0) return [];
  const sql = new SqlBuilder();
  const ids = datasets.map(({ id }) => id);
  const names = datasets.map(({ name }) => name);
  const known = await read(
    `SELECT id, tenant_id, name FROM meta.datasets WHERE ${sql.anyOf('id', ids)} OR ${sql.anyOf('name', names)}`,
    sql.parameters,
  );
  const tenantOf = new Map(known.map(([id, tenant]) => [id, tenant]));
  const idOf = new Map(known.filter(([, tenant]) => tenant === tenantId).map(([id, , name]) => [name, id]));
  for (const { id, name } of datasets) {
    if (tenantOf.has(id)) {
      if (tenantOf.get(id) !== tenantId) throw foreignId('data set', id);
      continue;
    }
    if (idOf.has(name)) {
      throw new DatasetExistsError(`There is another data set named "${name}" already. Rename that one, or delete it.`);
    }
    idOf.set(name, id);
  }
  return datasets.filter(({ id }) => !tenantOf.has(id));
}

/** Errors: `DatasetNotFoundError`. */
async function requireDatasets(
  read: Read,
  tenantId: string | null,
  ids: ReadonlySet<string>,
  added: readonly { readonly id: string }[],
): Promise<void> {
  const sql = new SqlBuilder();
  const found = await read(
    `SELECT id FROM meta.datasets WHERE tenant_id IS NOT DISTINCT FROM ${sql.bind(tenantId)}::VARCHAR AND ${sql.anyOf('id', [...ids])}`,
    sql.parameters,
  );
  const known = new Set([...found.map(([id]) => id), ...added.map(({ id }) => id)]);
  for (const id of ids) if (!known.has(id)) throw datasetNotFound(id);
}

interface Part {
  readonly id: string;
  readonly datasetId: string;
}

/** Versions or splits of the data sets, and those of the ids wherever they are. */
async function idsAndParents<C extends 'number' | 'name'>(
  read: Read,
  table: 'dataset_versions' | 'dataset_splits',
  own: C,
  datasetIds: readonly string[],
  parts: readonly Part[],
): Promise<(Part & Readonly<Record<C, string | number>>)[]> {
  const sql = new SqlBuilder();
  const ids = parts.map(({ id }) => id);
  const rows = await read(
    `SELECT id, dataset_id, ${own} FROM meta.${table} WHERE ${sql.anyOf('dataset_id', datasetIds)} OR ${sql.anyOf('id', ids)}`,
    sql.parameters,
  );
  return rows.map(
    ([id, datasetId, value]) =>
      ({ id, datasetId, [own]: value }) as unknown as Part & Readonly<Record<C, string | number>>,
  );
}

/** Those that are missing. Errors: `DatasetExistsError` if another one is in its place, `InvalidQueryError` for an id that is taken. */
function added<T extends Part>(
  parts: readonly T[],
  known: readonly (Part & ({ readonly number: unknown } | { readonly name: unknown }))[],
  kind: string,
  placeOf: (part: T) => string,
): T[] {
  const parentOf = new Map(known.map(({ id, datasetId }) => [id, datasetId]));
  const taken = new Map((known as unknown as T[]).map((part) => [pair(part.datasetId, placeOf(part)), part.id]));
  return parts.filter((part) => {
    const { id, datasetId } = part;
    if (parentOf.has(id)) {
      if (parentOf.get(id) !== datasetId) throw foreignId(kind, id);
      return false;
    }
    const place = pair(datasetId, placeOf(part));
    if (taken.has(place)) {
      throw new DatasetExistsError(
        `The data set "${datasetId}" has another ${placeOf(part)} already: it was changed on both sides. Delete it here first, or import into another store.`,
      );
    }
    taken.set(place, id);
    return true;
  });
}

async function rowsOf(read: Read, rows: readonly Kind<'row'>[]) {
  const sql = new SqlBuilder();
  const ids = [...new Set(rows.map(({ id }) => id))];
  const found = await read(
    `SELECT id, version, dataset_id, position FROM meta.dataset_rows WHERE ${sql.anyOf('id', ids)}`,
    sql.parameters,
  );
  return {
    keys: new Set(found.map(([id, version]) => pair(id as string, version as number))),
    rows: found.map(([id, , datasetId, position]) => ({
      id: id as string,
      datasetId: datasetId as string,
      position: position as bigint,
    })),
  };
}

async function membersOf(read: Read, members: readonly Kind<'split_row'>[]): Promise<Set<string>> {
  const sql = new SqlBuilder();
  const splitIds = [...new Set(members.map(({ splitId }) => splitId))];
  const rows = await read(
    `SELECT split_id, row_id FROM meta.dataset_split_rows WHERE ${sql.anyOf('split_id', splitIds)}`,
    sql.parameters,
  );
  return new Set(rows.map(([splitId, rowId]) => pair(splitId as string, rowId as string)));
}

/** What is stored as text. Errors: `InvalidQueryError`. */
function textsOf(record: DatasetExport, field: string): Partial<Record<string, string>> {
  switch (record.kind) {
    case 'dataset':
    case 'split':
      requiredName(record.name, `${field}.name`);
      return {
        metadata: jsonText(record.metadata, `${field}.metadata`),
        createdAt: timeText(record.createdAt, `${field}.createdAt`),
        updatedAt: timeText(record.updatedAt, `${field}.updatedAt`),
      };
    case 'version':
      return { createdAt: timeText(record.createdAt, `${field}.createdAt`) };
    case 'row':
      return {
        input: jsonText(record.input, `${field}.input`),
        output: jsonText(record.output, `${field}.output`),
        metadata: jsonText(record.metadata, `${field}.metadata`),
      };
    case 'split_row':
      return {};
  }
}
