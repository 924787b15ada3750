/** Our encoder against the official decoder, and its own edges. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AnyValue,
  DEFAULT_OTLP_LIMITS,
  decodeTraces,
  type EncodableSpan,
  type EncodableValue,
  encodeResource,
  encodeScopePrefix,
  encodeSpanInto,
  encodeTraces,
  MAX_ENCODE_DEPTH,
  OtlpDouble,
  ProtoWriter,
} from '../../dist/otlp/index.js';
import { anyTraces, ordered, span, spansOf, traces, wellFormed } from './arbitraries.js';
import { officialDecode } from './official-codec.js';

function decodedAttributes(values: Record<string, EncodableValue>, more: Partial<EncodableSpan> = {}) {
  const encodable = { ...span(), ...more, attributes: new Map(Object.entries(values)) } as unknown as ReturnType<
    typeof span
  >;
  return Object.fromEntries(spansOf(officialDecode(encodeTraces(traces(encodable))))[0]!.attributes);
}

describe('encodeTraces', () => {
  it('writes any traces so that the official decoder reads them exactly', () => {
    fc.assert(
      fc.property(anyTraces, (request) => {
        expect(ordered(officialDecode(encodeTraces(request)))).toStrictEqual(ordered(wellFormed(request)));
      }),
      { numRuns: 150 },
    );
  });

  it('reads back what it wrote, exactly', () => {
    fc.assert(
      fc.property(anyTraces, (request) => {
        expect(ordered(decodeTraces(encodeTraces(request)))).toStrictEqual(ordered(wellFormed(request)));
      }),
      { numRuns: 150 },
    );
  });

  it('takes a number for a double, unless integers are asked for', () => {
    const numbers = {
      one: 1,
      big: 2 ** 53,
      safe: 2 ** 53 - 1,
      negative: -7,
      half: 0.5,
      wide: 3_000_000_000,
      list: [1, 0.5],
    };
    expect(decodedAttributes(numbers)).toStrictEqual(numbers);
    expect(decodedAttributes(numbers, { integersAsInt: true })).toStrictEqual({
      one: 1n,
      big: 2 ** 53,
      safe: 2n ** 53n - 1n,
      negative: -7n,
      half: 0.5,
      wide: 3_000_000_000n,
      list: [1n, 0.5],
    });
  });

  it('takes a number that is marked for a double, also where integers are asked for and at any depth', () => {
    const marked = { whole: new OtlpDouble(5), list: [new OtlpDouble(0), 1], half: new OtlpDouble(0.5) };
    expect(decodedAttributes(marked, { integersAsInt: true })).toStrictEqual({ whole: 5, list: [0, 1n], half: 0.5 });
    expect(decodedAttributes(marked)).toStrictEqual({ whole: 5, list: [0, 1], half: 0.5 });
  });

  it('writes an integer of more than 64 bits as its decimal digits', () => {
    expect(decodedAttributes({ huge: 2n ** 63n, deep: [-(2n ** 63n) - 1n] })).toStrictEqual({
      huge: '9223372036854775808',
      deep: ['-9223372036854775809'],
    });
  });

  it('keeps more keys than its cache of keys holds, and long ones', () => {
    const attributes = new Map(
      Array.from({ length: 10_000 }, (_, i) => [`key.${i}${i % 100 === 0 ? 'x'.repeat(300) : ''}`, BigInt(i)]),
    );
    for (let round = 0; round < 2; round += 1) {
      expect(spansOf(officialDecode(encodeTraces(traces(span({ attributes })))))[0]!.attributes).toStrictEqual(
        attributes,
      );
    }
  });

  it('refuses an attribute nested without end with an error of its own, and the writer stays usable', () => {
    const writer = new ProtoWriter();
    encodeSpanInto(writer, span());
    const before = writer.finish();
    let deep: EncodableValue = [];
    for (let i = 0; i < 100_000; i += 1) deep = [deep];
    const encodeDeep = () => encodeSpanInto(writer, { ...span(), attributes: new Map([['deep', deep]]) });
    expect(encodeDeep).toThrow(expect.objectContaining({ name: 'OtlpEncodeError', code: 'too_deep' }));
    const cyclic: EncodableValue[] = [];
    cyclic.push(cyclic);
    expect(() => encodeSpanInto(writer, { ...span(), attributes: new Map([['cycle', cyclic]]) })).toThrow(
      expect.objectContaining({ code: 'too_deep' }),
    );
    writer.truncate(before.length);
    expect(writer.finish()).toStrictEqual(before);
  });

  it('writes values down to the depth that it allows', () => {
    let deep: EncodableValue = 'bottom';
    for (let i = 0; i < MAX_ENCODE_DEPTH; i += 1) deep = [deep];
    const bytes = encodeTraces(traces(span({ attributes: new Map([['deep', deep as AnyValue]]) })));
    const [read] = spansOf(decodeTraces(bytes, { ...DEFAULT_OTLP_LIMITS, maxDepth: MAX_ENCODE_DEPTH }));
    expect(read!.attributes.get('deep')).toStrictEqual(deep);
  });
});

describe('the parts that the export pipeline puts together', () => {
  it('resource, scope and spans, encoded apart, make a request', () => {
    fc.assert(
      fc.property(anyTraces, (request) => {
        const writer = new ProtoWriter();
        const spanWriter = new ProtoWriter();
        for (const group of request.resourceSpans) {
          const groupStart = writer.begin(0x0a);
          writer.bytes(0x0a, encodeResource(group.resource));
          for (const scopeSpans of group.scopeSpans) {
            const scopeStart = writer.begin(0x12);
            writer.raw(encodeScopePrefix(scopeSpans.scope, scopeSpans.schemaUrl));
            for (const one of scopeSpans.spans) {
              spanWriter.reset();
              encodeSpanInto(spanWriter, one);
              writer.bytes(0x12, spanWriter.view());
            }
            writer.end(scopeStart);
          }
          writer.string(0x1a, group.schemaUrl);
          writer.end(groupStart);
        }
        expect(ordered(officialDecode(writer.finish()))).toStrictEqual(ordered(wellFormed(request)));
      }),
    );
  });
});
