/**
 * One inbound request: its server span, its tenant and session, and the context in which its handler runs.
 *
 * Control path: middleware -> [inbound-request] -> handler. A request is a border: nothing of whoever was active before it (the code that
 * called `listen()`, the request before it on the same connection) is active in it, and nothing of it afterwards.
 */
import { type Attributes, context as contextApi, ROOT_CONTEXT, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { getRPCMetadata, type RPCMetadata, RPCType } from '@opentelemetry/core';
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_REQUEST_METHOD_ORIGINAL,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_URL_PATH,
  ATTR_URL_SCHEME,
} from '@opentelemetry/semantic-conventions';
import { RESPONSE_ABORTED } from '../attributes.js';
import { isThenable } from '../completion.js';
import { describe } from '../config.js';
import { NO_SESSION, TelemetryContext } from '../context-keys.js';
import type { FencedLogger } from '../export/pipeline-logger.js';
import type { ScopeBytes } from '../export/tenant-queue.js';
import type { TenantRouter } from '../export/tenant-router.js';
import { Span } from '../span.js';
import type { HeaderCarrier } from './header-carrier.js';
import type { RemoteTrust, TenantPropagator } from './tenant-propagator.js';

/** Source: OpenTelemetry HTTP conventions, known methods; another is `_OTHER`, so that a stranger makes no names. */
const METHODS = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY', 'TRACE']);
const MAX_METHOD_LENGTH = 100;

/** What names a tenant or a session. A list is a header that came more than once: of two tenants none is right. */
export type RequestName = string | readonly string[] | null | undefined;

export interface InboundRequestOptions {
  readonly method: string;
  /** A query is left out: it may hold what is secret. */
  readonly path?: string | undefined;
  readonly scheme?: string | undefined;
  readonly headers: HeaderCarrier;
  /** Which `traceparent` and `baggage` is believed. Default: the manager's `trustRemoteContext`. */
  readonly trust?: RemoteTrust | undefined;
  /** A server span where no HTTP instrumentation has made one; a text is its name. Default: true. */
  readonly span?: boolean | string | undefined;
  /** Suffix or full name of the project. Default: the tenant's own service. */
  readonly projectName?: string | undefined;
}

export interface InboundRequestEnd {
  /** Absent where no status was sent. */
  readonly statusCode?: number | undefined;
  /** As the application declared it (`/users/:id`): of few different values. */
  readonly route?: string | undefined;
  /** The exchange was over before the response was complete: the client went away, or the response's stream failed. */
  readonly aborted?: boolean | undefined;
}

/** What all requests of a manager share. */
export interface InboundRequestParts {
  readonly router: TenantRouter;
  readonly propagator: TenantPropagator;
  readonly scope: ScopeBytes;
  readonly logger: FencedLogger;
  /** `NO_SESSION` for one that cannot be used, which is counted and logged. */
  readonly sessionIdOf: (given: unknown) => string;
}

export class InboundRequest {
  readonly #parts: InboundRequestParts;
  readonly #projectName: string | undefined;
  /** The name that the span has before its route is known. */
  readonly #method: string;
  readonly #named: string | undefined;
  /** Before the tenant. */
  readonly #base: TelemetryContext;
  #context: TelemetryContext;
  /** The request's server span; undefined where there is none, or telemetry is off. */
  readonly #span: Span | undefined;
  /** Of the HTTP instrumentation that made the span and ends it. */
  readonly #instrumentation: RPCMetadata | undefined;
  #error: unknown;
  #failed = false;
  #ended = false;
  /** No tenant was found, so far. */
  hasNoTenant = true;

  /** Starts in the active context, which is that of the HTTP instrumentation where there is one. */
  constructor(parts: InboundRequestParts, given: InboundRequestOptions) {
    const options = readable(parts, given);
    this.#parts = parts;
    this.#projectName = options.projectName;
    const active = TelemetryContext.of(contextApi.active());
    const original = typeof options.method === 'string' ? options.method.slice(0, MAX_METHOD_LENGTH) : '';
    const method = METHODS.has(original) ? original : '_OTHER';
    this.#method = method === '_OTHER' ? 'HTTP' : method;
    this.#named = typeof options.span === 'string' ? options.span : undefined;
    const rpc = getRPCMetadata(active);
    if (rpc?.type === RPCType.HTTP && rpc.span === active.span && isOpen(active.span, parts.router)) {
      this.#instrumentation = rpc;
      this.#span = active.span;
      this.#base = active;
    } else {
      const outside = withoutOurs(active);
      this.#base = TelemetryContext.of(parts.propagator.extract(outside, options.headers, undefined, options.trust));
      if (options.span !== false) {
        const attributes: Attributes = {
          [ATTR_HTTP_REQUEST_METHOD]: method,
          [ATTR_HTTP_REQUEST_METHOD_ORIGINAL]: method === '_OTHER' ? original : undefined,
          [ATTR_URL_PATH]: typeof options.path === 'string' ? options.path.split('?', 1)[0] : undefined,
          [ATTR_URL_SCHEME]: options.scheme,
        };
        const name = this.#named ?? this.#method;
        const started = parts.router.start(parts.scope, name, { kind: SpanKind.SERVER, attributes }, this.#base);
        if (started instanceof Span) {
          this.#span = started;
          this.#base = parts.router.contextOf(this.#base, started);
        }
      }
    }
    this.#context = this.#base;
  }

  /**
   * Asks for the tenant and the session, in the request's context, and makes them the ambient ones for `run()` and `bind()`. The server
   * span gets them too, if it has none yet. One that throws or rejects counts as not there, and is logged once. Never throws, never rejects;
   * gives a promise where one of the two does.
   */
  enter(tenant: () => RequestName | PromiseLike<RequestName>, session?: () => RequestName | PromiseLike<RequestName>) {
    return this.#answerOf('tenant', tenant, (tenantId) =>
      this.#answerOf('session', session, (sessionId) => this.#enter(tenantId, sessionId)),
    );
  }

  #answerOf<T>(
    what: string,
    ask: (() => RequestName | PromiseLike<RequestName>) | undefined,
    then: (answer: RequestName) => T,
  ): T | Promise<Awaited<T>> {
    const failed = (error: unknown): undefined => {
      this.#parts.logger.warnOnce(
        `request ${what}`,
        `The function that names a request's ${what} threw (${describe(wordsOf(error, 'message') ?? typeof error)}); such requests have none.`,
      );
      return undefined;
    };
    let answer: RequestName | PromiseLike<RequestName>;
    try {
      answer = ask === undefined ? undefined : contextApi.with(this.#base, ask);
      if (isThenable(answer)) {
        return Promise.resolve(answer).catch(failed).then(then) as Promise<Awaited<T>>;
      }
    } catch (error) {
      answer = failed(error);
    }
    return then(answer as RequestName);
  }

  #enter(tenant: RequestName, session: RequestName): void {
    const { router } = this.#parts;
    const tenantId = nameOf(tenant);
    if (tenantId === undefined) return;
    this.hasNoTenant = false;
    if (router.off) return;
    const project = router.project(tenantId, this.#projectName);
    this.#context = router.enter(this.#base, project);
    const named = nameOf(session);
    if (project.refused !== undefined || named === undefined) return;
    const sessionId = this.#parts.sessionIdOf(named);
    this.#context = this.#context.with(this.#context.span, project, sessionId);
    if (sessionId === NO_SESSION) return;
    const span = this.#span;
    if (span === undefined || span.project?.tenantId !== project.tenantId) return;
    span.trace.sessionId ??= sessionId;
    span.setSession(sessionId);
  }

  /** Runs `fn` in the request's context. */
  run<T>(fn: () => T): T {
    return contextApi.with(this.#context, fn);
  }

  /** A function, or the listeners of an emitter that are added from here on, run in the request's context. */
  bind<T>(target: T): T {
    return contextApi.bind(this.#context, target);
  }

  /** What the handler threw: an exception of the server span. Its status follows from the answer, see `end()`. */
  fail(error: unknown): void {
    if (this.#ended || (this.#failed && this.#error === error)) return;
    this.#failed = true;
    this.#error = error;
    this.#span?.recordException(error as Error);
  }

  /**
   * The request is over; once. Status ERROR for 5xx, and for an error without any answer; a client that went away is no error of the server.
   * A span of the HTTP instrumentation gets its route, and is left to it.
   */
  end(outcome: InboundRequestEnd = {}): void {
    if (this.#ended) return;
    const { statusCode, route, aborted = false } = outcome ?? {};
    this.#ended = true;
    const span = this.#span;
    if (span === undefined) return;
    if (aborted) span.setAttribute(RESPONSE_ABORTED, true);
    if (this.#instrumentation !== undefined) {
      if (route !== undefined) this.#instrumentation.route ??= route; // becomes `http.route`, and part of the name
      return;
    }
    if (route !== undefined) span.setAttribute(ATTR_HTTP_ROUTE, route);
    if (this.#named === undefined && route !== undefined) span.updateName(`${this.#method} ${route}`);
    if (statusCode !== undefined) span.setAttribute(ATTR_HTTP_RESPONSE_STATUS_CODE, statusCode);
    if (statusCode === undefined ? this.#failed : statusCode >= 500) {
      const type = this.#failed ? wordsOf(this.#error, 'name') : undefined;
      span.setAttribute(ATTR_ERROR_TYPE, type ?? String(statusCode ?? '_OTHER'));
      if (this.#failed) span.fail(this.#error);
      else span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
  }
}

/** The options as they are now. Those that cannot be read say nothing: the request is served as one of which nothing is known. */
function readable(parts: InboundRequestParts, options: InboundRequestOptions): InboundRequestOptions {
  try {
    const { method, path, scheme, headers, trust, span, projectName } = options;
    return { method, path, scheme, headers, trust, span, projectName };
  } catch {
    parts.logger.warnOnce('request options', 'The options of startRequest() cannot be read; such requests go unnamed.');
    return { method: '', headers: {} };
  }
}

/** Of an error; undefined where it has none, or throws when it is read. */
function wordsOf(error: unknown, part: 'name' | 'message'): string | undefined {
  try {
    const words: unknown = error instanceof Error ? error[part] : undefined;
    return typeof words === 'string' ? words : undefined;
  } catch {
    return undefined;
  }
}

/** What is left of the context where it is not ours: another SDK's span and its baggage stay. */
function withoutOurs(active: TelemetryContext): TelemetryContext {
  if (active.project === undefined && active.span !== undefined && !(active.span instanceof Span)) {
    return active.with(active.span, undefined, undefined);
  }
  return active === TelemetryContext.of(ROOT_CONTEXT) ? active : active.forOtherTenant(undefined);
}

function isOpen(span: unknown, router: TenantRouter): span is Span {
  return span instanceof Span && span.router === router && !span.ended;
}

/** Undefined where there is none. Anything that is no name is passed on, to be refused as such. */
function nameOf(answer: unknown): unknown {
  const name = Array.isArray(answer) && answer.length < 2 ? answer[0] : answer;
  return name === '' || name === null ? undefined : name;
}
