/** Row 9: keys from outside never reach a prototype. The server and its store run with them frozen, where a write to one throws. */
import { expect, it, onTestFinished } from 'vitest';
import { BASE_MILLIS, tracesJson } from '../running-server.js';
import { startServerProcess } from './server-process.js';

const KEYS = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__defineGetter__', 'valueOf'];
const FROZEN = new URL('./frozen-prototypes.mjs', import.meta.url).href;

it('serves hostile keys in spans, JSON, paths, parameters and queries with frozen prototypes', async () => {
  const server = await startServerProcess(['--import', FROZEN]);
  onTestFinished(async () => void (await server.stop()));
  const { http } = server.addresses;
  const ask = async (path: string, body?: unknown) => {
    const response = await fetch(`${http}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    expect(response.status, `${path}: ${text}`).toBeLessThan(500);
    return { status: response.status, text };
  };
  const attributes = Object.fromEntries(
    KEYS.flatMap((key) => [
      [key, 1],
      [`${key}.polluted`, 2],
      [`a.${key}.b`, 3],
    ]).map(([key, value]) => [key, { intValue: String(value) }]),
  );
  for (const key of KEYS) {
    const sent = await ask('/v1/traces', tracesJson([{ name: key, attributes }], { project: key, tenant: key }));
    expect(sent.text).toBe('{}');
    const encoded = encodeURIComponent(key);
    const spans = await ask(`/v1/projects/${encoded}/spans?tenant=${encoded}`);
    expect(spans.status).toBe(200);
    expect(spans.text).toContain(`"${key}.polluted":2`);
    await ask(`/v1/projects/${encoded}/spans?tenant=${encoded}&attribute=${encoded}:1&name=${encoded}`);
    await ask(`/v1/projects/${encoded}/traces?${encoded}=1`);
    await ask(`/v1/cogniverse/statistics?tenant=${encoded}`);
    const row = `{"input":{"${key}":{"polluted":true}},"output":{"${key}":1},"metadata":{"${key}":{"${key}":2}}}`;
    const made = await ask('/v1/cogniverse/datasets', `{"tenant":"${key}","name":"${key}","rows":[${row}]}`);
    const { data: dataset } = JSON.parse(made.text) as { data: { id: string } };
    const rows = await ask('/v1/cogniverse/datasets/rows/query', { tenant: key, dataset_id: dataset.id });
    expect(rows.text).toContain(`"${key}":{"polluted":true}`);
    await ask(
      '/v1/cogniverse/spans/query',
      `{"project":{"tenant_id":"${key}","name":"${key}"},"${key}":{"x":1},"__proto__":{"limit":1}}`,
    );
    const project = { tenant_id: key, name: key };
    await ask('/v1/cogniverse/metrics/query', {
      project,
      metric_names: ['span_count', `attribute:${key}:mean`],
      group_by: key,
    });
    await ask('/v1/cogniverse/metrics/query', { project, metric_names: [key], start_time: String(BASE_MILLIS) });
  }
  expect((await ask('/v1/projects')).status).toBe(200);
  const { stderr } = await server.stop();
  expect(stderr).not.toMatch(/TypeError|read only|not extensible/);
});
