/**
 * Finds and loads providers by name.   Read path: getProvider() -> [registry] -> provider; and the write path's ends.
 *
 * Providers are registered by hand, or offered by the application's packages (see provider-discovery.ts). Nothing is loaded before it is needed.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { describe, requireOptions } from './config.js';
import { ConfigurationError, ProviderLoadError, ProviderNotFoundError } from './errors.js';
import { type Discovery, discover, type OfferedProvider, runningDirectory } from './provider-discovery.js';
import type { ProviderFactory, TelemetryProvider } from './providers/provider.js';

/** What a registry holds; each kind has its own key of `"cogniverse"` in `package.json`. */
const KINDS = {
  telemetry: {
    title: 'Telemetry',
    entry: 'telemetry.providers',
    methods: ['initialize', 'configureSpanExport', 'sessionContext', 'shutdown'],
    choose: 'Set "provider" (TELEMETRY_PROVIDER) to one of them.',
  },
  evaluation: {
    title: 'Evaluation',
    entry: 'evaluation.providers',
    methods: [],
    choose: 'Give the name of one of them.',
  },
} as const;

export type ProviderKind = keyof typeof KINDS;

export interface ProviderRegistryOptions {
  /** Where the application's `package.json` is looked for, upwards. Default: the running script's directory. */
  applicationDirectory?: string | undefined;
  /** Default: `telemetry`. */
  kind?: ProviderKind | undefined;
}

const OPTIONS_SCHEMA = z.strictObject({
  applicationDirectory: z.string().min(1).optional(),
  kind: z.enum(['telemetry', 'evaluation'], "give 'telemetry' or 'evaluation'").optional(),
});

/** Errors of the constructor and of `register()`: `ConfigurationError`. */
export class ProviderRegistry<P extends object = TelemetryProvider> {
  readonly #applicationDirectory: string | undefined;
  readonly #kind: ProviderKind;
  readonly #registered = new Map<string, ProviderFactory<P>>();
  readonly #loaded = new Map<string, Promise<ProviderFactory<P>>>();
  #discovery: Discovery | undefined;

  constructor(options: ProviderRegistryOptions = {}) {
    requireOptions(options, OPTIONS_SCHEMA, 'ProviderRegistry');
    this.#applicationDirectory = options.applicationDirectory;
    this.#kind = options.kind ?? 'telemetry';
  }

  /** Registers a provider by hand, which bundled applications need. Wins over one that a package offers. */
  register(name: string, factory: ProviderFactory<P>): void {
    if (typeof name !== 'string' || name === '' || typeof factory !== 'function') {
      const given = `${describe(name)}, ${describe(factory)}`;
      throw new ConfigurationError(
        `register() needs a name and a class, or a function that gives a provider; not (${given}).`,
      );
    }
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
    const { choose } = KINDS[this.#kind];
    const problem =
      names.length === 0
        ? `No ${this.#kind} provider found. ${this.#searched()} ${this.#remedy()}`
        : `Several ${this.#kind} providers are there, and none is configured: ${this.#sources(names)}. ${choose}`;
    this.#discovery = undefined; // What is missing may be installed until the next call.
    throw new ProviderNotFoundError(problem);
  }

  /** A new, uninitialized provider. Errors: `ProviderNotFoundError`, `ProviderLoadError`. */
  async create(name: string): Promise<P> {
    const factory = this.#registered.get(name) ?? (await this.#load(name));
    const what = `${KINDS[this.#kind].title} provider "${name}"`;
    let provider: P;
    try {
      provider = isConstructor(factory) ? new factory() : factory();
    } catch (cause) {
      throw new ProviderLoadError(`${what} could not be created: ${sentenceOf(cause)}`, { cause });
    }
    const methods: readonly string[] = KINDS[this.#kind].methods;
    const missing = methods.filter(
      (method) => typeof (provider as Record<string, unknown> | null)?.[method] !== 'function',
    );
    if (typeof provider !== 'object' || provider === null || missing.length > 0) {
      const lacks =
        missing.length === 0 ? 'it is no object' : `it has no ${missing.map((method) => `${method}()`).join(', ')}`;
      throw new ProviderLoadError(
        `${what} is no provider: ${lacks}. Correct what is registered, or update its package.`,
      );
    }
    return provider;
  }

  #load(name: string): Promise<ProviderFactory<P>> {
    let loading = this.#loaded.get(name);
    if (loading === undefined) {
      loading = this.#import(name);
      this.#loaded.set(name, loading);
      // A failure is not kept: what was missing may have been installed or repaired.
      loading.catch(() => {
        this.#loaded.delete(name);
        this.#discovery = undefined;
      });
    }
    return loading;
  }

  async #import(name: string): Promise<ProviderFactory<P>> {
    const offer = this.#offer(name);
    const { packageName, directory, target } = offer;
    const where = `${packageName}, "${KINDS[this.#kind].entry}"."${name}" = ${JSON.stringify(target)}`;
    const [file, exportName] = target.split('#');
    const resolved = path.resolve(directory, file ?? '');
    if (!file || !exportName || !resolved.startsWith(directory.replace(/[/\\]*$/, path.sep))) {
      throw new ProviderLoadError(
        `${where} is not of the form "./file.js#Export", within the package. Update ${packageName}.`,
      );
    }
    let exports: Record<string, unknown>;
    try {
      exports = (await import(pathToFileURL(resolved).href)) as Record<string, unknown>;
    } catch (cause) {
      throw new ProviderLoadError(
        `${where} could not be loaded: ${sentenceOf(cause)} Reinstall or update ${packageName}.`,
        { cause },
      );
    }
    const exported = exports[exportName];
    if (typeof exported !== 'function') {
      const names = Object.keys(exports).join(', ') || 'nothing';
      throw new ProviderLoadError(
        `${where}: the file exports no class or function ${exportName}; it exports ${names}. Update ${packageName}.`,
      );
    }
    return exported as ProviderFactory<P>;
  }

  #offer(name: string): OfferedProvider {
    const offers = this.#discover().offered.filter((offer) => offer.name === name);
    if (offers.length === 0) {
      throw new ProviderNotFoundError(
        `No ${this.#kind} provider named "${name}". There is: ${this.#sources(this.names()) || 'none'}. ${this.#searched()} ${this.#remedy()}`,
      );
    }
    if (offers.length > 1) {
      const packages = offers.map(({ packageName }) => packageName).join(' and ');
      throw new ProviderLoadError(
        `${packages} offer a ${this.#kind} provider of one name, "${name}". Remove all but one of them, or register one by hand with registry.register("${name}", factory).`,
      );
    }
    return offers[0]!;
  }

  /** Each name with where it comes from. */
  #sources(names: readonly string[]): string {
    return names
      .map((name) => {
        if (this.#registered.has(name)) return `${name} (registered)`;
        const offers = this.#discover().offered.filter((offer) => offer.name === name);
        return `${name} (${offers.map(({ packageName }) => packageName).join(', ')})`;
      })
      .join(', ');
  }

  #searched(): string {
    const { lookedAt, problems } = this.#discover();
    return [`Looked for "cogniverse"."${KINDS[this.#kind].entry}" in ${lookedAt}.`, ...problems].join(' ');
  }

  #remedy(): string {
    return "Install a provider's package as a dependency of the application; a bundled application registers its provider by hand: registry.register(name, factory).";
  }

  #discover(): Discovery {
    this.#discovery ??= discover(KINDS[this.#kind].entry, this.#applicationDirectory ?? runningDirectory());
    return this.#discovery;
  }
}

/** The process's registry. */
export const registry = new ProviderRegistry();

/** A plain function can be constructed too: then it gives the object that it returns. */
function isConstructor<P>(factory: ProviderFactory<P>): factory is new () => P {
  try {
    Reflect.construct(Object, [], factory); // asks for a constructor, and calls none
    return true;
  } catch {
    return false;
  }
}

/** An error's message as a sentence, behind which another may stand. */
export function sentenceOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trimEnd().replace(/([^.!?])$/, '$1.');
}
