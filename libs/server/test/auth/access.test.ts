import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { STORE_OPERATIONS } from '@cogniverse/foundation/telemetry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { getJson, type JsonBody, send, startTestServer, type TestServer, tracesJson } from '../running-server.js';

let running: TestServer;
beforeEach(async () => {
  running = await startTestServer();
});
afterEach(() => running.stop());

const acme = { tenantId: 'acme', read: true, ingest: true };
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

async function post(url: string, headers: Record<string, string>, tenant?: string) {
  const body = JSON.stringify(tracesJson([{}], { project: 'p', ...(tenant === undefined ? {} : { tenant }) }));
  const response = await fetch(`${url}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as JsonBody };
}

describe('keys', () => {
  it('are not asked for until the first one is made, then by the running server at once', async () => {
    expect((await getJson(`${running.url}/v1/projects`)).status).toBe(200);
    const { key, record } = await running.keys.create(acme);
    const refused = await getJson(`${running.url}/v1/projects`);
    expect(refused).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    expect(refused.body.detail).toContain('Authorization: Bearer KEY');
    expect((await getJson(`${running.url}/v1/projects`, bearer(key))).status).toBe(200);
    await running.keys.revoke(record.id);
    expect((await getJson(`${running.url}/v1/projects`, bearer(key))).status).toBe(401);
    expect((await getJson(`${running.url}/v1/projects`)).status).toBe(401);
    for (const path of ['/healthz', '/readyz']) expect((await fetch(`${running.url}${path}`)).status).toBe(200);
  });

  it('give a span its tenant; one that names another is rejected, over HTTP and gRPC', async () => {
    const { key } = await running.keys.create({ ...acme, read: false });
    expect(await post(running.url, bearer(key))).toMatchObject({ status: 200, body: {} });
    const mismatch = await post(running.url, bearer(key), 'umbrella');
    expect(mismatch.body.partialSuccess).toMatchObject({
      rejectedSpans: '1',
      errorMessage: expect.stringContaining('tenant_mismatch'),
    });
    expect(await running.store.listProjects()).toMatchObject([{ tenantId: 'acme', name: 'p', spanCount: 1 }]);
    for (const url of [running.url, new URL(running.server.addresses.otlpHttp).origin]) {
      const refused = await post(url, {});
      expect(refused).toMatchObject({ status: 401, body: { code: 16 } });
      expect(refused.headers.get('www-authenticate')).toBe('Bearer');
    }
  });

  it.each([
    ['none', undefined, '16'],
    ['a wrong one', 'Bearer cgv_000000000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', '16'],
    ['another scheme', 'Basic YTpi', '16'],
  ])('are asked for over gRPC: %s', async (_what, authorization, status) => {
    await running.keys.create(acme);
    expect(await grpcStatus(running, authorization)).toBe(status);
  });

  it('that may only read are not let in for spans', async () => {
    const { key } = await running.keys.create({ ...acme, ingest: false });
    expect(await post(running.url, bearer(key))).toMatchObject({ status: 403, body: { code: 7 } });
    expect(await grpcStatus(running, `Bearer ${key}`)).toBe('7');
  });

  it('narrow what is read to their tenant, whatever the request names', async () => {
    for (const tenant of ['acme', 'umbrella']) await send(running.url, [{}], { project: 'shared', tenant });
    await send(running.url, [{}], { project: 'theirs', tenant: 'umbrella' });
    const theirs = (await running.store.listProjects()).find(({ name }) => name === 'theirs')!;
    const headers = bearer((await running.keys.create(acme)).key);
    const list = await getJson(`${running.url}/v1/projects`, headers);
    expect(list.body.data).toMatchObject([{ name: 'shared', tenant_id: 'acme' }]);
    expect((await getJson(`${running.url}/v1/projects/shared?tenant=acme`, headers)).status).toBe(200);
    const foreign = await getJson(`${running.url}/v1/projects/${theirs.id}`, headers);
    const unknownId = `${theirs.id.slice(0, -1)}x`;
    const unknown = await getJson(`${running.url}/v1/projects/${unknownId}`, headers);
    expect(foreign.status).toBe(404);
    expect(JSON.stringify(foreign).replace(theirs.id, '')).toBe(JSON.stringify(unknown).replace(unknownId, ''));
    for (const tenant of ['umbrella', 'nobody', '']) {
      expect(await getJson(`${running.url}/v1/projects?tenant=${tenant}`, headers)).toMatchObject({
        status: 403,
        body: { code: 'tenant_mismatch' },
      });
    }
  });

  it('narrow metrics over all projects to those of their tenant', async () => {
    for (const tenant of ['acme', 'umbrella'])
      for (const project of ['one', 'two']) await send(running.url, [{}], { project, tenant });
    const metrics = async (key: string, body: object) => {
      const response = await fetch(`${running.url}/v1/cogniverse/${STORE_OPERATIONS.getMetrics.path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...bearer(key) },
        body: JSON.stringify({ metric_names: ['span_count'], ...body }),
      });
      const { data } = (await response.json()) as { data?: { value: number }[] };
      return [response.status, ...(data ?? []).map(({ value }) => value)];
    };
    const { key } = await running.keys.create(acme);
    const operator = (await running.keys.create({ ...acme, tenantId: undefined })).key;
    const theirs = { tenant_id: 'umbrella', name: 'one' };
    expect(await metrics(key, {})).toEqual([200, 2]);
    expect(await metrics(key, { tenant: 'acme' })).toEqual([200, 2]);
    expect(await metrics(key, { tenant: 'umbrella' })).toEqual([403]);
    expect(await metrics(key, { project: theirs })).toEqual([403]);
    expect(await metrics(key, { project: { ...theirs, tenant_id: 'acme' }, tenant: 'umbrella' })).toEqual([422]);
    expect(await metrics(operator, {})).toEqual([200, 4]);
    expect(await metrics(operator, { tenant: 'umbrella' })).toEqual([200, 2]);
    expect(await metrics(operator, { project: theirs })).toEqual([200, 1]);
  });

  it('of the operator see all tenants, and /metrics', async () => {
    for (const tenant of ['acme', 'umbrella']) await send(running.url, [{}], { project: tenant, tenant });
    const headers = bearer((await running.keys.create({ ...acme, tenantId: undefined })).key);
    expect((await getJson(`${running.url}/v1/projects`, headers)).body.data).toHaveLength(2);
    expect((await fetch(`${running.url}/metrics`, { headers })).status).toBe(200);
    const tenants = bearer((await running.keys.create(acme)).key);
    expect((await fetch(`${running.url}/metrics`, { headers: tenants })).status).toBe(403);
  });

  it('of a tenant go with it when it is deleted, every trace of them', async () => {
    await send(running.url, [{}], { project: 'p', tenant: 'canary' });
    const operator = bearer((await running.keys.create({ ...acme, tenantId: undefined })).key);
    const { key } = await running.keys.create({ ...acme, tenantId: 'canary', name: 'canary key' });
    const remove = (headers: Record<string, string>) =>
      fetch(`${running.url}/v1/cogniverse/${STORE_OPERATIONS.deleteTenant.path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ tenant: 'canary' }),
      });
    expect((await remove(bearer(key))).status).toBe(403);
    expect((await remove(operator)).status).toBe(200);
    expect(readFileSync(running.keys.file, 'utf8')).not.toContain('canary');
    expect((await getJson(`${running.url}/v1/projects`, bearer(key))).status).toBe(401);
  });

  it('let nobody in while their file is damaged, and the log says which', async () => {
    const { key } = await running.keys.create(acme);
    writeFileSync(running.keys.file, '{"format": 1');
    for (const headers of [bearer(key), {}]) {
      const answer = await getJson(`${running.url}/v1/projects`, headers);
      expect(answer).toMatchObject({ status: 503, body: { code: 'backend_unavailable' } });
      expect(JSON.stringify(answer)).not.toContain(running.keys.file);
    }
    expect(await grpcStatus(running, `Bearer ${key}`)).toBe('14');
    const told = running.logged.filter(({ event }) => event === 'access_refused');
    expect(told).toMatchObject([
      { level: 'error', fields: { reason: 'file_unusable', error: expect.stringContaining(running.keys.file) } },
    ]);
    expect(JSON.stringify(running.logged)).not.toContain(key.slice(-43));
  });
});

/** What the server answers to an empty export. */
async function grpcStatus({ server }: TestServer, authorization: string | undefined): Promise<unknown> {
  const session = connect(`http://${server.addresses.otlpGrpc}`);
  const stream = session.request({
    ':method': 'POST',
    ':path': '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
    'content-type': 'application/grpc',
    ...(authorization === undefined ? {} : { authorization }),
  });
  stream.end(Buffer.alloc(5));
  const status = await new Promise((resolve, reject) => {
    stream.on('response', (headers) => headers['grpc-status'] !== undefined && resolve(headers['grpc-status']));
    stream.on('trailers', (trailers) => resolve(trailers['grpc-status']));
    stream.on('error', reject);
  });
  stream.resume();
  session.destroy();
  return status;
}
