/** OTLP/JSON both ways. OpenTelemetry's own JSON is read in decoder.test.ts, beside its protobuf. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AnyValue,
  DEFAULT_OTLP_LIMITS,
  decodeTraces,
  decodeTracesJson,
  encodeTraces,
  encodeTracesJson,
  OtlpDecodeError,
} from '../../dist/otlp/index.js';
import { anyTraces, ordered, span, spansOf, traces, wellFormed } from './arbitraries.js';

function codeOf(decode: () => unknown): string | undefined {
  try {
    decode();
    return undefined;
  } catch (error) {
    if (!(error instanceof OtlpDecodeError)) throw error;
    return error.code;
  }
}
const request = (fields: object) => ({ resourceSpans: [{ scopeSpans: [{ spans: [fields] }] }] });
const readSpan = (fields: object) => spansOf(decodeTracesJson(JSON.stringify(request(fields))))[0]!;
const readValue = (value: unknown) => readSpan({ attributes: [{ key: 'k', value }] }).attributes.get('k');

describe('OTLP/JSON', () => {
  it('carries any traces exactly, as text, as bytes and as an object, and agrees with protobuf', () => {
    fc.assert(
      fc.property(anyTraces, (any) => {
        const expected = ordered(wellFormed(any));
        const text = JSON.stringify(encodeTracesJson(any));
        expect(ordered(decodeTracesJson(text))).toStrictEqual(expected);
        expect(ordered(decodeTracesJson(Buffer.from(text)))).toStrictEqual(expected);
        expect(ordered(decodeTracesJson(encodeTracesJson(any)))).toStrictEqual(expected);
        expect(ordered(decodeTraces(encodeTraces(decodeTracesJson(text))))).toStrictEqual(expected);
      }),
      { numRuns: 100 },
    );
  });

  it('writes what the specification shows', () => {
    const attributes = new Map<string, AnyValue>([
      ['text', 'x'],
      ['yes', true],
      ['int', -(2n ** 63n)],
      ['double', 0.5],
      ['nan', Number.NaN],
      ['infinite', Number.NEGATIVE_INFINITY],
      ['bytes', Uint8Array.from([0xfb, 0xff])],
      ['list', [1n, null]],
      ['map', new Map([['__proto__', 'plain']])],
    ]);
    const [group] = encodeTracesJson(traces(span({ attributes, parentSpanId: '00f067aa0ba902b7' }))).resourceSpans;
    const [written] = group!.scopeSpans[0]!.spans;
    expect(written).toMatchObject({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      parentSpanId: '00f067aa0ba902b7',
      kind: 1,
      startTimeUnixNano: '1700000000123456789',
      endTimeUnixNano: '1700000000165456790',
    });
    expect(written!.attributes).toStrictEqual([
      { key: 'text', value: { stringValue: 'x' } },
      { key: 'yes', value: { boolValue: true } },
      { key: 'int', value: { intValue: '-9223372036854775808' } },
      { key: 'double', value: { doubleValue: 0.5 } },
      { key: 'nan', value: { doubleValue: 'NaN' } },
      { key: 'infinite', value: { doubleValue: '-Infinity' } },
      { key: 'bytes', value: { bytesValue: '+/8=' } },
      { key: 'list', value: { arrayValue: { values: [{ intValue: '1' }, {}] } } },
      { key: 'map', value: { kvlistValue: { values: [{ key: '__proto__', value: { stringValue: 'plain' } }] } } },
    ]);
  });

  it('reads ids of either case, enum names, integers as numbers or strings, and null as not set', () => {
    expect(
      readSpan({
        traceId: '0AF7651916CD43DD8448EB211C80319C',
        spanId: 'B7AD6B7169203331',
        parentSpanId: '0000000000000000',
        name: null,
        kind: 'SPAN_KIND_PRODUCER',
        startTimeUnixNano: 5,
        endTimeUnixNano: '18446744073709551615',
        droppedAttributesCount: '4294967295',
        flags: 257,
        attributes: null,
        status: { code: 'STATUS_CODE_ERROR', message: 'late' },
      }),
    ).toStrictEqual({
      ...span({
        kind: 4,
        flags: 257,
        name: '',
        droppedAttributesCount: 4294967295,
        status: { code: 2, message: 'late' },
      }),
      startTimeUnixNano: 5n,
      endTimeUnixNano: 2n ** 64n - 1n,
    });
    expect(readValue({ intValue: -7 })).toBe(-7n);
    expect(readValue({ intValue: '9223372036854775807' })).toBe(2n ** 63n - 1n);
    expect(readValue({ doubleValue: '1.5e3' })).toBe(1500);
    expect(readValue({ stringValue: null, boolValue: false })).toBe(false);
    expect(readValue({ bytesValue: '-_8' })).toStrictEqual(Uint8Array.from([0xfb, 0xff]));
    expect(readValue({})).toBe(null);
    expect(readValue(null)).toBe(null);
    expect(readValue({ arrayValue: {} })).toStrictEqual([]);
    expect(readValue({ kvlistValue: {} })).toStrictEqual(new Map());
  });

  it('ignores unknown fields and snake_case names, and reads an unknown status code as unset', () => {
    expect(
      readSpan({ trace_id: '0af7651916cd43dd8448eb211c80319c', future: [{}], kind: 17, status: { code: 9 } }),
    ).toMatchObject({ traceId: '', kind: 17, status: { code: 0 } });
    expect(decodeTracesJson('{}')).toStrictEqual({ resourceSpans: [] });
  });

  it('takes __proto__ and duplicate keys for plain keys', () => {
    const body = `{"__proto__":{"resourceSpans":[{}]},"resourceSpans":[{"__proto__":{"scopeSpans":[{}]},"scopeSpans":[{"spans":[
      {"name":"first","name":"last","__proto__":{"kind":3},"constructor":1,"attributes":[
        {"key":"__proto__","value":{"stringValue":"a","__proto__":{"intValue":"1"}}},
        {"key":"__proto__","value":{"stringValue":"b"}},{"key":"toString","value":{"__proto__":{"intValue":"1"}}}]}]}]}]}`;
    const [read] = spansOf(decodeTracesJson(body));
    expect(read).toMatchObject({ name: 'last', kind: 0 });
    expect(Array.from(read!.attributes)).toStrictEqual([
      ['__proto__', 'b'],
      ['toString', null],
    ]);
    expect(({} as Record<string, unknown>)['kind']).toBe(undefined);
    const inherits = Object.assign(Object.create({ name: 'inherited', kind: 3, attributes: [{ key: 'k' }] }), {
      flags: 1,
    });
    expect(spansOf(decodeTracesJson(request(inherits)))).toMatchObject([
      { name: '', kind: 0, flags: 1, attributes: new Map() },
    ]);
  });

  it.each([
    ['no JSON', '{'],
    ['nothing', ''],
    ['null', 'null'],
    ['a number', '1'],
    ['an array', '[]'],
    ['resourceSpans that are no array', '{"resourceSpans":{}}'],
    ['a span that is a number', JSON.stringify(request(1 as unknown as object))],
    ['a name that is a number', JSON.stringify(request({ name: 1 }))],
    ['an id that is base64', JSON.stringify(request({ traceId: 'CvdlGRbNQ92ESOshHIAxnA==' }))],
    ['an id of an odd number of digits', JSON.stringify(request({ spanId: 'abc' }))],
    ['a time below zero', JSON.stringify(request({ startTimeUnixNano: '-1' }))],
    ['a time above 64 bits', JSON.stringify(request({ startTimeUnixNano: '18446744073709551616' }))],
    ['a time with a fraction', JSON.stringify(request({ startTimeUnixNano: 1.5 }))],
    ['a time that is no number', JSON.stringify(request({ startTimeUnixNano: 'today' }))],
    ['a kind that has no meaning', JSON.stringify(request({ kind: 'SPAN_KIND_SERVE' }))],
    [
      'an integer above 64 bits',
      JSON.stringify(request({ attributes: [{ key: 'k', value: { intValue: '9223372036854775808' } }] })),
    ],
    [
      'a boolean that is a string',
      JSON.stringify(request({ attributes: [{ key: 'k', value: { boolValue: 'true' } }] })),
    ],
    ['a double that is a word', JSON.stringify(request({ attributes: [{ key: 'k', value: { doubleValue: 'one' } }] }))],
    ['bytes that are no base64', JSON.stringify(request({ attributes: [{ key: 'k', value: { bytesValue: '***' } }] }))],
    ['a value that is bare', JSON.stringify(request({ attributes: [{ key: 'k', value: 'bare' }] }))],
  ])('refuses %s as malformed', (_, body) => {
    expect(codeOf(() => decodeTracesJson(body))).toBe('malformed');
    expect(codeOf(() => decodeTracesJson(Buffer.from(body)))).toBe('malformed');
  });

  it('throws nothing but its own error, whatever the JSON is', () => {
    const names = [
      'resourceSpans',
      'scopeSpans',
      'spans',
      'attributes',
      'key',
      'value',
      'arrayValue',
      'values',
      'intValue',
      'events',
      'status',
      '__proto__',
    ];
    const json = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 12, withCrossShrink: true },
        fc.jsonValue(),
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...names), tie('node'), { maxKeys: 4 }),
      ),
    })).node;
    fc.assert(
      fc.property(json, (value) => {
        codeOf(() => decodeTracesJson(JSON.stringify(value) ?? ''));
        codeOf(() => decodeTracesJson(request({ attributes: [{ key: 'k', value }] })));
      }),
      { numRuns: 500 },
    );
  });
});

describe('decodeTracesJson on bodies that would become large', () => {
  const million = 1_000_000;
  const inSpan = (fields: string) => `{"resourceSpans":[{"scopeSpans":[{"spans":[{${fields}}]}]}]}`;
  it.each<[string, string]>([
    ['a million empty spans', `{"resourceSpans":[{"scopeSpans":[{"spans":[${'{},'.repeat(million)}{}]}]}]}`],
    ['more spans than allowed', `{"resourceSpans":[{"scopeSpans":[{"spans":[${'{},'.repeat(100_000)}{}]}]}]}`],
    ['more events than allowed', inSpan(`"events":[${'{},'.repeat(100_000)}{}]`)],
    ['more links than allowed', inSpan(`"links":[${'{},'.repeat(100_000)}{}]`)],
    ['a million empty arrays in a field that is unknown', `{"other":[${'[],'.repeat(million)}[]]}`],
    ['ten million numbers in a field that is unknown', `{"other":[${'1,'.repeat(10 * million)}1]}`],
    ['arrays nested 100,000 deep', `{"other":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['arrays nested a million deep and never closed', '['.repeat(million)],
    [
      'an attribute nested deeper than allowed',
      inSpan(`"attributes":[{"key":"k","value":${'{"arrayValue":{"values":['.repeat(65)}${']}}'.repeat(65)}}]`),
    ],
  ])('refuses %s', (_, body) => {
    expect(codeOf(() => decodeTracesJson(Buffer.from(body)))).toBe('too_many_elements');
    expect(codeOf(() => decodeTracesJson(body))).toBe('too_many_elements');
  });

  it('does not take what is inside a string for structure', () => {
    const name = '[{,"\\'.repeat(1000);
    const limits = { ...DEFAULT_OTLP_LIMITS, maxJsonContainers: 10, maxJsonValues: 10 };
    expect(spansOf(decodeTracesJson(JSON.stringify(request({ name })), limits))[0]!.name).toBe(name);
  });

  it('reads values nested as deep as allowed', () => {
    let deep: AnyValue = 'bottom';
    for (let i = 0; i < DEFAULT_OTLP_LIMITS.maxDepth; i += 1) deep = new Map([['k', deep]]);
    const whole = traces(span({ attributes: new Map([['deep', deep]]) }));
    expect(decodeTracesJson(JSON.stringify(encodeTracesJson(whole)))).toStrictEqual(whole);
  });

  it('counts the elements of an object that is parsed already', () => {
    const limits = { ...DEFAULT_OTLP_LIMITS, maxAttributes: 2 };
    const attributes = ['a', 'b', 'c'].map((key) => ({ key, value: { boolValue: true } }));
    expect(codeOf(() => decodeTracesJson(request({ attributes }), limits))).toBe('too_many_elements');
    expect(codeOf(() => decodeTracesJson(request({ attributes: attributes.slice(1) }), limits))).toBe(undefined);
  });
});
