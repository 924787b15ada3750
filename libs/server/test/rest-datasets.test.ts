import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  getJson,
  type JsonBody,
  newId,
  send as sendSpans,
  startTestServer,
  type TestServer,
} from './running-server.js';

let running: TestServer;
beforeAll(async () => {
  running = await startTestServer();
});
afterAll(() => running.stop());

async function send(method: string, path: string, body?: unknown): Promise<{ status: number; body: JsonBody }> {
  const response = await fetch(`${running.url}${path}`, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}
const get = async (path: string) => getJson(`${running.url}${path}`);
const upload = (body: object) => send('POST', '/v1/datasets/upload?sync=true', body);

it('creates, appends to and updates a data set, and keeps each version as it was', async () => {
  const created = await upload({
    action: 'create',
    name: 'questions',
    description: 'd',
    inputs: [{ q: 1 }, { q: 2 }],
    outputs: [{ a: 1 }, { a: 2 }],
    splits: ['train', ['test', 'hard']],
    example_ids: ['one', null],
    span_ids: [null, 'b7ad6b7169203331'],
  });
  expect(created).toMatchObject({
    status: 200,
    body: { data: { num_created_examples: 2, num_updated_examples: 0, num_deleted_examples: 0 } },
  });
  const id = created.body.data.dataset_id;
  const first = created.body.data.version_id;
  expect(Buffer.from(id, 'base64').toString()).toMatch(/^Dataset:[\w-]+$/);
  expect(await upload({ action: 'create', name: 'questions', inputs: [] })).toMatchObject({ status: 409 });

  const same = await upload({ action: 'append', name: 'questions', inputs: [{ q: 2 }], outputs: [{ a: 2 }] });
  expect(same.body.data).toMatchObject({ version_id: first, num_created_examples: 0 });
  const updated = await upload({
    action: 'update',
    name: 'questions',
    inputs: [{ q: 10 }, { q: 3 }],
    example_ids: ['one', 'three'],
  });
  expect(updated.body.data).toMatchObject({
    num_created_examples: 1,
    num_updated_examples: 1,
    num_deleted_examples: 1,
  });

  const newest = (await get(`/v1/datasets/${id}/examples`)).body.data;
  expect(newest.examples.map((one: JsonBody) => [one.id, one.input])).toEqual([
    ['one', { q: 10 }],
    ['three', { q: 3 }],
  ]);
  const old = (await get(`/v1/datasets/${id}/examples?version_id=${encodeURIComponent(first)}`)).body.data;
  expect(old).toMatchObject({ dataset_id: id, version_id: first, filtered_splits: [] });
  expect(old.examples).toMatchObject([
    { id: 'one', input: { q: 1 }, output: { a: 1 }, metadata: {}, source: null },
    { input: { q: 2 }, source: null }, // its span is not stored
  ]);
  expect(old.examples[1].id).toBe(old.examples[1].node_id);
  expect((await get(`/v1/datasets/${id}/examples?split=train`)).body.data).toMatchObject({
    filtered_splits: ['train'],
    examples: [{ id: 'one' }],
  });
  expect((await get(`/v1/datasets/${id}/examples?split=none`)).status).toBe(404);
  const versions = (await get(`/v1/datasets/${id}/versions`)).body;
  expect(versions.data.map((one: JsonBody) => one.version_id)).toEqual([updated.body.data.version_id, first]);
  expect((await get(`/v1/datasets?name=questions`)).body).toMatchObject({
    data: [{ id, name: 'questions', description: 'd', metadata: {}, example_count: 2 }],
    next_cursor: null,
  });
  const jsonl = await (await fetch(`${running.url}/v1/datasets/${id}/jsonl`)).text();
  expect(
    jsonl
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toMatchObject([
    { id: 'one', splits: ['train'] },
    { id: 'three', splits: [] },
  ]);
  const csv = await (await fetch(`${running.url}/v1/datasets/${id}/csv`)).text();
  expect(csv.split('\n')[0]).toBe('id,node_id,input.q,splits');
  expect((await send('DELETE', `/v1/datasets/${id}`)).status).toBe(204);
  expect((await get(`/v1/datasets/${id}`)).status).toBe(404);
});

it.each([
  [{ inputs: [] }, 'name'],
  [{ name: 'n', inputs: 'x' }, 'inputs'],
  [{ name: 'n', inputs: [{}], outputs: [{}, {}] }, 'outputs'],
  [{ name: 'n', inputs: [{}], action: 'replace' }, 'Invalid dataset action'],
  [{ name: 'n', inputs: [{}, {}], example_ids: ['a', 'a'] }, 'twice'],
])('refuses an upload of %j', async (body, said) => {
  const answer = await upload(body);
  expect(answer.status).toBe(422);
  expect(answer.body.detail).toContain(said);
});

it('pages data sets, the newest first, while others come and go', async () => {
  for (const name of ['a', 'b', 'c']) await upload({ name, inputs: [] });
  const first = (await get('/v1/datasets?limit=2')).body;
  expect(first.data.map((one: JsonBody) => one.name)).toEqual(['c', 'b']);
  await upload({ name: 'd', inputs: [] });
  const next = (await get(`/v1/datasets?limit=2&cursor=${encodeURIComponent(first.next_cursor)}`)).body;
  expect(next).toMatchObject({ data: [{ name: 'a' }], next_cursor: null });
  expect((await get('/v1/datasets?cursor=x')).status).toBe(422);
});

it('makes, changes and deletes splits of a data set', async () => {
  const { body } = await upload({ name: 'with splits', inputs: [{ q: 1 }, { q: 2 }], example_ids: ['x', 'y'] });
  const path = `/v1/datasets/${body.data.dataset_id}/splits`;
  const made = await send('POST', path, { name: ' mine ', example_ids: ['x'] });
  expect(made).toMatchObject({ status: 201, body: { data: { name: 'mine', color: '#33c5e8', example_count: 1 } } });
  expect((await send('POST', path, { name: 'mine' })).status).toBe(409);
  const { id } = made.body.data;
  const changed = await send('PATCH', `${path}/${id}`, {
    add_example_ids: ['y'],
    remove_example_ids: ['x'],
    name: 'm2',
  });
  expect(changed.body.data).toMatchObject({ id, name: 'm2', example_count: 1 });
  expect((await get('/v1/datasets/with%20splits/splits')).body.data).toMatchObject([{ id, name: 'm2' }]);
  expect((await send('DELETE', `${path}/${id}`)).status).toBe(204);
  expect((await get(path)).body.data).toEqual([]);
});

it('keeps an experiment: runs by example and repetition, evaluations by name, and what is left of both', async () => {
  const { body } = await upload({
    name: 'for experiments',
    inputs: [{ q: 1 }, { q: 2 }],
    outputs: [{ a: 1 }, { a: 2 }],
  });
  const dataset = body.data.dataset_id;
  const created = await send('POST', `/v1/datasets/${dataset}/experiments`, { name: 'e', repetitions: 2 });
  expect(created.body.data).toMatchObject({
    dataset_id: dataset,
    dataset_version_id: body.data.version_id,
    name: 'e',
    description: null,
    example_count: 2,
    successful_run_count: 0,
    failed_run_count: 0,
    missing_run_count: 4,
    project_name: expect.stringMatching(/^Experiment-[0-9a-f]{24}$/),
  });
  const path = `/v1/experiments/${created.body.data.id}`;
  const [one, two] = (await get(`/v1/datasets/${dataset}/examples`)).body.data.examples;
  const times = { start_time: '2026-03-01T12:00:00Z', end_time: '2026-03-01T12:00:00.250Z' };
  const log = (example: JsonBody, more: object) =>
    send('POST', `${path}/runs`, {
      dataset_example_id: example.node_id,
      repetition_number: 1,
      output: 'x',
      ...times,
      ...more,
    });
  const good = await log(one, { output: 'text' });
  expect(good.status).toBe(200);
  expect((await log(one, { output: 'again' })).status).toBe(409);
  const failed = await log(two, { error: 'it broke', output: null });
  expect((await get(path)).body.data).toMatchObject({
    successful_run_count: 1,
    failed_run_count: 1,
    missing_run_count: 2,
  });
  expect((await get(`${path}/incomplete-runs`)).body.data).toMatchObject([
    { dataset_example: { id: one.node_id }, repetition_numbers: [2] },
    { dataset_example: { id: two.node_id, input: { q: 2 } }, repetition_numbers: [1, 2] },
  ]);
  const replaced = await log(two, { output: { answer: 2 } });
  expect(replaced.body.data.id).toBe(failed.body.data.id);
  const runs = (await get(`${path}/runs?limit=1`)).body;
  expect(runs.data).toMatchObject([{ id: replaced.body.data.id, output: { answer: 2 }, error: null }]);
  const rest = await get(`${path}/runs?limit=1&cursor=${runs.next_cursor}`);
  expect(rest.body).toMatchObject({ data: [{ id: good.body.data.id, output: 'text' }], next_cursor: null });

  const evaluation = { experiment_run_id: good.body.data.id, name: 'exact', annotator_kind: 'CODE', ...times };
  expect((await send('POST', '/v1/experiment_evaluations', evaluation)).status).toBe(422);
  const said = await send('POST', '/v1/experiment_evaluations', {
    ...evaluation,
    result: { score: 1, metadata: { by: 'rule' } },
  });
  expect(said.status).toBe(200);
  expect((await get(`${path}/incomplete-evaluations`)).status).toBe(400);
  expect(
    (await get(`${path}/incomplete-evaluations?evaluation_name=exact&evaluation_name=judge`)).body.data,
  ).toMatchObject([
    { experiment_run: { id: good.body.data.id }, evaluation_names: ['judge'] },
    { experiment_run: { id: replaced.body.data.id }, evaluation_names: ['exact', 'judge'] },
  ]);
  expect((await get(`${path}/json`)).body).toMatchObject([
    {
      example_id: one.node_id,
      repetition_number: 1,
      input: { q: 1 },
      reference_output: { a: 1 },
      output: 'text',
      latency_ms: 250,
      annotations: [{ name: 'exact', score: 1, metadata: { by: 'rule' } }],
    },
    { example_id: two.node_id, annotations: [] },
  ]);
  expect(await (await fetch(`${running.url}${path}/csv`)).text()).toContain('annotation_exact_score');
  expect((await send('PATCH', path, { name: null })).status).toBe(422);
  expect((await send('PATCH', path, {})).status).toBe(422);
  expect((await send('PATCH', path, { description: 'better' })).body.data).toMatchObject({
    name: 'e',
    description: 'better',
  });
  expect((await get(`/v1/datasets/${dataset}/experiments`)).body.data).toMatchObject([{ name: 'e' }]);
  expect((await send('DELETE', path)).status).toBe(204);
  expect((await get(path)).status).toBe(404);
});

it("answers for another tenant's data set as for one that is not there", async () => {
  const { body } = await send('POST', '/v1/datasets/upload?sync=true&tenant=acme', {
    name: 'theirs',
    inputs: [{ q: 1 }],
  });
  const id = body.data.dataset_id;
  expect((await get(`/v1/datasets/${id}?tenant=acme`)).status).toBe(200);
  expect((await get(`/v1/datasets/${id}?tenant=globex`)).status).toBe(404);
  expect((await send('DELETE', `/v1/datasets/${id}?tenant=globex`)).status).toBe(404);
  expect((await get('/v1/datasets?tenant=globex')).body.data).toEqual([]);
});

it('takes a file of CSV, packed, and one of JSON lines', async () => {
  const form = new FormData();
  const csv = 'id,question,"the ""answer""",split\r\n1,"a, b\nc",x,train\r\n2,plain,,\r\n';
  const fields = { action: 'create', name: 'from a file', split_key: 'split', example_id_key: 'id' };
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.append('input_keys[]', 'question');
  form.append('output_keys[]', 'the "answer"');
  form.set('file', new File([csv], 'table.csv', { type: 'text/csv' }));
  const encoded = new Response(form);
  const contentType = encoded.headers.get('content-type')!;
  const [head, rest] = Buffer.from(await encoded.arrayBuffer())
    .toString('latin1')
    .split(/(?<=Content-Type: text\/csv)/i);
  const packed = gzipSync(csv).toString('latin1');
  const body = Buffer.from(`${head}\r\nContent-Encoding: gzip${rest!.replace(csv, packed)}`, 'latin1');
  const answer = await fetch(`${running.url}/v1/datasets/upload?sync=true`, {
    method: 'POST',
    headers: { 'content-type': contentType },
    body,
  });
  expect(answer.status).toBe(200);
  const { data } = (await answer.json()) as JsonBody;
  expect((await get(`/v1/datasets/${data.dataset_id}/examples`)).body.data.examples).toMatchObject([
    { id: '1', input: { question: 'a, b\nc' }, output: { 'the "answer"': 'x' } },
    { id: '2', input: { question: 'plain' }, output: {} },
  ]);
  expect((await get(`/v1/datasets/${data.dataset_id}/splits`)).body.data).toMatchObject([
    { name: 'train', example_count: 1 },
  ]);

  const lines = new FormData();
  lines.set('name', 'from lines');
  lines.append('input_keys[]', 'q');
  lines.set('file', new File(['{"q":{"deep":1}}\n{"q":2}\n'], 'rows.jsonl', { type: 'application/jsonl' }));
  const taken = await fetch(`${running.url}/v1/datasets/upload?sync=true`, { method: 'POST', body: lines });
  expect(((await taken.json()) as JsonBody).data.num_created_examples).toBe(2);

  lines.set('file', new File(['x'], 'rows.arrow', { type: 'application/x-pandas-pyarrow' }));
  expect((await fetch(`${running.url}/v1/datasets/upload`, { method: 'POST', body: lines })).status).toBe(501);
});

it('links an example to its span, once that is stored, under the id that the lists of spans give', async () => {
  const spanId = newId(16);
  const { body } = await upload({ name: 'linked', inputs: [{ q: 1 }, { q: 2 }], span_ids: [spanId, null] });
  const path = `/v1/datasets/${body.data.dataset_id}/examples`;
  const sources = async () => (await get(path)).body.data.examples.map((one: JsonBody) => one.source);
  expect(await sources()).toEqual([null, null]);
  await sendSpans(running.url, [{ spanId }], { project: 'linked spans' });
  await sendSpans(running.url, [{ spanId }], { project: 'elsewhere', tenant: 'other' });
  const { data } = (await get('/v1/projects/linked%20spans/spans')).body;
  expect(await sources()).toEqual([{ span_id: spanId, span_node_id: data[0].id }, null]);
});

it('leaves the column of splits out of a CSV of a data set without any', async () => {
  const { body } = await upload({ name: 'plain', inputs: [{ q: 1 }] });
  const csv = await (await fetch(`${running.url}/v1/datasets/${body.data.dataset_id}/csv`)).text();
  expect(csv.split('\n')[0]).toBe('id,node_id,input.q');
});
