/** Row 11: names never become paths. Whatever spans, data sets and projects are called, the data directory holds the same kinds of files. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { decodeTracesJson, encodeTraces } from '@cogniverse/foundation/otlp';
import { AccessKeys, accessKeyFile } from '@cogniverse/server';
import { openLocalStore } from '@cogniverse/telemetry-local';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tracesJson } from '../running-server.js';

const NAMES = [
  '..',
  '../../escaped',
  '/escaped',
  'a/b',
  'a\\b',
  'C:\\escaped',
  '~',
  '$HOME',
  'con',
  'FORMAT',
  'lock',
  'keys.json',
  'nul\u0000byte',
  'x'.repeat(10_000),
  'caf\u00e9',
  'cafe\u0301',
];
/** Files that a store has, whatever is in it. */
const KNOWN =
  /^(FORMAT|lock(\..*)?|keys\.json(\..*)?|audit\.(jsonl|key)|meta\.duckdb(\.wal)?|(wal|days|damaged|temp)(\/[\w.-]+)?)$/;

let outside: string;
let data: string;
beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), 'cogniverse-row-11-'));
  data = join(outside, 'data');
});
afterEach(() => rmSync(outside, { recursive: true, force: true }));

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) =>
    relative(directory, join(directory, name)),
  );
}

describe('names of tenants, projects, data sets and spans', () => {
  it("stay names: none shows in a path, each is read back as it was, and all files are their owner's alone", async () => {
    const store = await openLocalStore({ dataDir: data });
    for (const name of NAMES) {
      const json = tracesJson([{ name }], { project: name, tenant: name.slice(0, 200) });
      const result = await store.ingest({ body: encodeTraces(decodeTracesJson(json)), format: 'protobuf' });
      expect(result.status, name.slice(0, 20)).toBe('stored');
      await store.createDataset({ tenantId: name.slice(0, 200), name, rows: [] }).catch((error: { code: string }) => {
        expect(['invalid_query', 'invalid_name']).toContain(error.code); // refused by name is as good
      });
    }
    const projects = (await store.listProjects()).map(({ name }) => name);
    // Both forms of the accent are names of their own: nothing is normalized.
    for (const name of ['caf\u00e9', 'cafe\u0301', '../../escaped', 'a/b', 'FORMAT']) expect(projects).toContain(name);
    await new AccessKeys({ file: accessKeyFile(data) }).create({ tenantId: '../../escaped', read: true, ingest: true });
    expect(readdirSync(outside)).toEqual(['data']);
    if (process.platform !== 'win32') expect(statSync(data).mode & 0o777).toBe(0o700);
    const files = filesBelow(data);
    for (const file of files) {
      expect(file).toMatch(KNOWN);
      expect(file).not.toMatch(/escaped|caf|xxx|\.\.|~|HOME/);
      const { mode } = statSync(join(data, file));
      // The database makes this one anew whenever it likes: the directory keeps others out (and `cogniverse serve` its umask).
      if (process.platform !== 'win32' && !file.endsWith('.duckdb.wal')) expect(mode & 0o077, file).toBe(0);
    }
    await store.shutdown();
    for (const file of filesBelow(data)) expect(file).toMatch(KNOWN);
  });
});

it.each(['wal', 'days', 'damaged', 'temp'])(
  'a link in the place of %s is refused, and what it leads to is left alone',
  async (name) => {
    const target = join(outside, 'target');
    mkdirSync(target);
    mkdirSync(join(target, 'of somebody else'));
    mkdirSync(data, { mode: 0o700 });
    symlinkSync(target, join(data, name));
    const opened = await openLocalStore({ dataDir: data }).then(
      (store) => store.shutdown().then(() => 'opened'),
      (error: { code: string }) => error.code,
    );
    // `temp` is emptied at each start: the link itself is removed, never what it leads to.
    expect(opened).toBe(name === 'temp' ? 'opened' : 'store_open');
    expect(existsSync(join(target, 'of somebody else'))).toBe(true);
    expect(readdirSync(target)).toEqual(['of somebody else']);
  },
);
