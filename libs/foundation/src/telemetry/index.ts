/** `@cogniverse/foundation/telemetry`: the manager, its configuration, and the provider interfaces. */
export {
  BackendUnavailableError,
  ConfigurationError,
  DatasetExistsError,
  DatasetNotFoundError,
  ExperimentNotFoundError,
  InvalidNameError,
  InvalidQueryError,
  MissingTenantError,
  ProjectAmbiguousError,
  ProjectCollisionError,
  ProjectNotFoundError,
  ProviderLoadError,
  ProviderNotFoundError,
  SpanNotFoundError,
  StoreOpenError,
  TelemetryError,
  TenantMismatchError,
} from './errors.js';
export type { ExportTarget, SendOptions, SendResult, SpanSender } from './export/export-target.js';
export { type DropReason, Ledger, type LedgerCounts, type LedgerSnapshot, TenantLedger } from './export/ledger.js';
export { type OtlpTargetOptions, otlpTarget } from './export/otlp-target.js';
export {
  ExportPipeline,
  type OpenProjectOptions,
  type PipelineOptions,
  type PipelineStats,
} from './export/pipeline.js';
export { type ScopeBytes, TenantQueue } from './export/tenant-queue.js';
export * from './providers/index.js';
