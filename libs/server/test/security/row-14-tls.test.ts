/** Row 14: TLS is verified, and credentials go to another host encrypted or not at all (the OTLP senders: libs/foundation/test/export/tls.test.ts). */
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
