/**
 * How errors look to HTTP clients: `{ "detail": ... }`, a status that fits, and nothing of the inside.   Read path: rest -> [error-answers] -> client.
 */
import { httpStatusOfError, TelemetryError } from '@cogniverse/foundation/store';
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import { AccessRefusedError } from './auth/access.js';
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

export function registerErrorAnswers(
  app: FastifyInstance,
  options: { listener: ListenerName; metrics: ServerMetrics },
): void {
  app.setErrorHandler((error: FastifyError | Error, _request, reply) => {
    if (error instanceof AccessRefusedError) {
      return withRefusalHeaders(reply, error).code(error.statusCode).send({ detail: error.message, code: error.code });
    }
    if (error instanceof HttpAnswer) return reply.code(error.status).send(error.body);
    if (error instanceof TelemetryError) {
      const status = httpStatusOfError(error);
      if (status < 500) return reply.code(status).send({ detail: error.message, code: error.code });
      options.metrics.reportError(options.listener, error);
      if (status === 503) {
        const detail = 'The store does not answer. Try again later.';
        return reply.code(503).header('retry-after', '1').send({ detail, code: error.code });
      }
    }
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

/** The headers of the answer to a request that was not let in. */
export function withRefusalHeaders(reply: FastifyReply, { statusCode }: AccessRefusedError): FastifyReply {
  if (statusCode === 401) return reply.header('www-authenticate', 'Bearer');
  return statusCode === 503 ? reply.header('retry-after', '1') : reply;
}

function sendNotFound(reply: FastifyReply, method: string, url: string): FastifyReply {
  return reply.code(404).send({ detail: `There is no ${method} ${url.split('?', 1)[0]!.slice(0, 200)} here.` });
}
