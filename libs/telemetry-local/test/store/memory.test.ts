/** What is hot is bounded by what it takes in memory, however large the spans and however many segments may wait. */
import { expect, it } from 'vitest';
import { ACME, allPages, openStore, request, spans } from './store-fixture.js';

it('has room for what waits in a small memory: what is more waits, and nothing is lost', {
  timeout: 120_000,
}, async () => {
  const reports: string[] = [];
  const store = await openStore({
    memoryLimitMb: 128,
    threads: 1,
    segmentMaxSpans: 1_000_000,
    segmentMaxBytes: 2 ** 40,
    segmentMaxAgeMillis: 2 ** 40,
    maxLogBytes: 2 ** 40,
    maxWaitingSegments: 1_000_000,
    report: (line) => reports.push(line),
  });
  // 100 spans of 20 kB each, of other text each, forty times: three quarters of all the memory, and twice what may wait.
  const sent: string[] = [];
  for (let batch = 0; batch < 40; batch++) {
    const list = spans(batch * 100, 100).map((span, i) => ({
      ...span,
      attributes: new Map([['input.value', `${batch} ${i} `.repeat(4000)]]),
    }));
    await expect
      .poll(async () => (await store.ingest(request(list))).status, { timeout: 40_000, interval: 20 })
      .toBe('stored');
    sent.push(...list.map(({ spanId }) => spanId));
    expect((await store.figures())['hot_bytes']).toBeLessThan(64 * 2 ** 20);
  }
  // Nothing but its memory closes a segment here.
  expect((await store.figures())['flushes_total']).toBeGreaterThan(2);
  const found = await allPages(store, { project: ACME, order: 'asc', limit: 50 });
  expect(found.map(({ span }) => span.spanId)).toEqual(sent);
  expect(reports).toEqual([]);
});
