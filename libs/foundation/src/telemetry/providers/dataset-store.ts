/** Data sets of one tenant.   Read path: provider -> [datasets]. */
import type {
  DatasetRecord,
  DatasetRow,
  DatasetSplitRecord,
  DatasetUpload,
  DatasetVersionRecord,
  NewDatasetRow,
} from './records.js';

export interface DatasetStore {
  /** Creates a data set and gives its id. Errors: `DatasetExistsError` if this tenant has one of that name. */
  createDataset(options: {
    name: string;
    rows: readonly NewDatasetRow[];
    description?: string | undefined;
    metadata?: Record<string, unknown> | undefined;
  }): Promise<string>;
  /**
   * Rows of a version, the newest by default, in the order they were added.
   *
   * `splits`: names, of which a row must be in one. Errors: `DatasetNotFoundError`, also for a version or split that is not there.
   */
  getDataset(
    name: string,
    options?: { versionId?: string | undefined; splits?: readonly string[] | undefined },
  ): Promise<DatasetRow[]>;
  getDatasetInfo(name: string): Promise<DatasetRecord>;
  listDatasets(): Promise<DatasetRecord[]>;
  /** Adds rows and makes a new version. A row whose `externalId` is there takes the place of that one. Errors: `DatasetNotFoundError`. */
  appendToDataset(name: string, rows: readonly NewDatasetRow[]): Promise<void>;
  /**
   * Makes the data set hold these rows and no others, as a new version. Rows are told by `externalId`, or else by their contents:
   * the same rows again change nothing. A data set that is missing is made.
   */
  updateDataset(name: string, rows: readonly NewDatasetRow[]): Promise<DatasetUpload>;
  /** Makes a new version without these rows. Errors: `DatasetNotFoundError`, also for a row that is not there. */
  deleteDatasetRows(name: string, rowIds: readonly string[]): Promise<void>;
  /** What is left out stays. Errors: `DatasetNotFoundError`, `DatasetExistsError` for a new name that is taken. */
  changeDataset(
    name: string,
    changes: {
      name?: string | undefined;
      description?: string | undefined;
      metadata?: Record<string, unknown> | undefined;
    },
  ): Promise<void>;
  /** With all versions, and the experiments over it. Errors: `DatasetNotFoundError`. */
  deleteDataset(name: string): Promise<void>;
  /** The newest first. Errors: `DatasetNotFoundError`. */
  listDatasetVersions(name: string): Promise<DatasetVersionRecord[]>;
  /** In the order of their creation. Errors: `DatasetNotFoundError`. */
  listDatasetSplits(name: string): Promise<DatasetSplitRecord[]>;
  /** The split holds these rows and no others; it is made when it is missing. Errors: `DatasetNotFoundError`, also for a row. */
  setDatasetSplit(name: string, split: string, rowIds: readonly string[]): Promise<void>;
  /** Its rows stay. Errors: `DatasetNotFoundError`, also for the split. */
  deleteDatasetSplit(name: string, split: string): Promise<void>;
}
