/** Experiments and their runs.   Read path: provider -> [experiments]. */
import type { ExperimentComparison } from './experiment-comparison.js';
import type {
  AnnotatorKind,
  ExperimentRecord,
  ExperimentRunRecord,
  IncompleteEvaluation,
  IncompleteRun,
  TimeInput,
} from './records.js';

export interface NewExperiment {
  readonly name: string;
  readonly description?: string | undefined;
  readonly datasetName?: string | undefined;
  /** Of the data set; default: the newest. */
  readonly versionId?: string | undefined;
  /** Names of splits: the experiment is over the examples that are in one of them now. Default: over all. */
  readonly splits?: readonly string[] | undefined;
  readonly metadata?: Record<string, unknown> | undefined;
  /** How often each example is to be run, from 1. Default 1. */
  readonly repetitions?: number | undefined;
  /** The project of its traces. */
  readonly projectName?: string | undefined;
}

export interface NewExperimentRun {
  /** Default: the input of its example. */
  inputs?: Record<string, unknown> | undefined;
  outputs: Record<string, unknown>;
  metadata?: Record<string, unknown> | undefined;
  datasetExampleId?: string | undefined;
  /** From 1. */
  repetitionNumber?: number | undefined;
  traceId?: string | undefined;
  /** The run failed, and why. */
  error?: string | undefined;
  startTime?: TimeInput | undefined;
  endTime?: TimeInput | undefined;
}

export interface NewRunEvaluation {
  readonly name: string;
  readonly label?: string | null | undefined;
  readonly score?: number | null | undefined;
  readonly explanation?: string | null | undefined;
  /** The evaluation itself failed, and why. */
  readonly error?: string | null | undefined;
  /** Default `CODE`. */
  readonly annotatorKind?: AnnotatorKind | undefined;
  readonly metadata?: Record<string, unknown> | undefined;
  /** The trace of the evaluation. */
  readonly traceId?: string | undefined;
  readonly startTime?: TimeInput | undefined;
  readonly endTime?: TimeInput | undefined;
}

export interface ExperimentStore {
  /** Creates an experiment, over a data set if one is named, and gives its id. Errors: `DatasetNotFoundError`, also for a version or split. */
  createExperiment(options: NewExperiment): Promise<string>;
  /**
   * Gives the id of the run. Of one example and repetition there is one run: one that failed is replaced, with the evaluations that no
   * human made.
   *
   * Errors: `ExperimentNotFoundError`, `ExperimentRunExistsError` if it succeeded already, `DatasetNotFoundError` for an example that is
   * not of the experiment's data set.
   */
  logRun(experimentId: string, run: NewExperimentRun): Promise<string>;
  /** Adds or replaces the evaluation of that name on a run. Errors: `ExperimentNotFoundError`. */
  logEvaluation(runId: string, evaluation: NewRunEvaluation): Promise<void>;
  listExperiments(options?: { datasetName?: string | undefined }): Promise<ExperimentRecord[]>;
  getExperiment(experimentId: string): Promise<ExperimentRecord>;
  getRuns(experimentId: string): Promise<ExperimentRunRecord[]>;
  /** What is left out stays. Errors: `ExperimentNotFoundError`. */
  changeExperiment(
    experimentId: string,
    changes: {
      name?: string | undefined;
      description?: string | undefined;
      metadata?: Record<string, unknown> | undefined;
    },
  ): Promise<void>;
  /** With its runs and their evaluations; its traces stay. Errors: `ExperimentNotFoundError`. */
  deleteExperiment(experimentId: string): Promise<void>;
  /** Examples, in their order, with the repetitions of which no run succeeded. Errors: `ExperimentNotFoundError`. */
  getIncompleteRuns(experimentId: string): Promise<IncompleteRun[]>;
  /** Successful runs with those of the named evaluations that are missing or failed. Errors: `ExperimentNotFoundError`. */
  getIncompleteEvaluations(experimentId: string, evaluationNames: readonly string[]): Promise<IncompleteEvaluation[]>;
  /**
   * Experiments over the same data set, side by side; the first is the baseline.
   *
   * Errors: `ExperimentNotFoundError`, `InvalidQueryError` for fewer than two, or for those over different data sets.
   */
  compareExperiments(experimentIds: readonly string[]): Promise<ExperimentComparison>;
}
