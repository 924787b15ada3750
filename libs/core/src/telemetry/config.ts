/** `telemetry.config`: what a manager is told. */
export {
  BatchExportConfig,
  type BatchExportOptions,
  ConfigurationError,
  type ConfigurationLevel,
  configurationTable,
  type Environment,
  type OptionPath,
  TelemetryConfig,
  type TelemetryConfigOptions,
  type TelemetryConfigSource,
  TelemetryLevel,
  withEnvironment,
} from '@cogniverse/foundation/telemetry';
