/** Every scenario in Express, Fastify and Hono: spans of a request are in its tenant's project, in one trace, whatever the handler does. */
import { createTelemetry, type TelemetryConfigOptions, TenantRequiredError } from '@cogniverse/foundation/telemetry';
import { context, trace } from '@opentelemetry/api';
import { afterEach, describe, expect, it } from 'vitest';
import { type Fixture, type FlatSpan, memoryTelemetry } from '../../libs/foundation/test/telemetry/memory-telemetry.js';
import { eventually } from './eventually.js';
import { frameworks, Gates, type Service, type ServiceOptions } from './frameworks.js';
import { call, callAndLeave, RawConnection } from './http-client.js';

const SERVER = 2;
const UNSET = 0;
const ERROR = 2;
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe.each(frameworks)('$name', (framework) => {
  let fixture: Fixture;
  let gates: Gates;
  let service: Service | undefined;

  async function start(options: ServiceOptions = {}, config: TelemetryConfigOptions = {}): Promise<number> {
    fixture = memoryTelemetry({ serviceName: 'search', ...config });
    gates = new Gates();
    service = await framework.listen(fixture.telemetry, gates, options);
    return service.port;
  }

  /** All spans, once every span that was started has ended. */
  async function spansOf(count?: number): Promise<FlatSpan[]> {
    await eventually(() => {
      const { started, ended } = fixture.telemetry.getStats().export.total;
      expect(ended).toBe(started);
      if (count !== undefined) expect(ended).toBe(count);
    });
    return (await fixture.flushed()).spans;
  }

  const total = () => fixture.telemetry.getStats().export.total;
  const serverSpan = (spans: readonly FlatSpan[]): FlatSpan => {
    const found = spans.filter(({ kind }) => kind === SERVER);
    expect(found.map(({ name }) => name)).toHaveLength(1);
    return found[0]!;
  };
  const attributesOf = ({ attributes }: FlatSpan) => Object.fromEntries(attributes);

  /** All spans of a request are in one trace, project and session, below its server span. */
  function expectOneRequest(spans: readonly FlatSpan[], tenant: string, session?: string): FlatSpan {
    const root = serverSpan(spans);
    expect(root.parentSpanId).toBe('');
    for (const span of spans) {
      expect(span).toMatchObject({ traceId: root.traceId, tenant, project: `cogniverse-${tenant}-search` });
      expect(span.attributes.get('session.id')).toBe(session);
      if (span !== root) expect(spans.map(({ spanId }) => spanId)).toContain(span.parentSpanId);
    }
    return root;
  }

  afterEach(async () => {
    await service?.close();
    service = undefined;
    const { telemetry } = fixture;
    await telemetry.shutdown();
    expect(telemetry.audit()).toBeNull();
    const { started, ended } = total();
    expect(ended).toBe(started);
  });

  describe('a request', () => {
    it('has one server span as OpenTelemetry describes it, and its handler runs in its tenant and session', async () => {
      const port = await start();
      const answer = await call(port, '/api/plain/7?secret=1', { headers: { 'x-tenant': 'acme', 'x-session': 's-1' } });
      expect(answer).toMatchObject({ status: 200, body: 'plain 7' });
      const spans = await spansOf(2);
      const root = expectOneRequest(spans, 'acme', 's-1');
      expect(root).toMatchObject({ name: 'GET /api/plain/:id', status: { code: UNSET } });
      expect(attributesOf(root)).toEqual({
        'http.request.method': 'GET',
        'http.response.status_code': 200n,
        'http.route': '/api/plain/:id',
        'session.id': 's-1',
        'tenant.id': 'acme',
        'url.path': '/api/plain/7',
        'url.scheme': 'http',
        'service.name': 'search',
        environment: 'development',
      });
      expect(spans.find(({ name }) => name === 'work')!.parentSpanId).toBe(root.spanId);
    });

    it('that no handler takes has a server span without route', async () => {
      const port = await start();
      const answer = await call(port, '/nowhere/7', { headers: { 'x-tenant': 'acme' } });
      expect(answer.status).toBe(404);
      const root = serverSpan(await spansOf(1));
      expect(root).toMatchObject({ name: 'GET', status: { code: UNSET } });
      expect(attributesOf(root)).toMatchObject({ 'http.response.status_code': 404n });
      expect(root.attributes.has('http.route')).toBe(false);
    });

    it('has a server span of the name that is given, or none', async () => {
      let port = await start({ span: 'inbound' });
      await call(port, '/api/plain/7', { headers: { 'x-tenant': 'acme' } });
      expect(serverSpan(await spansOf(2))).toMatchObject({ name: 'inbound' });
      await service!.close();

      port = await start({ span: false });
      await call(port, '/api/plain/7', { headers: { 'x-tenant': 'acme', 'x-session': 's-1' } });
      const spans = await spansOf(1);
      expect(spans).toMatchObject([{ name: 'work', tenant: 'acme', parentSpanId: '' }]);
      expect(spans[0]!.attributes.get('session.id')).toBe('s-1');
    });

    it('goes to the project that is given', async () => {
      const port = await start({ projectName: 'api' });
      await call(port, '/api/plain/7', { headers: { 'x-tenant': 'acme' } });
      expect((await spansOf(2)).map(({ project }) => project)).toEqual(['cogniverse-acme-api', 'cogniverse-acme-api']);
    });

    it('has one server span also where the middleware is mounted twice', async () => {
      const port = await start({ twice: true });
      await call(port, '/api/plain/7', { headers: { 'x-tenant': 'acme', 'x-session': 's-1' } });
      expectOneRequest(await spansOf(2), 'acme', 's-1');
    });

    it('is served as ever where telemetry is off', async () => {
      const port = await start({ onMissingTenant: 'reject' }, { enabled: false });
      expect(await call(port, '/api/plain/7', { headers: { 'x-tenant': 'acme' } })).toMatchObject({ status: 200 });
      expect((await call(port, '/api/plain/7')).status).toBe(400);
      expect(total().started).toBe(0);
    });
  });

  describe('streams', () => {
    it.each(['/api/stream', '/api/readable'])(
      'a response over several ticks (%s) is in the trace, and its server span ends with it',
      async (path) => {
        const port = await start();
        const answer = await call(port, path, { headers: { 'x-tenant': 'acme', 'x-session': 's-1' } });
        expect(answer.body).toBe('part 0\npart 1\npart 2\n');
        const spans = await spansOf(4);
        const root = expectOneRequest(spans, 'acme', 's-1');
        expect(root.name).toBe(`GET ${path}`);
        for (const part of ['part 0', 'part 1', 'part 2']) {
          expect(spans.find(({ name }) => name === part)!.endTimeUnixNano).toBeLessThanOrEqual(root.endTimeUnixNano);
        }
        expect(root.attributes.has('http.response.aborted')).toBe(false);
      },
    );

    it("the events of a request's body are in the trace", async () => {
      const port = await start();
      const answer = await call(port, '/api/events', {
        method: 'POST',
        body: ['one', 'two'],
        headers: { 'x-tenant': 'acme', 'x-session': 's-1', 'content-type': 'application/octet-stream' },
      });
      expect(answer.body).toBe('6');
      const spans = await spansOf();
      expectOneRequest(spans, 'acme', 's-1');
      expect(new Set(spans.map(({ name }) => name))).toEqual(new Set(['POST /api/events', 'data', 'end']));
    });

    it('a pipeline from request to response is in the trace', async () => {
      const port = await start();
      const answer = await call(port, '/api/pipeline', {
        method: 'POST',
        body: ['one', 'two'],
        headers: { 'x-tenant': 'acme', 'x-session': 's-1', 'content-type': 'application/octet-stream' },
      });
      expect(answer.body).toBe('ONETWO');
      const spans = await spansOf();
      expectOneRequest(spans, 'acme', 's-1');
      expect(spans.filter(({ name }) => name === 'transform').length).toBeGreaterThan(0);
    });

    it('a handler behind a body parser is in the trace', async () => {
      const port = await start();
      const answer = await call(port, '/api/json', {
        method: 'POST',
        body: ['{"top_k"', ': 10}'],
        headers: { 'x-tenant': 'acme', 'x-session': 's-1', 'content-type': 'application/json' },
      });
      expect(JSON.parse(answer.body)).toEqual({ top_k: 10 });
      expectOneRequest(await spansOf(2), 'acme', 's-1');
    });

    it('server-sent events last until the client goes away', async () => {
      const port = await start();
      await callAndLeave(port, '/api/endless', { 'x-tenant': 'acme', 'x-session': 's-1' }, 3);
      await eventually(() => expect(fixture.received.spans.some(({ name }) => name === 'left')).toBe(true));
      const spans = await spansOf();
      const root = expectOneRequest(spans, 'acme', 's-1');
      expect(root).toMatchObject({ name: 'GET /api/endless', status: { code: UNSET } });
      expect(attributesOf(root)).toMatchObject({ 'http.response.aborted': true, 'http.response.status_code': 200n });
      expect(spans.filter(({ name }) => name === 'event').length).toBeGreaterThan(1);
      expect(spans.filter(({ name }) => name === 'left')).toHaveLength(1);
    });
  });

  describe('errors', () => {
    it.each([
      ['/api/throws', 'thrown'],
      ['/api/rejects', 'rejected'],
      ['/api/passes', 'passed on'],
    ])('of a handler (%s) are recorded once on the server span, and handled by the host', async (path, message) => {
      const port = await start();
      const answer = await call(port, path, { headers: { 'x-tenant': 'acme', 'x-session': 's-1' } });
      expect(answer).toMatchObject({ status: 500, body: message });
      const spans = await spansOf(2);
      const root = expectOneRequest(spans, 'acme', 's-1');
      expect(root).toMatchObject({ name: `GET ${path}`, status: { code: ERROR, message } });
      expect(attributesOf(root)).toMatchObject({ 'http.response.status_code': 500n, 'error.type': 'TypeError' });
      expect(root.events.map(({ name, attributes }) => [name, attributes.get('exception.message')])).toEqual([
        ['exception', message],
      ]);
      expect(spans.map(({ name }) => name)).toContain('handle error');
    });

    it("that are the client's leave the status unset", async () => {
      const port = await start();
      expect((await call(port, '/api/refuses', { headers: { 'x-tenant': 'acme' } })).status).toBe(403);
      const root = expectOneRequest(await spansOf(2), 'acme');
      expect(root.status.code).toBe(UNSET);
      expect(attributesOf(root)).toMatchObject({ 'http.response.status_code': 403n });
      expect(root.attributes.has('error.type')).toBe(false);
    });

    it('in the middle of a response end the span', async () => {
      const port = await start();
      await expect(call(port, '/api/broken-stream', { headers: { 'x-tenant': 'acme' } })).rejects.toThrow();
      const root = expectOneRequest(await spansOf(1), 'acme');
      expect(attributesOf(root)).toMatchObject({ 'http.response.aborted': true, 'http.response.status_code': 200n });
    });
  });

  describe('a client that goes away', () => {
    it('before it has an answer ends the span, once', async () => {
      const port = await start();
      const arrived = eventually(() => expect(gates.arrived).toEqual(['answer']));
      await callAndLeave(
        port,
        '/api/wait/answer',
        { 'x-tenant': 'acme', 'x-session': 's-1' },
        arrived.then(() => undefined),
      );
      await eventually(() => expect(total().ended).toBe(1));
      gates.open('answer');
      const spans = await spansOf(3);
      const root = expectOneRequest(spans, 'acme', 's-1');
      expect(root).toMatchObject({ name: 'GET /api/wait/:key', status: { code: UNSET } });
      expect(root.attributes.get('http.response.aborted')).toBe(true);
      expect(root.attributes.has('http.response.status_code')).toBe(false);
    });

    it('while its tenant is looked up ends the span, once, in its tenant', async () => {
      const lookups = new Gates();
      const port = await start({
        tenant: async (header) => {
          await lookups.wait('lookup');
          return header('x-tenant');
        },
      });
      const arrived = eventually(() => expect(lookups.arrived).toEqual(['lookup']));
      await callAndLeave(
        port,
        '/api/plain/7',
        { 'x-tenant': 'acme' },
        arrived.then(() => undefined),
      );
      await eventually(() => expect(total().ended).toBe(1));
      lookups.open('lookup');
      await eventually(() => expect(total().ended).toBe(2));
      expect(fixture.telemetry.audit()).toBeNull();
    });
  });

  describe('tenants', () => {
    it('one after the other on one keep-alive connection never meet', async () => {
      const port = await start();
      const connection = new RawConnection(port);
      const tenants = ['acme', 'globex', undefined, 'acme', 'initech'];
      for (const [index, tenant] of tenants.entries()) {
        connection.send([{ path: `/api/plain/${index}`, tenant, session: `session of ${tenant}` }]);
        await connection.responses(index + 1);
      }
      connection.close();
      expectTenants(await spansOf(10), tenants);
      expect(total().dropped).toEqual({ no_tenant: 2 });
    });

    it('pipelined on one keep-alive connection, under way at the same time, never meet', async () => {
      const port = await start();
      const connection = new RawConnection(port);
      const tenants = ['acme', 'globex', undefined, 'acme', 'initech'];
      connection.send(
        tenants.map((tenant, index) => ({ path: `/api/wait/${index}`, tenant, session: `session of ${tenant}` })),
      );
      for (let index = tenants.length - 1; index >= 0; index -= 1) gates.open(String(index));
      await connection.responses(tenants.length);
      connection.close();
      expectTenants(await spansOf(15), tenants);
      expect(total().dropped).toEqual({ no_tenant: 3 });
    });

    it('pipelined never meet in the callbacks of writes, which wait for the response before', async () => {
      const port = await start();
      const connection = new RawConnection(port);
      const tenants = ['acme', 'globex', 'initech'];
      connection.send(
        tenants.map((tenant, index) => ({ path: `/api/written/${index}`, tenant, session: `session of ${tenant}` })),
      );
      await eventually(() => expect(gates.arrived).toHaveLength(tenants.length));
      for (const index of [2, 1]) {
        gates.open(String(index));
        await new Promise((resolve) => setImmediate(resolve));
      }
      gates.open('0');
      await connection.responses(tenants.length);
      connection.close();
      expectTenants(await spansOf(6), tenants);
    });

    it('at once on many connections never meet', async () => {
      const port = await start();
      const tenants = Array.from({ length: 40 }, (_, index) => `tenant-${index % 5}`);
      const calls = tenants.map((tenant, index) =>
        call(port, `/api/wait/${index}`, { headers: { 'x-tenant': tenant, 'x-session': `session of ${tenant}` } }),
      );
      await eventually(() => expect(gates.arrived).toHaveLength(tenants.length));
      for (const index of tenants.keys()) gates.open(String((index * 7) % tenants.length));
      await Promise.all(calls);
      expectTenants(await spansOf(120), tenants);
    });

    /** Each trace is of one tenant, its project and its session; there is one a request. What tells its request in its name is of that one. */
    function expectTenants(spans: readonly FlatSpan[], tenants: readonly (string | undefined)[]): void {
      for (const { name, tenant } of spans) {
        const index = /^(?:before|after|written) (\d+)$/.exec(name)?.[1];
        if (index !== undefined) expect([name, tenant]).toEqual([name, tenants[Number(index)]]);
      }
      const traces = new Map<string, FlatSpan[]>();
      for (const span of spans) traces.set(span.traceId, [...(traces.get(span.traceId) ?? []), span]);
      const found = [...traces.values()].map((ofTrace) => {
        const { tenant } = ofTrace[0]!;
        expectOneRequest(ofTrace, tenant, `session of ${tenant}`);
        return tenant;
      });
      expect(found.sort()).toEqual(tenants.filter((tenant) => tenant !== undefined).sort());
    }

    it('of the code that listens, and what it has active, are not those of a request', async () => {
      fixture = memoryTelemetry({ serviceName: 'search' });
      const { telemetry } = fixture;
      gates = new Gates();
      service = await telemetry.sessionSpan('start-up', { tenantId: 'operator', sessionId: 'boot' }, () =>
        framework.listen(telemetry, gates),
      );
      await call(service.port, '/api/plain/1', { headers: { 'x-tenant': 'acme' } });
      await call(service.port, '/api/plain/2');
      const spans = await spansOf(5);
      expectOneRequest(
        spans.filter(({ name }) => name !== 'start-up'),
        'acme',
      );
      expect(total().dropped).toEqual({ no_tenant: 2 });
    });

    it('may be looked up: spans of the lookup are in the trace', async () => {
      const port = await start({
        tenant: async (header) => {
          const library = fixture.telemetry.tracerProvider.getTracer('database');
          return library.startActiveSpan('look up', async (span) => {
            await new Promise((resolve) => setImmediate(resolve));
            span.end();
            return header('x-tenant');
          });
        },
      });
      await call(port, '/api/plain/7', { headers: { 'x-tenant': 'acme' } });
      const spans = await spansOf(3);
      for (const span of spans) expect(span).toMatchObject({ tenant: 'acme', traceId: spans[0]!.traceId });
      expect(spans.map(({ name }) => name).sort()).toEqual(['GET /api/plain/:id', 'look up', 'work']);
    });

    it('that cannot be used never fail a request: its spans are counted invalid, and one line says so', async () => {
      const port = await start();
      for (let call_ = 0; call_ < 2; call_ += 1) {
        expect(await call(port, '/api/plain/7', { headers: { 'x-tenant': '../etc' } })).toMatchObject({ status: 200 });
      }
      expect(await spansOf()).toEqual([]);
      expect(total().dropped).toMatchObject({ invalid: 2 });
      expect(fixture.warnings.filter((line) => line.includes('../etc'))).toHaveLength(1);
    });

    it.each([
      [
        'throws',
        () => {
          throw new Error('no database');
        },
      ],
      ['rejects', () => Promise.reject(new Error('no database'))],
    ])('whose function %s are missing, and one line says so', async (_what, tenant) => {
      const port = await start({ tenant });
      for (let call_ = 0; call_ < 2; call_ += 1) {
        expect(await call(port, '/api/plain/7')).toMatchObject({ status: 200, body: 'plain 7' });
      }
      expect(await spansOf(4)).toEqual([]);
      expect(total().dropped).toEqual({ no_tenant: 4 });
      expect(fixture.warnings.filter((line) => line.includes('no database'))).toHaveLength(1);
    });

    it('that are missing leave the handler without one: its spans wait, and are counted', async () => {
      const port = await start();
      expect(await call(port, '/api/plain/7')).toMatchObject({ status: 200, body: 'plain 7' });
      expect(await call(port, '/api/plain/8', { headers: { 'x-tenant': '' } })).toMatchObject({ status: 200 });
      expect(await spansOf(4)).toEqual([]);
      expect(total().dropped).toEqual({ no_tenant: 4 });
    });

    it('that are missing have the project of the unassigned tenant where there is one', async () => {
      const port = await start({}, { unassignedTenant: 'nobody' });
      await call(port, '/api/plain/7');
      expectOneRequest(await spansOf(2), 'nobody');
    });

    it('that are missing may be refused: 400, and the handler does not run', async () => {
      const port = await start({ onMissingTenant: 'reject' });
      expect(await call(port, '/api/plain/7')).toMatchObject({ status: 400, body: new TenantRequiredError().message });
      expect(await call(port, '/api/plain/7', { headers: { 'x-tenant': 'acme' } })).toMatchObject({ status: 200 });
      const spans = await spansOf();
      expectOneRequest(spans, 'acme');
      expect(spans).toHaveLength(2);
    });

    it('that are missing make a recording call throw where the middleware makes no span', async () => {
      const port = await start({ span: false });
      expect((await call(port, '/api/plain/7')).status).toBe(500);
      expect(total().started).toBe(0);
    });

    it('are not ambient after the request', async () => {
      const port = await start();
      await call(port, '/api/plain/7', { headers: { 'x-tenant': 'acme' } });
      await spansOf(2);
      expect(trace.getSpan(context.active())).toBeUndefined();
      expect(() => fixture.telemetry.span('outside', () => undefined)).toThrow(/no tenant/);
    });
  });

  describe('a trace from outside', () => {
    const headers = { 'x-tenant': 'acme', traceparent, baggage: 'shop=book,tenant.id=globex' };

    it('is not continued by default', async () => {
      const port = await start();
      await call(port, '/api/plain/7', { headers });
      const root = expectOneRequest(await spansOf(2), 'acme');
      expect(root.traceId).not.toBe(traceparent.split('-')[1]);
    });

    it.each([
      ['true', true],
      ['a predicate that holds', (header: (name: string) => string | undefined) => header('x-tenant') === 'acme'],
    ])('is continued where it is trusted by %s, in the tenant that the request is of', async (_what, trust) => {
      const port = await start({ trust });
      await call(port, '/api/plain/7', { headers });
      const spans = await spansOf(2);
      const root = serverSpan(spans);
      expect(root).toMatchObject({ traceId: traceparent.split('-')[1], parentSpanId: traceparent.split('-')[2] });
      for (const span of spans) expect(span).toMatchObject({ tenant: 'acme', traceId: root.traceId });
    });

    it.each([
      ['denies', () => false],
      [
        'throws',
        () => {
          throw new Error('no list');
        },
      ],
    ])('is not continued where a predicate %s', async (_what, trust) => {
      const port = await start({ trust });
      await call(port, '/api/plain/7', { headers });
      expectOneRequest(await spansOf(2), 'acme');
    });
  });

  it('refuses options that cannot be used, by name', async () => {
    const telemetry = createTelemetry({ flushOnExit: false }, { environment: {} });
    const wrong = { onMissingTenant: 'ignore' as 'continue' };
    await expect(framework.listen(telemetry, new Gates(), wrong)).rejects.toThrow(/onMissingTenant = "ignore"/);
    await expect(framework.listen(telemetry, new Gates(), { projectName: '../x' })).rejects.toThrow(/projectName/);
    await telemetry.shutdown();
  });
});
