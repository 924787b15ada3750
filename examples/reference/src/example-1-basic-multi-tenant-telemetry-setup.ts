/** Example 1: Basic Multi-Tenant Telemetry Setup. One manager for the application, used in its request handlers. */
import assert from 'node:assert/strict';
import { TelemetryConfig, TelemetryLevel, TelemetryManager } from '@cogniverse/foundation/telemetry';
import { backend } from './backend.js';
import { type Result, searchWords } from './media-search.js';

console.log('Example 1: Basic Multi-Tenant Telemetry Setup');
const started = new Date();

// Once, when the application starts.
const config = new TelemetryConfig({
  enabled: true,
  level: TelemetryLevel.DETAILED,
  otlpEndpoint: backend.otlpEndpoint,
  maxCachedTenants: 100,
  providerConfig: { endpoint: backend.endpoint },
});
const telemetry = new TelemetryManager(config);

/** A request handler. */
function handleSearchRequest(tenantId: string, query: string): Result[] {
  return telemetry.span('search_service.search', { tenantId }, (span) => {
    span.setAttribute('query', query);
    span.setAttribute('user_agent', 'mobile-app');

    const results = searchWords(query);

    span.setAttribute('num_results', results.length);
    span.setAttribute('top_score', results[0]?.score ?? 0);
    return results;
  });
}

// Tenants are apart by themselves.
handleSearchRequest('acme-corp', 'Marie Curie radioactivity');
handleSearchRequest('techstart', 'battery of zinc and copper');

assert.ok(await telemetry.forceFlush(10_000));
for (const tenantId of ['acme-corp', 'techstart']) {
  const { traces } = await telemetry.getProvider(tenantId);
  const [span, ...others] = await traces.getSpans({ startTime: started });
  assert.ok(span !== undefined && others.length === 0);
  assert.equal(span.project, `cogniverse-${tenantId}-video-search`);
  console.log(
    `${span.project}: ${span.name}, query "${span.attributes['query']}", ${span.attributes['num_results']} results`,
  );
}
await telemetry.shutdown();
