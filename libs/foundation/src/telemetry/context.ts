/**
 * Spans that every search application makes, in the reference's words.   Write path: application -> [context] -> manager.
 *
 * Names, attribute keys and defaults are those of the reference, so that dashboards serve both systems.
 */
import type { Span } from '@opentelemetry/api';
import { OtlpDouble } from '../otlp/index.js';
import { UNREADABLE } from './attribute-values.js';
import { type Completion, isUnfinished, watch } from './completion.js';
import type { Telemetry } from './manager.js';
import { managerForRecording } from './process-manager.js';
import { Span as OwnSpan, type TelemetrySpan } from './span.js';

interface HelperOptions {
  readonly tenantId?: string | undefined;
  /** The manager to record with; the process-wide one by default. */
  readonly telemetry?: Telemetry | undefined;
}

export interface SearchSpanOptions extends HelperOptions {
  readonly query: string;
  readonly topK?: number | undefined;
  readonly rankingStrategy?: string | undefined;
  readonly profile?: string | undefined;
  readonly backend?: string | undefined;
}

export interface EncodeSpanOptions extends HelperOptions {
  /** For example `ColPali`; part of the span's name, in lower case. */
  readonly encoderType: string;
  /** Characters of the query. */
  readonly queryLength?: number | undefined;
  readonly query?: string | undefined;
}

export interface BackendSearchSpanOptions extends HelperOptions {
  readonly backendType?: string | undefined;
  readonly schemaName?: string | undefined;
  readonly rankingStrategy?: string | undefined;
  readonly topK?: number | undefined;
  readonly hasEmbeddings?: boolean | undefined;
  readonly queryText?: string | undefined;
}

/** One result of a search, as far as it is known. */
export interface SearchResult {
  readonly documentId?: string | undefined;
  readonly videoId?: string | undefined;
  readonly score?: number | undefined;
  readonly contentType?: string | undefined;
}

/** One vector, or several of equal length. */
export type Embeddings = ArrayLike<number> | readonly ArrayLike<number>[];

/** Sets a measurement: a double also where it is a whole number. */
function setDouble(span: Span, key: string, value: number): void {
  // A span of another SDK takes OpenTelemetry's values only.
  const isOwn = span instanceof OwnSpan && typeof value === 'number';
  span.setAttribute(key, isOwn ? (new OtlpDouble(value) as never) : value);
}

/** Sets an attribute to the milliseconds until a result was complete, whether or not it failed. */
class Stopwatch implements Completion {
  readonly #span: Span;
  readonly #key: string;
  readonly #started = performance.now();

  constructor(span: Span, key: string) {
    this.#span = span;
    this.#key = key;
  }

  done(): undefined {
    setDouble(this.#span, this.#key, performance.now() - this.#started);
  }

  failed(): undefined {
    this.done();
  }

  abandoned(): void {
    this.done();
  }

  step<R>(advance: () => R): R {
    return advance();
  }
}

/** Sets an attribute to the milliseconds that `fn` took, also when it fails: until a promise settles, until a generator's iteration ends. */
function timed<T>(span: Span, key: string, fn: () => T): T {
  const stopwatch = new Stopwatch(span, key);
  let result: T;
  try {
    result = fn();
  } catch (error) {
    stopwatch.failed();
    throw error;
  }
  if (isUnfinished(result)) return watch(result, stopwatch);
  stopwatch.done();
  return result;
}

/**
 * JSON as Python's `json.dumps` writes it, so that equal parameters give equal texts in a project that both systems write to. Values of
 * callers without types may be anything; what JSON cannot carry, or throws when it is read, is left out of the text.
 */
function jsonText(value: object): string {
  try {
    const indented = JSON.stringify(
      value,
      (_key, part: unknown) => (typeof part === 'bigint' ? String(part) : part),
      1,
    );
    // A line break is between values only: those inside of texts are escaped.
    const text = indented.replace(/,\n */g, ', ').replace(/\n */g, '');
    return text.replace(/[\x7f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  } catch {
    return UNREADABLE;
  }
}

/** Runs what reads the caller's values for a span. A value that throws when it is read costs the span these details only. */
function describing(span: Span, describe: () => void): void {
  try {
    describe();
  } catch {
    span.addEvent('details_unreadable');
  }
}

/** Runs `fn` in a span `search_service.search` (CHAIN) and records `latency_ms`. */
export function searchSpan<T>(options: SearchSpanOptions, fn: (span: TelemetrySpan) => T): T {
  const {
    tenantId,
    telemetry = managerForRecording(),
    query,
    topK = 10,
    rankingStrategy = 'default',
    profile = 'unknown',
    backend = 'vespa',
  } = options;
  const attributes = {
    'openinference.span.kind': 'CHAIN',
    'operation.name': 'search',
    backend,
    query,
    strategy: rankingStrategy,
    top_k: topK,
    profile,
    'input.value': jsonText({ query, top_k: topK, strategy: rankingStrategy }),
  };
  return telemetry.span('search_service.search', { tenantId, attributes, component: 'search_service' }, (span) =>
    timed(span, 'latency_ms', () => fn(span)),
  );
}

/** Runs `fn` in a span `encoder.{type}.encode` (EMBEDDING) and records `encoding_time_ms`. */
export function encodeSpan<T>(options: EncodeSpanOptions, fn: (span: TelemetrySpan) => T): T {
  const { tenantId, telemetry = managerForRecording(), encoderType, queryLength = 0, query = '' } = options;
  const type = typeof encoderType === 'string' ? encoderType.toLowerCase() : 'unknown';
  const attributes = {
    'openinference.span.kind': 'EMBEDDING',
    'operation.name': `encode.${type}`,
    encoder_type: encoderType,
    query_length: queryLength,
    'input.value': query,
  };
  return telemetry.span(`encoder.${type}.encode`, { tenantId, attributes, component: 'encoder' }, (span) =>
    timed(span, 'encoding_time_ms', () => fn(span)),
  );
}

/** Runs `fn` in a span `search.execute` (RETRIEVER) and records `latency_ms`. */
export function backendSearchSpan<T>(options: BackendSearchSpanOptions, fn: (span: TelemetrySpan) => T): T {
  const {
    tenantId,
    telemetry = managerForRecording(),
    backendType = 'vespa',
    schemaName = 'unknown',
    rankingStrategy = 'default',
    topK = 10,
    hasEmbeddings = false,
    queryText = '',
  } = options;
  const attributes = {
    'openinference.span.kind': 'RETRIEVER',
    'operation.name': 'search.execute',
    backend: backendType,
    query: queryText,
    strategy: rankingStrategy,
    top_k: topK,
    schema: schemaName,
    has_embeddings: hasEmbeddings,
    'input.value': jsonText({ query: queryText, top_k: topK, strategy: rankingStrategy }),
  };
  return telemetry.span('search.execute', { tenantId, attributes, component: 'backend' }, (span) =>
    timed(span, 'latency_ms', () => fn(span)),
  );
}

/**
 * Adds `num_results`, `top_score`, and an event `search_results` with the best three (attribute `top_3`, JSON). Without a span, as
 * `trace.getActiveSpan()` may give none, it does nothing.
 */
export function addSearchResultsToSpan(span: Span | undefined, results: readonly SearchResult[]): void {
  if (span === undefined || span === null) return;
  describing(span, () => addSearchResults(span, results));
}

function addSearchResults(span: Span, results: readonly SearchResult[]): void {
  span.setAttribute('num_results', results.length);
  if (results.length === 0) return;
  setDouble(span, 'top_score', results[0]!.score ?? 0);
  const best = results.slice(0, 3).map((result, index) => ({
    rank: index + 1,
    document_id: result.documentId ?? 'unknown',
    video_id: result.videoId ?? 'unknown',
    score: result.score ?? 0,
    content_type: result.contentType ?? 'unknown',
  }));
  span.addEvent('search_results', { top_3: jsonText(best) });
}

function isMatrix(embeddings: Embeddings): embeddings is readonly ArrayLike<number>[] {
  return Array.isArray(embeddings) && typeof embeddings[0] === 'object';
}

/** numpy's name of what a vector holds. */
function dtypeOf(vector: ArrayLike<number> | undefined): string {
  const name = ArrayBuffer.isView(vector) ? vector.constructor.name : '';
  const match = /^(Float|Int|Uint)(\d+)(?:Clamped)?Array$/.exec(name);
  return match ? `${match[1]!.toLowerCase()}${match[2]}` : 'float64';
}

function norm(vector: ArrayLike<number>): number {
  let squares = 0;
  for (let index = 0; index < vector.length; index += 1) squares += vector[index]! * vector[index]!;
  return Math.sqrt(squares);
}

/**
 * Adds shape (as numpy writes it), type, mean and standard deviation of the norms; for several vectors `num_vectors` and `embedding_dim` too.
 * `output.value` is the shape: the numbers themselves would be no help to a reader. Without a span it does nothing.
 */
export function addEmbeddingDetailsToSpan(span: Span | undefined, embeddings: Embeddings | null | undefined): void {
  if (span === undefined || span === null) return;
  if (embeddings === null || embeddings === undefined) return; // a strategy without an encoder has none
  describing(span, () => addEmbeddingDetails(span, embeddings));
}

function addEmbeddingDetails(span: Span, embeddings: Embeddings): void {
  const vectors = isMatrix(embeddings) ? embeddings : [embeddings as ArrayLike<number>];
  const dimension = vectors[0]?.length ?? 0;
  const shape = isMatrix(embeddings) ? `(${vectors.length}, ${dimension})` : `(${dimension},)`;
  const norms = vectors.map(norm);
  const mean = norms.reduce((sum, value) => sum + value, 0) / norms.length;
  const variance = norms.reduce((sum, value) => sum + (value - mean) ** 2, 0) / norms.length;
  span.setAttributes({ embedding_shape: shape, embedding_dtype: dtypeOf(vectors[0]), 'output.value': shape });
  setDouble(span, 'embedding_norm_mean', mean);
  setDouble(span, 'embedding_norm_std', Math.sqrt(variance));
  if (isMatrix(embeddings)) span.setAttributes({ num_vectors: vectors.length, embedding_dim: dimension });
}
