/** Our decoder against the official encoders, on broken bytes, and on bodies made to exhaust it. */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import {
  type AnyValue,
  DEFAULT_OTLP_LIMITS,
  decodeTraces,
  decodeTracesJson,
  encodeTraces,
  OtlpDecodeError,
  type OtlpLimits,
  type OtlpTraces,
} from '../../dist/otlp/index.js';
import { anyTraces, ordered, span, spansOf, traces, wellFormed } from './arbitraries.js';
import { officialDecode, officialEncode, root } from './official-codec.js';

/** What decoding gives: the traces, or the code of the one error that it may throw. */
function outcome(bytes: Uint8Array, limits?: OtlpLimits) {
  try {
    return { traces: decodeTraces(bytes, limits) };
  } catch (error) {
    if (!(error instanceof OtlpDecodeError)) throw error;
    return { code: error.code, message: error.message };
  }
}

/** A message field: tag, length, body. */
function field(tag: number, body: Uint8Array): Uint8Array {
  return protobuf.Writer.create().uint32(tag).bytes(body).finish();
}
function repeated(entry: readonly number[], times: number): Uint8Array {
  return Buffer.alloc(entry.length * times, Uint8Array.from(entry));
}
/** A request of one scope whose fields (`spans` entries, say) are these. */
const scopeFields = (fields: Uint8Array) => field(0x0a, field(0x12, fields));
const spanFields = (fields: Uint8Array) => scopeFields(field(0x12, fields));
/** A request of one span with one attribute, whose `AnyValue` has these fields. */
const valueFields = (fields: Uint8Array) => spanFields(field(0x4a, field(0x12, fields)));
const attributeValue = (fields: Uint8Array): AnyValue | undefined => {
  return spansOf(decodeTraces(valueFields(fields)))[0]!.attributes.get('');
};

describe('decodeTraces reads what others write', () => {
  it('any traces of the official encoder, exactly', () => {
    fc.assert(
      fc.property(anyTraces, (request) => {
        const expected = wellFormed(request);
        expect(ordered(decodeTraces(officialEncode(expected)))).toStrictEqual(ordered(expected));
      }),
      { numRuns: 150 },
    );
  });

  it("spans of OpenTelemetry's SDK, serialized by OpenTelemetry, the same from protobuf and from JSON", () => {
    const exporter = new InMemorySpanExporter();
    const provider = new BasicTracerProvider({
      resource: resourceFromAttributes({ 'service.name': 'search', replicas: 3 }),
      spanProcessors: [new SimpleSpanProcessor(exporter)],
    });
    const tracer = provider.getTracer('our.scope', '1.2.3', { schemaUrl: 'https://opentelemetry.io/schemas/1.30.0' });
    const context = {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      traceFlags: 1,
      isRemote: true,
    };
    const sdkSpan = tracer.startSpan(
      'search "ü"',
      {
        kind: SpanKind.CLIENT,
        startTime: [1_700_000_000, 123_456_789],
        attributes: {
          top_k: 10,
          score: 0.25,
          strategy: 'hybrid',
          cached: false,
          tags: ['a', 'b'],
          sizes: [1, -2],
        },
        links: [{ context: { ...context, spanId: '1234567890abcdef' }, attributes: { reason: 'retry' } }],
      },
      trace.setSpanContext(ROOT_CONTEXT, context),
    );
    sdkSpan.addEvent('found', { count: 3 }, [1_700_000_000, 200_000_001]);
    sdkSpan.setStatus({ code: SpanStatusCode.ERROR, message: 'timed out' });
    sdkSpan.end([1_700_000_001, 1]);

    const finished = exporter.getFinishedSpans();
    const request = decodeTraces(ProtobufTraceSerializer.serializeRequest(finished)!);
    expect(decodeTracesJson(JsonTraceSerializer.serializeRequest(finished)!)).toStrictEqual(request);

    const [group] = request.resourceSpans;
    expect(Object.fromEntries(group!.resource.attributes)).toMatchObject({ 'service.name': 'search', replicas: 3n });
    expect(group!.scopeSpans[0]!.scope).toMatchObject({ name: 'our.scope', version: '1.2.3' });
    expect(group!.scopeSpans[0]!.schemaUrl).toBe('https://opentelemetry.io/schemas/1.30.0');
    const [read] = spansOf(request);
    expect(read).toMatchObject({
      traceId: context.traceId,
      parentSpanId: context.spanId,
      spanId: sdkSpan.spanContext().spanId,
      name: 'search "ü"',
      kind: 3,
      startTimeUnixNano: 1_700_000_000_123_456_789n,
      endTimeUnixNano: 1_700_000_001_000_000_001n,
      status: { code: 2, message: 'timed out' },
      events: [{ name: 'found', timeUnixNano: 1_700_000_000_200_000_001n, attributes: new Map([['count', 3n]]) }],
      links: [{ traceId: context.traceId, spanId: '1234567890abcdef', attributes: new Map([['reason', 'retry']]) }],
    });
    expect(Object.fromEntries(read!.attributes)).toStrictEqual({
      top_k: 10n,
      score: 0.25,
      strategy: 'hybrid',
      cached: false,
      tags: ['a', 'b'],
      sizes: [1n, -2n],
    });
  });
});

describe('decodeTraces follows the rules of protobuf', () => {
  const unknownFields = [
    protobuf.Writer.create()
      .uint32((100 << 3) | 0)
      .uint64(protobuf.util.LongBits.from(-1).toLong(true))
      .finish(),
    protobuf.Writer.create()
      .uint32((101 << 3) | 1)
      .fixed64(1)
      .finish(),
    field((102 << 3) | 2, Buffer.from('unknown')),
    protobuf.Writer.create()
      .uint32((103 << 3) | 5)
      .fixed32(1)
      .finish(),
    protobuf.Writer.create()
      .uint32((536_870_911 << 3) >>> 0)
      .uint32(1)
      .finish(),
  ];

  it('skips unknown fields of every wire type, at every level', () => {
    const known = span({
      attributes: new Map<string, AnyValue>([['k', [new Map([['deep', 1n]])]]]),
      events: [{ timeUnixNano: 1n, name: 'e', attributes: new Map(), droppedAttributesCount: 0 }],
    });
    const expected = traces(known);
    // Unknown fields in front of a request, between its fields and behind it; then one level down, and so on.
    const pad = (bytes: Uint8Array, path: readonly number[]): Uint8Array => {
      const reader = protobuf.Reader.create(bytes);
      const parts: Uint8Array[] = [...unknownFields];
      while (reader.pos < reader.len) {
        const start = reader.pos;
        const tag = reader.uint32();
        if (tag === path[0]) parts.push(field(tag, pad(reader.bytes(), path.slice(1))));
        else {
          reader.skipType(tag & 7);
          parts.push(bytes.subarray(start, reader.pos));
        }
        parts.push(...unknownFields);
      }
      return Buffer.concat(parts);
    };
    const paths = [
      [],
      [0x0a],
      [0x0a, 0x0a, 0x0a, 0x12],
      [0x0a, 0x12],
      [0x0a, 0x12, 0x0a],
      [0x0a, 0x12, 0x12],
      [0x0a, 0x12, 0x12, 0x5a],
      [0x0a, 0x12, 0x12, 0x7a],
      [0x0a, 0x12, 0x12, 0x4a, 0x12, 0x2a, 0x0a, 0x32, 0x0a, 0x12],
    ];
    for (const path of paths) expect(decodeTraces(pad(encodeTraces(expected), path))).toStrictEqual(expected);
  });

  it('skips a known field of another wire type', () => {
    const name = protobuf.Writer.create()
      .uint32((5 << 3) | 0)
      .uint32(7)
      .finish(); // Span.name as a varint
    expect(spansOf(decodeTraces(spanFields(name)))[0]!.name).toBe('');
  });

  it.each([
    ['a group', [0x0b, 0x0c]],
    ['wire type 6', [0x0e]],
    ['field number 0', [0x02, 0x00]],
    ['a tag of more than 32 bits', [0xff, 0xff, 0xff, 0xff, 0x1f, 0x00]],
    ['a number of eleven bytes', [0x78, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['a length beyond the end', [0x0a, 0x05, 0x00]],
    ['a length of 2^32', [0x0a, 0x80, 0x80, 0x80, 0x80, 0x10]],
    ['a length that reads as negative', [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ['a message that ends within a number', [0x0a, 0x01, 0x10, 0x01]],
    ['a fixed number that is cut off', [0x39, 0x00]],
  ])('refuses %s', (_, bytes) => {
    expect(outcome(Uint8Array.from(bytes))).toMatchObject({ code: 'malformed' });
    expect(outcome(spanFields(Uint8Array.from(bytes.map((byte) => (byte === 0x78 ? 0x30 : byte)))))).toMatchObject({
      code: 'malformed',
    });
  });

  it('merges a message that comes twice, and takes the last of a plain field', () => {
    const status = Buffer.concat([
      field(0x7a, Uint8Array.from([0x18, 2])),
      field(0x7a, field(0x12, Buffer.from('late'))),
    ]);
    const names = Buffer.concat([field(0x2a, Buffer.from('first')), field(0x2a, Buffer.from('last'))]);
    expect(spansOf(decodeTraces(spanFields(Buffer.concat([status, names]))))[0]).toMatchObject({
      name: 'last',
      status: { code: 2, message: 'late' },
    });
    const one = field(0x2a, field(0x0a, Uint8Array.from([0x18, 1])));
    expect(attributeValue(Buffer.concat([one, one]))).toStrictEqual([1n, 1n]);
    expect(attributeValue(Buffer.concat([one, Uint8Array.from([0x10, 1])]))).toBe(true);
    expect(attributeValue(Buffer.concat([Uint8Array.from([0x10, 1]), one]))).toStrictEqual([1n]);
  });

  it('reads any varint above zero as true, and a negative one in ten bytes', () => {
    expect(attributeValue(Uint8Array.from([0x10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]))).toBe(true);
    expect(attributeValue(Uint8Array.from([0x10, 0x80, 0x00]))).toBe(false);
    expect(attributeValue(Uint8Array.from([0x18, ...Array<number>(9).fill(0xff), 0x01]))).toBe(-1n);
  });

  it('keeps a kind that OTLP does not know, and reads such a status code as unset', () => {
    const enums = Uint8Array.from([0x30, 99, 0x7a, 2, 0x18, 3]);
    expect(spansOf(decodeTraces(spanFields(enums)))[0]).toMatchObject({ kind: 99, status: { code: 0 } });
  });

  it('reads bytes that are no UTF-8 with U+FFFD in their place', () => {
    expect(attributeValue(field(0x0a, Uint8Array.from([0x61, 0xff, 0x62])))).toBe('a\ufffdb');
    expect(attributeValue(field(0x0a, Uint8Array.from([...Array<number>(60).fill(0x61), 0xc3])))).toBe(
      `${'a'.repeat(60)}\ufffd`,
    );
  });

  it('keeps the last value of a key that comes twice, at the place of the first', () => {
    const pair = (key: string, value: number) =>
      field(0x4a, Buffer.concat([field(0x0a, Buffer.from(key)), field(0x12, Uint8Array.from([0x18, value]))]));
    const [read] = spansOf(decodeTraces(spanFields(Buffer.concat([pair('a', 1), pair('b', 2), pair('a', 3)]))));
    expect(Array.from(read!.attributes)).toStrictEqual([
      ['a', 3n],
      ['b', 2n],
    ]);
  });

  it('reads an all-zero parent id as none', () => {
    expect(spansOf(decodeTraces(spanFields(field(0x22, new Uint8Array(8)))))[0]!.parentSpanId).toBe('');
  });

  it('does not hold on to the body', () => {
    const body = encodeTraces(traces(span({ attributes: new Map([['b', Uint8Array.from([1, 2, 3])]]) })));
    const request = decodeTraces(body);
    const before = ordered(request);
    body.fill(0xff);
    expect(ordered(request)).toStrictEqual(before);
  });
});

/**
 * Whether bytes are a message in which every known field has its own wire type and every length ends inside: written apart from our
 * decoder. A message field that comes twice is left out too: protobufjs does not merge, as protobuf asks for.
 */
function wellTyped(bytes: Uint8Array, type: protobuf.Type): boolean {
  const wireTypes: Record<string, number> = {
    string: 2,
    bytes: 2,
    bool: 0,
    int64: 0,
    int32: 0,
    uint32: 0,
    double: 1,
    fixed64: 1,
    fixed32: 5,
  };
  const messages = new Set<string>();
  let at = 0;
  const varint = (): bigint | undefined => {
    let value = 0n;
    for (let i = 0n; i < 10n && at < bytes.length; i += 1n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << (7n * i);
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    return undefined;
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag === undefined || tag >= 2n ** 32n || tag >> 3n === 0n) return false;
    const wireType = Number(tag & 7n);
    const known = type.fieldsById[Number(tag >> 3n)];
    known?.resolve();
    const nested = known?.resolvedType instanceof protobuf.Type ? known.resolvedType : undefined;
    if (known !== undefined && wireType !== (nested ? 2 : wireTypes[known.type])) return false;
    if (wireType === 0) {
      if (varint() === undefined) return false;
    } else if (wireType === 1) at += 8;
    else if (wireType === 5) at += 4;
    else if (wireType === 2) {
      const length = varint();
      if (length === undefined || length > BigInt(bytes.length - at)) return false;
      const end = at + Number(length);
      if (nested !== undefined && !known!.repeated) {
        if (messages.has(known!.name)) return false;
        messages.add(known!.name);
      }
      if (nested !== undefined && !wellTyped(bytes.subarray(at, end), nested)) return false;
      if (known?.name.endsWith('Id') && length > 64n) return false;
      at = end;
    } else return false;
    if (at > bytes.length) return false;
  }
  return true;
}

/** Our choices where protobuf leaves one. */
function asWeRead(request: OtlpTraces): OtlpTraces {
  for (const one of spansOf(request)) {
    if (one.status.code < 0 || one.status.code > 2) one.status.code = 0;
    if (/^0{16}$/.test(one.parentSpanId)) one.parentSpanId = '';
  }
  return request;
}

describe('decodeTraces on broken bytes', () => {
  it('a request cut off at any byte is refused, or reads as the official decoder reads it', () => {
    const whole = encodeTraces(
      traces(
        span({
          attributes: new Map<string, AnyValue>([
            ['list', ['x', 1n, new Map([['y', 2.5]])]],
            ['text', 'é'.repeat(70)],
          ]),
          events: [{ timeUnixNano: 5n, name: 'event', attributes: new Map([['k', true]]), droppedAttributesCount: 1 }],
        }),
      ),
    );
    for (let length = 0; length < whole.length; length += 1) {
      const cut = whole.slice(0, length);
      const ours = outcome(cut);
      if (ours.traces === undefined) expect(ours.code).toBe('malformed');
      else expect(ordered(ours.traces)).toStrictEqual(ordered(officialDecode(cut)));
    }
    expect(outcome(whole.slice(0, whole.length - 1)).code).toBe('malformed');
  });

  it('agrees with the official decoder on bytes changed at random, and throws nothing but its own error', () => {
    const requestType = root.lookupType('ExportTraceServiceRequest');
    let accepted = 0;
    fc.assert(
      fc.property(
        anyTraces,
        fc.array(
          fc.tuple(fc.nat(), fc.constantFrom('set', 'insert', 'delete', 'swap'), fc.integer({ min: 0, max: 255 })),
          {
            minLength: 1,
            maxLength: 3,
          },
        ),
        (request, changes) => {
          const bytes = Array.from(officialEncode(wellFormed(request)));
          for (const [where, change, byte] of changes) {
            const at = bytes.length === 0 ? 0 : where % bytes.length;
            if (change === 'insert') bytes.splice(at, 0, byte);
            else if (change === 'delete') bytes.splice(at, 1);
            else if (change === 'set') bytes[at] = byte;
            else bytes[at] = bytes[byte % Math.max(bytes.length, 1)] ?? byte;
          }
          const changed = Uint8Array.from(bytes);
          const ours = outcome(changed);
          if (!wellTyped(changed, requestType)) return;
          accepted += 1;
          expect(ours.code).toBe(undefined);
          expect(ordered(ours.traces)).toStrictEqual(ordered(asWeRead(officialDecode(changed))));
        },
      ),
      { numRuns: 500 },
    );
    expect(accepted).toBeGreaterThan(20);
  });

  it('refuses junk with its own error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => {
        outcome(junk);
        outcome(spanFields(junk));
        outcome(valueFields(junk));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('decodeTraces on bodies that would become large', () => {
  const million = 1_000_000;
  it.each<[string, Uint8Array, string]>([
    ['a million empty resources', repeated([0x0a, 0x00], million), 'groups'],
    ['a million empty scopes', field(0x0a, repeated([0x12, 0x00], million)), 'groups'],
    ['a million empty spans', scopeFields(repeated([0x12, 0x00], million)), 'spans'],
    ['ten million empty spans', scopeFields(repeated([0x12, 0x00], 10 * million)), 'spans'],
    ['more than a million empty attributes', spanFields(repeated([0x4a, 0x00], million + 1)), 'attributes'],
    ['a million empty events', spanFields(repeated([0x5a, 0x00], million)), 'events'],
    ['a million empty links', spanFields(repeated([0x6a, 0x00], million)), 'links'],
    [
      'more than a million empty values in a list',
      valueFields(field(0x2a, repeated([0x0a, 0x00], million + 1))),
      'elements',
    ],
    [
      'a million empty lists in a list',
      valueFields(field(0x2a, repeated([0x0a, 0x02, 0x2a, 0x00], million))),
      'elements',
    ],
    [
      'a million empty maps in a list',
      valueFields(field(0x2a, repeated([0x0a, 0x02, 0x32, 0x00], million))),
      'elements',
    ],
    [
      'more than a million empty entries of a map',
      valueFields(field(0x32, repeated([0x0a, 0x00], million + 1))),
      'elements',
    ],
  ])('refuses %s', (_, body, what) => {
    const refused = outcome(body);
    expect(refused.code).toBe('too_many_elements');
    expect(refused.message).toContain(what);
  });

  it.each([
    ['lists', 0x2a],
    ['maps', 0x32],
  ])('refuses %s nested 100,000 deep, without a RangeError', (_, tag) => {
    // Built from the inside out in one buffer: each level is at most a value, a pair and a list around the last one.
    const reversed: number[] = [];
    let length = 0;
    const wrap = (outer: number) => {
      const head = protobuf.Writer.create().uint32(outer).uint32(length).finish();
      for (let i = head.length - 1; i >= 0; i -= 1) reversed.push(head[i]!);
      length += head.length;
    };
    for (let depth = 0; depth < 100_000; depth += 1) {
      wrap(tag);
      if (tag === 0x32) wrap(0x12);
      wrap(0x0a);
    }
    wrap(tag);
    const refused = outcome(valueFields(Uint8Array.from(reversed.reverse())));
    expect(refused).toMatchObject({ code: 'too_many_elements', message: expect.stringContaining('nesting') });
  });

  it('takes a request at its limits and refuses one more', () => {
    const limits: OtlpLimits = {
      ...DEFAULT_OTLP_LIMITS,
      maxGroups: 2,
      maxSpans: 2,
      maxAttributes: 3,
      maxEvents: 1,
      maxLinks: 1,
      maxNodes: 10,
      maxDepth: 2,
    };
    const nest = (inner: AnyValue) => [inner];
    const event = { timeUnixNano: 1n, name: '', attributes: new Map(), droppedAttributesCount: 0 };
    const link = {
      traceId: '',
      spanId: '',
      traceState: '',
      attributes: new Map(),
      droppedAttributesCount: 0,
      flags: 0,
    };
    // One attribute is the resource's. A list in a list is 8 nodes, so two more fit.
    const atLimits = () =>
      traces(
        span({
          attributes: new Map<string, AnyValue>([
            ['a', nest(['x', 1n])],
            ['b', true],
          ]),
          events: [event],
          links: [link],
        }),
        span(),
      );
    const taken = atLimits();
    expect(outcome(encodeTraces(taken), limits)).toStrictEqual({ traces: taken });

    const beyond: [string, (request: ReturnType<typeof traces>) => void][] = [
      ['groups', (request) => request.resourceSpans[0]!.scopeSpans.push(request.resourceSpans[0]!.scopeSpans[0]!)],
      ['spans', (request) => request.resourceSpans[0]!.scopeSpans[0]!.spans.push(span())],
      ['attributes', (request) => spansOf(request)[1]!.attributes.set('c', 1n)],
      ['events', (request) => spansOf(request)[1]!.events.push(event)],
      ['links', (request) => spansOf(request)[1]!.links.push(link)],
      ['elements', (request) => spansOf(request)[0]!.attributes.set('b', ['y'])],
      ['nesting', (request) => spansOf(request)[0]!.attributes.set('a', nest(nest(nest(1n))))],
    ];
    for (const [what, add] of beyond) {
      const request = atLimits();
      add(request);
      const refused = outcome(encodeTraces(request), limits);
      expect(refused).toMatchObject({ code: 'too_many_elements', message: expect.stringContaining(what) });
    }
  });

  it('refuses limits that could not protect the stack', () => {
    expect(() => decodeTraces(new Uint8Array(), { ...DEFAULT_OTLP_LIMITS, maxDepth: 100_000 })).toThrow(RangeError);
  });
});
