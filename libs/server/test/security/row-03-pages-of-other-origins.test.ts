/** Row 3: Origin and Sec-Fetch-Site are checked, CORS is off, no authority from cookies (row 4 sends some with every request). */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rawRequest, startTestServer, type TestServer, tracesJson } from '../running-server.js';
import { type RegisteredRoute, withRoutes } from './every-route.js';

let running: TestServer;
let routes: (RegisteredRoute & { base: string })[];
beforeAll(async () => {
  const { started, applications } = await withRoutes(() => startTestServer());
  running = started;
  const bases = [running.url, new URL(running.server.addresses.otlpHttp).origin];
  routes = applications.flatMap((ofOne, i) => ofOne.map((route) => ({ ...route, base: bases[i]! })));
});
afterAll(() => running.stop());

const OTLP = JSON.stringify(tracesJson([{ name: 'from a page' }], { project: 'from-a-page', tenant: 'page' }));
const DATASET = JSON.stringify({ tenant: 'page', name: 'from a page', rows: [] });

it.each([
  ['text/plain', 'Content-Type: text/plain\r\nOrigin: http://evil.test'],
  ['a form', 'Content-Type: application/x-www-form-urlencoded\r\nOrigin: http://evil.test'],
  ['an upload', 'Content-Type: multipart/form-data; boundary=x\r\nOrigin: null'],
  ['JSON', 'Content-Type: application/json\r\nOrigin: http://127.0.0.1:1'],
  ['JSON without an origin', 'Content-Type: application/json\r\nSec-Fetch-Site: cross-site'],
  ['JSON of a sibling', 'Content-Type: application/json\r\nSec-Fetch-Site: same-site'],
])('no route takes %s from a page of another origin, and nothing is stored', async (_what, lines) => {
  for (const { method, url, base } of routes) {
    if (/^\/(healthz|readyz)$/.test(url)) continue;
    const { host } = new URL(base);
    const body = url.includes('datasets') ? DATASET : OTLP;
    const path = url.replace(/:\w+|\*/g, 'x');
    const request = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    const answer = await rawRequest(base, request);
    expect.soft(Number(answer.split(' ')[1]), `${method} ${url}`).toBe(403);
    expect.soft(answer.toLowerCase()).not.toContain('access-control-');
  }
  expect(await running.store.listTenants()).toEqual([]);
  expect(await running.store.listDatasets({ tenantId: 'page' })).toEqual([]);
});
