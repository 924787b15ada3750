/** Times as callers give them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidQueryError } from '../../dist/telemetry/errors.js';
import { parseTime } from '../../dist/telemetry/providers/index.js';

describe('parseTime', () => {
  it.each<[Date | string | bigint, bigint]>([
    [0n, 0n],
    [1_700_000_000_123_456_789n, 1_700_000_000_123_456_789n],
    [new Date(1_700_000_000_123), 1_700_000_000_123_000_000n],
    ['2023-11-14T22:13:20Z', 1_700_000_000_000_000_000n],
    ['2023-11-14T22:13:20.123456789Z', 1_700_000_000_123_456_789n],
    ['2023-11-14T22:13:20.5z', 1_700_000_000_500_000_000n],
    ['2023-11-15T00:13:20+02:00', 1_700_000_000_000_000_000n],
    ['2023-11-14 16:43:20-0530', 1_700_000_000_000_000_000n],
    ['2023-11-14T22:13Z', 1_699_999_980_000_000_000n],
    ['2024-02-29', 1_709_164_800_000_000_000n],
  ])('reads %s', (input, nanos) => {
    expect(parseTime(input, 'startTime')).toBe(nanos);
  });

  it('reads what Date writes, for any date until 2262', () => {
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date('2262-04-11T00:00:00Z'), noInvalidDate: true }), (date) => {
        expect(parseTime(date.toISOString(), 'endTime')).toBe(BigInt(date.getTime()) * 1_000_000n);
        expect(parseTime(date, 'endTime')).toBe(BigInt(date.getTime()) * 1_000_000n);
      }),
    );
  });

  it.each<[string, unknown]>([
    ['a bare number', 1_700_000_000],
    ['digits', '1700000000'],
    ['an invalid date', new Date(Number.NaN)],
    ['a day that the month lacks', '2023-02-29'],
    ['an hour that the day lacks', '2023-01-01T25:00:00Z'],
    ['a time of day without a zone', '2023-01-01T10:00:00'],
    ['a word', 'yesterday'],
    ['nothing', ''],
    ['undefined', undefined],
    ['null', null],
    ['a time before 1970', new Date(-1)],
    ['a bigint below zero', -1n],
    ['a bigint after 2262', 2n ** 63n],
  ])('refuses %s, naming the field', (_, input) => {
    const parse = () => parseTime(input as Date, 'filters.endTime');
    expect(parse).toThrow(InvalidQueryError);
    expect(parse).toThrow(/^filters\.endTime is .*Give a Date/);
  });
});
