/** Which spans can be kept. */
import { expect, it } from 'vitest';
import { validateSpan } from '../../dist/otlp/index.js';
import { span } from './arbitraries.js';

it.each([
  ['no trace id', { traceId: '' }, 'trace id'],
  ['an all-zero trace id', { traceId: '0'.repeat(32) }, 'trace id'],
  ['a short trace id', { traceId: 'ab'.repeat(15) }, 'trace id'],
  ['a long trace id', { traceId: 'ab'.repeat(17) }, 'trace id'],
  ['no span id', { spanId: '' }, 'span id'],
  ['an all-zero span id', { spanId: '0'.repeat(16) }, 'span id'],
  ['a span id as long as a trace id', { spanId: 'ab'.repeat(16) }, 'span id'],
  ['a short parent id', { parentSpanId: 'ab' }, 'parent'],
  ['itself as parent', { parentSpanId: 'b7ad6b7169203331' }, 'own parent'],
  ['a start beyond 64 signed bits', { startTimeUnixNano: 2n ** 63n }, 'time'],
  ['an end beyond 64 signed bits', { endTimeUnixNano: 2n ** 64n - 1n }, 'time'],
])('a span with %s is rejected', (_, fields, reason) => {
  expect(validateSpan(span(fields))).toContain(reason);
});

it.each([
  ['no name', { name: '' }],
  ['no times', { startTimeUnixNano: 0n, endTimeUnixNano: 0n }],
  ['an end before its start', { endTimeUnixNano: 1n }],
  ['an unknown kind', { kind: 99 }],
  ['a parent', { parentSpanId: '00f067aa0ba902b7' }],
])('a span with %s is kept', (_, fields) => {
  expect(validateSpan(span(fields))).toBe(undefined);
});
