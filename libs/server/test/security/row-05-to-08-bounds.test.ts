/** Rows 5 to 8: what a request may cost, measured on a server in a process of its own. */
import { once } from 'node:events';
import { connect, constants } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { tracesJson } from '../running-server.js';
import { type ServerProcess, startServerProcess } from './server-process.js';

const MIB = 1024 * 1024;
let server: ServerProcess;
beforeEach(async () => {
  server = await startServerProcess();
  await server.memory();
});
afterEach(async () => {
  await server.stop();
});

const PROTOBUF = { 'content-type': 'application/x-protobuf' };
const GZIP = { ...PROTOBUF, 'content-encoding': 'gzip' };

async function post(body: Uint8Array, headers: Record<string, string>): Promise<{ status: number; text: string }> {
  const response = await fetch(server.addresses.otlpHttp, {
    method: 'POST',
    headers,
    body: body as Uint8Array<ArrayBuffer>,
  });
  return { status: response.status, text: await response.text() };
}

async function isAlive(): Promise<boolean> {
  const { status } = await post(Buffer.from(JSON.stringify(tracesJson([{}]))), { 'content-type': 'application/json' });
  return status === 200;
}

/** Compressed, once for all tests: a gigabyte of zeros in 128 gzip members, and 64 MiB of them. */
const member = gzipSync(Buffer.alloc(8 * MIB));
const bomb = Buffer.concat(Array.from({ length: 128 }, () => member));

/** Processor time of all threads since `before`, in milliseconds. */
function workSince(before: NodeJS.CpuUsage, now: NodeJS.CpuUsage): number {
  return (now.user + now.system - before.user - before.system) / 1000;
}

it('row 5: a gigabyte out of one megabyte is 413 for the work of the 64 MiB that may be, at 96 MiB of memory at most', async () => {
  await isAlive();
  const before = await server.memory();
  expect(await post(bomb, GZIP)).toMatchObject({ status: 413 });
  const after = await server.memory();
  expect(after.peak - before.now).toBeLessThan(96 * MIB);
  expect(await isAlive()).toBe(true);
  // The 200 ms of the promise are this machine's measure: what it takes to unpack 64 MiB here and now, four times over. All of it would be sixteen times.
  const allowed = Buffer.concat(Array.from({ length: 8 }, () => member));
  const ratios: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const started = process.cpuUsage();
    gunzipSync(allowed);
    const reference = workSince(started, process.cpuUsage());
    const first = await server.memory();
    expect(await post(bomb, GZIP)).toMatchObject({ status: 413 });
    ratios.push(workSince(first.cpu, (await server.memory()).cpu) / reference);
  }
  expect(Math.min(...ratios), ratios.join(', ')).toBeLessThan(4);
  for (const encoding of ['deflate', 'br', 'zstd', 'gzip, gzip', 'x-gzip, gzip', 'identity, gzip']) {
    expect(await post(bomb, { ...PROTOBUF, 'content-encoding': encoding }), encoding).toMatchObject({ status: 415 });
  }
  // A body that only says that it is small, and one that ends in the middle of a member.
  expect(await post(bomb.subarray(0, member.length + 10), GZIP)).toMatchObject({ status: 400 });
  expect(await isAlive()).toBe(true);
});

it('row 6: millions of empty elements, and nesting without end, are 400 at 32 MiB of memory at most', async () => {
  const nested = (depth: number) => Buffer.from(`{"resourceSpans":${'['.repeat(depth)}${']'.repeat(depth)}}`);
  const any = (depth: number) => `${'{"arrayValue":{"values":['.repeat(depth)}${']}}'.repeat(depth)}`;
  const value = (depth: number) =>
    Buffer.from(`{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":${any(depth)}}]}}]}`);
  const empty = Buffer.alloc(2_000_000).map((_byte, i) => (i % 2 === 0 ? 0x0a : 0x00));
  const packed = gzipSync(empty);
  expect(packed.length).toBeLessThan(10_000);
  const bodies: readonly [string, Uint8Array, Record<string, string>][] = [
    ['empty elements', packed, GZIP],
    ['nested lists', nested(100_000), { 'content-type': 'application/json' }],
    ['nested values', value(100_000), { 'content-type': 'application/json' }],
    [
      'empty JSON elements',
      gzipSync(Buffer.from(`{"resourceSpans":[${'{},'.repeat(999_999)}{}]}`)),
      { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    ],
  ];
  // Once each beforehand: what the first of a kind loads and compiles is not what it costs.
  await isAlive();
  for (const [, body, headers] of bodies) await post(body, headers);
  const before = await server.memory();
  for (const [what, body, headers] of bodies) {
    const { status, text } = await post(body, headers);
    expect.soft(status, what).toBe(400);
    expect.soft(text, what).not.toMatch(/RangeError|call stack|heap/i);
  }
  const after = await server.memory();
  expect(after.now - before.now).toBeLessThan(32 * MIB);
  expect(await isAlive()).toBe(true);
});

/** Starts a stream on the gRPC port, as a call of Export begins. */
const EXPORT = {
  ':method': 'POST',
  ':path': '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  'content-type': 'application/grpc',
  te: 'trailers',
};

it('row 7: ten thousand resets leave the server alive, cheaper than as many requests, its event loop free', async () => {
  await isAlive();
  // What an empty request costs here and now, a hundred at a time.
  const plain = connect(`http://${server.addresses.otlpGrpc}`);
  await once(plain, 'connect');
  const requests = async (count: number) => {
    for (let done = 0; done < count; done += 100) {
      await Promise.all(
        Array.from({ length: 100 }, async () => {
          const stream = plain.request(EXPORT);
          stream.resume().end(Buffer.alloc(5));
          await once(stream, 'close');
        }),
      );
    }
  };
  await requests(500);
  const idle = await server.memory();
  await requests(1000);
  const busy = await server.memory();
  plain.destroy();
  const workOfRequest = workSince(idle.cpu, busy.cpu) / 1000;

  const session = connect(`http://${server.addresses.otlpGrpc}`);
  const broken: unknown[] = [];
  session.on('error', (error) => broken.push(error)); // the server may hang up on such a client
  await once(session, 'connect');
  let sent = 0;
  for (; sent < 10_000 && !session.destroyed; sent += 1) {
    const stream = session.request(EXPORT);
    stream.on('error', (error) => broken.push(error));
    stream.close(constants.NGHTTP2_CANCEL);
    if (sent % 1000 === 0) expect((await fetch(`${server.addresses.http}/healthz`)).status).toBe(200);
  }
  session.destroy();
  expect(await isAlive()).toBe(true);
  const attacked = await server.memory();
  expect(workSince(busy.cpu, attacked.cpu) / sent).toBeLessThan(2 * workOfRequest);
  // 200 ms; on a machine on which plain requests already make it wait, no more than three times that.
  expect(attacked.lagMillis).toBeLessThan(Math.max(200, 3 * busy.lagMillis));
});

it('row 7: pings without end, whose answers nobody reads, cost a bounded memory, and others are served', async () => {
  await isAlive();
  const before = await server.memory();
  const { hostname, port } = new URL(`http://${server.addresses.otlpGrpc}`);
  const frame = (type: number, payload: Buffer) =>
    Buffer.concat([Buffer.from([0, 0, payload.length, type, 0, 0, 0, 0, 0]), payload]);
  const ping = frame(6, Buffer.alloc(8));
  const flood = Buffer.concat(Array.from({ length: 10_000 }, () => ping));
  const socket = connectSocket({ host: hostname, port: Number(port) });
  socket.on('error', () => undefined); // the server may hang up
  await once(socket, 'connect');
  socket.pause();
  socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, Buffer.alloc(0))]));
  for (let i = 0; i < 40 && !socket.destroyed; i += 1) {
    // Until the server takes no more, or hangs up: a full pipe is waited for no longer than an answer to somebody else takes.
    socket.write(flood);
    expect((await fetch(`${server.addresses.http}/healthz`)).status).toBe(200);
  }
  expect(await isAlive()).toBe(true);
  expect((await server.memory()).peak - before.now).toBeLessThan(64 * MIB);
  socket.destroy();
});

it('row 8: of 200 uploads of 64 MiB at once some get 503, and memory stays under 512 MB', async () => {
  const upload = Buffer.concat(Array.from({ length: 8 }, () => member)).subarray(0);
  expect(upload.length).toBeLessThan(MIB);
  const answers = await Promise.all(Array.from({ length: 200 }, () => post(upload, GZIP)));
  const statuses = new Set(answers.map(({ status }) => status));
  expect(statuses).toContain(503);
  for (const status of statuses) expect([400, 413, 429, 503]).toContain(status);
  expect((await server.memory()).peak).toBeLessThan(512e6);
  expect(await isAlive()).toBe(true);
});
