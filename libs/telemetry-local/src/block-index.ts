/**
 * The blocks of a project in a day file, as reads ask for them.   Read path: block-steps -> [block-index] -> SQL; write path: flush -> [block-index].
 *
 * Read from the file when first asked about: from when to when blocks go, and, where a question needs it, what they hold (`blocks.ts`), by project and day. What was asked about longest
 * ago is forgotten, so memory is bounded. Each flush tells of its blocks. Deleting spans leaves all of it right: it may then say more than there is, never less.
 */
import type { ProjectRef } from '@cogniverse/foundation/telemetry';
import type { GrowingBlocks } from './blocks.js';
import type { SqlRows } from './database.js';
import type { DayFile } from './day-file.js';
import { FilledBlock, type StoredBlock } from './filled-block.js';
import { type ProjectKey, projectKey } from './project-key.js';

type Query = (sql: string) => Promise<SqlRows>;
type HeadRow = [segment: bigint, spans: number, first: bigint, last: bigint];
type Bytes = { readonly bytes: Uint8Array } | null;
type FilledRow = [...HeadRow, filter: Bytes, fragments: Bytes, numbers: Bytes];

/** What the blocks in memory may take, in bytes. */
const MAX_BYTES = 32 * 2 ** 20;
/** An entry, and each block in it, besides what it holds. */
const ENTRY_BYTES = 400;
const BLOCK_BYTES = 200;

interface Entry {
  readonly day: number;
  readonly key: bigint;
  readonly loading: Promise<StoredBlock[]>;
  blocks: StoredBlock[] | undefined;
  bytes: number;
}

interface Day {
  readonly projects: Map<string, ProjectKey>;
  /** Segments with rows that no block speaks of: written before there were blocks. */
  readonly segmentsWithout: string;
}

function bytesOf(block: StoredBlock): number {
  return BLOCK_BYTES + (block.filled?.bytes ?? 0);
}

async function loadDay({ catalog }: DayFile, query: Query): Promise<Day> {
  const without = await query(
    `SELECT seg FROM ${catalog}.applied WHERE seg NOT IN (SELECT seg FROM ${catalog}.blocks)`,
  );
  // Rows of a segment may also have been moved to another one, or be gone.
  const rows =
    without.length === 0
      ? []
      : await query(`SELECT DISTINCT seg FROM ${catalog}.spans WHERE seg IN (${without.flat().join(', ')})`);
  const segmentsWithout = rows.flat().join(', ');
  const named = [`SELECT tenant_id, project FROM ${catalog}.blocks`];
  if (segmentsWithout !== '')
    named.push(`SELECT tenant_id, project FROM ${catalog}.spans WHERE seg IN (${segmentsWithout})`);
  const projects = new Map<string, ProjectKey>();
  for (const [tenantId, name] of await query(`SELECT DISTINCT * FROM (${named.join(' UNION ALL ')})`)) {
    const project = projectKey({ tenantId, name } as ProjectRef);
    projects.set(project.id, project);
  }
  return { projects, segmentsWithout };
}

export class BlockIndex {
  readonly #days = new Map<number, Promise<Day>>();
  /** Used longest ago first. With what blocks hold, and without. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  /**
   * Blocks of a project in a file, those of segments that are being flushed among them, in no order. `filled`: with what they hold; where nothing is known of that, they are without all the same.
   *
   * Errors: those of `query`.
   */
  async of(file: DayFile, key: bigint, filled: boolean, query: Query): Promise<readonly StoredBlock[]> {
    const id = `${file.day}:${key}:${filled}`;
    let entry = this.#entries.get(id) ?? (filled ? undefined : this.#entries.get(`${file.day}:${key}:true`));
    if (entry === undefined) {
      const made: Entry = {
        day: file.day,
        key,
        loading: this.#load(file, key, filled, query),
        blocks: undefined,
        bytes: 0,
      };
      entry = made;
      this.#entries.set(id, made);
      made.loading.then(
        (blocks) => this.#grown(id, made, blocks),
        () => this.#entries.get(id) === made && this.#entries.delete(id),
      );
    } else if (this.#entries.delete(id)) {
      this.#entries.set(id, entry);
    }
    await entry.loading;
    return entry.blocks!;
  }

  /** Whether what the project's blocks in the file hold is in memory. */
  isFilled(file: DayFile, key: bigint): boolean {
    return this.#entries.get(`${file.day}:${key}:true`)?.blocks !== undefined;
  }

  /** Projects that have spans in a file. Errors: those of `query`. */
  async projectsOf(file: DayFile, query: Query): Promise<ReadonlyMap<string, ProjectKey>> {
    return (await this.#day(file, query)).projects;
  }

  #day(file: DayFile, query: Query): Promise<Day> {
    let loading = this.#days.get(file.day);
    if (loading === undefined) {
      loading = loadDay(file, query);
      this.#days.set(file.day, loading);
      const made = loading;
      loading.catch(() => this.#days.get(file.day) === made && this.#days.delete(file.day));
    }
    return loading;
  }

  async #load(file: DayFile, key: bigint, filled: boolean, query: Query): Promise<StoredBlock[]> {
    const { segmentsWithout } = await this.#day(file, query);
    const { catalog } = file;
    const parts = [
      `SELECT seg, spans, first_ns, last_ns${filled ? ', filter, fragments, numbers' : ''} FROM ${catalog}.blocks WHERE project_key = ${key}`,
    ];
    if (segmentsWithout !== '') {
      parts.push(
        `SELECT seg, count(*)::INTEGER, min(start_ns), max(start_ns)${filled ? ', NULL, NULL, NULL' : ''} FROM ${catalog}.spans
         WHERE project_key = ${key} AND seg IN (${segmentsWithout}) GROUP BY seg`,
      );
    }
    const rows = await query(parts.join(' UNION ALL '));
    return (rows as FilledRow[]).map(([segment, spans, first, last, filter, fragments, numbers]) => ({
      segment: Number(segment),
      spans,
      first,
      last,
      filled:
        filter == null
          ? undefined
          : new FilledBlock(filter.bytes.slice(), fragments!.bytes.slice(), numbers!.bytes.slice()),
    }));
  }

  #grown(id: string, entry: Entry, blocks: StoredBlock[]): void {
    entry.blocks = [...(entry.blocks ?? []), ...blocks];
    if (this.#entries.get(id) !== entry) return; // forgotten meanwhile: it is for those who wait for it
    const added = blocks.reduce((sum, block) => sum + bytesOf(block), entry.bytes === 0 ? ENTRY_BYTES : 0);
    entry.bytes += added;
    this.#bytes += added;
    for (const [oldestId, oldest] of this.#entries) {
      if (this.#bytes <= MAX_BYTES) return;
      // What is being read, and what was asked for just now, stays.
      if (oldest.blocks !== undefined && oldest !== entry) this.#remove(oldestId, oldest);
    }
  }

  #remove(id: string, entry: Entry): void {
    this.#entries.delete(id);
    if (entry.blocks !== undefined) this.#bytes -= entry.bytes;
  }

  /** A segment's rows are committed in a file. To be called before reads take the file for the place of them. */
  async note(day: number, segment: number, grown: GrowingBlocks): Promise<void> {
    const ofDay = [...this.#entries.values()].filter((entry) => entry.day === day);
    // Also those whose loading began before the commit, and did not see it. What failed is forgotten.
    await Promise.allSettled([this.#days.get(day), ...ofDay.map(({ loading }) => loading)]);
    const known = await this.#days.get(day);
    if (known !== undefined) for (const [id, project] of grown.projects) known.projects.set(id, project);
    if (ofDay.length === 0) return;
    const blocks = grown.of(day);
    for (const [id, entry] of this.#entries) {
      if (entry.day !== day || entry.blocks === undefined) continue;
      if (entry.blocks.some((block) => block.segment === segment)) continue;
      const isFilled = id.endsWith(':true');
      const added = blocks
        .filter(({ project }) => project.key === entry.key)
        .map(({ spans, first, last, filter, fragments, numbers }) => ({
          segment,
          spans,
          first,
          last,
          filled: isFilled ? new FilledBlock(filter, fragments, numbers) : undefined,
        }));
      if (added.length > 0) this.#grown(id, entry, added);
    }
  }

  /** To be read anew when it is asked about. */
  forget(day: number): void {
    this.#days.delete(day);
    for (const [id, entry] of this.#entries) if (entry.day === day) this.#remove(id, entry);
  }
}
