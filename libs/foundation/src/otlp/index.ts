/** `@cogniverse/foundation/otlp`: OTLP traces in and out of bytes and JSON. */
export type {
  AnyValue,
  Attributes,
  OtlpEvent,
  OtlpLink,
  OtlpResource,
  OtlpResourceSpans,
  OtlpScope,
  OtlpScopeSpans,
  OtlpSpan,
  OtlpTraces,
  StatusCodeNumber,
} from './model.js';
