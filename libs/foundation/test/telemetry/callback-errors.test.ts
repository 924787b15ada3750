/** Errors in callbacks are recorded once on each span that they pass through, and are thrown on unchanged. */
import type { Telemetry, TelemetrySpan } from '@cogniverse/foundation/telemetry';
import { SpanStatusCode } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { memoryTelemetry } from './memory-telemetry.js';

type Fn = (span: TelemetrySpan) => unknown;
const options = { tenantId: 'acme', sessionId: 's' };
const CALLS: [string, (telemetry: Telemetry, fn: Fn) => unknown][] = [
  ['span()', (telemetry, fn) => telemetry.span('x', { tenantId: 'acme' }, fn)],
  ['sessionSpan()', (telemetry, fn) => telemetry.sessionSpan('x', options, fn)],
  ["a handle's span()", (telemetry, fn) => telemetry.tenant('acme').span('x', fn)],
  ["a handle's sessionSpan()", (telemetry, fn) => telemetry.tenant('acme').sessionSpan('x', { sessionId: 's' }, fn)],
];
const thenable = (error: unknown) => ({
  // biome-ignore lint/suspicious/noThenProperty: a query builder is such an object
  then: (_resolve: unknown, reject: (error: unknown) => void) => reject(error),
});
const FAILURES: [string, (error: unknown) => Fn][] = [
  [
    'a throw',
    (error) => () => {
      throw error;
    },
  ],
  ['a rejected promise', (error) => () => Promise.reject(error)],
  [
    'a throw behind an await',
    (error) => async () => {
      await Promise.resolve();
      throw error;
    },
  ],
  ['a thenable that rejects', (error) => () => thenable(error)],
  [
    'a throw of what the callback recorded itself',
    (error) => (span) => {
      span.recordException(error as Error);
      throw error;
    },
  ],
];
const hostile = new Proxy(new Error('hidden'), {
  get() {
    throw new Error('trap');
  },
  getPrototypeOf() {
    throw new Error('trap');
  },
});
const THROWN: [string, unknown][] = [
  ['an error', new TypeError('no such index')],
  ['a frozen error', Object.freeze(new Error('frozen'))],
  ['an error without a stack', Object.assign(new Error('bare'), { stack: undefined })],
  ['a text', 'text'],
  ['a number', 7],
  ['null', null],
  ['undefined', undefined],
  ['a symbol', Symbol('s')],
  ['an object without prototype', Object.create(null)],
  ['a proxy that throws when it is read', hostile],
];

/** What a call ends with, however it does. */
async function outcome(call: () => unknown): Promise<{ thrown: unknown } | undefined> {
  try {
    await call();
    return undefined;
  } catch (thrown) {
    return { thrown };
  }
}

describe.each(CALLS)('%s', (_call, call) => {
  describe.each(FAILURES)('with %s', (_failure, failing) => {
    it.each(THROWN)('of %s', async (_kind, thrown) => {
      const { telemetry, flushed } = memoryTelemetry();
      const result = await outcome(() => call(telemetry, failing(thrown)));
      expect(Object.is(result?.thrown, thrown)).toBe(true);
      expect(result).toBeDefined();
      const { events, status } = (await flushed()).named('x');
      expect(status.code).toBe(SpanStatusCode.ERROR);
      expect(events.map(({ name }) => name)).toEqual(['exception']);
    });
  });
});

it('is on each span that it passes through, once a span, and on none beside them', async () => {
  const { telemetry, flushed } = memoryTelemetry();
  const error = new Error('deep');
  const nested = async (): Promise<void> => {
    telemetry.span('sibling', () => undefined);
    await telemetry.span('inner', async () => {
      await telemetry.span('innermost', () => Promise.reject(error));
    });
  };
  await expect(telemetry.span('outer', { tenantId: 'acme' }, nested)).rejects.toBe(error);
  await telemetry.span('caught', { tenantId: 'acme' }, () =>
    telemetry.span('thrower', () => Promise.reject(error)).catch(() => undefined),
  );
  const { spans } = await flushed();
  expect(Object.fromEntries(spans.map(({ name, events, status }) => [name, [events.length, status.code]]))).toEqual({
    sibling: [0, SpanStatusCode.UNSET],
    innermost: [1, SpanStatusCode.ERROR],
    inner: [1, SpanStatusCode.ERROR],
    outer: [1, SpanStatusCode.ERROR],
    thrower: [1, SpanStatusCode.ERROR],
    caught: [0, SpanStatusCode.UNSET],
  });
});

it('is recorded once also where the callback recorded another one after it', async () => {
  const { telemetry, flushed } = memoryTelemetry();
  const error = new Error('thrown');
  const failing = (span: TelemetrySpan): never => {
    span.recordException(error);
    span.recordException(new Error('of the clean-up'));
    throw error;
  };
  expect(() => telemetry.span('x', { tenantId: 'acme' }, failing)).toThrow(error);
  const messages = (await flushed()).named('x').events.map(({ attributes }) => attributes.get('exception.message'));
  expect(messages).toEqual(['thrown', 'of the clean-up']);
});

it('leaves a status that the callback set to OK, and the errors of withSpan(), session() and withTenant() to the spans in them', async () => {
  const { telemetry, flushed } = memoryTelemetry();
  const error = new Error('x');
  const fail = (): never => {
    throw error;
  };
  const inOkSpan = () =>
    telemetry.span('ok', { tenantId: 'acme' }, (span) => {
      span.setStatus({ code: SpanStatusCode.OK });
      return fail();
    });
  expect(inOkSpan).toThrow(error);
  const open = telemetry.startSpan('open', { tenantId: 'acme' });
  expect(() => telemetry.withSpan(open, fail)).toThrow(error);
  expect(() => telemetry.session(options, fail)).toThrow(error);
  expect(() => telemetry.withTenant('acme', fail)).toThrow(error);
  open.end();
  const received = await flushed();
  expect(received.named('ok')).toMatchObject({ status: { code: SpanStatusCode.OK }, events: [{ name: 'exception' }] });
  expect(received.named('open')).toMatchObject({ status: { code: SpanStatusCode.UNSET }, events: [] });
});
