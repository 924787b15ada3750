/** Experiments, runs and evaluations as JSON.   Server <-> remote store. */
import { z } from 'zod';
import type {
  ComparedEvaluation,
  ComparedExample,
  ComparedExperiment,
  ComparedRuns,
  ComparedScore,
  ExperimentComparison,
} from '../experiment-comparison.js';
import type { NewExperiment, NewExperimentRun, NewRunEvaluation } from '../experiment-store.js';
import type {
  ExperimentEvaluation,
  ExperimentRecord,
  ExperimentRunRecord,
  IncompleteEvaluation,
  IncompleteRun,
} from '../records.js';
import type { ExperimentCalls } from '../store/experiment-calls.js';
import { datasetRow } from './datasets.js';
import { type OperationsOf, reading, writing } from './operation.js';
import { experimentExport } from './transfer-records.js';
import {
  absent,
  annotatorKind,
  answer,
  count,
  dataOf,
  importCounts,
  jsonObject,
  listOf,
  nonEmpty,
  nothing,
  ofTenant,
  optionalText,
  order,
  pageOf,
  pageSize,
  request,
  type Shape,
  scoreOrNull,
  tenantId,
  tenantParameter,
  text,
  textOrNull,
  time,
} from './values.js';

const experimentRecord = answer<ExperimentRecord>({
  id: text,
  tenantId,
  name: text,
  description: text,
  datasetId: absent(text),
  datasetVersionId: absent(text),
  metadata: jsonObject,
  repetitions: count,
  projectName: absent(text),
  createdAt: text,
  updatedAt: text,
  exampleCount: count,
  runCount: count,
  successfulRunCount: count,
  failedRunCount: count,
  missingRunCount: count,
});

const evaluationRecord = answer<ExperimentEvaluation>({
  id: text,
  name: text,
  annotatorKind,
  label: text.nullable(),
  score: z.number().nullable(),
  explanation: text.nullable(),
  error: text.nullable(),
  metadata: jsonObject,
  traceId: absent(text),
  startTime: text,
  endTime: text,
});

const runRecord = answer<ExperimentRunRecord>({
  id: text,
  experimentId: text,
  datasetExampleId: absent(text),
  inputs: jsonObject,
  outputs: jsonObject,
  metadata: jsonObject,
  repetitionNumber: count,
  traceId: absent(text),
  error: absent(text),
  startTime: text,
  endTime: text,
  evaluations: z.array(evaluationRecord),
});

const numberOrNull = z.number().nullable();

const comparison = answer<ExperimentComparison>({
  datasetId: text,
  baselineExperimentId: text,
  experiments: z.array(
    answer<ComparedExperiment>({
      experimentId: text,
      name: text,
      runCount: count,
      errorCount: count,
      missingRunCount: count,
      latencyMeanMillis: numberOrNull,
      latencyDeltaMillis: numberOrNull,
      evaluations: z.array(
        answer<ComparedEvaluation>({
          name: text,
          exampleCount: count,
          meanScore: numberOrNull,
          meanDelta: numberOrNull,
          improvementCount: count,
          regressionCount: count,
          unchangedCount: count,
          errorCount: count,
        }),
      ),
    }),
  ),
  examples: z.array(
    answer<ComparedExample>({
      example: datasetRow,
      experiments: z.array(
        answer<ComparedRuns>({
          experimentId: text,
          runCount: count,
          errorCount: count,
          latencyMeanMillis: numberOrNull,
          scores: z.array(
            answer<ComparedScore>({
              name: text,
              score: numberOrNull,
              labels: z.array(text),
              errorCount: count,
              delta: numberOrNull,
            }),
          ),
        }),
      ),
    }),
  ),
});

const FROM_ONE = 'it must be a whole number from 1';
const fromOne = z.int(FROM_ONE).min(1, FROM_ONE).optional();
const names = 'it must be a list of names';

const newRun = request<NewExperimentRun>({
  inputs: jsonObject.optional(),
  outputs: jsonObject,
  metadata: jsonObject.optional(),
  datasetExampleId: optionalText,
  repetitionNumber: fromOne,
  traceId: optionalText,
  error: optionalText,
  startTime: time('startTime'),
  endTime: time('endTime'),
});

const experimentShape: Shape<NewExperiment> = {
  name: nonEmpty,
  description: optionalText,
  datasetName: optionalText,
  versionId: optionalText,
  splits: listOf(nonEmpty, names).optional(),
  metadata: jsonObject.optional(),
  repetitions: fromOne,
  projectName: nonEmpty.optional(),
};

const runEvaluation = request<NewRunEvaluation>({
  name: nonEmpty,
  label: textOrNull,
  score: scoreOrNull,
  explanation: textOrNull,
  error: textOrNull,
  annotatorKind: annotatorKind.optional(),
  metadata: jsonObject.optional(),
  traceId: optionalText,
  startTime: time('startTime'),
  endTime: time('endTime'),
});

type RequestOf<M extends keyof ExperimentCalls> = Parameters<ExperimentCalls[M]>[0];

const experiment = { tenantId, experimentId: text };
const changes = { name: nonEmpty.optional(), description: optionalText, metadata: jsonObject.optional() };
const paged = { limit: pageSize, cursor: optionalText };
const evaluationNames = listOf(nonEmpty, names).min(1, 'it must name at least one');
const experimentIds = listOf(text, 'it must be a list of ids');

export const EXPERIMENT_OPERATIONS = {
  createExperiment: writing(
    'POST experiments',
    ofTenant<RequestOf<'createExperiment'>>({ tenantId, ...experimentShape, datasetId: optionalText }),
    dataOf(experimentRecord),
  ),
  listExperiments: reading(
    'GET experiments',
    ofTenant<RequestOf<'listExperiments'>>({
      tenantId: tenantParameter.optional(),
      experimentId: optionalText,
      datasetId: optionalText,
    }),
    dataOf(z.array(experimentRecord)),
  ),
  queryExperiments: reading(
    'POST experiments/query',
    ofTenant<RequestOf<'queryExperiments'>>({
      tenantId: tenantId.optional(),
      datasetId: optionalText,
      ...paged,
      order,
    }),
    pageOf(experimentRecord),
  ),
  changeExperiment: writing(
    'POST experiments/change',
    ofTenant<RequestOf<'changeExperiment'>>({ ...experiment, ...changes }),
    dataOf(experimentRecord),
  ),
  deleteExperiment: writing('POST experiments/delete', ofTenant<RequestOf<'deleteExperiment'>>(experiment), nothing),
  logRun: writing(
    'POST experiments/runs',
    ofTenant<RequestOf<'logRun'>>({ ...experiment, run: newRun }),
    dataOf(runRecord),
  ),
  getRuns: reading(
    'POST experiments/runs/query',
    ofTenant<RequestOf<'getRuns'>>({ ...experiment, ...paged, order }),
    pageOf(runRecord),
  ),
  logRunEvaluation: writing(
    'POST experiments/evaluations',
    ofTenant<RequestOf<'logRunEvaluation'>>({ tenantId: tenantId.optional(), runId: text, evaluation: runEvaluation }),
    dataOf(evaluationRecord),
  ),
  listIncompleteRuns: reading(
    'POST experiments/incomplete-runs/query',
    ofTenant<RequestOf<'listIncompleteRuns'>>({ ...experiment, ...paged }),
    pageOf(answer<IncompleteRun>({ example: datasetRow, repetitionNumbers: z.array(count) })),
  ),
  listIncompleteEvaluations: reading(
    'POST experiments/incomplete-evaluations/query',
    ofTenant<RequestOf<'listIncompleteEvaluations'>>({ ...experiment, ...paged, evaluationNames }),
    pageOf(answer<IncompleteEvaluation>({ run: runRecord, example: datasetRow, evaluationNames: z.array(text) })),
  ),
  compareExperiments: reading(
    'POST experiments/compare',
    ofTenant<RequestOf<'compareExperiments'>>({ tenantId, experimentIds }),
    dataOf(comparison),
  ),
  exportExperiments: reading(
    'POST experiments/export',
    ofTenant<RequestOf<'exportExperiments'>>({ tenantId, limit: pageSize, cursor: optionalText }),
    pageOf(experimentExport),
  ),
  importExperiments: writing(
    'POST experiments/import',
    ofTenant<RequestOf<'importExperiments'>>({ tenantId, records: listOf(experimentExport) }),
    importCounts,
  ),
} satisfies OperationsOf<ExperimentCalls>;

/** The options of a provider's experiment store. */
export const EXPERIMENT_INPUTS = {
  experiment: request<NewExperiment>(experimentShape),
  experimentQuery: request<{ datasetName?: string | undefined }>({ datasetName: optionalText }),
  experimentChanges: request<Omit<RequestOf<'changeExperiment'>, 'tenantId' | 'experimentId'>>(changes),
  experimentIds: request<{ experimentIds: readonly string[] }>({ experimentIds }),
  evaluationNames: request<{ evaluationNames: readonly string[] }>({ evaluationNames }),
  run: newRun,
  runEvaluation,
} as const;
