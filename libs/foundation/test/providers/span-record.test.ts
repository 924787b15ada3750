/** What is read of a stored span. */
import { describe, expect, it } from 'vitest';
import type { AnyValue } from '../../dist/otlp/index.js';
import { type StoredSpan, toSpanRecord } from '../../dist/telemetry/providers/index.js';
import { span } from '../otlp/arbitraries.js';

function stored(fields: Parameters<typeof span>[0] = {}): StoredSpan {
  return {
    project: { tenantId: 'acme', name: 'cogniverse-acme-search' },
    sequence: 7n,
    span: span(fields),
    resource: { attributes: new Map([['service.name', 'search']]), droppedAttributesCount: 0 },
    resourceSchemaUrl: '',
    scope: { name: 'cogniverse', version: '1', attributes: new Map(), droppedAttributesCount: 0 },
    scopeSchemaUrl: '',
  };
}
const attributesOf = (entries: [string, AnyValue][]) =>
  toSpanRecord(stored({ attributes: new Map(entries) })).attributes;

describe('toSpanRecord', () => {
  it('names what the wire numbers, and gives a root no parent', () => {
    const record = toSpanRecord(
      stored({
        kind: 3,
        status: { code: 2, message: 'timed out' },
        attributes: new Map([
          ['openinference.span.kind', 'Retriever'],
          ['session.id', 's-1'],
        ]),
        events: [{ timeUnixNano: 9n, name: 'found', attributes: new Map([['count', 3n]]), droppedAttributesCount: 1 }],
        links: [
          { traceId: 'a', spanId: 'b', traceState: 'c', attributes: new Map(), droppedAttributesCount: 0, flags: 1 },
        ],
      }),
    );
    expect(record).toMatchObject({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      parentSpanId: undefined,
      spanKind: 'RETRIEVER',
      kind: 'CLIENT',
      statusCode: 'ERROR',
      statusMessage: 'timed out',
      sessionId: 's-1',
      project: 'cogniverse-acme-search',
      tenantId: 'acme',
      scope: { name: 'cogniverse', version: '1' },
      resource: { 'service.name': 'search' },
    });
    expect(record.events).toEqual([{ name: 'found', timeUnixNano: 9n, attributes: { count: 3 } }]);
    expect(record.links).toEqual([{ traceId: 'a', spanId: 'b', attributes: {} }]);
  });

  it('says UNKNOWN and undefined where a span does not tell', () => {
    for (const attributes of [
      new Map<string, AnyValue>(),
      new Map<string, AnyValue>([
        ['openinference.span.kind', 5n],
        ['session.id', true],
      ]),
    ]) {
      const record = toSpanRecord({ ...stored({ kind: 42, attributes }), project: { tenantId: null, name: 'p' } });
      expect(record).toMatchObject({ spanKind: 'UNKNOWN', kind: 'UNSPECIFIED', statusCode: 'UNSET' });
      expect([record.sessionId, record.tenantId]).toEqual([undefined, undefined]);
    }
  });

  it.each([
    [0n, 0],
    [1n, 0.000_001],
    [42_000_001n, 42.000_001],
    [-1_500_000n, -1.5],
    [86_400_000_000_123n, 86_400_000.000_123],
  ])('a duration of %s ns is %s ms', (nanos, millis) => {
    const record = toSpanRecord(stored({ startTimeUnixNano: 10n ** 18n, endTimeUnixNano: 10n ** 18n + nanos }));
    expect(record.durationMillis).toBe(millis);
  });

  it('gives an integer as a number while that is exact, else as a bigint', () => {
    const list = attributesOf([['list', [1n, 2n ** 53n - 1n, 2n ** 53n, -(2n ** 63n), 1.5, null]]])['list'];
    expect(list).toStrictEqual([1, 2 ** 53 - 1, 2n ** 53n, -(2n ** 63n), 1.5, null]);
  });

  it('keeps keys of outside away from any prototype', () => {
    const attributes = attributesOf([
      ['__proto__', 'plain'],
      ['nested', new Map<string, AnyValue>([['__proto__', 1n]])],
    ]);
    expect(Object.getPrototypeOf(attributes)).toBe(null);
    expect(Object.entries(attributes)[0]).toEqual(['__proto__', 'plain']);
    expect(Object.getPrototypeOf(attributes['nested'])).toBe(null);
    expect(JSON.stringify(attributes)).toBe('{"__proto__":"plain","nested":{"__proto__":1}}');
  });

  it('becomes JSON with bigints as digits, bytes as base64, and numbers that JSON lacks by name', () => {
    const attributes = new Map<string, AnyValue>([
      ['big', 2n ** 60n],
      ['small', 5n],
      ['bytes', Uint8Array.from([1, 2])],
      ['nan', Number.NaN],
      ['__proto__', ['x']],
    ]);
    const record = toSpanRecord(stored({ attributes, parentSpanId: '00f067aa0ba902b7' }));
    expect(JSON.parse(JSON.stringify(record))).toMatchObject({
      parentSpanId: '00f067aa0ba902b7',
      startTimeUnixNano: '1700000000123456789',
      durationMillis: 42.000_001,
      resource: { 'service.name': 'search' },
    });
    expect(JSON.stringify(record.toJSON()['attributes'])).toBe(
      '{"big":"1152921504606846976","small":5,"bytes":"AQI=","nan":"NaN","__proto__":["x"]}',
    );
  });
});
