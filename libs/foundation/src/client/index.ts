/** `@cogniverse/foundation/client`: `cogniverse serve` as typed functions, one for each of its operations. */

export type { StoreCalls, TelemetryStore } from '../telemetry/providers/index.js';
export { toSpanRecord } from '../telemetry/store.js';
export { openRemoteStore, parseEndpoint, type RemoteStoreOptions } from './remote-store.js';
