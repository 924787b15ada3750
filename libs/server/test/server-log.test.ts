import { formatLogLine } from '@cogniverse/server';
import fc from 'fast-check';
import { expect, it } from 'vitest';

const TIME = new Date('2026-03-01T12:00:00Z');

it('writes one line of JSON in which a terminal finds nothing to obey', () => {
  const line = formatLogLine(TIME, 'warn', 'odd_name', {
    name: 'a\nb\u001b[31m\u202ec\u009bd\u2028e',
    spans: 3,
    none: undefined,
  });
  expect(line).toBe(
    '{"time":"2026-03-01T12:00:00.000Z","level":"warn","event":"odd_name","name":"a\\nb\\u001b[31m\\u202ec\\u009bd\\u2028e","spans":3}',
  );
});

it('holds for any text, and loses none of a short one', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (text) => {
      const line = formatLogLine(TIME, 'info', 'event', { text });
      expect(line).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
      expect(JSON.parse(line).text).toBe(text);
    }),
  );
});

it('cuts long values', () => {
  expect(formatLogLine(TIME, 'info', 'event', { text: 'x'.repeat(100_000) }).length).toBeLessThan(1200);
});
