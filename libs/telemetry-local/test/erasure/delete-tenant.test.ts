/** Deletion of a tenant: no byte of it is left, others notice nothing, and a crash in the middle changes neither. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeTraces } from '@cogniverse/foundation/otlp';
import { type ProjectRef, type TelemetryStore, TenantDeletedError } from '@cogniverse/foundation/telemetry';
import { describe, expect, it } from 'vitest';
import { DataDirectory } from '../../dist/data-directory.js';
import { AuditLog } from '../../dist/erasure/audit-log.js';
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
  traces,
} from '../store/store-fixture.js';
import { StoreProcess } from '../store/store-process.js';
import { Canaries } from './canaries.js';

/** A neighbour with everything, to be found unchanged. */
async function neighbourOf(store: TelemetryStore): Promise<() => Promise<void>> {
  const neighbour = new Canaries();
  await neighbour.fill(store);
  const { project } = neighbour;
  const { tenantId } = project;
  const [dataset] = await store.listDatasets({ tenantId, name: neighbour.text('dataset') });
  const look = async () => ({
    spans: await allPages(store, { project, order: 'asc' }),
    annotations: (await store.listAnnotations({ project })).items,
    datasets: await store.listDatasets({ tenantId }),
    rows: await store.getDatasetRows({ tenantId, datasetId: dataset!.id }),
    experiments: await store.listExperiments({ tenantId }),
  });
  const before = await look();
  expect(before.spans).toHaveLength(8);
  expect(before.annotations).toHaveLength(1);
  return async () => expect(await look()).toEqual(before);
}

describe('deletion of a tenant', () => {
  it('leaves no name, id or content of it in any file', async () => {
    const dataDir = temporaryDirectory();
    const canaries = new Canaries();
    // Some of it is in day files, some in the log, some was set aside.
    const first = await openStore({ dataDir });
    await canaries.fill(first);
    await first.shutdown();
    canaries.plantDamagedFile(dataDir);
    const store = await openStore({ dataDir });
    await store.ingest(request(canaries.spans(8), resourceOf(canaries.project)));
    // One request with spans of two tenants.
    const mixed = traces(canaries.spans(2), resourceOf(canaries.project));
    mixed.resourceSpans.push(...traces(spans(0, 5)).resourceSpans);
    await store.ingest({ body: encodeTraces(mixed), format: 'protobuf' });
    const unchanged = await neighbourOf(store);
    expect(canaries.find(dataDir).length).toBeGreaterThan(50);

    const outcome = await store.deleteTenant({ tenantId: canaries.project.tenantId });
    expect(canaries.find(dataDir)).toEqual([]);
    expect(outcome).toMatchObject({
      deleted: { spans: 18, annotations: 1, datasets: 1, dataset_rows: 2, experiments: 1, runs: 1, run_evaluations: 1 },
      damagedFiles: 1,
      note: expect.stringContaining('Back-ups'),
    });
    await unchanged();
    expect(await allSpanIds(store)).toHaveLength(5);
    expect((await store.listTenants()).map(({ tenantId }) => tenantId)).not.toContain(canaries.project.tenantId);
    await store.shutdown();
    expect(canaries.find(dataDir)).toEqual([]);
    expect(await canaries.findRows(dataDir)).toEqual([]);
  });

  it('leaves nothing of what was deleted piece by piece before', async () => {
    const dataDir = temporaryDirectory();
    const canaries = new Canaries();
    const store = await openStore({ dataDir });
    await canaries.fill(store);
    const unchanged = await neighbourOf(store);
    const { project } = canaries;
    await store.deleteSessions({ project, sessionIds: [canaries.text('session')] });
    expect(await allPages(store, { project })).toEqual([]);
    await store.deleteTenant({ tenantId: project.tenantId });
    expect(canaries.find(dataDir)).toEqual([]);
    await unchanged();
  });

  it('is told in the audit log by a keyed hash alone, and only the key tells whose it was', async () => {
    const dataDir = temporaryDirectory();
    const canaries = new Canaries();
    const store = await openStore({ dataDir });
    await canaries.fill(store);
    const { tenantHash } = await store.deleteTenant({ tenantId: canaries.project.tenantId });
    await store.deleteTenant({ tenantId: 'nobody' });
    const entries = readFileSync(join(dataDir, 'audit.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(entries).toEqual([
      {
        time: expect.any(String),
        action: 'delete_tenant',
        tenant: tenantHash,
        deleted: expect.objectContaining({ spans: 8 }),
      },
      {
        time: expect.any(String),
        action: 'delete_tenant',
        tenant: expect.not.stringMatching(tenantHash),
        deleted: expect.objectContaining({ spans: 0 }),
      },
    ]);
    const audit = AuditLog.open(new DataDirectory(dataDir));
    expect(audit.tenantHash(canaries.project.tenantId)).toBe(tenantHash);
    expect(statSync(join(dataDir, 'audit.key')).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataDir, 'audit.jsonl')).mode & 0o777).toBe(0o600);
    expect(existsSync(join(dataDir, 'deletion.pending'))).toBe(false);
  });

  it('leaves nothing while it and others write on; its writes are refused, those of others are not', {
    timeout: 60_000,
  }, async () => {
    const dataDir = temporaryDirectory();
    const canaries = new Canaries();
    const store = await openStore({
      dataDir,
      segmentMaxSpans: 200,
      segmentMaxAgeMillis: 500,
      maxWaitingSegments: 1000,
    });
    await canaries.fill(store);
    const unchanged = await neighbourOf(store);
    const { project } = canaries;
    let done = false;
    let others = 0;
    const otherWrites = async () => {
      for (; !done; others += 20) {
        const result = await store.ingest(request(spans(others, 20)));
        expect(result).toMatchObject({ status: 'stored', acceptedSpans: 20 });
      }
    };
    /** Sends with spans of another tenant in the same request, until it is refused. */
    const ownWrites = async () => {
      for (let n = 100_000; ; n++) {
        const both = traces(canaries.spans(2), resourceOf(project));
        both.resourceSpans.push(...traces([span(n)], resourceOf({ tenantId: 'third', name: 'p' })).resourceSpans);
        const result = await store.ingest({ body: encodeTraces(both), format: 'protobuf' });
        if (result.status !== 'stored') throw new Error(result.status);
        if (result.rejectedSpans === 0) continue;
        expect(result).toMatchObject({
          acceptedSpans: 1,
          rejectedSpans: 2,
          message: expect.stringContaining('tenant_deleted'),
        });
        return n - 99_999;
      }
    };
    const refusedCall = async () => {
      for (let n = 0; ; n++) {
        try {
          await store.createDataset({ tenantId: project.tenantId, name: `${canaries.text('late')} ${n}`, rows: [] });
        } catch (error) {
          return error;
        }
      }
    };
    const writing = otherWrites();
    const own = ownWrites();
    const refused = refusedCall();
    await store.deleteTenant({ tenantId: project.tenantId }).finally(() => {
      done = true;
    });
    await writing;
    expect(await refused).toBeInstanceOf(TenantDeletedError);
    const third = await own;
    expect(canaries.find(dataDir)).toEqual([]);
    await unchanged();
    expect(await allSpanIds(store)).toHaveLength(others);
    expect(await allPages(store, { project: { tenantId: 'third', name: 'p' } })).toHaveLength(third);
    await store.shutdown();
    expect(canaries.find(dataDir)).toEqual([]);
    expect(await canaries.findRows(dataDir)).toEqual([]);
  });

  it('lets the tenant begin anew, also with a request that came before', async () => {
    const store = await openStore();
    await store.ingest(request(spans(0, 10)));
    await store.deleteTenant({ tenantId: ACME.tenantId });
    expect(await allSpanIds(store)).toEqual([]);
    expect(await store.ingest(request(spans(0, 10)))).toMatchObject({ status: 'stored', tenants: [{ duplicate: 0 }] });
    expect(await allSpanIds(store)).toHaveLength(10);
  });

  it('of null deletes what names no tenant, and that alone', async () => {
    const store = await openStore();
    const nobody: ProjectRef = { tenantId: null, name: 'search' };
    await store.ingest(request(spans(0, 5), resourceOf(nobody)));
    await store.ingest(request(spans(0, 5)));
    expect(await store.deleteTenant({ tenantId: null })).toMatchObject({ deleted: { spans: 5 } });
    expect(await allPages(store, { project: nobody })).toEqual([]);
    expect(await allSpanIds(store)).toHaveLength(5);
  });

  it.for([
    ['delete_settle', 1],
    ['delete_day', 1],
    ['delete_day_swap', 1],
    ['delete_day', 3],
    ['delete_day_swap', 2],
    ['delete_meta', 1],
    ['delete_meta_swap', 1],
    ['delete_damaged', 1],
    ['delete_audit', 1],
    ['delete_done', 1],
  ] as const)(
    'that is killed as %s begins for the %i. time is finished before the store serves again',
    { timeout: 60_000 },
    async ([phase, count]) => {
      const dataDir = temporaryDirectory();
      const canaries = new Canaries();
      const filled = await openStore({ dataDir });
      await canaries.fill(filled);
      const neighbour = new Canaries();
      await neighbour.fill(filled);
      const before = await allPages(filled, { project: neighbour.project });
      await filled.shutdown();
      canaries.plantDamagedFile(dataDir);
      const killed = await StoreProcess.start({ dataDir }, { COGNIVERSE_STORE_KILL_AT: `${phase}:${count}` });
      await killed.call('ingest', request(canaries.spans(6), resourceOf(canaries.project)));
      expect(await killed.call('deleteTenant', { tenantId: canaries.project.tenantId })).toBeUndefined();
      expect(await killed.exit).toEqual({ code: null, signal: 'SIGKILL' });
      // Whose deletion it is stands nowhere in clear.
      expect(readFileSync(join(dataDir, 'deletion.pending'), 'utf8')).not.toContain(canaries.text('tenant'));
      const lines: string[] = [];
      const store = await openStore({ dataDir, report: (line) => lines.push(line) });
      expect(canaries.find(dataDir)).toEqual([]);
      expect(lines.join('\n')).toContain('the deletion of the tenant is finished');
      expect(existsSync(join(dataDir, 'deletion.pending'))).toBe(false);
      expect(await allPages(store, { project: neighbour.project })).toEqual(before);
      const { tenantId } = neighbour.project;
      expect(await store.listDatasets({ tenantId, name: neighbour.text('dataset') })).toMatchObject([
        { exampleCount: 2 },
      ]);
      await store.shutdown();
      expect(await canaries.findRows(dataDir)).toEqual([]);
    },
  );

  it('that nobody can name any more is not forgotten', async () => {
    const dataDir = temporaryDirectory();
    const store = await openStore({ dataDir });
    await store.shutdown();
    writeFileSync(join(dataDir, 'deletion.pending'), 'bm90IHNlYWxlZA==');
    await expect(openStore({ dataDir })).rejects.toThrow(/a deletion was cut short.*audit\.key/);
  });
});
