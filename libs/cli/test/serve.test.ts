/** `cogniverse serve`: its first line, its configuration file, its end; and `tail`, which watches it. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
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

  it('names the process of a second opener', async () => {
    const serving = await serve(['--data', directory.path, ...FREE_PORTS]);
    const second = await cogniverse(['serve', '--data', directory.path, ...FREE_PORTS]);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`process ${serving.addresses.pid}`);
    await serving.stop();
  });

  it('refuses an address that others can reach', async () => {
    const { code, stderr } = await cogniverse(['serve', '--data', directory.path, '--host', '0.0.0.0', ...FREE_PORTS]);
    expect(code).toBe(1);
    expect(stderr).toContain('0.0.0.0');
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
