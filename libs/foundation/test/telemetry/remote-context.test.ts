/** W3C trace context and baggage, in and out: what is trusted, and what crosses no border between tenants. */
import { type RemoteTrust, TenantRequiredError } from '@cogniverse/foundation/telemetry';
import { context, defaultTextMapGetter, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryTelemetry } from './memory-telemetry.js';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';
const traceparent = `00-${traceId}-${spanId}-01`;
const headers = { traceparent, tracestate: 'vendor=1', baggage: 'shop=book' };

const withBaggage = <T>(entries: Record<string, string>, fn: () => T): T => {
  const baggage = propagation.createBaggage(
    Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, { value }])),
  );
  return context.with(propagation.setBaggage(context.active(), baggage), fn);
};
const baggageNow = () =>
  propagation
    .getActiveBaggage()
    ?.getAllEntries()
    .map(([key, { value }]) => `${key}=${value}`);

describe('extract', () => {
  it('begins a new trace and takes no baggage over by default: nothing remote is trusted', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    const seen = telemetry.extract(headers, () => {
      telemetry.span('search', { tenantId: 'acme' }, () => undefined);
      return baggageNow();
    });
    expect(seen).toBeUndefined();
    const search = (await flushed()).named('search');
    expect(search.traceId).not.toBe(traceId);
    expect(search.parentSpanId).toBe('');
  });

  it.each<[string, RemoteTrust, boolean]>([
    ['true', true, true],
    ['false', false, false],
    ['a predicate over the remote span', (remote) => remote?.traceId === traceId && remote.isRemote === true, true],
    ['a predicate that denies', () => false, false],
    [
      'a predicate that throws',
      () => {
        throw new Error('no list');
      },
      false,
    ],
  ])('trusts by %s', async (_what, trust, isTrusted) => {
    const { telemetry, flushed } = memoryTelemetry();
    telemetry.extract(headers, { trust }, () => {
      telemetry.span('search', { tenantId: 'acme' }, () => {
        expect(baggageNow()).toEqual(isTrusted ? ['shop=book'] : undefined);
      });
    });
    const search = (await flushed()).named('search');
    expect(search.traceId === traceId).toBe(isTrusted);
    expect(search.parentSpanId).toBe(isTrusted ? spanId : '');
    expect(search.traceState).toBe(isTrusted ? 'vendor=1' : '');
  });

  it("trusts as the manager's policy says where the call says nothing, and baggage with its trace only", () => {
    const { telemetry } = memoryTelemetry({}, { trustRemoteContext: (remote) => remote.traceId === traceId });
    expect(telemetry.extract(headers, baggageNow)).toEqual(['shop=book']);
    expect(
      telemetry.extract({ ...headers, traceparent: traceparent.replace('0af', '0bf') }, baggageNow),
    ).toBeUndefined();
    expect(telemetry.extract({ baggage: 'shop=book' }, baggageNow)).toBeUndefined();
    expect(telemetry.extract({ baggage: 'shop=book' }, { trust: true }, baggageNow)).toEqual(['shop=book']);
    const asked: unknown[] = [];
    telemetry.extract({ baggage: 'shop=book' }, { trust: (remote) => asked.push(remote) > 1 }, () => undefined);
    expect(asked).toEqual([undefined]);
  });

  it('never overrides an explicit tenant, whatever the headers and the baggage say', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    const lying = {
      ...headers,
      'x-tenant': 'globex',
      baggage: 'tenant.id=globex,session.id=theirs,Tenant.ID=globex,shop=book',
    };
    telemetry.session({ tenantId: 'acme', sessionId: 'ours' }, () => {
      telemetry.extract(lying, { trust: true }, () => {
        expect(baggageNow()).toEqual(['shop=book']);
        telemetry.span('ambient', () => undefined);
        telemetry.span('own', { tenantId: 'initech' }, () => undefined);
      });
    });
    telemetry.span('around', { tenantId: 'acme' }, () => {
      telemetry.extract(lying, { trust: true }, () => telemetry.span('inside', () => undefined));
    });
    expect(() => telemetry.extract(lying, { trust: true }, () => telemetry.span('none', () => undefined))).toThrow(
      /no tenant/,
    );
    const received = await flushed();
    expect(received.named('ambient')).toMatchObject({ tenant: 'acme', traceId, parentSpanId: spanId });
    expect(received.named('ambient').attributes.get('session.id')).toBe('ours');
    expect(received.named('inside')).toMatchObject({ tenant: 'acme', traceId });
    const own = received.named('own');
    expect(own).toMatchObject({ tenant: 'initech', parentSpanId: '' });
    expect(own.traceId).not.toBe(traceId);
  });

  it('reads headers of any kind, whatever their case', () => {
    const { telemetry } = memoryTelemetry();
    const upper = { TraceParent: traceparent, Baggage: ['a=1', 'b=2'] };
    for (const carrier of [
      headers,
      upper,
      new Headers(headers),
      new Map(Object.entries(upper)),
      { ...headers, traceparent: [traceparent] },
    ]) {
      const remote = telemetry.extract(carrier, { trust: true }, () => trace.getSpanContext(context.active()));
      expect(remote).toMatchObject({ traceId, spanId, isRemote: true });
    }
    expect(telemetry.extract(upper, { trust: true }, baggageNow)).toEqual(['a=1', 'b=2']);
  });

  it.each([
    ['of another length', `${traceparent}0`],
    ['of version ff', traceparent.replace('00-', 'ff-')],
    ['of ids of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
    ['in capitals', traceparent.toUpperCase()],
    ['of 100 kB', `${traceparent}-${'x'.repeat(100_000)}`],
    ['that came twice, joined', `${traceparent}, ${traceparent}`],
    ['that came twice, as a list', [traceparent, traceparent.replace('0af', '0bf')]],
    ['that is no text', 42],
    ['that is junk', '\u0000\ud800--%%'],
  ])('ignores a traceparent %s', (_what, malformed) => {
    const { telemetry } = memoryTelemetry();
    const remote = telemetry.extract({ traceparent: malformed }, { trust: true }, () =>
      trace.getSpanContext(context.active()),
    );
    expect(remote).toBeUndefined();
  });

  it('bounds baggage, and leaves out of it what is malformed', () => {
    const { telemetry } = memoryTelemetry();
    const long = Array.from({ length: 2000 }, (_, index) => `key${index}=${'v'.repeat(20)}`).join(',');
    expect(long.length).toBeGreaterThan(8192 * 4);
    const taken = telemetry.extract({ baggage: long }, { trust: true }, () => baggageNow())!;
    expect(taken.length).toBeLessThanOrEqual(180);
    expect(taken.join(',').length).toBeLessThanOrEqual(8192);
    const odd = 'a=1,=2,b,%zz=3,c=%E0%A4%A,__proto__=x,d=4;p=1';
    expect(telemetry.extract({ baggage: odd }, { trust: true }, () => baggageNow())).toEqual(
      expect.arrayContaining(['a=1', 'd=4']),
    );
  });

  it('never throws, and always runs the function, whatever it is given', () => {
    const { telemetry } = memoryTelemetry();
    const throwing = new Proxy(
      {},
      {
        get: () => {
          throw new Error('read');
        },
        ownKeys: () => {
          throw new Error('keys');
        },
      },
    );
    for (const carrier of [
      null,
      undefined,
      7,
      'text',
      [],
      throwing,
      { get: () => throwing, set: 1 },
      Object.freeze({}),
    ]) {
      expect(telemetry.extract(carrier as object, { trust: true }, () => 42)).toBe(42);
      expect(() =>
        telemetry.withTenant('acme', () => telemetry.span('search', () => telemetry.inject(carrier as object))),
      ).not.toThrow();
    }
    fc.assert(
      fc.property(fc.anything(), fc.anything(), fc.anything(), (parent, state, baggage) => {
        const carrier = { traceparent: parent, tracestate: state, baggage };
        expect(telemetry.extract(carrier, { trust: true }, () => 42)).toBe(42);
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (state, baggage) => {
        const carrier = { traceparent, tracestate: state, baggage };
        expect(
          telemetry.extract(carrier, { trust: true }, () => telemetry.span('s', { tenantId: 'acme' }, () => 42)),
        ).toBe(42);
      }),
    );
  });
});

describe('inject', () => {
  it('writes the active span and the baggage of the application', () => {
    const { telemetry } = memoryTelemetry();
    telemetry.span('search', { tenantId: 'acme' }, (span) => {
      const own = span.spanContext();
      withBaggage({ shop: 'book' }, () => {
        expect(telemetry.inject({ accept: '*/*' })).toEqual({
          accept: '*/*',
          traceparent: `00-${own.traceId}-${own.spanId}-01`,
          baggage: 'shop=book',
        });
        expect(Object.fromEntries(telemetry.inject(new Headers()))).toEqual(telemetry.inject());
        expect(Object.fromEntries(telemetry.inject(new Map<string, string>()))).toEqual(telemetry.inject());
      });
    });
    expect(telemetry.inject()).toEqual({});
  });

  it('never tells the tenant or the session: not of its own, and not in baggage of that name', () => {
    const { telemetry } = memoryTelemetry();
    telemetry.sessionSpan('search', { tenantId: 'acme-corp', sessionId: 'secret-session' }, () => {
      withBaggage({ 'tenant.id': 'acme-corp', 'session.id': 'secret-session', shop: 'book' }, () => {
        const written = telemetry.inject();
        expect(written['baggage']).toBe('shop=book');
        expect(JSON.stringify(written)).not.toMatch(/acme-corp|secret-session|tenant|session/);
      });
    });
  });

  it('writes nothing of one tenant where another is active', () => {
    const { telemetry } = memoryTelemetry();
    telemetry.span('outer', { tenantId: 'acme' }, (outer) => {
      withBaggage({ shop: 'book' }, () => {
        telemetry.withTenant('globex', () => expect(telemetry.inject()).toEqual({}));
        telemetry.withTenant('no/tenant', () => expect(telemetry.inject()).toEqual({}));
        telemetry.span('inner', { tenantId: 'globex' }, (inner) => {
          const written = telemetry.inject();
          expect(written).toEqual({ traceparent: expect.stringContaining(inner.spanContext().traceId) });
          expect(JSON.stringify(written)).not.toContain(outer.spanContext().traceId);
        });
      });
      // A span of another tenant made active by hand, past the manager.
      telemetry.withTenant('globex', () =>
        context.with(trace.setSpan(context.active(), outer), () => expect(telemetry.inject()).toEqual({})),
      );
    });
  });

  it('takes out what the headers held before: those of a request that is passed on', () => {
    const { telemetry } = memoryTelemetry();
    const incoming = { Traceparent: traceparent, tracestate: 'a=1', baggage: 'tenant.id=globex', accept: '*/*' };
    expect(telemetry.inject({ ...incoming })).toEqual({ accept: '*/*' });
    expect(Object.fromEntries(telemetry.inject(new Headers(incoming)))).toEqual({ accept: '*/*' });
  });

  it('passes a remote trace on only where it is trusted', () => {
    const { telemetry } = memoryTelemetry();
    const remote = trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: 1, isRemote: true });
    expect(context.with(remote, () => telemetry.inject())).toEqual({});
    expect(telemetry.extract(headers, { trust: true }, () => telemetry.inject())).toEqual(headers);
  });

  it('and extract give the same trace back, in random interleavings of tenants', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    const tenant = fc.constantFrom('acme', 'globex', 'initech');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(tenant, tenant), { minLength: 1, maxLength: 8 }), async (hops) => {
        await Promise.all(
          hops.map(async ([from, to]) => {
            const carried = await telemetry.span(`from ${from}`, { tenantId: from }, async () => {
              await new Promise((resolve) => setImmediate(resolve));
              return withBaggage({ of: from }, () => telemetry.withTenant(to, () => telemetry.inject()));
            });
            expect(carried['baggage']).toBe(from === to ? `of=${from}` : undefined);
            expect('traceparent' in carried).toBe(from === to);
            telemetry.extract(carried, { trust: true }, () =>
              telemetry.span(`to ${to}`, { tenantId: to }, () => undefined),
            );
          }),
        );
      }),
      { numRuns: 50 },
    );
    const { spans } = await flushed();
    const tenantOfTrace = new Map(spans.map((span) => [span.traceId, span.tenant]));
    for (const span of spans) expect(tenantOfTrace.get(span.traceId)).toBe(span.tenant);
  });
});

describe('the propagator', () => {
  it("is OpenTelemetry's own interface over the same policy", () => {
    const { telemetry } = memoryTelemetry({ trustRemoteContext: true });
    const extracted = telemetry.propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
    expect(trace.getSpanContext(extracted)).toMatchObject({ traceId, spanId });
    expect(propagation.getBaggage(extracted)?.getEntry('shop')?.value).toBe('book');
    expect(telemetry.propagator.fields()).toEqual(['traceparent', 'tracestate', 'baggage']);
    const distrustful = memoryTelemetry().telemetry;
    expect(distrustful.propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter)).toBe(ROOT_CONTEXT);
  });

  it('is the one of the process with asGlobal, until the manager is shut down', async () => {
    const { telemetry } = memoryTelemetry({}, { asGlobal: true });
    telemetry.span('search', { tenantId: 'acme' }, () => {
      const carrier = {};
      propagation.inject(context.active(), carrier);
      expect(carrier).toEqual(telemetry.inject());
      telemetry.withTenant('globex', () => {
        const empty = {};
        propagation.inject(context.active(), empty);
        expect(empty).toEqual({});
      });
    });
    await telemetry.shutdown();
    expect(propagation.fields()).toEqual([]);
  });
});

it('a request without tenant is told as an error that each framework understands', async () => {
  const error = new TenantRequiredError();
  expect(error).toMatchObject({ code: 'tenant_required', status: 400, statusCode: 400 });
  const response = error.getResponse();
  expect([response.status, await response.text()]).toEqual([400, error.message]);
});
