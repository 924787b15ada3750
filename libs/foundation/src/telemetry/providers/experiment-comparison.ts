/**
 * Experiments over one data set, side by side.   Read path: runs of experiments -> [experiment-comparison].
 *
 * Exact and plain: means and differences of what was logged, no statistics.
 */
import { InvalidQueryError } from '../errors.js';
import type { DatasetRow, ExperimentRecord, ExperimentRunRecord } from './records.js';
import { parseTime } from './time.js';

/** What one experiment's runs of one example say under one evaluation name. */
export interface ComparedScore {
  readonly name: string;
  /** Mean over the repetitions that have a score; null without any. */
  readonly score: number | null;
  /** Labels in the order of the runs. */
  readonly labels: readonly string[];
  /** Evaluations that failed. */
  readonly errorCount: number;
  /** Score minus the baseline's; null for the baseline itself, and where one of them has none. */
  readonly delta: number | null;
}

export interface ComparedRuns {
  readonly experimentId: string;
  readonly runCount: number;
  readonly errorCount: number;
  /** Mean over the runs that succeeded; null without any. */
  readonly latencyMeanMillis: number | null;
  /** By name. */
  readonly scores: readonly ComparedScore[];
}

export interface ComparedExample {
  readonly example: DatasetRow;
  /** One entry an experiment, in the order in which they were asked for. */
  readonly experiments: readonly ComparedRuns[];
}

/** One evaluation name over all examples of an experiment. */
export interface ComparedEvaluation {
  readonly name: string;
  /** Examples that have a score. */
  readonly exampleCount: number;
  /** Mean of the examples' scores: each counts the same, however often it ran. Null without any. */
  readonly meanScore: number | null;
  /** Mean of the examples' deltas, over those that both have a score for. Null for the baseline, and without any. */
  readonly meanDelta: number | null;
  /** Examples with a higher, a lower and the same score as the baseline's. */
  readonly improvementCount: number;
  readonly regressionCount: number;
  readonly unchangedCount: number;
  readonly errorCount: number;
}

export interface ComparedExperiment {
  readonly experimentId: string;
  readonly name: string;
  readonly runCount: number;
  readonly errorCount: number;
  readonly missingRunCount: number;
  /** Mean over the runs that succeeded; null without any. */
  readonly latencyMeanMillis: number | null;
  /** Minus the baseline's; null for the baseline, and where one of them has none. */
  readonly latencyDeltaMillis: number | null;
  /** By name. */
  readonly evaluations: readonly ComparedEvaluation[];
}

export interface ExperimentComparison {
  readonly datasetId: string;
  /** What the others are compared with: the first that was asked for. */
  readonly baselineExperimentId: string;
  readonly experiments: readonly ComparedExperiment[];
  /** In the order of the data set. */
  readonly examples: readonly ComparedExample[];
}

/**
 * Compares runs by example.
 *
 * `examples`: those to show, in their order; runs of others are not looked at.
 * Errors: `InvalidQueryError` for fewer than two experiments, for one given twice, and for those without a data set or over different ones.
 */
export function compareExperimentRuns(
  experiments: readonly { readonly record: ExperimentRecord; readonly runs: readonly ExperimentRunRecord[] }[],
  examples: readonly DatasetRow[],
): ExperimentComparison {
  const datasetId = requireComparable(experiments.map(({ record }) => record));
  const known = new Set(examples.map(({ id }) => id));
  const runsOf = experiments.map(({ runs }) => byExample(runs, known));
  const compared = examples.map((example): ComparedExample => {
    const baseline = scoresOf(runsOf[0]!.get(example.id) ?? []);
    return {
      example,
      experiments: experiments.map(({ record }, index) => {
        const runs = runsOf[index]!.get(example.id) ?? [];
        const scores = index === 0 ? baseline : scoresOf(runs);
        return {
          experimentId: record.id,
          runCount: runs.length,
          errorCount: runs.filter(({ error }) => error !== undefined).length,
          latencyMeanMillis: meanLatency(runs),
          scores: scores.map((score) => ({
            ...score,
            delta:
              index === 0 ? null : difference(score.score, baseline.find(({ name }) => name === score.name)?.score),
          })),
        };
      }),
    };
  });
  const latencies = runsOf.map((runs) => meanLatency([...runs.values()].flat()));
  return {
    datasetId,
    baselineExperimentId: experiments[0]!.record.id,
    experiments: experiments.map(({ record }, index): ComparedExperiment => {
      const runs = [...runsOf[index]!.values()].flat();
      return {
        experimentId: record.id,
        name: record.name,
        runCount: runs.length,
        errorCount: runs.filter(({ error }) => error !== undefined).length,
        missingRunCount: record.missingRunCount,
        latencyMeanMillis: latencies[index]!,
        latencyDeltaMillis: index === 0 ? null : difference(latencies[index]!, latencies[0]),
        evaluations: evaluationsOf(compared.map((example) => example.experiments[index]!.scores)),
      };
    }),
    examples: compared,
  };
}

function requireComparable(records: readonly ExperimentRecord[]): string {
  const ids = records.map(({ id }) => id);
  const datasetId = records[0]?.datasetId;
  if (records.length < 2 || new Set(ids).size < ids.length) {
    throw new InvalidQueryError(
      `experimentIds is ${JSON.stringify(ids)}; it must name two experiments or more, each once.`,
    );
  }
  const other = records.find((record) => record.datasetId === undefined || record.datasetId !== datasetId);
  if (datasetId === undefined || other !== undefined) {
    throw new InvalidQueryError(
      `The experiments "${records[0]!.name}" and "${(other ?? records[1]!).name}" are not over one data set. Compare those that are.`,
    );
  }
  return datasetId;
}

function byExample(
  runs: readonly ExperimentRunRecord[],
  known: ReadonlySet<string>,
): Map<string, ExperimentRunRecord[]> {
  const grouped = new Map<string, ExperimentRunRecord[]>();
  for (const run of runs) {
    const id = run.datasetExampleId;
    if (id === undefined || !known.has(id)) continue;
    const list = grouped.get(id);
    if (list === undefined) grouped.set(id, [run]);
    else list.push(run);
  }
  return grouped;
}

/** By name, without what it takes a baseline to say. */
function scoresOf(runs: readonly ExperimentRunRecord[]): Omit<ComparedScore, 'delta'>[] {
  const evaluations = runs.flatMap((run) => run.evaluations);
  const names = [...new Set(evaluations.map(({ name }) => name))].sort();
  return names.map((name) => {
    const ofName = evaluations.filter((evaluation) => evaluation.name === name);
    const valid = ofName.filter(({ error }) => error === null);
    return {
      name,
      score: mean(valid.flatMap(({ score }) => (score === null ? [] : [score]))),
      labels: valid.flatMap(({ label }) => (label === null ? [] : [label])),
      errorCount: ofName.length - valid.length,
    };
  });
}

function evaluationsOf(examples: readonly (readonly ComparedScore[])[]): ComparedEvaluation[] {
  const byName = new Map<string, ComparedScore[]>();
  for (const score of examples.flat()) {
    const list = byName.get(score.name);
    if (list === undefined) byName.set(score.name, [score]);
    else list.push(score);
  }
  return [...byName]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, scores]) => {
      const given = scores.flatMap(({ score }) => (score === null ? [] : [score]));
      const deltas = scores.flatMap(({ delta }) => (delta === null ? [] : [delta]));
      return {
        name,
        exampleCount: given.length,
        meanScore: mean(given),
        meanDelta: mean(deltas),
        improvementCount: deltas.filter((delta) => delta > 0).length,
        regressionCount: deltas.filter((delta) => delta < 0).length,
        unchangedCount: deltas.filter((delta) => delta === 0).length,
        errorCount: scores.reduce((sum, { errorCount }) => sum + errorCount, 0),
      };
    });
}

function meanLatency(runs: readonly ExperimentRunRecord[]): number | null {
  return mean(
    runs.flatMap(({ error, startTime, endTime }) =>
      error === undefined ? [Number(parseTime(endTime, 'endTime') - parseTime(startTime, 'startTime')) / 1e6] : [],
    ),
  );
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function difference(value: number | null, baseline: number | null | undefined): number | null {
  return value === null || baseline === null || baseline === undefined ? null : value - baseline;
}
