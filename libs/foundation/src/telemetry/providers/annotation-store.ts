/** Annotations: judgements of people, models and code about spans, traces, sessions, documents.   Read path: provider -> [annotations]. */
import type {
  AnnotationTarget,
  AnnotatorKind,
  DocumentAnnotation,
  NewAnnotation,
  NewDocumentAnnotation,
  NewSessionAnnotation,
  NewSpanAnnotation,
  NewTraceAnnotation,
  SessionAnnotation,
  SessionRecord,
  SpanAnnotation,
  SpanRecord,
  TimeInput,
  TraceAnnotation,
  TraceRecord,
} from './records.js';

interface AnnotationFilters {
  project?: string | undefined;
  annotationNames?: readonly string[] | undefined;
  excludeAnnotationNames?: readonly string[] | undefined;
  identifiers?: readonly string[] | undefined;
}

export interface AnnotationQuery extends AnnotationFilters {
  /** The spans, or their ids. */
  spans: readonly (SpanRecord | string)[];
}
export interface TraceAnnotationQuery extends AnnotationFilters {
  /** The traces, or their ids. */
  traces: readonly (TraceRecord | string)[];
}
export interface SessionAnnotationQuery extends AnnotationFilters {
  /** The sessions, or their ids. */
  sessions: readonly (SessionRecord | string)[];
}

/** What to delete of a project: all that fits every given field. */
export interface AnnotationSelection {
  /** Full project name; the provider's own project by default. */
  project?: string | undefined;
  /** Of these only. Default: annotations of anything. */
  target?: AnnotationTarget | undefined;
  name?: string | undefined;
  identifier?: string | undefined;
  annotatorKind?: AnnotatorKind | undefined;
  /** Of their creation. Included. */
  startTime?: TimeInput | undefined;
  /** Not included; after the start. */
  endTime?: TimeInput | undefined;
  /** Needed where not both times are given, so that a filter that was forgotten does not delete everything. */
  deleteAll?: boolean | undefined;
}

export interface EvaluationRow {
  spanId: string;
  score?: number | null | undefined;
  label?: string | null | undefined;
  explanation?: string | null | undefined;
}

type InProject = { project?: string | undefined };
/** The method says what is annotated, so that the annotation need not. */
export type TargetedBy<T> = Omit<T, 'target'> & InProject;

export interface AnnotationStore {
  /**
   * Adds an annotation to a span, or replaces the one with the same span, name and identifier. Gives its id.
   *
   * Errors: `SpanNotFoundError` if the span is not stored in that project of this tenant.
   */
  addAnnotation(annotation: NewSpanAnnotation & InProject): Promise<string>;
  /** The same for a trace. Errors: `TraceNotFoundError`. */
  addTraceAnnotation(annotation: TargetedBy<NewTraceAnnotation>): Promise<string>;
  /** The same for a session. Errors: `SessionNotFoundError`. */
  addSessionAnnotation(annotation: TargetedBy<NewSessionAnnotation>): Promise<string>;
  /** The same for a document of a span. Errors: `SpanNotFoundError`; `InvalidQueryError` for a position that the span has no document at. */
  addDocumentAnnotation(annotation: TargetedBy<NewDocumentAnnotation>): Promise<string>;
  /** Bulk form of them all, targets mixed: all or nothing. Gives the ids, in the same order. */
  addAnnotations(options: { annotations: readonly NewAnnotation[] } & InProject): Promise<string[]>;
  /** Bulk form of `addAnnotation`: one evaluation name over many spans. All or nothing. */
  logEvaluations(options: {
    evalName: string;
    evaluations: readonly EvaluationRow[];
    project?: string | undefined;
    annotatorKind?: AnnotatorKind | undefined;
  }): Promise<void>;

  /** Annotations of the given spans, the oldest first; `[]` where there are none. */
  getAnnotations(query: AnnotationQuery): Promise<SpanAnnotation[]>;
  getTraceAnnotations(query: TraceAnnotationQuery): Promise<TraceAnnotation[]>;
  getSessionAnnotations(query: SessionAnnotationQuery): Promise<SessionAnnotation[]>;
  /** Annotations of documents of the given spans. */
  getDocumentAnnotations(query: AnnotationQuery): Promise<DocumentAnnotation[]>;

  /** Gives how many there were. Errors: `InvalidQueryError` for a selection without a range of times and without `deleteAll`. */
  deleteAnnotations(selection: AnnotationSelection): Promise<number>;
}
