/** Example 4: Per-Modality Performance Tracking. Latency and errors per kind of content, measured around real searches. */
import assert from 'node:assert/strict';
import { ModalityMetricsTracker, QueryModality } from '@cogniverse/agents/routing';
import type { ContentType } from './catalogue.js';
import { encodeQuery, type Result, searchVectors, searchWords } from './media-search.js';

console.log('Example 4: Per-Modality Performance Tracking');

const tracker = new ModalityMetricsTracker({ windowSize: 1000 });

function performSearch(query: string, modality: QueryModality): Result[] {
  const contentType = modality as ContentType;
  // Pages are searched by their words, films and pictures by the vector of their description.
  return modality === QueryModality.TEXT
    ? searchWords(query, { contentType })
    : searchVectors(encodeQuery(query), { contentType });
}

/** A search whose latency and outcome are recorded, by hand as in the reference; `timeModality` does the same in one call. */
function searchWithMetrics(query: string, modality: QueryModality): Result[] {
  const start = performance.now();
  let success = false;
  let error: string | undefined;
  try {
    const results = performSearch(query, modality);
    success = true;
    return results;
  } catch (thrown) {
    error = String(thrown);
    throw thrown;
  } finally {
    tracker.recordModalityExecution(modality, performance.now() - start, success, error);
  }
}

const queries = ['Marie Curie', 'nucleus of uranium', 'battery of two metals', 'beaks of finches', 'rays of radium'];
for (let round = 0; round < 20; round += 1) {
  for (const query of queries) {
    for (const modality of [QueryModality.VIDEO, QueryModality.IMAGE, QueryModality.TEXT]) {
      searchWithMetrics(query, modality);
    }
  }
}
// Queries that cannot be answered: nothing but stop words.
for (let round = 0; round < 10; round += 1) {
  assert.throws(() => searchWithMetrics('of the', QueryModality.IMAGE));
}
assert.ok(tracker.timeModality(QueryModality.TEXT, () => performSearch('Nobel prize', QueryModality.TEXT)).length > 0);

const video = tracker.getModalityStats(QueryModality.VIDEO);
console.log('Video search performance:');
console.log(`  P95 latency: ${video.p95Latency.toFixed(3)} ms`);
console.log(`  Success rate: ${(video.successRate * 100).toFixed(2)} %`);
console.log(`  Throughput: ${video.throughputQps.toFixed(1)} queries per second`);
assert.equal(video.totalRequests, 100);

console.log('Slowest modalities:');
for (const { modality, p95Latency } of tracker.getSlowestModalities(3)) {
  console.log(`  ${modality}: ${p95Latency.toFixed(3)} ms`);
}

console.log('Error-prone modalities:');
const errorProne = tracker.getErrorProneModalities(0.05);
for (const { modality, errorRate, errorBreakdown } of errorProne) {
  console.log(`  ${modality}: ${(errorRate * 100).toFixed(2)} % errors`);
  console.log(`  Breakdown: ${JSON.stringify(errorBreakdown)}`);
}
assert.deepEqual(
  errorProne.map(({ modality }) => modality),
  [QueryModality.IMAGE],
);
