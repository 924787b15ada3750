/** The provider `local` keeps the contract of providers: on a store in this process, as the client of a server, and through the manager. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTelemetry, ProviderRegistry, type TelemetryProvider } from '@cogniverse/foundation/telemetry';
import { startServer } from '@cogniverse/server';
import { LocalProvider, openLocalStore } from '@cogniverse/telemetry-local';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { type ContractBackend, describeProviderContract } from './provider-contract.js';

const runner = { describe, it, beforeAll, afterAll };

function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'cogniverse-provider-'));
}

/** Hands out initialized providers, and shuts them down. */
function providersWith(options: Record<string, unknown>) {
  const providers: TelemetryProvider[] = [];
  return {
    provider: async (tenantId: string, projectName: string) => {
      const provider = new LocalProvider();
      await provider.initialize({ tenantId, projectName, options });
      providers.push(provider);
      return { provider, projectName };
    },
    shutdown: () => Promise.all(providers.map((provider) => provider.shutdown())),
  };
}

async function embedded(): Promise<ContractBackend> {
  const dataDir = await temporaryDirectory();
  const { provider, shutdown } = providersWith({ data_dir: dataDir });
  return {
    provider,
    stop: async () => {
      await shutdown();
      await rm(dataDir, { recursive: true });
    },
  };
}

async function served(): Promise<ContractBackend> {
  const dataDir = await temporaryDirectory();
  const store = await openLocalStore({ dataDir });
  const server = await startServer({ store, port: 0, otlpPort: 0, grpcPort: 0, logger: { log: () => undefined } });
  const { provider, shutdown } = providersWith({ endpoint: server.addresses.http });
  return {
    provider,
    stop: async () => {
      await shutdown();
      await server.close();
      await store.shutdown();
      await rm(dataDir, { recursive: true });
    },
  };
}

async function managed(): Promise<ContractBackend> {
  const dataDir = await temporaryDirectory();
  const registry = new ProviderRegistry();
  registry.register('local', LocalProvider);
  const telemetry = createTelemetry(
    { provider: 'local', providerConfig: { data_dir: dataDir } },
    { registry, environment: {} },
  );
  return {
    provider: async (tenantId, project) => ({
      provider: await telemetry.getProvider(tenantId, project),
      projectName: `cogniverse-${tenantId}-${project}`,
    }),
    stop: async () => {
      await telemetry.shutdown();
      await rm(dataDir, { recursive: true });
    },
  };
}

describeProviderContract('local, with data_dir', embedded, runner);
describeProviderContract('local, with endpoint', served, runner);
describeProviderContract('local, through the manager', managed, runner);
