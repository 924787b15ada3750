/** Sessions: `session.id` on every span inside one, at any depth, whoever starts it; and of one tenant alone. */
import { startScriptedBackend } from '@cogniverse/foundation/telemetry/testing';
import { context, propagation, ROOT_CONTEXT } from '@opentelemetry/api';
import { describe, expect, it, onTestFinished } from 'vitest';
import { memoryTelemetry } from './memory-telemetry.js';
import { runProgram } from './run-program.js';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('has session.id on every span inside a session, those of the http and undici instrumentations included, for two tenants with the same ids', async () => {
  const backend = await startScriptedBackend();
  onTestFinished(() => backend.close());
  const turns = 10;
  const result = await runProgram('session-app.mjs', {
    nodeArgs: ['--import', '@cogniverse/foundation/register'],
    args: [`${backend.httpEndpoint}/v1/traces`, String(turns)],
  });
  expect(result).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(result.stdout)).toEqual({ flushed: true, audit: null });
  const spans = backend.acceptedSpans;
  const roots = spans.filter(({ name }) => name === 'turn');
  expect(roots).toHaveLength(turns * 2);
  for (const root of roots) {
    const tenant = root.attributes.get('tenant');
    const ofTrace = spans.filter(({ traceId }) => traceId === root.traceId);
    expect(ofTrace.map(({ name, kind }) => `${name} ${kind}`).sort()).toEqual(
      ['GET 3', 'GET 3', 'depth 1 1', 'depth 2 1', 'depth 3 1', 'microtask 1', 'next tick 1', 'turn 1'].sort(),
    );
    for (const { attributes } of ofTrace) {
      expect(attributes.get('session.id')).toBe(root.attributes.get('session.id'));
      expect(attributes.get('tenant.id')).toBe(tenant);
    }
  }
  const outside = spans.filter(({ attributes }) => !attributes.has('session.id'));
  expect(outside.map(({ name }) => name).sort()).toEqual(['GET', 'outside']);
});

describe('two tenants with the same session id', () => {
  it('share no trace, and a call for the one inside a session of the other is in no session', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    const library = telemetry.tracerProvider.getTracer('library');
    await Promise.all(
      ['acme', 'globex'].map((tenantId, _index, [first, second]) =>
        telemetry.sessionSpan(`in ${tenantId}`, { tenantId, sessionId: 's' }, async () => {
          await nextTurn();
          library.startSpan(`in ${tenantId}`).end();
          const other = tenantId === first ? second! : first!;
          telemetry.span(`out ${other}`, { tenantId: other }, () => library.startSpan(`out ${other}`).end());
          telemetry.tenant(other).getTracer()!.startSpan(`out ${other}`).end();
        }),
      ),
    );
    const { spans } = await flushed();
    expect(spans).toHaveLength(10);
    const tenantOfTrace = new Map<string, string>();
    for (const { name, tenant, traceId, attributes } of spans) {
      expect(name.endsWith(tenant)).toBe(true);
      expect(attributes.get('session.id')).toBe(name.startsWith('in ') ? 's' : undefined);
      expect(tenantOfTrace.get(traceId) ?? tenant).toBe(tenant);
      tenantOfTrace.set(traceId, tenant);
    }
  });
});

describe('inside a session', () => {
  it('an inner session is its own, and the outer one is back after it; a new root and a given parent stay in it', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    const apart = telemetry.startSpan('apart', { tenantId: 'acme' });
    telemetry.session({ tenantId: 'acme', sessionId: 'outer' }, () => {
      telemetry.session({ sessionId: 'inner' }, () => telemetry.span('in inner', () => undefined));
      telemetry.span('after', () => undefined);
      telemetry.span('root', { root: true }, () => undefined);
      telemetry.span('with parent', { parent: apart }, () => undefined);
      telemetry.span('own value', { attributes: { 'session.id': 'mine' } }, () => undefined);
    });
    apart.end();
    const { spans } = await flushed();
    expect(Object.fromEntries(spans.map(({ name, attributes }) => [name, attributes.get('session.id')]))).toEqual({
      'in inner': 'inner',
      after: 'outer',
      root: 'outer',
      'with parent': 'outer',
      'own value': 'mine',
      apart: undefined,
    });
  });

  it('code that left the context is in no session', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    telemetry.session({ tenantId: 'acme', sessionId: 's' }, () =>
      context.with(ROOT_CONTEXT, () => telemetry.span('x', { tenantId: 'acme' }, () => undefined)),
    );
    expect((await flushed()).named('x').attributes.has('session.id')).toBe(false);
  });

  it('no baggage goes along', () => {
    const { telemetry } = memoryTelemetry();
    telemetry.session({ tenantId: 'acme', sessionId: 's' }, () =>
      expect(propagation.getActiveBaggage()?.getAllEntries() ?? []).toEqual([]),
    );
  });
});

describe('a session id that cannot be used', () => {
  const unusable: [string, unknown][] = [
    ['undefined', undefined],
    ['null', null],
    ['a number', 7],
    ['an empty text', ''],
    ['a text of 1,025 characters', 'x'.repeat(1025)],
    ['an object', { id: 's' }],
    ['a symbol', Symbol('s')],
    ['a revoked proxy', revoked()],
  ];
  it.each(unusable)(
    '%s means no session, not the one around it; the function runs, and it is counted',
    async (_kind, id) => {
      const { telemetry, flushed, warnings } = memoryTelemetry();
      const options = { tenantId: 'acme', sessionId: id as string };
      telemetry.session({ tenantId: 'acme', sessionId: 'outer' }, () => {
        for (const _ of [1, 2]) {
          expect(telemetry.sessionSpan('x', options, () => 'ran')).toBe('ran');
          expect(telemetry.session(options, () => telemetry.span('x', () => 'ran'))).toBe('ran');
        }
      });
      const { spans } = await flushed();
      expect(spans).toHaveLength(4);
      for (const span of spans) expect(span.attributes.has('session.id')).toBe(false);
      expect(telemetry.getStats().ignoredSessionIds).toBe(4);
      expect(warnings).toEqual([expect.stringMatching(/A session id is .*1 to 1024 characters/)]);
    },
  );

  it('and none that was never given: the call of a session without one', async () => {
    const { telemetry, flushed } = memoryTelemetry();
    telemetry.sessionSpan('x', { tenantId: 'acme' } as never, () => undefined);
    expect((await flushed()).named('x').attributes.has('session.id')).toBe(false);
    expect(telemetry.getStats().ignoredSessionIds).toBe(1);
  });
});

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
