/**
 * Configuration per tenant and scope, in versions.   Control path: store -> [ConfigManager] -> getTelemetryManager().
 *
 * What is stored for the default tenant holds for every tenant; what is stored for a tenant goes before it.
 */
import { z } from 'zod';
import {
  type Dict,
  isRecord,
  requireOptions,
  TelemetryConfig,
  type TelemetryConfigOptions,
} from '../telemetry/config.js';
import type { TelemetryConfigSource } from '../telemetry/config-source.js';
import { ConfigurationError } from '../telemetry/errors.js';
import { requireName } from '../telemetry/tenant-names.js';
import type { ConfigEntry, ConfigKey, ConfigStore, ConfigStoreEvent, JsonValue, SetOptions } from './config-store.js';
import { ConfigConflictError } from './errors.js';
import { FileConfigStore } from './file-config-store.js';

/** Where the configuration of telemetry is in a store. */
const TELEMETRY = { scope: 'telemetry', service: 'telemetry', key: 'telemetry_config' } as const;
const MAX_ATTEMPTS = 100;

/** Names an entry beside its tenant and scope. Default: `telemetry_config` of service `telemetry` in scope `telemetry`; else the service is named as the scope. */
export interface EntryName {
  readonly service?: string | undefined;
  readonly key?: string | undefined;
}

const ENTRY_NAME = { service: z.string().min(1).optional(), key: z.string().min(1).optional() };
const VERSION_NUMBER = z.int('give a version, a whole number').min(0).optional();
const SET_SCHEMA = z.strictObject({ expectedVersion: VERSION_NUMBER });
const SET_ENTRY_SCHEMA = SET_SCHEMA.extend({ service: ENTRY_NAME.service });
const UPDATE_SCHEMA = z.strictObject({ service: ENTRY_NAME.service });
const GET_SCHEMA = UPDATE_SCHEMA.extend({ version: VERSION_NUMBER });
const DELETE_SCHEMA = SET_ENTRY_SCHEMA.extend({ forget: z.boolean().optional() });
const HISTORY_SCHEMA = z.strictObject({ ...ENTRY_NAME, limit: z.int().min(0).optional() });
const RESTORE_SCHEMA = SET_SCHEMA.extend(ENTRY_NAME);

/** An option that does not exist, such as a misspelt `expectedVersion`, is a `ConfigurationError` in every method. */
export class ConfigManager implements TelemetryConfigSource {
  readonly store: ConfigStore;
  /** Whose stored configuration holds for every tenant. */
  readonly defaultTenantId: string;

  /** Errors: `ConfigurationError`, `InvalidNameError`. */
  constructor(store: ConfigStore, options: { readonly defaultTenantId?: string | undefined } = {}) {
    if (typeof store?.get !== 'function' || typeof store.set !== 'function') {
      throw new ConfigurationError('ConfigManager takes a store: new ConfigManager(new FileConfigStore()).');
    }
    this.store = store;
    this.defaultTenantId = options.defaultTenantId ?? 'default';
    requireName('Tenant id', this.defaultTenantId);
  }

  // Telemetry.

  /**
   * Defaults, what is stored for the default tenant, and what is stored for this one, in this order; all of it at the level *stored*.
   *
   * Errors: `InvalidNameError`; `ConfigurationError` naming field, value and remedy; the store's own (`ConfigFileError`).
   */
  getTelemetryConfig(tenantId: string = this.defaultTenantId): TelemetryConfig {
    requireName('Tenant id', tenantId);
    const shared = this.#telemetryDict(this.defaultTenantId);
    const own = tenantId === this.defaultTenantId ? {} : this.#telemetryDict(tenantId);
    return this.#naming(tenantId, () => TelemetryConfig.fromDict(mergedDict(shared, own)));
  }

  /**
   * Stores what `config` sets, by code or as stored before; not defaults, not what comes from the environment, and for a tenant not what
   * merely is the default tenant's. Gives the version.
   *
   * A tenant's entry may hold every option. Those that concern the whole process hold where a manager is started for this tenant
   * (`getTelemetryManager({ tenantId })`); in a manager for all tenants the options marked "per tenant" do, and a log line names the others.
   *
   * Errors: `InvalidNameError`, `ConfigurationError`, `ConfigConflictError`, the store's own (`ConfigFileError`).
   */
  async setTelemetryConfig(
    tenantId: string,
    config: TelemetryConfig | TelemetryConfigOptions,
    options?: SetOptions,
  ): Promise<number> {
    requireName('Tenant id', tenantId);
    requireOptions(options ?? {}, SET_SCHEMA, 'setTelemetryConfig()');
    const given = config instanceof TelemetryConfig ? config : new TelemetryConfig(config);
    let dict = given.toSparseDict();
    if (tenantId !== this.defaultTenantId) {
      const byCode = given.withStored(TelemetryConfig.fromDict({})).toSparseDict();
      dict = withoutInherited(dict, byCode, this.#telemetryDict(this.defaultTenantId), this.#telemetryDict(tenantId));
    }
    // As it will be read.
    TelemetryConfig.fromDict(mergedDict(this.#sharedFor(tenantId), dict)).validate();
    return (await this.store.set({ tenantId, ...TELEMETRY }, dict as JsonValue, options)).version;
  }

  /** What is stored for tenants alone, without what they have in common. Of each one entry, in the stored form. */
  telemetryOverrides(): ReadonlyMap<string, Dict> {
    const overrides = new Map<string, Dict>();
    for (const { tenantId, value } of this.store.list(TELEMETRY)) {
      if (tenantId !== this.defaultTenantId && isRecord(value)) overrides.set(tenantId, value);
    }
    return overrides;
  }

  #sharedFor(tenantId: string): Dict {
    return tenantId === this.defaultTenantId ? {} : this.#telemetryDict(this.defaultTenantId);
  }

  #telemetryDict(tenantId: string): Dict {
    const value = this.store.get({ tenantId, ...TELEMETRY })?.value ?? {};
    if (!isRecord(value)) {
      throw new ConfigurationError(
        `The stored telemetry configuration of tenant "${tenantId}" is no object. Store one with setTelemetryConfig().`,
      );
    }
    return value;
  }

  #naming<T>(tenantId: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      throw new ConfigurationError(`${error.message} It is stored for tenant "${tenantId}" or for all tenants.`, {
        cause: error,
      });
    }
  }

  // Any configuration.

  /** The value, or undefined if there is none. Errors: the store's own. */
  getConfig(
    tenantId: string,
    scope: string,
    key: string,
    options: { readonly service?: string | undefined; readonly version?: number | undefined } = {},
  ): JsonValue | undefined {
    requireOptions(options, GET_SCHEMA, 'getConfig()');
    return this.store.get(keyOf(tenantId, scope, { ...options, key }), options.version)?.value;
  }

  /** Stores a value that JSON can hold; gives its version. Errors: `InvalidNameError`, `ConfigurationError`, `ConfigConflictError`, the store's own. */
  async setConfig(
    tenantId: string,
    scope: string,
    key: string,
    value: JsonValue,
    options: SetOptions & { readonly service?: string | undefined } = {},
  ): Promise<number> {
    requireOptions(options, SET_ENTRY_SCHEMA, 'setConfig()');
    return (await this.store.set(keyOf(tenantId, scope, { ...options, key }), value, options)).version;
  }

  /**
   * Stores what `change` makes of the current value (undefined: there is none). When somebody else stores one meanwhile, `change` is called
   * again with that one, so no change is lost. Gives the version.
   */
  async updateConfig(
    tenantId: string,
    scope: string,
    key: string,
    change: (current: JsonValue | undefined) => JsonValue,
    options: { readonly service?: string | undefined } = {},
  ): Promise<number> {
    requireOptions(options, UPDATE_SCHEMA, 'updateConfig()');
    if (typeof change !== 'function')
      throw new ConfigurationError('updateConfig() needs a function of the current value.');
    const name = keyOf(tenantId, scope, { ...options, key });
    for (let attempt = 1; ; attempt++) {
      const current = this.store.get(name);
      const expectedVersion = current?.version ?? this.store.history(name, 1)[0]?.version ?? 0;
      try {
        return (await this.store.set(name, change(current?.value), { expectedVersion })).version;
      } catch (error) {
        if (!(error instanceof ConfigConflictError) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  /** Stores that there is no such configuration; its history stays, unless `forget` is set. False if there was none. */
  async deleteConfig(
    tenantId: string,
    scope: string,
    key: string,
    options: SetOptions & { readonly service?: string | undefined; readonly forget?: boolean | undefined } = {},
  ): Promise<boolean> {
    requireOptions(options, DELETE_SCHEMA, 'deleteConfig()');
    return this.store.delete(keyOf(tenantId, scope, { ...options, key }), options);
  }

  /** Current entries, of one tenant, of one scope, or all. */
  listConfigs(filter: Partial<ConfigKey> = {}): ConfigEntry[] {
    return this.store.list(filter);
  }

  // Versions.

  /** The versions of an entry that are kept, newest first. Without a name in `scope` "telemetry": those of the telemetry configuration. */
  getHistory(
    tenantId: string,
    scope: string = TELEMETRY.scope,
    options: EntryName & { readonly limit?: number | undefined } = {},
  ): ConfigEntry[] {
    requireOptions(options, HISTORY_SCHEMA, 'getHistory()');
    return this.store.history(keyOf(tenantId, scope, options), options.limit);
  }

  /** Stores an earlier version's value as a new version, and gives that. Errors: `ConfigurationError` if that version is not kept; as `setConfig`. */
  async restore(
    tenantId: string,
    scope: string,
    version: number,
    options: EntryName & SetOptions = {},
  ): Promise<number> {
    requireOptions(options, RESTORE_SCHEMA, 'restore()');
    const key = keyOf(tenantId, scope, options);
    const found = this.store.get(key, version);
    if (found === undefined) {
      const kept = this.store.history(key).filter(({ deleted }) => !deleted);
      throw new ConfigurationError(
        `There is no version ${version} of "${key.key}" of tenant "${tenantId}", scope "${scope}". Kept are: ${kept.map((entry) => entry.version).join(', ') || 'none'}.`,
      );
    }
    return (await this.store.set(key, found.value, options)).version;
  }

  /** Calls `listener` after each change of what is stored, by whichever process. Gives a function that ends it. */
  subscribe(listener: (event: ConfigStoreEvent) => void): () => void {
    return this.store.watch(listener);
  }
}

/** The configuration in the usual file: `COGNIVERSE_CONFIG`, `./.cogniverse/config.json` or the personal one. No file is made or read yet. */
export function createDefaultConfigManager(): ConfigManager {
  return new ConfigManager(new FileConfigStore());
}

function keyOf(tenantId: string, scope: string, name: EntryName): ConfigKey {
  requireName('Tenant id', tenantId);
  if (scope === TELEMETRY.scope) return { tenantId, ...TELEMETRY, ...definedOf(name) };
  if (name.key === undefined) {
    throw new ConfigurationError(
      `Scope "${scope}" has no usual key: name one, for example { key: "${scope}_config" }.`,
    );
  }
  return { tenantId, scope, service: name.service ?? scope, key: name.key };
}

function definedOf({ service, key }: EntryName): Partial<ConfigKey> {
  return { ...(service !== undefined && { service }), ...(key !== undefined && { key }) };
}

/** `batch_config` is merged, as its options are options of their own; every other value is taken as a whole. */
function mergedDict(below: Dict, above: Dict): Dict {
  const merged = { ...below, ...above };
  const [batchBelow, batchAbove] = [below['batch_config'], above['batch_config']];
  if (isRecord(batchBelow) && isRecord(batchAbove)) merged['batch_config'] = { ...batchBelow, ...batchAbove };
  return merged;
}

/** `dict` without what a tenant has from the default tenant only: equal, not set by code now, and not the tenant's own before. */
function withoutInherited(dict: Dict, byCode: Dict, shared: Dict, own: Dict): Dict {
  const kept: Dict = {};
  for (const [key, value] of Object.entries(dict)) {
    if (key === 'batch_config' && isRecord(value)) {
      const parts = [byCode[key], shared[key], own[key]].map((part) => (isRecord(part) ? part : {}));
      const batch = withoutInherited(value, parts[0]!, parts[1]!, parts[2]!);
      if (Object.keys(batch).length > 0 || key in own) kept[key] = batch;
      continue;
    }
    const isInherited =
      Object.hasOwn(shared, key) &&
      !Object.hasOwn(byCode, key) &&
      !Object.hasOwn(own, key) &&
      JSON.stringify(shared[key]) === JSON.stringify(value);
    if (!isInherited) kept[key] = value;
  }
  return kept;
}
