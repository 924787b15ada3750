/** `@cogniverse/telemetry-local`: the embedded store, in this process or behind `cogniverse serve`. */
export { type BackupManifest, verifyBackup } from './backup/manifest.js';
export { restoreBackup } from './backup/restore.js';
export { FORMAT_VERSION as STORE_FORMAT_VERSION } from './data-directory.js';
export { type OpenLocalStoreOptions, openLocalStore } from './local-store.js';
export { localStoreSchema } from './options.js';
export { LocalProvider, type LocalProviderOptions } from './provider.js';
