/**
 * What each context helper records, held against the reference key by key: span name, kind, component, attribute, type, default, event.
 *
 * OTLP's types are seen in the decoded values: an int is a `bigint`, a double a `number`. `input.value` is compared to the letter with what
 * Python 3.12 wrote: `json.dumps({"query": ..., "top_k": ..., "strategy": ...})`.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  addEmbeddingDetailsToSpan,
  addSearchResultsToSpan,
  backendSearchSpan,
  encodeSpan,
  searchSpan,
  type Telemetry,
  type TelemetryConfigOptions,
} from '@cogniverse/foundation/telemetry';
import { createTestTelemetry } from '@cogniverse/foundation/telemetry/testing';
import { trace } from '@opentelemetry/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auditedTelemetry } from './audited-telemetry.js';

/** On every span; and the one double that is measured. */
const DEFAULTS = { 'tenant.id': 'acme', 'service.name': 'video-search', environment: 'development' };
const MILLIS = expect.any(Number);
/** OTLP's INTERNAL: the reference leaves OpenTelemetry's kind alone, and tells its own in an attribute. */
const INTERNAL = 1;

interface Row {
  readonly helper: string;
  readonly given: string;
  readonly run: (telemetry: Telemetry, fn: () => unknown) => unknown;
  readonly name: string;
  readonly measured: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

const rows: Row[] = [
  {
    helper: 'searchSpan',
    given: 'the query only',
    run: (telemetry, fn) => searchSpan({ telemetry, tenantId: 'acme', query: 'Marie Curie radioactivity' }, fn),
    name: 'search_service.search',
    measured: 'latency_ms',
    attributes: {
      'openinference.span.kind': 'CHAIN',
      'operation.name': 'search',
      backend: 'vespa',
      query: 'Marie Curie radioactivity',
      strategy: 'default',
      top_k: 10n,
      profile: 'unknown',
      'input.value': '{"query": "Marie Curie radioactivity", "top_k": 10, "strategy": "default"}',
    },
  },
  {
    helper: 'searchSpan',
    given: 'everything',
    run: (telemetry, fn) =>
      searchSpan(
        {
          telemetry,
          tenantId: 'acme',
          query: 'she said "où?" \u2028\u007f\ud83d\ude00\n\\',
          topK: 5,
          rankingStrategy: 'HYBRID_FLOAT_BM25',
          profile: 'video_colpali_mv',
          backend: 'memory',
        },
        fn,
      ),
    name: 'search_service.search',
    measured: 'latency_ms',
    attributes: {
      'openinference.span.kind': 'CHAIN',
      'operation.name': 'search',
      backend: 'memory',
      query: 'she said "où?" \u2028\u007f\ud83d\ude00\n\\',
      strategy: 'HYBRID_FLOAT_BM25',
      top_k: 5n,
      profile: 'video_colpali_mv',
      'input.value':
        '{"query": "she said \\"o\\u00f9?\\" \\u2028\\u007f\\ud83d\\ude00\\n\\\\", "top_k": 5, "strategy": "HYBRID_FLOAT_BM25"}',
    },
  },
  {
    helper: 'encodeSpan',
    given: 'the type only',
    run: (telemetry, fn) => encodeSpan({ telemetry, tenantId: 'acme', encoderType: 'ColPali' }, fn),
    name: 'encoder.colpali.encode',
    measured: 'encoding_time_ms',
    attributes: {
      'openinference.span.kind': 'EMBEDDING',
      'operation.name': 'encode.colpali',
      encoder_type: 'ColPali',
      query_length: 0n,
      'input.value': '',
    },
  },
  {
    helper: 'encodeSpan',
    given: 'everything',
    run: (telemetry, fn) =>
      encodeSpan({ telemetry, tenantId: 'acme', encoderType: 'VideoPrism', query: 'où?', queryLength: 3 }, fn),
    name: 'encoder.videoprism.encode',
    measured: 'encoding_time_ms',
    attributes: {
      'openinference.span.kind': 'EMBEDDING',
      'operation.name': 'encode.videoprism',
      encoder_type: 'VideoPrism',
      query_length: 3n,
      'input.value': 'où?',
    },
  },
  {
    helper: 'backendSearchSpan',
    given: 'nothing',
    run: (telemetry, fn) => backendSearchSpan({ telemetry, tenantId: 'acme' }, fn),
    name: 'search.execute',
    measured: 'latency_ms',
    attributes: {
      'openinference.span.kind': 'RETRIEVER',
      'operation.name': 'search.execute',
      backend: 'vespa',
      query: '',
      strategy: 'default',
      top_k: 10n,
      schema: 'unknown',
      has_embeddings: false,
      'input.value': '{"query": "", "top_k": 10, "strategy": "default"}',
    },
  },
  {
    helper: 'backendSearchSpan',
    given: 'everything',
    run: (telemetry, fn) =>
      backendSearchSpan(
        {
          telemetry,
          tenantId: 'acme',
          backendType: 'memory',
          schemaName: 'video_colpali_mv',
          rankingStrategy: 'BINARY_BINARY',
          topK: 3,
          hasEmbeddings: true,
          queryText: 'cats',
        },
        fn,
      ),
    name: 'search.execute',
    measured: 'latency_ms',
    attributes: {
      'openinference.span.kind': 'RETRIEVER',
      'operation.name': 'search.execute',
      backend: 'memory',
      query: 'cats',
      strategy: 'BINARY_BINARY',
      top_k: 3n,
      schema: 'video_colpali_mv',
      has_embeddings: true,
      'input.value': '{"query": "cats", "top_k": 3, "strategy": "BINARY_BINARY"}',
    },
  },
];

/** Ways in which the work of a span ends, and the status and the events that are left. */
const endings = [
  { ending: 'a value', fn: () => 7, code: 0, events: [] },
  { ending: 'a promise', fn: async () => 7, code: 0, events: [] },
  {
    ending: 'an error',
    fn: () => {
      throw new Error('gone');
    },
    code: 2,
    events: ['exception'],
  },
  { ending: 'a rejection', fn: () => Promise.reject(new Error('gone')), code: 2, events: ['exception'] },
];

describe.each(rows)('$helper with $given', ({ run, name, measured, attributes }) => {
  it.each(endings)('records name, kind, every attribute and its type, and $ending', async ({ fn, code, events }) => {
    const { telemetry, target, flushed } = auditedTelemetry();
    try {
      expect(await run(telemetry, fn)).toBe(7);
    } catch (error) {
      expect(error).toEqual(new Error('gone'));
    }
    await flushed();
    const [span, ...others] = target.spans.map((received) => received.span);
    expect(others).toEqual([]);
    expect([span!.name, span!.kind, span!.status.code]).toEqual([name, INTERNAL, code]);
    expect(Object.fromEntries(span!.attributes)).toEqual({ ...DEFAULTS, ...attributes, [measured]: MILLIS });
    expect(span!.attributes.get(measured)).toBeGreaterThanOrEqual(0);
    expect(span!.events.map((event) => event.name)).toEqual(events);
  });
});

describe('component of each helper, as the levels see it', () => {
  const levels: [NonNullable<TelemetryConfigOptions['level']>, string[]][] = [
    ['disabled', []],
    ['basic', ['search_service.search']],
    ['detailed', ['search_service.search', 'encoder.x.encode', 'search.execute']],
    ['verbose', ['search_service.search', 'encoder.x.encode', 'search.execute']],
  ];
  it.each(levels)('%s records %j', async (level, names) => {
    const { telemetry, flushed } = auditedTelemetry({ level });
    const common = { telemetry, tenantId: 'acme' };
    expect(searchSpan({ ...common, query: 'cats' }, () => 1)).toBe(1);
    expect(encodeSpan({ ...common, encoderType: 'X' }, () => 2)).toBe(2);
    expect(backendSearchSpan(common, () => 3)).toBe(3);
    expect((await flushed()).spans.map((span) => span.name)).toEqual(names);
  });
});

describe('addSearchResultsToSpan', () => {
  const full = { documentId: 'd1', videoId: 'v1', score: 0.5, contentType: 'video' };
  const table = [
    { given: 'no results', results: [], attributes: { num_results: 0n }, top3: undefined },
    {
      given: 'one result, whose score is a whole number',
      results: [{ ...full, score: 2 }],
      attributes: { num_results: 1n, top_score: 2 },
      top3: '[{"rank": 1, "document_id": "d1", "video_id": "v1", "score": 2, "content_type": "video"}]',
    },
    {
      given: 'a result of which nothing is known',
      results: [{}],
      attributes: { num_results: 1n, top_score: 0 },
      top3: '[{"rank": 1, "document_id": "unknown", "video_id": "unknown", "score": 0, "content_type": "unknown"}]',
    },
    {
      given: 'four results, of which three are told',
      results: [full, { ...full, documentId: 'd2' }, { documentId: 'd3' }, full],
      attributes: { num_results: 4n, top_score: 0.5 },
      top3:
        '[{"rank": 1, "document_id": "d1", "video_id": "v1", "score": 0.5, "content_type": "video"}, ' +
        '{"rank": 2, "document_id": "d2", "video_id": "v1", "score": 0.5, "content_type": "video"}, ' +
        '{"rank": 3, "document_id": "d3", "video_id": "unknown", "score": 0, "content_type": "unknown"}]',
    },
  ];
  it.each(table)('of $given', async ({ results, attributes, top3 }) => {
    const { telemetry, delivered } = auditedTelemetry();
    telemetry.span('s', { tenantId: 'acme' }, (span) => addSearchResultsToSpan(span, results));
    const span = await delivered('s');
    expect(Object.fromEntries(span.attributes)).toEqual({ ...DEFAULTS, ...attributes });
    const events = span.events.map((event) => [event.name, Object.fromEntries(event.attributes)]);
    expect(events).toEqual(top3 === undefined ? [] : [['search_results', { top_3: top3 }]]);
  });
});

describe('addEmbeddingDetailsToSpan', () => {
  const table = [
    {
      given: 'one vector',
      embeddings: Float32Array.of(3, 4),
      attributes: {
        embedding_shape: '(2,)',
        embedding_dtype: 'float32',
        embedding_norm_mean: 5,
        embedding_norm_std: 0,
        'output.value': '(2,)',
      },
    },
    {
      given: 'several vectors',
      embeddings: [
        [3, 4],
        [0, 1],
      ],
      attributes: {
        embedding_shape: '(2, 2)',
        embedding_dtype: 'float64',
        num_vectors: 2n,
        embedding_dim: 2n,
        embedding_norm_mean: 3,
        embedding_norm_std: 2,
        'output.value': '(2, 2)',
      },
    },
    {
      given: 'several vectors of integers',
      embeddings: [Int8Array.of(1, 0, 0)],
      attributes: {
        embedding_shape: '(1, 3)',
        embedding_dtype: 'int8',
        num_vectors: 1n,
        embedding_dim: 3n,
        embedding_norm_mean: 1,
        embedding_norm_std: 0,
        'output.value': '(1, 3)',
      },
    },
  ];
  it.each(table)('of $given', async ({ embeddings, attributes }) => {
    const { telemetry, delivered } = auditedTelemetry();
    telemetry.span('s', { tenantId: 'acme' }, (span) => addEmbeddingDetailsToSpan(span, embeddings));
    expect(Object.fromEntries((await delivered('s')).attributes)).toEqual({ ...DEFAULTS, ...attributes });
  });
});

it('docs/instrumenting.md names every helper, span, attribute and default', () => {
  const guide = readFileSync(fileURLToPath(new URL('../../../../docs/instrumenting.md', import.meta.url)), 'utf8');
  for (const { helper, name, measured, attributes } of rows) {
    const line = guide.split('\n').find((text) => text.startsWith(`| \`${helper}\``)) ?? '';
    expect(line).toContain(`\`${name.replace(/^encoder\.\w+/, 'encoder.{type}')}\``);
    for (const key of [measured, ...Object.keys(attributes)]) expect(line, helper).toContain(`\`${key}\``);
  }
});

it('a measurement is a number to a span of another SDK', () => {
  const set: Record<string, unknown> = {};
  const span = {
    ...trace.wrapSpanContext({ traceId: '', spanId: '', traceFlags: 0 }),
    setAttribute: (key: string, value: unknown) => {
      set[key] = value;
    },
    addEvent: () => undefined,
  };
  addSearchResultsToSpan(span as never, [{ score: 3 }]);
  expect(set).toEqual({ num_results: 1, top_score: 3 });
});

it('input.value is JSON that gives the query back, in ASCII, whatever the query is', async () => {
  const test = createTestTelemetry();
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (query) => {
      searchSpan({ telemetry: test.telemetry, tenantId: 'acme', query }, () => undefined);
      const input = String(test.spans.at(-1)!.attributes['input.value']);
      expect(input).toMatch(/^[ -~]*$/);
      expect(JSON.parse(input)).toEqual({ query, top_k: 10, strategy: 'default' });
    }),
  );
  await test.shutdown();
});
