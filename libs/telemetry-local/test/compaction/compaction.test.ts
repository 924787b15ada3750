/** Compaction of days that are over: all answers stay, whatever happens meanwhile, and the file is in one piece. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OtlpSpan } from '@cogniverse/foundation/otlp';
import fc from 'fast-check';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { writeBackup } from '../../dist/backup/backup.js';
import { Compaction, type CompactionHost } from '../../dist/compaction/compaction.js';
import { DataDirectory } from '../../dist/data-directory.js';
import { StoreEngine } from '../../dist/engine.js';
import { parseLocalStoreOptions } from '../../dist/options.js';
import { Canaries } from '../erasure/canaries.js';
import { allPages, openStore, request, resourceOf, span, temporaryDirectory } from '../store/store-fixture.js';
import { audit, StoreProcess } from '../store/store-process.js';
import {
  answersOf,
  dayFilesOf,
  filledStore,
  manySegments,
  PROJECTS,
  rowsOfFile,
  unfinished,
  until,
  variedSpan,
} from './compacting.js';

const SOON = { compactAfterMillis: 1 };

/** Opens a store that compacts, and closes it when no day waits any more. */
async function compacted(dataDir: string): Promise<Record<string, number>> {
  const store = await openStore({ dataDir, ...SOON });
  await until(async () => expect(await store.figures()).toMatchObject({ compaction_days_waiting: 0 }));
  const figures = await store.figures();
  await store.shutdown();
  return figures;
}

async function answersAtRest(dataDir: string): Promise<unknown> {
  const store = await openStore({ dataDir, compactAfterMillis: 0 });
  try {
    return await answersOf(store);
  } finally {
    await store.shutdown();
  }
}

let source: { dataDir: string; answers: unknown } | undefined;
afterAll(() => {
  if (source !== undefined) rmSync(source.dataDir, { recursive: true });
});

/** Fills the directory as `manySegments` does, made once for all tests. Gives the answers. */
async function filledAlike(dataDir: string): Promise<unknown> {
  if (source === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'cogniverse-compaction-'));
    await filledStore(made, manySegments());
    source = { dataDir: made, answers: await answersAtRest(made) };
  }
  cpSync(source.dataDir, dataDir, { recursive: true });
  return source.answers;
}

/** The engine in this thread, so that a test can hold what reads hold. */
async function openEngine(dataDir: string): Promise<StoreEngine> {
  const directory = new DataDirectory(dataDir);
  directory.prepareParts();
  const { dataDir: _, ...config } = parseLocalStoreOptions({ dataDir, ...SOON });
  const engine = await StoreEngine.open(config, directory, {
    report: () => undefined,
    health: () => undefined,
    fatal: (error) => {
      throw error;
    },
  });
  const ticking = setInterval(() => engine.tick(), 20);
  onTestFinished(() => clearInterval(ticking));
  return engine;
}

/** Holds a snapshot, so that files that are ready are not exchanged. Gives what lets it go. */
function holdSnapshot(engine: StoreEngine): () => void {
  let letGo: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  engine.withSnapshot(() => held);
  return letGo;
}

async function ingest(engine: StoreEngine, spans: OtlpSpan[]): Promise<void> {
  await engine.ingest([request(spans, resourceOf(PROJECTS[0]!))], (_, result) =>
    expect(result).toMatchObject({ status: 'stored' }),
  );
  await engine.settle();
}

describe('compaction', { timeout: 120_000 }, () => {
  it('writes days that are over anew, by project and time, in one segment', async () => {
    const dataDir = temporaryDirectory();
    await filledStore(dataDir, manySegments());
    const segmentsOf = (file: string) => rowsOfFile(file, 'SELECT count(DISTINCT seg) FROM day.spans');
    for (const file of dayFilesOf(dataDir)) expect(Number((await segmentsOf(file))[0]![0])).toBeGreaterThan(5);
    const applied = async () =>
      Promise.all(dayFilesOf(dataDir).map((file) => rowsOfFile(file, 'FROM day.applied ORDER BY seg')));
    const before = await applied();
    expect(await compacted(dataDir)).toMatchObject({
      compactions_total: 3,
      compactions_abandoned_total: 0,
      compaction_failures_total: 0,
    });
    expect(await applied()).toEqual(before);
    for (const file of dayFilesOf(dataDir)) {
      expect(await segmentsOf(file)).toEqual([[1n]]);
      const rows = await rowsOfFile(file, 'SELECT project_key, start_ns, seq FROM day.spans ORDER BY rowid');
      const sorted = await rowsOfFile(file, 'SELECT project_key, start_ns, seq FROM day.spans ORDER BY ALL');
      expect(rows).toEqual(sorted);
    }
    expect(unfinished(dataDir)).toEqual([]);
    // Once is enough.
    expect(await compacted(dataDir)).toMatchObject({ compactions_total: 0 });
  });

  it('changes no answer, whatever the spans', async () => {
    const requests = fc.array(
      fc.record({
        project: fc.constantFrom(...PROJECTS),
        numbers: fc.uniqueArray(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 12 }),
      }),
      { minLength: 3, maxLength: 10 },
    );
    await fc.assert(
      fc.asyncProperty(requests, async (list) => {
        const dataDir = temporaryDirectory();
        const sent = list.map(({ project, numbers }) => ({ project, spans: numbers.map((n) => variedSpan(n)) }));
        await filledStore(dataDir, sent);
        const before = await answersAtRest(dataDir);
        await compacted(dataDir);
        expect(await answersAtRest(dataDir)).toEqual(before);
        // What is sent again is known again.
        await filledStore(dataDir, sent);
        expect(await answersAtRest(dataDir)).toEqual(before);
        rmSync(dataDir, { recursive: true });
      }),
      { numRuns: 3 },
    );
  });

  it('leaves a day alone that is not over, and all days when it is off', async () => {
    const dataDir = temporaryDirectory();
    const now = BigInt(Date.now()) * 1_000_000n;
    const today = Array.from({ length: 6 }, (_, n) => ({
      project: PROJECTS[0]!,
      spans: [span(n, { startTimeUnixNano: now, endTimeUnixNano: now })],
    }));
    await filledStore(dataDir, today);
    expect(await compacted(dataDir)).toMatchObject({ compactions_total: 0, compaction_days_waiting: 0 });
    const off = await openStore({ dataDir, compactAfterMillis: 0 });
    expect(await off.figures()).toMatchObject({ compactions_total: 0, compaction_days_waiting: 0 });
  });

  it.for([
    ['compact_step', 2],
    ['compact_finish', 1],
    ['compact_swap', 1],
    ['compacted', 1],
  ] as const)('that is killed as %s begins for the %i. time changes no answer', async ([phase, count]) => {
    const dataDir = temporaryDirectory();
    const before = await filledAlike(dataDir);
    const killed = await StoreProcess.start({ dataDir, ...SOON }, { COGNIVERSE_STORE_KILL_AT: `${phase}:${count}` });
    expect(await killed.exit).toEqual({ code: null, signal: 'SIGKILL' });
    expect(await answersAtRest(dataDir)).toEqual(before);
    expect(unfinished(dataDir)).toEqual([]);
    await compacted(dataDir);
    expect(await answersAtRest(dataDir)).toEqual(before);
  });

  it('loses and doubles no span that comes meanwhile into the same days', async () => {
    const dataDir = temporaryDirectory();
    await filledStore(dataDir, []);
    const store = await openStore({ dataDir, ...SOON, segmentMaxAgeMillis: 1500, maxWaitingSegments: 1000 });
    const sent = new Map<string, OtlpSpan>();
    for (let n = 0; ((await store.figures())['compactions_total'] ?? 0) < 1; n += 10) {
      const spans = Array.from({ length: 10 }, (_, k) => variedSpan(n + k));
      for (const one of spans) sent.set(one.spanId, one);
      expect(await store.ingest(request(spans, resourceOf(PROJECTS[0]!)))).toMatchObject({ status: 'stored' });
      // Some of it once more.
      await store.ingest(request(spans.slice(3), resourceOf(PROJECTS[0]!)));
      const found = await allPages(store, { project: PROJECTS[0]! });
      expect(audit({ acknowledged: sent, sent }, found, () => true)).toEqual([]);
    }
    await until(async () => expect(await store.figures()).toMatchObject({ hot_spans: 0, compaction_days_waiting: 0 }));
    const found = await allPages(store, { project: PROJECTS[0]! });
    expect(audit({ acknowledged: sent, sent }, found, () => true)).toEqual([]);
  });

  it('waits for reads under way, and begins anew when something comes into the day before', async () => {
    const dataDir = temporaryDirectory();
    await filledStore(dataDir, manySegments());
    const engine = await openEngine(dataDir);
    const count = async () =>
      engine.withSnapshot(async (snapshot) => {
        const [row] = await engine.query(`SELECT count(*), count(DISTINCT span_id) FROM (${snapshot.source({})})`);
        return (row as bigint[]).map(Number);
      });
    const letGo = holdSnapshot(engine);
    await until(() => expect(unfinished(dataDir)).toHaveLength(1));
    await ingest(engine, [variedSpan(900), variedSpan(901), variedSpan(902)]);
    await until(() => expect(engine.figures()).toMatchObject({ compactions_total: 0, compactions_abandoned_total: 1 }));
    letGo();
    await until(() => expect(engine.figures()).toMatchObject({ compactions_total: 3, compaction_days_waiting: 0 }));
    expect(await count()).toEqual([123, 123]);
    await engine.close();
    expect(unfinished(dataDir)).toEqual([]);
  });

  it('keeps no byte of a tenant that is deleted meanwhile', async () => {
    const dataDir = temporaryDirectory();
    const canaries = new Canaries();
    const { project } = canaries;
    await filledStore(dataDir, [
      ...manySegments(),
      { project, spans: canaries.spans(8) },
      { project, spans: canaries.spans(8) },
    ]);
    const engine = await openEngine(dataDir);
    const letGo = holdSnapshot(engine);
    await until(() => expect(unfinished(dataDir)).toHaveLength(1));
    await engine.eraser.eraseTenant(project.tenantId, (work) => work());
    expect(canaries.find(dataDir)).toEqual([]);
    letGo();
    await until(() => expect(engine.figures()).toMatchObject({ compaction_days_waiting: 0 }));
    expect(engine.figures()).toMatchObject({ compactions_abandoned_total: 1 });
    expect(canaries.find(dataDir)).toEqual([]);
    await engine.close();
    expect(await canaries.findRows(dataDir)).toEqual([]);
  });

  it('goes on beside a back-up, which has all answers', async () => {
    const dataDir = temporaryDirectory();
    const target = join(temporaryDirectory(), 'copy');
    await filledStore(dataDir, manySegments());
    const before = await answersAtRest(dataDir);
    const engine = await openEngine(dataDir);
    const letGo = holdSnapshot(engine);
    await until(() => expect(unfinished(dataDir)).toHaveLength(1));
    const writing = writeBackup(engine.backupHost(), target, (work) => work());
    letGo();
    await writing;
    await until(() => expect(engine.figures()).toMatchObject({ compactions_total: 3 }));
    await engine.close();
    expect(await answersAtRest(dataDir)).toEqual(before);
    expect(unfinished(target)).toEqual([]);
    expect(await answersAtRest(target)).toEqual(before);
  });

  it('stops at once, and leaves nothing of what it had begun', async () => {
    const dataDir = temporaryDirectory();
    await filledStore(dataDir, manySegments());
    const before = await answersAtRest(dataDir);
    const engine = await openEngine(dataDir);
    const letGo = holdSnapshot(engine);
    await until(() => expect(unfinished(dataDir)).toHaveLength(1));
    await engine.stop();
    expect(unfinished(dataDir)).toEqual([]);
    letGo();
    await engine.close();
    expect(await answersAtRest(dataDir)).toEqual(before);
  });

  it('gives up when the disk has no room, says so once, and tries again later', async () => {
    const file = { day: 20_000, catalog: 'day_20000', file: import.meta.filename };
    const lines: string[] = [];
    let now = 0;
    let full = true;
    let begun = 0;
    const host = {
      days: { all: () => [file] },
      query: async () => [
        [1n, 5n],
        [2n, 5n],
      ],
      coldTurn: (work: () => Promise<unknown>) => work(),
      requireRoom: () => {
        if (full) throw new Error('no room');
      },
      connect: async () => {
        begun += 1;
        return { closeSync: () => undefined };
      },
      // It is not asked for more than this one day, which another segment has come to.
      watermark: () => 1,
      report: (line: string) => lines.push(line),
    } as unknown as CompactionHost;
    const compaction = new Compaction(host, SOON, () => now);
    const failures = async (count: number) =>
      until(() => expect(compaction.figures()).toMatchObject({ compaction_failures_total: count }));
    const time = 20_001 * 86_400_000;
    now = 10;
    compaction.tick(time);
    await failures(1);
    for (now of [20, 59_000]) compaction.tick(time);
    now = 60_020;
    compaction.tick(time);
    await failures(2);
    expect(lines).toEqual(['a day file could not be compacted, and will be later: no room']);
    expect(begun).toBe(0);
    full = false;
    now = 200_000;
    compaction.tick(time);
    await until(() => expect(begun).toBe(1));
    expect(compaction.figures()).toMatchObject({ compaction_failures_total: 2, compaction_days_waiting: 1 });
    await compaction.stop();
  });
});
