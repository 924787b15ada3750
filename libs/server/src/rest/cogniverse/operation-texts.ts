/** What each operation of `/v1/cogniverse/` is for, with a request to begin with.   Read path: [operation-texts] -> OpenAPI document. */
import type { STORE_OPERATIONS } from '@cogniverse/foundation/telemetry';

export interface OperationText {
  /** The chapter of the document that it stands in. */
  readonly tag: 'spans' | 'annotations' | 'sessions' | 'data sets' | 'experiments' | 'administration';
  /** One sentence, from the caller's side. */
  readonly summary: string;
  /** What the summary leaves open; empty where nothing. */
  readonly description: string;
  /** A request in the form in which it travels. */
  readonly example: Readonly<Record<string, unknown>>;
}

const DATASET_ID = 'the id that POST datasets gave';
const ROW_ID = 'the id of a row';
const EXPERIMENT_ID = 'the id that POST experiments gave';
const PROJECT = { tenant_id: 'acme', name: 'cogniverse-acme-search' };

export const OPERATION_TEXTS: Partial<Record<string, OperationText>> &
  Partial<Record<keyof typeof STORE_OPERATIONS, OperationText>> = {
  listTenants: {
    tag: 'spans',
    summary: 'Lists the tenants that have spans.',
    description: 'With the numbers of their projects and spans. `tenant_id` is null for what names no tenant.',
    example: {},
  },
  listProjects: {
    tag: 'spans',
    summary: 'Lists projects by tenant and name.',
    description: 'All of them when neither is given.',
    example: { tenant: 'acme' },
  },
  getProjectById: {
    tag: 'spans',
    summary: 'Gives the project with this id.',
    description: '`data` is null where there is none.',
    example: { id: '39bbbbc6f1b7e9a2e35ee188af48d2a3' },
  },
  findProjects: {
    tag: 'spans',
    summary: 'Finds projects by id or name.',
    description:
      'The one with this id, else those with this name, which several tenants may hold; all of them when neither is given. Without counts, which take longer.',
    example: { id_or_name: 'search' },
  },
  getStatistics: {
    tag: 'spans',
    summary: 'Counts, error rate and latency percentiles of each project.',
    description: 'Over the spans that start in the range. Latencies are of traces and null without any.',
    example: { tenant: 'acme', start_time: '2026-01-31T00:00:00Z' },
  },
  querySpans: {
    tag: 'spans',
    summary: 'Finds spans of one project, exactly as they came.',
    description:
      '`traces` is OTLP `TracesData`: each resource and scope once, with its spans. `spans` has one entry a span in the order of the page: its place among the spans of `traces`, its sequence, its place in `projects`.',
    example: { project: PROJECT, start_time: '2026-01-31T00:00:00Z', filters: { status: 'ERROR' }, limit: 100 },
  },
  queryTraces: {
    tag: 'spans',
    summary: 'Finds traces of one project.',
    description: '',
    example: { project: PROJECT, sort: 'latency', order: 'desc', limit: 10 },
  },
  getMetrics: {
    tag: 'spans',
    summary: 'Metrics of one project, or of all projects of a tenant, over time, or in groups.',
    description:
      'One point a metric, bucket and group. Instead of `project`: `tenant`, for all its projects; without either, all of all tenants.',
    example: { project: PROJECT, metric_names: ['span_count', 'error_rate'], bucket_seconds: 3600, group_by: 'name' },
  },
  addAnnotations: {
    tag: 'annotations',
    summary: 'Writes annotations.',
    description:
      'An annotation with the target, name and identifier of one that is there takes its place. Gives the ids in the order of the request.',
    example: {
      project: PROJECT,
      annotations: [{ span_id: 'b7ad6b7169203331', name: 'relevance', score: 0.9, annotator_kind: 'HUMAN' }],
    },
  },
  listAnnotations: {
    tag: 'annotations',
    summary: 'Lists annotations of a project.',
    description:
      'In the order in which they were first written; all of the project, or those of a target, of its ids, names and identifiers.',
    example: { project: PROJECT, target: 'span', span_ids: ['b7ad6b7169203331'], annotation_names: ['relevance'] },
  },
  importAnnotations: {
    tag: 'annotations',
    summary: 'Takes annotations as the list gives them, with their times.',
    description:
      'What is there already stays as it is. Their targets need not be there: an import may bring the spans later.',
    example: {
      project: PROJECT,
      annotations: [
        {
          id: '39bbbbc6f1b7e9a2e35ee188af48d2a3',
          target: 'trace',
          trace_id: '0af7651916cd43dd8448eb211c80319c',
          name: 'relevance',
          annotator_kind: 'LLM',
          label: null,
          score: 0.9,
          explanation: null,
          metadata: {},
          identifier: '',
          created_at: '2026-01-31T12:00:00.000Z',
          updated_at: '2026-01-31T12:00:00.000Z',
        },
      ],
    },
  },
  deleteAnnotations: {
    tag: 'annotations',
    summary: 'Deletes the annotations of a project that fit every given field.',
    description: 'Gives how many there were. Either both times of their creation are given, or `delete_all` is true.',
    example: { project: PROJECT, name: 'relevance', annotator_kind: 'LLM', delete_all: true },
  },
  listSessions: {
    tag: 'sessions',
    summary: 'Lists sessions of one project.',
    description:
      'A session is found if any span of its traces starts in the range; what is said of it is of all of them.',
    example: { project: PROJECT, start_time: '2026-01-31T00:00:00Z', limit: 20 },
  },
  getSessionTurns: {
    tag: 'sessions',
    summary: 'Gives the traces of one session with what went in and came out, the oldest first.',
    description: '',
    example: { project: PROJECT, session_id: 'talk-1' },
  },
  createProject: {
    tag: 'spans',
    summary: 'Creates a project that is listed before its first span.',
    description: 'A project that is there already, with spans or without, gets 409 `project_exists`.',
    example: { project: PROJECT, description: 'Search over the speeches' },
  },
  updateProject: {
    tag: 'spans',
    summary: "Changes a project's description.",
    description: '',
    example: { project: PROJECT, description: 'Search over the speeches' },
  },
  locate: {
    tag: 'spans',
    summary: 'Finds the projects that hold these spans, traces or sessions.',
    description: 'What is nowhere is not in the answer; what is in several projects is there several times.',
    example: { tenant: 'acme', trace_ids: ['0af7651916cd43dd8448eb211c80319c'] },
  },
  createDataset: {
    tag: 'data sets',
    summary: 'Creates a data set.',
    description: 'A name that the tenant has already gets 409 `dataset_exists`.',
    example: {
      tenant: 'acme',
      name: 'questions',
      rows: [{ input: { query: 'peace' }, output: { speech: '1945' } }],
    },
  },
  appendToDataset: {
    tag: 'data sets',
    summary: 'Appends rows to a data set, as a new version.',
    description: '',
    example: { tenant: 'acme', name: 'questions', rows: [{ input: { query: 'war' }, output: { speech: '1942' } }] },
  },
  uploadDataset: {
    tag: 'data sets',
    summary: 'Creates a data set, adds to it, or replaces what it holds.',
    description:
      'A row without an id is the first row of equal contents, so the same upload again changes nothing. `update` deletes rows that the upload does not have. Rows that change make a version.',
    example: {
      tenant: 'acme',
      name: 'questions',
      action: 'update',
      rows: [{ external_id: 'q-1', input: { query: 'peace' }, output: { speech: '1945' }, splits: ['train'] }],
    },
  },
  changeDataset: {
    tag: 'data sets',
    summary: 'Changes name, description or metadata of a data set.',
    description: 'What is left out stays.',
    example: { tenant: 'acme', dataset_id: DATASET_ID, name: 'hard questions' },
  },
  deleteDataset: {
    tag: 'data sets',
    summary: 'Deletes a data set.',
    description: 'With its versions and the experiments over it.',
    example: { tenant: 'acme', dataset_id: DATASET_ID },
  },
  deleteDatasetRows: {
    tag: 'data sets',
    summary: 'Deletes rows of a data set, as a new version.',
    description: 'Versions before keep them.',
    example: { tenant: 'acme', dataset_id: DATASET_ID, row_ids: [ROW_ID] },
  },
  listDatasets: {
    tag: 'data sets',
    summary: 'Lists data sets, by tenant, id or name.',
    description: 'In the order of their creation.',
    example: { tenant: 'acme', name: 'questions' },
  },
  queryDatasets: {
    tag: 'data sets',
    summary: 'Lists data sets, by tenant or name, a page at a time.',
    description: 'In the order of their creation, or the newest first.',
    example: { tenant: 'acme', order: 'desc', limit: 100 },
  },
  listDatasetVersions: {
    tag: 'data sets',
    summary: 'Lists the versions of a data set.',
    description: 'The newest first.',
    example: { tenant: 'acme', dataset_id: DATASET_ID, limit: 100 },
  },
  getDatasetRows: {
    tag: 'data sets',
    summary: 'Gives the rows of a data set, as of any version.',
    description: 'In the order they were added. `splits` holds ids or names, of which a row is in one at least.',
    example: { tenant: 'acme', dataset_id: DATASET_ID, splits: ['train'], limit: 100 },
  },
  listDatasetSplits: {
    tag: 'data sets',
    summary: 'Lists the splits of a data set.',
    description: '',
    example: { tenant: 'acme', dataset_id: DATASET_ID },
  },
  createDatasetSplit: {
    tag: 'data sets',
    summary: 'Creates a split.',
    description: 'A name that the data set has already gets 409 `dataset_exists`.',
    example: { tenant: 'acme', dataset_id: DATASET_ID, name: 'train', row_ids: [ROW_ID] },
  },
  changeDatasetSplit: {
    tag: 'data sets',
    summary: 'Changes a split, and what is in it.',
    description: 'A row that is both added and removed is removed.',
    example: {
      tenant: 'acme',
      dataset_id: DATASET_ID,
      split_id: 'the id that POST datasets/splits gave',
      add_row_ids: [ROW_ID],
    },
  },
  deleteDatasetSplit: {
    tag: 'data sets',
    summary: 'Deletes a split.',
    description: 'Its rows stay.',
    example: { tenant: 'acme', dataset_id: DATASET_ID, split_id: 'the id that POST datasets/splits gave' },
  },
  createExperiment: {
    tag: 'experiments',
    summary: 'Creates an experiment, over a data set or without one.',
    description: '',
    example: { tenant: 'acme', name: 'bm25 against cosine', dataset_name: 'questions' },
  },
  listExperiments: {
    tag: 'experiments',
    summary: 'Lists experiments, by tenant, id or data set.',
    description: 'In the order of their creation, with the numbers of their runs.',
    example: { tenant: 'acme', dataset_id: DATASET_ID },
  },
  queryExperiments: {
    tag: 'experiments',
    summary: 'Lists experiments, by tenant or data set, a page at a time.',
    description: 'In the order of their creation, or the newest first, with the numbers of their runs.',
    example: { tenant: 'acme', dataset_id: DATASET_ID, order: 'desc', limit: 100 },
  },
  changeExperiment: {
    tag: 'experiments',
    summary: 'Changes name, description or metadata of an experiment.',
    description: 'What is left out stays.',
    example: { tenant: 'acme', experiment_id: EXPERIMENT_ID, name: 'cosine, k = 20' },
  },
  deleteExperiment: {
    tag: 'experiments',
    summary: 'Deletes an experiment with its runs.',
    description: 'Its traces stay.',
    example: { tenant: 'acme', experiment_id: EXPERIMENT_ID },
  },
  listIncompleteRuns: {
    tag: 'experiments',
    summary: 'Lists the examples that lack a successful run.',
    description: 'With the repetitions that are to be run.',
    example: { tenant: 'acme', experiment_id: EXPERIMENT_ID, limit: 50 },
  },
  listIncompleteEvaluations: {
    tag: 'experiments',
    summary: 'Lists the successful runs that lack an evaluation.',
    description: 'One that failed is lacking too.',
    example: { tenant: 'acme', experiment_id: EXPERIMENT_ID, evaluation_names: ['exact'], limit: 50 },
  },
  exportDatasets: {
    tag: 'data sets',
    summary: "Gives a tenant's data sets record by record, for another store.",
    description:
      'Each data set with its versions, rows, splits and who is in these. Pages of up to 1000 records; a record comes after what it belongs to.',
    example: { tenant: 'acme', limit: 1000 },
  },
  importDatasets: {
    tag: 'data sets',
    summary: 'Takes records of data sets as the export gives them.',
    description:
      'In the order of the export; all of a request or nothing. What is there already, by its id, stays as it is. An id, name or version number that is that of something else is refused.',
    example: {
      tenant: 'acme',
      records: [
        {
          kind: 'dataset',
          id: '5f0c1a52-8c0e-4a6f-9d0a-0c8f6f1f7a11',
          name: 'questions',
          description: '',
          metadata: {},
          created_at: '2026-05-28T20:26:40.000Z',
          updated_at: '2026-05-28T20:26:40.000Z',
        },
        {
          kind: 'version',
          id: '1b1d8f8e-6a52-4c1e-9a44-5d4f5f0f3c02',
          dataset_id: '5f0c1a52-8c0e-4a6f-9d0a-0c8f6f1f7a11',
          number: 1,
          created_at: '2026-05-28T20:26:40.000Z',
          example_count: 0,
        },
      ],
    },
  },
  exportExperiments: {
    tag: 'experiments',
    summary: "Gives a tenant's experiments record by record, for another store.",
    description: 'Each experiment with its examples, runs and evaluations. Pages of up to 1000 records.',
    example: { tenant: 'acme', limit: 1000 },
  },
  importExperiments: {
    tag: 'experiments',
    summary: 'Takes records of experiments as the export gives them.',
    description:
      'In the order of the export, after the data sets; all of a request or nothing. What is there already stays as it is.',
    example: {
      tenant: 'acme',
      records: [
        {
          kind: 'experiment',
          id: '9a3f2f0e-2a07-4d3a-8a52-7f0f8a7c6d13',
          name: 'baseline',
          description: '',
          dataset_id: null,
          dataset_version_id: null,
          metadata: {},
          repetitions: 1,
          project_name: null,
          created_at: '2026-05-28T20:26:40.000Z',
          updated_at: '2026-05-28T20:26:40.000Z',
        },
      ],
    },
  },
  compareExperiments: {
    tag: 'experiments',
    summary: 'Compares experiments over one data set, example by example.',
    description:
      'The first is the baseline: deltas are differences from its scores. Means are over examples, and over the repetitions of each.',
    example: { tenant: 'acme', experiment_ids: ['id of the baseline', 'id of another'] },
  },
  logRun: {
    tag: 'experiments',
    summary: 'Logs one run of an experiment.',
    description:
      'Of an example and repetition there is one run: one that failed is replaced, one that succeeded gets 409 `experiment_run_exists`.',
    example: {
      tenant: 'acme',
      experiment_id: EXPERIMENT_ID,
      run: { inputs: { query: 'peace' }, outputs: { speech: '1945' } },
    },
  },
  getRuns: {
    tag: 'experiments',
    summary: 'Gives the runs of an experiment with their evaluations.',
    description: '',
    example: { tenant: 'acme', experiment_id: EXPERIMENT_ID, limit: 100 },
  },
  logRunEvaluation: {
    tag: 'experiments',
    summary: 'Logs what an evaluator says of a run.',
    description: 'The same name again takes the place of the one before.',
    example: {
      tenant: 'acme',
      run_id: 'the id that POST experiments/runs gave',
      evaluation: { name: 'exact', score: 1, annotator_kind: 'CODE' },
    },
  },
  deleteTenant: {
    tag: 'administration',
    summary: 'Deletes all of a tenant, without a byte left behind.',
    description:
      'Answers when no content, attribute, name or id of it is in the data directory. While it runs what the tenant writes is refused (`tenant_deleted`). Back-ups are not touched. `tenant` null is what names no tenant.',
    example: { tenant: 'acme' },
  },
  deleteProject: {
    tag: 'administration',
    summary: 'Deletes the spans and annotations of a project.',
    description: 'What comes for it afterwards makes it anew.',
    example: { project: PROJECT },
  },
  deleteTraces: {
    tag: 'administration',
    summary: 'Deletes traces by id, or spans that start in a range of time, with their annotations.',
    description: '`start_time` is included, `end_time` is not. Ids or a time must be given.',
    example: { project: PROJECT, trace_ids: ['4bf92f3577b34da6a3ce929d0e0e4736'] },
  },
  deleteSpans: {
    tag: 'administration',
    summary: 'Deletes single spans with their annotations.',
    description: 'Spans below them stay, as ones whose parent is missing.',
    example: { project: PROJECT, span_ids: ['00f067aa0ba902b7'] },
  },
  deleteSessions: {
    tag: 'administration',
    summary: 'Deletes sessions with all of their traces and annotations.',
    description: '',
    example: { project: PROJECT, session_ids: ['session-1'] },
  },
  setRetention: {
    tag: 'administration',
    summary: 'Sets how many days the spans of a project are kept.',
    description:
      "`days` null gives the project the store's own retention again, 0 keeps its spans for ever. Spans go by whole UTC days of their start, within an hour.",
    example: { project: PROJECT, days: 30 },
  },
  listRetention: {
    tag: 'administration',
    summary: 'Lists the projects that have a retention of their own.',
    description: 'Of all tenants when none is given.',
    example: { tenant: 'acme' },
  },
  backup: {
    tag: 'administration',
    summary: 'Writes a consistent, verified copy of the whole store to a directory, while it goes on.',
    description: "The directory is on the server's machine, and empty or not there.",
    example: { directory: '/var/backups/cogniverse/2026-01-31' },
  },
  figures: {
    tag: 'administration',
    summary: 'Figures of the store, as on `/metrics`.',
    description: 'Names are those of Prometheus without the prefix `cogniverse_store_`.',
    example: {},
  },
};

/** What a field means, wherever its name stands: names mean one thing in this API. */
export const FIELD_TEXTS: Readonly<Record<string, string>> = {
  tenant: 'The tenant. Empty in an address, or null in a body: what names no tenant. Left out, where it may be: all.',
  tenant_id: 'The tenant; null for what names none.',
  project: 'The project: a tenant and a name. In a trace its name alone.',
  project_count: 'Number of projects.',
  span_count: 'Number of spans.',
  trace_count: 'Number of traces.',
  first_span_unix_nano: 'Start of the earliest span, in nanoseconds since 1970; null without spans.',
  last_span_unix_nano: 'End of the latest span, in nanoseconds since 1970; null without spans.',
  start_time: 'Included. ISO 8601, or nanoseconds since 1970 as a decimal string.',
  end_time: 'Not included. ISO 8601, or nanoseconds since 1970 as a decimal string.',
  start_time_unix_nano: 'Nanoseconds since 1970.',
  end_time_unix_nano: 'Nanoseconds since 1970.',
  error_rate: 'Traces with at least one span in error, over all traces: 0 to 1.',
  latency_p50_millis: 'Of trace latency, in milliseconds; null without traces.',
  latency_p95_millis: 'Of trace latency, in milliseconds; null without traces.',
  latency_p99_millis: 'Of trace latency, in milliseconds; null without traces.',
  latency_mean_millis: 'Of trace latency, in milliseconds; null without traces.',
  latency_millis: "The root's duration; without a root last end minus first start. Milliseconds.",
  filters: 'All of them must hold; a list within one means any of it.',
  span_kind: 'OpenInference kind, upper case, for example LLM.',
  parent_id: 'The parent span; null for roots.',
  root_only: 'Only spans without a parent.',
  limit: 'Largest number of entries on the page.',
  cursor: 'The `next_cursor` of the page before.',
  next_cursor: 'Goes into `cursor` of the request for the next page; null on the last one.',
  session_id: 'Session of a trace (`session.id`).',
  error_count: 'Number of spans in error.',
  token_count_prompt: 'Prompt tokens of its LLM spans.',
  token_count_completion: 'Completion tokens of its LLM spans.',
  bucket_seconds: 'Length of a bucket, in seconds. Left out: the whole range is one.',
  group_by: 'What to group by: `name`, `span_kind`, `session`, or the key of an attribute.',
  prices: 'Price of each model, by its name, for costs.',
  prompt_per_million_tokens: 'Price of a million prompt tokens.',
  completion_per_million_tokens: 'Price of a million completion tokens.',
  timestamp: 'Start of the bucket, or of the range without buckets. ISO 8601.',
  annotator_kind: 'Who judged.',
  score: 'Usually 0 to 1.',
  identifier: 'Together with target and name: an annotation that has the same three takes the place of the one before.',
  created_at: 'ISO 8601.',
  updated_at: 'ISO 8601.',
  version_id: 'The version of the data set.',
  repetition_number: 'Counts from 1.',
};
