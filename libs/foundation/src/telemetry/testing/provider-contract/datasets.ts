/** Contract: data sets, their rows and versions.   Testing. */
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
}
