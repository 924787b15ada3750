import { afterAll, beforeAll, expect, it } from 'vitest';
import { BASE_MILLIS, getJson, newId, send, startTestServer, type TestServer } from './running-server.js';

let running: TestServer;
let tracesUrl: string;
const SLOW = '51'.repeat(16);
const FAST = 'fa'.repeat(16);
beforeAll(async () => {
  running = await startTestServer();
  tracesUrl = `${running.url}/v1/projects/shop/traces`;
  const llm = {
    'openinference.span.kind': { stringValue: 'LLM' },
    'llm.token_count.prompt': { intValue: '10' },
    'llm.token_count.completion': { intValue: '4' },
  };
  await send(
    running.url,
    [
      {
        name: 'slow root',
        traceId: SLOW,
        spanId: '01'.repeat(8),
        at: 0,
        durationMillis: 900,
        attributes: { 'session.id': { stringValue: 's1' } },
      },
      {
        name: 'slow child',
        traceId: SLOW,
        spanId: '02'.repeat(8),
        parentSpanId: '01'.repeat(8),
        at: 100,
        durationMillis: 100,
        status: 2,
        attributes: llm,
      },
      {
        name: 'fast root',
        traceId: FAST,
        spanId: '03'.repeat(8),
        at: 500,
        durationMillis: 20,
        attributes: { 'session.id': { stringValue: 's2' } },
      },
    ],
    { project: 'shop', tenant: 'acme' },
  );
});
afterAll(() => running.stop());

const ids = (body: { data: { trace_id: string }[] }) => body.data.map(({ trace_id }) => trace_id);

it("has Phoenix's shape, with the spans where they are asked for", async () => {
  const { body } = await getJson(`${tracesUrl}?order=asc&include_spans=true`);
  expect(body.next_cursor).toBeNull();
  expect(body.data[0]).toMatchObject({
    trace_id: SLOW,
    start_time: '2026-03-01T12:00:00+00:00',
    end_time: '2026-03-01T12:00:00.900000+00:00',
    token_count_prompt: 10,
    token_count_completion: 4,
    token_count_total: 14,
    latency_ms: 900,
    error_count: 1,
    spans: [
      { span_id: '01'.repeat(8), parent_id: null, name: 'slow root', span_kind: 'UNKNOWN', status_code: 'UNSET' },
      {
        span_id: '02'.repeat(8),
        parent_id: '01'.repeat(8),
        name: 'slow child',
        span_kind: 'LLM',
        status_code: 'ERROR',
      },
    ],
  });
  const project = await getJson(`${running.url}/v1/projects/shop`);
  expect(body.data[0].project_id).toBe(project.body.data.id);
  expect((await getJson(tracesUrl)).body.data[0].spans).toBeNull();
});

it.each([
  ['', [FAST, SLOW]],
  ['order=asc', [SLOW, FAST]],
  ['sort=latency_ms', [SLOW, FAST]],
  ['sort=latency_ms&order=asc', [FAST, SLOW]],
  ['session_identifier=s1', [SLOW]],
  ['session_identifier=s1&session_identifier=s2&order=asc', [SLOW, FAST]],
  ['session_identifier=none', []],
  ['start_time=2026-03-01T12:00:00.5Z', [FAST]],
  ['end_time=2026-03-01T12:00:00.5Z', [SLOW]],
])('finds ?%s', async (query, expected) => {
  expect(ids((await getJson(`${tracesUrl}?${query}`)).body)).toEqual(expected);
});

it.each(['limit=0', 'sort=name', 'order=x', 'include_spans=perhaps', 'start_time=x', 'cursor=x', 'sessionId=1'])(
  'refuses ?%s',
  async (query) => {
    const { status, body } = await getJson(`${tracesUrl}?${query}`);
    expect(status).toBe(422);
    expect(body.detail).toContain(query.split('=')[0]);
  },
);

it.each(['start_time', 'latency_ms'])('pages are complete while spans come in, by %s', async (sort) => {
  const project = `traces by ${sort}`;
  const before = Array.from({ length: 60 }, (_item, i) => ({
    traceId: newId(32),
    at: (i * 31) % 17,
    durationMillis: 1 + (i % 5),
  }));
  await send(running.url, before, { project, tenant: 'acme' });
  const seen: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const url: string = `${running.url}/v1/projects/${encodeURIComponent(project)}/traces?sort=${sort}&limit=7${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
    const [{ body }] = await Promise.all([
      getJson(url),
      send(running.url, [{ at: 1000 }], { project, tenant: 'acme' }),
    ]);
    seen.push(...ids(body));
    cursor = body.next_cursor;
    expect(seen.length).toBeLessThan(500);
  }
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen).toEqual(expect.arrayContaining(before.map(({ traceId }) => traceId)));
});

it('finds traces by their own start, not by that of a later span', async () => {
  const traceId = newId(32);
  await send(running.url, [{ traceId }, { traceId, at: 60_000 }], { project: 'starts' });
  const found = async (query: string) =>
    (await getJson(`${running.url}/v1/projects/starts/traces?${query}`)).body.data.length;
  const time = new Date(BASE_MILLIS + 30_000).toISOString();
  expect([await found(`start_time=${time}`), await found(`end_time=${time}`)]).toEqual([0, 1]);
});
