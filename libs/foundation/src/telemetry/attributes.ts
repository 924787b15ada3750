/** Attribute keys, span names and event names, each with its source.   Write path: what the manager and the context helpers record. */

// Source: the reference, "Automatic Attributes".
export const TENANT_ID = 'tenant.id';
export const SERVICE_NAME = 'service.name';
export const ENVIRONMENT = 'environment';

// Source: OpenInference semantic conventions.
export const SESSION_ID = 'session.id';
/** On the resource: the project that a backend files the span under. On a span it is recorded and does not route. */
export const OPENINFERENCE_PROJECT_NAME = 'openinference.project.name';

// Source: OpenTelemetry semantic conventions, "resource" and "exceptions on spans".
export const SERVICE_VERSION = 'service.version';
export const DEPLOYMENT_ENVIRONMENT_NAME = 'deployment.environment.name';
export const TELEMETRY_SDK_NAME = 'telemetry.sdk.name';
export const TELEMETRY_SDK_LANGUAGE = 'telemetry.sdk.language';
export const TELEMETRY_SDK_VERSION = 'telemetry.sdk.version';
export const EXCEPTION_EVENT = 'exception';
export const EXCEPTION_TYPE = 'exception.type';
export const EXCEPTION_MESSAGE = 'exception.message';
export const EXCEPTION_STACKTRACE = 'exception.stacktrace';

/** Ours: how many texts of the span were cut because it was above `max_span_bytes`. */
export const CUT_VALUES_COUNT = 'cogniverse.cut_values_count';
/** Ours: the exchange was over before the response was complete. */
export const RESPONSE_ABORTED = 'http.response.aborted';
