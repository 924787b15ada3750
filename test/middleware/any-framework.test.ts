/** What a framework without a middleware of ours uses: `startRequest()`, here on Node's own server. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { memoryTelemetry } from '../../libs/foundation/test/telemetry/memory-telemetry.js';
import { eventually } from './eventually.js';
import { call } from './http-client.js';

let server: Server | undefined;
afterEach(async () => {
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
});

describe('startRequest', () => {
  it('gives the span, the tenant and the session of a request to any server', async () => {
    const { telemetry, flushed } = memoryTelemetry({ serviceName: 'search' });
    server = createServer(async (request, response) => {
      const inbound = telemetry.startRequest({ method: request.method!, path: request.url, headers: request.headers });
      await inbound.enter(
        () => request.headers['x-tenant'],
        async () => 's-1',
      );
      expect(inbound.hasNoTenant).toBe(false);
      inbound.bind(request);
      response.on('close', () => inbound.end({ statusCode: response.statusCode, route: '/search' }));
      inbound.run(() => {
        request.on('data', () => telemetry.span('data', () => undefined));
        request.on('end', () => response.end(telemetry.span('end', () => 'done')));
      });
    });
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const options = { method: 'POST', body: 'text', headers: { 'x-tenant': 'acme' } };
    expect((await call(port, '/search', options)).body).toBe('done');
    await eventually(() => expect(telemetry.getStats().export.total.ended).toBe(3));
    const { spans } = await flushed();
    expect(spans.map(({ name }) => name).sort()).toEqual(['POST /search', 'data', 'end']);
    for (const span of spans) {
      expect(span).toMatchObject({ tenant: 'acme', traceId: spans[0]!.traceId });
      expect(span.attributes.get('session.id')).toBe('s-1');
    }
  });

  it('makes no names out of what strangers send: an unknown method, a session that is too long', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    const inbound = telemetry.startRequest({ method: 'BREW'.repeat(100), headers: {} });
    inbound.enter(
      () => 'acme',
      () => 's'.repeat(5000),
    );
    inbound.run(() => telemetry.span('work', () => undefined));
    inbound.end({ statusCode: 200 });
    inbound.end({ statusCode: 500 });
    const { spans } = await flushed();
    expect(spans).toHaveLength(2);
    expect(spans.map(({ attributes }) => attributes.get('session.id'))).toEqual([undefined, undefined]);
    const root = spans.find(({ kind }) => kind === 2)!;
    expect(root.name).toBe('HTTP');
    expect(root.attributes.get('http.request.method')).toBe('_OTHER');
    expect(String(root.attributes.get('http.request.method_original'))).toHaveLength(100);
    expect(telemetry.getStats().ignoredSessionIds).toBe(1);
  });

  it('keeps the session in listeners of a context from before it, and lets a session inside have its own, or none', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    const inbound = telemetry.startRequest({ method: 'GET', headers: {} });
    const early = inbound.bind(() => telemetry.span('early listener', () => telemetry.span('below', () => undefined)));
    inbound.enter(
      () => 'acme',
      () => 'outer',
    );
    early();
    inbound.run(() => {
      telemetry.session({ sessionId: 'inner' }, () => telemetry.span('inner', () => undefined));
      telemetry.session({ sessionId: '' }, () => telemetry.span('none', () => undefined));
      telemetry.span('other', { tenantId: 'globex' }, () => undefined);
    });
    inbound.end({ statusCode: 200 });
    const { spans } = await flushed();
    const sessions = Object.fromEntries(spans.map(({ name, attributes }) => [name, attributes.get('session.id')]));
    expect(sessions).toEqual({
      GET: 'outer',
      'early listener': 'outer',
      below: 'outer',
      inner: 'inner',
      none: undefined,
      other: undefined,
    });
  });
});
