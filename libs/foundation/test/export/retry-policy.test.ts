/** When the next attempt goes out: the pure part of repetition. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_RETRY_POLICY, nextDelay, parseRetryAfter } from '../../dist/telemetry/export/retry-policy.js';

describe('nextDelay', () => {
  it('doubles the bound of the back-off from 1 s to 30 s', () => {
    const bounds = [1, 2, 3, 4, 5, 6, 7, 100].map((failures) => nextDelay({ failures, elapsedMillis: 0, random: 1 }));
    expect(bounds).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  });

  it('gives up when the total is used up, and tries once more at its end', () => {
    expect(nextDelay({ failures: 1, elapsedMillis: 300_000, random: 0.5 })).toBeNull();
    expect(nextDelay({ failures: 9, elapsedMillis: 299_000, random: 1 })).toBe(1000);
  });

  it('stays within its bounds, honours every usable hint, and takes a useless one as none', () => {
    const hints = fc.oneof(
      fc.constant(undefined),
      fc.double(),
      fc.constantFrom(-1, 0, Number.NaN, Number.POSITIVE_INFINITY, 1e12),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.double({ min: 0, max: 400_000, noNaN: true }),
        hints,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (failures, elapsedMillis, hintMillis, random) => {
          const delay = nextDelay({ failures, elapsedMillis, hintMillis, random });
          const left = DEFAULT_RETRY_POLICY.maxElapsedMillis - elapsedMillis;
          if (left <= 0) {
            expect(delay).toBeNull();
            return;
          }
          expect(delay).toBeGreaterThanOrEqual(0);
          expect(delay).toBeLessThanOrEqual(Math.min(left, 2 ** 31 - 1));
          const plain = nextDelay({ failures, elapsedMillis, random });
          if (hintMillis !== undefined && hintMillis > 0)
            expect(delay).toBe(Math.min(Math.max(plain!, hintMillis), left));
          else expect(delay).toBe(plain);
        },
      ),
    );
  });
});

describe('parseRetryAfter', () => {
  const now = Date.UTC(2026, 0, 1, 12, 0, 0);
  it.each([
    ['2', 2000],
    [' 120 ', 120_000],
    ['Thu, 01 Jan 2026 12:00:05 GMT', 5000],
    ['1000000000000', 2 ** 31 - 1],
    ['Thu, 01 Jan 2026 11:59:59 GMT', undefined],
    ['0', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('reads %j as %j ms', (header, expected) => {
    expect(parseRetryAfter(header, now)).toBe(expected);
  });

  it('takes any text without throwing, and never gives 0 or less', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const millis = parseRetryAfter(text, now);
        if (millis !== undefined) expect(millis).toBeGreaterThan(0);
      }),
    );
  });
});
