/** Retention: spans go by whole days after `retentionDays`, or after what their project has in the place of it. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigurationError, type ProjectRef, type TelemetryStore } from '@cogniverse/foundation/telemetry';
import { describe, expect, it, vi } from 'vitest';
import { ACME, allPages, openStore, request, resourceOf, span, temporaryDirectory } from '../store/store-fixture.js';

const DAY = 86_400_000;
const OTHER = { tenantId: 'globex', name: 'search' };
const AGES = [0, 1, 5, 40, 500];

/** One span of each age in days, in each of two projects, all of it in day files. */
async function filled(dataDir: string): Promise<void> {
  const store = await openStore({ dataDir });
  for (const project of [ACME, OTHER]) {
    const list = AGES.map((age, n) => {
      const start = BigInt(Date.now() - age * DAY) * 1_000_000n;
      return span(n, { name: `age ${age}`, startTimeUnixNano: start, endTimeUnixNano: start });
    });
    await store.ingest(request(list, resourceOf(project)));
    await store.addAnnotations({ project, annotations: list.map(({ spanId }) => ({ spanId, name: 'n', score: 1 })) });
  }
  await store.shutdown();
}

async function agesOf(store: TelemetryStore, project: ProjectRef = ACME): Promise<number[]> {
  const found = (await allPages(store, { project })).map((one) => one.span);
  const annotated = (
    await store.listAnnotations({ project, target: 'span', spanIds: found.map(({ spanId }) => spanId) })
  ).items;
  expect(annotated).toHaveLength(found.length);
  return found.map(({ name }) => Number(name.slice(4))).sort((a, b) => a - b);
}

const dayFiles = (dataDir: string) =>
  readdirSync(join(dataDir, 'days')).filter((name) => name.endsWith('.duckdb')).length;
const until = (expectation: () => Promise<void>) => vi.waitFor(expectation, { timeout: 20_000, interval: 50 });

describe('retention', { timeout: 60_000 }, () => {
  it('unlinks day files whose spans are all too old, at start, and counts them', async () => {
    const dataDir = temporaryDirectory();
    await filled(dataDir);
    expect(dayFiles(dataDir)).toBe(5);
    const store = await openStore({ dataDir, retentionDays: 5 });
    await until(async () => expect(await agesOf(store)).toEqual([0, 1, 5]));
    await until(async () =>
      expect(await store.figures()).toMatchObject({
        retention_sweeps_total: 1,
        retention_spans_removed_total: 4,
        retention_failures_total: 0,
        day_files: 3,
      }),
    );
    expect(await agesOf(store, OTHER)).toEqual([0, 1, 5]);
    expect(dayFiles(dataDir)).toBe(3);
  });

  it('keeps everything for ever unless it is told otherwise', async () => {
    const dataDir = temporaryDirectory();
    await filled(dataDir);
    const store = await openStore({ dataDir });
    await until(async () => expect((await store.figures())['retention_sweeps_total']).toBe(1));
    expect(await agesOf(store)).toEqual(AGES);
  });

  it('of a project overrides that of the store, in both directions, and survives a restart', async () => {
    const dataDir = temporaryDirectory();
    await filled(dataDir);
    const first = await openStore({ dataDir });
    await first.setRetention({ project: ACME, days: 1 });
    await first.setRetention({ project: OTHER, days: 0 });
    await until(async () => expect(await agesOf(first)).toEqual([0, 1]));
    expect(await agesOf(first, OTHER)).toEqual(AGES);
    await first.shutdown();
    const store = await openStore({ dataDir, retentionDays: 5 });
    expect(await store.listRetention()).toEqual([
      { project: ACME, days: 1 },
      { project: OTHER, days: 0 },
    ]);
    expect(await store.listRetention({ tenantId: 'acme' })).toHaveLength(1);
    await until(async () => expect((await store.figures())['retention_sweeps_total']).toBe(1));
    expect(await agesOf(store, OTHER)).toEqual(AGES);
    await store.setRetention({ project: OTHER, days: null });
    await until(async () => expect(await agesOf(store, OTHER)).toEqual([0, 1, 5]));
    expect(await agesOf(store)).toEqual([0, 1]);
  });

  it('is looked after again and again: a span that comes late is taken, and goes with the next sweep', async () => {
    const store = await openStore({ retentionDays: 5, retentionSweepMillis: 200, segmentMaxAgeMillis: 100 });
    const start = BigInt(Date.now() - 30 * DAY) * 1_000_000n;
    const late = [
      span(0, { startTimeUnixNano: start, endTimeUnixNano: start }),
      span(1, { startTimeUnixNano: BigInt(Date.now()) * 1_000_000n }),
    ];
    expect(await store.ingest(request(late))).toMatchObject({ status: 'stored', acceptedSpans: 2 });
    await until(async () =>
      expect((await allPages(store, { project: ACME })).map((one) => one.span.spanId)).toEqual([late[1]!.spanId]),
    );
  });

  it.each([-1, 1.5, 1e6])('of %d days is refused', async (retentionDays) => {
    await expect(openStore({ retentionDays })).rejects.toThrow(ConfigurationError);
  });
});
