/** `telemetry.context`: the spans that every search application makes. */
export {
  type ArgumentSource,
  addEmbeddingDetailsToSpan,
  addSearchResultsToSpan,
  type BackendSearchSpanOptions,
  backendSearchSpan,
  type Embeddings,
  type EncodeSpanOptions,
  encodeSpan,
  type SearchResult,
  type SearchSpanOptions,
  searchSpan,
  traced,
  type WithTelemetryOptions,
  withTelemetry,
} from '@cogniverse/foundation/telemetry';
