/**
 * Where in the day files the spans of a project are: which segments brought how many of them, from when to when.   Read path: span-query -> [runs] -> SQL.
 *
 * A flush writes a segment's rows sorted by project and time, so the rows of one project and segment stand together: a run. A page of the newest spans is in the
 * runs with the latest starts, and reads need not look at the others. Kept in memory, read from a day file when it is first asked about, told by each flush.
 * Deleting spans leaves it right: it may then say more than there is, never less.
 */
import type { ProjectRef } from '@cogniverse/foundation/telemetry';
import type { GrowingBlocks } from './blocks.js';
import type { SqlRows } from './database.js';
import type { DayFile } from './day-files.js';
import { type ProjectKey, projectKey } from './project-key.js';

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
type Runs = Map<bigint, Map<number, Run>>;

interface DayRuns {
  readonly runs: Runs;
  /** By id. */
  readonly projects: Map<string, ProjectKey>;
}

function put(runs: Runs, projectKey: bigint, run: Run): void {
  const ofProject = runs.get(projectKey);
  if (ofProject === undefined) runs.set(projectKey, new Map([[run.segment, run]]));
  else ofProject.set(run.segment, run);
}

async function load({ catalog }: DayFile, query: Query): Promise<DayRuns> {
  const rows = await query(
    `SELECT project_key, seg, count(*), min(start_ns), max(start_ns) FROM ${catalog}.spans GROUP BY project_key, seg`,
  );
  const runs: Runs = new Map();
  for (const [project, segment, spans, first, last] of rows as RunRow[]) {
    put(runs, project, { segment: Number(segment), spans: Number(spans), first, last });
  }
  const projects = new Map<string, ProjectKey>();
  for (const [tenantId, name] of await query(`SELECT DISTINCT tenant_id, project FROM ${catalog}.spans`)) {
    const project = projectKey({ tenantId, name } as ProjectRef);
    projects.set(project.id, project);
  }
  return { runs, projects };
}

export class RunIndex {
  readonly #days = new Map<number, Promise<DayRuns>>();

  /** Runs of a project in a file, those of segments that are being flushed among them. Errors: those of `query`. */
  async of(file: DayFile, projectKey: bigint, query: Query): Promise<Run[]> {
    return [...((await this.#load(file, query)).runs.get(projectKey)?.values() ?? [])];
  }

  /** Projects that have spans in a file. Errors: those of `query`. */
  async projectsOf(file: DayFile, query: Query): Promise<ReadonlyMap<string, ProjectKey>> {
    return (await this.#load(file, query)).projects;
  }

  #load(file: DayFile, query: Query): Promise<DayRuns> {
    let loading = this.#days.get(file.day);
    if (loading === undefined) {
      loading = load(file, query);
      this.#days.set(file.day, loading);
      loading.catch(() => this.forget(file.day, loading));
    }
    return loading;
  }

  /** A segment's rows are committed in a file. To be called before reads take the file for the place of them. */
  async note(day: number, segment: number, grown: GrowingBlocks): Promise<void> {
    const loading = this.#days.get(day);
    if (loading === undefined) return;
    // Also when the loading began before the commit, and did not see it. One that failed is forgotten.
    const loaded = await loading.catch(() => undefined);
    if (loaded === undefined) return;
    for (const { project, spans, first, last } of grown.of(day)) {
      const known = loaded.runs.get(project.key)?.get(segment);
      put(loaded.runs, project.key, {
        segment,
        spans: spans + (known?.spans ?? 0),
        first: known !== undefined && known.first < first ? known.first : first,
        last: known !== undefined && known.last > last ? known.last : last,
      });
    }
    for (const [id, project] of grown.projects) loaded.projects.set(id, project);
  }

  /** To be read anew when it is asked about. `only`: unless something else was read since. */
  forget(day: number, only?: Promise<DayRuns>): void {
    if (only === undefined || this.#days.get(day) === only) this.#days.delete(day);
  }
}
