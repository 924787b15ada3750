/** Spans and traces of one tenant.   Read path: getProvider() -> provider -> [traces] -> store. */

import {
  checkInput,
  checkTimeRange,
  InvalidQueryError,
  PROVIDER_INPUTS,
  toSpanRecord,
} from '@cogniverse/foundation/store';
import type {
  Page,
  SpanQuery,
  SpanRecord,
  TraceQuery,
  TraceRecord,
  TraceStore,
} from '@cogniverse/foundation/telemetry';
import { hexId } from '../query/query-input.js';
import type { TenantProjects } from './tenant-projects.js';

/** What a store gives at most at once. */
const PAGE_SIZE = 1000;

export class LocalTraceStore implements TraceStore {
  readonly #projects: TenantProjects;

  constructor(projects: TenantProjects) {
    this.#projects = projects;
  }

  async getSpans(query: SpanQuery = {}): Promise<SpanRecord[]> {
    checkInput(PROVIDER_INPUTS.spanQuery, query);
    const spans: SpanRecord[] = [];
    for await (const span of this.iterateSpans({ ...query, limit: query.limit ?? PAGE_SIZE })) spans.push(span);
    return spans;
  }

  async getSpanPage(query: SpanQuery = {}): Promise<Page<SpanRecord>> {
    checkInput(PROVIDER_INPUTS.spanQuery, query);
    checkTimeRange(query);
    const { project, limit = PAGE_SIZE, ...rest } = query;
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > PAGE_SIZE) {
      throw new InvalidQueryError(`limit is ${limit}; a page holds 1 to ${PAGE_SIZE} spans.`);
    }
    const page = await this.#projects.store.querySpans({
      ...rest,
      limit,
      project: await this.#projects.resolve(project),
    });
    return { items: page.items.map(toSpanRecord), nextCursor: page.nextCursor };
  }

  async *iterateSpans(query: SpanQuery = {}): AsyncGenerator<SpanRecord, void, undefined> {
    checkInput(PROVIDER_INPUTS.spanQuery, query);
    let left = query.limit ?? Number.POSITIVE_INFINITY;
    if (!(left >= 1) || (left !== Number.POSITIVE_INFINITY && !Number.isSafeInteger(left))) {
      throw new InvalidQueryError(`limit is ${left}; it must be a whole number from 1.`);
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
    checkInput(PROVIDER_INPUTS.ofProject, options);
    const page = await this.getSpanPage({
      project: options.project,
      filters: { spanId: hexId(spanId, 8, 'spanId') },
      limit: 1,
    });
    return page.items[0];
  }

  async getTraces(query: TraceQuery = {}): Promise<Page<TraceRecord>> {
    checkInput(PROVIDER_INPUTS.traceQuery, query);
    checkTimeRange(query);
    const { project, ...rest } = query;
    return this.#projects.store.queryTraces({ ...rest, project: await this.#projects.resolve(project) });
  }

  async getTrace(traceId: string, options: { project?: string | undefined } = {}): Promise<SpanRecord[]> {
    checkInput(PROVIDER_INPUTS.ofProject, options);
    return this.getSpans({
      project: options.project,
      filters: { traceId: hexId(traceId, 16, 'traceId') },
      order: 'asc',
      limit: Number.POSITIVE_INFINITY,
    });
  }
}
