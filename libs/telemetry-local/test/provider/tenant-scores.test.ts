/** `tenant(id).score()`: annotations through the tenant's own provider, over a real store. */
import {
  SpanNotFoundError,
  type Telemetry,
  TelemetryConfig,
  type TenantTelemetry,
} from '@cogniverse/foundation/telemetry';
import { context, trace } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { localTelemetry, PLACES } from './local-telemetry.js';

/** Names and scores of what is written about a span. */
async function scoresOf(handle: TenantTelemetry, spanId: string, project?: string): Promise<unknown[]> {
  const { annotations } = await handle.provider();
  const found = await annotations.getAnnotations({ spans: [spanId], project });
  return found.map(({ name, score, label }) => [name, score ?? label]).sort();
}
const idOf = (span: { spanContext(): { spanId: string } }): string => span.spanContext().spanId;

describe.each(PLACES)('score(), with the store %s,', (_place, place) => {
  it('scores a span that has ended, by the span, its id or its record, without a flush before it', async () => {
    const acme = localTelemetry(await place()).tenant('acme');
    const span = acme.span('answer', (active) => active);
    const id = await acme.score({
      span,
      name: 'helpful',
      label: 'yes',
      explanation: 'because',
      metadata: { by: 'u1' },
      annotatorKind: 'HUMAN',
    });
    const { annotations, traces } = await acme.provider();
    const [record] = await traces.getSpans();
    expect(await annotations.getAnnotations({ spans: [record!] })).toMatchObject([
      { id, spanId: idOf(span), name: 'helpful', label: 'yes', explanation: 'because', metadata: { by: 'u1' } },
    ]);
    await acme.score({ spanId: idOf(span), name: 'grounded', score: 0.5 });
    await acme.score({ span: record, name: 'complete', score: 1 });
    expect(await acme.score({ spanId: idOf(span), name: 'helpful', label: 'no' })).toBe(id);
    expect(await scoresOf(acme, idOf(span))).toEqual([
      ['complete', 1],
      ['grounded', 0.5],
      ['helpful', 'no'],
    ]);
  });

  it('is of the active span without any, written after its end, whatever waits for it', async () => {
    const acme = localTelemetry(await place()).tenant('acme');
    const spans: string[] = [];
    await acme.span('outer', async (outer) => {
      expect(await acme.score({ name: 'of outer', score: 1 })).toBeUndefined();
      await acme.span('inner', async (inner) => {
        await new Promise((resolve) => setImmediate(resolve));
        expect(await acme.score({ name: 'of inner', score: 2 })).toBeUndefined();
        void acme.score({ span: outer, name: 'of outer again', score: 3 });
        spans.push(idOf(outer), idOf(inner));
      });
    });
    expect(await acme.flush()).toBe(true);
    expect(await scoresOf(acme, spans[0]!)).toEqual([
      ['of outer again', 3],
      ['of outer', 1],
    ]);
    expect(await scoresOf(acme, spans[1]!)).toEqual([['of inner', 2]]);
  });

  it("looks for a span in its own project, and for an id in the handle's or the one that is named", async () => {
    const telemetry = localTelemetry(await place());
    const acme = telemetry.tenant('acme', { projectName: 'search' });
    const billed = acme.span('invoice', { projectName: 'billing' }, (span) => span);
    await acme.score({ span: billed, name: 'by span', score: 1 });
    await acme.score({ spanId: idOf(billed), projectName: 'billing', name: 'by id', score: 1 });
    await expect(acme.score({ spanId: idOf(billed), name: 'elsewhere', score: 1 })).rejects.toMatchObject({
      code: 'span_not_found',
    });
    expect(await scoresOf(telemetry.tenant('acme', { projectName: 'billing' }), idOf(billed))).toHaveLength(2);
  });

  it('is in time for shutdown()', async () => {
    const config = await place();
    const telemetry = localTelemetry(config);
    const spanId = telemetry.tenant('acme').span('answer', (span) => {
      void telemetry.tenant('acme').score({ name: 'late', score: 1 });
      return idOf(span);
    });
    await telemetry.shutdown();
    expect(await scoresOf(localTelemetry(config).tenant('acme'), spanId)).toEqual([['late', 1]]);
  });

  it('tells what is wrong by named errors', async () => {
    const telemetry = localTelemetry(await place());
    const [acme, globex] = [telemetry.tenant('acme'), telemetry.tenant('globex')];
    const ofGlobex = globex.span('x', (span) => span);
    await globex.flush();
    const [record] = await (await globex.provider()).traces.getSpans();
    const unassigned = telemetry.tracerProvider.getTracer('http').startSpan('inbound');
    const score = (options: object) => acme.score({ name: 'n', score: 1, ...options });
    const spanId = idOf(ofGlobex);
    const cases: [string, () => Promise<unknown>, RegExp][] = [
      ['span_not_found', () => score({}), /no active span/],
      ['span_not_found', () => score({ spanId: '0123456789abcdef' }), /0123456789abcdef/],
      ['span_not_found', () => score({ spanId }), new RegExp(spanId)],
      ['tenant_mismatch', () => score({ span: ofGlobex }), /"globex".*"acme"/],
      ['tenant_mismatch', () => score({ span: record }), /"globex".*"acme"/],
      ['tenant_mismatch', () => score({ span: unassigned }), /no tenant yet/],
      ['tenant_mismatch', () => globex.span('y', () => score({})), /active span belongs to tenant "globex"/],
      ['invalid_query', () => score({ span: ofGlobex, spanId }), /span or spanId/],
      ['invalid_query', () => score({ spanId, name: '' }), /name/],
      ['invalid_query', () => score({ spanId, score: Number.NaN }), /score/],
      ['invalid_query', () => score({ spanId, annotatorKind: 'ROBOT' }), /annotatorKind.*ROBOT/],
      ['invalid_query', () => score({ spanId, colour: 'red' }), /colour/],
      ['invalid_query', () => score({ span: 7 }), /span/],
      ['invalid_query', () => acme.score(null as never), /object of options/],
      ['invalid_name', () => score({ spanId, projectName: 'a/b' }), /a\/b/],
    ];
    for (const [code, call, message] of cases) {
      const error = await call().then(
        () => 'no error',
        (caught: unknown) => caught,
      );
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    }
  });
});

it('of the active span is no error where the level leaves spans out, or telemetry is off', async () => {
  for (const options of [{ level: 'basic' }, { enabled: false }] as const) {
    const acme = localTelemetry(await PLACES[0]![1](), { config: options }).tenant('acme');
    const score = () => acme.score({ name: 'n', score: 1 });
    expect(await acme.span('x', { component: 'encoder' }, score)).toBeUndefined();
  }
});

it('of a tenant whose spans are switched off is no error', async () => {
  const telemetry = localTelemetry((await PLACES[0]![1]()) as Record<string, unknown>);
  const overrides = new Map([['acme', { enabled: false }]]);
  telemetry.followConfiguration({
    getTelemetryConfig: () => new TelemetryConfig(),
    telemetryOverrides: () => overrides,
    subscribe: () => () => undefined,
  });
  const acme = telemetry.tenant('acme');
  const score = () => acme.score({ name: 'n', score: 1 });
  expect(await acme.span('x', score)).toBeUndefined();
  // Inside of a request that started before its tenant was known.
  const request = telemetry.startRequest({ method: 'GET', headers: {} });
  await request.enter(() => 'acme');
  expect(await request.run(score)).toBeUndefined();
  request.end({ statusCode: 200 });
});

it('is waited for from the call on, while the provider is still loading', async () => {
  const acme = localTelemetry(await PLACES[0]![1]()).tenant('acme');
  const scoring = acme.score({ spanId: '00000000000000aa', name: 'helpful', score: 1 });
  const outcome = expect(scoring).rejects.toThrow(SpanNotFoundError);
  expect(await acme.flush()).toBe(false); // it was not written
  await outcome;
});

it('of a span that is recorded nowhere is written nowhere', async () => {
  const telemetry = localTelemetry((await PLACES[0]![1]()) as Record<string, unknown>);
  const acme = telemetry.tenant('acme');
  await telemetry.withTenant('not/usable', () =>
    telemetry.span('x', async (span) => {
      expect(span.isRecording()).toBe(false);
      expect(await acme.score({ name: 'n', score: 1 })).toBeUndefined();
    }),
  );
  const unsampled = trace.wrapSpanContext({ traceId: '', spanId: '', traceFlags: 0 });
  expect(
    await context.with(trace.setSpan(context.active(), unsampled), () => acme.score({ name: 'n' })),
  ).toBeUndefined();
});

it('that fails after the span has ended is logged, and makes flush() false', async () => {
  const lines: string[] = [];
  const telemetry: Telemetry = localTelemetry(await PLACES[0]![1](), { warn: (line) => lines.push(line) });
  const acme = telemetry.tenant('acme');
  const span = acme.startSpan('x');
  const { annotations } = await acme.provider();
  annotations.addAnnotation = () => Promise.reject(new Error('disk full'));
  for (const name of ['1', '2']) await acme.score({ span, name, score: 1 });
  span.end();
  expect(await acme.flush()).toBe(false);
  expect(lines).toEqual([expect.stringMatching(/A score of tenant "acme" was not written: Error: disk full/)]);
  expect(telemetry.audit()).toBeNull();
});
