import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BASE_MILLIS,
  getJson,
  newId,
  type OtlpJsonValue,
  send,
  startTestServer,
  type TestServer,
} from './running-server.js';

const TRACE = 'a1'.repeat(16);
const ROOT = 'b1'.repeat(8);
const text = (value: string): OtlpJsonValue => ({ stringValue: value });
const int = (value: number | string): OtlpJsonValue => ({ intValue: String(value) });
const double = (value: number): OtlpJsonValue => ({ doubleValue: value });

let running: TestServer;
let spansUrl: string;
beforeAll(async () => {
  running = await startTestServer();
  spansUrl = `${running.url}/v1/projects/shop/spans`;
  await send(
    running.url,
    [
      {
        name: 'root',
        traceId: TRACE,
        spanId: ROOT,
        at: 1000,
        durationMillis: 500,
        attributes: {
          'openinference.span.kind': text('chain'),
          'session.id': text('s1'),
          user: {
            kvlistValue: {
              values: [
                { key: 'id', value: int(7) },
                { key: '__proto__', value: text('p') },
              ],
            },
          },
          'llm.input_messages': {
            arrayValue: { values: [{ kvlistValue: { values: [{ key: 'role', value: text('user') }] } }] },
          },
          tags: { arrayValue: { values: [text('a'), text('b')] } },
          bytes: { bytesValue: 'AAEC' },
          huge: int('9007199254740993'),
          whole: double(12),
        },
      },
      {
        name: 'call',
        traceId: TRACE,
        spanId: 'c1'.repeat(8),
        parentSpanId: ROOT,
        at: 1100,
        status: 2,
        attributes: {
          'openinference.span.kind': text('LLM'),
          n: int(12),
          s: text('12'),
          b: { boolValue: true },
          'llm.model_name': text('gpt: 4'),
        },
      },
      { name: 'call', at: 0, status: 1, attributes: { n: double(12), s: text('käse'), b: { boolValue: false } } },
      {
        name: 'last',
        at: 5000,
        attributes: { n: int(13), b: text('true'), 'openinference.span.kind': text('workflow') },
      },
    ],
    { project: 'shop', tenant: 'acme' },
  );
});
afterAll(() => running.stop());

const find = async (query: string) => {
  const { status, body } = await getJson(`${spansUrl}?${query}`);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.data.map(
    (span: { name: string; start_time: string }) =>
      `${span.name} ${(Date.parse(span.start_time) - BASE_MILLIS) / 1000}`,
  );
};
const ROOT_SPAN = 'root 1';
const LLM_SPAN = 'call 1.1';
const FIRST_SPAN = 'call 0';
const LAST_SPAN = 'last 5';

it("has Phoenix's shape, with attributes flattened and 64-bit integers exact", async () => {
  const raw = await (await fetch(`${spansUrl}?span_id=${ROOT}`)).text();
  expect(raw).toContain('"huge":9007199254740993');
  expect(raw).toContain('"whole":12.0');
  const { data, next_cursor } = JSON.parse(raw);
  expect(next_cursor).toBeNull();
  const { attributes, ...rest } = data[0];
  expect(rest).toEqual({
    id: expect.stringMatching(/./),
    name: 'root',
    context: { trace_id: TRACE, span_id: ROOT },
    span_kind: 'CHAIN',
    parent_id: null,
    start_time: '2026-03-01T12:00:01+00:00',
    end_time: '2026-03-01T12:00:01.500000+00:00',
    status_code: 'UNSET',
    status_message: '',
    events: [],
    start_time_unix_nano: `${BASE_MILLIS + 1000}000000`,
    end_time_unix_nano: `${BASE_MILLIS + 1500}000000`,
    tenant_id: 'acme',
  });
  expect(attributes).toMatchObject({
    'session.id': 's1',
    'user.id': 7,
    'user.__proto__': 'p',
    'llm.input_messages.0.role': 'user',
    tags: ['a', 'b'],
    bytes: 'AAEC',
  });
  expect(attributes).not.toHaveProperty(['openinference.span.kind']);
});

describe('filters', () => {
  it.each([
    ['', [LAST_SPAN, FIRST_SPAN, LLM_SPAN, ROOT_SPAN]],
    ['order=asc', [ROOT_SPAN, LLM_SPAN, FIRST_SPAN, LAST_SPAN]],
    ['sort=start_time', [LAST_SPAN, LLM_SPAN, ROOT_SPAN, FIRST_SPAN]],
    ['sort=start_time&order=asc', [FIRST_SPAN, ROOT_SPAN, LLM_SPAN, LAST_SPAN]],
    [`trace_id=${TRACE}`, [LLM_SPAN, ROOT_SPAN]],
    [`trace_id=${TRACE.toUpperCase()}&trace_id=${'0'.repeat(31)}1`, [LLM_SPAN, ROOT_SPAN]],
    [`span_id=${ROOT}&span_id=${'c1'.repeat(8)}`, [LLM_SPAN, ROOT_SPAN]],
    ['name=call', [FIRST_SPAN, LLM_SPAN]],
    ['name=root&name=last', [LAST_SPAN, ROOT_SPAN]],
    ['name=Call', []],
    ['span_kind=llm', [LLM_SPAN]],
    ['span_kind=LLM&span_kind=CHAIN', [LLM_SPAN, ROOT_SPAN]],
    ['span_kind=UNKNOWN', [FIRST_SPAN]],
    ['status_code=error', [LLM_SPAN]],
    ['status_code=OK&status_code=UNSET', [LAST_SPAN, FIRST_SPAN, ROOT_SPAN]],
    ['parent_id=null', [LAST_SPAN, FIRST_SPAN, ROOT_SPAN]],
    [`parent_id=${ROOT}`, [LLM_SPAN]],
    ['attribute=n:12', [FIRST_SPAN, LLM_SPAN]],
    ['attribute=n:12.0', [FIRST_SPAN]],
    ['attribute=n:1.2e1', [FIRST_SPAN]],
    ['attribute=huge:9007199254740993', [ROOT_SPAN]],
    ['attribute=huge:9007199254740992', []],
    ['attribute=s:12', []],
    ['attribute=s:"12"', [LLM_SPAN]],
    [`attribute=${encodeURIComponent('s:käse')}`, [FIRST_SPAN]],
    ['attribute=b:true', [LLM_SPAN]],
    ['attribute=b:"true"', [LAST_SPAN]],
    ['attribute=llm.model_name:gpt:%204', [LLM_SPAN]],
    ['attribute=openinference.span.kind:workflow', [LAST_SPAN]],
    ['attribute=n:12&attribute=b:false', [FIRST_SPAN]],
    ['attribute=__proto__:x', []],
    ['start_time=2026-03-01T12:00:01Z', [LAST_SPAN, LLM_SPAN, ROOT_SPAN]],
    ['start_time=2026-03-01T12:00:01&end_time=2026-03-01T12:00:05', [LLM_SPAN, ROOT_SPAN]],
    ['start_time=2026-03-01T13:00:01%2B01:00&end_time=2026-03-01T13:00:01.1+01:00', [ROOT_SPAN]],
    [`start_time=${BASE_MILLIS / 1000 + 1}&end_time=${BASE_MILLIS + 1001}`, [ROOT_SPAN]],
    ['start_time=2026-03-02', []],
    ['end_time=2026-03-01T12:00:00.000000001Z', [FIRST_SPAN]],
  ])('?%s', async (query, expected) => {
    expect(await find(query)).toEqual(expected);
    const { body } = await getJson(`${spansUrl}/otlpv1?${query}`);
    const exact = body.data.flatMap((group: { scopeSpans: { spans: unknown[] }[] }) =>
      group.scopeSpans.flatMap(({ spans }) => spans),
    );
    expect(exact).toHaveLength(expected.length);
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['limit=', 'limit'],
    ['trace_id=xyz', 'trace_id'],
    ['span_id=12', 'span_id'],
    ['parent_id=none', 'parent_id'],
    ['span_kind=LMM', 'span_kind'],
    ['status_code=FINE', 'status_code'],
    ['attribute=n', 'attribute'],
    ['attribute=:1', 'attribute'],
    ['attribute=n:', 'attribute'],
    ['attribute=n:null', 'attribute'],
    ['attribute=n:[1]', 'attribute'],
    ['sort=name', 'sort'],
    ['order=up', 'order'],
    ['start_time=yesterday', 'start_time'],
    ['end_time=2026-02-30', 'end_time'],
    ['start_time=2026-03-01T12:00:00Z&start_time=2026-03-01T12:00:00Z', 'start_time'],
    ['cursor=nonsense', 'cursor'],
    ['traceid=1', 'traceid'],
  ])('refuses ?%s and names %s', async (query, named) => {
    for (const path of ['', '/otlpv1']) {
      const { status, body } = await getJson(`${spansUrl}${path}?${query}`);
      expect(status).toBe(422);
      expect(body.detail).toContain(named);
    }
  });
});

describe('pages', () => {
  it.each(['sort=id&order=desc', 'sort=id&order=asc', 'sort=start_time&order=desc', 'sort=start_time&order=asc'])(
    'give every span once while others come in: %s',
    async (order) => {
      const project = `paging ${order}`;
      const before = Array.from({ length: 250 }, (_item, i) => ({
        spanId: newId(16),
        at: (i * 7919) % 97,
        attributes: { n: i % 2 === 0 ? int(5) : double(5) },
      }));
      await send(running.url, before, { project, tenant: 'acme' });
      for (const [query, expected] of [
        ['limit=17', before],
        ['limit=13&attribute=n:5.0', before.filter((_span, i) => i % 2 === 1)],
      ] as const) {
        const seen: string[] = [];
        let cursor: string | null = '';
        while (cursor !== null) {
          const url: string = `${running.url}/v1/projects/${encodeURIComponent(project)}/spans?${order}&${query}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
          const [{ status, body }] = await Promise.all([
            getJson(url),
            send(
              running.url,
              Array.from({ length: 3 }, (_item, i) => ({ at: i * 40 })),
              { project, tenant: 'acme' },
            ),
          ]);
          expect(status, JSON.stringify(body)).toBe(200);
          seen.push(...body.data.map((span: { context: { span_id: string } }) => span.context.span_id));
          cursor = body.next_cursor;
          expect(seen.length).toBeLessThan(2000);
        }
        expect(new Set(seen).size).toBe(seen.length);
        expect(seen).toEqual(expect.arrayContaining(expected.map(({ spanId }) => spanId)));
      }
    },
  );

  it('take two thousand span ids in one query', async () => {
    const ids = Array.from({ length: 2000 }, () => `span_id=${newId(16)}`);
    expect(await find([...ids, `span_id=${ROOT}`].join('&'))).toEqual([ROOT_SPAN]);
  });
});
