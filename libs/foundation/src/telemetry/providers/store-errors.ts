/**
 * How the errors of a store cross HTTP: status and code on the way out, the same class on the way in.   Server <-> remote store.
 *
 * One table for both ends, so that a caller branches on a class whether the store is in the process or behind a server.
 */
import {
  BackendUnavailableError,
  ConfigurationError,
  DatasetExistsError,
  DatasetNotFoundError,
  ExperimentNotFoundError,
  ExperimentRunExistsError,
  InvalidNameError,
  InvalidQueryError,
  MissingTenantError,
  NotSupportedError,
  ProjectAmbiguousError,
  ProjectCollisionError,
  ProjectExistsError,
  ProjectNotFoundError,
  SessionNotFoundError,
  SpanNotFoundError,
  StoreOpenError,
  TelemetryError,
  TenantDeletedError,
  TenantMismatchError,
  TraceNotFoundError,
} from '../errors.js';

type ErrorClass = new (message: string, options?: ErrorOptions) => TelemetryError;

const STORE_ERRORS: readonly { readonly status: number; readonly errorClass: ErrorClass }[] = [
  { status: 400, errorClass: MissingTenantError },
  { status: 403, errorClass: TenantMismatchError },
  { status: 404, errorClass: ProjectNotFoundError },
  { status: 404, errorClass: SpanNotFoundError },
  { status: 404, errorClass: TraceNotFoundError },
  { status: 404, errorClass: SessionNotFoundError },
  { status: 404, errorClass: DatasetNotFoundError },
  { status: 404, errorClass: ExperimentNotFoundError },
  { status: 409, errorClass: ProjectAmbiguousError },
  { status: 409, errorClass: ProjectCollisionError },
  { status: 409, errorClass: ProjectExistsError },
  { status: 409, errorClass: DatasetExistsError },
  { status: 409, errorClass: TenantDeletedError },
  { status: 409, errorClass: ExperimentRunExistsError },
  { status: 422, errorClass: InvalidQueryError },
  { status: 422, errorClass: InvalidNameError },
  { status: 500, errorClass: ConfigurationError },
  { status: 501, errorClass: NotSupportedError },
  { status: 503, errorClass: BackendUnavailableError },
  { status: 503, errorClass: StoreOpenError },
];

const CLASS_OF_CODE = new Map(STORE_ERRORS.map(({ errorClass }) => [new errorClass('').code, errorClass]));
/** HTTP status of each code that a store's errors have. */
export const STORE_ERROR_STATUSES: ReadonlyMap<string, number> = new Map(
  STORE_ERRORS.map(({ errorClass, status }) => [new errorClass('').code, status]),
);

/** HTTP status of an error that a store threw; 500 for what is none of its own errors. */
export function httpStatusOfError(error: unknown): number {
  return error instanceof TelemetryError ? (STORE_ERROR_STATUSES.get(error.code) ?? 500) : 500;
}

/** The error that a server's `{ detail, code }` stands for, in its own class; undefined for a code that is none of a store's. */
export function errorOfCode(code: string, detail: string, options?: ErrorOptions): TelemetryError | undefined {
  const errorClass = CLASS_OF_CODE.get(code);
  return errorClass === undefined ? undefined : new errorClass(detail, options);
}
