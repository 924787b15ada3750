/** Row 15: endpoints come from the operator's configuration only, and no redirect is followed. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openRemoteStore } from '@cogniverse/foundation/client';
import { otlpTarget } from '@cogniverse/foundation/telemetry';
import { afterEach, expect, it } from 'vitest';
import { send, startTestServer } from '../running-server.js';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve).closeAllConnections());
});

/** A server that notes every request. */
async function noting(answer: { status: number; location?: string }): Promise<{ url: string; requests: string[] }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    request.resume();
    response.writeHead(answer.status, answer.location === undefined ? {} : { location: answer.location }).end();
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

it.each([301, 302, 303, 307, 308])('a redirect to a link-local address is not followed: %i', async (status) => {
  const elsewhere = await noting({ status: 200 });
  // The second one stands for the address of a cloud's metadata, which a test cannot listen on.
  for (const location of ['http://169.254.169.254/latest/meta-data/', `${elsewhere.url}/latest/meta-data/`]) {
    const redirecting = await noting({ status, location });
    const remote = openRemoteStore({ endpoint: redirecting.url, apiKey: 'secret', maxRetries: 0, timeoutMillis: 2000 });
    await expect(remote.listTenants()).rejects.toMatchObject({ code: 'backend_unavailable' });
    await remote.shutdown();
    const sender = otlpTarget({
      endpoint: `${redirecting.url}/v1/traces`,
      headers: { authorization: 'secret' },
    }).createSender();
    expect(await sender.send(new Uint8Array(), { timeoutMillis: 2000, spanCount: 1 })).toMatchObject({
      status: 'failed',
      reason: 'redirect',
    });
    await sender.close();
    expect(redirecting.requests).toHaveLength(2);
  }
  expect(elsewhere.requests).toEqual([]);
});

it('the server asks nobody, whatever addresses a span, a header or a path names', async () => {
  const named = await noting({ status: 200 });
  const running = await startTestServer();
  const value = { stringValue: named.url };
  const keys = [
    'url.full',
    'server.address',
    'http.url',
    'otlp_endpoint',
    'otel.exporter.otlp.endpoint',
    'input.value',
    'image.url',
  ];
  const attributes = Object.fromEntries(keys.map((key) => [key, value]));
  await send(running.url, [{ name: named.url, attributes }], { project: 'p', tenant: 't' });
  const headers = {
    baggage: `endpoint=${encodeURIComponent(named.url)}`,
    forwarded: `host=${new URL(named.url).host}`,
    'x-forwarded-host': new URL(named.url).host,
    'x-original-url': named.url,
    referer: named.url,
  };
  for (const path of [
    '/v1/projects/p/spans',
    '/v1/projects/p/traces?include_spans=true',
    `/v1/projects/${encodeURIComponent(named.url)}`,
    `/v1/projects?cursor=${encodeURIComponent(named.url)}`,
    `/v1/cogniverse/statistics?tenant=${encodeURIComponent(named.url)}`,
    '/metrics',
  ]) {
    const response = await fetch(`${running.url}${path}`, { headers });
    expect(response.status).toBeLessThan(500);
    await response.arrayBuffer();
  }
  await running.stop();
  expect(named.requests).toEqual([]);
});
