/** The README's first program works when pasted, and shows what the README says it shows. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { command } from '../e2e/serve.js';
import { codeBlocks, root } from './code-blocks.js';

const run = promisify(execFile);
mkdirSync(join(root, '.cache'), { recursive: true });
// Inside the repository, so that the packages resolve as they do where they are installed.
const directory = mkdtempSync(join(root, '.cache/readme-'));
// What the `npm install` of the README writes; providers are found among the direct dependencies.
const [install] = codeBlocks('README.md', 'sh').filter((block) => block.startsWith('npm install'));
const dependencies = Object.fromEntries(install!.match(/@cogniverse\/[\w-]+/g)!.map((name) => [name, '*']));
writeFileSync(join(directory, 'package.json'), JSON.stringify({ private: true, dependencies }));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('the first program of the README', () => {
  const [program] = codeBlocks('README.md', 'js');

  it('has about ten lines and no explicit flush', () => {
    expect(program!.trim().split('\n').length).toBeLessThanOrEqual(14);
    expect(program).not.toMatch(/forceFlush|shutdown/);
  });

  it('ends by itself, without a word, and what it recorded is there', async () => {
    writeFileSync(join(directory, 'first.mjs'), program!);
    const { stderr } = await run(process.execPath, ['first.mjs'], { cwd: directory, timeout: 30_000 });
    expect(stderr).toBe('');
    const { stdout } = await run(process.execPath, [command, 'spans', '--data', '.cogniverse/data', '--json'], {
      cwd: directory,
    });
    const names = stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { name: string }).name);
    expect(names.sort()).toEqual(['encoder.tfidf.encode', 'search.execute', 'search_service.search']);
  });

  it('may run again and again', async () => {
    await run(process.execPath, ['first.mjs'], { cwd: directory, timeout: 30_000 });
    const { stdout } = await run(process.execPath, [command, 'projects', '--data', '.cogniverse/data', '--json'], {
      cwd: directory,
    });
    expect(JSON.parse(stdout)).toMatchObject({ tenantId: 'acme', spanCount: 6 });
  });
});
