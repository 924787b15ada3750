/** A handle on one tenant.   Control path: manager.tenant() -> [handle] -> the manager's calls. */
import type { SessionOptions, SpanOptions, Telemetry } from './manager.js';
import type { TelemetryProvider } from './providers/provider.js';
import type { ScoreOptions, Scores } from './scores.js';
import type { TelemetrySpan } from './span.js';
import type { Tracer } from './tracer.js';

/** Options that cannot name a tenant: the handle's is the only one. Not even options that were made for the manager fit. */
type OfOneTenant<T> = Omit<T, 'tenantId'> & { readonly tenantId?: never };

export type TenantSpanOptions = OfOneTenant<SpanOptions>;
export type TenantSessionOptions = OfOneTenant<SessionOptions>;

/** What a handle needs beside the manager's public calls. */
export interface TenantServices {
  readonly scores: Scores;
  readonly flush: (tenantId: string, timeoutMillis: number | undefined) => Promise<boolean>;
}

/** The manager's calls with the tenant filled in, and what is the tenant's own. */
export class TenantTelemetry {
  readonly tenantId: string;
  /** As it was given: suffix or full name. Undefined: the tenant's own service. */
  readonly projectName: string | undefined;
  readonly #manager: Telemetry;
  readonly #services: TenantServices;

  constructor(manager: Telemetry, tenantId: string, projectName: string | undefined, services: TenantServices) {
    this.#manager = manager;
    this.tenantId = tenantId;
    this.projectName = projectName;
    this.#services = services;
  }

  span<T>(name: string, fn: (span: TelemetrySpan) => T): T;
  span<T>(name: string, options: TenantSpanOptions, fn: (span: TelemetrySpan) => T): T;
  span<T>(
    name: string,
    optionsOrFn: TenantSpanOptions | ((span: TelemetrySpan) => T),
    callback?: (span: TelemetrySpan) => T,
  ): T {
    return typeof optionsOrFn === 'function'
      ? this.#manager.span(name, this.#bound({}), optionsOrFn)
      : this.#manager.span(name, this.#bound(optionsOrFn), callback!);
  }

  sessionSpan<T>(name: string, options: TenantSpanOptions & TenantSessionOptions, fn: (span: TelemetrySpan) => T): T {
    return this.#manager.sessionSpan(name, this.#bound(options), fn);
  }

  session<T>(options: TenantSessionOptions, fn: () => T): T {
    return this.#manager.session(this.#bound(options), fn);
  }

  startSpan(name: string, options: TenantSpanOptions = {}): TelemetrySpan {
    return this.#manager.startSpan(name, this.#bound(options));
  }

  /** Runs `fn` with this tenant as the ambient one. */
  run<T>(fn: () => T): T {
    return this.#manager.withTenant(this.tenantId, { projectName: this.projectName }, fn);
  }

  /** See `Telemetry.getTracer()`. */
  getTracer(): Tracer | undefined {
    return this.#manager.getTracer(this.tenantId, this.projectName);
  }

  /** The provider of the tenant's project, for reading back. Errors: as `Telemetry.getProvider()`. */
  provider(): Promise<TelemetryProvider> {
    return this.#manager.getProvider(this.tenantId, this.projectName);
  }

  /**
   * Scores a span of this tenant: adds an annotation, or replaces the one of the same name and identifier. Without `span` and `spanId` it
   * is the active span's. The tenant's spans are flushed first.
   *
   * Gives the annotation's id; undefined for a span that is still open, whose score is written after its end (`flush()` waits for it, one
   * that then fails is logged), and for one that is recorded nowhere.
   *
   * Errors: `SpanNotFoundError` if there is no active span, or the backend does not have it; `TenantMismatchError` for a span of another
   * tenant; `InvalidQueryError` naming each field that cannot be; and those of `provider()`.
   */
  async score(options: ScoreOptions): Promise<string | undefined> {
    return this.#services.scores.write(this.tenantId, this.projectName, options);
  }

  /**
   * Sends what waits of this tenant. True only if every span of it that ended before the call reached its backend, and every score that
   * was under way was written; false after `timeoutMillis` (default 10,000) at the latest. What other tenants wait for has no part in it.
   * Spans whose tenant is not known yet are nobody's.
   */
  flush(timeoutMillis?: number): Promise<boolean> {
    return this.#services.flush(this.tenantId, timeoutMillis);
  }

  #bound<T extends { readonly projectName?: string | undefined }>(options: T): T & { tenantId: string } {
    const { tenantId, projectName } = this;
    try {
      return { ...options, tenantId, projectName: options?.projectName ?? projectName };
    } catch {
      return { tenantId, projectName } as T & { tenantId: string }; // options that throw when they are read say nothing
    }
  }
}
