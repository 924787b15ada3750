import {
  BatchExportConfig,
  ConfigurationError,
  createTelemetry,
  InvalidNameError,
  TelemetryConfig,
  type TelemetryConfigOptions,
  TelemetryLevel,
  withEnvironment,
} from '@cogniverse/foundation/telemetry';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** The reference's fields and defaults, to the letter. */
const REFERENCE = {
  enabled: true,
  level: 'basic',
  environment: 'development',
  otlp_enabled: true,
  otlp_endpoint: 'localhost:4317',
  otlp_use_tls: false,
  provider: null,
  provider_config: {},
  tenant_project_template: 'cogniverse-{tenant_id}',
  tenant_service_template: 'cogniverse-{tenant_id}-{service}',
  default_tenant_id: 'default',
  max_cached_tenants: 100,
  tenant_cache_ttl_seconds: 3600,
  service_name: 'video-search',
  service_version: '1.0.0',
  extra_resource_attributes: {},
};
const REFERENCE_BATCH = {
  max_queue_size: 2048,
  max_export_batch_size: 512,
  export_timeout_millis: 30_000,
  schedule_delay_millis: 500,
  drop_on_queue_full: true,
  log_dropped_spans: true,
  max_drop_log_rate_per_minute: 10,
  use_sync_export: false,
};

/** The one key that a map of options refuses. */
const plainKey = fc.string({ minLength: 1 }).filter((key) => key !== '__proto__');

describe('TelemetryConfig', () => {
  it('has every field of the reference with its default', () => {
    const dict = new TelemetryConfig().toDict();
    expect(dict).toMatchObject({ ...REFERENCE, batch_config: REFERENCE_BATCH });
  });

  it('round-trips through its stored form, also with keys it does not know', () => {
    fc.assert(
      fc.property(
        fc.record(
          {
            enabled: fc.boolean(),
            level: fc.constantFrom('disabled', 'basic', 'detailed', 'verbose'),
            otlp_headers: fc.dictionary(plainKey, fc.string()),
            provider: fc.option(fc.string({ minLength: 1 })),
            spool: fc.option(
              fc.record(
                { directory: fc.string({ minLength: 1 }), max_bytes: fc.integer({ min: 1 }), fsync: fc.boolean() },
                { requiredKeys: ['directory'] },
              ),
            ),
            provider_config: fc.dictionary(plainKey, fc.jsonValue()),
            attribute_value_length_limit: fc.option(fc.nat()),
            batch_config: fc.record(
              {
                max_queue_size: fc.integer({ min: 1, max: 10_000_000 }),
                use_sync_export: fc.boolean(),
                of_the_future: fc.jsonValue(),
              },
              { requiredKeys: [] },
            ),
            python_only: fc.jsonValue(),
            unknownCamel: fc.jsonValue(),
          },
          { requiredKeys: [] },
        ),
        (dict) => {
          const given = JSON.parse(JSON.stringify(dict));
          const stored = TelemetryConfig.fromDict(given).toDict();
          expect(stored).toMatchObject(given);
          expect(TelemetryConfig.fromDict(JSON.parse(JSON.stringify(stored))).toDict()).toEqual(stored);
        },
      ),
    );
  });

  it('keeps a stored key called __proto__ a key', () => {
    const dict = JSON.parse('{"__proto__": {"polluted": true}, "batch_config": {"__proto__": 1}}');
    const config = TelemetryConfig.fromDict(dict);
    expect(config.unknownKeys.sort()).toEqual(['__proto__', 'batch_config.__proto__']);
    expect(JSON.stringify(config.toDict())).toContain('"__proto__":{"polluted":true}');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('refuses an unknown option and a bad value, naming field, value and remedy', () => {
    const refused = (options: unknown) => {
      try {
        new TelemetryConfig(options as TelemetryConfigOptions).validate();
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigurationError);
        return (error as Error).message;
      }
      throw new Error('was taken');
    };
    expect(refused({ otlpEndpont: 'x' })).toMatch(/otlpEndpont/);
    expect(refused({ batchConfig: { maxQueueSise: 1 } })).toMatch(/batchConfig\.maxQueueSise/);
    expect(refused({ level: 'loud' })).toMatch(/level = "loud".*basic/);
    expect(refused({ maxCachedTenants: 0 })).toMatch(/maxCachedTenants = 0: .*>0/);
    expect(refused({ batchConfig: { maxQueueSize: -1 } })).toMatch(/batchConfig\.maxQueueSize = -1/);
    expect(refused({ batchConfig: 7 })).toMatch(/batchConfig = 7/);
    expect(refused({ batchConfig: { maxQueueSize: 1, maxExportBatchSize: 2 } })).toMatch(
      /maxExportBatchSize = 2.*maxQueueSize \(1\)/,
    );
    // A smaller queue alone contradicts nothing that was said.
    expect(() => new TelemetryConfig({ batchConfig: { maxQueueSize: 1 } }).validate()).not.toThrow();
    expect(refused({ tenantServiceTemplate: 'x-{service}' })).toMatch(/\{tenant_id\}/);
    expect(refused({ otlpEndpoint: 'https://x', otlpUseTls: false })).toMatch(/otlpUseTls = false.*https:\/\/x/);
    expect(refused({ otlpEndpoint: 'ftp://x' })).toMatch(/http/);
    expect(() => TelemetryConfig.fromDict({ max_cached_tenants: 'many' })).toThrow(/maxCachedTenants = "many"/);
    expect(() => TelemetryConfig.fromDict([] as never)).toThrow(ConfigurationError);
    expect(() => TelemetryConfig.fromDict(JSON.parse('{"otlp_headers": {"__proto__": "x"}}'))).toThrow(
      /otlpHeaders.*__proto__/,
    );
  });

  it('is immutable, and gives changed copies that know what was set where', () => {
    const config = TelemetryConfig.fromDict({ service_name: 'stored', batch_config: { max_queue_size: 9000 } });
    const changed = config.with({ level: TelemetryLevel.VERBOSE, batchConfig: { useSyncExport: true } });
    expect(() => Object.assign(config, { level: 'verbose' })).toThrow(TypeError);
    expect(changed).toMatchObject({ level: 'verbose', serviceName: 'stored' });
    expect(changed.batchConfig).toMatchObject({ useSyncExport: true, maxQueueSize: 9000 });
    expect(changed.levelOf('level')).toBe('code');
    expect(changed.levelOf('serviceName')).toBe('stored');
    expect(changed.levelOf('batchConfig.maxQueueSize')).toBe('stored');
    expect(changed.levelOf('batchConfig.useSyncExport')).toBe('code');
    expect(changed.levelOf('otlpEndpoint')).toBe('default');
    expect(
      new TelemetryConfig({ batchConfig: new BatchExportConfig({ maxQueueSize: 600 }) }).levelOf(
        'batchConfig.maxExportBatchSize',
      ),
    ).toBe('default');
  });

  it('names projects by its templates, without reading a name as a placeholder', () => {
    const config = new TelemetryConfig();
    expect(config.getProjectName('acme-corp', 'routing')).toBe('cogniverse-acme-corp-routing');
    expect(config.getProjectName('acme')).toBe('cogniverse-acme-video-search');
    expect(config.getProjectName('acme', '{tenant_id}$&')).toBe('cogniverse-acme-{tenant_id}$&');
    for (const tenantId of [undefined, '', 'a/b', '{service}'] as string[]) {
      expect(() => config.getProjectName(tenantId)).toThrow(InvalidNameError);
      expect(() => config.getTenantProjectName(tenantId)).toThrow('Tenant id');
    }
  });

  it('instruments components by level, as the reference has it', () => {
    const components = ['search_service', 'backend', 'encoder', 'pipeline', 'agents'];
    const instrumented = (level: TelemetryLevel) =>
      components.filter((component) => new TelemetryConfig({ level }).shouldInstrumentLevel(component));
    expect(instrumented('disabled')).toEqual([]);
    expect(instrumented('basic')).toEqual(['search_service']);
    expect(instrumented('detailed')).toEqual(['search_service', 'backend', 'encoder']);
    expect(instrumented('verbose')).toEqual(components);
  });
});

describe('the environment', () => {
  const read = (environment: Record<string, string>, config = new TelemetryConfig()) =>
    withEnvironment(config, environment);

  it('sets TELEMETRY_* options, below code and above OTEL_* and what is stored', () => {
    const environment = {
      TELEMETRY_ENABLED: 'true',
      OTEL_SDK_DISABLED: 'true',
      TELEMETRY_LEVEL: 'VERBOSE',
      TELEMETRY_ENVIRONMENT: 'production',
      TELEMETRY_OTLP_ENABLED: '0',
      TELEMETRY_OTLP_ENDPOINT: 'phoenix:4317',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
      TELEMETRY_OTLP_USE_TLS: 'yes',
      TELEMETRY_PROVIDER: 'phoenix',
      TELEMETRY_SYNC_EXPORT: 'true',
      TELEMETRY_SERVICE_NAME: 'by variable',
      OTEL_SERVICE_NAME: 'by otel',
      TELEMETRY_SERVICE_VERSION: '2.1.0',
    };
    const stored = TelemetryConfig.fromDict({ service_version: '1.5.0', level: 'basic' });
    const config = read(environment, stored.with({ serviceName: 'by code' }));
    expect(config).toMatchObject({
      enabled: true,
      level: 'verbose',
      environment: 'production',
      otlpEnabled: false,
      otlpEndpoint: 'phoenix:4317',
      otlpUseTls: true,
      provider: 'phoenix',
      serviceName: 'by code',
      serviceVersion: '2.1.0',
      batchConfig: { useSyncExport: true },
    });
    expect(config.levelOf('batchConfig.useSyncExport')).toBe('telemetry_environment');
    // Never written back.
    expect(config.toDict()).toMatchObject({
      service_version: '1.5.0',
      level: 'basic',
      otlp_endpoint: 'localhost:4317',
    });
    expect(config.toDict({ includeEnvironment: true })).toMatchObject({
      service_version: '2.1.0',
      otlp_endpoint: 'phoenix:4317',
    });
  });

  it('sets OTEL_* options where they fit, the more specific name first', () => {
    const config = read({
      OTEL_SDK_DISABLED: 'true',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://general:4318',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces:4318/custom',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc,x-a=b=c',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_INSECURE: 'false',
      OTEL_EXPORTER_OTLP_TIMEOUT: '5000',
      OTEL_BSP_SCHEDULE_DELAY: '100',
      OTEL_BSP_MAX_QUEUE_SIZE: '4096',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '1024',
      OTEL_RESOURCE_ATTRIBUTES:
        'service.name=from-resource,service.version=3.0,deployment.environment.name=staging,team=search%2Cranking',
      OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '64',
      OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '100',
      OTEL_SPAN_EVENT_COUNT_LIMIT: '5',
      OTEL_SPAN_LINK_COUNT_LIMIT: '6',
      OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT: '7',
      OTEL_LINK_ATTRIBUTE_COUNT_LIMIT: '8',
      OTEL_SERVICE_NAME: '',
    });
    expect(config).toMatchObject({
      enabled: false,
      otlpEndpoint: 'http://traces:4318/custom',
      otlpProtocol: 'http/protobuf',
      otlpCompression: 'gzip',
      otlpUseTls: true,
      otlpHeaders: { authorization: 'Bearer abc', 'x-a': 'b=c' },
      serviceName: 'from-resource',
      serviceVersion: '3.0',
      environment: 'staging',
      extraResourceAttributes: { team: 'search,ranking' },
      attributeCountLimit: 64,
      attributeValueLengthLimit: 100,
      eventCountLimit: 5,
      linkCountLimit: 6,
      attributePerEventCountLimit: 7,
      attributePerLinkCountLimit: 8,
      batchConfig: {
        exportTimeoutMillis: 5000,
        scheduleDelayMillis: 100,
        maxQueueSize: 4096,
        maxExportBatchSize: 1024,
      },
    });
  });

  it('is refused with variable, value and remedy where it cannot be used, but credentials are never shown', () => {
    expect(() => read({ TELEMETRY_ENABLED: 'maybe' })).toThrow(/TELEMETRY_ENABLED = "maybe": use true or false/);
    expect(() => read({ TELEMETRY_LEVEL: 'loud' })).toThrow(
      /TELEMETRY_LEVEL = "loud".*disabled, basic, detailed, verbose/,
    );
    expect(() => read({ OTEL_BSP_MAX_QUEUE_SIZE: '0' })).toThrow(/OTEL_BSP_MAX_QUEUE_SIZE = "0"/);
    expect(() => read({ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' })).toThrow(/grpc, http\/protobuf/);
    expect(() => read({ OTEL_RESOURCE_ATTRIBUTES: 'a=%zz' })).toThrow(/%25/);
    expect(() => read({ OTEL_EXPORTER_OTLP_HEADERS: 'secret' })).toThrow(/^(?!.*secret).*HEADERS/);
  });
});

describe('an error about an option that a variable set', () => {
  const refusal = (environment: Record<string, string>, config = {}) => {
    try {
      createTelemetry(config, { environment });
    } catch (error) {
      return String(error);
    }
    throw new Error('nothing was refused');
  };

  it('names the variable, whatever found the value out', () => {
    expect(refusal({ TELEMETRY_OTLP_ENDPOINT: 'localhost:99999' })).toMatch(
      /"localhost:99999".*TELEMETRY_OTLP_ENDPOINT/,
    );
    expect(refusal({ OTEL_EXPORTER_OTLP_ENDPOINT: 'ftp://x' })).toMatch(/"ftp:\/\/x".*OTEL_EXPORTER_OTLP_ENDPOINT/);
    expect(refusal({ OTEL_BSP_MAX_QUEUE_SIZE: '10', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '20' })).toMatch(
      /20.*maxQueueSize \(10\).*OTEL_BSP_MAX_/,
    );
    expect(refusal({ OTEL_EXPORTER_OTLP_TIMEOUT: '9999999999' })).toMatch(/9999999999.*OTEL_EXPORTER_OTLP_TIMEOUT\.$/);
    expect(refusal({ TELEMETRY_ENABLED: 'maybe' })).not.toMatch(/TELEMETRY_ENABLED.*TELEMETRY_ENABLED/);
  });

  it('does not name a variable that code overrides', () => {
    expect(refusal({ TELEMETRY_OTLP_ENDPOINT: 'x:1' }, { otlpEndpoint: 'ftp://x' })).not.toContain('TELEMETRY_');
  });
});

it('refuses a tenant of its own that no span could have, and a configuration that is no object', () => {
  expect(() => createTelemetry({ unassignedTenant: 'a/b' }, { environment: {} })).toThrow(
    /unassignedTenant = "a\/b": allowed/,
  );
  expect(() => createTelemetry({ defaultTenantId: 'a b' }, { environment: {} })).toThrow(
    /defaultTenantId = "a b": allowed/,
  );
  for (const config of [null, 5, 'text', []]) {
    expect(() => createTelemetry(config as never, { environment: {} })).toThrow(ConfigurationError);
  }
});
