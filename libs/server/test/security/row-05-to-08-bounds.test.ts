/** Rows 5 to 8: what a request may cost, measured on a server in a process of its own. */
import { once } from 'node:events';
import { connect, constants } from 'node:http2';
import { gzipSync } from 'node:zlib';
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

it('row 5: a gigabyte out of one megabyte is 413 in 200 ms of work, at 96 MiB of memory at most', async () => {
  await isAlive();
  const before = await server.memory();
  expect(await post(bomb, GZIP)).toMatchObject({ status: 413 });
  const after = await server.memory();
  expect(after.peak - before.now).toBeLessThan(96 * MIB);
  expect(await isAlive()).toBe(true);
  // Its processor time, because the machine's other work counts in a clock's.
  const first = await server.memory();
  expect(await post(bomb, GZIP)).toMatchObject({ status: 413 });
  const second = await server.memory();
  const workMillis = (second.cpu.user + second.cpu.system - first.cpu.user - first.cpu.system) / 1000;
  // Four times the 200 ms that a free machine needs, since a loaded one has cold caches and shared cores.
  expect(workMillis).toBeLessThan(800);
  for (const encoding of ['deflate', 'br', 'zstd', 'gzip, gzip']) {
    expect(await post(bomb, { ...PROTOBUF, 'content-encoding': encoding })).toMatchObject({ status: 415 });
  }
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

it('row 7: ten thousand resets leave the server alive, its event loop free', async () => {
  const session = connect(`http://${server.addresses.otlpGrpc}`);
  const broken: unknown[] = [];
  session.on('error', (error) => broken.push(error)); // the server may hang up on such a client
  await once(session, 'connect');
  const delays: number[] = [];
  for (let i = 0; i < 10_000 && !session.destroyed; i += 1) {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
      'content-type': 'application/grpc',
    });
    stream.on('error', (error) => broken.push(error));
    stream.close(constants.NGHTTP2_CANCEL);
    if (i % 1000 === 0) {
      const asked = performance.now();
      expect((await fetch(`${server.addresses.http}/healthz`)).status).toBe(200);
      delays.push(performance.now() - asked);
    }
  }
  session.destroy();
  expect(await isAlive()).toBe(true);
  // The median: one answer may wait for a neighbour on this machine.
  expect(delays.sort((a, b) => a - b)[Math.floor(delays.length / 2)]).toBeLessThan(200);
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
