/** Reads beside ingest and flushes: each sees all that was acknowledged before it began, pages do not shift, nothing shows twice. */
import { describe, expect, it } from 'vitest';
import { ACME, allSpanIds, openStore, request, span, spans } from './store-fixture.js';

describe('a read beside ingest and flushes', () => {
  it('sees every acknowledged span, once, at every moment', { timeout: 60_000 }, async () => {
    const store = await openStore({ segmentMaxSpans: 60, maxWaitingSegments: 1000 });
    const rounds = 60;
    let acknowledged = 0;
    const write = async () => {
      for (let round = 0; round < rounds; round++) {
        await store.ingest(request(spans(round * 20, 20)));
        acknowledged += 20;
      }
    };
    const read = async () => {
      while (acknowledged < rounds * 20) {
        const before = acknowledged;
        const ids = await allSpanIds(store);
        expect(new Set(ids).size).toBe(ids.length);
        // In the order of their times, which is the order they were sent in: no gap before what was acknowledged.
        expect(ids.slice(0, before)).toEqual(spans(0, before).map(({ spanId }) => spanId));
        const counted = acknowledged;
        const [project] = await store.listProjects();
        expect(project?.spanCount ?? 0).toBeGreaterThanOrEqual(counted);
      }
    };
    await Promise.all([write(), read(), read()]);
    expect(await allSpanIds(store)).toHaveLength(rounds * 20);
  });

  it('goes through its pages as if nothing came meanwhile', { timeout: 60_000 }, async () => {
    const store = await openStore({ segmentMaxSpans: 50, maxWaitingSegments: 1000 });
    await store.ingest(request(spans(0, 100)));
    const seen: string[] = [];
    let cursor: string | undefined;
    let next = 100;
    do {
      const page = await store.querySpans({ project: ACME, limit: 7, cursor });
      seen.push(...page.items.map((item) => item.span.spanId));
      cursor = page.nextCursor;
      // Newer ones come on top: they belong to no later page.
      await store.ingest(request(spans(next, 25)));
      next += 25;
    } while (cursor !== undefined);
    expect(seen).toEqual(
      spans(0, 100)
        .map(({ spanId }) => spanId)
        .reverse(),
    );
  });

  it('follows the order of ingestion to its end, and goes on from there', async () => {
    const store = await openStore({ segmentMaxSpans: 10 });
    const seen: string[] = [];
    const shuffled = [5, 3, 9, 1, 7, 0, 8, 2, 6, 4].map((n) => span(n));
    for (const item of shuffled) await store.ingest(request([item]));
    let cursor: string | undefined;
    do {
      const page = await store.querySpans({ project: ACME, sort: 'sequence', order: 'asc', limit: 3, cursor });
      seen.push(...page.items.map((item) => item.span.spanId));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(shuffled.map(({ spanId }) => spanId));
  });
});
