/** Row 18: nothing about configuration, environment or memory is served. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rawRequest, startTestServer, type TestServer } from '../running-server.js';

let running: TestServer;
beforeAll(async () => {
  process.env['COGNIVERSE_CANARY'] = 'canary-of-the-environment';
  running = await startTestServer();
});
afterAll(async () => {
  delete process.env['COGNIVERSE_CANARY'];
  await running.stop();
});

const PATHS = [
  '/.env',
  '/.git/config',
  '/.git/HEAD',
  '/.aws/credentials',
  '/.npmrc',
  '/.ssh/id_rsa',
  '/.well-known/security.txt',
  '/package.json',
  '/package-lock.json',
  '/node_modules/fastify/package.json',
  '/keys.json',
  '/wal/',
  '/days/other.duckdb',
  '/meta.duckdb',
  '/etc/passwd',
  '/proc/self/environ',
  '/env',
  '/config',
  '/config.json',
  '/settings',
  '/v1/config',
  '/v1/cogniverse/config',
  '/debug',
  '/debug/pprof/heap',
  '/debug/vars',
  '/heapdump',
  '/actuator/env',
  '/actuator/heapdump',
  '/server-status',
  '/phpinfo.php',
  '/admin',
  '/console',
  '/json/list',
  '/status',
  '/trace',
  '/%2e%2e/%2e%2e/etc/passwd',
  '/..%2f..%2fetc/passwd',
  '/v1/projects/../../../etc/passwd',
  '//etc/passwd',
];

it.each(PATHS)('%s is not here', async (path) => {
  const { host } = new URL(running.url);
  const answer = await rawRequest(
    running.url,
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    /never/,
  );
  expect(answer.split(' ')[1]).toBe('404');
  expect(answer).not.toMatch(/canary|root:|DATA_DIR|"dependencies"/);
});

it('no page, header or error tells of the machine', async () => {
  for (const path of [
    '/',
    '/metrics',
    '/healthz',
    '/readyz',
    '/v1/projects?x=1',
    '/v1/cogniverse/openapi.json',
    '/nothing',
  ]) {
    const response = await fetch(`${running.url}${path}`);
    const text = `${JSON.stringify([...response.headers])} ${await response.text()}`;
    expect(text, path).not.toContain('canary');
    expect(text, path).not.toContain(process.cwd());
    expect(text, path).not.toMatch(/node_modules|at \w+ \(|x-powered-by/i);
  }
});
