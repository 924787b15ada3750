/**
 * `/v1/cogniverse/`: what Phoenix's REST API lacks, as routes over the store.   HTTP -> [routes] -> store.
 *
 * Paths, requests and answers are declared once, in foundation's `STORE_OPERATIONS`, where the remote store reads them too.
 */

import {
  decodeStoreRequest,
  encodeStoreResult,
  httpStatusOfError,
  InvalidQueryError,
  STORE_OPERATIONS,
  STORE_ROUTE_PREFIX,
  TelemetryError,
} from '@cogniverse/foundation/store';
import type { StoreCallName, StoreOperation, TelemetryStore } from '@cogniverse/foundation/telemetry';
import type { FastifyInstance } from 'fastify';
import { AccessRefusedError, type RouteAccess } from '../../auth/access.js';
import { limitRequest, limitResult, OPERATION_SCOPES } from '../../auth/operation-scopes.js';
import { ownVersion } from '../../version.js';
import { OPENAPI_PATH, openApiDocument } from './openapi.js';

export interface CogniverseRouteOptions {
  readonly store: TelemetryStore;
  /** Hears of failures that are the server's own, or the store's. */
  readonly onError?: ((error: Error) => void) | undefined;
  /** Called before the deletion of a tenant is answered, for what is kept of it outside the store. */
  readonly onTenantDeleted?: ((tenantId: string | null) => Promise<void>) | undefined;
  /** Largest request body, in bytes. Default 64 MiB. */
  readonly bodyLimit?: number | undefined;
}

const DEFAULT_BODY_LIMIT = 64 * 1024 * 1024;

/** Registers the routes in a scope of their own: parsers and error form of the rest of the server stay as they are. */
export function registerCogniverseRoutes(app: FastifyInstance, options: CogniverseRouteOptions): void {
  const { store, onError, onTenantDeleted, bodyLimit = DEFAULT_BODY_LIMIT } = options;
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // JSON.parse gives a key named `__proto__` as an ordinary own key, and nothing here merges objects: such a row is kept as it came.
    scope.addContentTypeParser('application/json', { parseAs: 'string', bodyLimit }, (_request, body, done) => {
      try {
        done(null, JSON.parse(body as string));
      } catch (cause) {
        done(new InvalidQueryError(`The body is no JSON: ${(cause as Error).message}.`, { cause }));
      }
    });
    // Unlike elsewhere on the server, what the store says of a failure goes to the client, which throws it again.
    scope.setErrorHandler((error: Error & { statusCode?: number; code?: string }, _request, reply) => {
      if (error instanceof AccessRefusedError) throw error; // answered as elsewhere
      if (error instanceof TelemetryError) {
        const status = httpStatusOfError(error);
        if (status >= 500) onError?.(error);
        if (status === 503) reply.header('retry-after', '1');
        return reply.status(status).send({ detail: error.message, code: error.code });
      }
      if (error.statusCode !== undefined && error.statusCode < 500) {
        return reply.status(error.statusCode).send({ detail: error.message, code: 'invalid_query' });
      }
      onError?.(error);
      return reply.status(500).send({ detail: 'The server failed. Its log says why.', code: 'internal' });
    });
    const document = JSON.stringify(openApiDocument(ownVersion()));
    scope.get(OPENAPI_PATH, async (_request, reply) => reply.type('application/json').send(document));
    const operations = Object.entries(STORE_OPERATIONS) as [StoreCallName, StoreOperation<object, unknown>][];
    for (const [name, operation] of operations) {
      const answer = store[name] as (request: object) => Promise<unknown>;
      scope.route({
        method: operation.method,
        url: `${STORE_ROUTE_PREFIX}${operation.path}`,
        bodyLimit,
        config: { access: accessOf(name, operation) },
        handler: async (request, reply) => {
          const query = request.query as object;
          const wire = operation.method === 'GET' ? query : request.body;
          if (operation.method === 'POST' && Object.keys(query).length > 0) {
            throw new InvalidQueryError(
              `${operation.path} takes its request as a JSON body, not as parameters (given: ${Object.keys(query).join(', ')}).`,
            );
          }
          const limited = limitRequest(name, decodeStoreRequest(operation, wire), request.access);
          const answered = await answer(limited);
          if (name === 'deleteTenant') await onTenantDeleted?.((limited as { tenantId: string | null }).tenantId);
          const result = limitResult(name, answered, request.access);
          return reply.type('application/json').send(JSON.stringify(encodeStoreResult(operation, result)));
        },
      });
    }
  });
}

function accessOf(name: StoreCallName, { reads }: { readonly reads: boolean }): RouteAccess {
  if (OPERATION_SCOPES[name] === 'operator') return reads ? 'observe' : 'operate';
  return reads ? 'read' : 'change';
}
