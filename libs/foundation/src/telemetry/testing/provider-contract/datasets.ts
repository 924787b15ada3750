/** Contract: data sets, their rows, versions and splits.   Testing. */
import assert from 'node:assert/strict';
import { DatasetExistsError, DatasetNotFoundError, InvalidQueryError } from '../../errors.js';
import type { ContractTopic } from './describe-telemetry-provider.js';

export function describeDatasets({ check }: ContractTopic): void {
  check(
    'keeps rows in their order, and counts versions',
    async (backend) => {
      const { datasets } = await backend.tenant();
      const rows = Array.from({ length: 50 }, (_, n) => ({
        input: { n, deep: { list: [n, null, 'ü'] } },
        output: { a: n },
      }));
      const id = await datasets.createDataset({ name: 'gold/en ü?', rows, description: 'd', metadata: { m: [1] } });
      const info = await datasets.getDatasetInfo('gold/en ü?');
      assert.deepEqual([info.id, info.name, info.description, info.exampleCount], [id, 'gold/en ü?', 'd', 50]);
      assert.deepEqual(info.metadata, { m: [1] });
      assert.ok(!Number.isNaN(Date.parse(info.createdAt)));
      const more: Record<string, unknown> = JSON.parse('{"__proto__":{"x":1},"constructor":2}');
      await datasets.appendToDataset('gold/en ü?', [{ input: more, metadata: { source: 'late' } }]);
      const after = await datasets.getDatasetInfo('gold/en ü?');
      assert.equal(after.exampleCount, 51);
      assert.notEqual(after.versionId, info.versionId);
      assert.equal(after.createdAt, info.createdAt);
      assert.equal(after.id, id);
      const read = await datasets.getDataset('gold/en ü?');
      assert.deepEqual(
        read.slice(0, 50).map(({ input, output }) => ({ input, output })),
        rows,
      );
      assert.deepEqual(read[0]?.metadata, {});
      assert.equal(new Set(read.map((row) => row.id)).size, 51);
      assert.equal(JSON.stringify(read[50]?.input), JSON.stringify(more));
      assert.deepEqual([read[50]?.output, read[50]?.metadata], [{}, { source: 'late' }]);
    },
    'datasets',
  );

  check(
    'keeps JSON as JSON has it',
    async (backend) => {
      const { datasets } = await backend.tenant();
      const input = { date: new Date(0), missing: undefined, nothing: null, no: false, zero: 0, empty: '', list: [] };
      await datasets.createDataset({ name: 'd', rows: [{ input }] });
      const [row] = await datasets.getDataset('d');
      assert.deepEqual(row?.input, {
        date: '1970-01-01T00:00:00.000Z',
        nothing: null,
        no: false,
        zero: 0,
        empty: '',
        list: [],
      });
      for (const value of [1n, Number.NaN, Number.POSITIVE_INFINITY]) {
        await assert.rejects(datasets.appendToDataset('d', [{ input: { value } }]), InvalidQueryError, String(value));
      }
      assert.equal((await datasets.getDataset('d')).length, 1);
    },
    'datasets',
  );

  check(
    'takes a data set of many rows, and keeps their order over several appends',
    async (backend) => {
      const { datasets } = await backend.tenant();
      const rows = (from: number) => Array.from({ length: 600 }, (_, n) => ({ input: { n: from + n } }));
      await datasets.createDataset({ name: 'd', rows: rows(0) });
      await datasets.appendToDataset('d', rows(600));
      await datasets.appendToDataset('d', rows(1200));
      const read = await datasets.getDataset('d');
      assert.deepEqual(
        read.map(({ input }) => input['n']),
        Array.from({ length: 1800 }, (_, n) => n),
      );
    },
    'datasets',
  );

  check(
    'lists them in the order they were created, takes an empty one, and refuses a name twice or unknown',
    async (backend) => {
      const { datasets } = await backend.tenant();
      assert.deepEqual(await datasets.listDatasets(), []);
      await datasets.createDataset({ name: 'b', rows: [] });
      await datasets.createDataset({ name: 'a', rows: [] });
      assert.deepEqual(
        (await datasets.listDatasets()).map((one) => one.name),
        ['b', 'a'],
      );
      assert.deepEqual(await datasets.getDataset('a'), []);
      assert.equal((await datasets.getDatasetInfo('a')).exampleCount, 0);
      await assert.rejects(datasets.createDataset({ name: 'a', rows: [{ input: {} }] }), DatasetExistsError);
      assert.deepEqual(await datasets.getDataset('a'), []);
      await assert.rejects(datasets.getDataset('c'), DatasetNotFoundError);
      await assert.rejects(datasets.getDatasetInfo('c'), DatasetNotFoundError);
      await assert.rejects(datasets.appendToDataset('c', []), DatasetNotFoundError);
      await assert.rejects(datasets.createDataset({ name: '', rows: [] }), InvalidQueryError);
      await assert.rejects(datasets.getDataset('A'), DatasetNotFoundError);
    },
    'datasets',
  );

  check(
    'of several that create the same, one succeeds',
    async (backend) => {
      const { datasets } = await backend.tenant();
      const results = await Promise.allSettled(
        Array.from({ length: 5 }, () => datasets.createDataset({ name: 'n', rows: [] })),
      );
      assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
      for (const result of results) {
        if (result.status === 'rejected') assert.ok(result.reason instanceof DatasetExistsError, String(result.reason));
      }
      assert.equal((await datasets.listDatasets()).length, 1);
    },
    'datasets',
  );

  const given = (names: readonly string[]) => names.map((name) => ({ input: { name }, externalId: name }));
  const namesOf = (rows: readonly { readonly input: Readonly<Record<string, unknown>> }[]) =>
    rows.map(({ input }) => input['name']);

  check(
    'keeps every version as it was, and lists them with the newest first',
    async (backend) => {
      const { datasets } = await backend.tenant();
      await datasets.createDataset({ name: 'd', rows: [{ input: { name: 'a' } }, { input: { name: 'b' } }] });
      const first = await datasets.getDatasetInfo('d');
      await datasets.appendToDataset('d', [{ input: { name: 'c' } }]);
      const second = await datasets.getDatasetInfo('d');
      const versions = await datasets.listDatasetVersions('d');
      assert.deepEqual(
        versions.map(({ id, exampleCount }) => [id, exampleCount]),
        [
          [second.versionId, 3],
          [first.versionId, 2],
        ],
      );
      assert.ok(versions.every(({ createdAt }) => !Number.isNaN(Date.parse(createdAt))));
      const ofFirst = await datasets.getDataset('d', { versionId: first.versionId });
      const newest = await datasets.getDataset('d');
      assert.deepEqual(namesOf(ofFirst), ['a', 'b']);
      assert.deepEqual(namesOf(newest), ['a', 'b', 'c']);
      assert.deepEqual(await datasets.getDataset('d', { versionId: second.versionId }), newest);
      assert.deepEqual(
        ofFirst.map(({ id }) => id),
        newest.slice(0, 2).map(({ id }) => id),
        'a row has the same id in every version',
      );
      await datasets.createDataset({ name: 'other', rows: [] });
      const { versionId } = await datasets.getDatasetInfo('other');
      for (const unknown of ['none', versionId]) {
        await assert.rejects(datasets.getDataset('d', { versionId: unknown }), DatasetNotFoundError, unknown);
      }
      await assert.rejects(datasets.listDatasetVersions('none'), DatasetNotFoundError);
    },
    'datasets',
    'dataset versions',
  );

  check(
    'takes a row with an id of its owner in place of the one that has it',
    async (backend) => {
      const { datasets } = await backend.tenant();
      await datasets.createDataset({ name: 'd', rows: given(['a', 'b']) });
      const before = await datasets.getDataset('d');
      await datasets.appendToDataset('d', [
        { input: { name: 'a' }, output: { changed: true }, externalId: 'a' },
        { input: { name: 'c' }, externalId: 'c' },
      ]);
      const after = await datasets.getDataset('d');
      assert.deepEqual(
        after.map(({ externalId, output }) => [externalId, output]),
        [
          ['a', { changed: true }],
          ['b', {}],
          ['c', {}],
        ],
      );
      assert.deepEqual(
        after.slice(0, 2).map(({ id }) => id),
        before.map(({ id }) => id),
      );
      const twice = [
        { input: {}, externalId: 'x' },
        { input: {}, externalId: 'x' },
      ];
      await assert.rejects(datasets.appendToDataset('d', twice), InvalidQueryError);
      assert.equal((await datasets.getDatasetInfo('d')).exampleCount, 3);
    },
    'datasets',
    'dataset changes',
  );

  check(
    'makes a data set hold the rows of an update and no others, and counts what became of them',
    async (backend) => {
      const { datasets } = await backend.tenant();
      const counts = async (rows: Parameters<typeof datasets.updateDataset>[1]) => {
        const { dataset, createdCount, updatedCount, deletedCount } = await datasets.updateDataset('d', rows);
        return [dataset.exampleCount, createdCount, updatedCount, deletedCount];
      };
      assert.deepEqual(await counts(given(['a', 'b', 'c'])), [3, 3, 0, 0], 'one that is missing is made');
      const made = await datasets.getDatasetInfo('d');
      assert.deepEqual(await counts(given(['a', 'b', 'c'])), [3, 0, 0, 0]);
      assert.equal((await datasets.getDatasetInfo('d')).versionId, made.versionId, 'the same rows make no version');
      const changed = [{ input: { name: 'b' }, output: { n: 1 }, externalId: 'b' }, ...given(['d'])];
      assert.deepEqual(await counts(changed), [2, 1, 1, 2]);
      const rows = await datasets.getDataset('d');
      assert.deepEqual(
        rows.map(({ externalId, output }) => [externalId, output]),
        [
          ['b', { n: 1 }],
          ['d', {}],
        ],
      );
      // Without an id of its own a row is told by its contents, whatever the order of their keys.
      const plain = [{ input: { x: 1, y: [1, { z: 2, w: 3 }] } }, { input: { x: 1, y: [1, { z: 2, w: 3 }] } }];
      assert.deepEqual(await counts(plain), [2, 2, 0, 2]);
      const ids = (await datasets.getDataset('d')).map(({ id }) => id);
      const turned = [{ input: { y: [1, { w: 3, z: 2 }], x: 1 } }, { input: { x: 1, y: [1, { z: 2, w: 3 }] } }];
      assert.deepEqual(await counts(turned), [2, 0, 0, 0]);
      assert.deepEqual(
        (await datasets.getDataset('d')).map(({ id }) => id),
        ids,
      );
    },
    'datasets',
    'dataset changes',
  );

  check(
    'deletes rows, and keeps them in the versions that had them',
    async (backend) => {
      const { datasets } = await backend.tenant();
      await datasets.createDataset({ name: 'd', rows: given(['a', 'b', 'c']) });
      const before = await datasets.getDatasetInfo('d');
      const rows = await datasets.getDataset('d');
      await datasets.deleteDatasetRows('d', [rows[1]!.id]);
      assert.deepEqual(namesOf(await datasets.getDataset('d')), ['a', 'c']);
      const after = await datasets.getDatasetInfo('d');
      assert.equal(after.exampleCount, 2);
      assert.notEqual(after.versionId, before.versionId);
      assert.deepEqual(await datasets.getDataset('d', { versionId: before.versionId }), rows);
      for (const ids of [[rows[1]!.id], [rows[0]!.id, 'none']]) {
        await assert.rejects(datasets.deleteDatasetRows('d', ids), DatasetNotFoundError);
      }
      assert.deepEqual(namesOf(await datasets.getDataset('d')), ['a', 'c'], 'all or none');
      await assert.rejects(datasets.deleteDatasetRows('none', []), DatasetNotFoundError);
    },
    'datasets',
    'dataset versions',
    'dataset changes',
  );

  check(
    'changes what a data set is called and what is said of it, and deletes it',
    async (backend) => {
      const { datasets } = await backend.tenant();
      await datasets.createDataset({ name: 'd', rows: given(['a']), description: 'old', metadata: { k: 1 } });
      await datasets.createDataset({ name: 'taken', rows: [] });
      const before = await datasets.getDatasetInfo('d');
      const said = async (name: string) => {
        const { id, description, metadata, versionId } = await datasets.getDatasetInfo(name);
        return { id, description, metadata, versionId };
      };
      const { id, versionId } = before;
      await datasets.changeDataset('d', { description: 'new' });
      assert.deepEqual(await said('d'), { id, description: 'new', metadata: { k: 1 }, versionId });
      await datasets.changeDataset('d', { name: 'e', metadata: { l: [2] } });
      assert.deepEqual(await said('e'), { id, description: 'new', metadata: { l: [2] }, versionId });
      await assert.rejects(datasets.getDatasetInfo('d'), DatasetNotFoundError);
      await assert.rejects(datasets.changeDataset('e', { name: 'taken' }), DatasetExistsError);
      await assert.rejects(datasets.changeDataset('e', { name: '' }), InvalidQueryError);
      await assert.rejects(datasets.changeDataset('d', { description: 'x' }), DatasetNotFoundError);
      await datasets.deleteDataset('e');
      assert.deepEqual(
        (await datasets.listDatasets()).map(({ name }) => name),
        ['taken'],
      );
      for (const call of [() => datasets.getDataset('e'), () => datasets.deleteDataset('e')]) {
        await assert.rejects(call, DatasetNotFoundError);
      }
      assert.notEqual(await datasets.createDataset({ name: 'e', rows: [] }), id, 'a name may be used again, an id not');
      assert.deepEqual(await datasets.getDataset('e'), []);
    },
    'datasets',
    'dataset changes',
  );

  check(
    'keeps splits: named parts, of which a row may be in several',
    async (backend) => {
      const { datasets } = await backend.tenant();
      const [train, test] = ['train', 'tëst'];
      await datasets.createDataset({
        name: 'd',
        rows: [
          { input: { name: 'a' }, splits: [train] },
          { input: { name: 'b' }, splits: [train, test] },
          { input: { name: 'c' } },
        ],
      });
      const rows = await datasets.getDataset('d');
      assert.deepEqual(
        rows.map(({ splits }) => splits),
        [[train], [train, test].sort(), []],
      );
      const counts = async () =>
        (await datasets.listDatasetSplits('d')).map(({ name, exampleCount }) => [name, exampleCount]);
      assert.deepEqual(await counts(), [
        [train, 2],
        [test, 1],
      ]);
      const inSplits = async (...splits: string[]) => namesOf(await datasets.getDataset('d', { splits }));
      assert.deepEqual(await inSplits(train), ['a', 'b']);
      assert.deepEqual(await inSplits(train, test), ['a', 'b'], 'each row once');
      assert.deepEqual(await inSplits(), []);
      const [a, b, c] = rows.map(({ id }) => id) as [string, string, string];
      const { versionId } = await datasets.getDatasetInfo('d');
      await datasets.setDatasetSplit('d', test, [c, a]);
      await datasets.setDatasetSplit('d', 'new', [b]);
      assert.deepEqual(await inSplits(test), ['a', 'c'], 'in the order of the data set');
      assert.deepEqual(await inSplits('new'), ['b']);
      assert.equal((await datasets.getDatasetInfo('d')).versionId, versionId, 'splits make no version');
      await datasets.setDatasetSplit('d', test, []);
      assert.deepEqual(await counts(), [
        [train, 2],
        [test, 0],
        ['new', 1],
      ]);
      await datasets.deleteDatasetSplit('d', train);
      assert.deepEqual(namesOf(await datasets.getDataset('d')), ['a', 'b', 'c'], 'its rows stay');
      assert.deepEqual(
        (await datasets.listDatasetSplits('d')).map(({ name }) => name),
        [test, 'new'],
      );
      for (const call of [
        () => datasets.getDataset('d', { splits: [train] }),
        () => datasets.deleteDatasetSplit('d', train),
        () => datasets.setDatasetSplit('d', test, ['none']),
        () => datasets.setDatasetSplit('none', test, []),
        () => datasets.listDatasetSplits('none'),
      ]) {
        await assert.rejects(call, DatasetNotFoundError);
      }
      await assert.rejects(datasets.setDatasetSplit('d', '', []), InvalidQueryError);
    },
    'datasets',
    'dataset splits',
  );
}
