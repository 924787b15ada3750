/**
 * Row 16: tenants with equal names and ids never see each other's, in whatever order they write and ask; a foreign id answers as an unknown one.
 *
 * Random interleavings, each tenant with its own key, over every route that reads by GET and the queries under /v1/cogniverse/.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestServer, type TestServer, tracesJson } from '../running-server.js';
import { type RegisteredRoute, withRoutes } from './every-route.js';

const TENANTS = ['acme', 'umbrella', 'initech'] as const;
type Tenant = (typeof TENANTS)[number];
const TRACE = 'ab'.repeat(16);
const SPAN = 'cd'.repeat(8);

let running: TestServer;
let reads: RegisteredRoute[];
const keys = new Map<Tenant, string>();
const counts = new Map<Tenant, number>(TENANTS.map((tenant) => [tenant, 0]));

beforeAll(async () => {
  const { started, applications } = await withRoutes(() => startTestServer());
  running = started;
  reads = applications[0]!.filter(
    ({ method, url, access }) => method === 'GET' && url.startsWith('/v1/') && access !== 'observe',
  );
  for (const tenant of TENANTS) {
    keys.set(tenant, (await running.keys.create({ tenantId: tenant, read: true, ingest: true })).key);
  }
});
afterAll(() => running.stop());

async function ask(tenant: Tenant, path: string, body?: unknown): Promise<{ status: number; text: string }> {
  const response = await fetch(`${running.url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${keys.get(tenant)}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

/** Same project, session, trace and span ids for all; the name and a value tell whose it is. */
async function write(tenant: Tenant): Promise<void> {
  const n = counts.get(tenant)! + 1;
  counts.set(tenant, n);
  const attributes = { 'session.id': { stringValue: 'shared' }, note: { stringValue: `of-${tenant}-${n}` } };
  const spanId = n === 1 ? SPAN : n.toString(16).padStart(16, '0');
  const sent = await ask(
    tenant,
    '/v1/traces',
    tracesJson([{ traceId: TRACE, spanId, name: `of-${tenant}`, attributes }], { project: 'shared' }),
  );
  expect(sent).toEqual({ status: 200, text: '{}' });
}

function expectOwn(tenant: Tenant, path: string, { status, text }: { status: number; text: string }): void {
  expect(status, `${path}: ${text}`).toBeLessThan(502);
  for (const other of TENANTS)
    if (other !== tenant) expect(text, `${tenant} asks ${path}`).not.toContain(`of-${other}`);
}

const command = fc.record({
  tenant: fc.constantFrom(...TENANTS),
  act: fc.constantFrom('write', 'get', 'query', 'dataset'),
  pick: fc.nat(),
});

it('shows each tenant what is its own, in every order of writing and asking', async () => {
  const datasets = new Set<Tenant>();
  const queries: readonly [string, (project: object) => object][] = [
    ['spans/query', (project) => ({ project, limit: 100 })],
    ['traces/query', (project) => ({ project, limit: 100 })],
    ['metrics/query', (project) => ({ project, metric_names: ['span_count'], group_by: 'name' })],
    ['annotations/query', (project) => ({ project, span_ids: [SPAN] })],
  ];
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 12 }), async (commands) => {
      await Promise.all(
        commands.map(async ({ tenant, act, pick }) => {
          if (act === 'write') return write(tenant);
          if (act === 'dataset') {
            if (datasets.has(tenant)) return undefined;
            datasets.add(tenant);
            const rows = [{ input: { text: `of-${tenant}` } }];
            const made = await ask(tenant, '/v1/cogniverse/datasets', { tenant, name: 'shared', rows });
            return expectOwn(tenant, 'datasets', made);
          }
          if (act === 'query') {
            const [path, bodyOf] = queries[pick % queries.length]!;
            const answer = await ask(tenant, `/v1/cogniverse/${path}`, bodyOf({ tenant_id: tenant, name: 'shared' }));
            return expectOwn(tenant, path, answer);
          }
          const { url } = reads[pick % reads.length]!;
          const path = url
            .replace(/:trace\w*/g, TRACE)
            .replace(/:span\w*/g, SPAN)
            .replace(/:\w+|\*/g, 'shared');
          const parameters = url.startsWith('/v1/cogniverse/') ? '?name=shared' : '';
          return expectOwn(tenant, path, await ask(tenant, path + parameters));
        }),
      );
      for (const tenant of TENANTS) {
        const spans = await ask(tenant, '/v1/projects/shared/spans?limit=1000');
        expectOwn(tenant, 'spans', spans);
        if (spans.status === 200) expect(JSON.parse(spans.text).data).toHaveLength(counts.get(tenant)!);
        else expect([counts.get(tenant), spans.status]).toEqual([0, 404]);
      }
    }),
    { numRuns: 12 },
  );
});

it('answers to the id of a project of another tenant as to one that is not there', async () => {
  for (const tenant of TENANTS) await write(tenant);
  const projects = await running.store.listProjects();
  const unknown = `${projects[0]!.id.slice(0, -1)}${projects[0]!.id.endsWith('A') ? 'B' : 'A'}`;
  const withProject = reads.filter(({ url }) => url.includes(':project'));
  expect(withProject.length).toBeGreaterThan(2);
  for (const { url } of withProject) {
    for (const { id } of projects.filter(({ tenantId }) => tenantId !== 'acme')) {
      const of = async (project: string) => {
        const path = url.replace(/:project\w*/, encodeURIComponent(project)).replace(/:\w+|\*/g, 'x');
        const { status, text } = await ask('acme', path);
        return { status, text: text.replaceAll(project, 'ID') };
      };
      expect(await of(id), url).toEqual(await of(unknown));
    }
  }
  const byId = (id: string) => ask('acme', `/v1/cogniverse/projects/by-id?id=${encodeURIComponent(id)}`);
  const foreign = projects.find(({ tenantId }) => tenantId === 'umbrella')!;
  expect(await byId(foreign.id)).toEqual(await byId(unknown));
});
