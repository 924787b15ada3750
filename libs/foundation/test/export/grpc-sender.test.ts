/** One attempt over OTLP/gRPC, row by row of the table of outcomes, against a real backend that does what it is told. */
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import {
  encodeSampleSpan,
  type ScriptedAnswer,
  type ScriptedBackend,
  startScriptedBackend,
} from '@cogniverse/foundation/telemetry/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SendResult, SpanSender } from '../../dist/telemetry/export/export-target.js';
import { otlpTarget } from '../../dist/telemetry/export/otlp-target.js';
import { end, oneSpanRequest as request, startPipeline } from './pipeline-fixture.js';

let backend: ScriptedBackend;
let sender: SpanSender;

beforeAll(async () => {
  backend = await startScriptedBackend();
  sender = senderTo(backend.grpcEndpoint);
});
afterAll(async () => {
  await sender.close();
  await backend.close();
});

function senderTo(endpoint: string, more: Partial<Parameters<typeof otlpTarget>[0]> = {}): SpanSender {
  return otlpTarget({ endpoint, protocol: 'grpc', ...more }).createSender();
}

async function outcome(answer: ScriptedAnswer, timeoutMillis = 5000): Promise<SendResult> {
  backend.answerNext(answer);
  return sender.send(request, { timeoutMillis, spanCount: 1 });
}

describe('an OTLP/gRPC request', () => {
  it('is a call of TraceService/Export with the headers as metadata, and arrives as it was sent', async () => {
    const own = senderTo(backend.grpcEndpoint, { headers: { Authorization: 'Bearer secret' } });
    expect(await own.send(request, { timeoutMillis: 5000, spanCount: 1 })).toEqual({
      status: 'sent',
      rejectedSpans: 0,
      message: '',
    });
    const received = backend.requests.at(-1)!;
    expect(received.path).toBe('/opentelemetry.proto.collector.trace.v1.TraceService/Export');
    expect(received.headers).toMatchObject({ 'content-type': 'application/grpc', authorization: 'Bearer secret' });
    expect(Buffer.from(received.body)).toEqual(request);
    await own.close();
  });

  it('is compressed where that is asked for', async () => {
    const own = senderTo(backend.grpcEndpoint, { compression: 'gzip' });
    expect(await own.send(request, { timeoutMillis: 5000, spanCount: 1 })).toMatchObject({ status: 'sent' });
    expect(backend.requests.at(-1)!.headers['grpc-encoding']).toBe('gzip');
    expect(Buffer.from(backend.requests.at(-1)!.body)).toEqual(request);
    await own.close();
  });

  it('may be larger than gRPC allows by default', async () => {
    const large = encodeSampleSpan('large', { attributes: new Map([['text', 'x'.repeat(6 * 1024 * 1024)]]) });
    const { pipeline } = startPipeline({ clock: undefined });
    const target = otlpTarget({ endpoint: backend.grpcEndpoint, protocol: 'grpc' });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 });
    queue.ledger.ended += 1;
    queue.offer({ id: 1, prefix: new Uint8Array(0) }, large);
    expect(await pipeline.forceFlush(10_000)).toBe(true);
    expect(backend.acceptedSpans.at(-1)!.name).toBe('large');
    await pipeline.shutdown(1000);
  });
});

const RETRIED = [1, 4, 10, 11, 14, 15];

describe('gRPC outcomes', () => {
  it.each(Array.from({ length: 16 }, (_, index) => index + 1))(
    'status %i, without and with RetryInfo',
    async (code) => {
      const plain = await outcome({ code, message: 'as told' });
      const hinted = await outcome({ code, message: 'as told', retryDelayMillis: 1500 });
      if (RETRIED.includes(code)) {
        expect(plain).toMatchObject({
          status: 'retryable',
          reason: `grpc_${code}`,
          afterMillis: undefined,
          ambiguous: code !== 14,
        });
        expect(hinted).toMatchObject({ status: 'retryable', reason: `grpc_${code}`, afterMillis: 1500 });
      } else if (code === 8) {
        expect(plain).toMatchObject({ status: 'failed', reason: 'grpc_8' });
        expect(hinted).toMatchObject({ status: 'retryable', reason: 'grpc_8', afterMillis: 1500, ambiguous: false });
      } else {
        const expected = { status: code === 3 ? 'splittable' : 'failed', reason: `grpc_${code}` };
        expect(plain).toMatchObject(expected);
        expect(hinted).toMatchObject(expected);
      }
    },
  );

  it('RESOURCE_EXHAUSTED that speaks of the size of the message is split, not repeated', async () => {
    const message = 'SERVER: Received message larger than max (5000000 vs. 4194304)';
    expect(await outcome({ code: 8, message })).toMatchObject({ status: 'splittable', reason: 'grpc_8' });
  });

  it.each([
    ['a delay of zero', 0],
    ['a negative delay', -2000],
  ])('RetryInfo with %s says to try again, but not when', async (_name, retryDelayMillis) => {
    expect(await outcome({ code: 8, retryDelayMillis })).toMatchObject({ status: 'retryable', afterMillis: undefined });
  });

  it('status details that are junk count as none', async () => {
    expect(await outcome({ code: 8, statusDetails: Buffer.from([0x1a, 0xff, 0x01]) })).toMatchObject({
      status: 'failed',
      reason: 'grpc_8',
    });
  });

  it.each([
    { rejectedSpans: 3, message: 'bad ids' },
    { rejectedSpans: 0, message: 'deprecated' },
    { rejectedSpans: -1, message: '' },
  ])('a partial success is passed on as it is: %j', async (partialSuccess) => {
    expect(await outcome({ partialSuccess })).toEqual({ status: 'sent', ...partialSuccess });
  });

  it('a success with junk in it: sent, with a word about it', async () => {
    const result = await outcome({ body: Buffer.from([0xff, 0xff, 0xff]) });
    expect(result).toMatchObject({ status: 'sent', rejectedSpans: 0 });
    expect(result.status === 'sent' && result.message).toContain('unreadable');
  });

  it('a response of 5 MiB: refused', async () => {
    expect(await outcome({ body: Buffer.alloc(5 * 1024 * 1024) })).toMatchObject({
      status: 'failed',
      reason: 'response_too_large',
    });
  });

  it('no answer: the deadline holds, and the backend may have the spans', async () => {
    expect(await outcome({ fault: 'never' }, 100)).toMatchObject({ status: 'retryable', ambiguous: true });
    expect(await outcome({})).toMatchObject({ status: 'sent' });
  });

  it.each(['reset', 'reset_at_headers'] as const)(
    'a connection that is lost (%s): retryable, ambiguous, and the next one works',
    async (fault) => {
      expect(await outcome({ fault })).toMatchObject({ status: 'retryable', ambiguous: true });
      expect(await outcome({})).toMatchObject({ status: 'sent' });
    },
  );

  it('nobody listens: retryable, and certainly not delivered', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const own = senderTo(`127.0.0.1:${port}`);
    expect(await own.send(request, { timeoutMillis: 5000, spanCount: 1 })).toMatchObject({
      status: 'retryable',
      reason: 'grpc_14',
      ambiguous: false,
    });
    await own.close();
  });

  it('a plain server where TLS is expected: retryable, nothing sent in the clear', async () => {
    const own = senderTo(backend.grpcEndpoint.replace('http:', 'https:'));
    const count = backend.requests.length;
    expect(await own.send(request, { timeoutMillis: 5000, spanCount: 1 })).toMatchObject({
      status: 'retryable',
      ambiguous: false,
    });
    expect(backend.requests).toHaveLength(count);
    await own.close();
  });
});

describe('the pipeline over gRPC', () => {
  it('delivers a backlog of many tenants over one connection', async () => {
    const own = await startScriptedBackend();
    const { pipeline } = startPipeline({ clock: undefined, maxExportBatchSize: 64, scheduleDelayMillis: 1 });
    const target = otlpTarget({ endpoint: own.grpcEndpoint });
    for (let tenant = 0; tenant < 50; tenant += 1) {
      const queue = pipeline.openProject({ tenantId: `t${tenant}`, projectName: 'p', target, maxQueueSize: 100 });
      for (let index = 0; index < 20; index += 1) end(queue, `s${tenant}.${index}`);
    }
    expect(await pipeline.forceFlush(20_000)).toBe(true);
    expect(new Set(own.acceptedSpans.map(({ name }) => name)).size).toBe(1000);
    expect(own.connections).toBe(1);
    expect(pipeline.audit()).toBeNull();
    await pipeline.shutdown(1000);
    await own.waitForNoConnections();
    await own.close();
  });
});
