/**
 * Brings the file of a day that is over into one piece: rows by project and time, however many segments brought them.   Control path: engine's tick -> [compaction] -> day-copy -> day-files.
 *
 * Each flush adds a run of every project to its day, so a small project's spans stand in a hundred places. Once nothing has come into the file for a while it is
 * written anew beside the old one, in steps between which flushes, queries and deletions have their turns, and takes its place while nothing is read. Whoever
 * changes the old file before that ends the copy; the day then waits anew. A crash leaves the old file or the new one, and a start removes what was half written.
 */
import { statSync } from 'node:fs';
import type { DuckDBConnection } from '@duckdb/node-api';
import { isFatal, type SqlRows } from '../database.js';
import type { DayFile } from '../day-file.js';
import { type DayFiles, dayOfMillis, OTHER_DAYS } from '../day-files.js';
import { FileSwapError } from '../erasure/file-swap.js';
import { phase } from '../phases.js';
import { DayCopy } from './day-copy.js';

/** What compaction needs of the engine. */
export interface CompactionHost {
  readonly days: DayFiles;
  connect(): Promise<DuckDBConnection>;
  query(sql: string): Promise<SqlRows>;
  /** Runs `work` while no query runs. */
  exclusive(work: () => Promise<void>): Promise<void>;
  /** Runs `work` while no flush and no step of an erasure runs. */
  coldTurn<T>(work: () => Promise<T>): Promise<T>;
  /** Runs `work` while no snapshot is held. Gives false, and does nothing, when those that are held last longer. */
  withoutSnapshots(patienceMillis: number, work: () => Promise<void>): Promise<boolean>;
  /** Errors: `BackendUnavailableError` when the disk has no room for so many bytes. */
  requireRoom(bytes: number): void;
  /** Segments up to this are in day files, as far as reads are concerned. */
  watermark(): number;
  /** The rows of the file have another segment and order. Called before anything reads them. */
  replaced(day: number): void;
  fatal(error: unknown): void;
  report(line: string): void;
}

export interface CompactionOptions {
  /** 0: never. */
  readonly compactAfterMillis: number;
}

/** A late span is not worth that its day is written anew: what came after the largest segment must be this share of the day, or so many segments. */
const LOOSE_SHARE = 0.1;
const MAX_SEGMENTS = 32;
/** How long reads wait for those that are under way, so that the file can be exchanged: at first, and at most. */
const PATIENCE_MILLIS = 250;
const MAX_PATIENCE_MILLIS = 4000;
/** The pause after that is so many times as long. */
const SWAP_PAUSE = 10;
const RETRY_MILLIS = 60_000;
const RETRY_MAX_MILLIS = 3_600_000;

const NOTHING_GONE = { sql: 'false', parameters: {} };

export class Compaction {
  readonly #host: CompactionHost;
  readonly #options: CompactionOptions;
  /** Milliseconds that only go forward. */
  readonly #now: () => number;
  readonly #openedAt: number;
  /** When the file of a day was last about to change. */
  readonly #changedAt = new Map<number, number>();
  /** Days that were looked at, and need nothing until they change. */
  readonly #settled = new Set<number>();
  #copy: DayCopy | undefined;
  #connection: DuckDBConnection | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  #wake: (() => void) | undefined;
  #retryAt = 0;
  #retryMillis = RETRY_MILLIS;
  #today: number;
  readonly #counts = { compactions_total: 0, compactions_abandoned_total: 0, compaction_failures_total: 0 };

  constructor(host: CompactionHost, options: CompactionOptions, now: () => number = () => performance.now()) {
    this.#host = host;
    this.#options = options;
    this.#now = now;
    this.#openedAt = now();
    this.#today = dayOfMillis(Date.now());
  }

  /** To be called in a cold turn, before the file of the day is changed. */
  async changing(day: number): Promise<void> {
    this.#changedAt.set(day, this.#now());
    this.#settled.delete(day);
    const copy = this.#copy;
    if (copy?.source.day !== day) return;
    this.#copy = undefined;
    this.#counts.compactions_abandoned_total += 1;
    await copy.abandon();
  }

  /** Days that are over and were not looked at since they changed, or are to be written anew. */
  #waiting(): DayFile[] {
    if (this.#options.compactAfterMillis === 0) return [];
    return this.#host.days
      .all()
      .filter(({ day }) => day !== OTHER_DAYS && day < this.#today && !this.#settled.has(day));
  }

  #isQuiet({ day }: DayFile): boolean {
    return this.#now() - (this.#changedAt.get(day) ?? this.#openedAt) >= this.#options.compactAfterMillis;
  }

  /** Begins what is due; called from time to time. `time` in milliseconds since 1970 tells which days are over. */
  tick(time: number): void {
    this.#today = dayOfMillis(time);
    if (this.#running !== undefined || this.#stopped || this.#now() < this.#retryAt) return;
    if (!this.#waiting().some((file) => this.#isQuiet(file))) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  figures(): Record<string, number> {
    return { ...this.#counts, compaction_days_waiting: this.#waiting().length };
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const file = this.#waiting().find((waiting) => this.#isQuiet(waiting));
        if (file === undefined || this.#stopped) break;
        await this.#compact(file);
      }
      this.#retryMillis = RETRY_MILLIS;
    } catch (error) {
      if (this.#stopped) return;
      if (error instanceof FileSwapError || isFatal(error)) this.#host.fatal(error);
      // Told once, until it succeeds.
      if (this.#retryMillis === RETRY_MILLIS) {
        this.#host.report(`a day file could not be compacted, and will be later: ${(error as Error).message}`);
      }
      this.#counts.compaction_failures_total += 1;
      this.#retryAt = this.#now() + this.#retryMillis;
      this.#retryMillis = Math.min(this.#retryMillis * 2, RETRY_MAX_MILLIS);
    } finally {
      await this.#clear();
    }
  }

  async #clear(): Promise<void> {
    const copy = this.#copy;
    this.#copy = undefined;
    try {
      await this.#host.coldTurn(async () => copy?.abandon());
    } catch (error) {
      this.#host.report(`what is left of ${copy?.file} is removed with the next start: ${(error as Error).message}`);
    }
    this.#connection?.closeSync();
    this.#connection = undefined;
  }

  /** Leaves the day waiting when the file changes meanwhile. Errors: those of the database and the disk. */
  async #compact(file: DayFile): Promise<void> {
    const { day, catalog } = file;
    const changedAt = this.#changedAt.get(day);
    const segments = await this.#host.query(`SELECT seg, count(*) FROM ${catalog}.spans GROUP BY seg`);
    const counts = (segments as [bigint, bigint][]).map(([, count]) => Number(count));
    const rows = counts.reduce((sum, count) => sum + count, 0);
    const loose = rows - Math.max(0, ...counts);
    const segment = Math.max(...(segments as [bigint, bigint][]).map(([number]) => Number(number)));
    if (loose === 0 || (loose < rows * LOOSE_SHARE && counts.length <= MAX_SEGMENTS)) {
      if (this.#changedAt.get(day) === changedAt) this.#settled.add(day);
      return;
    }
    this.#host.requireRoom(statSync(file.file).size);
    this.#connection ??= await this.#host.connect();
    const connection = this.#connection;
    const copy = await this.#host.coldTurn(async () => {
      // Also when a flush has failed between two files: reads take its rows from the hot table yet.
      if (this.#changedAt.get(day) !== changedAt || segment > this.#host.watermark()) return undefined;
      phase('compact');
      this.#copy = await DayCopy.begin(file, connection, { gone: NOTHING_GONE, segment });
      return this.#copy;
    });
    if (copy === undefined) {
      this.#changedAt.set(day, this.#now());
      return;
    }
    /** Gives what `work` gives; undefined when the copy is abandoned. */
    const turn = <T>(work: () => Promise<T>) =>
      this.#host.coldTurn(async () => (this.#copy === copy && !this.#stopped ? work() : undefined));
    for (let more: boolean | undefined = true; more; ) {
      const began = this.#now();
      more = await turn(() => {
        phase('compact_step');
        return copy.step();
      });
      // As long as it worked: what is asked and written meanwhile comes first.
      if (more) await this.#pause(this.#now() - began);
    }
    await turn(() => {
      phase('compact_finish');
      return copy.finish();
    });
    for (let patience = PATIENCE_MILLIS; ; patience = Math.min(patience * 2, MAX_PATIENCE_MILLIS)) {
      if ((await turn(() => this.#swap(copy, patience))) !== false) return;
      await this.#pause(patience * SWAP_PAUSE);
    }
  }

  /** Reads go through several statements and remember segments between them, so the file is exchanged when none is under way. */
  #swap(copy: DayCopy, patienceMillis: number): Promise<boolean> {
    return this.#host.withoutSnapshots(patienceMillis, async () => {
      phase('compact_swap');
      await this.#host.days.replace(copy, (work) => this.#host.exclusive(work));
      this.#host.replaced(copy.source.day);
      this.#copy = undefined;
      this.#settled.add(copy.source.day);
      this.#counts.compactions_total += 1;
      phase('compacted');
    });
  }

  #pause(millis: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, millis);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Stops the statement that runs. */
  interrupt(): void {
    this.#stopped = true;
    this.#connection?.interrupt();
  }

  /** Begins nothing more. Resolves when nothing runs, and nothing is left of a copy; that takes a step at most. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake?.();
    await this.#running;
  }
}
