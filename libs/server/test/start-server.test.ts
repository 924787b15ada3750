import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TelemetryStore } from '@cogniverse/foundation/telemetry';
import { startServer } from '@cogniverse/server';
import { Client, credentials } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { getJson, rawRequest, send, startTestServer, tracesJson, withMethods } from './running-server.js';

const silent = { log: () => undefined };
/** Where no request reaches the store. */
const noStore = {} as TelemetryStore;

describe('options', () => {
  it.each([
    [{ port: 70_000 }, '"port" is 70000'],
    [{ port: 1.5 }, '"port" is 1.5'],
    [{ otlpPort: -1 }, '"otlpPort" is -1'],
    [{ host: '' }, '"host" is ""'],
    [{ allowedHosts: [''] }, '"allowedHosts.0"'],
    [{ limits: { maxWireBytes: 0 } }, '"limits.maxWireBytes" is 0'],
    [{ prot: 1 }, '"prot"'],
    [{ host: '0.0.0.0' }, '"host" (--host) is "0.0.0.0", which other machines can reach'],
    [{ host: '::' }, 'which other machines can reach'],
    [{ host: '192.168.1.5' }, 'which other machines can reach'],
    [{ host: '127.0.0.1.evil.test' }, 'which other machines can reach'],
  ])('%j are refused, naming field and value', async (options, message) => {
    const started = startServer({ store: noStore, logger: silent, port: 0, otlpPort: 0, grpcPort: 0, ...options });
    await expect(started).rejects.toMatchObject({ code: 'configuration', message: expect.stringContaining(message) });
  });

  const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
  const cert = fixture('localhost-cert.pem');
  const key = fixture('localhost-key.pem');
  const otherKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  }) as string;
  it.each([
    [{ cert, key: 'secret' }, '"tls.key" (--tls-key) holds no private key'],
    [{ cert: 'none', key }, '"tls.cert" (--tls-cert) holds no certificate'],
    [{ cert, key: otherKey }, '"tls.key" (--tls-key) holds the key of another certificate'],
  ])('a certificate or key that cannot be used is refused, naming the option (%#)', async (tls, message) => {
    const started = startServer({ store: noStore, logger: silent, port: 0, otlpPort: 0, grpcPort: 0, tls });
    await expect(started).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining(message),
    });
  });

  it('never repeats key material', async () => {
    const started = startServer({ store: noStore, logger: silent, tls: { cert: 'x', key: 5 as never } });
    await expect(started).rejects.toMatchObject({ message: expect.not.stringContaining('is 5') });
  });

  it.each([
    ['port', '--port'],
    ['otlpPort', '--otlp-port'],
    ['grpcPort', '--grpc-port'],
  ])('a port in use is an error that names %s, and leaves nothing open', async (option, flag) => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const started = startServer({ store: noStore, logger: silent, port: 0, otlpPort: 0, grpcPort: 0, [option]: port });
    await expect(started).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringMatching(new RegExp(`Port ${port} .* in use .* ${flag} .*"${option}"`)),
    });
    other.close();
  });
});

it.each(['127.0.0.1', 'localhost', '::1'])('listens on %s and gives addresses that work', async (host) => {
  const running = await startTestServer({ server: { host } });
  const { http, otlpHttp, otlpGrpc } = running.server.addresses;
  await send(http, [{}], { project: 'p', tenant: 't' });
  const otlp = await fetch(otlpHttp, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
  expect(otlp.status).toBe(200);
  expect((await fetch(otlpHttp.replace('/v1/traces', '/v1/projects'))).status).toBe(404);
  const session = connectHttp2(`http://${otlpGrpc}`);
  await once(session, 'remoteSettings');
  session.destroy();
  expect(running.logged[0]).toMatchObject({ event: 'server_listening', fields: { http } });
  await running.stop();
});

it('speaks TLS on all three ports, 1.2 at least', async () => {
  const cert = readFileSync(new URL('./fixtures/localhost-cert.pem', import.meta.url), 'utf8');
  const key = readFileSync(new URL('./fixtures/localhost-key.pem', import.meta.url), 'utf8');
  const running = await startTestServer({ server: { tls: { cert, key } } });
  const { http, otlpHttp, otlpGrpc } = running.server.addresses;
  const statusOf = async (url: string, options = {}) => {
    const outgoing = httpsRequest(url, { ca: cert, ...options });
    outgoing.end();
    const [response] = await once(outgoing, 'response');
    response.resume();
    return response.statusCode;
  };
  expect(http.startsWith('https://')).toBe(true);
  expect(await statusOf(`${http}/v1/traces`)).toBe(405);
  expect(await statusOf(otlpHttp, { method: 'POST', headers: { 'content-type': 'application/json' } })).toBe(400);
  expect(await statusOf(`${http}/healthz`, { headers: { origin: http, host: new URL(http).host } })).toBe(200);
  await expect(statusOf(`${http}/healthz`, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1' })).rejects.toThrow();
  const client = new Client(otlpGrpc.replace('127.0.0.1', 'localhost'), credentials.createSsl(Buffer.from(cert)));
  const answer = await new Promise((resolve, reject) =>
    client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      Buffer.from,
      Buffer.from,
      Buffer.alloc(0),
      (error, value) => (error ? reject(error) : resolve(value)),
    ),
  );
  expect(answer).toEqual(Buffer.of(0x08, 1));
  client.close();
  await running.stop();
});

describe('close', () => {
  it('lets a request under way finish, refuses new connections, and leaves the store to the caller', async () => {
    let release: () => void = () => undefined;
    let entered: () => void = () => undefined;
    const inStore = new Promise<void>((resolve) => {
      entered = resolve;
    });
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const running = await startTestServer({
      wrap: (store) =>
        withMethods(store, {
          ingest: async (request) => {
            entered();
            await gate;
            return store.ingest(request);
          },
        }),
    });
    const under = fetch(`${running.url}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(tracesJson([{ name: 'late' }], { project: 'closing', tenant: 't' })),
    });
    await inStore;
    const closed = running.server.close();
    expect(running.server.close()).toBe(closed);
    await expect(fetch(`${running.url}/healthz`)).rejects.toThrow();
    release();
    const response = await under;
    expect(response.status).toBe(200);
    await response.text();
    await closed;
    expect(running.logged.at(-1)).toMatchObject({ event: 'server_closed', fields: { cut: false } });
    const page = await running.store.querySpans({ project: { tenantId: 't', name: 'closing' } });
    expect(page.items.map(({ span }) => span.name)).toEqual(['late']);
    await running.stop();
  });

  it('cuts what is not done at the deadline', async () => {
    const running = await startTestServer({
      server: { limits: { shutdownTimeoutMillis: 50 } },
      wrap: (store) => withMethods(store, { ingest: () => new Promise(() => undefined) }),
    });
    const under = fetch(`${running.url}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    const refused = expect(under).rejects.toThrow();
    const client = new Client(running.server.addresses.otlpGrpc, credentials.createInsecure());
    const grpcRefused = new Promise((resolve) =>
      client.makeUnaryRequest(
        '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
        Buffer.from,
        Buffer.from,
        Buffer.alloc(0),
        resolve,
      ),
    );
    await expect.poll(async () => (await fetch(`${running.url}/metrics`)).text()).toMatch(/requests_in_flight 2$/m);
    await running.server.close();
    await refused;
    expect(await grpcRefused).toBeInstanceOf(Error);
    expect(running.logged.at(-1)).toMatchObject({ event: 'server_closed', fields: { cut: true } });
    client.close();
    await running.stop();
  });
});

describe('clients that take their time', () => {
  const limits = { headersTimeoutMillis: 100, requestTimeoutMillis: 200 };

  it('slow headers and half a body: 408, and the bytes are given back', async () => {
    const running = await startTestServer({ server: { limits } });
    const host = new URL(running.url).host;
    const slowHeaders = rawRequest(running.url, `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nX-Slow: `, /never/);
    const halfBody = rawRequest(
      running.url,
      `POST /v1/traces HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"resource`,
      /never/,
    );
    expect(await slowHeaders).toMatch(/^HTTP\/1.1 408 /);
    expect(await halfBody).toMatch(/^HTTP\/1.1 408 |^$/);
    await expect.poll(async () => (await fetch(`${running.url}/metrics`)).text()).toMatch(/ingest_bytes_in_flight 0$/m);
    await running.stop();
  });

  it.each(['http', 'otlpHttp', 'otlpGrpc'] as const)('a connection that sends nothing is closed: %s', async (name) => {
    const running = await startTestServer({ server: { limits } });
    const { hostname, port } = new URL(running.server.addresses[name].replace(/^(?!http)/, 'http://'));
    const socket = connect({ host: hostname, port: Number(port) });
    await once(socket.resume(), 'close');
    await running.stop();
  });

  it('half a gRPC message: reset, and the bytes are given back', async () => {
    const running = await startTestServer({ server: { limits } });
    const session = connectHttp2(`http://${running.server.addresses.otlpGrpc}`);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
      'content-type': 'application/grpc',
    });
    stream.on('error', (error) => expect(error).toBeInstanceOf(Error));
    stream.write(Buffer.of(0, 0, 0, 0, 50, 1, 2, 3));
    await once(stream, 'close');
    session.destroy();
    await expect.poll(async () => (await fetch(`${running.url}/metrics`)).text()).toMatch(/ingest_bytes_in_flight 0$/m);
    await running.stop();
  });

  it.each(['http', 'otlpGrpc'] as const)(
    'many that send nothing push out one another, and nobody else: %s',
    async (name) => {
      const running = await startTestServer({ server: { limits: { maxConnections: 20 } } });
      const { hostname, port } = new URL(running.server.addresses[name].replace(/^(?!http)/, 'http://'));
      const client = new Client(running.server.addresses.otlpGrpc, credentials.createInsecure());
      const served = () =>
        name === 'http'
          ? fetch(`${running.url}/healthz`).then((response) => response.text())
          : new Promise((resolve, reject) =>
              client.makeUnaryRequest(
                '/grpc.health.v1.Health/Check',
                Buffer.from,
                Buffer.from,
                Buffer.alloc(0),
                (error, value) => (error ? reject(error) : resolve(value)),
              ),
            );
      await served();
      const sockets: Socket[] = [];
      for (let i = 0; i < 200; i += 1) {
        const socket = connect({ host: hostname, port: Number(port) });
        socket.on('error', (error) => expect(error).toBeInstanceOf(Error)); // pushed out with a reset
        sockets.push(socket.resume());
        await once(socket, 'connect');
        if (i % 20 === 0) await served();
      }
      await expect.poll(() => sockets.filter((socket) => !socket.closed).length).toBeLessThanOrEqual(10);
      await served();
      for (const socket of sockets) socket.destroy();
      client.close();
      await running.stop();
    },
  );

  it('all connections in use: those kept for later give way', async () => {
    const running = await startTestServer({ server: { limits: { maxConnections: 4 } } });
    const host = new URL(running.url).host;
    const keep = `GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    // A connection that gives way may be cut off with its request unread.
    const cutOff = (error: NodeJS.ErrnoException) => {
      expect(error.code).toBe('ECONNRESET');
      return '';
    };
    const kept = Array.from({ length: 4 }, () => rawRequest(running.url, keep, /never/).catch(cutOff));
    await expect.poll(() => getJson(`${running.url}/readyz`).catch(() => undefined)).toMatchObject({ status: 200 });
    await running.stop();
    for (const answer of await Promise.all(kept)) expect(answer).toMatch(/^(HTTP\/1.1 200 |$)/);
  });

  it('a client that goes away in the middle of its body costs nothing that stays', async () => {
    const running = await startTestServer();
    const outgoing = httpRequest(`${running.url}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': '1000' },
    });
    outgoing.on('error', (error) => expect(error).toBeInstanceOf(Error));
    outgoing.write('{"resourceSpans":');
    await expect
      .poll(async () => (await fetch(`${running.url}/metrics`)).text())
      .toMatch(/ingest_bytes_in_flight 17$/m);
    outgoing.destroy();
    await expect.poll(async () => (await fetch(`${running.url}/metrics`)).text()).toMatch(/ingest_bytes_in_flight 0$/m);
    await running.stop();
  });
});
