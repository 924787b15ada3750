/** One attempt over OTLP/HTTP, row by row of the table of outcomes, against a real backend that does what it is told. */
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import zlib from 'node:zlib';
import {
  memoryTarget,
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
  sender = senderTo(backend.httpEndpoint);
});
afterAll(async () => {
  await sender.close();
  await backend.close();
});

function senderTo(endpoint: string, more: Partial<Parameters<typeof otlpTarget>[0]> = {}): SpanSender {
  return otlpTarget({ endpoint, protocol: 'http/protobuf', ...more }).createSender();
}

async function outcome(answer: ScriptedAnswer, timeoutMillis = 5000): Promise<SendResult> {
  backend.answerNext(answer);
  return sender.send(request, { timeoutMillis, spanCount: 1 });
}

describe('an OTLP/HTTP request', () => {
  it('is a POST of protobuf to /v1/traces, with the headers given, and arrives as it was sent', async () => {
    const own = senderTo(backend.httpEndpoint, { headers: { Authorization: 'Bearer secret' } });
    expect(await own.send(request, { timeoutMillis: 5000, spanCount: 1 })).toEqual({
      status: 'sent',
      rejectedSpans: 0,
      message: '',
    });
    const received = backend.requests.at(-1)!;
    expect(received.path).toBe('/v1/traces');
    expect(received.headers).toMatchObject({
      'content-type': 'application/x-protobuf',
      authorization: 'Bearer secret',
      'content-length': `${request.length}`,
    });
    expect(Buffer.from(received.body)).toEqual(request);
    expect(received.spans.map(({ name }) => name)).toEqual(['span']);
    await own.close();
  });

  it('is compressed where that is asked for', async () => {
    const own = senderTo(backend.httpEndpoint, { compression: 'gzip' });
    expect(await own.send(request, { timeoutMillis: 5000, spanCount: 1 })).toMatchObject({ status: 'sent' });
    expect(backend.requests.at(-1)!.headers['content-encoding']).toBe('gzip');
    expect(Buffer.from(backend.requests.at(-1)!.body)).toEqual(request);
    await own.close();
  });
});

describe('HTTP outcomes', () => {
  it('every status from 200 to 599', async () => {
    for (let status = 200; status < 600; status += 1) {
      const result = await outcome({ status });
      const seen = [
        result.status,
        'reason' in result ? result.reason : '',
        'ambiguous' in result ? result.ambiguous : '',
      ];
      if (status < 300) expect(seen, `${status}`).toEqual(['sent', '', '']);
      else if (status < 400) expect(seen, `${status}`).toEqual(['failed', 'redirect', '']);
      else if ([429, 503].includes(status)) expect(seen, `${status}`).toEqual(['retryable', `http_${status}`, false]);
      else if ([502, 504].includes(status)) expect(seen, `${status}`).toEqual(['retryable', `http_${status}`, true]);
      else if ([400, 413, 422].includes(status))
        expect(seen, `${status}`).toEqual(['splittable', `http_${status}`, '']);
      else expect(seen, `${status}`).toEqual(['failed', `http_${status}`, '']);
    }
  });

  it.each([
    ['2', 2000],
    [new Date(Date.now() + 3_600_000).toUTCString(), 3_600_000],
    ['junk', undefined],
    ['-1', undefined],
    ['0', undefined],
    ['1e12', undefined],
    ['1000000000000', 2 ** 31 - 1],
    [undefined, undefined],
  ])('429 with Retry-After %j waits %j ms', async (header, expected) => {
    const result = await outcome({ status: 429, headers: header === undefined ? {} : { 'retry-after': header } });
    const after = result.status === 'retryable' ? result.afterMillis : 'not retryable';
    if (expected === 3_600_000) expect(Math.abs(Number(after) - expected)).toBeLessThan(10_000);
    else expect(after).toBe(expected);
  });

  it.each([
    [{ rejectedSpans: 3, message: 'bad ids' }],
    [{ rejectedSpans: 0, message: 'deprecated' }],
    [{ rejectedSpans: -5, message: '' }],
  ])('a partial success is passed on as it is: %j', async (partialSuccess) => {
    expect(await outcome({ partialSuccess })).toEqual({ status: 'sent', ...partialSuccess });
  });

  it.each([
    ['junk', Buffer.from([0xff, 0xff, 0xff])],
    ['HTML', '<html><body>welcome</body></html>'],
  ])('%s as the body of a 200: sent, with a word about it', async (_name, body) => {
    const result = await outcome({ body });
    expect(result).toMatchObject({ status: 'sent', rejectedSpans: 0 });
    expect(result.status === 'sent' && result.message).toContain('unreadable');
  });

  it('a body of 10 MiB, or a gzip bomb: reading stops', async () => {
    expect(await outcome({ body: Buffer.alloc(10 * 1024 * 1024) })).toMatchObject({
      status: 'failed',
      reason: 'response_too_large',
    });
    const bomb = zlib.gzipSync(Buffer.alloc(200 * 1024 * 1024));
    const before = process.memoryUsage().arrayBuffers;
    expect(await outcome({ body: bomb, headers: { 'content-encoding': 'gzip' } })).toMatchObject({
      status: 'failed',
      reason: 'response_too_large',
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
  });

  it('a 200 whose body breaks off, or is not even gzip: sent, the spans are accepted', async () => {
    expect(await outcome({ fault: 'cut_body' })).toMatchObject({ status: 'sent', rejectedSpans: 0 });
    expect(await outcome({ body: 'no gzip', headers: { 'content-encoding': 'gzip' } })).toMatchObject({
      status: 'sent',
      rejectedSpans: 0,
    });
  });

  it('a 200 whose body never ends: the deadline holds, and the connection is freed', async () => {
    expect(await outcome({ fault: 'stall_body' }, 100)).toMatchObject({ status: 'sent', rejectedSpans: 0 });
    await backend.waitForNoConnections();
  });

  it('a 503 whose body breaks off counts by its status', async () => {
    expect(await outcome({ status: 503, fault: 'cut_body' })).toMatchObject({
      status: 'retryable',
      reason: 'http_503',
      ambiguous: false,
    });
  });

  it('no answer: the deadline holds, the backend may have the spans, and the next request has a new connection', async () => {
    const result = await outcome({ fault: 'never' }, 100);
    expect(result).toMatchObject({
      status: 'retryable',
      reason: 'max_elapsed',
      ambiguous: true,
      staleConnection: false,
    });
    expect(await outcome({})).toMatchObject({ status: 'sent' });
    expect(backend.requests.at(-1)!.connection).not.toBe(backend.requests.at(-2)!.connection);
  });

  it.each(['reset_at_headers', 'reset'] as const)(
    'a connection that is reset (%s): retryable, and ambiguous',
    async (fault) => {
      const own = senderTo(backend.httpEndpoint);
      backend.answerNext({ fault });
      const result = await own.send(request, { timeoutMillis: 5000, spanCount: 1 });
      expect(result).toMatchObject({
        status: 'retryable',
        reason: 'max_elapsed',
        ambiguous: true,
        staleConnection: false,
      });
      await own.close();
    },
  );

  it('a kept connection that the backend closed meanwhile is told apart', async () => {
    expect(await outcome({})).toMatchObject({ status: 'sent' });
    expect(await outcome({ fault: 'reset' })).toMatchObject({
      status: 'retryable',
      ambiguous: true,
      staleConnection: true,
    });
  });

  it('nobody listens, or no such host: retryable, and certainly not delivered', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    for (const endpoint of [`http://127.0.0.1:${port}`, 'http://no-such-host.invalid:4318']) {
      const own = senderTo(endpoint);
      expect(await own.send(request, { timeoutMillis: 10_000, spanCount: 1 })).toMatchObject({
        status: 'retryable',
        reason: 'max_elapsed',
        ambiguous: false,
      });
      await own.close();
    }
  });

  it('a redirect is not followed, and the credentials go nowhere', async () => {
    const other = await startScriptedBackend();
    const own = senderTo(backend.httpEndpoint, { headers: { authorization: 'Bearer secret' } });
    backend.answerNext({ status: 307, headers: { location: `${other.httpEndpoint}/v1/traces` } });
    expect(await own.send(request, { timeoutMillis: 5000, spanCount: 1 })).toMatchObject({
      status: 'failed',
      reason: 'redirect',
    });
    expect(other.connections).toBe(0);
    await own.close();
    await other.close();
  });

  it('a plain server where TLS is expected: retryable as tls, nothing sent in the clear', async () => {
    let received = Buffer.alloc(0);
    const plain = net.createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('data', (chunk) => {
        received = Buffer.concat([received, chunk]);
        socket.write('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n');
      });
    });
    plain.listen(0, '127.0.0.1');
    await once(plain, 'listening');
    const own = senderTo(`https://127.0.0.1:${(plain.address() as AddressInfo).port}`, {
      headers: { authorization: 'Bearer secret' },
    });
    const result = await own.send(request, { timeoutMillis: 5000, spanCount: 1 });
    expect(result).toMatchObject({ status: 'retryable', reason: 'tls', ambiguous: false });
    expect(received.toString('latin1')).not.toContain('secret');
    await own.close();
    plain.close();
  });

  it('a sender that is closed cuts off what is under way', async () => {
    const own = senderTo(backend.httpEndpoint);
    backend.answerNext({ fault: 'never' });
    const count = backend.requests.length;
    const under = own.send(request, { timeoutMillis: 60_000, spanCount: 1 });
    await backend.waitForRequests(count + 1);
    await own.close();
    expect(await under).toMatchObject({ status: 'retryable', ambiguous: true });
  });
});

describe('the pipeline over HTTP', () => {
  it('loses nothing over kept connections that the backend closes again and again', async () => {
    const { pipeline, ledger } = startPipeline({ clock: undefined, maxExportBatchSize: 10, scheduleDelayMillis: 1 });
    const target = otlpTarget({ endpoint: backend.httpEndpoint, protocol: 'http/protobuf' });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 1000 });
    const before = backend.acceptedSpans.length;
    for (let round = 0; round < 30; round += 1) {
      for (let index = 0; index < 10; index += 1) end(queue, `keep-alive ${round}.${index}`);
      backend.dropConnections();
      expect(await pipeline.forceFlush(10_000)).toBe(true);
    }
    expect(pipeline.audit()).toBeNull();
    const arrived = backend.acceptedSpans.slice(before).map(({ name }) => name);
    expect(new Set(arrived).size).toBe(300);
    expect(ledger.total()).toMatchObject({ ended: 300, exported: 300 });
    expect(arrived.length - 300).toBeLessThanOrEqual(ledger.total().ambiguous);
    await pipeline.shutdown(1000);
  });

  it('uses at most four connections a destination, however many tenants there are', async () => {
    const own = await startScriptedBackend();
    const { pipeline } = startPipeline({ clock: undefined, maxExportBatchSize: 16, scheduleDelayMillis: 1 });
    const target = otlpTarget({ endpoint: own.httpEndpoint, protocol: 'http/protobuf' });
    for (let tenant = 0; tenant < 200; tenant += 1) {
      const queue = pipeline.openProject({ tenantId: `t${tenant}`, projectName: 'p', target, maxQueueSize: 100 });
      for (let index = 0; index < 20; index += 1) end(queue, `s${index}`);
    }
    expect(await pipeline.forceFlush(20_000)).toBe(true);
    expect(own.acceptedSpans).toHaveLength(4000);
    expect(own.connections).toBeLessThanOrEqual(4);
    await pipeline.shutdown(1000);
    await own.waitForNoConnections();
    await own.close();
  });

  it('shares no connection and no fate between destinations', async () => {
    const { pipeline, ledger } = startPipeline({ clock: undefined, scheduleDelayMillis: 1 });
    const target = otlpTarget({ endpoint: backend.httpEndpoint, protocol: 'http/protobuf' });
    const dead = memoryTarget({ respond: () => new Promise(() => undefined) });
    end(pipeline.openProject({ tenantId: 'dead', projectName: 'p', target: dead, maxQueueSize: 100 }), 'stuck');
    end(pipeline.openProject({ tenantId: 'alive', projectName: 'p', target, maxQueueSize: 100 }), 'through');
    const shutdown = pipeline.shutdown(200);
    await shutdown;
    expect(ledger.tenant('alive').exported).toBe(1);
    expect(ledger.tenant('dead').counts()).toMatchObject({ ambiguous: 1, dropped: { shutdown_timeout: 1 } });
    expect(pipeline.audit()).toBeNull();
  });
});
