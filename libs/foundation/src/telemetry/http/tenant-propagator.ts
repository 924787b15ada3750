/**
 * W3C trace context and baggage in and out, within the borders of tenants.   Control path: headers -> [tenant-propagator] -> context -> headers.
 *
 * In: nothing of a stranger is taken over. Out: nothing of a tenant goes where another is the active one. The tenant and the session
 * never travel in baggage. Source: W3C Trace Context, W3C Baggage, OpenTelemetry's `TextMapPropagator`.
 */
import {
  type Span as ApiSpan,
  type Baggage,
  type Context,
  propagation,
  ROOT_CONTEXT,
  type SpanContext,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
  trace as traceApi,
} from '@opentelemetry/api';
import { isTracingSuppressed, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { SESSION_ID, TENANT_ID } from '../attributes.js';
import { TelemetryContext } from '../context-keys.js';
import type { TenantProject } from '../export/tenant-project.js';
import type { TenantRouter } from '../export/tenant-router.js';
import { Span } from '../span.js';
import { headerGetter, headerSetter } from './header-carrier.js';

/**
 * Whether what a caller sent is believed: everyone, no one, or what the predicate says of the remote span. The predicate is given undefined
 * where baggage came without a usable `traceparent`. One that throws says no.
 */
export type RemoteTrust = boolean | ((spanContext: SpanContext | undefined) => boolean);

const TRACE_PARENT = 'traceparent';
const BAGGAGE = 'baggage';
const FIELDS = [TRACE_PARENT, 'tracestate', BAGGAGE] as const;
/** Names in baggage that are ours: they are taken out in both directions. */
const OURS = [TENANT_ID, SESSION_ID];

export class TenantPropagator implements TextMapPropagator {
  readonly #router: TenantRouter;
  readonly #trace = new W3CTraceContextPropagator();
  readonly #baggage = new W3CBaggagePropagator();

  constructor(router: TenantRouter) {
    this.#router = router;
  }

  fields(): string[] {
    return [...FIELDS];
  }

  /** Writes the active span and the baggage of `context`, as far as they are of the tenant that is active in it. */
  inject(context: Context, carrier: unknown, setter: TextMapSetter = headerSetter): void {
    const active = TelemetryContext.of(context);
    if (isTracingSuppressed(active)) return;
    if (active.span !== undefined && this.#maySend(active.span, this.#router.ambientProject(active))) {
      this.#trace.inject(active, carrier, setter);
    }
    const baggage = propagation.getBaggage(active);
    if (baggage === undefined) return;
    this.#baggage.inject(propagation.setBaggage(ROOT_CONTEXT, withoutOurs(baggage)), carrier, setter);
  }

  /** Whether a span's ids may be told by code that runs for `project`. */
  #maySend(span: ApiSpan, project: TenantProject | undefined): boolean {
    if (!(span instanceof Span) || span.router !== this.#router) return this.#router.trusts(span.spanContext());
    if (project === undefined || span.project === undefined) return true;
    return project.refused === undefined && project.tenantId === span.project.tenantId;
  }

  /**
   * `context` with the remote span as the active one and the remote baggage, where they are trusted; else `context` as it was. Tenant and
   * session of `context` stay. Never throws.
   *
   * `trust` default: the manager's `trustRemoteContext`, for which baggage needs a `traceparent` beside it.
   */
  extract(context: Context, carrier: unknown, getter: TextMapGetter = headerGetter, trust?: RemoteTrust): Context {
    const reading: TextMapGetter = { get: (from, key) => readHeader(from, key, getter), keys: () => [] };
    const spanContext = traceApi.getSpanContext(this.#trace.extract(ROOT_CONTEXT, carrier, reading));
    const baggage = propagation.getBaggage(this.#baggage.extract(ROOT_CONTEXT, carrier, reading));
    if (spanContext === undefined && baggage === undefined) return context;
    if (!this.#isTrusted(spanContext, trust)) return context;
    let extracted: Context = context;
    if (spanContext !== undefined) {
      const active = TelemetryContext.of(context);
      const remote = traceApi.wrapSpanContext(spanContext);
      extracted = active.with(remote, this.#router.ambientProject(active), active.sessionId);
    }
    return baggage === undefined ? extracted : propagation.setBaggage(extracted, withoutOurs(baggage));
  }

  #isTrusted(spanContext: SpanContext | undefined, trust: RemoteTrust | undefined): boolean {
    if (trust === undefined) return spanContext !== undefined && this.#router.trusts(spanContext);
    return this.#router.trustsBy(spanContext, typeof trust === 'function' ? trust : () => trust);
  }
}

/** One value; where a header came more than once, its values as a list, but for `traceparent`: which of two is right nobody knows. */
function readHeader(carrier: unknown, key: string, getter: TextMapGetter): string | undefined {
  let value: unknown;
  try {
    value = getter.get(carrier, key);
  } catch {
    return undefined; // a getter of the application's threw
  }
  if (!Array.isArray(value)) return typeof value === 'string' ? value : undefined;
  const texts = value.filter((entry) => typeof entry === 'string');
  if (key === TRACE_PARENT && texts.length > 1) return undefined;
  return texts.length === 0 ? undefined : texts.join(',');
}

function withoutOurs(baggage: Baggage): Baggage {
  const names = baggage.getAllEntries().map(([name]) => name);
  return baggage.removeEntries(...names.filter((name) => OURS.includes(name.trim().toLowerCase())));
}
