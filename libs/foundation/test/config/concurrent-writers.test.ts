/** Many writers on one file, some of them killed: nothing that was stored is lost, and the file is whole at every moment. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FileConfigStore } from '@cogniverse/foundation/config';
import { describe, expect, it } from 'vitest';
import { FileLock, LockCandidate } from '../../dist/config/file-lock.js';
import { agentKey, fileStore, putText, textOf } from './config-fixture.js';

const key = agentKey('shared');

interface Writer {
  readonly child: ChildProcess;
  /** Versions that it said it stored. */
  readonly stored: number[];
  readonly ended: Promise<number | null>;
  go(): void;
}

async function startWriter(file: string, name: string, count: number, padding = 0): Promise<Writer> {
  const program = join(import.meta.dirname, 'fixtures/writer.mjs');
  const child = spawn(process.execPath, [program, file, name, String(count), String(padding)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const stored: number[] = [];
  let rest = '';
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  await new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        if (line === 'ready') resolve();
        else stored.push(Number(line));
      }
    });
    void ended.then(() => reject(new Error('the writer ended before it was ready')));
  });
  return { child, stored, ended, go: () => child.stdin!.write('go\n') };
}

describe('concurrent writers', () => {
  it('of several processes lose nothing: every version is there, contiguous, each with its own value', async () => {
    const store = fileStore({ maxVersions: 100_000 });
    const processes = 6;
    const count = 25;
    const writers = await Promise.all(
      Array.from({ length: processes }, (_, index) => startWriter(store.path, `w${index}`, count)),
    );
    for (const writer of writers) writer.go();
    expect(await Promise.all(writers.map(({ ended }) => ended))).toEqual(writers.map(() => 0));
    const history = store.history(key).reverse();
    expect(history.map(({ version }) => version)).toEqual(Array.from({ length: processes * count }, (_, i) => i + 1));
    const values = history.map(({ value }) => value as { writer: string; number: number });
    for (const [index, writer] of writers.entries()) {
      const own = values.filter((value) => value.writer === `w${index}`);
      expect(own.map(({ number }) => number)).toEqual(Array.from({ length: count }, (_, i) => i));
      // What it was told is what is there.
      expect(writer.stored.map((version) => values[version - 1]!.writer)).toEqual(own.map(() => `w${index}`));
    }
    expect(readdirSync(dirname(store.path))).toEqual(['config.json']);
  });

  it('of one process keep the order of their calls', async () => {
    const store = fileStore();
    const entries = await Promise.all(Array.from({ length: 20 }, (_, number) => store.set(key, number)));
    expect(entries.map(({ version, value }) => [version, value])).toEqual(entries.map((_, i) => [i + 1, i]));
  });

  it('killed at random moments leave a whole file, and the next go on', { timeout: 60_000 }, async () => {
    const store = fileStore({ maxVersions: 100_000 });
    const storedByAll: number[] = [];
    // A multiplicative generator, so that a failure can be had again.
    let seed = 20_261;
    const random = (): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    for (let round = 0; round < 12; round++) {
      const pair = await Promise.all(
        [0, 1].map((number) => startWriter(store.path, `r${round}-${number}`, 1000, 5000)),
      );
      for (const writer of pair) writer.go();
      // Not until each has: the one that has the lock may take it again and again, and the file grows meanwhile.
      await expect.poll(() => pair.flatMap(({ stored }) => stored).length, { interval: 2 }).toBeGreaterThan(1);
      await new Promise((resolve) => setTimeout(resolve, random() * 30)); // the random moment itself, not a wait for something
      for (const { child } of pair) child.kill('SIGKILL');
      const moment = store.history(key).map(({ version }) => version); // whole, whatever else lies beside it
      await Promise.all(pair.map(({ ended }) => ended));
      storedByAll.push(...pair.flatMap(({ stored }) => stored));
      expect(moment).toEqual(Array.from({ length: moment.length }, (_, i) => moment.length - i));
    }
    const { version } = await store.set(key, 'after all of them');
    expect(store.history(key)).toHaveLength(version);
    // Every version that a writer was told of is there, and was given once.
    expect(new Set(storedByAll).size).toBe(storedByAll.length);
    expect(Math.max(...storedByAll)).toBeLessThan(version);
    // A writer killed between making its wish for the lock and writing into it leaves an empty one, which only its age can tell.
    const directory = dirname(store.path);
    const left = readdirSync(directory).filter((name) => readFileSync(join(directory, name), 'utf8') !== '');
    expect(left).toEqual(['config.json']);
  });

  it('an editor that knows no lock loses nothing either: the write begins anew', async () => {
    const store = fileStore();
    await store.set(key, 'mine');
    const other = agentKey('edited by hand');
    const writing = store.set(key, 'mine again');
    // Its new file is there, so it has read the old one; it has not put the new one in its place.
    const isUnderWay = () => readdirSync(dirname(store.path)).some((name) => name.startsWith('.config.json.new-'));
    while (!isUnderWay()) await new Promise((resolve) => setImmediate(resolve));
    const edited = JSON.parse(textOf(store));
    edited.entries.push({ ...edited.entries[0], config_key: other.key });
    putText(store, JSON.stringify(edited));
    await writing;
    expect([store.get(key)?.value, store.get(other)?.value]).toEqual(['mine again', 'mine']);
  });
});

describe('the lock', () => {
  it('of a process that is no more is taken over by exactly one', () => {
    const file = join(dirname(fileStore().path), 'x.lock');
    const dead = new LockCandidate(file);
    expect(dead.tryAcquire()).toBeInstanceOf(FileLock);
    const identity = JSON.parse(readFileSync(file, 'utf8'));
    dead.close();
    // The same process id with another start: as after a restart of the machine's numbering.
    writeFileSync(file, JSON.stringify({ ...identity, started: '1' }));
    const candidates = Array.from({ length: 5 }, () => new LockCandidate(file));
    const outcomes = candidates.map((candidate) => candidate.tryAcquire() instanceof FileLock);
    expect(outcomes.filter((won) => won)).toHaveLength(1);
    for (const candidate of candidates) candidate.close();
  });

  it('of a process that runs is not, and the error names it and the remedy', async () => {
    const store = fileStore({ lockTimeoutMillis: 50 });
    const candidate = new LockCandidate(`${store.path}.lock`);
    const lock = candidate.tryAcquire() as FileLock;
    const error = await store.set(key, 1).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ reason: 'locked', code: 'config_file' });
    expect((error as Error).message).toMatch(new RegExp(`process ${process.pid}.*remove the lock file`));
    lock.release();
    candidate.close();
    await store.set(key, 1);
    expect(store.get(key)?.version).toBe(1);
  });

  it('of a machine that cannot be seen from here is taken over only when it is old', () => {
    const file = join(dirname(fileStore().path), 'x.lock');
    writeFileSync(file, JSON.stringify({ pid: 1, host: 'elsewhere', started: '', boot: '' }));
    const candidate = new LockCandidate(file);
    expect(candidate.tryAcquire()).toMatchObject({ pid: 1, host: 'elsewhere' });
    const old = Date.now() / 1000 - 3600;
    utimesSync(file, old, old);
    expect(candidate.tryAcquire()).toBeInstanceOf(FileLock);
    candidate.close();
  });

  it('that was taken away is not released twice', () => {
    const file = join(dirname(fileStore().path), 'x.lock');
    const candidate = new LockCandidate(file);
    const lock = candidate.tryAcquire() as FileLock;
    writeFileSync(file, 'another holder');
    expect(lock.isHeld()).toBe(false);
    lock.release();
    expect(readFileSync(file, 'utf8')).toBe('another holder');
    candidate.close();
  });

  it('leaves nothing behind when writers were killed while they waited for it', async () => {
    const store = fileStore();
    const wish = `${store.path}.lock.4194304-00000000-0000-4000-8000-000000000000`;
    const candidate = new LockCandidate(`${store.path}.lock`);
    candidate.tryAcquire();
    const identity = JSON.parse(readFileSync(`${store.path}.lock`, 'utf8'));
    candidate.close();
    writeFileSync(`${store.path}.lock`, JSON.stringify({ ...identity, started: '1' }));
    writeFileSync(wish, JSON.stringify({ ...identity, started: '1' }));
    writeFileSync(join(dirname(store.path), '.config.json.new-left'), 'half a fi');
    await store.set(key, 1);
    expect(readdirSync(dirname(store.path))).toEqual(['config.json']);
    expect(new FileConfigStore({ path: store.path }).get(key)?.value).toBe(1);
  });
});
