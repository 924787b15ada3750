/** `@cogniverse/foundation/otlp`: OTLP traces in and out of bytes and JSON. */

export { decodeTraces } from './decoder.js';
export {
  type EncodableAttributes,
  type EncodableEvent,
  type EncodableLink,
  type EncodableSpan,
  type EncodableValue,
  encodeResource,
  encodeScopePrefix,
  encodeSpanInto,
  encodeTraces,
  MAX_ENCODE_DEPTH,
  OtlpDouble,
} from './encoder.js';
export {
  decodeExportResponse,
  decodeExportResponseJson,
  type ExportResponse,
  type ExportResponseJson,
  encodeExportResponse,
  encodeExportResponseJson,
} from './export-response.js';
export {
  decodeTracesJson,
  encodeTracesJson,
  type OtlpJson,
  type OtlpJsonAnyValue,
  type OtlpJsonEvent,
  type OtlpJsonKeyValue,
  type OtlpJsonLink,
  type OtlpJsonResourceSpans,
  type OtlpJsonScopeSpans,
  type OtlpJsonSpan,
} from './json.js';
export { DEFAULT_OTLP_LIMITS, OtlpDecodeError, type OtlpLimits } from './limits.js';
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
export { OtlpEncodeError, ProtoWriter, type ProtoWriterOptions, varintSize } from './proto-writer.js';
export { validateSpan } from './validate.js';
