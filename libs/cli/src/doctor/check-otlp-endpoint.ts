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

interface NamedEndpoint {
  /** Undefined: of all tenants that have none of their own. */
  readonly tenantId: string | undefined;
  readonly config: TelemetryConfig;
}

/** Those that are named, each once; none where the configuration cannot be used, which the checks of it tell. */
function namedEndpoints(env: NodeJS.ProcessEnv): NamedEndpoint[] {
  const configs = new ConfigManager(new FileConfigStore({ environment: env }));
  const named: NamedEndpoint[] = [];
  const seen = new Set<string>();
  const add = (tenantId: string | undefined) => {
    try {
      const config = withEnvironment(configs.getTelemetryConfig(tenantId), env);
      config.validate();
      const { enabled, otlpEnabled, otlpEndpoint, otlpProtocol, otlpHeaders } = config;
      if (config.levelOf('otlpEndpoint') === 'default' || !enabled || !otlpEnabled) return;
      const target = JSON.stringify([otlpEndpoint, otlpProtocol, otlpHeaders]);
      if (seen.has(target)) return;
      seen.add(target);
      named.push({ tenantId, config });
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
    }
  };
  add(undefined);
  try {
    for (const tenantId of configs.telemetryOverrides().keys()) add(tenantId);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
  }
  return named;
}

/** Asks each endpoint once, whichever tenants share it. */
export async function checkOtlpEndpoints(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  return (await Promise.all(namedEndpoints(env).map(checkOtlpEndpoint))).flat();
}

async function checkOtlpEndpoint({ tenantId, config }: NamedEndpoint): Promise<Finding[]> {
  const whose =
    tenantId === undefined
      ? 'the application sends its spans'
      : `the application sends the spans of tenant "${tenantId}"`;
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
        tenantId === undefined ? error.message : `Tenant "${tenantId}": ${error.message}`,
        tenantId === undefined
          ? 'Correct TELEMETRY_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT and what belongs to it.'
          : "Correct the tenant's stored configuration.",
      ),
    ];
  }
  try {
    // No bytes are a request without spans.
    const result = await sender.send(new Uint8Array(0), { timeoutMillis: TIMEOUT_MILLIS, spanCount: 0 });
    if (result.status === 'sent') return [ok(CHECK, `${otlpEndpoint}, where ${whose}, takes them.`)];
    return [
      result.status === 'retryable'
        ? failure(
            'otlp_endpoint_silent',
            `${otlpEndpoint}, where ${whose}, takes nothing: ${result.error.message}`,
            `Start what receives there, or correct ${tenantId === undefined ? 'TELEMETRY_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT' : "the tenant's stored configuration"}.`,
          )
        : failure(
            'otlp_endpoint_refuses',
            `${otlpEndpoint}, where ${whose}, refuses them: ${result.error.message}`,
            'Give it a key in OTEL_EXPORTER_OTLP_HEADERS, or name the port and path that take OTLP.',
          ),
    ];
  } finally {
    await sender.close();
  }
}
