/** Middleware for Hono 4, on Node's HTTP server and on the Fetch API alone.   Control path: Hono -> [hono] -> inbound request -> handler. */
import type { Telemetry } from '../manager.js';
import type { InboundRequest } from './inbound-request.js';
import {
  enterRequest,
  type MiddlewareOptions,
  requireMiddlewareOptions,
  startedRequest,
  startRequest,
} from './middleware.js';
import { endWithResponse, type NodeResponse } from './node-exchange.js';

/** What is used of Hono's context. To read more of it in an option, give its type: `(c: Context<Env>) => ...`. */
export interface HonoContext {
  readonly req: {
    readonly raw: Request;
    readonly method: string;
    readonly url: string;
    readonly path: string;
    readonly routeIndex?: number;
    readonly matchedRoutes?: readonly { readonly path: string }[];
    header(name: string): string | undefined;
  };
  readonly env: unknown;
  readonly error: Error | undefined;
  get res(): Response;
  set res(response: Response | undefined);
}

/** What `@hono/node-server` gives as `env`. */
interface NodeEnvironment {
  readonly incoming?: object;
  readonly outgoing?: NodeResponse;
}

/**
 * Runs what follows in the context of the request's tenant and session: `app.use(honoTelemetry(telemetry, { tenant: ... }))`.
 *
 * Errors: `ConfigurationError` for options that cannot be used. A request never meets an error of telemetry.
 */
export function honoTelemetry<C extends HonoContext = HonoContext>(
  telemetry: Telemetry,
  options: MiddlewareOptions<C>,
): (c: C, next: () => Promise<void>) => Promise<void> {
  requireMiddlewareOptions(telemetry, options, 'honoTelemetry');
  return async (c, next) => {
    const known = startedRequest(telemetry, c.req.raw);
    if (known !== undefined) return enterRequest(known, options, c, next, rejected);
    const inbound = startRequest(telemetry, c.req.raw, options, c, {
      method: c.req.method,
      path: c.req.path,
      headers: c.req.raw.headers,
      scheme: c.req.url.startsWith('https:') ? 'https' : 'http',
    });
    const { incoming, outgoing } = (c.env ?? {}) as NodeEnvironment;
    const isNode = typeof outgoing?.prependListener === 'function';
    if (isNode) endWithResponse(inbound, outgoing, () => routeOf(c));
    try {
      await enterRequest(
        inbound,
        options,
        c,
        () => {
          inbound.bind(incoming);
          inbound.bind(outgoing);
          return next();
        },
        rejected,
      );
    } catch (error) {
      inbound.fail(error); // no `Error`: Hono's `onError` does not take it
      if (!isNode) inbound.end({ route: routeOf(c) });
      throw error;
    }
    if (c.error !== undefined) inbound.fail(c.error);
    if (!isNode) endWithBody(inbound, c);
  };
}

function rejected(error: Error): Promise<void> {
  return Promise.reject(error);
}

/** A middleware's pattern is not the route of a request that no handler took. */
function routeOf({ req, res }: HonoContext): string | undefined {
  const path = req.matchedRoutes?.[req.routeIndex ?? -1]?.path;
  return path?.endsWith('*') && res.status === 404 ? undefined : path;
}

/**
 * Ends the request when its body was produced: at once where there is none. The body is read one part ahead of its reader, so that the end of one
 * that is there as a whole is seen without a reader.
 */
function endWithBody(inbound: InboundRequest, c: HonoContext): void {
  const { res } = c;
  const { status: statusCode, body } = res;
  const route = routeOf(c);
  if (body === null || c.req.raw.method === 'HEAD' || statusCode < 200 || res.bodyUsed) {
    inbound.end({ statusCode, route });
    return;
  }
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  const watched = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await inbound.run(() => reader.read());
          if (!done) {
            controller.enqueue(value);
            return;
          }
          controller.close();
          inbound.end({ statusCode, route });
        } catch (error) {
          controller.error(error);
          inbound.fail(error);
          inbound.end({ statusCode, route, aborted: true });
        }
      },
      cancel(reason) {
        inbound.end({ statusCode, route, aborted: true });
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 2 },
  );
  c.res = undefined;
  c.res = new Response(watched, res);
}
