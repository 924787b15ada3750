/** Where the value of each option comes from: code, `TELEMETRY_*`, `OTEL_*`, stored, default, in this order. */
import { type OptionPath, TelemetryConfig, withEnvironment } from '@cogniverse/foundation/telemetry';
import { describe, expect, it } from 'vitest';
import { OPTIONS, snakeCase } from '../../dist/telemetry/config.js';

type Variables = Record<string, string>;

/** For each option four different values that it may have, and the variables that give it the second and the third. */
interface Case {
  readonly code: unknown;
  readonly stored: unknown;
  readonly telemetry?: readonly [Variables, unknown];
  readonly otel?: readonly [Variables, unknown];
  readonly initial: unknown;
}

const number = (initial: number, variable?: string, general?: string): Case => ({
  code: 11,
  stored: 13,
  initial,
  ...(variable && { otel: [{ [variable]: '12', ...(general && { [general]: '99' }) }, 12] as const }),
});

const CASES: Record<string, Case> = {
  enabled: {
    code: true,
    telemetry: [{ TELEMETRY_ENABLED: 'false' }, false],
    otel: [{ OTEL_SDK_DISABLED: 'true' }, false],
    stored: false,
    initial: true,
  },
  level: {
    code: 'verbose',
    telemetry: [{ TELEMETRY_LEVEL: 'detailed' }, 'detailed'],
    stored: 'disabled',
    initial: 'basic',
  },
  environment: {
    code: 'a',
    telemetry: [{ TELEMETRY_ENVIRONMENT: 'b' }, 'b'],
    otel: [{ OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=c' }, 'c'],
    stored: 'd',
    initial: 'development',
  },
  otlpEnabled: { code: true, telemetry: [{ TELEMETRY_OTLP_ENABLED: 'false' }, false], stored: false, initial: true },
  otlpEndpoint: {
    code: 'a:1',
    telemetry: [{ TELEMETRY_OTLP_ENDPOINT: 'b:1' }, 'b:1'],
    otel: [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'c:1', OTEL_EXPORTER_OTLP_ENDPOINT: 'x:1' }, 'c:1'],
    stored: 'd:1',
    initial: 'localhost:4317',
  },
  otlpUseTls: {
    code: false,
    telemetry: [{ TELEMETRY_OTLP_USE_TLS: 'true' }, true],
    otel: [{ OTEL_EXPORTER_OTLP_TRACES_INSECURE: 'false', OTEL_EXPORTER_OTLP_INSECURE: 'true' }, true],
    stored: true,
    initial: false,
  },
  otlpProtocol: {
    code: 'grpc',
    otel: [
      { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
      'http/protobuf',
    ],
    stored: 'grpc',
    initial: 'auto',
  },
  otlpHeaders: {
    code: { a: '1' },
    otel: [{ OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'b=2', OTEL_EXPORTER_OTLP_HEADERS: 'x=9' }, { b: '2' }],
    stored: { c: '3' },
    initial: {},
  },
  otlpCompression: {
    code: 'none',
    otel: [{ OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: 'gzip', OTEL_EXPORTER_OTLP_COMPRESSION: 'none' }, 'gzip'],
    stored: 'gzip',
    initial: 'none',
  },
  provider: { code: 'a', telemetry: [{ TELEMETRY_PROVIDER: 'b' }, 'b'], stored: 'd', initial: null },
  providerConfig: { code: { a: 1 }, stored: { b: 2 }, initial: {} },
  tenantProjectTemplate: { code: 'a-{tenant_id}', stored: 'b-{tenant_id}', initial: 'cogniverse-{tenant_id}' },
  tenantServiceTemplate: {
    code: 'a-{tenant_id}-{service}',
    stored: 'b-{tenant_id}-{service}',
    initial: 'cogniverse-{tenant_id}-{service}',
  },
  defaultTenantId: { code: 'a', stored: 'b', initial: 'default' },
  fallbackToDefaultTenant: { code: false, stored: true, initial: false },
  unassignedTenant: { code: 'a', stored: 'b', initial: null },
  maxCachedTenants: number(100),
  maxProjectsPerTenant: number(100),
  tenantCacheTtlSeconds: number(3600),
  maxHeldSpans: number(4096),
  maxHeldMillis: number(60_000),
  trustRemoteContext: { code: false, stored: true, initial: false },
  serviceName: {
    code: 'a',
    telemetry: [{ TELEMETRY_SERVICE_NAME: 'b' }, 'b'],
    otel: [{ OTEL_SERVICE_NAME: 'c', OTEL_RESOURCE_ATTRIBUTES: 'service.name=x' }, 'c'],
    stored: 'd',
    initial: 'video-search',
  },
  serviceVersion: {
    code: 'a',
    telemetry: [{ TELEMETRY_SERVICE_VERSION: 'b' }, 'b'],
    otel: [{ OTEL_RESOURCE_ATTRIBUTES: 'service.version=c' }, 'c'],
    stored: 'd',
    initial: '1.0.0',
  },
  extraResourceAttributes: {
    code: { a: '1' },
    otel: [{ OTEL_RESOURCE_ATTRIBUTES: 'b=2' }, { c: '3', b: '2' }], // on top of the stored ones
    stored: { c: '3' },
    initial: {},
  },
  flushOnExit: { code: true, stored: false, initial: true },
  spool: { code: { directory: 'a' }, stored: { directory: 'b' }, initial: null },
  attributeCountLimit: number(128, 'OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT', 'OTEL_ATTRIBUTE_COUNT_LIMIT'),
  attributeValueLengthLimit: {
    ...number(0, 'OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT', 'OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT'),
    initial: null,
  },
  attributeDepthLimit: number(16),
  eventCountLimit: number(128, 'OTEL_SPAN_EVENT_COUNT_LIMIT'),
  linkCountLimit: number(128, 'OTEL_SPAN_LINK_COUNT_LIMIT'),
  attributePerEventCountLimit: number(128, 'OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT'),
  attributePerLinkCountLimit: number(128, 'OTEL_LINK_ATTRIBUTE_COUNT_LIMIT'),
  'batchConfig.maxQueueSize': number(2048, 'OTEL_BSP_MAX_QUEUE_SIZE'),
  'batchConfig.maxExportBatchSize': number(512, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE'),
  'batchConfig.exportTimeoutMillis': number(30_000, 'OTEL_EXPORTER_OTLP_TRACES_TIMEOUT', 'OTEL_EXPORTER_OTLP_TIMEOUT'),
  'batchConfig.scheduleDelayMillis': number(500, 'OTEL_BSP_SCHEDULE_DELAY'),
  'batchConfig.maxQueueBytes': number(64 * 1024 * 1024),
  'batchConfig.maxSpanBytes': number(16 * 1024 * 1024),
  'batchConfig.maxRequestsInFlight': number(4),
  'batchConfig.dropOnQueueFull': { code: true, stored: false, initial: true },
  'batchConfig.logDroppedSpans': { code: true, stored: false, initial: true },
  'batchConfig.maxDropLogRatePerMinute': number(10),
  'batchConfig.useSyncExport': {
    code: false,
    telemetry: [{ TELEMETRY_SYNC_EXPORT: 'true' }, true],
    stored: true,
    initial: false,
  },
};

function nested(path: string, value: unknown): Record<string, unknown> {
  const [field, inner] = path.split('.') as [string, string | undefined];
  return inner === undefined ? { [field]: value } : { [field]: { [inner]: value } };
}

function storedDict(path: string, value: unknown): Record<string, unknown> {
  const [field, inner] = path.split('.') as [string, string | undefined];
  return inner === undefined ? { [snakeCase(field)]: value } : { [snakeCase(field)]: { [snakeCase(inner)]: value } };
}

describe('the value of an option', () => {
  it('has a case here for every option', () => {
    expect(Object.keys(CASES).sort()).toEqual([...OPTIONS.keys()].sort());
  });

  it('has variables here exactly where the schema names some', () => {
    for (const [path, { environment = [] }] of OPTIONS) {
      const { telemetry, otel } = CASES[path]!;
      const named = Object.keys({ ...telemetry?.[0], ...otel?.[0] });
      expect([path, named.filter((name) => !environment.includes(name))]).toEqual([path, []]);
      expect([path, telemetry !== undefined]).toEqual([
        path,
        environment.some((name) => name.startsWith('TELEMETRY_')),
      ]);
      expect([path, otel !== undefined]).toEqual([path, environment.some((name) => name.startsWith('OTEL_'))]);
    }
  });

  it.each(Object.keys(CASES) as OptionPath[])(
    '%s comes from code, TELEMETRY_*, OTEL_*, stored, default, in this order',
    (path) => {
      const { code, telemetry, otel, stored, initial } = CASES[path]!;
      const variables: Variables = { ...telemetry?.[0], ...otel?.[0] };
      const storedConfig = TelemetryConfig.fromDict(storedDict(path, stored));
      const whatHolds = (config: TelemetryConfig) => [config.value(path), config.levelOf(path)];

      const all = withEnvironment(storedConfig.with(nested(path, code)), variables);
      expect(whatHolds(all)).toEqual([code, 'code']);
      if (telemetry !== undefined) {
        expect(whatHolds(withEnvironment(storedConfig, variables))).toEqual([telemetry[1], 'telemetry_environment']);
        const only = withEnvironment(new TelemetryConfig(), telemetry[0]);
        expect(whatHolds(only)).toEqual([telemetry[1], 'telemetry_environment']);
      }
      if (otel !== undefined)
        expect(whatHolds(withEnvironment(storedConfig, otel[0]))).toEqual([otel[1], 'otel_environment']);
      expect(whatHolds(withEnvironment(storedConfig, {}))).toEqual([stored, 'stored']);
      expect(whatHolds(withEnvironment(new TelemetryConfig(), {}))).toEqual([initial, 'default']);
    },
  );
});
