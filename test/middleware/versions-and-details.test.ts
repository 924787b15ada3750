/** What only one of the frameworks has, earlier versions of them, and their types. */
import { createServer } from 'node:http';
import { connect, constants } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expressTelemetry, fastifyTelemetry, honoTelemetry } from '@cogniverse/foundation/telemetry';
import type express from 'express';
import Fastify, { type FastifyPluginCallback } from 'fastify';
import type { MiddlewareHandler } from 'hono';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Fixture, type FlatSpan, memoryTelemetry } from '../../libs/foundation/test/telemetry/memory-telemetry.js';
import { eventually } from './eventually.js';
import { Gates } from './frameworks.js';
import { call } from './http-client.js';

const SERVER = 2;
const headers = { 'x-tenant': 'acme' };
let fixture: Fixture;
let closing: (() => Promise<unknown>)[];

beforeEach(() => {
  fixture = memoryTelemetry({ serviceName: 'search' });
  closing = [];
});

afterEach(async () => {
  for (const close of closing) await close();
  await fixture.telemetry.shutdown();
  expect(fixture.telemetry.audit()).toBeNull();
});

async function serverSpans(ended: number): Promise<FlatSpan[]> {
  await eventually(() => expect(fixture.telemetry.getStats().export.total.ended).toBe(ended));
  const { spans } = await fixture.flushed();
  for (const span of spans) expect(span).toMatchObject({ tenant: 'acme', project: 'cogniverse-acme-search' });
  return spans.filter(({ kind }) => kind === SERVER);
}

async function listen(app: Parameters<typeof createServer>[1]): Promise<number> {
  const server = createServer(app!);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

const exceptionsOf = ({ events }: FlatSpan) => events.map(({ attributes }) => attributes.get('exception.message'));

it("satisfies the frameworks' own types without a word", () => {
  const { telemetry } = fixture;
  const onExpress: express.RequestHandler = expressTelemetry(telemetry, {
    tenant: (request) => request.headers['x-tenant'],
    session: async (request) => request.headers['x-session'],
  });
  const onErrorOfExpress: express.ErrorRequestHandler = expressTelemetry<express.Request>(telemetry, {
    tenant: (request) => request.get('x-tenant'),
  }).errorHandler;
  const onFastify: FastifyPluginCallback = fastifyTelemetry(telemetry, {
    tenant: (request) => request.headers['x-tenant'],
    trust: (request, spanContext) => request.headers['x-internal'] === '1' && spanContext !== undefined,
  });
  const onHono: MiddlewareHandler = honoTelemetry(telemetry, { tenant: (c) => c.req.header('x-tenant') });
  for (const handler of [onExpress, onErrorOfExpress, onFastify, onHono]) expect(handler).toBeTypeOf('function');
});

describe.each(['express', 'express-4'])('%s', (version) => {
  it('has routes of nested routers, errors that leave them, and what its error handler tells', async () => {
    const { default: make } = (await import(version)) as { default: typeof express };
    const { telemetry } = fixture;
    const app = make();
    app.set('env', 'test');
    const middleware = expressTelemetry<express.Request>(telemetry, { tenant: (request) => request.get('x-tenant') });
    app.use(middleware);
    const users = make.Router();
    users.get('/:id', (request, response) => telemetry.span('work', () => response.send(request.params['id'])));
    users.get('/:id/throws', () => {
      throw new TypeError('thrown');
    });
    users.get('/:id/passes', (_request, _response, next) => {
      setImmediate(() => next(new TypeError('passed on')));
    });
    const api = make.Router();
    api.use('/users', users);
    api.get('/', (_request, response) => {
      response.send('root');
    });
    app.use('/api', api);
    app.use(middleware.errorHandler);
    const port = await listen(app);
    const statuses = [];
    for (const path of ['/api/users/7', '/api/users/7/throws', '/api/users/7/passes', '/api', '/none/7']) {
      statuses.push((await call(port, path, { headers })).status);
    }
    expect(statuses).toEqual([200, 500, 500, 200, 404]);
    const spans = await serverSpans(6);
    expect(spans.map((span) => [span.name, exceptionsOf(span)])).toEqual([
      ['GET /api/users/:id', []],
      ['GET /api/users/:id/throws', ['thrown']],
      ['GET /api/users/:id/passes', ['passed on']],
      ['GET /api', []],
      ['GET', []],
    ]);
  });

  it('may have the middleware at one route only', async () => {
    const { default: make } = (await import(version)) as { default: typeof express };
    const { telemetry } = fixture;
    const app = make();
    const middleware = expressTelemetry<express.Request>(telemetry, { tenant: (request) => request.get('x-tenant') });
    app.get('/one/:id', middleware, (_request, response) => telemetry.span('work', () => response.send('done')));
    app.get('/other', (_request, response) => {
      response.send('done');
    });
    const port = await listen(app);
    await call(port, '/other', { headers });
    await call(port, '/one/7', { headers });
    expect((await serverSpans(2)).map(({ name }) => name)).toEqual(['GET /one/:id']);
  });
});

describe.each(['fastify', 'fastify-4'])('%s', (version) => {
  it('runs all hooks, the handler and the error handler in the tenant, without a socket too', async () => {
    const { default: make } = (await import(version)) as { default: typeof Fastify };
    const { telemetry } = fixture;
    const app = make();
    const hook = (name: string) => async () => telemetry.span(name, () => undefined);
    app.get('/before', async () => telemetry.span('handler', () => 'done')); // a route from before the plugin
    app.register(fastifyTelemetry(telemetry, { tenant: (request) => request.headers['x-tenant'] }));
    app.register(async (inner) => {
      inner.addHook('preValidation', hook('preValidation'));
      inner.addHook('preHandler', hook('preHandler'));
      inner.addHook('onSend', hook('onSend'));
      inner.addHook('onResponse', hook('onResponse'));
      inner.get('/hooks/:id', async () => telemetry.span('handler', () => 'done'));
      const schema = { querystring: { type: 'object', required: ['page'], properties: { page: { type: 'number' } } } };
      inner.get('/checked', { schema }, async () => 'never');
    });
    expect((await app.inject({ url: '/hooks/7', headers })).body).toBe('done');
    expect((await app.inject({ url: '/before', headers })).body).toBe('done');
    expect((await app.inject({ url: '/checked', headers })).statusCode).toBe(400);
    await app.close();
    // hooks/7: 6 spans; before: 2; checked: its own, and those of three hooks
    const [hooks, before, checked] = await serverSpans(12);
    const seen = [hooks, before, checked].map((span) => [span!.name, span!.status.code]);
    for (const { attributes } of [hooks!, before!, checked!]) {
      expect(attributes.has('http.response.aborted')).toBe(false);
      expect(attributes.has('http.response.status_code')).toBe(true);
    }
    expect(seen).toEqual([
      ['GET /hooks/:id', 0],
      ['GET /before', 0],
      ['GET /checked', 0],
    ]);
    const ofHooks = fixture.received.spans.filter(({ traceId }) => traceId === hooks!.traceId);
    expect(ofHooks.map(({ name }) => name).sort()).toEqual(
      ['GET /hooks/:id', 'handler', 'onResponse', 'onSend', 'preHandler', 'preValidation'].sort(),
    );
  });
});

it('Fastify over HTTP/2: requests of two tenants on one connection, one of which is given up', async () => {
  const { telemetry } = fixture;
  const gates = new Gates();
  const app = Fastify({ http2: true });
  app.register(fastifyTelemetry(telemetry, { tenant: (request) => request.headers['x-tenant'] }));
  app.get<{ Params: { key: string } }>('/wait/:key', async ({ params: { key } }) => {
    await gates.wait(key);
    return telemetry.span(`after ${key}`, () => key);
  });
  const session = connect(await app.listen({ port: 0, host: '127.0.0.1' }));
  const request = (tenant: string) => {
    const stream = session.request({ ':path': `/wait/${tenant}`, 'x-tenant': tenant });
    stream.on('error', () => undefined); // the one that is given up
    return stream.resume();
  };
  const streams = ['acme', 'globex', 'initech'].map(request);
  await eventually(() => expect(gates.arrived).toHaveLength(3));
  streams[2]!.close(constants.NGHTTP2_CANCEL);
  await eventually(() => expect(telemetry.getStats().export.total.ended).toBe(1));
  for (const tenant of ['globex', 'acme', 'initech']) gates.open(tenant);
  await eventually(() => expect(telemetry.getStats().export.total.ended).toBe(6));
  session.destroy();
  await app.close();
  const { spans } = await fixture.flushed();
  expect(
    spans
      .map(({ name, tenant, attributes }) => [name, tenant, attributes.get('http.response.aborted') ?? false])
      .sort(),
  ).toEqual([
    ['GET /wait/:key', 'acme', false],
    ['GET /wait/:key', 'globex', false],
    ['GET /wait/:key', 'initech', true],
    ['after acme', 'acme', false],
    ['after globex', 'globex', false],
    ['after initech', 'initech', false],
  ]);
});
