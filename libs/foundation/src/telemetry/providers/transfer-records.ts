/**
 * Data sets and experiments record by record, as one store hands them to another.   Export: store -> [transfer-records] -> store.
 *
 * A record names what it belongs to by its id, and comes after it. Times are ISO 8601. JSON comes as it was stored.
 */
import type { AnnotatorKind } from './records.js';

type Json = Readonly<Record<string, unknown>>;

export interface ExportedDataset {
  readonly kind: 'dataset';
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly metadata: Json;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface ExportedDatasetVersion {
  readonly kind: 'version';
  readonly id: string;
  readonly datasetId: string;
  /** From 1, in the order of the versions. */
  readonly number: number;
  readonly createdAt: string;
  readonly exampleCount: number;
}

/** What an example holds from a version on, or that it is gone from there on. */
export interface ExportedDatasetRow {
  readonly kind: 'row';
  readonly id: string;
  readonly datasetId: string;
  readonly versionId: string;
  readonly externalId: string | null;
  readonly spanId: string | null;
  readonly input: Json;
  readonly output: Json;
  readonly metadata: Json;
  readonly isDeleted: boolean;
}

export interface ExportedDatasetSplit {
  readonly kind: 'split';
  readonly id: string;
  readonly datasetId: string;
  readonly name: string;
  readonly description: string | null;
  readonly color: string;
  readonly metadata: Json;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** An example is in a split. */
export interface ExportedSplitRow {
  readonly kind: 'split_row';
  readonly datasetId: string;
  readonly splitId: string;
  readonly rowId: string;
}

export type DatasetExport =
  | ExportedDataset
  | ExportedDatasetVersion
  | ExportedDatasetRow
  | ExportedDatasetSplit
  | ExportedSplitRow;

export interface ExportedExperiment {
  readonly kind: 'experiment';
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** Null for an experiment without a data set. */
  readonly datasetId: string | null;
  readonly datasetVersionId: string | null;
  readonly metadata: Json;
  readonly repetitions: number;
  readonly projectName: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** The experiment is over this example. */
export interface ExportedExperimentExample {
  readonly kind: 'example';
  readonly experimentId: string;
  readonly exampleId: string;
}

export interface ExportedRun {
  readonly kind: 'run';
  readonly id: string;
  readonly experimentId: string;
  readonly datasetExampleId: string | null;
  readonly inputs: Json;
  readonly outputs: Json;
  readonly metadata: Json;
  readonly repetitionNumber: number;
  readonly traceId: string | null;
  /** Null for a run that succeeded. */
  readonly error: string | null;
  readonly startTime: string;
  readonly endTime: string;
}

export interface ExportedEvaluation {
  readonly kind: 'evaluation';
  readonly id: string;
  readonly runId: string;
  readonly name: string;
  readonly annotatorKind: AnnotatorKind;
  readonly label: string | null;
  readonly score: number | null;
  readonly explanation: string | null;
  readonly error: string | null;
  readonly metadata: Json;
  readonly traceId: string | null;
  readonly startTime: string;
  readonly endTime: string;
}

export type ExperimentExport = ExportedExperiment | ExportedExperimentExample | ExportedRun | ExportedEvaluation;
