/** `@cogniverse/telemetry-local/store`: the embedded store by itself, for processes that serve it. The provider over it is in `@cogniverse/telemetry-local`. */
export { type BackupManifest, verifyBackup } from './backup/manifest.js';
export { restoreBackup } from './backup/restore.js';
export { FORMAT_VERSION as STORE_FORMAT_VERSION } from './data-directory.js';
export { collectWhenIdle } from './idle-memory.js';
export { type OpenLocalStoreOptions, openLocalStore } from './local-store.js';
export { localStoreSchema } from './options.js';
