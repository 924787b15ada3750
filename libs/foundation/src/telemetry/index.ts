/** `@cogniverse/foundation/telemetry`: the manager, its configuration, and the provider interfaces. */
export * from './providers/index.js';
