/** Arbitrary OTLP traces, and what is expected of them once they went through a wire. */
import fc from 'fast-check';
import type { AnyValue, Attributes, OtlpEvent, OtlpLink, OtlpSpan, OtlpTraces } from '../../dist/otlp/index.js';

/** Any code units: NUL, lone surrogates, controls; and the plain strings that dominate. */
export const anyString: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.string({ maxLength: 40 }) },
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  {
    weight: 3,
    arbitrary: fc
      .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 })
      .map((units) => String.fromCharCode(...units)),
  },
  // Around the lengths where a varint grows by a byte, in one to three bytes a character.
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom('a', 'é', '漢', '\ud800'),
        fc.constantFrom(23, 24, 25, 31, 32, 33, 63, 64, 120, 126, 127, 128, 5461, 16383, 16384),
      )
      .map(([unit, count]) => unit.repeat(count)),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('', '__proto__', 'constructor', 'toString', '\0', '\ud800', '\udc00\ud800', '💚'),
  },
);

export const anyKey: fc.Arbitrary<string> = fc.oneof(fc.constantFrom('a', 'input.value', 'llm.model_name'), anyString);

const scalar: fc.Arbitrary<AnyValue> = fc.oneof(
  anyString,
  fc.boolean(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(0n, -1n, 127n, 128n, 2n ** 31n, 2n ** 32n, 2n ** 53n, -(2n ** 63n), 2n ** 63n - 1n),
  fc.double(),
  fc.constantFrom(-0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324, Number.MAX_VALUE),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => new Uint8Array(bytes)),
  fc.constant(null),
);

export const anyValue: fc.Arbitrary<AnyValue> = fc.letrec<{ value: AnyValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(anyKey, tie('value')), { maxLength: 4 }).map((entries) => new Map(entries)),
  ),
})).value;

export const anyAttributes: fc.Arbitrary<Attributes> = fc
  .array(fc.tuple(anyKey, anyValue), { maxLength: 5 })
  .map((entries) => new Map(entries));

function id(bytes: number): fc.Arbitrary<string> {
  return fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((value) => (value.some((byte) => byte !== 0) ? value : value.fill(1)))
    .map((value) => Buffer.from(value).toString('hex'));
}
const time = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(0n, 1n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n),
);
const count = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffffffff }));

const event: fc.Arbitrary<OtlpEvent> = fc.record({
  timeUnixNano: time,
  name: anyString,
  attributes: anyAttributes,
  droppedAttributesCount: count,
});
const link: fc.Arbitrary<OtlpLink> = fc.record({
  traceId: id(16),
  spanId: id(8),
  traceState: anyString,
  attributes: anyAttributes,
  droppedAttributesCount: count,
  flags: count,
});
export const anySpan: fc.Arbitrary<OtlpSpan> = fc.record({
  traceId: id(16),
  spanId: id(8),
  traceState: anyString,
  parentSpanId: fc.oneof(fc.constant(''), id(8)),
  flags: count,
  name: anyString,
  kind: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constantFrom(-1, 6, 2 ** 31 - 1, -(2 ** 31))),
  startTimeUnixNano: time,
  endTimeUnixNano: time,
  attributes: anyAttributes,
  droppedAttributesCount: count,
  events: fc.array(event, { maxLength: 3 }),
  droppedEventsCount: count,
  links: fc.array(link, { maxLength: 3 }),
  droppedLinksCount: count,
  status: fc.record({ code: fc.constantFrom(0 as const, 1 as const, 2 as const), message: anyString }),
});

export const anyTraces: fc.Arbitrary<OtlpTraces> = fc.record({
  resourceSpans: fc.array(
    fc.record({
      resource: fc.record({ attributes: anyAttributes, droppedAttributesCount: count }),
      schemaUrl: anyString,
      scopeSpans: fc.array(
        fc.record({
          scope: fc.record({
            name: anyString,
            version: anyString,
            attributes: anyAttributes,
            droppedAttributesCount: count,
          }),
          schemaUrl: anyString,
          spans: fc.array(anySpan, { maxLength: 3 }),
        }),
        { maxLength: 2 },
      ),
    }),
    { maxLength: 2 },
  ),
});

/** What arrives: the same, with lone surrogates as U+FFFD; where two keys become one by that, the later one's value. */
export function wellFormed<T>(value: T): T {
  if (typeof value === 'string') return Buffer.from(value).toString() as T;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (value instanceof Map)
    return new Map(Array.from(value, ([key, entry]) => [wellFormed(key), wellFormed(entry)])) as T;
  if (Array.isArray(value)) return value.map(wellFormed) as T;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, wellFormed(entry)])) as T;
}

/** For comparison: maps as lists of entries, because their order counts. */
export function ordered(value: unknown): unknown {
  if (value instanceof Map) return { map: Array.from(value, ([key, entry]) => [key, ordered(entry)]) };
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, ordered(entry)]));
}

export function span(fields: Partial<OtlpSpan> = {}): OtlpSpan {
  return {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    traceState: '',
    parentSpanId: '',
    flags: 1,
    name: 'search_service.search',
    kind: 1,
    startTimeUnixNano: 1_700_000_000_123_456_789n,
    endTimeUnixNano: 1_700_000_000_165_456_790n,
    attributes: new Map(),
    droppedAttributesCount: 0,
    events: [],
    droppedEventsCount: 0,
    links: [],
    droppedLinksCount: 0,
    status: { code: 0, message: '' },
    ...fields,
  };
}

/** One resource, one scope, these spans. */
export function traces(...spans: OtlpSpan[]): OtlpTraces {
  return {
    resourceSpans: [
      {
        resource: { attributes: new Map([['service.name', 'search']]), droppedAttributesCount: 0 },
        schemaUrl: '',
        scopeSpans: [
          {
            scope: { name: 'test', version: '1', attributes: new Map(), droppedAttributesCount: 0 },
            schemaUrl: '',
            spans,
          },
        ],
      },
    ],
  };
}

export function spansOf(request: OtlpTraces): OtlpSpan[] {
  return request.resourceSpans.flatMap((group) => group.scopeSpans.flatMap((scopeSpans) => scopeSpans.spans));
}
