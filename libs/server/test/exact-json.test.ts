/** JSON whose numbers keep what they were written as, against `JSON.parse` and against what was written. */
import { InvalidQueryError } from '@cogniverse/foundation/telemetry';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exactNumber, parseExactJson, WrittenNumber } from '../dist/rest/exact-json.js';

/** As a plain parser would give it. */
function plain(value: unknown): unknown {
  if (value instanceof WrittenNumber) return Number(value.text);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

const number = (text: string) => exactNumber(parseExactJson(text) as number | WrittenNumber);

it.each([
  ['12', 12n],
  ['12.0', 12],
  ['1e3', 1000],
  ['0.1', 0.1],
  ['0', 0n],
  ['-0', 0n],
  ['-0.0', -0],
  ['9007199254740993', 9007199254740993n],
  ['-9223372036854775808', -(2n ** 63n)],
  ['9223372036854775807', 2n ** 63n - 1n],
  ['9223372036854775808.0', 2 ** 63],
  ['1e21', 1e21],
  ['1000000000000000000000.0', 1e21],
  ['1E400', Number.POSITIVE_INFINITY],
])('reads %s as OTLP has it', (text, value) => {
  expect(number(text)).toBe(value);
});

it.each(['9223372036854775808', '10000000000000000000', '-9223372036854775809', `1${'0'.repeat(400)}`])(
  'refuses the integer %s, which 64 bits do not hold',
  (text) => {
    expect(() => number(text)).toThrow(InvalidQueryError);
    expect(() => number(text)).toThrow('does not fit into 64 bits');
  },
);

it.each(['01', '1.', '.5', '1.0.0', '1.0 2.0', '1.0-1.0', '-', '1.0x', '{"a":1.0', '"open 1.0', '[1.0,]', 'NaN', ''])(
  'takes %j for no JSON, as JSON.parse does',
  (text) => {
    expect(() => JSON.parse(text)).toThrow(SyntaxError);
    expect(() => parseExactJson(text)).toThrow(SyntaxError);
  },
);

describe('any JSON', () => {
  it('is what JSON.parse gives, but for how a number was written', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(plain(parseExactJson(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('keeps each number of 64 bits, and tells doubles from integers, also beside texts that look like numbers', () => {
    const integer = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string(), integer, fc.double({ noNaN: true, noDefaultInfinity: true }))),
        (rows) => {
          const double = (value: number) => {
            if (Object.is(value, -0)) return '-0.0';
            return Number.isInteger(value) && Math.abs(value) < 1e21 ? value.toFixed(1) : String(value);
          };
          const text = `[${rows.map(([name, whole, part]) => `[${JSON.stringify(name)}, ${whole},${double(part)},"${whole}.0"]`)}]`;
          const read = parseExactJson(text) as [string, number, number, string][];
          expect(read.map(([name, whole, part, same]) => [name, exactNumber(whole), exactNumber(part), same])).toEqual(
            rows.map(([name, whole, part]) => [name, whole, part, `${whole}.0`]),
          );
        },
      ),
    );
  });
});
