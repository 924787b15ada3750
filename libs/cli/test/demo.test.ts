/** `cogniverse demo`: the demo application of the repository, with the texts that the package carries, against a server and against other receivers of OTLP. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { AccessKeys, accessKeyFile } from '@cogniverse/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cogniverse, FREE_PORTS, MAIN, type Serving, serve, temporaryDirectory } from './command-line.js';

interface Summary {
  readonly tenants: Record<
    string,
    { ended: number; exported: number; stored: number | null; errorRate: number | null }
  >;
  readonly audit: string | null;
}

// Against a server with keys, which has all that one without them has.
describe('cogniverse demo', { timeout: 120_000 }, () => {
  const directory = temporaryDirectory();
  let serving: Serving;
  let env: Record<string, string>;
  let tenantKey: string;
  beforeAll(async () => {
    const keys = new AccessKeys({ file: accessKeyFile(directory.path) });
    env = { COGNIVERSE_API_KEY: (await keys.create({ tenantId: undefined, read: true, ingest: true })).key };
    tenantKey = (await keys.create({ tenantId: 'acme', read: true, ingest: true })).key;
    serving = await serve(['--data', directory.path, ...FREE_PORTS]);
  });
  afterAll(async () => {
    await serving.stop();
    directory.remove();
  });

  it('--once records, exports and reads back every span of three tenants, one of whose users make mistakes', async () => {
    const args = ['demo', '--once', '--json', '--endpoint', serving.addresses.http];
    const { code, stdout, stderr } = await cogniverse(args, { env });
    expect(code, stderr).toBe(0);
    const { tenants, audit } = JSON.parse(stdout) as Summary;
    expect(audit).toBeNull();
    expect(Object.keys(tenants)).toEqual(['acme', 'globex', 'initech']);
    for (const counts of Object.values(tenants)) {
      expect(counts.ended).toBeGreaterThan(500);
      expect(counts).toMatchObject({ exported: counts.ended, stored: counts.ended });
    }
    expect(tenants['acme']!.errorRate).toBe(0);
    expect(tenants['globex']!.errorRate).toBeGreaterThan(0.02);
    // What the server holds is more than spans: judgements, a data set, an experiment a strategy.
    const read = async (path: string, body?: unknown) => {
      const response = await fetch(`${serving.addresses.http}/v1/cogniverse/${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${env['COGNIVERSE_API_KEY']}` },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      return ((await response.json()) as { data: { name: string }[] }).data.map(({ name }) => name);
    };
    expect(await read('datasets?tenant=acme')).toEqual(['ranking-questions']);
    expect((await read('experiments?tenant=acme')).sort()).toEqual(['ranking-bm25', 'ranking-hybrid']);
    const project = { tenant_id: 'acme', name: 'cogniverse-acme-document-search' };
    expect(await read('annotations/query', { project, limit: 1 })).toEqual(['relevance']);
  });

  it('sends to any receiver of OTLP over HTTP, says what cannot be done there, and goes on until Ctrl-C', async () => {
    // The port that takes spans alone.
    const endpoint = new URL(serving.addresses.otlpHttp).origin;
    const child = spawn(process.execPath, [MAIN, 'demo', '--endpoint', endpoint], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    let output = '';
    const shown = new Promise<void>((resolve) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (chunk) => {
          output += chunk;
          if (output.includes('The next round begins')) resolve();
        });
      }
    });
    const ended = once(child, 'close');
    await Promise.race([shown, ended]);
    child.kill('SIGINT');
    expect(await ended, output).toEqual([0, null]);
    expect(output).toContain('takes spans, and no more that the demo knows of');
    const [, exported] = /^acme +\d+ +0 +(\d+) +\1 +- +- +- +- +0\.\d+$/m.exec(output) ?? [];
    expect(Number(exported), output).toBeGreaterThan(500);
  });

  it('says what to do where nothing answers, or where the key opens one tenant alone, or nothing', async () => {
    const nobody = await cogniverse(['demo', '--once', '--endpoint', 'http://127.0.0.1:9']);
    expect([nobody.code, nobody.stdout]).toEqual([1, '']);
    expect(nobody.stderr).toMatch(/^error: Nothing answers at http:\/\/127\.0\.0\.1:9 .*cogniverse serve/);
    for (const [key, status] of [
      ['', '401'],
      [tenantKey, '403'],
    ] as const) {
      const refused = await cogniverse(['demo', '--once', '--endpoint', serving.addresses.http], {
        env: { COGNIVERSE_API_KEY: key },
      });
      expect([refused.code, refused.stdout]).toEqual([1, '']);
      expect(refused.stderr).toMatch(new RegExp(`refuses the demo \\(${status}\\).*operator in COGNIVERSE_API_KEY`));
    }
  });
});
