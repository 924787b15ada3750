/** The embedded store as a whole: what goes in is seen by the next read, once, and by the one after a restart. */
import { InvalidQueryError, StoreOpenError } from '@cogniverse/foundation/telemetry';
import { openLocalStore } from '@cogniverse/telemetry-local';
import { describe, expect, it } from 'vitest';
import { ACME, allSpanIds, openStore, request, span, spans, temporaryDirectory } from './store-fixture.js';

describe('the embedded store', () => {
  it('shows an acknowledged span to the next read, hot and flushed, and after a restart', async () => {
    const dataDir = temporaryDirectory();
    const store = await openStore({ dataDir, segmentMaxSpans: 40 });
    const expected: string[] = [];
    for (let from = 0; from < 200; from += 20) {
      const list = spans(from, 20);
      expect(await store.ingest(request(list))).toMatchObject({ status: 'stored', acceptedSpans: 20 });
      expected.push(...list.map(({ spanId }) => spanId));
      expect(await allSpanIds(store)).toEqual(expected);
    }
    await store.shutdown();
    const reopened = await openStore({ dataDir });
    expect(await allSpanIds(reopened)).toEqual(expected);
    expect(await reopened.figures()).toMatchObject({ spans_recovered_total: 0, hot_spans: 0 });
  });

  it('keeps a request that comes three times at once as one', async () => {
    const store = await openStore();
    const results = await Promise.all([0, 1, 2].map(() => store.ingest(request(spans(0, 10)))));
    expect(results.map((result) => result.status === 'stored' && result.tenants[0]?.duplicate).sort()).toEqual([
      0, 10, 10,
    ]);
    expect(await allSpanIds(store)).toHaveLength(10);
  });

  it('gives a second opener an error that names the process and the way around', async () => {
    const dataDir = temporaryDirectory();
    await openStore({ dataDir });
    const second = openLocalStore({ dataDir });
    await expect(second).rejects.toThrow(StoreOpenError);
    await expect(second).rejects.toThrow(new RegExp(`process ${process.pid}.*endpoint`));
  });

  it('refuses a query that cannot be asked, and goes on', async () => {
    const store = await openStore();
    await store.ingest(request([span(0)]));
    await expect(store.querySpans({ project: ACME, limit: 0 })).rejects.toThrow(InvalidQueryError);
    await expect(store.querySpans({ project: ACME, cursor: 'x' })).rejects.toThrow(InvalidQueryError);
    expect(await allSpanIds(store)).toHaveLength(1);
  });
});
