/**
 * Row 4: the tenant comes from the key; a header or attribute may narrow it, never widen it.
 *
 * Over every route that the server registers, those that others add later among them.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId, send, startTestServer, type TestServer } from '../running-server.js';
import { type RegisteredRoute, withRoutes } from './every-route.js';

const OPEN = ['GET /healthz', 'HEAD /healthz', 'GET /readyz', 'HEAD /readyz'];
const theirs = { traceId: newId(32), spanId: newId(16) };

let running: TestServer;
/** Each route with the base URL of its port. */
let routes: (RegisteredRoute & { base: string })[];
let projectId: string;
const keys: Record<'acme' | 'umbrella' | 'reader' | 'ingester' | 'operator', string> = {} as never;

beforeAll(async () => {
  const { started, applications } = await withRoutes(() => startTestServer());
  running = started;
  const bases = [running.url, new URL(running.server.addresses.otlpHttp).origin];
  routes = applications.flatMap((ofOne, i) => ofOne.map((route) => ({ ...route, base: bases[i]! })));
  await send(running.url, [{ name: 'ours' }], { project: 'ours', tenant: 'acme' });
  const attributes = { 'session.id': { stringValue: 'canary-session' }, note: { stringValue: 'canary-value' } };
  await send(running.url, [{ ...theirs, name: 'canary-span', attributes }], { project: 'canary', tenant: 'umbrella' });
  await running.store.createDataset({
    tenantId: 'umbrella',
    name: 'canary',
    rows: [{ input: { text: 'canary-row' } }],
  });
  projectId = (await running.store.listProjects({ tenantId: 'umbrella' }))[0]!.id;
  const right = { read: true, ingest: true };
  keys.acme = (await running.keys.create({ ...right, tenantId: 'acme' })).key;
  keys.umbrella = (await running.keys.create({ ...right, tenantId: 'umbrella' })).key;
  keys.reader = (await running.keys.create({ ...right, tenantId: 'acme', ingest: false })).key;
  keys.ingester = (await running.keys.create({ ...right, tenantId: 'acme', read: false })).key;
  keys.operator = (await running.keys.create({ ...right, tenantId: undefined })).key;
});
afterAll(() => running.stop());

/** Asks a route, with what is umbrella's in every place that can name something. */
async function ask(
  route: RegisteredRoute & { base: string },
  authorization: string | undefined,
  more: { names?: 'umbrella'; id?: string } = {},
): Promise<{ status: number; text: string }> {
  const path = route.url
    .replace(/:project\w*/g, more.id ?? projectId)
    .replace(/:trace\w*/g, theirs.traceId)
    .replace(/:span\w*/g, theirs.spanId)
    .replace(/:session\w*/g, 'canary-session')
    .replace(/:\w+/g, 'canary')
    .replace('*', 'canary');
  const url = new URL(path, route.base);
  const isGet = route.method === 'GET' || route.method === 'HEAD';
  if (more.names !== undefined && isGet) url.searchParams.set('tenant', more.names);
  const body = { project: { tenant_id: 'umbrella', name: 'canary' }, tenant: 'umbrella' };
  const response = await fetch(url, {
    method: route.method,
    headers: {
      cookie: `session=${keys.operator}; authorization=${keys.operator}`,
      ...(authorization !== undefined && { authorization }),
      ...(more.names !== undefined && { 'x-cogniverse-tenant': more.names }),
      ...(!isGet && { 'content-type': 'application/json' }),
    },
    ...(!isGet && { body: JSON.stringify(more.names === undefined ? {} : body) }),
  });
  return { status: response.status, text: await response.text() };
}

const nameOf = ({ method, url }: RegisteredRoute) => `${method} ${url}`;

it('sees the routes of both HTTP ports', () => {
  const names = routes.map(nameOf);
  for (const name of ['GET /v1/projects', 'POST /v1/traces', 'POST /v1/cogniverse/spans/query', 'GET /metrics']) {
    expect(names).toContain(name);
  }
  expect(new Set(routes.map(({ base }) => base)).size).toBe(2);
});

describe('every route', () => {
  it.each([
    ['no key, with a cookie of any kind', undefined],
    ['a key that is none of ours', `Bearer cgv_000000000000_${'A'.repeat(43)}`],
    ['a malformed one', 'Bearer nonsense'],
    ['an empty one', 'Bearer '],
    ['another scheme', 'Basic YWRtaW46YWRtaW4='],
  ])('but health and readiness answers 401 to %s', async (_what, authorization) => {
    const answers = await Promise.all(
      routes.map(async (route) => [nameOf(route), (await ask(route, authorization)).status] as const),
    );
    expect(answers.filter(([name, status]) => (status === 401) === OPEN.includes(name))).toEqual([]);
  });

  it('lets a key with both rights of its tenant past the door, but where the operator is needed', async () => {
    for (const route of routes) {
      const { status } = await ask(route, `Bearer ${keys.acme}`);
      const isOperators = route.access === 'observe' || route.access === 'operate';
      expect.soft([401, 403].includes(status), `${nameOf(route)} answers ${status}`).toBe(isOperators);
    }
  });

  it('lets a key that may only ingest send spans, and nothing else', async () => {
    for (const route of routes) {
      if (OPEN.includes(nameOf(route))) continue;
      const { status } = await ask(route, `Bearer ${keys.ingester}`);
      expect.soft(status === 403, `${nameOf(route)} answers ${status}`).toBe(route.access !== 'ingest');
    }
    const forSpans = routes.filter(({ access }) => access === 'ingest').map(nameOf);
    for (const name of forSpans) {
      expect(['POST /v1/traces', 'POST /v1/logs', 'POST /v1/metrics', 'POST /v1/projects/:project/spans']).toContain(
        name,
      );
    }
  });

  it('lets a key that may only read change nothing', async () => {
    for (const route of routes) {
      if (OPEN.includes(nameOf(route))) continue;
      const reads = route.access === 'read' || (route.access === undefined && ['GET', 'HEAD'].includes(route.method));
      const { status } = await ask(route, `Bearer ${keys.reader}`);
      expect.soft(status === 403, `${nameOf(route)} answers ${status}`).toBe(!reads);
    }
  });

  it("shows a tenant's key nothing of another tenant, whatever the request names, and changes nothing of it", async () => {
    const before = await stateOf('umbrella');
    for (const route of routes) {
      for (const more of [
        {},
        { names: 'umbrella' as const },
        { id: 'canary' },
        { names: 'umbrella' as const, id: 'canary' },
      ]) {
        const { status, text } = await ask(route, `Bearer ${keys.acme}`, more);
        // What the request itself said may come back.
        const told = text.replaceAll(
          /(no|project|named|dataset|experiment|session|span|trace)[^"]{0,20}\\?"?canary[a-z-]*\\?"?/gi,
          '',
        );
        expect
          .soft(told, `${nameOf(route)} ${JSON.stringify(more)} answers ${status}`)
          .not.toMatch(/canary-(span|value|row)/);
        if (more.names !== undefined && status < 300 && !OPEN.includes(nameOf(route))) {
          expect
            .soft(route.url, 'takes no tenant, or it is the key that counts')
            .toMatch(/^\/(arize_phoenix_version|v1\/cogniverse\/openapi\.json|v1\/cogniverse\/tenants|v1\/traces)$/);
        }
      }
    }
    expect(await stateOf('umbrella')).toEqual(before);
  });

  it("shows the tenant's own key what it asks for", async () => {
    const seen: string[] = [];
    for (const route of routes.filter(({ method }) => method === 'GET')) {
      const { text } = await ask(route, `Bearer ${keys.umbrella}`, { names: 'umbrella' });
      if (text.includes('canary-span')) seen.push(route.url);
    }
    expect(seen).toContain('/v1/projects/:project/spans');
  });
});

/** All that is a tenant's, as the store tells it. */
async function stateOf(tenantId: string): Promise<unknown> {
  const datasetId = (await running.store.listDatasets({ tenantId, name: 'canary' }))[0]!.id;
  const project = { tenantId, name: 'canary' };
  return JSON.parse(
    JSON.stringify(
      [
        await running.store.listProjects({ tenantId }),
        await running.store.querySpans({ project, limit: 10 }),
        await running.store.listDatasets({ tenantId }),
        await running.store.getDatasetRows({ tenantId, datasetId }),
        await running.store.listExperiments({ tenantId }),
        await running.store.listAnnotations({ project, target: 'span', spanIds: [theirs.spanId] }),
      ],
      (_key, value) => (typeof value === 'bigint' ? String(value) : value),
    ),
  );
}
