/** Conditions in SQL against the plain evaluator, over random spans. */
import {
  type ConditionLanguage,
  conditionRows,
  matchesCondition,
  type NewAnnotation,
  parseCondition,
  type TargetedAnnotation,
  type TelemetryStore,
  toSpanRecord,
} from '@cogniverse/foundation/telemetry';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACME, allPages, openStore, request } from '../store/store-fixture.js';
import { RANDOM_CONDITIONS, randomNotes, randomSpans } from './random-conditions.js';

/** Ids that the store finds. */
async function found(store: TelemetryStore, language: ConditionLanguage, condition: string): Promise<string[]> {
  if (language === 'span') {
    const spans = await allPages(store, { project: ACME, condition, limit: 7 });
    return spans.map(({ span }) => span.spanId);
  }
  if (language === 'trace') {
    const { items } = await store.queryTraces({ project: ACME, condition, limit: 1000 });
    return items.map(({ traceId }) => traceId);
  }
  const { items } = await store.listSessions({ project: ACME, condition, limit: 1000 });
  return items.map(({ sessionId }) => sessionId);
}

describe.each(['span', 'trace', 'session'] as const)('a condition on a %s', (language) => {
  it('finds in the store what the plain evaluator finds', { timeout: 120_000 }, async () => {
    const [list] = fc.sample(randomSpans, { numRuns: 1, seed: 7 });
    const [notes] = fc.sample(randomNotes, { numRuns: 1, seed: 7 });
    const store = await openStore();
    // In two requests, so that the order of ingestion is not the order of the ids alone.
    await store.ingest(request(list!.slice(15)));
    await store.ingest(request(list!.slice(0, 15)));
    const stored = await allPages(store, { project: ACME, sort: 'sequence', order: 'asc' });
    // Every third is of a trace, every fourth of a session.
    const targeted = notes!.map(({ span, ...note }, index): TargetedAnnotation => {
      if (index % 4 === 3) return { target: 'session', targetId: span % 2 === 0 ? 'chat' : "o'chat", ...note };
      const { traceId, spanId } = stored[span - 1]!.span;
      return index % 3 === 2
        ? { target: 'trace', targetId: traceId, ...note }
        : { target: 'span', targetId: spanId, ...note };
    });
    const { items: sessions } = await store.listSessions({ project: ACME });
    const there = targeted.filter(
      ({ target, targetId }) => target !== 'session' || sessions.some(({ sessionId }) => sessionId === targetId),
    );
    const unique = new Map(there.map((note) => [`${note.targetId} ${note.name} ${note.identifier}`, note]));
    const annotations = [...unique.values()];
    await store.addAnnotations({
      project: ACME,
      annotations: annotations.map(({ target, targetId, ...note }): NewAnnotation => {
        if (target === 'span') return { spanId: targetId, ...note };
        return target === 'trace' ? { target, traceId: targetId, ...note } : { target, sessionId: targetId, ...note };
      }),
    });
    const rows = conditionRows({ spans: stored.map(toSpanRecord), annotations });
    const expected = (text: string): string[] => {
      const condition = parseCondition(language, text);
      const matches = ({ row }: { row: Parameters<typeof matchesCondition>[1] }) => matchesCondition(condition, row);
      if (language === 'span') return rows.spans.filter(matches).map(({ record }) => record.spanId);
      if (language === 'trace') return rows.traces.filter(matches).map(({ traceId }) => traceId);
      return rows.sessions.filter(matches).map(({ sessionId }) => sessionId);
    };
    let telling = 0;
    await fc.assert(
      fc.asyncProperty(RANDOM_CONDITIONS[language], async (condition) => {
        const ids = expected(condition);
        if (ids.length > 0 && ids.length < rows[`${language}s`].length) telling += 1;
        expect((await found(store, language, condition)).sort()).toEqual(ids.sort());
      }),
      { numRuns: 100 },
    );
    // Conditions of which some rows are true and some are not.
    expect(telling).toBeGreaterThan(0);
  });
});
