/**
 * What the store answers from `meta.duckdb` and from metrics over spans.   Store worker -> [handlers].
 */
import type { StoreEngine } from '../engine.js';
import type { StoreHandlers } from '../store-port.js';
import { ANNOTATION_SCHEMA, Annotations } from './annotations.js';
import { DATASET_SCHEMA, Datasets } from './datasets.js';
import { EXPERIMENT_SCHEMA, Experiments } from './experiments.js';
import { MetaDatabase } from './meta-database.js';
import { getMetrics } from './metrics.js';

export interface MetaHandlers {
  readonly handlers: Partial<StoreHandlers>;
  readonly database: MetaDatabase;
  /** Called when no call runs any more. */
  close(): Promise<void>;
}

export async function metaHandlers(engine: StoreEngine): Promise<MetaHandlers> {
  const meta = await MetaDatabase.open(engine, [ANNOTATION_SCHEMA, DATASET_SCHEMA, EXPERIMENT_SCHEMA]);
  const annotations = new Annotations(meta);
  const datasets = new Datasets(meta);
  const experiments = new Experiments(meta, datasets);
  return {
    handlers: {
      getMetrics: (query) => getMetrics(engine, query),
      addAnnotations: ({ project, annotations: list }) => annotations.addAnnotations(project, list),
      getAnnotations: (query) => annotations.getAnnotations(query),
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
