/** The cache of live tenants: a real LRU with a time limit, whose eviction loses nothing and whose memory is flat. */
import { createTelemetry, type Telemetry, TelemetryConfig } from '@cogniverse/foundation/telemetry';
import { ManualClock, memoryTarget, startScriptedBackend } from '@cogniverse/foundation/telemetry/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { auditedTelemetry } from './audited-telemetry.js';
import { runProgram } from './run-program.js';

interface Workload {
  zipfRequests(options: { tenants: number; exponent: number; requests: number; seed: number }): Int32Array;
  simulatedHitRate(requests: Int32Array, size: number): number;
  measuredHitRate(telemetry: Telemetry, requests: Int32Array): Promise<number>;
  smallestSizeFor(requests: Int32Array, rate: number, most: number): number;
}
const workload = (await import(
  new URL('../../../../bench/tenant-cache/workload.mjs', import.meta.url).href
)) as Workload;

const use = (telemetry: Telemetry, ...tenants: string[]): void => {
  for (const tenantId of tenants) telemetry.span('use', { tenantId }, () => undefined);
};
/** Misses that using these tenants adds. */
function misses(telemetry: Telemetry, ...tenants: string[]): number {
  const before = telemetry.getStats().cacheMisses;
  use(telemetry, ...tenants);
  return telemetry.getStats().cacheMisses - before;
}

describe('the least recently used tenant leaves first', () => {
  const renewals: Record<string, (telemetry: Telemetry) => void> = {
    'span()': (telemetry) => use(telemetry, 'a'),
    'startSpan()': (telemetry) => telemetry.startSpan('x', { tenantId: 'a' }).end(),
    'an ambient span()': (telemetry) => telemetry.withTenant('a', () => telemetry.span('x', () => undefined)),
    'a bound tracer': (telemetry) => telemetry.getTracer('a', 'video-search')!.startSpan('x').end(),
    'a handle': (telemetry) => telemetry.tenant('a').span('x', () => undefined),
    'an instrumentation library': (telemetry) =>
      telemetry.withTenant('a', () => telemetry.tracerProvider.getTracer('lib').startSpan('x').end()),
  };
  it.each(Object.entries(renewals))('and %s renews', (_name, renew) => {
    const { telemetry } = auditedTelemetry({ maxCachedTenants: 2 });
    use(telemetry, 'a', 'b');
    renew(telemetry);
    use(telemetry, 'c');
    expect(misses(telemetry, 'a')).toBe(0);
    expect(misses(telemetry, 'b')).toBe(1);
    expect(telemetry.getStats().cachedTenants).toBe(2);
  });

  it('a call that starts no span renews nothing', () => {
    const { telemetry } = auditedTelemetry({ maxCachedTenants: 2 });
    use(telemetry, 'a', 'b');
    telemetry.withTenant('a', () => undefined);
    telemetry.getTracer('a', 'video-search');
    use(telemetry, 'c');
    expect(misses(telemetry, 'a')).toBe(1);
  });

  it('and tenants unused for longer than the time limit leave without one', async () => {
    const clock = new ManualClock();
    const { telemetry } = auditedTelemetry({ tenantCacheTtlSeconds: 60 }, { clock });
    use(telemetry, 'idle', 'busy');
    for (let minute = 0; minute < 5; minute += 1) {
      await clock.advance(30_000);
      use(telemetry, 'busy');
    }
    expect(telemetry.getStats()).toMatchObject({ cachedTenants: 1, cacheMisses: 2, cacheHits: 5 });
    await clock.advance(61_000);
    expect(telemetry.getStats().cachedTenants).toBe(0);
  });
});

it('counts each span that has a tenant once: a hit, or a miss if it is the first in a project that was not live', () => {
  const { telemetry } = auditedTelemetry();
  const counted = (): number[] => {
    const { cacheHits, cacheMisses } = telemetry.getStats();
    return [cacheHits, cacheMisses];
  };
  telemetry.withTenant('a', () => undefined);
  const tracer = telemetry.getTracer('a', 'video-search')!;
  telemetry.tenant('a');
  expect(counted()).toEqual([0, 0]);
  tracer.startSpan('first').end();
  expect(counted()).toEqual([0, 1]);
  telemetry.span('outer', { tenantId: 'a' }, () => telemetry.span('ambient', () => undefined));
  tracer.startSpan('bound').end();
  expect(counted()).toEqual([3, 1]);
  telemetry.span('other project', { tenantId: 'a', projectName: 'billing' }, () => undefined);
  expect(counted()).toEqual([3, 2]);
  telemetry.span('refused', { tenantId: '../etc' }, () => undefined);
  telemetry.tracerProvider.getTracer('http').startSpan('of nobody').end();
  expect(counted()).toEqual([3, 2]);
});

describe('the hit rate of 1,000 tenants, four spans a request', () => {
  it.each([
    [1.0, 0.75],
    [1.25, 0.9],
    [1.5, 0.95],
  ])('at exponent %d is within one point of a simulation of the same sequence', async (exponent, atLeast) => {
    const requests = workload.zipfRequests({ tenants: 1000, exponent, requests: 10_000, seed: 7 });
    const sufficient = workload.smallestSizeFor(requests, 0.95, 1000);
    for (const maxCachedTenants of [new TelemetryConfig().maxCachedTenants, sufficient]) {
      const target = memoryTarget();
      // Not through a test telemetry: that keeps where each of these 240,000 spans began.
      const telemetry = createTelemetry(
        { maxCachedTenants, flushOnExit: false },
        { environment: {}, exportTarget: () => target },
      );
      const simulated = workload.simulatedHitRate(requests, maxCachedTenants);
      const measured = await workload.measuredHitRate(telemetry, requests);
      expect(Math.abs(measured - simulated)).toBeLessThan(0.01);
      expect(measured).toBeGreaterThan(maxCachedTenants === sufficient ? 0.949 : atLeast);
      expect(telemetry.audit()).toBeNull();
      await telemetry.shutdown();
      expect(target.spans).toHaveLength(requests.length * 4);
    }
  });
});

describe('eviction loses nothing', () => {
  it('over a real connection: spans open at eviction are delivered when they end, in their trace and project', async () => {
    const backend = await startScriptedBackend();
    onTestFinished(() => backend.close());
    const telemetry = createTelemetry(
      { otlpEndpoint: `${backend.httpEndpoint}/v1/traces`, maxCachedTenants: 2, flushOnExit: false },
      { environment: {} },
    );
    const open = Array.from({ length: 20 }, (_, index) => telemetry.startSpan('open', { tenantId: `t${index}` }));
    await telemetry.forceFlush();
    for (const [index, span] of open.entries()) {
      telemetry.withSpan(span, () => telemetry.span('child', { attributes: { index } }, () => undefined));
      if (index % 2 === 0) use(telemetry, 'x', 'y'); // its tenant is out again
      span.end();
    }
    expect(await telemetry.forceFlush()).toBe(true);
    expect(telemetry.getStats()).toMatchObject({ cachedTenants: 2, export: { total: { exported: 60, dropped: {} } } });
    expect(telemetry.audit()).toBeNull();
    const spans = backend.requests.flatMap(({ traces }) =>
      traces!.resourceSpans.flatMap(({ resource, scopeSpans }) =>
        scopeSpans.flatMap((scope) =>
          scope.spans.map((span) => ({ ...span, project: resource.attributes.get('openinference.project.name') })),
        ),
      ),
    );
    for (const [index, { spanContext }] of open.entries()) {
      const { traceId, spanId } = spanContext.call(open[index]!);
      const ofTrace = spans.filter((span) => span.traceId === traceId);
      expect(ofTrace.map(({ name }) => name).sort()).toEqual(['child', 'open']);
      expect(ofTrace.find(({ name }) => name === 'child')!.parentSpanId).toBe(spanId);
      expect(new Set(ofTrace.map(({ project }) => project))).toEqual(new Set([`cogniverse-t${index}-video-search`]));
      expect(new Set(ofTrace.map(({ attributes }) => attributes.get('tenant.id')))).toEqual(new Set([`t${index}`]));
    }
    await telemetry.shutdown();
  });

  it('while the backend is away: what waits of an evicted tenant goes out when it is back', async () => {
    const backend = await startScriptedBackend({ script: () => ({ status: 503 }) });
    onTestFinished(() => backend.close());
    const telemetry = createTelemetry(
      { otlpEndpoint: `${backend.httpEndpoint}/v1/traces`, maxCachedTenants: 1, flushOnExit: false },
      {
        environment: {},
        logger: { warn: () => undefined },
        retryPolicy: { initialBackoffMillis: 5, maxBackoffMillis: 10, maxElapsedMillis: 60_000 },
      },
    );
    const open = telemetry.startSpan('open', { tenantId: 't0' });
    for (let index = 0; index < 30; index += 1) use(telemetry, `t${index}`);
    open.end();
    const flushed = telemetry.forceFlush(20_000);
    await backend.waitForRequests(2);
    backend.setScript(() => ({}));
    expect(await flushed).toBe(true);
    expect(backend.acceptedSpans).toHaveLength(31);
    expect(telemetry.getStats().export.pipeline.projects).toBe(1);
    expect(telemetry.audit()).toBeNull();
    await telemetry.shutdown();
  });
});

describe('a million distinct tenants', () => {
  interface Report {
    readonly heaps: [number, number];
    readonly audit: string | null;
    readonly total: { ended: number; exported: number; dropped: Record<string, number> };
    readonly cachedTenants: number;
    readonly ledgers: number;
    readonly projects: number;
    readonly openProviders: number;
    readonly registrationsRefused: number;
    readonly metricsBytes: number;
    readonly lines: number;
  }
  async function run(...args: string[]): Promise<Report> {
    const result = await runProgram('million-tenants.mjs', { nodeArgs: ['--expose-gc'], args });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    return JSON.parse(result.stdout) as Report;
  }
  function expectBounded(report: Report, noiseBytes: number): void {
    const [early, late] = report.heaps;
    expect(late - early).toBeLessThan(noiseBytes);
    expect(late).toBeLessThan(80_000_000);
    expect(report.audit).toBeNull();
    const { ended, exported, dropped } = report.total;
    expect(exported + dropped['http_403']! + dropped['invalid']!).toBe(ended);
    expect(report.cachedTenants).toBe(100);
    expect(report.ledgers).toBeLessThanOrEqual(10_002);
    expect(report.projects).toBeLessThanOrEqual(202);
    expect(report.openProviders).toBeLessThanOrEqual(10_000);
    expect(report.metricsBytes).toBeLessThan(10_000_000);
    expect(report.lines).toBeLessThan(2000);
  }

  it('cost no memory that stays', { timeout: 600_000 }, async () => {
    const report = await run('1000000', '100000');
    expect(report.total.ended).toBeGreaterThan(1_000_000);
    expect(report.registrationsRefused).toBeGreaterThan(0);
    // A pointer kept for each of the 900,000 tenants in between would be more.
    expectBounded(report, 7_000_000);
  });

  it('nor do their providers', { timeout: 300_000 }, async () => {
    expectBounded(await run('60000', '20000', 'provider'), 2_000_000);
  });
});
