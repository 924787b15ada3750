/** Row 14: TLS is verified, and credentials go to another host encrypted or not at all (the OTLP senders: libs/foundation/test/export/tls.test.ts). */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { selfSigned } from '@cogniverse/example-reference/self-signed';
import { openRemoteStore } from '@cogniverse/foundation/client';
import { ConfigurationError, otlpTarget, TelemetryConfig } from '@cogniverse/foundation/telemetry';
import { LocalProvider } from '@cogniverse/telemetry-local';
import { describe, expect, it } from 'vitest';
import { startTestServer } from '../running-server.js';

const DAY = 86_400_000;
const localhost = [127, 0, 0, 1];

describe('a client of the server', () => {
  it.each([
    ['of an unknown authority', selfSigned({ ip: localhost })],
    [
      'that has expired',
      selfSigned({ ip: localhost, notBefore: new Date(Date.now() - 9 * DAY), notAfter: new Date(Date.now() - DAY) }),
    ],
    ['for another host', selfSigned({ dns: 'other.example' })],
  ])('sends nothing to one with a certificate %s', async (_what, tls) => {
    const running = await startTestServer({ server: { tls: { cert: tls.cert, key: tls.key } } });
    const remote = openRemoteStore({ endpoint: running.url, apiKey: 'secret', maxRetries: 0 });
    await expect(remote.createDataset({ tenantId: 'acme', name: 'd', rows: [] })).rejects.toMatchObject({
      code: 'backend_unavailable',
    });
    const sender = otlpTarget({
      endpoint: running.server.addresses.otlpHttp,
      headers: { authorization: 'secret' },
    }).createSender();
    const sent = await sender.send(new Uint8Array(), { timeoutMillis: 5000, spanCount: 1 });
    expect(sent).toMatchObject({ status: 'retryable', reason: 'tls' });
    await sender.close();
    expect(await running.store.listDatasets({ tenantId: 'acme' })).toEqual([]);
    expect(running.server.ledger.snapshot().requests.stored).toBe(0);
    await remote.shutdown();
    await running.stop();
  });
});

/** A client in a process of its own, which trusts what `NODE_EXTRA_CA_CERTS` names: what it wrote, or the code of its error and of the cause. */
async function trustingClient(url: string, authority: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'cogniverse-row-14-'));
  writeFileSync(join(directory, 'ca.pem'), authority);
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [fileURLToPath(new URL('./trusting-client.mjs', import.meta.url)), url],
      { env: { ...process.env, NODE_EXTRA_CA_CERTS: join(directory, 'ca.pem') } },
    );
    return stdout.trim();
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe('a client of the server that trusts the authority of the certificate', () => {
  const yesterday = { notBefore: new Date(Date.now() - 9 * DAY), notAfter: new Date(Date.now() - DAY) };
  const tomorrow = { notBefore: new Date(Date.now() + DAY), notAfter: new Date(Date.now() + 9 * DAY) };
  it.each([
    ['that is in order', selfSigned({ ip: localhost }), 'written'],
    ['that has expired', selfSigned({ ip: localhost, ...yesterday }), 'backend_unavailable CERT_HAS_EXPIRED'],
    ['that is not valid yet', selfSigned({ ip: localhost, ...tomorrow }), 'backend_unavailable CERT_NOT_YET_VALID'],
    ['for another host', selfSigned({ dns: 'other.example' }), 'backend_unavailable ERR_TLS_CERT_ALTNAME_INVALID'],
    ['for another address', selfSigned({ ip: [127, 0, 0, 2] }), 'backend_unavailable ERR_TLS_CERT_ALTNAME_INVALID'],
  ])('writes to one with a certificate %s, or nothing', async (_what, tls, outcome) => {
    const running = await startTestServer({ server: { tls: { cert: tls.cert, key: tls.key } } });
    expect(await trustingClient(running.url, tls.cert)).toBe(outcome);
    expect(await running.store.listDatasets({ tenantId: 'acme' })).toHaveLength(outcome === 'written' ? 1 : 0);
    await running.stop();
  });
});

it('the server takes no TLS older than 1.2, on any port', async () => {
  const tls = selfSigned({ ip: localhost });
  const running = await startTestServer({ server: { tls: { cert: tls.cert, key: tls.key } } });
  const offered = (address: string, version: 'TLSv1.1' | 'TLSv1.2') =>
    new Promise<string>((resolve) => {
      const { port } = new URL(address.replace(/^(?!http)/, 'https://'));
      const socket = connect({
        host: '127.0.0.1',
        port: Number(port),
        rejectUnauthorized: false,
        minVersion: 'TLSv1',
        maxVersion: version,
        // Else this side refuses already: its library allows nothing so old by itself.
        ciphers: 'DEFAULT@SECLEVEL=0',
      });
      socket.once('secureConnect', () => {
        resolve(String(socket.getProtocol()));
        socket.destroy();
      });
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
    });
  for (const address of Object.values(running.server.addresses)) {
    expect(await offered(address, 'TLSv1.1')).toMatch(/PROTOCOL_VERSION|ECONNRESET/);
    expect(await offered(address, 'TLSv1.2')).toBe('TLSv1.2');
  }
  await running.stop();
});

describe('credentials over plain HTTP', () => {
  const headers = { authorization: 'Bearer canary-secret' };
  const elsewhere = [
    'http://telemetry.example:4318/v1/traces',
    'telemetry.example:4317',
    'http://10.0.0.1:6006',
    'http://127.0.0.1.evil.test:6006',
  ];

  it.each(elsewhere)('are refused for another host: %s', (endpoint) => {
    const refused = expect.objectContaining({ code: 'configuration', message: expect.not.stringContaining('canary') });
    expect(() => otlpTarget({ endpoint, headers })).toThrow(refused);
    expect(() => otlpTarget({ endpoint, headers: { 'x-api-key': 'canary' } })).toThrow(/"x-api-key" .* otlp_use_tls/);
    expect(() => openRemoteStore({ endpoint: `http://${endpoint.replace('http://', '')}`, apiKey: 'canary' })).toThrow(
      refused,
    );
  });

  it('are refused for another host by the provider', async () => {
    const initialized = new LocalProvider().initialize({
      tenantId: 'acme',
      projectName: 'p',
      options: { endpoint: 'http://telemetry.example:6006', api_key: 'canary' },
    } as never);
    await expect(initialized).rejects.toThrow(/telemetry\.example:6006 over plain HTTP.*plain_http/);
    await expect(initialized).rejects.toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('canary') }),
    );
  });

  it.each(['http://localhost:4318', '127.0.0.1:4317', 'http://[::1]:6006'])('stay on this machine: %s', (endpoint) => {
    expect(otlpTarget({ endpoint, headers }).label).toBeTruthy();
  });

  it('are sent where that is asked for, and headers without credentials anywhere', () => {
    for (const endpoint of elsewhere) {
      expect(otlpTarget({ endpoint, headers, useTls: false }).label).toBeTruthy();
      expect(otlpTarget({ endpoint, headers: { 'x-project-name': 'p' } }).label).toBeTruthy();
    }
    expect(openRemoteStore({ endpoint: 'http://telemetry.example', apiKey: 'k', plainHttp: true }).health().ready).toBe(
      true,
    );
    expect(new TelemetryConfig({ otlpUseTls: false }).otlpUseTls).toBe(false);
    expect(() => otlpTarget({ endpoint: 'https://telemetry.example/v1/traces', headers, useTls: false })).toThrow(
      ConfigurationError,
    );
  });
});
