import { afterAll, beforeAll, expect, it } from 'vitest';
import { getJson, type JsonBody, newId, send, startTestServer, type TestServer } from './running-server.js';

let running: TestServer;
const TRACES = [newId(32), newId(32), newId(32)] as const;

beforeAll(async () => {
  running = await startTestServer();
  const text = (stringValue: string) => ({ stringValue });
  const turn = (session: string, n: number) => ({
    'session.id': text(session),
    'user.id': text('ada'),
    'input.value': text(`question ${n}`),
    'output.value': text(`answer ${n}`),
    'llm.token_count.prompt': { intValue: '10' },
    'llm.token_count.completion': { intValue: '2' },
  });
  const acme = { project: 'shop', tenant: 'acme' };
  await send(running.url, [{ traceId: TRACES[0], at: 1000, durationMillis: 500, attributes: turn('talk', 1) }], acme);
  await send(running.url, [{ traceId: TRACES[1], at: 0, attributes: turn('other/talk', 2) }], acme);
  await send(running.url, [{ traceId: TRACES[2], at: 5000, status: 2, attributes: turn('talk', 3) }], acme);
  await send(running.url, [{ at: 100, attributes: {} }], acme);
  await send(running.url, [{ at: 7000, attributes: turn('talk', 4) }], { project: 'shop', tenant: 'globex' });
  await send(running.url, [{ at: 7000, attributes: { 'gen_ai.conversation.id': text('chat') } }], {
    project: 'genai',
    tenant: 'globex',
  });
});
afterAll(() => running.stop());

const get = (path: string) => getJson(`${running.url}${path}`);
const names = (body: JsonBody) => body.data.map((session: { session_id: string }) => session.session_id);

it("lists sessions in Phoenix's shape, in the order in which they came", async () => {
  const { status, body } = await get('/v1/projects/shop/sessions?tenant=acme');
  expect(status).toBe(200);
  expect(names(body)).toEqual(['talk', 'other/talk']);
  const { id, project_id, traces, ...rest } = body.data[0];
  expect(Buffer.from(id, 'base64').toString()).toMatch(/^ProjectSession:[0-9a-f]{32}:/);
  expect(Buffer.from(project_id, 'base64').toString()).toMatch(/^Project:/);
  expect(traces).toEqual([
    {
      id: expect.any(String),
      trace_id: TRACES[0],
      start_time: '2026-03-01T12:00:01+00:00',
      end_time: '2026-03-01T12:00:01.500000+00:00',
    },
    { id: expect.any(String), trace_id: TRACES[2], start_time: expect.any(String), end_time: expect.any(String) },
  ]);
  expect(rest).toEqual({
    session_id: 'talk',
    start_time: '2026-03-01T12:00:01+00:00',
    end_time: '2026-03-01T12:00:05.001000+00:00',
    token_count_prompt: 20,
    token_count_completion: 4,
    token_count_total: 24,
    tenant_id: 'acme',
    error_count: 1,
    cost_total: null,
    user_id: 'ada',
    first_input: 'question 1',
    last_output: 'answer 3',
  });
});

it('lists them in pages and in either order', async () => {
  const page = await get('/v1/projects/shop/sessions?tenant=acme&limit=1&order=desc');
  expect(names(page.body)).toEqual(['other/talk']);
  const next = await get(`/v1/projects/shop/sessions?tenant=acme&limit=1&order=desc&cursor=${page.body.next_cursor}`);
  expect(names(next.body)).toEqual(['talk']);
  expect(next.body.next_cursor).toBeNull();
  expect((await get('/v1/projects/shop/sessions?tenant=acme&limit=0')).status).toBe(422);
  expect((await get('/v1/projects/shop/sessions?tenant=acme&start_time=2026-01-01')).status).toBe(422);
  expect((await get('/v1/projects/shop/sessions?tenant=acme&cursor=none')).status).toBe(422);
  expect((await get('/v1/projects/none/sessions')).status).toBe(404);
});

it("keeps those that a condition in Phoenix's language is true of, across pages, and answers 400 to one that cannot be read", async () => {
  const filtered = (filter: string, more = '') =>
    get(`/v1/projects/shop/sessions?tenant=acme${more}&filter=${encodeURIComponent(filter)}`);
  expect(names((await filtered("session_id == 'talk'")).body)).toEqual(['talk']);
  expect(names((await filtered('num_traces == 1')).body)).toEqual(['other/talk']);
  expect(names((await filtered("'question' in first_input and 'answer 3' in last_output")).body)).toEqual(['talk']);
  expect(names((await filtered("any(span.status_code == 'ERROR' for span in spans)")).body)).toEqual(['talk']);
  expect(names((await filtered("session_id == 'none'")).body)).toEqual([]);
  expect(names((await filtered('  ')).body)).toEqual(['talk', 'other/talk']);
  const first = await filtered('num_traces > 0', '&limit=1');
  expect(names(first.body)).toEqual(['talk']);
  const second = await filtered('num_traces > 0', `&limit=1&cursor=${first.body.next_cursor}`);
  expect(names(second.body)).toEqual(['other/talk']);
  expect((await filtered('num_traces > 1', `&limit=1&cursor=${first.body.next_cursor}`)).status).toBe(422);
  for (const bad of ['session_id ==', "no_such_name == 'x'", '__import__("os")', 'num_traces', "num_traces == 'x'"]) {
    const { status, body } = await filtered(bad);
    expect([bad, status]).toEqual([bad, 400]);
    expect(body.detail).toEqual(expect.any(String));
  }
});

it('gives one by its own id, or by its session id within the tenant', async () => {
  const { body } = await get('/v1/projects/shop/sessions?tenant=acme');
  for (const listed of body.data) {
    expect((await get(`/v1/sessions/${encodeURIComponent(listed.id)}`)).body.data).toEqual(listed);
    const bySessionId = await get(`/v1/sessions/${encodeURIComponent(listed.session_id)}?tenant=acme`);
    expect(bySessionId.body.data).toEqual(listed);
    expect((await get(`/v1/sessions/${encodeURIComponent(listed.id)}?tenant=globex`)).status).toBe(404);
  }
  const ambiguous = await get('/v1/sessions/talk');
  expect(ambiguous.status).toBe(409);
  expect(ambiguous.body.projects).toEqual([
    { name: 'shop', tenant_id: 'acme' },
    { name: 'shop', tenant_id: 'globex' },
  ]);
  expect((await get('/v1/sessions/talk?tenant=globex')).body.data.first_input).toBe('question 4');
  expect((await get('/v1/sessions/unknown')).status).toBe(404);
  expect((await get('/v1/sessions/talk?tenant=initech')).status).toBe(404);
});

it("takes OpenTelemetry's gen_ai.conversation.id for a session where there is no session.id", async () => {
  expect((await get('/v1/sessions/chat')).body.data).toMatchObject({ session_id: 'chat', tenant_id: 'globex' });
});
