/** Traces and statistics against plain loops over the same spans, hot and flushed. */
import type { OtlpSpan } from '@cogniverse/foundation/otlp';
import { InvalidQueryError, type StoreTraceQuery, type TelemetryStore } from '@cogniverse/foundation/telemetry';
import { describe, expect, it } from 'vitest';
import { ACME, NOON, openStore, request, resourceOf, span } from './store-fixture.js';

/** 120 traces of 1 to 5 spans: latencies of odd sizes, some without a root, some in error, some in sessions, a few over midnight. */
function workload(): OtlpSpan[] {
  const list: OtlpSpan[] = [];
  for (let n = 0; n < 600; n++) {
    const trace = Math.floor(n / 5);
    if (n % 5 > trace % 5 || (trace % 9 === 0 && n % 5 === 0)) continue;
    const start = NOON + BigInt(trace) * 200_000_000_000n + BigInt(n % 5) * 1_000n;
    list.push(
      span(n, {
        name: `${n % 5 === 0 ? 'root' : 'step'} ${trace % 4}`,
        startTimeUnixNano: start,
        endTimeUnixNano: start + BigInt((n * 7919) % 100_003) * 1_001n,
        status: { code: n % 17 === 0 ? 2 : 0, message: '' },
        attributes: new Map<string, string | bigint>([
          ...(trace % 3 === 0 ? ([['session.id', `session ${trace % 7}`]] as const) : []),
          ['llm.token_count.prompt', BigInt(n)],
          ['llm.token_count.completion', 2n],
        ]),
      }),
    );
  }
  return list;
}

function tracesOf(list: readonly OtlpSpan[]) {
  const groups = new Map<string, OtlpSpan[]>();
  for (const item of list) groups.set(item.traceId, [...(groups.get(item.traceId) ?? []), item]);
  return [...groups].map(([traceId, members]) => {
    const start = members[0]!.startTimeUnixNano; // the workload makes them in their order
    const end = members
      .map((item) => item.endTimeUnixNano)
      .sort((a, b) => Number(a - b))
      .at(-1)!;
    const root = members.find(({ parentSpanId }) => parentSpanId === '');
    const nanos = root === undefined ? end - start : root.endTimeUnixNano - root.startTimeUnixNano;
    return {
      traceId,
      project: ACME.name,
      tenantId: ACME.tenantId,
      startTimeUnixNano: start,
      endTimeUnixNano: end,
      latencyMillis: Number(nanos) / 1e6,
      spanCount: members.length,
      errorCount: members.filter(({ status }) => status.code === 2).length,
      rootName: root?.name,
      rootSpanId: root?.spanId,
      sessionId: members[0]!.attributes.get('session.id') as string | undefined,
      tokenCountPrompt: members.reduce(
        (sum, { attributes }) => sum + Number(attributes.get('llm.token_count.prompt')),
        0,
      ),
      tokenCountCompletion: members.length * 2,
    };
  });
}

function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * p;
  const below = sorted[Math.floor(place)]!;
  return below + (sorted[Math.ceil(place)]! - below) * (place - Math.floor(place));
}

async function allTraces(store: TelemetryStore, query: Omit<StoreTraceQuery, 'project'>) {
  const items = [];
  let cursor: string | undefined;
  do {
    const page = await store.queryTraces({ project: ACME, ...query, cursor });
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return items;
}

const byStart = (a: { startTimeUnixNano: bigint }, b: { startTimeUnixNano: bigint }) =>
  Number(a.startTimeUnixNano - b.startTimeUnixNano);

describe('traces and statistics', () => {
  it('are what plain loops find', { timeout: 60_000 }, async () => {
    const list = workload();
    const store = await openStore({ segmentMaxSpans: 100, maxWaitingSegments: 1000 });
    for (let from = 0; from < list.length; from += 30) {
      await store.ingest(request(list.slice(from, from + 30)));
      await store.ingest(request(list.slice(from, from + 30), resourceOf({ tenantId: 'other', name: ACME.name })));
    }
    const traces = tracesOf(list).sort(byStart);
    expect(await allTraces(store, { order: 'asc', limit: 17 })).toEqual(traces);
    expect(await allTraces(store, {})).toEqual([...traces].reverse());
    const slowest = await allTraces(store, { sort: 'latency', limit: 13 });
    expect(slowest.map((trace) => trace.latencyMillis)).toEqual(
      traces.map((trace) => trace.latencyMillis).sort((a, b) => b - a),
    );
    const sessionId = ['session 3', 'session 6'];
    expect(await allTraces(store, { order: 'asc', sessionId })).toEqual(
      traces.filter((trace) => sessionId.includes(trace.sessionId ?? '')),
    );
    const startTime = traces[20]!.startTimeUnixNano;
    const endTime = traces[60]!.startTimeUnixNano;
    expect(await allTraces(store, { order: 'asc', startTime, endTime })).toEqual(traces.slice(20, 60));

    const latencies = traces.map((trace) => trace.latencyMillis);
    const [statistics, ...rest] = await store.getStatistics({ tenantId: ACME.tenantId });
    expect(rest).toEqual([]);
    expect(statistics).toMatchObject({ project: ACME, spanCount: list.length, traceCount: traces.length });
    expect(statistics!.errorRate).toBeCloseTo(
      traces.filter((trace) => trace.errorCount > 0).length / traces.length,
      12,
    );
    expect(statistics!.latencyP50Millis).toBeCloseTo(percentile(latencies, 0.5), 9);
    expect(statistics!.latencyP95Millis).toBeCloseTo(percentile(latencies, 0.95), 9);
    expect(statistics!.latencyP99Millis).toBeCloseTo(percentile(latencies, 0.99), 9);
    expect(statistics!.latencyMeanMillis).toBeCloseTo(latencies.reduce((a, b) => a + b) / latencies.length, 9);
    expect((await store.getStatistics({})).map(({ project }) => project.tenantId)).toEqual(['acme', 'other']);
    expect(await store.getStatistics({ tenantId: null })).toEqual([]);
    const [part] = await store.getStatistics({ tenantId: 'acme', startTime, endTime });
    expect(part).toMatchObject({ traceCount: 40 });

    for (const query of [{ limit: 0 }, { sort: 'name' }, { cursor: 'x' }, { sessionId: 5 }]) {
      await expect(store.queryTraces({ project: ACME, ...(query as object) })).rejects.toThrow(InvalidQueryError);
    }
  });

  it('of nothing are nothing', async () => {
    const store = await openStore();
    expect(await store.queryTraces({ project: ACME })).toEqual({ items: [], nextCursor: undefined });
    expect(await store.querySpans({ project: ACME })).toEqual({ items: [], nextCursor: undefined });
    expect(await store.getStatistics({})).toEqual([]);
    expect(await store.listProjects()).toEqual([]);
    expect(await store.listTenants()).toEqual([]);
  });
});
