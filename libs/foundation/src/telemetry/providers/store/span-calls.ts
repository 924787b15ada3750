/** What a store answers from its spans.   Server -> [span-calls]. */
import type { MetricQuery } from '../analytics-store.js';
import type {
  MetricPoint,
  Page,
  ProjectRecord,
  ProjectRef,
  StoredSpan,
  TenantSummary,
  TraceRecord,
} from '../records.js';
import type { SpanQuery, TraceQuery } from '../trace-store.js';

export type StoreSpanQuery = Omit<SpanQuery, 'project'> & { readonly project: ProjectRef };
export type StoreTraceQuery = Omit<TraceQuery, 'project'> & { readonly project: ProjectRef };
export type StoreMetricQuery = Omit<MetricQuery, 'project' | 'allProjects'> & {
  readonly project?: ProjectRef | undefined;
  /** Instead of one project: all of this tenant, `null` for those that name none; without either, all of all tenants. */
  readonly tenantId?: string | null | undefined;
};

export interface ProjectStatistics {
  readonly project: ProjectRef;
  readonly spanCount: number;
  readonly traceCount: number;
  /** Traces with at least one span in error, over all traces: 0 to 1. */
  readonly errorRate: number;
  /** Of trace latency, in milliseconds, by linear interpolation; null without traces. */
  readonly latencyP50Millis: number | null;
  readonly latencyP95Millis: number | null;
  readonly latencyP99Millis: number | null;
  readonly latencyMeanMillis: number | null;
}

export interface ProjectIdentity extends ProjectRef {
  /** Empty where none was given. */
  readonly description: string;
  readonly id: string;
}

export interface SpanCalls {
  listTenants(request?: object): Promise<TenantSummary[]>;
  /** By tenant and name; all when nothing is given. */
  listProjects(request?: { tenantId?: string | null | undefined; name?: string | undefined }): Promise<ProjectRecord[]>;
  getProjectById(request: { id: string }): Promise<ProjectRecord | undefined>;
  /**
   * The project with this id, else those with this name, else none; all of them when neither is given. By tenant and name. Without counts, so that it
   * costs nothing however many spans there are.
   */
  findProjects(request?: {
    idOrName?: string | undefined;
    tenantId?: string | null | undefined;
  }): Promise<ProjectIdentity[]>;

  /** At most 1000 a page. */
  querySpans(query: StoreSpanQuery): Promise<Page<StoredSpan>>;
  queryTraces(query: StoreTraceQuery): Promise<Page<TraceRecord>>;
  /** One entry a project of the tenant (all tenants when undefined), over spans that start in the range. */
  getStatistics(query: {
    tenantId?: string | null | undefined;
    startTime?: SpanQuery['startTime'];
    endTime?: SpanQuery['endTime'];
  }): Promise<ProjectStatistics[]>;
  getMetrics(query: StoreMetricQuery): Promise<MetricPoint[]>;
}
