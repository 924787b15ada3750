/**
 * Options from environment variables.   Control path: [environment] -> config -> manager.
 *
 * Read when a manager starts, never written back. `TELEMETRY_*` wins over `OTEL_*`; a more specific `OTEL_*` name wins over a general one.
 */
import {
  type BatchExportOptions,
  OPTIONS,
  snakeCase,
  type TelemetryConfig,
  type TelemetryConfigOptions,
  TelemetryLevel,
} from './config.js';
import { ConfigurationError } from './errors.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** `config` with what the environment says, below code and above what is stored. Errors: `ConfigurationError` naming the variable. */
export function withEnvironment(config: TelemetryConfig, environment: Environment): TelemetryConfig {
  return namingVariables(config, environment, () =>
    config
      .withLevel('telemetry_environment', telemetryVariables(environment))
      .withLevel('otel_environment', openTelemetryVariables(environment, config)),
  );
}

/** Runs `check`. A `ConfigurationError` about options that variables have set, and not `config` by code, names those variables too. */
export function namingVariables<T>(config: TelemetryConfig, environment: Environment, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const { message } = error;
    const variables = [...OPTIONS]
      .filter(([path]) => {
        const field = path.replace('batchConfig.', '');
        const isNamed = new RegExp(`\\b(?:${field}|${snakeCase(field)})\\b`).test(message);
        return isNamed && config.levelOf(path) !== 'code';
      })
      .map(([, option]) => option.environment?.find((name) => (environment[name]?.trim() ?? '') !== ''))
      .filter((name) => name !== undefined && !message.includes(name));
    if (variables.length === 0) throw error;
    throw new ConfigurationError(`${message} It was set by the environment: ${variables.join(', ')}.`, {
      cause: error,
    });
  }
}

function telemetryVariables(environment: Environment): TelemetryConfigOptions {
  const { read } = reader(environment);
  const useSyncExport = read(['TELEMETRY_SYNC_EXPORT'], boolean);
  return compact({
    enabled: read(['TELEMETRY_ENABLED'], boolean),
    level: read(['TELEMETRY_LEVEL'], (text) => oneOf(Object.values(TelemetryLevel), text.toLowerCase())),
    environment: read(['TELEMETRY_ENVIRONMENT'], text),
    otlpEnabled: read(['TELEMETRY_OTLP_ENABLED'], boolean),
    otlpEndpoint: read(['TELEMETRY_OTLP_ENDPOINT'], text),
    otlpUseTls: read(['TELEMETRY_OTLP_USE_TLS'], boolean),
    provider: read(['TELEMETRY_PROVIDER'], text),
    serviceName: read(['TELEMETRY_SERVICE_NAME'], text),
    serviceVersion: read(['TELEMETRY_SERVICE_VERSION'], text),
    batchConfig: useSyncExport === undefined ? undefined : { useSyncExport },
  });
}

function openTelemetryVariables(environment: Environment, config: TelemetryConfig): TelemetryConfigOptions {
  const { read } = reader(environment);
  const disabled = read(['OTEL_SDK_DISABLED'], boolean);
  const insecure = read(['OTEL_EXPORTER_OTLP_TRACES_INSECURE', 'OTEL_EXPORTER_OTLP_INSECURE'], boolean);
  const resource = read(['OTEL_RESOURCE_ATTRIBUTES'], keyValues);
  const {
    'service.name': resourceServiceName,
    'service.version': serviceVersion,
    'deployment.environment.name': deployment,
    'deployment.environment': olderDeployment,
    ...otherResource
  } = resource ?? {};
  const batch: BatchExportOptions = compact({
    scheduleDelayMillis: read(['OTEL_BSP_SCHEDULE_DELAY'], wholeNumber),
    exportTimeoutMillis: read(
      ['OTEL_EXPORTER_OTLP_TRACES_TIMEOUT', 'OTEL_EXPORTER_OTLP_TIMEOUT', 'OTEL_BSP_EXPORT_TIMEOUT'],
      positiveNumber,
    ),
    maxQueueSize: read(['OTEL_BSP_MAX_QUEUE_SIZE'], positiveNumber),
    maxExportBatchSize: read(['OTEL_BSP_MAX_EXPORT_BATCH_SIZE'], positiveNumber),
  });
  return compact({
    enabled: disabled === undefined ? undefined : !disabled,
    environment: deployment || olderDeployment || undefined,
    otlpEndpoint: read(['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'], text),
    otlpUseTls: insecure === undefined ? undefined : !insecure,
    otlpProtocol: read(['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'], (value) =>
      oneOf(['grpc', 'http/protobuf'] as const, value),
    ),
    otlpHeaders: read(['OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'OTEL_EXPORTER_OTLP_HEADERS'], keyValues),
    otlpCompression: read(['OTEL_EXPORTER_OTLP_TRACES_COMPRESSION', 'OTEL_EXPORTER_OTLP_COMPRESSION'], (value) =>
      oneOf(['none', 'gzip'] as const, value),
    ),
    serviceName: read(['OTEL_SERVICE_NAME'], text) ?? (resourceServiceName || undefined),
    serviceVersion: serviceVersion || undefined,
    // The operator's attributes come on top of the stored ones.
    extraResourceAttributes:
      Object.keys(otherResource).length > 0 ? { ...config.extraResourceAttributes, ...otherResource } : undefined,
    attributeCountLimit: read(['OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT', 'OTEL_ATTRIBUTE_COUNT_LIMIT'], wholeNumber),
    attributeValueLengthLimit: read(
      ['OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT', 'OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT'],
      wholeNumber,
    ),
    eventCountLimit: read(['OTEL_SPAN_EVENT_COUNT_LIMIT'], wholeNumber),
    linkCountLimit: read(['OTEL_SPAN_LINK_COUNT_LIMIT'], wholeNumber),
    attributePerEventCountLimit: read(['OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT'], wholeNumber),
    attributePerLinkCountLimit: read(['OTEL_LINK_ATTRIBUTE_COUNT_LIMIT'], wholeNumber),
    batchConfig: Object.keys(batch).length > 0 ? batch : undefined,
  });
}

/** What a variable must look like; thrown by the parsers below and given its variable's name by the reader. */
class BadValue extends Error {}

function reader(environment: Environment) {
  /** The first of `names` that is set and not empty. */
  function read<T>(names: readonly string[], parse: (text: string) => T): T | undefined {
    for (const name of names) {
      const value = environment[name]?.trim();
      if (value === undefined || value === '') continue; // OpenTelemetry: an empty variable is an unset one
      try {
        return parse(value);
      } catch (error) {
        if (!(error instanceof BadValue)) throw error;
        // Headers hold credentials: their text is never shown.
        const shown = name.endsWith('HEADERS') ? '(not shown)' : JSON.stringify(value.slice(0, 200));
        throw new ConfigurationError(`Environment variable ${name} = ${shown}: ${error.message}`);
      }
    }
    return undefined;
  }
  return { read };
}

function text(value: string): string {
  return value;
}

function boolean(value: string): boolean {
  switch (value.toLowerCase()) {
    case 'true':
    case '1':
    case 'yes':
    case 'on':
      return true;
    case 'false':
    case '0':
    case 'no':
    case 'off':
      return false;
    default:
      throw new BadValue('use true or false.');
  }
}

function wholeNumber(value: string): number {
  if (!/^\d{1,10}$/.test(value)) throw new BadValue('use a whole number, 0 or more.');
  return Number(value);
}

function positiveNumber(value: string): number {
  const number = wholeNumber(value);
  if (number === 0) throw new BadValue('use a whole number above 0.');
  return number;
}

function oneOf<T extends string>(allowed: readonly T[], value: string): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new BadValue(`use one of ${allowed.join(', ')}.`);
  return found;
}

/** `key=value,key=value`, percent-encoded. Source: OpenTelemetry's resource SDK and OTLP exporter specifications. */
function keyValues(value: string): Record<string, string> {
  const entries: [string, string][] = [];
  for (const pair of value.split(',')) {
    if (pair.trim() === '') continue;
    const equals = pair.indexOf('=');
    if (equals < 1) throw new BadValue('use key=value, several with commas between.');
    try {
      entries.push([
        decodeURIComponent(pair.slice(0, equals).trim()),
        decodeURIComponent(pair.slice(equals + 1).trim()),
      ]);
    } catch {
      throw new BadValue('a "%" must be followed by two hex digits; write a plain one as %25.');
    }
  }
  return Object.fromEntries(entries);
}

function compact<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}
