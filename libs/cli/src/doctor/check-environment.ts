/** Environment variables that contradict each other, or do not mean what they seem to. */
import { ConfigurationError, TelemetryConfig, withEnvironment } from '@cogniverse/foundation/telemetry';
import { type Finding, failure, ok, warning } from './finding.js';

const CHECK = 'environment';

function isTrue(text: string | undefined): boolean {
  return text?.trim().toLowerCase() === 'true';
}

function isFalse(text: string | undefined): boolean {
  return text?.trim().toLowerCase() === 'false';
}

function firstSet(env: NodeJS.ProcessEnv, names: readonly string[]): { name: string; value: string } | undefined {
  for (const name of names) {
    const value = env[name]?.trim();
    if (value) return { name, value };
  }
  return undefined;
}

export function checkEnvironment(env: NodeJS.ProcessEnv): Finding[] {
  const findings: Finding[] = [];
  try {
    withEnvironment(new TelemetryConfig(), env).validate();
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    findings.push(
      failure(
        'environment_invalid',
        error.message,
        'Correct the variable or unset it: with this value telemetry does not start.',
      ),
    );
  }
  if (isTrue(env['OTEL_SDK_DISABLED'])) {
    findings.push(
      isTrue(env['TELEMETRY_ENABLED'])
        ? warning(
            'recording_contradiction',
            'OTEL_SDK_DISABLED=true and TELEMETRY_ENABLED=true contradict each other; TELEMETRY_* wins, so spans are recorded.',
            'Unset one of the two.',
          )
        : warning(
            'recording_off',
            'OTEL_SDK_DISABLED=true: nothing is recorded.',
            'Unset OTEL_SDK_DISABLED to record spans.',
          ),
    );
  }
  if (isFalse(env['TELEMETRY_ENABLED']))
    findings.push(
      warning(
        'recording_off',
        'TELEMETRY_ENABLED=false: nothing is recorded.',
        'Unset TELEMETRY_ENABLED to record spans.',
      ),
    );
  if (isFalse(env['TELEMETRY_OTLP_ENABLED'])) {
    findings.push(
      warning(
        'export_off',
        'TELEMETRY_OTLP_ENABLED=false: spans are recorded and never exported.',
        'Unset TELEMETRY_OTLP_ENABLED to export.',
      ),
    );
  }
  if (env['OTEL_TRACES_EXPORTER'] === 'none') {
    findings.push(
      warning(
        'exporter_variable_unread',
        'OTEL_TRACES_EXPORTER=none is not read here: spans are exported all the same.',
        'Set TELEMETRY_OTLP_ENABLED=false to stop the export.',
      ),
    );
  }

  const own = firstSet(env, ['TELEMETRY_OTLP_ENDPOINT']);
  const general = firstSet(env, ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT']);
  if (own && general && own.value !== general.value) {
    findings.push(
      warning(
        'endpoints_differ',
        `${own.name}=${own.value} and ${general.name}=${general.value} differ; ${own.name} wins.`,
        `Unset one, or give both the same value.`,
      ),
    );
  }
  const endpoint = own ?? general;
  const protocol = firstSet(env, ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL']);
  if (endpoint && protocol) {
    const grpcOverHttpPort = protocol.value === 'grpc' && /:(?:4318|6006)(?:\/|$)/.test(endpoint.value);
    const httpOverGrpcPort = protocol.value === 'http/protobuf' && /:4317(?:\/|$)/.test(endpoint.value);
    if (grpcOverHttpPort || httpOverGrpcPort) {
      findings.push(
        warning(
          'transport_mismatch',
          `${protocol.name}=${protocol.value}, but ${endpoint.name}=${endpoint.value} has the usual port of the other transport.`,
          grpcOverHttpPort
            ? 'Use port 4317 for gRPC, or set the protocol to http/protobuf.'
            : 'Use port 4318 for HTTP, or set the protocol to grpc.',
        ),
      );
    }
  }
  if (isTrue(env['TELEMETRY_SYNC_EXPORT']) && env['NODE_ENV'] === 'production') {
    findings.push(
      warning(
        'sync_export_in_production',
        'TELEMETRY_SYNC_EXPORT=true with NODE_ENV=production: every span waits for the backend.',
        'Unset TELEMETRY_SYNC_EXPORT: it is meant for tests.',
      ),
    );
  }
  return findings.length > 0 ? findings : [ok(CHECK, 'The TELEMETRY_* and OTEL_* variables fit together.')];
}
