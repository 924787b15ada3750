/** `cogniverse serve`: its first line, its configuration file, its end; and `tail`, which watches it. */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cogniverse, FREE_PORTS, inProcess, MAIN, send, serve, temporaryDirectory } from './command-line.js';

describe('cogniverse serve', () => {
  let directory: { path: string; remove: () => void };
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'prints its addresses first, keeps what it acknowledged, and ends with 0 on %s',
    async (signal) => {
      const data = join(directory.path, 'a b');
      const serving = await serve(['--data', data, ...FREE_PORTS]);
      expect(Object.keys(serving.addresses)).toEqual(['http', 'otlpHttp', 'otlpGrpc', 'pid', 'data']);
      expect(serving.addresses).toMatchObject({ pid: serving.child.pid, data });
      expect(serving.addresses.http).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
      expect(serving.addresses.otlpHttp).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1\/traces$/);
      expect(serving.addresses.otlpGrpc).toMatch(/^127\.0\.0\.1:\d+$/);
      const span = {
        tenant: 'acme',
        name: 'kept',
        traceId: '1'.repeat(32),
        spanId: '2'.repeat(16),
        start: 0,
        duration: 1,
      };
      await send(serving.addresses.otlpHttp, new Date(), [span]);
      expect(await serving.stop(signal)).toEqual({ code: 0, signal: null });
      const { stdout } = await inProcess(['spans', '--data', data, '--json']);
      expect(JSON.parse(stdout)).toMatchObject({ name: 'kept', tenantId: 'acme' });
    },
  );

  it('ends once and cleanly, however often it is told', async () => {
    const serving = await serve(['--data', directory.path, ...FREE_PORTS]);
    const first = serving.stop('SIGINT');
    serving.child.kill('SIGTERM');
    serving.child.kill('SIGINT');
    expect(await first).toEqual({ code: 0, signal: null });
  });

  it('names the option of a port that is in use, and leaves no lock behind', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const args = ['serve', '--data', directory.path, '--port', '0', '--otlp-port', String(port), '--grpc-port', '0'];
    const { code, stdout, stderr } = await cogniverse(args);
    taken.close();
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`Port ${port}`);
    expect(stderr).toContain('--otlp-port');
    expect((await inProcess(['projects', '--data', directory.path])).code).toBe(0);
  });

  it('takes limits and options of the store from the command line, else the environment, else the file', async () => {
    const config = join(directory.path, 'config.json');
    writeFileSync(
      config,
      JSON.stringify({ store: { retentionDays: 3, threads: 1 }, limits: { maxWireBytes: 1000, maxConnections: 9 } }),
    );
    const retention = async (http: string) =>
      /^cogniverse_store_retention_days (\d+)$/m.exec(await (await fetch(`${http}/metrics`)).text())?.[1];
    const refused = async (otlpHttp: string, bytes: number) =>
      (
        await fetch(otlpHttp, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: ' '.repeat(bytes),
        })
      ).status === 413;
    const cases = [
      { args: ['--config', config], env: {}, days: '3', wire: 1000 },
      { args: ['--config', config], env: { COGNIVERSE_RETENTION_DAYS: '4' }, days: '4', wire: 1000 },
      {
        args: ['--config', config, '--retention-days', '5', '--max-wire-bytes', '3000'],
        env: { COGNIVERSE_RETENTION_DAYS: '4', COGNIVERSE_MAX_WIRE_BYTES: '2000' },
        days: '5',
        wire: 3000,
      },
      { args: [], env: { COGNIVERSE_MAX_WIRE_BYTES: '2000' }, days: '0', wire: 2000 },
    ];
    for (const { args, env, days, wire } of cases) {
      const serving = await serve(['--data', join(directory.path, 'data'), ...FREE_PORTS, ...args], env);
      const { http, otlpHttp } = serving.addresses;
      expect.soft(await retention(http), args.join(' ')).toBe(days);
      expect.soft([await refused(otlpHttp, wire), await refused(otlpHttp, wire + 1)]).toEqual([false, true]);
      await serving.stop();
    }
  });

  it.each([
    [['--retention-days', '-1'], {}, 2, /'--retention-days <n>' argument '-1' is invalid.*>=0/],
    [['--max-connections', 'many'], {}, 2, /'--max-connections <n>' argument 'many' is invalid/],
    [[], { COGNIVERSE_THREADS: '1000' }, 2, /value '1000' from env 'COGNIVERSE_THREADS' is invalid.*<=64/],
    [[], { COGNIVERSE_PORT: '70000' }, 2, /value '70000' from env 'COGNIVERSE_PORT' is invalid/],
  ])('refuses %j %j as wrong usage, naming option and bound', async (args, env, code, message) => {
    const outcome = await cogniverse(['serve', '--data', join(directory.path, 'none'), ...args], {
      env: env as unknown as Record<string, string>,
    });
    expect([outcome.code, outcome.stderr]).toEqual([code, expect.stringMatching(message)]);
    expect(existsSync(join(directory.path, 'none'))).toBe(false);
  });

  it('says into which section of the file an option belongs', async () => {
    const config = join(directory.path, 'config.json');
    for (const key of ['retention-days', 'retentionDays']) {
      writeFileSync(config, JSON.stringify({ [key]: 30 }));
      const { code, stderr } = await cogniverse(['serve', '--config', config]);
      expect([code, stderr]).toEqual([
        1,
        expect.stringContaining('belongs into "store": {"store": {"retentionDays": 30}}'),
      ]);
    }
    writeFileSync(config, JSON.stringify({ limits: 5 }));
    expect((await cogniverse(['serve', '--config', config])).stderr).toContain('"limits" must be an object');
  });

  it('names the process of a second opener', async () => {
    const serving = await serve(['--data', directory.path, ...FREE_PORTS]);
    const second = await cogniverse(['serve', '--data', directory.path, ...FREE_PORTS]);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`open in process ${serving.addresses.pid}`);
    expect(second.stderr).toContain('Stop that process, or use another directory with --data.');
    expect(second.stderr).not.toContain('endpoint');
    await serving.stop();
  });

  it('refuses an address that others can reach, before it makes a directory', async () => {
    const data = join(directory.path, 'data');
    const { code, stderr } = await cogniverse(['serve', '--data', data, '--host', '0.0.0.0', ...FREE_PORTS]);
    expect(code).toBe(1);
    expect(stderr).toContain('(--host) is "0.0.0.0"');
    expect(existsSync(data)).toBe(false);
  });

  it('names the option of a key that cannot be read as one', async () => {
    const cert = fileURLToPath(new URL('../../server/test/fixtures/localhost-cert.pem', import.meta.url));
    const key = join(directory.path, 'key.pem');
    writeFileSync(key, 'no key');
    const data = join(directory.path, 'data');
    const args = ['serve', '--data', data, '--tls-cert', cert, '--tls-key', key, ...FREE_PORTS];
    const { code, stdout, stderr } = await cogniverse(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /^error: .*\(--tls-key\) holds no private key that can be used .*\. Give a PEM private key.*\n$/,
    );
    expect(existsSync(data)).toBe(false);
  });

  it('takes options from a file; the command line wins', async () => {
    const file = join(directory.path, 'serve.json');
    const data = join(directory.path, 'from-file');
    writeFileSync(file, JSON.stringify({ data, port: 0, 'otlp-port': 0, grpcPort: 1 }));
    const serving = await serve(['--config', file, '--grpc-port', '0']);
    expect(serving.addresses.data).toBe(data);
    expect((await serving.stop()).code).toBe(0);
  });

  it.each([
    ['{"prot": 1}', 'unknown key "prot". Known are: data, host, port'],
    ['{"port": 70000}', '"port" is 70000. Give a port'],
    ['{"port": true}', '"port" is true; give a text or a number'],
    ['{"allowed-host": "x"}', 'give a list of texts'],
    ['{"json": 1}', 'give true or false'],
    ['{"host": "0.0.0.0"}', '(--host) is "0.0.0.0"'],
    ['{"store": {"memoryLimit": 5}}', 'serve.json, "store": '],
    ['{"store": {"memoryLimit": 5}}', '"memoryLimit" is not known; give one of memoryLimitMb, threads,'],
    ['{"store": {"threads": 0}}', 'threads: '],
    ['[]', 'must hold one JSON object'],
    ['{', 'no valid JSON'],
  ])('refuses the configuration %s', async (text, message) => {
    const file = join(directory.path, 'serve.json');
    writeFileSync(file, text);
    const { code, stderr } = await inProcess(['serve', '--config', file]);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });

  it('wants a certificate and its key together', async () => {
    const { code, stderr } = await cogniverse([
      'serve',
      '--data',
      directory.path,
      '--tls-cert',
      'x.pem',
      ...FREE_PORTS,
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain('--tls-key');
  });

  it('is watched by tail for a tenant that has no spans yet', async () => {
    const serving = await serve(['--data', directory.path, ...FREE_PORTS]);
    const args = ['tail', '--tenant', 'later', '--endpoint', serving.addresses.http, '--json', '--interval', '50'];
    const tail = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const line = (stream: NodeJS.ReadableStream) =>
      new Promise<string>((resolve) => createInterface({ input: stream }).once('line', resolve));
    const [said, printed] = [line(tail.stderr), line(tail.stdout)];
    expect(await said).toBe('No span of tenant "later" is stored yet. Waiting; Ctrl-C ends.');
    await send(serving.addresses.otlpHttp, new Date(), [
      { tenant: 'later', name: 'came', traceId: '1'.repeat(32), spanId: '2'.repeat(16), start: 0, duration: 1 },
    ]);
    expect(JSON.parse(await printed)).toMatchObject({ tenantId: 'later', name: 'came' });
    const ended = new Promise((resolve) => tail.once('close', resolve));
    tail.kill('SIGINT');
    expect(await ended).toBe(0);
    await serving.stop();
  });

  it('is watched by tail: old spans, then each new one once, also of a tenant that comes later', async () => {
    const serving = await serve(['--data', directory.path, ...FREE_PORTS]);
    const { http, otlpHttp } = serving.addresses;
    const sample = (tenant: string, number: number) => ({
      tenant,
      name: `${tenant} ${number}`,
      traceId: '1'.repeat(32),
      spanId: String(number).padStart(16, '0'),
      start: number,
      duration: 1,
    });
    await send(
      otlpHttp,
      new Date(),
      [1, 2, 3].map((number) => sample('acme', number)),
    );
    const tail = spawn(
      process.execPath,
      [MAIN, 'tail', '--endpoint', http, '--json', '--lines', '2', '--interval', '50'],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const names: string[] = [];
    const waiting: { count: number; resolve: () => void }[] = [];
    createInterface({ input: tail.stdout }).on('line', (line) => {
      names.push((JSON.parse(line) as { name: string }).name);
      for (const { count, resolve } of waiting) if (names.length >= count) resolve();
    });
    const reach = (count: number) =>
      new Promise<void>((resolve) => (names.length >= count ? resolve() : waiting.push({ count, resolve })));
    await reach(2);
    // An older start time does not hide a span that arrives later.
    await send(otlpHttp, new Date(0), [sample('acme', 4)]);
    await reach(3);
    await send(otlpHttp, new Date(), [sample('globex', 5), sample('globex', 6)]);
    await reach(5);
    expect(names).toEqual(['acme 2', 'acme 3', 'acme 4', 'globex 5', 'globex 6']);
    const ended = new Promise((resolve) => tail.once('close', resolve));
    tail.kill('SIGINT');
    expect(await ended).toBe(0);
    await serving.stop();
  });
});
