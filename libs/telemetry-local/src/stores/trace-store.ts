/** Spans and traces of one tenant.   Read path: getProvider() -> provider -> [traces] -> store. */
import {
  InvalidQueryError,
  type Page,
  type SpanQuery,
  type SpanRecord,
  type TraceQuery,
  type TraceRecord,
  type TraceStore,
  toSpanRecord,
} from '@cogniverse/foundation/telemetry';
import type { TenantProjects } from './tenant-projects.js';

/** What a store gives at most at once. */
const PAGE_SIZE = 1000;

export class LocalTraceStore implements TraceStore {
  readonly #projects: TenantProjects;

  constructor(projects: TenantProjects) {
    this.#projects = projects;
  }

  async getSpans(query: SpanQuery = {}): Promise<SpanRecord[]> {
    const spans: SpanRecord[] = [];
    for await (const span of this.iterateSpans({ ...query, limit: query.limit ?? PAGE_SIZE })) spans.push(span);
    return spans;
  }

  async getSpanPage(query: SpanQuery = {}): Promise<Page<SpanRecord>> {
    const { project, limit = PAGE_SIZE, ...rest } = query;
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > PAGE_SIZE) {
      throw new InvalidQueryError(`limit: a page holds 1 to ${PAGE_SIZE} spans (given: ${limit}).`);
    }
    const page = await this.#projects.store.querySpans({
      ...rest,
      limit,
      project: await this.#projects.resolve(project),
    });
    return { items: page.items.map(toSpanRecord), nextCursor: page.nextCursor };
  }

  async *iterateSpans(query: SpanQuery = {}): AsyncGenerator<SpanRecord, void, undefined> {
    let left = query.limit ?? Number.POSITIVE_INFINITY;
    if (!(left >= 1) || (left !== Number.POSITIVE_INFINITY && !Number.isSafeInteger(left))) {
      throw new InvalidQueryError(`limit: it must be a whole number from 1 (given: ${left}).`);
    }
    let cursor = query.cursor;
    do {
      const page = await this.getSpanPage({ ...query, cursor, limit: Math.min(left, PAGE_SIZE) });
      yield* page.items;
      left -= page.items.length;
      cursor = page.nextCursor;
    } while (cursor !== undefined && left > 0);
  }

  async getSpanById(spanId: string, options: { project?: string | undefined } = {}): Promise<SpanRecord | undefined> {
    const page = await this.getSpanPage({ project: options.project, filters: { spanId }, limit: 1 });
    return page.items[0];
  }

  async getTraces(query: TraceQuery = {}): Promise<Page<TraceRecord>> {
    const { project, ...rest } = query;
    return this.#projects.store.queryTraces({ ...rest, project: await this.#projects.resolve(project) });
  }

  async getTrace(traceId: string, options: { project?: string | undefined } = {}): Promise<SpanRecord[]> {
    return this.getSpans({
      project: options.project,
      filters: { traceId },
      order: 'asc',
      limit: Number.POSITIVE_INFINITY,
    });
  }
}
