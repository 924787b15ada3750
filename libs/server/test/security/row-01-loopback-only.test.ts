/** Row 1: the server binds to loopback only; another host needs keys, else the start is refused (the exit code: libs/cli/test/keys.test.ts). */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TelemetryStore } from '@cogniverse/foundation/telemetry';
import { AccessKeys, accessKeyFile, startServer } from '@cogniverse/server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestServer } from '../running-server.js';

function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

it('listens on 127.0.0.1 alone, on each of its ports', async () => {
  const running = await startTestServer();
  const { http, otlpHttp, otlpGrpc } = running.server.addresses;
  const others = Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address),
  );
  // Linux answers on all of 127/8 where a socket is bound to every address.
  if (process.platform === 'linux') others.push('127.0.0.2');
  expect(others.length).toBeGreaterThan(0);
  for (const address of [http, otlpHttp, `http://${otlpGrpc}`]) {
    const port = Number(new URL(address).port);
    expect(await connects('127.0.0.1', port)).toBe(true);
    for (const other of others) expect(await connects(other, port), `${other}:${port}`).toBe(false);
  }
  await running.stop();
});

describe('an address that other machines can reach', () => {
  let directory: string;
  let keys: AccessKeys;
  let now: number;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'cogniverse-row-01-'));
    now = Date.now();
    keys = new AccessKeys({ file: accessKeyFile(directory), now: () => now });
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  const start = (host: string) =>
    startServer({
      store: {} as TelemetryStore,
      host,
      keyFile: keys.file,
      port: 0,
      otlpPort: 0,
      grpcPort: 0,
      logger: { log: () => undefined },
    });

  it.each(['0.0.0.0', '::', '10.0.0.1', 'example.test', '127.0.0.1.evil.test'])(
    'is refused without a key that opens anything: %s',
    async (host) => {
      await expect(start(host)).rejects.toThrow('cogniverse keys create');
      const { record } = await keys.create({ tenantId: 'acme', read: true, ingest: true });
      await keys.revoke(record.id);
      now -= 10_000;
      await keys.create({ tenantId: 'acme', read: true, ingest: true, expiresAt: new Date(now + 1000) });
      await expect(start(host)).rejects.toThrow('cogniverse keys create');
    },
  );

  it('is listened on with one', async () => {
    await keys.create({ tenantId: 'acme', read: true, ingest: true });
    const server = await start('0.0.0.0');
    const { port } = new URL(server.addresses.http);
    expect((await fetch(`http://127.0.0.1:${port}/v1/projects`)).status).toBe(401);
    await server.close();
  });
});
