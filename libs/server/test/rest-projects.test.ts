import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getJson, type JsonBody, send, startTestServer, type TestServer } from './running-server.js';

let running: TestServer;
beforeAll(async () => {
  running = await startTestServer();
  await send(running.url, [{ name: 'of acme' }], { project: 'shared', tenant: 'acme' });
  await send(running.url, [{ name: 'of globex' }], { project: 'shared', tenant: 'globex' });
  await send(running.url, [{ name: 'of nobody' }], { project: 'shared' });
  await send(running.url, [{}], { project: 'Only Acme / 100%?#', tenant: 'acme' });
  for (let i = 0; i < 7; i += 1) await send(running.url, [{}], { project: `page-${i}`, tenant: 'pages' });
});
afterAll(() => running.stop());

const names = (body: { data: { name: string }[] }) => body.data.map(({ name }) => name);

describe('GET /v1/projects', () => {
  it('lists all, page by page, each once', async () => {
    const seen: string[] = [];
    let cursor = '';
    do {
      const { body } = await getJson(`${running.url}/v1/projects?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`);
      seen.push(...body.data.map((project: { id: string }) => project.id));
      expect(body.data.length).toBeLessThanOrEqual(3);
      cursor = body.next_cursor ?? '';
    } while (cursor !== '');
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toHaveLength(11);
  });

  it('finds by part of the name and by tenant', async () => {
    expect(names((await getJson(`${running.url}/v1/projects?name_contains=PAGE-`)).body)).toHaveLength(7);
    expect(names((await getJson(`${running.url}/v1/projects?tenant=acme`)).body)).toEqual([
      'Only Acme / 100%?#',
      'shared',
    ]);
    const nobody = await getJson(`${running.url}/v1/projects`, { 'x-cogniverse-tenant': '' });
    expect(nobody.body.data).toMatchObject([{ name: 'shared', tenant_id: null }]);
  });

  it("leaves out the projects of a tenant's experiments unless they are asked for", async () => {
    const made = await fetch(`${running.url}/v1/cogniverse/experiments`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ tenant: 'trials', name: 'first', project_name: 'Experiment-1' }),
    });
    expect(made.status).toBe(200);
    await send(running.url, [{ name: 'a run' }], { project: 'Experiment-1', tenant: 'trials' });
    await send(running.url, [{ name: 'work' }], { project: 'work', tenant: 'trials' });
    await send(running.url, [{ name: 'of another' }], { project: 'Experiment-1', tenant: 'neighbours' });
    const listed = async (query: string) => names((await getJson(`${running.url}/v1/projects?${query}`)).body);
    expect(await listed('tenant=trials')).toEqual(['work']);
    expect(await listed('tenant=trials&include_experiment_projects=false')).toEqual(['work']);
    expect(await listed('tenant=trials&include_experiment_projects=true')).toEqual(['Experiment-1', 'work']);
    expect(await listed('name_contains=experiment-')).toEqual(['Experiment-1']);
    expect(await listed('tenant=neighbours')).toEqual(['Experiment-1']);
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['limit=ten', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['cursor=bm9uZQ', 'cursor'],
    ['include_experiment_projects=maybe', 'include_experiment_projects'],
    ['nmae_contains=x', 'nmae_contains'],
    ['__proto__=x', '__proto__'],
    ['constructor=x', 'constructor'],
  ])('refuses ?%s and names %s', async (query, named) => {
    const { status, body } = await getJson(`${running.url}/v1/projects?${query}`);
    expect(status).toBe(422);
    expect(body.detail).toContain(`"${named}"`);
  });
});

describe('a project in a path', () => {
  it('is found by its name where one tenant holds it, whatever is in the name', async () => {
    const { status, body } = await getJson(`${running.url}/v1/projects/${encodeURIComponent('Only Acme / 100%?#')}`);
    expect(status).toBe(200);
    expect(body.data).toMatchObject({ name: 'Only Acme / 100%?#', tenant_id: 'acme', span_count: 1 });
    const byId = await getJson(`${running.url}/v1/projects/${encodeURIComponent(body.data.id)}`);
    expect(byId.body).toEqual(body);
  });

  it('is ambiguous where several tenants hold the name: 409 lists them, until the tenant is chosen', async () => {
    const { status, body } = await getJson(`${running.url}/v1/projects/shared/spans`);
    expect(status).toBe(409);
    expect(body.projects.map((project: { tenant_id: string | null }) => project.tenant_id).sort()).toEqual(
      ['acme', 'globex', null].sort(),
    );
    const spansOf = async (url: string, headers = {}) => names((await getJson(url, headers)).body);
    expect(await spansOf(`${running.url}/v1/projects/shared/spans?tenant=acme`)).toEqual(['of acme']);
    expect(await spansOf(`${running.url}/v1/projects/shared/spans`, { 'x-cogniverse-tenant': 'globex' })).toEqual([
      'of globex',
    ]);
    expect(await spansOf(`${running.url}/v1/projects/shared/spans?tenant=`)).toEqual(['of nobody']);
    for (const project of body.projects) {
      const expected = project.tenant_id === null ? 'of nobody' : `of ${project.tenant_id}`;
      expect(await spansOf(`${running.url}/v1/projects/${encodeURIComponent(project.id)}/spans`)).toEqual([expected]);
    }
  });

  it('of another tenant than the chosen one, and an unknown one, are not there, alike', async () => {
    const { body } = await getJson(`${running.url}/v1/projects?tenant=acme`);
    const id = encodeURIComponent(body.data[0].id);
    const foreign = await getJson(`${running.url}/v1/projects/${id}?tenant=globex`);
    expect(foreign.status).toBe(404);
    for (const path of ['', '/spans', '/spans/otlpv1', '/traces']) {
      expect((await getJson(`${running.url}/v1/projects/nowhere${path}`)).status).toBe(404);
    }
    const both = await getJson(`${running.url}/v1/projects/shared?tenant=acme`, { 'x-cogniverse-tenant': 'globex' });
    expect(both.status).toBe(422);
  });

  it.each(['__proto__', 'constructor', 'toString', '..', '%00', 'a'.repeat(10_000)])(
    'named %s is a name like any other',
    async (name) => {
      expect([400, 404, 405]).toContain(
        (await getJson(`${running.url}/v1/projects/${name === '..' ? '%2e%2e' : name}/spans`)).status,
      );
    },
  );
});

it.each([
  '/v1/prompts',
  '/v1/prompts/x/latest',
  '/v1/users',
  '/v1/secrets',
  '/graphql',
  '/playground',
  '/v1/dataset_labels',
  '/v1/annotation_configs',
  '/v1/projects/shared/annotation_configs/x',
  '/v1/model_providers',
  '/v1/system/api_keys',
])('says why it does not serve %s', async (path) => {
  const { status, body } = await getJson(`${running.url}${path}`);
  expect(status).toBe(501);
  expect(body.detail.length).toBeGreaterThan(20);
});

it('says of retention policies where the retention of a project is set', async () => {
  const response = await fetch(`${running.url}/v1/projects/shared/retention`, { method: 'PATCH', body: '{}' });
  expect(response.status).toBe(501);
  expect(((await response.json()) as { detail: string }).detail).toContain('POST /v1/cogniverse/retention');
});

it('answers 405 with what is allowed, 501 to writes that Phoenix has, 404 to the rest, whatever the body', async () => {
  const status = async (method: string, path: string) => {
    const response = await fetch(`${running.url}${path}`, {
      method,
      body: method === 'GET' ? null : 'x',
      headers: { 'content-type': 'a/b' },
    });
    return [response.status, response.headers.get('allow')];
  };
  expect(await status('GET', '/v1/traces')).toEqual([405, 'POST']);
  expect(await status('POST', '/metrics')).toEqual([405, 'GET, HEAD']);
  expect(await status('DELETE', '/v1/prompts/shared')).toEqual([501, null]);
  expect(await status('POST', '/v1/projects/shared/spans')).toEqual([415, null]);
  expect(await status('PUT', '/v1/secrets')).toEqual([501, null]);
  expect(await status('POST', '/v1/nothing')).toEqual([404, null]);
  expect(await status('GET', '/v1/nothing')).toEqual([404, null]);
});

it('announces the version of Phoenix whose API it speaks, on every answer', async () => {
  const response = await fetch(`${running.url}/arize_phoenix_version`);
  const version = await response.text();
  expect(version).toMatch(/^20\.26\.\d+$/);
  for (const path of ['/arize_phoenix_version', '/healthz', '/nothing', '/v1/projects']) {
    expect((await fetch(`${running.url}${path}`)).headers.get('x-phoenix-server-version')).toBe(version);
  }
});

describe('projects that are written', () => {
  const write = async (method: string, path: string, body: unknown) => {
    const response = await fetch(`${running.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as JsonBody };
  };

  it('are listed before their first span, and have a description that can be changed', async () => {
    const made = await write('POST', '/v1/projects?tenant=initech', { name: 'planned', description: 'soon' });
    expect(made.status).toBe(200);
    expect(made.body.data).toMatchObject({
      name: 'planned',
      description: 'soon',
      tenant_id: 'initech',
      span_count: 0,
      trace_count: 0,
    });
    const listed = await getJson(`${running.url}/v1/projects?tenant=initech`);
    const { span_count: _spans, trace_count: _traces, ...withoutCounts } = made.body.data;
    expect(listed.body.data).toEqual([withoutCounts]);
    expect((await getJson(`${running.url}/v1/projects/${made.body.data.id}`)).body).toEqual(made.body);
    const path = `/v1/projects/${made.body.data.id}`;
    const changed = await write('PUT', path, { description: 'now', name: 'ignored' });
    expect(changed.body.data).toEqual({ ...made.body.data, description: 'now' });
    expect((await write('PUT', path, {})).body).toEqual(changed.body);
    await send(running.url, [{}], { project: 'planned', tenant: 'initech' });
    expect((await getJson(`${running.url}${path}`)).body.data).toEqual({
      ...changed.body.data,
      span_count: 1,
      trace_count: 1,
    });
  });

  it('are refused where the tenant has one of that name, and not where another has', async () => {
    await send(running.url, [{}], { project: 'taken', tenant: 'initech' });
    expect((await write('POST', '/v1/projects?tenant=initech', { name: 'taken' })).status).toBe(409);
    expect((await write('POST', '/v1/projects', { name: 'taken' })).body.data.tenant_id).toBeNull();
    expect((await write('POST', '/v1/projects', { name: 'taken' })).status).toBe(409);
    expect((await write('POST', '/v1/projects', { name: '' })).status).toBe(422);
    expect((await write('POST', '/v1/projects', {})).status).toBe(422);
    expect((await write('PUT', '/v1/projects/unknown', { description: 'x' })).status).toBe(404);
    expect((await write('PUT', '/v1/projects/taken', { description: 'x' })).status).toBe(409);
  });
});
