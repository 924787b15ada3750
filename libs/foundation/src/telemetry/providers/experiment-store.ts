/** Experiments and their runs.   Read path: provider -> [experiments]. */
import type { AnnotatorKind, ExperimentRecord, ExperimentRunRecord, TimeInput } from './records.js';

export interface NewExperimentRun {
  inputs: Record<string, unknown>;
  outputs: Record<string, unknown>;
  metadata?: Record<string, unknown> | undefined;
  datasetExampleId?: string | undefined;
  /** From 1. */
  repetitionNumber?: number | undefined;
  traceId?: string | undefined;
  error?: string | undefined;
  startTime?: TimeInput | undefined;
  endTime?: TimeInput | undefined;
}

export interface ExperimentStore {
  /** Creates an experiment, over a data set if one is named, and gives its id. Errors: `DatasetNotFoundError`. */
  createExperiment(options: {
    name: string;
    datasetName?: string | undefined;
    metadata?: Record<string, unknown> | undefined;
  }): Promise<string>;
  /** Gives the id of the run. Errors: `ExperimentNotFoundError`. */
  logRun(experimentId: string, run: NewExperimentRun): Promise<string>;
  /** Adds or replaces the evaluation of that name on a run. Errors: `ExperimentNotFoundError`. */
  logEvaluation(
    runId: string,
    evaluation: {
      name: string;
      label?: string | null | undefined;
      score?: number | null | undefined;
      explanation?: string | null | undefined;
      error?: string | null | undefined;
      annotatorKind?: AnnotatorKind | undefined;
    },
  ): Promise<void>;
  listExperiments(options?: { datasetName?: string | undefined }): Promise<ExperimentRecord[]>;
  getExperiment(experimentId: string): Promise<ExperimentRecord>;
  getRuns(experimentId: string): Promise<ExperimentRunRecord[]>;
}
