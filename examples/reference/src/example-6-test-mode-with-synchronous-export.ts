/** Example 6: Test Mode with Synchronous Export. A span is stored when the call that made it has settled. */
import assert from 'node:assert/strict';
import { BatchExportConfig, TelemetryConfig, TelemetryLevel, TelemetryManager } from '@cogniverse/foundation/telemetry';
import { backend } from './backend.js';
import { searchWords } from './media-search.js';

console.log('Example 6: Test Mode with Synchronous Export');
const started = new Date();

// The environment alone is enough: TELEMETRY_SYNC_EXPORT=true does the same for a configuration that says nothing of it.
const testConfig = new TelemetryConfig({
  enabled: true,
  level: TelemetryLevel.VERBOSE,
  environment: 'test',
  otlpEnabled: true,
  otlpEndpoint: backend.otlpEndpoint,
  otlpUseTls: false,
  batchConfig: new BatchExportConfig({ useSyncExport: true }),
  providerConfig: { endpoint: backend.endpoint },
});
const telemetry = new TelemetryManager(testConfig);

async function testSearchTelemetry(): Promise<void> {
  const tenantId = 'test-tenant';
  const results = await telemetry.span('test.search', { tenantId }, async (span) => {
    span.setAttribute('query', 'radium');
    return searchWords('radium');
  });

  // It is stored already, before any flush.
  const { traces } = await telemetry.getProvider(tenantId);
  const [span, ...others] = await traces.getSpans({ startTime: started });
  assert.equal(others.length, 0);
  assert.equal(span?.name, 'test.search');
  assert.equal(span.attributes['query'], 'radium');
  assert.equal(span.attributes['environment'], 'test');
  console.log(
    `Stored before any flush: ${span.name} (${results.length} results, environment ${span.attributes['environment']})`,
  );

  // A span around a sync function is under way when the function returns; the flush waits for it.
  telemetry.span('test.count', { tenantId }, (counted) => counted.setAttribute('num_results', results.length));
  const success = await telemetry.forceFlush(5000);
  assert.ok(success, 'The flush succeeds in sync mode');
  assert.equal((await traces.getSpans({ startTime: started })).length, 2);
  console.log('Stored after a flush: test.count');
}

await testSearchTelemetry();
await telemetry.shutdown();
