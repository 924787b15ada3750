/** The spans of a search, with Node's own runner. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, it } from 'node:test';
import { createTestTelemetry } from '@cogniverse/foundation/telemetry/testing';
import { search } from '../src/search.js';

let t;
beforeEach(() => {
  t = createTestTelemetry({ asProcessManager: true });
});
afterEach(() => t.shutdown());

it('records the query and the number of hits, for the tenant that asked', async () => {
  await search('acme', 'whale');
  const { tenantId, attributes } = t.findSpan('search');
  assert.deepEqual([tenantId, attributes.query, attributes.hits], ['acme', 'whale', 2]);
  assert.equal(t.treeText(), 'search [acme]\n├─ encode\n└─ match');
  t.expectNoOpenSpans();
});

it('shows which step failed', async () => {
  await assert.rejects(search('acme', '?'), /no word/);
  assert.equal(t.findSpan('encode').statusCode, 'ERROR');
  assert.equal(t.findSpan('search').statusMessage, 'there is no word in the query');
});

it('takes the telemetry that it is given', async () => {
  const own = createTestTelemetry();
  await search('globex', 'krill', own.telemetry);
  assert.equal(own.findSpan('search').tenantId, 'globex');
  assert.deepEqual(t.spans, []);
});
