/**
 * One HTTP port: Node's server with its bounds, the guard in front, the routes behind.   Server: socket -> guard -> [http-listener] -> routes.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { type FastifyBaseLogger, type FastifyInstance, fastify } from 'fastify';
import type { Authenticator } from './auth/authenticator.js';
import { registerAccess } from './auth/register-access.js';
import { registerErrorAnswers } from './error-answers.js';
import type { RequestGuard } from './request-guard.js';
import type { ServerLogger } from './server-log.js';
import type { ListenerName, ServerMetrics } from './server-metrics.js';
import type { ServerLimits } from './server-options.js';
import type { TrustedProxies } from './trusted-proxies.js';
import { WaitingConnections } from './waiting-connections.js';

/** The version of Phoenix whose REST API this server speaks; its clients ask for it to know what they can use. */
export const PHOENIX_VERSION = '20.26.1';
/** Two thousand span ids in a query take 50 kB. */
const MAX_HEADER_BYTES = 128 * 1024;
const IDLE_CONNECTION_MILLIS = 65_000;
/** A connection on which nothing moves is closed, in the middle of an answer too: its reader may be gone. */
const SILENT_CONNECTION_MILLIS = 120_000;
const JSON_HEADERS = { 'content-type': 'application/json; charset=utf-8' };

/** Routes check their input themselves (zod). Fastify's own compilers of JSON schemas would take a fifth of the time that a server needs to start. */
function noSchemas(): never {
  throw new Error('Routes of this server have no JSON schemas.');
}

export interface HttpListenerOptions {
  readonly name: ListenerName;
  readonly guard: RequestGuard;
  readonly authenticator: Authenticator;
  readonly metrics: ServerMetrics;
  /** Told of each request, where that is asked for. */
  readonly requestLog?: ServerLogger | undefined;
  readonly proxies: TrustedProxies;
  readonly limits: ServerLimits;
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
}

export class HttpListener {
  readonly app: FastifyInstance;
  readonly server: Server;
  readonly #options: HttpListenerOptions;
  readonly #waiting: WaitingConnections<Socket>;
  #closing = false;

  constructor(options: HttpListenerOptions) {
    this.#options = options;
    this.#waiting = new WaitingConnections({ maxConnections: options.limits.maxConnections });
    const { name, metrics, limits, authenticator } = options;
    this.app = fastify({
      serverFactory: (handler) => this.#createServer(handler),
      bodyLimit: limits.maxWireBytes,
      loggerInstance: errorsOnly((error) => metrics.reportError(name, error)),
      routerOptions: { maxParamLength: 16 * 1024 },
      schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
      clientErrorHandler: (error, socket) => this.#onClientError(error, socket),
      // A URL that cannot be decoded, or a path parameter beyond its bound.
      frameworkErrors: (error, _request, reply) =>
        void reply.raw.writeHead(error.statusCode ?? 400, JSON_HEADERS).end(JSON.stringify({ detail: error.message })),
    });
    this.server = this.app.server;
    registerErrorAnswers(this.app, { listener: name, metrics });
    registerAccess(this.app, authenticator);
    // A request that came before the end began is answered after it: its connection would stay open.
    this.app.addHook('onSend', async (_request, reply) => {
      if (this.#closing) reply.header('connection', 'close');
    });
    this.app.addHook('onResponse', async (request, reply) => {
      const route = request.is404 ? 'unmatched' : (request.routeOptions.url ?? 'unmatched');
      metrics.observe({ listener: name, route, status: reply.statusCode, seconds: reply.elapsedTime / 1000 });
      options.requestLog?.log('info', 'request', {
        listener: name,
        method: request.method,
        path: request.url.split('?', 1)[0]!,
        status: reply.statusCode,
        millis: Math.round(reply.elapsedTime),
        client: options.proxies.of(request.raw).client,
        key_id: request.access?.keyId,
      });
    });
  }

  /** For connections that begin now. */
  useCertificate(tls: { readonly cert: string; readonly key: string }): void {
    if (this.server instanceof TlsServer) this.server.setSecureContext({ ...tls, minVersion: 'TLSv1.2' });
  }

  /** Stops accepting, lets requests under way finish until the deadline, then cuts what is left. */
  async close(deadline: AbortSignal): Promise<void> {
    this.#closing = true;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeIdleConnections();
    const cut = () => this.server.closeAllConnections();
    deadline.addEventListener('abort', cut);
    await closed;
    deadline.removeEventListener('abort', cut);
    await this.app.close();
  }

  #createServer(handler: RequestListener): Server {
    const { limits, tls } = this.#options;
    const options = {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: limits.headersTimeoutMillis,
      requestTimeout: limits.requestTimeoutMillis,
      connectionsCheckingInterval: 1000,
      keepAliveTimeout: IDLE_CONNECTION_MILLIS,
      requireHostHeader: false, // the guard answers for it, health checks being free to send none
    };
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      this.#onRequest(request, response, handler);
    const server = tls
      ? createTlsServer(
          { ...options, ...tls, minVersion: 'TLSv1.2', handshakeTimeout: limits.headersTimeoutMillis },
          onRequest,
        )
      : createServer(options, onRequest);
    server.maxConnections = limits.maxConnections;
    server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.#waiting.add(socket);
      socket.once('close', () => this.#waiting.delete(socket));
    });
    // All places are taken: those who keep a connection for later give way.
    server.on('drop', () => server.closeIdleConnections());
    server.setTimeout(SILENT_CONNECTION_MILLIS);
    return server;
  }

  #onRequest(request: IncomingMessage, response: ServerResponse, handler: RequestListener): void {
    this.#waiting.delete(request.socket);
    response.setHeader('x-phoenix-server-version', PHOENIX_VERSION);
    if (this.#closing) response.setHeader('connection', 'close');
    const refusal = this.#options.guard.checkRequest(request);
    if (refusal === undefined) {
      handler(request, response as ServerResponse<IncomingMessage> & { req: IncomingMessage });
      return;
    }
    this.#options.metrics.observe({
      listener: this.#options.name,
      route: 'refused',
      status: refusal.status,
      seconds: 0,
    });
    response.writeHead(refusal.status, JSON_HEADERS);
    response.end(JSON.stringify({ detail: refusal.message }));
  }

  /** What Node's parser refused: nothing of it reached a route. */
  #onClientError(error: Error & { code?: string }, socket: Socket): void {
    this.#options.metrics.countConnectionError(this.#options.name);
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    const [status, detail] =
      error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'The request did not arrive in time.']
        : error.code === 'HPE_HEADER_OVERFLOW'
          ? ['431 Request Header Fields Too Large', `The headers are larger than ${MAX_HEADER_BYTES} bytes.`]
          : ['400 Bad Request', 'The request is not valid HTTP.'];
    const body = JSON.stringify({ detail });
    socket.end(
      `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }
}

/** The framework's logger, of which only errors are heard. */
function errorsOnly(report: (error: unknown) => void): FastifyBaseLogger {
  const ignore = () => undefined;
  const logger: FastifyBaseLogger = {
    level: 'error',
    fatal: report,
    error: report,
    warn: ignore,
    info: ignore,
    debug: ignore,
    trace: ignore,
    silent: ignore,
    child: () => logger,
  };
  return logger;
}
