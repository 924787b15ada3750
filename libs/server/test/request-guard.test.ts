import { connect } from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getJson, rawRequest, startTestServer, type TestServer, tracesJson } from './running-server.js';

let running: TestServer;
beforeAll(async () => {
  running = await startTestServer({ server: { allowedHosts: ['Telemetry.example'] } });
});
afterAll(() => running.stop());

const statusOf = (response: string) => Number(response.split(' ')[1]);

describe('the host of a request', () => {
  const cases: readonly [what: string, lines: string, status: number][] = [
    ['127.0.0.1', 'GET /v1/projects HTTP/1.1\r\nHost: 127.0.0.1:6006', 200],
    ['localhost in any case', 'GET /v1/projects HTTP/1.1\r\nHost: LocalHost', 200],
    ['IPv6 loopback', 'GET /v1/projects HTTP/1.1\r\nHost: [::1]:6006', 200],
    ['an allowed name', 'GET /v1/projects HTTP/1.1\r\nHost: telemetry.example:80', 200],
    ['a foreign name', 'GET /v1/projects HTTP/1.1\r\nHost: evil.test', 403],
    ['a foreign name that begins like loopback', 'GET /v1/projects HTTP/1.1\r\nHost: 127.0.0.1.evil.test', 403],
    ['a foreign name that ends like loopback', 'GET /v1/projects HTTP/1.1\r\nHost: evil-localhost', 403],
    ['another address', 'GET /v1/projects HTTP/1.1\r\nHost: 10.0.0.1', 403],
    ['an empty one', 'GET /v1/projects HTTP/1.1\r\nHost: ', 400],
    ['none', 'GET /v1/projects HTTP/1.1\r\nX-Other: 1', 400],
    ['two', 'GET /v1/projects HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.test', 400],
    ['user and password', 'GET /v1/projects HTTP/1.1\r\nHost: 127.0.0.1@evil.test', 400],
    ['an absolute URI', 'GET http://127.0.0.1/v1/projects HTTP/1.1\r\nHost: 127.0.0.1', 400],
    ['an absolute URI of a foreign host', 'GET http://evil.test/v1/projects HTTP/1.1\r\nHost: 127.0.0.1', 400],
    ['an unknown path on a foreign host', 'GET /nothing HTTP/1.1\r\nHost: evil.test', 403],
    ['the version route on a foreign host', 'GET /arize_phoenix_version HTTP/1.1\r\nHost: evil.test', 403],
    ['metrics on a foreign host', 'GET /metrics HTTP/1.1\r\nHost: evil.test', 403],
    ['health on a foreign host', 'GET /healthz HTTP/1.1\r\nHost: evil.test', 200],
    ['readiness without any host', 'GET /readyz HTTP/1.1\r\nX-Other: 1', 200],
    ['a path that only begins like health', 'GET /healthz/../v1/projects HTTP/1.1\r\nHost: evil.test', 403],
  ];
  it.each(cases)('%s', async (_what, lines, status) => {
    expect(statusOf(await rawRequest(running.url, `${lines}\r\n\r\n`))).toBe(status);
  });

  it('is checked on the OTLP port too', async () => {
    const response = await rawRequest(
      running.server.addresses.otlpHttp,
      'POST /v1/traces HTTP/1.1\r\nHost: evil.test\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
    );
    expect(statusOf(response)).toBe(403);
  });

  it.each(['evil.test', '127.0.0.1.evil.test', 'a@127.0.0.1'])('is checked over gRPC: %j', async (authority) => {
    const session = connect(`http://${running.server.addresses.otlpGrpc}`);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
      ':authority': authority,
      'content-type': 'application/grpc',
    });
    const refusal = await new Promise((resolve) => {
      stream.on('response', (response) => resolve(response['grpc-status']));
      stream.on('error', (error) => resolve(error.message));
    });
    stream.resume();
    session.destroy();
    // Node 26 itself refuses what is no authority at all.
    expect(refusal).toMatch(/^(3|7|Stream closed with error code NGHTTP2_PROTOCOL_ERROR)$/);
  });
});

describe('requests that a page of another origin can make', () => {
  const body = JSON.stringify(tracesJson([{ name: 'from a page' }], { project: 'from-a-page' }));
  const cases: readonly [string, Record<string, string>][] = [
    ['text/plain with an Origin', { 'content-type': 'text/plain', origin: 'http://evil.test' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded', origin: 'http://evil.test' }],
    ['JSON with an Origin', { 'content-type': 'application/json', origin: 'http://evil.test' }],
    ['JSON from a sandboxed frame', { 'content-type': 'application/json', origin: 'null' }],
    ['JSON from another port of this machine', { 'content-type': 'application/json', origin: 'http://127.0.0.1:1' }],
    ['JSON marked cross-site', { 'content-type': 'application/json', 'sec-fetch-site': 'cross-site' }],
    ['JSON marked same-site', { 'content-type': 'application/json', 'sec-fetch-site': 'same-site' }],
  ];
  it.each(cases)('%s: refused, nothing stored', async (_what, headers) => {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    const host = new URL(running.url).host;
    const request = `POST /v1/traces HTTP/1.1\r\nHost: ${host}\r\n${lines.join('\r\n')}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    expect(statusOf(await rawRequest(running.url, request))).toBe(403);
    expect((await getJson(`${running.url}/v1/projects/from-a-page`)).status).toBe(404);
  });

  it('lets a page of its own origin read, and gives no CORS headers', async () => {
    const host = new URL(running.url).host;
    const response = await rawRequest(
      running.url,
      `GET /v1/projects HTTP/1.1\r\nHost: ${host}\r\nOrigin: http://${host}\r\nSec-Fetch-Site: same-origin\r\n\r\n`,
    );
    expect(statusOf(response)).toBe(200);
    expect(response.toLowerCase()).not.toContain('access-control-');
  });
});

it.each([
  '/.env',
  '/.git/config',
  '/package.json',
  '/etc/passwd',
  '/debug/pprof',
  '/env',
  '/config',
  '/server-status',
  '/actuator/env',
  '/v1/config',
  '/%2e%2e/%2e%2e/etc/passwd',
])('serves nothing of the inside: %s', async (path) => {
  expect((await getJson(`${running.url}${path}`)).status).toBe(404);
});

it('does not mistake an HTTP/1 client on the gRPC port for anything else', async () => {
  const response = await rawRequest(
    `http://${running.server.addresses.otlpGrpc}`,
    'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
    /never/,
  );
  expect(response).not.toContain('200');
  expect((await getJson(`${running.url}/v1/projects`)).status).toBe(200);
});
