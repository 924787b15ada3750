/** `npm start`: the whole way from an application to its summary, in a directory of its own and on free ports. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import type { createColors } from 'picocolors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApplicationResult } from '../../examples/document-search/dist/application-result.js';
import type { Report } from '../../examples/document-search/dist/report.js';
import { findFaults, formatSummary } from '../../examples/document-search/dist/summary.js';
import { table } from '../../libs/cli/dist/format/table.js';

const START = fileURLToPath(new URL('../../scripts/start.mjs', import.meta.url));
const MAIN = fileURLToPath(new URL('../../libs/cli/dist/cogniverse.cjs', import.meta.url));
const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const FREE_PORTS = ['--port', '0', '--otlp-port', '0', '--grpc-port', '0'];

interface TenantSummary {
  readonly ended: number;
  readonly exported: number;
  readonly stored: number;
  readonly errorRate: number;
  readonly p50: number;
  readonly p95: number;
}

interface RunDemoModule {
  choosePorts(values: Record<string, string>, say: (text: string) => void): Promise<Record<string, string>>;
  parseOptions(args: readonly string[]): Record<string, unknown>;
}

const runDemo = (await import(new URL('../../scripts/run-demo.mjs', import.meta.url).href)) as RunDemoModule;

const setup = (await import(new URL('../../scripts/setup.mjs', import.meta.url).href)) as {
  isInstallStale(root: string): boolean;
};

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `onOutput` sees all of standard error so far. */
function run(
  script: string,
  args: readonly string[],
  onOutput?: (stderr: string, kill: (signal: NodeJS.Signals) => void) => void,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
      onOutput?.(stderr, (signal) => child.kill(signal));
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

describe('npm start -- --once --json', { timeout: 240_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'cogniverse start '));
  const data = join(directory, 'data');
  const runs: Outcome[] = [];

  beforeAll(async () => {
    // Else the first run would replace the packages that this test runs on.
    if (setup.isInstallStale(REPOSITORY))
      throw new Error('What is installed is not what package-lock.json says. Run: npm ci');
    // Twice on the same directory: the second counts its own spans only, and goes on serving until Ctrl-C.
    runs.push(await run(START, ['--once', '--json', '--data', data, ...FREE_PORTS]));
    const interrupt = (stderr: string, kill: (signal: NodeJS.Signals) => void) => {
      if (stderr.includes('Stop with Ctrl-C.')) kill('SIGINT');
    };
    runs.push(await run(START, ['--json', '--data', data, ...FREE_PORTS], interrupt));
  }, 240_000);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it.each([0, 1])('run %i ends with 0 and one line of JSON: every span that ended was exported and stored', (index) => {
    const { code, stdout, stderr } = runs[index]!;
    expect(code, stderr).toBe(0);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    const summary = JSON.parse(stdout) as { tenants: Record<string, TenantSummary>; audit: unknown };
    expect(Object.keys(summary)).toEqual(['tenants', 'audit']);
    expect(summary.audit).toBeNull();
    expect(Object.keys(summary.tenants)).toEqual(['acme', 'globex', 'initech']);
    for (const tenant of Object.values(summary.tenants)) {
      expect(Object.keys(tenant)).toEqual(['ended', 'exported', 'stored', 'errorRate', 'p50', 'p95']);
      expect(tenant.ended).toBeGreaterThan(500);
      expect(tenant).toMatchObject({ exported: tenant.ended, stored: tenant.ended });
      expect(tenant.p50).toBeGreaterThan(0);
      expect(tenant.p95).toBeGreaterThanOrEqual(tenant.p50);
    }
    // Load differs, and one tenant's users make mistakes.
    expect(summary.tenants['acme']!.ended).toBeGreaterThan(2 * summary.tenants['initech']!.ended);
    expect(summary.tenants['acme']!.errorRate).toBe(0);
    expect(summary.tenants['globex']!.errorRate).toBeGreaterThan(0.02);
    expect(stderr).toContain("No tenant's project holds a span of another.");
  });

  it('shows the slowest trace of each tenant as a tree, from the client through the service', () => {
    for (const tenant of ['acme', 'globex', 'initech']) {
      const tree = runs[0]!.stderr.split(`Slowest trace of ${tenant}:\n`)[1]!.split('\n\n')[0]!;
      // A search, or the reading of a document that may not be there, whichever took longest on this machine.
      expect(tree).toMatch(
        /\ndocument_search\.ask .*\n└─ (?:POST|GET) .*CLIENT.*\n {3}└─ (?:POST|GET) .*SERVER.*\n {6}└─ (?:search_service\.search|document\.read) /,
      );
    }
  });

  it('asks the same in each run', () => {
    const ended = runs.map(({ stdout }) =>
      Object.values((JSON.parse(stdout) as { tenants: Record<string, TenantSummary> }).tenants).map(
        (tenant) => tenant.ended,
      ),
    );
    expect(ended[0]).toEqual(ended[1]);
  });

  it('goes on serving without --once, until Ctrl-C', () => {
    expect(runs[0]!.stderr).not.toContain('Still serving');
    expect(runs[1]!.stderr).toMatch(/Still serving on http:\/\/127\.0\.0\.1:\d+/);
  });

  it('ends at once on Ctrl-C while the demo runs, with the exit code of an interrupted program', async () => {
    const interrupted = await run(START, ['--data', join(directory, 'other'), ...FREE_PORTS], (stderr, kill) => {
      if (stderr.includes('Indexed')) kill('SIGINT');
    });
    expect(interrupted.code, interrupted.stderr).toBe(130);
    expect(interrupted.stdout).toBe('');
    // The server let go of the directory.
    expect((await run(MAIN, ['projects', '--data', join(directory, 'other')])).code).toBe(0);
  });

  it('leaves both runs behind for whoever reads the directory', async () => {
    const { stdout } = await run(MAIN, ['projects', '--data', data, '--json']);
    const projects = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { name: string; tenantId: string; spanCount: number });
    expect(projects.map(({ name }) => name)).toEqual(
      ['acme', 'globex', 'initech'].map((tenant) => `cogniverse-${tenant}-document-search`),
    );
    const first = JSON.parse(runs[0]!.stdout) as { tenants: Record<string, TenantSummary> };
    for (const { tenantId, spanCount } of projects) expect(spanCount).toBe(2 * first.tenants[tenantId]!.stored);
  });
});

describe('the options of npm start', () => {
  it('shows help without any set-up, and refuses what it does not know', async () => {
    const help = await run(START, ['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('Usage: npm start -- [options]');
    const wrong = await run(START, ['--nonsense']);
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toContain('--nonsense');
    expect(() => runDemo.parseOptions(['--port', '70000'])).toThrow('--port is "70000"');
  });

  it('takes a free port instead of a usual one that is taken, and says so; never instead of one that was asked for', async () => {
    const said: string[] = [];
    const taken = createServer();
    await new Promise<void>((resolve) => {
      taken.once('error', () => resolve()); // somebody else has it: just as taken
      taken.listen(6006, '127.0.0.1', resolve);
    });
    const chosen = await runDemo.choosePorts({ 'otlp-port': '0' }, (text) => said.push(text));
    expect(chosen).toMatchObject({ port: '0', 'otlp-port': '0' });
    expect(said.join('\n')).toContain('Port 6006 is taken; using a free one instead (choose one with --port).');
    expect(
      (await runDemo.choosePorts({ port: '6006', 'otlp-port': '0', 'grpc-port': '0' }, () => undefined))['port'],
    ).toBe('6006');
    await new Promise((resolve) => taken.close(resolve));
  });

  it('names the option of a port that was asked for and is taken', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const directory = mkdtempSync(join(tmpdir(), 'cogniverse start '));
    const outcome = await run(START, [
      '--once',
      '--data',
      directory,
      '--port',
      String(port),
      '--otlp-port',
      '0',
      '--grpc-port',
      '0',
    ]);
    rmSync(directory, { recursive: true, force: true });
    await new Promise((resolve) => taken.close(resolve));
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain(`Port ${port} on 127.0.0.1 is in use`);
    expect(outcome.stderr).toContain('--port');
  }, 60_000);
});

describe('the summary of a run', () => {
  const counts = { ended: 5, exported: 5, stored: 5, p50: 1, p95: 2 };
  const report = {
    tenants: { acme: { ...counts, errorRate: 0 }, globex: { ...counts, errorRate: 0.05 } },
    audit: null,
    strays: [],
  };
  const told = { asked: 3, failed: 0, relevance: 0.5, experiments: [] };
  const result = { tenants: { acme: { ...told, ...counts }, globex: { ...told, ...counts } }, audit: null };

  it('has a bold head and a red error rate on a terminal, and nothing of that elsewhere', () => {
    const code = (begin: number, end: number) => (text: string) => `\u001b[${begin}m${text}\u001b[${end}m`;
    const same = (text: string) => text;
    const format = (bold: typeof same, red: typeof same) =>
      formatSummary(result as never as ApplicationResult, report as never as Report, {
        table,
        colors: { bold, red } as never as ReturnType<typeof createColors>,
      });
    const [coloured, plain] = [format(code(1, 22), code(31, 39)), format(same, same)];
    expect(plain).toMatch(
      /^TENANT +QUESTIONS +REFUSED .* RELEVANCE\nacme +3 +0 +5 +5 +5 +0\.0 % +1\.0 ms +2\.0 ms +0\.500\n/,
    );
    expect(coloured).toContain('\u001b[1mTENANT');
    expect(coloured).toContain('\u001b[31m5.0 %');
    expect(coloured).not.toContain('\u001b[31m0.0 %');
    expect(stripVTControlCharacters(coloured)).toBe(plain);
  });
});

describe('the judgement of a run', () => {
  const good = { ended: 5, exported: 5, stored: 5, joinedRequests: 1, annotations: 1, experimentRuns: 1 };
  const judge = (change: object, rest: object = {}) =>
    findFaults({ tenants: { acme: { ...good, ...change } }, audit: null, strays: [], ...rest } as never as Report);

  it('finds nothing in a good one', () => expect(judge({})).toEqual([]));
  it.each([
    [{ stored: 4 }, {}, 'acme: 5 spans ended, 5 exported, 4 stored'],
    [{ exported: 4 }, {}, 'acme: 5 spans ended, 4 exported, 5 stored'],
    [{ joinedRequests: 0 }, {}, 'no inbound HTTP span'],
    [{ annotations: 0 }, {}, 'no annotation'],
    [{ experimentRuns: 0 }, {}, 'no experiment run'],
    [{}, { audit: 'one span is missing' }, 'one span is missing'],
    [{}, { strays: ['span x is in project y'] }, 'span x is in project y'],
  ])('finds the fault in %j %j', (change, rest, fault) => {
    expect(judge(change, rest)).toEqual([expect.stringContaining(fault)]);
  });
});
