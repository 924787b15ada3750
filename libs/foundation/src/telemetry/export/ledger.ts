/** The fates of all spans.   Write path: every step counts here. */

/** `http_<status>` and `grpc_<code>` beside the fixed reasons. A closed list. */
export type DropReason =
  | 'queue_full'
  | 'queue_bytes'
  | 'span_too_large'
  | 'tenant_limit'
  | 'no_tenant'
  | 'invalid'
  | 'serialize_error'
  | 'redaction_error'
  | 'response_too_large'
  | 'redirect'
  | 'tls'
  | 'max_elapsed'
  | 'spool_full'
  | 'spool_corrupt'
  | 'spool_expired'
  | 'shutdown_timeout'
  | 'already_shutdown'
  | `http_${number}`
  | `grpc_${number}`;
