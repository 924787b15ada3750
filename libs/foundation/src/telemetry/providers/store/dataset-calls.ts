/** What a store keeps of data sets. `tenantId: null` stands for what names no tenant.   Server -> [dataset-calls]. */
import type { DatasetRecord, DatasetRow, NewDatasetRow } from '../records.js';

export interface DatasetCalls {
  createDataset(request: {
    tenantId: string | null;
    name: string;
    rows: readonly NewDatasetRow[];
    description?: string | undefined;
    metadata?: Record<string, unknown> | undefined;
  }): Promise<DatasetRecord>;
  appendToDataset(request: {
    tenantId: string | null;
    name: string;
    rows: readonly NewDatasetRow[];
  }): Promise<DatasetRecord>;
  listDatasets(request: { tenantId: string | null }): Promise<DatasetRecord[]>;
  getDatasetRows(request: { tenantId: string | null; name: string }): Promise<DatasetRow[]>;
}
