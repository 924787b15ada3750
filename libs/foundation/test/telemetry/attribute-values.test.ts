import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auditedTelemetry } from './audited-telemetry.js';

const hostile = (message: string) => {
  throw new Error(message);
};

async function recorded(value: unknown, config = {}): Promise<unknown> {
  const { telemetry, delivered } = auditedTelemetry(config);
  telemetry.span('x', { tenantId: 'acme' }, (span) => span.setAttribute('value', value as string));
  return (await delivered('x')).attributes.get('value');
}

describe('attribute values', () => {
  it.each<[string, unknown, unknown]>([
    ['text', 'ü😀', 'ü😀'],
    ['a lone surrogate', 'a\ud800b', 'a\ufffdb'],
    ['NUL', 'a\0b', 'a\0b'],
    ['an integer', 7, 7n],
    ['a negative integer', -3, -3n],
    ['the largest safe integer', Number.MAX_SAFE_INTEGER, BigInt(Number.MAX_SAFE_INTEGER)],
    ['a double', 0.5, 0.5],
    ['an integer beyond the safe ones', 2 ** 60, 2 ** 60],
    ['NaN', Number.NaN, Number.NaN],
    ['infinity', -Infinity, -Infinity],
    ['a boolean', false, false],
    ['undefined', undefined, undefined],
    ['null', null, undefined],
    ['a BigInt', 2n ** 63n - 1n, 2n ** 63n - 1n],
    ['a BigInt out of range', 2n ** 63n, '9223372036854775808'],
    ['an immense BigInt', 2n ** 100_000n, '[BigInt of 25001 hex digits]'],
    ['a symbol', Symbol('s'), 'Symbol(s)'],
    ['a function', () => 1, '[Function]'],
    ['a date', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['an invalid date', new Date(Number.NaN), 'Invalid Date'],
    ['an error', new TypeError('no'), 'TypeError: no'],
    ['a regular expression', /a+/g, '/a+/g'],
    ['a URL', new URL('http://x/y'), 'http://x/y'],
    ['bytes', Buffer.from([1, 2]), Uint8Array.from([1, 2])],
    ['an ArrayBuffer', Uint8Array.from([3]).buffer, Uint8Array.from([3])],
    ['a vector', new Float32Array([0.5, 2]), [0.5, 2n]],
    ['a list', ['a', 1, null, undefined, [true]], ['a', 1n, null, null, [true]]],
    [
      'a map',
      new Map<unknown, unknown>([
        ['k', 1],
        [2, 'v'],
      ]),
      new Map<string, unknown>([
        ['k', 1n],
        ['2', 'v'],
      ]),
    ],
    ['a set', new Set(['a']), ['a']],
    ['an object', { a: { b: [1.5] } }, new Map([['a', new Map([['b', [1.5]]])]])],
    [
      'dangerous keys',
      JSON.parse('{"__proto__": 1, "constructor": 2}'),
      new Map([
        ['__proto__', 1n],
        ['constructor', 2n],
      ]),
    ],
    ['toJSON', { toJSON: () => ({ shown: true }) }, new Map([['shown', true]])],
    ['a toJSON that throws', { toJSON: () => hostile('no') }, '[Unreadable]'],
    [
      'a getter that throws',
      {
        get bad(): never {
          return hostile('no');
        },
        good: 1,
      },
      new Map<string, unknown>([
        ['bad', '[Unreadable]'],
        ['good', 1n],
      ]),
    ],
    [
      'a proxy that throws',
      new Proxy({}, { get: () => hostile('no'), ownKeys: () => hostile('no'), getPrototypeOf: () => hostile('no') }),
      '[Unreadable]',
    ],
    [
      'a revoked proxy',
      (() => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        return proxy;
      })(),
      '[Unreadable]',
    ],
  ])('take %s', async (_, value, expected) => {
    expect(await recorded(value)).toEqual(expected);
  });

  it('are snapshots', async () => {
    const { telemetry, delivered } = auditedTelemetry();
    const value = { list: [1] };
    telemetry.span('x', { tenantId: 'acme' }, (span) => {
      span.setAttribute('value', value as never);
      value.list.push(2);
    });
    expect((await delivered('x')).attributes.get('value')).toEqual(new Map([['list', [1n]]]));
  });

  it('replace cycles, and cut depth, elements and text', async () => {
    const cycle: { self?: unknown; twice?: unknown[] } = {};
    cycle.self = cycle;
    const shared = {};
    cycle.twice = [shared, shared];
    expect(await recorded(cycle)).toEqual(
      new Map<string, unknown>([
        ['self', '[Circular]'],
        ['twice', [new Map(), new Map()]],
      ]),
    );
    let deep: unknown = 'bottom';
    for (let level = 0; level < 10_000; level += 1) deep = [deep];
    let cut = await recorded(deep, { attributeDepthLimit: 3 });
    for (let level = 0; level < 3; level += 1) cut = (cut as unknown[])[0];
    expect(cut).toBe('[Truncated]');
    const long = (await recorded(new Array(100_000).fill(1))) as unknown[];
    expect(long).toHaveLength(10_001);
    expect(long.at(-1)).toBe('[Truncated]');
    expect(await recorded('😀😀😀', { attributeValueLengthLimit: 2 })).toBe('😀😀');
    expect(await recorded(['abc', { k: 'abc' }], { attributeValueLengthLimit: 2 })).toEqual([
      'ab',
      new Map([['k', 'ab']]),
    ]);
  });

  it('never make a call throw, nor the bytes unreadable, whatever they are', async () => {
    const anything = fc.oneof(
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withSet: true,
        withTypedArray: true,
        withSparseArray: true,
        withNullPrototype: true,
        withObjectString: true,
        withBoxedValues: true,
        stringUnit: 'binary',
      }),
      fc.constant(Symbol('key')),
      fc.constant('a proxy that throws'),
    );
    const { telemetry, target, flushed } = auditedTelemetry();
    fc.assert(
      fc.property(anything, anything, anything, (a, b, c) => {
        const proxy = new Proxy(() => 1, { get: () => hostile('trap') });
        const [x, y, z] = [a, b, c].map((value) => (value === 'a proxy that throws' ? proxy : value)) as never[];
        telemetry.span(
          x ?? ('x' as never),
          { tenantId: 'acme', attributes: y, kind: z, links: x, startTime: y },
          (span) => {
            span
              .setAttribute(x!, y!)
              .setAttributes(z!)
              .addEvent(x!, y!, z)
              .addLink(x!)
              .addLinks(y!)
              .setStatus(x!)
              .updateName(y!);
            span.addEvent('named', z, x).setStatus({ code: 2, message: x! }).addLink({ context: y!, attributes: z! });
            span.recordException(z!, x);
            span.end(y);
          },
        );
        telemetry.sessionSpan('s', { tenantId: x ?? '', sessionId: y!, projectName: z! }, () => undefined);
        telemetry.tracerProvider.getTracer(x!, y, z!).startSpan(x!, y, z).end(x);
      }),
      { numRuns: 300 },
    );
    await flushed();
    expect(target.spans.length).toBeGreaterThan(0);
  });
});

describe('a span that is too large', () => {
  it('has its longest texts cut to what fits, and says how many', async () => {
    const { telemetry, delivered } = auditedTelemetry({ batchConfig: { maxSpanBytes: 10_000 } });
    telemetry.span(
      'x',
      { tenantId: 'acme', attributes: { short: 'kept', long: '😀'.repeat(100_000), list: ['y'.repeat(50_000)] } },
      (span) => {
        span.addEvent('event', { text: 'z'.repeat(70_000), note: 'kept' });
      },
    );
    const span = await delivered('x');
    expect(span.attributes.get('short')).toBe('kept');
    expect(span.events[0]!.attributes.get('note')).toBe('kept');
    expect(span.attributes.get('cogniverse.cut_values_count')).toBe(3n);
    const lengths = [
      span.attributes.get('long'),
      (span.attributes.get('list') as string[])[0],
      span.events[0]!.attributes.get('text'),
    ].map((text) => Buffer.byteLength(text as string));
    for (const length of lengths) expect(length).toBeGreaterThan(3000);
    expect(lengths.reduce((sum, length) => sum + length)).toBeLessThan(10_000);
    expect(String(span.attributes.get('long'))).toMatch(/^😀+$/u);
  });

  it('is dropped as span_too_large where texts are not what makes it so', async () => {
    const { telemetry, flushed } = auditedTelemetry({ batchConfig: { maxSpanBytes: 2000 } });
    telemetry.span('x', { tenantId: 'acme' }, (span) => {
      span.setAttribute('bytes', new Uint8Array(1900) as never).setAttribute('text', 'x'.repeat(5000));
    });
    telemetry.span('next', { tenantId: 'acme' }, () => undefined);
    expect((await flushed()).spans.map((span) => span.name)).toEqual(['next']);
    expect(telemetry.getStats().export.total.dropped).toEqual({ span_too_large: 1 });
  });

  it("fits its destination's own bound, whatever its texts are", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'binary', maxLength: 3000 }), { maxLength: 20 }), async (texts) => {
        const { telemetry, delivered } = auditedTelemetry({}, {}, { maxSpanBytes: 1500 });
        telemetry.span('x', { tenantId: 'acme', attributes: { ...texts } }, () => undefined);
        expect((await delivered('x')).attributes.size).toBeGreaterThanOrEqual(3);
      }),
      { numRuns: 50 },
    );
  });
});

it('takes 100,000 attributes, a text of 10 MB and a depth of 10,000 in bounded time', async () => {
  const { telemetry, delivered } = auditedTelemetry();
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`key-${index}`, index]));
  telemetry.span('x', { tenantId: 'acme', attributes: many }, (span) =>
    span.setAttribute('key-1', 'x'.repeat(10_000_000)),
  );
  const span = await delivered('x');
  expect(span.attributes.size).toBe(128 + 3);
  expect(span.droppedAttributesCount).toBe(100_000 - 128);
});
