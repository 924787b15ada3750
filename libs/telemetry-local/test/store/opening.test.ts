/** Opening a directory: lock, format, damage, what a crash left, and who may read the files. */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigurationError, StoreOpenError } from '@cogniverse/foundation/telemetry';
import { openLocalStore } from '@cogniverse/telemetry-local';
import { describe, expect, it, onTestFinished } from 'vitest';
import { acquireStoreLock } from '../../dist/store-lock.js';
import { ACME, allSpanIds, openStore, request, spans, temporaryDirectory } from './store-fixture.js';
import { StoreProcess } from './store-process.js';

/** A directory whose log holds these acknowledged requests of ten spans, none of them flushed. */
async function crashedDirectory(requests: number): Promise<string> {
  const dataDir = temporaryDirectory();
  const store = await StoreProcess.start({ dataDir });
  for (let i = 0; i < requests; i++) await store.ingest(spans(i * 10, 10));
  store.child.kill('SIGKILL');
  await store.exit;
  return dataDir;
}

function onlySegment(dataDir: string): string {
  const files = readdirSync(join(dataDir, 'wal'));
  expect(files).toHaveLength(1);
  return join(dataDir, 'wal', files[0]!);
}

const ids = (from: number, count: number) => spans(from, count).map(({ spanId }) => spanId);

describe('opening a store', () => {
  it('cuts off a torn write, which was never acknowledged, and says so', async () => {
    const dataDir = await crashedDirectory(3);
    const file = onlySegment(dataDir);
    truncateSync(file, statSync(file).size - 5);
    const lines: string[] = [];
    const store = await openStore({ dataDir, report: (line) => lines.push(line) });
    expect(await allSpanIds(store)).toEqual(ids(0, 20));
    expect(lines.join('\n')).toMatch(/the last \d+ bytes are an unfinished write/);
    await store.ingest(request(spans(20, 10)));
    expect(await allSpanIds(store)).toEqual(ids(0, 30));
  });

  it('sets a damaged record aside with a report, and keeps those before and after it', async () => {
    const dataDir = await crashedDirectory(3);
    const file = onlySegment(dataDir);
    const bytes = readFileSync(file);
    const middle = Math.floor(bytes.length / 2);
    bytes[middle] = bytes[middle]! ^ 0xff;
    writeFileSync(file, bytes);
    const lines: string[] = [];
    const store = await openStore({ dataDir, report: (line) => lines.push(line) });
    expect(await allSpanIds(store)).toEqual([...ids(0, 10), ...ids(20, 10)]);
    expect(lines.join('\n')).toMatch(/bytes at \d+ are damaged; they were set aside as .*damaged/);
    expect(readdirSync(join(dataDir, 'damaged'))).toHaveLength(1);
  });

  it.each([
    ['log segment', 'wal/seg-000000000001.wal'],
    ['day file', 'days/2026-05-28.duckdb'],
    ['meta.duckdb', 'meta.duckdb'],
  ])('sets a %s that is no such file aside with a report, and starts', async (what, name) => {
    const dataDir = temporaryDirectory();
    for (const directory of ['wal', 'days']) mkdirSync(join(dataDir, directory), { mode: 0o700 });
    writeFileSync(join(dataDir, name), 'this is something else, and long enough to be looked at more closely');
    const lines: string[] = [];
    const store = await openStore({ dataDir, report: (line) => lines.push(line) });
    expect(lines.join('\n')).toContain(what);
    expect(lines.join('\n')).toContain('set aside');
    expect(readdirSync(join(dataDir, 'damaged'))).toHaveLength(1);
    await store.ingest(request(spans(0, 10)));
    expect(await allSpanIds(store)).toEqual(ids(0, 10));
  });

  it('leaves a directory of a newer format alone', async () => {
    const dataDir = temporaryDirectory();
    writeFileSync(join(dataDir, 'FORMAT'), '{"cogniverseStore":3}\n');
    const opening = openLocalStore({ dataDir });
    await expect(opening).rejects.toThrow(StoreOpenError);
    await expect(opening).rejects.toThrow('has format 3; this release knows format 2');
    expect(readdirSync(dataDir)).toEqual(['FORMAT']);
    writeFileSync(join(dataDir, 'FORMAT'), 'junk');
    await expect(openLocalStore({ dataDir })).rejects.toThrow('does not name a format version');
  });

  it('refuses options that cannot be used, by name', async () => {
    const opening = openLocalStore({ dataDir: temporaryDirectory(), segmentMaxSpans: 0, memory: 5 } as never);
    await expect(opening).rejects.toThrow(ConfigurationError);
    await expect(opening).rejects.toThrow(/segmentMaxSpans.*memory|memory.*segmentMaxSpans/s);
  });

  it('does not follow a link that was put in the place of a directory', async () => {
    const dataDir = temporaryDirectory();
    const elsewhere = temporaryDirectory();
    symlinkSync(elsewhere, join(dataDir, 'wal'));
    await expect(openLocalStore({ dataDir })).rejects.toThrow(/wal is not a directory/);
    expect(readdirSync(elsewhere)).toEqual([]);
  });

  it('makes directories with mode 0700 and files with 0600', async () => {
    const dataDir = join(temporaryDirectory(), 'a', 'b');
    const previous = process.umask(0);
    onTestFinished(() => {
      process.umask(previous);
    });
    const store = await openStore({ dataDir, segmentMaxSpans: 5 });
    const seen = new Set<string>();
    const look = () => {
      for (const name of ['.', ...readdirSync(dataDir, { recursive: true })] as string[]) {
        const found = statSync(join(dataDir, name));
        expect([name, (found.mode & 0o777).toString(8)]).toEqual([name, found.isDirectory() ? '700' : '600']);
        seen.add(name);
      }
    };
    for (const from of [0, 10]) {
      await store.ingest(request(spans(from, 10)));
      const annotations = [{ spanId: ids(from, 1)[0]!, name: 'relevance', score: 1 }];
      await store.addAnnotations({ project: ACME, annotations });
      await store.createDataset({ tenantId: 'acme', name: `questions ${from}`, rows: [{ input: { q: 'one' } }] });
      look();
      await store.deleteSpans({ project: ACME, spanIds: ids(from + 9, 1) });
      look();
      await store.deleteTenant({ tenantId: 'globex' }); // and so writes meta.duckdb anew
      look();
    }
    expect(await allSpanIds(store)).toHaveLength(18);
    await store.shutdown();
    look();
    expect([...seen]).toEqual(expect.arrayContaining(['meta.duckdb', 'meta.duckdb.wal', 'audit.key', 'audit.jsonl']));
  });

  it('says what is wrong when the directory cannot be made', async () => {
    const file = join(temporaryDirectory(), 'file');
    writeFileSync(file, '');
    await expect(openLocalStore({ dataDir: join(file, 'x') })).rejects.toThrow(StoreOpenError);
  });

  it('goes on with the sequence after a restart with nothing in it', async () => {
    const dataDir = temporaryDirectory();
    const first = await openStore({ dataDir });
    await first.ingest(request(spans(0, 10)));
    await first.shutdown();
    await (await openStore({ dataDir })).shutdown();
    const store = await openStore({ dataDir });
    await store.ingest(request(spans(10, 1)));
    const [newest] = (await store.querySpans({ project: ACME, sort: 'sequence', limit: 1 })).items;
    expect(newest).toMatchObject({ sequence: 10n, span: { spanId: ids(10, 1)[0] } });
  });
});

describe('the lock', () => {
  it('of a killed process is taken over', async () => {
    const dataDir = await crashedDirectory(1);
    expect(existsSync(join(dataDir, 'lock'))).toBe(true);
    const store = await openStore({ dataDir });
    expect(await allSpanIds(store)).toEqual(ids(0, 10));
    expect(JSON.parse(readFileSync(join(dataDir, 'lock'), 'utf8'))).toMatchObject({ pid: process.pid });
  });

  it('of a running process is respected, and named', async () => {
    const dataDir = temporaryDirectory();
    const other = await StoreProcess.start({ dataDir });
    await expect(openLocalStore({ dataDir })).rejects.toThrow(`process ${other.child.pid}.`);
  });

  it('whose process id is in use again by another process is taken over', async () => {
    const file = join(temporaryDirectory(), 'lock');
    const sleeper = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)']);
    onTestFinished(() => {
      sleeper.kill('SIGKILL');
    });
    await once(sleeper, 'spawn');
    acquireStoreLock(file);
    const holder = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...holder, pid: sleeper.pid }));
    const lock = acquireStoreLock(file);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ pid: process.pid });
    lock.release();
    expect(existsSync(file)).toBe(false);
  });

  it.each(['', '{', '[]', '{"pid":"x"}', 'null'])('with the content %j is no lock', (content) => {
    const file = join(temporaryDirectory(), 'lock');
    writeFileSync(file, content);
    acquireStoreLock(file).release();
    expect(existsSync(file)).toBe(false);
  });

  it('that was left behind is taken over by one of several processes, however often', async () => {
    const directory = temporaryDirectory();
    const [file, inside] = [join(directory, 'lock'), join(directory, 'inside')];
    const program = fileURLToPath(new URL('./fixtures/lock-taker.mjs', import.meta.url));
    const module = fileURLToPath(new URL('../../dist/store-lock.js', import.meta.url));
    const takers = Array.from({ length: 4 }, () => fork(program, [module, file, inside, '100']));
    onTestFinished(() => {
      for (const taker of takers) taker.kill('SIGKILL');
    });
    await Promise.all(takers.map((taker) => once(taker, 'message')));
    const ended = Promise.all(takers.map((taker) => once(taker, 'message')));
    for (const taker of takers) taker.send('go');
    const outcomes = (await ended).map(([outcome]) => outcome as { held: number; shared: number });
    expect(outcomes).toEqual(takers.map(() => ({ held: 100, shared: 0 })));
  });

  it('leaves no other files behind, and is released once', () => {
    const directory = temporaryDirectory();
    const file = join(directory, 'lock');
    const first = acquireStoreLock(file);
    expect(() => acquireStoreLock(file)).toThrow(StoreOpenError);
    first.release();
    const second = acquireStoreLock(file);
    first.release();
    expect(readdirSync(directory)).toEqual(['lock']);
    second.release();
    expect(readdirSync(directory)).toEqual([]);
  });
});
