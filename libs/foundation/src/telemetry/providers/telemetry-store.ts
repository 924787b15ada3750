/**
 * A store that also takes spans in: what `cogniverse serve` stands in front of.   Server -> [TelemetryStore].
 *
 * The server knows no database: all it asks is here. The embedded store is the first implementation.
 */

import type { MetricQuery } from './analytics-store.js';
import type { AnnotationQuery } from './annotation-store.js';
import type { NewExperimentRun } from './experiment-store.js';
import type {
  Annotation,
  AnnotatorKind,
  DatasetRecord,
  DatasetRow,
  ExperimentRecord,
  ExperimentRunRecord,
  MetricPoint,
  NewAnnotation,
  NewDatasetRow,
  Page,
  ProjectRecord,
  ProjectRef,
  StoredSpan,
  TenantSummary,
  TraceRecord,
} from './records.js';
import type { SpanQuery, TraceQuery } from './trace-store.js';

export interface IngestRequest {
  /** The decompressed body. The store takes ownership: the caller does not touch it again. */
  readonly body: Uint8Array;
  readonly format: 'protobuf' | 'json';
  /** The tenant of the caller's key. A span that names another is rejected (`tenant_mismatch`). */
  readonly tenantId?: string | undefined;
  /** From the header `x-project-name`; a project named by the resource wins. */
  readonly projectName?: string | undefined;
}

/** Spans of one tenant in one request. */
export interface TenantIngestCounts {
  readonly tenantId: string | null;
  readonly accepted: number;
  readonly rejected: number;
  /** Among the accepted: spans that the store held already. They are acknowledged and stored once. Known duplicates only. */
  readonly duplicate: number;
}

export type IngestResult =
  /** On disk and synced. `rejectedSpans` were refused for the reasons in `message`. */
  | {
      readonly status: 'stored';
      readonly acceptedSpans: number;
      readonly rejectedSpans: number;
      readonly message: string;
      readonly tenants: readonly TenantIngestCounts[];
    }
  /** The body is no OTLP, or breaks a limit. Nothing was stored. */
  | { readonly status: 'invalid'; readonly code: 'malformed' | 'too_many_elements'; readonly message: string }
  /** Nothing was stored; the same request may come again. */
  | { readonly status: 'overloaded'; readonly retryAfterMillis: number; readonly message: string }
  | { readonly status: 'unavailable'; readonly retryAfterMillis: number; readonly message: string };

export interface StoreHealth {
  readonly ready: boolean;
  /** Why not, in one line; empty when ready. */
  readonly reason: string;
}

/** Figures of the store for `/metrics` and `stats`; flat, numbers only. Names are snake_case Prometheus names without prefix. */
export type StoreFigures = Readonly<Record<string, number>>;

export type StoreSpanQuery = Omit<SpanQuery, 'project'> & { readonly project: ProjectRef };
export type StoreTraceQuery = Omit<TraceQuery, 'project'> & { readonly project: ProjectRef };
export type StoreMetricQuery = Omit<MetricQuery, 'project'> & { readonly project: ProjectRef };

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

export interface TelemetryStore {
  /** Decodes, validates, appends and syncs. Resolved with `stored` means durable and visible to every read that begins now. Never rejects for bad input. */
  ingest(request: IngestRequest): Promise<IngestResult>;

  listTenants(): Promise<TenantSummary[]>;
  /** By tenant and name; all when nothing is given. */
  listProjects(query?: { tenantId?: string | null | undefined; name?: string | undefined }): Promise<ProjectRecord[]>;
  getProjectById(id: string): Promise<ProjectRecord | undefined>;

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

  addAnnotations(project: ProjectRef, annotations: readonly NewAnnotation[]): Promise<string[]>;
  getAnnotations(
    query: { project: ProjectRef } & Pick<AnnotationQuery, 'annotationNames'> & { spanIds: readonly string[] },
  ): Promise<Annotation[]>;

  createDataset(
    tenantId: string | null,
    dataset: {
      name: string;
      rows: readonly NewDatasetRow[];
      description?: string | undefined;
      metadata?: Record<string, unknown> | undefined;
    },
  ): Promise<DatasetRecord>;
  appendToDataset(tenantId: string | null, name: string, rows: readonly NewDatasetRow[]): Promise<DatasetRecord>;
  listDatasets(tenantId: string | null): Promise<DatasetRecord[]>;
  getDatasetRows(tenantId: string | null, name: string): Promise<DatasetRow[]>;

  createExperiment(
    tenantId: string | null,
    experiment: { name: string; datasetName?: string | undefined; metadata?: Record<string, unknown> | undefined },
  ): Promise<ExperimentRecord>;
  listExperiments(tenantId: string | null): Promise<ExperimentRecord[]>;
  logRun(tenantId: string | null, experimentId: string, run: NewExperimentRun): Promise<ExperimentRunRecord>;
  logRunEvaluation(
    tenantId: string | null,
    runId: string,
    evaluation: {
      name: string;
      label?: string | null | undefined;
      score?: number | null | undefined;
      explanation?: string | null | undefined;
      error?: string | null | undefined;
      annotatorKind?: AnnotatorKind | undefined;
    },
  ): Promise<void>;
  getRuns(tenantId: string | null, experimentId: string): Promise<ExperimentRunRecord[]>;

  health(): StoreHealth;
  figures(): Promise<StoreFigures>;
  /** Finishes what is under way, flushes, releases the lock. */
  shutdown(): Promise<void>;
}
