/** The helpers of search applications: names, attributes and defaults of the reference. */
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

const DEFAULTS = { 'tenant.id': 'acme', 'service.name': 'video-search', environment: 'development' };

describe('context helpers', () => {
  it('searchSpan makes search_service.search with the reference’s defaults', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    expect(searchSpan({ telemetry, tenantId: 'acme', query: 'cats' }, () => 7)).toBe(7);
    const span = (await flushed()).named('search_service.search');
    const { latency_ms: latency, 'input.value': input, ...attributes } = Object.fromEntries(span.attributes);
    expect(attributes).toEqual({
      ...DEFAULTS,
      'openinference.span.kind': 'CHAIN',
      'operation.name': 'search',
      backend: 'vespa',
      query: 'cats',
      strategy: 'default',
      top_k: 10n,
      profile: 'unknown',
    });
    expect(JSON.parse(String(input))).toEqual({ query: 'cats', top_k: 10, strategy: 'default', profile: 'unknown' });
    expect(latency).toBeGreaterThanOrEqual(0);
    expect(span.status.code).toBe(0);
  });

  it('encodeSpan makes encoder.{type}.encode, in lower case', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    encodeSpan({ telemetry, tenantId: 'acme', encoderType: 'ColPali', query: 'cats', queryLength: 4 }, () => undefined);
    const span = (await flushed()).named('encoder.colpali.encode');
    const { encoding_time_ms: time, ...attributes } = Object.fromEntries(span.attributes);
    expect(attributes).toEqual({
      ...DEFAULTS,
      'openinference.span.kind': 'EMBEDDING',
      'operation.name': 'encode.colpali',
      encoder_type: 'ColPali',
      query_length: 4n,
      'input.value': 'cats',
    });
    expect(time).toBeGreaterThanOrEqual(0);
  });

  it('backendSearchSpan makes search.execute', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    const options = {
      telemetry,
      tenantId: 'acme',
      schemaName: 'video_colpali_mv',
      rankingStrategy: 'BINARY_BINARY',
      hasEmbeddings: true,
    };
    backendSearchSpan(options, () => undefined);
    const span = (await flushed()).named('search.execute');
    const { latency_ms: latency, 'input.value': input, ...attributes } = Object.fromEntries(span.attributes);
    expect(attributes).toEqual({
      ...DEFAULTS,
      'openinference.span.kind': 'RETRIEVER',
      'operation.name': 'search.execute',
      backend: 'vespa',
      query: '',
      strategy: 'BINARY_BINARY',
      top_k: 10n,
      schema: 'video_colpali_mv',
      has_embeddings: true,
    });
    expect(JSON.parse(String(input))).toEqual({
      query: '',
      top_k: 10,
      strategy: 'BINARY_BINARY',
      schema: 'video_colpali_mv',
      has_embeddings: true,
    });
    expect(latency).toBeGreaterThanOrEqual(0);
  });

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

  it('addSearchResultsToSpan records the number, the top score, and the best three', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    const results = [0.9, 0.7, 0.5, 0.3].map((score, index) => ({
      documentId: `d${index}`,
      score,
      contentType: 'text',
    }));
    telemetry.span('some', { tenantId: 'acme' }, (span) =>
      addSearchResultsToSpan(span, [...results.slice(0, 1), { videoId: 'v' }, ...results.slice(2)]),
    );
    telemetry.span('none', { tenantId: 'acme' }, (span) => addSearchResultsToSpan(span, []));
    const received = await flushed();
    const some = received.named('some');
    expect(some.attributes.get('num_results')).toBe(4n);
    expect(some.attributes.get('top_score')).toBe(0.9);
    expect(some.events.map((event) => event.name)).toEqual(['search_results']);
    expect(JSON.parse(String(some.events[0]!.attributes.get('top_3')))).toEqual([
      { rank: 1, document_id: 'd0', video_id: 'unknown', score: 0.9, content_type: 'text' },
      { rank: 2, document_id: 'unknown', video_id: 'v', score: 0, content_type: 'unknown' },
      { rank: 3, document_id: 'd2', video_id: 'unknown', score: 0.5, content_type: 'text' },
    ]);
    const none = received.named('none');
    expect(none.attributes.get('num_results')).toBe(0n);
    expect(none.attributes.has('top_score')).toBe(false);
    expect(none.events).toEqual([]);
  });

  it('addEmbeddingDetailsToSpan records shape, type and norms of one vector or several', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    telemetry.span('one', { tenantId: 'acme' }, (span) => addEmbeddingDetailsToSpan(span, Float32Array.of(3, 4)));
    telemetry.span('several', { tenantId: 'acme' }, (span) =>
      addEmbeddingDetailsToSpan(span, [
        [3, 4],
        [0, 1],
      ]),
    );
    const received = await flushed();
    expect(Object.fromEntries(received.named('one').attributes)).toMatchObject({
      embedding_shape: '(2,)',
      embedding_dtype: 'float32',
      embedding_norm_mean: 5n,
      embedding_norm_std: 0n,
      'output.value': '(2,)',
    });
    expect(received.named('one').attributes.has('num_vectors')).toBe(false);
    expect(Object.fromEntries(received.named('several').attributes)).toMatchObject({
      embedding_shape: '(2, 2)',
      embedding_dtype: 'float64',
      embedding_norm_mean: 3n,
      embedding_norm_std: 2n,
      num_vectors: 2n,
      embedding_dim: 2n,
      'output.value': '(2, 2)',
    });
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
        addEmbeddingDetailsToSpan(span, null as never);
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
