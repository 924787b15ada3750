/** Pages that are read from some blocks of a project only are those of all its spans. */
import type { OtlpSpan } from '@cogniverse/foundation/otlp';
import type { StoreTraceQuery, TelemetryStore } from '@cogniverse/foundation/telemetry';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ACME, allPages, NOON, openStore, request, span } from './store-fixture.js';

const HOUR = 3_600_000_000_000n;
const ORDERS = ['asc', 'desc'] as const;

/** Waits until what was ingested is in the day files. */
async function flushed(store: TelemetryStore, flushes: number): Promise<void> {
  await expect
    .poll(async () => (await store.figures())['flushes_total'], { timeout: 20_000 })
    .toBeGreaterThanOrEqual(flushes);
}

/** Span ids in the order of their starts; those of one start in the order in which they came. */
function ordered(spans: readonly OtlpSpan[], order: 'asc' | 'desc'): string[] {
  const sorted = spans
    .map((item, sequence) => ({ item, sequence }))
    .sort((a, b) =>
      a.item.startTimeUnixNano === b.item.startTimeUnixNano
        ? a.sequence - b.sequence
        : a.item.startTimeUnixNano < b.item.startTimeUnixNano
          ? -1
          : 1,
    )
    .map(({ item }) => item.spanId);
  return order === 'asc' ? sorted : sorted.reverse();
}

it('gives the same pages as a plain sort, whatever times the spans of a segment have', async () => {
  // Times of a few hours around some days, many of them equal, some late, some years off.
  const time = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 20 }).map((n) => NOON + BigInt(n) * HOUR) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: 5 }).map((n) => NOON - BigInt(n) * 24n * HOUR) },
    { weight: 1, arbitrary: fc.constantFrom(1n, NOON - 9000n * HOUR * 24n, NOON + 9000n * HOUR) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(time, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 24 }),
      fc.integer({ min: 7, max: 60 }),
      async (requests, limit) => {
        const ended: (() => unknown)[] = [];
        // Every request closes its segment, so it is a block of its own in each day that it has spans of.
        const store = await openStore({ segmentMaxSpans: 1, maxWaitingSegments: 100 }, (end) =>
          ended.push(end as () => unknown),
        );
        try {
          const all: OtlpSpan[] = [];
          for (const times of requests) {
            const list = times.map((startTimeUnixNano) => {
              const made = span(all.length, {
                startTimeUnixNano,
                endTimeUnixNano: startTimeUnixNano + 5n,
                name: all.length % 7 === 0 ? 'seventh' : 'other',
              });
              all.push(made);
              return made;
            });
            await store.ingest(request(list));
          }
          const byStart = (order: 'asc' | 'desc', isFound: (item: OtlpSpan) => boolean) => {
            const starts = new Map<string, bigint>();
            for (const { traceId, startTimeUnixNano: start } of all) {
              const known = starts.get(traceId);
              if (known === undefined || start < known) starts.set(traceId, start);
            }
            const found = new Set(all.filter(isFound).map(({ traceId }) => traceId));
            const sorted = [...starts]
              .filter(([traceId]) => found.has(traceId))
              .sort(([a, from], [b, to]) => (from < to || (from === to && a < b) ? -1 : 1))
              .map(([traceId]) => traceId);
            return order === 'asc' ? sorted : sorted.reverse();
          };
          const traces = async (query: Omit<StoreTraceQuery, 'project'>) => {
            const ids: string[] = [];
            let cursor: string | undefined;
            do {
              const page = await store.queryTraces({ project: ACME, limit, ...query, cursor });
              ids.push(...page.items.map(({ traceId }) => traceId));
              cursor = page.nextCursor;
            } while (cursor !== undefined);
            return ids;
          };
          for (const settle of [0, requests.length]) {
            await flushed(store, settle);
            for (const order of ORDERS) {
              const pages = await allPages(store, { project: ACME, order, limit });
              expect(pages.map((item) => item.span.spanId)).toEqual(ordered(all, order));
              const sevenths = await allPages(store, { project: ACME, order, limit, filters: { name: 'seventh' } });
              expect(sevenths.map((item) => item.span.spanId)).toEqual(
                ordered(all, order).filter((id) => (Number.parseInt(id, 16) - 1) % 7 === 0),
              );
              expect(await traces({ order })).toEqual(byStart(order, () => true));
              const [startTime, endTime] = [NOON, NOON + 3n * HOUR];
              expect(await traces({ order, startTime, endTime })).toEqual(
                byStart(order, ({ startTimeUnixNano: start }) => start >= startTime && start < endTime),
              );
              const inRange = await allPages(store, {
                project: ACME,
                order,
                limit,
                startTime: NOON,
                endTime: NOON + 3n * HOUR,
              });
              const wanted = new Set(
                all
                  .filter(({ startTimeUnixNano: start }) => start >= NOON && start < NOON + 3n * HOUR)
                  .map(({ spanId }) => spanId),
              );
              expect(inRange.map((item) => item.span.spanId)).toEqual(
                ordered(all, order).filter((id) => wanted.has(id)),
              );
            }
          }
        } finally {
          for (const end of ended.reverse()) await end();
        }
      },
    ),
    { numRuns: 3 },
  );
});
