/**
 * What one read sees: the segments in the day files up to a watermark, and the hot tables after it.   Read path: query -> [snapshot] -> SQL.
 *
 * Taken and given back in JavaScript, so it costs nothing: while it is held no hot table of it is dropped, and rows that a flush commits
 * meanwhile are past its watermark. A span that came twice shows once: the copy in a hot table hides behind the one in its day file.
 */
import type { DayFile } from './day-file.js';
import { NANOS_PER_DAY, OTHER_DAYS } from './day-files.js';

/** A hot table, as far as reads know it. */
export interface HotTable {
  readonly number: number;
  /** Safe in SQL. */
  readonly table: string;
  /** Days whose rows are to be compared with their day file, because some may be copies. */
  readonly unchecked: ReadonlySet<number>;
  /** Sequences of rows that do not show. */
  readonly hidden: readonly bigint[];
}

/** Start times in nanoseconds: `start` is included, `end` is not. */
export interface NanosRange {
  readonly start?: bigint | undefined;
  readonly end?: bigint | undefined;
}

/** Start times in nanoseconds, both included. */
export interface TimeSpan {
  readonly first: bigint;
  readonly last: bigint;
}

export interface SourceOptions {
  /** Only this project; its tenant and name are to be compared besides. */
  readonly projectKey?: bigint | undefined;
  readonly range?: NanosRange | undefined;
}

function conditions(options: SourceOptions): string {
  const parts = ['true'];
  if (options.projectKey !== undefined) parts.push(`project_key = ${options.projectKey}`);
  if (options.range?.start !== undefined) parts.push(`start_ns >= ${options.range.start}`);
  if (options.range?.end !== undefined) parts.push(`start_ns < ${options.range.end}`);
  return parts.join(' AND ');
}

function dayInRange(day: number, range: NanosRange | undefined): boolean {
  if (day === OTHER_DAYS || range === undefined) return true;
  const start = BigInt(day) * NANOS_PER_DAY;
  return (
    (range.end === undefined || start < range.end) && (range.start === undefined || start + NANOS_PER_DAY > range.start)
  );
}

export class Snapshot {
  /** Rows of day files count up to this segment. */
  readonly watermark: number;
  readonly hot: readonly HotTable[];
  readonly #days: readonly DayFile[];
  readonly #nextSequence: bigint;

  /** `nextSequence`: what comes from there on came after the read began. */
  constructor(watermark: number, hot: readonly HotTable[], days: readonly DayFile[], nextSequence: bigint) {
    this.watermark = watermark;
    this.#nextSequence = nextSequence;
    this.hot = hot;
    this.#days = days;
  }

  /** Day files that may hold spans of the range, by day; the file for odd times first. */
  daysIn(range: NanosRange | undefined): DayFile[] {
    return this.#days.filter(({ day }) => dayInRange(day, range));
  }

  /** SELECT over one day file; `chosen`: only rows that start within one of these times, the last included. */
  daySource(file: DayFile, options: SourceOptions, chosen?: readonly TimeSpan[]): string {
    const times =
      chosen === undefined
        ? 'true'
        : `(${chosen.map(({ first, last }) => `start_ns BETWEEN ${first} AND ${last}`).join(' OR ')})`;
    return `SELECT * FROM ${file.catalog}.spans WHERE seg <= ${this.watermark} AND ${conditions(options)} AND ${times}`;
  }

  /** SELECT over one hot table, without the copies of spans that a day file holds. */
  hotSource(hot: HotTable, options: SourceOptions): string {
    const sameProject = options.projectKey === undefined ? 'true' : `project_key = ${options.projectKey}`;
    const stored = this.#days
      .filter(({ day }) => hot.unchecked.has(day))
      .map(
        ({ day, catalog }) =>
          `SELECT project_key, trace_id, span_id, ${day}::INTEGER AS day FROM ${catalog}.spans WHERE seg <= ${this.watermark} AND ${sameProject}`,
      );
    const shown = hot.hidden.length === 0 ? 'true' : `seq NOT IN (${hot.hidden.join(', ')})`;
    const rows = `SELECT * FROM ${hot.table} WHERE seq < ${this.#nextSequence} AND ${shown} AND ${conditions(options)}`;
    const visible =
      stored.length === 0
        ? rows
        : `SELECT * FROM (${rows}) ANTI JOIN (${stored.join(' UNION ALL ')}) USING (project_key, trace_id, span_id, day)`;
    return `SELECT * EXCLUDE (day), ${hot.number}::BIGINT AS seg FROM (${visible})`;
  }

  /** A SELECT over each file and table that may hold something of the range. */
  sources(options: SourceOptions): string[] {
    return [
      ...this.daysIn(options.range).map((file) => this.daySource(file, options)),
      ...this.hot.map((hot) => this.hotSource(hot, options)),
    ];
  }

  /** SELECT over all that is in the range, without order. */
  source(options: SourceOptions): string {
    return this.sources(options).join(' UNION ALL BY NAME ');
  }
}
