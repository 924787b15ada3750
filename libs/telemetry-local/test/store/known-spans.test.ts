/** What is known of the spans of a day without a look into its file. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { KnownSpans } from '../../dist/known-spans.js';
import { hex } from './store-fixture.js';

const id = (digits: number) =>
  fc
    .array(fc.integer({ min: 0, max: 15 }), { minLength: digits, maxLength: digits })
    .map((list) => list.map((n) => n.toString(16)).join(''));

it('knows every span that was added', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(id(32), id(16)), { maxLength: 300 }), (spans) => {
      const known = new KnownSpans(true);
      for (const [traceId, spanId] of spans) known.addAndTell(traceId, spanId);
      expect(spans.every(([traceId, spanId]) => known.addAndTell(traceId, spanId))).toBe(true);
    }),
    { numRuns: 50 },
  );
});

it('takes nearly no new span for a known one, also of ids that are counters, and beyond its first filter', () => {
  const known = new KnownSpans(true);
  let mistaken = 0;
  for (let n = 0; n < 200_000; n++) if (known.addAndTell(hex(n >> 3, 32), hex(n, 16))) mistaken += 1;
  expect(mistaken).toBeLessThan(100);
  for (let n = 0; n < 200_000; n += 997) expect(known.addAndTell(hex(n >> 3, 32), hex(n, 16))).toBe(true);
});
