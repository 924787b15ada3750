/**
 * What the store answers from `meta.duckdb` and from metrics over spans.   Store worker -> [handlers].
 */
import type { StoreEngine } from '../engine.js';
import type { StoreHandlers } from '../store-port.js';
import { MetaStore } from './meta-store.js';
import { getMetrics } from './metrics.js';

export interface MetaHandlers {
  readonly handlers: Partial<StoreHandlers>;
  /** Called when no call runs any more. */
  close(): Promise<void>;
}

export async function metaHandlers(engine: StoreEngine): Promise<MetaHandlers> {
  const meta = await MetaStore.open(engine);
  return {
    handlers: {
      getMetrics: (query) => getMetrics(engine, query),
      addAnnotations: (project, annotations) => meta.addAnnotations(project, annotations),
      getAnnotations: (query) => meta.getAnnotations(query),
      createDataset: (tenantId, dataset) => meta.createDataset(tenantId, dataset),
      appendToDataset: (tenantId, name, rows) => meta.appendToDataset(tenantId, name, rows),
      listDatasets: (tenantId) => meta.listDatasets(tenantId),
      getDatasetRows: (tenantId, name) => meta.getDatasetRows(tenantId, name),
      createExperiment: (tenantId, experiment) => meta.createExperiment(tenantId, experiment),
      listExperiments: (tenantId) => meta.listExperiments(tenantId),
      logRun: (tenantId, experimentId, run) => meta.logRun(tenantId, experimentId, run),
      logRunEvaluation: (tenantId, runId, evaluation) => meta.logRunEvaluation(tenantId, runId, evaluation),
      getRuns: (tenantId, experimentId) => meta.getRuns(tenantId, experimentId),
    },
    close: () => meta.close(),
  };
}
