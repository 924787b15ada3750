/**
 * Where configuration is kept, in versions.   Control path: [config store] -> ConfigManager -> manager.
 *
 * Reading is synchronous, because an application's start and its calls cannot wait: a store over a network answers from what it has loaded.
 */

/** A value as JSON has it. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/** Names one entry. Scopes are free: `telemetry`, `system`, `agent`, ... */
export interface ConfigKey {
  readonly tenantId: string;
  readonly scope: string;
  /** Whose configuration it is within its scope. */
  readonly service: string;
  readonly key: string;
}

/** One version of an entry. */
export interface ConfigEntry extends ConfigKey {
  /** In the form that travels: keys are snake_case. A copy: changing it changes nothing. Of a deletion: null. */
  readonly value: JsonValue;
  /** 1, 2, 3, ... without gaps. */
  readonly version: number;
  /** When version 1 was stored, and when this one was: ISO 8601. */
  readonly createdAt: string;
  readonly updatedAt: string;
  /** This version is the entry's deletion. */
  readonly deleted: boolean;
}

export interface SetOptions {
  /** Store only if this is the current version; 0: only if there is nothing. Without it the last writer wins. */
  readonly expectedVersion?: number | undefined;
}

/** What a store tells those who watch it. */
export type ConfigStoreEvent =
  | { readonly type: 'changed' }
  /** What is stored cannot be read any more; said once, until it can be read again. */
  | { readonly type: 'unreadable'; readonly error: Error };

export interface ConfigStore {
  /** The current version, or `version`. Undefined if there is none, if it is deleted, or if the history does not reach so far. */
  get(key: ConfigKey, version?: number): ConfigEntry | undefined;
  /** Current versions, without those deleted, in the order of their first storage. */
  list(filter?: Partial<ConfigKey>): ConfigEntry[];
  /** Versions of an entry that are kept, newest first, deletions included. */
  history(key: ConfigKey, limit?: number): ConfigEntry[];
  /** Stores a new version. Errors: `ConfigConflictError`; `ConfigurationError` for a value that JSON cannot hold. */
  set(key: ConfigKey, value: JsonValue, options?: SetOptions): Promise<ConfigEntry>;
  /** Stores that there is none; its history stays. `forget`: removes the history too. False if there was none. */
  delete(key: ConfigKey, options?: SetOptions & { readonly forget?: boolean | undefined }): Promise<boolean>;
  /** Calls `listener` after each change, whoever made it. Gives a function that ends it. Never keeps the process alive. */
  watch(listener: (event: ConfigStoreEvent) => void): () => void;
}
