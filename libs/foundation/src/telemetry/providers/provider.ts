/** What a backend implements.   Read path: registry -> [provider] -> stores; and the two ends of the write path through `ExportTarget`. */
import type { ExportTarget } from '../export/export-target.js';
import type { AnalyticsStore } from './analytics-store.js';
import type { AnnotationStore } from './annotation-store.js';
import type { DatasetStore } from './dataset-store.js';
import type { ExperimentStore } from './experiment-store.js';
import type { SessionStore } from './session-store.js';
import type { TraceStore } from './trace-store.js';

/** What `initialize` gets: the tenant, its default project, and whatever `provider_config` holds for this provider. */
export interface ProviderConfig {
  readonly tenantId: string;
  /** Full name of the provider's own project. */
  readonly projectName: string;
  /** Where the pipeline exports to, for providers that derive their own address from it. */
  readonly otlpEndpoint?: string | undefined;
  readonly httpEndpoint?: string | undefined;
  /** Keys of `provider_config`, as configured (snake_case). */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface SpanExportOptions {
  readonly endpoint?: string | undefined;
  /** Full project name. */
  readonly projectName: string;
  readonly tenantId: string;
  readonly useBatchExport?: boolean | undefined;
}

export interface TelemetryProvider {
  readonly name: string;
  readonly traces: TraceStore;
  readonly annotations: AnnotationStore;
  readonly datasets: DatasetStore;
  readonly experiments: ExperimentStore;
  readonly analytics: AnalyticsStore;
  readonly sessions: SessionStore;
  /** Checks its keys and opens what it needs. Errors: `ConfigurationError` naming field, value and remedy. */
  initialize(config: ProviderConfig): void | Promise<void>;
  /** Undefined: this provider has no say in the write path, and plain OTLP export to the configured endpoint holds. */
  configureSpanExport(options: SpanExportOptions): ExportTarget | undefined;
  /** Runs `fn` with the session set for spans that start inside. */
  sessionContext<T>(sessionId: string, fn: () => T): T;
  shutdown(): Promise<void>;
}

/** What is registered, or named by a `package.json`: a class, or a function that gives a provider. */
export type ProviderFactory<P> = (() => P) | (new () => P);
export type TelemetryProviderFactory = ProviderFactory<TelemetryProvider>;
