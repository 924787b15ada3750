/** `@cogniverse/foundation/telemetry`: the manager, its configuration, the export pipeline, and the provider interfaces. */

export {
  type AttributePlace,
  attributePlaces,
  type Condition,
  type ConditionAnnotation,
  type ConditionComparison,
  type ConditionExpression,
  type ConditionLanguage,
  type ConditionLoop,
  type ConditionLoopSource,
  type ConditionRecords,
  type ConditionRow,
  type ConditionRowKind,
  type ConditionRows,
  type ConditionType,
  type ConditionValue,
  conditionParts,
  conditionRows,
  matchesCondition,
  parseCondition,
  parseProjection,
  type SpanProjection,
  type TargetedAnnotation,
} from './conditions/index.js';
export {
  BatchExportConfig,
  type BatchExportOptions,
  type ConfigurationLevel,
  type OptionPath,
  TelemetryConfig,
  type TelemetryConfigOptions,
  TelemetryLevel,
} from './config.js';
export type { TelemetryConfigSource } from './config-source.js';
export { configurationTable } from './configuration-table.js';
export {
  addEmbeddingDetailsToSpan,
  addSearchResultsToSpan,
  type BackendSearchSpanOptions,
  backendSearchSpan,
  type Embeddings,
  type EncodeSpanOptions,
  encodeSpan,
  type SearchResult,
  type SearchSpanOptions,
  searchSpan,
} from './context.js';
export { type Environment, withEnvironment } from './environment.js';
export {
  BackendUnavailableError,
  ConfigurationError,
  DatasetExistsError,
  DatasetNotFoundError,
  ExperimentNotFoundError,
  InvalidNameError,
  InvalidQueryError,
  MissingTenantError,
  NotSupportedError,
  ProjectAmbiguousError,
  ProjectCollisionError,
  ProjectExistsError,
  ProjectNotFoundError,
  ProviderLoadError,
  ProviderNotFoundError,
  SessionNotFoundError,
  SpanNotFoundError,
  StoreOpenError,
  TelemetryError,
  TenantDeletedError,
  TenantMismatchError,
  TenantRequiredError,
  TraceNotFoundError,
} from './errors.js';
export type { Clock, ClockTimer } from './export/clock.js';
export type { ExportTarget, SendOptions, SendResult, SpanSender } from './export/export-target.js';
export { type DropReason, Ledger, type LedgerCounts, type LedgerSnapshot, TenantLedger } from './export/ledger.js';
export { type LedgerMetricsOptions, prometheusText, recordPipelineMetrics } from './export/ledger-metrics.js';
export { type OtlpTargetOptions, otlpTarget } from './export/otlp-target.js';
export {
  ExportPipeline,
  type OpenProjectOptions,
  type PipelineOptions,
  type PipelineStats,
} from './export/pipeline.js';
export type { PipelineLogger } from './export/pipeline-logger.js';
export type { RetryPolicy } from './export/retry-policy.js';
export { Spool, type SpoolOptions } from './export/spool.js';
export { type ScopeBytes, TenantQueue } from './export/tenant-queue.js';
export type { TrustRemoteContext } from './export/tenant-router.js';
export { type ExpressRequest, type ExpressTelemetry, expressTelemetry } from './http/express.js';
export { type FastifyLike, type FastifyRequestLike, fastifyTelemetry } from './http/fastify.js';
export type { HeaderCarrier } from './http/header-carrier.js';
export { type HonoContext, honoTelemetry } from './http/hono.js';
export type { InboundRequest, InboundRequestEnd, InboundRequestOptions, RequestName } from './http/inbound-request.js';
export type { MiddlewareOptions } from './http/middleware.js';
export type { RemoteTrust, TenantPropagator } from './http/tenant-propagator.js';
export type { Reconfiguration } from './live-configuration.js';
export {
  createTelemetry,
  type SessionOptions,
  type SpanOptions,
  Telemetry,
  type TelemetryManagerOptions,
  type TelemetryStats,
} from './manager.js';

export { getTelemetryManager, TelemetryManager } from './process-manager.js';
export type { ProjectRegistration } from './project-destinations.js';

export {
  type AnalyticsStore,
  type Annotation,
  type AnnotationCalls,
  type AnnotationQuery,
  type AnnotationSelection,
  type AnnotationStore,
  type AnnotationTarget,
  type AnnotatorKind,
  type AttributeFilter,
  type AttributeFilterOperator,
  type AttributeValue,
  type BackupRecord,
  checkInput,
  checkTimeRange,
  type DatasetCalls,
  type DatasetRecord,
  type DatasetRow,
  type DatasetStore,
  type DeletionCalls,
  type DeletionRecord,
  type DocumentAnnotation,
  decodeStoreRequest,
  decodeStoreResult,
  type EvaluationRow,
  type ExperimentCalls,
  type ExperimentEvaluation,
  type ExperimentRecord,
  type ExperimentRunRecord,
  type ExperimentStore,
  encodeStoreRequest,
  encodeStoreResult,
  errorOfCode,
  httpStatusOfError,
  type ImportCounts,
  type IngestRequest,
  type IngestResult,
  isoTime,
  jsonObject,
  type LocatedId,
  METRIC_NAMES,
  type MetricPoint,
  type MetricQuery,
  type ModelPrice,
  type NewAnnotation,
  type NewDatasetRow,
  type NewDocumentAnnotation,
  type NewExperimentRun,
  type NewSessionAnnotation,
  type NewSpanAnnotation,
  type NewTraceAnnotation,
  type OtelSpanKind,
  type Page,
  PROVIDER_INPUTS,
  type ProjectCalls,
  type ProjectIdentity,
  type ProjectRecord,
  type ProjectRef,
  type ProjectStatistics,
  type ProviderConfig,
  type ProviderFactory,
  parseTime,
  type RetentionRecord,
  type SessionAnnotation,
  type SessionAnnotationQuery,
  type SessionCalls,
  type SessionQuery,
  type SessionRecord,
  type SessionStore,
  type SessionTurn,
  type SpanAnnotation,
  type SpanCalls,
  type SpanEventRecord,
  type SpanExportOptions,
  type SpanFilters,
  type SpanLinkRecord,
  type SpanQuery,
  type SpanRecord,
  type SpanStatusCode,
  STORE_ERROR_STATUSES,
  STORE_OPERATIONS,
  STORE_ROUTE_PREFIX,
  type StoreAnnotationQuery,
  type StoreAnnotationSelection,
  type StoreCallName,
  type StoreCalls,
  type StoredSpan,
  type StoreFigures,
  type StoreHealth,
  type StoreMetricQuery,
  type StoreOperation,
  type StoreSessionQuery,
  type StoreSpanQuery,
  type StoreTraceQuery,
  type StoreTransport,
  sessionIdOf,
  storeOver,
  type TelemetryProvider,
  type TelemetryProviderFactory,
  type TelemetryStore,
  type TenantDeletionRecord,
  type TenantIngestCounts,
  type TenantSummary,
  type TimeInput,
  type TraceAnnotation,
  type TraceAnnotationQuery,
  type TraceQuery,
  type TraceRecord,
  type TraceStore,
  type TurnContent,
  toSpanRecord,
  type UpkeepCalls,
  withSession,
} from './providers/index.js';
export { type ProviderKind, ProviderRegistry, type ProviderRegistryOptions, registry } from './registry.js';
export type { ScoreOptions } from './scores.js';
export type { TelemetrySpan } from './span.js';
export type { IdGenerator } from './span-identity.js';
export type { TenantSessionOptions, TenantSpanOptions, TenantTelemetry } from './tenant-telemetry.js';
export type { Tracer, TracerProvider } from './tracer.js';
export {
  type ArgumentSource,
  type TracedOptions,
  traced,
  type WithTelemetryOptions,
  withTelemetry,
} from './with-telemetry.js';
