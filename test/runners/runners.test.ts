/**
 * The test helpers under the runners that people use: each folder beside this file is a small project, installed from the packed package
 * and run with its own `npm test`.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const directory = mkdtempSync(join(tmpdir(), 'cogniverse runners '));
let tarball: string;

interface Outcome {
  readonly code: number;
  readonly output: string;
}

/** Both streams together, without colours: runners differ in which one they use. */
function npm(cwd: string, ...args: string[]): Promise<Outcome> {
  // A runner that knows itself to be inside of another one behaves otherwise.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV|TEST|NODE_TEST)/.test(name)),
  );
  return new Promise((done) => {
    execFile('npm', args, { cwd, env: { ...env, CI: 'true', NO_COLOR: '1' } }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), output: stripVTControlCharacters(stdout + stderr) });
    });
  });
}

beforeAll(async () => {
  const foundation = resolve(import.meta.dirname, '../../libs/foundation');
  const packed = await npm(foundation, 'pack', '--pack-destination', directory);
  expect(packed).toMatchObject({ code: 0 });
  tarball = join(directory, readdirSync(directory).find((name) => name.endsWith('.tgz'))!);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.each([
  { runner: 'vitest', passed: /Tests +3 passed \(3\)/, failed: /Tests +1 failed \| 2 passed \(3\)/ },
  { runner: 'jest', passed: /Tests: +3 passed, 3 total/, failed: /Tests: +1 failed, 2 passed, 3 total/ },
  { runner: 'node-test', passed: /[#ℹ] pass 3\n[#ℹ] fail 0/, failed: /[#ℹ] pass 2\n[#ℹ] fail 1/ },
])('a project with $runner', ({ runner, passed, failed }) => {
  const project = join(directory, runner);

  it('looks at the spans of its code', { timeout: 120_000 }, async () => {
    cpSync(join(import.meta.dirname, runner), project, { recursive: true });
    const installed = await npm(project, 'install', tarball, '--prefer-offline', '--no-audit', '--no-fund');
    expect(installed.code, installed.output).toBe(0);
    const { code, output } = await npm(project, 'test');
    expect(output).toMatch(passed);
    expect(code).toBe(0);
  });

  it('is told which spans there are where one is not', { timeout: 60_000 }, async () => {
    const [name] = readdirSync(join(project, 'test'));
    const file = join(project, 'test', name!);
    writeFileSync(file, readFileSync(file, 'utf8').replace("findSpan('encode')", "findSpan('encod')"));
    const { code, output } = await npm(project, 'test');
    expect(output).toContain('No span named "encod" has ended. Ended: "encode", "search".');
    expect(output).toMatch(failed);
    expect(code).not.toBe(0);
  });
});
