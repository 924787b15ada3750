/** Keys as an operator handles them: before the first start, while serving, and in the read commands. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cogniverse, FREE_PORTS, inProcess, send, serve, temporaryDirectory } from './command-line.js';

let directory: ReturnType<typeof temporaryDirectory>;
let data: string;
beforeEach(() => {
  directory = temporaryDirectory();
  data = join(directory.path, 'data');
});
afterEach(() => directory.remove());

const create = async (...args: string[]) => {
  const { code, stdout, stderr } = await inProcess(['keys', 'create', '--data', data, ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('shown this once') });
  return stdout.trim();
};

describe('keys', () => {
  it('are made before the first start, and opened with by the server that then starts; made and revoked while it runs', async () => {
    const operator = await create('--operator', '--name', 'ours');
    const serving = await serve(['--data', data, ...FREE_PORTS]);
    const status = async (key?: string) =>
      (
        await fetch(
          `${serving.addresses.http}/v1/projects`,
          key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } },
        )
      ).status;
    expect([await status(), await status(operator)]).toEqual([401, 200]);
    const acme = await create('--tenant', 'acme', '--read', '--expires', '1h');
    expect(await status(acme)).toBe(200);
    const read = ['projects', '--endpoint', serving.addresses.http];
    expect(await inProcess([...read, '--api-key', acme])).toMatchObject({ code: 0 });
    expect(await inProcess(read)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/given no key \(401\): .*COGNIVERSE_API_KEY or --api-key\.\n$/),
    });
    const revoked = await inProcess(['keys', 'revoke', acme.slice(4, 16), '--data', data]);
    expect(revoked).toMatchObject({ code: 0, stdout: expect.stringContaining('tenant acme') });
    expect([await status(acme), await status(operator)]).toEqual([401, 200]);
    await serving.stop();
  });

  it("of a tenant, in COGNIVERSE_API_KEY, lets spans and export see what is that tenant's, and nothing else", async () => {
    const operator = await create('--operator');
    const acme = await create('--tenant', 'acme', '--read');
    const serving = await serve(['--data', data, ...FREE_PORTS]);
    const span = { start: 0, duration: 5 };
    await send(
      serving.addresses.otlpHttp,
      new Date('2026-03-01T12:00:00Z'),
      [
        { ...span, tenant: 'acme', name: 'one', traceId: '1'.repeat(32), spanId: '1'.repeat(16) },
        { ...span, tenant: 'globex', name: 'two', traceId: '2'.repeat(32), spanId: '2'.repeat(16) },
      ],
      operator,
    );
    const environment = (key: string) => ({
      env: { COGNIVERSE_API_KEY: key, COGNIVERSE_ENDPOINT: serving.addresses.http },
    });
    const names = async (key: string) =>
      (await cogniverse(['spans', '--json'], environment(key))).stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as { name: string }).name);
    expect(await names(acme)).toEqual(['one']);
    expect((await names(operator)).sort()).toEqual(['one', 'two']);

    const out = join(directory.path, 'out');
    const exported = await cogniverse(['export', out, '--json'], environment(acme));
    expect(exported).toMatchObject({ code: 0, stderr: '' });
    const { files } = JSON.parse(exported.stdout) as { files: { path: string; tenant_id: string; count: number }[] };
    expect(files).toMatchObject([{ kind: 'spans', tenant_id: 'acme', count: 1 }]);
    const text = readFileSync(join(out, files[0]!.path), 'utf8');
    expect([text.includes('"one"'), text.includes('globex')]).toEqual([true, false]);

    const wrong = `${acme.slice(0, -4)}0000`;
    for (const command of [['spans'], ['export', join(directory.path, 'none')]]) {
      const refused = await cogniverse(command, environment(wrong));
      expect({ code: refused.code, stdout: refused.stdout }).toEqual({ code: 1, stdout: '' });
      expect(refused.stderr).toMatch(/refused the key \(401\): .*COGNIVERSE_API_KEY or --api-key\.\n$/);
    }
    await serving.stop();
  });

  it('are listed without the keys themselves', async () => {
    const key = await create('--tenant', 'acme', '--ingest', '--name', 'search\u001b[31m');
    const other = await create('--operator');
    await inProcess(['keys', 'revoke', other, '--data', data]);
    const listed = await inProcess(['keys', 'list', '--data', data]);
    expect(listed.stdout).toContain(`${key.slice(4, 16)}  acme`);
    expect(listed.stdout).toContain('search\\u001b[31m');
    expect(listed.stdout).toMatch(/ {2}valid\n.* {2}revoked \d{4}-/);
    const json = await inProcess(['keys', 'list', '--data', data, '--json']);
    expect(
      json.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { id: key.slice(4, 16), tenantId: 'acme', read: false, ingest: true },
      { read: true, ingest: true, revokedAt: expect.any(String) },
    ]);
    for (const output of [listed.stdout, json.stdout, readFileSync(join(data, 'keys.json'), 'utf8')]) {
      expect(output).not.toContain(key.slice(17));
      expect(output).not.toContain(other.slice(17));
    }
  });

  it('are the condition for an address that others can reach', async () => {
    const host = ['serve', '--data', data, '--host', '0.0.0.0', '--json', ...FREE_PORTS];
    const refused = await cogniverse(host);
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('cogniverse keys create') });
    await create('--tenant', 'acme');
    const serving = await serve(['--data', data, '--host', '0.0.0.0', ...FREE_PORTS]);
    expect((await fetch(`${serving.addresses.http.replace('0.0.0.0', '127.0.0.1')}/v1/projects`)).status).toBe(401);
    await serving.stop();
  });

  it('in a file that is damaged, or open to others, keep the server from starting', async () => {
    await create('--tenant', 'acme');
    const file = join(data, 'keys.json');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.slice(0, -10));
    for (const command of [
      ['serve', '--data', data, ...FREE_PORTS],
      ['keys', 'list', '--data', data],
    ]) {
      const { code, stdout, stderr } = await inProcess(command);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain(`${file} cannot be used: it is damaged in line`);
    }
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('that are not there cannot be revoked', async () => {
    await create('--tenant', 'acme');
    expect(await inProcess(['keys', 'revoke', 'nonsense', '--data', data])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no key "nonsense"'),
    });
    expect(await inProcess(['keys', 'list', '--data', join(directory.path, 'none')])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('There are no keys'),
    });
  });
});
