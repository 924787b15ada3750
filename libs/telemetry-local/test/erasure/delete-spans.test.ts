/** Deletion of parts of a project: what was named is gone with its annotations, all else is as before, also after a restart. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import {
  InvalidQueryError,
  type ProjectRef,
  type SpanAnnotation,
  type TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import { describe, expect, it } from 'vitest';
import {
  ACME,
  allPages,
  allSpanIds,
  hex,
  NOON,
  openStore,
  request,
  resourceOf,
  span,
  spans,
  temporaryDirectory,
} from '../store/store-fixture.js';

const DAY = 86_400_000_000_000n;
const OTHER = { tenantId: 'globex', name: 'search' };
/** Spans of two days, five a trace, three sessions; the same ids in a project of another tenant. */
const SENT = Array.from({ length: 30 }, (_, n) => {
  const plain = span(n);
  const startTimeUnixNano = plain.startTimeUnixNano + (n % 2 === 0 ? DAY : 0n);
  const session = new Map<string, string>([['session.id', `session ${n % 3}`]]);
  return span(n, { startTimeUnixNano, endTimeUnixNano: startTimeUnixNano + 1n, attributes: session as never });
});
/** A trace belongs to the session of its first span. */
const SESSION_1_TRACES = new Set(
  SENT.map(({ traceId }) => traceId).filter((traceId) => {
    const [first] = SENT.map((one, n) => ({ ...one, n }))
      .filter((one) => one.traceId === traceId)
      .sort((a, b) => Number(a.startTimeUnixNano - b.startTimeUnixNano));
    return first!.n % 3 === 1;
  }),
);
const ids = (keep: (n: number) => boolean) =>
  SENT.filter((_, n) => keep(n))
    .map(({ spanId }) => spanId)
    .sort();

async function filled(dataDir = temporaryDirectory()): Promise<TelemetryStore> {
  const store = await openStore({ dataDir });
  for (const project of [ACME, OTHER]) {
    await store.ingest(request(SENT, resourceOf(project)));
    const annotations = SENT.map(({ spanId }) => ({ spanId, name: 'relevance', score: 1 }));
    await store.addAnnotations({ project, annotations });
  }
  return store;
}

async function annotationsOf(store: TelemetryStore, project: ProjectRef, spanIds: string[]): Promise<SpanAnnotation[]> {
  return (await store.listAnnotations({ project, target: 'span', spanIds })).items as SpanAnnotation[];
}

async function expectLeft(store: TelemetryStore, keep: (n: number) => boolean): Promise<void> {
  const spanIds = SENT.map(({ spanId }) => spanId);
  expect((await allSpanIds(store)).sort()).toEqual(ids(keep));
  const annotated = await annotationsOf(store, ACME, spanIds);
  expect(annotated.map(({ spanId }) => spanId).sort()).toEqual(ids(keep));
  expect(await allPages(store, { project: OTHER })).toHaveLength(30);
  expect(await annotationsOf(store, OTHER, spanIds)).toHaveLength(30);
}

describe('deletion', () => {
  it.each<[string, (store: TelemetryStore) => Promise<unknown>, (n: number) => boolean]>([
    [
      'of spans',
      (store) =>
        store.deleteSpans({ project: ACME, spanIds: [SENT[3]!.spanId, SENT[4]!.spanId.toUpperCase(), hex(999, 16)] }),
      (n) => n !== 3 && n !== 4,
    ],
    [
      'of traces',
      (store) => store.deleteTraces({ project: ACME, traceIds: [SENT[5]!.traceId, SENT[10]!.traceId] }),
      (n) => n < 5 || n >= 15,
    ],
    [
      'of sessions',
      (store) => store.deleteSessions({ project: ACME, sessionIds: ['session 1', 'none'] }),
      // Beside the spans that carry the id, all of the traces whose first span does.
      (n) => n % 3 !== 1 && !SESSION_1_TRACES.has(SENT[n]!.traceId),
    ],
    [
      'of a range of time',
      (store) => store.deleteTraces({ project: ACME, startTime: NOON, endTime: NOON + DAY / 2n }),
      (n) => n % 2 === 0,
    ],
    [
      'of all up to a time',
      (store) => store.deleteTraces({ project: ACME, endTime: SENT[8]!.startTimeUnixNano }),
      (n) => n % 2 === 0 && n >= 8,
    ],
    ['of a project', (store) => store.deleteProject({ project: ACME }), () => false],
    [
      'of what is not there',
      (store) => store.deleteSessions({ project: { ...ACME, name: 'none' }, sessionIds: ['session 1'] }),
      () => true,
    ],
  ])('%s takes these with their annotations, and nothing else', async (_what, remove, keep) => {
    const dataDir = temporaryDirectory();
    const store = await filled(dataDir);
    const gone = 30 - ids(keep).length;
    expect(await remove(store)).toMatchObject({ deleted: { spans: gone, annotations: gone } });
    await expectLeft(store, keep);
    expect(await remove(store)).toMatchObject({ deleted: { spans: 0, annotations: 0 } });
    await store.shutdown();
    await expectLeft(await openStore({ dataDir }), keep);
  });

  it('takes the annotations of a trace and of a session when the last span of it goes', async () => {
    const store = await filled();
    const [traceId, sessionId] = [SENT[5]!.traceId, 'session 1'];
    await store.addAnnotations({
      project: ACME,
      annotations: [
        { target: 'trace', traceId, name: 'n' },
        { target: 'trace', traceId: SENT[0]!.traceId, name: 'n' },
        { target: 'session', sessionId, name: 'n' },
      ],
    });
    const left = async () =>
      (await store.listAnnotations({ project: ACME })).items.filter(({ target }) => target !== 'span').length;
    await store.deleteTraces({ project: ACME, startTime: NOON, endTime: NOON + DAY / 2n });
    expect(await left()).toBe(3); // half of each is on another day
    await store.deleteTraces({ project: ACME, traceIds: [traceId] });
    expect(await left()).toBe(2);
    await store.deleteSessions({ project: ACME, sessionIds: [sessionId] });
    expect(await left()).toBe(1);
    await store.deleteTraces({ project: ACME, endTime: NOON + 10n * DAY });
    expect(await left()).toBe(0);
  });

  it.each<[string, (store: TelemetryStore) => Promise<unknown>]>([
    ['spans', (store) => store.deleteSpans({ project: ACME, spanIds: ids(() => true) })],
    ['traces', (store) => store.deleteTraces({ project: ACME, traceIds: SENT.map(({ traceId }) => traceId) })],
    ['sessions', (store) => store.deleteSessions({ project: ACME, sessionIds: [0, 1, 2].map((n) => `session ${n}`) })],
  ])('of the last %s of a project leaves it there, until it is deleted itself', async (_what, remove) => {
    const dataDir = temporaryDirectory();
    let store = await filled(dataDir);
    const [before] = await store.listProjects(ACME);
    await remove(store);
    await store.shutdown();
    store = await openStore({ dataDir });
    expect(await store.listProjects(ACME)).toMatchObject([{ id: before!.id, spanCount: 0, description: '' }]);
    await store.deleteProject({ project: ACME });
    expect(await store.listProjects(ACME)).toEqual([]);
    await remove(store);
    expect(await store.listProjects(ACME)).toEqual([]); // what is not there is not made
    await store.ingest(request(SENT, resourceOf(ACME)));
    await remove(store);
    expect(await store.listProjects(ACME)).toHaveLength(1);
    await store.deleteTenant({ tenantId: ACME.tenantId });
    expect(await store.listProjects(ACME)).toEqual([]);
  });

  it('of traces without ids or time is refused', async () => {
    await expect((await filled()).deleteTraces({ project: ACME })).rejects.toThrow(InvalidQueryError);
  });

  it('of a project gives its space back', async () => {
    const dataDir = temporaryDirectory();
    const store = await openStore({ dataDir });
    const text = (n: number) => Array.from({ length: 200 }, (_, i) => Math.sin(n * 1000 + i)).join();
    for (const [name, from] of [
      ['large', 0],
      ['search', 500],
    ] as const) {
      const list = spans(from, 400).map((one, n) => ({
        ...one,
        attributes: new Map([['input.value', text(from + n)]]) as never,
      }));
      await store.ingest(request(list, resourceOf({ tenantId: 'acme', name })));
    }
    await store.shutdown();
    const file = join(dataDir, 'days/2026-05-28.duckdb');
    const before = statSync(file).size;
    const again = await openStore({ dataDir });
    await again.deleteProject({ project: { tenantId: 'acme', name: 'large' } });
    expect(statSync(file).size).toBeLessThan(before * 0.7);
    expect(await allSpanIds(again)).toHaveLength(400);
  });

  it('takes a span that is sent again afterwards as a new one', async () => {
    const store = await openStore();
    await store.ingest(request(spans(0, 10)));
    await store.deleteSpans({ project: ACME, spanIds: [hex(3, 16)] });
    expect(await store.ingest(request(spans(0, 10)))).toMatchObject({ status: 'stored' });
    expect((await allSpanIds(store)).sort()).toEqual(spans(0, 10).map(({ spanId }) => spanId));
  });

  it('disturbs no read that runs beside it', { timeout: 60_000 }, async () => {
    const store = await filled();
    let done = false;
    const reading = (async () => {
      let reads = 0;
      for (; !done; reads++) expect(await allPages(store, { project: OTHER })).toHaveLength(30);
      return reads;
    })();
    for (const { spanId } of SENT.slice(0, 10)) await store.deleteSpans({ project: ACME, spanIds: [spanId] });
    await store.deleteTraces({ project: ACME, endTime: NOON + DAY / 2n });
    await store.deleteProject({ project: ACME });
    done = true;
    expect(await reading).toBeGreaterThan(0);
  });
});
