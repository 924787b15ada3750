/** Errors that callers can branch on, by class or by `code`. A backend's own error is the `cause`. */

export abstract class TelemetryError extends Error {
  /** Stable; branch on it, never on the message. */
  abstract readonly code: string;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A recording call without any tenant: the caller's mistake, and the only error that one throws. */
export class MissingTenantError extends TelemetryError {
  readonly code = 'missing_tenant';
}
/** A request without a tenant, where the host wants one. Express, Fastify and Hono answer it with 400, unless the host's error handler does otherwise. */
export class TenantRequiredError extends TelemetryError {
  readonly code = 'tenant_required';
  readonly status = 400;
  readonly statusCode = 400;
  /** Express: the message may be shown to the caller. */
  readonly expose = true;
  constructor() {
    super('The request names no tenant.');
  }
  /** Hono: the answer where the application has no `onError`. */
  getResponse(): Response {
    return new Response(this.message, { status: this.status });
  }
}
/** A tenant id or project name that cannot be used. */
export class InvalidNameError extends TelemetryError {
  readonly code = 'invalid_name';
}
/** A configuration value that cannot be used; names field, value and remedy. */
export class ConfigurationError extends TelemetryError {
  readonly code: string = 'configuration';
}
/** A project that belongs to another tenant than the one it was asked for. */
export class TenantMismatchError extends TelemetryError {
  readonly code = 'tenant_mismatch';
}
/** A tenant that is being deleted. */
export class TenantDeletedError extends TelemetryError {
  readonly code = 'tenant_deleted';
}
/** Two tenants' projects would have the same name. */
export class ProjectCollisionError extends TelemetryError {
  readonly code = 'project_collision';
}
export class ProviderNotFoundError extends TelemetryError {
  readonly code = 'provider_not_found';
}
/** A provider was found but could not be loaded or initialized. */
export class ProviderLoadError extends TelemetryError {
  readonly code = 'provider_load';
}
/** No answer from the backend. */
export class BackendUnavailableError extends TelemetryError {
  readonly code = 'backend_unavailable';
}
/** A query that is wrong, or that the backend refused. */
export class InvalidQueryError extends TelemetryError {
  readonly code = 'invalid_query';
}
/** What this backend cannot do at all. The caller would take an empty answer for the truth. */
export class NotSupportedError extends TelemetryError {
  readonly code = 'not_supported';
}
export class ProjectNotFoundError extends TelemetryError {
  readonly code = 'project_not_found';
}
/** A project name that several tenants hold, asked for without naming a tenant. */
export class ProjectAmbiguousError extends TelemetryError {
  readonly code = 'project_ambiguous';
}
export class SpanNotFoundError extends TelemetryError {
  readonly code = 'span_not_found';
}
export class TraceNotFoundError extends TelemetryError {
  readonly code = 'trace_not_found';
}
export class SessionNotFoundError extends TelemetryError {
  readonly code = 'session_not_found';
}
export class ProjectExistsError extends TelemetryError {
  readonly code = 'project_exists';
}
/** No such data set; or it has no such version, row or split. */
export class DatasetNotFoundError extends TelemetryError {
  readonly code = 'dataset_not_found';
}
/** A data set of that name is there already, or a split of that name in it. */
export class DatasetExistsError extends TelemetryError {
  readonly code = 'dataset_exists';
}
/** No such experiment, or no such run. */
export class ExperimentNotFoundError extends TelemetryError {
  readonly code = 'experiment_not_found';
}
/** This example and repetition ran with success already. */
export class ExperimentRunExistsError extends TelemetryError {
  readonly code = 'experiment_run_exists';
}
/** The data directory cannot be used: locked by another process, damaged, or of a newer format. */
export class StoreOpenError extends TelemetryError {
  readonly code = 'store_open';
  /** Process that has the directory open, when that is the reason. */
  readonly holderPid: number | undefined;
  constructor(message: string, options?: ErrorOptions & { readonly holderPid?: number }) {
    super(message, options);
    this.holderPid = options?.holderPid;
  }
}
