/** Clocks that are wrong, on either side: every span is stored, found and counted once, wherever its times lie. */
import type { OtlpSpan } from '@cogniverse/foundation/otlp';
import type { IngestResult } from '@cogniverse/foundation/telemetry';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { DataDirectory } from '../../dist/data-directory.js';
import { StoreEngine } from '../../dist/engine.js';
import { parseLocalStoreOptions } from '../../dist/options.js';
import { getStatistics } from '../../dist/query/project-query.js';
import { querySpans } from '../../dist/query/span-query.js';
import { ACME, allPages, openStore, request, span, temporaryDirectory } from './store-fixture.js';

const DAY = 86_400_000_000_000n;
const YEAR = 365n * DAY;
const nanosOf = (date: string) => BigInt(Date.parse(date)) * 1_000_000n;
const byId = (list: OtlpSpan[]) => list.sort((a, b) => (a.spanId < b.spanId ? -1 : 1));

/** Start and end of spans that no sound clock gave. */
const TIMES: readonly (readonly [what: string, start: bigint, end: bigint])[] = [
  ['the beginning of 1970', 1n, 2n],
  ['no time at all', 0n, 0n],
  ['no start', 0n, nanosOf('2026-05-28T00:00:00Z')],
  ['no end', nanosOf('2026-05-28T00:00:00Z'), 0n],
  ['an end before its start', nanosOf('2026-05-28T12:00:00Z'), nanosOf('2026-05-28T11:00:00Z')],
  ['an end a day before its start', nanosOf('2026-05-28T00:00:00Z'), nanosOf('2026-05-27T00:00:00Z')],
  ['the year 2200', nanosOf('2200-01-01T00:00:00Z'), nanosOf('2200-01-01T00:00:01Z')],
  ['the last moment that there is', 2n ** 63n - 1n, 2n ** 63n - 1n],
  ['from 1970 until 2200', 1n, nanosOf('2200-01-01T00:00:00Z')],
  ['the last nanosecond of a day', nanosOf('2026-05-28T00:00:00Z') - 1n, nanosOf('2026-05-28T00:00:00Z')],
];
const ODD = TIMES.map(([, startTimeUnixNano, endTimeUnixNano], n) => span(n, { startTimeUnixNano, endTimeUnixNano }));

describe('spans of impossible times', () => {
  it.each(TIMES.map(([what], n) => [what, n] as const))('%s: stored as they are', async (_what, n) => {
    const store = await openStore();
    const odd = ODD[n]!;
    const result = await store.ingest(request([odd]));
    expect(result).toMatchObject({ status: 'stored', acceptedSpans: 1, rejectedSpans: 0 });
    const found = await allPages(store, { project: ACME });
    expect(found.map((one) => one.span)).toEqual([odd]);
  });

  it('are found and counted exactly once, hot, flushed, and after a restart, also when they come again', async () => {
    const dataDir = temporaryDirectory();
    const first = await openStore({ dataDir });
    const check = async (store: typeof first) => {
      for (const order of ['asc', 'desc'] as const) {
        const found = await allPages(store, { project: ACME, order, limit: 3 });
        expect(byId(found.map((one) => one.span))).toEqual(byId([...ODD]));
      }
      expect(await store.listProjects(ACME)).toMatchObject([{ spanCount: ODD.length }]);
      for (const { spanId, startTimeUnixNano } of ODD) {
        const inRange = await allPages(store, {
          project: ACME,
          startTime: startTimeUnixNano,
          ...(startTimeUnixNano < 2n ** 63n - 1n ? { endTime: startTimeUnixNano + 1n } : {}),
        });
        expect(inRange.map((one) => one.span.spanId)).toContain(spanId);
      }
    };
    await first.ingest(request(ODD));
    await check(first);
    await first.shutdown();
    const store = await openStore({ dataDir });
    await check(store);
    for (const odd of ODD) expect(await store.ingest(request([odd]))).toMatchObject({ status: 'stored' });
    await check(store);
    await store.shutdown();
    await check(await openStore({ dataDir }));
  });

  it('that come late, for days that were flushed long ago, go to these days', async () => {
    const dataDir = temporaryDirectory();
    const late = (n: number) => {
      const startTimeUnixNano = BigInt(Date.now()) * 1_000_000n - BigInt(n % 40) * 9n * DAY;
      return span(n, { startTimeUnixNano, endTimeUnixNano: startTimeUnixNano + 1n });
    };
    const sent: OtlpSpan[] = [];
    for (let round = 0; round < 3; round += 1) {
      const store = await openStore({ dataDir });
      const batch = Array.from({ length: 80 }, (_, n) => late(round * 80 + n));
      sent.push(...batch);
      await store.ingest(request(batch));
      await store.ingest(request([...batch].reverse())); // again, in another request
      expect(byId((await allPages(store, { project: ACME })).map((one) => one.span))).toEqual(byId([...sent]));
      await store.shutdown();
    }
    const store = await openStore({ dataDir });
    expect(byId((await allPages(store, { project: ACME })).map((one) => one.span))).toEqual(byId([...sent]));
    expect((await store.figures())['day_files']).toBe(40);
  });
});

describe("a machine's clock", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  /** The engine in this thread, where its clock can be set. */
  async function openEngine(dataDir: string): Promise<StoreEngine> {
    const { dataDir: _, ...config } = parseLocalStoreOptions({ dataDir, segmentMaxSpans: 10, maxWaitingSegments: 100 });
    const directory = new DataDirectory(dataDir);
    directory.prepareParts();
    return StoreEngine.open(config, directory, {
      report: () => undefined,
      health: () => undefined,
      fatal: (error) => {
        throw error;
      },
    });
  }

  it('that jumps by years, back and forth, while spans come in costs none of them', { timeout: 60_000 }, async () => {
    const dataDir = temporaryDirectory();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-05-28T12:00:00Z') });
    let engine = await openEngine(dataDir);
    const sent: OtlpSpan[] = [];
    const send = async (batch: OtlpSpan[]) => {
      const results: IngestResult[] = [];
      await engine.ingest([request(batch)], (_index, result) => results.push(result));
      expect(results).toMatchObject([{ status: 'stored', acceptedSpans: batch.length }]);
    };
    const check = async () => {
      const found = (await querySpans(engine, { project: ACME, limit: 1000 })).items.map((one) => one.span);
      expect(byId(found)).toEqual(byId([...sent]));
      expect(await getStatistics(engine, { tenantId: 'acme' })).toMatchObject([{ spanCount: sent.length }]);
    };
    for (const [round, date] of ['2026-05-28', '2011-01-01', '2031-07-01', '1970-01-02', '2026-05-29'].entries()) {
      vi.setSystemTime(Date.parse(`${date}T12:00:00Z`));
      // Applications with a right clock, and some with that of this machine.
      const times = [
        nanosOf('2026-05-28T12:00:00Z'),
        BigInt(Date.now()) * 1_000_000n,
        nanosOf('2026-05-28T12:00:00Z') - YEAR,
      ];
      const batch = times.flatMap((time, i) =>
        Array.from({ length: 4 }, (_, n) =>
          span(round * 100 + i * 10 + n, {
            startTimeUnixNano: time + BigInt(n),
            endTimeUnixNano: time + BigInt(n) + 5n,
          }),
        ),
      );
      sent.push(...batch);
      await send(batch);
      await send([...batch].reverse()); // an exporter that sends again
      await engine.tick();
      await check();
      if (round === 2) {
        await engine.close();
        engine = await openEngine(dataDir);
        await check();
      }
    }
    await engine.settle();
    await check();
    await engine.close();
    vi.setSystemTime(Date.parse('2050-01-01T00:00:00Z'));
    engine = await openEngine(dataDir);
    await check();
    await engine.close();
  });

  it('that was set back does not keep a segment from being flushed at its age', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'performance'], now: Date.parse('2026-05-28T12:00:00Z') });
    const engine = await openEngine(temporaryDirectory());
    await engine.ingest([request([span(0)])], () => undefined);
    vi.setSystemTime(Date.parse('2020-01-01T00:00:00Z'));
    await engine.tick();
    expect(engine.figures()).toMatchObject({ hot_spans: 1 });
    vi.advanceTimersByTime(31_000);
    await engine.tick();
    vi.useRealTimers();
    await vi.waitFor(() => expect(engine.figures()).toMatchObject({ hot_spans: 0, day_files: 1 }), { timeout: 20_000 });
    await engine.close();
  });
});
