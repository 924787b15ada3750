/** Span records for the tests of Arrow tables. */
import type { AttributeValue, SpanRecord } from '@cogniverse/foundation/telemetry';

export function attributesOf(entries: Iterable<readonly [string, AttributeValue]>): Record<string, AttributeValue> {
  const attributes: Record<string, AttributeValue> = Object.create(null);
  for (const [key, value] of entries) attributes[key] = value;
  return attributes;
}

export function spanRecord(fields: Partial<SpanRecord> = {}): SpanRecord {
  return {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    parentSpanId: undefined,
    name: 'search_service.search',
    spanKind: 'CHAIN',
    kind: 'INTERNAL',
    startTimeUnixNano: 1_700_000_000_123_456_789n,
    endTimeUnixNano: 1_700_000_000_125_956_789n,
    durationMillis: 2.5,
    statusCode: 'UNSET',
    statusMessage: '',
    attributes: {},
    events: [],
    links: [],
    resource: {},
    scope: { name: 'cogniverse', version: '1' },
    project: 'cogniverse-acme-search',
    tenantId: 'acme',
    sessionId: undefined,
    toJSON: () => ({}),
    ...fields,
  };
}

/** One span a type of column, and what is hard about each. */
export const everyType: readonly SpanRecord[] = [
  spanRecord({
    attributes: {
      text: 'Zürich, 東京, 😀',
      flag: true,
      whole: 10,
      long: 9_223_372_036_854_775_807n,
      fraction: 0.1,
      bytes: new Uint8Array([0, 255]),
      texts: ['a', null, ''],
      wholes: [1, 2],
      fractions: [0.5, 1],
      flags: [true, false],
      none: null,
      mixed: 1,
      map: { inner: [1, 'x'] },
    },
    events: [
      { name: 'first', timeUnixNano: 1_700_000_000_123_456_790n, attributes: { size: 3 } },
      { name: 'second', timeUnixNano: 1_700_000_000_123_456_791n, attributes: {} },
    ],
    links: [{ traceId: '1'.repeat(32), spanId: '2'.repeat(16), attributes: {} }],
    resource: { 'service.name': 'search' },
    sessionId: 's-1',
  }),
  spanRecord({
    spanId: '00f067aa0ba902b7',
    parentSpanId: 'b7ad6b7169203331',
    name: 'search.execute',
    startTimeUnixNano: 1_700_000_000_123_456_790n,
    statusCode: 'ERROR',
    statusMessage: 'out of order',
    attributes: {
      flag: false,
      whole: -3,
      long: 2n ** 53n,
      fraction: 2,
      bytes: new Uint8Array([]),
      texts: [],
      mixed: 'one',
      map: { inner: 9_007_199_254_740_993n },
    },
  }),
  spanRecord({ spanId: 'c'.repeat(16), name: 'search.execute', attributes: { whole: 7, fraction: -0 } }),
];
