/** `@cogniverse/server`: OTLP in, read API out, in front of any `TelemetryStore`. */
export {
  type AccessKeyRecord,
  AccessKeys,
  type AccessKeysOptions,
  accessKeyFile,
  type NewAccessKey,
} from './auth/access-keys.js';
export { ServerLedger, type ServerLedgerSnapshot, type TenantCounts } from './server-ledger.js';
export {
  createStderrLogger,
  formatLogLine,
  type LogEvent,
  type LogFields,
  type LogLevel,
  type ServerLogger,
} from './server-log.js';
export {
  limitsSchema,
  parseServerOptions,
  type ServerOptions,
  type ServerSettings,
  serverOptionsSchema,
} from './server-options.js';
export { type RunningServer, type StartServerOptions, startServer } from './start-server.js';
