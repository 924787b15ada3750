/**
 * OTLP over HTTP: `POST /v1/traces`.   Write path: socket -> [otlp-http] -> store.
 *
 * Source: OTLP 1.11, "OTLP/HTTP". Answers come in the format of the request; failures are `google.rpc.Status`.
 */
import { encodeExportResponse, encodeExportResponseJson } from '@cogniverse/foundation/otlp';
import type { IngestResult } from '@cogniverse/foundation/telemetry';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AccessRefusedError } from '../auth/access.js';
import { withRefusalHeaders } from '../error-answers.js';
import { type IngestService, projectNameFromHeader } from './ingest-service.js';
import { readBody } from './read-body.js';
import { encodeRpcStatus, RPC_CODE, type RpcStatus, rpcCodeOfRefusal, rpcStatusJson } from './rpc-status.js';

type Format = 'protobuf' | 'json';
const CONTENT_TYPE = { protobuf: 'application/x-protobuf', json: 'application/json' } as const;

/** Registers the OTLP paths. Bodies are read here and not by the framework, so the scope gets its own content type parser. */
export async function registerOtlpHttp(app: FastifyInstance, options: { service: IngestService }): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.setErrorHandler((error, request, reply) => {
    if (!(error instanceof AccessRefusedError)) throw error; // the server's own form
    return sendStatus(withRefusalHeaders(reply, error), formatOf(request) ?? 'json', error.statusCode, {
      code: rpcCodeOfRefusal(error),
      message: error.message,
    });
  });
  app.post('/v1/traces', { config: { access: 'ingest' } }, (request, reply) =>
    exportTraces(request, reply, options.service),
  );
  for (const signal of ['logs', 'metrics']) {
    app.post(`/v1/${signal}`, { config: { access: 'ingest' } }, (request, reply) =>
      sendStatus(reply, formatOf(request) ?? 'json', 404, {
        code: RPC_CODE.notFound,
        message: `OTLP ${signal} are not taken here, only traces (POST /v1/traces). Switch the ${signal} exporter off or point it elsewhere.`,
      }),
    );
  }
}

async function exportTraces(
  request: FastifyRequest,
  reply: FastifyReply,
  service: IngestService,
): Promise<FastifyReply> {
  const format = formatOf(request);
  if (format === undefined) {
    return sendStatus(reply, 'json', 415, {
      code: RPC_CODE.invalidArgument,
      message: `Content-Type must be ${CONTENT_TYPE.protobuf} or ${CONTENT_TYPE.json}.`,
    });
  }
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase() || 'identity';
  if (encoding !== 'gzip' && encoding !== 'identity') {
    reply.header('accept-encoding', 'gzip, identity');
    return sendStatus(reply, format, 415, {
      code: RPC_CODE.invalidArgument,
      message: 'Content-Encoding must be gzip or identity.',
    });
  }
  if (Number(request.headers['content-length'] ?? 0) > service.limits.maxWireBytes) {
    return sendStatus(reply, format, 413, {
      code: RPC_CODE.invalidArgument,
      message: `The request is larger than ${service.limits.maxWireBytes} bytes. Send smaller batches.`,
    });
  }
  const lease = service.gate.open();
  try {
    const read = await readBody(request.raw, { gzip: encoding === 'gzip', limits: service.limits, lease });
    switch (read.status) {
      case 'aborted':
        return reply.hijack(); // the connection is gone: there is nobody to answer
      case 'too_large':
        return sendStatus(reply, format, 413, { code: RPC_CODE.invalidArgument, message: read.message });
      case 'malformed':
        return sendStatus(reply, format, 400, { code: RPC_CODE.invalidArgument, message: read.message });
      case 'no_room':
        return sendResult(reply, format, service.refuseForRoom());
      case 'read': {
        const projectName = projectNameFromHeader(request.headers['x-project-name']);
        return sendResult(
          reply,
          format,
          await service.ingest({ body: read.body, format, projectName, tenantId: request.access.tenantId }),
        );
      }
    }
  } finally {
    lease.release();
  }
}

function sendResult(reply: FastifyReply, format: Format, result: IngestResult): FastifyReply {
  switch (result.status) {
    case 'stored': {
      const partial = { rejectedSpans: result.rejectedSpans, message: result.message };
      reply.code(200).type(CONTENT_TYPE[format]);
      if (format === 'json') return reply.send(JSON.stringify(encodeExportResponseJson(partial)));
      return reply.send(Buffer.from(encodeExportResponse(partial)));
    }
    case 'invalid':
      return sendStatus(reply, format, 400, { code: RPC_CODE.invalidArgument, message: result.message });
    case 'overloaded':
    case 'unavailable': {
      const code = result.status === 'overloaded' ? RPC_CODE.resourceExhausted : RPC_CODE.unavailable;
      reply.header('retry-after', String(Math.max(1, Math.ceil(result.retryAfterMillis / 1000))));
      return sendStatus(reply, format, result.status === 'overloaded' ? 429 : 503, {
        code,
        message: result.message,
        retryAfterMillis: result.retryAfterMillis,
      });
    }
  }
}

function sendStatus(reply: FastifyReply, format: Format, httpStatus: number, status: RpcStatus): FastifyReply {
  reply.code(httpStatus).type(CONTENT_TYPE[format]);
  if (format === 'json') return reply.send(JSON.stringify(rpcStatusJson(status)));
  return reply.send(Buffer.from(encodeRpcStatus(status)));
}

/** By the media type, whatever its case and parameters. */
function formatOf(request: FastifyRequest): Format | undefined {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
  if (type === CONTENT_TYPE.protobuf) return 'protobuf';
  return type === CONTENT_TYPE.json ? 'json' : undefined;
}
