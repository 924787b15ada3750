/** Data sets of one tenant.   Read path: getProvider() -> provider -> [datasets] -> store. */

import { checkInput, DatasetNotFoundError, jsonObject, PROVIDER_INPUTS } from '@cogniverse/foundation/store';
import type {
  DatasetRecord,
  DatasetRow,
  DatasetSplitRecord,
  DatasetStore,
  DatasetUpload,
  DatasetVersionRecord,
  NewDatasetRow,
  TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import { allPages } from './all-pages.js';

export class LocalDatasetStore implements DatasetStore {
  readonly #store: TelemetryStore;
  readonly #tenantId: string;

  constructor(store: TelemetryStore, tenantId: string) {
    this.#store = store;
    this.#tenantId = tenantId;
  }

  async createDataset(options: Parameters<DatasetStore['createDataset']>[0]): Promise<string> {
    checkInput(PROVIDER_INPUTS.dataset, options);
    const { name, rows, description, metadata } = options;
    const created = await this.#store.createDataset({
      tenantId: this.#tenantId,
      name,
      rows: rows.map(asJson),
      description,
      metadata: optionalJson(metadata, 'metadata'),
    });
    return created.id;
  }

  async getDataset(
    name: string,
    options: { versionId?: string | undefined; splits?: readonly string[] | undefined } = {},
  ): Promise<DatasetRow[]> {
    checkInput(PROVIDER_INPUTS.datasetQuery, options);
    const dataset = await this.#dataset(name);
    // The version is held while the pages are read, whatever is appended.
    const versionId = options.versionId ?? (await this.getDatasetInfo(name)).versionId;
    return allPages((page) => this.#store.getDatasetRows({ ...dataset, ...options, versionId, ...page }));
  }

  async getDatasetInfo(name: string): Promise<DatasetRecord> {
    const [found] = await this.#store.listDatasets({ tenantId: this.#tenantId, name });
    if (found === undefined) {
      throw new DatasetNotFoundError(`Tenant "${this.#tenantId}" has no data set named "${name}". Create it first.`);
    }
    return found;
  }

  async listDatasets(): Promise<DatasetRecord[]> {
    return this.#store.listDatasets({ tenantId: this.#tenantId });
  }

  async appendToDataset(name: string, rows: readonly NewDatasetRow[]): Promise<void> {
    checkInput(PROVIDER_INPUTS.datasetRows, { rows });
    await this.#store.appendToDataset({ tenantId: this.#tenantId, name, rows: rows.map(asJson) });
  }

  async updateDataset(name: string, rows: readonly NewDatasetRow[]): Promise<DatasetUpload> {
    checkInput(PROVIDER_INPUTS.dataset, { name, rows });
    return this.#store.uploadDataset({
      tenantId: this.#tenantId,
      name,
      action: 'update',
      rows: rows.map(asJson),
    });
  }

  async deleteDatasetRows(name: string, rowIds: readonly string[]): Promise<void> {
    checkInput(PROVIDER_INPUTS.datasetRowIds, { rowIds });
    await this.#store.deleteDatasetRows({ ...(await this.#dataset(name)), rowIds });
  }

  async changeDataset(name: string, changes: Parameters<DatasetStore['changeDataset']>[1]): Promise<void> {
    checkInput(PROVIDER_INPUTS.datasetChanges, changes);
    const metadata = optionalJson(changes.metadata, 'metadata');
    await this.#store.changeDataset({ ...(await this.#dataset(name)), ...changes, metadata });
  }

  async deleteDataset(name: string): Promise<void> {
    await this.#store.deleteDataset(await this.#dataset(name));
  }

  async listDatasetVersions(name: string): Promise<DatasetVersionRecord[]> {
    const dataset = await this.#dataset(name);
    return allPages((page) => this.#store.listDatasetVersions({ ...dataset, ...page }));
  }

  async listDatasetSplits(name: string): Promise<DatasetSplitRecord[]> {
    return this.#store.listDatasetSplits(await this.#dataset(name));
  }

  async setDatasetSplit(name: string, split: string, rowIds: readonly string[]): Promise<void> {
    checkInput(PROVIDER_INPUTS.datasetSplit, { split, rowIds });
    const dataset = await this.#dataset(name);
    const found = await this.#split(name, split);
    if (found === undefined) {
      await this.#store.createDatasetSplit({ ...dataset, name: split, rowIds });
      return;
    }
    const held = await this.getDataset(name, { splits: [split] });
    const removeRowIds = held.map(({ id }) => id).filter((id) => !rowIds.includes(id));
    await this.#store.changeDatasetSplit({ ...dataset, splitId: found.id, addRowIds: rowIds, removeRowIds });
  }

  async deleteDatasetSplit(name: string, split: string): Promise<void> {
    const found = await this.#split(name, split);
    if (found === undefined) throw new DatasetNotFoundError(`The data set "${name}" has no split "${split}".`);
    await this.#store.deleteDatasetSplit({ ...(await this.#dataset(name)), splitId: found.id });
  }

  async #split(name: string, split: string): Promise<DatasetSplitRecord | undefined> {
    return (await this.listDatasetSplits(name)).find((one) => one.name === split);
  }

  async #dataset(name: string): Promise<{ tenantId: string; datasetId: string }> {
    return { tenantId: this.#tenantId, datasetId: (await this.getDatasetInfo(name)).id };
  }
}

function asJson(row: NewDatasetRow, index: number): NewDatasetRow {
  return {
    ...row,
    input: jsonObject(row.input, `rows.${index}.input`),
    output: optionalJson(row.output, `rows.${index}.output`),
    metadata: optionalJson(row.metadata, `rows.${index}.metadata`),
  };
}

function optionalJson(value: Record<string, unknown> | undefined, field: string): Record<string, unknown> | undefined {
  return value === undefined ? undefined : jsonObject(value, field);
}
