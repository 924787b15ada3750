/** What a store keeps of judgements about spans, traces, sessions and documents.   Server -> [annotation-calls]. */
import type { AnnotationSelection } from '../annotation-store.js';
import type { Annotation, AnnotationTarget, ImportCounts, NewAnnotation, Page, ProjectRef } from '../records.js';

export interface StoreAnnotationQuery {
  readonly project: ProjectRef;
  /** Of these only. Default: annotations of anything. */
  readonly target?: AnnotationTarget | undefined;
  /** Of these spans; `target` is then `span` or `document`. */
  readonly spanIds?: readonly string[] | undefined;
  /** Of these traces; `target` is then `trace`. */
  readonly traceIds?: readonly string[] | undefined;
  /** Of these sessions; `target` is then `session`. */
  readonly sessionIds?: readonly string[] | undefined;
  readonly annotationNames?: readonly string[] | undefined;
  readonly excludeAnnotationNames?: readonly string[] | undefined;
  readonly identifiers?: readonly string[] | undefined;
  /** In the order in which they were first written (`asc`, default), or the other way round. */
  readonly order?: 'asc' | 'desc' | undefined;
  /** 1 to 10,000. Default 1000. */
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

export type StoreAnnotationSelection = Omit<AnnotationSelection, 'project'> & { readonly project: ProjectRef };

export interface AnnotationCalls {
  /**
   * Adds or replaces, all or nothing. Gives the ids, in the order of the annotations.
   *
   * Errors: `SpanNotFoundError`, `TraceNotFoundError`, `SessionNotFoundError` naming what the project does not hold; `InvalidQueryError`.
   */
  addAnnotations(request: { project: ProjectRef; annotations: readonly NewAnnotation[] }): Promise<string[]>;
  listAnnotations(query: StoreAnnotationQuery): Promise<Page<Annotation>>;
  /** What `listAnnotations` gave, with its times. What is there already stays as it is, so that the same import changes nothing twice. */
  importAnnotations(request: { project: ProjectRef; annotations: readonly Annotation[] }): Promise<ImportCounts>;
  /** Gives how many there were. */
  deleteAnnotations(selection: StoreAnnotationSelection): Promise<number>;
}
