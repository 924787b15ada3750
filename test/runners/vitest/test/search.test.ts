/** The spans of a search, with vitest. */
import { createTestTelemetry, type TestTelemetry } from '@cogniverse/foundation/telemetry/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { search } from '../src/search.js';

let t: TestTelemetry;
beforeEach(() => {
  t = createTestTelemetry({ asProcessManager: true });
});
afterEach(() => t.shutdown());

it('records the query and the number of hits, for the tenant that asked', async () => {
  await search('acme', 'whale');
  expect(t.findSpan('search')).toMatchObject({ tenantId: 'acme', attributes: { query: 'whale', hits: 2 } });
  expect(t.treeText()).toBe('search [acme]\n├─ encode\n└─ match');
  t.expectNoOpenSpans();
});

it('shows which step failed', async () => {
  await expect(search('acme', '?')).rejects.toThrow('no word');
  expect(t.findSpan('encode').statusCode).toBe('ERROR');
  expect(t.findSpan('search').statusMessage).toBe('there is no word in the query');
});

it('takes the telemetry that it is given', async () => {
  const own = createTestTelemetry();
  await search('globex', 'krill', own.telemetry);
  expect(own.findSpan('search').tenantId).toBe('globex');
  expect(t.spans).toEqual([]);
});
