/** Request and response as Node's HTTP servers have them, under Express, Fastify and Hono alike.   Control path: middleware -> [node-exchange]. */
import { context as contextApi } from '@opentelemetry/api';
import type { InboundRequest } from './inbound-request.js';

export interface NodeRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: object;
  readonly socket?: object | null | undefined;
}

export interface NodeResponse {
  readonly statusCode: number;
  readonly headersSent: boolean;
  readonly destroyed?: boolean | undefined;
  /** The application has said that there is no more. */
  readonly writableEnded?: boolean | undefined;
  /** Why its stream failed, where it did. */
  readonly errored?: Error | null | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: so that the overloads of Node's own types fit
  prependListener(event: string, listener: (...args: any[]) => void): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  write(...args: any[]): any;
}

export function describeNodeRequest({ method, url, headers, socket }: NodeRequest) {
  const isEncrypted = (socket as { encrypted?: unknown } | undefined)?.encrypted === true;
  return { method: method ?? 'GET', path: url, headers, scheme: isEncrypted ? 'https' : 'http' };
}

/** Ends the request when its response is complete, or the connection is gone before. */
export function endWithResponse(
  inbound: InboundRequest,
  response: NodeResponse,
  routeOf: () => string | undefined,
): void {
  keepContextOfWrites(response);
  let finished = false;
  const close = (): void => {
    const { errored, headersSent, statusCode, writableEnded } = response;
    // HTTP/2 says 'finish' of a stream that was given up as well.
    const isComplete = finished && writableEnded !== false;
    if (!isComplete && errored !== null && errored !== undefined) inbound.fail(errored);
    inbound.end({ statusCode: headersSent ? statusCode : undefined, route: routeOf(), aborted: !isComplete });
  };
  response.prependListener('finish', () => {
    finished = true;
  });
  // Before the listener of an HTTP instrumentation, which ends its span there.
  response.prependListener('close', close);
  if (response.destroyed === true) close(); // the client was gone before the middleware's turn
}

/**
 * A callback given to `write()` runs where it was given. Of pipelined requests the later ones' writes wait for the first response; when that is
 * done, Node would run their callbacks in its context: that of another tenant.
 */
function keepContextOfWrites(response: NodeResponse): void {
  const { write } = response;
  response.write = function (this: NodeResponse, ...args: unknown[]): unknown {
    const bound = args.map((arg) => (typeof arg === 'function' ? contextApi.bind(contextApi.active(), arg) : arg));
    return write.apply(this, bound);
  };
}
