/** The reading commands, as child processes, against a real server and against its data directory. */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TelemetryStore } from '@cogniverse/foundation/telemetry';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { withStore } from '../dist/store-access.js';
import {
  cogniverse,
  FREE_PORTS,
  inProcess,
  MAIN,
  type SampleSpan,
  type Serving,
  send,
  serve,
  temporaryDirectory,
} from './command-line.js';

const FIRST = '11111111111111111111111111111111';
const SECOND = '22222222222222222222222222222222';
const FOREIGN = '33333333333333333333333333333333';

const SPANS: SampleSpan[] = [
  {
    tenant: 'acme',
    name: 'ask',
    traceId: FIRST,
    spanId: 'a000000000000001',
    start: 0,
    duration: 250,
    attributes: { 'session.id': 's1', top_k: 10 },
  },
  {
    tenant: 'acme',
    name: 'search',
    traceId: FIRST,
    spanId: 'a000000000000002',
    parentSpanId: 'a000000000000001',
    start: 10,
    duration: 200,
    attributes: { 'openinference.span.kind': 'CHAIN', top_k: 5 },
  },
  {
    tenant: 'acme',
    name: 'execute',
    traceId: FIRST,
    spanId: 'a000000000000003',
    parentSpanId: 'a000000000000002',
    start: 20,
    duration: 30,
    error: 'index is gone',
  },
  {
    tenant: 'acme',
    name: 'rerank',
    traceId: FIRST,
    spanId: 'a000000000000004',
    parentSpanId: 'a000000000000002',
    start: 60,
    duration: 0.5 * 100,
  },
  {
    tenant: 'acme',
    name: 'evil \u001b[31m\u202e name',
    traceId: SECOND,
    spanId: 'a000000000000005',
    parentSpanId: 'ffffffffffffffff',
    start: 1000,
    duration: 750,
  },
  { tenant: 'globex', name: 'ask', traceId: FOREIGN, spanId: 'b000000000000001', start: 500, duration: 100 },
];

describe('the reading commands', () => {
  const directory = temporaryDirectory();
  // Half an hour ago, so that --since has something on either side.
  const base = new Date(Date.now() - 30 * 60_000);
  let serving: Serving;
  let endpoint: string[];

  beforeAll(async () => {
    serving = await serve(['--data', directory.path, ...FREE_PORTS]);
    endpoint = ['--endpoint', serving.addresses.http];
    await send(serving.addresses.otlpHttp, base, SPANS);
  });
  afterAll(async () => {
    await serving.stop();
    directory.remove();
  });

  async function jsonLines(...args: string[]): Promise<Record<string, unknown>[]> {
    const { code, stdout, stderr } = await inProcess([...args, '--json', ...endpoint]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  it('projects lists every project with its counts, or those of one tenant', async () => {
    expect(
      (await jsonLines('projects')).map(({ tenantId, name, spanCount, traceCount }) => [
        tenantId,
        name,
        spanCount,
        traceCount,
      ]),
    ).toEqual([
      ['acme', 'cogniverse-acme-search', 5, 2],
      ['globex', 'cogniverse-globex-search', 1, 1],
    ]);
    expect((await jsonLines('projects', '--tenant', 'globex')).map(({ name }) => name)).toEqual([
      'cogniverse-globex-search',
    ]);
    const { stdout } = await cogniverse(['projects', ...endpoint]);
    expect(stdout).toMatch(
      /^TENANT +PROJECT +SPANS +TRACES +FIRST \(UTC\) +LAST \(UTC\)\nacme +cogniverse-acme-search +5 +2 /,
    );
  });

  it('sessions lists them with their traces, and shows the turns of one', async () => {
    const [session, ...others] = await jsonLines('sessions');
    expect(others).toEqual([]);
    expect(session).toMatchObject({ sessionId: 's1', tenantId: 'acme', traceCount: 1, errorCount: 1 });
    expect(await jsonLines('sessions', '--tenant', 'globex')).toEqual([]);
    expect(await jsonLines('sessions', '--since', '1m')).toEqual([]);
    const [turn] = await jsonLines('sessions', 's1');
    expect(turn).toMatchObject({ sessionId: 's1', tenantId: 'acme', traceId: FIRST, rootName: 'ask', errorCount: 1 });
    const listed = await cogniverse(['sessions', ...endpoint]);
    expect(listed.stdout).toMatch(/^START \(UTC\) +TENANT +SESSION +TRACES +ERRORS .*\n.* acme +s1 +1 +1 /);
    const shown = await cogniverse(['sessions', 's1', ...endpoint]);
    expect(shown.stdout).toMatch(
      /^session s1 · project cogniverse-acme-search · tenant acme · 1 turn\nSTART .*\n.* ask /,
    );
    const unknown = await cogniverse(['sessions', 'none', ...endpoint]);
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('No session "none" is stored')]);
  });

  it('spans merges the projects newest first, up to the limit', async () => {
    expect((await jsonLines('spans', '--limit', '3')).map(({ spanId }) => spanId)).toEqual([
      'a000000000000005',
      'b000000000000001',
      'a000000000000004',
    ]);
    expect((await jsonLines('spans', '--tenant', 'globex')).map(({ spanId }) => spanId)).toEqual(['b000000000000001']);
    expect(await jsonLines('spans', '--project', 'cogniverse-acme-search')).toHaveLength(5);
  });

  it.each([
    [['--filter', 'top_k=10'], ['a000000000000001']],
    [['--filter', 'top_k>=5', '--filter', 'top_k<10'], ['a000000000000002']],
    [
      ['--filter', 'top_k'],
      ['a000000000000002', 'a000000000000001'],
    ],
    [['--filter', 'openinference.span.kind~chai'], ['a000000000000002']],
    [['--name', 'ask', '--tenant', 'acme'], ['a000000000000001']],
    [['--status', 'error'], ['a000000000000003']],
    [['--session', 's1'], ['a000000000000001']],
    [['--root'], ['b000000000000001', 'a000000000000001']],
    [
      ['--since', '1h', '--root'],
      ['b000000000000001', 'a000000000000001'],
    ],
    [['--where', "name == 'ask' and latency_ms > 200"], ['a000000000000001']],
    [
      ['--where', "status_code == 'ERROR' or 'chai' in attributes['openinference.span.kind']"],
      ['a000000000000003', 'a000000000000002'],
    ],
    [['--where', 'top_k in [5, 10]', '--root'], ['a000000000000001']],
    [['--since', '5m'], []],
  ])('spans %j', async (args, spanIds) => {
    const lines = args.includes('5m') ? [] : await jsonLines('spans', ...args);
    if (args.includes('5m'))
      expect(await inProcess(['spans', ...args, ...endpoint])).toEqual({
        code: 0,
        stdout: '',
        stderr: 'No span fits.\n',
      });
    expect(lines.map(({ spanId }) => spanId)).toEqual(spanIds);
  });

  it('a condition of --where that cannot be read is told with its place', async () => {
    const { code, stdout, stderr } = await inProcess(['spans', '--where', "name = 'ask'", ...endpoint]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('at character 6, before "= \'ask\'"');
  });

  it('tail --where shows what fits: of what is there, and of what arrives', async () => {
    // A server of its own: what arrives here would be in the other tests.
    const own = temporaryDirectory();
    const watched = await serve(['--data', own.path, ...FREE_PORTS]);
    await send(watched.addresses.otlpHttp, base, SPANS);
    const condition = ['--where', "name == 'ask' and latency_ms < 200"];
    const args = ['tail', '--json', '--interval', '20', ...condition, '--endpoint', watched.addresses.http];
    const child = spawn(process.execPath, [MAIN, ...args]);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async () => (JSON.parse((await lines.next()).value as string) as { spanId: string }).spanId;
    try {
      expect(await next()).toBe('b000000000000001');
      const late = { tenant: 'late', start: 2000, duration: 100 };
      await send(watched.addresses.otlpHttp, base, [
        { ...late, name: 'other', traceId: '4'.repeat(32), spanId: 'c000000000000001' },
        { ...late, name: 'ask', traceId: '4'.repeat(32), spanId: 'c000000000000002', duration: 300 },
        { ...late, name: 'ask', traceId: '4'.repeat(32), spanId: 'c000000000000003' },
      ]);
      expect(await next()).toBe('c000000000000003');
    } finally {
      child.kill('SIGTERM');
    }
    expect((await lines.next()).done).toBe(true);
    await watched.stop();
    own.remove();
  });

  it('gives each span of spans --json as one line of a process', async () => {
    const { code, stdout, stderr } = await cogniverse(['spans', '--tenant', 'globex', '--json', ...endpoint]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ spanId: 'b000000000000001', tenantId: 'globex' });
  });

  it('gives times as decimal strings of nanoseconds, exactly', async () => {
    const [span] = await jsonLines('spans', '--filter', 'top_k=10');
    expect(span).toMatchObject({
      startTimeUnixNano: `${base.getTime()}000000`,
      endTimeUnixNano: `${base.getTime() + 250}000000`,
      durationMillis: 250,
    });
  });

  it('trace draws the tree with durations, offsets, kinds and errors', async () => {
    const { code, stdout } = await cogniverse(['trace', FIRST, ...endpoint]);
    expect(code).toBe(0);
    const [head, ...tree] = stdout.trimEnd().split('\n');
    expect(head).toContain(`trace ${FIRST} · project cogniverse-acme-search · tenant acme`);
    expect(head).toContain('250 ms · 4 spans · 1 error');
    expect(tree).toEqual([
      'ask              250 ms  +0 µs',
      '└─ search        200 ms  +10.0 ms   CHAIN',
      '   ├─ execute   30.0 ms  +20.0 ms             ✗ index is gone',
      '   └─ rerank    50.0 ms  +60.0 ms',
    ]);
    expect(await jsonLines('trace', FIRST, '--tenant', 'acme')).toHaveLength(4);
  });

  it('shows a span without its parent as such, and never lets a name reach the terminal as a command', async () => {
    const { stdout } = await inProcess(['trace', SECOND, ...endpoint]);
    expect(stdout).toContain('evil \\u001b[31m\\u202e name');
    expect(stdout).toContain('(parent ffffffffffffffff not stored)');
  });

  it('does not find a trace of another tenant', async () => {
    const { code, stdout, stderr } = await inProcess(['trace', FOREIGN, '--tenant', 'acme', ...endpoint]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`No span of trace ${FOREIGN} is stored for tenant "acme"`);
  });

  it('stats gives counts, error rate and percentiles of trace latency', async () => {
    const [acme] = await jsonLines('stats', '--tenant', 'acme');
    expect(acme).toEqual({
      tenantId: 'acme',
      project: 'cogniverse-acme-search',
      spanCount: 5,
      traceCount: 2,
      errorRate: 0.5,
      latencyP50Millis: 500,
      latencyP95Millis: 725,
      latencyP99Millis: 745,
      latencyMeanMillis: 500,
    });
    const { stdout } = await cogniverse(['stats', ...endpoint]);
    expect(stdout).toMatch(/acme +cogniverse-acme-search +5 +2 +50\.0 % +500 ms +725 ms +745 ms +500 ms\n/);
  });

  it('names what is stored when a project or tenant is not', async () => {
    for (const args of [
      ['spans', '--project', 'nope'],
      ['stats', '--tenant', 'nope'],
    ]) {
      const { code, stdout, stderr } = await inProcess([...args, ...endpoint]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain('nope');
      expect(stderr).toContain(
        'Stored: cogniverse-acme-search (tenant acme), cogniverse-globex-search (tenant globex).',
      );
    }
  });

  it('refuses a directory that a server has open and says which process; reads it once that is gone', async () => {
    const locked = await inProcess(['spans', '--data', directory.path]);
    expect(locked.code).toBe(1);
    expect(locked.stderr).toContain(`process ${serving.addresses.pid}`);
    expect(locked.stderr).toContain('leave out --data and ask its server with --endpoint');

    expect(await serving.stop()).toEqual({ code: 0, signal: null });
    // The variable that names a server does not stand in the way of --data.
    const env = { COGNIVERSE_ENDPOINT: 'http://127.0.0.1:9' };
    const direct = await cogniverse(['trace', FIRST, '--data', directory.path], { env });
    serving = await serve(['--data', directory.path, ...FREE_PORTS]);
    endpoint = ['--endpoint', serving.addresses.http];
    const remote = await inProcess(['trace', FIRST, ...endpoint]);
    expect(direct).toEqual(remote);
    const byVariable = await cogniverse(['trace', FIRST], { env: { COGNIVERSE_ENDPOINT: serving.addresses.http } });
    expect(byVariable).toEqual(remote);
    expect(direct.code).toBe(0);
  });

  describe('without --endpoint and --data', () => {
    afterEach(() => vi.unstubAllEnvs());
    const names = async (store: TelemetryStore) => (await store.listProjects()).map(({ name }) => name);
    const both = ['cogniverse-acme-search', 'cogniverse-globex-search'];

    /** An address where nothing listens. */
    async function closedAddress(): Promise<string> {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      await new Promise((resolve) => server.close(resolve));
      return `http://127.0.0.1:${port}`;
    }

    it('asks the usual server, whatever directory there is', async () => {
      vi.stubEnv('COGNIVERSE_DATA', join(directory.path, 'nope'));
      expect(await withStore({}, names, { usualEndpoint: serving.addresses.http })).toEqual(both);
    });

    it('opens the directory of COGNIVERSE_DATA when no server listens there', async () => {
      const usualEndpoint = await closedAddress();
      vi.stubEnv('COGNIVERSE_DATA', directory.path);
      await expect(withStore({}, names, { usualEndpoint })).rejects.toThrow(
        `open in process ${serving.addresses.pid}, and only one may have it open. Stop that process, or name the address of its server with --endpoint (it is not ${usualEndpoint}).`,
      );
      const empty = join(directory.path, 'empty');
      mkdirSync(empty);
      vi.stubEnv('COGNIVERSE_DATA', empty);
      expect(await withStore({}, names, { usualEndpoint })).toEqual([]);
      // Not for `tail`, nor for a server that was named.
      await expect(withStore({}, names, { usualEndpoint, fallback: false })).rejects.toThrow('No answer');
      await expect(withStore({ endpoint: usualEndpoint }, names)).rejects.toThrow('No answer');
      vi.stubEnv('COGNIVERSE_ENDPOINT', usualEndpoint);
      await expect(withStore({}, names, { usualEndpoint: serving.addresses.http })).rejects.toThrow('No answer');
      vi.stubEnv('COGNIVERSE_ENDPOINT', '');
      expect(await withStore({}, names, { usualEndpoint: serving.addresses.http })).toEqual(both);
    });

    it('names both remedies when there is neither', async () => {
      vi.stubEnv('COGNIVERSE_DATA', join(directory.path, 'nope'));
      const failed = withStore({}, names, { usualEndpoint: await closedAddress() });
      await expect(failed).rejects.toThrow(/nope\. .*with --endpoint, or a data directory with --data\./);
    });
  });

  it('does not make an empty store of a mistyped directory', async () => {
    const { code, stderr } = await inProcess(['projects', '--data', `${directory.path}/nope`]);
    expect(code).toBe(1);
    expect(stderr).toContain('There is no data directory');
  });
});
