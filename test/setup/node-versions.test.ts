/** `npm run test:node-versions`: its command line, and how results are kept; without running anything. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

interface Result {
  readonly Node: string;
  readonly platform: string;
  readonly date: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
}

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const { parseCommandLine, readResults, withResults } = (await import(
  new URL('../../scripts/node-versions.mjs', import.meta.url).href
)) as {
  parseCommandLine(args: readonly string[]): { versions: string[]; only: string[]; write: boolean };
  readResults(page: string): Record<keyof Result, string>[];
  withResults(page: string, results: readonly Result[]): string;
};

const result = (Node: string, passed: number): Result => ({
  Node,
  platform: 'linux x64',
  date: '2026-01-31',
  passed,
  failed: 0,
  skipped: 0,
  seconds: 321,
});
const page = readFileSync(path('docs/node-versions.md'), 'utf8');

it('names its options', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path('scripts/test-node-versions.mjs'), '--help'], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  for (const option of ['--versions', '--only', '--write', '--help']) expect(stdout).toContain(option);
});

it('runs everything under every major unless told otherwise', () => {
  expect(parseCommandLine([])).toMatchObject({ versions: ['20', '22', '24', '26'], only: [], write: false });
  expect(parseCommandLine(['--versions', '26, 22', '--only', 'libs/cli', '--only', 'test/e2e'])).toMatchObject({
    versions: ['26', '22'],
    only: ['libs/cli', 'test/e2e'],
  });
});

it('refuses what it does not know, and to record what was not the whole', () => {
  expect(() => parseCommandLine(['--versions', '18'])).toThrow(
    '--versions takes majors out of 20, 22, 24, 26, not "18".',
  );
  expect(() => parseCommandLine(['--vresions', '22'])).toThrow(/--vresions[\s\S]*--versions LIST/);
  expect(() => parseCommandLine(['libs/cli'])).toThrow(/libs\/cli/);
  expect(() => parseCommandLine(['--write', '--only', 'libs/cli'])).toThrow('leave out --only');
});

it('keeps one result a major, in their order', () => {
  const first = withResults(page, [result('v26.1.0', 10), result('v20.19.0', 8)]);
  const second = withResults(first, [result('v22.2.0', 9), result('v26.3.0', 11)]);
  expect(readResults(second).filter(({ date }) => date === '2026-01-31')).toMatchObject(
    ['v20.19.0', 'v22.2.0', 'v26.3.0'].map((Node) => ({ Node, platform: 'linux x64', failed: '0' })),
  );
  expect(second.startsWith(page.slice(0, page.indexOf('<!--')))).toBe(true);
  expect(withResults(second, [])).toBe(second);
});

it('has recorded no failure', () => {
  expect(readResults(page).filter(({ failed, passed }) => failed !== '0' || passed === '0')).toEqual([]);
});
