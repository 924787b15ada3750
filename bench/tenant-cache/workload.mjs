// Requests of many tenants of which a few make most, and a cache of tenants beside ours. Used by the benchmark and by the tests.

/** Spans of one request: a root and three children. */
export const SPANS_A_REQUEST = 4;

/** A generator of numbers from 0 to 1 that is the same for the same seed (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4294967296;
  };
}

/** Numbers of tenants, 0 to `tenants` - 1: the one of rank k is drawn in proportion to 1 / k ** exponent. */
export function zipfRequests({ tenants, exponent, requests, seed }) {
  const upTo = new Float64Array(tenants);
  let sum = 0;
  for (let rank = 1; rank <= tenants; rank += 1) {
    sum += rank ** -exponent;
    upTo[rank - 1] = sum;
  }
  const next = random(seed);
  return Int32Array.from({ length: requests }, () => {
    const wanted = next() * sum;
    let low = 0;
    let high = tenants - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (upTo[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  });
}

/** The share of spans whose tenant is in a least-recently-used cache of `size` tenants, 0 to 1. */
export function simulatedHitRate(requests, size) {
  const cache = new Set(); // in the order of their last use
  let hits = 0;
  for (const tenant of requests) {
    for (let span = 0; span < SPANS_A_REQUEST; span += 1) {
      if (cache.delete(tenant)) hits += 1;
      else if (cache.size === size) cache.delete(cache.values().next().value);
      cache.add(tenant);
    }
  }
  return hits / (requests.length * SPANS_A_REQUEST);
}

/** The share that `telemetry` counts for the same requests, each span with its tenant's id. */
export async function measuredHitRate(telemetry, requests) {
  const before = telemetry.getStats();
  const nothing = () => undefined;
  let sinceFlush = 0;
  for (const tenant of requests) {
    const options = { tenantId: `tenant-${tenant}` };
    telemetry.span('request', options, () => {
      for (let child = 1; child < SPANS_A_REQUEST; child += 1) telemetry.span('child', options, nothing);
    });
    sinceFlush += 1;
    if (sinceFlush === 250) {
      sinceFlush = 0;
      await telemetry.forceFlush();
    }
  }
  const after = telemetry.getStats();
  const hits = after.cacheHits - before.cacheHits;
  const misses = after.cacheMisses - before.cacheMisses;
  return hits / (hits + misses);
}

/** The smallest cache that reaches `rate`, by halving: a larger one of this kind never does worse. */
export function smallestSizeFor(requests, rate, most) {
  let low = 1;
  let high = most;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (simulatedHitRate(requests, middle) >= rate) high = middle;
    else low = middle + 1;
  }
  return low;
}
