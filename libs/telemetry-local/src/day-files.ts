/**
 * The cold side: one DuckDB file for each UTC day of start time.   Write path: hot table -> [day-files]; read path: a part of each snapshot.
 *
 * `applied` in each file names the segments whose rows are in it, written in the transaction that wrote the rows: that makes a flush
 * that is repeated after a crash harmless. Times too far from the segment's own day go to one file for all such spans, with their exact values.
 */
import { readdirSync, renameSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { StoreOpenError } from '@cogniverse/foundation/store';
import type { DuckDBConnection } from '@duckdb/node-api';
import { DayCopy } from './compaction/day-copy.js';
import { type DataDirectory, prepareLogOf } from './data-directory.js';
import { isNoDamage } from './database.js';
import { attachDayFile, type DayFile, detachDayFile, makeTables } from './day-file.js';
import { swapped } from './erasure/file-swap.js';
import type { SpanCondition } from './erasure/span-condition.js';
import { syncDirectory } from './write-ahead-log.js';

export const NANOS_PER_DAY = 86_400_000_000_000n;
const MILLIS_PER_DAY = 86_400_000;
/** The file for times that are too far off to have a day of their own. */
export const OTHER_DAYS = -1;
const DAYS_BACK = 400;
const DAYS_AHEAD = 2;

/** Days since 1970. */
export function dayOfMillis(millis: number): number {
  return Math.floor(millis / MILLIS_PER_DAY);
}

export function dayOfSpan(startTimeUnixNano: bigint, referenceDay: number): number {
  const day = Number(startTimeUnixNano / NANOS_PER_DAY);
  return day < referenceDay - DAYS_BACK || day > referenceDay + DAYS_AHEAD ? OTHER_DAYS : day;
}

function fileNameOf(day: number): string {
  return day === OTHER_DAYS ? 'other.duckdb' : `${new Date(day * MILLIS_PER_DAY).toISOString().slice(0, 10)}.duckdb`;
}

function dayOfFileName(name: string): number | undefined {
  if (name === 'other.duckdb') return OTHER_DAYS;
  const date = /^(\d{4}-\d{2}-\d{2})\.duckdb$/.exec(name)?.[1];
  return date === undefined ? undefined : dayOfMillis(Date.parse(date));
}

type Exclusive = (work: () => Promise<void>) => Promise<void>;

export class DayFiles {
  readonly #directory: DataDirectory;
  readonly #connection: DuckDBConnection;
  readonly #files = new Map<number, DayFile>();

  constructor(directory: DataDirectory, connection: DuckDBConnection) {
    this.#directory = directory;
    this.#connection = connection;
  }

  /** Attaches the files that are there. Files that cannot be read are set aside and reported. Gives the last segment and sequence in them. */
  async open(report: (line: string) => void): Promise<{ lastSegment: number; lastSequence: bigint }> {
    let lastSegment = 0;
    let lastSequence = -1n;
    for (const name of readdirSync(this.#directory.days).sort()) {
      const day = dayOfFileName(name);
      if (day === undefined) continue;
      const file = join(this.#directory.days, name);
      try {
        const { catalog } = await this.#attach(day, file);
        const rows = await this.#connection.runAndReadAll(
          `SELECT coalesce(max(seg), 0), coalesce(max(last_seq), -1) FROM ${catalog}.applied`,
        );
        const [segment, sequence] = rows.getRows()[0] as [bigint, bigint];
        lastSegment = Math.max(lastSegment, Number(segment));
        if (sequence > lastSequence) lastSequence = sequence;
      } catch (error) {
        if (isNoDamage(error)) throw cannotOpen(file, error as Error);
        await this.#setAside(day, file, error, report);
      }
    }
    return { lastSegment, lastSequence };
  }

  async #setAside(day: number, file: string, error: unknown, report: (line: string) => void): Promise<void> {
    this.#files.delete(day);
    await this.#connection.run(`DETACH DATABASE IF EXISTS ${catalogOf(day)}`);
    const target = this.#directory.setAsideDatabase(file);
    report(`day file ${file} cannot be read and was set aside as ${target}: ${(error as Error).message}`);
  }

  /** The file of a day, made when it is missing, to be written to. */
  async ensure(day: number): Promise<DayFile> {
    const file = this.#files.get(day) ?? (await this.#attach(day, join(this.#directory.days, fileNameOf(day))));
    prepareLogOf(file.file);
    return file;
  }

  async #attach(day: number, file: string): Promise<DayFile> {
    const catalog = catalogOf(day);
    // A day that was removed left an empty database for reads that had begun.
    await this.#connection.run(`DETACH DATABASE IF EXISTS ${catalog}`);
    await attachDayFile(this.#connection, catalog, file);
    // Only now: reads may use whatever is listed.
    const dayFile = { day, catalog, file };
    this.#files.set(day, dayFile);
    return dayFile;
  }

  // ---- erasure and compaction: called while no flush and nothing else of them runs

  /** Rows that the condition is true of, and all rows. */
  async count({ catalog }: DayFile, gone: SpanCondition): Promise<{ gone: number; all: number }> {
    const rows = await this.#connection.runAndReadAll(
      `SELECT count(*) FILTER (WHERE ${gone.sql}), count(*) FROM ${catalog}.spans`,
      gone.parameters,
    );
    const [matching, all] = rows.getRows()[0] as [bigint, bigint];
    return { gone: Number(matching), all: Number(all) };
  }

  /** Whether the file's free blocks may hold what was deleted from it. */
  async holdsErased({ catalog }: DayFile): Promise<boolean> {
    const rows = await this.#connection.runAndReadAll(
      `SELECT 1 FROM duckdb_tables() WHERE database_name = '${catalog}' AND table_name = 'erased'`,
    );
    return rows.currentRowCount > 0;
  }

  /**
   * Deletes rows where they are: quick, but their bytes stay in free blocks of the file until it is written anew, so the file is marked.
   * `exclusive` runs its argument while no query runs.
   */
  async deleteRows({ catalog, file }: DayFile, gone: SpanCondition, exclusive: Exclusive): Promise<void> {
    prepareLogOf(file);
    await this.#connection.run('BEGIN TRANSACTION');
    try {
      await this.#connection.run(`CREATE TABLE IF NOT EXISTS ${catalog}.erased (marked BOOLEAN)`);
      await this.#connection.run(`DELETE FROM ${catalog}.spans WHERE ${gone.sql}`, gone.parameters);
      await this.#connection.run(
        `DELETE FROM ${catalog}.blocks WHERE (seg, project_key) NOT IN (SELECT (seg, project_key) FROM ${catalog}.spans)`,
      );
    } catch (error) {
      await this.#connection.run('ROLLBACK');
      throw error;
    }
    await exclusive(async () => {
      await this.#connection.run('COMMIT');
      await this.#connection.run(`CHECKPOINT ${catalog}`);
    });
  }

  /** Writes the file anew without the rows, and puts it in the place of the old one: nothing of them is left. `beforeSwap` is called in between. */
  async rewrite(dayFile: DayFile, gone: SpanCondition, exclusive: Exclusive, beforeSwap: () => void): Promise<void> {
    const copy = await DayCopy.begin(dayFile, this.#connection, { gone, segment: undefined });
    try {
      while (await copy.step());
      await copy.finish();
    } catch (error) {
      await copy.abandon();
      throw error;
    }
    beforeSwap();
    await this.replace(copy, exclusive);
  }

  /** Puts a copy that is finished in the place of the file. Errors: `FileSwapError` when the store is without the file. */
  async replace({ source, file: fresh }: DayCopy, exclusive: Exclusive): Promise<void> {
    const { catalog, file } = source;
    await exclusive(async () => {
      await detachDayFile(this.#connection, catalog, file);
      await swapped(async () => {
        renameSync(fresh, file);
        syncDirectory(this.#directory.days);
        await attachDayFile(this.#connection, catalog, file);
      });
    });
  }

  /** Removes the file. Reads that have begun find it empty. */
  async remove(dayFile: DayFile, exclusive: Exclusive): Promise<void> {
    const { day, catalog, file } = dayFile;
    await exclusive(async () => {
      this.#files.delete(day);
      await detachDayFile(this.#connection, catalog, file);
      await swapped(async () => {
        unlinkSync(file);
        syncDirectory(this.#directory.days);
        await this.#connection.run(`ATTACH ':memory:' AS ${catalog}`);
        await makeTables(this.#connection, catalog);
      });
    });
  }

  get(day: number): DayFile | undefined {
    return this.#files.get(day);
  }

  /** By day; the file for all other times first. */
  all(): DayFile[] {
    return [...this.#files.values()].sort((a, b) => a.day - b.day);
  }
}

/** For a file that is sound, as far as anybody knows. */
export function cannotOpen(file: string, cause: Error): StoreOpenError {
  return new StoreOpenError(
    `${file} cannot be opened, and was left as it is: ${cause.message}. Remove the cause and open the store again.`,
    { cause },
  );
}

function catalogOf(day: number): string {
  return day === OTHER_DAYS ? 'day_other' : `day_${day}`;
}
