/**
 * OpenTelemetry's `TracerProvider` and `Tracer` over the router: one for all tenants.   Write path: instrumentation -> [tracer] -> span.
 *
 * A span goes to the project of the tenant in whose context it starts, whoever starts it.
 */
import {
  type Span as ApiSpan,
  type Tracer as ApiTracer,
  type TracerProvider as ApiTracerProvider,
  type Context,
  context as contextApi,
  type SpanOptions,
  type TracerOptions,
} from '@opentelemetry/api';
import { encodeScopePrefix } from '../otlp/index.js';
import { TelemetryContext } from './context-keys.js';
import type { TenantProject } from './export/tenant-project.js';
import type { ScopeBytes } from './export/tenant-queue.js';
import type { TenantRouter } from './export/tenant-router.js';
import type { TelemetrySpan } from './span.js';

/** Scopes of the process, by what they are called. Shared by all managers: a scope's id is one for the process. */
const scopes = new Map<string, ScopeBytes>();
/** Names of scopes come from instrumentation packages, so they are few; should they not be, the rest share one without a name. */
const MAX_SCOPES = 10_000;

export function scopeOf(name: string, version = '', schemaUrl = ''): ScopeBytes {
  const key = JSON.stringify([name, version, schemaUrl]);
  let scope = scopes.get(key);
  if (scope === undefined) {
    if (scopes.size >= MAX_SCOPES && name !== '') return scopeOf('');
    const prefix = encodeScopePrefix({ name, version, attributes: new Map(), droppedAttributesCount: 0 }, schemaUrl);
    scope = { id: scopes.size + 1, prefix };
    scopes.set(key, scope);
  }
  return scope;
}

function schemaUrlOf(options: TracerOptions | undefined): string {
  try {
    return textOr(options?.schemaUrl);
  } catch {
    return ''; // options that throw when they are read
  }
}

/** Instrumentation packages give texts; anything else counts as left out. */
function textOr(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export class Tracer implements ApiTracer {
  readonly #router: TenantRouter;
  readonly #scope: ScopeBytes;
  /** Bound to a tenant; otherwise spans follow the context. */
  readonly #project: TenantProject | undefined;

  constructor(router: TenantRouter, scope: ScopeBytes, project?: TenantProject) {
    this.#router = router;
    this.#scope = scope;
    this.#project = project;
  }

  startSpan(name: string, options?: SpanOptions, context: Context = contextApi.active()): TelemetrySpan {
    return this.#router.start(this.#scope, name, options, this.#entered(context, options));
  }

  startActiveSpan<F extends (span: ApiSpan) => unknown>(name: string, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: ApiSpan) => unknown>(name: string, options: SpanOptions, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: ApiSpan) => unknown>(
    name: string,
    options: SpanOptions,
    context: Context,
    fn: F,
  ): ReturnType<F>;
  startActiveSpan<F extends (span: ApiSpan) => unknown>(name: string, ...rest: unknown[]): ReturnType<F> {
    const fn = rest.at(-1) as F;
    const options = rest.length > 1 ? (rest[0] as SpanOptions) : undefined;
    const given = rest.length > 2 ? (rest[1] as Context) : undefined;
    const active = this.#entered(given ?? contextApi.active(), options);
    const span = this.#router.start(this.#scope, name, options, active);
    return contextApi.with(this.#router.contextOf(active, span), () => fn(span) as ReturnType<F>);
  }

  #entered(context: Context, options: SpanOptions | undefined): TelemetryContext {
    let active = TelemetryContext.of(context);
    if (isRoot(options)) active = this.#router.withoutParent(active);
    return this.#project === undefined ? active : this.#router.enter(active, this.#router.own(this.#project));
  }
}

/** Read apart from the rest: options that throw when they are read are found out where the span starts. */
function isRoot(options: SpanOptions | undefined): boolean {
  try {
    return options?.root === true;
  } catch {
    return false; // the same options fail again at the span's start, which counts them
  }
}

export class TracerProvider implements ApiTracerProvider {
  readonly #router: TenantRouter;
  readonly #tracers = new Map<ScopeBytes, Tracer>();

  constructor(router: TenantRouter) {
    this.#router = router;
  }

  getTracer(name: string, version?: string, options?: TracerOptions): Tracer {
    const scope = scopeOf(textOr(name), textOr(version), schemaUrlOf(options));
    let tracer = this.#tracers.get(scope);
    if (tracer === undefined) {
      tracer = new Tracer(this.#router, scope);
      this.#tracers.set(scope, tracer);
    }
    return tracer;
  }
}
