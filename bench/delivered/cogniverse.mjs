/** Subject: this project. One manager for all tenants. */
import { createTelemetry } from '@cogniverse/foundation/telemetry';
import { attributesOf, measure } from './workload.mjs';

const [endpoint, tenants, count] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const telemetry = createTelemetry({
  otlpEndpoint: endpoint,
  maxCachedTenants: 2_000,
  batchConfig: { maxQueueSize: 100_000, maxQueueBytes: 1 << 30 },
});
const noop = () => undefined;
await measure(
  count,
  tenants,
  (i, tenant) => telemetry.span('search.execute', { tenantId: `tenant-${tenant}`, attributes: attributesOf(i) }, noop),
  async () => {
    if (!(await telemetry.forceFlush(120_000))) throw new Error('flush failed');
  },
  () => ({ audit: telemetry.audit() }),
);
await telemetry.shutdown();
