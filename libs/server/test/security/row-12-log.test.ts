/** Rows 12 and 13: what hostile text and keys leave in the log of a real server process: one event a line, nothing to obey, no key. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { AccessKeys, accessKeyFile } from '@cogniverse/server';
import { expect, it } from 'vitest';
import { rawRequest, tracesJson } from '../running-server.js';

const CLI = fileURLToPath(new URL('../../../cli/dist/cogniverse.cjs', import.meta.url));
const HOSTILE = 'line\nnext\r\u001b[2J\u001b]0;title\u0007\u202ereversed\u2028\u0085\u200b';
// All that a terminal, an editor or a log reader acts on, in one line of it.
const UNSAFE = /\p{Cc}|[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u;

it('writes each event as one line of JSON in which nothing acts, capped, and never a key', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'cogniverse-row-12-'));
  const keys = new AccessKeys({ file: accessKeyFile(directory) });
  const { key } = await keys.create({ tenantId: 'acme', read: true, ingest: true });
  const revoked = await keys.create({ tenantId: 'acme', read: true, ingest: true });
  await keys.revoke(revoked.record.id);
  const args = ['--data', directory, '--port', '0', '--otlp-port', '0', '--grpc-port', '0', '--json'];
  const child = spawn(process.execPath, [CLI, 'serve', '--log-level', 'info', '--log-requests', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (chunk) => {
    log += chunk;
  });
  const [first] = await once(createInterface({ input: child.stdout }), 'line');
  const { http } = JSON.parse(first) as { http: string };
  const authorization = `Bearer ${key}`;
  const body = JSON.stringify(
    tracesJson([{ name: HOSTILE, attributes: { note: { stringValue: HOSTILE } } }], { project: HOSTILE }),
  );
  const json = { 'content-type': 'application/json', authorization };
  expect((await fetch(`${http}/v1/traces`, { method: 'POST', headers: json, body })).status).toBe(200);
  const encoded = encodeURIComponent(HOSTILE);
  for (const path of [
    `/v1/projects/${encoded}`,
    `/${encoded}`,
    `/v1/projects?tenant=${encoded}`,
    `/v1/projects/${'x'.repeat(20_000)}`,
    `/v1/projects?api_key=${key}`,
  ]) {
    for (const header of [authorization, `Bearer ${revoked.key}`, `Basic ${key}`, `Bearer ${key}x`]) {
      const response = await fetch(`${http}${path}`, {
        headers: { authorization: header, 'user-agent': 'agent\t\u00a0\u009b31m' },
      });
      const text = await response.text();
      expect(text).not.toContain(revoked.key.slice(17));
    }
  }
  // Raw bytes that no client sends.
  const { host, hostname, port } = new URL(http);
  await rawRequest(
    http,
    `GET /\u001b[31m HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${key}\r\nConnection: close\r\n\r\n`,
    /never/,
  );
  const socket = connect({ host: hostname, port: Number(port) });
  socket.end('\u0016\u0003\u0001 no http \n\u001b[31m\n');
  socket.resume();
  await once(socket, 'close');
  child.kill('SIGTERM');
  await once(child, 'close');

  const lines = log.trimEnd().split('\n');
  expect(lines.length).toBeGreaterThan(20);
  for (const line of lines) {
    expect(line).not.toMatch(UNSAFE);
    expect(line.length).toBeLessThan(8000);
    expect(JSON.parse(line)).toMatchObject({
      time: expect.any(String),
      level: expect.any(String),
      event: expect.stringMatching(/^[a-z_]+$/),
    });
  }
  const events = lines.map((line) => JSON.parse(line).event);
  for (const event of ['server_listening', 'request', 'access_refused', 'server_closed'])
    expect(events).toContain(event);
  expect(log).toContain(revoked.record.id);
  // Neither in full nor the secret alone, in the log and in what is kept on disk as text.
  for (const secret of [key, key.slice(17), revoked.key, revoked.key.slice(17)]) {
    expect(log).not.toContain(secret);
    expect(readFileSync(keys.file, 'utf8')).not.toContain(secret);
  }
  rmSync(directory, { recursive: true });
});
