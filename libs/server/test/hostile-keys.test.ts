/** Keys that reach a prototype where objects are used as maps. After each test every prototype's own properties are what they were. */
import { decodeTracesJson, encodeTraces } from '@cogniverse/foundation/otlp';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { getJson, startTestServer, type TestServer, tracesJson } from './running-server.js';

const KEYS = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'constructor.prototype.polluted',
  '__proto__.polluted',
];

let running: TestServer;
let before: ReturnType<typeof prototypes>;
beforeAll(async () => {
  running = await startTestServer();
  before = prototypes();
});
afterAll(() => running.stop());
afterEach(() => {
  const now = prototypes();
  expect(now.length).toBe(before.length);
  expect(now.every((held, i) => Object.is(held, before[i]))).toBe(true);
});

/** Every property of the prototypes that all objects share, and what it holds. */
function prototypes(): unknown[] {
  return [Object, Function, Array, Map, String].flatMap(({ prototype }) =>
    Reflect.ownKeys(prototype).flatMap((key) => {
      const { value, get } = Object.getOwnPropertyDescriptor(prototype, key)!;
      return [key, value ?? get];
    }),
  );
}

const hostile = Object.fromEntries(
  KEYS.map((key) => [
    key,
    { kvlistValue: { values: KEYS.map((inner) => ({ key: inner, value: { stringValue: 'polluted' } })) } },
  ]),
);

it.each(['json', 'protobuf'] as const)('are keys like any other in spans sent as %s', async (format) => {
  for (const name of KEYS) {
    const project = `${name} ${format}`;
    const json = tracesJson([{ name, attributes: hostile }], { project, tenant: name });
    const body = format === 'json' ? JSON.stringify(json) : encodeTraces(decodeTracesJson(json));
    const contentType = format === 'json' ? 'application/json' : 'application/x-protobuf';
    const response = await fetch(`${running.url}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': contentType },
      body,
    });
    expect(response.status).toBe(200);
    const url = `${running.url}/v1/projects/${encodeURIComponent(project)}/spans?tenant=${encodeURIComponent(name)}`;
    const { status, body: page } = await getJson(url);
    expect(status).toBe(200);
    const attributes = new Map(Object.entries(page.data[0].attributes));
    for (const key of KEYS) expect(attributes.get(`${key}.${key}`), key).toBe('polluted');
    const exact = await getJson(url.replace('/spans?', '/spans/otlpv1?'));
    expect(exact.body.data[0].scopeSpans[0].spans[0].attributes).toHaveLength(KEYS.length);
  }
});

it('are keys like any other in headers, paths, parameters and bodies: refused or not found, never a fault', async () => {
  for (const key of KEYS) {
    const encoded = encodeURIComponent(key);
    for (const path of [
      `/v1/projects?${encoded}=1`,
      `/v1/projects?tenant=${encoded}`,
      `/v1/projects/${encoded}`,
      `/v1/projects/${encoded}/traces?tenant=${encoded}`,
      `/v1/projects/x/spans?attribute=${encoded}:1&name=${encoded}`,
      `/${encoded}`,
      `/v1/cogniverse/${encoded}`,
    ]) {
      expect([200, 404, 422], path).toContain(
        (await getJson(`${running.url}${path}`, { 'x-cogniverse-tenant': key })).status,
      );
    }
    const post = await fetch(`${running.url}/v1/cogniverse/spans/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"${key}":{"${key}":1}}`,
    });
    expect(post.status).toBeLessThan(500);
  }
  expect(running.logged.filter(({ level }) => level === 'error')).toEqual([]);
});
