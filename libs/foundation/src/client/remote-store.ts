/**
 * The client of `cogniverse serve`: a `TelemetryStore` over HTTP.   Read path: provider stores -> [remote-store] -> server -> store.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import {
  decodeExportResponse,
  decodeExportResponseJson,
  decodeTraces,
  decodeTracesJson,
  type OtlpTraces,
} from '../otlp/index.js';
import { BackendUnavailableError, ConfigurationError, InvalidQueryError } from '../telemetry/errors.js';
import { requireEncryptedCredentials } from '../telemetry/export/plain-credentials.js';
import type {
  IngestRequest,
  IngestResult,
  StoreCallName,
  StoreHealth,
  StoreOperation,
  StoreTransport,
  TelemetryStore,
} from '../telemetry/providers/index.js';
import {
  decodeStoreResult,
  encodeStoreRequest,
  errorOfCode,
  STORE_ROUTE_PREFIX,
  storeOver,
} from '../telemetry/store.js';

export const remoteStoreSchema = z.strictObject({
  /** Base URL of the server, for example `http://127.0.0.1:6006`. */
  endpoint: z.string(),
  /** Sent as `Authorization: Bearer`. */
  apiKey: z.string().min(1, 'must not be empty').optional(),
  /** Sends the key unencrypted to another host, where `endpoint` is `http://`. Without it that is refused. */
  plainHttp: z.boolean().default(false),
  /** Time for one attempt, from request to the last byte of the answer, in milliseconds. */
  timeoutMillis: z.int().positive().default(30_000),
  /** Further attempts of a read that got no answer. What writes is never tried twice. */
  maxRetries: z.int().nonnegative().default(2),
  /** Wait before the first further attempt, in milliseconds; doubles with each. */
  retryDelayMillis: z.int().nonnegative().default(100),
  /** In place of the platform's `fetch`. */
  fetch: z.custom<typeof fetch>((value) => typeof value === 'function', 'must be a function').optional(),
});
export type RemoteStoreOptions = z.input<typeof remoteStoreSchema>;

/**
 * A store behind `cogniverse serve`. Connects when first asked.
 *
 * Errors: `ConfigurationError` if an option is bad. Of every method: `BackendUnavailableError` if no answer came or none that is
 * this API's, and whatever the store behind the server throws, in its own class.
 */
export function openRemoteStore(options: RemoteStoreOptions): TelemetryStore {
  const parsed = remoteStoreSchema.safeParse(options);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'options'}: ${issue.message}`);
    throw new ConfigurationError(`The remote store cannot be opened. ${faults.join('; ')}.`, { cause: parsed.error });
  }
  const { endpoint, apiKey, plainHttp } = parsed.data;
  requireEncryptedCredentials(new URL(parseEndpoint(endpoint)), apiKey === undefined ? [] : ['authorization'], {
    asked: plainHttp,
    remedy: 'ask for it with "plain_http" of provider_config ("plainHttp" here, --plain-http on the command line)',
  });
  return storeOver(new RemoteStore(parsed.data));
}

/** The base URL of a server, without a slash at its end. Errors: `ConfigurationError`. */
export function parseEndpoint(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new ConfigurationError(
      `endpoint: "${endpoint}" is no base URL of a server. Write it like http://127.0.0.1:6006.`,
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw new ConfigurationError('endpoint: it holds a user name or password. Give the key as an option of its own.');
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

const errorBody = z.object({ detail: z.unknown(), code: z.string().optional() });

interface Attempt {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

class RemoteStore implements StoreTransport {
  readonly #endpoint: string;
  readonly #options: z.output<typeof remoteStoreSchema>;
  readonly #fetch: typeof fetch;
  /** Attempts and waits under way, to be ended at shutdown. */
  readonly #underWay = new Set<AbortController>();
  #closed = false;
  /** Of the last answer, or its absence. */
  #health: StoreHealth = { ready: true, reason: '' };

  constructor(options: z.output<typeof remoteStoreSchema>) {
    this.#endpoint = parseEndpoint(options.endpoint);
    this.#options = options;
    this.#fetch = options.fetch ?? fetch;
  }

  /**
   * One OTLP request to `/v1/traces`. OTLP's answer names no tenants: `tenants` is empty, and known duplicates count as accepted.
   */
  async ingest(request: IngestRequest): Promise<IngestResult> {
    if (request.tenantId !== undefined) {
      // The server takes the tenant from the key. Sent without it, a span of another tenant would be stored instead of refused.
      return {
        status: 'invalid',
        code: 'malformed',
        message:
          'A remote store takes the tenant of a request from its key. Open it with an "apiKey", send no "tenantId".',
      };
    }
    let spans: number;
    try {
      spans = countSpans(request.format === 'json' ? decodeTracesJson(request.body) : decodeTraces(request.body));
    } catch (error) {
      const code = (error as { code?: unknown }).code === 'too_many_elements' ? 'too_many_elements' : 'malformed';
      return { status: 'invalid', code, message: (error as Error).message };
    }
    const mediaType = request.format === 'json' ? 'application/json' : 'application/x-protobuf';
    let answer: Attempt;
    try {
      answer = await this.#attempt('POST', `${this.#endpoint}/v1/traces`, request.body, {
        'content-type': mediaType,
        accept: mediaType,
        ...(request.projectName === undefined ? {} : { 'x-project-name': request.projectName }),
      });
    } catch (error) {
      return { status: 'unavailable', retryAfterMillis: 1000, message: (error as Error).message };
    }
    if (answer.status === 200) {
      try {
        const decode = request.format === 'json' ? decodeExportResponseJson : decodeExportResponse;
        const { rejectedSpans, message } = decode(answer.body);
        return { status: 'stored', acceptedSpans: spans - rejectedSpans, rejectedSpans, message, tenants: [] };
      } catch (cause) {
        const { message } = this.#noServer('its answer to spans is no OTLP', cause);
        return { status: 'unavailable', retryAfterMillis: 1000, message };
      }
    }
    const message = `${this.#endpoint} answered ${answer.status}: ${detailOf(answer).detail}`;
    const retryAfterMillis = Number(answer.headers.get('retry-after') ?? '1') * 1000 || 1000;
    if (answer.status === 429) return { status: 'overloaded', retryAfterMillis, message };
    if (answer.status >= 500) return { status: 'unavailable', retryAfterMillis, message };
    return { status: 'invalid', code: 'malformed', message };
  }

  /** What the last call found. */
  health(): StoreHealth {
    return this.#health;
  }

  /** Ends the calls under way with `BackendUnavailableError`. The server goes on. */
  async shutdown(): Promise<void> {
    this.#closed = true;
    for (const attempt of this.#underWay) attempt.abort();
    this.#health = { ready: false, reason: 'The store was shut down.' };
  }

  async call<Request, Result>(
    _name: StoreCallName,
    operation: StoreOperation<Request, Result>,
    request: Request,
  ): Promise<Result> {
    const wire = encodeStoreRequest(operation, request);
    let url = `${this.#endpoint}${STORE_ROUTE_PREFIX}${operation.path}`;
    let body: Uint8Array | undefined;
    if (operation.method === 'GET') {
      const given = Object.entries(wire as Record<string, string | undefined>).filter(
        ([, value]) => value !== undefined,
      );
      const parameters = new URLSearchParams(given as [string, string][]).toString();
      if (parameters !== '') url += `?${parameters}`;
    } else {
      body = new TextEncoder().encode(jsonText(wire, operation.path));
    }
    const answer = await this.#send(operation, url, body);
    let json: unknown;
    try {
      json = JSON.parse(new TextDecoder().decode(answer.body));
    } catch (cause) {
      throw this.#noServer(`it answered ${answer.status} with something that is no JSON`, cause);
    }
    if (answer.status !== 200) throw this.#errorOf(answer);
    try {
      return decodeStoreResult(operation, json);
    } catch (cause) {
      throw this.#noServer('its answer has another form than this version reads', cause);
    }
  }

  async #send<Request, Result>(
    operation: StoreOperation<Request, Result>,
    url: string,
    body: Uint8Array | undefined,
  ): Promise<Attempt> {
    const headers = {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const attempts = operation.reads ? this.#options.maxRetries + 1 : 1;
    for (let attempt = 1; ; attempt += 1) {
      const last = attempt === attempts;
      try {
        const answer = await this.#attempt(operation.method, url, body, headers);
        // A gateway in front of the server says so with these; the store's own errors carry a code and are final.
        if (last || ![502, 503, 504].includes(answer.status) || detailOf(answer).code !== undefined) return answer;
      } catch (error) {
        if (last || this.#closed) throw error;
      }
      const delayMillis = this.#options.retryDelayMillis * 2 ** (attempt - 1);
      await this.#ending((signal) => wait(delayMillis, undefined, { signal }));
    }
  }

  /** Runs `work` with a signal that shutdown aborts. Errors: `BackendUnavailableError` if the store is shut down. */
  async #ending<T>(work: (signal: AbortSignal, abort: () => void) => Promise<T>): Promise<T> {
    if (this.#closed) throw this.#unavailable('this client of it was shut down');
    // One controller an attempt: `AbortSignal.any` over a signal that lives as long as the store would collect what it combines.
    const controller = new AbortController();
    this.#underWay.add(controller);
    try {
      return await work(controller.signal, () => controller.abort());
    } catch (cause) {
      throw this.#closed ? this.#unavailable('this client of it was shut down', cause) : cause;
    } finally {
      this.#underWay.delete(controller);
    }
  }

  /** Errors: `BackendUnavailableError` if no complete answer came. */
  async #attempt(
    method: string,
    url: string,
    body: Uint8Array | undefined,
    headers: Record<string, string>,
  ): Promise<Attempt> {
    const { apiKey, timeoutMillis } = this.#options;
    return this.#ending(async (signal, abort) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        abort();
      }, timeoutMillis);
      try {
        const response = await this.#fetch(url, {
          method,
          headers: apiKey === undefined ? headers : { ...headers, authorization: `Bearer ${apiKey}` },
          // A redirect would carry the key and the spans to an address that nobody configured.
          redirect: 'manual',
          signal,
          ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
        });
        const answer = {
          status: response.status,
          headers: response.headers,
          body: new Uint8Array(await response.arrayBuffer()),
        };
        this.#health = { ready: true, reason: '' };
        return answer;
      } catch (cause) {
        throw this.#unavailable(late ? `no answer within ${timeoutMillis} ms` : reasonOf(cause), cause);
      } finally {
        clearTimeout(timer);
      }
    });
  }

  #unavailable(reason: string, cause?: unknown): BackendUnavailableError {
    const remedy = this.#closed
      ? 'Ask the manager for the provider again, or open a new one.'
      : 'Start it with "cogniverse serve", or correct "endpoint".';
    const message = `No answer from the telemetry server at ${this.#endpoint}: ${reason}. ${remedy}`;
    this.#health = { ready: false, reason: message };
    return new BackendUnavailableError(message, { cause });
  }

  #noServer(reason: string, cause?: unknown): BackendUnavailableError {
    return new BackendUnavailableError(
      `What answers at ${this.#endpoint} does not speak this API: ${reason}. ` +
        'Check that "endpoint" is the address of "cogniverse serve", and that both have the same version.',
      { cause },
    );
  }

  #errorOf(answer: Attempt): Error {
    const { detail, code } = detailOf(answer);
    const known = code === undefined ? undefined : errorOfCode(code, detail);
    if (known !== undefined) return known;
    if (answer.status === 401 || answer.status === 403) {
      return new BackendUnavailableError(
        `The telemetry server at ${this.#endpoint} ${this.#options.apiKey === undefined ? 'was given no key' : 'refused the key'} (${answer.status}): ` +
          `${detail.replace(/\.$/, '')}. Check "api_key"; of the command, COGNIVERSE_API_KEY or --api-key.`,
      );
    }
    if (answer.status === 404 || (answer.status >= 300 && answer.status < 400)) {
      return this.#noServer(`it answered ${answer.status}: ${detail}`);
    }
    return new BackendUnavailableError(
      `The telemetry server at ${this.#endpoint} failed (${answer.status}): ${detail}. Its log says why.`,
    );
  }
}

/** Errors: `InvalidQueryError` for what JSON has no form for. */
function jsonText(value: unknown, path: string): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw new InvalidQueryError(
      `${path}: the request holds a value that JSON has no form for: ${(cause as Error).message}. Give such a value as a string.`,
      { cause },
    );
  }
}

/** The error body of this API and of Phoenix's, or the first of whatever came instead. */
function detailOf(answer: Attempt): { detail: string; code?: string | undefined } {
  const text = new TextDecoder().decode(answer.body);
  try {
    const { detail, code } = errorBody.parse(JSON.parse(text));
    return { detail: typeof detail === 'string' ? detail : JSON.stringify(detail), code };
  } catch {
    // Not this API's form: its text is all there is to show.
    return { detail: text.slice(0, 200) || 'an empty body' };
  }
}

/** `fetch` hides the reason behind "fetch failed". */
function reasonOf(cause: unknown): string {
  const inner = (cause as { cause?: unknown }).cause ?? cause;
  const errors = inner instanceof AggregateError ? inner.errors : [inner];
  return errors.map((error) => (error instanceof Error ? error.message || error.name : String(error))).join(', ');
}

function countSpans(traces: OtlpTraces): number {
  let spans = 0;
  for (const { scopeSpans } of traces.resourceSpans) {
    for (const scope of scopeSpans) spans += scope.spans.length;
  }
  return spans;
}
