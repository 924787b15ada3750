/** A handle on one tenant.   Control path: manager.tenant() -> [handle] -> the manager's calls. */
import type { SessionOptions, SpanOptions, Telemetry } from './manager.js';
import type { TelemetryProvider } from './providers/provider.js';
import type { TelemetrySpan } from './span.js';
import type { Tracer } from './tracer.js';

/** The manager's calls with the tenant filled in. */
export class TenantTelemetry {
  readonly tenantId: string;
  readonly projectName: string | undefined;
  readonly #manager: Telemetry;

  constructor(manager: Telemetry, tenantId: string, projectName: string | undefined) {
    this.#manager = manager;
    this.tenantId = tenantId;
    this.projectName = projectName;
  }

  span<T>(name: string, fn: (span: TelemetrySpan) => T): T;
  span<T>(name: string, options: Omit<SpanOptions, 'tenantId'>, fn: (span: TelemetrySpan) => T): T;
  span<T>(
    name: string,
    optionsOrFn: Omit<SpanOptions, 'tenantId'> | ((span: TelemetrySpan) => T),
    callback?: (span: TelemetrySpan) => T,
  ): T {
    return typeof optionsOrFn === 'function'
      ? this.#manager.span(name, this.#bound({}), optionsOrFn)
      : this.#manager.span(name, this.#bound(optionsOrFn), callback!);
  }

  sessionSpan<T>(
    name: string,
    options: Omit<SpanOptions & SessionOptions, 'tenantId'>,
    fn: (span: TelemetrySpan) => T,
  ): T {
    return this.#manager.sessionSpan(name, this.#bound(options), fn);
  }

  session<T>(options: Omit<SessionOptions, 'tenantId'>, fn: () => T): T {
    return this.#manager.session(this.#bound(options), fn);
  }

  startSpan(name: string, options: Omit<SpanOptions, 'tenantId'> = {}): TelemetrySpan {
    return this.#manager.startSpan(name, this.#bound(options));
  }

  /** Runs `fn` with this tenant as the ambient one. */
  run<T>(fn: () => T): T {
    return this.#manager.withTenant(this.tenantId, { projectName: this.projectName }, fn);
  }

  getTracer(): Tracer | undefined {
    return this.#manager.getTracer(this.tenantId, this.projectName);
  }

  getProvider(): Promise<TelemetryProvider> {
    return this.#manager.getProvider(this.tenantId, this.projectName);
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
