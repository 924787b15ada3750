/** Annotations of spans: judgements of people, models and code.   Read path: provider -> [annotations]. */
import type { Annotation, AnnotatorKind, NewAnnotation, SpanRecord } from './records.js';

export interface AnnotationQuery {
  /** The spans, or their ids. */
  spans: readonly (SpanRecord | string)[];
  project?: string | undefined;
  annotationNames?: readonly string[] | undefined;
}

export interface EvaluationRow {
  spanId: string;
  score?: number | null | undefined;
  label?: string | null | undefined;
  explanation?: string | null | undefined;
}

export interface AnnotationStore {
  /**
   * Adds an annotation to a span, or replaces the one with the same span, name and identifier. Gives its id.
   *
   * Errors: `SpanNotFoundError` if the span is not stored in that project of this tenant.
   */
  addAnnotation(annotation: NewAnnotation & { project?: string | undefined }): Promise<string>;
  /** Annotations of the given spans; `[]` where there are none. */
  getAnnotations(query: AnnotationQuery): Promise<Annotation[]>;
  /** Bulk form of `addAnnotation`: one evaluation name over many spans. All or nothing. */
  logEvaluations(options: {
    evalName: string;
    evaluations: readonly EvaluationRow[];
    project?: string | undefined;
    annotatorKind?: AnnotatorKind | undefined;
  }): Promise<void>;
}
