/** The OTLP endpoint that a configuration names.   Control path: configuration -> [target] -> project destinations. */
import type { TelemetryConfig } from './config.js';
import type { Clock } from './export/clock.js';
import type { ExportTarget } from './export/export-target.js';
import { otlpTarget } from './export/otlp-target.js';

/** Opens nothing yet. Errors: `ConfigurationError` for an endpoint or a header that cannot work. */
export function configuredTarget(config: TelemetryConfig, clock: Clock | undefined): ExportTarget {
  return otlpTarget({
    endpoint: config.otlpEndpoint,
    protocol: config.otlpProtocol,
    useTls: config.levelOf('otlpUseTls') === 'default' ? undefined : config.otlpUseTls,
    headers: config.otlpHeaders,
    compression: config.otlpCompression,
    maxSpanBytes: config.batchConfig.maxSpanBytes,
    clock,
  });
}
