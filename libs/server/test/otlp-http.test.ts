import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { decodeExportResponse, decodeTracesJson, encodeTraces } from '@cogniverse/foundation/otlp';
import type { IngestResult } from '@cogniverse/foundation/telemetry';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  getJson,
  type JsonBody,
  newId,
  startTestServer,
  type TestServer,
  tracesJson,
  withMethods,
} from './running-server.js';

let running: TestServer;
beforeAll(async () => {
  running = await startTestServer();
});
afterAll(() => running.stop());

function post(url: string, body: Uint8Array | string, headers: Record<string, string>): Promise<Response> {
  return fetch(url, { method: 'POST', body, headers });
}
const jsonOf = async (response: Response): Promise<JsonBody> => response.json();
const traces = (project: string) => decodeTracesJson(tracesJson([{ name: 'kept' }], { project }));
const storedIn = async (project: string) =>
  (await getJson(`${running.url}/v1/projects/${project}/spans`)).body.data?.length ?? 0;

describe('both HTTP ports', () => {
  it.each(['main', 'otlp'] as const)('take protobuf, JSON and gzip of both (%s)', async (port) => {
    const url = port === 'main' ? `${running.url}/v1/traces` : running.server.addresses.otlpHttp;
    const project = `formats-${port}`;
    const protobuf = () => encodeTraces(traces(project));
    const json = () => JSON.stringify(tracesJson([{}], { project }));
    const twoMembers = () => {
      const whole = protobuf();
      return Buffer.concat([gzipSync(whole.subarray(0, 20)), gzipSync(whole.subarray(20))]);
    };
    for (const [body, headers] of [
      [protobuf(), { 'content-type': 'application/x-protobuf' }],
      [protobuf(), { 'content-type': 'Application/X-Protobuf; charset=utf-8', 'content-encoding': 'identity' }],
      [json(), { 'content-type': 'application/json; charset=utf-8' }],
      [gzipSync(protobuf()), { 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' }],
      [gzipSync(json()), { 'content-type': 'application/json', 'content-encoding': 'GZIP' }],
      [twoMembers(), { 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' }],
    ] as const) {
      const response = await post(url, body, headers);
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toContain(headers['content-type'].split(';')[0]!.toLowerCase());
      if (headers['content-type'].includes('json')) expect(await response.json()).toEqual({});
      else expect(new Uint8Array(await response.arrayBuffer())).toHaveLength(0);
    }
    expect(await storedIn(project)).toBe(6);
  });

  it('take an empty request', async () => {
    expect(
      (await post(running.server.addresses.otlpHttp, '', { 'content-type': 'application/x-protobuf' })).status,
    ).toBe(200);
    expect((await post(running.server.addresses.otlpHttp, '{}', { 'content-type': 'application/json' })).status).toBe(
      200,
    );
  });

  it('take the project from the header where the resource names none', async () => {
    const body = JSON.stringify(tracesJson([{}]));
    await post(`${running.url}/v1/traces`, body, { 'content-type': 'application/json', 'x-project-name': 'by-header' });
    expect(await storedIn('by-header')).toBe(1);
  });
});

describe('what is refused', () => {
  it("a body that is no OTLP: 400 with a Status in the request's format", async () => {
    const junk = await post(running.server.addresses.otlpHttp, Uint8Array.of(0x0a, 0xff, 0xff), {
      'content-type': 'application/x-protobuf',
    });
    expect(junk.status).toBe(400);
    expect(junk.headers.get('content-type')).toBe('application/x-protobuf');
    const status = new Uint8Array(await junk.arrayBuffer());
    expect([...status.subarray(0, 3)]).toEqual([0x08, 3, 0x12]); // code INVALID_ARGUMENT, then the message

    const json = await post(running.server.addresses.otlpHttp, '{"resourceSpans":', {
      'content-type': 'application/json',
    });
    expect(json.status).toBe(400);
    expect(await json.json()).toMatchObject({ code: 3, message: expect.stringMatching(/./) });
  });

  it('damaged and cut gzip: 400', async () => {
    const whole = gzipSync(encodeTraces(traces('damaged')));
    const damaged = Buffer.from(whole);
    damaged[12]! ^= 0xff;
    for (const body of [whole.subarray(0, whole.length - 9), damaged, Buffer.from('plain')]) {
      const response = await post(running.server.addresses.otlpHttp, body, {
        'content-type': 'application/x-protobuf',
        'content-encoding': 'gzip',
      });
      expect(response.status).toBe(400);
    }
    expect(await storedIn('damaged')).toBe(0);
  });

  it.each([
    ['text/plain', undefined],
    ['application/x-www-form-urlencoded', undefined],
    ['application/protobuf', undefined],
    ['application/json', 'br'],
    ['application/json', 'deflate'],
    ['application/json', 'gzip, gzip'],
  ])('content type %s with encoding %s: 415', async (type, encoding) => {
    const headers: Record<string, string> = { 'content-type': type };
    if (encoding !== undefined) headers['content-encoding'] = encoding;
    expect((await post(`${running.url}/v1/traces`, '{}', headers)).status).toBe(415);
  });

  it.each(['logs', 'metrics'])('OTLP %s: 404 with one line that says so', async (signal) => {
    const response = await post(`${running.url}/v1/${signal}`, '{}', { 'content-type': 'application/json' });
    expect(response.status).toBe(404);
    expect((await jsonOf(response)).message).toContain(`OTLP ${signal} are not taken here`);
  });

  it('a body of a million empty elements, quickly', async () => {
    const started = performance.now();
    const body = gzipSync(Buffer.alloc(2_000_000).map((_byte, i) => (i % 2 === 0 ? 0x0a : 0x00)));
    expect(body.length).toBeLessThan(10_000);
    const response = await post(running.server.addresses.otlpHttp, body, {
      'content-type': 'application/x-protobuf',
      'content-encoding': 'gzip',
    });
    expect(response.status).toBe(400);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('JSON nested a hundred thousand deep', async () => {
    const body = `{"resourceSpans":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect((await post(running.server.addresses.otlpHttp, body, { 'content-type': 'application/json' })).status).toBe(
      400,
    );
    expect((await getJson(`${running.url}/readyz`)).status).toBe(200);
  });
});

describe('sizes', () => {
  it('stops at 64 MiB of a gigabyte of zeros, in one member or in many', async () => {
    const member = gzipSync(Buffer.alloc(8 * 1024 * 1024));
    const bomb = Buffer.concat(Array.from({ length: 128 }, () => member));
    const before = process.memoryUsage().rss;
    const started = performance.now();
    const response = await post(running.server.addresses.otlpHttp, bomb, {
      'content-type': 'application/x-protobuf',
      'content-encoding': 'gzip',
    });
    expect(response.status).toBe(413);
    expect(performance.now() - started).toBeLessThan(5000);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
  });

  it('refuses what is announced or arrives beyond 16 MiB', async () => {
    const large = Buffer.alloc(16 * 1024 * 1024 + 1);
    expect(
      (await post(running.server.addresses.otlpHttp, large, { 'content-type': 'application/x-protobuf' })).status,
    ).toBe(413);
    const chunked = await new Promise<number>((resolve, reject) => {
      const outgoing = request(running.server.addresses.otlpHttp, {
        method: 'POST',
        headers: { 'content-type': 'application/x-protobuf' },
      });
      outgoing.on('response', (response) => resolve(response.resume().statusCode ?? 0));
      outgoing.on('error', reject);
      outgoing.write(large.subarray(0, 1024));
      outgoing.end(large.subarray(1024));
    });
    expect(chunked).toBe(413);
  });

  it('takes the next request on the connection of a refused one', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const statuses: (number | undefined)[] = [];
    for (const size of [17 * 1024 * 1024, 0]) {
      const outgoing = request(running.server.addresses.otlpHttp, {
        agent,
        method: 'POST',
        headers: { 'content-type': 'application/x-protobuf' },
      });
      outgoing.flushHeaders(); // so that the length is not announced
      outgoing.end(Buffer.alloc(size));
      const [response] = await once(outgoing, 'response');
      statuses.push(response.statusCode);
      await once(response.resume(), 'end');
    }
    expect(statuses).toEqual([413, 200]);
    agent.destroy();
  });

  it('has room for a bounded number of bytes, and gives it back', async () => {
    const small = await startTestServer({ server: { limits: { maxBytesInFlight: 1000 } } });
    try {
      const large = JSON.stringify(tracesJson([{ name: 'x'.repeat(2000) }]));
      for (let i = 0; i < 3; i += 1) {
        const refused = await post(small.server.addresses.otlpHttp, large, { 'content-type': 'application/json' });
        expect(refused.status).toBe(503);
        expect(refused.headers.get('retry-after')).toBe('1');
      }
      const fits = await post(small.server.addresses.otlpHttp, JSON.stringify(tracesJson([{}])), {
        'content-type': 'application/json',
      });
      expect(fits.status).toBe(200);
    } finally {
      await small.stop();
    }
  });
});

describe("the store's answers", () => {
  let answer: IngestResult;
  let scripted: TestServer;
  beforeAll(async () => {
    scripted = await startTestServer({ wrap: (store) => withMethods(store, { ingest: async () => answer }) });
  });
  afterAll(() => scripted.stop());
  afterEach(() => expect(scripted.logged.filter(({ level }) => level === 'error')).toEqual([]));
  const postJson = () => post(scripted.server.addresses.otlpHttp, '{}', { 'content-type': 'application/json' });

  it('overloaded: 429 with Retry-After, in whole seconds and at least one', async () => {
    answer = { status: 'overloaded', retryAfterMillis: 1200, message: 'The log is full.' };
    const response = await postJson();
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '2']);
    expect(await response.json()).toMatchObject({
      code: 8,
      message: 'The log is full.',
      details: [{ retryDelay: '1.2s' }],
    });
  });

  it('unavailable: 503 with Retry-After', async () => {
    answer = { status: 'unavailable', retryAfterMillis: 0, message: 'The disk is full.' };
    const response = await postJson();
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await response.json()).toMatchObject({ code: 14, message: 'The disk is full.' });
  });

  it('partial success: 200 with counts and reasons, in both formats', async () => {
    const tenants = [{ tenantId: 'acme', accepted: 3, rejected: 2, duplicate: 0 }];
    answer = { status: 'stored', acceptedSpans: 3, rejectedSpans: 2, message: '2 spans: zero span id', tenants };
    const json = await postJson();
    expect(json.status).toBe(200);
    const { partialSuccess } = await jsonOf(json);
    expect(Number(partialSuccess.rejectedSpans)).toBe(2);
    expect(partialSuccess.errorMessage).toBe('2 spans: zero span id');
    const binary = await post(scripted.server.addresses.otlpHttp, '', { 'content-type': 'application/x-protobuf' });
    expect(decodeExportResponse(new Uint8Array(await binary.arrayBuffer()))).toEqual({
      rejectedSpans: 2,
      message: '2 spans: zero span id',
    });
    expect(scripted.server.ledger.snapshot().tenants).toEqual([
      { tenantId: 'acme', received: 10, acknowledged: 6, rejected: 4, stored: 6, duplicate: 0 },
    ]);
  });
});

it('answers 503, and logs, when the store rejects, and shows nothing of why', async () => {
  const broken = await startTestServer({
    wrap: (store) => withMethods(store, { ingest: () => Promise.reject(new Error('SELECT secret FROM inside')) }),
  });
  try {
    const response = await post(broken.server.addresses.otlpHttp, '{}', { 'content-type': 'application/json' });
    expect(response.status).toBe(503);
    expect(await response.text()).not.toContain('secret');
    expect(broken.logged.some(({ event }) => event === 'internal_error')).toBe(true);
  } finally {
    await broken.stop();
  }
});

it('rejects single spans with a reason and stores the rest', async () => {
  const body = tracesJson([{ spanId: '0000000000000000' }, { name: 'good' }], { project: 'partial' });
  const response = await post(`${running.url}/v1/traces`, JSON.stringify(body), { 'content-type': 'application/json' });
  expect(response.status).toBe(200);
  const { partialSuccess } = await jsonOf(response);
  expect(Number(partialSuccess.rejectedSpans)).toBe(1);
  expect(partialSuccess.errorMessage).toMatch(/span/i);
  expect(await storedIn('partial')).toBe(1);
});

it('stores a batch once that comes three times at once, over both ports and both formats', async () => {
  const json = tracesJson(
    Array.from({ length: 20 }, () => ({ traceId: newId(32), spanId: newId(16) })),
    { project: 'repeated' },
  );
  const responses = await Promise.all([
    post(`${running.url}/v1/traces`, JSON.stringify(json), { 'content-type': 'application/json' }),
    post(running.server.addresses.otlpHttp, JSON.stringify(json), { 'content-type': 'application/json' }),
    post(running.server.addresses.otlpHttp, encodeTraces(decodeTracesJson(json)), {
      'content-type': 'application/x-protobuf',
    }),
  ]);
  expect(responses.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(await storedIn('repeated')).toBe(20);
});
