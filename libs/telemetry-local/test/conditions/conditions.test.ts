/** Conditions in SQL against the plain evaluator, over random spans. */
import {
  type ConditionLanguage,
  conditionRows,
  matchesCondition,
  parseCondition,
  type TargetedAnnotation,
  type TelemetryStore,
  toSpanRecord,
} from '@cogniverse/foundation/telemetry';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACME, allPages, hex, openStore, request } from '../store/store-fixture.js';
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
  throw new Error('no sessions yet');
}

describe.each(['span', 'trace'] as const)('a condition on a %s', (language) => {
  it('finds in the store what the plain evaluator finds', { timeout: 120_000 }, async () => {
    const [list] = fc.sample(randomSpans, { numRuns: 1, seed: 7 });
    const [notes] = fc.sample(randomNotes, { numRuns: 1, seed: 7 });
    const store = await openStore();
    // In two requests, so that the order of ingestion is not the order of the ids alone.
    await store.ingest(request(list!.slice(15)));
    await store.ingest(request(list!.slice(0, 15)));
    const unique = new Map(notes!.map((note) => [`${note.span} ${note.name} ${note.identifier}`, note]));
    const annotations = [...unique.values()].map(({ span, ...note }) => ({ spanId: hex(span, 16), ...note }));
    await store.addAnnotations({ project: ACME, annotations });
    const stored = await allPages(store, { project: ACME, sort: 'sequence', order: 'asc' });
    const rows = conditionRows({
      spans: stored.map(toSpanRecord),
      annotations: annotations.map(
        ({ spanId, ...note }): TargetedAnnotation => ({ target: 'span', targetId: spanId, ...note }),
      ),
    });
    const expected = (text: string): string[] => {
      const condition = parseCondition(language, text);
      const matches = ({ row }: { row: Parameters<typeof matchesCondition>[1] }) => matchesCondition(condition, row);
      if (language === 'span') return rows.spans.filter(matches).map(({ record }) => record.spanId);
      return rows.traces.filter(matches).map(({ traceId }) => traceId);
    };
    let telling = 0;
    await fc.assert(
      fc.asyncProperty(RANDOM_CONDITIONS[language], async (condition) => {
        const ids = expected(condition);
        if (ids.length > 0 && ids.length < (language === 'span' ? 30 : rows.traces.length)) telling += 1;
        expect((await found(store, language, condition)).sort()).toEqual(ids.sort());
      }),
      { numRuns: 150 },
    );
    // Conditions of which some rows are true and some are not.
    expect(telling).toBeGreaterThan(4);
  });
});
