/** Annotations of one tenant's spans.   Read path: getProvider() -> provider -> [annotations] -> store. */
import {
  type Annotation,
  type AnnotationQuery,
  type AnnotationStore,
  type AnnotatorKind,
  checkInput,
  type EvaluationRow,
  jsonObject,
  type NewAnnotation,
  PROVIDER_INPUTS,
  TenantMismatchError,
} from '@cogniverse/foundation/telemetry';
import type { TenantProjects } from './tenant-projects.js';

/** Spans that one request asks for. */
const SPANS_PER_REQUEST = 1000;

export class LocalAnnotationStore implements AnnotationStore {
  readonly #projects: TenantProjects;

  constructor(projects: TenantProjects) {
    this.#projects = projects;
  }

  async addAnnotation(annotation: NewAnnotation & { project?: string | undefined }): Promise<string> {
    checkInput(PROVIDER_INPUTS.annotation, annotation);
    const { project, metadata, ...rest } = annotation;
    const ids = await this.#projects.store.addAnnotations({
      project: await this.#projects.resolve(project),
      annotations: [{ ...rest, metadata: metadata === undefined ? undefined : jsonObject(metadata, 'metadata') }],
    });
    return ids[0]!;
  }

  /** Without `project`, a span given as a record is looked up in its own. */
  async getAnnotations(query: AnnotationQuery): Promise<Annotation[]> {
    checkInput(PROVIDER_INPUTS.annotationQuery, query);
    const idsOfProject = new Map<string, Set<string>>();
    for (const span of query.spans) {
      if (typeof span !== 'string' && span.tenantId !== undefined && span.tenantId !== this.#projects.tenantId) {
        throw new TenantMismatchError(
          `Span ${span.spanId} belongs to another tenant than "${this.#projects.tenantId}". Ask through that tenant's provider.`,
        );
      }
      const [id, own] = typeof span === 'string' ? [span, undefined] : [span.spanId, span.project];
      const project = query.project ?? own ?? this.#projects.projectName;
      const ids = idsOfProject.get(project) ?? new Set();
      idsOfProject.set(project, ids.add(id));
    }
    const found: Annotation[] = [];
    for (const [name, ids] of idsOfProject) {
      const project = await this.#projects.resolve(name);
      const spanIds = [...ids];
      for (let start = 0; start < spanIds.length; start += SPANS_PER_REQUEST) {
        const some = await this.#projects.store.getAnnotations({
          project,
          spanIds: spanIds.slice(start, start + SPANS_PER_REQUEST),
          annotationNames: query.annotationNames,
        });
        found.push(...some);
      }
    }
    return found;
  }

  async logEvaluations(options: {
    evalName: string;
    evaluations: readonly EvaluationRow[];
    project?: string | undefined;
    annotatorKind?: AnnotatorKind | undefined;
  }): Promise<void> {
    checkInput(PROVIDER_INPUTS.evaluations, options);
    const { evalName, evaluations, project, annotatorKind = 'LLM' } = options;
    await this.#projects.store.addAnnotations({
      project: await this.#projects.resolve(project),
      annotations: evaluations.map(({ spanId, score, label, explanation }) => ({
        spanId,
        name: evalName,
        annotatorKind,
        score,
        label,
        explanation,
      })),
    });
  }
}
