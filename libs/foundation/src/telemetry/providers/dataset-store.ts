/** Data sets of one tenant.   Read path: provider -> [datasets]. */
import type { DatasetRecord, DatasetRow, NewDatasetRow } from './records.js';

export interface DatasetStore {
  /** Creates a data set and gives its id. Errors: `DatasetExistsError` if this tenant has one of that name. */
  createDataset(options: {
    name: string;
    rows: readonly NewDatasetRow[];
    description?: string | undefined;
    metadata?: Record<string, unknown> | undefined;
  }): Promise<string>;
  /** Rows in the order they were added. Errors: `DatasetNotFoundError`. */
  getDataset(name: string): Promise<DatasetRow[]>;
  getDatasetInfo(name: string): Promise<DatasetRecord>;
  listDatasets(): Promise<DatasetRecord[]>;
  /** Adds rows and makes a new version. Errors: `DatasetNotFoundError`. */
  appendToDataset(name: string, rows: readonly NewDatasetRow[]): Promise<void>;
}
