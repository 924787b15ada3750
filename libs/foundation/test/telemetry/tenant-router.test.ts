import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import { MissingTenantError } from '@cogniverse/foundation/telemetry';
import { ManualClock } from '@cogniverse/foundation/telemetry/testing';
import { context, ROOT_CONTEXT, type SpanContext, trace } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { auditedTelemetry } from './audited-telemetry.js';

const REMOTE: SpanContext = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  traceFlags: 1,
  isRemote: true,
};
const INBOUND = 'inbound';

describe('the tenant of a span', () => {
  it("is the call's, else the bound tracer's, else the ambient one, else the parent's", async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
    const library = telemetry.tracerProvider.getTracer('library');
    telemetry.withTenant('ambient', () => {
      telemetry.span('by call', { tenantId: 'called' }, () => undefined);
      telemetry.getTracer('bound')!.startSpan('by tracer').end();
      library.startSpan('by ambience').end();
    });
    const parent = telemetry.startSpan('parent', { tenantId: 'parental' });
    library.startSpan('by parent', {}, trace.setSpan(ROOT_CONTEXT, parent)).end();
    telemetry.startSpan('by parent option', { parent }).end();
    parent.end();
    await flushed();
    expect(Object.fromEntries(t.spans.map((span) => [span.name, span.tenantId]))).toEqual({
      'by call': 'called',
      'by tracer': 'bound',
      'by ambience': 'ambient',
      'by parent': 'parental',
      'by parent option': 'parental',
      parent: 'parental',
    });
  });

  it('cannot be claimed by an attribute', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    telemetry.span(
      'honest',
      { tenantId: 'acme', attributes: { 'tenant.id': 'globex', 'service.name': 'mine' } },
      (span) => {
        span.setAttribute('tenant.id', 'globex');
      },
    );
    const { attributes } = (await flushed()).findSpan('honest');
    expect(attributes).toEqual({
      'service.name': 'mine',
      'tenant.id': 'acme',
      environment: 'development',
    });
  });

  it('is never that of whoever ran before: code that lost its context gets an error', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    const emitter = new EventEmitter();
    let pooled: (() => unknown) | undefined;
    emitter.on('job', () => {
      pooled = () => telemetry.span('in pool', () => undefined);
    });
    const lost = AsyncLocalStorage.snapshot();
    await telemetry.withTenant('acme', async () => {
      emitter.emit('job');
    });
    expect(() => lost(() => pooled!())).toThrow(MissingTenantError);
    expect(() => telemetry.span('after', () => undefined)).toThrow(MissingTenantError);
    await flushed();
  });
});

describe('a span started in the context of another tenant', () => {
  it('begins a new trace: no trace id, parent or link of the other is sent', async () => {
    const { t, telemetry, flushed, delivered } = auditedTelemetry();
    telemetry.span('a', { tenantId: 'acme' }, (a) => {
      telemetry.span('b', { tenantId: 'globex', links: [{ context: a.spanContext() }] }, (b) => {
        b.addLink({ context: a.spanContext() });
        telemetry.span('a again', { tenantId: 'acme', parent: b }, () => undefined);
      });
      telemetry.withTenant('globex', () => telemetry.tracerProvider.getTracer('x').startSpan('library').end());
      const foreign = telemetry.startSpan('explicit', { tenantId: 'globex', parent: a });
      foreign.end();
    });
    await flushed();
    const a = t.findSpan('a');
    for (const name of ['b', 'a again', 'library', 'explicit']) {
      const span = t.findSpan(name);
      expect(span.parentSpanId).toBeUndefined();
      expect(span.traceId).not.toBe(a.traceId);
      expect(span.links).toEqual([]);
    }
    expect((await delivered('b')).droppedLinksCount).toBe(2);
  });

  it('keeps links within one tenant, and trusts foreign ones only as it trusts remote parents', async () => {
    const trusting = auditedTelemetry({ trustRemoteContext: true });
    const strict = auditedTelemetry();
    for (const { telemetry } of [trusting, strict]) {
      const first = telemetry.startSpan('first', { tenantId: 'acme' });
      telemetry
        .startSpan('second', {
          tenantId: 'acme',
          links: [{ context: first.spanContext(), attributes: { why: 'batch' } }, { context: REMOTE }],
        })
        .end();
      first.end();
    }
    const [inTrusting, inStrict] = [await trusting.delivered('second'), await strict.delivered('second')];
    expect(inTrusting.links.map((link) => link.traceId)).toContain(REMOTE.traceId);
    expect(inStrict.links).toHaveLength(1);
    expect(inStrict.links[0]).toMatchObject({ attributes: new Map([['why', 'batch']]), flags: 0x101 });
    expect(inStrict.droppedLinksCount).toBe(1);
  });

  it('continues a remote trace only where the host trusts it', async () => {
    const start = async (config: object, options: object) => {
      const { telemetry, delivered } = auditedTelemetry(config, options);
      const inbound = trace.setSpan(ROOT_CONTEXT, trace.wrapSpanContext(REMOTE));
      context.with(inbound, () => telemetry.span(INBOUND, { tenantId: 'acme' }, () => undefined));
      return delivered(INBOUND);
    };
    expect(await start({}, {})).toMatchObject({ parentSpanId: '' });
    expect(
      await start(
        {},
        {
          trustRemoteContext: () => {
            throw new Error('no');
          },
        },
      ),
    ).toMatchObject({ parentSpanId: '' });
    const continued = { traceId: REMOTE.traceId, parentSpanId: REMOTE.spanId, flags: 0x301 };
    expect(await start({ trustRemoteContext: true }, {})).toMatchObject(continued);
    expect(
      await start({}, { trustRemoteContext: (remote: SpanContext) => remote.spanId === REMOTE.spanId }),
    ).toMatchObject(continued);
  });

  it('counts spans of a trusted trace that was not sampled, and sends none', async () => {
    const { telemetry, flushed } = auditedTelemetry({ trustRemoteContext: true });
    const unsampled = trace.setSpan(ROOT_CONTEXT, trace.wrapSpanContext({ ...REMOTE, traceFlags: 0 }));
    context.with(unsampled, () =>
      telemetry.span('quiet', { tenantId: 'acme' }, (span) => {
        expect(span.isRecording()).toBe(false);
        telemetry.span('inner', () => undefined);
      }),
    );
    expect((await flushed()).spans).toEqual([]);
    expect(telemetry.getStats().export.tenants['acme']).toMatchObject({ ended: 2, unsampled: 2 });
  });
});

describe('a span that starts before its tenant is known', () => {
  it('gets the tenant that withTenant() or span() brings, with what ended before, in one trace and project', async () => {
    for (const assign of ['withTenant', 'span'] as const) {
      const { t, telemetry, flushed } = auditedTelemetry();
      const library = telemetry.tracerProvider.getTracer('http');
      library.startActiveSpan(INBOUND, (inbound) => {
        library.startSpan('middleware 1', { attributes: { 'service.name': 'mine', step: 1 } }).end();
        telemetry.span('middleware 2', () => undefined);
        expect(telemetry.getStats().export.total.held).toBe(2);
        expect(telemetry.audit()).toBeNull();
        // Others' spans in between use the same encoder.
        telemetry.span('unrelated', { tenantId: 'globex', root: true }, () => undefined);
        if (assign === 'span') telemetry.span('handler', { tenantId: 'acme', projectName: 'search' }, () => undefined);
        else telemetry.withTenant('acme', { projectName: 'search' }, () => telemetry.span('handler', () => undefined));
        telemetry.span('another tenant', { tenantId: 'globex' }, () => undefined);
        inbound.end();
      });
      await flushed();
      expect(
        t
          .findSpans(({ project }) => project === 'cogniverse-acme-search')
          .map(({ name }) => name)
          .sort(),
      ).toEqual(['handler', INBOUND, 'middleware 1', 'middleware 2']);
      const acme = t.spans.filter((span) => span.tenantId === 'acme');
      expect(new Set(acme.map((span) => span.traceId)).size).toBe(1);
      expect(t.findSpan('middleware 1').attributes).toEqual({
        'service.name': 'mine',
        step: 1,
        'tenant.id': 'acme',
        environment: 'development',
      });
      expect(t.findSpan('another tenant').traceId).not.toBe(acme[0]!.traceId);
      expect(telemetry.getStats().export.total).toMatchObject({ started: 6, ended: 6, exported: 6, held: 0 });
      expect(telemetry.getStats().export.tenants['acme']).toMatchObject({ started: 4, ended: 4 });
    }
  });

  it('keeps its links to spans of the tenant that it gets, and no others', async () => {
    const { t, telemetry, delivered } = auditedTelemetry();
    const [own, foreign] = ['acme', 'globex'].map((tenantId) => telemetry.startSpan(tenantId, { tenantId }));
    const library = telemetry.tracerProvider.getTracer('http');
    library.startActiveSpan(INBOUND, (inbound) => {
      library
        .startSpan('middleware', { links: [own!, foreign!].map((span) => ({ context: span.spanContext() })) })
        .end();
      telemetry.withTenant('acme', () => undefined);
      inbound.end();
    });
    own!.end();
    foreign!.end();
    const { links, droppedLinksCount } = await delivered('middleware');
    expect(links.map((link) => link.spanId)).toEqual([t.findSpan('acme').spanId]);
    expect(droppedLinksCount).toBe(1);
  });

  it('keeps the tenant once it has one', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    telemetry.tracerProvider.getTracer('http').startActiveSpan(INBOUND, (inbound) => {
      telemetry.withTenant('acme', () => undefined);
      telemetry.withTenant('globex', () => undefined);
      inbound.end();
    });
    expect((await flushed()).findSpan(INBOUND).tenantId).toBe('acme');
  });

  it('is dropped as no_tenant with what it held when it ends without one, or goes to the unassigned tenant', async () => {
    for (const unassignedTenant of [null, 'nobody']) {
      const { t, telemetry, flushed } = auditedTelemetry({ unassignedTenant });
      const library = telemetry.tracerProvider.getTracer('http');
      let late: ReturnType<typeof library.startSpan> | undefined;
      library.startActiveSpan(INBOUND, (inbound) => {
        library.startSpan('middleware').end();
        late = library.startSpan('late');
        inbound.end();
      });
      late!.end();
      await flushed();
      expect(t.spans.map((span) => [span.name, span.tenantId])).toEqual(
        unassignedTenant === null
          ? []
          : [
              ['middleware', 'nobody'],
              [INBOUND, 'nobody'],
              ['late', 'nobody'],
            ],
      );
      expect(telemetry.getStats().export.total.dropped).toEqual(unassignedTenant === null ? { no_tenant: 3 } : {});
    }
  });

  it('waits a bounded time, in a bounded number', async () => {
    const clock = new ManualClock();
    const { telemetry } = auditedTelemetry({ maxHeldSpans: 2, maxHeldMillis: 1000 }, { clock });
    const library = telemetry.tracerProvider.getTracer('http');
    library.startActiveSpan(INBOUND, () => {
      for (const name of ['1', '2', '3']) library.startSpan(name).end();
    });
    expect(telemetry.getStats().export.total).toMatchObject({ held: 2, dropped: { no_tenant: 1 } });
    await clock.advance(1001);
    expect(telemetry.getStats().export.total).toMatchObject({ held: 0, dropped: { no_tenant: 3 } });
    expect(telemetry.audit()).toBeNull();
  });

  it('settles what is held at shutdown; spans that end later are counted as such', async () => {
    const { telemetry, target } = auditedTelemetry();
    const library = telemetry.tracerProvider.getTracer('http');
    const open = telemetry.startSpan('open', { tenantId: 'acme' });
    library.startActiveSpan(INBOUND, () => library.startSpan('held').end());
    telemetry.span('done', { tenantId: 'acme' }, () => undefined);
    await Promise.all([telemetry.shutdown(1000), telemetry.shutdown(1000)]);
    open.end();
    expect(telemetry.span('after', { tenantId: 'acme' }, (span) => span.isRecording())).toBe(false);
    expect(target.spans.map(({ span }) => span.name)).toEqual(['done']);
    expect(telemetry.getStats().export.total.dropped).toEqual({ no_tenant: 1, already_shutdown: 2 });
    expect(telemetry.audit()).toBeNull();
  });
});

describe('live tenants', () => {
  it('are bounded: evicting one loses no span of it, also none that was still open', async () => {
    const { t, telemetry, flushed } = auditedTelemetry({ maxCachedTenants: 2 });
    const open = telemetry.startSpan('open', { tenantId: 't0' });
    for (let tenant = 1; tenant <= 5; tenant += 1) telemetry.span('done', { tenantId: `t${tenant}` }, () => undefined);
    expect(telemetry.getStats()).toMatchObject({ cachedTenants: 2, cacheMisses: 6 });
    telemetry.withSpan(open, () => telemetry.span('child', () => undefined));
    open.end();
    await flushed();
    expect(t.spans.map((span) => span.tenantId).sort()).toEqual(['t0', 't0', 't1', 't2', 't3', 't4', 't5']);
    expect(t.findSpan('child').parentSpanId).toBe(t.findSpan('open').spanId);
  });

  it('leave after the time limit, which a hit renews', async () => {
    const clock = new ManualClock();
    const { telemetry } = auditedTelemetry({ tenantCacheTtlSeconds: 10 }, { clock });
    const use = (tenantId: string) => telemetry.span('use', { tenantId }, () => undefined);
    use('idle');
    use('busy');
    await clock.advance(8000);
    use('busy');
    await clock.advance(8000);
    expect(telemetry.getStats()).toMatchObject({ cachedTenants: 1, cacheHits: 1, cacheMisses: 2 });
    use('busy');
    expect(telemetry.getStats().cacheHits).toBe(2);
    await clock.advance(30_000);
    expect(telemetry.getStats().cachedTenants).toBe(0);
    expect(telemetry.audit()).toBeNull();
  });

  it('have a bounded number of projects; spans of one more are dropped as tenant_limit', async () => {
    const { telemetry, flushed } = auditedTelemetry({ maxProjectsPerTenant: 2 });
    for (const projectName of ['a', 'b', 'c', 'a'])
      telemetry.span('x', { tenantId: 'acme', projectName }, () => undefined);
    telemetry.span('x', { tenantId: 'globex', projectName: 'c' }, () => undefined);
    expect((await flushed()).spans).toHaveLength(4);
    expect(telemetry.getStats().export.tenants['acme']).toMatchObject({
      ended: 4,
      exported: 3,
      dropped: { tenant_limit: 1 },
    });
  });

  it('cannot have projects of the same name: the second is refused, with both named', async () => {
    const { telemetry, flushed, warnings } = auditedTelemetry();
    telemetry.span('first', { tenantId: 'a-b', projectName: 'c' }, () => undefined);
    telemetry.span('second', { tenantId: 'a', projectName: 'b-c' }, () => undefined);
    expect((await flushed()).spans.map((span) => span.name)).toEqual(['first']);
    expect(warnings).toEqual([expect.stringMatching(/"a".*"a-b"/)]);
    expect(() => telemetry.registerProject({ tenantId: 'a', projectName: 'b-c' })).toThrow(/"a".*"a-b"/);
  });

  it('cost no memory that stays, a million distinct ids', { timeout: 60_000 }, async () => {
    const { telemetry, flushed } = auditedTelemetry({ maxCachedTenants: 100 });
    for (let index = 0; index < 20_000; index += 1) {
      telemetry.span('x', { tenantId: `tenant-${index}` }, () => undefined);
      if (index % 2000 === 0) await flushed();
    }
    await flushed();
    const stats = telemetry.getStats();
    expect(stats.export.total.exported).toBe(20_000);
    expect(stats.cachedTenants).toBe(100);
    expect(stats.export.pipeline.projects).toBeLessThanOrEqual(100);
    expect(Object.keys(stats.export.tenants).length).toBeLessThanOrEqual(10_002);
  });
});
