/** What a check of `cogniverse doctor` found out. */

/** Every finding that asks for something, with the check that makes it. Each has a section in docs/operations.md. */
export const FINDING_CHECKS = {
  node_too_old: 'node',
  versions_differ: 'versions',
  environment_invalid: 'environment',
  recording_contradiction: 'environment',
  recording_off: 'environment',
  export_off: 'environment',
  exporter_variable_unread: 'environment',
  endpoints_differ: 'environment',
  transport_mismatch: 'environment',
  sync_export_in_production: 'environment',
  configuration_invalid: 'configuration',
  configuration_damaged: 'configuration',
  instrumentation_too_late: 'instrumentation',
  two_opentelemetry_apis: 'instrumentation',
  endpoint_invalid: 'endpoint',
  endpoint_silent: 'endpoint',
  endpoint_not_ready: 'endpoint',
  endpoint_foreign: 'endpoint',
  key_refused: 'endpoint',
  key_without_tls: 'endpoint',
  clock_skew: 'clock',
  otlp_endpoint_invalid: 'otlp_endpoint',
  otlp_endpoint_silent: 'otlp_endpoint',
  otlp_endpoint_refuses: 'otlp_endpoint',
  disk_almost_full: 'disk',
  disk_low: 'disk',
  disk_slow: 'disk',
  disk_read_only: 'disk',
  data_open_to_others: 'data',
  data_format_newer: 'data',
  data_format_older: 'data',
  data_unusable: 'data',
  data_damaged_files: 'data',
  retention_missing: 'retention',
  retention_too_long: 'retention',
} as const;

export type FindingCode = keyof typeof FINDING_CHECKS;

export interface Finding {
  /** Which check, in a word or two. */
  readonly check: string;
  readonly level: 'ok' | 'warning' | 'error';
  /** Stable; undefined where all is well. */
  readonly code: FindingCode | undefined;
  readonly message: string;
  /** What to do about it; empty where all is well. */
  readonly remedy: string;
}

export function ok(check: string, message: string): Finding {
  return { check, level: 'ok', code: undefined, message, remedy: '' };
}

export function warning(code: FindingCode, message: string, remedy: string): Finding {
  return { check: FINDING_CHECKS[code], level: 'warning', code, message, remedy };
}

export function failure(code: FindingCode, message: string, remedy: string): Finding {
  return { check: FINDING_CHECKS[code], level: 'error', code, message, remedy };
}
