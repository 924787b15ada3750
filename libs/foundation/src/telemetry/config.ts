/**
 * Every option, declared once: type, default, unit, meaning.   Control path: environment, stored configuration -> [config] -> manager.
 *
 * In code the options are camelCase; `toDict()` and `fromDict()` give and take the snake_case form that is stored and that a Python
 * Cogniverse reads. `configuration-table.ts` renders the schema as documentation.
 */
import { z } from 'zod';
import { ConfigurationError } from './errors.js';
import { ALLOWED, isUsableName, requireName } from './tenant-names.js';

/** How much is instrumented: `basic` search operations, `detailed` also encoders and backend, `verbose` everything. */
export const TelemetryLevel = {
  DISABLED: 'disabled',
  BASIC: 'basic',
  DETAILED: 'detailed',
  VERBOSE: 'verbose',
} as const;
export type TelemetryLevel = (typeof TelemetryLevel)[keyof typeof TelemetryLevel];

/** Beside type and default of an option. */
export interface OptionMeta {
  /** Of a number. */
  readonly unit?: string;
  readonly meaning: string;
  /** Variables that set it; the first that is set holds. */
  readonly environment?: readonly string[];
  /** A running manager takes a change of it. Any other option holds from its start to its end. */
  readonly changesAtRunTime?: boolean;
  /** What is stored for a tenant changes it for this tenant alone. */
  readonly perTenant?: boolean;
}

function option<T extends z.ZodType>(schema: T, meta: OptionMeta): T {
  return schema.meta({ ...meta });
}

const count = z.int().positive();
/** setTimeout takes no longer delay than this; beyond it fires at once. */
const millis = z.int().nonnegative().max(2_147_483_647);

export const batchExportSchema = z.strictObject({
  maxQueueSize: option(count.max(10_000_000).default(2048), {
    unit: 'spans',
    meaning: 'Ended spans that one tenant project may hold in memory.',
    environment: ['OTEL_BSP_MAX_QUEUE_SIZE'],
    changesAtRunTime: true,
    perTenant: true,
  }),
  maxExportBatchSize: option(count.max(1_000_000).default(512), {
    unit: 'spans',
    meaning: 'Most spans in one request.',
    environment: ['OTEL_BSP_MAX_EXPORT_BATCH_SIZE'],
    changesAtRunTime: true,
  }),
  exportTimeoutMillis: option(millis.positive().default(30_000), {
    unit: 'ms',
    meaning: 'Deadline of one attempt to export.',
    environment: ['OTEL_EXPORTER_OTLP_TRACES_TIMEOUT', 'OTEL_EXPORTER_OTLP_TIMEOUT', 'OTEL_BSP_EXPORT_TIMEOUT'],
    changesAtRunTime: true,
  }),
  scheduleDelayMillis: option(millis.default(500), {
    unit: 'ms',
    meaning: 'Longest time that a span waits for its request to fill.',
    environment: ['OTEL_BSP_SCHEDULE_DELAY'],
    changesAtRunTime: true,
  }),
  maxQueueBytes: option(count.default(64 * 1024 * 1024), {
    unit: 'bytes',
    meaning: 'Encoded spans of all tenants together in memory. The tenants that hold most give way first.',
    changesAtRunTime: true,
  }),
  maxSpanBytes: option(count.default(16 * 1024 * 1024), {
    unit: 'bytes',
    meaning: 'Largest span. Of a larger one the longest texts are cut, and the cuts counted on the span.',
  }),
  maxRequestsInFlight: option(count.max(64).default(4), {
    unit: 'requests',
    meaning: 'Requests under way at once to one destination.',
    changesAtRunTime: true,
  }),
  dropOnQueueFull: option(z.boolean().default(true), {
    meaning:
      'A full queue drops the arriving span. False: asynchronous callers wait for room (5 s at most), synchronous ones use the byte budget.',
    changesAtRunTime: true,
  }),
  logDroppedSpans: option(z.boolean().default(true), {
    meaning: 'Drops are logged, with tenant, reason and number.',
    changesAtRunTime: true,
  }),
  maxDropLogRatePerMinute: option(z.int().nonnegative().default(10), {
    unit: 'lines',
    meaning: 'Most lines a minute about drops.',
    changesAtRunTime: true,
  }),
  useSyncExport: option(z.boolean().default(false), {
    meaning: 'For tests: each span is exported at its end, and an asynchronous `span()` waits for the answer.',
    environment: ['TELEMETRY_SYNC_EXPORT'],
    changesAtRunTime: true,
    perTenant: true,
  }),
});

const spoolSchema = z.strictObject({
  /** Segments are below it, one subdirectory a process. */
  directory: z.string().min(1),
  maxBytes: count.optional(),
  maxAgeSeconds: z.number().positive().optional(),
  fsync: z.boolean().optional(),
});

const limit = z.int().nonnegative();

export const telemetryConfigSchema = z.strictObject({
  enabled: option(z.boolean().default(true), {
    meaning: 'False: callbacks run with a span that does nothing.',
    environment: ['TELEMETRY_ENABLED', 'OTEL_SDK_DISABLED'],
    changesAtRunTime: true,
    perTenant: true,
  }),
  level: option(z.enum(TelemetryLevel).default('basic'), {
    meaning: 'Which components are instrumented: `disabled`, `basic`, `detailed`, `verbose`.',
    environment: ['TELEMETRY_LEVEL'],
    changesAtRunTime: true,
    perTenant: true,
  }),
  environment: option(z.string().min(1).default('development'), {
    meaning: 'Attribute `environment` of every span.',
    environment: ['TELEMETRY_ENVIRONMENT', 'OTEL_RESOURCE_ATTRIBUTES'],
  }),
  otlpEnabled: option(z.boolean().default(true), {
    meaning: 'False: nothing is exported, and callbacks run with a span that does nothing.',
    environment: ['TELEMETRY_OTLP_ENABLED'],
    changesAtRunTime: true,
  }),
  otlpEndpoint: option(z.string().min(1).default('localhost:4317'), {
    meaning: 'Where spans go: `host:port` or a URL.',
    environment: ['TELEMETRY_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    changesAtRunTime: true,
    perTenant: true,
  }),
  otlpUseTls: option(z.boolean().default(false), {
    meaning:
      'Encrypted connection. An endpoint with `https://` switches it on. Headers with credentials go to another host unencrypted only where it is set to `false`.',
    environment: ['TELEMETRY_OTLP_USE_TLS', 'OTEL_EXPORTER_OTLP_TRACES_INSECURE', 'OTEL_EXPORTER_OTLP_INSECURE'],
    changesAtRunTime: true,
  }),
  otlpProtocol: option(z.enum(['auto', 'grpc', 'http/protobuf']).default('auto'), {
    meaning: '`auto`: HTTP for an endpoint with a path or on port 4318 or 6006, gRPC for any other.',
    environment: ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'],
    changesAtRunTime: true,
  }),
  otlpHeaders: option(z.record(z.string().min(1), z.string()).default({}), {
    meaning: 'Headers (gRPC: metadata) of every request, for credentials. Never logged.',
    environment: ['OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'OTEL_EXPORTER_OTLP_HEADERS'],
    changesAtRunTime: true,
    perTenant: true,
  }),
  otlpCompression: option(z.enum(['none', 'gzip']).default('none'), {
    meaning: 'Compression of requests.',
    environment: ['OTEL_EXPORTER_OTLP_TRACES_COMPRESSION', 'OTEL_EXPORTER_OTLP_COMPRESSION'],
    changesAtRunTime: true,
  }),
  provider: option(z.string().min(1).nullable().default(null), {
    meaning: 'Name of the telemetry provider. Null: the only one installed.',
    environment: ['TELEMETRY_PROVIDER'],
  }),
  providerConfig: option(z.record(z.string(), z.unknown()).default({}), {
    meaning: 'Keys of the provider, in snake_case, handed to it as they are.',
  }),
  tenantProjectTemplate: option(z.string().min(1).default('cogniverse-{tenant_id}'), {
    meaning: 'Project of a tenant as a whole.',
  }),
  tenantServiceTemplate: option(z.string().min(1).default('cogniverse-{tenant_id}-{service}'), {
    meaning: 'Project of one service of a tenant.',
  }),
  defaultTenantId: option(z.string().min(1).default('default'), {
    meaning: 'Tenant whose stored configuration is loaded.',
    changesAtRunTime: true,
  }),
  fallbackToDefaultTenant: option(z.boolean().default(false), {
    meaning: 'True: a recording call without any tenant uses `default_tenant_id` instead of throwing.',
    changesAtRunTime: true,
  }),
  unassignedTenant: option(z.string().min(1).nullable().default(null), {
    meaning: 'Tenant of spans whose trace ended without one. Null: they are dropped as `no_tenant`.',
    changesAtRunTime: true,
  }),
  maxCachedTenants: option(count.max(1_000_000).default(100), {
    unit: 'tenants',
    meaning: 'Tenants kept live. The one unused for longest gives way; its spans are still delivered.',
    changesAtRunTime: true,
  }),
  maxProjectsPerTenant: option(count.max(100_000).default(100), {
    unit: 'projects',
    meaning: 'Live projects of one tenant. Spans of one more are dropped as `tenant_limit`.',
    changesAtRunTime: true,
  }),
  tenantCacheTtlSeconds: option(z.number().positive().default(3600), {
    unit: 's',
    meaning: 'A tenant unused for so long gives way.',
    changesAtRunTime: true,
  }),
  maxHeldSpans: option(z.int().nonnegative().default(4096), {
    unit: 'spans',
    meaning: 'Ended spans that wait for their trace to get a tenant, over all traces.',
    changesAtRunTime: true,
  }),
  maxHeldMillis: option(millis.positive().default(60_000), {
    unit: 'ms',
    meaning: 'Longest time that an ended span waits for its trace to get a tenant.',
    changesAtRunTime: true,
  }),
  trustRemoteContext: option(z.boolean().default(false), {
    meaning: 'True: an incoming `traceparent` continues its trace. False: a new trace begins.',
    changesAtRunTime: true,
  }),
  batchConfig: option(batchExportSchema.prefault({}), { meaning: 'Batches and queues; below.' }),
  serviceName: option(z.string().min(1).default('video-search'), {
    meaning: 'Attribute `service.name`, and the project of `span()` without a project name.',
    environment: ['TELEMETRY_SERVICE_NAME', 'OTEL_SERVICE_NAME', 'OTEL_RESOURCE_ATTRIBUTES'],
  }),
  serviceVersion: option(z.string().min(1).default('1.0.0'), {
    meaning: 'Resource attribute `service.version`.',
    environment: ['TELEMETRY_SERVICE_VERSION', 'OTEL_RESOURCE_ATTRIBUTES'],
  }),
  extraResourceAttributes: option(z.record(z.string().min(1), z.string()).default({}), {
    meaning: 'Further resource attributes.',
    environment: ['OTEL_RESOURCE_ATTRIBUTES'],
  }),
  flushOnExit: option(z.boolean().default(true), {
    meaning: 'When the event loop is empty, what is queued is sent, 5 s at most.',
    changesAtRunTime: true,
  }),
  spool: option(spoolSchema.nullable().default(null), {
    meaning:
      'What the backend does not take waits on disk: `directory`, `max_bytes` (1 GiB), `max_age_seconds` (a day), `fsync` (false). Null: in memory only.',
  }),
  attributeCountLimit: option(limit.default(128), {
    unit: 'attributes',
    meaning: 'Attributes of a span.',
    environment: ['OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT', 'OTEL_ATTRIBUTE_COUNT_LIMIT'],
    changesAtRunTime: true,
  }),
  attributeValueLengthLimit: option(limit.nullable().default(null), {
    unit: 'characters',
    meaning: 'Length of a text value, cut by code point. Null: no limit.',
    environment: ['OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT', 'OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT'],
    changesAtRunTime: true,
  }),
  attributeDepthLimit: option(z.int().positive().max(64).default(16), {
    unit: 'levels',
    meaning: 'Nesting of a value; what is deeper becomes a placeholder.',
    changesAtRunTime: true,
  }),
  eventCountLimit: option(limit.default(128), {
    unit: 'events',
    meaning: 'Events of a span; the oldest give way.',
    environment: ['OTEL_SPAN_EVENT_COUNT_LIMIT'],
    changesAtRunTime: true,
  }),
  linkCountLimit: option(limit.default(128), {
    unit: 'links',
    meaning: 'Links of a span; the oldest give way.',
    environment: ['OTEL_SPAN_LINK_COUNT_LIMIT'],
    changesAtRunTime: true,
  }),
  attributePerEventCountLimit: option(limit.default(128), {
    unit: 'attributes',
    meaning: 'Attributes of an event.',
    environment: ['OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT'],
    changesAtRunTime: true,
  }),
  attributePerLinkCountLimit: option(limit.default(128), {
    unit: 'attributes',
    meaning: 'Attributes of a link.',
    environment: ['OTEL_LINK_ATTRIBUTE_COUNT_LIMIT'],
    changesAtRunTime: true,
  }),
});

type BatchExportValues = z.output<typeof batchExportSchema>;
type TelemetryValues = Omit<z.output<typeof telemetryConfigSchema>, 'batchConfig'> & { batchConfig: BatchExportConfig };
type RawTelemetryValues = z.output<typeof telemetryConfigSchema>;

/** What a user writes: every option may be left out. */
export type BatchExportOptions = z.input<typeof batchExportSchema>;
export type TelemetryConfigOptions = Omit<z.input<typeof telemetryConfigSchema>, 'batchConfig'> & {
  batchConfig?: BatchExportConfig | BatchExportOptions | undefined;
};

/** Where the value of an option comes from; an earlier one wins over the later. */
const CONFIGURATION_LEVELS = ['code', 'telemetry_environment', 'otel_environment', 'stored', 'default'] as const;
export type ConfigurationLevel = (typeof CONFIGURATION_LEVELS)[number];
type SetLevel = Exclude<ConfigurationLevel, 'default'>;

/** Name of an option: a field of `TelemetryConfig`, or `batchConfig.` and a field of `BatchExportConfig`. */
export type OptionPath =
  | Exclude<keyof TelemetryConfigOptions, 'batchConfig'>
  | `batchConfig.${keyof BatchExportOptions & string}`;

/** Every option, with what the schema says of it. */
export const OPTIONS: ReadonlyMap<OptionPath, OptionMeta> = new Map(
  (
    [
      [telemetryConfigSchema, ''],
      [batchExportSchema, 'batchConfig.'],
    ] as const
  ).flatMap(([schema, prefix]) =>
    Object.entries(schema.shape as Record<string, z.ZodType>)
      .filter(([field]) => field !== 'batchConfig')
      .map(([field, schema]) => [`${prefix}${field}` as OptionPath, schema.meta() as unknown as OptionMeta] as const),
  ),
);

export type Dict = Record<string, unknown>;
type Fields = Record<string, unknown>;

/** The values as properties of an object, so that the schema stays their only declaration. */
const BatchExportFields = class {
  constructor(values: Fields) {
    Object.assign(this, values);
  }
} as unknown as new (
  values: Fields,
) => Readonly<BatchExportValues>;

/** Batches and queues of the export. Immutable. Errors: `ConfigurationError` naming field, value and remedy. */
export class BatchExportConfig extends BatchExportFields {
  readonly #set: Fields;
  constructor(options: BatchExportOptions = {}) {
    super(parse(batchExportSchema, options, (field) => `batchConfig.${field}`));
    this.#set = definedFields(options);
    Object.freeze(this);
  }
  /** The options that were given, without defaults. */
  static givenOptions(config: BatchExportConfig | BatchExportOptions): Fields {
    return config instanceof BatchExportConfig ? config.#set : definedFields(config);
  }
  static fromDict(data: Dict): BatchExportConfig {
    return new BatchExportConfig(renameKeys(data, camelCase) as BatchExportOptions);
  }
  toDict(): Dict {
    return renameKeys({ ...this }, snakeCase);
  }
}

const TelemetryConfigFields = class {
  constructor(values: Fields) {
    Object.assign(this, values);
  }
} as unknown as new (
  values: Fields,
) => Readonly<TelemetryValues>;

/** One level's options, without defaults. `batchConfig` holds a part of its own. */
type Layer = Fields & { batchConfig?: Fields };
type Layers = Partial<Record<SetLevel, Layer>>;

/**
 * Configuration of a telemetry manager. Immutable; `with()` gives a changed copy. Remembers which options were set, and where.
 *
 * Errors: `ConfigurationError` naming field, value and remedy, also for an option that does not exist.
 */
export class TelemetryConfig extends TelemetryConfigFields {
  readonly #layers: Layers;
  readonly #unknown: Dict;

  constructor(options: TelemetryConfigOptions = {}) {
    const built = TelemetryConfig.#building ?? { layers: { code: layerOf(options) }, unknown: {} };
    super(effectiveValues(built.layers));
    this.#layers = built.layers;
    this.#unknown = built.unknown;
    Object.freeze(this);
  }

  // The one way to more than a layer of code: no second public constructor signature.
  static #building: { layers: Layers; unknown: Dict } | undefined;
  static #build(layers: Layers, unknown: Dict): TelemetryConfig {
    TelemetryConfig.#building = { layers, unknown };
    try {
      return new TelemetryConfig();
    } finally {
      TelemetryConfig.#building = undefined;
    }
  }

  /**
   * Takes the stored form: snake_case, flat, `batch_config` nested. Its values are at the level *stored*, below code and environment.
   * Keys that this version does not know are kept, and given back by `toDict()`.
   */
  static fromDict(data: Dict): TelemetryConfig {
    if (data === null || typeof data !== 'object' || Array.isArray(data)) {
      throw new ConfigurationError(`A stored configuration is an object, not ${describe(data)}.`);
    }
    const known: Layer = {};
    const unknown: Dict = {};
    for (const [key, value] of Object.entries(data)) {
      const field = camelCase(key);
      if (key === 'batch_config' && isRecord(value)) {
        const batch: Fields = {};
        const rest: Dict = {};
        for (const [innerKey, innerValue] of Object.entries(value)) {
          const innerField = camelCase(innerKey);
          if (Object.hasOwn(batchExportSchema.shape, innerField) && snakeCase(innerField) === innerKey) {
            batch[innerField] = innerValue;
          } else define(rest, innerKey, innerValue);
        }
        known.batchConfig = batch;
        if (Object.keys(rest).length > 0) unknown['batch_config'] = rest;
      } else if (key === 'spool' && isRecord(value)) {
        known['spool'] = renameKeys(value, camelCase);
      } else if (Object.hasOwn(telemetryConfigSchema.shape, field) && snakeCase(field) === key) known[field] = value;
      else define(unknown, key, value);
    }
    return TelemetryConfig.#build({ stored: known }, unknown);
  }

  /** The stored form. What comes from the environment is left out unless `includeEnvironment` is set. */
  toDict({ includeEnvironment = false }: { includeEnvironment?: boolean } = {}): Dict {
    const { code, stored } = this.#layers;
    const values = includeEnvironment ? this : effectiveValues({ ...(code && { code }), ...(stored && { stored }) });
    const { batch_config: unknownBatch, ...unknown } = this.#unknown;
    const dict = renameKeys({ ...values }, snakeCase);
    if (values.spool !== null) dict['spool'] = renameKeys(values.spool, snakeCase);
    dict['batch_config'] = { ...values.batchConfig.toDict(), ...(unknownBatch as Dict | undefined) };
    for (const [key, value] of Object.entries(unknown)) define(dict, key, value);
    return structuredClone(dict);
  }

  /** The stored form of what was set by code or is stored, without defaults and environment. */
  toSparseDict(): Dict {
    const { code, stored } = this.#layers;
    const { batchConfig, ...fields } = { ...stored, ...code };
    const batch = { ...stored?.batchConfig, ...code?.batchConfig };
    const { batch_config: unknownBatch, ...unknown } = this.#unknown;
    const dict = renameKeys(fields, snakeCase);
    if (isRecord(dict['spool'])) dict['spool'] = renameKeys(dict['spool'], snakeCase);
    if (batchConfig !== undefined || unknownBatch !== undefined) {
      dict['batch_config'] = { ...renameKeys(batch, snakeCase), ...(unknownBatch as Dict | undefined) };
    }
    for (const [key, value] of Object.entries(unknown)) define(dict, key, value);
    return structuredClone(dict);
  }

  /**
   * A copy with the stored configuration of `other`, if it has one, below what is set by code and environment here. What `other` has by
   * code is set by code here too, over what was.
   */
  withStored(other: TelemetryConfig): TelemetryConfig {
    const { stored } = other.#layers;
    const config = stored === undefined ? this : TelemetryConfig.#build({ ...this.#layers, stored }, other.#unknown);
    return other.#layers.code === undefined ? config : config.with(other.#layers.code as TelemetryConfigOptions);
  }

  /** A copy in which these options are as in `other`, with their levels. */
  withOptionsOf(other: TelemetryConfig, paths: Iterable<OptionPath>): TelemetryConfig {
    const layers: Layers = { ...this.#layers };
    for (const path of paths) {
      const [field, inner] = path.split('.') as [string, string | undefined];
      for (const level of CONFIGURATION_LEVELS) {
        if (level === 'default') continue;
        const from = inner === undefined ? other.#layers[level] : other.#layers[level]?.batchConfig;
        const name = inner ?? field;
        const layer: Layer = { ...layers[level] };
        const to: Fields = inner === undefined ? layer : { ...layer.batchConfig };
        if (from !== undefined && Object.hasOwn(from, name)) to[name] = from[name];
        else delete to[name];
        if (inner !== undefined) layer.batchConfig = to;
        layers[level] = layer;
      }
    }
    return TelemetryConfig.#build(layers, this.#unknown);
  }

  /** Which of the options differ. */
  changedOptions(other: TelemetryConfig): OptionPath[] {
    return [...OPTIONS.keys()].filter((path) => JSON.stringify(this.value(path)) !== JSON.stringify(other.value(path)));
  }

  /** The value of an option. */
  value(path: OptionPath): unknown {
    const [field, inner] = path.split('.') as [string, string | undefined];
    const value = (this as Fields)[field];
    return inner === undefined ? value : (value as Fields)[inner];
  }

  /** Keys of the stored form that this version does not know. */
  get unknownKeys(): string[] {
    return Object.keys(this.#unknown).flatMap((key) =>
      key === 'batch_config' ? Object.keys(this.#unknown[key] as Dict).map((inner) => `batch_config.${inner}`) : [key],
    );
  }

  /** Where the value of an option comes from. */
  levelOf(path: OptionPath): ConfigurationLevel {
    const [field, inner] = path.split('.') as [string, string | undefined];
    for (const level of CONFIGURATION_LEVELS) {
      if (level === 'default') break;
      const layer = this.#layers[level];
      const values = inner === undefined ? layer : layer?.batchConfig;
      if (values !== undefined && Object.hasOwn(values, inner ?? field)) return level;
    }
    return 'default';
  }

  /** A copy in which `options` are set by code. */
  with(options: TelemetryConfigOptions): TelemetryConfig {
    return this.withLevel('code', options);
  }

  /** A copy in which `options` are set at `level`, beside what is set there already. */
  withLevel(level: SetLevel, options: TelemetryConfigOptions): TelemetryConfig {
    const before = this.#layers[level] ?? {};
    const added = layerOf(options);
    const layer: Layer = { ...before, ...added };
    if (before.batchConfig !== undefined || added.batchConfig !== undefined) {
      layer.batchConfig = { ...before.batchConfig, ...added.batchConfig };
    }
    return TelemetryConfig.#build({ ...this.#layers, [level]: layer }, this.#unknown);
  }

  /** Checks what concerns several options at once. Errors: `ConfigurationError` naming field, value and remedy. */
  validate(): void {
    const { batchConfig } = this;
    // A smaller queue alone is no contradiction: the default batch then is never full.
    const batchSizeIsGiven = this.levelOf('batchConfig.maxExportBatchSize') !== 'default';
    if (batchSizeIsGiven && batchConfig.maxExportBatchSize > batchConfig.maxQueueSize) {
      throw invalid(
        'batchConfig.maxExportBatchSize',
        batchConfig.maxExportBatchSize,
        `must not be above batchConfig.maxQueueSize (${batchConfig.maxQueueSize})`,
      );
    }
    if (!this.tenantProjectTemplate.includes('{tenant_id}')) {
      throw invalid('tenantProjectTemplate', this.tenantProjectTemplate, 'must contain {tenant_id}');
    }
    for (const part of ['{tenant_id}', '{service}']) {
      if (!this.tenantServiceTemplate.includes(part)) {
        throw invalid('tenantServiceTemplate', this.tenantServiceTemplate, `must contain ${part}`);
      }
    }
    for (const field of ['defaultTenantId', 'unassignedTenant'] as const) {
      if (this[field] !== null && !isUsableName(this[field]))
        throw invalid(field, this[field], `allowed are ${ALLOWED}`);
    }
    if (/\s/.test(this.otlpEndpoint)) throw invalid('otlpEndpoint', this.otlpEndpoint, 'must not contain white space');
    const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(this.otlpEndpoint)?.[1]?.toLowerCase();
    if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') {
      throw invalid('otlpEndpoint', this.otlpEndpoint, 'takes host:port, http:// or https://');
    }
    if (scheme === undefined && !/^[^/]+:\d+(?:\/|$)/.test(this.otlpEndpoint)) {
      throw invalid('otlpEndpoint', this.otlpEndpoint, 'give host:port, or a URL with http:// or https://');
    }
    if (scheme === 'https' && !this.otlpUseTls && this.levelOf('otlpUseTls') !== 'default') {
      throw invalid(
        'otlpUseTls',
        false,
        `contradicts the endpoint ${this.otlpEndpoint}: set it to true, or leave it out`,
      );
    }
    if (scheme === 'http' && this.otlpUseTls) {
      throw invalid(
        'otlpUseTls',
        true,
        `contradicts the endpoint ${this.otlpEndpoint}: write https://, or leave the scheme out`,
      );
    }
  }

  /**
   * Full name of a tenant's project. `service` defaults to `serviceName`.
   *
   * Errors: `InvalidNameError` for a tenant id that cannot be used.
   * Source: the reference's `get_project_name`.
   */
  getProjectName(tenantId: string, service?: string): string {
    requireName('Tenant id', tenantId);
    return fill(this.tenantServiceTemplate, tenantId, service ?? this.serviceName);
  }

  /** Full name of the project of a tenant as a whole, from `tenantProjectTemplate`. Errors: `InvalidNameError`. */
  getTenantProjectName(tenantId: string): string {
    requireName('Tenant id', tenantId);
    return fill(this.tenantProjectTemplate, tenantId, this.serviceName);
  }

  /** Whether a component is instrumented at the configured level. Source: the reference's table of levels. */
  shouldInstrumentLevel(component: string): boolean {
    switch (this.level) {
      case 'disabled':
        return false;
      case 'basic':
        return component === 'search_service';
      case 'detailed':
        return component === 'search_service' || component === 'backend' || component === 'encoder';
      case 'verbose':
        return true;
    }
  }
}

/** Replaces the placeholders in one pass, so that a tenant's name is never taken for a placeholder. */
function fill(template: string, tenantId: string, service: string): string {
  return template.replace(/\{(tenant_id|service)\}/g, (_, name) => (name === 'tenant_id' ? tenantId : service));
}

function layerOf(options: TelemetryConfigOptions): Layer {
  const layer: Layer = definedFields(options);
  if (isRecord(options.batchConfig)) layer.batchConfig = BatchExportConfig.givenOptions(options.batchConfig);
  return layer;
}

function effectiveValues(layers: Layers): TelemetryValues {
  const merged: Fields = {};
  const batch: Fields = {};
  for (const level of [...CONFIGURATION_LEVELS].reverse()) {
    const layer = level === 'default' ? undefined : layers[level];
    Object.assign(merged, layer);
    if (isRecord(layer?.batchConfig)) Object.assign(batch, layer.batchConfig);
  }
  if (merged['batchConfig'] === undefined || isRecord(merged['batchConfig'])) merged['batchConfig'] = batch;
  for (const [field, value] of Object.entries(merged)) {
    // zod leaves such a key out, and nothing is ever left out in silence.
    if (isRecord(value) && Object.hasOwn(value, '__proto__'))
      throw invalid(field, value, 'must not have a key "__proto__"');
  }
  const values: RawTelemetryValues = parse(telemetryConfigSchema, merged, (field) => field);
  return { ...values, batchConfig: new BatchExportConfig(batch) };
}

/** Checks options that are no part of the configuration. Errors: `ConfigurationError` naming the call, field, value and remedy. */
export function requireOptions(input: unknown, schema: z.ZodObject, call: string): void {
  if (!isRecord(input)) throw new ConfigurationError(`${call} takes an object of options, not ${describe(input)}.`);
  parse(schema, definedFields(input), (field) => `${call}: ${field}`, call);
}

function parse<T extends z.ZodType>(
  schema: T,
  input: unknown,
  nameOf: (field: string) => string,
  call?: string,
): z.output<T> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  if (issue.code === 'unrecognized_keys') {
    const fields = issue.keys.map((key) => [...issue.path, key].join('.'));
    const unknown = call === undefined ? fields.map(nameOf).join(', ') : `${fields.join(', ')} of ${call}`;
    throw new ConfigurationError(`Unknown option ${unknown}. Correct its name, or remove it.`);
  }
  let value: unknown = input;
  for (const part of issue.path) value = isRecord(value) ? value[String(part)] : undefined;
  // Headers are credentials, also where they are written in the wrong form.
  if (issue.path[0] === 'otlpHeaders' && typeof value !== 'number') value = '(not shown)';
  throw invalid(nameOf(issue.path.join('.')), value, issue.message);
}

function invalid(field: string, value: unknown, remedy: string): ConfigurationError {
  return new ConfigurationError(`${field} = ${describe(value)}: ${remedy}.`);
}

export function describe(value: unknown): string {
  if (value === undefined || typeof value === 'number') return String(value);
  try {
    const text = JSON.stringify(value) ?? String(value);
    return text.length > 200 ? `${text.slice(0, 200)}...` : text;
  } catch {
    return `a value of type ${typeof value}`; // BigInt or a cycle has no JSON; its type says enough
  }
}

/** `undefined` is how TypeScript says "left out". */
function definedFields(options: object): Fields {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Sets a key that comes from outside: `__proto__` is a plain key. */
function define(target: Dict, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

export function snakeCase(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function camelCase(key: string): string {
  return key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function renameKeys(fields: object, rename: (key: string) => string): Dict {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [rename(key), value]));
}
