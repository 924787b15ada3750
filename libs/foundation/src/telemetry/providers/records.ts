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

/** Where an id is found. */
export interface LocatedId {
  readonly id: string;
  readonly project: ProjectRef;
}

/** How much of an import was new. */
export interface ImportCounts {
  readonly imported: number;
  /** There already, and left as it was. */
  readonly existing: number;
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

/** What an annotation is about. A document is one of those that a retriever's or reranker's span lists. */
export type AnnotationTarget = 'span' | 'trace' | 'session' | 'document';

interface AnnotationFields {
  readonly id: string;
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

export interface SpanAnnotation extends AnnotationFields {
  readonly target: 'span';
  readonly spanId: string;
}
export interface TraceAnnotation extends AnnotationFields {
  readonly target: 'trace';
  readonly traceId: string;
}
export interface SessionAnnotation extends AnnotationFields {
  readonly target: 'session';
  readonly sessionId: string;
}
export interface DocumentAnnotation extends AnnotationFields {
  readonly target: 'document';
  readonly spanId: string;
  /** Place in the span's list of documents, from 0. */
  readonly documentPosition: number;
}
/** A judgement. `target` says of what, and which ids name it. */
export type Annotation = SpanAnnotation | TraceAnnotation | SessionAnnotation | DocumentAnnotation;

interface NewAnnotationFields {
  name: string;
  label?: string | null | undefined;
  /** Usually 0 to 1. */
  score?: number | null | undefined;
  explanation?: string | null | undefined;
  metadata?: Record<string, unknown> | undefined;
  annotatorKind?: AnnotatorKind | undefined;
  identifier?: string | undefined;
}

export interface NewSpanAnnotation extends NewAnnotationFields {
  /** An annotation that does not say is of a span. */
  target?: 'span' | undefined;
  spanId: string;
}
export interface NewTraceAnnotation extends NewAnnotationFields {
  target: 'trace';
  traceId: string;
}
export interface NewSessionAnnotation extends NewAnnotationFields {
  target: 'session';
  sessionId: string;
}
export interface NewDocumentAnnotation extends NewAnnotationFields {
  target: 'document';
  spanId: string;
  /** Place in the span's list of documents, from 0. */
  documentPosition: number;
}
export type NewAnnotation = NewSpanAnnotation | NewTraceAnnotation | NewSessionAnnotation | NewDocumentAnnotation;

/** The traces of one project with the same session id, the oldest first: a conversation. */
export interface SessionRecord {
  /** Unambiguous over all tenants and projects; opaque. */
  readonly id: string;
  /** As recorded; two tenants, or two projects, may have the same. */
  readonly sessionId: string;
  readonly project: string;
  readonly tenantId: string | undefined;
  /** Nanoseconds since 1970: first start and last end of its spans. */
  readonly startTimeUnixNano: bigint;
  readonly endTimeUnixNano: bigint;
  readonly traceCount: number;
  /** Traces with at least one span in error. */
  readonly errorCount: number;
  readonly tokenCountPrompt: number;
  readonly tokenCountCompletion: number;
  /** Sum of `llm.cost.total` as recorded; undefined where no span records one. */
  readonly costTotal: number | undefined;
  /** The first `user.id`. */
  readonly userId: string | undefined;
  /** `input.value` of the first trace's root span. */
  readonly firstInput: string | undefined;
  /** `output.value` of the last trace's root span. */
  readonly lastOutput: string | undefined;
}

/** What went into a turn of a session, or came out. */
export interface TurnContent {
  readonly value: string;
  /** As recorded, for example `application/json`. */
  readonly mimeType: string | undefined;
}

/** One trace of a session. */
export interface SessionTurn {
  readonly traceId: string;
  /** Nanoseconds since 1970: first start and last end of its spans. */
  readonly startTimeUnixNano: bigint;
  readonly endTimeUnixNano: bigint;
  /** Spans in error. */
  readonly errorCount: number;
  /** Of the root span: the one without a parent, else the first whose parent is not in the trace. */
  readonly rootSpanId: string | undefined;
  readonly rootName: string | undefined;
  readonly input: TurnContent | undefined;
  readonly output: TurnContent | undefined;
  readonly tokenCountPrompt: number;
  readonly tokenCountCompletion: number;
}

/** One example of a data set, as it is in one version. */
export interface DatasetRow {
  readonly id: string;
  /** The id that its owner gave it, unique within the data set. */
  readonly externalId: string | undefined;
  readonly input: Readonly<Record<string, unknown>>;
  readonly output: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Names of the splits that it is in now, whatever the version; by name. */
  readonly splits: readonly string[];
  /** The span that it was made of. */
  readonly spanId: string | undefined;
  /** ISO 8601: when it got these contents. */
  readonly updatedAt: string;
}

export interface NewDatasetRow {
  input: Record<string, unknown>;
  output?: Record<string, unknown> | undefined;
  metadata?: Record<string, unknown> | undefined;
  /** A row whose `externalId` the data set has takes the place of that one. */
  externalId?: string | undefined;
  /** Of a row that the data set has: it is given these contents. */
  id?: string | undefined;
  /** Names of splits, which are made when they are missing. Default: those that it is in stay. */
  splits?: readonly string[] | undefined;
  /** 16 hex digits. The span need not be stored yet. */
  spanId?: string | undefined;
}

export interface DatasetRecord {
  readonly id: string;
  readonly tenantId: string | null;
  readonly name: string;
  readonly description: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The newest. */
  readonly versionId: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly exampleCount: number;
}

/** Every change of rows makes a version; a version never changes. */
export interface DatasetVersionRecord {
  readonly id: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly exampleCount: number;
}

/** A named part of a data set. */
export interface DatasetSplitRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  /** As CSS has it: `#33c5e8`. */
  readonly color: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly updatedAt: string;
  /** Of the newest version. */
  readonly exampleCount: number;
}

/** What an upload made of a data set. */
export interface DatasetUpload {
  readonly dataset: DatasetRecord;
  readonly createdCount: number;
  /** Rows with other contents or other splits. */
  readonly updatedCount: number;
  readonly deletedCount: number;
}

export interface ExperimentRecord {
  readonly id: string;
  readonly tenantId: string | null;
  readonly name: string;
  readonly description: string;
  /** Undefined for an experiment without a data set. */
  readonly datasetId: string | undefined;
  readonly datasetVersionId: string | undefined;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** How often each example is to be run. */
  readonly repetitions: number;
  /** The project of its traces. */
  readonly projectName: string | undefined;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly updatedAt: string;
  /** Examples that it is over; 0 without a data set. */
  readonly exampleCount: number;
  readonly runCount: number;
  readonly successfulRunCount: number;
  readonly failedRunCount: number;
  /** Of the runs that examples and repetitions ask for, those that nobody logged. */
  readonly missingRunCount: number;
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
  /** Undefined for a run that succeeded. */
  readonly error: string | undefined;
  readonly startTime: string;
  readonly endTime: string;
  readonly evaluations: readonly ExperimentEvaluation[];
}

export interface ExperimentEvaluation {
  readonly id: string;
  readonly name: string;
  readonly annotatorKind: AnnotatorKind;
  readonly label: string | null;
  readonly score: number | null;
  readonly explanation: string | null;
  readonly error: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly traceId: string | undefined;
  /** ISO 8601. */
  readonly startTime: string;
  readonly endTime: string;
}

/** An example with the repetitions of which no run succeeded. */
export interface IncompleteRun {
  readonly example: DatasetRow;
  readonly repetitionNumbers: readonly number[];
}

/** A successful run with the evaluations that are missing, or failed. */
export interface IncompleteEvaluation {
  readonly run: ExperimentRunRecord;
  readonly example: DatasetRow;
  readonly evaluationNames: readonly string[];
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

/** Which part of a list is asked for. */
export interface Paged {
  /** From 1 to 1000; default: all of it, in one page. */
  readonly limit?: number | undefined;
  /** Of the page before. */
  readonly cursor?: string | undefined;
}

/** Which part of a list, and in which order of creation. */
export interface OrderedPart extends Paged {
  /** The oldest first (`asc`) by default. */
  readonly order?: 'asc' | 'desc' | undefined;
}

/** Rows of one version. */
export interface DatasetRowPage extends Page<DatasetRow> {
  readonly versionId: string;
}
