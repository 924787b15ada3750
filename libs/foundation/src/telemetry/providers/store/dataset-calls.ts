/** What a store keeps of data sets. `tenantId: null` stands for what names no tenant; undefined, where it may be, for any.   Server -> [dataset-calls]. */
import type {
  DatasetRecord,
  DatasetRowPage,
  DatasetSplitRecord,
  DatasetUpload,
  DatasetVersionRecord,
  ImportCounts,
  NewDatasetRow,
  OrderedPart,
  Page,
  Paged,
} from '../records.js';
import type { DatasetExport } from '../transfer-records.js';

export interface OfDataset {
  readonly tenantId: string | null;
  readonly datasetId: string;
}

export interface NewDataset {
  readonly tenantId: string | null;
  readonly name: string;
  readonly rows: readonly NewDatasetRow[];
  readonly description?: string | undefined;
  readonly metadata?: Record<string, unknown> | undefined;
}

export interface DatasetCalls {
  createDataset(request: NewDataset): Promise<DatasetRecord>;
  /** Adds rows; those with the id of a row take its place. Errors: `DatasetNotFoundError`. */
  appendToDataset(request: {
    readonly tenantId: string | null;
    readonly name: string;
    readonly rows: readonly NewDatasetRow[];
  }): Promise<DatasetRecord>;
  /**
   * Phoenix's upload. A row without an id is the first row of equal contents that no other of the upload is, so that the same upload
   * again changes nothing. `update`: rows that the upload does not have are deleted. `append` and `update` make a data set that is
   * missing. An upload that changes no contents makes no version.
   */
  uploadDataset(request: NewDataset & { readonly action: 'create' | 'append' | 'update' }): Promise<DatasetUpload>;
  changeDataset(
    request: OfDataset & {
      readonly name?: string | undefined;
      readonly description?: string | undefined;
      readonly metadata?: Record<string, unknown> | undefined;
    },
  ): Promise<DatasetRecord>;
  /** With its versions and its experiments. */
  deleteDataset(request: OfDataset): Promise<void>;
  /** Makes a version without these rows. */
  deleteDatasetRows(request: OfDataset & { readonly rowIds: readonly string[] }): Promise<DatasetRecord>;
  /** In the order of their creation. */
  listDatasets(request: {
    readonly tenantId?: string | null | undefined;
    readonly id?: string | undefined;
    readonly name?: string | undefined;
  }): Promise<DatasetRecord[]>;
  /** The same, a page at a time. */
  queryDatasets(
    request: { readonly tenantId?: string | null | undefined; readonly name?: string | undefined } & OrderedPart,
  ): Promise<Page<DatasetRecord>>;
  /** The newest first. */
  listDatasetVersions(request: OfDataset & Paged): Promise<Page<DatasetVersionRecord>>;
  /** In the order they were added. `splits`: ids or names, of which a row must be in one. Default version: the newest. */
  getDatasetRows(
    request: OfDataset &
      Paged & { readonly versionId?: string | undefined; readonly splits?: readonly string[] | undefined },
  ): Promise<DatasetRowPage>;

  /** In the order of their creation. */
  listDatasetSplits(request: OfDataset): Promise<DatasetSplitRecord[]>;
  createDatasetSplit(
    request: OfDataset & {
      readonly name: string;
      readonly description?: string | null | undefined;
      readonly color?: string | undefined;
      readonly metadata?: Record<string, unknown> | undefined;
      readonly rowIds?: readonly string[] | undefined;
    },
  ): Promise<DatasetSplitRecord>;
  /** What is left out stays. A row that is both added and removed is removed. */
  changeDatasetSplit(
    request: OfDataset & {
      readonly splitId: string;
      readonly name?: string | undefined;
      readonly description?: string | null | undefined;
      readonly color?: string | undefined;
      readonly metadata?: Record<string, unknown> | undefined;
      readonly addRowIds?: readonly string[] | undefined;
      readonly removeRowIds?: readonly string[] | undefined;
    },
  ): Promise<DatasetSplitRecord>;
  /** The rows stay. */
  deleteDatasetSplit(request: OfDataset & { readonly splitId: string }): Promise<void>;

  /** All data sets of the tenant: each with its versions, rows, splits and who is in these. What is written while it runs may be missing, never in part. */
  exportDatasets(request: { readonly tenantId: string | null } & Paged): Promise<Page<DatasetExport>>;
  /**
   * What `exportDatasets` gave, in its order, a page at a time; a page goes in as a whole. What is there already, by its id, stays as it is, so that
   * the same import changes nothing twice.
   *
   * Errors: `DatasetExistsError` where a name, or a version of that number, is another's; `DatasetNotFoundError` for what a record belongs
   * to; `InvalidQueryError` for an id that is taken.
   */
  importDatasets(request: {
    readonly tenantId: string | null;
    readonly records: readonly DatasetExport[];
  }): Promise<ImportCounts>;
}
