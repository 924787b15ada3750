/** Hono on the Fetch API alone, without a socket: `app.request()`. */
import { honoTelemetry } from '@cogniverse/foundation/telemetry';
import { Hono } from 'hono';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Fixture, memoryTelemetry } from '../../libs/foundation/test/telemetry/memory-telemetry.js';
import { eventually } from './eventually.js';
import { Gates, honoApp } from './frameworks.js';

const headers = { 'x-tenant': 'acme', 'x-session': 's-1' };
let fixture: Fixture;
let app: ReturnType<typeof honoApp>;

beforeEach(() => {
  fixture = memoryTelemetry({ serviceName: 'search' });
  app = honoApp(fixture.telemetry, new Gates());
});

afterEach(async () => {
  await fixture.telemetry.shutdown();
  expect(fixture.telemetry.audit()).toBeNull();
});

async function spansOf(count: number) {
  await eventually(() => expect(fixture.telemetry.getStats().export.total.ended).toBe(count));
  const { spans } = await fixture.flushed();
  for (const span of spans) {
    expect(span).toMatchObject({ tenant: 'acme', project: 'cogniverse-acme-search', traceId: spans[0]!.traceId });
    expect(span.attributes.get('session.id')).toBe('s-1');
  }
  const root = spans.find(({ kind }) => kind === 2)!;
  return { spans, root, attributes: Object.fromEntries(root.attributes) };
}

describe('app.request()', () => {
  it('runs the handler in its tenant and session, under a server span that ends without anyone reading the answer', async () => {
    const response = await app.request('/api/plain/7', { headers });
    expect(response.status).toBe(200);
    const { root, attributes } = await spansOf(2);
    expect(root.name).toBe('GET /api/plain/:id');
    expect(attributes).toMatchObject({ 'http.route': '/api/plain/:id', 'http.response.status_code': 200n });
    expect(attributes).not.toHaveProperty('http.response.aborted');
    expect(await response.text()).toBe('plain 7');
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
  });

  it('ends the server span of a streamed answer with its last part', async () => {
    const response = await app.request('/api/stream', { headers });
    expect(await response.text()).toBe('part 0\npart 1\npart 2\n');
    const { root, spans } = await spansOf(4);
    for (const span of spans) expect(span.endTimeUnixNano).toBeLessThanOrEqual(root.endTimeUnixNano);
  });

  it('ends it, once, when the reader goes away', async () => {
    const reader = (await app.request('/api/broken-stream', { headers })).body!.getReader();
    await reader.cancel();
    const { attributes } = await spansOf(1);
    expect(attributes).toMatchObject({ 'http.response.aborted': true, 'http.response.status_code': 200n });
  });

  it('records what breaks a stream in its middle, and passes it on', async () => {
    const response = await app.request('/api/broken-stream', { headers });
    await expect(response.text()).rejects.toThrow('the index is gone');
    const { root } = await spansOf(1);
    expect(root.events.map(({ attributes }) => attributes.get('exception.message'))).toEqual(['the index is gone']);
  });

  it('ends it for answers without a body, and for HEAD', async () => {
    expect((await app.request('/api/plain/7', { method: 'HEAD', headers })).status).toBe(200);
    const { root } = await spansOf(2);
    expect(root.attributes.get('http.request.method')).toBe('HEAD');
  });

  it('leaves the answer as it is: status, headers, cookies', async () => {
    const own = new Hono();
    own.use(honoTelemetry(fixture.telemetry, { tenant: () => 'acme', session: () => 's-1' }));
    own.get('/cookies', (c) => {
      c.header('set-cookie', 'a=1', { append: true });
      c.header('set-cookie', 'b=2', { append: true });
      c.header('x-kind', 'test');
      return c.json({ done: true }, 201);
    });
    const response = await own.request('/cookies');
    expect(response.status).toBe(201);
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(response.headers.get('x-kind')).toBe('test');
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    expect(await response.json()).toEqual({ done: true });
    await spansOf(1);
  });

  it('passes on what is no error, and records it', async () => {
    const own = new Hono();
    own.use(honoTelemetry(fixture.telemetry, { tenant: () => 'acme', session: () => 's-1' }));
    own.get('/odd', () => Promise.reject('a text'));
    await expect((async () => own.request('/odd'))()).rejects.toBe('a text');
    const { root } = await spansOf(1);
    expect(root).toMatchObject({ name: 'GET /odd', status: { code: 2 } });
  });

  it('answers 400 where a tenant is required and the application has no onError', async () => {
    const own = new Hono();
    own.use(honoTelemetry(fixture.telemetry, { tenant: () => undefined, onMissingTenant: 'reject' }));
    own.get('/', (c) => c.text('never'));
    const response = await own.request('/');
    expect([response.status, await response.text()]).toEqual([400, 'The request names no tenant.']);
    expect(fixture.telemetry.getStats().export.total.dropped).toEqual({ no_tenant: 1 });
  });

  it('of two tenants at once never meet', async () => {
    const gates = new Gates();
    const both = honoApp(fixture.telemetry, gates);
    const answers = ['acme', 'globex'].map((tenant) =>
      both.request(`/api/wait/${tenant}`, { headers: { 'x-tenant': tenant } }),
    );
    await eventually(() => expect(gates.arrived).toHaveLength(2));
    gates.open('globex');
    gates.open('acme');
    await Promise.all(answers);
    await eventually(() => expect(fixture.telemetry.getStats().export.total.ended).toBe(6));
    for (const { name, tenant } of (await fixture.flushed()).spans) {
      expect(name.replace(/^(before|after) /, '')).toMatch(new RegExp(`^${tenant}$|^GET`));
    }
  });
});
