/** Example 5: Production Configuration with Batch Export. Large queues and batches, TLS, and a flush before the end. */
import assert from 'node:assert/strict';
import { BatchExportConfig, TelemetryConfig, TelemetryLevel, TelemetryManager } from '@cogniverse/foundation/telemetry';
import { backend } from './backend.js';
import { searchWords } from './media-search.js';

console.log('Example 5: Production Configuration with Batch Export');
const started = new Date();

const batchConfig = new BatchExportConfig({
  maxQueueSize: 4096, // a large queue for high throughput
  maxExportBatchSize: 1024, // large batches for efficiency
  exportTimeoutMillis: 60_000,
  scheduleDelayMillis: 1000, // export every second
  dropOnQueueFull: true, // drop spans instead of holding requests up
  logDroppedSpans: true,
  maxDropLogRatePerMinute: 10,
});

const productionConfig = new TelemetryConfig({
  enabled: true,
  level: TelemetryLevel.DETAILED,
  environment: 'production',
  otlpEnabled: true,
  otlpEndpoint: backend.otlpEndpoint,
  otlpUseTls: backend.usesTls,
  maxCachedTenants: 500, // for many tenants
  batchConfig,
  serviceName: 'video-search',
  serviceVersion: '2.1.0',
  providerConfig: { endpoint: backend.endpoint },
});
const telemetry = new TelemetryManager(productionConfig);

const TENANTS = 50;
const REQUESTS = 3000;
const queries = ['Marie Curie', 'nucleus of uranium', 'battery', 'finches on islands', 'analytical engine'];

function* incomingRequests(): Generator<{ id: string; tenantId: string; query: string }> {
  for (let index = 0; index < REQUESTS; index += 1) {
    yield { id: `r-${index}`, tenantId: `customer-${index % TENANTS}`, query: queries[index % queries.length]! };
  }
}

for (const request of incomingRequests()) {
  telemetry.span('process_request', { tenantId: request.tenantId }, (span) => {
    span.setAttribute('request_id', request.id);
    span.setAttribute('num_results', searchWords(request.query).length);
  });
}

// Flush before the end.
assert.ok(await telemetry.forceFlush(10_000));

const stats = telemetry.getStats();
const cacheHitRate = stats.cacheHits / (stats.cacheHits + stats.cacheMisses);
const { total } = stats.export;
console.log(`Endpoint: ${backend.usesTls ? 'TLS' : 'plain text'}`);
console.log(`Spans ended: ${total.ended}, exported: ${total.exported}, dropped: ${sum(total.dropped)}`);
console.log(`Tenant cache hit rate: ${(cacheHitRate * 100).toFixed(2)} %`);
console.log(`Cached tenants: ${stats.cachedTenants}`);
assert.equal(total.exported, REQUESTS);
assert.equal(stats.cachedTenants, TENANTS);
assert.equal(telemetry.audit(), null);

let stored = 0;
for (let tenant = 0; tenant < TENANTS; tenant += 1) {
  const provider = await telemetry.getProvider(`customer-${tenant}`);
  const [spans] = await provider.analytics.getMetrics({ metricNames: ['span_count'], startTime: started });
  stored += spans?.value ?? 0;
}
console.log(`Stored, over ${TENANTS} projects: ${stored}`);
assert.equal(stored, REQUESTS);
await telemetry.shutdown();

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}
