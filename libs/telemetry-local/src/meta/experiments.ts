/**
 * Experiments, their runs and the evaluations of those.   Meta store: handlers -> [experiments] -> meta database.
 *
 * An experiment over a data set keeps the ids of its examples as they were when it was created: later changes of splits do not touch it.
 */
import { randomUUID } from 'node:crypto';
import {
  compareExperimentRuns,
  DatasetNotFoundError,
  ExperimentNotFoundError,
  ExperimentRunExistsError,
  InvalidQueryError,
  isoTime,
  parseTime,
} from '@cogniverse/foundation/store';
import type {
  DatasetRecord,
  DatasetRow,
  ExperimentComparison,
  ExperimentEvaluation,
  ExperimentRecord,
  ExperimentRunRecord,
  IncompleteEvaluation,
  IncompleteRun,
  Page,
} from '@cogniverse/foundation/telemetry';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { SqlRows } from '../database.js';
import { SqlBuilder } from '../query/sql-builder.js';
import type { StoreRequest } from '../store-port.js';
import {
  findDatasets,
  heldRows,
  type Part,
  partSql,
  type Read,
  readOf,
  requireDataset,
  rowOf,
  selectRows,
  versionNumber,
} from './dataset-reads.js';
import type { Datasets } from './datasets.js';
import type { MetaDatabase, MetaSchema } from './meta-database.js';
import { annotatorKindOf, finiteScore, jsonText, requiredName } from './meta-fields.js';
import { pageFrom } from './meta-page.js';

export const EXPERIMENT_SCHEMA: MetaSchema = {
  sql: `
  CREATE TABLE IF NOT EXISTS meta.experiments (
    id VARCHAR NOT NULL, tenant_id VARCHAR, name VARCHAR NOT NULL, dataset_id VARCHAR, dataset_version_id VARCHAR,
    metadata VARCHAR NOT NULL, created_at VARCHAR NOT NULL, position BIGINT NOT NULL,
    description VARCHAR, repetitions INTEGER, project_name VARCHAR, updated_at VARCHAR);
  CREATE TABLE IF NOT EXISTS meta.experiment_examples (
    tenant_id VARCHAR, experiment_id VARCHAR NOT NULL, example_id VARCHAR NOT NULL, position BIGINT NOT NULL);
  CREATE TABLE IF NOT EXISTS meta.runs (
    id VARCHAR NOT NULL, tenant_id VARCHAR, experiment_id VARCHAR NOT NULL, position BIGINT NOT NULL, dataset_example_id VARCHAR,
    inputs VARCHAR NOT NULL, outputs VARCHAR NOT NULL, metadata VARCHAR NOT NULL, repetition_number INTEGER NOT NULL,
    trace_id VARCHAR, error VARCHAR, start_time VARCHAR NOT NULL, end_time VARCHAR NOT NULL);
  CREATE TABLE IF NOT EXISTS meta.run_evaluations (
    run_id VARCHAR NOT NULL, name VARCHAR NOT NULL, annotator_kind VARCHAR NOT NULL, label VARCHAR, score DOUBLE,
    explanation VARCHAR, error VARCHAR, position BIGINT NOT NULL,
    tenant_id VARCHAR, id VARCHAR, metadata VARCHAR, trace_id VARCHAR, start_time VARCHAR, end_time VARCHAR);`,
  positioned: ['experiments', 'experiment_examples', 'runs', 'run_evaluations'],
};

export class Experiments {
  readonly #meta: MetaDatabase;
  readonly #datasets: Datasets;
  readonly #read: Read;

  constructor(meta: MetaDatabase, datasets: Datasets) {
    this.#meta = meta;
    this.#datasets = datasets;
    this.#read = (sql, parameters) => meta.host.query(sql, parameters);
  }

  // ---- experiments

  /** Errors: `DatasetNotFoundError`, also for a version or split, `InvalidQueryError`. */
  async createExperiment(request: StoreRequest<'createExperiment'>): Promise<ExperimentRecord> {
    const { tenantId, datasetId, datasetName, versionId, splits, projectName, repetitions = 1 } = request;
    const name = requiredName(request.name, 'name');
    const metadata = jsonText(request.metadata ?? {}, 'metadata');
    requireWholeNumber(repetitions, 'repetitions');
    if (datasetId === undefined && datasetName === undefined && (versionId ?? splits) !== undefined) {
      throw new InvalidQueryError('versionId and splits are of a data set; name it, or leave them out.');
    }
    const id = randomUUID();
    return this.#meta.commit(async (connection) => {
      const read = readOf(connection);
      let dataset: DatasetRecord | undefined;
      if (datasetId !== undefined) dataset = await requireDataset(read, { tenantId, id: datasetId });
      else if (datasetName !== undefined) dataset = await requireDataset(read, { tenantId, name: datasetName });
      const now = new Date().toISOString();
      await connection.run(
        `INSERT INTO meta.experiments (id, tenant_id, name, dataset_id, dataset_version_id, metadata, created_at, position,
           description, repetitions, project_name, updated_at)
         VALUES ($id, $tenant, $name, $dataset, $version, $metadata, $now, $position, $description, $repetitions::INTEGER, $project, $now)`,
        {
          id,
          tenant: tenantId,
          name,
          dataset: dataset?.id ?? null,
          version: versionId ?? dataset?.versionId ?? null,
          metadata,
          now,
          position: this.#meta.nextPosition(),
          description: request.description ?? '',
          repetitions,
          project: projectName ?? null,
        },
      );
      if (dataset !== undefined) {
        const sql = new SqlBuilder();
        const held = heldRows(sql, {
          datasetId: dataset.id,
          version: await versionNumber(read, dataset, versionId ?? dataset.versionId),
          splits: splits === undefined ? undefined : await this.#datasets.splits.resolve(read, dataset.id, splits),
        });
        await connection.run(
          `INSERT INTO meta.experiment_examples (tenant_id, experiment_id, example_id, position)
           SELECT ${sql.bind(tenantId)}, ${sql.bind(id)}, id, position FROM ${held}`,
          sql.parameters,
        );
      }
      return requireExperiment(read, tenantId, id);
    });
  }

  /** In the order of their creation. */
  async listExperiments(request: StoreRequest<'listExperiments'>): Promise<ExperimentRecord[]> {
    return findExperiments(this.#read, request);
  }

  async queryExperiments(request: StoreRequest<'queryExperiments'>): Promise<Page<ExperimentRecord>> {
    const { limit, cursor, ...wanted } = request;
    return pageFrom({
      limit,
      cursor,
      read: (bound, count) => selectExperiments(this.#read, { ...wanted, bound, count }),
      item: experimentOf,
    });
  }

  /** Errors: `ExperimentNotFoundError`, `InvalidQueryError`. */
  async changeExperiment(request: StoreRequest<'changeExperiment'>): Promise<ExperimentRecord> {
    const { tenantId, experimentId } = request;
    const name = request.name === undefined ? undefined : requiredName(request.name, 'name');
    const metadata = request.metadata === undefined ? undefined : jsonText(request.metadata, 'metadata');
    return this.#meta.commit(async (connection) => {
      const read = readOf(connection);
      const experiment = await requireExperiment(read, tenantId, experimentId);
      await connection.run(
        'UPDATE meta.experiments SET name = $name, description = $description, metadata = $metadata, updated_at = $now WHERE id = $id',
        {
          id: experimentId,
          name: name ?? experiment.name,
          description: request.description ?? experiment.description,
          metadata: metadata ?? JSON.stringify(experiment.metadata),
          now: new Date().toISOString(),
        },
      );
      return requireExperiment(read, tenantId, experimentId);
    });
  }

  /** With its runs and their evaluations; its traces stay. Errors: `ExperimentNotFoundError`. */
  async deleteExperiment({ tenantId, experimentId }: StoreRequest<'deleteExperiment'>): Promise<void> {
    await this.#meta.commit(async (connection) => {
      await requireExperiment(readOf(connection), tenantId, experimentId);
      await removeExperiments(connection, 'id', experimentId);
    });
  }

  /** With all its versions and its experiments. Errors: `DatasetNotFoundError`. */
  async deleteDataset({ tenantId, datasetId }: StoreRequest<'deleteDataset'>): Promise<void> {
    await this.#meta.commit(async (connection) => {
      await requireDataset(readOf(connection), { tenantId, id: datasetId });
      await removeExperiments(connection, 'dataset_id', datasetId);
      await this.#datasets.remove(connection, datasetId);
    });
  }

  // ---- runs

  /**
   * Of one example and repetition there is one run: one that failed is replaced, and evaluations of it that no human made are gone.
   *
   * Errors: `ExperimentNotFoundError`, `ExperimentRunExistsError` if it succeeded already, `DatasetNotFoundError` for an unknown example,
   * `InvalidQueryError`.
   */
  async logRun({ tenantId, experimentId, run }: StoreRequest<'logRun'>): Promise<ExperimentRunRecord> {
    const inputs = run.inputs === undefined ? undefined : jsonText(run.inputs, 'inputs');
    const outputs = jsonText(run.outputs, 'outputs');
    const metadata = jsonText(run.metadata ?? {}, 'metadata');
    const { repetitionNumber = 1, datasetExampleId: exampleId } = run;
    requireWholeNumber(repetitionNumber, 'repetitionNumber');
    const now = new Date().toISOString();
    const startTime = run.startTime === undefined ? now : isoTime(parseTime(run.startTime, 'startTime'));
    const endTime = run.endTime === undefined ? now : isoTime(parseTime(run.endTime, 'endTime'));
    return this.#meta.commit(async (connection) => {
      const read = readOf(connection);
      const experiment = await requireExperiment(read, tenantId, experimentId);
      const exampleInput = await inputOfExample(read, experiment, exampleId);
      const before = await findRun(read, experimentId, exampleId, repetitionNumber);
      if (before !== undefined && before.error === null) {
        throw new ExperimentRunExistsError(
          `The experiment has a successful run "${before.id}" of example "${exampleId}", repetition ${repetitionNumber}, already.`,
        );
      }
      if (before !== undefined) {
        await connection.run(`DELETE FROM meta.run_evaluations WHERE run_id = $id AND annotator_kind <> 'HUMAN'`, {
          id: before.id,
        });
        await connection.run('DELETE FROM meta.runs WHERE id = $id', { id: before.id });
      }
      const id = before?.id ?? randomUUID();
      await connection.run(
        `INSERT INTO meta.runs VALUES ($id, $tenant, $experiment, $position, $example, $inputs, $outputs, $metadata,
           $repetition::INTEGER, $trace, $error, $start, $end)`,
        {
          id,
          tenant: tenantId,
          experiment: experimentId,
          position: before?.position ?? this.#meta.nextPosition(),
          example: exampleId ?? null,
          inputs: inputs ?? exampleInput ?? '{}',
          outputs,
          metadata,
          repetition: repetitionNumber,
          trace: run.traceId ?? null,
          error: run.error ?? null,
          start: startTime,
          end: endTime,
        },
      );
      const [record] = await selectRuns(read, { runId: id });
      return record!;
    });
  }

  /** Adds or replaces the evaluation of that name. Errors: `ExperimentNotFoundError` for an unknown run, `InvalidQueryError`. */
  async logRunEvaluation(request: StoreRequest<'logRunEvaluation'>): Promise<ExperimentEvaluation> {
    const { tenantId, runId, evaluation } = request;
    const name = requiredName(evaluation.name, 'name');
    const score = finiteScore(evaluation.score, 'score');
    const annotatorKind = annotatorKindOf(evaluation.annotatorKind ?? 'CODE', 'annotatorKind');
    const metadata = jsonText(evaluation.metadata ?? {}, 'metadata');
    const now = new Date().toISOString();
    const { startTime, endTime } = evaluation;
    return this.#meta.commit(async (connection) => {
      const read = readOf(connection);
      const [run] = await read(
        `SELECT tenant_id FROM meta.runs WHERE id = $id${tenantId === undefined ? '' : ' AND tenant_id IS NOT DISTINCT FROM $tenant'}`,
        { id: runId, ...(tenantId === undefined ? {} : { tenant: tenantId }) },
      );
      if (run === undefined)
        throw new ExperimentNotFoundError(`There is no experiment run "${runId}". Log the run first.`);
      const [before] = await read(
        'SELECT id, position FROM meta.run_evaluations WHERE run_id = $run AND name = $name',
        { run: runId, name },
      );
      await connection.run('DELETE FROM meta.run_evaluations WHERE run_id = $run AND name = $name', {
        run: runId,
        name,
      });
      await connection.run(
        `INSERT INTO meta.run_evaluations (run_id, name, annotator_kind, label, score, explanation, error, position, tenant_id, id,
           metadata, trace_id, start_time, end_time)
         VALUES ($run, $name, $kind, $label, $score::DOUBLE, $explanation, $error, $position, $tenant, $id, $metadata, $trace, $start, $end)`,
        {
          run: runId,
          name,
          kind: annotatorKind,
          label: evaluation.label ?? null,
          score,
          explanation: evaluation.explanation ?? null,
          error: evaluation.error ?? null,
          position: (before?.[1] as bigint | undefined) ?? this.#meta.nextPosition(),
          tenant: run[0]!,
          id: (before?.[0] as string | null | undefined) ?? randomUUID(),
          metadata,
          trace: evaluation.traceId ?? null,
          start: startTime === undefined ? now : isoTime(parseTime(startTime, 'startTime')),
          end: endTime === undefined ? now : isoTime(parseTime(endTime, 'endTime')),
        },
      );
      const evaluations = (await selectEvaluations(read, { runId })).get(runId) ?? [];
      return evaluations.find((one) => one.name === name)!;
    });
  }

  /** In the order they were logged, unless `order` is `desc`. Errors: `ExperimentNotFoundError`. */
  async getRuns(request: StoreRequest<'getRuns'>): Promise<Page<ExperimentRunRecord>> {
    const { tenantId, experimentId, order = 'asc', limit, cursor } = request;
    await requireExperiment(this.#read, tenantId, experimentId);
    const page = await pageFrom({
      limit,
      cursor,
      read: (bound, count) => selectRunRows(this.#read, { experimentId, order, bound, count }),
      item: (row) => [...row],
    });
    return { ...page, items: await withEvaluations(this.#read, [...page.items], { experimentId }) };
  }

  /** Examples that lack a successful run of some repetition, in their order. Errors: `ExperimentNotFoundError`. */
  async listIncompleteRuns(request: StoreRequest<'listIncompleteRuns'>): Promise<Page<IncompleteRun>> {
    const { tenantId, experimentId, limit, cursor } = request;
    const experiment = await requireExperiment(this.#read, tenantId, experimentId);
    const page = await pageFrom({
      limit,
      cursor,
      read: (bound, count) =>
        this.#read(
          `SELECT x.example_id, coalesce(r.done, []), x.position FROM meta.experiment_examples x LEFT JOIN (
             SELECT dataset_example_id, list(DISTINCT repetition_number) AS done FROM meta.runs
             WHERE experiment_id = $experiment AND error IS NULL AND repetition_number <= $repetitions GROUP BY dataset_example_id
           ) r ON r.dataset_example_id = x.example_id
           WHERE x.experiment_id = $experiment AND x.position >= $bound AND len(coalesce(r.done, [])) < $repetitions
           ORDER BY x.position LIMIT $count`,
          { experiment: experimentId, repetitions: experiment.repetitions, bound: bound ?? 0n, count },
        ),
      item: ([exampleId, done]) => ({
        exampleId: exampleId as string,
        done: new Set((done as { items: readonly number[] }).items),
      }),
    });
    const examples = await this.#examples(
      experiment,
      page.items.map(({ exampleId }) => exampleId),
    );
    const all = Array.from({ length: experiment.repetitions }, (_item, index) => index + 1);
    return {
      ...page,
      items: page.items.map(({ exampleId, done }) => ({
        example: examples.get(exampleId)!,
        repetitionNumbers: all.filter((number) => !done.has(number)),
      })),
    };
  }

  /** Successful runs that lack an evaluation of some name, or have one that failed, in their order. Errors: `ExperimentNotFoundError`, `InvalidQueryError`. */
  async listIncompleteEvaluations(
    request: StoreRequest<'listIncompleteEvaluations'>,
  ): Promise<Page<IncompleteEvaluation>> {
    const { tenantId, experimentId, limit, cursor } = request;
    const names = [...new Set(request.evaluationNames)].sort();
    if (names.length === 0) throw new InvalidQueryError('evaluationNames is empty; it must name at least one.');
    const experiment = await requireExperiment(this.#read, tenantId, experimentId);
    const page = await pageFrom({
      limit,
      cursor,
      read: (bound, count) => {
        const sql = new SqlBuilder();
        const id = sql.bind(experimentId);
        return this.#read(
          `SELECT r.id, coalesce(v.done, []), r.position
           FROM meta.runs r JOIN meta.experiment_examples x ON x.experiment_id = r.experiment_id AND x.example_id = r.dataset_example_id
           LEFT JOIN (SELECT run_id, list(DISTINCT name) AS done FROM meta.run_evaluations
                      WHERE error IS NULL AND ${sql.anyOf('name', names)} GROUP BY run_id) v ON v.run_id = r.id
           WHERE r.experiment_id = ${id} AND r.error IS NULL AND r.position >= ${sql.bind(bound ?? 0n)}
             AND len(coalesce(v.done, [])) < ${sql.bind(names.length)}
           ORDER BY r.position LIMIT ${sql.bind(count)}`,
          sql.parameters,
        );
      },
      item: ([runId, done]) => ({
        runId: runId as string,
        done: new Set((done as { items: readonly string[] }).items),
      }),
    });
    const runs = new Map(
      (await selectRuns(this.#read, { experimentId, runIds: page.items.map(({ runId }) => runId) })).map((run) => [
        run.id,
        run,
      ]),
    );
    const examples = await this.#examples(
      experiment,
      [...runs.values()].map(({ datasetExampleId }) => datasetExampleId!),
    );
    return {
      ...page,
      items: page.items.map(({ runId, done }) => {
        const run = runs.get(runId)!;
        return {
          run,
          example: examples.get(run.datasetExampleId!)!,
          evaluationNames: names.filter((name) => !done.has(name)),
        };
      }),
    };
  }

  /** Errors: `ExperimentNotFoundError`, `InvalidQueryError` for fewer than two, or for experiments over different data sets. */
  async compareExperiments({
    tenantId,
    experimentIds,
  }: StoreRequest<'compareExperiments'>): Promise<ExperimentComparison> {
    const experiments: { record: ExperimentRecord; runs: ExperimentRunRecord[] }[] = [];
    const examples = new Map<string, { row: DatasetRow; position: bigint }>();
    for (const id of experimentIds) {
      const record = await requireExperiment(this.#read, tenantId, id);
      experiments.push({ record, runs: await selectRuns(this.#read, { experimentId: id }) });
      for (const row of await this.#exampleRows(record)) {
        const position = row.at(-1) as bigint;
        if (!examples.has(row[0] as string)) examples.set(row[0] as string, { row: rowOf(row), position });
      }
    }
    const inOrder = [...examples.values()].sort((a, b) => Number(a.position - b.position));
    return compareExperimentRuns(
      experiments,
      inOrder.map(({ row }) => row),
    );
  }

  async #examples(experiment: ExperimentRecord, ids: readonly string[]): Promise<Map<string, DatasetRow>> {
    if (ids.length === 0) return new Map();
    const rows = await this.#exampleRows(experiment, [...new Set(ids)]);
    return new Map(rows.map((row) => [row[0] as string, rowOf(row)]));
  }

  /** The examples of an experiment, as they were in its version. */
  async #exampleRows(experiment: ExperimentRecord, ids?: readonly string[]): Promise<SqlRows> {
    const { datasetId, datasetVersionId } = experiment;
    if (datasetId === undefined || datasetVersionId === undefined) return [];
    const [dataset] = await findDatasets(this.#read, { id: datasetId });
    if (dataset === undefined) return []; // deleted meanwhile
    const version = await versionNumber(this.#read, dataset, datasetVersionId);
    if (ids !== undefined) return selectRows(this.#read, { datasetId, version, ids });
    const members = await this.#read('SELECT example_id FROM meta.experiment_examples WHERE experiment_id = $id', {
      id: experiment.id,
    });
    const known = new Set(members.map(([id]) => id));
    return (await selectRows(this.#read, { datasetId, version })).filter(([id]) => known.has(id!));
  }
}

// ---- reads

interface WantedExperiments extends Part {
  readonly tenantId?: string | null | undefined;
  readonly experimentId?: string | undefined;
  readonly datasetId?: string | undefined;
}

/** In the order of their creation. */
async function findExperiments(read: Read, wanted: WantedExperiments): Promise<ExperimentRecord[]> {
  return (await selectExperiments(read, wanted)).map(experimentOf);
}

/** Rows for `experimentOf`; the last column of each is its position. */
async function selectExperiments(read: Read, wanted: WantedExperiments): Promise<SqlRows> {
  const sql = new SqlBuilder();
  const part = partSql(wanted, sql);
  const conditions = [part.condition];
  if (wanted.tenantId !== undefined)
    conditions.push(`tenant_id IS NOT DISTINCT FROM ${sql.bind(wanted.tenantId)}::VARCHAR`);
  if (wanted.experimentId !== undefined) conditions.push(`id = ${sql.bind(wanted.experimentId)}`);
  if (wanted.datasetId !== undefined) conditions.push(`dataset_id = ${sql.bind(wanted.datasetId)}`);
  return read(
    `WITH e AS (FROM meta.experiments WHERE ${conditions.join(' AND ')} ${part.tail}),
     examples AS (SELECT experiment_id, count(*) AS count FROM meta.experiment_examples
                  WHERE experiment_id IN (SELECT id FROM e) GROUP BY experiment_id),
     runs AS (SELECT r.experiment_id, count(*) AS count, count(*) FILTER (WHERE r.error IS NOT NULL) AS failed,
                count(*) FILTER (WHERE x.example_id IS NOT NULL AND r.repetition_number <= coalesce(e.repetitions, 1)) AS planned
              FROM meta.runs r JOIN e ON e.id = r.experiment_id
              LEFT JOIN meta.experiment_examples x ON x.experiment_id = r.experiment_id AND x.example_id = r.dataset_example_id
              GROUP BY r.experiment_id)
     SELECT e.id, e.tenant_id, e.name, e.description, e.dataset_id, e.dataset_version_id, e.metadata, e.repetitions, e.project_name,
       e.created_at, e.updated_at, coalesce(examples.count, 0), coalesce(runs.count, 0), coalesce(runs.failed, 0), coalesce(runs.planned, 0),
       e.position
     FROM e LEFT JOIN examples ON examples.experiment_id = e.id LEFT JOIN runs ON runs.experiment_id = e.id
     ORDER BY e.position ${wanted.order === 'desc' ? 'DESC' : 'ASC'}`,
    sql.parameters,
  );
}

function experimentOf(row: SqlRows[number]): ExperimentRecord {
  const [id, tenantId, name, description, datasetId, versionId, metadata, repetitions, projectName, ...rest] =
    row as unknown as ExperimentColumns;
  const [createdAt, updatedAt, exampleCount, runCount, failedRunCount, plannedRunCount] = rest;
  return {
    id,
    tenantId,
    name,
    description: description ?? '',
    datasetId: datasetId ?? undefined,
    datasetVersionId: versionId ?? undefined,
    metadata: JSON.parse(metadata),
    repetitions: repetitions ?? 1,
    projectName: projectName ?? undefined,
    createdAt,
    updatedAt: updatedAt ?? createdAt,
    exampleCount: Number(exampleCount),
    runCount: Number(runCount),
    successfulRunCount: Number(runCount - failedRunCount),
    failedRunCount: Number(failedRunCount),
    missingRunCount: Number(exampleCount) * (repetitions ?? 1) - Number(plannedRunCount),
  };
}

type ExperimentColumns = [
  id: string,
  tenantId: string | null,
  name: string,
  description: string | null,
  datasetId: string | null,
  versionId: string | null,
  metadata: string,
  repetitions: number | null,
  projectName: string | null,
  createdAt: string,
  updatedAt: string | null,
  exampleCount: bigint,
  runCount: bigint,
  failedRunCount: bigint,
  plannedRunCount: bigint,
  position: bigint,
];

/** Errors: `ExperimentNotFoundError`. */
async function requireExperiment(read: Read, tenantId: string | null, experimentId: string): Promise<ExperimentRecord> {
  const [found] = await findExperiments(read, { tenantId, experimentId });
  if (found === undefined) {
    throw new ExperimentNotFoundError(`There is no experiment "${experimentId}". Create it first.`);
  }
  return found;
}

interface WantedRuns extends Part {
  readonly experimentId?: string | undefined;
  readonly runId?: string | undefined;
  readonly runIds?: readonly string[] | undefined;
}

async function selectRunRows(read: Read, wanted: WantedRuns): Promise<SqlRows> {
  const sql = new SqlBuilder();
  const part = partSql(wanted, sql);
  const conditions = [part.condition];
  if (wanted.experimentId !== undefined) conditions.push(`experiment_id = ${sql.bind(wanted.experimentId)}`);
  if (wanted.runId !== undefined) conditions.push(`id = ${sql.bind(wanted.runId)}`);
  if (wanted.runIds !== undefined) conditions.push(sql.anyOf('id', wanted.runIds));
  return read(
    `SELECT id, experiment_id, dataset_example_id, inputs, outputs, metadata, repetition_number, trace_id, error, start_time, end_time,
       position
     FROM meta.runs WHERE ${conditions.join(' AND ')} ${part.tail}`,
    sql.parameters,
  );
}

async function selectRuns(read: Read, wanted: WantedRuns): Promise<ExperimentRunRecord[]> {
  return withEvaluations(read, await selectRunRows(read, wanted), wanted);
}

async function withEvaluations(
  read: Read,
  rows: SqlRows,
  wanted: { readonly experimentId?: string | undefined; readonly runId?: string | undefined },
): Promise<ExperimentRunRecord[]> {
  const evaluations = rows.length === 0 ? new Map() : await selectEvaluations(read, wanted);
  return (rows as RunColumns[]).map((row) => {
    const [id, experimentId, example, inputs, outputs, metadata, repetitionNumber, traceId, error, startTime, endTime] =
      row;
    return {
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
      evaluations: evaluations.get(id) ?? [],
    };
  });
}

type RunColumns = [
  id: string,
  experimentId: string,
  datasetExampleId: string | null,
  inputs: string,
  outputs: string,
  metadata: string,
  repetitionNumber: number,
  traceId: string | null,
  error: string | null,
  startTime: string,
  endTime: string,
  position: bigint,
];

/** By the id of the run, in the order they were first logged. */
async function selectEvaluations(
  read: Read,
  { experimentId, runId }: { readonly experimentId?: string | undefined; readonly runId?: string | undefined },
): Promise<Map<string, ExperimentEvaluation[]>> {
  const rows = await read(
    `SELECT v.run_id, v.id, v.name, v.annotator_kind, v.label, v.score, v.explanation, v.error, v.metadata, v.trace_id,
       coalesce(v.start_time, r.end_time), coalesce(v.end_time, r.end_time)
     FROM meta.run_evaluations v JOIN meta.runs r ON r.id = v.run_id
     WHERE ${runId === undefined ? 'r.experiment_id' : 'r.id'} = $id ORDER BY v.position`,
    { id: runId ?? experimentId! },
  );
  const byRun = new Map<string, ExperimentEvaluation[]>();
  for (const row of rows as EvaluationColumns[]) {
    const [ofRun, id, name, annotatorKind, label, score, explanation, error, metadata, traceId, startTime, endTime] =
      row;
    const list = byRun.get(ofRun) ?? [];
    byRun.set(ofRun, list);
    list.push({
      id: id ?? ofRun,
      name,
      annotatorKind,
      label,
      score,
      explanation,
      error,
      metadata: metadata === null ? {} : JSON.parse(metadata),
      traceId: traceId ?? undefined,
      startTime,
      endTime,
    });
  }
  return byRun;
}

type EvaluationColumns = [
  runId: string,
  id: string | null,
  name: string,
  annotatorKind: ExperimentEvaluation['annotatorKind'],
  label: string | null,
  score: number | null,
  explanation: string | null,
  error: string | null,
  metadata: string | null,
  traceId: string | null,
  startTime: string,
  endTime: string,
];

// ---- within a change

/** Errors: `DatasetNotFoundError` if the experiment's data set has no such example. */
async function inputOfExample(
  read: Read,
  { datasetId, datasetVersionId }: ExperimentRecord,
  exampleId: string | undefined,
): Promise<string | undefined> {
  if (datasetId === undefined || datasetVersionId === undefined || exampleId === undefined) return undefined;
  // As it is in the experiment's version; an example that came later, as it came.
  const [row] = await read(
    `SELECT r.input FROM meta.dataset_rows r, (SELECT number FROM meta.dataset_versions WHERE id = $version) v
     WHERE r.dataset_id = $dataset AND r.id = $id AND r.is_deleted IS NOT TRUE
     ORDER BY r.version <= v.number DESC, CASE WHEN r.version <= v.number THEN -r.version ELSE r.version END LIMIT 1`,
    { dataset: datasetId, version: datasetVersionId, id: exampleId },
  );
  if (row === undefined) throw new DatasetNotFoundError(`The experiment's data set has no row "${exampleId}".`);
  return row[0] as string;
}

async function findRun(
  read: Read,
  experimentId: string,
  exampleId: string | undefined,
  repetition: number,
): Promise<{ id: string; error: string | null; position: bigint } | undefined> {
  if (exampleId === undefined) return undefined;
  const [row] = await read(
    `SELECT id, error, position FROM meta.runs
     WHERE experiment_id = $experiment AND dataset_example_id = $example AND repetition_number = $repetition`,
    { experiment: experimentId, example: exampleId, repetition },
  );
  return row === undefined
    ? undefined
    : { id: row[0] as string, error: row[1] as string | null, position: row[2] as bigint };
}

async function removeExperiments(
  connection: DuckDBConnection,
  column: 'id' | 'dataset_id',
  value: string,
): Promise<void> {
  const chosen = `SELECT id FROM meta.experiments WHERE ${column} = $value`;
  const runs = `SELECT id FROM meta.runs WHERE experiment_id IN (${chosen})`;
  await connection.run(`DELETE FROM meta.run_evaluations WHERE run_id IN (${runs})`, { value });
  await connection.run(`DELETE FROM meta.runs WHERE experiment_id IN (${chosen})`, { value });
  await connection.run(`DELETE FROM meta.experiment_examples WHERE experiment_id IN (${chosen})`, { value });
  await connection.run(`DELETE FROM meta.experiments WHERE ${column} = $value`, { value });
}

const MAX_INTEGER = 2 ** 31 - 1;

function requireWholeNumber(value: number, field: string): void {
  if (!Number.isInteger(value) || value < 1 || value > MAX_INTEGER) {
    throw new InvalidQueryError(`${field} is ${value}; it must be a whole number from 1.`);
  }
}
