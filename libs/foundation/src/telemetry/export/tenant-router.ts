/**
 * To which tenant project a span belongs.   Write path: span() -> [tenant-router] -> tenant project -> tenant queue.
 *
 * The tenant of a span, the first that holds: the call's argument or the bound tracer (both enter the context), the ambient tenant, the
 * parent's, else unassigned: an inbound HTTP span starts before any code of the application runs. Tenants come from arguments and from
 * OpenTelemetry's context only, never from state of a module.
 */
import { isSpanContextValid, type SpanContext, type SpanOptions, TraceFlags } from '@opentelemetry/api';
import { isTracingSuppressed } from '@opentelemetry/core';
import { encodeSpanInto, OtlpEncodeError, ProtoWriter } from '../../otlp/index.js';
import type { ValueLimits } from '../attribute-values.js';
import { ENVIRONMENT, SERVICE_NAME, TENANT_ID } from '../attributes.js';
import type { TelemetryConfig } from '../config.js';
import { isUsableSessionId, type TelemetryContext } from '../context-keys.js';
import { InvalidNameError, ProjectCollisionError } from '../errors.js';
import type { LiveConfiguration } from '../live-configuration.js';
import { NOOP_SPAN, Span, type SpanRecord, type TelemetrySpan } from '../span.js';
import type { IdGenerator, SpanClock } from '../span-identity.js';
import { cutLongestTexts } from '../span-size.js';
import { fullProjectName, isUsableFullName, isUsableName, refusal, requireName } from '../tenant-names.js';
import type { Clock, ClockTimer } from './clock.js';
import type { DropReason, Ledger } from './ledger.js';
import { LocalTrace } from './local-trace.js';
import type { PipelineLogger } from './pipeline-logger.js';
import { type CachedTenant, TenantCache } from './tenant-cache.js';
import { TenantProject } from './tenant-project.js';
import type { ScopeBytes, TenantQueue } from './tenant-queue.js';

/** In the ledger: spans whose tenant is not known yet, or never was. No tenant can have these names. */
const UNASSIGNED_TENANT = '(unassigned)';
const INVALID_TENANT = '(invalid)';

/** Names whose refusal was logged; beyond it, no more lines. */
const MAX_LOGGED_NAMES = 1000;
const MAX_HELD_BYTES = 8 * 1024 * 1024;
/** Names that calls use for one project (its suffix, its full name); beyond it the names are looked up anew. */
const MAX_CALL_NAMES_PER_PROJECT = 4;

/** A span that ended before its tenant was known, encoded but for the tenant's attributes. */
export interface HeldSpan {
  readonly trace: LocalTrace;
  readonly span: Span;
  readonly bytes: Uint8Array;
  readonly sinceMillis: number;
}

/** Sees spans in the caller's turn, for tests. Must not throw. */
export interface SpanObserver {
  /** The span is recorded from now on. */
  started(span: Span): void;
  /** The span has ended, before the shutdown, and its tenant is known: these bytes (of an OTLP `Span`; not to be kept) are about to be queued. */
  written(project: TenantProject, scope: ScopeBytes, span: Uint8Array): void;
}

/** Where a span asks which remote parents are to be believed. */
export type TrustRemoteContext = (spanContext: SpanContext) => boolean;

/** Where the router has projects opened and closed. */
export interface Destinations {
  /** A project is live: finds its destination, and gives it a queue, at once or later. */
  open(project: TenantProject): void;
  /** A project is no longer live. */
  close(project: TenantProject, queue: TenantQueue | undefined): void;
  /** Writes a span of a project that is no longer live. */
  writeLate(
    project: TenantProject,
    write: (queue: TenantQueue) => Promise<void> | undefined,
  ): Promise<void> | undefined;
  /** Projects registered by name; they take part in the check for collisions. */
  registeredTenantOf(projectName: string): string | undefined;
  /** What holds for a live project's tenant is another configuration: its destination and queue follow. */
  configurationChanged(project: TenantProject): void;
  /** Whether this project's spans are exported one by one. */
  useSyncExport(tenantId: string, projectName: string): boolean;
}

export interface TenantRouterOptions {
  readonly configuration: LiveConfiguration;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly spanClock: SpanClock;
  readonly ids: IdGenerator;
  readonly logger: PipelineLogger;
  readonly trustRemoteContext: TrustRemoteContext;
  readonly destinations: Destinations;
  readonly observer?: SpanObserver | undefined;
}

export class TenantRouter {
  readonly #options: TenantRouterOptions;
  #config: TelemetryConfig;
  readonly #cache: TenantCache;
  readonly #writer: ProtoWriter;
  readonly #held = new Set<HeldSpan>();
  #heldBytes = 0;
  readonly #withEarly = new Set<TenantProject>();
  #heldTimer: ClockTimer | undefined;
  #sweepTimer: ClockTimer | undefined;
  /** Tenant of each live full project name. */
  readonly #tenantOfName = new Map<string, string>();
  /** Default attributes of every tenant; one array for all. */
  readonly #sharedDefaults: readonly (readonly [string, string])[];
  readonly #loggedNames = new Set<string>();
  /** Remote spans that a call said it trusts. */
  readonly #trusted = new WeakSet<SpanContext>();
  readonly #invalid: TenantProject;
  /** Spans that started in a project that was in use already, and those that were the first in theirs. */
  #cacheHits = 0;
  #cacheMisses = 0;
  readonly destinations: Destinations;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly spanClock: SpanClock;
  valueLimits!: ValueLimits;
  attributeCountLimit = 0;
  eventCountLimit = 0;
  linkCountLimit = 0;
  readonly observer: SpanObserver | undefined;
  attributePerEventCountLimit = 0;
  attributePerLinkCountLimit = 0;
  readonly maxSpanBytes: number;
  maxQueueBytes = 0;
  dropOnQueueFull = true;
  /** Bytes of spans that wait for their project's destination. */
  earlyBytes = 0;
  stopped = false;
  /** Telemetry is switched off: spans do nothing and are not counted. */
  off = false;

  constructor(options: TenantRouterOptions) {
    const { config } = options.configuration;
    this.#options = options;
    this.#config = config;
    this.destinations = options.destinations;
    this.#sharedDefaults = [
      [SERVICE_NAME, config.serviceName],
      [ENVIRONMENT, config.environment],
    ];
    this.observer = options.observer;
    this.ledger = options.ledger;
    this.clock = options.clock;
    this.spanClock = options.spanClock;
    this.maxSpanBytes = config.batchConfig.maxSpanBytes;
    this.#writer = new ProtoWriter({ maxBytes: Math.max(this.maxSpanBytes, 1024) });
    this.#cache = new TenantCache({
      maxTenants: config.maxCachedTenants,
      ttlMillis: config.tenantCacheTtlSeconds * 1000,
      nowMillis: () => options.clock.monotonicMillis(),
      onEvict: (tenant) => this.#evicted(tenant),
    });
    this.#setLimits(config);
    this.#invalid = this.#refusedProject(INVALID_TENANT, 'invalid');
    this.ledger.tenant(UNASSIGNED_TENANT).pins += 1;
    this.ledger.tenant(INVALID_TENANT).pins += 1;
  }

  #setLimits(config: TelemetryConfig): void {
    this.valueLimits = {
      valueLength: config.attributeValueLengthLimit ?? Number.POSITIVE_INFINITY,
      depth: config.attributeDepthLimit,
      valueBytes: config.batchConfig.maxSpanBytes,
    };
    this.attributeCountLimit = config.attributeCountLimit;
    this.eventCountLimit = config.eventCountLimit;
    this.linkCountLimit = config.linkCountLimit;
    this.attributePerEventCountLimit = config.attributePerEventCountLimit;
    this.attributePerLinkCountLimit = config.attributePerLinkCountLimit;
    this.maxQueueBytes = config.batchConfig.maxQueueBytes;
    this.dropOnQueueFull = config.batchConfig.dropOnQueueFull;
    this.off = !this.#options.configuration.recordsAnything;
  }

  /** The configuration is another one: what changes at run time holds from here on, for live projects too. */
  configurationChanged(): void {
    const { configuration, destinations } = this.#options;
    const { config } = configuration;
    this.#config = config;
    this.#setLimits(config);
    this.#cache.resize(config.maxCachedTenants, config.tenantCacheTtlSeconds * 1000);
    this.#sweepTimer?.cancel();
    this.#sweepTimer = undefined;
    this.#scheduleSweep();
    this.#heldTimer?.cancel();
    this.#heldTimer = undefined;
    this.#scheduleHeldTimer();
    for (const { tenantId, byFullName } of this.#cache.tenants()) {
      for (const project of byFullName.values()) {
        project.configuration = configuration.of(tenantId);
        destinations.configurationChanged(project);
      }
    }
  }

  // Which project.

  /** The project for a call's names. Never throws: names that cannot be used give a project that takes no spans. */
  project(tenantId: unknown, projectName: unknown): TenantProject {
    const tenant = this.#cache.get(tenantId as string);
    const found = tenant?.byCallName.get(projectName as string | undefined);
    if (found !== undefined) return found; // renewed by the span that starts: `own()`
    if (!isUsableName(tenantId)) return this.#refuse(refusal('Tenant id', tenantId), tenantId);
    if (projectName !== undefined && !isUsableName(projectName)) {
      return this.#refuse(refusal('Project name', projectName), projectName);
    }
    return this.#create(tenantId, projectName, fullProjectName(this.#config, tenantId, projectName));
  }

  /** The project of a tenant as a whole. */
  tenantWideProject(tenantId: unknown): TenantProject {
    if (!isUsableName(tenantId)) return this.#refuse(refusal('Tenant id', tenantId), tenantId);
    return this.project(tenantId, this.#config.getTenantProjectName(tenantId));
  }

  /** Full name of a project, checked. Errors: `InvalidNameError`, `ProjectCollisionError`. */
  requireProjectName(tenantId: unknown, projectName: unknown): string {
    requireName('Tenant id', tenantId);
    if (projectName !== undefined) requireName('Project name', projectName);
    const fullName = fullProjectName(this.#config, tenantId, projectName);
    if (!isUsableFullName(fullName))
      throw new InvalidNameError(`Project name ${JSON.stringify(fullName)} is too long.`);
    const holder = this.#holderOf(fullName, tenantId);
    if (holder !== undefined) throw new ProjectCollisionError(collision(fullName, tenantId, holder));
    return fullName;
  }

  /** The live project of this name, if there is one. */
  liveProject(tenantId: string, fullName: string): TenantProject | undefined {
    return this.#cache.get(tenantId)?.byFullName.get(fullName);
  }

  #holderOf(fullName: string, tenantId: string): string | undefined {
    const live = this.#tenantOfName.get(fullName);
    if (live !== undefined && live !== tenantId) return live;
    const registered = this.destinations.registeredTenantOf(fullName);
    return registered === tenantId ? undefined : registered;
  }

  #create(tenantId: string, callName: string | undefined, fullName: string): TenantProject {
    if (!isUsableFullName(fullName)) return this.#refuse(`Project name of tenant "${tenantId}" is too long.`, fullName);
    const holder = this.#holderOf(fullName, tenantId);
    if (holder !== undefined) return this.#refuse(collision(fullName, tenantId, holder), `${fullName} ${tenantId}`);
    const tenant = this.#cache.get(tenantId) ?? this.#addTenant(tenantId);
    let project = tenant.byFullName.get(fullName);
    if (project === undefined) {
      if (tenant.byFullName.size >= this.#config.maxProjectsPerTenant) {
        tenant.overLimit ??= this.#refusedProject(tenantId, 'tenant_limit');
        return tenant.overLimit;
      }
      project = new TenantProject({
        router: this,
        tenantId,
        projectName: fullName,
        defaultAttributes: [[TENANT_ID, tenantId], ...this.#sharedDefaults],
        configuration: this.#options.configuration.of(tenantId),
        useSyncExport: this.destinations.useSyncExport(tenantId, fullName),
        cachedTenant: tenant,
      });
      tenant.byFullName.set(fullName, project);
      this.#tenantOfName.set(fullName, tenantId);
      this.destinations.open(project);
    }
    if (tenant.byCallName.size >= this.#config.maxProjectsPerTenant * MAX_CALL_NAMES_PER_PROJECT)
      tenant.byCallName.clear();
    tenant.byCallName.set(callName, project);
    return project;
  }

  #addTenant(tenantId: string): CachedTenant {
    const tenant = this.#cache.add(tenantId);
    this.#scheduleSweep();
    return tenant;
  }

  /** One timer for all tenants: those unused beyond the time limit go even when no other comes. */
  #scheduleSweep(): void {
    if (this.#sweepTimer !== undefined || this.stopped) return;
    const delay = this.#cache.millisToNextSweep;
    if (delay === undefined) return;
    this.#sweepTimer = this.#options.clock.schedule(Math.max(delay, 1000), () => {
      this.#sweepTimer = undefined;
      this.#cache.sweep();
      this.#scheduleSweep();
    });
  }

  #evicted(tenant: CachedTenant): void {
    for (const [fullName, project] of tenant.byFullName) {
      this.#tenantOfName.delete(fullName);
      const { queue } = project;
      project.detach();
      this.destinations.close(project, queue);
    }
  }

  #refusedProject(tenantId: string, refused: DropReason): TenantProject {
    return new TenantProject({
      router: this,
      tenantId,
      projectName: '',
      defaultAttributes: [],
      useSyncExport: false,
      configuration: this.#options.configuration.of(tenantId),
      refused,
    });
  }

  #refuse(reason: string, name: unknown): TenantProject {
    const key = typeof name === 'string' ? name.slice(0, 200) : typeof name;
    this.#warnOnce(key, `${reason} Its spans are not recorded.`);
    return this.#invalid;
  }

  /** Lines a key: a caller's names may be keys, so there is a bound. */
  #warnOnce(key: string, line: string): void {
    if (this.#loggedNames.has(key) || this.#loggedNames.size >= MAX_LOGGED_NAMES) return;
    this.#loggedNames.add(key);
    this.#options.logger.warn(line);
  }

  /** The project as this router has it live: the context may hold one that was evicted, or one of another manager. */
  own(project: TenantProject, nowMillis?: number): TenantProject {
    if (project.refused !== undefined) return project.router === this ? project : this.#invalid;
    if (project.router !== this) return this.project(project.tenantId, undefined);
    const tenant = project.cachedTenant!;
    if (!tenant.live) return this.#create(project.tenantId, project.projectName, project.projectName);
    this.#cache.renew(tenant, nowMillis);
    return project;
  }

  // The context.

  /** The context with `project` as the ambient one. Nothing of another tenant stays in it; what is unassigned in it gets the tenant. */
  enter(active: TelemetryContext, project: TenantProject): TelemetryContext {
    if (active.project === project) return active;
    const before = this.ambientProject(active);
    if (before === undefined) {
      if (project.refused !== undefined) return active.forOtherTenant(project);
      if (active.span instanceof Span && active.span.router === this) this.assign(active.span.trace, project);
      // A trace of another tenant, or a span that is not ours, shows when the next span starts.
      return active.with(active.span, project, active.sessionId);
    }
    if (before.tenantId !== project.tenantId || project.refused !== undefined) return active.forOtherTenant(project);
    return active.with(active.span, project, active.sessionId);
  }

  /** The project whose tenant the context has: the ambient one, else the active span's. */
  ambientProject(active: TelemetryContext): TenantProject | undefined {
    return active.project ?? (active.span instanceof Span ? active.span.project : undefined);
  }

  /** The same context for a span that begins a new trace: its tenant stays, its span is no parent and no ancestor. */
  withoutParent(active: TelemetryContext): TelemetryContext {
    return active.with(undefined, this.ambientProject(active), active.sessionId);
  }

  /** The context in which `span` is the active one. */
  contextOf(active: TelemetryContext, span: TelemetrySpan): TelemetryContext {
    if (!(span instanceof Span)) return active.with(span, active.project, active.sessionId);
    const { project } = span;
    if (project === undefined) return active.with(span, active.project, active.sessionId);
    const before = this.ambientProject(active);
    if (before !== undefined && before.tenantId !== project.tenantId) {
      return active.forOtherTenant(project).with(span, project, undefined);
    }
    return active.with(span, project, active.sessionId);
  }

  // Spans.

  /** Starts a span in a context. Never throws: options that throw when they are read give a span that does nothing. */
  start(scope: ScopeBytes, name: string, options: SpanOptions | undefined, active: TelemetryContext): TelemetrySpan {
    try {
      return this.#start(scope, name, options, active);
    } catch (error) {
      return this.refuseCall(error);
    }
  }

  /** The context of a call whose options cannot be read: no tenant's. */
  refusedContext(active: TelemetryContext, error: unknown): TelemetryContext {
    return active.forOtherTenant(this.#refuseOptions(error));
  }

  #refuseOptions(error: unknown): TenantProject {
    return this.#refuse(`The options of a call cannot be read (${describe(error)}).`, 'options');
  }

  /** A span whose options cannot be read. */
  refuseCall(error: unknown): TelemetrySpan {
    const { ledger } = this.#refuseOptions(error);
    ledger.started += 1;
    ledger.ended += 1;
    ledger.countDropped('invalid', 1);
    return NOOP_SPAN;
  }

  #start(scope: ScopeBytes, name: string, options: SpanOptions | undefined, active: TelemetryContext): TelemetrySpan {
    if (this.off || isTracingSuppressed(active)) return NOOP_SPAN;
    // Read once, for all that follows.
    const nowMillis = this.clock.monotonicMillis();
    const parent = active.span;
    const ownParent = parent instanceof Span && parent.router === this ? parent : undefined;
    const inherited = this.ambientProject(active);
    const project = inherited === undefined ? undefined : this.own(inherited, nowMillis);
    if (project?.refused !== undefined || this.stopped) {
      const { ledger } = project ?? this.#invalid;
      ledger.started += 1;
      ledger.ended += 1;
      ledger.countDropped(project?.refused ?? 'already_shutdown', 1);
      return NOOP_SPAN;
    }
    if (project !== undefined && !project.configuration.recording) {
      if (ownParent !== undefined && ownParent.project === undefined) this.assign(ownParent.trace, project);
      return NOOP_SPAN;
    }
    if (project !== undefined) {
      if (project.used) this.#cacheHits += 1;
      else {
        project.used = true;
        this.#cacheMisses += 1;
      }
    }
    let trace: LocalTrace | undefined;
    let parentContext: SpanContext | undefined;
    let traceFlags: number = TraceFlags.SAMPLED;
    if (ownParent !== undefined) {
      const parentProject = ownParent.project;
      if (parentProject === undefined || project === undefined || parentProject.tenantId === project.tenantId) {
        parentContext = ownParent.spanContext();
        trace = ownParent.trace;
        traceFlags = parentContext.traceFlags;
        if (parentProject === undefined && project !== undefined) this.assign(trace, project);
      }
    } else if (parent !== undefined) {
      const context = parent.spanContext();
      if (isSpanContextValid(context) && this.trusts(context)) {
        parentContext = context;
        traceFlags = context.traceFlags;
      }
    }
    const isLocalRoot = trace === undefined;
    trace ??= new LocalTrace(
      parentContext?.traceId ?? this.#options.ids.generateTraceId(),
      parentContext?.traceState,
      this.spanClock.anchor(nowMillis),
      project,
    );
    const span = new Span(
      this,
      scope,
      trace,
      project,
      isLocalRoot,
      parentContext,
      this.#options.ids.generateSpanId(),
      traceFlags,
      name,
      nowMillis,
      options,
    );
    if (project === undefined) {
      const { ledger } = trace.project ?? this.#unassigned();
      ledger.started += 1;
      if (trace.project === undefined) trace.startedUnassigned += 1;
    } else project.ledger.started += 1;
    // A session belongs to a tenant; where it differs from the span's, the context is another tenant's.
    const sessionId = active.sessionId ?? trace.sessionId;
    if (isUsableSessionId(sessionId)) span.setSession(sessionId);
    this.observer?.started(span);
    return span;
  }

  /** Whether a span that is not ours is believed as parent or in a link. */
  trusts(context: SpanContext): boolean {
    return this.#trusted.has(context) || this.#holds(() => this.#options.trustRemoteContext(context));
  }

  /** Asks a call's own predicate; the span that it believes is believed from then on. */
  trustsBy(context: SpanContext | undefined, predicate: (context: SpanContext | undefined) => boolean): boolean {
    const trusted = this.#holds(() => predicate(context));
    if (trusted && context !== undefined) this.#trusted.add(context);
    return trusted;
  }

  #holds(predicate: () => boolean): boolean {
    try {
      return predicate() === true;
    } catch (error) {
      const line = `The predicate for remote traces threw (${describe(error)}); the trace is not continued.`;
      this.#warnOnce('trustRemoteContext', line);
      return false;
    }
  }

  /** Whether a link may be sent with a span of `project`. */
  mayLink(context: SpanContext, linked: LocalTrace | undefined, trace: LocalTrace, project: TenantProject): boolean {
    if (linked === trace) return true;
    if (linked !== undefined) return linked.project?.tenantId === project.tenantId;
    return this.trusts(context);
  }

  /** The trace gets its tenant: its spans that are still open, and those that ended and were held. Fixed from then on. */
  assign(trace: LocalTrace, project: TenantProject): void {
    if (trace.project !== undefined || trace.discarded || project.refused !== undefined) return;
    const unassigned = this.#unassigned().ledger;
    if (!project.configuration.recording) {
      trace.discarded = true;
      for (const heldSpan of trace.held ?? []) {
        this.#takeBack(heldSpan);
        unassigned.unsampled += 1;
      }
      return;
    }
    trace.project = project;
    const { ledger } = project;
    unassigned.started -= trace.startedUnassigned;
    ledger.started += trace.startedUnassigned;
    trace.startedUnassigned = 0;
    const { held } = trace;
    if (held === undefined) return;
    trace.held = undefined;
    for (const heldSpan of held) {
      this.#takeBack(heldSpan);
      unassigned.ended -= 1;
      this.#sendHeld(heldSpan, project);
    }
  }

  /** A span ended. The promise, where there is one, is for callers that can wait. Never throws. */
  ended(span: Span): Promise<void> | undefined {
    const { trace } = span;
    let { project } = span;
    if (!span.sampled || (trace.discarded && project === undefined)) {
      const { ledger } = project ?? this.#unassigned();
      ledger.ended += 1;
      ledger.unsampled += 1;
      if (span.isLocalRoot && project === undefined) this.#settleWithoutTenant(trace);
      return undefined;
    }
    if (project === undefined && (span.isLocalRoot || trace.settled)) {
      this.#settleWithoutTenant(trace);
      ({ project } = span);
    }
    if (project !== undefined) return this.#send(span, project, undefined);
    const { ledger } = this.#unassigned();
    ledger.ended += 1;
    if (trace.settled || this.#held.size >= this.#config.maxHeldSpans || this.stopped) {
      ledger.countDropped(this.stopped ? 'already_shutdown' : 'no_tenant', 1);
      return undefined;
    }
    const bytes = this.#encode(span, undefined);
    if (typeof bytes === 'string' || this.#heldBytes + bytes.length > MAX_HELD_BYTES) {
      ledger.countDropped(typeof bytes === 'string' ? bytes : 'no_tenant', 1);
      return undefined;
    }
    this.#hold({ trace, span, bytes: new Uint8Array(bytes), sinceMillis: this.#options.clock.monotonicMillis() });
    ledger.held += 1;
    return undefined;
  }

  /** Encodes and writes; `bytes` are there already for a span that was held. */
  #send(span: Span, project: TenantProject, bytes: Uint8Array | undefined): Promise<void> | undefined {
    let encoded: Uint8Array | DropReason;
    if (bytes === undefined) encoded = this.#encode(span, project);
    else {
      this.#writer.reset();
      try {
        this.#writer.raw(bytes);
        span.writeDefaults(this.#writer, project);
        encoded = this.#writer.view();
      } catch (error) {
        encoded = this.#encodingFailure(error);
      }
    }
    if (typeof encoded === 'string') {
      project.ledger.ended += 1;
      project.ledger.countDropped(encoded, 1);
      return undefined;
    }
    return project.write(span.scope, encoded);
  }

  /** The span's bytes, valid until the next one is encoded; or why there are none. */
  #encode(span: Span, project: TenantProject | undefined): Uint8Array | DropReason {
    const maxBytes = project?.maxSpanBytes ?? this.maxSpanBytes;
    try {
      // Before the writer is touched: the predicate for remote traces, which links ask, may end spans of its own.
      const record = span.record(project);
      const whole = this.#tryEncode(span, record, project, maxBytes);
      if (whole !== undefined) return whole;
      if (!cutLongestTexts(record, maxBytes - (project?.defaultBytes.length ?? 0))) return 'span_too_large';
      return this.#tryEncode(span, record, project, maxBytes) ?? 'span_too_large';
    } catch (error) {
      return this.#encodingFailure(error);
    }
  }

  #tryEncode(
    span: Span,
    record: SpanRecord,
    project: TenantProject | undefined,
    maxBytes: number,
  ): Uint8Array | undefined {
    this.#writer.reset();
    try {
      encodeSpanInto(this.#writer, record);
      if (project !== undefined) span.writeDefaults(this.#writer, project);
    } catch (error) {
      if (error instanceof OtlpEncodeError && error.code === 'too_large') return undefined;
      throw error;
    }
    return this.#writer.length > maxBytes ? undefined : this.#writer.view();
  }

  #encodingFailure(error: unknown): DropReason {
    this.#refuse(`A span could not be encoded: ${describe(error)}.`, `encode ${describe(error)}`);
    return 'serialize_error';
  }

  // Spans that wait for their tenant.

  #unassigned(): { ledger: ReturnType<Ledger['tenant']> } {
    return { ledger: this.ledger.tenant(UNASSIGNED_TENANT) };
  }

  get heldSpans(): number {
    return this.#held.size;
  }

  #hold(held: HeldSpan): void {
    this.#held.add(held);
    this.#heldBytes += held.bytes.length;
    held.trace.held ??= new Set();
    held.trace.held.add(held);
    this.#scheduleHeldTimer();
  }

  #takeBack(held: HeldSpan): void {
    this.#held.delete(held);
    this.#heldBytes -= held.bytes.length;
    held.trace.held?.delete(held);
    this.ledger.tenant(UNASSIGNED_TENANT).held -= 1;
  }

  #scheduleHeldTimer(): void {
    if (this.#heldTimer !== undefined) return;
    const [oldest] = this.#held;
    if (oldest === undefined) return;
    const delay = oldest.sinceMillis + this.#config.maxHeldMillis - this.#options.clock.monotonicMillis();
    this.#heldTimer = this.#options.clock.schedule(Math.max(delay, 1), () => {
      this.#heldTimer = undefined;
      const deadline = this.#options.clock.monotonicMillis() - this.#config.maxHeldMillis;
      for (const held of this.#held) {
        if (held.sinceMillis > deadline) break;
        this.#giveUp(held);
      }
      this.#scheduleHeldTimer();
    });
  }

  /** Which links may go along is known only with the tenant: a span that has any is encoded anew. */
  #sendHeld({ span, bytes }: HeldSpan, project: TenantProject): void {
    this.#send(span, project, span.hasLinks ? undefined : bytes);
  }

  /** The span's trace has no tenant, and no more time to get one. */
  #giveUp(held: HeldSpan): void {
    this.#takeBack(held);
    const { ledger } = this.#unassigned();
    const fallback = this.#fallbackProject();
    if (fallback === undefined) ledger.countDropped('no_tenant', 1);
    else {
      ledger.ended -= 1;
      this.#sendHeld(held, fallback);
    }
  }

  #fallbackProject(): TenantProject | undefined {
    const { unassignedTenant } = this.#config;
    if (unassignedTenant === null) return undefined;
    const project = this.project(unassignedTenant, undefined);
    return project.refused === undefined ? project : undefined;
  }

  #settleWithoutTenant(trace: LocalTrace): void {
    if (trace.project !== undefined) return;
    trace.settled = true;
    const fallback = this.#fallbackProject();
    if (fallback !== undefined) this.assign(trace, fallback);
    else for (const held of trace.held ?? []) this.#giveUp(held);
  }

  // Figures, and the end.

  get figures() {
    let projects = 0;
    for (const tenant of this.#cache.tenants()) projects += tenant.byFullName.size;
    return {
      cacheHits: this.#cacheHits,
      cacheMisses: this.#cacheMisses,
      cachedTenants: this.#cache.size,
      cachedTracers: projects,
    };
  }

  /** Projects whose spans wait for a destination; an evicted one may be among them. */
  projectsWithEarlySpans(): Set<TenantProject> {
    return this.#withEarly;
  }

  /** Spans that wait for their tenant, or for their project's destination. */
  get waitingSpans(): number {
    let early = 0;
    for (const project of this.#withEarly) early += project.earlySpans;
    return this.#held.size + early;
  }

  /** What waits for a tenant gets no more time. */
  settleHeld(): void {
    for (const held of this.#held) this.#giveUp(held);
  }

  /** Spans that start or end from here on are counted `already_shutdown`. */
  stop(): void {
    this.stopped = true;
    this.#heldTimer?.cancel();
    this.#sweepTimer?.cancel();
  }
}

/** What was thrown may be anything, an object that throws again among it. */
function describe(error: unknown): string {
  return error instanceof Error ? error.message : typeof error;
}

function collision(fullName: string, tenantId: string, holder: string): string {
  return `Project "${fullName}" of tenant "${tenantId}" would be the same as one of tenant "${holder}". Rename one of them.`;
}
