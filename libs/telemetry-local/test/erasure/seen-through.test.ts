/** Deletions that are cut short or fail: no half of one is served, and none is forgotten. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  BackendUnavailableError,
  type ProjectRef,
  type TelemetryStore,
  TenantDeletedError,
} from '@cogniverse/foundation/telemetry';
import { describe, expect, it, vi } from 'vitest';
import {
  ACME,
  allPages,
  allSpanIds,
  openStore,
  request,
  resourceOf,
  span,
  temporaryDirectory,
} from '../store/store-fixture.js';
import { StoreProcess } from '../store/store-process.js';
import { Canaries } from './canaries.js';

const DAY = 86_400_000_000_000n;
const isPending = (dataDir: string) => existsSync(join(dataDir, 'deletion.pending'));

/** Traces of two spans on two days: the first has the session, the other is on the day after. */
const SENT = Array.from({ length: 20 }, (_, n) => {
  const startTimeUnixNano = span(n).startTimeUnixNano + (n % 2 === 0 ? 0n : DAY);
  const root = n - (n % 2);
  return span(n, {
    traceId: (root + 1).toString(16).padStart(32, '0'),
    startTimeUnixNano,
    endTimeUnixNano: startTimeUnixNano + 1n,
    attributes: (n % 2 === 0 ? new Map([['session.id', `session ${root % 4}`]]) : new Map()) as never,
  });
});
const OF_SESSION_0 = SENT.filter((_, n) => (n - (n % 2)) % 4 === 0).map(({ spanId }) => spanId);

async function fill(store: Pick<TelemetryStore, 'ingest' | 'addAnnotations'>): Promise<void> {
  await store.ingest(request(SENT));
  const annotations = SENT.map(({ spanId }) => ({ spanId, name: 'relevance', score: 1 }));
  await store.addAnnotations({ project: ACME, annotations });
}

async function left(store: TelemetryStore): Promise<{ spans: string[]; annotated: string[] }> {
  const annotations = (await store.listAnnotations({ project: ACME })).items;
  return {
    spans: (await allSpanIds(store)).sort(),
    annotated: annotations.map((one) => ('spanId' in one ? one.spanId : '')).sort(),
  };
}

describe('a deletion that is killed', { timeout: 120_000 }, () => {
  it.each<[string, string, object, (id: string) => boolean]>([
    ['delete_day:1', 'deleteSessions', { project: ACME, sessionIds: ['session 0'] }, (id) => OF_SESSION_0.includes(id)],
    ['delete_day:2', 'deleteSessions', { project: ACME, sessionIds: ['session 0'] }, (id) => OF_SESSION_0.includes(id)],
    [
      'delete_rows:2',
      'deleteSessions',
      { project: ACME, sessionIds: ['session 0'] },
      (id) => OF_SESSION_0.includes(id),
    ],
    [
      'delete_rows:1',
      'deleteTraces',
      { project: ACME, traceIds: [SENT[0]!.traceId] },
      (id) => [SENT[0], SENT[1]].some((one) => one!.spanId === id),
    ],
    [
      'delete_rows:2',
      'deleteSpans',
      { project: ACME, spanIds: [SENT[3]!.spanId, SENT[4]!.spanId] },
      (id) => [SENT[3], SENT[4]].some((one) => one!.spanId === id),
    ],
    [
      'delete_rows:2',
      'deleteTraces',
      { project: ACME, endTime: SENT[19]!.startTimeUnixNano },
      (id) => id !== SENT[19]!.spanId,
    ],
    ['delete_rows:1', 'deleteProject', { project: ACME }, () => true],
    ['delete_rows:2', 'deleteProject', { project: ACME }, () => true],
  ])('as %s begins (%s) is finished by the next start', async (at, call, asked, isGone) => {
    const dataDir = temporaryDirectory();
    await (async () => {
      const store = await openStore({ dataDir });
      await fill(store);
      await store.ingest(request(SENT, resourceOf({ tenantId: 'globex', name: 'search' })));
      await store.shutdown();
    })();
    const killed = await StoreProcess.start({ dataDir }, { COGNIVERSE_STORE_KILL_AT: at });
    expect(await killed.call(call as 'deleteSessions', asked)).toBeUndefined();
    expect(await killed.exit).toEqual({ code: null, signal: 'SIGKILL' });
    expect(isPending(dataDir)).toBe(true);
    expect(readFileSync(join(dataDir, 'deletion.pending'), 'utf8')).not.toMatch(/acme|search|session/);
    const lines: string[] = [];
    const store = await openStore({ dataDir, report: (line) => lines.push(line) });
    expect(lines).toEqual([
      'a deletion of spans was cut short; it is finished before the store serves',
      'the deletion of spans is finished',
    ]);
    const rest = SENT.map(({ spanId }) => spanId).filter((id) => !isGone(id));
    expect(await left(store)).toEqual({ spans: rest, annotated: rest });
    expect(isPending(dataDir)).toBe(false);
    expect(await allPages(store, { project: { tenantId: 'globex', name: 'search' } })).toHaveLength(20);
  });
});

/** What is to be kept free is more than any disk has: as on one that is full. */
const FULL = { minFreeBytes: Number.MAX_SAFE_INTEGER };

describe('a pending deletion of a tenant on a full disk', { timeout: 60_000 }, () => {
  it('does not keep the store closed; the tenant stays refused, and the deletion goes on when there is room', async () => {
    const dataDir = temporaryDirectory();
    const canaries = new Canaries();
    const { project } = canaries;
    const { tenantId } = project;
    const first = await openStore({ dataDir });
    await canaries.fill(first);
    await fill(first);
    await first.shutdown();
    const killed = await StoreProcess.start({ dataDir }, { COGNIVERSE_STORE_KILL_AT: 'delete_settle:1' });
    await killed.call('deleteTenant', { tenantId });
    await killed.exit;

    const lines: string[] = [];
    const full = await openStore({ dataDir, ...FULL, report: (line) => lines.push(line) });
    expect(lines.join('\n')).toMatch(
      /the deletion of a tenant is pending, and tried again: .*bytes free, and \d+ are needed/,
    );
    expect(await full.figures()).toMatchObject({ pending_deletions: 1 });
    await expect(full.querySpans({ project })).rejects.toThrow(TenantDeletedError);
    await expect(full.createDataset({ tenantId, name: 'new', rows: [] })).rejects.toThrow(TenantDeletedError);
    expect(await allSpanIds(full)).toHaveLength(20);
    await full.shutdown();
    expect(isPending(dataDir)).toBe(true);

    const store = await openStore({ dataDir, report: (line) => lines.push(line) });
    expect(lines.at(-1)).toBe('the deletion of the tenant is finished');
    expect(isPending(dataDir)).toBe(false);
    expect(await allPages(store, { project })).toEqual([]);
    expect(await left(store)).toMatchObject({ spans: SENT.map(({ spanId }) => spanId) });
    await store.shutdown();
    expect(canaries.find(dataDir)).toEqual([]);
  });

  it('refuses to begin others, and changes nothing', async () => {
    const dataDir = temporaryDirectory();
    const first = await openStore({ dataDir });
    await fill(first);
    await first.shutdown();
    const full = await openStore({ dataDir, ...FULL, report: () => undefined });
    const asked = full.deleteTraces({ project: ACME, traceIds: [SENT[0]!.traceId] });
    await expect(asked).rejects.toThrow(BackendUnavailableError);
    await expect(asked).rejects.toThrow(/bytes free, and \d+ are needed\. Make room/);
    expect(isPending(dataDir)).toBe(false);
    expect((await left(full)).annotated).toHaveLength(20);
  });

  // The limit on the size of files is set and lifted from outside, while the store runs.
  it.runIf(spawnSync('prlimit', ['--version']).status === 0)(
    'that cannot be written to is told as pending, and goes on by itself when it can',
    async () => {
      const dataDir = temporaryDirectory();
      const canaries = new Canaries();
      const { tenantId } = canaries.project;
      const store = await StoreProcess.start({ dataDir, minFreeBytes: 0 });
      const call = (name: string, argument: object) => store.call(name as 'figures', argument) as Promise<never>;
      const calls = new Proxy({} as TelemetryStore, {
        get: (_, name) => (argument: object) => call(String(name), argument),
      });
      await canaries.fill(calls);
      await fill(calls);
      await call('deleteSpans', { project: ACME, spanIds: [SENT[19]!.spanId] }); // and so has all flushed
      const pid = String(store.child.pid);
      execFileSync('prlimit', ['--pid', pid, '--fsize=60000:']);
      expect(await call('deleteTenant', { tenantId })).toMatchObject({
        error: expect.stringMatching(
          /The deletion is not finished: .*It is pending: the store goes on with it by itself/,
        ),
      });
      expect(isPending(dataDir)).toBe(true);
      expect(await call('listDatasets', { tenantId })).toMatchObject({
        error: expect.stringContaining('is being deleted'),
      });
      execFileSync('prlimit', ['--pid', pid, '--fsize=unlimited:']);
      await vi.waitFor(() => expect(isPending(dataDir)).toBe(false), { timeout: 40_000, interval: 100 });
      expect(await call('listDatasets', { tenantId })).toEqual([]);
      expect(canaries.find(dataDir)).toEqual([]);
      expect(((await call('querySpans', { project: ACME })) as { items: [] }).items).toHaveLength(19);
    },
  );
});

describe('a tenant that is being deleted', () => {
  it('is refused in every call that names it, imports among them, while others are served', async () => {
    const dataDir = temporaryDirectory();
    const store = await openStore({ dataDir });
    await fill(store);
    const other: ProjectRef = { tenantId: 'globex', name: 'search' };
    const exported = {
      annotations: (await store.listAnnotations({ project: ACME })).items,
      datasets: [],
      experiments: [],
    };
    await store.shutdown();
    const killed = await StoreProcess.start({ dataDir }, { COGNIVERSE_STORE_KILL_AT: 'delete_settle:1' });
    await killed.call('deleteTenant', { tenantId: 'acme' });
    await killed.exit;
    const full = await openStore({ dataDir, ...FULL, report: () => undefined });
    const tenantId = 'acme';
    const refused = [
      full.importAnnotations({ project: ACME, annotations: exported.annotations }),
      full.importDatasets({ tenantId, records: exported.datasets }),
      full.importExperiments({ tenantId, records: exported.experiments }),
      full.addAnnotations({ project: ACME, annotations: [] }),
      full.createProject({ project: ACME }),
      full.setRetention({ project: ACME, days: 1 }),
      full.deleteProject({ project: ACME }),
      full.listDatasets({ tenantId }),
      full.listProjects({ tenantId }),
      full.getStatistics({ tenantId }),
    ];
    for (const call of refused) await expect(call).rejects.toThrow(TenantDeletedError);
    expect(await full.importDatasets({ tenantId: 'globex', records: [] })).toEqual(expect.any(Object));
    expect(await full.listDatasets({ tenantId: 'globex' })).toEqual([]);
    expect(await allPages(full, { project: other })).toEqual([]);
  });
});
