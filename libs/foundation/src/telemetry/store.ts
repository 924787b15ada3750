/**
 * `@cogniverse/foundation/store`: what stores, their servers and their clients use of `@cogniverse/foundation/telemetry` at run time.   Read path.
 *
 * Nothing of the write path is behind it (no pipeline, no OTLP sender, no OpenTelemetry), so a process that only serves a store starts sooner and takes less memory.
 * Types are in `@cogniverse/foundation/telemetry`, as are these names.
 */
export { attributePlaces, conditionParts, conditionRows, parseCondition, parseProjection } from './conditions/index.js';
export {
  BackendUnavailableError,
  ConfigurationError,
  DatasetExistsError,
  DatasetNotFoundError,
  ExperimentNotFoundError,
  ExperimentRunExistsError,
  InvalidNameError,
  InvalidQueryError,
  ProjectExistsError,
  ProjectNotFoundError,
  SessionNotFoundError,
  SpanNotFoundError,
  StoreOpenError,
  TelemetryError,
  TenantDeletedError,
  TenantMismatchError,
  TraceNotFoundError,
} from './errors.js';
export { METRIC_NAMES } from './providers/analytics-store.js';
export { compareExperimentRuns } from './providers/experiment-comparison.js';
export { itemsOfPages } from './providers/items-of-pages.js';
export { jsonObject } from './providers/json-value.js';
export { sessionIdOf } from './providers/session-id.js';
export { toSpanRecord } from './providers/span-record.js';
export { errorOfCode, httpStatusOfError, STORE_ERROR_STATUSES } from './providers/store-errors.js';
export {
  checkInput,
  decodeStoreRequest,
  decodeStoreResult,
  encodeStoreRequest,
  encodeStoreResult,
  PROVIDER_INPUTS,
  STORE_OPERATIONS,
  STORE_ROUTE_PREFIX,
  storeOver,
} from './providers/store-wire/index.js';
export { checkTimeRange, isoTime, parseTime } from './providers/time.js';
