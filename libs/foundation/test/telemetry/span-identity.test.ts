import { getTelemetryManager, TelemetryManager } from '@cogniverse/foundation/telemetry';
import { ManualClock } from '@cogniverse/foundation/telemetry/testing';
import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { TelemetryContext } from '../../dist/telemetry/context-keys.js';
import { RandomIdGenerator, SpanClock } from '../../dist/telemetry/span-identity.js';
import { auditedTelemetry } from './audited-telemetry.js';

describe('ids', () => {
  it("are of OpenTelemetry's form, and distinct", () => {
    const ids = new RandomIdGenerator();
    const traces = new Set<string>();
    const spans = new Set<string>();
    for (let index = 0; index < 20_000; index += 1) {
      traces.add(ids.generateTraceId());
      spans.add(ids.generateSpanId());
    }
    expect([traces.size, spans.size]).toEqual([20_000, 20_000]);
    for (const id of traces) expect(id).toMatch(/^[0-9a-f]{32}$/);
    for (const id of spans) expect(id).toMatch(/^[0-9a-f]{16}$/);
  });

  it('can be given, for tests', async () => {
    let next = 0;
    const idGenerator = {
      generateTraceId: () => 'a'.repeat(32),
      generateSpanId: () => {
        next += 1;
        return next.toString(16).padStart(16, '0');
      },
    };
    const { t, telemetry, flushed } = auditedTelemetry({}, { idGenerator });
    telemetry.span('x', { tenantId: 'acme' }, () => telemetry.span('y', () => undefined));
    await flushed();
    expect(t.findSpan('y')).toMatchObject({
      traceId: 'a'.repeat(32),
      spanId: '0000000000000002',
      parentSpanId: '0000000000000001',
    });
  });
});

describe('times', () => {
  it('are nanoseconds since 1970, from every form that OpenTelemetry takes', () => {
    const manual = new ManualClock({ startWallMillis: 1_700_000_000_000 });
    const clock = new SpanClock(manual);
    const anchor = clock.anchor();
    expect(clock.now(anchor)).toBe(1_700_000_000_000_000_000n);
    expect(clock.at([1_700_000_001, 5], anchor)).toBe(1_700_000_001_000_000_005n);
    expect(clock.at(new Date(1_700_000_000_001), anchor)).toBe(1_700_000_000_001_000_000n);
    expect(clock.at(1_700_000_000_000.25, anchor)).toBe(1_700_000_000_000_250_000n);
    for (const odd of [Number.NaN, Infinity, -1, new Date(Number.NaN), [Number.NaN, 0], [1], 'now', null, {}, 1e300]) {
      expect(clock.at(odd as never, anchor)).toBe(clock.now(anchor));
    }
  });

  it("take a number below the process' age as one of performance.now()", async () => {
    const manual = new ManualClock({ startWallMillis: 1_700_000_000_000 });
    const clock = new SpanClock(manual);
    await manual.advance(1000);
    expect(clock.at(250.5, clock.anchor())).toBe(1_700_000_000_250_500_000n);
  });

  it('never run backwards within a trace, however the wall clock jumps; the next trace follows it', async () => {
    const clock = new ManualClock({ startWallMillis: 1_700_000_000_000 });
    const { t, telemetry } = auditedTelemetry({}, { clock });
    const outer = telemetry.startSpan('outer', { tenantId: 'acme' });
    await clock.advance(10);
    clock.wallOffset -= 3_600_000;
    telemetry.withSpan(outer, () => telemetry.span('inner', () => undefined));
    telemetry.span('next', { tenantId: 'acme' }, () => undefined);
    await clock.advance(10);
    outer.end();
    telemetry.startSpan('ends before it starts', { tenantId: 'acme' }).end(1);
    await clock.advance(1000);
    const [outerSpan, inner, next] = ['outer', 'inner', 'next'].map((name) => t.findSpan(name));
    expect(outerSpan!.endTimeUnixNano - outerSpan!.startTimeUnixNano).toBe(20_000_000n);
    expect(inner!.startTimeUnixNano - outerSpan!.startTimeUnixNano).toBe(10_000_000n);
    expect(next!.startTimeUnixNano).toBe(outerSpan!.startTimeUnixNano + 10_000_000n - 3_600_000_000_000n);
    const backwards = t.findSpan('ends before it starts');
    expect(backwards.endTimeUnixNano).toBe(backwards.startTimeUnixNano);
    expect(telemetry.audit()).toBeNull();
  });
});

describe('the context', () => {
  it("behaves as OpenTelemetry's own, whatever is set and deleted", () => {
    const keys = [
      Symbol('a'),
      Symbol('b'),
      ...['OpenTelemetry Context Key SPAN', 'cogniverse.tenant', 'cogniverse.session'].map((name) => Symbol.for(name)),
    ];
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(keys.length - 1), fc.option(fc.nat(5)))), (steps) => {
        let ours = TelemetryContext.of(ROOT_CONTEXT) as typeof ROOT_CONTEXT;
        let theirs = ROOT_CONTEXT;
        for (const [index, value] of steps) {
          const key = keys[index]!;
          ours = value === null ? ours.deleteValue(key) : ours.setValue(key, value);
          theirs = value === null ? theirs.deleteValue(key) : theirs.setValue(key, value);
        }
        for (const key of keys) expect(ours.getValue(key)).toBe(theirs.getValue(key));
      }),
    );
  });

  it('builds no chain where each span starts in the one before', () => {
    const { telemetry } = auditedTelemetry();
    let current = context.active();
    for (let index = 0; index < 10_000; index += 1) {
      context.with(current, () =>
        telemetry.span('tick', { tenantId: 'acme' }, () => {
          current = context.active();
        }),
      );
    }
    // A chain would exhaust the stack, or take quadratic time, here.
    expect(current.getValue(Symbol('none'))).toBeUndefined();
    expect(trace.getSpan(current)?.isRecording()).toBe(false);
  });
});

describe('two managers in one process', () => {
  afterEach(() => TelemetryManager.reset());

  it('each record to their own backend; a tenant in the context holds for both', async () => {
    const [one, two] = [auditedTelemetry(), auditedTelemetry({ serviceName: 'other' })];
    one.telemetry.withTenant('acme', () => {
      two.telemetry.span('in two', (outer) => {
        one.telemetry.span('in one', () => undefined);
        expect(outer.isRecording()).toBe(true);
      });
    });
    const [inOne, inTwo] = [(await one.flushed()).spans, (await two.flushed()).spans];
    expect(inOne.map((span) => [span.name, span.tenantId, span.project])).toEqual([
      ['in one', 'acme', 'cogniverse-acme-video-search'],
    ]);
    expect(inTwo.map((span) => [span.name, span.tenantId, span.project])).toEqual([
      ['in two', 'acme', 'cogniverse-acme-other'],
    ]);
  });

  it('refuses to join one of another major version', () => {
    const globals = globalThis as { [key: symbol]: unknown };
    const key = Symbol.for('cogniverse.telemetry');
    globals[key] = { version: '7.1.0', manager: {} };
    expect(() => getTelemetryManager()).toThrow(/7\.1\.0/);
    const joined = {};
    globals[key] = { version: '0.9.9', manager: joined };
    expect(getTelemetryManager()).toBe(joined);
    globals[key] = undefined;
  });
});
