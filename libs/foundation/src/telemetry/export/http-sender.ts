/**
 * One attempt over OTLP/HTTP with protobuf.   Write path: retry-sender -> [http-sender] -> backend.
 *
 * Kept connections, bounded in number. Their sockets never keep the process alive: whoever must wait for an export holds a timer.
 * Redirects are not followed (they would carry the credentials elsewhere), TLS is verified and never falls back to plain text.
 */
import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { urlToHttpOptions } from 'node:url';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { decodeExportResponse } from '../../otlp/index.js';
import { type Clock, systemClock } from './clock.js';
import type { SendOptions, SendResult, SpanSender } from './export-target.js';
import type { DropReason } from './ledger.js';
import { parseRetryAfter } from './retry-policy.js';

const gzip = promisify(zlib.gzip);

/** Bytes of a response after decompression. Source: OTLP 1.11. */
export const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;
const USER_AGENT = 'cogniverse-telemetry-js/0.1.0';

export interface HttpSenderOptions {
  /** The full URL, path included. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly compression: 'none' | 'gzip';
  /** Connections at once. Default 4. */
  readonly maxConnections?: number | undefined;
  /** Certificate authorities to trust instead of the system's, as PEM. */
  readonly certificateAuthority?: string | undefined;
  readonly clock?: Clock | undefined;
}

export class HttpSender implements SpanSender {
  readonly #secure: boolean;
  /** The same for each request. */
  readonly #requestOptions: https.RequestOptions;
  readonly #agent: http.Agent | https.Agent;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #gzip: boolean;
  readonly #clock: Clock;
  readonly #requests = new Set<http.ClientRequest>();

  constructor(options: HttpSenderOptions) {
    this.#secure = options.url.protocol === 'https:';
    this.#clock = options.clock ?? systemClock;
    this.#gzip = options.compression === 'gzip';
    this.#headers = {
      ...options.headers,
      'content-type': 'application/x-protobuf',
      'user-agent': USER_AGENT,
      ...(this.#gzip ? { 'content-encoding': 'gzip' } : {}),
    };
    const maxSockets = options.maxConnections ?? 4;
    const agentOptions = { keepAlive: true, maxSockets, maxFreeSockets: maxSockets, scheduling: 'lifo' as const };
    this.#agent = this.#secure
      ? new https.Agent({
          ...agentOptions,
          minVersion: 'TLSv1.2',
          rejectUnauthorized: true,
          ...(options.certificateAuthority === undefined ? {} : { ca: options.certificateAuthority }),
        })
      : new http.Agent(agentOptions);
    this.#requestOptions = { ...urlToHttpOptions(options.url), method: 'POST', agent: this.#agent };
  }

  async send(body: Uint8Array, options: SendOptions): Promise<SendResult> {
    const attempt = new Attempt(this.#clock, options.timeoutMillis);
    try {
      const payload = this.#gzip ? await gzip(body, { level: 1 }) : body;
      return await this.#exchange(payload, attempt);
    } catch (error) {
      return attempt.failure(asError(error));
    } finally {
      attempt.end();
    }
  }

  #exchange(payload: Uint8Array, attempt: Attempt): Promise<SendResult> {
    return new Promise((resolve) => {
      const request = (this.#secure ? https : http).request({
        ...this.#requestOptions,
        headers: { ...this.#headers, 'content-length': payload.length },
      });
      this.#requests.add(request);
      attempt.onDeadline(() => request.destroy(new DeadlineError(`no answer within ${attempt.timeoutMillis} ms`)));
      request.once('close', () => this.#requests.delete(request));
      request.once('socket', (socket: Socket) => {
        socket.unref();
        if (request.reusedSocket) attempt.sending = true;
        else socket.once(this.#secure ? 'secureConnect' : 'connect', () => (attempt.sending = true));
      });
      request.on('error', (error) => {
        if (attempt.answered) return; // the response's own end tells
        const stale = request.reusedSocket && !attempt.answered && isReset(error);
        resolve(attempt.failure(error, stale));
      });
      request.once('response', (response) => {
        attempt.answered = true;
        this.#read(response, attempt).then(resolve, (error: unknown) => resolve(attempt.failure(asError(error))));
      });
      request.end(payload);
    });
  }

  async #read(response: http.IncomingMessage, attempt: Attempt): Promise<SendResult> {
    const status = response.statusCode ?? 0;
    if (status >= 300 && status < 400) {
      response.destroy();
      const error = new Error(`HTTP ${status}: redirects are not followed`);
      return { status: 'failed', reason: 'redirect', error };
    }
    const content = await readBody(response);
    attempt.end();
    if (content.state === 'too_large') {
      const error = new Error(`the response is larger than ${MAX_RESPONSE_BYTES} bytes`);
      return { status: 'failed', reason: 'response_too_large', error };
    }
    if (status >= 200 && status < 300) return accepted(content);
    const retryAfter = parseRetryAfter(response.headers['retry-after'], this.#clock.wallMillis());
    return refused(status, content.bytes, retryAfter);
  }

  async close(): Promise<void> {
    for (const request of this.#requests) request.destroy(new Error('the exporter was shut down'));
    this.#agent.destroy();
  }
}

class DeadlineError extends Error {}

/** How far one attempt came, which decides what its failure means. */
class Attempt {
  readonly timeoutMillis: number;
  /** A byte of the request may have left. */
  sending = false;
  /** A status line came. */
  answered = false;
  #expired = false;
  #onDeadline: (() => void) | undefined;
  readonly #timer: { cancel(): void };

  constructor(clock: Clock, timeoutMillis: number) {
    this.timeoutMillis = timeoutMillis;
    this.#timer = clock.schedule(timeoutMillis, () => {
      this.#expired = true;
      this.#onDeadline?.();
    });
  }

  onDeadline(callback: () => void): void {
    this.#onDeadline = callback;
    if (this.#expired) callback();
  }

  end(): void {
    this.#timer.cancel();
  }

  failure(error: Error, staleConnection = false): SendResult {
    const reason: DropReason = isTls(error) ? 'tls' : 'max_elapsed';
    return { status: 'retryable', reason, error, ambiguous: this.sending, staleConnection };
  }
}

interface BodyContent {
  readonly state: 'whole' | 'cut' | 'too_large';
  readonly bytes: Buffer;
}

/** Reads a body, decompressed, up to the limit. Never rejects: a body that breaks off is `cut`. */
function readBody(response: http.IncomingMessage): Promise<BodyContent> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const decoder = decompressor(response.headers['content-encoding']);
    const source: Readable = decoder === undefined ? response : response.pipe(decoder);
    const finish = (state: BodyContent['state']): void => resolve({ state, bytes: Buffer.concat(chunks) });
    source.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > MAX_RESPONSE_BYTES) {
        chunks.length = 0;
        finish('too_large');
        response.destroy();
        decoder?.destroy();
      } else {
        chunks.push(chunk);
      }
    });
    source.once('end', () => finish('whole'));
    source.once('error', () => {
      finish('cut');
      response.destroy();
    });
    response.once('error', () => finish('cut'));
    response.once('close', () => {
      if (!response.complete) finish('cut');
    });
  });
}

function decompressor(encoding: string | undefined): zlib.Gunzip | zlib.Inflate | zlib.BrotliDecompress | undefined {
  switch (encoding?.trim().toLowerCase()) {
    case 'gzip':
    case 'x-gzip':
      return zlib.createGunzip();
    case 'deflate':
      return zlib.createInflate();
    case 'br':
      return zlib.createBrotliDecompress();
    default:
      return undefined;
  }
}

/** A 2xx: the spans are accepted, whatever the body looks like. */
function accepted(content: BodyContent): SendResult {
  if (content.state === 'cut') return { status: 'sent', rejectedSpans: 0, message: 'a success whose body broke off' };
  try {
    return { status: 'sent', ...decodeExportResponse(content.bytes) };
  } catch (error) {
    return {
      status: 'sent',
      rejectedSpans: 0,
      message: `a success whose body is unreadable: ${asError(error).message}`,
    };
  }
}

function refused(status: number, body: Buffer, afterMillis: number | undefined): SendResult {
  const reason: DropReason = `http_${status}`;
  const text = printable(body);
  const error = new Error(`HTTP ${status}${text === '' ? '' : `: ${text}`}`);
  switch (status) {
    case 429:
    case 503:
      return { status: 'retryable', reason, error, afterMillis, ambiguous: false };
    case 502:
    case 504: // a gateway's word: the backend behind it may have taken the request
      return { status: 'retryable', reason, error, afterMillis, ambiguous: true };
    case 400:
    case 413:
    case 422:
      return { status: 'splittable', reason, error };
    default:
      return { status: 'failed', reason, error };
  }
}

/** The beginning of an error body, as far as it is text. */
function printable(body: Buffer): string {
  return body
    .toString('utf8', 0, Math.min(body.length, 300))
    .replace(/[^\p{L}\p{N}\p{P}\p{S} ]+/gu, ' ')
    .trim();
}

function isReset(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ECONNRESET' || code === 'EPIPE';
}

const TLS_CODES =
  /^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_CA|CRL_|EPROTO$)/;

function isTls(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && TLS_CODES.test(code);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
