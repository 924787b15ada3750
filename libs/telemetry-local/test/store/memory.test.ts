/** What is hot is bounded by what it takes in memory, however large the spans and however many segments may wait. */
import { expect, it } from 'vitest';
import { ACME, allSpanIds, openStore, request, spans } from './store-fixture.js';

it('has room for what waits in a small memory: more is refused with a pause, and nothing is lost', async () => {
  const reports: string[] = [];
  const store = await openStore({
    memoryLimitMb: 64,
    segmentMaxSpans: 1_000_000,
    maxWaitingSegments: 1_000_000,
    report: (line) => reports.push(line),
  });
  // 100 spans of 20 kB each, of other text each, forty times: more than all of the memory.
  const sent: string[] = [];
  let refused = 0;
  for (let batch = 0; batch < 40; batch++) {
    const list = spans(batch * 100, 100).map((span, i) => ({
      ...span,
      attributes: new Map([['input.value', `${batch} ${i} `.repeat(4000)]]),
    }));
    await expect
      .poll(
        async () => {
          const { status } = await store.ingest(request(list));
          if (status === 'overloaded') refused += 1;
          return status;
        },
        { timeout: 40_000, interval: 20 },
      )
      .toBe('stored');
    sent.push(...list.map(({ spanId }) => spanId));
    expect((await store.figures())['hot_bytes']).toBeLessThan(64 * 2 ** 20);
  }
  expect(refused).toBeGreaterThan(0);
  expect(await allSpanIds(store, ACME)).toEqual(sent);
  expect(reports).toEqual([]);
});
