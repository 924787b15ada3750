/** What a store keeps of experiments. `tenantId: null` stands for what names no tenant.   Server -> [experiment-calls]. */
import type { NewExperimentRun } from '../experiment-store.js';
import type { AnnotatorKind, ExperimentRecord, ExperimentRunRecord } from '../records.js';

export interface ExperimentCalls {
  createExperiment(request: {
    tenantId: string | null;
    name: string;
    datasetName?: string | undefined;
    metadata?: Record<string, unknown> | undefined;
  }): Promise<ExperimentRecord>;
  listExperiments(request: { tenantId: string | null }): Promise<ExperimentRecord[]>;
  logRun(request: {
    tenantId: string | null;
    experimentId: string;
    run: NewExperimentRun;
  }): Promise<ExperimentRunRecord>;
  logRunEvaluation(request: {
    tenantId: string | null;
    runId: string;
    evaluation: {
      name: string;
      label?: string | null | undefined;
      score?: number | null | undefined;
      explanation?: string | null | undefined;
      error?: string | null | undefined;
      annotatorKind?: AnnotatorKind | undefined;
    };
  }): Promise<void>;
  getRuns(request: { tenantId: string | null; experimentId: string }): Promise<ExperimentRunRecord[]>;
}
