/** Versions of a data set against a model that keeps a copy of each. */
import type { NewDatasetRow } from '@cogniverse/foundation/telemetry';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openStore } from '../store/store-fixture.js';

const tenantId = 'acme';
const NAMES = ['a', 'b', 'c', 'd'];
type Rows = readonly { readonly name: string; readonly value: number }[];
type Step = { readonly kind: 'append' | 'update' | 'delete'; readonly rows: Rows };

const rows = fc.uniqueArray(fc.record({ name: fc.constantFrom(...NAMES), value: fc.integer({ min: 0, max: 2 }) }), {
  selector: ({ name }) => name,
});
const step: fc.Arbitrary<Step> = fc.record({ kind: fc.constantFrom('append', 'update', 'delete'), rows });

/** What the data set holds after a step; the place of a name is where it first appeared. */
function after(held: ReadonlyMap<string, number>, { kind, rows: given }: Step): Map<string, number> {
  const next = kind === 'update' ? new Map<string, number>() : new Map(held);
  for (const { name, value } of given) {
    if (kind === 'delete') next.delete(name);
    else next.set(name, value);
  }
  return next;
}

const sorted = (held: ReadonlyMap<string, number>) => [...held].sort(([a], [b]) => (a < b ? -1 : 1));

it('keeps every version as it was, whatever is appended, updated and deleted after it', async () => {
  const store = await openStore();
  let count = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 6 }), async (steps) => {
      count += 1;
      const name = `questions ${count}`;
      const { id: datasetId } = await store.createDataset({ tenantId, name, rows: [] });
      const versions: ReadonlyMap<string, number>[] = [new Map()];
      for (const one of steps) {
        const held = versions.at(-1)!;
        const next = after(held, one);
        if (one.kind === 'delete') {
          const { items } = await store.getDatasetRows({ tenantId, datasetId });
          const gone = items.filter((row) => held.has(row.externalId!) && !next.has(row.externalId!));
          await store.deleteDatasetRows({ tenantId, datasetId, rowIds: gone.map(({ id }) => id) });
        } else {
          const given: NewDatasetRow[] = one.rows.map((row) => ({ input: { value: row.value }, externalId: row.name }));
          await store.uploadDataset({ tenantId, name, action: one.kind, rows: given });
        }
        if (JSON.stringify(sorted(next)) !== JSON.stringify(sorted(held))) versions.push(next);
      }
      const kept = (await store.listDatasetVersions({ tenantId, datasetId })).items.toReversed();
      expect(kept.map(({ exampleCount }) => exampleCount)).toEqual(versions.map(({ size }) => size));
      const idOf = new Map<string, string>();
      for (const [index, { id: versionId }] of kept.entries()) {
        const { items } = await store.getDatasetRows({ tenantId, datasetId, versionId });
        const read = new Map(items.map((row) => [row.externalId!, row.input['value'] as number]));
        expect(sorted(read)).toEqual(sorted(versions[index]!));
        for (const row of items) {
          expect(idOf.get(row.externalId!) ?? row.id).toBe(row.id);
          idOf.set(row.externalId!, row.id);
        }
      }
    }),
    { numRuns: 8 },
  );
});
