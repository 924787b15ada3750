/** What a store keeps of judgements about spans.   Server -> [annotation-calls]. */
import type { AnnotationQuery } from '../annotation-store.js';
import type { Annotation, NewAnnotation, ProjectRef } from '../records.js';

export interface AnnotationCalls {
  addAnnotations(request: { project: ProjectRef; annotations: readonly NewAnnotation[] }): Promise<string[]>;
  getAnnotations(
    query: { project: ProjectRef; spanIds: readonly string[] } & Pick<AnnotationQuery, 'annotationNames'>,
  ): Promise<Annotation[]>;
}
