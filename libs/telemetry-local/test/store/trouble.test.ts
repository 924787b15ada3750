/** Too much at once, a disk that refuses, a thread that dies: nothing acknowledged is lost, and it goes on when it can. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Worker } from 'node:worker_threads';
import { BackendUnavailableError, type IngestResult, type TelemetryStore } from '@cogniverse/foundation/telemetry';
import { describe, expect, it, vi } from 'vitest';
import { ACME, allPages, allSpanIds, openStore, request, span, spans, temporaryDirectory } from './store-fixture.js';
import { audit, StoreProcess } from './store-process.js';

const ids = (from: number, count: number) => spans(from, count).map(({ spanId }) => spanId);
/** The results by their status; `none` where no answer came. */
function statusOf(results: readonly (IngestResult | undefined)[]): Record<string, IngestResult[]> {
  const groups: Record<string, IngestResult[]> = {};
  for (const result of results) {
    const status = result?.status ?? 'none';
    groups[status] = [...(groups[status] ?? []), result as IngestResult];
  }
  return groups;
}

/** The thread of the next store that is opened. */
function nextWorker(): Promise<Worker> {
  return new Promise((resolve) => process.once('worker', (worker) => resolve(worker as unknown as Worker)));
}

async function untilReady(store: TelemetryStore): Promise<void> {
  await vi.waitFor(() => expect(store.health()).toEqual({ ready: true, reason: '' }), { timeout: 20_000 });
}

describe('too many requests', () => {
  it('beyond the bytes that may wait are answered with a pause, at once and without a trace', async () => {
    const first = request(spans(0, 100));
    const store = await openStore({ maxPendingBytes: first.body.length * 3 + 10 });
    const results = await Promise.all([0, 1, 2, 3, 4, 5].map((i) => store.ingest(request(spans(i * 100, 100)))));
    const { stored = [], overloaded = [] } = statusOf(results);
    expect([stored.length, overloaded.length]).toEqual([3, 3]);
    expect(overloaded[0]).toMatchObject({
      retryAfterMillis: expect.any(Number),
      message: expect.stringMatching(/wait/),
    });
    expect(await allSpanIds(store)).toEqual(ids(0, 300));
    // One that is larger than all that may wait has its turn too.
    expect(await store.ingest(request(spans(300, 700)))).toMatchObject({ status: 'stored' });
  });

  it('for the day files to keep up with are refused until they have, and none is lost', async () => {
    const store = await openStore({ segmentMaxSpans: 10, maxWaitingSegments: 1 });
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, i) => store.ingest({ ...request(spans(i * 500, 500)) })),
    );
    const { stored = [], overloaded = [] } = statusOf(results);
    expect(stored.length + overloaded.length).toBe(40);
    expect(overloaded.length).toBeGreaterThan(0);
    for (const [i, result] of results.entries()) {
      if (result.status === 'stored') continue;
      await vi.waitFor(
        async () => expect(await store.ingest(request(spans(i * 500, 500)))).toMatchObject({ status: 'stored' }),
        { timeout: 20_000 },
      );
    }
    expect((await allSpanIds(store)).sort()).toEqual(ids(0, 20_000));
  });
});

describe('a disk', () => {
  it('with less room than is to be kept free takes nothing, and says so', async () => {
    const lines: string[] = [];
    const store = await openStore({ minFreeBytes: Number.MAX_SAFE_INTEGER, report: (line) => lines.push(line) });
    expect(await store.ingest(request([span(0)]))).toMatchObject({
      status: 'unavailable',
      message: 'the disk is nearly full',
      retryAfterMillis: expect.any(Number),
    });
    expect(store.health()).toEqual({ ready: false, reason: 'the disk is nearly full' });
    expect(lines).toEqual(['the log cannot be written to: the disk is nearly full']);
    expect(await allSpanIds(store)).toEqual([]);
  });

  // The limit on the size of files is set and lifted from outside, while the store runs.
  it.runIf(spawnSync('prlimit', ['--version']).status === 0)(
    'that refuses to be written to has nothing acknowledged, and everything again when it works',
    { timeout: 60_000 },
    async () => {
      const dataDir = temporaryDirectory();
      const store = await StoreProcess.start({ dataDir, segmentMaxSpans: 200, maxWaitingSegments: 100 });
      const limitFiles = (bytes: string) =>
        execFileSync('prlimit', ['--pid', String(store.child.pid), `--fsize=${bytes}:`]);
      const send = async (from: number, count: number) => {
        const results: (IngestResult | undefined)[] = [];
        for (let n = from; n < from + count; n += 50) results.push(await store.ingest(spans(n, 50)));
        return statusOf(results);
      };
      expect(Object.keys(await send(0, 400))).toEqual(['stored']);
      limitFiles('3000');
      const failed = await send(400, 400);
      expect(failed['unavailable']?.length).toBeGreaterThan(0);
      expect(failed['none']).toBeUndefined();
      const acknowledged = store.acknowledged.size;
      limitFiles('unlimited');
      await vi.waitFor(async () => expect(Object.keys(await send(800, 50))).toEqual(['stored']), { timeout: 20_000 });
      expect(store.acknowledged.size).toBe(acknowledged + 50);
      expect(Object.keys(await send(400, 400))).toEqual(['stored']);
      store.child.kill('SIGKILL');
      await store.exit;
      const reopened = await openStore({ dataDir });
      expect(audit(store, await allPages(reopened, { project: ACME }), isDeepStrictEqual)).toEqual([]);
      expect(store.acknowledged.size).toBe(850);
    },
  );
});

describe("the store's thread", () => {
  it('that dies tells all who wait, and starts again with all that was acknowledged', async () => {
    const lines: string[] = [];
    const worker = nextWorker();
    const store = await openStore({ report: (line) => lines.push(line) });
    await store.ingest(request(spans(0, 10)));
    await store.ingest(request(spans(10, 10)));
    const waiting = store.listProjects();
    // A message that no sound program sends: the thread cannot know what state it is in.
    (await worker).postMessage({ type: 'ingest', id: 1_000_000 });
    const late = store.ingest(request(spans(20, 10)));
    await expect(waiting.then(() => store.figures())).rejects.toThrow(BackendUnavailableError);
    expect(await late).toMatchObject({ status: 'unavailable', message: expect.stringContaining('failed') });
    expect(store.health()).toEqual({ ready: false, reason: expect.stringContaining("the store's thread failed") });
    await untilReady(store);
    expect(lines).toEqual([expect.stringContaining("the store's thread failed"), "the store's thread runs again"]);
    await store.ingest(request(spans(20, 10)));
    expect(await allSpanIds(store)).toEqual(ids(0, 30));
  });

  it('that is gone for good answers so, and lets go of the lock', async () => {
    const dataDir = temporaryDirectory();
    const store = await openStore({ dataDir });
    await store.ingest(request(spans(0, 10)));
    await Promise.all([store.shutdown(), store.shutdown()]);
    expect(await store.ingest(request(spans(0, 10)))).toMatchObject({ status: 'unavailable' });
    await expect(store.listTenants()).rejects.toThrow('the store is shut down');
    expect(store.health().ready).toBe(false);
    expect(readdirSync(dataDir)).not.toContain('lock');
  });

  it('finishes what was asked before it is shut down', async () => {
    const dataDir = temporaryDirectory();
    const store = await openStore({ dataDir });
    const ingests = Array.from({ length: 20 }, (_, i) => store.ingest(request(spans(i * 50, 50))));
    const projects = store.listProjects();
    await store.shutdown();
    expect(Object.keys(statusOf(await Promise.all(ingests)))).toEqual(['stored']);
    expect(await projects).toBeInstanceOf(Array);
    expect(readdirSync(join(dataDir, 'wal'))).toHaveLength(1);
    expect(await allSpanIds(await openStore({ dataDir }))).toEqual(ids(0, 1000));
  });

  it('neither keeps a process alive nor lets it end with an abort, whatever it is doing', () => {
    const endings = {
      'after a shutdown': `await store.shutdown();`,
      'without one': ``,
      'at once': `process.exit(0);`,
      'during queries and a flush': `
        for (let i = 0; i < 20; i++) store.listProjects().catch(() => undefined);
        await store.listTenants();
        process.exit(0);`,
    };
    for (const [name, ending] of Object.entries(endings)) {
      const program = `
        import { openLocalStore } from '@cogniverse/telemetry-local';
        const store = await openLocalStore({ dataDir: process.argv[1], segmentMaxSpans: 5 });
        const body = () => Buffer.from(process.argv[2], 'base64');
        await store.ingest({ body: body(), format: 'protobuf' });
        process.stdout.write('done');
        ${ending}`;
      const { stdout, stderr, status } = spawnSync(
        process.execPath,
        [
          '--input-type=module',
          '-e',
          program,
          temporaryDirectory(),
          Buffer.from(request(spans(0, 500)).body).toString('base64'),
        ],
        { encoding: 'utf8', timeout: 30_000 },
      );
      expect([name, stdout, stderr, status]).toEqual([name, 'done', '', 0]);
    }
  });
});
