/**
 * The provider `local`: the embedded store of this process, or a client of `cogniverse serve`.   Registry -> [provider] -> stores.
 */
import { resolve } from 'node:path';
import { openRemoteStore, parseEndpoint } from '@cogniverse/foundation/client';
import {
  type AnalyticsStore,
  type AnnotationStore,
  ConfigurationError,
  type DatasetStore,
  type ExperimentStore,
  type ExportTarget,
  otlpTarget,
  type ProviderConfig,
  type SessionStore,
  type SpanExportOptions,
  type TelemetryProvider,
  type TelemetryStore,
  type TraceStore,
  withSession,
} from '@cogniverse/foundation/telemetry';
import { z } from 'zod';
import { localExportTarget } from './local-export.js';
import { openLocalStore } from './local-store.js';
import { LocalAnalyticsStore } from './stores/analytics-store.js';
import { LocalAnnotationStore } from './stores/annotation-store.js';
import { LocalDatasetStore } from './stores/dataset-store.js';
import { LocalExperimentStore } from './stores/experiment-store.js';
import { LocalSessionStore } from './stores/session-store.js';
import { type StoreLease, StoreLeases } from './stores/store-leases.js';
import { TenantProjects } from './stores/tenant-projects.js';
import { LocalTraceStore } from './stores/trace-store.js';

/** Where `cogniverse serve` listens unless it is told otherwise. */
export const DEFAULT_ENDPOINT = 'http://127.0.0.1:6006';

/** `provider_config` of the provider `local`. One of `data_dir` and `endpoint`; with neither, `endpoint` has its default. */
export const localProviderSchema = z
  .strictObject({
    /** Directory of the embedded store, opened in this process. Relative paths count from the working directory. */
    data_dir: z.string().min(1, 'must not be empty').optional(),
    /** Base URL of a `cogniverse serve`. */
    endpoint: z.string().optional(),
    /** Key of this tenant on that server. */
    api_key: z.string().min(1, 'must not be empty').optional(),
    /** Send the key unencrypted to another host, where `endpoint` is `http://`. Without it that is refused. */
    plain_http: z.boolean().default(false),
  })
  .refine(({ data_dir, endpoint }) => data_dir === undefined || endpoint === undefined, {
    message:
      'is given beside "endpoint". A store is either in this process or behind a server: leave one of the two out',
    path: ['data_dir'],
  })
  .refine(({ data_dir, api_key }) => data_dir === undefined || api_key === undefined, {
    message: 'is given beside "data_dir". A store in this process takes no key: leave it out',
    path: ['api_key'],
  });
export type LocalProviderOptions = z.input<typeof localProviderSchema>;

const leases = new StoreLeases();

/** The store of all providers of this process that have the same directory, or the same server and key. */
function acquireStore(backend: Backend): StoreLease {
  return 'dataDir' in backend
    ? leases.acquire(`directory ${backend.dataDir}`, () => openLocalStore(backend))
    : leases.acquire(`server ${JSON.stringify([backend.endpoint, backend.apiKey, backend.plainHttp])}`, async () =>
        openRemoteStore(backend),
      );
}

type TenantStores = Pick<
  TelemetryProvider,
  'traces' | 'annotations' | 'datasets' | 'experiments' | 'analytics' | 'sessions'
>;

type Backend =
  | { readonly dataDir: string }
  | { readonly endpoint: string; readonly apiKey: string | undefined; readonly plainHttp: boolean };

/** The stores of one tenant. One instance serves one tenant and one default project. */
export class LocalProvider implements TelemetryProvider {
  readonly name = 'local';
  #backend: Backend | undefined;
  #stores: TenantStores | undefined;
  #lease: StoreLease | undefined;

  /**
   * Errors: `ConfigurationError` for a bad option, at once; `StoreOpenError` if the data directory cannot be opened. A server is not
   * asked before the first read.
   */
  async initialize(config: ProviderConfig): Promise<void> {
    if (this.#backend !== undefined) {
      throw new ConfigurationError('The provider "local" is initialized already. Make a new one for another tenant.');
    }
    this.#backend = backendOf(config);
    const lease = acquireStore(this.#backend);
    this.#lease = lease;
    const store = await lease.store;
    this.#stores = storesOfTenant(store, config);
  }

  get traces(): TraceStore {
    return this.#opened().traces;
  }
  get annotations(): AnnotationStore {
    return this.#opened().annotations;
  }
  get datasets(): DatasetStore {
    return this.#opened().datasets;
  }
  get experiments(): ExperimentStore {
    return this.#opened().experiments;
  }
  get analytics(): AnalyticsStore {
    return this.#opened().analytics;
  }
  get sessions(): SessionStore {
    return this.#opened().sessions;
  }

  /** Works from the call of `initialize` on, before its promise resolves: the sender waits for the store. */
  configureSpanExport(options: SpanExportOptions): ExportTarget {
    if (this.#backend === undefined) {
      throw new ConfigurationError(
        'The provider "local" is not initialized. Call initialize() before configureSpanExport().',
      );
    }
    const backend = this.#backend;
    const { projectName } = options;
    if ('dataDir' in backend) {
      return localExportTarget({ acquire: () => acquireStore(backend), dataDir: backend.dataDir, projectName });
    }
    const { endpoint, apiKey, plainHttp } = backend;
    return otlpTarget({
      endpoint: `${endpoint}/v1/traces`,
      protocol: 'http/protobuf',
      ...(plainHttp && endpoint.startsWith('http:') && { useTls: false }),
      headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
      resourceAttributes: new Map([['openinference.project.name', projectName]]),
    });
  }

  sessionContext<T>(sessionId: string, fn: () => T): T {
    return withSession(sessionId, fn);
  }

  /** Lets go of the store. The store in this process is closed when the last provider and the last exporter have let go of it. */
  async shutdown(): Promise<void> {
    await this.#lease?.release();
  }

  #opened(): TenantStores {
    if (this.#stores === undefined) {
      throw new ConfigurationError('The provider "local" is not initialized. Await initialize() first.');
    }
    return this.#stores;
  }
}

function storesOfTenant(store: TelemetryStore, { tenantId, projectName }: ProviderConfig): TenantStores {
  const projects = new TenantProjects(store, tenantId, projectName);
  return {
    traces: new LocalTraceStore(projects),
    annotations: new LocalAnnotationStore(projects),
    datasets: new LocalDatasetStore(store, tenantId),
    experiments: new LocalExperimentStore(store, tenantId),
    analytics: new LocalAnalyticsStore(projects),
    sessions: new LocalSessionStore(projects),
  };
}

/** Errors: `ConfigurationError` naming field, value and remedy. */
function backendOf(config: ProviderConfig): Backend {
  const parsed = localProviderSchema.safeParse(config.options);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => {
      const field = ['provider_config', ...issue.path].join('.');
      const value =
        issue.path.length === 1 && issue.path[0] !== 'api_key' ? config.options[String(issue.path[0])] : undefined;
      return `${field}${value === undefined ? '' : ` (${JSON.stringify(value)})`}: ${issue.message}`;
    });
    throw new ConfigurationError(
      `The provider "local" cannot be used. ${faults.join('. ')}. It takes "data_dir" for a store in this process, ` +
        `or "endpoint" and "api_key" for a "cogniverse serve"; with neither it asks ${DEFAULT_ENDPOINT}.`,
      { cause: parsed.error },
    );
  }
  const { data_dir, endpoint, api_key, plain_http } = parsed.data;
  if (data_dir !== undefined) return { dataDir: resolve(data_dir) };
  return {
    endpoint: parseEndpoint(endpoint ?? config.httpEndpoint ?? DEFAULT_ENDPOINT),
    apiKey: api_key,
    plainHttp: plain_http,
  };
}
