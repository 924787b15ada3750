/** Plugin for Fastify 4 and 5.   Control path: Fastify -> [fastify] -> inbound request -> handler. */
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

/** What is used of Fastify's request. To read more of it in an option, give its type: `(request: FastifyRequest) => ...`. */
export interface FastifyRequestLike {
  readonly raw: NodeRequest;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly routeOptions: { readonly url?: string | undefined };
}

interface FastifyReplyLike {
  readonly raw: NodeResponse;
}

type Done = (error?: Error) => void;

/** What is used of a Fastify instance. */
export interface FastifyLike {
  // biome-ignore lint/suspicious/noExplicitAny: so that the overloads of Fastify's own types fit
  addHook(name: any, hook: any): unknown;
}

/**
 * A plugin that runs the hooks and handlers of all routes in the context of the request's tenant and session:
 * `app.register(fastifyTelemetry(telemetry, { tenant: ... }))`. It holds for the instance that it is registered with, not for one of its own.
 *
 * Errors: `ConfigurationError` for options that cannot be used. A request never meets an error of telemetry.
 */
export function fastifyTelemetry<Request extends FastifyRequestLike = FastifyRequestLike>(
  telemetry: Telemetry,
  options: MiddlewareOptions<Request>,
): (instance: FastifyLike, options: object, done: Done) => void {
  requireMiddlewareOptions(telemetry, options, 'fastifyTelemetry');
  const onRequest = (request: Request, reply: FastifyReplyLike, done: Done): void => {
    const known = startedRequest(telemetry, request.raw);
    if (known !== undefined) return void enterRequest(known, options, request, done, done);
    const inbound = startRequest(telemetry, request.raw, options, request, describeNodeRequest(request.raw));
    endWithResponse(inbound, reply.raw, () => request.routeOptions.url);
    const proceed = (): void => {
      inbound.bind(request.raw);
      inbound.bind(reply.raw);
      done();
    };
    void enterRequest(inbound, options, request, proceed, done);
  };
  const onError = (request: Request, _reply: FastifyReplyLike, error: Error, done: () => void): void => {
    failRequest(request.raw, error);
    done();
  };
  const plugin = (instance: FastifyLike, _options: object, done: Done): void => {
    instance.addHook('onRequest', onRequest);
    instance.addHook('onError', onError);
    done();
  };
  return Object.assign(plugin, {
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'cogniverse-telemetry',
  });
}
