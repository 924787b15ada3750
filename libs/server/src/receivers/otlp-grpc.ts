/**
 * OTLP over gRPC, and the standard health service.   Write path: socket -> [otlp-grpc] -> store.
 *
 * Two unary methods and one stream, spoken over Node's HTTP/2 directly: `@grpc/grpc-js` has one size limit for a message before and after
 * decompression, holds a message of any number of streams in memory before code of ours sees it, and lets no one look at `:authority` before that.
 * Source: grpc.io PROTOCOL-HTTP2.md, OTLP 1.11 "OTLP/gRPC", grpc/health/v1/health.proto.
 */
import {
  constants,
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { Server as TlsServer } from 'node:tls';
import { encodeExportResponse } from '@cogniverse/foundation/otlp';
import type { IngestResult, StoreHealth } from '@cogniverse/foundation/telemetry';
import { type Access, AccessRefusedError } from '../auth/access.js';
import type { Authenticator } from '../auth/authenticator.js';
import type { RequestGuard } from '../request-guard.js';
import type { ServerLogger } from '../server-log.js';
import type { ServerMetrics } from '../server-metrics.js';
import { WaitingConnections } from '../waiting-connections.js';
import { type IngestService, projectNameFromHeader } from './ingest-service.js';
import { BodyReader, type BodyResult } from './read-body.js';
import { encodeRpcStatus, RPC_CODE, type RpcStatus, rpcCodeOfRefusal } from './rpc-status.js';

const EXPORT_PATH = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
const TRACE_SERVICE = 'opentelemetry.proto.collector.trace.v1.TraceService';
const OTHER_SIGNAL = /^\/opentelemetry\.proto\.collector\.(logs|metrics)\.v1\./;
const HEALTH_CHECK_PATH = '/grpc.health.v1.Health/Check';
const HEALTH_WATCH_PATH = '/grpc.health.v1.Health/Watch';
/** `HealthCheckResponse.ServingStatus`. */
const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;
const MAX_HEALTH_REQUEST_BYTES = 4096;
const HEALTH_WATCH_INTERVAL_MILLIS = 1000;
/** A connection without requests is closed after this time; gRPC clients open another one when they need it. */
const IDLE_CONNECTION_MILLIS = 300_000;
/** What a peer may send ahead of what was read. */
const STREAM_WINDOW_BYTES = 256 * 1024;
const CONNECTION_WINDOW_BYTES = 2 * 1024 * 1024;
const OK: RpcStatus = { code: RPC_CODE.ok, message: '' };

export interface OtlpGrpcOptions {
  readonly service: IngestService;
  readonly health: () => StoreHealth;
  readonly guard: RequestGuard;
  readonly authenticator: Authenticator;
  readonly metrics: ServerMetrics;
  /** Told of each request, where that is asked for. */
  readonly requestLog?: ServerLogger | undefined;
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
}

export class OtlpGrpcReceiver {
  readonly server: Http2Server | Http2SecureServer;
  readonly #options: OtlpGrpcOptions;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #waiting: WaitingConnections<ServerHttp2Session>;
  readonly #watchers = new Set<(status: RpcStatus) => void>();
  #closing = false;

  constructor(options: OtlpGrpcOptions) {
    this.#options = options;
    const { limits } = options.service;
    this.#waiting = new WaitingConnections({ maxConnections: limits.maxConnections });
    const common = {
      settings: { maxConcurrentStreams: limits.maxConcurrentStreams, initialWindowSize: STREAM_WINDOW_BYTES },
    };
    this.server = options.tls
      ? createSecureServer({
          ...common,
          ...options.tls,
          minVersion: 'TLSv1.2',
          ALPNProtocols: ['h2'],
          handshakeTimeout: limits.headersTimeoutMillis,
        })
      : createServer(common);
    this.server.maxConnections = limits.maxConnections;
    this.server.on('session', (session) => this.#onSession(session));
    this.server.on('stream', (stream, headers) => void this.#onStream(stream, headers));
    // A peer that speaks no HTTP/2, or breaks its rules: Node has closed that connection, the others go on.
    this.server.on('sessionError', () => options.metrics.countConnectionError('grpc'));
  }

  /** For connections that begin now. */
  useCertificate(tls: { readonly cert: string; readonly key: string }): void {
    if (this.server instanceof TlsServer) this.server.setSecureContext({ ...tls, minVersion: 'TLSv1.2' });
  }

  /** Ends the health streams, tells clients to go elsewhere, and waits for calls under way. */
  async close(deadline: AbortSignal): Promise<void> {
    this.#closing = true;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const end of [...this.#watchers]) end({ code: RPC_CODE.unavailable, message: 'The server is shutting down.' });
    for (const session of this.#sessions) session.close();
    const cut = () => {
      for (const session of this.#sessions) session.destroy();
    };
    deadline.addEventListener('abort', cut);
    await closed;
    deadline.removeEventListener('abort', cut);
  }

  #onSession(session: ServerHttp2Session): void {
    if (this.#closing) {
      session.destroy();
      return;
    }
    this.#sessions.add(session);
    this.#waiting.add(session);
    session.on('close', () => {
      this.#sessions.delete(session);
      this.#waiting.delete(session);
    });
    // A window for the whole connection, so that several uploads do not wait for each other.
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    session.setTimeout(this.#options.service.limits.headersTimeoutMillis, () => session.close());
    session.once('stream', () => {
      this.#waiting.delete(session);
      session.setTimeout(IDLE_CONNECTION_MILLIS);
    });
  }

  async #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const started = performance.now();
    const path = String(headers[':path'] ?? '');
    // A reset by the client ends up here as well; the call is over either way, and 'close' does the accounting.
    stream.on('error', () => this.#options.metrics.countConnectionError('grpc'));
    let code: number = RPC_CODE.cancelled;
    const client = stream.session?.socket?.remoteAddress?.replace(/^::ffff:(?=\d+\.)/i, '');
    const call: { access?: Access } = {};
    stream.once('close', () => {
      const route = isServed(path) ? path.slice(1) : 'unmatched';
      this.#options.metrics.observe({
        listener: 'grpc',
        route,
        status: code,
        seconds: (performance.now() - started) / 1000,
      });
      this.#options.requestLog?.log('info', 'request', {
        listener: 'grpc',
        method: 'POST',
        path,
        status: code,
        millis: Math.round(performance.now() - started),
        client,
        key_id: call.access?.keyId,
      });
    });
    try {
      const status = await this.#answer(stream, headers, path, call);
      code = status;
    } catch (error) {
      code = RPC_CODE.internal;
      this.#options.metrics.reportError('grpc', error);
      finish(stream, { code: RPC_CODE.internal, message: 'Internal error.' });
    }
  }

  /** Answers the call; gives the code that was sent. */
  async #answer(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    path: string,
    call: { access?: Access },
  ): Promise<number> {
    const contentType = String(headers['content-type'] ?? '');
    if (
      headers[':method'] !== 'POST' ||
      !contentType.startsWith('application/grpc') ||
      contentType.startsWith('application/grpc-web')
    ) {
      stream.respond({ [constants.HTTP2_HEADER_STATUS]: 415 }, { endStream: true });
      stream.resume();
      return RPC_CODE.invalidArgument;
    }
    const refusal = this.#refusal(headers, path);
    if (refusal !== undefined) return finish(stream, refusal);
    if (path === HEALTH_WATCH_PATH || path === HEALTH_CHECK_PATH) return this.#answerHealth(stream, headers, path);
    try {
      call.access = this.#options.authenticator.check(headers.authorization, 'ingest');
    } catch (error) {
      if (!(error instanceof AccessRefusedError)) throw error;
      return finish(stream, { code: rpcCodeOfRefusal(error), message: error.message });
    }
    return this.#answerExport(stream, headers, call.access);
  }

  #refusal(headers: IncomingHttpHeaders, path: string): RpcStatus | undefined {
    const { guard } = this.#options;
    const refused =
      guard.checkAuthority(headers[':authority'] ?? headers.host) ??
      (headers.host === undefined ? undefined : guard.checkAuthority(headers.host));
    if (refused !== undefined) return { code: RPC_CODE.permissionDenied, message: refused.message };
    if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined) {
      return { code: RPC_CODE.permissionDenied, message: 'Requests from web pages are refused.' };
    }
    const signal = OTHER_SIGNAL.exec(path)?.[1];
    if (signal !== undefined) {
      const message = `OTLP ${signal} are not taken here, only traces. Switch the ${signal} exporter off or point it elsewhere.`;
      return { code: RPC_CODE.unimplemented, message };
    }
    if (!isServed(path))
      return { code: RPC_CODE.unimplemented, message: `There is no method ${path.slice(0, 200)} here.` };
    return undefined;
  }

  async #answerExport(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, { tenantId }: Access): Promise<number> {
    const { service } = this.#options;
    const lease = service.gate.open();
    try {
      const read = await this.#readMessage(stream, headers, service.limits.maxWireBytes, lease);
      if (read.status === 'no_room') return finishWith(stream, service.refuseForRoom());
      if (read.status !== 'read') return finish(stream, read);
      const projectName = projectNameFromHeader(headers['x-project-name']);
      const result = await service.ingest({ body: read.body, format: 'protobuf', projectName, tenantId });
      return finishWith(stream, result);
    } finally {
      lease.release();
    }
  }

  async #answerHealth(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, path: string): Promise<number> {
    const lease = this.#options.service.gate.open();
    let name: string;
    try {
      const read = await this.#readMessage(stream, headers, MAX_HEALTH_REQUEST_BYTES, lease);
      if (read.status === 'no_room') return finishWith(stream, this.#options.service.refuseForRoom());
      if (read.status !== 'read') return finish(stream, read);
      name = healthServiceName(read.body);
    } finally {
      lease.release();
    }
    const known = name === '' || name === TRACE_SERVICE;
    const current = () =>
      !known ? SERVICE_UNKNOWN : this.#options.health().ready && !this.#closing ? SERVING : NOT_SERVING;
    if (path === HEALTH_CHECK_PATH) {
      if (!known) return finish(stream, { code: RPC_CODE.notFound, message: 'There is no such service here.' });
      return finish(stream, OK, healthResponse(current()));
    }
    return this.#watch(stream, current);
  }

  /** Sends the state now and whenever it changes, until the client or the server goes. */
  #watch(stream: ServerHttp2Stream, current: () => number): Promise<number> {
    return new Promise((resolve) => {
      let last = current();
      stream.respond(RESPONSE_HEADERS, { waitForTrailers: true });
      let trailers = statusTrailers(OK);
      stream.once('wantTrailers', () => stream.sendTrailers(trailers));
      stream.write(frame(healthResponse(last)));
      const timer = setInterval(() => {
        const now = current();
        if (now !== last) stream.write(frame(healthResponse(now)));
        last = now;
      }, HEALTH_WATCH_INTERVAL_MILLIS).unref();
      const end = (status: RpcStatus) => {
        trailers = statusTrailers(status);
        stream.end();
        settle(status.code);
      };
      const settle = (code: number) => {
        clearInterval(timer);
        this.#watchers.delete(end);
        resolve(code);
      };
      this.#watchers.add(end);
      if (stream.closed) settle(RPC_CODE.cancelled);
      stream.once('close', () => settle(RPC_CODE.cancelled));
    });
  }

  /** Reads the one message of a call. */
  async #readMessage(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    maxWireBytes: number,
    lease: { reserve(bytes: number): boolean; release(): void },
  ): Promise<Extract<BodyResult, { status: 'read' | 'no_room' }> | (RpcStatus & { status: 'failed' })> {
    const { limits } = this.#options.service;
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), limits.requestTimeoutMillis).unref();
    const prefix = new Uint8Array(5);
    let prefixLength = 0;
    let remaining = 0;
    let reader: BodyReader | undefined;
    try {
      for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
        let bytes = chunk as Buffer;
        if (prefixLength < 5) {
          const taken = bytes.subarray(0, 5 - prefixLength);
          prefix.set(taken, prefixLength);
          prefixLength += taken.length;
          bytes = bytes.subarray(taken.length);
          if (prefixLength < 5) continue;
          remaining = new DataView(prefix.buffer).getUint32(1);
          if (remaining > maxWireBytes) {
            const message = `The message has ${remaining} bytes; ${maxWireBytes} are taken at most. Send smaller batches.`;
            return { status: 'failed', code: RPC_CODE.resourceExhausted, message };
          }
          const encoding = prefix[0] === 0 ? 'identity' : String(headers['grpc-encoding'] ?? 'identity');
          if (prefix[0]! > 1 || (prefix[0] === 1 && encoding !== 'gzip')) {
            return {
              status: 'failed',
              code: RPC_CODE.unimplemented,
              message: 'Messages must be uncompressed or gzip.',
            };
          }
          reader = new BodyReader({
            gzip: encoding === 'gzip',
            limits: { maxWireBytes, maxDecodedBytes: limits.maxDecodedBytes },
            lease,
          });
        }
        if (bytes.length > remaining) {
          reader?.abort();
          return {
            status: 'failed',
            code: RPC_CODE.invalidArgument,
            message: 'The call must carry one message, not more.',
          };
        }
        remaining -= bytes.length;
        if (bytes.length > 0) await reader!.write(bytes);
        if (reader!.failure !== undefined) break;
      }
    } catch {
      // The stream was reset: by the client, or by the timer above. There is nobody to answer.
      reader?.abort();
    } finally {
      clearTimeout(timer);
    }
    if (reader === undefined || (remaining > 0 && reader.failure === undefined)) {
      reader?.abort();
      return {
        status: 'failed',
        code: RPC_CODE.invalidArgument,
        message: 'The call ended before its message was complete.',
      };
    }
    const result = await reader.end();
    switch (result.status) {
      case 'read':
      case 'no_room':
        return result;
      case 'too_large':
        return { status: 'failed', code: RPC_CODE.resourceExhausted, message: result.message };
      case 'malformed':
        return { status: 'failed', code: RPC_CODE.invalidArgument, message: result.message };
      case 'aborted':
        return { status: 'failed', code: RPC_CODE.cancelled, message: 'The call was cancelled.' };
    }
  }
}

const RESPONSE_HEADERS: OutgoingHttpHeaders = {
  [constants.HTTP2_HEADER_STATUS]: 200,
  'content-type': 'application/grpc',
  'grpc-accept-encoding': 'identity,gzip',
};

function isServed(path: string): boolean {
  return path === EXPORT_PATH || path === HEALTH_CHECK_PATH || path === HEALTH_WATCH_PATH;
}

function finishWith(stream: ServerHttp2Stream, result: IngestResult): number {
  switch (result.status) {
    case 'stored':
      return finish(stream, OK, encodeExportResponse({ rejectedSpans: result.rejectedSpans, message: result.message }));
    case 'invalid':
      return finish(stream, { code: RPC_CODE.invalidArgument, message: result.message });
    case 'overloaded':
    case 'unavailable': {
      const code = result.status === 'overloaded' ? RPC_CODE.resourceExhausted : RPC_CODE.unavailable;
      return finish(stream, { code, message: result.message, retryAfterMillis: result.retryAfterMillis });
    }
  }
}

/** Sends a message and the status, or the status alone, and ends the call; what still arrives for it is discarded. Gives the code. */
function finish(stream: ServerHttp2Stream, status: RpcStatus, message?: Uint8Array): number {
  if (stream.destroyed || stream.closed || stream.headersSent) return RPC_CODE.cancelled;
  if (message === undefined) {
    stream.respond({ ...RESPONSE_HEADERS, ...statusTrailers(status) }, { endStream: true });
    // Half a request may still be on its way: no error, but no more of it either. Later, because Node 26 resets before it sends the status.
    if (!stream.readableEnded) {
      setImmediate(() => {
        if (!stream.closed) stream.close(constants.NGHTTP2_NO_ERROR);
        stream.resume(); // a stream with unread data would not be over
      });
    }
    return status.code;
  }
  stream.respond(RESPONSE_HEADERS, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers(statusTrailers(status)));
  stream.end(frame(message));
  return status.code;
}

function statusTrailers(status: RpcStatus): OutgoingHttpHeaders {
  const trailers: OutgoingHttpHeaders = { 'grpc-status': String(status.code) };
  if (status.message !== '') trailers['grpc-message'] = percentEncode(status.message);
  if (status.retryAfterMillis !== undefined) {
    trailers['grpc-status-details-bin'] = Buffer.from(encodeRpcStatus(status)).toString('base64');
  }
  return trailers;
}

/** Visible ASCII stays; any other byte of the UTF-8 text, and `%`, becomes `%XX`. */
function percentEncode(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

function frame(message: Uint8Array): Buffer {
  const framed = Buffer.alloc(5 + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
}

function healthResponse(status: number): Uint8Array {
  return Uint8Array.of(0x08, status);
}

/** Field 1 of `HealthCheckRequest`; empty when absent or when the message is of another form, which asks for the server as a whole. */
function healthServiceName(body: Uint8Array): string {
  const length = body[1] ?? 0;
  if (body[0] !== 0x0a || length > 0x7f || body.length < 2 + length) return '';
  return Buffer.from(body.subarray(2, 2 + length)).toString('utf8');
}
