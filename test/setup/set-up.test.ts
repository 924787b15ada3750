/** The set-up of `npm start` and `npm test`: what is stale, what it says, and that two at once do not hurt each other. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

interface SetupModule {
  checkNode(version: string): string | undefined;
  isInstallStale(root: string): boolean;
  explainNpmFailure(tail: string, code: number): string;
}

interface RunTestsModule {
  countTests(report: unknown): { passed: number; failed: number; skipped: string[] };
  judgeSkipped(skipped: string[], options: { ci: boolean; narrowed: boolean }): { failed: boolean; text: string };
}

const SETUP_URL = new URL('../../scripts/setup.mjs', import.meta.url).href;
const setup = (await import(SETUP_URL)) as SetupModule;
const runTests = (await import(new URL('../../scripts/run-tests.mjs', import.meta.url).href)) as RunTestsModule;

/** Runs a module's text in a Node of its own. */
function runNode(
  code: string,
  env: Record<string, string | undefined> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
      env: { ...process.env, ...env } as NodeJS.ProcessEnv,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('close', (exit) => resolve({ code: exit ?? 1, stdout, stderr }));
  });
}

function install(root: string, env: Record<string, string | undefined> = {}) {
  return runNode(
    `import { ensureInstalled } from ${JSON.stringify(SETUP_URL)};
     try { console.log(await ensureInstalled({ root: ${JSON.stringify(root)} })); }
     catch (error) { console.log(error.constructor.name); console.error(error.message); process.exitCode = 1; }`,
    env,
  );
}

describe('set-up', () => {
  let root: string;

  beforeEach(() => {
    // A path with spaces, and a dependency that comes from the disk: no network.
    root = join(realpathSync(mkdtempSync(join(tmpdir(), 'cogniverse set up '))), 'a clone');
    mkdirSync(join(root, 'own'), { recursive: true });
    writeFileSync(join(root, 'own', 'package.json'), '{"name":"own","version":"1.0.0"}');
    writeFileSync(join(root, 'package.json'), '{"name":"fixture","version":"1.0.0","dependencies":{"own":"file:own"}}');
    const packages = {
      '': { name: 'fixture', version: '1.0.0', dependencies: { own: 'file:own' } },
      'node_modules/own': { resolved: 'own', link: true },
      own: { version: '1.0.0' },
    };
    const lock = { name: 'fixture', version: '1.0.0', lockfileVersion: 3, requires: true, packages };
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify(lock));
  });
  afterEach(() => rmSync(join(root, '..'), { recursive: true, force: true }));

  it('installs from the lock file in a path with spaces, once, and again only when the lock file changed', async () => {
    expect(setup.isInstallStale(root)).toBe(true);
    const first = await install(root);
    expect(first).toMatchObject({ code: 0, stdout: 'true\n' });
    expect(first.stderr).toContain('Installing packages from package-lock.json (first run');
    expect(readdirSync(join(root, 'node_modules'))).toContain('own');

    const again = await install(root);
    expect(again).toEqual({ code: 0, stdout: 'false\n', stderr: '' });

    const lockFile = join(root, 'package-lock.json');
    writeFileSync(lockFile, `${readFileSync(lockFile, 'utf8')}\n`);
    expect(setup.isInstallStale(root)).toBe(true);
    const changed = await install(root);
    expect(changed.stdout).toBe('true\n');
    expect(changed.stderr).toContain('the lock file or the platform changed');
  });

  it('counts an interrupted installation as stale', () => {
    mkdirSync(join(root, 'node_modules'));
    expect(setup.isInstallStale(root)).toBe(true);
  });

  it('takes an installation by hand for what it is', async () => {
    expect((await install(root)).code).toBe(0);
    rmSync(join(root, 'node_modules', '.cogniverse-setup'));
    expect(setup.isInstallStale(root)).toBe(false);
    const lockFile = join(root, 'package-lock.json');
    const lock = JSON.parse(readFileSync(lockFile, 'utf8'));
    lock.packages['node_modules/another'] = { version: '1.0.0' };
    writeFileSync(lockFile, JSON.stringify(lock));
    expect(setup.isInstallStale(root)).toBe(true);
    lock.packages['node_modules/another'].optional = true; // for another platform, say
    writeFileSync(lockFile, JSON.stringify(lock));
    expect(setup.isInstallStale(root)).toBe(false);
    delete lock.packages['node_modules/another'];
    lock.packages.own.version = '2.0.0';
    writeFileSync(lockFile, JSON.stringify(lock));
    expect(setup.isInstallStale(root)).toBe(true);
  });

  it('says what to do when the lock file does not fit, and when it is missing', async () => {
    writeFileSync(
      join(root, 'package.json'),
      '{"name":"fixture","version":"1.0.0","dependencies":{"own":"file:own","other":"file:other"}}',
    );
    const unfit = await install(root);
    expect(unfit).toMatchObject({ code: 1, stdout: 'SetupError\n' });
    expect(unfit.stderr).toContain('Run `npm install`, which updates the lock file');
    rmSync(join(root, 'package-lock.json'));
    expect((await install(root)).stderr).toContain('package-lock.json is missing');
  });

  it('says so when the registry cannot be reached', async () => {
    writeFileSync(join(root, 'package.json'), '{"name":"fixture","version":"1.0.0","dependencies":{"absent":"1.0.0"}}');
    const packages = {
      '': { name: 'fixture', version: '1.0.0', dependencies: { absent: '1.0.0' } },
      'node_modules/absent': { version: '1.0.0', resolved: 'http://127.0.0.1:1/absent/-/absent-1.0.0.tgz' },
    };
    writeFileSync(
      join(root, 'package-lock.json'),
      JSON.stringify({ name: 'fixture', version: '1.0.0', lockfileVersion: 3, requires: true, packages }),
    );
    const result = await install(root, {
      npm_config_registry: 'http://127.0.0.1:1/',
      npm_config_fetch_retries: '0',
      npm_config_cache: join(root, 'cache'),
    });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('the package registry was not reachable');
    expect(result.stderr).toContain('The first run needs the network once');
  });

  it('lets one set-up at a time work on a directory, and takes over from one that died', async () => {
    const held = await runNode(
      `import { withSetupLock } from ${JSON.stringify(SETUP_URL)};
       await withSetupLock(${JSON.stringify(root)}, async () => process.exit(0));`,
    );
    expect(held.code).toBe(0);
    expect(readdirSync(join(root, '.cache'))).toContain('setup.lock'); // left behind: its process is gone

    const log = join(root, 'log');
    const work = `import { appendFileSync } from 'node:fs';
      import { withSetupLock } from ${JSON.stringify(SETUP_URL)};
      await withSetupLock(${JSON.stringify(root)}, async () => {
        appendFileSync(${JSON.stringify(log)}, 'in ');
        await new Promise((resolve) => setImmediate(resolve));
        appendFileSync(${JSON.stringify(log)}, 'out ');
      });`;
    const results = await Promise.all([1, 2, 3, 4].map(() => runNode(work)));
    expect(results.map((result) => [result.code, result.stderr.replace(/^Another set-up.*\n/, '')])).toEqual(
      Array(4).fill([0, '']),
    );
    expect(readFileSync(log, 'utf8')).toBe('in out '.repeat(4));
    expect(readdirSync(join(root, '.cache'))).not.toContain('setup.lock');
  });

  it('refuses a Node that is too old in one sentence that names the remedy', () => {
    expect(setup.checkNode('20.19.0')).toBeUndefined();
    expect(setup.checkNode('26.1.0')).toBeUndefined();
    for (const version of ['12.22.12', '18.20.8', '20.18.3']) {
      expect(setup.checkNode(version)).toMatch(
        new RegExp(
          `^Node ${version} is too old: .*20\\.19 or newer\\.\\nInstall a current Node from https://nodejs\\.org`,
        ),
      );
    }
  });

  it('keeps what runs before that check in syntax that old versions parse', () => {
    for (const file of ['setup.mjs', 'start.mjs', 'test.mjs']) {
      const text = readFileSync(fileURLToPath(new URL(`../../scripts/${file}`, import.meta.url)), 'utf8');
      const code = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/gm, '""');
      expect(code, file).not.toMatch(/\?\.[^\d]|\?\?|\|\|=|&&=|^await |\.at\(|replaceAll|structuredClone|\bstatic \{/m);
    }
  });

  it('explains what stopped npm', () => {
    expect(setup.explainNpmFailure('npm error code ENOTFOUND', 1)).toContain('registry was not reachable');
    expect(setup.explainNpmFailure('npm error code ENOSPC', 1)).toContain('disk is full');
    expect(setup.explainNpmFailure('npm error code EACCES', 1)).toContain('writable');
    expect(setup.explainNpmFailure('strange', 7)).toContain('exit code 7');
  });
});

describe('the count of tests', () => {
  const report = {
    testResults: [
      {
        name: 'a.test.ts',
        status: 'failed',
        assertionResults: [
          { status: 'passed', fullName: 'a' },
          { status: 'failed', fullName: 'b' },
          { status: 'skipped', fullName: 'c' },
          { status: 'todo', fullName: 'd' },
        ],
      },
      { name: 'broken.test.ts', status: 'failed', assertionResults: [] },
      { name: 'b.test.ts', status: 'passed', assertionResults: [{ status: 'passed', fullName: 'e' }] },
    ],
  };

  it('takes a file that cannot be loaded for a failure', () => {
    expect(runTests.countTests(report)).toEqual({ passed: 2, failed: 2, skipped: ['a.test.ts: c', 'a.test.ts: d'] });
  });

  it('lets a skipped test fail the run with CI=true, and says which', () => {
    const { skipped } = runTests.countTests(report);
    expect(runTests.judgeSkipped(skipped, { ci: false, narrowed: false }).failed).toBe(false);
    const judged = runTests.judgeSkipped(skipped, { ci: true, narrowed: false });
    expect(judged.failed).toBe(true);
    expect(judged.text).toContain('skipped: a.test.ts: c');
    expect(runTests.judgeSkipped(skipped, { ci: true, narrowed: true }).failed).toBe(false);
    expect(runTests.judgeSkipped([], { ci: true, narrowed: false })).toEqual({ failed: false, text: '' });
  });
});
