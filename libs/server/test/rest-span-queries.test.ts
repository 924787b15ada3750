/** Phoenix's span query language, filters of traces, and spans given as JSON, over HTTP. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from './running-server.js';

const TRACE = 'a'.repeat(32);
const START = '2026-01-02T03:04:05.123456+00:00';
const END = '2026-01-02T03:04:06.123456+00:00';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
  const given = [
    span('1', 'answer', 'CHAIN', { 'input.value': 'Why?', metadata: { tier: 'gold' }, 'custom.inner.key': 'x' }),
    span(
      '2',
      'generate',
      'LLM',
      { 'llm.token_count.prompt': 7, 'llm.model_name': 'm' },
      { parent_id: '1'.repeat(16), status_code: 'ERROR' },
    ),
    span(
      '3',
      'retrieve',
      'RETRIEVER',
      { 'retrieval.documents.0.document.content': 'first', 'retrieval.documents.1.document.content': 'second' },
      { parent_id: '9'.repeat(16), start_time: '2026-01-02T03:04:07+00:00' },
    ),
  ];
  const answer = await post('/v1/projects/made%20here/spans?tenant=acme', { data: given });
  expect([answer.status, await answer.json()]).toEqual([202, { total_received: 3, total_queued: 3 }]);
});
afterAll(() => server.stop());

function span(digit: string, name: string, kind: string, attributes: object, more: object = {}) {
  const context = { trace_id: TRACE, span_id: digit.repeat(16) };
  return { name, context, span_kind: kind, start_time: START, end_time: END, status_code: 'OK', attributes, ...more };
}

function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

interface Table {
  readonly schema: {
    readonly fields: readonly { name: string; type: string }[];
    readonly primaryKey: readonly string[];
  };
  readonly data: readonly Record<string, unknown>[];
}

async function tables(body: object, query = '?project_name=made%20here'): Promise<Table[]> {
  const answer = await post(`/v1/spans${query}`, body);
  const text = await answer.text();
  expect(answer.status, text).toBe(200);
  const boundary = /^multipart\/mixed; boundary=(\w+)/.exec(answer.headers.get('content-type')!)![1]!;
  const parts = text.split(`--${boundary}`);
  expect(parts.at(-1)).toBe('--\r\n');
  return parts.slice(1, -1).map((part) => JSON.parse(part.split('\r\n\r\n')[1]!) as Table);
}

const table = async (query: object, more: object = {}) => (await tables({ queries: [query], ...more }))[0]!;

describe('POST /v1/spans', () => {
  it('gives all of the spans, newest first, with a column a convention and one for the rest of an attribute', async () => {
    const { schema, data } = await table({});
    expect(schema.primaryKey).toEqual(['0_context.span_id']);
    expect(schema.fields.slice(0, 6).map(({ name, type }) => `${name} ${type}`)).toEqual([
      '0_context.span_id string',
      '1_name string',
      '2_span_kind string',
      '3_parent_id string',
      '4_start_time datetime',
      '5_end_time datetime',
    ]);
    const column = (name: string) => schema.fields.find((field) => field.name.endsWith(`_${name}`))!.name;
    expect(data.map((row) => row['1_name'])).toEqual(['retrieve', 'generate', 'answer']);
    expect(data[2]!['4_start_time']).toBe('2026-01-02T03:04:05.123456000Z');
    expect(data[2]![column('attributes.metadata')]).toEqual({ tier: 'gold' });
    expect(data[2]![column('attributes.custom')]).toEqual({ inner: { key: 'x' } });
    expect(data[1]![column('attributes.llm.token_count.prompt')]).toBe(7);
    expect(data[0]![column('attributes.retrieval.documents')]).toEqual([
      { 'document.content': 'first' },
      { 'document.content': 'second' },
    ]);
    expect(data[0]![column('attributes.metadata')]).toBeNull();
  });

  it('selects, filters, renames and indexes; counts below a span are those of its whole trace', async () => {
    const { schema, data } = await table({
      select: {
        name: { key: 'name' },
        model: { key: 'llm.model_name' },
        below: { key: 'cumulative_llm_token_count_prompt' },
      },
      filter: { condition: "parent_span is None and 'WHY' in input.value or span_kind == 'llm'" },
      rename: { name: 'title' },
      index: { key: 'context.span_id' },
    });
    expect(schema.fields.map(({ name }) => name)).toEqual(['0_context.span_id', '1_title', '2_model', '3_below']);
    expect(data).toEqual([
      { '0_context.span_id': '2'.repeat(16), '1_title': 'generate', '2_model': 'm', '3_below': 7 },
      { '0_context.span_id': '1'.repeat(16), '1_title': 'answer', '2_model': null, '3_below': 7 },
    ]);
  });

  it('explodes lists, and concatenates them', async () => {
    const documents = { key: 'retrieval.documents', kwargs: { text: 'document.content' } };
    const exploded = await table({ explode: documents, select: { trace_id: { key: 'trace_id' } } });
    expect(exploded.schema.primaryKey).toEqual(['0_context.span_id', '1_document_position']);
    expect(exploded.data.map((row) => [row['1_document_position'], row['3_text']])).toEqual([
      [0, 'first'],
      [1, 'second'],
    ]);
    const joined = await table({ concat: { ...documents, separator: ' + ' } });
    expect(joined.data).toEqual([{ '0_context.span_id': '3'.repeat(16), '1_text': 'first + second' }]);
  });

  it('answers several queries, within times, limits and roots', async () => {
    const select = { name: { key: 'name' } };
    const names = (found: Table) => found.data.map((row) => row['1_name']);
    const both = await tables({
      queries: [{ select }, { select, filter: { condition: "name == 'answer'" } }],
      limit: 1,
    });
    expect(both.map(names)).toEqual([['retrieve'], ['answer']]);
    expect(names(await table({ select }, { start_time: '2026-01-02T03:04:06' }))).toEqual(['retrieve']);
    expect(names(await table({ select }, { end_time: '2026-01-02T03:04:06Z' }))).toEqual(['generate', 'answer']);
    expect(names(await table({ select }, { root_spans_only: true }))).toEqual(['retrieve', 'answer']);
    expect(names(await table({ select }, { root_spans_only: true, orphan_span_as_root_span: false }))).toEqual([
      'answer',
    ]);
    expect(await tables({ queries: [{}] }, '?project_name=nobody')).toMatchObject([{ data: [] }]);
  });

  it.each([
    [{ queries: [{ filter: { condition: 'latncy_ms > 1' } }] }, 'did you mean `latency_ms`'],
    [{ queries: [{ filter: { condition: "name == 'x'" } }], root_spans_only: true, limit: 0 }, 'limit'],
    [{ queries: [{ select: { x: { key: '__import__("os")' } } }] }, 'there is no `__import__(...)`'],
    [{ queries: [{ select: { x: { key: '1' } } }] }, 'expected a field or an attribute'],
    [{ queries: [] }, 'queries'],
    [{}, 'queries'],
    [{ queries: [{}], start_time: 'yesterday' }, 'yesterday'],
  ])('refuses %j', async (body, reason) => {
    const answer = await post('/v1/spans?project_name=made%20here', body);
    expect([answer.status, (await answer.text()).includes(reason)]).toEqual([422, true]);
  });

  it('gives no Arrow file', async () => {
    const answer = await post('/v1/spans', { queries: [{}] }, { accept: 'application/x-pandas-arrow' });
    expect(answer.status).toBe(406);
  });
});

describe('GET /v1/projects/{p}/traces with a filter', () => {
  const found = async (query: string) => {
    const answer = await fetch(`${server.url}/v1/projects/made%20here/traces?${query}`);
    return { status: answer.status, body: (await answer.json()) as { data?: unknown[]; detail?: string } };
  };

  it.each([
    ['filter=error_count > 0', 1],
    ['filter=error_count == 0', 0],
    ["filter=any(s.name == 'generate' and s.parent_span.name == 'answer' for s in spans)", 1],
    ['error=true&min_latency_ms=1000', 1],
    ['error=false', 0],
    ['max_latency_ms=999.5', 0],
    ['filter=', 1],
  ])('finds with %s', async (query, count) => {
    expect((await found(query)).body.data).toHaveLength(count);
  });

  it('refuses what cannot be read with the place and a hint, as Phoenix with 400', async () => {
    const { status, body } = await found('filter=eror_count > 0');
    expect([status, body.detail]).toEqual([400, expect.stringContaining('did you mean `error_count`?')]);
    expect((await found('min_latency_ms=fast')).status).toBe(422);
  });
});

describe('POST /v1/projects/{p}/spans', () => {
  it('makes spans that are read back, in the project of the tenant that is named', async () => {
    const answer = await fetch(`${server.url}/v1/projects/made%20here/spans?name=generate`);
    const { data } = (await answer.json()) as { data: Record<string, unknown>[] };
    expect(data).toMatchObject([
      {
        context: { trace_id: TRACE, span_id: '2'.repeat(16) },
        span_kind: 'LLM',
        start_time: START,
        status_code: 'ERROR',
        attributes: { 'llm.token_count.prompt': 7 },
        tenant_id: 'acme',
      },
    ]);
  });

  it('takes nothing of a request with a span that is stored already, or is none, and tells which', async () => {
    const data = [
      span('1', 'again', 'CHAIN', {}),
      span('5', 'new', 'CHAIN', {}),
      { ...span('6', 'bad', 'CHAIN', {}), context: { trace_id: 'short', span_id: '6'.repeat(16) } },
    ];
    const answer = await post('/v1/projects/made%20here/spans', { data });
    const { detail } = (await answer.json()) as { detail: string };
    expect([answer.status, JSON.parse(detail)]).toEqual([
      400,
      {
        error: 'Request contains invalid or duplicate spans',
        total_received: 3,
        total_queued: 0,
        total_duplicates: 1,
        total_invalid: 1,
        duplicate_spans: [{ span_id: '1'.repeat(16), trace_id: TRACE }],
        invalid_spans: [
          { span_id: '6'.repeat(16), trace_id: 'short', error: expect.stringContaining('32 hex digits') },
        ],
      },
    ]);
    const spans = await fetch(`${server.url}/v1/projects/made%20here/spans?name=new`);
    expect(await spans.json()).toMatchObject({ data: [] });
  });

  it('keeps integers of 64 bits, and doubles that are whole', async () => {
    const numbers =
      '{"big":9007199254740993,"least":-9223372036854775808,"whole":12,"double":12.0,"list":[1,2.0],"map":{"in":3.0}}';
    const send = (id: string, attributes: string) =>
      fetch(`${server.url}/v1/projects/numbers/spans`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ data: [span(id, 'numbers', 'CHAIN', {})] }).replace(
          '"attributes":{}',
          `"attributes":${attributes}`,
        ),
      });
    expect((await send('8', numbers)).status).toBe(202);
    const read = await (await fetch(`${server.url}/v1/projects/numbers/spans`)).text();
    for (const part of ['"big":9007199254740993', '"least":-9223372036854775808', '"whole":12,', '"double":12.0'])
      expect(read).toContain(part);
    expect(read).toContain('"list":[1,2.0]');
    expect(read).toContain('"map.in":3.0');
    const beyond = await send('9', '{"beyond":9223372036854775808}');
    expect(beyond.status).toBe(400);
    expect(await beyond.text()).toContain('9223372036854775808 does not fit into 64 bits');
    const asName = await fetch(`${server.url}/v1/projects/numbers/spans`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ data: [span('9', 'x', 'CHAIN', {})] }).replace('"name":"x"', '"name":12.0'),
    });
    expect(asName.status).toBe(422);
    expect(await asName.text()).toMatch(/name is 12;/);
  });

  it('refuses a body that is none', async () => {
    expect((await post('/v1/projects/p/spans', { data: [{}] })).status).toBe(422);
    expect(
      (await post('/v1/projects/p/spans', { data: [span('7', 'x', 'LLM', {}, { start_time: '2026-01-01T00:00:00' })] }))
        .status,
    ).toBe(400);
    const projects = await fetch(`${server.url}/v1/projects?name_contains=p`);
    expect(((await projects.json()) as { data: { name: string }[] }).data.map(({ name }) => name)).not.toContain('p');
  });
});
