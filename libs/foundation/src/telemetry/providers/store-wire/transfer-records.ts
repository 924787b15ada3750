/** Records of exports as JSON.   Server <-> remote store. */
import { z } from 'zod';
import type {
  DatasetExport,
  ExperimentExport,
  ExportedDataset,
  ExportedDatasetRow,
  ExportedDatasetSplit,
  ExportedDatasetVersion,
  ExportedEvaluation,
  ExportedExperiment,
  ExportedExperimentExample,
  ExportedRun,
  ExportedSplitRow,
} from '../transfer-records.js';
import { annotatorKind, count, isObject, jsonObject, nonEmpty, OBJECT, request, text } from './values.js';

const WHOLE = 'it must be a whole number from 1';
const fromOne = z
  .int(WHOLE)
  .min(1, WHOLE)
  .max(2 ** 31 - 1, WHOLE);
const orNull = z.string('it must be a string or null').nullable();
const times = { createdAt: text, updatedAt: text };
const period = { startTime: text, endTime: text };

const DATASET_KINDS = {
  dataset: request<ExportedDataset>({
    kind: z.literal('dataset'),
    id: nonEmpty,
    name: nonEmpty,
    description: text,
    metadata: jsonObject,
    ...times,
  }),
  version: request<ExportedDatasetVersion>({
    kind: z.literal('version'),
    id: nonEmpty,
    datasetId: nonEmpty,
    number: fromOne,
    createdAt: text,
    exampleCount: count,
  }),
  row: request<ExportedDatasetRow>({
    kind: z.literal('row'),
    id: nonEmpty,
    datasetId: nonEmpty,
    versionId: nonEmpty,
    externalId: orNull,
    spanId: orNull,
    input: jsonObject,
    output: jsonObject,
    metadata: jsonObject,
    isDeleted: z.boolean('it must be true or false'),
  }),
  split: request<ExportedDatasetSplit>({
    kind: z.literal('split'),
    id: nonEmpty,
    datasetId: nonEmpty,
    name: nonEmpty,
    description: orNull,
    color: nonEmpty,
    metadata: jsonObject,
    ...times,
  }),
  split_row: request<ExportedSplitRow>({
    kind: z.literal('split_row'),
    datasetId: nonEmpty,
    splitId: nonEmpty,
    rowId: nonEmpty,
  }),
} as const;

const EXPERIMENT_KINDS = {
  experiment: request<ExportedExperiment>({
    kind: z.literal('experiment'),
    id: nonEmpty,
    name: nonEmpty,
    description: text,
    datasetId: orNull,
    datasetVersionId: orNull,
    metadata: jsonObject,
    repetitions: fromOne,
    projectName: orNull,
    ...times,
  }),
  example: request<ExportedExperimentExample>({
    kind: z.literal('example'),
    experimentId: nonEmpty,
    exampleId: nonEmpty,
  }),
  run: request<ExportedRun>({
    kind: z.literal('run'),
    id: nonEmpty,
    experimentId: nonEmpty,
    datasetExampleId: orNull,
    inputs: jsonObject,
    outputs: jsonObject,
    metadata: jsonObject,
    repetitionNumber: fromOne,
    traceId: orNull,
    error: orNull,
    ...period,
  }),
  evaluation: request<ExportedEvaluation>({
    kind: z.literal('evaluation'),
    id: nonEmpty,
    runId: nonEmpty,
    name: nonEmpty,
    annotatorKind,
    label: orNull,
    score: z.number('it must be a finite number or null').nullable(),
    explanation: orNull,
    error: orNull,
    metadata: jsonObject,
    traceId: orNull,
    ...period,
  }),
} as const;

export const datasetExport = ofKind<DatasetExport>(DATASET_KINDS);
export const experimentExport = ofKind<ExperimentExport>(EXPERIMENT_KINDS);

/** The schema that the record's `kind` names; so that a fault is told by its field. */
function ofKind<T extends { readonly kind: string }>(schemas: Readonly<Record<T['kind'], z.ZodType>>): z.ZodType<T> {
  const convert =
    (direction: 'safeDecode' | 'safeEncode') => (value: Record<string, unknown>, context: z.core.ParsePayload) => {
      const kind = String(value['kind']);
      if (!Object.hasOwn(schemas, kind)) {
        const message = `it must be one of ${Object.keys(schemas).join(', ')}`;
        context.issues.push({ code: 'custom', path: ['kind'], message, input: value['kind'] });
        return z.NEVER;
      }
      const converted = schemas[kind as T['kind']][direction](value as never);
      if (converted.success) return converted.data as Record<string, unknown>;
      for (const issue of converted.error.issues) context.issues.push({ ...issue, input: value } as never);
      return z.NEVER;
    };
  const record = z.custom<Record<string, unknown>>(isObject, OBJECT);
  return z.codec(record, record, {
    decode: convert('safeDecode'),
    encode: convert('safeEncode'),
  }) as unknown as z.ZodType<T>;
}
