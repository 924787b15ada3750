/**
 * Finds, loads and caches telemetry providers.   Read path: getProvider() -> [registry] -> provider; and the write path's ends.
 *
 * A package offers providers in its `package.json`: `"cogniverse": { "telemetry.providers": { "phoenix": "./dist/provider.js#PhoenixProvider" } }`.
 * Looked at are the direct dependencies of the running application, in order of name; nothing is loaded before it is needed.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { BackendUnavailableError, ProviderLoadError, ProviderNotFoundError, TelemetryError } from './errors.js';
import type { ProviderConfig, TelemetryProvider, TelemetryProviderFactory } from './providers/provider.js';

const ENTRY = 'telemetry.providers';

const manifestSchema = z.object({
  name: z.string().optional(),
  dependencies: z.record(z.string(), z.unknown()).default({}),
  optionalDependencies: z.record(z.string(), z.unknown()).default({}),
  devDependencies: z.record(z.string(), z.unknown()).default({}),
  peerDependencies: z.record(z.string(), z.unknown()).default({}),
  cogniverse: z.object({ [ENTRY]: z.record(z.string().min(1), z.string()).optional() }).optional(),
});

/** A provider that a package offers. */
interface OfferedProvider {
  readonly name: string;
  readonly packageName: string;
  readonly directory: string;
  /** `./file.js#Export`. */
  readonly entry: string;
}

interface Discovery {
  /** What was looked at, for errors. */
  readonly lookedAt: string;
  readonly offered: readonly OfferedProvider[];
}

export class ProviderRegistry {
  readonly #applicationDirectory: string | undefined;
  readonly #registered = new Map<string, TelemetryProviderFactory>();
  readonly #loaded = new Map<string, Promise<TelemetryProviderFactory>>();
  #discovery: Discovery | undefined;

  /** `applicationDirectory`: where the application's `package.json` is looked for, upwards. Default: the running script's directory. */
  constructor(options: { applicationDirectory?: string | undefined } = {}) {
    this.#applicationDirectory = options.applicationDirectory;
  }

  /** Registers a provider by hand, which bundled applications need. Wins over one that a package offers. */
  register(name: string, factory: TelemetryProviderFactory): void {
    this.#registered.set(name, factory);
  }

  unregister(name: string): void {
    this.#registered.delete(name);
  }

  /** Names of all providers, registered and offered. */
  names(): string[] {
    return [...new Set([...this.#registered.keys(), ...this.#discover().offered.map(({ name }) => name)])].sort();
  }

  /**
   * The name to use: the configured one, else the only one there is.
   *
   * Errors: `ProviderNotFoundError` if there is none, or several and none configured; says what was looked for, where, and what to do.
   */
  resolveName(configured: string | null): string {
    if (configured !== null) return configured;
    const names = this.names();
    if (names.length === 1) return names[0]!;
    const { lookedAt } = this.#discover();
    throw new ProviderNotFoundError(
      names.length === 0
        ? `No telemetry provider found. Looked for "cogniverse"."${ENTRY}" in ${lookedAt}. Install a provider's package ` +
            'as a dependency of the application, or register one with registry.register(name, factory).'
        : `Several telemetry providers are installed: ${names.join(', ')}. Set "provider" (TELEMETRY_PROVIDER) to one of them.`,
    );
  }

  /** A new, uninitialized provider. Errors: `ProviderNotFoundError`, `ProviderLoadError`. */
  async create(name: string): Promise<TelemetryProvider> {
    const factory = this.#registered.get(name) ?? (await this.#load(name));
    try {
      return construct(factory);
    } catch (cause) {
      throw new ProviderLoadError(`Telemetry provider "${name}" could not be created: ${messageOf(cause)}`, { cause });
    }
  }

  #load(name: string): Promise<TelemetryProviderFactory> {
    let loading = this.#loaded.get(name);
    if (loading === undefined) {
      loading = this.#import(name);
      this.#loaded.set(name, loading);
      // A failure is not kept: what was missing may have been installed or repaired.
      loading.catch(() => this.#loaded.delete(name));
    }
    return loading;
  }

  async #import(name: string): Promise<TelemetryProviderFactory> {
    const { lookedAt, offered } = this.#discover();
    const offers = offered.filter((offer) => offer.name === name);
    if (offers.length === 0) {
      this.#discovery = undefined;
      throw new ProviderNotFoundError(
        `No telemetry provider named "${name}". Installed: ${this.names().join(', ') || 'none'}; looked at ${lookedAt}. ` +
          'Install its package as a dependency of the application, or set "provider" to an installed one.',
      );
    }
    if (offers.length > 1) {
      const packages = offers.map(({ packageName }) => packageName).join(' and ');
      throw new ProviderLoadError(`Both ${packages} offer a telemetry provider named "${name}". Remove one of them.`);
    }
    const { packageName, directory, entry } = offers[0]!;
    const [file, exportName] = entry.split('#');
    const where = `${packageName}, "${ENTRY}"."${name}" = ${JSON.stringify(entry)}`;
    const resolved = path.resolve(directory, file ?? '');
    if (!file || !exportName || !resolved.startsWith(directory + path.sep)) {
      throw new ProviderLoadError(`${where} is not of the form "./file.js#Export", within the package.`);
    }
    let exported: unknown;
    try {
      exported = ((await import(pathToFileURL(resolved).href)) as Record<string, unknown>)[exportName];
    } catch (cause) {
      throw new ProviderLoadError(`${where} could not be loaded: ${messageOf(cause)} Reinstall the package.`, {
        cause,
      });
    }
    if (typeof exported !== 'function') {
      throw new ProviderLoadError(`${where}: the file has no class or function of that name. Update the package.`);
    }
    return exported as TelemetryProviderFactory;
  }

  #discover(): Discovery {
    this.#discovery ??= discover(this.#applicationDirectory ?? runningDirectory());
    return this.#discovery;
  }
}

/** The process's registry. */
export const registry = new ProviderRegistry();

/** One initialized provider a (tenant, provider, project), for one manager. */
export class ProviderInstances {
  readonly #registry: ProviderRegistry;
  readonly #maxInstances: number;
  /** Least recently used first. Keys begin with the tenant. */
  readonly #instances = new Map<string, Instance>();
  /** Replaced, but perhaps still in use: closed with the rest. As many as `registerProject()` calls that changed a live project. */
  readonly #forgotten = new Set<Instance>();

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
    const key = JSON.stringify([config.tenantId, name, config.projectName]);
    let instance = this.#instances.get(key);
    if (instance === undefined) {
      instance = { provider: this.#initialize(name, config), exporting: false };
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
  release(name: string, tenantId: string, projectName: string): void {
    const instance = this.#instances.get(JSON.stringify([tenantId, name, projectName]));
    if (instance !== undefined) instance.exporting = false;
  }

  /** The project's settings have changed: the next one that asks gets a new provider. */
  forget(name: string, tenantId: string, projectName: string): void {
    const key = JSON.stringify([tenantId, name, projectName]);
    const instance = this.#instances.get(key);
    if (instance === undefined) return;
    this.#instances.delete(key);
    this.#forgotten.add(instance);
  }

  async #initialize(name: string, config: ProviderConfig): Promise<TelemetryProvider> {
    const provider = await this.#registry.create(name);
    try {
      await provider.initialize(config);
    } catch (cause) {
      if (cause instanceof TelemetryError) throw cause;
      throw new ProviderLoadError(`Telemetry provider "${name}" could not be initialized: ${messageOf(cause)}`, {
        cause,
      });
    }
    return provider;
  }

  /** The providers unused for longest are closed; those that spans go through stay. */
  #makeRoom(): void {
    for (const [key, { exporting, provider }] of this.#instances) {
      if (this.#instances.size < this.#maxInstances) return;
      if (exporting) continue;
      this.#instances.delete(key);
      // Nobody waits for it: the provider is in nobody's use.
      void provider
        .then((loaded) => loaded.shutdown())
        .catch((error: unknown) => this.#warn(`A telemetry provider did not close: ${messageOf(error)}`));
    }
  }

  get size(): number {
    return this.#instances.size;
  }

  async shutdown(): Promise<PromiseSettledResult<void>[]> {
    this.#closed = true;
    const instances = [...this.#instances.values(), ...this.#forgotten];
    this.#instances.clear();
    this.#forgotten.clear();
    return Promise.allSettled(instances.map(async ({ provider }) => (await provider).shutdown()));
  }
}

interface Instance {
  readonly provider: Promise<TelemetryProvider>;
  exporting: boolean;
}

function construct(factory: TelemetryProviderFactory): TelemetryProvider {
  // A class cannot be called, a plain function need not be a constructor.
  return /^class\b/.test(Function.prototype.toString.call(factory))
    ? new (factory as new () => TelemetryProvider)()
    : (factory as () => TelemetryProvider)();
}

/** Where the running program is: the script's directory, or the working directory under a tool that runs it (a test runner, a shell). */
function runningDirectory(): string {
  const script = process.argv[1];
  if (script === undefined || !existsSync(script)) return process.cwd();
  const directory = path.dirname(realpathSync(script));
  return directory.split(path.sep).includes('node_modules') ? process.cwd() : directory;
}

function discover(from: string): Discovery {
  const manifestPath = nearestManifest(from);
  if (manifestPath === undefined) return { lookedAt: `(no package.json at or above ${from})`, offered: [] };
  const manifest = readManifest(manifestPath);
  const dependencies = new Set([
    ...Object.keys(manifest?.dependencies ?? {}),
    ...Object.keys(manifest?.optionalDependencies ?? {}),
    ...Object.keys(manifest?.devDependencies ?? {}),
    ...Object.keys(manifest?.peerDependencies ?? {}),
  ]);
  const offered: OfferedProvider[] = [];
  for (const packageName of [...dependencies].sort()) {
    const found = packageManifest(manifestPath, packageName);
    const providers = found === undefined ? undefined : readManifest(found)?.cogniverse?.[ENTRY];
    for (const [name, entry] of Object.entries(providers ?? {})) {
      offered.push({ name, packageName, directory: path.dirname(found!), entry });
    }
  }
  return { lookedAt: `the ${dependencies.size} direct dependencies of ${manifestPath}`, offered };
}

function nearestManifest(from: string): string | undefined {
  for (let directory = from; ; directory = path.dirname(directory)) {
    const candidate = path.join(directory, 'package.json');
    if (existsSync(candidate)) return candidate;
    if (directory === path.dirname(directory)) return undefined;
  }
}

/** A dependency's `package.json`, as Node resolves it from the application: npm's, pnpm's and yarn's layouts alike. */
function packageManifest(fromManifest: string, packageName: string): string | undefined {
  const require = createRequire(fromManifest);
  for (const directory of require.resolve.paths(packageName) ?? []) {
    const candidate = path.join(directory, packageName, 'package.json');
    if (existsSync(candidate)) return realpathSync(candidate);
  }
  try {
    return require.resolve(`${packageName}/package.json`); // without node_modules: yarn's Plug'n'Play answers here
  } catch {
    return undefined; // not installed (an optional or a development dependency)
  }
}

/** Undefined: a package whose manifest cannot be read offers nothing. */
function readManifest(file: string): z.output<typeof manifestSchema> | undefined {
  try {
    return manifestSchema.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data;
  } catch {
    return undefined; // no JSON: npm would not have installed it
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
