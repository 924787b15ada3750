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
export * from './providers/index.js';
