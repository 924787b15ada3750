/**
 * `/v1/datasets/{id}/experiments`, `/v1/experiments`, `/v1/experiment_evaluations`.   client -> [experiments] -> store.   Source: Phoenix 20.26.
 */
import { randomBytes } from 'node:crypto';
import { ExperimentNotFoundError, InvalidQueryError, parseTime } from '@cogniverse/foundation/store';
import type {
  DatasetRow,
  ExperimentRecord,
  ExperimentRunRecord,
  TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { HttpAnswer } from '../error-answers.js';
import { asFile, csvText, datasetById, requireId, splitNames, upTo } from './datasets.js';
import { opaqueId, readOpaqueId } from './opaque-id.js';
import {
  outputOfRun,
  outputsOfTask,
  phoenixExample,
  phoenixExperiment,
  phoenixRun,
  phoenixTime,
} from './phoenix-examples.js';
import { chosenTenant, TENANT_PARAMETER } from './project-resolution.js';
import { QueryParameters } from './query-parameters.js';
import { bodyTime, jsonRecord, parseBody } from './request-body.js';

const MAX_LIMIT = 1_000_000;

export const EXPERIMENT_PATHS = [
  { path: '/v1/datasets/:dataset/experiments', methods: ['GET', 'HEAD', 'POST'] },
  { path: '/v1/experiments/:experiment', methods: ['GET', 'HEAD', 'PATCH', 'DELETE'] },
  { path: '/v1/experiments/:experiment/runs', methods: ['GET', 'HEAD', 'POST'] },
  { path: '/v1/experiments/:experiment/incomplete-runs', methods: ['GET', 'HEAD'] },
  { path: '/v1/experiments/:experiment/incomplete-evaluations', methods: ['GET', 'HEAD'] },
  { path: '/v1/experiments/:experiment/json', methods: ['GET', 'HEAD'] },
  { path: '/v1/experiments/:experiment/csv', methods: ['GET', 'HEAD'] },
  { path: '/v1/experiment_evaluations', methods: ['POST'] },
] as const;

export function registerExperiments(app: FastifyInstance, store: TelemetryStore, bodyLimit: number): void {
  app.post('/v1/datasets/:dataset/experiments', { bodyLimit }, async (request) => {
    const query = new QueryParameters(request, [TENANT_PARAMETER]);
    const body = parseBody(NEW_EXPERIMENT, request.body);
    const dataset = await datasetById(store, request, query);
    const created = await store.createExperiment({
      tenantId: dataset.tenantId,
      datasetId: dataset.id,
      name: body.name || `${dataset.name.slice(0, 8).replaceAll(' ', '-')}-${randomBytes(4).toString('hex')}`,
      description: body.description ?? undefined,
      metadata: body.metadata ?? undefined,
      versionId: body.version_id ? requireId('DatasetVersion', body.version_id, 'dataset version') : undefined,
      splits: body.splits ? await splitNames(store, dataset, body.splits) : undefined,
      repetitions: body.repetitions,
      // As Phoenix names it: the client sends the traces of the tasks there.
      projectName: `Experiment-${randomBytes(12).toString('hex')}`,
    });
    return { data: phoenixExperiment(created) };
  });

  app.get('/v1/datasets/:dataset/experiments', async (request) => {
    const query = new QueryParameters(request, ['cursor', 'limit', TENANT_PARAMETER]);
    const limit = query.integer('limit', { min: 1, max: MAX_LIMIT, default: 50 });
    const { id, tenantId } = await datasetById(store, request, query);
    const page = await upTo(limit, query.single('cursor'), (part) =>
      store.queryExperiments({ tenantId, datasetId: id, order: 'desc', ...part }),
    );
    return { data: page.items.map(phoenixExperiment), next_cursor: page.nextCursor ?? null };
  });

  app.get('/v1/experiments/:experiment', async (request) => {
    const query = new QueryParameters(request, [TENANT_PARAMETER]);
    return { data: phoenixExperiment(await experimentById(store, request, query)) };
  });

  app.patch('/v1/experiments/:experiment', { bodyLimit }, async (request) => {
    const query = new QueryParameters(request, [TENANT_PARAMETER]);
    const { name, description, metadata } = parseBody(CHANGED_EXPERIMENT, request.body);
    if (name === undefined && description === undefined && metadata === undefined) {
      throw new InvalidQueryError('No fields to update');
    }
    const { id, tenantId } = await experimentById(store, request, query);
    const changed = await store.changeExperiment({
      tenantId,
      experimentId: id,
      name,
      description: description === null ? '' : description,
      metadata,
    });
    return { data: phoenixExperiment(changed) };
  });

  app.delete('/v1/experiments/:experiment', async (request, reply) => {
    const query = new QueryParameters(request, ['delete_project', TENANT_PARAMETER]);
    const deleteProject = query.boolean('delete_project');
    const { id, tenantId, projectName } = await experimentById(store, request, query);
    await store.deleteExperiment({ tenantId, experimentId: id });
    if (deleteProject && projectName !== undefined) {
      const [project] = await store.listProjects({ tenantId, name: projectName });
      if (project !== undefined) await store.deleteProject({ project: { tenantId, name: projectName } });
    }
    return reply.code(204).send();
  });

  app.post('/v1/experiments/:experiment/runs', { bodyLimit }, async (request) => {
    const query = new QueryParameters(request, [TENANT_PARAMETER]);
    const body = parseBody(NEW_RUN, request.body);
    const { id, tenantId } = await experimentById(store, request, query);
    const run = await store.logRun({
      tenantId,
      experimentId: id,
      run: {
        datasetExampleId: requireId('DatasetExample', body.dataset_example_id, 'dataset example'),
        outputs: outputsOfTask(body.output),
        repetitionNumber: body.repetition_number,
        startTime: body.start_time,
        endTime: body.end_time,
        traceId: body.trace_id ?? undefined,
        error: body.error ?? undefined,
      },
    });
    return { data: { id: opaqueId('ExperimentRun', run.id) } };
  });

  app.get('/v1/experiments/:experiment/runs', async (request) => {
    const query = new QueryParameters(request, ['cursor', 'limit', TENANT_PARAMETER]);
    const limit = query.integer('limit', { min: 1, max: MAX_LIMIT, default: MAX_LIMIT });
    const { id, tenantId } = await experimentById(store, request, query);
    const page = await upTo(limit, query.single('cursor'), (part) =>
      store.getRuns({ tenantId, experimentId: id, order: 'desc', ...part }),
    );
    return { data: page.items.map(phoenixRun), next_cursor: page.nextCursor ?? null };
  });

  app.get('/v1/experiments/:experiment/incomplete-runs', async (request) => {
    const query = new QueryParameters(request, ['cursor', 'limit', TENANT_PARAMETER]);
    const limit = query.integer('limit', { min: 1, max: MAX_LIMIT, default: 50 });
    const { id, tenantId } = await experimentById(store, request, query);
    const page = await upTo(limit, query.single('cursor'), (part) =>
      store.listIncompleteRuns({ tenantId, experimentId: id, ...part }),
    );
    return {
      data: page.items.map(({ example, repetitionNumbers }) => ({
        dataset_example: underNodeId(example),
        repetition_numbers: repetitionNumbers,
      })),
      next_cursor: page.nextCursor ?? null,
    };
  });

  app.get('/v1/experiments/:experiment/incomplete-evaluations', async (request) => {
    const query = new QueryParameters(request, ['evaluation_name', 'cursor', 'limit', TENANT_PARAMETER]);
    const limit = query.integer('limit', { min: 1, max: MAX_LIMIT, default: 50 });
    const evaluationNames = (query.list('evaluation_name') ?? [])
      .map((name) => name.trim())
      .filter((name) => name !== '');
    if (evaluationNames.length === 0) throw new HttpAnswer(400, 'At least one evaluation_name must be provided');
    const { id, tenantId } = await experimentById(store, request, query);
    const page = await upTo(limit, query.single('cursor'), (part) =>
      store.listIncompleteEvaluations({ tenantId, experimentId: id, evaluationNames, ...part }),
    );
    return {
      data: page.items.map((item) => ({
        experiment_run: phoenixRun(item.run),
        dataset_example: underNodeId(item.example),
        evaluation_names: item.evaluationNames,
      })),
      next_cursor: page.nextCursor ?? null,
    };
  });

  app.get('/v1/experiments/:experiment/json', async (request, reply) => {
    const { experiment, records } = await recordsOf(store, request);
    const body = records.map(({ run, example }) => ({
      ...factsOf(run),
      input: example?.input ?? run.inputs,
      reference_output: example?.output ?? {},
      output: outputOfRun(run),
      annotations: run.evaluations.map((evaluation) => ({
        name: evaluation.name,
        annotator_kind: evaluation.annotatorKind,
        label: evaluation.label,
        score: evaluation.score,
        explanation: evaluation.explanation,
        trace_id: evaluation.traceId ?? null,
        error: evaluation.error,
        metadata: evaluation.metadata,
        start_time: phoenixTime(evaluation.startTime),
        end_time: phoenixTime(evaluation.endTime),
      })),
    }));
    return asFile(reply, `${experiment.name}.json`, 'application/json').send(JSON.stringify(body, undefined, 2));
  });

  app.get('/v1/experiments/:experiment/csv', async (request, reply) => {
    const { experiment, records } = await recordsOf(store, request);
    const rows = records.map(({ run, example }) => {
      const output = outputOfRun(run);
      const { example_id, repetition_number, ...facts } = factsOf(run);
      const record = new Map<string, unknown>(
        Object.entries({
          example_id,
          repetition_number,
          input: JSON.stringify(example?.input ?? run.inputs),
          reference_output: JSON.stringify(example?.output ?? {}),
          output: typeof output === 'object' && output !== null ? JSON.stringify(output) : output,
          metadata: JSON.stringify(example?.metadata ?? {}),
          ...facts,
          latency_ms: doubleText(facts.latency_ms),
        }),
      );
      for (const evaluation of run.evaluations) {
        const said = {
          label: evaluation.label,
          score: doubleText(evaluation.score),
          explanation: evaluation.explanation,
          metadata: JSON.stringify(evaluation.metadata),
          annotator_kind: evaluation.annotatorKind,
          trace_id: evaluation.traceId,
          error: evaluation.error,
          start_time: phoenixTime(evaluation.startTime),
          end_time: phoenixTime(evaluation.endTime),
        };
        for (const [key, value] of Object.entries(said)) record.set(`annotation_${evaluation.name}_${key}`, value);
      }
      return record;
    });
    return asFile(reply, `${experiment.name}.csv`, 'text/csv').send(csvText(rows));
  });

  app.post('/v1/experiment_evaluations', { bodyLimit }, async (request) => {
    const query = new QueryParameters(request, [TENANT_PARAMETER]);
    const body = parseBody(NEW_EVALUATION, request.body);
    const runId = readOpaqueId('ExperimentRun', body.experiment_run_id);
    if (runId === undefined) {
      throw new ExperimentNotFoundError(`ExperimentRun with ID ${body.experiment_run_id} does not exist`);
    }
    const { result } = body;
    const evaluation = await store.logRunEvaluation({
      tenantId: chosenTenant(request, query),
      runId,
      evaluation: {
        name: body.name,
        annotatorKind: body.annotator_kind,
        label: result?.label,
        score: result?.score,
        explanation: result?.explanation,
        error: body.error,
        // Clients put it into the result, too.
        metadata: { ...result?.metadata, ...body.metadata },
        traceId: body.trace_id ?? undefined,
        startTime: body.start_time,
        endTime: body.end_time,
      },
    });
    return { data: { id: opaqueId('ExperimentEvaluation', evaluation.id) } };
  });
}

/** Errors: 422 for what is no id, `ExperimentNotFoundError`, also for another tenant's. */
async function experimentById(
  store: TelemetryStore,
  request: FastifyRequest,
  query: QueryParameters,
): Promise<ExperimentRecord> {
  const { experiment: identifier } = request.params as { experiment: string };
  const experimentId = requireId('Experiment', identifier, 'experiment');
  const [found] = await store.listExperiments({ tenantId: chosenTenant(request, query), experimentId });
  // One without a data set has no form in this API.
  if (found?.datasetId === undefined) {
    throw new ExperimentNotFoundError(`Experiment with ID ${identifier} does not exist`);
  }
  return found;
}

/** An example as the lists of what is incomplete show it: under our id alone. */
function underNodeId(example: DatasetRow): Record<string, unknown> {
  const shown = phoenixExample(example);
  return { ...shown, id: shown['node_id'], source: null };
}

/** Runs with their examples, by example and repetition. Errors: 404 without runs, as Phoenix has it. */
async function recordsOf(
  store: TelemetryStore,
  request: FastifyRequest,
): Promise<{
  experiment: ExperimentRecord;
  records: { run: ExperimentRunRecord; example: DatasetRow | undefined }[];
}> {
  const query = new QueryParameters(request, [TENANT_PARAMETER]);
  const experiment = await experimentById(store, request, query);
  const { id, tenantId, datasetId, datasetVersionId } = experiment;
  const runs = await upTo(MAX_LIMIT, undefined, (part) => store.getRuns({ tenantId, experimentId: id, ...part }));
  if (runs.items.length === 0) throw new HttpAnswer(404, 'Experiment has no runs');
  const rows = await upTo(MAX_LIMIT, undefined, (part) =>
    store.getDatasetRows({ tenantId, datasetId: datasetId!, versionId: datasetVersionId, ...part }),
  );
  const places = new Map(rows.items.map((row, place) => [row.id, { row, place }]));
  const placeOf = (run: ExperimentRunRecord) => places.get(run.datasetExampleId ?? '')?.place ?? rows.items.length;
  const inOrder = [...runs.items].sort((a, b) => placeOf(a) - placeOf(b) || a.repetitionNumber - b.repetitionNumber);
  return {
    experiment,
    records: inOrder.map((run) => ({ run, example: places.get(run.datasetExampleId ?? '')?.row })),
  };
}

/** A double in a CSV is one also where it is whole. */
function doubleText(value: number | null): string | null {
  return value === null ? null : Number.isInteger(value) ? value.toFixed(1) : String(value);
}

function factsOf(run: ExperimentRunRecord) {
  const millis = Number(parseTime(run.endTime, 'endTime') - parseTime(run.startTime, 'startTime')) / 1e6;
  return {
    example_id: opaqueId('DatasetExample', run.datasetExampleId ?? ''),
    repetition_number: run.repetitionNumber,
    error: run.error ?? null,
    latency_ms: millis,
    start_time: phoenixTime(run.startTime),
    end_time: phoenixTime(run.endTime),
    trace_id: run.traceId ?? null,
    prompt_token_count: null,
    completion_token_count: null,
  };
}

// ---- bodies

const repetitions = z.int('it must be a whole number').min(1, 'it must be a whole number from 1');

const NEW_EXPERIMENT = z.object({
  name: z.string().nullish(),
  description: z.string().nullish(),
  metadata: jsonRecord.nullish(),
  version_id: z.string().nullish(),
  splits: z.array(z.string()).nullish(),
  repetitions: repetitions.default(1),
});

const CHANGED_EXPERIMENT = z.object({
  name: z.string().min(1, 'it must not be empty').optional(),
  description: z.string().nullish(),
  metadata: jsonRecord.optional(),
});

const NEW_RUN = z.object({
  dataset_example_id: z.string(),
  output: z.unknown(),
  repetition_number: repetitions,
  start_time: bodyTime,
  end_time: bodyTime,
  trace_id: z.string().nullish(),
  error: z.string().nullish(),
});

const NEW_EVALUATION = z
  .object({
    experiment_run_id: z.string(),
    name: z.string().min(1, 'it must not be empty'),
    annotator_kind: z.enum(['LLM', 'CODE', 'HUMAN']),
    start_time: bodyTime,
    end_time: bodyTime,
    result: z
      .object({
        label: z.string().nullish(),
        score: z.number().nullish(),
        explanation: z.string().nullish(),
        metadata: jsonRecord.nullish(),
      })
      .nullish(),
    error: z.string().nullish(),
    metadata: jsonRecord.nullish(),
    trace_id: z.string().nullish(),
  })
  .refine(({ result, error }) => (result ?? error ?? null) !== null, "Either 'result' or 'error' must be provided");
