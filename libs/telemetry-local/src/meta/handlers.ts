/**
 * What the store answers from `meta.duckdb` and from metrics over spans.   Store worker -> [handlers].
 */
import type { StoreEngine } from '../engine.js';
import { RETENTION_SCHEMA } from '../erasure/retention.js';
import type { StoreHandlers } from '../store-port.js';
import { ANNOTATION_SCHEMA, Annotations } from './annotations.js';
import { DATASET_SPLIT_SCHEMA } from './dataset-splits.js';
import { DatasetTransfer } from './dataset-transfer.js';
import { DATASET_SCHEMA, Datasets } from './datasets.js';
import { ExperimentTransfer } from './experiment-transfer.js';
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
    DATASET_SPLIT_SCHEMA,
  ]);
  const projects = new Projects(meta, engine);
  const annotations = new Annotations(meta);
  const datasets = new Datasets(meta);
  const experiments = new Experiments(meta, datasets);
  const datasetTransfer = new DatasetTransfer(meta);
  const experimentTransfer = new ExperimentTransfer(meta);
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
      createDataset: (request) => datasets.createDataset(request),
      appendToDataset: (request) => datasets.appendToDataset(request),
      uploadDataset: (request) => datasets.uploadDataset(request),
      changeDataset: (request) => datasets.changeDataset(request),
      deleteDataset: (request) => experiments.deleteDataset(request),
      deleteDatasetRows: (request) => datasets.deleteDatasetRows(request),
      listDatasets: (request) => datasets.listDatasets(request),
      queryDatasets: (request) => datasets.queryDatasets(request),
      listDatasetVersions: (request) => datasets.listDatasetVersions(request),
      getDatasetRows: (request) => datasets.getDatasetRows(request),
      listDatasetSplits: (request) => datasets.splits.listDatasetSplits(request),
      createDatasetSplit: (request) => datasets.splits.createDatasetSplit(request),
      changeDatasetSplit: (request) => datasets.splits.changeDatasetSplit(request),
      deleteDatasetSplit: (request) => datasets.splits.deleteDatasetSplit(request),
      createExperiment: (request) => experiments.createExperiment(request),
      listExperiments: (request) => experiments.listExperiments(request),
      queryExperiments: (request) => experiments.queryExperiments(request),
      changeExperiment: (request) => experiments.changeExperiment(request),
      deleteExperiment: (request) => experiments.deleteExperiment(request),
      logRun: (request) => experiments.logRun(request),
      getRuns: (request) => experiments.getRuns(request),
      logRunEvaluation: (request) => experiments.logRunEvaluation(request),
      listIncompleteRuns: (request) => experiments.listIncompleteRuns(request),
      listIncompleteEvaluations: (request) => experiments.listIncompleteEvaluations(request),
      compareExperiments: (request) => experiments.compareExperiments(request),
      exportDatasets: (query) => datasetTransfer.exportDatasets(query),
      importDatasets: (request) => datasetTransfer.importDatasets(request),
      exportExperiments: (query) => experimentTransfer.exportExperiments(query),
      importExperiments: (request) => experimentTransfer.importExperiments(request),
    },
    database: meta,
    close: () => meta.close(),
  };
}
