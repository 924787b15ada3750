/** `cogniverse delete-tenant`: only when it is meant, and then all of it. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cogniverse, FREE_PORTS, MAIN, type Serving, send, serve, temporaryDirectory } from './command-line.js';

describe('cogniverse delete-tenant', () => {
  let work: { path: string; remove: () => void };
  let serving: Serving;
  let endpoint: string[];
  beforeEach(async () => {
    work = temporaryDirectory();
    serving = await serve(['--data', work.path, ...FREE_PORTS]);
    endpoint = ['--endpoint', serving.addresses.http];
    const span = { name: 'one', start: 0, duration: 5 };
    await send(serving.addresses.otlpHttp, new Date('2026-03-01T12:00:00Z'), [
      { ...span, tenant: 'acme', traceId: '1'.repeat(32), spanId: '1'.repeat(16) },
      { ...span, tenant: 'globex', traceId: '3'.repeat(32), spanId: '3'.repeat(16) },
    ]);
  });
  afterEach(async () => {
    await serving.stop();
    work.remove();
  });
  const tenants = async () =>
    (await cogniverse(['projects', ...endpoint, '--json'])).stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { tenantId: string }).tenantId);

  it('refuses where nobody can be asked, as wrong usage, and deletes nothing', async () => {
    const { code, stderr } = await cogniverse(['delete-tenant', 'acme', ...endpoint]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('Give --yes')]);
    expect(await tenants()).toEqual(['acme', 'globex']);
  });

  it('deletes with --yes, says what is gone, and that back-ups are not', async () => {
    const { code, stdout } = await cogniverse(['delete-tenant', 'acme', '--yes', ...endpoint]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^Deleted of tenant "acme": 1 spans.*\n.*[Bb]ack-up/s)]);
    expect(await tenants()).toEqual(['globex']);
    const again = await cogniverse(['delete-tenant', 'acme', '--yes', ...endpoint, '--json']);
    expect(JSON.parse(again.stdout)).toMatchObject({ tenantId: 'acme', note: expect.stringMatching(/back-up/i) });
  });

  it("takes a tenant's keys along in a directory that no server serves", async () => {
    await serving.stop();
    const data = ['--data', work.path];
    for (const tenant of ['acme', 'globex'])
      await cogniverse(['keys', 'create', ...data, '--tenant', tenant, '--read']);
    expect((await cogniverse(['delete-tenant', 'acme', '--yes', ...data])).code).toBe(0);
    const { stdout } = await cogniverse(['keys', 'list', ...data]);
    expect(stdout).toContain('globex');
    expect(stdout).not.toContain('acme');
    expect(readFileSync(join(work.path, 'keys.json'), 'utf8')).not.toContain('acme');
  });

  it.skipIf(process.platform !== 'linux')('asks on a terminal, and takes nothing but the id for a yes', async () => {
    // `script` of util-linux gives the command a terminal.
    const ask = (answer: string) =>
      execFileSync(
        'script',
        ['-qec', `'${process.execPath}' '${MAIN}' delete-tenant acme ${endpoint.join(' ')}; echo code $?`, '/dev/null'],
        {
          input: `${answer}\n`,
          encoding: 'utf8',
        },
      );
    expect(ask('yes')).toMatch(/deletes 1 span of tenant "acme"[\s\S]*Nothing was deleted\.[\s\S]*code 1/);
    expect(await tenants()).toEqual(['acme', 'globex']);
    expect(ask('acme')).toMatch(/Deleted of tenant "acme"[\s\S]*code 0/);
    expect(await tenants()).toEqual(['globex']);
  });
});
