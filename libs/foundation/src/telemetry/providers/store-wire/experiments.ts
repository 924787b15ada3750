/** Experiments, runs and evaluations as JSON.   Server <-> remote store. */
import { z } from 'zod';
import type { NewExperimentRun } from '../experiment-store.js';
import type { ExperimentEvaluation, ExperimentRecord, ExperimentRunRecord } from '../records.js';
import type { ExperimentCalls } from '../store/experiment-calls.js';
import { type OperationsOf, reading, writing } from './operation.js';
import {
  absent,
  annotatorKind,
  answer,
  count,
  dataOf,
  jsonObject,
  nonEmpty,
  nothing,
  ofTenant,
  optionalText,
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
  name: text,
  datasetId: absent(text),
  datasetVersionId: absent(text),
  metadata: jsonObject,
  createdAt: text,
  runCount: count,
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
  evaluations: z.array(
    answer<ExperimentEvaluation>({
      name: text,
      annotatorKind,
      label: text.nullable(),
      score: z.number().nullable(),
      explanation: text.nullable(),
      error: text.nullable(),
    }),
  ),
});

const FROM_ONE = 'it must be a whole number from 1';

const newRun = request<NewExperimentRun>({
  inputs: jsonObject,
  outputs: jsonObject,
  metadata: jsonObject.optional(),
  datasetExampleId: optionalText,
  repetitionNumber: z.int(FROM_ONE).min(1, FROM_ONE).optional(),
  traceId: optionalText,
  error: optionalText,
  startTime: time('startTime'),
  endTime: time('endTime'),
});

type NewExperiment = Parameters<ExperimentCalls['createExperiment']>[0];
type RunEvaluation = Parameters<ExperimentCalls['logRunEvaluation']>[0]['evaluation'];

const experimentShape: Shape<Omit<NewExperiment, 'tenantId'>> = {
  name: nonEmpty,
  datasetName: optionalText,
  metadata: jsonObject.optional(),
};

const runEvaluation = request<RunEvaluation>({
  name: nonEmpty,
  label: textOrNull,
  score: scoreOrNull,
  explanation: textOrNull,
  error: textOrNull,
  annotatorKind: annotatorKind.optional(),
});

export const EXPERIMENT_OPERATIONS = {
  createExperiment: writing(
    'POST experiments',
    ofTenant<NewExperiment>({ tenantId, ...experimentShape }),
    dataOf(experimentRecord),
  ),
  listExperiments: reading(
    'GET experiments',
    ofTenant<{ tenantId: string | null }>({ tenantId: tenantParameter }),
    dataOf(z.array(experimentRecord)),
  ),
  logRun: writing(
    'POST experiments/runs',
    ofTenant<Parameters<ExperimentCalls['logRun']>[0]>({ tenantId, experimentId: text, run: newRun }),
    dataOf(runRecord),
  ),
  getRuns: reading(
    'GET experiments/runs',
    ofTenant<Parameters<ExperimentCalls['getRuns']>[0]>({ tenantId: tenantParameter, experimentId: text }),
    dataOf(z.array(runRecord)),
  ),
  logRunEvaluation: writing(
    'POST experiments/evaluations',
    ofTenant<Parameters<ExperimentCalls['logRunEvaluation']>[0]>({ tenantId, runId: text, evaluation: runEvaluation }),
    nothing,
  ),
} satisfies OperationsOf<ExperimentCalls>;

/** The options of a provider's experiment store. */
export const EXPERIMENT_INPUTS = {
  experiment: request<Omit<NewExperiment, 'tenantId'>>(experimentShape),
  experimentQuery: request<{ datasetName?: string | undefined }>({ datasetName: optionalText }),
  run: newRun,
  runEvaluation,
} as const;
