/**
 * What the documentation shows works when pasted: programs run, commands succeed, and answers have the form that is shown.
 *
 * The `js` blocks of a page are one program, in order; one that begins with `// name.mjs` begins a file of that name. A `ts` block is a program of its
 * own, `// name.mts`, compiled by TypeScript. The `sh` blocks then run in
 * order, against a server of the test's own in place of the usual ports. A `json` block shows the answer of the `sh` block before it.
 * Blocks of another language (`text`, `console`, `jsonc`) are not run.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { STORE_OPERATIONS } from '@cogniverse/foundation/telemetry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command, type Served, serve } from '../e2e/serve.js';
import { allCodeBlocks, programsOf, root } from './code-blocks.js';

const run = promisify(execFile);

const RUN = ['js', 'ts', 'sh', 'json'];
const SHOWN = ['', 'text', 'console', 'jsonc', 'yaml'];
/** Benchmarks take minutes. */
const NOT_RUN = ['docs/performance.md'];
const pages = [
  ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`),
  ...readdirSync(join(root, 'libs')).map((name) => `libs/${name}/README.md`),
].filter((page) => page.endsWith('.md') && !NOT_RUN.includes(page));
const runnable = pages.filter((page) => allCodeBlocks(page).some(({ language }) => RUN.includes(language)));

mkdirSync(join(root, '.cache'), { recursive: true });
// Inside the repository, so that packages resolve as they do where they are installed.
const directory = mkdtempSync(join(root, '.cache/docs-'));
let server: Served;

beforeAll(async () => {
  server = await serve(join(directory, 'served'));
});
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** The same text with the server's real addresses; what starts it is taken out. */
function here(text: string): string {
  return text
    .replaceAll('http://127.0.0.1:6006', server.http)
    .replaceAll('http://127.0.0.1:4318/v1/traces', server.otlpHttp)
    .replaceAll('http://127.0.0.1:4318', new URL(server.otlpHttp).origin)
    .replaceAll('127.0.0.1:4317', server.otlpGrpc)
    .replace(/^npx cogniverse serve.*$/gm, '')
    .replaceAll('npx cogniverse', `"${process.execPath}" "${command}"`)
    .replaceAll('npm install', 'true');
}

/** The `ts` blocks of a page, compiled in `cwd`. Gives the names of the programs. */
async function compiledPrograms(page: string, cwd: string): Promise<string[]> {
  const names: string[] = [];
  for (const { language, code } of allCodeBlocks(page)) {
    if (language !== 'ts') continue;
    const name = /^\/\/ ([\w-]+)\.mts\b/.exec(code)?.[1];
    expect(name, `a \`ts\` block of ${page} begins with its file's name`).toBeDefined();
    writeFileSync(join(cwd, `${name}.mts`), here(code));
    names.push(`${name}.mjs`);
  }
  if (names.length === 0) return names;
  const compilerOptions = { strict: true, target: 'ES2022', lib: ['ES2023', 'ESNext.Disposable'], module: 'NodeNext' };
  const types = { types: ['node'], typeRoots: [join(root, 'node_modules/@types')], skipLibCheck: true };
  writeFileSync(
    join(cwd, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...compilerOptions, ...types }, include: ['*.mts'] }),
  );
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', cwd], { cwd }).catch(
    (error: { stdout?: string }) => {
      throw new Error(error.stdout);
    },
  );
  return names;
}

/** Keys and kinds of a JSON value; of a list, those of its first entry. */
function formOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(formOf);
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, formOf(entry)]));
}

it('every block says whether it runs', () => {
  const languages = new Set(pages.flatMap((page) => allCodeBlocks(page).map(({ language }) => language)));
  expect([...languages].filter((language) => !RUN.includes(language) && !SHOWN.includes(language))).toEqual([]);
});

describe('docs/server.md', () => {
  const text = readFileSync(join(root, 'docs/server.md'), 'utf8');

  it('names every route under /v1/cogniverse/', () => {
    const routes = Object.values(STORE_OPERATIONS).map(({ method, path }) => `\`${method} ${path}\``);
    expect(routes.filter((route) => !text.includes(route))).toEqual([]);
  });
});

it('docs/reading.md is the same through a server', { timeout: 60_000 }, async () => {
  const local = programsOf('docs/reading.md', here).get('reading.mjs')!;
  const remote = local
    .replace(/\{ data_dir: '[^']*' \}/, `{ endpoint: '${server.http}' }`)
    .replaceAll("'acme'", "'umbrella'");
  expect(remote).toContain(server.http);
  const print = async (program: string) => {
    const cwd = mkdtempSync(join(directory, 'reading-'));
    writeFileSync(join(cwd, 'package.json'), JSON.stringify({ dependencies: { '@cogniverse/telemetry-local': '*' } }));
    writeFileSync(join(cwd, 'reading.mjs'), program);
    const { stdout, stderr } = await run(process.execPath, ['reading.mjs'], { cwd, timeout: 30_000 });
    expect(stderr).toBe('');
    // Ids, times and durations differ from run to run.
    return stdout
      .replace(/[\da-f]{8}[\da-f-]{8,}|\d{4}-\d\d-\d\dT[\d:.]+Z|\d+\.\d+/g, '#')
      .replace(/\d{13}/g, '#')
      .split('\n')
      .sort();
  };
  expect(await print(remote)).toEqual(await print(local));
});

describe.each(runnable)('%s', (page) => {
  it('has code that runs, and shows answers in their form', { timeout: 120_000 }, async () => {
    const cwd = mkdtempSync(join(directory, 'page-'));
    const packages = readdirSync(join(root, 'libs')).map((name) => `@cogniverse/${name}`);
    const dependencies = Object.fromEntries(packages.map((name) => [name, '*']));
    writeFileSync(join(cwd, 'package.json'), JSON.stringify({ private: true, dependencies }));
    const env = { ...process.env, NO_COLOR: '1' };
    const commands = allCodeBlocks(page).filter(({ language }) => language === 'sh' || language === 'json');
    const shown = commands.map(({ code }) => code).join('\n');
    for (const [name, program] of programsOf(page, here)) {
      writeFileSync(join(cwd, name), program);
      if (shown.includes(name)) continue;
      await run(process.execPath, [name], { cwd, env, timeout: 60_000 });
    }
    for (const name of await compiledPrograms(page, cwd)) {
      await run(process.execPath, [name], { cwd, env, timeout: 60_000 });
    }
    let answer = '';
    for (const { language, code } of commands) {
      if (language === 'json') {
        expect(formOf(JSON.parse(answer)), `the answer shown in ${page}`).toEqual(formOf(JSON.parse(code)));
        continue;
      }
      const { stdout } = await run('sh', ['-euc', here(code)], { cwd, env, timeout: 60_000 });
      answer = stdout;
    }
  });
});
