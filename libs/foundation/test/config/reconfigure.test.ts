/** A running manager takes another configuration: every option that says so, and none that does not. */

import { randomUUID } from 'node:crypto';
import {
  ConfigurationError,
  createTelemetry,
  ProviderRegistry,
  type Telemetry,
  TelemetryConfig,
  type TelemetryConfigOptions,
  type TelemetryManagerOptions,
} from '@cogniverse/foundation/telemetry';
import {
  ManualClock,
  type MemoryTargetOptions,
  memoryTarget,
  type ScriptedBackend,
  startScriptedBackend,
} from '@cogniverse/foundation/telemetry/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OPTIONS } from '../../dist/telemetry/config.js';
import { asProvider, BareProvider } from '../telemetry/bare-provider.js';
import { Received } from '../telemetry/memory-telemetry.js';
import { stored, trustedParent } from './reconfigure-fixture.js';

interface Running {
  readonly telemetry: Telemetry;
  readonly received: Received;
  readonly warnings: string[];
  readonly clock: ManualClock;
  /** Puts these options in force, as stored ones. */
  change(options: TelemetryConfigOptions): void;
  flush(): Promise<void>;
  dropped(): Record<string, number>;
}

function running(
  options: TelemetryConfigOptions = {},
  managerOptions: TelemetryManagerOptions = {},
  targetOptions: MemoryTargetOptions = {},
): Running {
  const received = new Received(memoryTarget(targetOptions));
  const warnings: string[] = [];
  const clock = new ManualClock();
  const base = { level: 'verbose', flushOnExit: false, ...options } as const;
  const telemetry = createTelemetry(stored(base), {
    environment: {},
    logger: { warn: (message) => warnings.push(message) },
    exportTarget: () => received.target,
    clock,
    random: () => 0,
    ...managerOptions,
  });
  return {
    telemetry,
    received,
    warnings,
    clock,
    change: (changed) => void telemetry.reconfigure(stored({ ...base, ...changed })),
    async flush() {
      expect(telemetry.audit()).toBeNull();
      await telemetry.forceFlush(5000);
      expect(telemetry.audit()).toBeNull();
    },
    dropped: () => ({ ...telemetry.getStats().export.total.dropped }) as Record<string, number>,
  };
}

/** Records one span of this tenant; gives its name's arrival. */
const record = (run: Running, tenantId = 'acme', name = 'span') =>
  run.telemetry.span(name, { tenantId }, () => undefined);
const names = (run: Running) => run.received.spans.map((span) => span.name);
const unassigned = (run: Running, name = 'unassigned') =>
  run.telemetry.tracerProvider.getTracer('http').startSpan(name);

let backends: ScriptedBackend[] = [];
beforeEach(async () => {
  backends = [await startScriptedBackend(), await startScriptedBackend()];
});
afterEach(async () => {
  for (const backend of backends) await backend.close();
});

/** Where a backend takes OTLP over HTTP. */
const http = (index: number) => `${backends[index]!.httpEndpoint}/v1/traces`;

/** A manager that exports to the first backend; the change sends it on. */
async function exporting(
  options: TelemetryConfigOptions,
  changed: TelemetryConfigOptions,
): Promise<{ before: ScriptedBackend['requests'][number]; after: ScriptedBackend['requests'][number] }> {
  const base = { flushOnExit: false, ...options } as const;
  const telemetry = createTelemetry(stored(base), { environment: {} });
  const all = () => backends.flatMap(({ requests }) => requests);
  telemetry.span('before', { tenantId: 'acme' }, () => undefined);
  expect(await telemetry.forceFlush(5000)).toBe(true);
  telemetry.reconfigure(stored({ ...base, ...changed }));
  telemetry.span('after', { tenantId: 'acme' }, () => undefined);
  expect(await telemetry.forceFlush(5000)).toBe(true);
  await telemetry.shutdown();
  const of = (name: string) => all().find(({ spans }) => spans.some((span) => span.name === name))!;
  return { before: of('before'), after: of('after') };
}

/** For each option that changes at run time: that it does, seen from outside. */
const CHANGES: Record<string, () => Promise<void> | void> = {
  enabled: async () => {
    const run = running({ enabled: false });
    record(run, 'acme', 'off');
    run.change({ enabled: true });
    record(run, 'acme', 'on');
    run.change({ enabled: false });
    record(run, 'acme', 'off again');
    await run.flush();
    expect(names(run)).toEqual(['on']);
  },
  level: async () => {
    const run = running({ level: 'basic' });
    const encode = (name: string) =>
      run.telemetry.span(name, { tenantId: 'acme', component: 'encoder' }, () => undefined);
    encode('basic');
    run.change({ level: 'detailed' });
    encode('detailed');
    run.change({ level: 'disabled' });
    encode('disabled');
    await run.flush();
    expect(names(run)).toEqual(['detailed']);
  },
  otlpEnabled: async () => {
    const run = running();
    run.change({ otlpEnabled: false });
    record(run);
    await run.flush();
    expect(names(run)).toEqual([]);
  },
  otlpEndpoint: async () => {
    const { before, after } = await exporting({ otlpEndpoint: http(0) }, { otlpEndpoint: http(1) });
    expect([backends[0]!.requests, backends[1]!.requests]).toEqual([[before], [after]]);
  },
  otlpProtocol: async () => {
    const endpoint = backends[0]!.httpEndpoint;
    const { after } = await exporting(
      { otlpEndpoint: backends[0]!.grpcEndpoint },
      { otlpEndpoint: endpoint, otlpProtocol: 'http/protobuf' },
    );
    expect(after.transport).toBe('http');
  },
  otlpUseTls: async () => {
    const refused = running();
    expect(() => refused.change({ otlpEndpoint: 'http://x', otlpUseTls: true })).toThrow(/otlpUseTls/);
    const port = new URL(backends[0]!.httpEndpoint).port;
    const telemetry = createTelemetry(
      stored({ otlpEndpoint: `127.0.0.1:${port}`, otlpProtocol: 'http/protobuf', flushOnExit: false }),
      { environment: {}, logger: { warn: (message) => refused.warnings.push(message) } },
    );
    telemetry.reconfigure(
      stored({
        otlpEndpoint: `127.0.0.1:${port}`,
        otlpProtocol: 'http/protobuf',
        flushOnExit: false,
        otlpUseTls: true,
      }),
    );
    telemetry.span('encrypted', { tenantId: 'acme' }, () => undefined);
    expect(await telemetry.forceFlush(300)).toBe(false); // the backend does not speak TLS
    await telemetry.shutdown(50);
    expect(backends[0]!.requests).toEqual([]);
  },
  otlpHeaders: async () => {
    const endpoint = { otlpEndpoint: http(0) };
    const { before, after } = await exporting(
      { ...endpoint, otlpHeaders: { 'x-key': 'old' } },
      { ...endpoint, otlpHeaders: { 'x-key': 'new' } },
    );
    expect([before.headers['x-key'], after.headers['x-key']]).toEqual(['old', 'new']);
  },
  otlpCompression: async () => {
    const endpoint = { otlpEndpoint: http(0) };
    const { before, after } = await exporting(endpoint, { ...endpoint, otlpCompression: 'gzip' });
    expect([before.headers['content-encoding'], after.headers['content-encoding']]).toEqual([undefined, 'gzip']);
  },
  defaultTenantId: async () => {
    const run = running({ fallbackToDefaultTenant: true });
    run.change({ fallbackToDefaultTenant: true, defaultTenantId: 'house' });
    run.telemetry.span('span', () => undefined);
    await run.flush();
    expect(run.received.named('span').tenant).toBe('house');
  },
  fallbackToDefaultTenant: async () => {
    const run = running();
    expect(() => run.telemetry.span('span', () => undefined)).toThrow(/no tenant/);
    run.change({ fallbackToDefaultTenant: true });
    run.telemetry.span('span', () => undefined);
    await run.flush();
    expect(run.received.named('span').tenant).toBe('default');
  },
  unassignedTenant: async () => {
    const run = running();
    run.change({ unassignedTenant: 'nobody' });
    unassigned(run).end();
    await run.flush();
    expect(run.received.named('unassigned').tenant).toBe('nobody');
  },
  maxCachedTenants: async () => {
    const run = running();
    for (const tenantId of ['a', 'b', 'c']) record(run, tenantId);
    run.change({ maxCachedTenants: 2 });
    expect(run.telemetry.getStats().cachedTenants).toBe(2);
    await run.flush();
    expect(run.received.spans).toHaveLength(3);
    run.change({ maxCachedTenants: 3 });
    for (const tenantId of ['a', 'b', 'c']) record(run, tenantId);
    expect(run.telemetry.getStats().cachedTenants).toBe(3);
  },
  maxProjectsPerTenant: () => {
    const run = running({ maxProjectsPerTenant: 1 });
    const inProject = (projectName: string) =>
      run.telemetry.span('span', { tenantId: 'acme', projectName }, () => undefined);
    inProject('one');
    inProject('two');
    expect(run.dropped()).toEqual({ tenant_limit: 1 });
    run.change({ maxProjectsPerTenant: 2 });
    inProject('two');
    expect(run.dropped()).toEqual({ tenant_limit: 1 });
  },
  tenantCacheTtlSeconds: async () => {
    const run = running();
    record(run);
    run.change({ tenantCacheTtlSeconds: 10 });
    await run.clock.advance(12_000);
    expect(run.telemetry.getStats().cachedTenants).toBe(0);
  },
  maxHeldSpans: () => {
    const run = running({ maxHeldSpans: 0 });
    const hold = () => {
      const root = unassigned(run);
      run.telemetry.withSpan(root, () => unassigned(run, 'child').end());
    };
    hold();
    expect(run.dropped()).toEqual({ no_tenant: 1 });
    run.change({ maxHeldSpans: 1 });
    hold();
    expect(run.dropped()).toEqual({ no_tenant: 1 });
  },
  maxHeldMillis: async () => {
    const run = running();
    run.telemetry.withSpan(unassigned(run), () => unassigned(run, 'child').end());
    run.change({ maxHeldMillis: 1000 });
    await run.clock.advance(1100);
    expect(run.dropped()).toEqual({ no_tenant: 1 });
  },
  trustRemoteContext: async () => {
    const run = running();
    const { parent, traceId } = trustedParent();
    const start = (name: string) => run.telemetry.span(name, { tenantId: 'acme', parent }, () => undefined);
    start('before');
    run.change({ trustRemoteContext: true });
    start('after');
    await run.flush();
    const continued = (name: string) => run.received.named(name).traceId === traceId;
    expect([continued('before'), continued('after')]).toEqual([false, true]);
  },
  flushOnExit: () => {
    const counts = [process.listenerCount('beforeExit')];
    const run = running({ flushOnExit: false });
    for (const flushOnExit of [true, false]) {
      run.change({ flushOnExit });
      counts.push(process.listenerCount('beforeExit'));
    }
    expect(counts.map((count) => count - counts[0]!)).toEqual([0, 1, 0]);
  },
  attributeCountLimit: async () => {
    const run = running();
    run.change({ attributeCountLimit: 1 });
    run.telemetry.span('span', { tenantId: 'acme', attributes: { a: 1, b: 2 } }, () => undefined);
    await run.flush();
    expect(run.received.named('span').droppedAttributesCount).toBe(1);
  },
  attributeValueLengthLimit: async () => {
    const run = running();
    run.change({ attributeValueLengthLimit: 3 });
    run.telemetry.span('span', { tenantId: 'acme', attributes: { text: 'longer' } }, () => undefined);
    await run.flush();
    expect(run.received.named('span').attributes.get('text')).toBe('lon');
  },
  attributeDepthLimit: async () => {
    const run = running();
    const nested = { tenantId: 'acme', attributes: { deep: { a: { b: { c: 1 } } } } };
    run.telemetry.span('before', nested, () => undefined);
    run.change({ attributeDepthLimit: 1 });
    run.telemetry.span('after', nested, () => undefined);
    await run.flush();
    const deep = (name: string) =>
      JSON.stringify(run.received.named(name).attributes.get('deep'), (_, value) =>
        value instanceof Map ? [...value] : typeof value === 'bigint' ? Number(value) : value,
      );
    expect(deep('after')).not.toBe(deep('before'));
  },
  eventCountLimit: async () => {
    const run = running();
    run.change({ eventCountLimit: 1 });
    run.telemetry.span('span', { tenantId: 'acme' }, (span) => void span.addEvent('a').addEvent('b'));
    await run.flush();
    expect(run.received.named('span').events.map(({ name }) => name)).toEqual(['b']);
  },
  linkCountLimit: async () => {
    const run = running({ trustRemoteContext: true });
    run.change({ trustRemoteContext: true, linkCountLimit: 1 });
    const link = { context: trustedParent().parent };
    run.telemetry.span('span', { tenantId: 'acme', links: [link, link] }, () => undefined);
    await run.flush();
    expect(run.received.named('span').links).toHaveLength(1);
  },
  attributePerEventCountLimit: async () => {
    const run = running();
    run.change({ attributePerEventCountLimit: 1 });
    run.telemetry.span('span', { tenantId: 'acme' }, (span) => void span.addEvent('a', { a: 1, b: 2 }));
    await run.flush();
    expect(run.received.named('span').events[0]!.attributes.size).toBe(1);
  },
  attributePerLinkCountLimit: async () => {
    const run = running({ trustRemoteContext: true });
    run.change({ trustRemoteContext: true, attributePerLinkCountLimit: 1 });
    const links = [{ context: trustedParent().parent, attributes: { a: 1, b: 2 } }];
    run.telemetry.span('span', { tenantId: 'acme', links }, () => undefined);
    await run.flush();
    expect(run.received.named('span').links[0]!.attributes.size).toBe(1);
  },
  'batchConfig.maxQueueSize': async () => {
    const run = running({ batchConfig: { maxQueueSize: 1 } });
    record(run);
    record(run);
    expect(run.dropped()).toEqual({ queue_full: 1 });
    run.change({ batchConfig: { maxQueueSize: 2 } });
    record(run);
    expect(run.dropped()).toEqual({ queue_full: 1 });
    await run.flush();
    expect(run.received.spans).toHaveLength(2);
  },
  'batchConfig.maxExportBatchSize': async () => {
    const run = running();
    for (let number = 0; number < 4; number++) record(run);
    run.change({ batchConfig: { maxExportBatchSize: 2 } });
    await run.flush();
    expect(run.received.target.requests.map(({ spans }) => spans.length)).toEqual([2, 2]);
  },
  'batchConfig.exportTimeoutMillis': async () => {
    const timeouts: number[] = [];
    const run = running(
      {},
      {},
      {
        respond({ options }) {
          timeouts.push(options.timeoutMillis);
          return { status: 'sent', rejectedSpans: 0, message: '' };
        },
      },
    );
    run.change({ batchConfig: { exportTimeoutMillis: 1234 } });
    record(run);
    await run.flush();
    expect(timeouts).toEqual([1234]);
  },
  'batchConfig.scheduleDelayMillis': async () => {
    const run = running({ batchConfig: { scheduleDelayMillis: 60_000 } });
    record(run);
    run.change({ batchConfig: { scheduleDelayMillis: 100 } });
    await run.clock.advance(101); // what waits already goes out after the new delay
    expect(names(run)).toEqual(['span']);
  },
  'batchConfig.maxQueueBytes': async () => {
    const run = running();
    run.change({ batchConfig: { maxQueueBytes: 10 } });
    record(run);
    expect(run.dropped()).toEqual({ queue_bytes: 1 });
    expect(run.telemetry.getStats().export.pipeline.maxBytes).toBe(10);
  },
  'batchConfig.maxRequestsInFlight': async () => {
    const answers: (() => void)[] = [];
    const run = running(
      { batchConfig: { maxRequestsInFlight: 1, maxExportBatchSize: 1 } },
      {},
      {
        respond: () =>
          new Promise((resolve) => answers.push(() => resolve({ status: 'sent', rejectedSpans: 0, message: '' }))),
      },
    );
    run.change({ batchConfig: { maxRequestsInFlight: 3, maxExportBatchSize: 1 } });
    for (let number = 0; number < 3; number++) record(run);
    await run.clock.advance(1000);
    expect(run.received.target.mostOpenRequests).toBe(3);
    for (const answer of answers) answer();
    await run.flush();
  },
  'batchConfig.dropOnQueueFull': () => {
    const run = running({ batchConfig: { maxQueueSize: 1 } });
    run.change({ batchConfig: { maxQueueSize: 1, dropOnQueueFull: false } });
    record(run);
    record(run);
    expect(run.dropped()).toEqual({});
  },
  'batchConfig.logDroppedSpans': async () => {
    const run = running({ batchConfig: { maxQueueSize: 1, logDroppedSpans: false } });
    const drop = async () => {
      record(run);
      record(run);
      await run.clock.advance(5000);
    };
    await drop();
    expect(run.warnings).toEqual([]);
    run.change({ batchConfig: { maxQueueSize: 1, logDroppedSpans: true, scheduleDelayMillis: 60_000 } });
    await drop();
    expect(run.warnings.join()).toMatch(/dropped \d spans? of tenant "acme": queue_full/);
  },
  'batchConfig.maxDropLogRatePerMinute': async () => {
    const run = running({ batchConfig: { maxQueueSize: 1, maxDropLogRatePerMinute: 1, scheduleDelayMillis: 60_000 } });
    run.change({ batchConfig: { maxQueueSize: 1, maxDropLogRatePerMinute: 3, scheduleDelayMillis: 60_000 } });
    for (const tenantId of ['a', 'b', 'c']) for (let number = 0; number < 2; number++) record(run, tenantId);
    await run.clock.advance(2000);
    expect(run.warnings).toHaveLength(3);
  },
  'batchConfig.useSyncExport': async () => {
    const run = running({ batchConfig: { scheduleDelayMillis: 60_000 } });
    record(run);
    run.change({ batchConfig: { scheduleDelayMillis: 60_000, useSyncExport: true } });
    await run.telemetry.span('at once', { tenantId: 'acme' }, async () => undefined);
    expect(names(run)).toContain('at once');
  },
};

describe('reconfigure()', () => {
  const atRunTime = [...OPTIONS].filter(([, { changesAtRunTime }]) => changesAtRunTime).map(([path]) => path);
  const afterRestart = [...OPTIONS.keys()].filter((path) => !atRunTime.includes(path));

  it('has a case here for every option that changes at run time', () => {
    expect(Object.keys(CHANGES).sort()).toEqual([...atRunTime].sort());
  });

  it.each(atRunTime)('changes %s at run time', async (path) => {
    await CHANGES[path]!();
  });

  const RESTART: Record<string, TelemetryConfigOptions> = {
    environment: { environment: 'other' },
    provider: { provider: 'other' },
    providerConfig: { providerConfig: { a: 1 } },
    tenantProjectTemplate: { tenantProjectTemplate: 'other-{tenant_id}' },
    tenantServiceTemplate: { tenantServiceTemplate: 'other-{tenant_id}-{service}' },
    serviceName: { serviceName: 'other' },
    serviceVersion: { serviceVersion: '2' },
    extraResourceAttributes: { extraResourceAttributes: { a: 'b' } },
    spool: { spool: { directory: 'other' } },
    'batchConfig.maxSpanBytes': { batchConfig: { maxSpanBytes: 5000 } },
  };

  it('has a case here for every option that needs a restart', () => {
    expect(Object.keys(RESTART).sort()).toEqual([...afterRestart].sort());
  });

  it.each(afterRestart)('leaves %s as it is, and says once that it needs a restart', async (path) => {
    const run = running();
    record(run, 'acme', 'before');
    const change = stored({ ...RESTART[path]!, level: 'basic', flushOnExit: false });
    expect(run.telemetry.reconfigure(change)).toEqual({ changed: ['level'], needsRestart: [path] });
    run.telemetry.reconfigure(change);
    expect(run.warnings).toEqual([expect.stringMatching(new RegExp(`starts next: ${path.replace('.', '\\.')}\\.$`))]);
    expect(run.telemetry.config.value(path)).toEqual(new TelemetryConfig().value(path));
    expect(run.telemetry.config.levelOf(path)).toBe('default');
    record(run, 'acme', 'after');
    await run.flush();
    expect(run.received.named('after').project).toBe(run.received.named('before').project);
  });

  it('changes everything or nothing: what cannot be used leaves the running configuration as it was', () => {
    const run = running({ otlpEndpoint: 'localhost:4317' }, { exportTarget: undefined });
    const before = run.telemetry.config;
    for (const options of [
      { level: 'basic', otlpEndpoint: 'ftp://x' },
      { level: 'basic', otlpEndpoint: 'http://user:secret@host/' },
      { level: 'basic', batchConfig: { maxQueueSize: 1, maxExportBatchSize: 2 } },
    ] as const) {
      expect(() => run.change(options)).toThrow(ConfigurationError);
      expect(run.telemetry.config).toBe(before);
    }
    expect(() => run.telemetry.reconfigure({ level: 'loud' as never })).toThrow(/level/);
    expect(() => run.telemetry.reconfigure(undefined as never)).toThrow(ConfigurationError);
  });

  it('keeps the precedence: what code or the environment of the start has set, no stored value changes', () => {
    const environment: Record<string, string> = { TELEMETRY_LEVEL: 'detailed', OTEL_BSP_MAX_QUEUE_SIZE: '77' };
    const telemetry = createTelemetry(new TelemetryConfig({ maxCachedTenants: 5, flushOnExit: false }), {
      environment,
      exportTarget: () => memoryTarget(),
    });
    environment['TELEMETRY_LEVEL'] = 'verbose'; // read when a manager starts
    const outcome = telemetry.reconfigure(
      stored({ level: 'disabled', maxCachedTenants: 9, maxHeldSpans: 3, batchConfig: { maxQueueSize: 5 } }),
    );
    expect(outcome).toEqual({ changed: ['maxHeldSpans'], needsRestart: [] });
    expect(telemetry.config).toMatchObject({ level: 'detailed', maxCachedTenants: 5, maxHeldSpans: 3 });
    expect(telemetry.config.batchConfig.maxQueueSize).toBe(77);
    // By code, it does; and stays above what is stored later.
    telemetry.reconfigure({ level: 'verbose' });
    telemetry.reconfigure(stored({ level: 'basic' }));
    expect([telemetry.config.level, telemetry.config.levelOf('level')]).toEqual(['verbose', 'code']);
    // What is not stored any more is the default again.
    expect([telemetry.config.maxHeldSpans, telemetry.config.levelOf('maxHeldSpans')]).toEqual([4096, 'default']);
  });

  it('loses no span that is open, queued or held when the endpoint changes', async () => {
    const [first, second] = backends as [ScriptedBackend, ScriptedBackend];
    const base = { flushOnExit: false, batchConfig: { scheduleDelayMillis: 60_000 } } as const;
    const telemetry = createTelemetry(stored({ ...base, otlpEndpoint: http(0) }), { environment: {} });
    telemetry.span('queued', { tenantId: 'acme' }, () => undefined);
    const open = telemetry.startSpan('open', { tenantId: 'acme' });
    telemetry.reconfigure(stored({ ...base, otlpEndpoint: http(1) }));
    open.end();
    telemetry.span('new', { tenantId: 'acme' }, () => undefined);
    expect(await telemetry.forceFlush(5000)).toBe(true);
    expect(telemetry.audit()).toBeNull();
    const accepted = (backend: ScriptedBackend) => backend.acceptedSpans.map(({ name }) => name);
    expect([accepted(first), accepted(second)]).toEqual([['queued'], ['open', 'new']]);
    // The destination that nobody uses any more is closed.
    await expect.poll(() => telemetry.getStats().export.pipeline.destinations).toBe(1);
    await telemetry.shutdown();
  });

  it('of a registered project leaves what code said of it', async () => {
    const [first, second] = backends as [ScriptedBackend, ScriptedBackend];
    const base = { flushOnExit: false } as const;
    const telemetry = createTelemetry(stored({ ...base, otlpEndpoint: 'localhost:1' }), { environment: {} });
    telemetry.registerProject({
      tenantId: 'acme',
      projectName: 'search',
      otlpEndpoint: http(0),
      useSyncExport: true,
    });
    await telemetry.span('a', { tenantId: 'acme', projectName: 'search' }, async () => undefined);
    telemetry.reconfigure(stored({ ...base, otlpEndpoint: http(1), batchConfig: { useSyncExport: false } }));
    await telemetry.span('b', { tenantId: 'acme', projectName: 'search' }, async () => undefined);
    expect(first.acceptedSpans.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(second.requests).toEqual([]);
    await telemetry.shutdown();
  });

  it('gives the provider of a live project the new endpoint, and lets the old one deliver what it has', async () => {
    const providers: TargetProvider[] = [];
    const registry = new ProviderRegistry();
    registry.register('own', () => {
      providers.push(new TargetProvider());
      return asProvider(providers.at(-1)!);
    });
    const base = { flushOnExit: false, provider: 'own' } as const;
    const telemetry = createTelemetry(stored({ ...base, otlpEndpoint: 'one:4317' }), { environment: {}, registry });
    telemetry.span('before', { tenantId: 'acme' }, () => undefined);
    expect(await telemetry.forceFlush(5000)).toBe(true);
    telemetry.reconfigure(stored({ ...base, otlpEndpoint: 'two:4317', maxHeldSpans: 7 }));
    telemetry.reconfigure(stored({ ...base, otlpEndpoint: 'two:4317' })); // nothing that concerns it
    expect(await telemetry.forceFlush(5000)).toBe(true);
    telemetry.span('after', { tenantId: 'acme' }, () => undefined);
    expect(await telemetry.forceFlush(5000)).toBe(true);
    expect(
      providers.map(({ config, target }) => [config?.otlpEndpoint, target.spans.map(({ span }) => span.name)]),
    ).toEqual([
      ['one:4317', ['before']],
      ['two:4317', ['after']],
    ]);
    await telemetry.shutdown();
    expect(providers.map(({ closed }) => closed)).toEqual([1, 1]);
  });
});

class TargetProvider extends BareProvider {
  readonly target = memoryTarget({ key: randomUUID() });
  override configureSpanExport() {
    return this.target;
  }
}
