/** What a manager needs of stored configuration.   Control path: ConfigManager -> [source] -> manager. */
import type { Dict, TelemetryConfig } from './config.js';

/** `ConfigManager` of `@cogniverse/foundation/config` is one. */
export interface TelemetryConfigSource {
  /** What is stored for a tenant, or without one for all tenants; at the level *stored*. Errors: `ConfigurationError`. */
  getTelemetryConfig(tenantId?: string): TelemetryConfig;
  /** What is stored for tenants alone, in the stored form, by tenant. */
  telemetryOverrides(): ReadonlyMap<string, Dict>;
  /** Calls `listener` after each change of what is stored, and when it cannot be read any more. Gives a function that ends it. */
  subscribe(
    listener: (event: { readonly type: 'changed' } | { readonly type: 'unreadable'; readonly error: Error }) => void,
  ): () => void;
}
