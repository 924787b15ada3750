/** The helpers of search applications: how they run. What they record is in context-table.test.ts. */
import {
  addEmbeddingDetailsToSpan,
  addSearchResultsToSpan,
  backendSearchSpan,
  encodeSpan,
  searchSpan,
  TelemetryManager,
} from '@cogniverse/foundation/telemetry';
import { memoryTarget } from '@cogniverse/foundation/telemetry/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { memoryTelemetry } from './memory-telemetry.js';

describe('context helpers', () => {
  it('times a promise until it settles, and records the latency of what fails, sync and async', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    const error = new Error('index is gone');
    let release!: () => void;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = searchSpan({ telemetry, tenantId: 'acme', query: 'slow' }, async () => {
      await gate;
      return 'answer';
    });
    const before = performance.now();
    while (performance.now() - before < 3);
    release();
    expect(await slow).toBe('answer');
    expect(() => {
      encodeSpan({ telemetry, tenantId: 'acme', encoderType: 'X' }, () => {
        throw error;
      });
    }).toThrow(error);
    await expect(
      backendSearchSpan({ telemetry, tenantId: 'acme' }, async () => {
        await gate;
        throw error;
      }),
    ).rejects.toBe(error);
    const received = await flushed();
    expect(received.named('search_service.search').attributes.get('latency_ms')).toBeGreaterThanOrEqual(3);
    for (const [name, key] of [
      ['encoder.x.encode', 'encoding_time_ms'],
      ['search.execute', 'latency_ms'],
    ] as const) {
      const span = received.named(name);
      expect(span.attributes.get(key), name).toBeGreaterThanOrEqual(0);
      expect(span.status).toEqual({ code: 2, message: 'index is gone' });
      expect(span.events).toHaveLength(1);
    }
  });

  it('nest in one trace, and take the tenant from around them', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    telemetry.withTenant('acme', () =>
      searchSpan({ telemetry, query: 'cats' }, () =>
        encodeSpan({ telemetry, encoderType: 'ColPali' }, () => undefined),
      ),
    );
    const received = await flushed();
    expect(received.named('encoder.colpali.encode').parentSpanId).toBe(received.named('search_service.search').spanId);
    expect(received.spans.map((span) => span.tenant)).toEqual(['acme', 'acme']);
  });

  it('are held against the level: basic records the search, not its parts', async () => {
    const { telemetry, flushed } = memoryTelemetry({ level: 'basic' });
    const result = searchSpan({ telemetry, tenantId: 'acme', query: 'cats' }, () =>
      encodeSpan({ telemetry, tenantId: 'acme', encoderType: 'X' }, () =>
        backendSearchSpan({ telemetry, tenantId: 'acme' }, () => 3),
      ),
    );
    expect(result).toBe(3);
    expect((await flushed()).spans.map((span) => span.name)).toEqual(['search_service.search']);
  });

  describe('without a manager given', () => {
    afterEach(() => TelemetryManager.reset());

    it('use the one of the process', async () => {
      const target = memoryTarget();
      const manager = new TelemetryManager({ flushOnExit: false }, { environment: {}, exportTarget: () => target });
      searchSpan({ tenantId: 'acme', query: 'cats' }, () => undefined);
      expect(await manager.forceFlush(5000)).toBe(true);
      expect(target.spans.map(({ span }) => span.name)).toEqual(['search_service.search']);
    });
  });
});

describe('values that cannot be described', () => {
  it('embeddings that are not there leave no trace: a strategy without an encoder has none', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    telemetry.span('s', { tenantId: 'acme' }, (span) => {
      addEmbeddingDetailsToSpan(span, null);
      addEmbeddingDetailsToSpan(span, undefined);
    });
    const span = (await flushed()).named('s');
    expect(span.attributes.size).toBe(3);
    expect(span.events).toEqual([]);
  });

  it('cost a helper its details and never reach the caller', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;
    const common = { telemetry, tenantId: 'acme' };
    expect(searchSpan({ ...common, query: 5n as never, topK: cyclic as never }, () => 1)).toBe(1);
    expect(encodeSpan({ ...common, encoderType: undefined as never }, () => 2)).toBe(2);
    expect(
      backendSearchSpan({ ...common, topK: 3n as never }, (span) => {
        addSearchResultsToSpan(span, null as never);
        addSearchResultsToSpan(span, [null as never]);
        addSearchResultsToSpan(span, [{ score: 1n as never }]);
        addEmbeddingDetailsToSpan(span, [null] as never);
        return 3;
      }),
    ).toBe(3);
    const received = await flushed();
    expect(JSON.parse(String(received.named('search.execute').attributes.get('input.value')))).toMatchObject({
      top_k: '3',
    });
    expect(received.named('encoder.unknown.encode').status.code).toBe(0);
    expect(received.named('search_service.search').attributes.get('query')).toBe(5n);
  });

  it('a thenable that gives nothing back from `then` is still awaited', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    const thenable = {
      // biome-ignore lint/suspicious/noThenProperty: what is tested
      then(resolve: (value: number) => void) {
        resolve(7);
      },
    };
    expect(await searchSpan({ telemetry, tenantId: 'acme', query: 'cats' }, () => thenable)).toBe(7);
    expect((await flushed()).named('search_service.search').attributes.get('latency_ms')).toBeGreaterThanOrEqual(0);
  });
});
