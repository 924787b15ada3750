/** Spans and traces of one tenant, read back.   Read path: getProvider() -> provider -> [traces]. */
import type { Page, SpanRecord, SpanStatusCode, TimeInput, TraceRecord } from './records.js';

export type AttributeFilterOperator = 'eq' | 'ne' | 'gt' | 'gte' | 'lt' | 'lte' | 'contains' | 'exists';

/** One condition on one attribute. `exists` takes no value; `contains` is for strings and ignores case. Comparisons compare numbers with numbers, strings with strings. */
export interface AttributeFilter {
  key: string;
  operator: AttributeFilterOperator;
  value?: string | number | boolean | bigint | undefined;
}

/** All given conditions hold (AND); a list within one condition means any of them (OR). */
export interface SpanFilters {
  name?: string | readonly string[] | undefined;
  status?: SpanStatusCode | readonly SpanStatusCode[] | undefined;
  /** OpenInference kind, in either case. */
  spanKind?: string | readonly string[] | undefined;
  /** Ids are hex, in either case; what can be none is refused. */
  traceId?: string | readonly string[] | undefined;
  spanId?: string | readonly string[] | undefined;
  /** `null` finds the spans without a parent id. */
  parentId?: string | null | undefined;
  sessionId?: string | readonly string[] | undefined;
  /** Only spans without a parent id. */
  rootOnly?: boolean | undefined;
  attributes?: readonly AttributeFilter[] | undefined;
}

export interface SpanQuery {
  /** Full project name; the provider's own project by default. */
  project?: string | undefined;
  /** Included. */
  startTime?: TimeInput | undefined;
  /** Not included; after the start. */
  endTime?: TimeInput | undefined;
  filters?: SpanFilters | undefined;
  /** In Phoenix's language, for example `span_kind == 'LLM' and latency_ms > 500`; see `parseCondition`. It holds beside the filters. */
  condition?: string | undefined;
  /** 1 to 1000 a page for `getSpanPage`; any number for `getSpans`. Default 1000. */
  limit?: number | undefined;
  cursor?: string | undefined;
  /** `start_time` (default), or `sequence`: the order of ingestion. */
  sort?: 'start_time' | 'sequence' | undefined;
  /** Newest first (`desc`) by default. */
  order?: 'desc' | 'asc' | undefined;
}

export interface TraceQuery {
  project?: string | undefined;
  startTime?: TimeInput | undefined;
  endTime?: TimeInput | undefined;
  sessionId?: string | readonly string[] | undefined;
  /** In Phoenix's language, for example `error_count > 0 and any(s.name == 'rerank' for s in spans)`; see `parseCondition`. */
  condition?: string | undefined;
  /** `start_time` (default) or `latency`. */
  sort?: 'start_time' | 'latency' | undefined;
  order?: 'desc' | 'asc' | undefined;
  /** 1 to 1000. Default 100. */
  limit?: number | undefined;
  cursor?: string | undefined;
}

export interface TraceStore {
  /**
   * Finds spans of one project, newest first.
   *
   * Range:  `startTime` is included, `endTime` is not; `limit` defaults to 1000.
   * Empty:  an unknown project, or nothing in the range, gives `[]`.
   * Errors: `BackendUnavailableError` if no answer came, `InvalidQueryError` if the query or the backend's answer to it is bad.
   */
  getSpans(query?: SpanQuery): Promise<SpanRecord[]>;
  /** One page and the cursor of the next. Spans that arrive between two pages do not shift the pages. */
  getSpanPage(query?: SpanQuery): Promise<Page<SpanRecord>>;
  /** All matching spans, page by page, in flat memory. `limit` bounds the total. */
  iterateSpans(query?: SpanQuery): AsyncIterable<SpanRecord>;
  getSpanById(spanId: string, options?: { project?: string | undefined }): Promise<SpanRecord | undefined>;
  getTraces(query?: TraceQuery): Promise<Page<TraceRecord>>;
  /** All spans of one trace, by start time; `[]` if unknown. */
  getTrace(traceId: string, options?: { project?: string | undefined }): Promise<SpanRecord[]>;
}
