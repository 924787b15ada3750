/**
 * How errors look to HTTP clients: `{ "detail": ... }`, a status that fits, and nothing of the inside.   Read path: rest -> [error-answers] -> client.
 */
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import type { ListenerName, ServerMetrics } from './server-metrics.js';

/** An answer that is not the result: thrown by routes, sent as it is. */
export class HttpAnswer extends Error {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  constructor(status: number, detail: string, more: Readonly<Record<string, unknown>> = {}) {
    super(detail);
    this.name = 'HttpAnswer';
    this.status = status;
    this.body = { detail, ...more };
  }
}

/** By the `code` of foundation's errors; their messages are made for whoever asked. */
const STATUS_OF_CODE: ReadonlyMap<string, number> = new Map([
  ['invalid_query', 422],
  ['invalid_name', 422],
  ['project_not_found', 404],
  ['span_not_found', 404],
  ['dataset_not_found', 404],
  ['experiment_not_found', 404],
  ['project_ambiguous', 409],
  ['dataset_exists', 409],
  ['tenant_mismatch', 403],
]);

export function registerErrorAnswers(
  app: FastifyInstance,
  options: { listener: ListenerName; metrics: ServerMetrics },
): void {
  app.setErrorHandler((error: FastifyError | Error, _request, reply) => {
    if (error instanceof HttpAnswer) return reply.code(error.status).send(error.body);
    const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
    if (code === 'backend_unavailable') {
      options.metrics.reportError(options.listener, error);
      return reply.code(503).header('retry-after', '1').send({ detail: 'The store does not answer. Try again later.' });
    }
    const status = STATUS_OF_CODE.get(code);
    if (status !== undefined) return reply.code(status).send({ detail: error.message });
    // The framework's own refusals (body too large, malformed JSON, unknown content type) say what was wrong with the request.
    if ('statusCode' in error && typeof error.statusCode === 'number' && error.statusCode < 500) {
      return reply.code(error.statusCode).send({ detail: error.message });
    }
    options.metrics.reportError(options.listener, error);
    return reply.code(500).send({ detail: 'Internal error. The log of the server has the details.' });
  });
  // Before the body is looked at: the content type of a request to nowhere does not matter.
  app.addHook('onRequest', async (request, reply) => {
    if (request.is404) await sendNotFound(reply, request.method, request.url);
  });
  app.setNotFoundHandler((request, reply) => sendNotFound(reply, request.method, request.url));
}

function sendNotFound(reply: FastifyReply, method: string, url: string): FastifyReply {
  return reply.code(404).send({ detail: `There is no ${method} ${url.split('?', 1)[0]!.slice(0, 200)} here.` });
}
