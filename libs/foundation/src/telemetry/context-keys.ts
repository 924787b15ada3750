/**
 * What travels in OpenTelemetry's context: the active span, the tenant project, the session.   Write path: span() -> [context] -> span.
 *
 * `TelemetryContext` holds the three in fields instead of copying a map for each; it is an OpenTelemetry `Context` like any other.
 */
import { type Context, createContextKey, propagation, ROOT_CONTEXT, type Span, trace } from '@opentelemetry/api';
import type { TenantProject } from './export/tenant-project.js';

const TENANT_KEY = createContextKey('cogniverse.tenant');
export const SESSION_KEY = createContextKey('cogniverse.session');
/** Under which key OpenTelemetry's API keeps the active span; it has no public name, so it is asked for. */
const SPAN_KEY = keyOfActiveSpan();

function keyOfActiveSpan(): symbol {
  let found: symbol | undefined;
  const probe: Context = {
    getValue: () => undefined,
    setValue(key) {
      found = key;
      return probe;
    },
    deleteValue: () => probe,
  };
  trace.setSpan(probe, trace.wrapSpanContext({ traceId: '', spanId: '', traceFlags: 0 }));
  if (found === undefined) throw new Error('OpenTelemetry API: trace.setSpan() sets no value in the context.');
  return found;
}

/** Longer ones are ignored as a whole: cut, two sessions could become one. */
export const MAX_SESSION_ID_LENGTH = 1024;

/** In a context: there is no session, whatever is around it. */
export const NO_SESSION = '';

export function isUsableSessionId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_SESSION_ID_LENGTH;
}

export class TelemetryContext implements Context {
  /** Everything else; never a `TelemetryContext`, so that a loop that nests its spans builds no chain. */
  readonly #base: Context;
  readonly span: Span | undefined;
  readonly project: TenantProject | undefined;
  /** Anybody may have set the key, to anything. */
  readonly sessionId: string | undefined;

  constructor(
    base: Context,
    span: Span | undefined,
    project: TenantProject | undefined,
    sessionId: string | undefined,
  ) {
    this.#base = base;
    this.span = span;
    this.project = project;
    this.sessionId = sessionId;
  }

  /** Someone may pass anything: what is no context, or throws when it is read, holds nothing. */
  static of(context: Context): TelemetryContext {
    try {
      if (context instanceof TelemetryContext) return context;
      if (context === ROOT_CONTEXT || !isContext(context)) return EMPTY;
      return new TelemetryContext(
        context,
        trace.getSpan(context),
        context.getValue(TENANT_KEY) as TenantProject | undefined,
        context.getValue(SESSION_KEY) as string | undefined,
      );
    } catch {
      return EMPTY;
    }
  }

  with(span: Span | undefined, project: TenantProject | undefined, sessionId: string | undefined): TelemetryContext {
    return new TelemetryContext(this.#base, span, project, sessionId);
  }

  /** The same without what belongs to another tenant: no span, no session, no baggage. */
  forOtherTenant(project: TenantProject | undefined): TelemetryContext {
    return new TelemetryContext(withoutBaggage(this.#base), undefined, project, undefined);
  }

  getValue(key: symbol): unknown {
    if (key === SPAN_KEY) return this.span;
    if (key === TENANT_KEY) return this.project;
    if (key === SESSION_KEY) return this.sessionId;
    // Asked at the start of each span, whether tracing is suppressed; the root holds nothing.
    return this.#base === ROOT_CONTEXT ? undefined : this.#base.getValue(key);
  }

  setValue(key: symbol, value: unknown): Context {
    if (key === SPAN_KEY) return this.with(value as Span | undefined, this.project, this.sessionId);
    if (key === TENANT_KEY) return this.with(this.span, value as TenantProject | undefined, this.sessionId);
    if (key === SESSION_KEY) return this.with(this.span, this.project, value as string | undefined);
    return new TelemetryContext(this.#base.setValue(key, value), this.span, this.project, this.sessionId);
  }

  deleteValue(key: symbol): Context {
    if (key === SPAN_KEY || key === TENANT_KEY || key === SESSION_KEY) return this.setValue(key, undefined);
    return new TelemetryContext(this.#base.deleteValue(key), this.span, this.project, this.sessionId);
  }
}

function isContext(value: Context | null | undefined): boolean {
  return typeof value?.getValue === 'function' && typeof value.setValue === 'function';
}

const EMPTY = new TelemetryContext(ROOT_CONTEXT, undefined, undefined, undefined);

function withoutBaggage(context: Context): Context {
  return propagation.getBaggage(context) === undefined ? context : propagation.deleteBaggage(context);
}
