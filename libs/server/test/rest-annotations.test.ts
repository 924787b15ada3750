import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getJson, type JsonBody, newId, send, startTestServer, type TestServer } from './running-server.js';

let running: TestServer;
const span = newId(16);
const trace = newId(32);
const shared = newId(16);
const sharedTrace = newId(32);

beforeAll(async () => {
  running = await startTestServer();
  const documents = {
    'openinference.span.kind': { stringValue: 'RETRIEVER' },
    'retrieval.documents.0.document.content': { stringValue: 'first' },
    'retrieval.documents.1.document.content': { stringValue: 'second' },
    'session.id': { stringValue: 'talk 1' },
  };
  await send(running.url, [{ spanId: span, traceId: trace, attributes: documents }], {
    project: 'shop',
    tenant: 'acme',
  });
  for (const tenant of ['acme', 'globex']) {
    await send(running.url, [{ spanId: shared, traceId: sharedTrace }], { project: 'both', tenant });
  }
});
afterAll(() => running.stop());

async function request(method: string, path: string, body?: unknown): Promise<{ status: number; body: JsonBody }> {
  const response = await fetch(`${running.url}${path}`, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}
const post = (path: string, data: unknown) => request('POST', path, { data });
const get = (path: string) => getJson(`${running.url}${path}`);

const said = {
  name: 'quality',
  annotator_kind: 'LLM',
  result: { label: 'good', score: 0.5, explanation: 'why' },
  metadata: { by: 'judge' },
  identifier: 'i',
};
const KINDS = [
  { kind: 'span', target: { span_id: span }, type: 'SpanAnnotation', unknown: { span_id: newId(16) } },
  { kind: 'trace', target: { trace_id: trace }, type: 'TraceAnnotation', unknown: { trace_id: newId(32) } },
  {
    kind: 'session',
    target: { session_id: 'talk 1' },
    type: 'ProjectSessionAnnotation',
    unknown: { session_id: 'unknown' },
  },
] as const;

describe.each(KINDS)('annotations of a $kind', ({ kind, target, type, unknown }) => {
  const [field, id] = Object.entries(target)[0] as [string, string];
  const list = (more = '') => get(`/v1/projects/shop/${kind}_annotations?${kind}_ids=${encodeURIComponent(id)}${more}`);

  it('are written, replaced, and read back', async () => {
    const path = `/v1/${kind}_annotations?sync=true`;
    const first = await post(path, [{ ...target, ...said }]);
    expect(first.status).toBe(200);
    const { id: annotationId } = first.body.data[0];
    expect(Buffer.from(annotationId, 'base64').toString()).toMatch(new RegExp(`^${type}:[0-9a-f]{32}$`));
    const again = await post(path, [{ ...target, ...said, result: { score: '0.75' }, metadata: null }]);
    expect(again.body.data).toEqual([{ id: annotationId }]);
    const { status, body } = await list('&include_annotation_names=quality');
    expect(status).toBe(200);
    expect(body).toEqual({
      data: [
        {
          id: annotationId,
          [field]: id,
          name: 'quality',
          annotator_kind: 'LLM',
          result: { label: null, score: 0.75, explanation: null },
          metadata: {},
          identifier: 'i',
          source: 'API',
          user_id: null,
          created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$/),
          updated_at: expect.any(String),
        },
      ],
      next_cursor: null,
    });
  });

  it.each(['', '?sync=false'])('are there when an answer without their ids comes (%s)', async (query) => {
    const name = `without ids ${query}`;
    const answer = await post(`/v1/${kind}_annotations${query}`, [{ ...target, ...said, name }]);
    expect(answer).toEqual({ status: 200, body: { data: [] } });
    expect((await list(`&include_annotation_names=${encodeURIComponent(name)}`)).body.data).toHaveLength(1);
  });

  it('are none where one target is missing, and the missing one is named', async () => {
    const missing = Object.values(unknown)[0];
    const { status, body } = await post(`/v1/${kind}_annotations`, [
      { ...target, ...said, name: 'all or none' },
      { ...unknown, ...said, name: 'all or none' },
    ]);
    expect([status, body.detail]).toEqual([404, expect.stringContaining(missing!)]);
    expect((await list('&include_annotation_names=all%20or%20none')).body.data).toEqual([]);
    expect((await get(`/v1/projects/shop/${kind}_annotations?${kind}_ids=${missing}`)).status).toBe(404);
  });

  it('are found by identifier and by name, and in pages, the newest first', async () => {
    const names = ['p0', 'p1', 'p2', 'p3', 'p4'];
    for (const name of names) await post(`/v1/${kind}_annotations`, [{ ...target, ...said, name, identifier: 'page' }]);
    const base = `/v1/projects/shop/${kind}_annotations?identifier=page&exclude_annotation_names=p2&limit=3`;
    const first = await get(base);
    expect(first.body.data.map(({ name }: { name: string }) => name)).toEqual(['p4', 'p3', 'p1']);
    const second = await get(`${base}&cursor=${first.body.next_cursor}`);
    expect(second.body.data.map(({ name }: { name: string }) => name)).toEqual(['p0']);
    expect(second.body.next_cursor).toBeNull();
    expect((await get(`/v1/projects/shop/${kind}_annotations`)).status).toBe(422);
    expect((await list('&limit=10001')).status).toBe(422);
    expect((await list('&unknown=1')).status).toBe(422);
    expect((await get(`/v1/projects/none/${kind}_annotations?identifier=page`)).status).toBe(404);
  });

  it('are deleted where they fit, and only with a range of times or delete_all', async () => {
    const path = `/v1/projects/shop/${kind}_annotations`;
    await post(`/v1/${kind}_annotations`, [
      { ...target, ...said, name: 'gone', identifier: 'a' },
      { ...target, ...said, name: 'gone', identifier: 'b', annotator_kind: 'CODE' },
    ]);
    const left = async () => (await list('&include_annotation_names=gone')).body.data.length;
    for (const query of ['', '?name=gone', '?start_time=2020-01-01', '?delete_all=true&name=', '?annotator_kind=CAT']) {
      expect((await request('DELETE', `${path}${query}`)).status).toBe(422);
    }
    const past = 'start_time=2020-01-01T00:00:00Z&end_time=2021-01-01T00:00:00Z';
    expect((await request('DELETE', `${path}?${past}`)).status).toBe(204);
    expect(await left()).toBe(2);
    expect((await request('DELETE', `${path}?delete_all=true&name=gone&annotator_kind=CODE`)).status).toBe(204);
    expect(await left()).toBe(1);
    const now = `start_time=2020-01-01&end_time=${new Date(Date.now() + 86_400_000).toISOString()}`;
    expect((await request('DELETE', `${path}?${now}&identifier=a&name=gone`)).status).toBe(204);
    expect(await left()).toBe(0);
    expect((await request('DELETE', `${path}?delete_all=true&name=gone`)).status).toBe(204);
  });

  it('have notes, which add up without an identifier and are replaced with one', async () => {
    const note = (text: string, identifier?: string) =>
      post(`/v1/${kind}_notes`, { ...target, note: ` ${text} `, ...(identifier ? { identifier } : {}) });
    const ids = [await note('one'), await note('two'), await note('three', 'mine'), await note('four', 'mine')];
    expect(ids.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(ids[2]!.body.data.id).toBe(ids[3]!.body.data.id);
    const { body } = await list('&include_annotation_names=note');
    const notes = body.data.map((one: JsonBody) => [one.result.explanation, one.annotator_kind]);
    expect(notes).toEqual([
      ['four', 'HUMAN'],
      ['two', 'HUMAN'],
      ['one', 'HUMAN'],
    ]);
    expect(body.data[1].identifier).toMatch(new RegExp(`^px-${kind}-note:`));
    expect((await post(`/v1/${kind}_notes`, { ...unknown, note: 'x' })).status).toBe(404);
    expect((await post(`/v1/${kind}_notes`, { ...target, note: ' ' })).status).toBe(422);
    const reserved = await post(`/v1/${kind}_annotations`, [{ ...target, ...said, name: 'note' }]);
    expect([reserved.status, reserved.body.detail]).toEqual([400, expect.stringContaining(`/v1/${kind}_notes`)]);
  });
});

it('writes annotations of documents within the bounds of their span', async () => {
  const { identifier: _identifier, ...rest } = said;
  const add = (data: object) => post('/v1/document_annotations?sync=true', [{ span_id: span, ...rest, ...data }]);
  const first = await add({ document_position: 0 });
  expect(first.status).toBe(200);
  expect(Buffer.from(first.body.data[0].id, 'base64').toString()).toMatch(/^DocumentAnnotation:/);
  expect((await add({ document_position: 0 })).body).toEqual(first.body);
  expect((await add({ document_position: 2 })).status).toBe(422);
  expect((await add({ document_position: 0, identifier: 'x' })).status).toBe(422);
  expect((await add({ document_position: 0, span_id: newId(16) })).status).toBe(404);
  const { items } = await running.store.listAnnotations({
    project: { tenantId: 'acme', name: 'shop' },
    target: 'document',
  });
  expect(items).toMatchObject([{ spanId: span, documentPosition: 0, name: 'quality', score: 0.5 }]);
});

it('annotates what the tenant of the request holds, and tells which tenants there are where it is left open', async () => {
  const data = [{ span_id: shared, ...said }];
  const open = await post('/v1/span_annotations', data);
  expect(open.status).toBe(409);
  expect(open.body.projects).toEqual([
    { name: 'both', tenant_id: 'acme' },
    { name: 'both', tenant_id: 'globex' },
  ]);
  expect((await post('/v1/span_annotations?tenant=globex', data)).status).toBe(200);
  expect((await post('/v1/span_annotations?tenant=initech', data)).status).toBe(404);
  expect((await post('/v1/span_annotations?tenant=globex', [{ span_id: span, ...said }])).status).toBe(404);
  const of = async (tenantId: string) =>
    (await running.store.listAnnotations({ project: { tenantId, name: 'both' } })).items.length;
  expect([await of('acme'), await of('globex')]).toEqual([0, 1]);
});

it('refuses bodies that are none, naming the field', async () => {
  for (const [data, field] of [
    [[{ span_id: span, annotator_kind: 'LLM' }], 'data.0.name'],
    [[{ span_id: span, name: 'n', annotator_kind: 'CAT' }], 'data.0.annotator_kind'],
    [[{ name: 'n', annotator_kind: 'LLM' }], 'data.0.span_id'],
    [[{ ...said, span_id: span, result: { score: 'high' } }], 'data.0.result.score'],
    ['none', 'data'],
  ] as const) {
    const { status, body } = await post('/v1/span_annotations', data);
    expect([status, body.detail]).toEqual([422, expect.stringContaining(field)]);
  }
  expect((await post('/v1/span_annotations', [])).body).toEqual({ data: [] });
  expect((await request('PUT', '/v1/span_annotations', {})).status).toBe(405);
  expect((await request('POST', '/v1/projects/shop/span_annotations', {})).status).toBe(405);
});
