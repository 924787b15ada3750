/** The configuration file: versions, what is kept, damage, where it is. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ConfigConflictError, ConfigFileError, configLocation, FileConfigStore } from '@cogniverse/foundation/config';
import { ConfigurationError } from '@cogniverse/foundation/telemetry';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findJsonFault, parseJsonText, plainValue, writeJsonText } from '../../dist/config/json-text.js';
import { agentKey, fileStore, putText, temporaryDirectory, textOf, thrown } from './config-fixture.js';

const key = agentKey('routing_config');
const ENTRY =
  '{"tenant_id":"a","scope":"s","service":"s","config_key":"k","version":2,"created_at":"","updated_at":"","config_value":1}';

describe('FileConfigStore', () => {
  it('keeps every version of an entry, newest first, and gives any of them back', async () => {
    const store = fileStore();
    expect(store.get(key)).toBeUndefined();
    await store.set(key, { top_k: 1 });
    await store.set(key, { top_k: 2 });
    const third = await store.set(key, { top_k: 3 });
    expect(third).toMatchObject({ ...key, value: { top_k: 3 }, version: 3, deleted: false });
    expect(store.history(key).map(({ version, value }) => [version, value])).toEqual([
      [3, { top_k: 3 }],
      [2, { top_k: 2 }],
      [1, { top_k: 1 }],
    ]);
    expect(store.history(key, 1).map(({ version }) => version)).toEqual([3]);
    expect(store.get(key, 2)?.value).toEqual({ top_k: 2 });
    expect(store.get(key, 4)).toBeUndefined();
    expect(third.createdAt).toBe(store.get(key, 1)?.createdAt);
    expect(third.updatedAt >= third.createdAt).toBe(true);
    // Another process sees the same.
    expect(new FileConfigStore({ path: store.path }).get(key)).toEqual(third);
  });

  it('keeps as many versions as it is told to', async () => {
    const store = fileStore({ maxVersions: 3 });
    for (let number = 1; number <= 5; number++) await store.set(key, number);
    expect(store.history(key).map(({ version }) => version)).toEqual([5, 4, 3]);
    expect(store.get(key, 2)).toBeUndefined();
  });

  it('stores only over the version that the writer has seen, and 0 is none', async () => {
    const store = fileStore();
    await store.set(key, 'first', { expectedVersion: 0 });
    const refused = await store.set(key, 'second', { expectedVersion: 0 }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ConfigConflictError);
    expect(refused).toMatchObject({ code: 'config_conflict', expectedVersion: 0, version: 1 });
    await store.set(key, 'second', { expectedVersion: 1 });
    expect(store.get(key)?.value).toBe('second');
  });

  it('stores a deletion as a version: its history stays, and is forgotten on demand only', async () => {
    const store = fileStore();
    expect(await store.delete(key)).toBe(false);
    expect(existsSync(store.path)).toBe(false);
    await store.set(key, 'here');
    expect(await store.delete(key)).toBe(true);
    expect([store.get(key), store.list(), await store.delete(key)]).toEqual([undefined, [], false]);
    expect(store.history(key).map(({ version, deleted }) => [version, deleted])).toEqual([
      [2, true],
      [1, false],
    ]);
    await store.set(key, 'again', { expectedVersion: 0 });
    expect(store.get(key)).toMatchObject({ version: 3, value: 'again' });
    expect(await store.delete(key, { forget: true })).toBe(true);
    expect(store.history(key)).toEqual([]);
    expect(textOf(store)).not.toContain('again');
  });

  it('lists current entries, of a tenant, of a scope, or all', async () => {
    const store = fileStore();
    await store.set(agentKey('a', 'acme'), 1);
    await store.set(agentKey('b', 'acme'), 2);
    await store.set(agentKey('a', 'other'), 3);
    await store.set({ tenantId: 'acme', scope: 'system', service: 'system', key: 'a' }, 4);
    expect(store.list().map(({ value }) => value)).toEqual([1, 2, 3, 4]);
    expect(store.list({ tenantId: 'acme', scope: 'agent' }).map(({ value }) => value)).toEqual([1, 2]);
  });

  it('writes snake_case keys, for its owner alone, in a directory for its owner alone, and leaves nothing else there', async () => {
    const store = new FileConfigStore({ path: join(temporaryDirectory(), 'made', 'here', 'config.json') });
    await store.set(key, { top_k: 10 });
    await store.set(key, { top_k: 20 });
    expect(JSON.parse(textOf(store))).toEqual({
      format: 1,
      entries: [
        {
          tenant_id: 'acme',
          scope: 'agent',
          service: 'agent',
          config_key: 'routing_config',
          version: 2,
          created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
          updated_at: expect.any(String),
          config_value: { top_k: 20 },
          history: [{ version: 1, updated_at: expect.any(String), config_value: { top_k: 10 } }],
        },
      ],
    });
    expect(statSync(store.path).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(store.path)).mode & 0o777).toBe(0o700);
    expect(readdirSync(dirname(store.path))).toEqual(['config.json']);
    chmodSync(store.path, 0o640); // its owner's decision
    await store.set(key, 3);
    expect(statSync(store.path).mode & 0o777).toBe(0o640);
  });

  it('leaves what it does not know as it is: other keys, scopes, programs, numbers that JavaScript writes in another way', async () => {
    const store = fileStore();
    const foreign = {
      tenant_id: 'acme:prod',
      scope: 'schema',
      service: 'vespa',
      config_key: 'profile',
      version: 7,
      created_at: '2025-01-01T00:00:00.123456',
      updated_at: '2025-01-02T00:00:00.654321',
      config_value: { seed: 'SEED', weight: 'WEIGHT', deep: [{ __proto: 1 }] },
      added_later: { by: ['a newer version'] },
      history: [{ version: 3, updated_at: 'then', config_value: null, note: 'kept' }],
    };
    const text = JSON.stringify({ format: 1, generator: 'python', entries: [foreign] })
      .replace('"SEED"', '12345678901234567890')
      .replace('"WEIGHT"', '1.0')
      .replace('__proto', '__proto__');
    putText(store, text);
    await store.set(key, 1);
    await store.delete(key, { forget: true });
    expect(textOf(store).replace(/\s/g, '')).toBe(text.replace(/\s/g, ''));
    const read = store.get({ tenantId: 'acme:prod', scope: 'schema', service: 'vespa', key: 'profile' });
    expect(read?.value).toMatchObject({ seed: Number('12345678901234567890'), weight: 1 });
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('gives copies: changing one changes nothing that is stored', async () => {
    const store = fileStore();
    const value = { list: [1] };
    await store.set(key, value);
    value.list.push(2);
    (store.get(key)!.value as { list: number[] }).list.push(3);
    expect(store.get(key)?.value).toEqual({ list: [1] });
  });

  it('takes any JSON value and gives it back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 4 }), async (value) => {
        const store = fileStore();
        await store.set(key, value as never);
        // -0 has no JSON
        expect(store.get(key)?.value).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    ['a function', { on: () => 1 }, 'value.on'],
    ['NaN', [Number.NaN], 'value[0]'],
    ['a Map', { map: new Map() }, 'value.map'],
    ['a BigInt', 1n, 'value'],
  ])('refuses %s, and names the place', async (_, value, place) => {
    const store = fileStore();
    const error = await store.set(key, value as never).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toContain(`${place} cannot be stored`);
    const cycle: unknown[] = [];
    cycle.push(cycle);
    await expect(store.set(key, cycle as never)).rejects.toThrow(/nested deeper/);
    expect(existsSync(store.path)).toBe(false);
  });

  it('refuses options and keys that it cannot use', async () => {
    expect(() => new FileConfigStore({ maxVersions: 0 })).toThrow(/maxVersions = 0/);
    expect(() => new FileConfigStore({ file: 'x' } as never)).toThrow(/Unknown option.*file/);
    await expect(fileStore().set({ ...key, scope: '' }, 1)).rejects.toThrow(/scope of a stored configuration/);
  });

  it('writes through a link, which stays a link', async () => {
    const store = fileStore();
    await store.set(key, 1);
    const link = join(temporaryDirectory(), 'config.json');
    symlinkSync(store.path, link);
    await new FileConfigStore({ path: link }).set(key, 2);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(store.get(key)?.value).toBe(2);
  });
});

describe('a damaged file', () => {
  it('truncated at every byte gives a clear error, and is never written to', async () => {
    const store = fileStore();
    await store.set(key, { name: 'Zürich \u{1f30d}', list: [1.5, true, null], secret: 'hunter2' });
    const whole = readFileSync(store.path);
    const lastBrace = whole.lastIndexOf('}');
    for (let length = 0; length <= lastBrace; length++) {
      putText(store, whole.subarray(0, length));
      const error = thrown(() => store.get(key)) as ConfigFileError;
      expect(error).toBeInstanceOf(ConfigFileError);
      expect(error).toBeInstanceOf(ConfigurationError);
      expect(error).toMatchObject({ code: 'config_file', reason: 'damaged', file: store.path });
      expect(error.message).toContain(store.path);
      expect(error.message).toMatch(/damaged: (line \d+, column \d+|it is empty|it is no UTF-8)/);
      expect(error.message).toMatch(/backup/);
      expect(error.message).not.toMatch(/hunter2|Zürich/);
      if (length % 29 === 0) {
        await expect(store.set(key, 1)).rejects.toThrow(ConfigFileError);
        expect(readFileSync(store.path).equals(whole.subarray(0, length))).toBe(true);
      }
    }
    putText(store, whole.subarray(0, lastBrace + 1)); // only the last line's end is missing
    expect(store.get(key)?.version).toBe(1);
    expect(readdirSync(dirname(store.path))).toEqual(['config.json']);
  });

  it('is named with the line and column where it stops being JSON', () => {
    const store = fileStore();
    putText(store, '{\n  "format": 1,\n  "entries": [ oops ]\n}');
    expect(thrown(() => store.list())).toMatchObject({ position: { line: 3, column: 16, offset: 32 } });
  });

  it('finds the fault of any text exactly where a valid beginning ends', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), (text, at) => {
        const cut = text.slice(0, at % text.length);
        const broken = `${cut}\u0001`;
        expect(parseJsonText(broken)).toBeUndefined();
        expect(findJsonFault(broken).offset).toBeLessThanOrEqual(cut.length);
        expect(findJsonFault(text).offset).toBe(text.length);
        expect(JSON.parse(writeJsonText(parseJsonText(text)))).toEqual(JSON.parse(text));
        expect(plainValue(parseJsonText(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    ['a list', '[]', /its top level/],
    ['no entries', '{"format":1}', /"entries"/],
    [
      'an entry without a version',
      '{"format":1,"entries":[{"tenant_id":"a","scope":"s","service":"s","config_key":"k","created_at":"","updated_at":"","config_value":1}]}',
      /"entries\[0\]\.version"/,
    ],
    [
      'an entry without a value',
      '{"format":1,"entries":[{"tenant_id":"a","scope":"s","service":"s","config_key":"k","version":1,"created_at":"","updated_at":""}]}',
      /"entries\[0\]\.config_value"/,
    ],
    ['null', 'null', /its top level/],
    ['one entry twice', `{"format":1,"entries":[${ENTRY},${ENTRY}]}`, /"entries\[1\]" is there twice/],
    [
      'a history in disorder',
      `{"format":1,"entries":[${ENTRY.replace('}', ',"history":[{"version":3,"updated_at":"","config_value":1}]}')}]}`,
      /"entries\[0\]\.history"/,
    ],
  ])('with %s where something else belongs is named with the place', async (_, text, place) => {
    const store = fileStore();
    putText(store, text);
    expect((thrown(() => store.list()) as Error).message).toMatch(place);
    await expect(store.set(key, 1)).rejects.toMatchObject({ reason: 'damaged' });
    expect(textOf(store)).toBe(text);
  });

  it('of a newer format is refused, and left as it is', async () => {
    const store = fileStore();
    const text = '{"format":2,"entries":{}}';
    putText(store, text);
    expect(thrown(() => store.list())).toMatchObject({ reason: 'newer_format' });
    await expect(store.set(key, 1)).rejects.toThrow(/format 2/);
    expect(textOf(store)).toBe(text);
  });

  it('with bytes that are no text is refused', () => {
    const store = fileStore();
    putText(
      store,
      Buffer.concat([Buffer.from('{"format":1,"entries":[],"x":"'), Buffer.from([0xff]), Buffer.from('"}')]),
    );
    expect((thrown(() => store.list()) as Error).message).toMatch(/no UTF-8/);
  });

  it('is read again as soon as it is mended', async () => {
    const store = fileStore();
    await store.set(key, 'kept');
    const text = textOf(store);
    putText(store, text.slice(0, -20));
    expect(() => store.get(key)).toThrow(ConfigFileError);
    putText(store, text);
    expect(store.get(key)?.value).toBe('kept');
    await store.set(key, 'next');
    expect(store.get(key)?.version).toBe(2);
  });
});

describe('the system says no', () => {
  it('a directory in the place of the file gives a clear error', async () => {
    const store = fileStore();
    mkdirSync(store.path);
    expect(thrown(() => store.get(key))).toMatchObject({ reason: 'unreadable', file: store.path });
    await expect(store.set(key, 1)).rejects.toThrow(ConfigFileError);
  });

  it('a path below a file gives a clear error', async () => {
    const file = join(temporaryDirectory(), 'file');
    writeFileSync(file, '');
    const store = new FileConfigStore({ path: join(file, 'config.json') });
    await expect(store.set(key, 1)).rejects.toMatchObject({ reason: 'unwritable', code: 'config_file' });
  });

  // As another user, because root may do everything.
  const asNobody = (script: string, ...parameters: string[]): string =>
    execFileSync(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `import { FileConfigStore } from '@cogniverse/foundation/config';
         if (process.getuid() === 0) { process.setgroups([]); process.setgid(65534); process.setuid(65534); }
         const store = new FileConfigStore({ path: process.argv[1] });
         const key = { tenantId: 'acme', scope: 'agent', service: 'agent', key: 'k' };
         try { ${script} } catch (error) { console.log(JSON.stringify({ reason: error.reason, message: error.message })); }`,
        ...parameters,
      ],
      { encoding: 'utf8', cwd: import.meta.dirname },
    );

  it.skipIf(process.platform === 'win32')(
    'a read-only directory gives a clear error, and nothing is lost',
    async () => {
      const store = fileStore();
      await store.set(key, 'kept');
      chmodSync(store.path, 0o644);
      chmodSync(dirname(store.path), 0o555);
      const { reason, message } = JSON.parse(asNobody('await store.set(key, 1);', store.path));
      expect(reason).toBe('unwritable');
      expect(message).toMatch(/EACCES.*What is stored is unchanged.*COGNIVERSE_CONFIG/);
      chmodSync(dirname(store.path), 0o755);
      expect(store.get(key)?.value).toBe('kept');
    },
  );

  it.skipIf(process.platform === 'win32')('a file that may not be read gives a clear error', async () => {
    const store = fileStore();
    await store.set(key, 'kept');
    chmodSync(dirname(store.path), 0o755);
    chmodSync(store.path, 0);
    const { reason, message } = JSON.parse(asNobody('store.get(key);', store.path));
    expect(reason).toBe('unreadable');
    expect(message).toMatch(/EACCES/);
  });

  const canMount = (): boolean => {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
    const directory = temporaryDirectory();
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory], { stdio: 'ignore' });
      execFileSync('umount', [directory]);
      return true;
    } catch {
      return false; // a container without the right to
    }
  };

  it.skipIf(!canMount())('a full disk gives a clear error, and the file stays whole', async () => {
    const directory = temporaryDirectory();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]);
    try {
      const store = new FileConfigStore({ path: join(directory, 'config.json') });
      await store.set(key, 'kept');
      const error = await store.set(key, 'x'.repeat(100_000)).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ reason: 'unwritable', cause: { code: 'ENOSPC' } });
      expect((error as Error).message).toMatch(/no space left.*Make room/i);
      expect(store.history(key).map(({ value }) => value)).toEqual(['kept']);
      expect(readdirSync(directory)).toEqual(['config.json']);
      await store.set(key, 'after');
      expect(store.get(key)?.version).toBe(2);
    } finally {
      execFileSync('umount', [directory]);
    }
  });
});

describe('where the file is', () => {
  const at = (directory: string, environment: Record<string, string>): string =>
    execFileSync(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `import { configLocation } from ${JSON.stringify(join(import.meta.dirname, '../../dist/config/index.js'))}; console.log(configLocation());`,
      ],
      { encoding: 'utf8', cwd: directory, env: { HOME: directory, ...environment } },
    ).trim();

  it('is COGNIVERSE_CONFIG, else the first that is there of the project and the person, else the project', () => {
    const directory = temporaryDirectory();
    const xdg = join(directory, 'xdg');
    const local = join(directory, '.cogniverse', 'config.json');
    const personal = join(xdg, 'cogniverse', 'config.json');
    const home = join(directory, '.config', 'cogniverse', 'config.json');
    const put = (file: string) => {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, '{"format":1,"entries":[]}');
    };
    expect(at(directory, { XDG_CONFIG_HOME: xdg })).toBe(local);
    put(home);
    expect(at(directory, { XDG_CONFIG_HOME: xdg })).toBe(local);
    expect(at(directory, {})).toBe(home);
    expect(at(directory, { XDG_CONFIG_HOME: 'relative' })).toBe(home);
    put(personal);
    expect(at(directory, { XDG_CONFIG_HOME: xdg })).toBe(personal);
    put(local);
    expect(at(directory, { XDG_CONFIG_HOME: xdg })).toBe(local);
    expect(at(directory, { COGNIVERSE_CONFIG: 'not-there.json' })).toBe(join(directory, 'not-there.json'));
    expect(configLocation({ COGNIVERSE_CONFIG: join(directory, 'x.json') })).toBe(join(directory, 'x.json'));
  });
});
