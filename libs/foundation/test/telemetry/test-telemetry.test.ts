/** `createTestTelemetry()`: what a test sees of the code that it tests. */
import { strict as assert } from 'node:assert';
import { getTelemetryManager, registry, TelemetryManager } from '@cogniverse/foundation/telemetry';
import { createTestTelemetry, ManualClock, memoryTarget } from '@cogniverse/foundation/telemetry/testing';
import { context } from '@opentelemetry/api';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';

describe('a test telemetry', () => {
  it('shows a span as soon as it has ended, as a backend will read it', () => {
    const t = createTestTelemetry();
    t.telemetry.span('search', { tenantId: 'acme', attributes: { query: 'x', top_k: 10 } }, (span) => {
      span.addEvent('found', { hits: 3 });
      expect(t.spans).toEqual([]);
    });
    const span = t.findSpan('search');
    assert.deepStrictEqual(span.attributes, {
      query: 'x',
      top_k: 10,
      'tenant.id': 'acme',
      'service.name': 'video-search',
      environment: 'development',
    });
    expect(span).toMatchObject({
      tenantId: 'acme',
      project: 'cogniverse-acme-video-search',
      kind: 'INTERNAL',
      statusCode: 'UNSET',
      parentSpanId: undefined,
      resource: { 'openinference.project.name': 'cogniverse-acme-video-search', 'tenant.id': 'acme' },
      scope: { name: '@cogniverse/foundation' },
    });
    assert.deepStrictEqual(span.events[0]!.attributes, { hits: 3 });
    expect(JSON.parse(JSON.stringify(span))).toMatchObject({ startTimeUnixNano: String(span.startTimeUnixNano) });
  });

  it('keeps the order of ending, and shows what a backend got', async () => {
    const target = memoryTarget();
    const t = createTestTelemetry({ exportTarget: () => target });
    await t.telemetry.span('outer', { tenantId: 'acme' }, async () => {
      await t.telemetry.span('first', async () => undefined);
      t.telemetry.span('second', () => undefined);
    });
    expect(t.spans.map(({ name }) => name)).toEqual(['first', 'second', 'outer']);
    expect(await t.telemetry.forceFlush()).toBe(true);
    expect(target.spans.map(({ span }) => span.spanId)).toEqual(t.spans.map(({ spanId }) => spanId));
    expect(t.audit()).toBeNull();
    expect(t.telemetry.getStats().export.total).toMatchObject({ started: 3, exported: 3 });
  });

  it('records every component, and takes any configuration', () => {
    const t = createTestTelemetry({ config: { serviceName: 'rank', environment: 'ci' } });
    t.telemetry.span('fuse', { tenantId: 'acme', component: 'fusion' }, () => undefined);
    expect(t.findSpan('fuse')).toMatchObject({ project: 'cogniverse-acme-rank', attributes: { environment: 'ci' } });
    const basic = createTestTelemetry({ config: { level: 'basic' } });
    basic.telemetry.span('fuse', { tenantId: 'acme', component: 'fusion' }, () => undefined);
    expect(basic.spans).toEqual([]);
  });

  it('reads no environment variable of the process', () => {
    process.env['TELEMETRY_ENABLED'] = 'false';
    onTestFinished(() => void delete process.env['TELEMETRY_ENABLED']);
    const t = createTestTelemetry();
    t.telemetry.span('search', { tenantId: 'acme' }, () => undefined);
    expect(t.spans).toHaveLength(1);
    const disabled = createTestTelemetry({ environment: { TELEMETRY_ENABLED: 'false' } });
    disabled.telemetry.span('search', { tenantId: 'acme' }, () => undefined);
    expect(disabled.spans).toEqual([]);
  });

  it('shows spans of instrumentation once their tenant is known', () => {
    const t = createTestTelemetry();
    const request = t.telemetry.tracerProvider.getTracer('http').startSpan('GET /search');
    t.telemetry.withSpan(request, () => t.telemetry.withTenant('acme', () => undefined));
    request.end();
    expect(t.findSpan('GET /search')).toMatchObject({ tenantId: 'acme', scope: { name: 'http' } });
  });

  it('shows nothing that ends after the shutdown', async () => {
    const t = createTestTelemetry();
    const late = t.telemetry.startSpan('late', { tenantId: 'acme' });
    await t.shutdown();
    late.end();
    expect(t.spans).toEqual([]);
  });

  it('keeps what the manager logs', () => {
    const t = createTestTelemetry();
    t.telemetry.span('search', { tenantId: '../acme' }, () => undefined);
    expect(t.warnings).toEqual([expect.stringContaining('"../acme" cannot be used')]);
  });

  it('does not keep those that have ended among the open ones', () => {
    const t = createTestTelemetry({ config: { batchConfig: { maxQueueSize: 1_000_000 } } });
    const leak = t.telemetry.startSpan('leak', { tenantId: 'acme' });
    for (let index = 0; index < 5000; index += 1) t.telemetry.startSpan('short', { tenantId: 'acme' }).end();
    expect(() => t.expectNoOpenSpans()).toThrow(/^1 span is still open:\n {2}"leak"/);
    leak.end();
    t.expectNoOpenSpans();
  });
});

describe('finding spans', () => {
  const t = createTestTelemetry();
  afterEach(() => t.reset());
  const record = (name: string, tenantId: string) => t.telemetry.span(name, { tenantId }, () => undefined);

  it('names what there is when there is none of the name', () => {
    expect(() => t.findSpan('search')).toThrow('No span named "search" has ended. None has.');
    for (const name of ['encode', 'encode', 'rank']) record(name, 'acme');
    const open = t.telemetry.startSpan('search', { tenantId: 'acme' });
    const found = () => t.findSpan('search');
    expect(found).toThrow('No span named "search" has ended. Ended: "encode" (2 times), "rank". Still open: "search".');
    expect(found).toThrow(assert.AssertionError);
    open.end();
    expect(t.findSpan('search').name).toBe('search');
  });

  it('says where they are when there are several, and takes a function that tells them apart', () => {
    for (const tenant of ['acme', 'globex', 'globex']) record('search', tenant);
    expect(() => t.findSpan('search')).toThrow(
      '3 spans named "search" have ended, of tenant acme in cogniverse-acme-video-search, tenant globex in cogniverse-globex-video-search (2 times).',
    );
    expect(t.findSpan((span) => span.tenantId === 'acme').name).toBe('search');
    expect(t.findSpans('search')).toHaveLength(3);
    expect(t.findSpans((span) => span.tenantId === 'globex')).toHaveLength(2);
    expect(t.findSpans('rank')).toEqual([]);
  });
});

describe('trees', () => {
  it('show what called what, siblings in the order of starting', async () => {
    const t = createTestTelemetry({ deterministic: true });
    await t.telemetry
      .span('search', { tenantId: 'acme' }, async () => {
        const slow = t.telemetry.span('encode', async () => t.clock.advance(20));
        const fast = t.telemetry.span('lookup', async () => t.telemetry.span('cache', () => undefined));
        await Promise.all([slow, fast]);
        t.telemetry.span('backend', () => {
          throw new Error('index is gone');
        });
      })
      .catch(() => undefined);
    t.telemetry.span('ping', { tenantId: 'globex' }, () => undefined);
    expect(t.spans.map(({ name }) => name)).toEqual(['cache', 'lookup', 'encode', 'backend', 'search', 'ping']);
    const { traceId } = t.findSpan('search');
    expect(t.tree(traceId)).toMatchObject([
      {
        name: 'search',
        durationMillis: 20,
        children: [
          { name: 'encode', durationMillis: 20, children: [] },
          { name: 'lookup', children: [{ name: 'cache', children: [] }] },
          { name: 'backend', statusCode: 'ERROR', children: [] },
        ],
      },
    ]);
    expect(t.treeText(traceId)).toBe(
      ['search [acme] ✗ index is gone', '├─ encode', '├─ lookup', '│  └─ cache', '└─ backend ✗ index is gone'].join(
        '\n',
      ),
    );
    expect(t.treeText()).toMatch(/\nping \[globex\]$/);
    expect(JSON.parse(JSON.stringify(t.tree(traceId)))[0].children[1].children[0].name).toBe('cache');
    expect(() => t.tree('f'.repeat(32))).toThrow(/^No span of trace f+ has ended\. Traces: 0+1, 0+2\.$/);
  });

  it('say where a parent is missing', () => {
    const t = createTestTelemetry({ config: { trustRemoteContext: true } });
    const outer = t.telemetry.startSpan('outer', { tenantId: 'acme' });
    t.telemetry.startSpan('inner', { tenantId: 'acme', parent: outer }).end();
    const remote = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1, isRemote: true };
    t.telemetry.startSpan('handler', { tenantId: 'acme', parent: remote }).end();
    expect(t.treeText()).toBe('inner [acme] (parent still open)\nhandler [acme] (parent elsewhere)');
  });
});

describe('a deterministic one', () => {
  const run = async (t = createTestTelemetry({ deterministic: true })) => {
    await t.telemetry.span('search', { tenantId: 'acme' }, async (span) => {
      await t.clock.advance(5);
      t.telemetry.span('encode', () => t.clock.tick(7));
      span.addEvent('done');
    });
    return t;
  };

  it('counts ids from 1, and time moves when it is told to', async () => {
    const t = await run();
    const start = BigInt(Date.UTC(2026, 0, 1)) * 1_000_000n;
    expect(t.findSpan('search')).toMatchObject({
      traceId: `${'0'.repeat(31)}1`,
      spanId: `${'0'.repeat(15)}1`,
      startTimeUnixNano: start,
      durationMillis: 12,
      events: [{ name: 'done', timeUnixNano: start + 12_000_000n }],
    });
    expect(t.findSpan('encode')).toMatchObject({
      spanId: `${'0'.repeat(15)}2`,
      startTimeUnixNano: start + 5_000_000n,
      durationMillis: 7,
    });
  });

  it('gives the same spans each time, after a reset too', async () => {
    const t = await run();
    const first = JSON.stringify(t.spans);
    expect(JSON.stringify((await run()).spans)).toBe(first);
    t.reset();
    expect(t.spans).toEqual([]);
    expect(JSON.stringify((await run(t)).spans)).toBe(first);
  });

  it('gives no id twice when a span is open at a reset, and does not show that span', async () => {
    const t = createTestTelemetry({ deterministic: true });
    const left = t.telemetry.startSpan('left over', { tenantId: 'acme' });
    t.reset();
    t.telemetry.span('search', { tenantId: 'acme' }, () => undefined);
    left.end();
    expect(t.spans.map(({ name }) => name)).toEqual(['search']);
    expect(t.findSpan('search').spanId).not.toBe(left.spanContext().spanId);
  });

  it('is the one whose clock can be moved, unless a clock was given', () => {
    expect(() => createTestTelemetry().clock).toThrow('createTestTelemetry({ deterministic: true })');
    const clock = new ManualClock();
    expect(createTestTelemetry({ clock }).clock).toBe(clock);
  });
});

describe('expectNoOpenSpans()', () => {
  it('names the spans left open, their tenants, and the line that started them', () => {
    const t = createTestTelemetry();
    const leakyFunction = () => t.telemetry.startSpan('leak', { tenantId: 'acme' });
    leakyFunction();
    t.telemetry.tenant('globex').startSpan('handle');
    t.telemetry.tracerProvider.getTracer('http').startSpan('GET /');
    const check = () => t.expectNoOpenSpans();
    expect(check).toThrow(assert.AssertionError);
    expect(check).toThrow(
      /^3 spans are still open:\n {2}"leak" of tenant acme, started at leakyFunction \(.*test-telemetry\.test\.ts:\d+:\d+\)\n {2}"handle" of tenant globex, started at .*test-telemetry\.test\.ts:\d+:\d+\n {2}"GET \/" of no tenant, started at .*test-telemetry\.test\.ts/,
    );
    t.reset();
    t.expectNoOpenSpans();
  });

  it('passes when every span has ended', () => {
    const t = createTestTelemetry();
    t.telemetry.span('search', { tenantId: 'acme' }, () => t.telemetry.startSpan('inner').end());
    t.expectNoOpenSpans();
  });
});

describe('as the manager of the process', () => {
  it('is what getTelemetryManager() gives, until its shutdown', async () => {
    const real = new TelemetryManager({ otlpEnabled: false }, { environment: {} });
    onTestFinished(() => TelemetryManager.reset());
    const t = createTestTelemetry({ asProcessManager: true });
    getTelemetryManager().span('search', { tenantId: 'acme' }, () => undefined);
    new TelemetryManager().span('rank', { tenantId: 'acme' }, () => undefined);
    expect(t.spans.map(({ name }) => name)).toEqual(['search', 'rank']);
    await t.shutdown();
    expect(getTelemetryManager()).toBe(real);
  });

  it('is alone', async () => {
    const t = createTestTelemetry({ asProcessManager: true });
    expect(() => createTestTelemetry({ asProcessManager: true })).toThrow(/await its shutdown\(\) first/);
    await t.shutdown();
    await createTestTelemetry({ asProcessManager: true }).shutdown();
  });

  it('gives its place up where the code under test resets the manager', async () => {
    const t = createTestTelemetry({ asProcessManager: true });
    await TelemetryManager.reset();
    const own = new TelemetryManager({ otlpEnabled: false }, { environment: {} });
    await t.shutdown();
    expect(getTelemetryManager()).toBe(own);
    await TelemetryManager.reset();
  });

  it('ends with its block', async () => {
    let inside: unknown;
    {
      await using t = createTestTelemetry({ asProcessManager: true });
      inside = t.telemetry;
      expect(getTelemetryManager()).toBe(inside);
    }
    {
      using t = createTestTelemetry({ asProcessManager: true });
      expect(getTelemetryManager()).toBe(t.telemetry);
    }
    const t = createTestTelemetry({ asProcessManager: true });
    expect(getTelemetryManager()).not.toBe(inside);
    await t.shutdown();
  });
});

it('leaves the context of OpenTelemetry as it is', () => {
  const before = context.active();
  createTestTelemetry().telemetry.span('search', { tenantId: 'acme' }, () => undefined);
  expect(context.active()).toBe(before);
});

it('takes no provider of the application by itself: neither reading nor a score reaches a network', async () => {
  registry.register('of-the-application', () => {
    throw new Error('asked');
  });
  try {
    const t = createTestTelemetry();
    const acme = t.telemetry.tenant('acme');
    const none = {
      name: 'ProviderNotFoundError',
      message: expect.stringMatching(/^A test telemetry has .* no provider/),
    };
    await expect(acme.provider()).rejects.toMatchObject(none);
    await expect(
      acme.score({ spanId: 'b7ad6b7169203331', name: 'good', score: 1, annotatorKind: 'CODE' }),
    ).rejects.toMatchObject(none);
    const named = createTestTelemetry({ config: { provider: 'of-the-application' } });
    await expect(named.telemetry.getProvider('acme')).rejects.toThrow('could not be created: asked');
  } finally {
    registry.unregister('of-the-application');
  }
});
