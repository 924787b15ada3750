/**
 * What people and evaluators add to spans: annotations, data sets, experiments, in `meta.duckdb`.   Store worker: engine -> [meta-store].
 *
 * One writer connection. Each change is an operation that first reads and checks, then writes; all that wait are committed together,
 * so many small changes share one sync. A promise resolves when its change is on disk. Every row carries its tenant's id, and every
 * statement compares it.
 */
import { createHash, randomUUID } from 'node:crypto';
import {
  type Annotation,
  type AnnotatorKind,
  DatasetExistsError,
  DatasetNotFoundError,
  type DatasetRecord,
  type DatasetRow,
  type ExperimentEvaluation,
  ExperimentNotFoundError,
  type ExperimentRecord,
  type ExperimentRunRecord,
  InvalidQueryError,
  isoTime,
  jsonObject,
  type NewAnnotation,
  type NewDatasetRow,
  type NewExperimentRun,
  type ProjectRef,
  parseTime,
  SpanNotFoundError,
  StoreOpenError,
  TelemetryError,
  type TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import { type DuckDBAppender, DuckDBBlobValue, type DuckDBConnection } from '@duckdb/node-api';
import type { SqlParameters, SqlRows } from '../database.js';
import { hexId, requireKnownFields } from '../query/query-input.js';
import { SqlBuilder } from '../query/sql-builder.js';
import { CommitQueue } from './commit-queue.js';
import type { SpanSource } from './metrics.js';

/** What the meta store needs of the engine it lives in. */
export interface MetaHost extends SpanSource {
  /** A connection of its own, with `meta.duckdb` attached as `meta`. */
  metaConnection(): Promise<DuckDBConnection>;
  /** Reads, in turn with all other queries. */
  query(sql: string, parameters?: SqlParameters): Promise<SqlRows>;
  /** Runs `work` while no query runs: see `Database.exclusive`. */
  exclusive(work: () => Promise<void>): Promise<void>;
}

type ExperimentInput = Parameters<TelemetryStore['createExperiment']>[1];
type DatasetInput = Parameters<TelemetryStore['createDataset']>[1];
type RunEvaluation = Parameters<TelemetryStore['logRunEvaluation']>[2];

/** `position` is the order of creation within a table. JSON is kept as text, as it came. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta.annotations (
    id VARCHAR PRIMARY KEY, tenant_id VARCHAR, project VARCHAR NOT NULL, span_id VARCHAR NOT NULL, name VARCHAR NOT NULL,
    identifier VARCHAR NOT NULL, annotator_kind VARCHAR NOT NULL, label VARCHAR, score DOUBLE, explanation VARCHAR,
    metadata VARCHAR NOT NULL, created_at VARCHAR NOT NULL, updated_at VARCHAR NOT NULL);
  CREATE TABLE IF NOT EXISTS meta.datasets (
    id VARCHAR NOT NULL, tenant_id VARCHAR, name VARCHAR NOT NULL, description VARCHAR NOT NULL, metadata VARCHAR NOT NULL,
    created_at VARCHAR NOT NULL, position BIGINT NOT NULL);
  CREATE TABLE IF NOT EXISTS meta.dataset_versions (
    id VARCHAR NOT NULL, dataset_id VARCHAR NOT NULL, number INTEGER NOT NULL, created_at VARCHAR NOT NULL, row_count BIGINT NOT NULL);
  CREATE TABLE IF NOT EXISTS meta.dataset_rows (
    id VARCHAR NOT NULL, dataset_id VARCHAR NOT NULL, version INTEGER NOT NULL, position BIGINT NOT NULL,
    input VARCHAR NOT NULL, output VARCHAR NOT NULL, metadata VARCHAR NOT NULL);
  CREATE TABLE IF NOT EXISTS meta.experiments (
    id VARCHAR NOT NULL, tenant_id VARCHAR, name VARCHAR NOT NULL, dataset_id VARCHAR, dataset_version_id VARCHAR,
    metadata VARCHAR NOT NULL, created_at VARCHAR NOT NULL, position BIGINT NOT NULL);
  CREATE TABLE IF NOT EXISTS meta.runs (
    id VARCHAR NOT NULL, tenant_id VARCHAR, experiment_id VARCHAR NOT NULL, position BIGINT NOT NULL, dataset_example_id VARCHAR,
    inputs VARCHAR NOT NULL, outputs VARCHAR NOT NULL, metadata VARCHAR NOT NULL, repetition_number INTEGER NOT NULL,
    trace_id VARCHAR, error VARCHAR, start_time VARCHAR NOT NULL, end_time VARCHAR NOT NULL);
  CREATE TABLE IF NOT EXISTS meta.run_evaluations (
    run_id VARCHAR NOT NULL, name VARCHAR NOT NULL, annotator_kind VARCHAR NOT NULL, label VARCHAR, score DOUBLE,
    explanation VARCHAR, error VARCHAR, position BIGINT NOT NULL);
  CREATE TEMP TABLE new_annotations AS FROM meta.annotations LIMIT 0;`;

const OF_TENANT = 'tenant_id IS NOT DISTINCT FROM $tenant';

const DATASETS = `SELECT d.id, d.name, d.description, d.metadata, v.id, d.created_at, v.created_at, v.row_count
  FROM meta.datasets d JOIN meta.dataset_versions v ON v.dataset_id = d.id
  WHERE d.${OF_TENANT} AND v.number = (SELECT max(number) FROM meta.dataset_versions WHERE dataset_id = d.id)`;

export class MetaStore {
  readonly #host: MetaHost;
  readonly #writer: DuckDBConnection;
  readonly #commits: CommitQueue;
  /** Span ids that wait to be looked up, by project: one query for all that came while another ran. */
  readonly #lookups = new Map<string, Lookup>();
  /** Annotations that wait to be written. */
  #annotations: { readonly byId: Map<string, AnnotationRow>; readonly written: Promise<void> } | undefined;
  /** The largest position that was given out. */
  #position: bigint;

  private constructor(host: MetaHost, writer: DuckDBConnection, position: bigint) {
    this.#host = host;
    this.#writer = writer;
    this.#commits = new CommitQueue(
      writer,
      (error) => error instanceof TelemetryError,
      (commit) => host.exclusive(commit),
    );
    this.#position = position;
  }

  /** Makes the tables that are missing. Errors: `StoreOpenError` if the file cannot be used. */
  static async open(host: MetaHost): Promise<MetaStore> {
    const writer = await host.metaConnection();
    try {
      await writer.run(SCHEMA);
      const highest = ['datasets', 'dataset_rows', 'experiments', 'runs', 'run_evaluations']
        .map((table) => `SELECT max(position) AS position FROM meta.${table}`)
        .join(' UNION ALL ');
      const rows = (await writer.runAndReadAll(`SELECT coalesce(max(position), 0) FROM (${highest})`)).getRows();
      return new MetaStore(host, writer, rows[0]![0] as bigint);
    } catch (cause) {
      writer.closeSync();
      throw new StoreOpenError(
        'meta.duckdb in the data directory cannot be used. Restore it from a backup, or move it away to begin anew.',
        { cause },
      );
    }
  }

  /** Waits for the changes under way. Called before the engine closes. */
  async close(): Promise<void> {
    await this.#commits.drained();
    this.#writer.closeSync();
  }

  // ---- annotations

  /** Adds or replaces, all or nothing. Errors: `SpanNotFoundError` naming the spans that the project does not hold, `InvalidQueryError`. */
  async addAnnotations(project: ProjectRef, annotations: readonly NewAnnotation[]): Promise<string[]> {
    const now = new Date().toISOString();
    const rows = annotations.map((annotation, index) =>
      annotationRow(project, annotation, now, `annotations.${index}`),
    );
    if (rows.length === 0) return [];
    const stored = await this.#storedSpans(project, rows);
    const missing = [...new Set(rows.map((row) => row.spanId))].filter((id) => !stored.has(id));
    if (missing.length > 0) {
      const more = missing.length > 5 ? ` and ${missing.length - 5} more` : '';
      throw new SpanNotFoundError(
        `Project "${project.name}" holds no span ${missing.slice(0, 5).join(', ')}${more}. ` +
          'Flush the recording process first, and check project and span id.',
      );
    }
    await this.#annotationGroup(rows);
    return rows.map((row) => row.id);
  }

  /** Rows that wait for their turn are written in one statement, whoever brought them. Resolves when they are on disk. */
  #annotationGroup(rows: readonly AnnotationRow[]): Promise<void> {
    let group = this.#annotations;
    if (group === undefined) {
      const byId = new Map<string, AnnotationRow>();
      const written = this.#commits.commit(async (connection) => {
        if (this.#annotations?.byId === byId) this.#annotations = undefined;
        await writeAnnotations(connection, byId.values());
      });
      group = { byId, written };
      this.#annotations = group;
    }
    // A statement may not meet a row twice: of equal keys the last one holds.
    for (const row of rows) group.byId.set(row.id, row);
    return group.written;
  }

  async getAnnotations(query: Parameters<TelemetryStore['getAnnotations']>[0]): Promise<Annotation[]> {
    const { project, annotationNames } = query;
    const spanIds = [...new Set(query.spanIds.map((id) => hexId(id, 8, 'spanIds')))];
    const found: Annotation[] = [];
    for (let start = 0; start < spanIds.length; start += IDS_PER_STATEMENT) {
      const sql = new SqlBuilder();
      const conditions = [
        `tenant_id IS NOT DISTINCT FROM ${sql.bind(project.tenantId)}`,
        `project = ${sql.bind(project.name)}`,
        sql.anyOf('span_id', spanIds.slice(start, start + IDS_PER_STATEMENT)),
        ...(annotationNames === undefined ? [] : [sql.anyOf('name', annotationNames)]),
      ];
      const rows = await this.#host.query(
        `SELECT id, span_id, name, annotator_kind, label, score, explanation, metadata, identifier, created_at, updated_at
         FROM meta.annotations WHERE ${conditions.join(' AND ')} ORDER BY created_at, span_id, name, identifier`,
        sql.parameters,
      );
      for (const row of rows) found.push(annotationOf(row as AnnotationColumns));
    }
    return found;
  }

  // ---- data sets

  /** Errors: `DatasetExistsError`, `InvalidQueryError`. */
  async createDataset(tenantId: string | null, dataset: DatasetInput): Promise<DatasetRecord> {
    const name = requiredName(dataset.name, 'name');
    const rows = dataset.rows.map(datasetRowText);
    const metadata = jsonText(dataset.metadata ?? {}, 'metadata');
    const id = randomUUID();
    return this.#commits.commit(async (connection) => {
      if ((await this.#datasets(connection, tenantId, name)).length > 0) {
        throw new DatasetExistsError(
          `There is a data set named "${name}" already. Append to it, or choose another name.`,
        );
      }
      const now = new Date().toISOString();
      await connection.run(
        'INSERT INTO meta.datasets VALUES ($id, $tenant, $name, $description, $metadata, $now, $position)',
        {
          id,
          tenant: tenantId,
          name,
          description: dataset.description ?? '',
          metadata,
          now,
          position: this.#nextPosition(),
        },
      );
      await this.#addVersion(connection, id, 1, rows, BigInt(rows.length), now);
      return (await this.#datasets(connection, tenantId, name))[0]!;
    });
  }

  /** Adds rows as a new version. Errors: `DatasetNotFoundError`, `InvalidQueryError`. */
  async appendToDataset(
    tenantId: string | null,
    name: string,
    newRows: readonly NewDatasetRow[],
  ): Promise<DatasetRecord> {
    const rows = newRows.map(datasetRowText);
    return this.#commits.commit(async (connection) => {
      const dataset = await this.#dataset(connection, tenantId, name);
      const newest = await connection.runAndReadAll(
        'SELECT max(number), max(row_count) FROM meta.dataset_versions WHERE dataset_id = $id',
        { id: dataset.id },
      );
      const [number, rowCount] = newest.getRows()[0] as [number, bigint];
      const now = new Date().toISOString();
      await this.#addVersion(connection, dataset.id, number + 1, rows, rowCount + BigInt(rows.length), now);
      return this.#dataset(connection, tenantId, name);
    });
  }

  /** In the order of their creation. */
  async listDatasets(tenantId: string | null): Promise<DatasetRecord[]> {
    const rows = await this.#host.query(`${DATASETS} ORDER BY d.position`, { tenant: tenantId });
    return rows.map((row) => datasetOf(row as DatasetColumns));
  }

  /** In the order they were added. Errors: `DatasetNotFoundError`. */
  async getDatasetRows(tenantId: string | null, name: string): Promise<DatasetRow[]> {
    const rows = await this.#host.query(
      `SELECT r.id, r.input, r.output, r.metadata FROM meta.datasets d LEFT JOIN meta.dataset_rows r ON r.dataset_id = d.id
       WHERE d.${OF_TENANT} AND d.name = $name ORDER BY r.position`,
      { tenant: tenantId, name },
    );
    if (rows.length === 0) throw datasetNotFound(name);
    return (rows as [string | null, string, string, string][]).flatMap(([id, input, output, metadata]) =>
      id === null
        ? [] // the data set's own row, without any of its own
        : [{ id, input: JSON.parse(input), output: JSON.parse(output), metadata: JSON.parse(metadata) }],
    );
  }

  // ---- experiments

  /** Errors: `DatasetNotFoundError`, `InvalidQueryError`. */
  async createExperiment(tenantId: string | null, experiment: ExperimentInput): Promise<ExperimentRecord> {
    const name = requiredName(experiment.name, 'name');
    const metadata = jsonText(experiment.metadata ?? {}, 'metadata');
    const id = randomUUID();
    return this.#commits.commit(async (connection) => {
      const dataset =
        experiment.datasetName === undefined
          ? undefined
          : await this.#dataset(connection, tenantId, experiment.datasetName);
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
          position: this.#nextPosition(),
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
    const rows = await this.#host.query(
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
    return this.#commits.commit(async (connection) => {
      await this.#requireExperiment(connection, tenantId, experimentId);
      await connection.run(
        `INSERT INTO meta.runs VALUES ($id, $tenant, $experiment, $position, $example, $inputs, $outputs, $metadata,
           $repetition::INTEGER, $trace, $error, $start, $end)`,
        {
          id,
          tenant: tenantId,
          experiment: experimentId,
          position: this.#nextPosition(),
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
    await this.#commits.commit(async (connection) => {
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
        'INSERT INTO meta.run_evaluations VALUES ($run, $name, $kind, $label, $score::DOUBLE, $explanation, $error, $position)',
        {
          run: runId,
          name,
          kind: annotatorKind,
          label: evaluation.label ?? null,
          score,
          explanation: evaluation.explanation ?? null,
          error: evaluation.error ?? null,
          position: this.#nextPosition(),
        },
      );
    });
  }

  /** In the order they were logged. Errors: `ExperimentNotFoundError`. */
  async getRuns(tenantId: string | null, experimentId: string): Promise<ExperimentRunRecord[]> {
    const parameters = { tenant: tenantId, experiment: experimentId };
    const [known, runs, evaluations] = await Promise.all([
      this.#host.query(`SELECT 1 FROM meta.experiments WHERE id = $experiment AND ${OF_TENANT}`, parameters),
      this.#host.query(
        `SELECT id, dataset_example_id, inputs, outputs, metadata, repetition_number, trace_id, error, start_time, end_time
         FROM meta.runs WHERE experiment_id = $experiment AND ${OF_TENANT} ORDER BY position`,
        parameters,
      ),
      this.#host.query(
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

  /** Ids of spans that the project holds: of those asked for, and perhaps of others. */
  #storedSpans(project: ProjectRef, wanted: readonly { readonly spanId: string }[]): Promise<ReadonlySet<string>> {
    const key = JSON.stringify([project.tenantId, project.name]);
    let lookup = this.#lookups.get(key);
    if (lookup?.begun !== false) {
      const ids = new Set<string>();
      const before = lookup?.result.catch(() => undefined); // its own callers hear of its failure
      const next: Lookup = {
        ids,
        begun: false,
        result: Promise.resolve(before).then(() => this.#lookUp(project, next)),
      };
      next.result
        .catch(() => undefined)
        .finally(() => {
          if (this.#lookups.get(key) === next) this.#lookups.delete(key);
        });
      this.#lookups.set(key, next);
      lookup = next;
    }
    for (const { spanId } of wanted) if (/^[0-9a-f]{16}$/.test(spanId)) lookup.ids.add(spanId);
    return lookup.result;
  }

  async #lookUp(project: ProjectRef, lookup: Lookup): Promise<ReadonlySet<string>> {
    lookup.begun = true;
    const ids = [...lookup.ids];
    const stored = new Set<string>();
    for (let start = 0; start < ids.length; start += IDS_PER_STATEMENT) {
      await this.#host.withSpans(project, {}, async ({ source, sql, run }) => {
        const blobs = ids
          .slice(start, start + IDS_PER_STATEMENT)
          .map((id) => new DuckDBBlobValue(Buffer.from(id, 'hex')));
        const rows = await run(
          `SELECT DISTINCT lower(hex(span_id)) FROM (${source}) WHERE ${sql.anyOf('span_id', blobs)}`,
        );
        for (const [id] of rows) stored.add(id as string);
      });
    }
    return stored;
  }

  // ---- within a change

  async #datasets(connection: DuckDBConnection, tenantId: string | null, name: string): Promise<DatasetRecord[]> {
    const found = await connection.runAndReadAll(`${DATASETS} AND d.name = $name`, { tenant: tenantId, name });
    return found.getRows().map((row) => datasetOf(row as DatasetColumns));
  }

  async #dataset(connection: DuckDBConnection, tenantId: string | null, name: string): Promise<DatasetRecord> {
    const [found] = await this.#datasets(connection, tenantId, name);
    if (found === undefined) throw datasetNotFound(name);
    return found;
  }

  async #requireExperiment(connection: DuckDBConnection, tenantId: string | null, id: string): Promise<void> {
    const found = await connection.runAndReadAll(`SELECT 1 FROM meta.experiments WHERE id = $id AND ${OF_TENANT}`, {
      id,
      tenant: tenantId,
    });
    if (found.currentRowCount === 0) throw experimentNotFound(id);
  }

  async #addVersion(
    connection: DuckDBConnection,
    datasetId: string,
    number: number,
    rows: readonly RowText[],
    rowCount: bigint,
    now: string,
  ): Promise<void> {
    await connection.run('INSERT INTO meta.dataset_versions VALUES ($id, $dataset, $number::INTEGER, $now, $rows)', {
      id: randomUUID(),
      dataset: datasetId,
      number,
      now,
      rows: rowCount,
    });
    const appender = await connection.createAppender('dataset_rows', 'main', 'meta');
    for (const { input, output, metadata } of rows) {
      appender.appendVarchar(randomUUID());
      appender.appendVarchar(datasetId);
      appender.appendInteger(number);
      appender.appendBigInt(this.#nextPosition());
      appender.appendVarchar(input);
      appender.appendVarchar(output);
      appender.appendVarchar(metadata);
      appender.endRow();
    }
    appender.closeSync();
  }

  #nextPosition(): bigint {
    this.#position += 1n;
    return this.#position;
  }
}

interface Lookup {
  readonly ids: Set<string>;
  /** From here on it takes no more ids. */
  begun: boolean;
  readonly result: Promise<ReadonlySet<string>>;
}

// ---- rows

/** Ids in one statement. */
const IDS_PER_STATEMENT = 5000;

type AnnotationColumns = [
  id: string,
  spanId: string,
  name: string,
  annotatorKind: AnnotatorKind,
  label: string | null,
  score: number | null,
  explanation: string | null,
  metadata: string,
  identifier: string,
  createdAt: string,
  updatedAt: string,
];
type DatasetColumns = [
  id: string,
  name: string,
  description: string,
  metadata: string,
  versionId: string,
  createdAt: string,
  updatedAt: string,
  rowCount: bigint,
];
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

interface AnnotationRow {
  readonly id: string;
  readonly tenantId: string | null;
  readonly project: string;
  readonly spanId: string;
  readonly name: string;
  readonly identifier: string;
  readonly annotatorKind: AnnotatorKind;
  readonly label: string | null;
  readonly score: number | null;
  readonly explanation: string | null;
  readonly metadata: string;
  /** ISO 8601. */
  readonly writtenAt: string;
}

/** The id is a digest of what an annotation is replaced by, so it is the same before and after, and unique over all tenants. */
const ANNOTATION_FIELDS = [
  'spanId',
  'name',
  'label',
  'score',
  'explanation',
  'metadata',
  'annotatorKind',
  'identifier',
] as const satisfies readonly (keyof NewAnnotation)[];

function annotationRow(
  project: ProjectRef,
  annotation: NewAnnotation,
  writtenAt: string,
  field: string,
): AnnotationRow {
  requireKnownFields(annotation, ANNOTATION_FIELDS, field);
  const spanId = requiredName(annotation.spanId, `${field}.spanId`).toLowerCase();
  const name = requiredName(annotation.name, `${field}.name`);
  const identifier = annotation.identifier ?? '';
  const key = JSON.stringify([project.tenantId, project.name, spanId, name, identifier]);
  return {
    id: createHash('sha256').update(key).digest('hex').slice(0, 32),
    tenantId: project.tenantId,
    project: project.name,
    spanId,
    name,
    identifier,
    annotatorKind: annotatorKindOf(annotation.annotatorKind ?? 'HUMAN', `${field}.annotatorKind`),
    label: annotation.label ?? null,
    score: finiteScore(annotation.score, `${field}.score`),
    explanation: annotation.explanation ?? null,
    metadata: jsonText(annotation.metadata ?? {}, `${field}.metadata`),
    writtenAt,
  };
}

/** In bulk through a temporary table; what is there already keeps its time of creation. */
async function writeAnnotations(connection: DuckDBConnection, rows: Iterable<AnnotationRow>): Promise<void> {
  const appender = await connection.createAppender('new_annotations', 'main', 'temp');
  for (const row of rows) {
    appender.appendVarchar(row.id);
    appendText(appender, row.tenantId);
    appender.appendVarchar(row.project);
    appender.appendVarchar(row.spanId);
    appender.appendVarchar(row.name);
    appender.appendVarchar(row.identifier);
    appender.appendVarchar(row.annotatorKind);
    appendText(appender, row.label);
    if (row.score === null) appender.appendNull();
    else appender.appendDouble(row.score);
    appendText(appender, row.explanation);
    appender.appendVarchar(row.metadata);
    appender.appendVarchar(row.writtenAt);
    appender.appendVarchar(row.writtenAt);
    appender.endRow();
  }
  appender.closeSync();
  await connection.run(`INSERT INTO meta.annotations FROM new_annotations ON CONFLICT (id) DO UPDATE SET
    annotator_kind = excluded.annotator_kind, label = excluded.label, score = excluded.score,
    explanation = excluded.explanation, metadata = excluded.metadata, updated_at = excluded.updated_at`);
  await connection.run('DELETE FROM new_annotations');
}

function annotationOf(row: AnnotationColumns): Annotation {
  const [id, spanId, name, annotatorKind, label, score, explanation, metadata, identifier, createdAt, updatedAt] = row;
  return {
    id,
    spanId,
    name,
    annotatorKind,
    label,
    score,
    explanation,
    metadata: JSON.parse(metadata),
    identifier,
    createdAt,
    updatedAt,
  };
}

function datasetOf(row: DatasetColumns): DatasetRecord {
  const [id, name, description, metadata, versionId, createdAt, updatedAt, rowCount] = row;
  return {
    id,
    name,
    description,
    metadata: JSON.parse(metadata),
    versionId,
    createdAt,
    updatedAt,
    exampleCount: Number(rowCount),
  };
}

interface RowText {
  readonly input: string;
  readonly output: string;
  readonly metadata: string;
}

function datasetRowText(row: NewDatasetRow, index: number): RowText {
  return {
    input: jsonText(row.input, `rows.${index}.input`),
    output: jsonText(row.output ?? {}, `rows.${index}.output`),
    metadata: jsonText(row.metadata ?? {}, `rows.${index}.metadata`),
  };
}

// ---- checks

const ANNOTATOR_KINDS: readonly string[] = ['HUMAN', 'LLM', 'CODE'] satisfies AnnotatorKind[];

function annotatorKindOf(kind: AnnotatorKind, field: string): AnnotatorKind {
  if (ANNOTATOR_KINDS.includes(kind)) return kind;
  throw new InvalidQueryError(`${field} is ${JSON.stringify(kind)}; it must be one of ${ANNOTATOR_KINDS.join(', ')}.`);
}

function requiredName(value: string, field: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new InvalidQueryError(`${field} is ${JSON.stringify(value) ?? 'missing'}; it must be a string, and not empty.`);
}

function finiteScore(score: number | null | undefined, field: string): number | null {
  if (score === undefined || score === null) return null;
  if (typeof score === 'number' && Number.isFinite(score)) return score;
  throw new InvalidQueryError(`${field} is ${String(score)}; it must be a finite number, or left out.`);
}

function jsonText(value: Record<string, unknown>, field: string): string {
  return JSON.stringify(jsonObject(value, field));
}

function datasetNotFound(name: string): DatasetNotFoundError {
  return new DatasetNotFoundError(`There is no data set named "${name}". Create it first.`);
}

function experimentNotFound(id: string): ExperimentNotFoundError {
  return new ExperimentNotFoundError(`There is no experiment "${id}". Create it first.`);
}

function appendText(appender: DuckDBAppender, value: string | null): void {
  if (value === null) appender.appendNull();
  else appender.appendVarchar(value);
}
