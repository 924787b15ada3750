/** The provider `local` keeps the contract of providers: on a store in this process, as the client of a server, and through the manager. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeTelemetryProvider, type ProviderBackend } from '@cogniverse/foundation/telemetry/testing';
import { startServer } from '@cogniverse/server';
import { LocalProvider, openLocalStore } from '@cogniverse/telemetry-local';
import { describe, it } from 'vitest';

function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'cogniverse-provider-'));
}

async function embedded(): Promise<ProviderBackend> {
  const dataDir = await temporaryDirectory();
  return { factory: LocalProvider, options: { data_dir: dataDir }, stop: () => rm(dataDir, { recursive: true }) };
}

async function served(): Promise<ProviderBackend> {
  const dataDir = await temporaryDirectory();
  const store = await openLocalStore({ dataDir });
  const server = await startServer({ store, port: 0, otlpPort: 0, grpcPort: 0, logger: { log: () => undefined } });
  return {
    factory: LocalProvider,
    options: { endpoint: server.addresses.http },
    stop: async () => {
      await server.close();
      await store.shutdown();
      await rm(dataDir, { recursive: true });
    },
  };
}

const runner = { describe, it };
describeTelemetryProvider('local, with data_dir', { start: embedded, lacks: {} }, runner);
describeTelemetryProvider('local, with endpoint', { start: served, lacks: {} }, runner);
describeTelemetryProvider('local, through the manager', { start: embedded, lacks: {}, through: 'manager' }, runner);
