/** Handles bound to one tenant: nothing else can be named, and `flush()` is the tenant's own. */
import {
  createTelemetry,
  type ExportTarget,
  InvalidNameError,
  ProjectCollisionError,
  type ProviderConfig,
  ProviderRegistry,
  type SessionOptions,
  type SpanOptions,
  TelemetryConfig,
  type TenantTelemetry,
} from '@cogniverse/foundation/telemetry';
import { ManualClock, SENT, startScriptedBackend } from '@cogniverse/foundation/telemetry/testing';
import { trace } from '@opentelemetry/api';
import { describe, expect, expectTypeOf, it, onTestFinished } from 'vitest';
import { auditedTelemetry } from './audited-telemetry.js';
import { asProvider, BareProvider } from './bare-provider.js';

describe('tenant(id)', () => {
  it('binds span, sessionSpan, session, startSpan, run and getTracer to its tenant and project', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
    const acme = telemetry.tenant('acme', { projectName: 'search' });
    expect(acme).toMatchObject({ tenantId: 'acme', projectName: 'search' });
    telemetry.withTenant('globex', () => {
      acme.span('span', () => telemetry.span('inside', () => undefined));
      acme.span('span with options', { attributes: { k: 1 } }, () => undefined);
      acme.sessionSpan('sessionSpan', { sessionId: 's1' }, () => undefined);
      acme.session({ sessionId: 's2' }, () => telemetry.span('session', () => undefined));
      acme.startSpan('startSpan').end();
      acme.run(() => telemetry.span('run', () => undefined));
      acme.getTracer()!.startSpan('getTracer').end();
    });
    await flushed();
    const names = 'inside,span,span with options,sessionSpan,session,startSpan,run,getTracer';
    expect(t.findSpans(({ project }) => project === 'cogniverse-acme-search').map(({ name }) => name)).toEqual(
      names.split(','),
    );
    expect(new Set(t.spans.map(({ tenantId }) => tenantId))).toEqual(new Set(['acme']));
    expect(t.findSpan('sessionSpan').attributes['session.id']).toBe('s1');
    expect(t.findSpan('session').attributes['session.id']).toBe('s2');
  });

  it('goes to the project of a call that names one, and to the tenant as a whole for none', async () => {
    const { t, telemetry, flushed } = auditedTelemetry();
    telemetry.tenant('acme', { projectName: 'search' }).span('x', { projectName: 'billing' }, () => undefined);
    telemetry.tenant('acme').span('y', () => undefined);
    await flushed();
    expect(t.findSpan('x').project).toBe('cogniverse-acme-billing');
    expect(t.findSpan('y').project).toBe('cogniverse-acme-video-search');
  });

  it('refuses names that cannot be used, or that are those of another tenant', () => {
    const { telemetry } = auditedTelemetry();
    telemetry.tenant('a-b', { projectName: 'c' }).span('x', () => undefined);
    expect(() => telemetry.tenant('a/b')).toThrow(InvalidNameError);
    expect(() => telemetry.tenant('acme', { projectName: 'a/b' })).toThrow(InvalidNameError);
    expect(() => telemetry.tenant('a', { projectName: 'b-c' })).toThrow(ProjectCollisionError);
  });

  it("gives the provider of the tenant's project", async () => {
    const registry = new ProviderRegistry();
    registry.register('memory', () => asProvider(new BareProvider()));
    const { telemetry } = auditedTelemetry({ provider: 'memory' }, { registry });
    const provider = (await telemetry.tenant('acme', { projectName: 'search' }).provider()) as unknown as BareProvider;
    expect(provider.config).toMatchObject({ tenantId: 'acme', projectName: 'cogniverse-acme-search' });
    expect(await telemetry.getProvider('acme', 'search')).toBe(provider);
  });
});

describe('the types of a handle', () => {
  it('make it impossible to name another tenant, also through a variable', () => {
    const { telemetry } = auditedTelemetry();
    const acme = telemetry.tenant('acme');
    const named = { tenantId: 'globex', attributes: {} };
    const forManager: SpanOptions = { attributes: {} };
    const session: SessionOptions = { tenantId: 'globex', sessionId: 's' };
    const fn = (): void => undefined;
    // The compiler refuses each of these; what it would let through is seen by the tests of the values below.
    // @ts-expect-error
    acme.span('x', { tenantId: 'globex' }, fn);
    // @ts-expect-error
    acme.span('x', named, fn);
    // @ts-expect-error
    acme.span('x', forManager, fn);
    // @ts-expect-error
    acme.startSpan('x', named);
    // @ts-expect-error
    acme.sessionSpan('x', { tenantId: 'globex', sessionId: 's' }, fn);
    // @ts-expect-error
    acme.sessionSpan('x', { ...named, sessionId: 's' }, fn);
    // @ts-expect-error
    acme.session(session, fn);
    // @ts-expect-error
    acme.getTracer('globex');
    // @ts-expect-error
    const run = () => acme.run('globex', fn);
    // @ts-expect-error
    const score = () => acme.score({ tenantId: 'globex', name: 'x' });
    // @ts-expect-error
    const provider = () => acme.provider('globex');
    // @ts-expect-error
    acme.tenantId = 'globex';
    expect([run, score, provider]).toHaveLength(3);
    expectTypeOf<TenantTelemetry['span']>().returns.toBeUnknown();
    expectTypeOf<Parameters<TenantTelemetry['startSpan']>[1]>().not.toExtend<{ tenantId: string }>();
    expectTypeOf(acme.span('x', { attributes: {} }, async () => 42)).toEqualTypeOf<Promise<number>>();
  });

  it('and a caller without types cannot either', async () => {
    const { telemetry, flushed } = auditedTelemetry();
    const acme = telemetry.tenant('acme');
    const options = { tenantId: 'globex', sessionId: 's' } as never;
    acme.span('span', options, () => undefined);
    acme.sessionSpan('sessionSpan', options, () => undefined);
    acme.session(options, () => telemetry.span('session', () => undefined));
    acme.startSpan('startSpan', options).end();
    await expect(acme.score(options)).rejects.toMatchObject({ code: 'tenant_mismatch' });
    const { spans } = await flushed();
    expect(spans.map(({ name, tenantId }) => `${name} ${tenantId}`)).toEqual([
      'span acme',
      'sessionSpan acme',
      'session acme',
      'startSpan acme',
    ]);
  });
});

describe('flush()', () => {
  it('is true only if every span of the tenant that ended before the call was exported', async () => {
    const answers: ((taken: boolean) => void)[] = [];
    const { telemetry } = auditedTelemetry(
      { batchConfig: { maxExportBatchSize: 1 } },
      {},
      {
        respond: () =>
          new Promise((resolve) => {
            answers.push((taken) =>
              resolve(taken ? SENT : { status: 'failed', reason: 'http_403', error: new Error('refused') }),
            );
          }),
      },
    );
    const acme = telemetry.tenant('acme');
    expect(await acme.flush()).toBe(true);
    for (const [first, second] of [
      [true, true],
      [true, false],
      [false, true],
    ] as const) {
      for (const name of ['1', '2']) acme.span(name, () => undefined);
      const flushed = acme.flush();
      await answered(answers, 2);
      answers.shift()!(first);
      answers.shift()!(second);
      expect(await flushed).toBe(first && second);
    }
    expect(telemetry.audit()).toBeNull();
  });

  it('takes the time given at most', async () => {
    const clock = new ManualClock();
    const { telemetry } = auditedTelemetry({}, { clock }, { respond: () => new Promise(() => undefined) });
    const acme = telemetry.tenant('acme');
    acme.span('x', () => undefined);
    let result: boolean | undefined;
    void acme.flush(3000).then((exported) => {
      result = exported;
    });
    await clock.advance(2999);
    expect(result).toBeUndefined();
    await clock.advance(1);
    expect(result).toBe(false);
  });

  it("is neither false nor slow because of another tenant's dead endpoint, nor for what it holds or still opens", async () => {
    const alive = await startScriptedBackend();
    const dead = await startScriptedBackend({ script: () => ({ fault: 'never' }) });
    onTestFinished(async () => {
      const stopped = telemetry.shutdown(1);
      await clock.advance(1000);
      await Promise.all([stopped, alive.close(), dead.close()]);
    });
    const clock = new ManualClock();
    const telemetry = createTelemetry(
      new TelemetryConfig({ otlpEndpoint: `${alive.httpEndpoint}/v1/traces`, flushOnExit: false }),
      { environment: {}, clock, logger: { warn: () => undefined } },
    );
    const otlpEndpoint = `${dead.httpEndpoint}/v1/traces`;
    telemetry.registerProject({ tenantId: 'globex', projectName: 'video-search', otlpEndpoint });
    const [acme, globex] = [telemetry.tenant('acme'), telemetry.tenant('globex')];
    for (const handle of [globex, acme]) for (const name of ['1', '2', '3']) handle.span(name, () => undefined);
    // A span whose tenant is not known: nobody's.
    const library = telemetry.tracerProvider.getTracer('http');
    library.startActiveSpan('inbound', () => library.startSpan('middleware').end());
    // On a clock that stands still nothing of the dead endpoint is ever given up.
    expect(await acme.flush(1)).toBe(true);
    expect(alive.acceptedSpans).toHaveLength(3);
    let flushed: boolean | undefined;
    const ofGlobex = globex.flush(1000).then((exported) => {
      flushed = exported;
    });
    const ofAll = telemetry.forceFlush(1000);
    await clock.advance(999);
    expect(flushed).toBeUndefined();
    await clock.advance(1);
    await ofGlobex;
    expect(flushed).toBe(false);
    expect(await ofAll).toBe(false);
    expect(telemetry.audit()).toBeNull();
  });

  it("waits for the tenant's own project while its destination is still being opened, and for no other's", async () => {
    const opened = new Map<string, () => void>();
    const registry = new ProviderRegistry();
    const { target } = auditedTelemetry();
    registry.register('slow', () => asProvider(new SlowProvider(opened, target)));
    const telemetry = createTelemetry(
      { provider: 'slow', flushOnExit: false },
      { environment: {}, registry, logger: { warn: () => undefined } },
    );
    const [acme, globex] = [telemetry.tenant('acme'), telemetry.tenant('globex')];
    globex.span('of globex', () => undefined);
    acme.span('of acme', () => undefined);
    await expect.poll(() => [...opened.keys()].sort()).toEqual(['acme', 'globex']);
    expect(telemetry.getStats().export.total.held).toBe(2);
    let done = false;
    const flushed = acme.flush(60_000).then((exported) => {
      done = true;
      return exported;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(done).toBe(false);
    opened.get('acme')!();
    expect(await flushed).toBe(true);
    expect(target.spans.map(({ span }) => span.name)).toEqual(['of acme']);
    opened.get('globex')!();
    expect(await globex.flush()).toBe(true);
    expect(telemetry.audit()).toBeNull();
    await telemetry.shutdown();
  });

  it('is false for spans that no destination takes', async () => {
    const registry = new ProviderRegistry();
    registry.register('broken', () => {
      throw new Error('broken');
    });
    const telemetry = createTelemetry(
      { provider: 'broken', otlpHeaders: { 'not a name': 'x' }, flushOnExit: false },
      { environment: {}, registry, logger: { warn: () => undefined } },
    );
    const acme = telemetry.tenant('acme');
    acme.span('x', () => undefined);
    expect(await acme.flush()).toBe(false);
    expect(await telemetry.forceFlush()).toBe(false);
    expect(await telemetry.tenant('globex').flush()).toBe(true);
    await telemetry.shutdown(10);
    expect(telemetry.audit()).toBeNull();
  });

  it('covers projects that were evicted, and every project of the tenant', async () => {
    const { telemetry, target } = auditedTelemetry({ maxCachedTenants: 1 });
    const open = telemetry.startSpan('open', { tenantId: 'acme' });
    telemetry.span('a', { tenantId: 'acme', projectName: 'one' }, () => undefined);
    telemetry.span('b', { tenantId: 'acme', projectName: 'two' }, () => undefined);
    telemetry.span('other', { tenantId: 'globex' }, () => undefined);
    open.end();
    expect(await telemetry.tenant('acme', { projectName: 'one' }).flush()).toBe(true);
    expect(target.spans.map(({ span }) => span.name)).toEqual(expect.arrayContaining(['a', 'b', 'open']));
  });
});

/** A provider whose loading the test ends. */
class SlowProvider extends BareProvider {
  readonly #opened: Map<string, () => void>;
  readonly #target: ExportTarget;
  constructor(opened: Map<string, () => void>, target: ExportTarget) {
    super();
    this.#opened = opened;
    this.#target = target;
  }
  override initialize({ tenantId }: ProviderConfig): Promise<void> {
    return new Promise((resolve) => this.#opened.set(tenantId, resolve));
  }
  override configureSpanExport(): ExportTarget {
    return this.#target;
  }
}

/** Waits until `count` requests ask for an answer. */
async function answered(answers: readonly unknown[], count: number): Promise<void> {
  await expect.poll(() => answers.length, { interval: 1 }).toBe(count);
}

it('takes the active span from the handle like any other', () => {
  const { telemetry } = auditedTelemetry();
  telemetry.tenant('acme').span('x', (span) => expect(trace.getActiveSpan()).toBe(span));
});
