/** Contract: experiments, their runs, the evaluations of these, and experiments side by side.   Testing. */
import assert from 'node:assert/strict';
import {
  DatasetNotFoundError,
  ExperimentNotFoundError,
  ExperimentRunExistsError,
  InvalidQueryError,
} from '../../errors.js';
import type { ContractTenant } from './backend.js';
import { hexId, MILLI, T0 } from './contract-spans.js';
import type { ContractTopic } from './describe-telemetry-provider.js';

/** A data set `d` with three rows, and an experiment over it. */
async function threeExamples({ datasets, experiments }: ContractTenant, repetitions?: number) {
  await datasets.createDataset({ name: 'd', rows: [1, 2, 3].map((n) => ({ input: { n } })) });
  const examples = (await datasets.getDataset('d')).map(({ id }) => id) as [string, string, string];
  const id = await experiments.createExperiment({
    name: 'e',
    datasetName: 'd',
    ...(repetitions !== undefined && { repetitions }),
  });
  const run = (datasetExampleId: string, repetitionNumber: number, more: object = {}) =>
    experiments.logRun(id, { outputs: {}, datasetExampleId, repetitionNumber, ...more });
  return { id, examples, run };
}

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

  check(
    'has one run of an example and a repetition: one that failed is replaced, one that succeeded stays',
    async (backend) => {
      const acme = await backend.tenant();
      const { experiments } = acme;
      const { id, examples, run } = await threeExamples(acme, 2);
      const [first] = examples;
      const failed = await run(first, 1, { error: 'timed out' });
      await experiments.logEvaluation(failed, { name: 'exact', score: 0 });
      await experiments.logEvaluation(failed, { name: 'opinion', label: 'sad', annotatorKind: 'HUMAN' });
      await run(first, 1, { outputs: { a: 1 } });
      const [kept] = await experiments.getRuns(id);
      assert.deepEqual([kept?.error, kept?.outputs], [undefined, { a: 1 }]);
      assert.deepEqual(kept?.inputs, { n: 1 }, 'the input of its example, where none is given');
      assert.deepEqual(
        kept?.evaluations.map(({ name }) => name),
        ['opinion'],
        'what a program said of the failed run is gone',
      );
      await assert.rejects(run(first, 1), ExperimentRunExistsError);
      await assert.rejects(run(first, 1, { error: 'again' }), ExperimentRunExistsError);
      await run(first, 2);
      await assert.rejects(run('none', 1), DatasetNotFoundError);
      assert.deepEqual(
        (await experiments.getRuns(id)).map(({ repetitionNumber, error }) => [repetitionNumber, error]),
        [
          [1, undefined],
          [2, undefined],
        ],
      );
    },
    'datasets',
    'experiments',
    'experiment plans',
  );

  check(
    'plans repetitions over examples, counts what ran, and lists what is left to run and to evaluate',
    async (backend) => {
      const acme = await backend.tenant();
      const { experiments } = acme;
      const { id, examples, run } = await threeExamples(acme, 2);
      const [one, two, three] = examples;
      const counts = async () => {
        const { repetitions, exampleCount, runCount, successfulRunCount, failedRunCount, missingRunCount } =
          await experiments.getExperiment(id);
        return [repetitions, exampleCount, runCount, successfulRunCount, failedRunCount, missingRunCount];
      };
      const left = async () =>
        (await experiments.getIncompleteRuns(id)).map(({ example, repetitionNumbers }) => [
          example.id,
          ...repetitionNumbers,
        ]);
      assert.deepEqual(await counts(), [2, 3, 0, 0, 0, 6]);
      assert.deepEqual(await left(), [
        [one, 1, 2],
        [two, 1, 2],
        [three, 1, 2],
      ]);
      const done = await run(one, 1);
      await run(one, 2);
      const half = await run(two, 2);
      await run(three, 1, { error: 'it broke' });
      assert.deepEqual(await counts(), [2, 3, 4, 3, 1, 2]);
      assert.deepEqual(await left(), [
        [two, 1],
        [three, 1, 2],
      ]);
      await experiments.logEvaluation(done, { name: 'exact', score: 1 });
      await experiments.logEvaluation(done, { name: 'judge', error: 'no answer' });
      await experiments.logEvaluation(half, { name: 'exact', score: 1 });
      const missing = await experiments.getIncompleteEvaluations(id, ['exact', 'judge']);
      assert.deepEqual(
        missing.map(({ run: of, example, evaluationNames }) => [of.repetitionNumber, example.id, [...evaluationNames]]),
        [
          [1, one, ['judge']],
          [2, one, ['exact', 'judge']],
          [2, two, ['judge']],
        ],
      );
      assert.deepEqual(
        (await experiments.getIncompleteEvaluations(id, ['exact'])).map(({ run: of }) => of.repetitionNumber),
        [2],
      );
      await assert.rejects(experiments.getIncompleteEvaluations(id, []), InvalidQueryError);
      for (const repetitions of [0, -1, 1.5]) {
        await assert.rejects(
          experiments.createExperiment({ name: 'e', datasetName: 'd', repetitions }),
          InvalidQueryError,
        );
      }
      await assert.rejects(experiments.getIncompleteRuns('none'), ExperimentNotFoundError);
      await assert.rejects(experiments.getIncompleteEvaluations('none', ['n']), ExperimentNotFoundError);
    },
    'datasets',
    'experiments',
    'experiment plans',
  );

  check(
    'is over the version that it names, and keeps to it',
    async (backend) => {
      const { datasets, experiments } = await backend.tenant();
      await datasets.createDataset({ name: 'd', rows: [{ input: { n: 1 } }] });
      const { versionId } = await datasets.getDatasetInfo('d');
      await datasets.appendToDataset('d', [{ input: { n: 2 } }]);
      const newest = (await datasets.getDatasetInfo('d')).versionId;
      const old = await experiments.createExperiment({ name: 'old', datasetName: 'd', versionId });
      const now = await experiments.createExperiment({ name: 'now', datasetName: 'd' });
      await datasets.appendToDataset('d', [{ input: { n: 3 } }]);
      const of = async (id: string) => {
        const { datasetVersionId, exampleCount } = await experiments.getExperiment(id);
        const inputs = (await experiments.getIncompleteRuns(id)).map(({ example }) => example.input['n']);
        return [datasetVersionId, exampleCount, inputs];
      };
      assert.deepEqual(await of(old), [versionId, 1, [1]]);
      assert.deepEqual(await of(now), [newest, 2, [1, 2]]);
      await assert.rejects(
        experiments.createExperiment({ name: 'e', datasetName: 'd', versionId: 'none' }),
        DatasetNotFoundError,
      );
    },
    'datasets',
    'experiments',
    'dataset versions',
    'experiment plans',
  );

  check(
    'is over the splits that it names, as they were when it was made',
    async (backend) => {
      const { datasets, experiments } = await backend.tenant();
      const rows = ['a', 'b', 'c'].map((name) => ({ input: { name }, splits: name === 'c' ? ['test'] : ['train'] }));
      await datasets.createDataset({ name: 'd', rows });
      const id = await experiments.createExperiment({ name: 'e', datasetName: 'd', splits: ['train'] });
      await datasets.setDatasetSplit('d', 'train', []);
      assert.deepEqual(
        (await experiments.getIncompleteRuns(id)).map(({ example }) => example.input['name']),
        ['a', 'b'],
      );
      await assert.rejects(
        experiments.createExperiment({ name: 'e', datasetName: 'd', splits: ['none'] }),
        DatasetNotFoundError,
      );
    },
    'datasets',
    'experiments',
    'dataset splits',
    'experiment plans',
  );

  check(
    'changes what is said of an experiment, deletes it with its runs, and all with their data set',
    async (backend) => {
      const acme = await backend.tenant();
      const { datasets, experiments } = acme;
      const { id, examples, run } = await threeExamples(acme);
      const runId = await run(examples[0], 1);
      await experiments.changeExperiment(id, { description: 'why', metadata: { k: 1 } });
      await experiments.changeExperiment(id, { name: 'renamed' });
      const { name, description, metadata, runCount } = await experiments.getExperiment(id);
      assert.deepEqual([name, description, metadata, runCount], ['renamed', 'why', { k: 1 }, 1]);
      await assert.rejects(experiments.changeExperiment(id, { name: '' }), InvalidQueryError);
      const other = await experiments.createExperiment({ name: 'other', datasetName: 'd' });
      await experiments.deleteExperiment(id);
      assert.deepEqual(
        (await experiments.listExperiments()).map((one) => one.id),
        [other],
      );
      for (const call of [
        () => experiments.getExperiment(id),
        () => experiments.getRuns(id),
        () => experiments.logEvaluation(runId, { name: 'n', score: 1 }),
        () => experiments.changeExperiment(id, { name: 'n' }),
        () => experiments.deleteExperiment(id),
      ]) {
        await assert.rejects(call, ExperimentNotFoundError);
      }
      await datasets.deleteDataset('d');
      assert.deepEqual(await experiments.listExperiments(), []);
    },
    'datasets',
    'dataset changes',
    'experiments',
    'experiment changes',
  );

  check(
    'compares experiments over one data set with the first of them, example by example',
    async (backend) => {
      const { datasets, experiments } = await backend.tenant();
      await datasets.createDataset({ name: 'd', rows: [1, 2].map((n) => ({ input: { n } })) });
      const [one, two] = (await datasets.getDataset('d')).map(({ id }) => id) as [string, string];
      const run = async (id: string, example: string, millis: number, score: number | undefined) => {
        const endTime = T0 + BigInt(millis) * MILLI;
        const error = score === undefined ? 'it broke' : undefined;
        const runId = await experiments.logRun(id, {
          outputs: {},
          datasetExampleId: example,
          startTime: T0,
          endTime,
          error,
        });
        if (score !== undefined) await experiments.logEvaluation(runId, { name: 'exact', score, label: `${score}` });
      };
      const [before, after] = [
        await experiments.createExperiment({ name: 'before', datasetName: 'd' }),
        await experiments.createExperiment({ name: 'after', datasetName: 'd' }),
      ];
      await run(before, one, 100, 0.5);
      await run(before, two, 300, 0.25);
      await run(after, one, 50, 1);
      await run(after, two, 10, undefined);
      const comparison = await experiments.compareExperiments([before, after]);
      assert.equal(comparison.baselineExperimentId, before);
      assert.equal(comparison.datasetId, (await datasets.getDatasetInfo('d')).id);
      assert.deepEqual(
        comparison.experiments.map(({ name, runCount, errorCount, latencyMeanMillis, latencyDeltaMillis }) => [
          name,
          runCount,
          errorCount,
          latencyMeanMillis,
          latencyDeltaMillis,
        ]),
        [
          ['before', 2, 0, 200, null],
          ['after', 2, 1, 50, -150],
        ],
      );
      assert.deepEqual(
        comparison.experiments.map(({ evaluations }) => evaluations),
        [
          [
            {
              name: 'exact',
              exampleCount: 2,
              meanScore: 0.375,
              meanDelta: null,
              improvementCount: 0,
              regressionCount: 0,
              unchangedCount: 0,
              errorCount: 0,
            },
          ],
          [
            {
              name: 'exact',
              exampleCount: 1,
              meanScore: 1,
              meanDelta: 0.5,
              improvementCount: 1,
              regressionCount: 0,
              unchangedCount: 0,
              errorCount: 0,
            },
          ],
        ],
      );
      assert.deepEqual(
        comparison.examples.map(({ example, experiments: compared }) => [
          example.id,
          ...compared.map(({ scores }) => scores.map(({ score, labels, delta }) => [score, ...labels, delta])),
        ]),
        [
          [one, [[0.5, '0.5', null]], [[1, '1', 0.5]]],
          [two, [[0.25, '0.25', null]], []],
        ],
      );
      await datasets.createDataset({ name: 'other', rows: [] });
      const elsewhere = await experiments.createExperiment({ name: 'elsewhere', datasetName: 'other' });
      for (const ids of [[], [before], [before, before], [before, elsewhere]]) {
        await assert.rejects(experiments.compareExperiments(ids), InvalidQueryError, String(ids));
      }
      await assert.rejects(experiments.compareExperiments([before, 'none']), ExperimentNotFoundError);
    },
    'datasets',
    'experiments',
    'experiment comparison',
  );
}
