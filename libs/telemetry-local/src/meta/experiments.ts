/**
 * Experiments, their runs and the evaluations of those.   Meta store: handlers -> [experiments] -> meta database.
 */
import { randomUUID } from 'node:crypto';
import {
  type AnnotatorKind,
  type ExperimentEvaluation,
  ExperimentNotFoundError,
  type ExperimentRecord,
  type ExperimentRunRecord,
  InvalidQueryError,
  isoTime,
  type NewExperimentRun,
  parseTime,
  type TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { Datasets } from './datasets.js';
import { type MetaDatabase, type MetaSchema, OF_TENANT } from './meta-database.js';
import { annotatorKindOf, finiteScore, jsonText, requiredName } from './meta-fields.js';

type ExperimentInput = Omit<Parameters<TelemetryStore['createExperiment']>[0], 'tenantId'>;
type RunEvaluation = Parameters<TelemetryStore['logRunEvaluation']>[0]['evaluation'];

export const EXPERIMENT_SCHEMA: MetaSchema = {
  sql: `
  CREATE TABLE IF NOT EXISTS meta.experiments (
    id VARCHAR NOT NULL, tenant_id VARCHAR, name VARCHAR NOT NULL, dataset_id VARCHAR, dataset_version_id VARCHAR,
    metadata VARCHAR NOT NULL, created_at VARCHAR NOT NULL, position BIGINT NOT NULL);
  CREATE TABLE IF NOT EXISTS meta.runs (
    id VARCHAR NOT NULL, tenant_id VARCHAR, experiment_id VARCHAR NOT NULL, position BIGINT NOT NULL, dataset_example_id VARCHAR,
    inputs VARCHAR NOT NULL, outputs VARCHAR NOT NULL, metadata VARCHAR NOT NULL, repetition_number INTEGER NOT NULL,
    trace_id VARCHAR, error VARCHAR, start_time VARCHAR NOT NULL, end_time VARCHAR NOT NULL);
  CREATE TABLE IF NOT EXISTS meta.run_evaluations (
    run_id VARCHAR NOT NULL, name VARCHAR NOT NULL, annotator_kind VARCHAR NOT NULL, label VARCHAR, score DOUBLE,
    explanation VARCHAR, error VARCHAR, position BIGINT NOT NULL, tenant_id VARCHAR);`,
  positioned: ['experiments', 'runs', 'run_evaluations'],
};

export class Experiments {
  readonly #meta: MetaDatabase;
  readonly #datasets: Datasets;

  constructor(meta: MetaDatabase, datasets: Datasets) {
    this.#meta = meta;
    this.#datasets = datasets;
  }

  /** Errors: `DatasetNotFoundError`, `InvalidQueryError`. */
  async createExperiment(tenantId: string | null, experiment: ExperimentInput): Promise<ExperimentRecord> {
    const name = requiredName(experiment.name, 'name');
    const metadata = jsonText(experiment.metadata ?? {}, 'metadata');
    const id = randomUUID();
    return this.#meta.commit(async (connection) => {
      const dataset =
        experiment.datasetName === undefined
          ? undefined
          : await this.#datasets.dataset(connection, tenantId, experiment.datasetName);
      const createdAt = new Date().toISOString();
      await connection.run(
        'INSERT INTO meta.experiments VALUES ($id, $tenant, $name, $dataset, $version, $metadata, $now, $position)',
        {
          id,
          tenant: tenantId,
          name,
          dataset: dataset?.id ?? null,
          version: dataset?.versionId ?? null,
          metadata,
          now: createdAt,
          position: this.#meta.nextPosition(),
        },
      );
      return {
        id,
        name,
        datasetId: dataset?.id,
        datasetVersionId: dataset?.versionId,
        metadata: JSON.parse(metadata),
        createdAt,
        runCount: 0,
      };
    });
  }

  /** In the order of their creation. */
  async listExperiments(tenantId: string | null): Promise<ExperimentRecord[]> {
    const rows = await this.#meta.host.query(
      `SELECT e.id, e.name, e.dataset_id, e.dataset_version_id, e.metadata, e.created_at,
         (SELECT count(*) FROM meta.runs r WHERE r.experiment_id = e.id)
       FROM meta.experiments e WHERE e.${OF_TENANT} ORDER BY e.position`,
      { tenant: tenantId },
    );
    return (rows as [string, string, string | null, string | null, string, string, bigint][]).map(
      ([id, name, datasetId, versionId, metadata, createdAt, runCount]) => ({
        id,
        name,
        datasetId: datasetId ?? undefined,
        datasetVersionId: versionId ?? undefined,
        metadata: JSON.parse(metadata),
        createdAt,
        runCount: Number(runCount),
      }),
    );
  }

  /** Errors: `ExperimentNotFoundError`, `InvalidQueryError`. */
  async logRun(tenantId: string | null, experimentId: string, run: NewExperimentRun): Promise<ExperimentRunRecord> {
    const inputs = jsonText(run.inputs, 'inputs');
    const outputs = jsonText(run.outputs, 'outputs');
    const metadata = jsonText(run.metadata ?? {}, 'metadata');
    const repetitionNumber = run.repetitionNumber ?? 1;
    if (!Number.isInteger(repetitionNumber) || repetitionNumber < 1 || repetitionNumber > 2 ** 31 - 1) {
      throw new InvalidQueryError(`repetitionNumber is ${repetitionNumber}; it must be a whole number from 1.`);
    }
    const now = new Date().toISOString();
    const startTime = run.startTime === undefined ? now : isoTime(parseTime(run.startTime, 'startTime'));
    const endTime = run.endTime === undefined ? now : isoTime(parseTime(run.endTime, 'endTime'));
    const id = randomUUID();
    return this.#meta.commit(async (connection) => {
      await this.#requireExperiment(connection, tenantId, experimentId);
      await connection.run(
        `INSERT INTO meta.runs VALUES ($id, $tenant, $experiment, $position, $example, $inputs, $outputs, $metadata,
           $repetition::INTEGER, $trace, $error, $start, $end)`,
        {
          id,
          tenant: tenantId,
          experiment: experimentId,
          position: this.#meta.nextPosition(),
          example: run.datasetExampleId ?? null,
          inputs,
          outputs,
          metadata,
          repetition: repetitionNumber,
          trace: run.traceId ?? null,
          error: run.error ?? null,
          start: startTime,
          end: endTime,
        },
      );
      return {
        id,
        experimentId,
        datasetExampleId: run.datasetExampleId,
        inputs: JSON.parse(inputs),
        outputs: JSON.parse(outputs),
        metadata: JSON.parse(metadata),
        repetitionNumber,
        traceId: run.traceId,
        error: run.error,
        startTime,
        endTime,
        evaluations: [],
      };
    });
  }

  /** Adds or replaces the evaluation of that name. Errors: `ExperimentNotFoundError` for an unknown run, `InvalidQueryError`. */
  async logRunEvaluation(tenantId: string | null, runId: string, evaluation: RunEvaluation): Promise<void> {
    const name = requiredName(evaluation.name, 'name');
    const score = finiteScore(evaluation.score, 'score');
    const annotatorKind = annotatorKindOf(evaluation.annotatorKind ?? 'CODE', 'annotatorKind');
    await this.#meta.commit(async (connection) => {
      const run = await connection.runAndReadAll(`SELECT 1 FROM meta.runs WHERE id = $id AND ${OF_TENANT}`, {
        id: runId,
        tenant: tenantId,
      });
      if (run.currentRowCount === 0) {
        throw new ExperimentNotFoundError(`There is no experiment run "${runId}". Log the run first.`);
      }
      await connection.run('DELETE FROM meta.run_evaluations WHERE run_id = $run AND name = $name', {
        run: runId,
        name,
      });
      await connection.run(
        'INSERT INTO meta.run_evaluations VALUES ($run, $name, $kind, $label, $score::DOUBLE, $explanation, $error, $position, $tenant)',
        {
          run: runId,
          name,
          kind: annotatorKind,
          label: evaluation.label ?? null,
          score,
          explanation: evaluation.explanation ?? null,
          error: evaluation.error ?? null,
          tenant: tenantId,
          position: this.#meta.nextPosition(),
        },
      );
    });
  }

  /** In the order they were logged. Errors: `ExperimentNotFoundError`. */
  async getRuns(tenantId: string | null, experimentId: string): Promise<ExperimentRunRecord[]> {
    const parameters = { tenant: tenantId, experiment: experimentId };
    const [known, runs, evaluations] = await Promise.all([
      this.#meta.host.query(`SELECT 1 FROM meta.experiments WHERE id = $experiment AND ${OF_TENANT}`, parameters),
      this.#meta.host.query(
        `SELECT id, dataset_example_id, inputs, outputs, metadata, repetition_number, trace_id, error, start_time, end_time
         FROM meta.runs WHERE experiment_id = $experiment AND ${OF_TENANT} ORDER BY position`,
        parameters,
      ),
      this.#meta.host.query(
        `SELECT v.run_id, v.name, v.annotator_kind, v.label, v.score, v.explanation, v.error
         FROM meta.run_evaluations v JOIN meta.runs r ON r.id = v.run_id
         WHERE r.experiment_id = $experiment AND r.${OF_TENANT} ORDER BY v.position`,
        parameters,
      ),
    ]);
    if (known.length === 0) throw experimentNotFound(experimentId);
    const evaluationsOf = new Map<string, ExperimentEvaluation[]>();
    for (const row of evaluations) {
      const [runId, name, annotatorKind, label, score, explanation, error] = row as EvaluationColumns;
      const list = evaluationsOf.get(runId) ?? [];
      list.push({ name, annotatorKind, label, score, explanation, error });
      evaluationsOf.set(runId, list);
    }
    return (runs as RunColumns[]).map(
      ([id, example, inputs, outputs, metadata, repetitionNumber, traceId, error, startTime, endTime]) => ({
        id,
        experimentId,
        datasetExampleId: example ?? undefined,
        inputs: JSON.parse(inputs),
        outputs: JSON.parse(outputs),
        metadata: JSON.parse(metadata),
        repetitionNumber,
        traceId: traceId ?? undefined,
        error: error ?? undefined,
        startTime,
        endTime,
        evaluations: evaluationsOf.get(id) ?? [],
      }),
    );
  }

  async #requireExperiment(connection: DuckDBConnection, tenantId: string | null, id: string): Promise<void> {
    const found = await connection.runAndReadAll(`SELECT 1 FROM meta.experiments WHERE id = $id AND ${OF_TENANT}`, {
      id,
      tenant: tenantId,
    });
    if (found.currentRowCount === 0) throw experimentNotFound(id);
  }
}

type RunColumns = [
  id: string,
  datasetExampleId: string | null,
  inputs: string,
  outputs: string,
  metadata: string,
  repetitionNumber: number,
  traceId: string | null,
  error: string | null,
  startTime: string,
  endTime: string,
];
type EvaluationColumns = [
  runId: string,
  name: string,
  annotatorKind: AnnotatorKind,
  label: string | null,
  score: number | null,
  explanation: string | null,
  error: string | null,
];

function experimentNotFound(id: string): ExperimentNotFoundError {
  return new ExperimentNotFoundError(`There is no experiment "${id}". Create it first.`);
}
