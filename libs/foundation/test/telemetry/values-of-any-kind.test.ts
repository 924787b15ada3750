/** Values of any kind, in any place of any recording call, never throw: the function runs, and every span has its fate. */
import type { Telemetry, TelemetrySpan } from '@cogniverse/foundation/telemetry';
import { context, trace } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { memoryTelemetry } from './memory-telemetry.js';

function throwing(): never {
  throw new Error('trap');
}
const cyclic: Record<string, unknown> = {};
cyclic['self'] = cyclic;
const revocable = Proxy.revocable({}, {});
revocable.revoke();
const VALUES: [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['true', true],
  ['NaN', Number.NaN],
  ['an infinity', Number.NEGATIVE_INFINITY],
  ['a BigInt out of range', 2n ** 200n],
  ['an empty text', ''],
  ['a lone surrogate', '\ud800'],
  ['a NUL', 'a\0b'],
  ['__proto__', '__proto__'],
  ['a text of a million characters', 'x'.repeat(1_000_000)],
  ['a symbol', Symbol('s')],
  ['a function', () => throwing()],
  ['a class', class {}],
  ['a date that is none', new Date(Number.NaN)],
  ['a cycle', cyclic],
  ['an object without prototype', Object.create(null)],
  ['a sparse array', new Array(5)],
  ['bytes', new Uint8Array([1, 2, 3])],
  ['a map', new Map([[{}, Symbol('v')]])],
  ['an error', new Error('e')],
  ['a getter that throws', Object.defineProperty({}, 'spanContext', { enumerable: true, get: throwing })],
  ['a toJSON and a toString that throw', { toJSON: throwing, toString: throwing, [Symbol.toPrimitive]: throwing }],
  ['a proxy that throws', new Proxy({}, { get: throwing, has: throwing, ownKeys: throwing, getPrototypeOf: throwing })],
  ['a revoked proxy', revocable.proxy],
];

let ran = 0;
const fn = (): string => {
  ran += 1;
  return 'ran';
};
/** Each recording call, with the value in each of its places. Those with a function give what it gives. */
/** Runs `fn` after what has no function to give. */
const then = (_done: unknown): string => fn();

const CALLS: [string, (telemetry: Telemetry, value: never) => unknown][] = [
  ['the name of span()', (telemetry, value) => telemetry.span(value, { tenantId: 'acme' }, fn)],
  ['the options of span()', (telemetry, value) => telemetry.span('x', value, fn)],
  ...(['projectName', 'attributes', 'component', 'kind', 'links', 'startTime', 'parent', 'root'] as const).map(
    (option): [string, (telemetry: Telemetry, value: never) => unknown] => [
      `${option} of span()`,
      (telemetry, value) => telemetry.span('x', { tenantId: 'acme', [option]: value }, fn),
    ],
  ),
  ['tenantId of span()', (telemetry, value) => telemetry.span('x', { tenantId: value }, fn)],
  [
    'an attribute of span()',
    (telemetry, value) => telemetry.span('x', { attributes: { key: value, [String('k')]: [value] } }, fn),
  ],
  ['the options of sessionSpan()', (telemetry, value) => telemetry.sessionSpan('x', value, fn)],
  ['sessionId of sessionSpan()', (telemetry, value) => telemetry.sessionSpan('x', { sessionId: value }, fn)],
  ['the options of session()', (telemetry, value) => telemetry.session(value, fn)],
  ['sessionId of session()', (telemetry, value) => telemetry.session({ sessionId: value }, fn)],
  ['tenantId of withTenant()', (telemetry, value) => telemetry.withTenant(value ?? ('' as never), fn)],
  ['projectName of withTenant()', (telemetry, value) => telemetry.withTenant('acme', { projectName: value }, fn)],
  ['the options of withTenant()', (telemetry, value) => telemetry.withTenant('acme', value, fn)],
  ['the span of withSpan()', (telemetry, value) => telemetry.withSpan(value, fn)],
  ["the name of a handle's span()", (telemetry, value) => telemetry.tenant('acme').span(value, {}, fn)],
  [
    "the options of a handle's span()",
    (telemetry, value) => telemetry.tenant('acme').span('x', isFunction(value) ? {} : value, fn),
  ],
  [
    "an attribute of a handle's span()",
    (telemetry, value) => telemetry.tenant('acme').span('x', { attributes: { value } }, fn),
  ],
  [
    "the options of a handle's sessionSpan()",
    (telemetry, value) => telemetry.tenant('acme').sessionSpan('x', value, fn),
  ],
  ["the options of a handle's session()", (telemetry, value) => telemetry.tenant('acme').session(value, fn)],
  [
    "the options of a handle's startSpan()",
    (telemetry, value) => then(telemetry.tenant('acme').startSpan('x', value).end(value)),
  ],
  ['the options of startSpan()', (telemetry, value) => then(telemetry.startSpan('x', value).end())],
  ['getTracer()', (telemetry, value) => then(telemetry.getTracer(value, value)?.startSpan(value, value).end(value))],
  [
    "a library's tracer",
    (telemetry, value) => then(telemetry.tracerProvider.getTracer(value, value).startSpan(value, value, value).end()),
  ],
  ['the calls of a span', (telemetry, value) => telemetry.span('x', (span) => then(everything(span, value)))],
];

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}

function everything(span: TelemetrySpan, value: never): void {
  span.setAttribute(value, value).setAttribute('key', value).setAttributes(value).setAttributes({ key: value });
  span.addEvent(value, value, value).addEvent('event', { key: value }).addLink(value).addLinks(value);
  span.addLinks([value, { context: value }, { context: span.spanContext(), attributes: value }]);
  span.setStatus(value).setStatus({ code: 2, message: value }).updateName(value);
  span.recordException(value, value);
  span.end(value);
  span.setAttribute('late', value).end(value);
}

describe.each(CALLS)('%s', (call, run) => {
  it.each(VALUES)('takes %s', async (_kind, value) => {
    // A function in the place of options is the callback: it is what runs, and what it throws is the caller's.
    if (isFunction(value) && /^the options of (span|withTenant)\(\)/.test(call)) return;
    const { telemetry, flushed, received } = memoryTelemetry();
    const before = ran;
    expect(telemetry.withTenant('acme', () => run(telemetry, value as never))).toBe('ran');
    expect(ran).toBe(before + 1);
    await flushed();
    const { started, ended, exported, dropped } = telemetry.getStats().export.total;
    expect(started).toBe(ended);
    expect(exported).toBe(received.spans.length);
    // A library that gives a context without a tenant has given none.
    const reasons = call === "a library's tracer" ? ['invalid', 'no_tenant'] : ['invalid'];
    expect(Object.keys(dropped).filter((reason) => !reasons.includes(reason))).toEqual([]);
    expect(received.spans.every(({ tenant }) => tenant === 'acme' || tenant === 'true' || tenant === '__proto__')).toBe(
      true,
    );
  });
});

it('and the context of the caller is what it was', () => {
  const { telemetry } = memoryTelemetry();
  for (const [, value] of VALUES)
    telemetry.withTenant('acme', () => telemetry.withSpan(value as never, () => undefined));
  expect(trace.getActiveSpan()).toBeUndefined();
  expect(context.active().getValue(Symbol('x'))).toBeUndefined();
});
