/** `@cogniverse/foundation/config`: stored configuration, per tenant and scope, in versions. */
export { configLocation } from './config-location.js';
export { ConfigManager, createDefaultConfigManager, type EntryName } from './config-manager.js';
export type {
  ConfigEntry,
  ConfigKey,
  ConfigStore,
  ConfigStoreEvent,
  JsonValue,
  SetOptions,
} from './config-store.js';
export { ConfigConflictError, ConfigFileError, type ConfigFileReason, type FilePosition } from './errors.js';
export { FileConfigStore, type FileConfigStoreOptions } from './file-config-store.js';
// For the project's own packages: a store's data directory is locked like the configuration file.
export { FileLock, LockCandidate, type LockHolder } from './file-lock.js';
