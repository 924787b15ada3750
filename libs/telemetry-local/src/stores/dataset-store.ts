/** Data sets of one tenant.   Read path: getProvider() -> provider -> [datasets] -> store. */
import {
  checkInput,
  DatasetNotFoundError,
  type DatasetRecord,
  type DatasetRow,
  type DatasetStore,
  jsonObject,
  type NewDatasetRow,
  PROVIDER_INPUTS,
  type TelemetryStore,
} from '@cogniverse/foundation/telemetry';

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
      metadata: metadata === undefined ? undefined : jsonObject(metadata, 'metadata'),
    });
    return created.id;
  }

  async getDataset(name: string): Promise<DatasetRow[]> {
    return this.#store.getDatasetRows({ tenantId: this.#tenantId, name });
  }

  async getDatasetInfo(name: string): Promise<DatasetRecord> {
    const found = (await this.listDatasets()).find((dataset) => dataset.name === name);
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
}

function asJson(row: NewDatasetRow, index: number): NewDatasetRow {
  return {
    input: jsonObject(row.input, `rows.${index}.input`),
    output: row.output === undefined ? undefined : jsonObject(row.output, `rows.${index}.output`),
    metadata: row.metadata === undefined ? undefined : jsonObject(row.metadata, `rows.${index}.metadata`),
  };
}
