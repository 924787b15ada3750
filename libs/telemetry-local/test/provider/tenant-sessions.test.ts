/** Two tenants with one session id never meet, in what is written and in what is read back. */
import type { SpanRecord } from '@cogniverse/foundation/telemetry';
import { expect, it } from 'vitest';
import { localTelemetry, PLACES } from './local-telemetry.js';

it.each(PLACES)('two tenants with the same session id never meet, with the store %s', async (_place, place) => {
  const telemetry = localTelemetry(await place());
  const tenants = ['acme', 'globex'];
  const library = telemetry.tracerProvider.getTracer('library');
  const turn = (tenantId: string) =>
    telemetry.sessionSpan(`turn of ${tenantId}`, { tenantId, sessionId: 's1' }, async () => {
      await new Promise((resolve) => setImmediate(resolve));
      library.startSpan(`library of ${tenantId}`).end();
      await telemetry.span(`child of ${tenantId}`, async () => {
        // A call for the other tenant in the middle of the session is no part of it.
        const other = tenants.find((tenant) => tenant !== tenantId)!;
        telemetry.span(`aside of ${other}`, { tenantId: other }, () => library.startSpan(`inside of ${other}`).end());
      });
    });
  await Promise.all(tenants.map(turn));
  expect(await telemetry.forceFlush()).toBe(true);
  const traceIds: Set<string>[] = [];
  for (const tenantId of tenants) {
    const { traces } = await telemetry.tenant(tenantId).provider();
    const inSession = await traces.getSpans({ filters: { sessionId: 's1' } });
    const all = await traces.getSpans();
    const names = (spans: readonly SpanRecord[]): string[] => spans.map(({ name }) => name).sort();
    expect(names(inSession)).toEqual(['child', 'library', 'turn'].map((kind) => `${kind} of ${tenantId}`));
    expect(names(all)).toEqual(['aside', 'child', 'inside', 'library', 'turn'].map((kind) => `${kind} of ${tenantId}`));
    expect(all.every((span) => span.tenantId === tenantId)).toBe(true);
    traceIds.push(new Set(all.map(({ traceId }) => traceId)));
  }
  expect([...traceIds[0]!].filter((traceId) => traceIds[1]!.has(traceId))).toEqual([]);
});
