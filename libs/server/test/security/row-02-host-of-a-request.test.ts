/** Row 2: Host and :authority are checked on every port and route (more forms of them, and gRPC: request-guard.test.ts). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rawRequest, startTestServer, type TestServer } from '../running-server.js';
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

describe('every route but health and readiness refuses', () => {
  it.each([
    ['a foreign name', 'Host: evil.test', 403],
    ['a foreign name that begins like ours', 'Host: 127.0.0.1.evil.test', 403],
    ['an empty one', 'Host:', 400],
    ['two', 'Host: 127.0.0.1\r\nHost: evil.test', 400],
  ])('%s', async (_what, host, status) => {
    for (const { method, url, base } of routes) {
      if (/^\/(healthz|readyz)$/.test(url)) continue;
      const path = url.replace(/:\w+|\*/g, 'x');
      const answer = await rawRequest(base, `${method} ${path} HTTP/1.1\r\n${host}\r\nContent-Length: 0\r\n\r\n`);
      expect.soft(Number(answer.split(' ')[1]), `${method} ${url}`).toBe(status);
    }
  });

  it('an absolute URI', async () => {
    for (const { method, url, base } of routes) {
      const path = `http://127.0.0.1${url.replace(/:\w+|\*/g, 'x')}`;
      const answer = await rawRequest(
        base,
        `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n`,
      );
      expect.soft(Number(answer.split(' ')[1]), `${method} ${url}`).toBe(400);
    }
  });
});
