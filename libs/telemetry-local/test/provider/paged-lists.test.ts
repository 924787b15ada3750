/** Data sets, experiments and versions a page at a time, while others come and go. */
import type { Page } from '@cogniverse/foundation/telemetry';
import { expect, it } from 'vitest';
import { openStore } from '../store/store-fixture.js';

type Named = { readonly name: string };

/** The names of each page, one after the other; `between` is called after each. */
async function walk(
  read: (part: { limit: number; cursor: string | undefined }) => Promise<Page<Named>>,
  between: () => Promise<unknown> = async () => undefined,
): Promise<string[][]> {
  const pages: string[][] = [];
  let cursor: string | undefined;
  do {
    const page = await read({ limit: 2, cursor });
    pages.push(page.items.map(({ name }) => name));
    cursor = page.nextCursor;
    await between();
  } while (cursor !== undefined);
  return pages;
}

it('gives data sets and experiments in either order, of one tenant or of all, each once whatever comes and goes', async () => {
  const store = await openStore();
  const tenantId = 'acme';
  const [first] = await Promise.all(['a'].map((name) => store.createDataset({ tenantId, name, rows: [] })));
  for (const name of ['b', 'c', 'd']) await store.createDataset({ tenantId, name, rows: [] });
  await store.createDataset({ tenantId: null, name: 'of nobody', rows: [] });
  expect(await walk((part) => store.queryDatasets({ tenantId, ...part }))).toEqual([
    ['a', 'b'],
    ['c', 'd'],
  ]);
  expect(await walk((part) => store.queryDatasets({ order: 'desc', ...part }))).toEqual([
    ['of nobody', 'd'],
    ['c', 'b'],
    ['a'],
  ]);
  expect(await walk((part) => store.queryDatasets({ tenantId: null, ...part }))).toEqual([['of nobody']]);
  expect(await walk((part) => store.queryDatasets({ name: 'c', ...part }))).toEqual([['c']]);
  expect((await store.queryDatasets({ tenantId })).items).toEqual(await store.listDatasets({ tenantId }));

  const of = { tenantId, datasetId: first!.id };
  for (const name of ['1', '2', '3', '4', '5']) await store.createExperiment({ ...of, name });
  let made = 0;
  const change = async () => {
    made += 1;
    await store.createExperiment({ ...of, name: `later ${made}` });
    // The one that the next page would have begun with.
    const gone = (await store.listExperiments(of)).find(({ name }) => name === '3');
    if (gone !== undefined) await store.deleteExperiment({ tenantId, experimentId: gone.id });
  };
  expect(await walk((part) => store.queryExperiments({ ...of, order: 'desc', ...part }), change)).toEqual([
    ['5', '4'],
    ['2', '1'],
  ]);
  expect((await store.queryExperiments(of)).items).toEqual(await store.listExperiments(of));
  await expect(store.queryExperiments({ ...of, cursor: 'none' })).rejects.toThrow('cursor is not one');
});
