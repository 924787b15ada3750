/** Back-ups: consistent while the store runs, verified, and restored into a store that has everything; a damaged one is refused. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { InvalidQueryError, StoreOpenError, type TelemetryStore } from '@cogniverse/foundation/telemetry';
import { restoreBackup, verifyBackup } from '@cogniverse/telemetry-local';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Canaries } from '../erasure/canaries.js';
import {
  ACME,
  allPages,
  allSpanIds,
  openStore,
  request,
  resourceOf,
  span,
  spans,
  temporaryDirectory,
} from '../store/store-fixture.js';

const DAY = 86_400_000_000_000n;

async function everything(store: TelemetryStore, tenant: Canaries) {
  const { project } = tenant;
  const { tenantId } = project;
  const [experiment] = await store.listExperiments({ tenantId });
  const [dataset] = await store.listDatasets({ tenantId, name: tenant.text('dataset') });
  return {
    spans: await allPages(store, { project, order: 'asc' }),
    annotations: (await store.listAnnotations({ project })).items,
    datasets: await store.listDatasets({ tenantId }),
    rows: await store.getDatasetRows({ tenantId, datasetId: dataset!.id }),
    runs: await store.getRuns({ tenantId, experimentId: experiment!.id }),
  };
}

/** A back-up of a store with something in every part of it. */
async function backedUp(): Promise<{ directory: string; dataDir: string; tenant: Canaries; store: TelemetryStore }> {
  const dataDir = temporaryDirectory();
  const tenant = new Canaries();
  const first = await openStore({ dataDir });
  await tenant.fill(first);
  await first.shutdown();
  const store = await openStore({ dataDir });
  await store.ingest(request(tenant.spans(8), resourceOf(tenant.project)));
  const directory = join(temporaryDirectory(), 'a', 'backup');
  const record = await store.backup({ directory });
  expect(record).toMatchObject({ directory, createdAt: expect.stringMatching(/Z$/) });
  expect(record.files).toBeGreaterThan(6);
  expect(record.bytes).toBeGreaterThan(1000);
  return { directory, dataDir, tenant, store };
}

describe('a back-up', { timeout: 60_000 }, () => {
  it('is restored to a store with everything that was acknowledged, in day files and in the log', async () => {
    const { directory, tenant, store } = await backedUp();
    const before = await everything(store, tenant);
    expect(before.spans).toHaveLength(16);
    await store.ingest(request(spans(0, 5))); // comes after it
    const manifest = await verifyBackup(directory);
    expect(manifest.files.filter(({ path }) => path.startsWith('wal/')).length).toBeGreaterThan(0);
    const dataDir = join(temporaryDirectory(), 'restored');
    await restoreBackup({ from: directory, dataDir });
    const restored = await openStore({ dataDir });
    expect(await everything(restored, tenant)).toEqual(before);
    expect(await allSpanIds(restored)).toEqual([]);
    await restored.ingest(request(spans(0, 5)));
    expect(await allSpanIds(restored)).toHaveLength(5);
    // What was opened is a copy.
    await verifyBackup(directory);
  });

  it('takes no part of anything, and all that was acknowledged before it, while spans come in and are flushed', async () => {
    const dataDir = temporaryDirectory();
    const store = await openStore({
      dataDir,
      segmentMaxSpans: 150,
      segmentMaxAgeMillis: 300,
      maxWaitingSegments: 2, // so that the writer waits for the flushes
    });
    const sent = (n: number) => {
      const start = 1_780_000_000_000_000_000n + BigInt(n % 2) * DAY;
      return span(n, { startTimeUnixNano: start, endTimeUnixNano: start });
    };
    let acknowledged = 0;
    let done = false;
    onTestFinished(() => {
      done = true;
    });
    const writing = (async () => {
      while (!done) {
        const result = await store.ingest(request(Array.from({ length: 25 }, (_, i) => sent(acknowledged + i))));
        if (result.status === 'stored') acknowledged += 25;
        else await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const counts: [number, number][] = [];
    for (let round = 0; round < 2; round++) {
      const before = acknowledged;
      const directory = join(temporaryDirectory(), 'backup');
      await store.backup({ directory });
      const after = acknowledged + 25;
      const copy = join(temporaryDirectory(), 'restored');
      await restoreBackup({ from: directory, dataDir: copy });
      const restored = await openStore({ dataDir: copy });
      const ids = (await allSpanIds(restored)).sort();
      expect(ids).toEqual(ids.map((_, n) => sent(n).spanId)); // the first so many, each once
      expect(ids.length % 25).toBe(0);
      expect(ids.length).toBeGreaterThanOrEqual(before);
      expect(ids.length).toBeLessThanOrEqual(after);
      await restored.shutdown();
      const again = await openStore({ dataDir: copy });
      expect((await allSpanIds(again)).sort()).toEqual(ids);
      await again.shutdown();
      counts.push([before, ids.length]);
    }
    done = true;
    await writing;
    expect(counts).toHaveLength(2);
    expect((await store.figures())['flushes_total']).toBeGreaterThan(1);
  });

  it.each<[string, (directory: string) => void, RegExp]>([
    [
      'has a byte changed',
      (directory) => {
        const file = join(directory, 'meta.duckdb');
        const bytes = readFileSync(file);
        bytes[5000] = bytes[5000]! ^ 1;
        writeFileSync(file, bytes);
      },
      /meta\.duckdb has other content/,
    ],
    [
      'has a file cut short',
      (directory) => writeFileSync(join(directory, 'FORMAT'), ''),
      /FORMAT has 0 bytes instead of/,
    ],
    [
      'has a file that grew',
      (directory) => appendFileSync(join(directory, 'FORMAT'), ' '),
      /FORMAT has \d+ bytes instead of/,
    ],
    ['lacks a file', (directory) => rmSync(join(directory, 'days/2026-05-28.duckdb')), /2026-05-28\.duckdb is missing/],
    ['lacks its list', (directory) => rmSync(join(directory, 'backup.json')), /it has no backup\.json/],
    [
      'has a list that leads out of it',
      (directory) => {
        const file = join(directory, 'backup.json');
        writeFileSync(file, readFileSync(file, 'utf8').replace('"FORMAT"', '"../FORMAT"'));
      },
      /backup\.json cannot be read/,
    ],
    [
      'is of a newer format',
      (directory) => {
        const file = join(directory, 'backup.json');
        writeFileSync(file, readFileSync(file, 'utf8').replace(/"format": \d+/, '"format": 99'));
      },
      /has format 99; this release knows/,
    ],
  ])('that %s is refused, and nothing is restored', async (_what, damage, message) => {
    const { directory } = await backedUp();
    damage(directory);
    const dataDir = join(temporaryDirectory(), 'restored');
    const restoring = restoreBackup({ from: directory, dataDir });
    await expect(restoring).rejects.toThrow(StoreOpenError);
    await expect(restoring).rejects.toThrow(message);
    expect(existsSync(dataDir)).toBe(false);
  });

  it('is not restored over anything, and leaves that alone', async () => {
    const { directory, dataDir } = await backedUp();
    await expect(restoreBackup({ from: directory, dataDir })).rejects.toThrow(/is not empty.*Name|name another/);
    const file = join(temporaryDirectory(), 'full');
    mkdirSync(file);
    writeFileSync(join(file, 'mine'), 'x');
    await expect(restoreBackup({ from: directory, dataDir: file })).rejects.toThrow('is not empty (mine)');
    expect(readdirSync(file)).toEqual(['mine']);
  });

  it('is not written into the store, nor over anything', async () => {
    const { directory, dataDir, store } = await backedUp();
    await expect(store.backup({ directory: join(dataDir, 'backup') })).rejects.toThrow(/must not be within the store/);
    await expect(store.backup({ directory: dataDir })).rejects.toThrow(InvalidQueryError);
    await expect(store.backup({ directory })).rejects.toThrow(/must be empty or not there/);
    await verifyBackup(directory);
    // The store goes on.
    await store.ingest(request(spans(0, 5)));
    expect(await allSpanIds(store, ACME)).toHaveLength(5);
  });

  it('can be read by its owner alone', async () => {
    const { directory } = await backedUp();
    for (const name of ['.', ...(readdirSync(directory, { recursive: true }) as string[])]) {
      const found = statSync(join(directory, name));
      expect([name, (found.mode & 0o777).toString(8)]).toEqual([name, found.isDirectory() ? '700' : '600']);
    }
  });
});
