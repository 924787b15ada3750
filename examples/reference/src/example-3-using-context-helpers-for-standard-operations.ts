/** Example 3: Using Context Helpers for Standard Operations. Spans with the names and attributes that dashboards know. */
import assert from 'node:assert/strict';
import {
  addSearchResultsToSpan,
  backendSearchSpan,
  encodeSpan,
  searchSpan,
  TelemetryLevel,
  TelemetryManager,
} from '@cogniverse/foundation/telemetry';
import { backend } from './backend.js';
import { ENCODER, encodeQuery, type Result, searchVectors } from './media-search.js';

console.log('Example 3: Using Context Helpers for Standard Operations');

// The helpers record with the manager of the process.
const telemetry = new TelemetryManager({
  level: TelemetryLevel.DETAILED, // at level basic the search is recorded, and not its encoder and backend
  otlpEndpoint: backend.otlpEndpoint,
  providerConfig: { endpoint: backend.endpoint },
});

/** A search with standardized spans. */
function searchVideosWithTelemetry(tenantId: string, query: string): Result[] {
  const search = { tenantId, query, topK: 10, rankingStrategy: 'cosine', profile: 'scenes', backend: 'memory' };
  return searchSpan(search, (span) => {
    const embedding = encodeSpan({ tenantId, encoderType: ENCODER, query, queryLength: query.length }, () =>
      encodeQuery(query),
    );

    const execution = {
      tenantId,
      backendType: 'memory',
      schemaName: 'scenes',
      rankingStrategy: 'cosine',
      topK: 10,
      hasEmbeddings: true,
      queryText: query,
    };
    const results = backendSearchSpan(execution, () => searchVectors(embedding, { topK: 10, contentType: 'video' }));

    addSearchResultsToSpan(span, results);
    return results;
  });
}

assert.ok(searchVideosWithTelemetry('acme-corp', 'Marie Curie radioactivity').length > 0);

assert.ok(await telemetry.forceFlush(10_000));
const { traces } = await telemetry.getProvider('acme-corp');
const [root] = await traces.getSpans({ filters: { name: 'search_service.search', spanKind: 'CHAIN' } });
const spans = await traces.getSpans({ filters: { traceId: root!.traceId }, order: 'asc' });
console.log('Generated spans:');
for (const { name, spanKind } of spans) console.log(`- ${name} (openinference.span.kind=${spanKind})`);
console.log('Best results, from the event "search_results":');
const [event] = spans[0]!.events;
for (const { rank, document_id: id, score } of JSON.parse(String(event!.attributes['top_3']))) {
  console.log(`  ${rank}. ${id} (${score.toFixed(3)})`);
}
assert.deepEqual(
  spans.map((span) => span.spanKind),
  ['CHAIN', 'EMBEDDING', 'RETRIEVER'],
);
await telemetry.shutdown();
