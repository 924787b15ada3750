/** Annotations against a map from what they are replaced by to what they say: over all targets, three tenants, deletions and a restart. */
import type { Annotation, NewAnnotation } from '@cogniverse/foundation/telemetry';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openStore, request, resourceOf, span, temporaryDirectory } from './store-fixture.js';

const TENANTS = ['acme', 'globex', null] as const;
/** Two traces of two sessions; each span lists two documents. The same ids for every tenant. */
const SPANS = [0, 1, 5, 6].map((n) =>
  span(n, {
    attributes: new Map([
      ['session.id', n < 5 ? 'talk' : "o'brien\u0000é"],
      ['retrieval.documents.0.document.content', 'one'],
      ['retrieval.documents.1.document.content', 'two'],
    ]) as never,
  }),
);

const anySpanId = fc.constantFrom(...SPANS.map(({ spanId }) => spanId));
const target = fc.oneof(
  anySpanId.map((spanId) => ({ spanId })), // a target of its own is not needed for a span
  anySpanId.map((spanId) => ({ target: 'span' as const, spanId: spanId.toUpperCase() })),
  fc.constantFrom(SPANS[0]!, SPANS[2]!).map(({ traceId }) => ({ target: 'trace' as const, traceId })),
  fc.constantFrom('talk', "o'brien\u0000é").map((sessionId) => ({ target: 'session' as const, sessionId })),
  fc
    .tuple(anySpanId, fc.nat(1))
    .map(([spanId, documentPosition]) => ({ target: 'document' as const, spanId, documentPosition })),
);
// Few values for what annotations are replaced by, any for what they say.
const text = fc.option(fc.string({ unit: 'grapheme', maxLength: 8 }), { nil: null });
const annotation: fc.Arbitrary<NewAnnotation> = fc
  .tuple(
    target,
    fc.record(
      {
        name: fc.constantFrom('relevance', 'Relevance', ':', '__proto__'),
        identifier: fc.constantFrom('', 'a', 'relevance:a'),
        annotatorKind: fc.constantFrom('HUMAN', 'LLM', 'CODE'),
        label: text,
        score: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }), { nil: null }),
        explanation: text,
        metadata: fc.dictionary(fc.constantFrom('k', 'é', 'constructor'), fc.oneof(fc.integer(), fc.boolean())),
      },
      { requiredKeys: ['name'] },
    ),
  )
  .map(([of, said]) => ({ ...of, ...said }) as NewAnnotation);
const tenantIndex = fc.nat(TENANTS.length - 1);
const annotations = fc.array(annotation, { maxLength: 6 });
const step = fc.oneof(
  {
    weight: 6,
    // One list a tenant, all at once: they may meet in one statement.
    arbitrary: fc.record({ kind: fc.constant('add' as const), lists: fc.tuple(annotations, annotations, annotations) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('delete' as const),
      tenant: tenantIndex,
      name: fc.constantFrom('relevance', ':'),
      target: fc.option(fc.constantFrom('span', 'trace', 'session', 'document'), { nil: undefined }),
    }),
  },
);

type Said = Omit<Annotation, 'id' | 'createdAt' | 'updatedAt'>;

/** What the store must say of it. */
function expected(tenant: number, added: NewAnnotation): { key: string; said: Said } {
  const { annotatorKind = 'HUMAN', label = null, score = null, explanation = null, metadata = {}, ...rest } = added;
  const { name, identifier = '', ...of } = { target: 'span' as const, ...rest };
  const place = 'spanId' in of ? { ...of, spanId: of.spanId.toLowerCase() } : of;
  const key = JSON.stringify([tenant, Object.entries(place).sort(), name, identifier]);
  return {
    key,
    said: { ...place, name, identifier, annotatorKind, label, score, explanation, metadata } as Said,
  };
}

it('annotations are replaced as the entries of a map are, and keep their id, their place and their time of creation', {
  timeout: 60_000,
}, async () => {
  const dataDir = temporaryDirectory();
  let store = await openStore({ dataDir });
  let runs = 0;
  const run = async (steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[]) => {
    const projects = TENANTS.map((tenantId) => ({ tenantId, name: `run ${runs}` }));
    runs += 1;
    for (const project of projects) await store.ingest(request(SPANS, resourceOf(project)));
    const naive = new Map<string, { said: Said; id: string }>();
    const created = new Map<string, string>();
    const ofTenant = (tenant: number) =>
      [...naive].filter(([key]) => (JSON.parse(key) as [tenant: number])[0] === tenant);
    const check = async () => {
      for (const [tenant, project] of projects.entries()) {
        const { items } = await store.listAnnotations({ project });
        expect(items.map(({ createdAt: _, updatedAt: __, id, ...said }) => ({ said, id }))).toEqual(
          ofTenant(tenant).map(([, one]) => one),
        );
        for (const { id, createdAt, updatedAt } of items) {
          expect(createdAt <= updatedAt).toBe(true);
          expect(created.get(id) ?? createdAt).toBe(createdAt);
          created.set(id, createdAt);
        }
      }
      expect(new Set([...naive.values()].map(({ id }) => id)).size).toBe(naive.size);
    };
    for (const taken of steps) {
      if (taken.kind === 'delete') {
        const { name, target: of, tenant } = taken;
        const gone = ofTenant(tenant).filter(
          ([, { said }]) => said.name === name && (of === undefined || said.target === of),
        );
        const selection = { project: projects[tenant]!, name, target: of, deleteAll: true };
        expect(await store.deleteAnnotations(selection)).toBe(gone.length);
        for (const [key, { id }] of gone) {
          naive.delete(key);
          created.delete(id);
        }
      } else {
        const ids = await Promise.all(
          taken.lists.map((list, tenant) => store.addAnnotations({ project: projects[tenant]!, annotations: list })),
        );
        for (const [tenant, list] of taken.lists.entries()) {
          for (const [index, added] of list.entries()) {
            const { key, said } = expected(tenant, added);
            const id = ids[tenant]![index]!;
            expect(naive.get(key)?.id ?? id).toBe(id);
            // A map keeps the place of an entry that is set again.
            naive.set(key, { said, id });
          }
        }
      }
      await check();
    }
    return check;
  };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
      await run(steps);
    }),
    { numRuns: 15 },
  );
  const check = await run(fc.sample(step, { numRuns: 20, seed: 7 }));
  await store.shutdown();
  store = await openStore({ dataDir });
  await check();
});
