/** `cogniverse doctor`: each finding says what to do. */
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigManager, FileConfigStore } from '@cogniverse/foundation/config';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkApplication } from '../dist/doctor/check-application.js';
import { checkConfiguration } from '../dist/doctor/check-configuration.js';
import {
  checkData,
  judgeDamaged,
  judgeDiskSpace,
  judgeFormat,
  judgeMode,
  judgeWriteLatency,
} from '../dist/doctor/check-data.js';
import { checkEndpoint, clockSkewMillis, judgeKeyTransport } from '../dist/doctor/check-endpoint.js';
import { checkEnvironment } from '../dist/doctor/check-environment.js';
import { checkOtlpEndpoints } from '../dist/doctor/check-otlp-endpoint.js';
import { checkRetention, judgeRetention } from '../dist/doctor/check-retention.js';
import { checkNodeVersion } from '../dist/doctor/check-versions.js';
import { FINDING_CHECKS } from '../dist/doctor/finding.js';
import { cogniverse, FREE_PORTS, serve, temporaryDirectory } from './command-line.js';

describe('cogniverse doctor', () => {
  let directory: { path: string; remove: () => void };
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => directory.remove());

  it('finds nothing wrong with a server that runs', async () => {
    const data = join(directory.path, 'data');
    const serving = await serve(['--data', data, ...FREE_PORTS]);
    const args = ['doctor', '--endpoint', serving.addresses.http, '--data', data, '--json'];
    const { code, stdout, stderr } = await cogniverse(args, { cwd: directory.path });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const findings = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { check: string; level: string; message: string });
    expect(findings.filter(({ level }) => level !== 'ok')).toEqual([]);
    expect(findings.map(({ check }) => check)).toEqual([
      'node',
      'versions',
      'environment',
      'configuration',
      'instrumentation',
      'endpoint',
      'clock',
      'disk',
      'disk',
      'data',
    ]);
    expect(findings.at(-1)!.message).toContain(`process ${serving.addresses.pid}`);
    await serving.stop();
    const after = await cogniverse(args, { cwd: directory.path });
    expect(after.code).toBe(1);
    expect(after.stdout).toContain('cogniverse serve');
    expect(after.stdout).toContain('can be opened');
  });

  it('says that the address in COGNIVERSE_ENDPOINT is no URL', async () => {
    const env = { COGNIVERSE_ENDPOINT: 'abc', COGNIVERSE_DATA: directory.path };
    const { code, stdout } = await cogniverse(['doctor'], { env, cwd: directory.path });
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ endpoint +"abc" is no http:\/\/ or https:\/\/ URL\.\n +→ Correct COGNIVERSE_ENDPOINT/);
    expect(stdout).toContain(`${directory.path} can be opened`);
  });

  it('sees a data directory of a newer release', async () => {
    const data = join(directory.path, 'data');
    const serving = await serve(['--data', data, ...FREE_PORTS]);
    await serving.stop();
    writeFileSync(join(data, 'FORMAT'), '{"cogniverseStore":999}\n');
    const { code, stdout } = await cogniverse(['doctor', '--data', data, '--endpoint', 'http://127.0.0.1:9'], {
      cwd: directory.path,
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ data .*format 999/);
  });

  it.each([
    [{ TELEMETRY_ENABLED: 'yes please' }, 'error', 'TELEMETRY_ENABLED'],
    [{ OTEL_SDK_DISABLED: 'true', TELEMETRY_ENABLED: 'true' }, 'warning', 'contradict'],
    [
      { TELEMETRY_OTLP_ENDPOINT: 'a:4317', OTEL_EXPORTER_OTLP_ENDPOINT: 'b:4317' },
      'warning',
      'TELEMETRY_OTLP_ENDPOINT wins',
    ],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }, 'error', 'OTEL_EXPORTER_OTLP_PROTOCOL'],
    [{ TELEMETRY_OTLP_ENDPOINT: 'http://h:4318', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'warning', 'other transport'],
    [{ TELEMETRY_OTLP_ENDPOINT: 'https://h', TELEMETRY_OTLP_USE_TLS: 'false' }, 'error', 'otlpUseTls'],
    [{ TELEMETRY_OTLP_ENDPOINT: 'http://h', TELEMETRY_OTLP_USE_TLS: 'true' }, 'error', 'otlpUseTls'],
    [{ TELEMETRY_SYNC_EXPORT: 'true', NODE_ENV: 'production' }, 'warning', 'every span waits'],
    [{ OTEL_TRACES_EXPORTER: 'none' }, 'warning', 'exported all the same'],
  ])('environment %j', (env, level, message) => {
    const findings = checkEnvironment(env as NodeJS.ProcessEnv);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ level, message: expect.stringContaining(message) });
    expect(findings[0]!.remedy).not.toBe('');
  });

  it('finds a stored configuration that is damaged, or that no application could use', async () => {
    const file = join(directory.path, 'config.json');
    const env = { COGNIVERSE_CONFIG: file };
    expect(checkConfiguration(env)[0]).toMatchObject({
      level: 'ok',
      message: expect.stringContaining('does not exist'),
    });
    const configs = new ConfigManager(new FileConfigStore({ path: file }));
    await configs.setTelemetryConfig('acme', { level: 'verbose' });
    expect(checkConfiguration(env)).toMatchObject([{ level: 'ok', message: expect.stringContaining(file) }]);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace('verbose', 'loud'));
    expect(checkConfiguration(env)).toMatchObject([
      { level: 'error', message: expect.stringMatching(/Tenant "acme": level = "loud"/) },
    ]);
    writeFileSync(file, text.slice(0, 50));
    const [found] = checkConfiguration(env);
    expect(found).toMatchObject({ level: 'error', message: expect.stringMatching(/damaged: line \d+.*backup/) });
    expect(found!.remedy).toContain('COGNIVERSE_CONFIG');
    expect(readFileSync(file, 'utf8')).toBe(text.slice(0, 50));
  });

  it('finds instrumentation that would be loaded too late', () => {
    const app = join(directory.path, 'app');
    mkdirSync(app);
    const manifest = (start: string) =>
      writeFileSync(
        join(app, 'package.json'),
        JSON.stringify({
          name: 'app',
          type: 'module',
          scripts: { start },
          dependencies: { '@opentelemetry/instrumentation-http': '0.223.0' },
        }),
      );
    manifest('node app.js');
    expect(checkApplication(app, {})[0]).toMatchObject({
      level: 'warning',
      remedy: expect.stringContaining('node --import @cogniverse/foundation/register'),
    });
    expect(checkApplication(app, { NODE_OPTIONS: '--import @cogniverse/foundation/register' })[0]!.level).toBe('ok');
    manifest('node --import @cogniverse/foundation/register app.js');
    expect(checkApplication(app, {})[0]!.level).toBe('ok');
  });

  it('says of every finding in docs/operations.md what to do, and of no other', () => {
    const page = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
    const sections = [...page.matchAll(/^### `([a-z_]+)`$/gm)].map(([, code]) => code!);
    expect(sections).toEqual(Object.keys(FINDING_CHECKS));
  });

  it("asks the application's OTLP endpoint, over its own transport and with its own headers", async () => {
    const data = join(directory.path, 'data');
    const { stdout: key } = await cogniverse(['keys', 'create', '--operator', '--data', data]);
    const serving = await serve(['--data', data, ...FREE_PORTS]);
    const stored = { COGNIVERSE_CONFIG: join(directory.path, 'config.json') };
    const headers = { ...stored, OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer ${key.trim()}` };
    const { otlpHttp, otlpGrpc } = serving.addresses;
    const takes = [{ check: 'otlp_endpoint', level: 'ok' }];
    expect(await checkOtlpEndpoints({ ...headers, OTEL_EXPORTER_OTLP_ENDPOINT: otlpHttp })).toMatchObject(takes);
    expect(await checkOtlpEndpoints({ ...headers, OTEL_EXPORTER_OTLP_ENDPOINT: otlpGrpc })).toMatchObject(takes);
    const refuses = [{ level: 'error', code: 'otlp_endpoint_refuses' }];
    expect(await checkOtlpEndpoints({ ...stored, OTEL_EXPORTER_OTLP_ENDPOINT: otlpHttp })).toMatchObject(refuses);
    expect(await checkOtlpEndpoints({ ...stored, OTEL_EXPORTER_OTLP_ENDPOINT: otlpGrpc })).toMatchObject(refuses);
    await new ConfigManager(new FileConfigStore({ path: stored.COGNIVERSE_CONFIG })).setTelemetryConfig('default', {
      otlpEndpoint: otlpGrpc,
    });
    expect(await checkOtlpEndpoints(headers)).toMatchObject(takes);
    await serving.stop();
    expect(await checkOtlpEndpoints(headers)).toMatchObject([{ level: 'error', code: 'otlp_endpoint_silent' }]);
    // Credentials that would travel in the clear.
    const remote = { ...headers, OTEL_EXPORTER_OTLP_ENDPOINT: 'telemetry.internal:4317' };
    expect(await checkOtlpEndpoints(remote)).toMatchObject([{ level: 'error', code: 'otlp_endpoint_invalid' }]);
    // Named nowhere, or nothing is exported: nothing to ask.
    const none = { COGNIVERSE_CONFIG: join(directory.path, 'none.json') };
    expect(await checkOtlpEndpoints(none)).toEqual([]);
    expect(await checkOtlpEndpoints({ ...remote, TELEMETRY_OTLP_ENABLED: 'false' })).toEqual([]);
  });

  it('asks the endpoints of tenants that have one of their own, each once, and names the tenant', async () => {
    const serving = await serve(['--data', join(directory.path, 'data'), ...FREE_PORTS]);
    const env = { COGNIVERSE_CONFIG: join(directory.path, 'config.json') };
    const configs = new ConfigManager(new FileConfigStore({ path: env.COGNIVERSE_CONFIG }));
    const { otlpHttp } = serving.addresses;
    await configs.setTelemetryConfig('acme', { otlpEndpoint: otlpHttp });
    await configs.setTelemetryConfig('globex', { otlpEndpoint: otlpHttp });
    await configs.setTelemetryConfig('initech', { otlpEndpoint: 'http://127.0.0.1:9/v1/traces' });
    await configs.setTelemetryConfig('umbrella', { level: 'verbose' });
    const findings = await checkOtlpEndpoints(env);
    expect(findings).toHaveLength(2);
    expect(findings).toMatchObject([
      { level: 'ok', message: expect.stringContaining('tenant "acme"') },
      {
        code: 'otlp_endpoint_silent',
        message: expect.stringContaining('tenant "initech"'),
        remedy: expect.stringContaining("tenant's stored configuration"),
      },
    ]);
    await serving.stop();
  });

  it('tries the key of --api-key or COGNIVERSE_API_KEY, and none where it would be seen', async () => {
    const data = join(directory.path, 'data');
    const made = async (...args: string[]) =>
      (await cogniverse(['keys', 'create', '--data', data, ...args])).stdout.trim();
    const [operator, ingest] = [await made('--operator'), await made('--tenant', 'acme', '--ingest')];
    const serving = await serve(['--data', data, ...FREE_PORTS]);
    const endpoint = serving.addresses.http;
    const of = async (apiKey?: string) =>
      (await checkEndpoint(endpoint, { apiKey })).filter(({ level }) => level !== 'ok');
    expect(await of(operator)).toEqual([]);
    expect(await of()).toMatchObject([
      { code: 'key_refused', level: 'error', message: expect.stringContaining('none') },
    ]);
    expect(await of(`${operator}x`)).toMatchObject([{ code: 'key_refused', level: 'error' }]);
    expect(await of(ingest)).toMatchObject([{ code: 'key_refused', level: 'warning' }]);
    const { code, stdout } = await cogniverse(
      ['doctor', '--endpoint', endpoint, '--data', data, '--api-key', operator, '--json'],
      { cwd: directory.path },
    );
    expect([code, stdout]).toEqual([0, expect.not.stringContaining('key_refused')]);
    expect(stdout).not.toContain(operator);
    await serving.stop();
  });

  describe('the retention', () => {
    const MIB = 2 ** 20;
    const now = new Date('2026-02-10T12:00:00Z');
    /** A hundred MiB on each of the last days, the one that is not over included. */
    const busy = (days: number) =>
      new Map(
        Array.from({ length: days + 1 }, (_, back) => [
          new Date(now.getTime() - back * 86_400_000).toISOString().slice(0, 10),
          100 * MIB,
        ]),
      );
    const judge = (days: number | undefined, freeMib: number, bytesByDay = busy(7)) =>
      judgeRetention({ days, bytesByDay, freeBytes: freeMib * MIB, now });

    it('that keeps more than the disk has room for is found, with the days that fit', () => {
      expect(judge(30, 1000)).toMatchObject([
        {
          code: 'retention_too_long',
          message: expect.stringMatching(/^30 days of spans take 3,000 MiB at 100 MiB a day.*room for 18 days/),
        },
      ]);
      expect(judge(30, 2200)).toMatchObject([{ level: 'ok' }]);
    });

    it('for ever is found where the disk is full within a month', () => {
      expect(judge(0, 1000)).toMatchObject([
        { code: 'retention_missing', message: expect.stringContaining('10 days') },
      ]);
      expect(judge(0, 3100)).toMatchObject([{ level: 'ok' }]);
    });

    it('is judged by whole days, those without spans among them, and not by one day alone', () => {
      expect(judge(30, 1, busy(1))).toEqual([]);
      expect(judge(undefined, 1)).toEqual([]);
      const gaps = new Map([
        ['2026-02-06', 100 * MIB],
        ['2026-02-09', 100 * MIB],
      ]);
      expect(judge(0, 100, gaps)).toMatchObject([
        { message: expect.stringContaining('50 MiB a day, as in the last 4 days') },
      ]);
    });

    it('is asked of the server: its own, and that of the project that keeps longest', async () => {
      const data = join(directory.path, 'data');
      const serving = await serve(['--data', data, ...FREE_PORTS, '--retention-days', '10']);
      // Files of days that are over, as large as the disk is free: only the server's word on the retention is still missing.
      for (const day of ['2026-01-01', '2026-01-02']) {
        writeFileSync(join(data, 'days', `${day}.duckdb`), '');
        truncateSync(join(data, 'days', `${day}.duckdb`), 2 ** 40);
      }
      const found = async () => checkRetention(data, serving.addresses.http, {});
      const [first] = await found();
      expect(first!.message).toContain('10 days of spans take');
      const project = { tenant_id: 'acme', name: 'p' };
      const set = (days: number) =>
        fetch(`${serving.addresses.http}/v1/cogniverse/retention`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ project, days }),
        });
      expect((await set(40)).status).toBe(200);
      expect((await found())[0]!.message).toContain('40 days of spans take');
      expect((await set(0)).status).toBe(200);
      expect((await found())[0]!.message).toContain('kept for ever');
      expect(await checkRetention(data, 'http://telemetry.example:6006', {})).toEqual([]);
      await serving.stop();
      expect(await found()).toEqual([]);
    });
  });

  it('uses every code that it has', () => {
    const directory = new URL('../src/doctor/', import.meta.url);
    const sources = readdirSync(directory)
      .filter((name) => name.startsWith('check-'))
      .map((name) => readFileSync(new URL(name, directory), 'utf8'))
      .join('\n');
    const used = [...sources.matchAll(/\b(?:warning|failure)\(\s*'([a-z_]+)'/g)].map(([, code]) => code!);
    expect([...new Set(used)].sort()).toEqual(Object.keys(FINDING_CHECKS).sort());
  });

  it('finds a key that goes over a network in the clear', () => {
    expect(judgeKeyTransport('http://telemetry.internal:6006', 'k')).toMatchObject([{ code: 'key_without_tls' }]);
    for (const endpoint of [
      'https://telemetry.internal',
      'http://127.0.0.1:6006',
      'http://[::1]:6006',
      'http://localhost',
    ])
      expect(judgeKeyTransport(endpoint, 'k')).toEqual([]);
    expect(judgeKeyTransport('http://telemetry.internal:6006', undefined)).toEqual([]);
  });

  it('leaves a directory of an older format as it is, and says what the next start does', async () => {
    const data = join(directory.path, 'old');
    mkdirSync(data, { mode: 0o700 });
    writeFileSync(join(data, 'FORMAT'), '{"cogniverseStore":1}\n');
    const findings = await checkData(data);
    expect(findings.at(-1)).toMatchObject({ level: 'warning', code: 'data_format_older' });
    expect(readdirSync(data)).toEqual(['FORMAT']);
    expect(judgeFormat(data, 999)).toMatchObject({ level: 'error', code: 'data_format_newer' });
  });

  it('finds a directory that others may read, files that were set aside, and a slow disk', () => {
    const data = join(directory.path, 'data');
    mkdirSync(join(data, 'damaged'), { recursive: true });
    expect(judgeDamaged(data)).toEqual([]);
    writeFileSync(join(data, 'damaged', 'x.duckdb'), '');
    expect(judgeDamaged(data)).toMatchObject([
      { code: 'data_damaged_files', message: expect.stringContaining('x.duckdb') },
    ]);
    expect(judgeMode(data, 0o40755)).toMatchObject([{ code: 'data_open_to_others', remedy: `chmod 700 ${data}` }]);
    expect(judgeMode(data, 0o40700)).toEqual([]);
    expect(judgeWriteLatency(data, 80)).toMatchObject({ code: 'disk_slow' });
    expect(judgeWriteLatency(data, 2)).toMatchObject({ level: 'ok' });
  });

  it('judges disk, clock and Node', () => {
    expect(judgeDiskSpace('/d', 50 * 2 ** 20).level).toBe('error');
    expect(judgeDiskSpace('/d', 500 * 2 ** 20).level).toBe('warning');
    expect(judgeDiskSpace('/d', 50 * 2 ** 30).level).toBe('ok');
    const at = Date.parse('2026-01-31T12:00:00Z');
    expect(clockSkewMillis('Sat, 31 Jan 2026 12:00:00 GMT', at + 300, at + 400)).toBeUndefined();
    expect(clockSkewMillis('Sat, 31 Jan 2026 12:05:00 GMT', at, at)).toBe(300_500);
    expect(clockSkewMillis('Sat, 31 Jan 2026 11:00:00 GMT', at, at)).toBe(-3_599_500);
    expect(checkNodeVersion('18.20.0').level).toBe('error');
    expect(checkNodeVersion('20.19.0').level).toBe('ok');
  });
});
