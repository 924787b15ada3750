/**
 * The reference's test scenarios and testing strategies, under its titles.
 *
 * Where the reference mocks, these look at the spans that would have travelled; where it asks a running Phoenix, they ask the embedded server.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { config, getTelemetryManager, manager, registry, TelemetryManager } from '@cogniverse/core/telemetry';
import { createTestTelemetry, memoryTarget } from '@cogniverse/foundation/telemetry/testing';
import { LocalProvider } from '@cogniverse/telemetry-local';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Served, serve } from '../../../test/e2e/serve.js';

const directory = mkdtempSync(join(tmpdir(), 'cogniverse-scenarios-'));
const providers = new registry.ProviderRegistry();
providers.register('local', LocalProvider);
let server: Served;

beforeAll(async () => {
  server = await serve(join(directory, 'data'));
});
afterEach(() => TelemetryManager.reset());
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** A manager that writes to the server and reads from it. */
function withServer(environment: Record<string, string> = {}): TelemetryManager {
  const options = {
    otlpEndpoint: server.otlpGrpc,
    providerConfig: { endpoint: server.http },
    flushOnExit: false,
  };
  return new TelemetryManager(options, { environment, registry: providers });
}

describe('Test Scenarios', () => {
  it('Tenant Isolation', async () => {
    const telemetry = withServer();
    const tracerA = telemetry.getTracer('tenant-a')!;
    const tracerB = telemetry.getTracer('tenant-b')!;
    expect(tracerA).not.toBe(tracerB);
    tracerA.startSpan('of a').end();
    tracerB.startSpan('of b').end();
    expect(await telemetry.forceFlush(5000)).toBe(true);

    // Each tenant's spans are in a project of its own, and a provider of one tenant reads that alone.
    const [projectA, projectB] = ['cogniverse-tenant-a', 'cogniverse-tenant-b'];
    const a = await telemetry.getProvider('tenant-a', projectA);
    const b = await telemetry.getProvider('tenant-b', projectB);
    const placed = async (provider: typeof a) =>
      (await provider.traces.getSpans()).map((span) => [span.name, span.project, span.tenantId]);
    expect(await placed(a)).toEqual([['of a', projectA, 'tenant-a']]);
    expect(await placed(b)).toEqual([['of b', projectB, 'tenant-b']]);
    await expect(a.traces.getSpans({ project: projectB })).rejects.toThrow(manager.TenantMismatchError);
  });

  it('LRU Cache Eviction', async () => {
    const target = memoryTarget();
    const telemetry = new TelemetryManager(new config.TelemetryConfig({ maxCachedTenants: 2, flushOnExit: false }), {
      environment: {},
      exportTarget: () => target,
    });
    const first = telemetry.getTracer('tenant-1')!;
    const open = telemetry.getTracer('tenant-2')!.startSpan('still open');
    telemetry.getTracer('tenant-1'); // used again: now tenant-2 is the oldest
    telemetry.getTracer('tenant-3');
    expect(telemetry.getStats().cachedTenants).toBe(2);

    // The oldest is evicted and loses nothing: its open span arrives when it ends, its tracer goes on working.
    open.end();
    first.startSpan('renewed').end();
    expect(await telemetry.forceFlush(5000)).toBe(true);
    expect(target.spans.map(({ span }) => [span.name, span.attributes.get('tenant.id')]).sort()).toEqual([
      ['renewed', 'tenant-1'],
      ['still open', 'tenant-2'],
    ]);
    expect(telemetry.audit()).toBeNull();
  });

  it('Sync Export', async () => {
    const telemetry = withServer({ TELEMETRY_SYNC_EXPORT: 'true' });
    await telemetry.span('test', { tenantId: 'test' }, async (span) => {
      span.setAttribute('key', 'value');
    });
    // Exported when the promise of `span()` settled: it is there before any flush.
    const provider = await telemetry.getProvider('test');
    const [span] = await provider.traces.getSpans();
    expect([span?.name, span?.attributes['key']]).toEqual(['test', 'value']);
    expect(await telemetry.forceFlush(1000)).toBe(true);
  });

  it('Graceful Degradation', async () => {
    // Export is off.
    const off = manager.createTelemetry({ otlpEnabled: false }, { environment: {} });
    const result = off.span('test', { tenantId: 'test' }, (span) => {
      span.setAttribute('key', 'value');
      expect(span.isRecording()).toBe(false);
      return 'the search goes on';
    });
    expect(result).toBe('the search goes on');
    expect(off.getTracer('tenant-123')).toBeUndefined();

    // The backend is away: the application does not notice, the account does.
    const warnings: string[] = [];
    const away = manager.createTelemetry(
      { otlpEndpoint: 'http://127.0.0.1:9', flushOnExit: false, batchConfig: { exportTimeoutMillis: 500 } },
      { environment: {}, logger: { warn: (message) => warnings.push(message) } },
    );
    expect(away.span('test', { tenantId: 'test' }, () => 7)).toBe(7);
    expect(await away.forceFlush(1)).toBe(false);
    await away.shutdown(100);
    const { total } = away.getStats().export;
    expect(total.ended).toBe(1);
    expect(total.exported).toBe(0);
    expect(warnings.length).toBeGreaterThan(0);
    expect(away.audit()).toBeNull();
  });
});

describe('Testing Strategies', () => {
  /** The code under test: it knows of no test. */
  function searchWithTelemetry(query: string): string[] {
    return getTelemetryManager().span('search', { tenantId: 'test-tenant', attributes: { top_k: 10 } }, (span) => {
      span.setAttribute('query', query);
      return [query.toUpperCase()];
    });
  }

  it('Unit Testing with Mocked Telemetry', async () => {
    const test = createTestTelemetry({ asProcessManager: true });
    expect(searchWithTelemetry('test query')).toEqual(['TEST QUERY']);

    expect(test.spans.map((span) => span.name)).toEqual(['search']);
    const span = test.findSpan('search');
    expect(span.tenantId).toBe('test-tenant');
    expect(span.attributes).toMatchObject({ top_k: 10, query: 'test query' });
    test.expectNoOpenSpans();
    await test.shutdown();
  });

  it('Integration Testing with Real Phoenix', async () => {
    const telemetry = withServer({ TELEMETRY_SYNC_EXPORT: 'true' });
    telemetry.span('test.search', { tenantId: 'test-tenant' }, (span) => {
      span.setAttribute('query', 'test');
    });
    expect(await telemetry.forceFlush(5000)).toBe(true);

    const provider = await telemetry.getProvider('test-tenant');
    const spans = await provider.traces.getSpans({ filters: { name: 'test.search' } });
    expect(spans.map((span) => [span.name, span.tenantId, span.attributes['query']])).toEqual([
      ['test.search', 'test-tenant', 'test'],
    ]);
  });

  it('Performance Testing', async () => {
    const telemetry = withServer();
    const spanCount = 10_000;
    const start = performance.now();
    for (let index = 0; index < spanCount; index += 1) {
      telemetry.span(`test.span.${index}`, { tenantId: 'perf-test' }, (span) => {
        span.setAttribute('iteration', index);
      });
      // The default queue holds 2,048 spans; a loop that never yields leaves the sender no turn.
      if (index % 1000 === 999) await telemetry.forceFlush(5000);
    }
    const seconds = (performance.now() - start) / 1000;
    console.log(`Throughput: ${Math.round(spanCount / seconds)} spans/second, export included`);

    expect(await telemetry.forceFlush(10_000)).toBe(true);
    const { total } = telemetry.getStats().export;
    expect([total.started, total.ended, total.exported]).toEqual([spanCount, spanCount, spanCount]);
    expect(telemetry.audit()).toBeNull();
    const provider = await telemetry.getProvider('perf-test');
    const [count] = await provider.analytics.getMetrics({ metricNames: ['span_count'] });
    expect(count?.value).toBe(spanCount);
  });
});
