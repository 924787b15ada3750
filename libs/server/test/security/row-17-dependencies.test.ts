/** Row 17: few runtime dependencies, all on a list with their licences, and no install scripts but those agreed to. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

type Listed = Record<string, { licence: string; installScript: boolean }>;
const { differences, LIST, root, runtimeDependencies } = (await import(
  new URL('../../../../scripts/runtime-dependencies.mjs', import.meta.url).href
)) as {
  differences: (actual: Listed, listed: Listed) => string[];
  LIST: string;
  root: string;
  runtimeDependencies: () => Listed;
};
const listed = JSON.parse(readFileSync(LIST, 'utf8')) as Listed;

it('what users install is what is on the list, by name, licence and install script', () => {
  expect(differences(runtimeDependencies(), listed)).toEqual([]);
  expect(Object.keys(listed)).toContain('fastify');
  expect(Object.keys(listed).length).toBeLessThan(150);
});

it('what is not on the list is told', () => {
  const zod = listed['zod']!;
  const { zod: _left, ...without } = listed;
  expect(differences(listed, without)).toEqual([`zod (${zod.licence}) is new among the runtime dependencies.`]);
  expect(differences({ ...listed, zod: { ...zod, licence: 'UNLICENSED' } }, listed)).toEqual([
    `zod has the licence UNLICENSED, not ${zod.licence}.`,
  ]);
  expect(differences({ ...listed, zod: { ...zod, installScript: true } }, listed)).toEqual([
    'zod runs a script when it is installed.',
  ]);
  expect(differences(without, listed)).toEqual(['zod is listed and no longer there.']);
});

it('every licence permits what an Apache-2.0 package does with it', () => {
  const permissive =
    /^\(?(MIT|ISC|Apache-2\.0|BSD-[23]-Clause|0BSD|BlueOak-1\.0\.0|Python-2\.0|CC0-1\.0|Unlicense)( (OR|AND) [\w.-]+)*\)?$/;
  for (const [name, { licence }] of Object.entries(listed)) {
    // DuckDB's binaries name no licence of their own; the project and the package that brings them in are MIT.
    if (name.startsWith('@duckdb/node-bindings-')) expect.soft(['unknown', 'MIT'], name).toContain(licence);
    else expect.soft(licence, name).toMatch(permissive);
  }
  expect(listed['@duckdb/node-bindings']?.licence).toBe('MIT');
});

it('install scripts are those of the list', () => {
  const scripts = Object.entries(listed).filter(([, { installScript }]) => installScript);
  // It writes a note about versions; nothing is built or fetched.
  expect(scripts.map(([name]) => name)).toEqual(['protobufjs']);
});

it('no package of ours runs a script when it is installed', () => {
  for (const name of readdirSync(join(root, 'libs'))) {
    const { scripts = {} } = JSON.parse(readFileSync(join(root, 'libs', name, 'package.json'), 'utf8')) as {
      scripts?: Record<string, string>;
    };
    for (const script of ['preinstall', 'install', 'postinstall', 'prepare'])
      expect(scripts, name).not.toHaveProperty(script);
  }
});
