/**
 * The search service over HTTP: `POST /tenants/{tenant}/search` and `GET /tenants/{tenant}/documents/{id}`.
 *
 * The tenant is in the path, the session in the header `x-session-id`. OpenTelemetry's HTTP instrumentation opens the inbound span before
 * any line of this file runs; `withTenant` gives that span, too, its tenant.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Telemetry } from '@cogniverse/foundation/telemetry';
import { QueryError } from './query.js';
import { DocumentNotFoundError, type SearchRequest, type SearchService } from './search-service.js';
import { STRATEGIES } from './traffic.js';

export const MAX_BODY_BYTES = 32 * 1024;
const MAX_RESULTS = 50;

/** A request that is refused, with its status. */
class RequestError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = 'RequestError';
    this.status = status;
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // The rest is read and thrown away, so that the client gets the answer instead of a broken connection.
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  if (bytes > MAX_BODY_BYTES)
    throw new RequestError(413, `The request has ${bytes} bytes; ${MAX_BODY_BYTES} are allowed.`);
  return Buffer.concat(chunks).toString('utf8');
}

function parseSearch(body: string): SearchRequest {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new RequestError(400, 'The request is no valid JSON.');
  }
  const { query, strategy, topK } = (value ?? {}) as Partial<Record<string, unknown>>;
  if (typeof query !== 'string') throw new RequestError(400, '"query" must be a text.');
  const known = STRATEGIES.find((name) => name === strategy);
  if (known === undefined) throw new RequestError(400, `"strategy" must be one of ${STRATEGIES.join(', ')}.`);
  if (!Number.isInteger(topK) || (topK as number) < 1 || (topK as number) > MAX_RESULTS) {
    throw new RequestError(400, `"topK" must be a whole number from 1 to ${MAX_RESULTS}.`);
  }
  return { query, strategy: known, topK: topK as number };
}

function statusOf(error: unknown): number {
  if (error instanceof RequestError) return error.status;
  if (error instanceof QueryError) return 400;
  return error instanceof DocumentNotFoundError ? 404 : 500;
}

async function answer(
  service: SearchService,
  tenantId: string,
  request: IncomingMessage,
  rest: string,
): Promise<unknown> {
  if (request.method === 'POST' && rest === 'search')
    return service.search(tenantId, parseSearch(await readBody(request)));
  const documentId = /^documents\/([^/]+)$/.exec(rest)?.[1];
  if (request.method === 'GET' && documentId !== undefined)
    return service.document(tenantId, decodeURIComponent(documentId));
  throw new RequestError(404, 'There is nothing here.');
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

export interface RunningService {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves on a free port of the loopback interface. */
export async function startHttpService(telemetry: Telemetry, service: SearchService): Promise<RunningService> {
  const server: Server = createServer((request, response) => {
    const match = /^\/tenants\/([^/?]+)\/([^?]*)$/.exec(request.url ?? '');
    const tenantId = match?.[1];
    if (tenantId === undefined || !service.hasTenant(tenantId)) {
      request.resume();
      send(response, 404, { error: 'There is no such tenant.' });
      return;
    }
    const sessionId = request.headers['x-session-id'];
    const handle = async () => {
      try {
        send(response, 200, await answer(service, tenantId, request, match![2]!));
      } catch (error) {
        const status = statusOf(error);
        send(response, status, { error: status === 500 ? 'The service failed.' : (error as Error).message });
      }
    };
    void telemetry.withTenant(tenantId, () =>
      typeof sessionId === 'string' ? telemetry.session({ tenantId, sessionId }, handle) : handle(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
