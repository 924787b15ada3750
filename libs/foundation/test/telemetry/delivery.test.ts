import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createTelemetry, ProjectCollisionError, TelemetryConfig } from '@cogniverse/foundation/telemetry';
import {
  ManualClock,
  type ScriptedBackend,
  SENT,
  settle,
  startScriptedBackend,
} from '@cogniverse/foundation/telemetry/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { auditedTelemetry } from './audited-telemetry.js';

describe('synchronous export', () => {
  it('settles span() after the backend has answered, also when the callback failed', async () => {
    let answer!: (result: typeof SENT) => void;
    const { telemetry, target } = auditedTelemetry(
      { batchConfig: { useSyncExport: true } },
      {},
      {
        respond: () =>
          new Promise((resolve) => {
            answer = resolve;
          }),
      },
    );
    const error = new Error('failed');
    for (const fail of [false, true]) {
      let settled = false;
      const result = telemetry.span('x', { tenantId: 'acme' }, async () => {
        if (fail) throw error;
        return 42;
      });
      const outcome = result
        .then(
          (value) => value,
          (reason: unknown) => reason,
        )
        .finally(() => {
          settled = true;
        });
      await settle();
      expect(settled).toBe(false);
      answer(SENT);
      expect(await outcome).toBe(fail ? error : 42);
    }
    expect(target.spans).toHaveLength(2);
    expect(telemetry.audit()).toBeNull();
  });

  it('never hangs on a dead backend: 5 s at most', async () => {
    const clock = new ManualClock();
    const { telemetry } = auditedTelemetry(
      { batchConfig: { useSyncExport: true } },
      { clock },
      { respond: () => new Promise(() => undefined) },
    );
    let settled = false;
    void telemetry
      .span('x', { tenantId: 'acme' }, async () => undefined)
      .then(() => {
        settled = true;
      });
    await clock.advance(4999);
    expect(settled).toBe(false);
    await clock.advance(1);
    expect(settled).toBe(true);
    expect(telemetry.audit()).toBeNull();
  });

  it('has the export of a synchronous callback under way when span() returns', async () => {
    const { telemetry, target } = auditedTelemetry({ batchConfig: { useSyncExport: true } });
    telemetry.span('x', { tenantId: 'acme' }, () => undefined);
    expect(await telemetry.forceFlush(1000)).toBe(true);
    expect(target.spans).toHaveLength(1);
  });
});

describe('dropOnQueueFull: false', () => {
  it('has asynchronous callers wait for room, and loses nothing of synchronous ones', async () => {
    let release!: () => void;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { telemetry, flushed } = auditedTelemetry(
      { batchConfig: { dropOnQueueFull: false, maxQueueSize: 4, maxExportBatchSize: 4, maxRequestsInFlight: 1 } },
      {},
      {
        respond: async () => {
          await gate;
          return SENT;
        },
      },
    );
    for (let index = 0; index < 20; index += 1) telemetry.span('sync', { tenantId: 'acme' }, () => undefined);
    let settled = false;
    const waiting = telemetry
      .span('async', { tenantId: 'acme' }, async () => 'done')
      .finally(() => {
        settled = true;
      });
    await settle();
    expect(settled).toBe(false);
    release();
    expect(await waiting).toBe('done');
    expect((await flushed()).spans).toHaveLength(21);
    expect(telemetry.getStats().export.total.dropped).toEqual({});
  });

  it("drops beyond the queue's bound where it is left on", async () => {
    const { telemetry } = auditedTelemetry({
      batchConfig: { maxQueueSize: 4, maxExportBatchSize: 4, maxRequestsInFlight: 1 },
    });
    for (let index = 0; index < 20; index += 1) telemetry.span('sync', { tenantId: 'acme' }, () => undefined);
    expect(await telemetry.forceFlush(5000)).toBe(true);
    expect(telemetry.audit()).toBeNull();
    const { exported, dropped } = telemetry.getStats().export.total;
    expect(exported + dropped['queue_full']!).toBe(20);
    expect(dropped['queue_full']).toBeGreaterThan(0);
  });
});

describe('forceFlush()', () => {
  it('is true only if everything that ended before it was exported', async () => {
    const { telemetry } = auditedTelemetry(
      {},
      {},
      { respond: () => ({ status: 'failed', reason: 'http_400', error: new Error('no') }) },
    );
    expect(await telemetry.forceFlush(1000)).toBe(true);
    telemetry.span('x', { tenantId: 'acme' }, () => undefined);
    expect(await telemetry.forceFlush(1000)).toBe(false);
    expect(telemetry.getStats().export.total.dropped).toEqual({ http_400: 1 });
    const held = auditedTelemetry();
    const library = held.telemetry.tracerProvider.getTracer('http');
    library.startActiveSpan('inbound', () => library.startSpan('held').end());
    expect(await held.telemetry.forceFlush(1000)).toBe(false);
  });
});

describe('registerProject()', () => {
  let first: ScriptedBackend;
  let second: ScriptedBackend;
  beforeAll(async () => {
    [first, second] = await Promise.all([startScriptedBackend(), startScriptedBackend()]);
  });
  afterAll(() => Promise.all([first.close(), second.close()]));

  it('sends a project elsewhere, also one that is live, and without the credentials of the configured endpoint', async () => {
    const telemetry = createTelemetry(
      new TelemetryConfig({
        otlpEndpoint: `${first.httpEndpoint}/v1/traces`,
        otlpHeaders: { authorization: 'Bearer secret' },
        extraResourceAttributes: { team: 'search', 'service.name': 'not this one' },
      }),
      { environment: {} },
    );
    const record = (name: string) => telemetry.span(name, { tenantId: 'acme', projectName: 'search' }, () => undefined);
    record('before');
    telemetry.registerProject({
      tenantId: 'acme',
      projectName: 'search',
      otlpEndpoint: `${second.httpEndpoint}/v1/traces`,
    });
    record('after');
    telemetry.span('other project', { tenantId: 'acme' }, () => undefined);
    expect(await telemetry.forceFlush(5000)).toBe(true);
    expect(telemetry.audit()).toBeNull();
    expect(first.acceptedSpans.map((span) => span.name).sort()).toEqual(['before', 'other project']);
    expect(second.acceptedSpans.map((span) => span.name)).toEqual(['after']);
    expect(first.requests[0]!.headers.authorization).toBe('Bearer secret');
    expect(second.requests[0]!.headers.authorization).toBeUndefined();
    const { attributes } = second.requests[0]!.traces!.resourceSpans[0]!.resource;
    expect(Object.fromEntries(attributes)).toMatchObject({
      'openinference.project.name': 'cogniverse-acme-search',
      'service.name': 'video-search',
      'service.version': '1.0.0',
      'tenant.id': 'acme',
      team: 'search',
      environment: 'development',
      'deployment.environment.name': 'development',
      'telemetry.sdk.name': 'cogniverse',
    });
    await telemetry.shutdown();
  });

  it('goes over gRPC where the endpoint says so, and makes a project synchronous', async () => {
    const telemetry = createTelemetry(new TelemetryConfig({ otlpEndpoint: first.grpcEndpoint }), { environment: {} });
    telemetry.registerProject({ tenantId: 'grpc', projectName: 'tests', useSyncExport: true });
    await telemetry.span('over gRPC', { tenantId: 'grpc', projectName: 'tests' }, async () => undefined);
    expect(first.acceptedSpans.map((span) => span.name)).toContain('over gRPC');
    expect(telemetry.audit()).toBeNull();
    await telemetry.shutdown();
  });

  it('refuses a name that another tenant has, and an endpoint that cannot work', () => {
    const { telemetry } = auditedTelemetry();
    telemetry.registerProject({ tenantId: 'a-b', projectName: 'c' });
    expect(() => telemetry.registerProject({ tenantId: 'a', projectName: 'b-c' })).toThrow(ProjectCollisionError);
    expect(() => telemetry.registerProject({ tenantId: 'a', projectName: 'x', otlpEndpoint: 'ftp://x' })).toThrow(
      /http/,
    );
  });
});

describe('the spool and the figures', () => {
  it('keeps on disk what a backend does not take, and delivers it from the next process', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'cogniverse-spool-'));
    const backend = await startScriptedBackend({ script: () => ({ status: 503 }) });
    const start = () =>
      createTelemetry(
        new TelemetryConfig({
          otlpEndpoint: `${backend.httpEndpoint}/v1/traces`,
          flushOnExit: false,
          spool: { directory },
        }),
        { environment: {}, logger: { warn: () => undefined } },
      );
    try {
      const first = start();
      first.span('during the outage', { tenantId: 'acme' }, () => undefined);
      await first.shutdown(1000);
      expect(first.getStats().export.total).toMatchObject({ spooled: 1, dropped: {} });
      expect(first.audit()).toBeNull();
      backend.setScript(() => ({}));
      const second = start();
      second.span('after it', { tenantId: 'acme' }, () => undefined);
      await vi.waitFor(
        () => expect(backend.acceptedSpans.map((span) => span.name).sort()).toEqual(['after it', 'during the outage']),
        20_000,
      );
      expect(second.audit()).toBeNull();
      expect(second.prometheusText()).toContain('cogniverse_spans_ended_total{tenant="acme"} 2');
      await second.shutdown();
    } finally {
      await backend.close();
      await rm(directory, { recursive: true, force: true });
    }
  });
});

describe('log lines about a destination', () => {
  it('name it, say what to do about one of the other protocol, and are written once', async () => {
    const server = createServer((socket) =>
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n').on('error', () => undefined),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const lines: string[] = [];
    const telemetry = createTelemetry(
      { otlpEndpoint: address, flushOnExit: false },
      {
        environment: {},
        logger: { warn: (line) => lines.push(line) },
        retryPolicy: { initialBackoffMillis: 1, maxBackoffMillis: 2, maxElapsedMillis: 3000 },
      },
    );
    telemetry.span('x', { tenantId: 'acme' }, () => undefined);
    await telemetry.forceFlush(20_000);
    await telemetry.shutdown(1000);
    server.close();
    const repeated = lines.filter((line) => line.includes('is repeated'));
    expect(repeated.filter((line) => line.includes('Protocol error'))).toEqual([
      `[cogniverse telemetry] export to ${address} over gRPC is repeated: gRPC UNAVAILABLE: No connection established. Last error: Protocol error. If it takes OTLP over HTTP, set otlp_protocol to "http/protobuf"`,
    ]);
    expect(lines.filter((line) => /dropped 1 spans? of tenant/.test(line))).toEqual([
      expect.stringMatching(/^\[cogniverse telemetry\] dropped/),
    ]);
    expect(telemetry.audit()).toBeNull();
  });
});
