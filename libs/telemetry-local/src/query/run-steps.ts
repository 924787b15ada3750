/**
 * The spans of a project in the order of their starts, some runs at a time.   Read path: span-query, trace-query -> [run-steps] -> snapshot.
 *
 * A page needs the first rows only: what was not read yet cannot come before the bound that each step gives.
 */
import type { DayFile } from '../day-files.js';
import type { StoreEngine } from '../engine.js';
import type { Run } from '../runs.js';
import type { NanosRange, Snapshot, SourceOptions } from '../snapshot.js';

/** Spans and runs of the project that the first step looks at, and how many times more each further one. */
const FIRST_SPANS = 16_384;
const FIRST_RUNS = 4;
const STEP_GROWTH = 4;

export interface Step {
  readonly sources: string[];
  /** Whether a row that starts at this time can no longer be preceded by a row of a later step. */
  readonly isFinal: (start: bigint) => boolean;
}

/** Runs of the project that may hold spans of the range, those first whose spans come first. */
export async function runsInOrder(
  engine: StoreEngine,
  snapshot: Snapshot,
  key: bigint,
  { start, end }: NanosRange,
  order: string,
): Promise<{ file: DayFile; run: Run }[]> {
  const runs: { file: DayFile; run: Run }[] = [];
  for (const file of snapshot.daysIn({ start, end })) {
    for (const run of await engine.runsOf(file, key)) {
      const isThere = run.segment <= snapshot.watermark;
      if (isThere && (end === undefined || run.first < end) && (start === undefined || run.last >= start))
        runs.push({ file, run });
    }
  }
  return runs.sort(({ run: a }, { run: b }) =>
    order === 'desc'
      ? Number(b.last > a.last) - Number(b.last < a.last)
      : Number(a.first > b.first) - Number(a.first < b.first),
  );
}

/** The hot tables and the first runs, then ever more runs at a time. */
export function* steps(
  snapshot: Snapshot,
  options: SourceOptions,
  runs: { file: DayFile; run: Run }[],
  order: string,
): Generator<Step> {
  const hot = snapshot.hot.map((table) => snapshot.hotSource(table, options));
  for (let from = 0, growth = 1; from === 0 || from < runs.length; growth *= STEP_GROWTH) {
    const most = Math.min(runs.length, from + FIRST_RUNS * growth);
    let to = from;
    for (let sum = 0; to < most && sum < FIRST_SPANS * growth; to++) sum += runs[to]!.run.spans;
    const ofFile = new Map<DayFile, number[]>();
    for (const { file, run } of runs.slice(from, to)) {
      const segments = ofFile.get(file);
      if (segments === undefined) ofFile.set(file, [run.segment]);
      else segments.push(run.segment);
    }
    const next = runs[to]?.run;
    yield {
      sources: [
        ...(from === 0 ? hot : []),
        ...Array.from(ofFile, ([file, segments]) => snapshot.daySource(file, options, segments)),
      ],
      isFinal: (start) => next === undefined || (order === 'desc' ? start > next.last : start < next.first),
    };
    from = Math.max(to, 1);
  }
}
