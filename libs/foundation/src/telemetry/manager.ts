/**
 * The one telemetry object of a process, for all its tenants.   Control path: configuration -> [manager]; write path: span() -> router.
 *
 * A recording call throws in one case only: there is no tenant at all (`MissingTenantError`). Whatever else goes wrong is counted in
 * the ledger and logged once; the caller's function runs in any case.
 */
import {
  type Span as ApiSpan,
  type Attributes,
  context as contextApi,
  createContextKey,
  type Link,
  type Meter,
  propagation,
  ROOT_CONTEXT,
  type SpanContext,
  type SpanKind,
  type TimeInput,
  trace as traceApi,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { z } from 'zod';
import { isUnfinished, watch } from './completion.js';
import { type Dict, describe, requireOptions, TelemetryConfig, type TelemetryConfigOptions } from './config.js';
import type { TelemetryConfigSource } from './config-source.js';
import { isUsableSessionId, MAX_SESSION_ID_LENGTH, NO_SESSION, TelemetryContext } from './context-keys.js';
import type { Environment } from './environment.js';
import { ConfigurationError, MissingTenantError } from './errors.js';
import {
  type ExitParticipant,
  flushBeforeExit,
  installExitHandlers as installHandlers,
  stopFlushBeforeExit,
} from './exit-handlers.js';
import { type Clock, systemClock } from './export/clock.js';
import { DropLog } from './export/drop-log.js';
import { Ledger, type LedgerSnapshot } from './export/ledger.js';
import { type LedgerMetricsOptions, prometheusText, recordPipelineMetrics } from './export/ledger-metrics.js';
import { ExportPipeline, type PipelineStats } from './export/pipeline.js';
import { consoleLogger, FencedLogger, type PipelineLogger } from './export/pipeline-logger.js';
import type { RetryPolicy } from './export/retry-policy.js';
import { Spool } from './export/spool.js';
import type { TenantProject } from './export/tenant-project.js';
import type { ScopeBytes } from './export/tenant-queue.js';
import { type SpanObserver, TenantRouter, type TrustRemoteContext } from './export/tenant-router.js';
import { deleteHeaders, type HeaderCarrier } from './http/header-carrier.js';
import { InboundRequest, type InboundRequestOptions } from './http/inbound-request.js';
import { type RemoteTrust, TenantPropagator } from './http/tenant-propagator.js';
import { LiveConfiguration, type Reconfiguration } from './live-configuration.js';
import { type ExportTargetOfProject, ProjectDestinations, type ProjectRegistration } from './project-destinations.js';
import { ProviderInstances } from './provider-instances.js';
import type { TelemetryProvider } from './providers/provider.js';
import { type ProviderRegistry, registry as processRegistry } from './registry.js';
import { Scores } from './scores.js';
import { NOOP_SPAN, Span, type TelemetrySpan } from './span.js';
import { SpanCompletion } from './span-completion.js';
import { type IdGenerator, RandomIdGenerator, SpanClock } from './span-identity.js';
import { TenantTelemetry } from './tenant-telemetry.js';
import { scopeOf, Tracer, TracerProvider } from './tracer.js';
import { VERSION } from './version.js';

const SCOPE_NAME = '@cogniverse/foundation';
const DEFAULT_TIMEOUT_MILLIS = 10_000;
/** Providers kept for reading: far more than are read at one time, so that one is closed in use only if it is held while as many others are asked for. */
const PROVIDERS_PER_CACHED_TENANT = 100;

/** Options of `span()` and `startSpan()`. Attributes that are undefined or null are skipped. */
export interface SpanOptions {
  /** Default: the ambient tenant, else the parent's. */
  readonly tenantId?: string | undefined;
  /** Suffix (`search`) or full name. Default: with `tenantId` the tenant's own service, otherwise the ambient project. */
  readonly projectName?: string | undefined;
  readonly attributes?: Readonly<Record<string, unknown>> | undefined;
  /** Held against the configured level: `search_service`, `backend`, `encoder`, ... */
  readonly component?: string | undefined;
  readonly kind?: SpanKind | undefined;
  readonly links?: Link[] | undefined;
  readonly startTime?: TimeInput | undefined;
  /** Default: the active span. One of another tenant is ignored. */
  readonly parent?: ApiSpan | SpanContext | undefined;
  /** Begins a new trace. */
  readonly root?: boolean | undefined;
}

export interface SessionOptions {
  readonly tenantId?: string | undefined;
  /** Recorded as `session.id` on every span started inside. 1 to 1,024 characters; anything else means no session, is counted and logged. */
  readonly sessionId: string;
  readonly projectName?: string | undefined;
}

/** What a manager takes beside its configuration: things that are code. */
export interface TelemetryManagerOptions {
  /** Registers `tracerProvider`, and W3C propagation where there is none, with OpenTelemetry's API for the whole process. */
  readonly asGlobal?: boolean | undefined;
  /** Which incoming `traceparent` (and link) is believed. Default: none, or what `trustRemoteContext` of the configuration says. */
  readonly trustRemoteContext?: TrustRemoteContext | undefined;
  /** Default: `process.env`, read now and never again. */
  readonly environment?: Environment | undefined;
  readonly logger?: PipelineLogger | undefined;
  readonly registry?: ProviderRegistry | undefined;
  readonly idGenerator?: IdGenerator | undefined;
  readonly clock?: Clock | undefined;
  readonly retryPolicy?: RetryPolicy | undefined;
  /** 0 (included) to 1, for the jitter of retries. */
  readonly random?: (() => number) | undefined;
  /** Replaces the write end of every project: spans stay in memory, for tests, or go where no provider takes them. */
  readonly exportTarget?: ExportTargetOfProject | undefined;
}

export interface TelemetryStats {
  /** Spans that started in a live project of their tenant, and those that were the first in theirs: together all that have a tenant. */
  readonly cacheHits: number;
  readonly cacheMisses: number;
  readonly failedInitializations: number;
  readonly cachedTenants: number;
  readonly cachedTracers: number;
  /** Calls whose session id could not be used. */
  readonly ignoredSessionIds: number;
  readonly config: { readonly enabled: boolean; readonly level: string; readonly environment: string };
  /** The fates of all spans, per tenant and in total; and sizes at this moment. */
  readonly export: LedgerSnapshot & { readonly pipeline: PipelineStats };
}

/** What our own test helpers add. */
export interface ObservedManagerOptions extends TelemetryManagerOptions {
  readonly observer?: SpanObserver | undefined;
}

/** Everything a manager does; `TelemetryManager` is the one of the process. Errors of the constructor: `ConfigurationError`. */
export class Telemetry implements ExitParticipant {
  /** OpenTelemetry's, for instrumentation libraries: spans follow the tenant of their context. */
  readonly tracerProvider: TracerProvider;
  /** OpenTelemetry's, for instrumentation libraries: trace context and baggage within the borders of tenants. */
  readonly propagator: TenantPropagator;
  readonly #logger: FencedLogger;
  readonly #ledger: Ledger;
  readonly #configuration: LiveConfiguration;
  readonly #dropLog: DropLog;
  readonly #clock: Clock;
  readonly #pipeline: ExportPipeline;
  readonly #router: TenantRouter;
  readonly #providers: ProviderInstances;
  readonly #destinations: ProjectDestinations;
  readonly #registry: ProviderRegistry;
  readonly #scores: Scores;
  readonly #scope: ScopeBytes;
  readonly #tracers = new WeakMap<TenantProject, Tracer>();
  /** Spans are recorded at all. */
  #recording: boolean;
  /** Ends what `followConfiguration()` began. */
  #unfollow: (() => void) | undefined;
  #isGlobal = false;
  #ignoredSessionIds = 0;
  #isPropagator = false;
  #shutdown: Promise<void> | undefined;
  /** Options and values that were named as those of the next start. */
  #wantedAtRestart = '';

  constructor(config: TelemetryConfig | TelemetryConfigOptions, options: ObservedManagerOptions = {}) {
    requireOptions(options, MANAGER_OPTIONS_SCHEMA, 'TelemetryManager');
    const environment = options.environment ?? process.env;
    this.#clock = options.clock ?? systemClock;
    this.#logger = new FencedLogger(options.logger ?? consoleLogger);
    const configuration = new LiveConfiguration(asConfig(config), environment, (message) => this.#logger.warn(message));
    this.#configuration = configuration;
    const { batchConfig } = this.config;
    this.#dropLog = new DropLog({
      logger: options.logger ?? consoleLogger,
      maxRatePerMinute: dropLinesPerMinute(batchConfig),
      clock: this.#clock,
    });
    this.#ledger = new Ledger({ dropLog: this.#dropLog });
    this.#pipeline = new ExportPipeline({
      ledger: this.#ledger,
      maxExportBatchSize: batchConfig.maxExportBatchSize,
      scheduleDelayMillis: batchConfig.scheduleDelayMillis,
      exportTimeoutMillis: batchConfig.exportTimeoutMillis,
      maxQueueBytes: batchConfig.maxQueueBytes,
      maxRequestsInFlight: batchConfig.maxRequestsInFlight,
      retryPolicy: options.retryPolicy,
      clock: this.#clock,
      logger: options.logger ?? consoleLogger,
      random: options.random,
    });
    this.#registry = options.registry ?? processRegistry;
    this.#providers = new ProviderInstances({
      registry: this.#registry,
      maxInstances: this.config.maxCachedTenants * PROVIDERS_PER_CACHED_TENANT,
      warn: (message) => this.#logger.warn(message),
    });
    const destinations = new ProjectDestinations({
      configuration,
      pipeline: this.#pipeline,
      providers: this.#providers,
      logger: this.#logger,
      clock: options.clock,
      exportTarget: options.exportTarget,
    });
    this.#destinations = destinations;
    if (this.config.spool !== null) this.#openSpool(this.config.spool);
    this.#router = new TenantRouter({
      configuration,
      ledger: this.#ledger,
      clock: this.#clock,
      spanClock: new SpanClock(this.#clock),
      ids: options.idGenerator ?? new RandomIdGenerator(),
      logger: this.#logger,
      trustRemoteContext: options.trustRemoteContext ?? (() => this.config.trustRemoteContext),
      destinations,
      observer: options.observer,
    });
    this.#recording = configuration.recordsAnything;
    this.#scores = new Scores({
      getProvider: (tenantId, projectName) => this.getProvider(tenantId, projectName),
      flush: (tenantId, timeoutMillis) => this.#flushSpans(timeoutMillis, tenantId),
      logger: this.#logger,
      leavesSpansOut: (tenantId) => {
        const { recording, config } = configuration.of(tenantId);
        return !recording || config.level !== 'verbose';
      },
    });
    this.tracerProvider = new TracerProvider(this.#router);
    this.propagator = new TenantPropagator(this.#router);
    this.#scope = scopeOf(SCOPE_NAME, VERSION);
    // Checked here, so that an endpoint that cannot work is found at start and not by the first span.
    if (this.#recording) configuration.checking(() => destinations.checkEndpoint(this.config));
    if (this.config.unknownKeys.length > 0) {
      this.#logger.warn(
        `Unknown keys of the stored configuration are kept and have no effect: ${this.config.unknownKeys.join(', ')}.`,
      );
    }
    installContextManager();
    if (options.asGlobal === true) this.#makeGlobal();
    if (this.config.flushOnExit && this.#recording) flushBeforeExit(this);
  }

  // Configuration.

  /** What is in force for all tenants. */
  get config(): TelemetryConfig {
    return this.#configuration.config;
  }

  /**
   * Puts another configuration in force, as a whole or not at all. Options set by code in `config` go before all others, as ever; its stored
   * part, if it has one, takes the place of the stored part so far, below what code and environment set. Options that hold from start to
   * end keep their value, and one log line names them.
   *
   * Errors: `ConfigurationError`; nothing has changed then.
   */
  reconfigure(config: TelemetryConfig | TelemetryConfigOptions): Reconfiguration {
    return this.#reconfigure(asConfig(config), undefined);
  }

  #reconfigure(config: TelemetryConfig, overrides: ReadonlyMap<string, Dict> | undefined): Reconfiguration {
    const before = this.config;
    const proposal = this.#configuration.propose(config);
    this.#configuration.checking(() => this.#destinations.checkEndpoint(proposal.config));
    this.#configuration.accept(proposal);
    if (overrides !== undefined) this.#configuration.setOverrides(overrides);
    const { batchConfig, flushOnExit } = this.config;
    this.#dropLog.maxRatePerMinute = dropLinesPerMinute(batchConfig);
    this.#pipeline.configure(batchConfig);
    this.#router.configurationChanged();
    this.#recording = this.#configuration.recordsAnything;
    if (this.#shutdown === undefined) {
      if (flushOnExit && this.#recording) flushBeforeExit(this);
      else if (!flushOnExit && before.flushOnExit) stopFlushBeforeExit(this);
    }
    const { changed, needsRestart } = proposal;
    if (needsRestart.length > 0) {
      const wanted = JSON.stringify(needsRestart.map((path) => [path, this.#configuration.wanted(path)]));
      const isKnown = wanted === this.#wantedAtRestart;
      this.#wantedAtRestart = wanted;
      if (!isKnown) {
        this.#logger.warn(
          `The configuration has changed; these options take their new value when the process starts next: ${needsRestart.join(', ')}.`,
        );
      }
    }
    return { changed, needsRestart };
  }

  /**
   * Takes what is stored, for all tenants (or, with `tenantId`, for this one) and for each, now and after each change, until the function
   * that it gives is called, or the shutdown. What cannot be read or used later on changes nothing, and is said in a log line.
   *
   * Errors: `ConfigurationError`, of what is stored now.
   */
  followConfiguration(source: TelemetryConfigSource, tenantId?: string): () => void {
    if (typeof source?.subscribe !== 'function') {
      throw new ConfigurationError('followConfiguration() takes a ConfigManager of @cogniverse/foundation/config.');
    }
    this.#unfollow?.();
    const apply = (): void => {
      this.#reconfigure(source.getTelemetryConfig(tenantId), source.telemetryOverrides());
    };
    const end = source.subscribe((event) => {
      let problem: unknown;
      if (event.type === 'changed') {
        try {
          apply();
        } catch (error) {
          problem = error;
        }
      } else problem = event.error;
      if (problem !== undefined) {
        const why = problem instanceof Error ? problem.message : String(problem);
        this.#logger.warn(`The configuration stays as it is: ${why}`);
      }
    });
    try {
      apply();
    } catch (error) {
      end();
      throw error;
    }
    this.#unfollow = end;
    return end;
  }

  // Recording.

  /**
   * Runs `fn` in a new span, which is the active one inside. Ends the span when `fn` returns; if it returns a promise, when that is settled;
   * if it returns a generator, sync or async, when its iteration ends. What `fn` throws is recorded (status ERROR) and thrown on, unchanged.
   * Gives `fn`'s result.
   *
   * Errors: `MissingTenantError` if there is no tenant at all; `TypeError` if there is no function.
   */
  span<T>(name: string, fn: (span: TelemetrySpan) => T): T;
  span<T>(name: string, options: SpanOptions, fn: (span: TelemetrySpan) => T): T;
  span<T>(
    name: string,
    optionsOrFn: SpanOptions | ((span: TelemetrySpan) => T),
    callback?: (span: TelemetrySpan) => T,
  ): T {
    const fn = typeof optionsOrFn === 'function' ? optionsOrFn : callback!;
    requireFunction(fn, 'span()');
    const options = typeof optionsOrFn === 'function' ? NO_OPTIONS : optionsOf(optionsOrFn);
    const entered = this.#tryEnter(options);
    return entered === undefined ? fn(NOOP_SPAN) : this.#runSpan(name, options, entered, fn);
  }

  /** A span with a session: `session.id` is on it and on every span started inside. Otherwise as `span()`. */
  sessionSpan<T>(name: string, options: SpanOptions & SessionOptions, fn: (span: TelemetrySpan) => T): T {
    requireFunction(fn, 'sessionSpan()');
    const given = optionsOf(options);
    const entered = this.#tryEnter(given, true);
    return entered === undefined ? fn(NOOP_SPAN) : this.#runSpan(name, given, entered, fn);
  }

  /** Runs `fn` with a session: `session.id` is on every span started inside. No span of its own. */
  session<T>(options: SessionOptions, fn: () => T): T {
    requireFunction(fn, 'session()');
    const entered = this.#tryEnter(optionsOf(options), true);
    return entered === undefined ? fn() : contextApi.with(entered, fn);
  }

  /**
   * Runs `fn` with an ambient tenant: calls inside need none. An inbound request's span, which started before its tenant was known, gets it.
   */
  withTenant<T>(tenantId: string, fn: () => T): T;
  withTenant<T>(tenantId: string, options: { readonly projectName?: string | undefined }, fn: () => T): T;
  withTenant<T>(
    tenantId: string,
    optionsOrFn: { readonly projectName?: string | undefined } | (() => T),
    callback?: () => T,
  ): T {
    const fn = typeof optionsOrFn === 'function' ? optionsOrFn : callback!;
    requireFunction(fn, 'withTenant()');
    if (!this.#recording) return fn();
    if (tenantId === undefined || tenantId === null) {
      throw new MissingTenantError('withTenant() needs a tenant id.');
    }
    const projectName = typeof optionsOrFn === 'function' ? undefined : projectNameOf(optionsOrFn);
    const project = this.#router.project(tenantId, projectName ?? undefined);
    return contextApi.with(this.#router.enter(TelemetryContext.of(contextApi.active()), project), fn);
  }

  /** Starts a span that is never the active one by itself. Ends with `end()`, or with its `using` block. */
  startSpan(name: string, options: SpanOptions = NO_OPTIONS): TelemetrySpan {
    const given = optionsOf(options);
    const entered = this.#tryEnter(given);
    return entered === undefined ? NOOP_SPAN : this.#start(name, given, entered);
  }

  /** Runs `fn` with `span` as the active one, in the span's tenant. Does not end it. */
  withSpan<T>(span: ApiSpan, fn: () => T): T {
    requireFunction(fn, 'withSpan()');
    const active = TelemetryContext.of(contextApi.active());
    let entered = active;
    try {
      if (isSpan(span)) entered = this.#router.contextOf(active, span as TelemetrySpan);
    } catch (error) {
      this.#router.refuseCall(error);
    }
    return contextApi.with(entered, fn);
  }

  // What comes and goes with a request.

  /**
   * Runs `fn` as the continuation of the trace that the headers tell of, with their baggage, as far as they are trusted. Tenant and session
   * are never taken from headers; those of the context stay. No tenant of its own: call it inside `withTenant()`, or give `tenantId` inside.
   */
  extract<T>(headers: HeaderCarrier, fn: () => T): T;
  extract<T>(headers: HeaderCarrier, options: { readonly trust?: RemoteTrust | undefined }, fn: () => T): T;
  extract<T>(
    headers: HeaderCarrier,
    optionsOrFn: { readonly trust?: RemoteTrust | undefined } | (() => T),
    callback?: () => T,
  ): T {
    const fn = typeof optionsOrFn === 'function' ? optionsOrFn : callback!;
    requireFunction(fn, 'extract()');
    const trust = typeof optionsOrFn === 'function' ? undefined : optionsOrFn?.trust;
    return contextApi.with(this.propagator.extract(contextApi.active(), headers, undefined, trust), fn);
  }

  /**
   * Writes `traceparent`, `tracestate` and `baggage` of the active span into headers of an outgoing call, and gives them back. What they held of
   * these three is taken out first. Nothing is written of a span or baggage that is not the active tenant's.
   */
  inject<T extends HeaderCarrier = Record<string, string>>(headers: T = {} as T): T {
    deleteHeaders(headers, this.propagator.fields());
    this.propagator.inject(contextApi.active(), headers);
    return headers;
  }

  /** A request that comes in, for a framework that has no middleware here; see docs/http.md. Never throws. */
  startRequest(options: InboundRequestOptions): InboundRequest {
    const parts = {
      router: this.#router,
      propagator: this.propagator,
      scope: this.#scope,
      logger: this.#logger,
      sessionIdOf: (given: unknown) => this.#sessionId(given),
    };
    return new InboundRequest(parts, options);
  }

  /** The context that a call names, or undefined where nothing is recorded. Errors: `MissingTenantError`. */
  #tryEnter(options: Partial<SpanOptions & SessionOptions>, inSession = false): TelemetryContext | undefined {
    if (!this.#recording) return undefined;
    const active = TelemetryContext.of(contextApi.active());
    try {
      const entered = this.#entered(options, active);
      return inSession ? entered.with(entered.span, entered.project, this.#sessionId(options.sessionId)) : entered;
    } catch (error) {
      if (error instanceof MissingTenantError) throw error;
      return this.#router.refusedContext(active, error); // whose call it is nobody knows: not the one around it
    }
  }

  /** A span that does nothing where the level leaves the component out. */
  #start(name: string, options: SpanOptions, entered: TelemetryContext): TelemetrySpan {
    try {
      const { component } = options;
      if (component !== undefined && !this.#configOf(entered).shouldInstrumentLevel(component)) return NOOP_SPAN;
    } catch (error) {
      return this.#router.refuseCall(error);
    }
    return this.#router.start(this.#scope, name, options as { attributes?: Attributes }, entered);
  }

  #configOf(entered: TelemetryContext): TelemetryConfig {
    const tenantId = this.#configuration.hasOverrides ? this.#router.ambientProject(entered)?.tenantId : undefined;
    return tenantId === undefined ? this.config : this.#configuration.of(tenantId).config;
  }

  /** One that cannot be used is counted and logged, and means no session: never the one around it, which may be another user's. */
  #sessionId(given: unknown): string {
    if (isUsableSessionId(given)) return given;
    this.#ignoredSessionIds += 1;
    const kind =
      typeof given === 'string' ? (given === '' ? 'an empty text' : 'a longer text') : `of type ${typeof given}`;
    this.#logger.warnOnce(
      `session ${kind}`,
      `A session id is ${kind}: it must be a text of 1 to ${MAX_SESSION_ID_LENGTH} characters. Its spans are recorded without a session.`,
    );
    return NO_SESSION;
  }

  #entered(options: SpanOptions, active: TelemetryContext): TelemetryContext {
    const { tenantId, parent } = options;
    const projectName = options.projectName ?? undefined;
    let from = active;
    if (options.root === true) from = this.#router.withoutParent(active);
    else if (typeof parent === 'object' && parent !== null) from = withParent(active, parent);
    if (tenantId !== undefined && tenantId !== null) {
      return this.#router.enter(from, this.#router.project(tenantId, projectName));
    }
    const ambient = this.#router.ambientProject(from);
    if (ambient !== undefined) {
      if (projectName === undefined || ambient.refused !== undefined) return from;
      return this.#router.enter(from, this.#router.project(ambient.tenantId, projectName));
    }
    // Inside a request whose tenant is not known yet: the span gets it with the request's own.
    if (from.span instanceof Span) return from;
    if (this.config.fallbackToDefaultTenant) {
      return this.#router.enter(from, this.#router.project(this.config.defaultTenantId, projectName));
    }
    throw new MissingTenantError(
      'There is no tenant: give tenantId, or call inside withTenant(). Code that lost its context (a pool, an emitter) has no ambient tenant.',
    );
  }

  #runSpan<T>(name: string, options: SpanOptions, entered: TelemetryContext, fn: (span: TelemetrySpan) => T): T {
    const span = this.#start(name, options, entered);
    // Also where the span is left out: what runs inside is the named tenant's and session's, not that of the code around.
    const context = span instanceof Span ? this.#router.contextOf(entered, span) : entered;
    let result: T;
    try {
      result = contextApi.with(context, fn, undefined, span);
    } catch (error) {
      if (span instanceof Span) span.fail(error);
      span.end();
      throw error;
    }
    if (isUnfinished(result)) return watch(result, new SpanCompletion(span, context));
    span.end();
    return result;
  }

  // Tracers, projects, providers.

  /**
   * An OpenTelemetry `Tracer` bound to a tenant, or undefined if telemetry is off or the names cannot be used. Without a project name its
   * spans go to the tenant's project as a whole (`tenant_project_template`). Legacy in the reference: prefer `span()`.
   */
  getTracer(tenantId: string, projectName?: string): Tracer | undefined {
    if (!this.#recording) return undefined;
    const project =
      projectName === undefined
        ? this.#router.tenantWideProject(tenantId)
        : this.#router.project(tenantId, projectName);
    if (project.refused !== undefined) return undefined;
    let tracer = this.#tracers.get(project);
    if (tracer === undefined) {
      tracer = new Tracer(this.#router, this.#scope, project);
      this.#tracers.set(project, tracer);
    }
    return tracer;
  }

  /**
   * Settings of one project, in place of the configuration's; at once also where the project is live.
   *
   * Errors: `InvalidNameError`, `ProjectCollisionError`, `ConfigurationError` for an endpoint that cannot work or too many projects.
   */
  registerProject(registration: ProjectRegistration): void {
    requireOptions(registration, REGISTRATION_SCHEMA, 'registerProject()');
    const { tenantId } = registration;
    if ((registration.projectName ?? undefined) === undefined) {
      throw new ConfigurationError(
        'registerProject() needs projectName: the suffix ("search") or the full name of a project of the tenant.',
      );
    }
    const fullName = this.#router.requireProjectName(tenantId, registration.projectName);
    this.#destinations.register(fullName, registration);
    this.#providers.forget(tenantId, fullName);
    const live = this.#router.liveProject(tenantId, fullName);
    if (live === undefined) return;
    live.useSyncExport = this.#destinations.useSyncExport(tenantId, fullName);
    this.#destinations.open(live);
  }

  /**
   * The provider of a tenant's project, for reading back. Ask for it where you read: the same one is given each time. Of those asked for,
   * `maxCachedTenants * 100` are kept, and one that spans go through always; the others are closed. One that is held for longer than that may then
   * reject with `BackendUnavailableError`, and a new one is to be asked for. (The provider `local` goes on while another one has the same store.)
   *
   * Errors: `InvalidNameError`, `ProjectCollisionError`, `ProviderNotFoundError`, `ProviderLoadError`, the provider's own, or
   * `BackendUnavailableError` after `shutdown()`.
   */
  async getProvider(tenantId: string, projectName?: string): Promise<TelemetryProvider> {
    const fullName = this.#router.requireProjectName(tenantId, projectName);
    const name = this.#registry.resolveName(this.config.provider);
    return this.#providers.get(name, this.#destinations.providerConfig(tenantId, fullName), false);
  }

  /** A handle bound to one tenant. Errors: `InvalidNameError`, `ProjectCollisionError`, `ConfigurationError` for an option that does not exist. */
  tenant(tenantId: string, options: { readonly projectName?: string | undefined } = NO_OPTIONS): TenantTelemetry {
    if (options !== NO_OPTIONS) requireOptions(options, HANDLE_SCHEMA, 'tenant()');
    this.#router.requireProjectName(tenantId, options.projectName);
    return new TenantTelemetry(this, tenantId, options.projectName, {
      scores: this.#scores,
      flush: (ofTenant, timeoutMillis) => this.#flush(timeoutMillis, ofTenant),
    });
  }

  // Flush, end, figures.

  /** Sends what waits. True only if every span that ended before the call reached its backend; false after `timeoutMillis` at the latest. */
  forceFlush(timeoutMillis?: number): Promise<boolean> {
    return this.#flush(timeoutMillis);
  }

  /** The spans of one tenant or of all, and the scores that are under way. */
  async #flush(timeoutMillis = DEFAULT_TIMEOUT_MILLIS, tenantId?: string): Promise<boolean> {
    const left = this.#countdown(timeoutMillis);
    const exported = await this.#flushSpans(timeoutMillis, tenantId);
    return (await this.#within(left(), this.#scores.written(tenantId))) && exported;
  }

  /** Of all tenants, spans that have none yet count as well. */
  async #flushSpans(timeoutMillis: number, tenantId?: string): Promise<boolean> {
    const left = this.#countdown(timeoutMillis);
    const unassigned = tenantId === undefined ? this.#router.heldSpans : 0;
    // Spans in projects without a destination yet are offered to the pipeline when they have one.
    const waiting = [...this.#router.projectsWithEarlySpans()].filter((project) => project.isOf(tenantId));
    const queued = this.#pipeline.forceFlush(timeoutMillis, tenantId);
    const opened = await this.#opened(timeoutMillis, tenantId);
    const late = waiting.length === 0 || (await this.#pipeline.forceFlush(left(), tenantId));
    const undelivered = waiting.some((project) => project.earlySpans > 0);
    return (await queued) && opened && late && !undelivered && unassigned === 0;
  }

  /** How much is left of a time that begins now. */
  #countdown(millis: number): () => number {
    const end = this.#clock.monotonicMillis() + millis;
    return () => Math.max(0, end - this.#clock.monotonicMillis());
  }

  /** Flushes, then stops, once. Spans that end later are counted `already_shutdown`. Returns in time also when a backend is gone. */
  shutdown(timeoutMillis: number = DEFAULT_TIMEOUT_MILLIS): Promise<void> {
    this.#shutdown ??= this.#stop(timeoutMillis);
    return this.#shutdown;
  }

  async #stop(timeoutMillis: number): Promise<void> {
    // Providers are closed last, because spans and scores go through them; a tenth of the time is theirs.
    const forSpans = this.#providers.size === 0 ? timeoutMillis : timeoutMillis * 0.9;
    const left = this.#countdown(timeoutMillis);
    const leftForSpans = this.#countdown(forSpans);
    this.#router.settleHeld();
    this.#router.stop();
    stopFlushBeforeExit(this);
    this.#unfollow?.();
    if (this.#isGlobal) traceApi.disable();
    if (this.#isPropagator) propagation.disable();
    // What is ready does not wait for destinations that are not, and has time left when they take all of theirs.
    void this.#pipeline.forceFlush(forSpans);
    await this.#opened(forSpans / 2);
    for (const project of this.#router.projectsWithEarlySpans()) project.dropEarly();
    await this.#pipeline.shutdown(leftForSpans());
    await this.#within(leftForSpans(), this.#scores.written());
    const closing = this.#providers.shutdown().then((results) => {
      for (const result of results) {
        if (result.status === 'rejected')
          this.#logger.warn(`A telemetry provider did not close: ${String(result.reason)}`);
      }
      return true;
    });
    if (!(await this.#within(left(), closing))) this.#logger.warn('A telemetry provider did not close in time.');
    this.#dropLog.close();
  }

  /** Waits until the destinations of one tenant's projects, or of all, are known. */
  #opened(timeoutMillis: number, tenantId?: string): Promise<boolean> {
    const opening = this.#destinations.openingOf(tenantId);
    const opened = Promise.all(opening).then(() => true);
    return opening.length === 0 ? opened : this.#within(timeoutMillis, opened);
  }

  /** What `promise` resolves to, or false after `millis`. */
  async #within(millis: number, promise: Promise<boolean>): Promise<boolean> {
    let cancel!: () => void;
    const timeout = new Promise<boolean>((resolve) => {
      const timer = this.#clock.schedule(millis, () => resolve(false), true);
      cancel = () => timer.cancel();
    });
    try {
      return await Promise.race([promise, timeout]);
    } finally {
      cancel();
    }
  }

  /** The fates of all spans as counters, sizes, and the reference's figures. */
  getStats(): TelemetryStats {
    return {
      ...this.#router.figures,
      failedInitializations: this.#destinations.failedInitializations,
      ignoredSessionIds: this.#ignoredSessionIds,
      config: { enabled: this.config.enabled, level: this.config.level, environment: this.config.environment },
      export: { ...this.#ledger.snapshot(), pipeline: this.#pipeline.stats() },
    };
  }

  /** The first equation between the fates of spans that does not hold, in words, or null. */
  audit(): string | null {
    const found = this.#pipeline.audit();
    if (found !== null) return found;
    const { held } = this.#ledger.total();
    const waiting = this.#router.waitingSpans;
    return held === waiting ? null : `${waiting} spans are held, the ledger says ${held}`;
  }

  /** See `ExitParticipant`. */
  hasPendingSpans(): boolean {
    const { queued, inFlight, held } = this.#ledger.total();
    return queued + inFlight + held > 0;
  }

  /** See `ExitParticipant`. */
  async flushAtExit(timeoutMillis: number): Promise<void> {
    this.#router.settleHeld();
    if (await this.forceFlush(timeoutMillis)) return;
    const { queued, inFlight, held } = this.#ledger.total();
    const left = queued + inFlight + held;
    if (left === 0) return; // given up for a reason that was counted and logged
    this.#logger.warnOnce(
      'exit',
      `The process ends with ${left} ${left === 1 ? 'span' : 'spans'} undelivered: their backend did not take them within ${Math.round(timeoutMillis / 1000)} s. ` +
        'Check that it is up and that otlpEndpoint is right.',
    );
  }

  /**
   * Shuts down on SIGTERM, SIGINT and an uncaught exception, 5 s at most; the process then ends as it would have. Gives a function that
   * removes the handlers.
   */
  installExitHandlers(): () => void {
    return installHandlers(this);
  }

  /** Records the fates of spans with a meter, under OpenTelemetry's names (`otel.sdk.span.*`). Gives a function that ends it. */
  recordMetrics(meter: Meter, options?: LedgerMetricsOptions): () => void {
    return recordPipelineMetrics(meter, this.#pipeline, options);
  }

  /** The fates of spans in Prometheus' text format, for a page that the application serves. */
  prometheusText(): string {
    return prometheusText(this.#ledger);
  }

  #openSpool(spool: NonNullable<TelemetryConfig['spool']>): void {
    const opening = Spool.open(spool, this.#clock, this.#logger)
      .then((opened) => this.#pipeline.attachSpool(opened))
      .catch((error: unknown) => {
        this.#logger.warn(
          `The spool in ${spool.directory} cannot be used (${String(error)}); spans wait in memory only.`,
        );
      });
    this.#destinations.waitFor(opening, undefined);
  }

  #makeGlobal(): void {
    if (!traceApi.setGlobalTracerProvider(this.tracerProvider)) {
      this.#logger.warn('Another tracer provider is registered with OpenTelemetry already: asGlobal has no effect.');
      return;
    }
    this.#isGlobal = true;
    if (propagation.fields().length === 0) this.#isPropagator = propagation.setGlobalPropagator(this.propagator);
  }
}

/** Names are checked where they are used, with an error of their own. */
const REGISTRATION_SCHEMA = z.strictObject({
  tenantId: z.unknown().optional(),
  projectName: z.unknown().optional(),
  otlpEndpoint: z.string().min(1).optional(),
  otlpHeaders: z.record(z.string(), z.string()).optional(),
  httpEndpoint: z.url({ protocol: /^https?$/, error: 'give a URL such as http://localhost:6006' }).optional(),
  useSyncExport: z.boolean().optional(),
});

const HANDLE_SCHEMA = z.strictObject({ projectName: z.unknown().optional() });

const aFunction = z.custom<unknown>((value) => typeof value === 'function', 'give a function').optional();
const anObject = z.custom<unknown>((value) => typeof value === 'object' && value !== null, 'give an object').optional();
const withMethod = (method: string) =>
  z
    .custom<unknown>(
      (value) => typeof (value as Record<string, unknown> | null)?.[method] === 'function',
      `give an object with ${method}()`,
    )
    .optional();

const MANAGER_OPTIONS_SCHEMA = z.strictObject({
  asGlobal: z.boolean('give true or false').optional(),
  trustRemoteContext: aFunction,
  environment: anObject,
  logger: withMethod('warn'),
  registry: withMethod('resolveName'),
  idGenerator: anObject,
  clock: withMethod('monotonicMillis'),
  retryPolicy: anObject,
  random: aFunction,
  exportTarget: aFunction,
  observer: anObject,
});

/** Errors: `TypeError`, in place of the one that calling it would give. */
function requireFunction(fn: unknown, call: string): void {
  if (typeof fn === 'function') return;
  throw new TypeError(`${call} needs the function to run as its last argument, not ${describe(fn)}.`);
}

function dropLinesPerMinute({ logDroppedSpans, maxDropLogRatePerMinute }: TelemetryConfig['batchConfig']): number {
  return logDroppedSpans ? maxDropLogRatePerMinute : 0;
}

const NO_OPTIONS: Record<string, never> = Object.freeze({});

/** A manager without the singleton: for tests, and for hosts that run two. Errors: `ConfigurationError`. */
export function createTelemetry(
  config: TelemetryConfig | TelemetryConfigOptions = {},
  options?: TelemetryManagerOptions,
): Telemetry {
  return new Telemetry(config, options);
}

/** A configuration, or the options of one. */
export function asConfig(config: TelemetryConfig | TelemetryConfigOptions): TelemetryConfig {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new ConfigurationError(`A telemetry configuration is an object of options, not ${describe(config)}.`);
  }
  return config instanceof TelemetryConfig ? config : new TelemetryConfig(config);
}

/** OpenTelemetry's context needs a manager to follow `await`; one that is there already is used. */
function installContextManager(): void {
  const probe = createContextKey('cogniverse.probe');
  const isThere = contextApi.with(
    ROOT_CONTEXT.setValue(probe, true),
    () => contextApi.active().getValue(probe) === true,
  );
  if (!isThere) contextApi.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
}

/** Options of callers without types may be anything; what is no object says nothing. */
function optionsOf<T extends object>(options: T): T | Record<string, never> {
  return typeof options === 'object' && options !== null ? options : NO_OPTIONS;
}

/** Options that throw when they are read say nothing. */
function projectNameOf(options: { readonly projectName?: string | undefined }): string | undefined {
  try {
    return optionsOf(options).projectName;
  } catch {
    return undefined;
  }
}

/** Anything but a span leaves the context as it is. */
function isSpan(value: unknown): value is ApiSpan {
  return typeof value === 'object' && value !== null && typeof (value as ApiSpan).spanContext === 'function';
}

function withParent(active: TelemetryContext, parent: ApiSpan | SpanContext): TelemetryContext {
  const span = 'spanContext' in parent ? parent : traceApi.wrapSpanContext(parent);
  return active.with(span, active.project, active.sessionId);
}
