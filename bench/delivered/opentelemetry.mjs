/** Peer: OpenTelemetry JS as its documentation sets it up; one provider, processor and exporter a tenant, since a provider has one resource. */
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { attributesOf, measure } from './workload.mjs';

const [endpoint, tenants, count] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const providers = Array.from(
  { length: tenants },
  (_, tenant) =>
    new BasicTracerProvider({
      resource: resourceFromAttributes({ 'openinference.project.name': `cogniverse-tenant-${tenant}-video-search` }),
      spanProcessors: [
        // A queue that holds everything: its default of 2048 would drop most of these spans. And exports without a bound: a flush of
        // more than 30 batches, the default, would fail.
        new BatchSpanProcessor(new OTLPTraceExporter({ url: endpoint, concurrencyLimit: 100_000 }), {
          maxQueueSize: 1_000_000,
          maxExportBatchSize: 512,
          scheduledDelayMillis: 500,
        }),
      ],
    }),
);
// As `span()` does: the span is the active one inside the callback.
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
const end = (span) => span.end();
const tracers = providers.map((provider) => provider.getTracer('bench'));
await measure(
  count,
  tenants,
  (i, tenant) => {
    const attributes = {
      'tenant.id': `tenant-${tenant}`,
      'service.name': 'video-search',
      environment: 'development',
      ...attributesOf(i),
    };
    tracers[tenant].startActiveSpan('search.execute', { attributes }, end);
  },
  async () => {
    await Promise.all(providers.map((provider) => provider.forceFlush()));
  },
);
await Promise.all(providers.map((provider) => provider.shutdown()));
