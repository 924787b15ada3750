/** Each level with each component: what is recorded, by every call that takes a component. */
import {
  MissingTenantError,
  type SpanOptions,
  type Telemetry,
  TelemetryConfig,
} from '@cogniverse/foundation/telemetry';
import { describe, expect, it } from 'vitest';
import { memoryTelemetry } from './memory-telemetry.js';

const LEVELS = ['disabled', 'basic', 'detailed', 'verbose'] as const;
const RECORDED: Record<(typeof LEVELS)[number], readonly string[]> = {
  disabled: [],
  basic: ['search_service'],
  detailed: ['search_service', 'backend', 'encoder'],
  verbose: ['search_service', 'backend', 'encoder', 'pipeline', 'anything else', 'Search_Service', ''],
};
const COMPONENTS = [...RECORDED.verbose, undefined];

const calls: Record<string, (telemetry: Telemetry, options: SpanOptions) => boolean> = {
  'span()': (telemetry, options) => telemetry.span('x', options, (span) => span.isRecording()),
  'sessionSpan()': (telemetry, options) =>
    telemetry.sessionSpan('x', { ...options, sessionId: 's' }, (span) => span.isRecording()),
  'startSpan()': (telemetry, options) => {
    using span = telemetry.startSpan('x', options);
    return span.isRecording();
  },
  "a handle's span()": (telemetry, { component }) =>
    telemetry.tenant('acme').span('x', { component }, (span) => span.isRecording()),
};

describe.each(LEVELS)('at level %s', (level) => {
  it.each(COMPONENTS)('component %j', async (component) => {
    // A span without a component is switched off by the level DISABLED alone.
    const recorded = component === undefined ? level !== 'disabled' : RECORDED[level].includes(component);
    const { telemetry, flushed } = memoryTelemetry({ level });
    for (const call of Object.values(calls)) {
      expect(call(telemetry, { tenantId: 'acme', component })).toBe(recorded);
    }
    expect((await flushed()).spans).toHaveLength(recorded ? Object.keys(calls).length : 0);
    if (component !== undefined) {
      expect(new TelemetryConfig({ level }).shouldInstrumentLevel(component)).toBe(recorded);
    }
  });

  it('a span that is left out is no parent, and those inside it are children of the one around', async () => {
    const { telemetry, flushed } = memoryTelemetry({ level });
    telemetry.span('outer', { tenantId: 'acme' }, () =>
      telemetry.span('encoder', { component: 'encoder' }, () =>
        telemetry.span('search', { component: 'search_service' }, () => undefined),
      ),
    );
    const received = await flushed();
    const names = received.spans.map(({ name }) => name);
    if (level === 'disabled') expect(names).toEqual([]);
    else {
      const leftOut = level === 'basic';
      expect(names).toEqual(leftOut ? ['search', 'outer'] : ['search', 'encoder', 'outer']);
      const parent = received.named(leftOut ? 'outer' : 'encoder');
      expect(received.named('search').parentSpanId).toBe(parent.spanId);
    }
  });

  it('what runs inside a span that is left out has the tenant and the session that it names, not those around it', async () => {
    const { telemetry, flushed } = memoryTelemetry({ level });
    const inner = async (name: string): Promise<void> => {
      await Promise.resolve();
      telemetry.span(name, () => undefined);
    };
    await telemetry.session({ tenantId: 'acme', sessionId: 'around' }, async () => {
      await telemetry.span('left out', { tenantId: 'globex', component: 'pipeline' }, () => inner('in span'));
      await telemetry.sessionSpan('left out', { tenantId: 'globex', sessionId: 's', component: 'pipeline' }, () =>
        inner('in session'),
      );
    });
    await telemetry.span('left out', { tenantId: 'globex', component: 'pipeline' }, () => inner('nothing around'));
    const { spans } = await flushed();
    const found = spans
      .filter(({ name }) => name !== 'left out')
      .map(({ name, tenant, attributes }) => [name, tenant, attributes.get('session.id')]);
    expect(found).toEqual(
      level === 'disabled'
        ? []
        : [
            ['in span', 'globex', undefined],
            ['in session', 'globex', 's'],
            ['nothing around', 'globex', undefined],
          ],
    );
  });

  it('a call without any tenant is a mistake at every level at which anything is recorded', () => {
    const { telemetry } = memoryTelemetry({ level });
    const call = () => telemetry.span('left out', { component: 'pipeline' }, () => 1);
    if (level === 'disabled') expect(call()).toBe(1);
    else expect(call).toThrow(MissingTenantError);
  });
});
