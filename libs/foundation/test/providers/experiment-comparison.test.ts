/** Experiments side by side: every figure of a small comparison, calculated by hand. */
import {
  compareExperimentRuns,
  type DatasetRow,
  type ExperimentEvaluation,
  type ExperimentRecord,
  type ExperimentRunRecord,
  InvalidQueryError,
} from '@cogniverse/foundation/telemetry';
import { describe, expect, it } from 'vitest';

const row = (id: string): DatasetRow => ({
  id,
  externalId: undefined,
  input: { id },
  output: {},
  metadata: {},
  splits: [],
  spanId: undefined,
  updatedAt: '2026-01-01T00:00:00.000Z',
});

const record = (id: string, fields: Partial<ExperimentRecord> = {}): ExperimentRecord => ({
  id,
  tenantId: 'acme',
  name: `experiment ${id}`,
  description: '',
  datasetId: 'd',
  datasetVersionId: 'v',
  metadata: {},
  repetitions: 2,
  projectName: undefined,
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
  exampleCount: 3,
  runCount: 0,
  successfulRunCount: 0,
  failedRunCount: 0,
  missingRunCount: 0,
  ...fields,
});

type Said = Partial<Pick<ExperimentEvaluation, 'label' | 'score' | 'error'>>;

/** A run of an example that took so many milliseconds, with what its evaluations say. */
function run(
  experimentId: string,
  example: string,
  millis: number,
  said: Record<string, Said>,
  error?: string,
): ExperimentRunRecord {
  const startTime = '2026-01-01T00:00:00.000000001Z';
  const endTime = new Date(Date.parse('2026-01-01T00:00:00Z') + millis).toISOString().replace('Z', '000001Z');
  return {
    id: `${experimentId} ${example} ${millis}`,
    experimentId,
    datasetExampleId: example,
    inputs: {},
    outputs: {},
    metadata: {},
    repetitionNumber: 1,
    traceId: undefined,
    error,
    startTime,
    endTime,
    evaluations: Object.entries(said).map(([name, { label = null, score = null, error: failure = null }]) => ({
      id: name,
      name,
      annotatorKind: 'CODE',
      label,
      score,
      explanation: null,
      error: failure,
      metadata: {},
      traceId: undefined,
      startTime,
      endTime,
    })),
  };
}

/** Three examples, twice each in the baseline; the other failed once, was not evaluated once, and has a name that the baseline has not. */
const baseline = {
  record: record('a', { missingRunCount: 1 }),
  runs: [
    run('a', 'one', 100, { exact: { score: 0.5, label: 'half' }, judge: { label: 'good' } }),
    run('a', 'one', 200, { exact: { score: 1, label: 'whole' } }),
    run('a', 'two', 300, { exact: { score: 0.25 } }),
    run('a', 'three', 400, { exact: { score: 1 } }),
    run('a', 'of another version', 9999, { exact: { score: 100 } }),
  ],
};
const other = {
  record: record('b', { missingRunCount: 2 }),
  runs: [
    run('b', 'one', 50, { exact: { score: 0.25 } }),
    run('b', 'one', 1000, {}, 'timed out'),
    run('b', 'two', 150, { exact: { score: 0.75 }, length: { score: 10 } }),
    run('b', 'three', 100, { exact: { score: 1 }, judge: { error: 'no answer' } }),
  ],
};
const examples = ['one', 'two', 'three'].map(row);

describe('a comparison of experiments', () => {
  const comparison = compareExperimentRuns([baseline, other], examples);

  it('says of each experiment what all its examples come to', () => {
    expect(comparison).toMatchObject({ datasetId: 'd', baselineExperimentId: 'a' });
    expect(comparison.experiments).toEqual([
      {
        experimentId: 'a',
        name: 'experiment a',
        runCount: 4,
        errorCount: 0,
        missingRunCount: 1,
        latencyMeanMillis: 250,
        latencyDeltaMillis: null,
        evaluations: [
          {
            name: 'exact',
            exampleCount: 3,
            // (0.5 + 1) / 2, 0.25 and 1: each example counts once, however often it ran.
            meanScore: (0.75 + 0.25 + 1) / 3,
            meanDelta: null,
            improvementCount: 0,
            regressionCount: 0,
            unchangedCount: 0,
            errorCount: 0,
          },
          {
            name: 'judge',
            exampleCount: 0,
            meanScore: null,
            meanDelta: null,
            improvementCount: 0,
            regressionCount: 0,
            unchangedCount: 0,
            errorCount: 0,
          },
        ],
      },
      {
        experimentId: 'b',
        name: 'experiment b',
        runCount: 4,
        errorCount: 1,
        missingRunCount: 2,
        // The run that failed took a second, which says nothing of how fast an answer is.
        latencyMeanMillis: 100,
        latencyDeltaMillis: -150,
        evaluations: [
          {
            name: 'exact',
            exampleCount: 3,
            meanScore: 2 / 3,
            meanDelta: 0,
            improvementCount: 1,
            regressionCount: 1,
            unchangedCount: 1,
            errorCount: 0,
          },
          {
            name: 'judge',
            exampleCount: 0,
            meanScore: null,
            meanDelta: null,
            improvementCount: 0,
            regressionCount: 0,
            unchangedCount: 0,
            errorCount: 1,
          },
          {
            name: 'length',
            exampleCount: 1,
            meanScore: 10,
            meanDelta: null,
            improvementCount: 0,
            regressionCount: 0,
            unchangedCount: 0,
            errorCount: 0,
          },
        ],
      },
    ]);
  });

  it('says of each example what each experiment made of it, in the order of the data set', () => {
    expect(comparison.examples.map(({ example }) => example.id)).toEqual(['one', 'two', 'three']);
    expect(comparison.examples.map(({ experiments }) => experiments)).toEqual([
      [
        {
          experimentId: 'a',
          runCount: 2,
          errorCount: 0,
          latencyMeanMillis: 150,
          scores: [
            { name: 'exact', score: 0.75, labels: ['half', 'whole'], errorCount: 0, delta: null },
            { name: 'judge', score: null, labels: ['good'], errorCount: 0, delta: null },
          ],
        },
        {
          experimentId: 'b',
          runCount: 2,
          errorCount: 1,
          latencyMeanMillis: 50,
          scores: [{ name: 'exact', score: 0.25, labels: [], errorCount: 0, delta: -0.5 }],
        },
      ],
      [
        {
          experimentId: 'a',
          runCount: 1,
          errorCount: 0,
          latencyMeanMillis: 300,
          scores: [{ name: 'exact', score: 0.25, labels: [], errorCount: 0, delta: null }],
        },
        {
          experimentId: 'b',
          runCount: 1,
          errorCount: 0,
          latencyMeanMillis: 150,
          scores: [
            { name: 'exact', score: 0.75, labels: [], errorCount: 0, delta: 0.5 },
            { name: 'length', score: 10, labels: [], errorCount: 0, delta: null },
          ],
        },
      ],
      [
        {
          experimentId: 'a',
          runCount: 1,
          errorCount: 0,
          latencyMeanMillis: 400,
          scores: [{ name: 'exact', score: 1, labels: [], errorCount: 0, delta: null }],
        },
        {
          experimentId: 'b',
          runCount: 1,
          errorCount: 0,
          latencyMeanMillis: 100,
          scores: [
            { name: 'exact', score: 1, labels: [], errorCount: 0, delta: 0 },
            { name: 'judge', score: null, labels: [], errorCount: 1, delta: null },
          ],
        },
      ],
    ]);
  });

  it('has null and no figure where nothing ran', () => {
    const nothing = { record: record('c'), runs: [] };
    const { experiments, examples: compared } = compareExperimentRuns([baseline, nothing], examples.slice(0, 1));
    expect(experiments[1]).toMatchObject({
      runCount: 0,
      latencyMeanMillis: null,
      latencyDeltaMillis: null,
      evaluations: [],
    });
    expect(compared[0]?.experiments[1]).toEqual({
      experimentId: 'c',
      runCount: 0,
      errorCount: 0,
      latencyMeanMillis: null,
      scores: [],
    });
  });

  const of = (...records: ExperimentRecord[]) => records.map((one) => ({ record: one, runs: [] }));
  it.each([
    [[], /experimentIds is \[\]; it must name two/],
    [of(record('a')), /experimentIds is \["a"\]; it must name two/],
    [of(record('a'), record('a')), /each once/],
    [of(record('a'), record('b', { datasetId: 'e' })), /"experiment a" and "experiment b" are not over one data set/],
    [of(record('a', { datasetId: undefined }), record('b', { datasetId: undefined })), /not over one data set/],
  ])('refuses what cannot be compared (%#)', (given, told) => {
    expect(() => compareExperimentRuns(given, [])).toThrow(InvalidQueryError);
    expect(() => compareExperimentRuns(given, [])).toThrow(told);
  });
});
