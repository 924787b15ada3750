/** Where the application's spans go: does that endpoint take them? Asked with a request that has no span, over the application's own transport. */
import { ConfigManager, FileConfigStore } from '@cogniverse/foundation/config';
import {
  ConfigurationError,
  otlpTarget,
  type TelemetryConfig,
  withEnvironment,
} from '@cogniverse/foundation/telemetry';
import { type Finding, failure, ok } from './finding.js';

const CHECK = 'otlp_endpoint';
const TIMEOUT_MILLIS = 5000;

/** Undefined where no endpoint is named, or where the configuration cannot be used, which the checks of it tell. */
function namedEndpoint(env: NodeJS.ProcessEnv): TelemetryConfig | undefined {
  try {
    const stored = new ConfigManager(new FileConfigStore({ environment: env })).getTelemetryConfig();
    const config = withEnvironment(stored, env);
    config.validate();
    return config.levelOf('otlpEndpoint') === 'default' ? undefined : config;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return undefined;
  }
}

export async function checkOtlpEndpoint(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const config = namedEndpoint(env);
  if (config === undefined || !config.enabled || !config.otlpEnabled) return [];
  const { otlpEndpoint } = config;
  let sender: ReturnType<ReturnType<typeof otlpTarget>['createSender']>;
  try {
    sender = otlpTarget({
      endpoint: otlpEndpoint,
      protocol: config.otlpProtocol,
      useTls: config.levelOf('otlpUseTls') === 'default' ? undefined : config.otlpUseTls,
      headers: config.otlpHeaders,
      compression: config.otlpCompression,
    }).createSender();
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return [
      failure(
        'otlp_endpoint_invalid',
        error.message,
        'Correct TELEMETRY_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT and what belongs to it.',
      ),
    ];
  }
  try {
    // No bytes are a request without spans.
    const result = await sender.send(new Uint8Array(0), { timeoutMillis: TIMEOUT_MILLIS, spanCount: 0 });
    if (result.status === 'sent') return [ok(CHECK, `${otlpEndpoint} takes the application's spans.`)];
    return [
      result.status === 'retryable'
        ? failure(
            'otlp_endpoint_silent',
            `${otlpEndpoint}, where the application sends its spans, takes nothing: ${result.error.message}`,
            'Start what receives there, or correct TELEMETRY_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT.',
          )
        : failure(
            'otlp_endpoint_refuses',
            `${otlpEndpoint} refuses what the application sends: ${result.error.message}`,
            'Give it a key in OTEL_EXPORTER_OTLP_HEADERS, or name the port and path that take OTLP.',
          ),
    ];
  } finally {
    await sender.close();
  }
}
