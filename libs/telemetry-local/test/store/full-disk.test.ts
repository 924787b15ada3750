/**
 * A disk that takes no more, at each place that writes: what is asked is refused with a reason, nothing acknowledged is lost, and it goes on when there
 * is room again. The limit on the size of files is set and lifted from outside, while the store runs.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { StoredSpan } from '@cogniverse/foundation/telemetry';
import { verifyBackup } from '@cogniverse/telemetry-local';
import { describe, expect, it, vi } from 'vitest';
import { ACME, allPages, openStore, request, resourceOf, spans, temporaryDirectory } from './store-fixture.js';
import { StoreProcess } from './store-process.js';

const OTHER = { tenantId: 'globex', name: 'search' };
/** Waits for a store that began anew from its log. */
const PATIENT = { timeout: 60_000, interval: 200 };

/** Spans whose text no compression makes small. */
function large(from: number, count: number, bytes: number) {
  return spans(from, count).map((one) => ({
    ...one,
    attributes: new Map([['input.value', randomBytes(bytes / 2).toString('hex')]]),
  }));
}

class FullDisk {
  readonly dataDir: string;
  readonly store: StoreProcess;

  private constructor(store: StoreProcess, dataDir: string) {
    this.store = store;
    this.dataDir = dataDir;
  }

  static async start(): Promise<FullDisk> {
    const dataDir = temporaryDirectory();
    return new FullDisk(await StoreProcess.start({ dataDir, minFreeBytes: 0, segmentMaxSpans: 300 }), dataDir);
  }

  /** No file may become larger. */
  limit(bytes: number | 'unlimited'): void {
    execFileSync('prlimit', ['--pid', String(this.store.child.pid), `--fsize=${bytes}:`]);
  }

  /** Gives what the store answers, or `{ error }`. */
  async ask(call: string, argument: object): Promise<unknown> {
    return this.store.call(call as 'figures', argument);
  }

  /** Waits until the store answers; gives what. */
  answer(call: string, argument: object): Promise<unknown> {
    return vi.waitFor(async () => {
      const found = await this.ask(call, argument);
      expect(found).not.toHaveProperty('error');
      return found;
    }, PATIENT);
  }

  async spanIds(project: object): Promise<string[]> {
    const found: string[] = [];
    for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
      const page = (await this.answer('querySpans', { project, limit: 1000, cursor })) as {
        items: StoredSpan[];
        nextCursor?: string;
      };
      found.push(...page.items.map(({ span }) => span.spanId));
      cursor = page.nextCursor;
    }
    return found.sort();
  }
}

const idsOf = (list: readonly { spanId: string }[]) => list.map(({ spanId }) => spanId).sort();

describe.runIf(spawnSync('prlimit', ['--version']).status === 0)('a full disk', { timeout: 180_000 }, () => {
  it('at a flush: what was acknowledged is read from the log, and flushed later', async () => {
    const disk = await FullDisk.start();
    const sent = large(0, 350, 400);
    disk.limit(300_000); // enough for the log, and none for a day file
    for (let from = 0; from < sent.length; from += 50) {
      expect(await disk.store.ingest(sent.slice(from, from + 50))).toMatchObject({ status: 'stored' });
    }
    expect(await disk.spanIds(ACME)).toEqual(idsOf(sent));
    disk.limit('unlimited');
    await vi.waitFor(
      async () => expect(await disk.ask('figures', {})).toMatchObject({ waiting_segments: 0, day_files: 1 }),
      PATIENT,
    );
    expect(await disk.spanIds(ACME)).toEqual(idsOf(sent));
  });

  it('at a change of meta.duckdb: the change is refused, those before are there, and later ones are taken', async () => {
    const disk = await FullDisk.start();
    const rows = (n: number) => Array.from({ length: 5 }, () => ({ input: { q: randomBytes(n).toString('hex') } }));
    await disk.answer('createDataset', { tenantId: 'acme', name: 'before', rows: rows(100) });
    disk.limit(statSync(join(disk.dataDir, 'meta.duckdb.wal')).size + 5000);
    expect(await disk.ask('createDataset', { tenantId: 'acme', name: 'too large', rows: rows(50_000) })).toEqual({
      error: expect.stringMatching(/The store failed to answer|No answer/),
    });
    disk.limit('unlimited');
    const names = async () =>
      ((await disk.answer('listDatasets', { tenantId: 'acme' })) as { name: string }[]).map(({ name }) => name);
    expect(await names()).toEqual(['before']);
    await disk.answer('createDataset', { tenantId: 'acme', name: 'after', rows: rows(50_000) });
    expect(await names()).toEqual(['before', 'after']);
    disk.store.child.kill('SIGKILL');
    await disk.store.exit;
    const again = await openStore({ dataDir: disk.dataDir });
    const found = await again.listDatasets({ tenantId: 'acme' });
    expect(found.map(({ name, exampleCount }) => [name, exampleCount])).toEqual([
      ['before', 5],
      ['after', 5],
    ]);
    expect(readdirSync(join(disk.dataDir, 'damaged'))).toEqual([]);
  });

  it('at a back-up: it is refused, the store goes on, and the next one is whole', async () => {
    const disk = await FullDisk.start();
    const sent = large(0, 100, 2000);
    await disk.store.ingest(sent);
    disk.limit(100_000);
    const target = join(temporaryDirectory(), 'backup');
    expect(await disk.ask('backup', { directory: target })).toEqual({
      error: expect.stringMatching(/The back-up to .* is not complete: .*Remove the directory and try again|No answer/),
    });
    await expect(verifyBackup(target)).rejects.toThrow(/no complete back-up/);
    expect(await disk.spanIds(ACME)).toEqual(idsOf(sent));
    disk.limit('unlimited');
    await disk.answer('listDatasets', {});
    const second = join(temporaryDirectory(), 'backup');
    expect(await disk.ask('backup', { directory: second })).toMatchObject({ directory: second });
    await verifyBackup(second);
  });

  it('when a day is written anew for a deletion: it is pending, what stays is there, and it is finished later', async () => {
    const disk = await FullDisk.start();
    const [gone, kept] = [large(0, 20, 4000), large(1000, 800, 4000)];
    expect(await disk.ask('ingest', request(gone, resourceOf(ACME)))).toMatchObject({ status: 'stored' });
    for (let from = 0; from < kept.length; from += 200) {
      const body = request(kept.slice(from, from + 200), resourceOf(OTHER));
      await vi.waitFor(async () => expect(await disk.ask('ingest', body)).toMatchObject({ status: 'stored' }), PATIENT);
    }
    await disk.answer('deleteSpans', { project: ACME, spanIds: [gone[0]!.spanId] }); // flushes all
    const [file] = readdirSync(join(disk.dataDir, 'days'));
    expect(statSync(join(disk.dataDir, 'days', file!)).size).toBeGreaterThan(2_000_000);
    disk.limit(1_500_000); // more than is tried out before, and less than the new file
    expect(await disk.ask('deleteProject', { project: ACME })).toEqual({
      error: expect.stringMatching(/The deletion is not finished: .* It is pending|No answer/),
    });
    const isPending = () => existsSync(join(disk.dataDir, 'deletion.pending'));
    expect(isPending()).toBe(true);
    expect(await disk.spanIds(OTHER)).toEqual(idsOf(kept));
    disk.limit('unlimited');
    await vi.waitFor(() => expect(isPending()).toBe(false), PATIENT);
    expect(await disk.spanIds(ACME)).toEqual([]);
    expect(await disk.spanIds(OTHER)).toEqual(idsOf(kept));
    disk.store.child.kill('SIGKILL');
    await disk.store.exit;
    const again = await openStore({ dataDir: disk.dataDir });
    expect(idsOf((await allPages(again, { project: OTHER })).map(({ span }) => span))).toEqual(idsOf(kept));
    expect(await allPages(again, { project: ACME })).toEqual([]);
    expect(readdirSync(join(disk.dataDir, 'damaged'))).toEqual([]);
  });
});
