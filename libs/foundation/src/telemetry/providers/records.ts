/**
 * The records that providers give and take, with their shapes and units.   Read path.
 */
import type { OtlpResource, OtlpScope, OtlpSpan } from '../../otlp/model.js';

/** A point in time: a `Date`, an ISO 8601 string, or nanoseconds since 1970 as bigint. A bare number is refused: its unit would be a guess. */
export type TimeInput = Date | string | bigint;

/** What an attribute holds when it is read: OTLP integers are `number` while exact, else `bigint`. */
export type AttributeValue =
  | string
  | boolean
  | number
  | bigint
  | Uint8Array
  | null
  | AttributeValue[]
  | { [key: string]: AttributeValue };

export type SpanStatusCode = 'UNSET' | 'OK' | 'ERROR';
export type OtelSpanKind = 'UNSPECIFIED' | 'INTERNAL' | 'SERVER' | 'CLIENT' | 'PRODUCER' | 'CONSUMER';

export interface SpanEventRecord {
  readonly name: string;
  /** Nanoseconds since 1970. */
  readonly timeUnixNano: bigint;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export interface SpanLinkRecord {
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** One stored span. */
export interface SpanRecord {
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined for a root. */
  readonly parentSpanId: string | undefined;
  readonly name: string;
  /** OpenInference kind (`openinference.span.kind`), upper case; `UNKNOWN` where none is set. */
  readonly spanKind: string;
  readonly kind: OtelSpanKind;
  /** Nanoseconds since 1970. */
  readonly startTimeUnixNano: bigint;
  /** Nanoseconds since 1970. */
  readonly endTimeUnixNano: bigint;
  /** End minus start, in milliseconds. */
  readonly durationMillis: number;
  readonly statusCode: SpanStatusCode;
  readonly statusMessage: string;
  /** From dotted key to value; an object without prototype. */
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly events: readonly SpanEventRecord[];
  readonly links: readonly SpanLinkRecord[];
  readonly resource: Readonly<Record<string, AttributeValue>>;
  readonly scope: { readonly name: string; readonly version: string };
  /** Full project name. */
  readonly project: string;
  /** Undefined where the span names no tenant. */
  readonly tenantId: string | undefined;
  readonly sessionId: string | undefined;
  /** JSON form: bigints as decimal strings, bytes as base64. */
  toJSON(): Record<string, unknown>;
}

/** A project is a tenant and a name. `tenantId: null` holds the spans that name no tenant. */
export interface ProjectRef {
  readonly tenantId: string | null;
  /** Full project name, for example `cogniverse-acme-search`. */
  readonly name: string;
}

export interface ProjectRecord extends ProjectRef {
  /** Unambiguous over all tenants; opaque. */
  readonly id: string;
  readonly spanCount: number;
  readonly traceCount: number;
  /** Start of the earliest and end of the latest span, nanoseconds since 1970; undefined without spans. */
  readonly firstSpanUnixNano: bigint | undefined;
  readonly lastSpanUnixNano: bigint | undefined;
  readonly description: string;
}

export interface TenantSummary {
  readonly tenantId: string | null;
  readonly projectCount: number;
  readonly spanCount: number;
}

/** A span as the store holds it: nothing is lost. `toSpanRecord()` gives the record for reading. */
export interface StoredSpan {
  readonly project: ProjectRef;
  /** Order of ingestion; grows, and is unique in a store. */
  readonly sequence: bigint;
  readonly span: OtlpSpan;
  readonly resource: OtlpResource;
  readonly resourceSchemaUrl: string;
  readonly scope: OtlpScope;
  readonly scopeSchemaUrl: string;
}

export interface TraceRecord {
  readonly traceId: string;
  readonly project: string;
  readonly tenantId: string | undefined;
  /** Nanoseconds since 1970: first start and last end of its spans. */
  readonly startTimeUnixNano: bigint;
  readonly endTimeUnixNano: bigint;
  /** The root's duration; without a root last end minus first start. Milliseconds. */
  readonly latencyMillis: number;
  readonly spanCount: number;
  readonly errorCount: number;
  readonly rootName: string | undefined;
  readonly rootSpanId: string | undefined;
  readonly sessionId: string | undefined;
  readonly tokenCountPrompt: number;
  readonly tokenCountCompletion: number;
}

export type AnnotatorKind = 'HUMAN' | 'LLM' | 'CODE';

/** What can be annotated. Session and document annotations follow the same shape. */
export interface Annotation {
  readonly id: string;
  readonly spanId: string;
  readonly name: string;
  readonly annotatorKind: AnnotatorKind;
  readonly label: string | null;
  readonly score: number | null;
  readonly explanation: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Upsert key together with target and name; empty by default. */
  readonly identifier: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface NewAnnotation {
  spanId: string;
  name: string;
  label?: string | null | undefined;
  /** Usually 0 to 1. */
  score?: number | null | undefined;
  explanation?: string | null | undefined;
  metadata?: Record<string, unknown> | undefined;
  annotatorKind?: AnnotatorKind | undefined;
  identifier?: string | undefined;
}

/** One row of a data set. */
export interface DatasetRow {
  readonly id: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly output: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface NewDatasetRow {
  input: Record<string, unknown>;
  output?: Record<string, unknown> | undefined;
  metadata?: Record<string, unknown> | undefined;
}

export interface DatasetRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly versionId: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly exampleCount: number;
}

export interface ExperimentRecord {
  readonly id: string;
  readonly name: string;
  /** Undefined for an experiment without a data set. */
  readonly datasetId: string | undefined;
  readonly datasetVersionId: string | undefined;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly createdAt: string;
  readonly runCount: number;
}

export interface ExperimentRunRecord {
  readonly id: string;
  readonly experimentId: string;
  readonly datasetExampleId: string | undefined;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly repetitionNumber: number;
  readonly traceId: string | undefined;
  readonly error: string | undefined;
  readonly startTime: string;
  readonly endTime: string;
  readonly evaluations: readonly ExperimentEvaluation[];
}

export interface ExperimentEvaluation {
  readonly name: string;
  readonly annotatorKind: AnnotatorKind;
  readonly label: string | null;
  readonly score: number | null;
  readonly explanation: string | null;
  readonly error: string | null;
}

/** One value of one metric. `timestamp` is the start of its bucket, or of the range without buckets. */
export interface MetricPoint {
  /** ISO 8601. */
  readonly timestamp: string;
  readonly metricName: string;
  readonly value: number;
  /** Present when the query groups. */
  readonly group?: string | undefined;
}

/** A page of anything. `nextCursor` is undefined on the last page. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | undefined;
}
