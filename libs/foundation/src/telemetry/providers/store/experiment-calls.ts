/** What a store keeps of experiments. `tenantId: null` stands for what names no tenant; undefined, where it may be, for any.   Server -> [experiment-calls]. */
import type { ExperimentComparison } from '../experiment-comparison.js';
import type { NewExperiment, NewExperimentRun, NewRunEvaluation } from '../experiment-store.js';
import type {
  ExperimentEvaluation,
  ExperimentRecord,
  ExperimentRunRecord,
  ImportCounts,
  IncompleteEvaluation,
  IncompleteRun,
  OrderedPart,
  Page,
  Paged,
} from '../records.js';
import type { ExperimentExport } from '../transfer-records.js';

export interface OfExperiment {
  readonly tenantId: string | null;
  readonly experimentId: string;
}

export interface ExperimentCalls {
  createExperiment(
    request: NewExperiment & {
      readonly tenantId: string | null;
      /** Instead of `datasetName`. */
      readonly datasetId?: string | undefined;
    },
  ): Promise<ExperimentRecord>;
  /** In the order of their creation. */
  listExperiments(request: {
    readonly tenantId?: string | null | undefined;
    readonly experimentId?: string | undefined;
    readonly datasetId?: string | undefined;
  }): Promise<ExperimentRecord[]>;
  /** The same, a page at a time. */
  queryExperiments(
    request: { readonly tenantId?: string | null | undefined; readonly datasetId?: string | undefined } & OrderedPart,
  ): Promise<Page<ExperimentRecord>>;
  changeExperiment(
    request: OfExperiment & {
      readonly name?: string | undefined;
      readonly description?: string | undefined;
      readonly metadata?: Record<string, unknown> | undefined;
    },
  ): Promise<ExperimentRecord>;
  /** With its runs; its traces stay. */
  deleteExperiment(request: OfExperiment): Promise<void>;
  /** Errors: `ExperimentRunExistsError` where this example and repetition succeeded; one that failed is replaced. */
  logRun(request: OfExperiment & { readonly run: NewExperimentRun }): Promise<ExperimentRunRecord>;
  /** In the order they were logged, or the other way round. */
  getRuns(request: OfExperiment & OrderedPart): Promise<Page<ExperimentRunRecord>>;
  /** Adds or replaces the evaluation of that name. */
  logRunEvaluation(request: {
    readonly tenantId?: string | null | undefined;
    readonly runId: string;
    readonly evaluation: NewRunEvaluation;
  }): Promise<ExperimentEvaluation>;
  listIncompleteRuns(request: OfExperiment & Paged): Promise<Page<IncompleteRun>>;
  listIncompleteEvaluations(
    request: OfExperiment & Paged & { readonly evaluationNames: readonly string[] },
  ): Promise<Page<IncompleteEvaluation>>;
  /** The first is what the others are compared with. */
  compareExperiments(request: {
    readonly tenantId: string | null;
    readonly experimentIds: readonly string[];
  }): Promise<ExperimentComparison>;

  /** All experiments of the tenant: each with its examples, runs and evaluations. What is written while it runs may be missing. */
  exportExperiments(request: { readonly tenantId: string | null } & Paged): Promise<Page<ExperimentExport>>;
  /**
   * What `exportExperiments` gave, as with `importDatasets`. The data sets are imported before.
   *
   * Errors: `DatasetNotFoundError`, `ExperimentNotFoundError` for what a record belongs to; `ExperimentRunExistsError` where an example's
   * repetition has another run; `InvalidQueryError` for an id that is taken.
   */
  importExperiments(request: {
    readonly tenantId: string | null;
    readonly records: readonly ExperimentExport[];
  }): Promise<ImportCounts>;
}
