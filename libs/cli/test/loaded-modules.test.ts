/** What a process loads that serves a store, by the import statements of the built code: nothing of the write path, whose modules would cost it time to start and memory. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const STATIC_IMPORT = /^(?:import|export)\s[^;]*?from\s'([^']+)'|^import\s'([^']+)'/gm;

/** Names of the packages that a module and what it imports statically come from, beside those of this repository. */
function packagesLoadedBy(module: string): Set<string> {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const open = [module];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    for (const [, named, bare] of readFileSync(file, 'utf8').matchAll(STATIC_IMPORT)) {
      const name = (named ?? bare)!;
      if (name.startsWith('.')) open.push(resolve(dirname(file), name));
      else if (name.startsWith('@cogniverse/')) open.push(fileURLToPath(import.meta.resolve(name)));
      else if (!name.startsWith('node:')) packages.add(name.split('/', name.startsWith('@') ? 2 : 1).join('/'));
    }
  }
  expect(seen.size).toBeGreaterThan(5);
  return packages;
}

const built = (path: string) => {
  const file = fileURLToPath(new URL(path, import.meta.url));
  expect(existsSync(file)).toBe(true);
  return file;
};
const WRITE_PATH = ['@opentelemetry/api', '@opentelemetry/core', '@grpc/grpc-js'];

it.each([
  ['the command', '../dist/main.js'],
  ['the server', '../../server/dist/index.js'],
  ["the store's thread", '../../telemetry-local/dist/store-worker.js'],
])('%s loads nothing of the write path', (_what, path) => {
  const packages = packagesLoadedBy(built(path));
  expect(packages).toContain('zod');
  for (const name of WRITE_PATH) expect([...packages]).not.toContain(name);
});

it('the provider does load it', () => {
  expect([...packagesLoadedBy(built('../../telemetry-local/dist/index.js'))]).toEqual(
    expect.arrayContaining(WRITE_PATH),
  );
});
