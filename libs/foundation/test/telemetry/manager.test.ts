import {
  InvalidNameError,
  MissingTenantError,
  TelemetryConfig,
  TelemetryManager,
} from '@cogniverse/foundation/telemetry';
import { context, propagation, SpanKind, trace } from '@opentelemetry/api';
import { afterEach, describe, expect, it } from 'vitest';
import { auditedTelemetry } from './audited-telemetry.js';

describe('span()', () => {
  it('records a span with the default attributes, in the project of the tenant and its service', async () => {
    const { t, telemetry, delivered } = auditedTelemetry();
    expect(
      telemetry.span('search', { tenantId: 'acme', attributes: { query: 'cats', top_k: 10, none: null } }, () => 42),
    ).toBe(42);
    const span = t.findSpan('search');
    expect(span.project).toBe('cogniverse-acme-video-search');
    expect(span.attributes).toEqual({
      query: 'cats',
      top_k: 10,
      'tenant.id': 'acme',
      'service.name': 'video-search',
      environment: 'development',
    });
    expect(await delivered('search')).toMatchObject({
      kind: 1,
      parentSpanId: '',
      flags: 0x101,
      status: { code: 0, message: '' },
    });
    expect(span.endTimeUnixNano).toBeGreaterThanOrEqual(span.startTimeUnixNano);
    expect(Number(span.startTimeUnixNano / 1_000_000n)).toBeGreaterThan(Date.now() - 60_000);
    expect(telemetry.getStats()).toMatchObject({ cachedTenants: 1, cacheMisses: 1, failedInitializations: 0 });
    expect(telemetry.getStats().export.tenants['acme']).toMatchObject({ started: 1, ended: 1, exported: 1 });
  });

  it('makes one trace of nested spans, across await', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
    await telemetry.span('outer', { tenantId: 'acme' }, async () => {
      await Promise.resolve();
      await telemetry.span('inner', async () => telemetry.span('innermost', () => undefined));
    });
    await flushed();
    const [outer, inner, innermost] = ['outer', 'inner', 'innermost'].map((name) => t.findSpan(name));
    expect(inner!.parentSpanId).toBe(outer!.spanId);
    expect(innermost!.parentSpanId).toBe(inner!.spanId);
    expect(new Set(t.spans.map((span) => span.traceId)).size).toBe(1);
  });

  it('records what the callback throws once, sets the status, and throws it on unchanged', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
    const error = new TypeError('no such index');
    expect(() =>
      telemetry.span('sync', { tenantId: 'acme' }, () => {
        throw error;
      }),
    ).toThrow(error);
    await expect(
      telemetry.span('async', { tenantId: 'acme' }, async (span) => {
        span.recordException(error);
        throw error;
      }),
    ).rejects.toBe(error);
    await flushed();
    for (const name of ['sync', 'async']) {
      const { events, statusCode, statusMessage } = t.findSpan(name);
      expect([statusCode, statusMessage]).toEqual(['ERROR', 'no such index']);
      expect(events.map((event) => event.name)).toEqual(['exception']);
      expect(events[0]!.attributes['exception.type']).toBe('TypeError');
      expect(events[0]!.attributes['exception.message']).toBe('no such index');
      expect(events[0]!.attributes['exception.stacktrace']).toContain('manager.test');
    }
  });

  it('throws on whatever was thrown, also what is no error', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error('trap');
        },
        getPrototypeOf: () => {
          throw new Error('trap');
        },
      },
    );
    for (const thrown of [undefined, null, 'text', 7, Symbol('s'), Object.create(null), hostile]) {
      await expect(
        telemetry.span('failing', { tenantId: 'acme' }, async () => {
          throw thrown;
        }),
      ).rejects.toBe(thrown);
    }
    expect((await flushed()).spans.every((span) => span.statusCode === 'ERROR')).toBe(true);
  });

  it('gives the value of a thenable, and runs a lazy one once', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    let runs = 0;
    const lazy = {
      // biome-ignore lint/suspicious/noThenProperty: a query builder is such an object
      then: (resolve: (rows: string[]) => void) => {
        runs += 1;
        resolve(['row']);
      },
    };
    expect(await telemetry.span('query', { tenantId: 'acme' }, () => lazy)).toEqual(['row']);
    expect(runs).toBe(1);
    await flushed();
  });

  it('throws MissingTenantError without any tenant, and uses the default tenant where that is configured', async () => {
    const strict = auditedTelemetry();
    expect(() => strict.telemetry.span('lost', () => 1)).toThrow(MissingTenantError);
    expect(() => strict.telemetry.startSpan('lost')).toThrow(MissingTenantError);
    const lenient = auditedTelemetry({ fallbackToDefaultTenant: true });
    lenient.telemetry.span('lost', () => 1);
    expect((await lenient.flushed()).findSpan('lost').tenantId).toBe('default');
  });

  it('never throws on a tenant id that cannot be used: the function runs, the span is counted invalid, one line is logged', async () => {
    const { telemetry, flushed, warnings } = auditedTelemetry();
    telemetry.withTenant('acme', () => {
      for (const tenantId of ['../etc', '', 'a/b', 'x'.repeat(200), 17 as unknown as string]) {
        for (const _ of [1, 2]) {
          expect(
            telemetry.span('bad', { tenantId }, (span) => {
              // Nothing inside is recorded for the tenant around it.
              telemetry.span('inner', () => undefined);
              return span.isRecording();
            }),
          ).toBe(false);
        }
      }
    });
    expect((await flushed()).spans).toEqual([]);
    expect(warnings).toHaveLength(5);
    expect(telemetry.getStats().export.total.dropped).toEqual({ invalid: 20 });
    expect(() => telemetry.tenant('a/b')).toThrow(InvalidNameError);
    expect(() => telemetry.registerProject({ tenantId: 'a/b', projectName: 'x' })).toThrow(InvalidNameError);
    await expect(telemetry.getProvider('a/b')).rejects.toThrow(InvalidNameError);
  });

  it('runs the function with a span that does nothing when telemetry is off, or the level leaves the component out', async () => {
    for (const config of [{ enabled: false }, { level: 'disabled' }, { otlpEnabled: false }] as const) {
      const { telemetry, flushed } = auditedTelemetry(config);
      expect(telemetry.span('off', { tenantId: 'acme' }, (span) => span.isRecording())).toBe(false);
      telemetry.tracerProvider.getTracer('http').startSpan('off').end();
      expect(telemetry.getTracer('acme')).toBeUndefined();
      expect((await flushed()).spans).toEqual([]);
      expect(telemetry.getStats().export.total.ended).toBe(0);
    }
    const { telemetry, flushed } = auditedTelemetry({ level: 'basic' });
    telemetry.span('encode', { tenantId: 'acme', component: 'encoder' }, () => undefined);
    telemetry.span('search', { tenantId: 'acme', component: 'search_service' }, () => undefined);
    telemetry.span('plain', { tenantId: 'acme' }, () => undefined);
    expect((await flushed()).spans.map((span) => span.name)).toEqual(['search', 'plain']);
  });

  it('takes project names as suffixes or in full, and keeps the ambient project for calls that name no tenant', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
    telemetry.span('a', { tenantId: 'acme', projectName: 'search' }, () => telemetry.span('a.child', () => undefined));
    telemetry.span('b', { tenantId: 'acme', projectName: 'cogniverse-acme-search' }, () => undefined);
    telemetry.withTenant('acme', () => telemetry.span('c', { projectName: 'other' }, () => undefined));
    telemetry.getTracer('acme')!.startSpan('d').end();
    await flushed();
    expect(t.findSpans(({ project }) => project === 'cogniverse-acme-search').map(({ name }) => name)).toEqual([
      'a.child',
      'a',
      'b',
    ]);
    expect(t.findSpans(({ project }) => project === 'cogniverse-acme-other').map(({ name }) => name)).toEqual(['c']);
    expect(t.findSpans(({ project }) => project === 'cogniverse-acme').map(({ name }) => name)).toEqual(['d']);
  });
});

describe('startSpan() and withSpan()', () => {
  it('ends a span with its block, and makes it active on request only', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
    {
      using span = telemetry.startSpan('manual', {
        tenantId: 'acme',
        kind: SpanKind.CLIENT,
        startTime: new Date(1_700_000_000_000),
      });
      expect(trace.getActiveSpan()).toBeUndefined();
      telemetry.withSpan(span, () => telemetry.span('child', () => undefined));
    }
    await flushed();
    expect(t.findSpan('manual')).toMatchObject({ kind: 'CLIENT', startTimeUnixNano: 1_700_000_000_000_000_000n });
    expect(t.findSpan('child').parentSpanId).toBe(t.findSpan('manual').spanId);
  });
});

describe('sessions', () => {
  it('put session.id on every span inside, at any depth and across await, and on none outside', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
    await telemetry.sessionSpan('turn', { tenantId: 'acme', sessionId: 's1' }, async () => {
      await new Promise<void>((resolve) => setImmediate(resolve));
      telemetry.tracerProvider.getTracer('lib').startActiveSpan('lib', (span) => {
        telemetry.span('deep', { tenantId: 'acme' }, () => undefined);
        span.end();
      });
      telemetry.span('other tenant', { tenantId: 'globex' }, () => undefined);
    });
    telemetry.session({ tenantId: 'acme', sessionId: 's2', projectName: 'chat' }, () =>
      telemetry.span('in session', () => undefined),
    );
    telemetry.span('outside', { tenantId: 'acme' }, () => undefined);
    await flushed();
    const sessions = Object.fromEntries(t.spans.map((span) => [span.name, span.attributes['session.id']]));
    expect(sessions).toEqual({
      turn: 's1',
      lib: 's1',
      deep: 's1',
      'other tenant': undefined,
      'in session': 's2',
      outside: undefined,
    });
    expect(t.findSpan('in session').project).toBe('cogniverse-acme-chat');
  });
});

describe('tenant()', () => {
  it('gives a handle with the tenant filled in', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    const acme = telemetry.tenant('acme', { projectName: 'search' });
    acme.span('by handle', () => telemetry.span('inside', () => undefined));
    acme.run(() => telemetry.span('by run', () => undefined));
    acme.startSpan('started').end();
    expect(
      (await flushed()).findSpans(({ project }) => project === 'cogniverse-acme-search').map(({ name }) => name),
    ).toEqual(['inside', 'by handle', 'by run', 'started']);
  });
});

describe('the singleton', () => {
  afterEach(() => TelemetryManager.reset());

  it('is one object; a second, different configuration is ignored with one line that names the fields', () => {
    expect(() => new TelemetryManager()).toThrow(/getTelemetryManager/);
    const warnings: string[] = [];
    const options = { environment: {}, logger: { warn: (message: string) => warnings.push(message) } };
    const first = new TelemetryManager(new TelemetryConfig({ serviceName: 'one' }), options);
    expect(new TelemetryManager()).toBe(first);
    expect(new TelemetryManager(new TelemetryConfig({ serviceName: 'one' }), options)).toBe(first);
    expect(warnings).toEqual([]);
    expect(new TelemetryManager(new TelemetryConfig({ serviceName: 'two' }), options)).toBe(first);
    expect(first.config.serviceName).toBe('one');
    expect(warnings).toEqual([expect.stringContaining('serviceName')]);
  });
});

it('keeps no baggage of one tenant in the context of another', () => {
  const { telemetry } = auditedTelemetry();
  telemetry.withTenant('acme', () => {
    const withBaggage = propagation.setBaggage(context.active(), propagation.createBaggage({ secret: { value: 'x' } }));
    context.with(withBaggage, () => {
      telemetry.withTenant('acme', () => expect(propagation.getActiveBaggage()?.getEntry('secret')?.value).toBe('x'));
      telemetry.withTenant('globex', () => expect(propagation.getActiveBaggage()).toBeUndefined());
    });
  });
});

describe('a call whose options are of no use', () => {
  const unreadable = new Proxy(
    {},
    {
      get: () => {
        throw new Error('get');
      },
      has: () => {
        throw new Error('has');
      },
      getPrototypeOf: () => {
        throw new Error('getPrototypeOf');
      },
      ownKeys: () => {
        throw new Error('ownKeys');
      },
    },
  );

  it('records the span as if a parent that is no span were not there', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    for (const parent of ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 7, Number.NaN, Symbol('parent')]) {
      expect(telemetry.span('child', { tenantId: 'acme', parent: parent as never }, () => 'ran')).toBe('ran');
    }
    expect((await flushed()).spans).toHaveLength(4);
  });

  it('runs the function without a span, counted invalid, where reading them throws', async () => {
    const { telemetry, flushed, warnings } = auditedTelemetry();
    const options = unreadable as never;
    const ran: string[] = [];
    telemetry.span('span', options, () => ran.push('span'));
    telemetry.span('parent', { tenantId: 'acme', parent: options }, () => ran.push('parent'));
    telemetry.sessionSpan('sessionSpan', options, () => ran.push('sessionSpan'));
    telemetry.session(options, () => ran.push('session'));
    telemetry.startSpan('startSpan', options).end();
    telemetry.withSpan(options, () => ran.push('withSpan'));
    telemetry.tenant('acme').span('handle', options, () => ran.push('handle'));
    telemetry.tenant('acme').span('no options', null as never, () => ran.push('no options'));
    expect(ran).toEqual(['span', 'parent', 'sessionSpan', 'session', 'withSpan', 'handle', 'no options']);
    expect((await flushed()).spans.map(({ name }) => name)).toEqual(['handle', 'no options']);
    expect(telemetry.getStats().export.total.dropped).toEqual({ invalid: 5 }); // session() makes no span
    expect(warnings).toHaveLength(1);
  });

  it('records nothing inside such a call for the tenant around it: whose it is nobody knows', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    const options = unreadable as never;
    const inner = (): void => telemetry.span('inner', () => undefined);
    telemetry.withTenant('acme', () => {
      telemetry.span('span', options, inner);
      telemetry.sessionSpan('sessionSpan', options, inner);
      telemetry.session(options, inner);
      telemetry.span('after', () => undefined);
    });
    expect((await flushed()).spans.map(({ name }) => name)).toEqual(['after']);
  });

  it('takes a primitive for no options at all', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    telemetry.withTenant('acme', () => {
      for (const options of [5, 'text', true, null, undefined])
        telemetry.span('span', options as never, () => undefined);
    });
    expect((await flushed()).spans).toHaveLength(5);
  });

  it('gives back what the function returns, also what throws when it is touched', () => {
    const { telemetry } = auditedTelemetry();
    expect(
      Object.is(
        telemetry.span('span', { tenantId: 'acme' }, () => unreadable),
        unreadable,
      ),
    ).toBe(true);
  });

  it('does not run through links that are no list: an iterator may have no end', async () => {
    const { telemetry, delivered } = auditedTelemetry();
    function* endless() {
      while (true) yield { context: 'none' };
    }
    telemetry.span('span', { tenantId: 'acme', links: endless() as never }, (span) => span.addLinks('text' as never));
    expect(await delivered('span')).toMatchObject({ links: [], droppedLinksCount: 2 });
  });
});

it('refuses a registration with an option that does not exist, or of another type, and registers nothing', () => {
  const { telemetry } = auditedTelemetry();
  const project = { tenantId: 'acme', projectName: 'search' };
  for (const [registration, message] of [
    [{ ...project, otlpEndpont: 'http://127.0.0.1:4318' }, /otlpEndpont/],
    [{ ...project, useSyncExport: 'no' }, /useSyncExport = "no"/],
    [{ ...project, otlpHeaders: { key: 5 } }, /otlpHeaders.key = 5/],
    [undefined, /registerProject\(\) takes an object/],
  ] as const) {
    expect(() => telemetry.registerProject(registration as never)).toThrow(message);
  }
});
