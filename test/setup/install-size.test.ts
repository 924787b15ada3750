/** `npm run install-size`: that it counts right what is installed; without installing anything. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

const SCRIPT = new URL('../../scripts/install-size.mjs', import.meta.url);
const { measure, sizeTable } = (await import(SCRIPT.href)) as {
  measure(nodeModules: string): { packages: number; bytes: number };
  sizeTable(results: readonly { name: string; version: string; packages: number; bytes: number }[]): string;
};

it('counts packages with and without a scope, those inside of others, and the bytes of their files; nothing of npm, no link twice', () => {
  const nodeModules = join(mkdtempSync(join(tmpdir(), 'cogniverse size ')), 'node_modules');
  onTestFinished(() => rmSync(dirname(nodeModules), { recursive: true }));
  const sizes = {
    'plain/package.json': 20,
    'plain/dist/index.js': 1000,
    'plain/dist/esm/package.json': 17, // no package of its own
    'plain/node_modules/inner/package.json': 30,
    'plain/node_modules/@scope/inner/package.json': 31,
    '@scope/one/package.json': 40,
    '@scope/two/lib/deep/file.bin': 500,
    '.package-lock.json': 9999,
    '.bin/tool': 9999,
  };
  for (const [path, bytes] of Object.entries(sizes)) {
    mkdirSync(dirname(join(nodeModules, path)), { recursive: true });
    writeFileSync(join(nodeModules, path), Buffer.alloc(bytes));
  }
  symlinkSync('dist', join(nodeModules, 'plain', 'link'));
  expect(measure(nodeModules)).toEqual({ packages: 5, bytes: 20 + 1000 + 17 + 30 + 31 + 40 + 500 });
});

it('prints a line for each, in millions of bytes', () => {
  const results = [
    { name: '@cogniverse/foundation', version: '0.1.0', packages: 9, bytes: 12_345_678 },
    { name: 'langsmith', version: '1.2.3', packages: 21, bytes: 4_000_000 },
  ];
  expect(sizeTable(results)).toBe(
    [
      'installed                     packages    MB',
      '@cogniverse/foundation 0.1.0         9  12.3',
      'langsmith 1.2.3                     21   4.0',
    ].join('\n'),
  );
});

it('has help, and refuses an option that it does not have', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [fileURLToPath(SCRIPT), ...args], { encoding: 'utf8' });
  expect(run('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('--json'), stderr: '' });
  expect(run('--jsno')).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('--jsno') });
});
