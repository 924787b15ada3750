/** The provider interfaces: what a backend implements. */
export { type AnalyticsStore, METRIC_NAMES, type MetricQuery, type ModelPrice } from './analytics-store.js';
export type { AnnotationQuery, AnnotationStore, EvaluationRow } from './annotation-store.js';
export type { DatasetStore } from './dataset-store.js';
export type { ExperimentStore, NewExperimentRun } from './experiment-store.js';
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
  AnnotatorKind,
  AttributeValue,
  DatasetRecord,
  DatasetRow,
  ExperimentEvaluation,
  ExperimentRecord,
  ExperimentRunRecord,
  MetricPoint,
  NewAnnotation,
  NewDatasetRow,
  OtelSpanKind,
  Page,
  ProjectRecord,
  ProjectRef,
  SpanEventRecord,
  SpanLinkRecord,
  SpanRecord,
  SpanStatusCode,
  StoredSpan,
  TenantSummary,
  TimeInput,
  TraceRecord,
} from './records.js';
export { withSession } from './session.js';
export { toSpanRecord } from './span-record.js';
export type { AnnotationCalls } from './store/annotation-calls.js';
export type { DatasetCalls } from './store/dataset-calls.js';
export type { DeletionCalls, DeletionRecord, TenantDeletionRecord } from './store/deletion-calls.js';
export type { ExperimentCalls } from './store/experiment-calls.js';
export type { IngestRequest, IngestResult, StoreFigures, StoreHealth, TenantIngestCounts } from './store/ingest.js';
export type {
  ProjectStatistics,
  SpanCalls,
  StoreMetricQuery,
  StoreSpanQuery,
  StoreTraceQuery,
} from './store/span-calls.js';
export type { StoreCalls, TelemetryStore } from './store/telemetry-store.js';
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
