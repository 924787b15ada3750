/**
 * How often a span finds its tenant live, beside a simulation.   `npm run bench -- tenant-cache [--tenants N] [--requests N] [--seed N]`
 *
 * Requests come from many tenants, of which few make most (Zipf's law, three exponents), four spans a request, each with its tenant's id. Measured
 * by `getStats()` over a manager whose requests end in a sender that does nothing; simulated by a least-recently-used cache of a few lines over the
 * same sequence. Printed for the default size of the cache, and for the smallest that reaches 95 %. The sequence is the same for the same seed.
 */
import { parseArgs } from 'node:util';
import { createTelemetry, TelemetryConfig } from '@cogniverse/foundation/telemetry';
import { measuredHitRate, simulatedHitRate, smallestSizeFor, zipfRequests } from './workload.mjs';

const { values: options } = parseArgs({
  options: {
    tenants: { type: 'string', default: '1000' },
    requests: { type: 'string', default: '50000' },
    seed: { type: 'string', default: '1' },
  },
});
const tenants = Number(options.tenants);
const count = Number(options.requests);
const GOAL = 0.95;
const { maxCachedTenants: DEFAULT_SIZE } = new TelemetryConfig();

const sent = { status: 'sent', rejectedSpans: 0, message: '' };
const target = {
  key: 'nowhere',
  resourceAttributes: new Map(),
  createSender: () => ({ send: async () => sent, close: async () => undefined }),
};

async function measured(requests, maxCachedTenants) {
  const telemetry = createTelemetry({ maxCachedTenants }, { environment: {}, exportTarget: () => target });
  try {
    return await measuredHitRate(telemetry, requests);
  } finally {
    await telemetry.shutdown();
  }
}

const percent = (share) => `${(share * 100).toFixed(2)} %`.padStart(8);
console.log(`${tenants} tenants, ${count} requests of 4 spans; share of spans that find their tenant live`);
console.log('  exponent   cache of   measured  simulated');
for (const exponent of [1, 1.25, 1.5]) {
  const requests = zipfRequests({ tenants, exponent, requests: count, seed: Number(options.seed) });
  for (const size of [DEFAULT_SIZE, smallestSizeFor(requests, GOAL, tenants)]) {
    const row = [percent(await measured(requests, size)), percent(simulatedHitRate(requests, size))];
    console.log(`  ${exponent.toFixed(2).padStart(8)} ${String(size).padStart(10)}   ${row.join('   ')}`);
  }
}
