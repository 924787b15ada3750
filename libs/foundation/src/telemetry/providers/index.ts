/** The provider interfaces: what a backend implements. */
export { type AnalyticsStore, METRIC_NAMES, type MetricQuery, type ModelPrice } from './analytics-store.js';
export type {
  AnnotationQuery,
  AnnotationSelection,
  AnnotationStore,
  EvaluationRow,
  SessionAnnotationQuery,
  TraceAnnotationQuery,
} from './annotation-store.js';
export type { DatasetStore } from './dataset-store.js';
export {
  type ComparedEvaluation,
  type ComparedExample,
  type ComparedExperiment,
  type ComparedRuns,
  type ComparedScore,
  compareExperimentRuns,
  type ExperimentComparison,
} from './experiment-comparison.js';
export type { ExperimentStore, NewExperiment, NewExperimentRun, NewRunEvaluation } from './experiment-store.js';
export { itemsOfPages } from './items-of-pages.js';
export { jsonObject } from './json-value.js';
export type {
  ProviderConfig,
  ProviderFactory,
  SpanExportOptions,
  TelemetryProvider,
  TelemetryProviderFactory,
} from './provider.js';
export type {
  Annotation,
  AnnotationTarget,
  AnnotatorKind,
  AttributeValue,
  DatasetRecord,
  DatasetRow,
  DatasetRowPage,
  DatasetSplitRecord,
  DatasetUpload,
  DatasetVersionRecord,
  DocumentAnnotation,
  ExperimentEvaluation,
  ExperimentRecord,
  ExperimentRunRecord,
  ImportCounts,
  IncompleteEvaluation,
  IncompleteRun,
  LocatedId,
  MetricPoint,
  NewAnnotation,
  NewDatasetRow,
  NewDocumentAnnotation,
  NewSessionAnnotation,
  NewSpanAnnotation,
  NewTraceAnnotation,
  OtelSpanKind,
  Page,
  ProjectRecord,
  ProjectRef,
  SessionAnnotation,
  SessionRecord,
  SessionTurn,
  SpanAnnotation,
  SpanEventRecord,
  SpanLinkRecord,
  SpanRecord,
  SpanStatusCode,
  StoredSpan,
  TenantSummary,
  TimeInput,
  TraceAnnotation,
  TraceRecord,
  TurnContent,
} from './records.js';
export { withSession } from './session.js';
export { sessionIdOf } from './session-id.js';
export type { SessionQuery, SessionStore } from './session-store.js';
export { toSpanRecord } from './span-record.js';
export type { AnnotationCalls, StoreAnnotationQuery, StoreAnnotationSelection } from './store/annotation-calls.js';
export type { DatasetCalls } from './store/dataset-calls.js';
export type { DeletionCalls, DeletionRecord, TenantDeletionRecord } from './store/deletion-calls.js';
export type { ExperimentCalls } from './store/experiment-calls.js';
export type { IngestRequest, IngestResult, StoreFigures, StoreHealth, TenantIngestCounts } from './store/ingest.js';
export type { ProjectCalls } from './store/project-calls.js';
export type { SessionCalls, StoreSessionQuery } from './store/session-calls.js';
export type {
  ProjectIdentity,
  ProjectStatistics,
  SpanCalls,
  StoreMetricQuery,
  StoreSpanQuery,
  StoreTraceQuery,
} from './store/span-calls.js';
export type { StoreCalls, TelemetryStore } from './store/telemetry-store.js';
export type { BackupRecord, RetentionRecord, UpkeepCalls } from './store/upkeep-calls.js';
export { errorOfCode, httpStatusOfError, STORE_ERROR_STATUSES } from './store-errors.js';
export {
  checkInput,
  decodeStoreRequest,
  decodeStoreResult,
  encodeStoreRequest,
  encodeStoreResult,
  PROVIDER_INPUTS,
  STORE_OPERATIONS,
  STORE_ROUTE_PREFIX,
  type StoreCallName,
  type StoreOperation,
  type StoreTransport,
  storeOver,
} from './store-wire/index.js';
export { checkTimeRange, isoTime, parseTime } from './time.js';
export type {
  AttributeFilter,
  AttributeFilterOperator,
  SpanFilters,
  SpanQuery,
  TraceQuery,
  TraceStore,
} from './trace-store.js';
export type {
  DatasetExport,
  ExperimentExport,
  ExportedDataset,
  ExportedDatasetRow,
  ExportedDatasetSplit,
  ExportedDatasetVersion,
  ExportedEvaluation,
  ExportedExperiment,
  ExportedExperimentExample,
  ExportedRun,
  ExportedSplitRow,
} from './transfer-records.js';
