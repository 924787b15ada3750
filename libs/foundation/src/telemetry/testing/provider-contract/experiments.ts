/** Contract: experiments, their runs, and the evaluations of these.   Testing. */
import assert from 'node:assert/strict';
import { DatasetNotFoundError, ExperimentNotFoundError, InvalidQueryError } from '../../errors.js';
import { hexId } from './contract-spans.js';
import type { ContractTopic } from './describe-telemetry-provider.js';

export function describeExperiments({ check }: ContractTopic): void {
  check(
    'keeps runs and their evaluations',
    async (backend) => {
      const { datasets, experiments } = await backend.tenant();
      const dataset = await datasets.createDataset({ name: 'd', rows: [{ input: { q: 1 } }] });
      const example = (await datasets.getDataset('d'))[0]!.id;
      const id = await experiments.createExperiment({ name: 'e', datasetName: 'd', metadata: { k: 'v' } });
      const traceId = hexId(16);
      const run = await experiments.logRun(id, {
        inputs: { q: 1 },
        outputs: { a: [1.5] },
        metadata: { m: true },
        datasetExampleId: example,
        repetitionNumber: 2,
        traceId,
        startTime: new Date(1000),
        endTime: 2_000_000_001n,
      });
      const failed = await experiments.logRun(id, { inputs: {}, outputs: {}, error: 'it broke' });
      await experiments.logEvaluation(run, { name: 'exact', score: 0.25, label: 'no' });
      await experiments.logEvaluation(run, { name: 'judge', label: 'good', annotatorKind: 'LLM', explanation: 'why' });
      await experiments.logEvaluation(run, { name: 'exact', score: 1, label: 'yes' });
      const runs = await experiments.getRuns(id);
      const { evaluations, ...rest } = runs[0]!;
      assert.deepEqual(rest, {
        id: run,
        experimentId: id,
        datasetExampleId: example,
        inputs: { q: 1 },
        outputs: { a: [1.5] },
        metadata: { m: true },
        repetitionNumber: 2,
        traceId,
        error: undefined,
        startTime: '1970-01-01T00:00:01.000Z',
        endTime: '1970-01-01T00:00:02.000000001Z',
      });
      const byName = [...evaluations]
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map(({ id, metadata, traceId: _traceId, startTime, endTime, ...said }) => {
          assert.ok(id !== '' && Date.parse(startTime) <= Date.parse(endTime));
          assert.deepEqual(metadata, {});
          return said;
        });
      assert.deepEqual(byName, [
        { name: 'exact', annotatorKind: 'CODE', label: 'yes', score: 1, explanation: null, error: null },
        { name: 'judge', annotatorKind: 'LLM', label: 'good', score: null, explanation: 'why', error: null },
      ]);
      assert.deepEqual(
        [runs[1]?.id, runs[1]?.error, runs[1]?.repetitionNumber, runs[1]?.evaluations],
        [failed, 'it broke', 1, []],
      );
      assert.equal(runs.length, 2);
      const record = await experiments.getExperiment(id);
      assert.deepEqual(
        [record.id, record.name, record.datasetId, record.metadata, record.runCount],
        [id, 'e', dataset, { k: 'v' }, 2],
      );
      assert.equal(record.datasetVersionId, (await datasets.getDatasetInfo('d')).versionId);
    },
    'datasets',
    'experiments',
    'nanosecond times',
  );

  check(
    'gives runs in the order they were logged',
    async (backend) => {
      const { datasets, experiments } = await backend.tenant();
      const rows = Array.from({ length: 12 }, (_, n) => ({ input: { n } }));
      await datasets.createDataset({ name: 'd', rows });
      const examples = await datasets.getDataset('d');
      const id = await experiments.createExperiment({ name: 'e', datasetName: 'd' });
      for (const { id: datasetExampleId, input } of examples) {
        await experiments.logRun(id, { inputs: { ...input }, outputs: { ok: true }, datasetExampleId });
      }
      const runs = await experiments.getRuns(id);
      assert.deepEqual(
        runs.map(({ inputs, datasetExampleId }) => [inputs['n'], datasetExampleId]),
        examples.map(({ id: example }, n) => [n, example]),
      );
      assert.deepEqual(runs[0]?.evaluations, []);
      assert.ok(Date.parse(runs[0]?.startTime ?? '') <= Date.parse(runs[0]?.endTime ?? ''));
      assert.equal((await experiments.getExperiment(id)).runCount, 12);
    },
    'datasets',
    'experiments',
  );

  check(
    'lists experiments in the order they were created, all of them or those of a data set',
    async (backend) => {
      const { datasets, experiments } = await backend.tenant();
      assert.deepEqual(await experiments.listExperiments(), []);
      for (const name of ['one', 'two']) await datasets.createDataset({ name, rows: [{ input: {} }] });
      const of = (datasetName: string) => experiments.createExperiment({ name: 'e', datasetName });
      const ids = [await of('one'), await of('two'), await of('one')];
      const listed = async (options?: { datasetName?: string }) =>
        (await experiments.listExperiments(options)).map(({ id }) => id);
      assert.equal(new Set(ids).size, 3, 'equal names are no fault');
      assert.deepEqual(await listed(), ids);
      assert.deepEqual(await listed({ datasetName: 'one' }), [ids[0], ids[2]]);
      assert.deepEqual(await experiments.getRuns(ids[1]!), []);
    },
    'datasets',
    'experiments',
  );

  check(
    'takes an experiment without a data set',
    async (backend) => {
      const { experiments } = await backend.tenant();
      const id = await experiments.createExperiment({ name: 'free' });
      const run = await experiments.logRun(id, { inputs: { q: 1 }, outputs: { a: 2 } });
      const record = await experiments.getExperiment(id);
      assert.deepEqual([record.datasetId, record.datasetVersionId, record.metadata], [undefined, undefined, {}]);
      assert.deepEqual(
        (await experiments.getRuns(id)).map((one) => [one.id, one.datasetExampleId, one.traceId, one.outputs]),
        [[run, undefined, undefined, { a: 2 }]],
      );
    },
    'experiments',
    'experiments without a data set',
  );

  check(
    'refuses what it does not know',
    async (backend) => {
      const { datasets, experiments } = await backend.tenant();
      await assert.rejects(experiments.createExperiment({ name: 'e', datasetName: 'none' }), DatasetNotFoundError);
      await assert.rejects(experiments.listExperiments({ datasetName: 'none' }), DatasetNotFoundError);
      await assert.rejects(experiments.logRun('none', { inputs: {}, outputs: {} }), ExperimentNotFoundError);
      await assert.rejects(experiments.getRuns('none'), ExperimentNotFoundError);
      await assert.rejects(experiments.getExperiment('none'), ExperimentNotFoundError);
      await assert.rejects(experiments.logEvaluation('none', { name: 'n' }), ExperimentNotFoundError);
      await datasets.createDataset({ name: 'd', rows: [{ input: {} }] });
      const id = await experiments.createExperiment({ name: 'e', datasetName: 'd' });
      for (const run of [{ repetitionNumber: 0 }, { startTime: 5 as never }, { inputs: { n: 1n } }]) {
        await assert.rejects(experiments.logRun(id, { inputs: {}, outputs: {}, ...run }), InvalidQueryError);
      }
      assert.deepEqual(await experiments.getRuns(id), []);
    },
    'datasets',
    'experiments',
  );
}
