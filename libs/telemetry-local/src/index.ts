/** `@cogniverse/telemetry-local`: the embedded store, in this process or behind `cogniverse serve`. */
export { openRemoteStore, type RemoteStoreOptions } from './remote-store.js';
