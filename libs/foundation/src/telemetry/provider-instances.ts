/** Keeps the initialized providers of one manager.   Read path: getProvider() -> [provider-instances] -> registry -> provider; and the write path's ends. */
import { BackendUnavailableError, ProviderLoadError, TelemetryError } from './errors.js';
import type { ProviderConfig, TelemetryProvider } from './providers/provider.js';
import { type ProviderRegistry, sentenceOf } from './registry.js';

/** One initialized provider a tenant's project, for one manager. */
export class ProviderInstances {
  readonly #registry: ProviderRegistry;
  readonly #maxInstances: number;
  /** Least recently used first. Keys begin with the tenant. */
  readonly #instances = new Map<string, Instance>();
  #replaced = 0;
  readonly #warn: (message: string) => void;
  #closed = false;

  constructor(options: { registry: ProviderRegistry; maxInstances: number; warn: (message: string) => void }) {
    this.#warn = options.warn;
    this.#registry = options.registry;
    this.#maxInstances = options.maxInstances;
  }

  /**
   * The provider of a tenant's project, created and initialized on first use. `forExport`: kept until `release()`.
   *
   * Errors: `ProviderNotFoundError`, `ProviderLoadError`, the provider's own `TelemetryError`s, and `BackendUnavailableError` after
   * `shutdown()`: one that is made then would be closed by nobody.
   */
  async get(name: string, config: ProviderConfig, forExport: boolean): Promise<TelemetryProvider> {
    if (this.#closed) {
      throw new BackendUnavailableError(
        `Telemetry is shut down, and its providers with it. Read tenant "${config.tenantId}" before shutdown(), or make a new manager.`,
      );
    }
    const key = keyOf(config.tenantId, config.projectName);
    let instance = this.#instances.get(key);
    if (instance !== undefined && instance.name !== name) {
      this.forget(config.tenantId, config.projectName);
      instance = undefined;
    }
    if (instance === undefined) {
      instance = { name, provider: this.#initialize(name, config), exporting: false };
      this.#makeRoom();
    } else this.#instances.delete(key);
    this.#instances.set(key, instance);
    if (forExport) instance.exporting = true;
    try {
      return await instance.provider;
    } catch (error) {
      if (this.#instances.get(key) === instance) this.#instances.delete(key);
      throw error;
    }
  }

  /** The project takes no more spans. Its provider is closed when it is unused for longest. */
  release(tenantId: string, projectName: string): void {
    if (this.#instances.size === 0) return;
    const instance = this.#instances.get(keyOf(tenantId, projectName));
    if (instance !== undefined) instance.exporting = false;
  }

  /** The project's settings have changed: the next one that asks gets a new provider. */
  forget(tenantId: string, projectName: string): void {
    const key = keyOf(tenantId, projectName);
    const instance = this.#instances.get(key);
    if (instance === undefined) return;
    // Perhaps still in use: it stays until it is among those unused for longest.
    this.#instances.delete(key);
    this.#makeRoom();
    this.#replaced += 1;
    this.#instances.set(`${key} ${this.#replaced}`, instance);
    instance.exporting = false;
  }

  async #initialize(name: string, config: ProviderConfig): Promise<TelemetryProvider> {
    const provider = await this.#registry.create(name);
    try {
      await provider.initialize(config);
    } catch (cause) {
      if (cause instanceof TelemetryError) throw cause;
      throw new ProviderLoadError(`Telemetry provider "${name}" could not be initialized: ${sentenceOf(cause)}`, {
        cause,
      });
    }
    return provider;
  }

  /** The providers not asked for for longest are closed; those that spans go through stay. */
  #makeRoom(): void {
    for (const [key, { exporting, provider }] of this.#instances) {
      if (this.#instances.size < this.#maxInstances) return;
      if (exporting) continue;
      this.#instances.delete(key);
      // Who holds it still is told by its next call, which fails; asking again gives a new one. Nobody here waits for the closing.
      void provider
        .then((loaded) => loaded.shutdown())
        .catch((error: unknown) => this.#warn(`A telemetry provider did not close: ${sentenceOf(error)}`));
    }
  }

  get size(): number {
    return this.#instances.size;
  }

  async shutdown(): Promise<PromiseSettledResult<void>[]> {
    this.#closed = true;
    const instances = [...this.#instances.values()];
    this.#instances.clear();
    return Promise.allSettled(instances.map(async ({ provider }) => (await provider).shutdown()));
  }
}

function keyOf(tenantId: string, projectName: string): string {
  return JSON.stringify([tenantId, projectName]);
}

interface Instance {
  /** The provider's. */
  readonly name: string;
  readonly provider: Promise<TelemetryProvider>;
  exporting: boolean;
}
