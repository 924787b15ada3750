/**
 * An OTLP backend that does what it is told, request by request, over HTTP/1.1 and gRPC.   Testing: independent of any test runner.
 *
 * gRPC is spoken on plain HTTP/2 here, because a library's server hides the connections that a fault must hit.
 */
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import zlib from 'node:zlib';
import { decodeTraces, encodeExportResponse, type OtlpSpan, type OtlpTraces, ProtoWriter } from '../../otlp/index.js';

/** What the backend does with one request. Nothing given: it takes the request and answers at once. */
export interface ScriptedAnswer {
  /** Answers only when this has resolved. */
  readonly after?: Promise<unknown> | undefined;
  /** HTTP status. Default 200. */
  readonly status?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent in place of the protocol's own body. */
  readonly body?: Uint8Array | string | undefined;
  readonly partialSuccess?: { readonly rejectedSpans: number; readonly message: string } | undefined;
  /** gRPC status. Default 0. */
  readonly code?: number | undefined;
  readonly message?: string | undefined;
  /** gRPC: a `RetryInfo` with this delay. */
  readonly retryDelayMillis?: number | undefined;
  /** gRPC: sent as `grpc-status-details-bin` in place of `retryDelayMillis`. */
  readonly statusDetails?: Uint8Array | undefined;
  /**
   * `reset_at_headers`: the connection is reset before the request's body is read; `reset`: when the request is there, before a status;
   * `cut_body`: in the middle of the answer's body; `stall_body`: the answer's body never ends; `never`: no answer at all.
   */
  readonly fault?: 'reset_at_headers' | 'reset' | 'cut_body' | 'stall_body' | 'never' | undefined;
}

export interface RecordedRequest {
  readonly transport: 'http' | 'grpc';
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  /** Decompressed. */
  readonly body: Uint8Array;
  /** Undefined if the body is no OTLP request. */
  readonly traces: OtlpTraces | undefined;
  readonly spans: readonly OtlpSpan[];
  /** Connections are numbered from 1 in the order they came. */
  readonly connection: number;
}

export type Script = (request: RecordedRequest, index: number) => ScriptedAnswer;

export interface ScriptedBackendOptions {
  /** Answers of every request that `answerNext` has none for. Default: takes everything. */
  readonly script?: Script | undefined;
  /** Serves TLS with this key and certificate (PEM). */
  readonly tls?: { readonly key: string; readonly cert: string } | undefined;
  /** Ports to listen on; 0 (default) is any free one. */
  readonly httpPort?: number | undefined;
  readonly grpcPort?: number | undefined;
}

export interface ScriptedBackend {
  /** `http(s)://127.0.0.1:port`. */
  readonly httpEndpoint: string;
  readonly grpcEndpoint: string;
  /** Every request that was read in full, in order. */
  readonly requests: readonly RecordedRequest[];
  /** Spans of the requests that were answered with success, in order. */
  readonly acceptedSpans: readonly OtlpSpan[];
  /** Connections ever taken, and those open now. */
  readonly connections: number;
  readonly openConnections: number;
  /** Answers for the next requests, in order, before the script is asked again. */
  answerNext(...answers: ScriptedAnswer[]): void;
  setScript(script: Script): void;
  /** Resolves when `count` requests have come in all; rejects after `timeoutMillis` (10 s). */
  waitForRequests(count: number, timeoutMillis?: number): Promise<void>;
  /** Resolves when no connection is open any more; rejects after `timeoutMillis` (10 s). */
  waitForNoConnections(timeoutMillis?: number): Promise<void>;
  /** Closes all connections, as a backend does that restarts; it goes on listening. */
  dropConnections(): void;
  close(): Promise<void>;
}

export async function startScriptedBackend(options: ScriptedBackendOptions = {}): Promise<ScriptedBackend> {
  const backend = new Backend(options);
  await backend.listen(options.httpPort ?? 0, options.grpcPort ?? 0);
  return backend;
}

interface Waiter {
  readonly satisfied: () => boolean;
  readonly resolve: () => void;
}

class Backend implements ScriptedBackend {
  readonly #http: http.Server | https.Server;
  readonly #grpc: http2.Http2Server | http2.Http2SecureServer;
  readonly #scheme: string;
  readonly #sockets = new Map<Socket, number>();
  readonly #answers: ScriptedAnswer[] = [];
  readonly #waiters = new Set<Waiter>();
  #script: Script;
  #connections = 0;
  readonly requests: RecordedRequest[] = [];
  readonly acceptedSpans: OtlpSpan[] = [];
  httpEndpoint = '';
  grpcEndpoint = '';

  constructor(options: ScriptedBackendOptions) {
    this.#script = options.script ?? (() => ({}));
    const { tls } = options;
    this.#scheme = tls === undefined ? 'http' : 'https';
    const onRequest = (request: http.IncomingMessage, response: http.ServerResponse): void =>
      fenced(this.#serveHttp(request, response), () => request.socket.destroy());
    this.#http = tls === undefined ? http.createServer(onRequest) : https.createServer({ ...tls }, onRequest);
    this.#http.keepAliveTimeout = 60_000;
    this.#grpc = tls === undefined ? http2.createServer() : http2.createSecureServer({ ...tls });
    this.#grpc.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
      stream.on('error', () => stream.close()); // a client that went away
      fenced(this.#serveGrpc(stream, headers), () => stream.close());
    });
    for (const server of [this.#http, this.#grpc] as Server[]) {
      server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => this.#connected(socket));
    }
    this.#grpc.on('sessionError', () => this.#changed());
  }

  async listen(httpPort: number, grpcPort: number): Promise<void> {
    const bound = async (server: Server, port: number): Promise<string> => {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      return `${this.#scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    };
    this.httpEndpoint = await bound(this.#http as Server, httpPort);
    this.grpcEndpoint = await bound(this.#grpc as unknown as Server, grpcPort);
  }

  #connected(socket: Socket): void {
    this.#connections += 1;
    this.#sockets.set(socket, this.#connections);
    socket.on('error', () => socket.destroy()); // a client that went away
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#changed();
    });
  }

  get connections(): number {
    return this.#connections;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  answerNext(...answers: ScriptedAnswer[]): void {
    this.#answers.push(...answers);
  }

  setScript(script: Script): void {
    this.#script = script;
  }

  waitForRequests(count: number, timeoutMillis = 10_000): Promise<void> {
    const what = (): string => `${count} requests did not come within ${timeoutMillis} ms, ${this.requests.length} did`;
    return this.#wait(() => this.requests.length >= count, timeoutMillis, what);
  }

  waitForNoConnections(timeoutMillis = 10_000): Promise<void> {
    const what = (): string => `${this.#sockets.size} connections are still open after ${timeoutMillis} ms`;
    return this.#wait(() => this.#sockets.size === 0, timeoutMillis, what);
  }

  #wait(satisfied: () => boolean, timeoutMillis: number, what: () => string): Promise<void> {
    if (satisfied()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        satisfied,
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(new Error(what()));
      }, timeoutMillis);
      this.#waiters.add(waiter);
    });
  }

  #changed(): void {
    for (const waiter of [...this.#waiters]) {
      if (!waiter.satisfied()) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  #decide(request: RecordedRequest): ScriptedAnswer {
    return this.#answers.shift() ?? this.#script(request, this.requests.length - 1);
  }

  #record(request: Omit<RecordedRequest, 'traces' | 'spans'>): RecordedRequest {
    let traces: OtlpTraces | undefined;
    try {
      traces = decodeTraces(request.body);
    } catch {
      traces = undefined; // what is no OTLP request is recorded as such
    }
    const spans = (traces?.resourceSpans ?? []).flatMap((one) => one.scopeSpans.flatMap((scope) => scope.spans));
    const recorded = { ...request, traces, spans };
    this.requests.push(recorded);
    return recorded;
  }

  async #serveHttp(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { socket } = request;
    if (this.#answers[0]?.fault === 'reset_at_headers') {
      this.#answers.shift();
      socket.resetAndDestroy();
      return;
    }
    const raw = await collect(request);
    const body = request.headers['content-encoding'] === 'gzip' ? zlib.gunzipSync(raw) : raw;
    const recorded = this.#record({
      transport: 'http',
      path: request.url ?? '',
      headers: request.headers,
      body,
      connection: this.#sockets.get(socket) ?? 0,
    });
    const answer = this.#decide(recorded);
    this.#changed();
    await answer.after;
    if (answer.fault === 'never') return;
    if (answer.fault === 'reset' || answer.fault === 'reset_at_headers') {
      socket.resetAndDestroy();
      return;
    }
    const status = answer.status ?? 200;
    if (status >= 200 && status < 300) this.acceptedSpans.push(...recorded.spans);
    const content = Buffer.from(
      answer.body ?? encodeExportResponse(answer.partialSuccess ?? { rejectedSpans: 0, message: '' }),
    );
    const headers = { 'content-type': 'application/x-protobuf', ...answer.headers };
    if (answer.fault === 'cut_body' || answer.fault === 'stall_body') {
      response.writeHead(status, { ...headers, 'content-length': content.length + 1000 });
      response.write(Buffer.concat([content, Buffer.from([0])]), () => {
        if (answer.fault === 'cut_body') socket.destroy();
      });
      return;
    }
    response.writeHead(status, {
      ...headers,
      ...(status === 204 || status === 304 ? {} : { 'content-length': content.length }),
    });
    response.end(content);
  }

  async #serveGrpc(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): Promise<void> {
    const socket = this.#socketOf(stream);
    if (this.#answers[0]?.fault === 'reset_at_headers') {
      this.#answers.shift();
      socket?.resetAndDestroy();
      return;
    }
    const raw = await collect(stream);
    const message = raw.subarray(5);
    const recorded = this.#record({
      transport: 'grpc',
      path: String(headers[':path']),
      headers,
      body: raw[0] === 1 ? zlib.gunzipSync(message) : message,
      connection: socket === undefined ? 0 : (this.#sockets.get(socket) ?? 0),
    });
    const answer = this.#decide(recorded);
    this.#changed();
    await answer.after;
    if (answer.fault === 'never' || stream.destroyed) return;
    if (answer.fault === 'reset' || answer.fault === 'reset_at_headers') {
      socket?.resetAndDestroy();
      return;
    }
    const code = answer.code ?? 0;
    const base = { ':status': answer.status ?? 200, 'content-type': 'application/grpc', ...answer.headers };
    if (code !== 0) {
      const details = answer.statusDetails ?? retryInfoDetails(code, answer.retryDelayMillis);
      const trailers = {
        'grpc-status': String(code),
        'grpc-message': encodeURIComponent(answer.message ?? ''),
        ...(details === undefined ? {} : { 'grpc-status-details-bin': Buffer.from(details).toString('base64') }),
      };
      stream.respond({ ...base, ...trailers }, { endStream: true });
      return;
    }
    this.acceptedSpans.push(...recorded.spans);
    const content = Buffer.from(
      answer.body ?? encodeExportResponse(answer.partialSuccess ?? { rejectedSpans: 0, message: '' }),
    );
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(content.length + (answer.fault === undefined ? 0 : 1000), 1);
    stream.respond(base, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    if (answer.fault === undefined) stream.end(Buffer.concat([frame, content]));
    else {
      stream.write(Buffer.concat([frame, content]), () => {
        if (answer.fault === 'cut_body') socket?.resetAndDestroy();
      });
    }
  }

  /** A session hides its socket behind a proxy; the connection's two ports tell which it is. */
  #socketOf(stream: http2.ServerHttp2Stream): Socket | undefined {
    const { remotePort, localPort } = stream.session?.socket ?? {};
    for (const socket of this.#sockets.keys()) {
      if (socket.remotePort === remotePort && socket.localPort === localPort) return socket;
    }
    return undefined;
  }

  dropConnections(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = [this.#http as Server, this.#grpc as unknown as Server].map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    this.dropConnections();
    await Promise.all(closed);
  }
}

function fenced(work: Promise<void>, onFailure: () => void): void {
  // A request that breaks off, or junk that does not decompress, costs its connection.
  work.catch(onFailure);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** `google.rpc.Status` with one `RetryInfo`. */
function retryInfoDetails(code: number, delayMillis: number | undefined): Uint8Array | undefined {
  if (delayMillis === undefined) return undefined;
  const writer = new ProtoWriter();
  writer.int64(0x08, BigInt(code));
  const any = writer.begin(0x1a);
  writer.string(0x0a, 'type.googleapis.com/google.rpc.RetryInfo');
  const info = writer.begin(0x12);
  const duration = writer.begin(0x0a);
  const seconds = Math.trunc(delayMillis / 1000);
  writer.int64(0x08, BigInt(seconds));
  writer.int64(0x10, BigInt(Math.round((delayMillis - seconds * 1000) * 1e6)));
  writer.end(duration);
  writer.end(info);
  writer.end(any);
  return writer.finish();
}
