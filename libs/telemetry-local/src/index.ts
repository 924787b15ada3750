/** `@cogniverse/telemetry-local`: the embedded store, in this process or behind `cogniverse serve`. */
export { type OpenLocalStoreOptions, openLocalStore } from './local-store.js';
export { LocalProvider, type LocalProviderOptions } from './provider.js';
