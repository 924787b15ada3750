/** Example 2: Nested Spans with Context Propagation. The steps of an operation as children of its span. */
import assert from 'node:assert/strict';
import { type SpanRecord, TelemetryManager } from '@cogniverse/foundation/telemetry';
import { backend } from './backend.js';
import { ENCODER, encodeQuery, onePerVideo, type Result, searchVectors } from './media-search.js';

console.log('Example 2: Nested Spans with Context Propagation');

const telemetry = new TelemetryManager({
  otlpEndpoint: backend.otlpEndpoint,
  providerConfig: { endpoint: backend.endpoint },
});

/** A search in several steps. The spans inside name no tenant: they have that of the span around them. */
function processVideoSearch(tenantId: string, query: string): Result[] {
  return telemetry.span('video_search.process', { tenantId, attributes: { query } }, (parentSpan) => {
    // Child span: encoding of the query
    const embedding = telemetry.span('video_search.encode', { attributes: { encoder: ENCODER } }, (encodeSpan) => {
      const vector = encodeQuery(query);
      encodeSpan.setAttribute('embedding_dim', vector.length);
      return vector;
    });

    // Child span: search. In the reference Vespa does it; here it is an index in memory, under the same name.
    const results = telemetry.span(
      'video_search.vespa_search',
      { attributes: { schema: 'scenes', ranking: 'cosine' } },
      (searchSpan) => {
        const found = searchVectors(embedding, { contentType: 'video' });
        searchSpan.setAttribute('num_results', found.length);
        return found;
      },
    );

    // Child span: what becomes of the results
    const filtered = telemetry.span('video_search.postprocess', (postprocessSpan) => {
      const best = onePerVideo(results);
      postprocessSpan.setAttribute('filtered_count', best.length);
      return best;
    });

    parentSpan.setAttribute('total_results', filtered.length);
    return filtered;
  });
}

/** The spans of a trace, as a tree. */
function treeOf(spans: readonly SpanRecord[], parentId?: string, indent = ''): string[] {
  const children = spans.filter((span) => span.parentSpanId === parentId);
  return children.flatMap((span, index) => {
    const isLast = index === children.length - 1;
    const branch = parentId === undefined ? '' : indent + (isLast ? '└── ' : '├── ');
    const below = parentId === undefined ? '' : indent + (isLast ? '    ' : '│   ');
    return [`${branch}${span.name}${parentId === undefined ? ' (parent)' : ''}`, ...treeOf(spans, span.spanId, below)];
  });
}

const results = processVideoSearch('acme-corp', 'atoms of uranium');
assert.ok(results.length > 0);

assert.ok(await telemetry.forceFlush(10_000));
const { traces } = await telemetry.getProvider('acme-corp');
const [root] = await traces.getSpans({ filters: { name: 'video_search.process' } });
const spans = await traces.getSpans({ filters: { traceId: root!.traceId }, order: 'asc' });
console.log(treeOf(spans).join('\n'));
assert.deepEqual(
  spans.map((span) => span.parentSpanId),
  [undefined, root!.spanId, root!.spanId, root!.spanId],
);
await telemetry.shutdown();
