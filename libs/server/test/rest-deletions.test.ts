/** `DELETE` of spans, traces, sessions and projects in Phoenix's form. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BASE_MILLIS, getJson, newId, send, startTestServer, type TestServer } from './running-server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

async function remove(path: string, headers: Record<string, string> = {}): Promise<{ status: number; detail: string }> {
  const response = await fetch(`${server.url}${path}`, { method: 'DELETE', headers });
  const text = await response.text();
  return { status: response.status, detail: text === '' ? '' : (JSON.parse(text) as { detail: string }).detail };
}

async function spanNames(project: string): Promise<string[]> {
  const { body } = await getJson(`${server.url}/v1/projects/${project}/spans`);
  return body.data.map((span: { name: string }) => span.name).sort();
}

it('deletes a span by its id of OpenTelemetry or of the reads, and leaves those below it', async () => {
  const [traceId, root, middle] = [newId(32), newId(16), newId(16)];
  await send(
    server.url,
    [
      { traceId, spanId: root, name: 'root' },
      { traceId, spanId: middle, parentSpanId: root, name: 'middle' },
      { traceId, parentSpanId: middle, name: 'leaf' },
    ],
    { project: 'one-span' },
  );
  expect((await remove(`/v1/spans/${middle}`)).status).toBe(204);
  expect(await spanNames('one-span')).toEqual(['leaf', 'root']);
  const { body } = await getJson(`${server.url}/v1/projects/one-span/spans?name=root`);
  expect((await remove(`/v1/spans/${body.data[0].id}`)).status).toBe(204);
  expect(await spanNames('one-span')).toEqual(['leaf']);
  expect(await remove(`/v1/spans/${middle}`)).toEqual({ status: 404, detail: `There is no span "${middle}".` });
  expect((await remove('/v1/spans/no-id')).status).toBe(404);
});

it('deletes a trace by either id', async () => {
  const traceId = newId(32);
  await send(server.url, [{ traceId }, { traceId }, { name: 'kept' }, { name: 'second' }], { project: 'one-trace' });
  expect((await remove(`/v1/traces/${traceId.toUpperCase()}`)).status).toBe(204);
  expect(await spanNames('one-trace')).toEqual(['kept', 'second']);
  const { body } = await getJson(`${server.url}/v1/projects/one-trace/traces`);
  const second = body.data.find((trace: { root_name: string }) => trace.root_name === 'second');
  expect((await remove(`/v1/traces/${second.id}`)).status).toBe(204);
  expect(await spanNames('one-trace')).toEqual(['kept']);
  expect((await remove(`/v1/traces/${traceId}`)).status).toBe(404);
});

it('asks for the tenant where several hold the id, and deletes of that one alone', async () => {
  const [traceId, spanId] = [newId(32), newId(16)];
  for (const tenant of ['acme', 'globex']) {
    await send(server.url, [{ traceId, spanId, name: tenant }], { project: `same-${tenant}`, tenant });
  }
  const refused = await remove(`/v1/spans/${spanId}`);
  expect(refused.status).toBe(409);
  expect(refused.detail).toContain('x-cogniverse-tenant');
  expect((await remove(`/v1/spans/${spanId}`, { 'x-cogniverse-tenant': 'acme' })).status).toBe(204);
  expect(await spanNames('same-globex')).toEqual(['globex']);
  expect((await remove(`/v1/traces/${traceId}?tenant=acme`)).status).toBe(404);
});

it('deletes the traces between two times', async () => {
  await send(
    server.url,
    [
      { name: 'early', at: 0 },
      { name: 'middle', at: 60_000 },
      { name: 'late', at: 120_000 },
    ],
    {
      project: 'times',
    },
  );
  const time = (at: number) => new Date(BASE_MILLIS + at).toISOString();
  expect((await remove(`/v1/projects/times/traces?start_time=${time(0)}`)).status).toBe(422);
  const range = `start_time=${time(30_000)}&end_time=${time(90_000)}`;
  expect((await remove(`/v1/projects/times/traces?${range}`)).status).toBe(204);
  expect(await spanNames('times')).toEqual(['early', 'late']);
});

it('deletes a project, and refuses to delete "default"', async () => {
  await send(server.url, [{ name: 'gone' }], { project: 'whole' });
  await send(server.url, [{ name: 'kept' }]);
  expect((await remove('/v1/projects/whole')).status).toBe(204);
  expect((await getJson(`${server.url}/v1/projects/whole`)).status).toBe(404);
  expect((await remove('/v1/projects/whole')).status).toBe(404);
  expect((await remove('/v1/projects/default')).status).toBe(403);
});

it('deletes sessions with their traces: one, or several of which some are not there', async () => {
  const turn = (session: string) => ({ name: session, attributes: { 'session.id': { stringValue: session } } });
  await send(server.url, ['s-1', 's-2', 's-3', 's-4'].map(turn), { project: 'talks' });
  expect((await remove('/v1/sessions/s-1')).status).toBe(204);
  expect((await remove('/v1/sessions/s-1')).status).toBe(404);
  const { body } = await getJson(`${server.url}/v1/sessions/s-2`);
  const bulk = async (identifiers: string[]) =>
    fetch(`${server.url}/v1/sessions/delete`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ session_identifiers: identifiers }),
    });
  expect((await bulk([body.data.id])).status).toBe(204);
  expect((await bulk(['s-3', 'never'])).status).toBe(204);
  expect(await spanNames('talks')).toEqual(['s-4']);
  expect((await bulk([])).status).toBe(422);
  const { body: last } = await getJson(`${server.url}/v1/sessions/s-4`);
  expect((await bulk([last.data.id, 's-4'])).status).toBe(422);
  expect(await spanNames('talks')).toEqual(['s-4']);
});

it('deletes the sessions of the tenant that the request names, and none where several hold the id', async () => {
  const attributes = { 'session.id': { stringValue: 'same' } };
  for (const tenant of ['acme', 'globex'])
    await send(server.url, [{ name: tenant, attributes }], { project: `talk-${tenant}`, tenant });
  const bulk = async (headers: Record<string, string>) =>
    fetch(`${server.url}/v1/sessions/delete`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ session_identifiers: ['same'] }),
    });
  expect((await remove('/v1/sessions/same')).status).toBe(409);
  expect((await bulk({})).status).toBe(409);
  expect((await remove('/v1/sessions/same', { 'x-cogniverse-tenant': 'initech' })).status).toBe(404);
  expect((await bulk({ 'x-cogniverse-tenant': 'acme' })).status).toBe(204);
  expect((await remove('/v1/sessions/same', { 'x-cogniverse-tenant': 'acme' })).status).toBe(404);
  expect(await spanNames('talk-globex')).toEqual(['globex']);
});

it('deletes with a session the spans of its traces that carry no session id', async () => {
  const [traceId, root] = [newId(32), newId(16)];
  await send(
    server.url,
    [
      { traceId, spanId: root, attributes: { 'session.id': { stringValue: 'whole' } } },
      { traceId, parentSpanId: root, name: 'below' },
    ],
    { project: 'whole-traces' },
  );
  await send(server.url, [{ name: 'kept', attributes: { 'session.id': { stringValue: 'other' } } }], {
    project: 'whole-traces',
  });
  const { body: tree } = await getJson(`${server.url}/v1/projects/whole-traces/spans?name=below`);
  const spanId = tree.data[0].context.span_id;
  for (const [kind, id] of [
    ['span', spanId],
    ['trace', traceId],
    ['session', 'whole'],
  ]) {
    const written = await fetch(`${server.url}/v1/${kind}_annotations?sync=true`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ data: [{ [`${kind}_id`]: id, name: 'n', annotator_kind: 'CODE', identifier: 'i' }] }),
    });
    expect(written.status).toBe(200);
  }
  const annotated = async () => {
    const counts: number[] = [];
    for (const kind of ['span', 'trace', 'session']) {
      const path = `/v1/projects/whole-traces/${kind}_annotations?identifier=i`;
      counts.push((await getJson(`${server.url}${path}`)).body.data.length);
    }
    return counts;
  };
  expect(await annotated()).toEqual([1, 1, 1]);
  expect((await remove('/v1/sessions/whole')).status).toBe(204);
  expect(await spanNames('whole-traces')).toEqual(['kept']);
  expect(await annotated()).toEqual([0, 0, 0]);
});
