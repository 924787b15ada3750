/** What the middlewares of all frameworks have in common: their options, and a request from its start to its end.   Control path. */
import type { SpanContext } from '@opentelemetry/api';
import { z } from 'zod';
import { requireOptions } from '../config.js';
import { ConfigurationError, TenantRequiredError } from '../errors.js';
import type { Telemetry } from '../manager.js';
import { ALLOWED, isUsableName } from '../tenant-names.js';
import type { InboundRequest, InboundRequestOptions, RequestName } from './inbound-request.js';

/** `Request`: what the framework calls a request. */
export interface MiddlewareOptions<Request> {
  /**
   * The tenant of a request; from what was authenticated, not from what anyone can write, where tenants must not see each other. Undefined,
   * null and an empty text: there is none. A list (a header that came twice) of more than one cannot be used. What it throws is logged once
   * and counts as none.
   */
  readonly tenant: (request: Request) => RequestName | PromiseLike<RequestName>;
  /** Recorded as `session.id` on every span of the request. Otherwise as `tenant`. */
  readonly session?: ((request: Request) => RequestName | PromiseLike<RequestName>) | undefined;
  /** Suffix or full name of the project. Default: the tenant's own service. */
  readonly projectName?: string | undefined;
  /**
   * Whose `traceparent` and `baggage` is taken over. Default: the manager's `trustRemoteContext`. The predicate is given undefined where
   * baggage came alone. Without effect where an HTTP instrumentation has read them before.
   */
  readonly trust?: boolean | ((request: Request, spanContext: SpanContext | undefined) => boolean) | undefined;
  /** A server span for a request that no HTTP instrumentation made one for. A text is its name. Default: true, named by method and route. */
  readonly span?: boolean | string | undefined;
  /**
   * `continue` (default): the handler runs without a tenant; spans that it makes wait for one, see docs/http.md. `reject`: the framework's error
   * handling is given a `TenantRequiredError` (status 400), and the handler does not run.
   */
  readonly onMissingTenant?: 'continue' | 'reject' | undefined;
}

const aFunction = z.custom<unknown>((value) => typeof value === 'function', 'give a function');

const OPTIONS_SCHEMA = z.strictObject({
  tenant: aFunction,
  session: aFunction.optional(),
  projectName: z.custom<string>(isUsableName, `allowed are ${ALLOWED}`).optional(),
  trust: z.union([z.boolean(), aFunction], 'give true, false or a function').optional(),
  span: z.union([z.boolean(), z.string().min(1)], 'give true, false or a name').optional(),
  onMissingTenant: z.enum(['continue', 'reject'], "give 'continue' or 'reject'").optional(),
});

/** Errors: `ConfigurationError` naming the middleware, field, value and remedy. */
export function requireMiddlewareOptions(telemetry: unknown, options: unknown, middleware: string): void {
  if (typeof (telemetry as Partial<Telemetry> | null | undefined)?.startRequest !== 'function') {
    throw new ConfigurationError(`${middleware}() needs the manager first: ${middleware}(telemetry, { tenant: ... }).`);
  }
  requireOptions(options, OPTIONS_SCHEMA, `${middleware}()`);
}

/** Requests that are open or were, by the object that stands for them from middleware to middleware. */
const inboundRequests = new WeakMap<object, Map<Telemetry, InboundRequest>>();

/** The request as an earlier middleware of ours has started it. */
export function startedRequest(telemetry: Telemetry, key: object): InboundRequest | undefined {
  return inboundRequests.get(key)?.get(telemetry);
}

/** What a handler threw. */
export function failRequest(key: object, error: unknown): void {
  for (const inbound of inboundRequests.get(key)?.values() ?? []) inbound.fail(error);
}

/** Starts a request with what the middleware's options say of it. `key` stands for the request from middleware to middleware. */
export function startRequest<Request>(
  telemetry: Telemetry,
  key: object,
  { trust, span, projectName }: MiddlewareOptions<Request>,
  request: Request,
  described: Pick<InboundRequestOptions, 'method' | 'path' | 'scheme' | 'headers'>,
): InboundRequest {
  const inbound = telemetry.startRequest({
    ...described,
    span,
    projectName,
    trust: typeof trust === 'function' ? (spanContext) => trust(request, spanContext) : trust,
  });
  const byTelemetry = inboundRequests.get(key) ?? new Map<Telemetry, InboundRequest>();
  inboundRequests.set(key, byTelemetry.set(telemetry, inbound));
  return inbound;
}

/**
 * Finds tenant and session, then runs `proceed` in the request's context; `refuse` where the host wants a tenant and there is none. In the same
 * turn, unless one of the two is a promise.
 */
export function enterRequest<Request, T>(
  inbound: InboundRequest,
  { tenant, session, onMissingTenant }: MiddlewareOptions<Request>,
  request: Request,
  proceed: () => T,
  refuse: (error: TenantRequiredError) => T,
): T | Promise<T> {
  const entered = (): T => {
    if (inbound.hasNoTenant && onMissingTenant === 'reject')
      return inbound.run(() => refuse(new TenantRequiredError()));
    return inbound.run(proceed);
  };
  const entering = inbound.enter(() => tenant(request), session === undefined ? undefined : () => session(request));
  return entering === undefined ? entered() : entering.then(entered);
}
