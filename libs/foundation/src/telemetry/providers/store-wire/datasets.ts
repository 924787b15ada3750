/** Data sets as JSON.   Server <-> remote store. */
import { z } from 'zod';
import type { DatasetRecord, DatasetRow, NewDatasetRow } from '../records.js';
import type { DatasetCalls } from '../store/dataset-calls.js';
import { type OperationsOf, reading, writing } from './operation.js';
import {
  answer,
  count,
  dataOf,
  jsonObject,
  listOf,
  nonEmpty,
  ofTenant,
  optionalText,
  request,
  type Shape,
  tenantId,
  tenantParameter,
  text,
} from './values.js';

const datasetRecord = answer<DatasetRecord>({
  id: text,
  name: text,
  description: text,
  metadata: jsonObject,
  versionId: text,
  createdAt: text,
  updatedAt: text,
  exampleCount: count,
});

const datasetRow = answer<DatasetRow>({ id: text, input: jsonObject, output: jsonObject, metadata: jsonObject });

const newDatasetRow = request<NewDatasetRow>({
  input: jsonObject,
  output: jsonObject.optional(),
  metadata: jsonObject.optional(),
});

type NewDataset = Parameters<DatasetCalls['createDataset']>[0];

const datasetShape: Shape<Omit<NewDataset, 'tenantId'>> = {
  name: nonEmpty,
  rows: listOf(newDatasetRow),
  description: optionalText,
  metadata: jsonObject.optional(),
};

export const DATASET_OPERATIONS = {
  createDataset: writing('POST datasets', ofTenant<NewDataset>({ tenantId, ...datasetShape }), dataOf(datasetRecord)),
  appendToDataset: writing(
    'POST datasets/rows',
    ofTenant<Parameters<DatasetCalls['appendToDataset']>[0]>({ tenantId, name: nonEmpty, rows: listOf(newDatasetRow) }),
    dataOf(datasetRecord),
  ),
  listDatasets: reading(
    'GET datasets',
    ofTenant<{ tenantId: string | null }>({ tenantId: tenantParameter }),
    dataOf(z.array(datasetRecord)),
  ),
  getDatasetRows: reading(
    'GET datasets/rows',
    ofTenant<Parameters<DatasetCalls['getDatasetRows']>[0]>({ tenantId: tenantParameter, name: text }),
    dataOf(z.array(datasetRow)),
  ),
} satisfies OperationsOf<DatasetCalls>;

/** The options of a provider's data set store. */
export const DATASET_INPUTS = {
  dataset: request<Omit<NewDataset, 'tenantId'>>(datasetShape),
  datasetRows: request<{ rows: readonly NewDatasetRow[] }>({ rows: datasetShape.rows }),
} as const;
