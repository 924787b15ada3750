/** The provider `local` keeps the contract of providers: on a store in this process, as the client of a server, with keys and without, and through the manager. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProviderConfig } from '@cogniverse/foundation/telemetry';
import { describeTelemetryProvider, type ProviderBackend } from '@cogniverse/foundation/telemetry/testing';
import { AccessKeys, accessKeyFile, startServer } from '@cogniverse/server';
import { LocalProvider, openLocalStore } from '@cogniverse/telemetry-local';
import { describe, it } from 'vitest';

function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'cogniverse-provider-'));
}

async function embedded(): Promise<ProviderBackend> {
  const dataDir = await temporaryDirectory();
  return { factory: LocalProvider, options: { data_dir: dataDir }, stop: () => rm(dataDir, { recursive: true }) };
}

async function served(options: { dataDir?: string; keyFile?: string } = {}): Promise<ProviderBackend> {
  const { keyFile, dataDir = await temporaryDirectory() } = options;
  const store = await openLocalStore({ dataDir });
  const server = await startServer({
    store,
    keyFile,
    port: 0,
    otlpPort: 0,
    grpcPort: 0,
    logger: { log: () => undefined },
  });
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

/** As an application has it: each tenant with a key of its own, and none gets in without. */
async function keyed(): Promise<ProviderBackend> {
  const dataDir = await temporaryDirectory();
  const keys = new AccessKeys({ file: accessKeyFile(dataDir) });
  await keys.create({ tenantId: 'somebody-else', read: true, ingest: true });
  const made = new Map<string, Promise<{ key: string }>>();
  const keyOf = async (tenantId: string) => {
    const key = made.get(tenantId) ?? keys.create({ tenantId, read: true, ingest: true });
    made.set(tenantId, key);
    return (await key).key;
  };
  const backend = await served({ dataDir, keyFile: keys.file });
  return {
    ...backend,
    factory: class extends LocalProvider {
      override async initialize(config: ProviderConfig): Promise<void> {
        const options = { ...config.options, api_key: await keyOf(config.tenantId) };
        await super.initialize({ ...config, options });
      }
    },
  };
}

const runner = { describe, it };
describeTelemetryProvider('local, with data_dir', { start: embedded, lacks: {} }, runner);
describeTelemetryProvider('local, with endpoint', { start: () => served(), lacks: {} }, runner);
const unknown = { "word of others' projects": "a tenant's key makes what is foreign as unknown as what is not there" };
describeTelemetryProvider('local, with endpoint and keys', { start: keyed, lacks: unknown }, runner);
describeTelemetryProvider('local, through the manager', { start: embedded, lacks: {}, through: 'manager' }, runner);
