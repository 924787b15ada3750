/**
 * Row 10: SQL. A corpus of hostile texts in every place that takes one finds what a plain comparison finds, and no answer shows the database.
 *
 * The language of conditions has its own property test against its evaluator, in libs/telemetry-local.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getJson, send, startTestServer, type TestServer } from '../running-server.js';

const CORPUS = [
  "' OR '1'='1",
  "'; DROP TABLE spans; --",
  "x' UNION SELECT * FROM duckdb_settings() --",
  '" OR 1=1 --',
  "\\'; SELECT 1; --",
  "%' OR name LIKE '%",
  '%',
  '_',
  '$1',
  '?',
  ':name',
  '{{7*7}}',
  "read_csv('/etc/passwd')",
  "'||(SELECT current_setting('home_directory'))||'",
  "name); ATTACH 'x.db'; --",
  '\u0000',
  'a\u0000b',
  '\u202e gnp.exe',
  "''''",
  '""""',
  '/* comment */',
  '-- comment',
  '1e999',
  '0x7fffffff',
  'NULL',
  'NaN',
  '.*',
  '$.a[*]',
  'a\'b"c`d',
  'é\u0301',
];
/** What only a database would say. */
const DATABASE_WORDS =
  /duckdb|syntax error|parser error|binder error|catalog|conversion error|SELECT |prepared|\.duckdb|node_modules/i;

let running: TestServer;
beforeAll(async () => {
  running = await startTestServer();
  const spans = CORPUS.map((text, i) => ({
    name: text,
    at: i,
    attributes: {
      text: { stringValue: text },
      'session.id': { stringValue: `session ${text}` },
      [`key ${text}`]: { stringValue: 'v' },
    },
  }));
  await send(running.url, spans, { project: 'p', tenant: 't' });
});
afterAll(() => running.stop());

async function namesOf(query: URLSearchParams): Promise<string[]> {
  const { status, body } = await getJson(`${running.url}/v1/projects/p/spans?limit=1000&${query}`);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.data.map((span: { name: string }) => span.name).sort();
}

describe.each(CORPUS)('%j', (text) => {
  it('as a name finds the span of that name', async () => {
    expect(await namesOf(new URLSearchParams({ name: text }))).toEqual([text]);
  });

  it('as the value and the key of an attribute finds that span', async () => {
    const project = { tenantId: 't', name: 'p' };
    const found = async (filters: object) =>
      (await running.store.querySpans({ project, filters, limit: 1000 })).items.map(({ span }) => span.name);
    expect(await found({ attributes: [{ key: 'text', operator: 'eq', value: text }] })).toEqual([text]);
    expect(await found({ attributes: [{ key: `key ${text}`, operator: 'exists' }] })).toEqual([text]);
    const containing = CORPUS.filter((other) => other.includes(text)).sort();
    expect((await found({ attributes: [{ key: 'text', operator: 'contains', value: text }] })).sort()).toEqual(
      containing,
    );
    expect(await found({ sessionId: `session ${text}` })).toEqual([text]);
  });

  it('anywhere else is a value like any other: nothing found or refused, and nothing of the database shown', async () => {
    const encoded = encodeURIComponent(text);
    const json = { 'content-type': 'application/json' };
    const project = { tenant_id: text, name: text };
    const answers = [
      ...[
        `/v1/projects/${encoded}`,
        `/v1/projects?tenant=${encoded}`,
        `/v1/projects?cursor=${encoded}`,
        `/v1/projects?name_contains=${encoded}`,
        `/v1/projects/p/spans?cursor=${encoded}`,
        `/v1/projects/p/spans?trace_id=${encoded}`,
        `/v1/projects/p/spans?sort=${encoded}`,
        `/v1/projects/p/spans?order=${encoded}`,
        `/v1/projects/p/spans?start_time=${encoded}`,
        `/v1/projects/p/spans?attribute=${encoded}`,
        `/v1/projects/p/spans?attribute=${encoded}:${encoded}`,
        `/v1/projects/p/spans?filter=${encoded}`,
        `/v1/projects/p/traces?session_identifier=${encoded}`,
        `/v1/projects/p/traces?filter=${encoded}`,
        `/v1/cogniverse/statistics?tenant=${encoded}&start_time=${encoded}`,
        `/v1/projects/p/sessions?filter=${encoded}`,
        `/v1/cogniverse/datasets?tenant=${encoded}&name=${encoded}`,
      ].map((path) => fetch(`${running.url}${path}`)),
      ...[
        ['metrics/query', { project, metric_names: [text], group_by: text }],
        ['metrics/query', { project, metric_names: [`attribute:${text}:mean`], group_by: `attribute:${text}` }],
        ['datasets/rows/query', { tenant: text, dataset_id: text, splits: [text], cursor: text }],
        ['spans/query', { project, cursor: text }],
        ['spans/query', { project: { tenant_id: 't', name: 'p' }, condition: text }],
        ['spans/query', { project, filters: { attributes: [{ key: text, operator: text, value: text }] } }],
      ].map(([path, body]) =>
        fetch(`${running.url}/v1/cogniverse/${path}`, { method: 'POST', headers: json, body: JSON.stringify(body) }),
      ),
    ];
    for (const response of await Promise.all(answers)) {
      const told = (await response.text()).replaceAll(JSON.stringify(text).slice(1, -1), '');
      expect.soft([500, 502, 503, 504], `${response.url}: ${told}`).not.toContain(response.status);
      if (!DATABASE_WORDS.test(text)) expect.soft(told, response.url).not.toMatch(DATABASE_WORDS);
    }
    expect((await running.store.listProjects()).map(({ name, spanCount }) => [name, spanCount])).toEqual([
      ['p', CORPUS.length],
    ]);
  });
});
