/** Spans of several projects as one stream.   Read path: command -> [span-reading] -> TelemetryStore. */

import { itemsOfPages, toSpanRecord } from '@cogniverse/foundation/store';
import type { ProjectRef, SpanRecord, StoreSpanQuery, TelemetryStore } from '@cogniverse/foundation/telemetry';

const LARGEST_PAGE = 1000;

export type SpanConditions = Omit<StoreSpanQuery, 'project' | 'limit' | 'cursor' | 'sort' | 'order'>;

async function* spansOf(
  store: TelemetryStore,
  project: ProjectRef,
  conditions: SpanConditions,
  limit: number,
): AsyncGenerator<SpanRecord> {
  let left = limit;
  const spans = itemsOfPages((cursor) =>
    store.querySpans({ ...conditions, project, cursor, limit: Math.min(left, LARGEST_PAGE) }),
  );
  for await (const stored of spans) {
    yield toSpanRecord(stored);
    left -= 1;
    if (left === 0) return;
  }
}

/** The newest `limit` spans over all projects, newest first, in flat memory. */
export async function* newestSpans(
  store: TelemetryStore,
  projects: readonly ProjectRef[],
  conditions: SpanConditions,
  limit: number,
): AsyncGenerator<SpanRecord> {
  const heads: { span: SpanRecord; rest: AsyncGenerator<SpanRecord> }[] = [];
  for (const { tenantId, name } of projects) {
    const rest = spansOf(store, { tenantId, name }, conditions, limit);
    const first = await rest.next();
    if (!first.done) heads.push({ span: first.value, rest });
  }
  for (let given = 0; given < limit && heads.length > 0; given += 1) {
    const newest = heads.reduce((a, b) => (b.span.startTimeUnixNano > a.span.startTimeUnixNano ? b : a));
    yield newest.span;
    const next = await newest.rest.next();
    if (next.done) heads.splice(heads.indexOf(newest), 1);
    else newest.span = next.value;
  }
}

/** All spans of one trace in one project. */
export async function spansOfTrace(store: TelemetryStore, project: ProjectRef, traceId: string): Promise<SpanRecord[]> {
  const spans: SpanRecord[] = [];
  const conditions = { filters: { traceId } };
  for await (const span of spansOf(
    store,
    { tenantId: project.tenantId, name: project.name },
    conditions,
    Number.MAX_SAFE_INTEGER,
  )) {
    spans.push(span);
  }
  return spans;
}
