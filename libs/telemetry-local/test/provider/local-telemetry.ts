/** A manager over the provider `local`, and the places where its store can be. */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createTelemetry,
  ProviderRegistry,
  type Telemetry,
  type TelemetryConfigOptions,
} from '@cogniverse/foundation/telemetry';
import { startServer } from '@cogniverse/server';
import { LocalProvider, openLocalStore } from '@cogniverse/telemetry-local';
import { onTestFinished } from 'vitest';

export async function storeDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'cogniverse-local-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  return realpath(directory);
}

/** A server over a store of its own. Gives its address. */
export async function storeServer(): Promise<string> {
  const store = await openLocalStore({ dataDir: await storeDirectory() });
  onTestFinished(() => store.shutdown());
  const running = await startServer({ store, port: 0, otlpPort: 0, grpcPort: 0, logger: { log: () => undefined } });
  onTestFinished(() => running.close());
  return running.addresses.http;
}

/** Where a store can be: its name, and a `provider_config` for a new one. */
export const PLACES: [string, () => Promise<Record<string, string>>][] = [
  ['in this process', async () => ({ data_dir: await storeDirectory() })],
  ['behind a server', async () => ({ endpoint: await storeServer() })],
];

export function localTelemetry(
  providerConfig: Record<string, unknown>,
  options: { warn?: (line: string) => void; config?: TelemetryConfigOptions } = {},
): Telemetry {
  const registry = new ProviderRegistry();
  registry.register('local', LocalProvider);
  const telemetry = createTelemetry(
    { provider: 'local', providerConfig, flushOnExit: false, level: 'verbose', ...options.config },
    { registry, environment: {}, logger: { warn: options.warn ?? (() => undefined) } },
  );
  onTestFinished(() => telemetry.shutdown());
  return telemetry;
}
