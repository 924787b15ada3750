/** Configurations as they come from a store, and a trace of somebody else. */
import { TelemetryConfig, type TelemetryConfigOptions } from '@cogniverse/foundation/telemetry';
import { type SpanContext, TraceFlags } from '@opentelemetry/api';

/** The options at the level *stored*. */
export function stored(options: TelemetryConfigOptions): TelemetryConfig {
  return TelemetryConfig.fromDict(new TelemetryConfig(options).toSparseDict());
}

export function trustedParent(): { parent: SpanContext; traceId: string } {
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  return { traceId, parent: { traceId, spanId: 'b7ad6b7169203331', traceFlags: TraceFlags.SAMPLED, isRemote: true } };
}
