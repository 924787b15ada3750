/** Middleware for Express 4 and 5.   Control path: Express -> [express] -> inbound request -> handler. */
import { subscribe } from 'node:diagnostics_channel';
import type { Telemetry } from '../manager.js';
import {
  enterRequest,
  failRequest,
  type MiddlewareOptions,
  requireMiddlewareOptions,
  startedRequest,
  startRequest,
} from './middleware.js';
import { describeNodeRequest, endWithResponse, type NodeRequest, type NodeResponse } from './node-exchange.js';

/** What is used of Express' request. To read more of it in an option, give its type: `(request: Request) => ...`. */
export interface ExpressRequest extends NodeRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly originalUrl: string;
  readonly baseUrl: string;
  readonly route?: unknown;
}

export interface ExpressTelemetry<Request> {
  (request: Request, response: NodeResponse, next: (error?: unknown) => void): void;
  /**
   * Records what a handler threw on the request's span, and passes it on: `app.use(middleware.errorHandler)` behind the routes. For Express before
   * 5.3 only; later versions tell of errors by themselves.
   */
  readonly errorHandler: (
    error: unknown,
    request: Request,
    response: NodeResponse,
    next: (error?: unknown) => void,
  ) => void;
}

let isSubscribed = false;

/**
 * Runs what follows in the context of the request's tenant and session: `app.use(expressTelemetry(telemetry, { tenant: ... }))`.
 *
 * Errors: `ConfigurationError` for options that cannot be used. A request never meets an error of telemetry.
 */
export function expressTelemetry<Request extends ExpressRequest = ExpressRequest>(
  telemetry: Telemetry,
  options: MiddlewareOptions<Request>,
): ExpressTelemetry<Request> {
  requireMiddlewareOptions(telemetry, options, 'expressTelemetry');
  listenToErrors();
  const middleware = (request: Request, response: NodeResponse, next: (error?: unknown) => void): void => {
    const known = startedRequest(telemetry, request);
    if (known !== undefined) return void enterRequest(known, options, request, next, next);
    const described = { ...describeNodeRequest(request), path: request.originalUrl };
    const inbound = startRequest(telemetry, request, options, request, described);
    endWithResponse(inbound, response, routeOf(request));
    const proceed = (): void => {
      inbound.bind(request);
      inbound.bind(response);
      next();
    };
    void enterRequest(inbound, options, request, proceed, next);
  };
  const errorHandler: ExpressTelemetry<Request>['errorHandler'] = (error, request, _response, next) => {
    failRequest(request, error);
    next(error);
  };
  return Object.assign(middleware, { errorHandler });
}

/** Express takes `baseUrl` back when an error leaves a router, so the route is noted when Express finds it. */
function routeOf(request: ExpressRequest): () => string | undefined {
  let route = request.route;
  let pattern = patternOf(request);
  Object.defineProperty(request, 'route', {
    configurable: true,
    enumerable: true,
    get: () => route,
    set(found: unknown) {
      route = found;
      pattern = patternOf(request);
    },
  });
  return () => pattern;
}

function patternOf({ baseUrl, route }: ExpressRequest): string | undefined {
  const path = (route as { path?: unknown } | undefined)?.path;
  if (path === undefined) return undefined;
  return path === '/' && baseUrl !== '' ? baseUrl : `${baseUrl}${path}`;
}

/** Express from 5.3 on tells of errors on a channel of Node's. Source: the readme of its package `router`, "Diagnostics". */
function listenToErrors(): void {
  if (isSubscribed) return;
  isSubscribed = true;
  subscribe('tracing:express.router.request:error', (message) => {
    const { req, error } = message as { req?: object; error?: unknown };
    if (req !== undefined) failRequest(req, error);
  });
}
