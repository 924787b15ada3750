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
import { auditedTelemetry } from './audited-telemetry.js';

describe('context helpers', () => {
  it('times a promise until it settles, and records the latency of what fails, sync and async', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
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
    await flushed();
    expect(t.findSpan('search_service.search').attributes['latency_ms']).toBeGreaterThanOrEqual(3);
    for (const [name, key] of [
      ['encoder.x.encode', 'encoding_time_ms'],
      ['search.execute', 'latency_ms'],
    ] as const) {
      const span = t.findSpan(name);
      expect(span.attributes[key], name).toBeGreaterThanOrEqual(0);
      expect(span).toMatchObject({ statusCode: 'ERROR', statusMessage: 'index is gone' });
      expect(span.events).toHaveLength(1);
    }
  });

  it('nest in one trace, and take the tenant from around them', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
    telemetry.withTenant('acme', () =>
      searchSpan({ telemetry, query: 'cats' }, () =>
        encodeSpan({ telemetry, encoderType: 'ColPali' }, () => undefined),
      ),
    );
    await flushed();
    expect(t.findSpan('encoder.colpali.encode').parentSpanId).toBe(t.findSpan('search_service.search').spanId);
    expect(t.spans.map((span) => span.tenantId)).toEqual(['acme', 'acme']);
  });

  it('are held against the level: basic records the search, not its parts', async () => {
    const { telemetry, flushed } = auditedTelemetry({ level: 'basic' });
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
    const { telemetry, flushed } = auditedTelemetry();
    telemetry.span('s', { tenantId: 'acme' }, (span) => {
      addEmbeddingDetailsToSpan(span, null);
      addEmbeddingDetailsToSpan(span, undefined);
    });
    const span = (await flushed()).findSpan('s');
    expect(Object.keys(span.attributes)).toHaveLength(3);
    expect(span.events).toEqual([]);
  });

  it('cost a helper its details and never reach the caller', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
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
    await flushed();
    expect(JSON.parse(String(t.findSpan('search.execute').attributes['input.value']))).toMatchObject({
      top_k: '3',
    });
    expect(t.findSpan('encoder.unknown.encode').statusCode).toBe('UNSET');
    expect(t.findSpan('search_service.search').attributes['query']).toBe(5);
  });

  it('a thenable that gives nothing back from `then` is still awaited', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    const thenable = {
      // biome-ignore lint/suspicious/noThenProperty: what is tested
      then(resolve: (value: number) => void) {
        resolve(7);
      },
    };
    expect(await searchSpan({ telemetry, tenantId: 'acme', query: 'cats' }, () => thenable)).toBe(7);
    expect((await flushed()).findSpan('search_service.search').attributes['latency_ms']).toBeGreaterThanOrEqual(0);
  });
});
