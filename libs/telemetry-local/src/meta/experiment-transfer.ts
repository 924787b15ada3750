/**
 * Experiments out of a store and into another, with their ids and times.   Meta store: handlers -> [experiment-transfer] -> meta database.
 *
 * As with data sets: an import adds what is missing, changes nothing that is there, and checks all before it writes anything.
 */

import { ExperimentNotFoundError, ExperimentRunExistsError } from '@cogniverse/foundation/store';
import type { ExperimentExport, ImportCounts, Page } from '@cogniverse/foundation/telemetry';
import { SqlBuilder } from '../query/sql-builder.js';
import type { StoreRequest } from '../store-port.js';
import { appendRows } from './append-rows.js';
import { type Read, readOf, requireDataset, versionNumber } from './dataset-reads.js';
import { type ExportTable, exportPage } from './export-pages.js';
import { firstOf, foreignId, pair, timeText } from './import-rows.js';
import { type MetaDatabase, OF_TENANT } from './meta-database.js';
import { jsonText, requiredName } from './meta-fields.js';

type Kind<K extends ExperimentExport['kind']> = Extract<ExperimentExport, { kind: K }>;

/** Bounds of an experiment: its newest run. */
const TABLES: readonly ExportTable<ExperimentExport>[] = [
  {
    columns: `id, name, description, dataset_id, dataset_version_id, metadata, coalesce(repetitions, 1), project_name, created_at,
      coalesce(updated_at, created_at)`,
    source: (sql, { id }) => `meta.experiments WHERE id = ${sql.bind(id)}`,
    key: [['position', 'BIGINT']],
    record: ([id, name, description, datasetId, versionId, metadata, repetitions, project, createdAt, updatedAt]) => ({
      kind: 'experiment',
      id: id as string,
      name: name as string,
      description: (description as string | null) ?? '',
      datasetId: datasetId as string | null,
      datasetVersionId: versionId as string | null,
      metadata: JSON.parse(metadata as string),
      repetitions: repetitions as number,
      projectName: project as string | null,
      createdAt: createdAt as string,
      updatedAt: updatedAt as string,
    }),
  },
  {
    columns: 'experiment_id',
    source: (sql, { id }) => `meta.experiment_examples WHERE experiment_id = ${sql.bind(id)}`,
    key: [
      ['position', 'BIGINT'],
      ['example_id', 'VARCHAR'],
    ],
    record: ([experimentId, , exampleId]) => ({
      kind: 'example',
      experimentId: experimentId as string,
      exampleId: exampleId as string,
    }),
  },
  {
    columns: `id, experiment_id, dataset_example_id, inputs, outputs, metadata, repetition_number, trace_id, error, start_time, end_time`,
    source: (sql, { id, bounds }) =>
      `meta.runs WHERE experiment_id = ${sql.bind(id)} AND position <= ${sql.bind(bounds[0]!)}`,
    key: [['position', 'BIGINT']],
    record: (row) => {
      const [id, experimentId, exampleId, inputs, outputs, metadata, repetition, traceId, error, startTime, endTime] =
        row;
      return {
        kind: 'run',
        id: id as string,
        experimentId: experimentId as string,
        datasetExampleId: exampleId as string | null,
        inputs: JSON.parse(inputs as string),
        outputs: JSON.parse(outputs as string),
        metadata: JSON.parse(metadata as string),
        repetitionNumber: repetition as number,
        traceId: traceId as string | null,
        error: error as string | null,
        startTime: startTime as string,
        endTime: endTime as string,
      };
    },
  },
  {
    columns: `coalesce(v.id, v.run_id), v.run_id, v.name, v.annotator_kind, v.label, v.score, v.explanation, v.error, coalesce(v.metadata, '{}'),
      v.trace_id, coalesce(v.start_time, r.end_time), coalesce(v.end_time, r.end_time)`,
    source: (sql, { id, bounds }) =>
      `meta.run_evaluations v JOIN meta.runs r ON r.id = v.run_id
       WHERE r.experiment_id = ${sql.bind(id)} AND r.position <= ${sql.bind(bounds[0]!)}`,
    key: [['v.position', 'BIGINT']],
    record: ([id, runId, name, kind, label, score, explanation, error, metadata, traceId, startTime, endTime]) => ({
      kind: 'evaluation',
      id: id as string,
      runId: runId as string,
      name: name as string,
      annotatorKind: kind as Kind<'evaluation'>['annotatorKind'],
      label: label as string | null,
      score: score as number | null,
      explanation: explanation as string | null,
      error: error as string | null,
      metadata: JSON.parse(metadata as string),
      traceId: traceId as string | null,
      startTime: startTime as string,
      endTime: endTime as string,
    }),
  },
];

export class ExperimentTransfer {
  readonly #meta: MetaDatabase;

  constructor(meta: MetaDatabase) {
    this.#meta = meta;
  }

  /** Experiment by experiment, in the order of their creation. Errors: `InvalidQueryError`. */
  async exportExperiments({ tenantId, ...page }: StoreRequest<'exportExperiments'>): Promise<Page<ExperimentExport>> {
    const read: Read = (sql, parameters) => this.#meta.host.query(sql, parameters);
    return exportPage(read, page, {
      tables: TABLES,
      parent: async (position) => {
        const [found] = await read(
          `SELECT id, position, (SELECT coalesce(max(position), 0) FROM meta.runs WHERE experiment_id = e.id)
           FROM meta.experiments e WHERE ${OF_TENANT} AND position >= $position ORDER BY position LIMIT 1`,
          { tenant: tenantId, position },
        );
        if (found === undefined) return undefined;
        const [id, at, ...bounds] = found as [string, ...bigint[]];
        return { id, position: at!, bounds };
      },
    });
  }

  /**
   * Errors: `DatasetNotFoundError` for the data set of an experiment, or its version; `ExperimentNotFoundError` for what a record belongs
   * to; `ExperimentRunExistsError` where an example's repetition has another run; `InvalidQueryError` for an id that is taken.
   */
  async importExperiments({ tenantId, records }: StoreRequest<'importExperiments'>): Promise<ImportCounts> {
    const texts = new Map(records.map((record, index) => [record, textsOf(record, `records.${index}`)]));
    const kind = <K extends ExperimentExport['kind']>(name: K) =>
      records.filter((record): record is Kind<K> => record.kind === name);
    const ofKind = {
      experiments: firstOf(kind('experiment'), ({ id }) => id),
      examples: firstOf(kind('example'), ({ experimentId, exampleId }) => pair(experimentId, exampleId)),
      runs: firstOf(kind('run'), ({ id }) => id),
      evaluations: firstOf(kind('evaluation'), ({ runId, name }) => pair(runId, name)),
    };
    return this.#meta.commit(async (connection) => {
      const read = readOf(connection);
      const experiments = await missingExperiments(read, tenantId, ofKind.experiments);
      const parents = new Set([...ofKind.examples, ...ofKind.runs].map(({ experimentId }) => experimentId));
      await requireOwned(read, { table: 'experiments', tenantId, ids: parents, added: experiments });
      const examples = await missingExamples(read, ofKind.examples);
      const runs = await missingRuns(read, ofKind.runs);
      const runIds = new Set(ofKind.evaluations.map(({ runId }) => runId));
      await requireOwned(read, { table: 'runs', tenantId, ids: runIds, added: runs });
      const evaluations = await missingEvaluations(read, ofKind.evaluations);

      const text = (record: ExperimentExport) => texts.get(record)!;
      const next = () => this.#meta.nextPosition();
      await appendRows(
        connection,
        'experiments',
        experiments.map((record) => {
          const { metadata, createdAt, updatedAt } = text(record);
          const { id, name, description, datasetId, datasetVersionId, repetitions, projectName } = record;
          const created = [id, tenantId, name, datasetId, datasetVersionId, metadata!, createdAt!, next()];
          return [...created, description, repetitions, projectName, updatedAt!];
        }),
      );
      await appendRows(
        connection,
        'experiment_examples',
        examples.map(({ experimentId, exampleId }) => [tenantId, experimentId, exampleId, next()]),
      );
      await appendRows(
        connection,
        'runs',
        runs.map((record) => {
          const { inputs, outputs, metadata, startTime, endTime } = text(record);
          const { id, experimentId, datasetExampleId, repetitionNumber, traceId, error } = record;
          const content = [inputs!, outputs!, metadata!, repetitionNumber, traceId, error, startTime!, endTime!];
          return [id, tenantId, experimentId, next(), datasetExampleId, ...content];
        }),
      );
      await appendRows(
        connection,
        'run_evaluations',
        evaluations.map((record) => {
          const { metadata, startTime, endTime } = text(record);
          const { id, runId, name, annotatorKind, label, score, explanation, error, traceId } = record;
          const judged = [runId, name, annotatorKind, label, score, explanation, error, next()];
          return [...judged, tenantId, id, metadata!, traceId, startTime!, endTime!];
        }),
      );
      const imported = experiments.length + examples.length + runs.length + evaluations.length;
      return { imported, existing: records.length - imported };
    });
  }
}

// ---- what is there

async function missingExperiments(
  read: Read,
  tenantId: string | null,
  experiments: readonly Kind<'experiment'>[],
): Promise<Kind<'experiment'>[]> {
  const sql = new SqlBuilder();
  const ids = experiments.map(({ id }) => id);
  const known = await read(`SELECT id, tenant_id FROM meta.experiments WHERE ${sql.anyOf('id', ids)}`, sql.parameters);
  const tenantOf = new Map(known.map(([id, tenant]) => [id, tenant]));
  const missing = experiments.filter(({ id }) => !tenantOf.has(id));
  for (const { id } of experiments) {
    if (tenantOf.has(id) && tenantOf.get(id) !== tenantId) throw foreignId('experiment', id);
  }
  for (const { datasetId, datasetVersionId } of missing) {
    if (datasetId === null) continue;
    const dataset = await requireDataset(read, { tenantId, id: datasetId });
    if (datasetVersionId !== null) await versionNumber(read, dataset, datasetVersionId);
  }
  return missing;
}

/** Errors: `ExperimentNotFoundError`. */
async function requireOwned(
  read: Read,
  wanted: {
    readonly table: 'experiments' | 'runs';
    readonly tenantId: string | null;
    readonly ids: ReadonlySet<string>;
    readonly added: readonly { readonly id: string }[];
  },
): Promise<void> {
  const { table, tenantId, ids, added } = wanted;
  const sql = new SqlBuilder();
  const found = await read(
    `SELECT id FROM meta.${table}
     WHERE tenant_id IS NOT DISTINCT FROM ${sql.bind(tenantId)}::VARCHAR AND ${sql.anyOf('id', [...ids])}`,
    sql.parameters,
  );
  const known = new Set([...found.map(([id]) => id), ...added.map(({ id }) => id)]);
  const what = table === 'runs' ? 'experiment run' : 'experiment';
  for (const id of ids) {
    if (!known.has(id)) throw new ExperimentNotFoundError(`There is no ${what} "${id}". Import it first.`);
  }
}

async function missingExamples(read: Read, examples: readonly Kind<'example'>[]): Promise<Kind<'example'>[]> {
  const sql = new SqlBuilder();
  const ids = [...new Set(examples.map(({ experimentId }) => experimentId))];
  const rows = await read(
    `SELECT experiment_id, example_id FROM meta.experiment_examples WHERE ${sql.anyOf('experiment_id', ids)}`,
    sql.parameters,
  );
  const known = new Set(rows.map(([experimentId, exampleId]) => pair(experimentId as string, exampleId as string)));
  return examples.filter(({ experimentId, exampleId }) => !known.has(pair(experimentId, exampleId)));
}

async function missingRuns(read: Read, runs: readonly Kind<'run'>[]): Promise<Kind<'run'>[]> {
  const sql = new SqlBuilder();
  const ids = runs.map(({ id }) => id);
  const experimentIds = [...new Set(runs.map(({ experimentId }) => experimentId))];
  const known = await read(
    `SELECT id, experiment_id, dataset_example_id, repetition_number FROM meta.runs
     WHERE ${sql.anyOf('id', ids)} OR ${sql.anyOf('experiment_id', experimentIds)}`,
    sql.parameters,
  );
  const placeOf = (experimentId: string, exampleId: string, repetition: number) =>
    JSON.stringify([experimentId, exampleId, repetition]);
  const parentOf = new Map(known.map(([id, experimentId]) => [id, experimentId]));
  const taken = new Set(
    known.flatMap(([, experimentId, exampleId, repetition]) =>
      exampleId === null ? [] : [placeOf(experimentId as string, exampleId as string, repetition as number)],
    ),
  );
  return runs.filter(({ id, experimentId, datasetExampleId, repetitionNumber }) => {
    if (parentOf.has(id)) {
      if (parentOf.get(id) !== experimentId) throw foreignId('run', id);
      return false;
    }
    if (datasetExampleId === null) return true;
    const place = placeOf(experimentId, datasetExampleId, repetitionNumber);
    if (taken.has(place)) {
      throw new ExperimentRunExistsError(
        `The experiment "${experimentId}" has another run of example "${datasetExampleId}", repetition ${repetitionNumber}, already.`,
      );
    }
    taken.add(place);
    return true;
  });
}

async function missingEvaluations(
  read: Read,
  evaluations: readonly Kind<'evaluation'>[],
): Promise<Kind<'evaluation'>[]> {
  const sql = new SqlBuilder();
  const ids = [...new Set(evaluations.map(({ runId }) => runId))];
  const rows = await read(
    `SELECT run_id, name FROM meta.run_evaluations WHERE ${sql.anyOf('run_id', ids)}`,
    sql.parameters,
  );
  const known = new Set(rows.map(([runId, name]) => pair(runId as string, name as string)));
  return evaluations.filter(({ runId, name }) => !known.has(pair(runId, name)));
}

/** What is stored as text. Errors: `InvalidQueryError`. */
function textsOf(record: ExperimentExport, field: string): Partial<Record<string, string>> {
  if (record.kind === 'example') return {};
  const metadata = jsonText(record.metadata, `${field}.metadata`);
  if (record.kind === 'experiment') {
    requiredName(record.name, `${field}.name`);
    return {
      metadata,
      createdAt: timeText(record.createdAt, `${field}.createdAt`),
      updatedAt: timeText(record.updatedAt, `${field}.updatedAt`),
    };
  }
  const times = {
    startTime: timeText(record.startTime, `${field}.startTime`),
    endTime: timeText(record.endTime, `${field}.endTime`),
  };
  if (record.kind === 'evaluation') return { metadata, ...times };
  const inputs = jsonText(record.inputs, `${field}.inputs`);
  return { metadata, ...times, inputs, outputs: jsonText(record.outputs, `${field}.outputs`) };
}
