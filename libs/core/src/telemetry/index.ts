/** `@cogniverse/core/telemetry`: the names that Cogniverse's core package re-exports, each the same object as in `@cogniverse/foundation/telemetry`. */
export { getTelemetryManager, TelemetryConfig, TelemetryManager } from '@cogniverse/foundation/telemetry';
export * as config from './config.js';
export * as context from './context.js';
export * as exporter from './exporter.js';
export * as manager from './manager.js';
export * as providers from './providers.js';
export * as registry from './registry.js';
