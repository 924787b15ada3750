import { once } from 'node:events';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { decodeExportResponse, decodeTracesJson, encodeTraces } from '@cogniverse/foundation/otlp';
import type { IngestResult } from '@cogniverse/foundation/telemetry';
import { Client, credentials, type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getJson, startTestServer, type TestServer, tracesJson, withMethods } from './running-server.js';

const EXPORT = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
const CHECK = '/grpc.health.v1.Health/Check';
const WATCH = '/grpc.health.v1.Health/Watch';
const same = (bytes: Buffer) => bytes;

let running: TestServer;
let client: Client;
beforeAll(async () => {
  running = await startTestServer();
  client = new Client(running.server.addresses.otlpGrpc, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await running.stop();
});

interface Outcome {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata | undefined;
  readonly answer: Uint8Array | undefined;
}

function call(over: Client, path: string, body: Uint8Array): Promise<Outcome> {
  return new Promise((resolve) => {
    over.makeUnaryRequest(path, same, same, Buffer.from(body), (error: ServiceError | null, answer?: Buffer) =>
      resolve(
        error
          ? { code: error.code, details: error.details, metadata: error.metadata, answer: undefined }
          : { code: status.OK, details: '', metadata: undefined, answer },
      ),
    );
  });
}
const body = (project: string, name = 'span') => encodeTraces(decodeTracesJson(tracesJson([{ name }], { project })));
const storedIn = async (project: string) =>
  (await getJson(`${running.url}/v1/projects/${project}/spans`)).body.data?.length ?? 0;

describe('Export', () => {
  it('stores, and answers an empty message', async () => {
    const outcome = await call(client, EXPORT, body('grpc'));
    expect(outcome.code).toBe(status.OK);
    expect(outcome.answer).toHaveLength(0);
    expect(await storedIn('grpc')).toBe(1);
  });

  it('takes an empty request', async () => {
    expect((await call(client, EXPORT, new Uint8Array())).code).toBe(status.OK);
  });

  it('answers INVALID_ARGUMENT to what is no OTLP', async () => {
    expect((await call(client, EXPORT, Uint8Array.of(0x0a, 0xff, 0xff))).code).toBe(status.INVALID_ARGUMENT);
  });

  it('takes 16 MiB on the wire, and answers RESOURCE_EXHAUSTED without RetryInfo to one byte more', async () => {
    const limit = 16 * 1024 * 1024;
    const over = await call(client, EXPORT, new Uint8Array(limit + 1));
    expect(over.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(over.metadata?.get('grpc-status-details-bin')).toEqual([]);
    const atLimit = await call(client, EXPORT, new Uint8Array(limit));
    expect(atLimit.code).toBe(status.INVALID_ARGUMENT); // zeros are no OTLP, but they were read
  });

  it('stops at 64 MiB of a bomb, and takes what unpacks to more than the wire may carry', async () => {
    const session = connect(`http://${running.server.addresses.otlpGrpc}`);
    const bomb = Buffer.concat(Array.from({ length: 128 }, () => gzipSync(Buffer.alloc(8 * 1024 * 1024))));
    expect(await rawExport(session, bomb, 'gzip')).toBe(String(status.RESOURCE_EXHAUSTED));
    const large = body('unpacked', 'x'.repeat(20 * 1024 * 1024));
    expect(await rawExport(session, gzipSync(large), 'gzip')).toBe(String(status.OK));
    expect(await rawExport(session, gzipSync(large).subarray(0, 500), 'gzip')).toBe(String(status.INVALID_ARGUMENT));
    expect(await rawExport(session, Buffer.from('x'), 'br')).toBe(String(status.UNIMPLEMENTED));
    session.destroy();
    expect(await storedIn('unpacked')).toBe(1);
  });

  it('answers UNIMPLEMENTED with one line for logs, metrics and unknown methods', async () => {
    for (const signal of ['logs', 'metrics'] as const) {
      const service = signal === 'logs' ? 'logs.v1.LogsService' : 'metrics.v1.MetricsService';
      const outcome = await call(client, `/opentelemetry.proto.collector.${service}/Export`, new Uint8Array());
      expect(outcome.code).toBe(status.UNIMPLEMENTED);
      expect(outcome.details).toContain(`OTLP ${signal} are not taken here`);
    }
    expect((await call(client, '/some.Service/Method', new Uint8Array(100_000))).code).toBe(status.UNIMPLEMENTED);
  });
});

/** A message as given, past any client; the status of the answer. */
async function rawExport(session: ClientHttp2Session, message: Uint8Array, encoding: string): Promise<string> {
  const stream = session.request({
    ':method': 'POST',
    ':path': EXPORT,
    'content-type': 'application/grpc',
    'grpc-encoding': encoding,
    te: 'trailers',
  });
  let grpcStatus = '';
  const note = (headers: Record<string, unknown>) => {
    grpcStatus = String(headers['grpc-status'] ?? grpcStatus);
  };
  stream.on('response', note);
  stream.on('trailers', note);
  const head = Buffer.alloc(5);
  head[0] = 1;
  head.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([head, message]));
  stream.resume();
  await once(stream, 'close');
  return grpcStatus;
}

describe("the store's answers", () => {
  let answer: IngestResult;
  let scripted: TestServer;
  let over: Client;
  beforeAll(async () => {
    scripted = await startTestServer({ wrap: (store) => withMethods(store, { ingest: async () => answer }) });
    over = new Client(scripted.server.addresses.otlpGrpc, credentials.createInsecure());
  });
  afterAll(async () => {
    over.close();
    await scripted.stop();
  });

  it.each([
    ['overloaded', status.RESOURCE_EXHAUSTED],
    ['unavailable', status.UNAVAILABLE],
  ] as const)('%s, with RetryInfo', async (outcomeStatus, code) => {
    answer = { status: outcomeStatus, retryAfterMillis: 2500, message: '100% voll: ä' };
    const outcome = await call(over, EXPORT, new Uint8Array());
    expect([outcome.code, outcome.details]).toEqual([code, '100% voll: ä']);
    const details = Buffer.from(outcome.metadata!.get('grpc-status-details-bin')[0] as Buffer);
    expect(details.subarray(0, 2)).toEqual(Buffer.of(0x08, code));
    expect(details.includes('type.googleapis.com/google.rpc.RetryInfo')).toBe(true);
    // RetryInfo.retry_delay = { seconds: 2, nanos: 500000000 }
    expect(details.includes(Buffer.from('0a08080210' + '80cab5ee01', 'hex'))).toBe(true);
  });

  it('partial success', async () => {
    answer = { status: 'stored', acceptedSpans: 1, rejectedSpans: 3, message: 'zero ids', tenants: [] };
    const outcome = await call(over, EXPORT, new Uint8Array());
    expect(decodeExportResponse(outcome.answer!)).toEqual({ rejectedSpans: 3, message: 'zero ids' });
  });
});

describe('Health', () => {
  const SERVING = Buffer.of(0x08, 1);
  const NOT_SERVING = Buffer.of(0x08, 2);
  const named = (name: string) => Buffer.concat([Buffer.of(0x0a, name.length), Buffer.from(name)]);

  it('Check knows the server, the trace service and nothing else', async () => {
    expect((await call(client, CHECK, new Uint8Array())).answer).toEqual(SERVING);
    expect((await call(client, CHECK, named('opentelemetry.proto.collector.trace.v1.TraceService'))).answer).toEqual(
      SERVING,
    );
    expect((await call(client, CHECK, named('other'))).code).toBe(status.NOT_FOUND);
  });

  it('Watch tells when the store stops taking writes, and ends with the server', async () => {
    let ready = true;
    const watched = await startTestServer({
      wrap: (store) => withMethods(store, { health: () => ({ ready, reason: ready ? '' : 'full' }) }),
    });
    const over = new Client(watched.server.addresses.otlpGrpc, credentials.createInsecure());
    const stream = over.makeServerStreamRequest(WATCH, same, same, Buffer.alloc(0));
    const [first] = await once(stream, 'data');
    expect(first).toEqual(SERVING);
    ready = false;
    const [second] = await once(stream, 'data');
    expect(second).toEqual(NOT_SERVING);
    expect((await getJson(`${watched.url}/readyz`)).status).toBe(503);
    const ended = once(stream, 'error');
    await watched.stop();
    const [error] = await ended;
    expect((error as ServiceError).code).toBe(status.UNAVAILABLE);
    over.close();
  });
});

it('outlives ten thousand requests that are reset at once', async () => {
  const session = connect(`http://${running.server.addresses.otlpGrpc}`);
  session.on('error', (error) => expect(error).toBeInstanceOf(Error)); // the server may hang up on such a client
  await once(session, 'connect');
  for (let i = 0; i < 10_000 && !session.destroyed; i += 1) {
    const stream = session.request({ ':method': 'POST', ':path': EXPORT, 'content-type': 'application/grpc' });
    stream.on('error', (error) => expect(error).toBeInstanceOf(Error));
    stream.close(constants.NGHTTP2_CANCEL);
    if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  session.destroy();
  expect((await call(client, EXPORT, body('after-resets'))).code).toBe(status.OK);
  const metrics = await (await fetch(`${running.url}/metrics`)).text();
  expect(metrics).toMatch(/^cogniverse_server_ingest_bytes_in_flight 0$/m);
  expect(metrics).toMatch(/^cogniverse_server_ingest_requests_in_flight 0$/m);
});
