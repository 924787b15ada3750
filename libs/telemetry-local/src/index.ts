/** `@cogniverse/telemetry-local`: the embedded store, in this process or behind `cogniverse serve`. */
export { LocalProvider, type LocalProviderOptions } from './provider.js';
export {
  type BackupManifest,
  localStoreSchema,
  type OpenLocalStoreOptions,
  openLocalStore,
  restoreBackup,
  STORE_FORMAT_VERSION,
  verifyBackup,
} from './store.js';
