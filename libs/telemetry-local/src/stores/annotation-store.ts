/** Annotations of one tenant's spans, traces, sessions and documents.   Read path: getProvider() -> provider -> [annotations] -> store. */

import { checkInput, jsonObject, PROVIDER_INPUTS, TenantMismatchError } from '@cogniverse/foundation/store';
import type {
  Annotation,
  AnnotationQuery,
  AnnotationSelection,
  AnnotationStore,
  AnnotationTarget,
  DocumentAnnotation,
  NewAnnotation,
  SessionAnnotation,
  SessionAnnotationQuery,
  SpanAnnotation,
  StoreAnnotationQuery,
  TraceAnnotation,
  TraceAnnotationQuery,
} from '@cogniverse/foundation/telemetry';
import type { TenantProjects } from './tenant-projects.js';

/** Ids that one request asks for. */
const IDS_PER_REQUEST = 1000;

type Filters = Pick<AnnotationQuery, 'project' | 'annotationNames' | 'excludeAnnotationNames' | 'identifiers'>;

/** What is annotated, as a record. */
interface Owned {
  readonly tenantId: string | undefined;
  readonly project: string;
}

export class LocalAnnotationStore implements AnnotationStore {
  readonly #projects: TenantProjects;

  constructor(projects: TenantProjects) {
    this.#projects = projects;
  }

  addAnnotation: AnnotationStore['addAnnotation'] = async (annotation) => {
    checkInput(PROVIDER_INPUTS.annotation, annotation);
    const { project, ...rest } = annotation;
    return (await this.#add(project, [rest]))[0]!;
  };

  addTraceAnnotation: AnnotationStore['addTraceAnnotation'] = async (annotation) => {
    checkInput(PROVIDER_INPUTS.traceAnnotation, annotation);
    const { project, ...rest } = annotation;
    return (await this.#add(project, [{ ...rest, target: 'trace' }]))[0]!;
  };

  addSessionAnnotation: AnnotationStore['addSessionAnnotation'] = async (annotation) => {
    checkInput(PROVIDER_INPUTS.sessionAnnotation, annotation);
    const { project, ...rest } = annotation;
    return (await this.#add(project, [{ ...rest, target: 'session' }]))[0]!;
  };

  addDocumentAnnotation: AnnotationStore['addDocumentAnnotation'] = async (annotation) => {
    checkInput(PROVIDER_INPUTS.documentAnnotation, annotation);
    const { project, ...rest } = annotation;
    return (await this.#add(project, [{ ...rest, target: 'document' }]))[0]!;
  };

  addAnnotations: AnnotationStore['addAnnotations'] = async (options) => {
    checkInput(PROVIDER_INPUTS.annotations, options);
    return this.#add(options.project, options.annotations);
  };

  logEvaluations: AnnotationStore['logEvaluations'] = async (options) => {
    checkInput(PROVIDER_INPUTS.evaluations, options);
    const { evalName, evaluations, project, annotatorKind = 'LLM' } = options;
    await this.#add(
      project,
      evaluations.map((evaluation) => ({ ...evaluation, name: evalName, annotatorKind })),
    );
  };

  async #add(project: string | undefined, annotations: readonly NewAnnotation[]): Promise<string[]> {
    return this.#projects.store.addAnnotations({
      project: await this.#projects.resolve(project),
      annotations: annotations.map(({ metadata, ...rest }) => ({
        ...rest,
        metadata: metadata === undefined ? undefined : jsonObject(metadata, 'metadata'),
      })),
    });
  }

  /** Without `project`, a span given as a record is looked up in its own. */
  async getAnnotations(query: AnnotationQuery): Promise<SpanAnnotation[]> {
    checkInput(PROVIDER_INPUTS.annotationQuery, query);
    return this.#list(query, 'span', query.spans, ({ spanId }) => spanId);
  }

  async getTraceAnnotations(query: TraceAnnotationQuery): Promise<TraceAnnotation[]> {
    checkInput(PROVIDER_INPUTS.traceAnnotationQuery, query);
    return this.#list(query, 'trace', query.traces, ({ traceId }) => traceId);
  }

  async getSessionAnnotations(query: SessionAnnotationQuery): Promise<SessionAnnotation[]> {
    checkInput(PROVIDER_INPUTS.sessionAnnotationQuery, query);
    return this.#list(query, 'session', query.sessions, ({ sessionId }) => sessionId);
  }

  async getDocumentAnnotations(query: AnnotationQuery): Promise<DocumentAnnotation[]> {
    checkInput(PROVIDER_INPUTS.annotationQuery, query);
    return this.#list(query, 'document', query.spans, ({ spanId }) => spanId);
  }

  async deleteAnnotations(selection: AnnotationSelection): Promise<number> {
    checkInput(PROVIDER_INPUTS.annotationSelection, selection);
    const { project, ...rest } = selection;
    return this.#projects.store.deleteAnnotations({ ...rest, project: await this.#projects.resolve(project) });
  }

  async #list<K extends AnnotationTarget, R extends Owned>(
    { project: named, annotationNames, excludeAnnotationNames, identifiers }: Filters,
    target: K,
    records: readonly (R | string)[],
    idOf: (record: R) => string,
  ): Promise<Extract<Annotation, { target: K }>[]> {
    const idsOfProject = new Map<string, Set<string>>();
    for (const record of records) {
      if (typeof record !== 'string' && record.tenantId !== undefined && record.tenantId !== this.#projects.tenantId) {
        throw new TenantMismatchError(
          `${target} ${idOf(record)} belongs to another tenant than "${this.#projects.tenantId}". Ask through that tenant's provider.`,
        );
      }
      const [id, own] = typeof record === 'string' ? [record, undefined] : [idOf(record), record.project];
      const project = named ?? own ?? this.#projects.projectName;
      const ids = idsOfProject.get(project) ?? new Set();
      idsOfProject.set(project, ids.add(id));
    }
    const found: Annotation[] = [];
    for (const [name, all] of idsOfProject) {
      const project = await this.#projects.resolve(name);
      const ids = [...all];
      for (let start = 0; start < ids.length; start += IDS_PER_REQUEST) {
        const some = ids.slice(start, start + IDS_PER_REQUEST);
        const query: StoreAnnotationQuery = {
          project,
          target,
          ...(target === 'trace'
            ? { traceIds: some }
            : target === 'session'
              ? { sessionIds: some }
              : { spanIds: some }),
          annotationNames,
          excludeAnnotationNames,
          identifiers,
          limit: 10_000,
        };
        let cursor: string | undefined;
        do {
          const page = await this.#projects.store.listAnnotations({ ...query, cursor });
          found.push(...page.items);
          cursor = page.nextCursor;
        } while (cursor !== undefined);
      }
    }
    return found as Extract<Annotation, { target: K }>[];
  }
}
