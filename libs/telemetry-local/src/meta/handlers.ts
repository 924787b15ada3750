/**
 * What the store answers from `meta.duckdb` and from metrics over spans.   Store worker -> [handlers].
 */
import type { StoreEngine } from '../engine.js';
import { RETENTION_SCHEMA } from '../erasure/retention.js';
import type { StoreHandlers } from '../store-port.js';
import { ANNOTATION_SCHEMA, Annotations } from './annotations.js';
import { DATASET_SCHEMA, Datasets } from './datasets.js';
import { EXPERIMENT_SCHEMA, Experiments } from './experiments.js';
import { MetaDatabase } from './meta-database.js';
import { getMetrics } from './metrics.js';
import { PROJECT_SCHEMA, Projects } from './projects.js';

export interface MetaHandlers {
  readonly handlers: Partial<StoreHandlers>;
  readonly database: MetaDatabase;
  /** Called when no call runs any more. */
  close(): Promise<void>;
}

export async function metaHandlers(engine: StoreEngine): Promise<MetaHandlers> {
  const meta = await MetaDatabase.open(engine, [
    PROJECT_SCHEMA,
    ANNOTATION_SCHEMA,
    DATASET_SCHEMA,
    EXPERIMENT_SCHEMA,
    RETENTION_SCHEMA,
  ]);
  const projects = new Projects(meta, engine);
  const annotations = new Annotations(meta);
  const datasets = new Datasets(meta);
  const experiments = new Experiments(meta, datasets);
  return {
    handlers: {
      getMetrics: (query) => getMetrics(engine, query),
      listProjects: (query) => projects.list(query),
      getProjectById: ({ id }) => projects.byId(id),
      findProjects: (query) => projects.find(query),
      createProject: (request) => projects.create(request),
      updateProject: (request) => projects.update(request),
      addAnnotations: ({ project, annotations: list }) => annotations.add(project, list),
      listAnnotations: (query) => annotations.list(query),
      importAnnotations: ({ project, annotations: list }) => annotations.import(project, list),
      deleteAnnotations: (selection) => annotations.delete(selection),
      createDataset: ({ tenantId, ...dataset }) => datasets.createDataset(tenantId, dataset),
      appendToDataset: ({ tenantId, name, rows }) => datasets.appendToDataset(tenantId, name, rows),
      listDatasets: ({ tenantId }) => datasets.listDatasets(tenantId),
      getDatasetRows: ({ tenantId, name }) => datasets.getDatasetRows(tenantId, name),
      createExperiment: ({ tenantId, ...experiment }) => experiments.createExperiment(tenantId, experiment),
      listExperiments: ({ tenantId }) => experiments.listExperiments(tenantId),
      logRun: ({ tenantId, experimentId, run }) => experiments.logRun(tenantId, experimentId, run),
      logRunEvaluation: ({ tenantId, runId, evaluation }) => experiments.logRunEvaluation(tenantId, runId, evaluation),
      getRuns: ({ tenantId, experimentId }) => experiments.getRuns(tenantId, experimentId),
    },
    database: meta,
    close: () => meta.close(),
  };
}
