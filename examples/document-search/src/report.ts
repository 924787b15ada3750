/** Reads back what the application recorded. It runs in a process of its own, over the server's API: what it counts was stored. */
import {
  itemsOfPages,
  type ProjectRef,
  type SpanRecord,
  type TelemetryStore,
  toSpanRecord,
} from '@cogniverse/foundation/telemetry';
import type { ApplicationResult } from './application-result.js';
import { ownerOf, type Sighting, TraceOwners } from './tenant-audit.js';

export interface TenantReport {
  readonly ended: number;
  readonly exported: number;
  /** Spans of this run in this tenant's projects. */
  readonly stored: number;
  /** Traces with an error over all traces of this run: 0 to 1. */
  readonly errorRate: number;
  /** Of trace latency, in milliseconds. */
  readonly p50: number | null;
  readonly p95: number | null;
  readonly slowestTraceId: string | null;
  /** Inbound HTTP spans whose parent is the span of the client's call. */
  readonly joinedRequests: number;
  readonly annotations: number;
  readonly experimentRuns: number;
}

export interface Report {
  readonly tenants: Readonly<Record<string, TenantReport>>;
  readonly audit: string | null;
  /** Spans found in a project that is not their tenant's; empty when all is well. */
  readonly strays: readonly string[];
}

const PAGE = 1000;
/** Annotations are asked for so many spans at a time. */
const ANNOTATED_AT_ONCE = 200;

async function* spansSince(store: TelemetryStore, project: ProjectRef, startTime: Date): AsyncGenerator<SpanRecord> {
  const spans = itemsOfPages((cursor) => store.querySpans({ project, startTime, cursor, limit: PAGE }));
  for await (const span of spans) yield toSpanRecord(span);
}

async function countAnnotations(
  store: TelemetryStore,
  project: ProjectRef,
  spanIds: readonly string[],
): Promise<number> {
  let found = 0;
  for (let start = 0; start < spanIds.length; start += ANNOTATED_AT_ONCE) {
    const some = spanIds.slice(start, start + ANNOTATED_AT_ONCE);
    const annotations = itemsOfPages((cursor) =>
      store.listAnnotations({ project, target: 'span', spanIds: some, cursor }),
    );
    for await (const _annotation of annotations) found += 1;
  }
  return found;
}

/** Reads all projects of all tenants, so that a span that went astray is found wherever it is. */
export async function createReport(store: TelemetryStore, result: ApplicationResult): Promise<Report> {
  const startTime = new Date(result.startedAt);
  const stored = new Map<string, number>();
  const annotations = new Map<string, number>();
  const joined = new Map<string, number>();
  const owners = new TraceOwners();
  const strays: string[] = [];
  for (const { tenantId, name } of await store.listProjects()) {
    const project = { tenantId, name };
    const asked: string[] = [];
    const calls = new Set<string>();
    const callers: string[] = [];
    for await (const span of spansSince(store, project, startTime)) {
      if (span.resource['demo.run_id'] !== result.runId) continue;
      if (tenantId !== null) stored.set(tenantId, (stored.get(tenantId) ?? 0) + 1);
      if (span.name === 'document_search.ask') asked.push(span.spanId);
      if (span.kind === 'CLIENT') calls.add(span.spanId);
      if (span.kind === 'SERVER' && span.parentSpanId !== undefined) callers.push(span.parentSpanId);
      const sightings: Sighting[] = [...ownerOf(span), ...owners.note(span.traceId, tenantId)];
      for (const { tenant, by } of sightings) {
        if (tenant !== tenantId)
          strays.push(
            `span ${span.spanId} (${span.name}) is in project ${name} of ${tenantId ?? 'no tenant'}; ${by} says ${tenant}`,
          );
      }
      if (tenantId === null)
        strays.push(`span ${span.spanId} (${span.name}) is in project ${name}, which is no tenant's`);
    }
    if (tenantId === null) continue;
    joined.set(tenantId, (joined.get(tenantId) ?? 0) + callers.filter((caller) => calls.has(caller)).length);
    annotations.set(tenantId, (annotations.get(tenantId) ?? 0) + (await countAnnotations(store, project, asked)));
  }

  const tenants: Record<string, TenantReport> = {};
  for (const [tenantId, recorded] of Object.entries(result.tenants)) {
    const project = { tenantId, name: recorded.project };
    const statistics = (await store.getStatistics({ tenantId, startTime })).find(
      (entry) => entry.project.name === recorded.project,
    );
    const slowest = await store.queryTraces({ project, startTime, sort: 'latency', order: 'desc', limit: 1 });
    let experimentRuns = 0;
    for (const { experimentId } of recorded.experiments)
      experimentRuns += (await store.getRuns({ tenantId, experimentId })).items.length;
    tenants[tenantId] = {
      ended: recorded.ended,
      exported: recorded.exported,
      stored: stored.get(tenantId) ?? 0,
      errorRate: statistics?.errorRate ?? 0,
      p50: statistics?.latencyP50Millis ?? null,
      p95: statistics?.latencyP95Millis ?? null,
      slowestTraceId: slowest.items[0]?.traceId ?? null,
      joinedRequests: joined.get(tenantId) ?? 0,
      annotations: annotations.get(tenantId) ?? 0,
      experimentRuns,
    };
  }
  return { tenants, audit: result.audit, strays };
}
