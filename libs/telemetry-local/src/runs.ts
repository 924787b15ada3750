/**
 * Where in the day files the spans of a project are: which segments brought how many of them, from when to when.   Read path: span-query -> [runs] -> SQL.
 *
 * A flush writes a segment's rows sorted by project and time, so the rows of one project and segment stand together: a run. A page of the newest spans is in the
 * runs with the latest starts, and reads need not look at the others. Kept in memory, read from a day file when it is first asked about, told by each flush.
 * Deleting spans leaves it right: it may then say more than there is, never less.
 */
import type { SqlRows } from './database.js';
import type { DayFile } from './day-files.js';

export interface Run {
  readonly segment: number;
  readonly spans: number;
  /** Earliest and latest start in nanoseconds. */
  readonly first: bigint;
  readonly last: bigint;
}

type Query = (sql: string) => Promise<SqlRows>;
type RunRow = [projectKey: bigint, segment: bigint, spans: bigint, first: bigint, last: bigint];
/** By project, then by segment. */
type DayRuns = Map<bigint, Map<number, Run>>;

const select = ({ catalog }: DayFile, where: string) =>
  `SELECT project_key, seg, count(*), min(start_ns), max(start_ns) FROM ${catalog}.spans WHERE ${where} GROUP BY project_key, seg`;

function put(runs: DayRuns, rows: SqlRows): DayRuns {
  for (const [projectKey, segment, spans, first, last] of rows as RunRow[]) {
    let ofProject = runs.get(projectKey);
    if (ofProject === undefined) {
      ofProject = new Map();
      runs.set(projectKey, ofProject);
    }
    ofProject.set(Number(segment), { segment: Number(segment), spans: Number(spans), first, last });
  }
  return runs;
}

export class RunIndex {
  readonly #days = new Map<number, Promise<DayRuns>>();

  /** Runs of a project in a file, those of segments that are being flushed among them. Errors: those of `query`. */
  async of(file: DayFile, projectKey: bigint, query: Query): Promise<Run[]> {
    let loading = this.#days.get(file.day);
    if (loading === undefined) {
      loading = query(select(file, 'true')).then((rows) => put(new Map(), rows));
      this.#days.set(file.day, loading);
      loading.catch(() => this.forget(file.day, loading));
    }
    return [...((await loading).get(projectKey)?.values() ?? [])];
  }

  /** A segment's rows are committed in a file. To be called before reads take the file for the place of them. */
  async note(file: DayFile, segment: number, query: Query): Promise<void> {
    const loading = this.#days.get(file.day);
    if (loading === undefined) return;
    try {
      // Also when the loading began before the commit, and did not see it.
      put(await loading, await query(select(file, `seg = ${segment}`)));
    } catch (error) {
      this.forget(file.day, loading);
      throw error;
    }
  }

  /** To be read anew when it is asked about. `only`: unless something else was read since. */
  forget(day: number, only?: Promise<DayRuns>): void {
    if (only === undefined || this.#days.get(day) === only) this.#days.delete(day);
  }
}
