/** Data sets as JSON.   Server <-> remote store. */
import { z } from 'zod';
import type {
  DatasetRecord,
  DatasetRow,
  DatasetRowPage,
  DatasetSplitRecord,
  DatasetUpload,
  DatasetVersionRecord,
  NewDatasetRow,
} from '../records.js';
import type { DatasetCalls } from '../store/dataset-calls.js';
import { type OperationsOf, reading, writing } from './operation.js';
import { datasetExport } from './transfer-records.js';
import {
  absent,
  answer,
  count,
  dataOf,
  importCounts,
  isObject,
  jsonObject,
  listOf,
  nonEmpty,
  nothing,
  ofTenant,
  oneOf,
  optionalText,
  order,
  pageOf,
  pageSize,
  request,
  type Shape,
  tenantId,
  tenantParameter,
  text,
  textOrNull,
} from './values.js';

export const datasetRecord = answer<DatasetRecord>({
  id: text,
  tenantId,
  name: text,
  description: text,
  metadata: jsonObject,
  versionId: text,
  createdAt: text,
  updatedAt: text,
  exampleCount: count,
});

export const datasetRow = answer<DatasetRow>({
  id: text,
  externalId: absent(text),
  input: jsonObject,
  output: jsonObject,
  metadata: jsonObject,
  splits: z.array(text),
  spanId: absent(text),
  updatedAt: text,
});

const datasetRowPage = z.codec(
  z.object({ data: z.array(datasetRow), next_cursor: z.string().nullable(), version_id: text }),
  z.custom<DatasetRowPage>(isObject),
  {
    decode: ({ data, next_cursor, version_id }) => ({
      items: data,
      nextCursor: next_cursor ?? undefined,
      versionId: version_id,
    }),
    encode: ({ items, nextCursor, versionId }) => ({
      data: [...items],
      next_cursor: nextCursor ?? null,
      version_id: versionId,
    }),
  },
);

const versionRecord = answer<DatasetVersionRecord>({ id: text, createdAt: text, exampleCount: count });

const splitRecord = answer<DatasetSplitRecord>({
  id: text,
  name: text,
  description: text.nullable(),
  color: text,
  metadata: jsonObject,
  createdAt: text,
  updatedAt: text,
  exampleCount: count,
});

const uploadRecord = answer<DatasetUpload>({
  dataset: datasetRecord,
  createdCount: count,
  updatedCount: count,
  deletedCount: count,
});

const newDatasetRow = request<NewDatasetRow>({
  input: jsonObject,
  output: jsonObject.optional(),
  metadata: jsonObject.optional(),
  externalId: nonEmpty.optional(),
  id: nonEmpty.optional(),
  splits: listOf(nonEmpty, 'it must be a list of names').optional(),
  spanId: nonEmpty.optional(),
});

type RequestOf<M extends keyof DatasetCalls> = Parameters<DatasetCalls[M]>[0];
type NewDataset = RequestOf<'createDataset'>;

const datasetShape: Shape<Omit<NewDataset, 'tenantId'>> = {
  name: nonEmpty,
  rows: listOf(newDatasetRow),
  description: optionalText,
  metadata: jsonObject.optional(),
};
const dataset = { tenantId, datasetId: text };
const changes = { name: nonEmpty.optional(), description: optionalText, metadata: jsonObject.optional() };
const optionalNames = listOf(nonEmpty, 'it must be a list of names').optional();
const rowIds = listOf(text, 'it must be a list of ids');
const split = { description: textOrNull, color: nonEmpty.optional(), metadata: jsonObject.optional() };

export const DATASET_OPERATIONS = {
  createDataset: writing('POST datasets', ofTenant<NewDataset>({ tenantId, ...datasetShape }), dataOf(datasetRecord)),
  appendToDataset: writing(
    'POST datasets/rows',
    ofTenant<RequestOf<'appendToDataset'>>({ tenantId, name: nonEmpty, rows: listOf(newDatasetRow) }),
    dataOf(datasetRecord),
  ),
  uploadDataset: writing(
    'POST datasets/upload',
    ofTenant<RequestOf<'uploadDataset'>>({
      tenantId,
      ...datasetShape,
      action: oneOf(['create', 'append', 'update']),
    }),
    dataOf(uploadRecord),
  ),
  changeDataset: writing(
    'POST datasets/change',
    ofTenant<RequestOf<'changeDataset'>>({ ...dataset, ...changes }),
    dataOf(datasetRecord),
  ),
  deleteDataset: writing('POST datasets/delete', ofTenant<RequestOf<'deleteDataset'>>(dataset), nothing),
  deleteDatasetRows: writing(
    'POST datasets/rows/delete',
    ofTenant<RequestOf<'deleteDatasetRows'>>({ ...dataset, rowIds }),
    dataOf(datasetRecord),
  ),
  listDatasets: reading(
    'GET datasets',
    ofTenant<RequestOf<'listDatasets'>>({
      tenantId: tenantParameter.optional(),
      id: optionalText,
      name: optionalText,
    }),
    dataOf(z.array(datasetRecord)),
  ),
  queryDatasets: reading(
    'POST datasets/query',
    ofTenant<RequestOf<'queryDatasets'>>({
      tenantId: tenantId.optional(),
      name: optionalText,
      limit: pageSize,
      cursor: optionalText,
      order,
    }),
    pageOf(datasetRecord),
  ),
  listDatasetVersions: reading(
    'POST datasets/versions/query',
    ofTenant<RequestOf<'listDatasetVersions'>>({ ...dataset, limit: pageSize, cursor: optionalText }),
    pageOf(versionRecord),
  ),
  getDatasetRows: reading(
    'POST datasets/rows/query',
    ofTenant<RequestOf<'getDatasetRows'>>({
      ...dataset,
      versionId: optionalText,
      splits: optionalNames,
      limit: pageSize,
      cursor: optionalText,
    }),
    datasetRowPage,
  ),

  listDatasetSplits: reading(
    'GET datasets/splits',
    ofTenant<RequestOf<'listDatasetSplits'>>({ tenantId: tenantParameter, datasetId: text }),
    dataOf(z.array(splitRecord)),
  ),
  createDatasetSplit: writing(
    'POST datasets/splits',
    ofTenant<RequestOf<'createDatasetSplit'>>({ ...dataset, ...split, name: nonEmpty, rowIds: rowIds.optional() }),
    dataOf(splitRecord),
  ),
  changeDatasetSplit: writing(
    'POST datasets/splits/change',
    ofTenant<RequestOf<'changeDatasetSplit'>>({
      ...dataset,
      ...split,
      splitId: text,
      name: nonEmpty.optional(),
      addRowIds: rowIds.optional(),
      removeRowIds: rowIds.optional(),
    }),
    dataOf(splitRecord),
  ),
  deleteDatasetSplit: writing(
    'POST datasets/splits/delete',
    ofTenant<RequestOf<'deleteDatasetSplit'>>({ ...dataset, splitId: text }),
    nothing,
  ),
  exportDatasets: reading(
    'POST datasets/export',
    ofTenant<RequestOf<'exportDatasets'>>({ tenantId, limit: pageSize, cursor: optionalText }),
    pageOf(datasetExport),
  ),
  importDatasets: writing(
    'POST datasets/import',
    ofTenant<RequestOf<'importDatasets'>>({ tenantId, records: listOf(datasetExport) }),
    importCounts,
  ),
} satisfies OperationsOf<DatasetCalls>;

/** The options of a provider's data set store. */
export const DATASET_INPUTS = {
  dataset: request<Omit<NewDataset, 'tenantId'>>(datasetShape),
  datasetRows: request<{ rows: readonly NewDatasetRow[] }>({ rows: datasetShape.rows }),
  datasetQuery: request<{ versionId?: string | undefined; splits?: readonly string[] | undefined }>({
    versionId: optionalText,
    splits: optionalNames,
  }),
  datasetChanges: request<Omit<RequestOf<'changeDataset'>, 'tenantId' | 'datasetId'>>(changes),
  datasetRowIds: request<{ rowIds: readonly string[] }>({ rowIds }),
  datasetSplit: request<{ split: string; rowIds: readonly string[] }>({ split: nonEmpty, rowIds }),
} as const;
