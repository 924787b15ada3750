/** SIGHUP to a server that runs in the background: another certificate is taken into use, and nobody is cut off. Keys are read again by themselves. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { selfSigned } from '@cogniverse/example-reference/self-signed';
import { AccessKeys, accessKeyFile } from '@cogniverse/server';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FREE_PORTS, type Serving, serve, temporaryDirectory } from './command-line.js';

let directory: { path: string; remove: () => void };
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

function fingerprint(address: string): Promise<string> {
  const { port } = new URL(address.replace(/^(?!http)/, 'https://'));
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
  });
}

/** Until the log has a line with this event. */
function logged(serving: Serving, event: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const look = () => {
      const line = serving
        .log()
        .split('\n')
        .find((text) => text.includes(`"${event}"`));
      if (line !== undefined) resolve(line);
    };
    serving.child.stderr!.on('data', look);
    serving.child.once('close', () => reject(new Error(`The server ended: ${serving.log()}`)));
    look();
  });
}

it('reads certificate and key again, keeps the old ones where the new cannot be used, and goes on serving', async () => {
  const [cert, key] = [join(directory.path, 'cert.pem'), join(directory.path, 'key.pem')];
  const write = (pair: { cert: string; key: string }) => {
    writeFileSync(cert, pair.cert);
    writeFileSync(key, pair.key, { mode: 0o600 });
  };
  const [first, second] = [selfSigned({ ip: [127, 0, 0, 1] }), selfSigned({ ip: [127, 0, 0, 1] })];
  write(first);
  const serving = await serve([
    '--data',
    join(directory.path, 'data'),
    ...FREE_PORTS,
    '--tls-cert',
    cert,
    '--tls-key',
    key,
  ]);
  const { http, otlpHttp, otlpGrpc } = serving.addresses;
  const shown = async () => new Set(await Promise.all([http, otlpHttp, otlpGrpc].map(fingerprint)));
  const before = await shown();
  expect(before.size).toBe(1);

  // A pair that does not belong together: told, without a word of the key, and nothing changes.
  write({ cert: first.cert, key: second.key });
  serving.child.kill('SIGHUP');
  expect(await logged(serving, 'tls_reload_failed')).toContain('another certificate');
  expect(serving.log()).not.toContain('PRIVATE KEY');
  expect(await shown()).toEqual(before);

  write(second);
  serving.child.kill('SIGHUP');
  await logged(serving, 'tls_reloaded');
  const after = await shown();
  expect(after.size).toBe(1);
  expect(after).not.toEqual(before);
  expect(await serving.stop()).toEqual({ code: 0, signal: null });
});

it('without TLS goes on too, and keys that were made or revoked meanwhile count from the next request on', async () => {
  const serving = await serve(['--data', directory.path, ...FREE_PORTS]);
  const ask = async (key: string) =>
    (await fetch(`${serving.addresses.http}/v1/projects`, { headers: { authorization: `Bearer ${key}` } })).status;
  const keys = new AccessKeys({ file: accessKeyFile(directory.path) });
  const made = await keys.create({ tenantId: 'acme', read: true, ingest: true });
  const other = await keys.create({ tenantId: 'acme', read: true, ingest: true });
  serving.child.kill('SIGHUP');
  expect([await ask(made.key), await ask(other.key), await ask('none')]).toEqual([200, 200, 401]);
  await keys.revoke(made.record.id);
  serving.child.kill('SIGHUP');
  expect([await ask(made.key), await ask(other.key)]).toEqual([401, 200]);
  expect(await serving.stop()).toEqual({ code: 0, signal: null });
});
