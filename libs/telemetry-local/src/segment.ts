/**
 * A segment while it is hot: its log file, its table in memory, and the ids of its spans.   Write path: log -> [segment] -> day files.
 */
import type { DuckDBAppender, DuckDBConnection } from '@duckdb/node-api';
import { GrowingBlocks } from './blocks.js';
import type { HotTable } from './snapshot.js';
import { appendSpanRow, HOT_COLUMNS, type SpanRow } from './span-table.js';
import type { LogSegment, SegmentHeader } from './write-ahead-log.js';

/** The identity of a span in the store. */
export function spanIdentity(row: SpanRow): string {
  return `${row.project.key}:${row.span.traceId}${row.span.spanId}`;
}

/** An empty hot table, ready for rows. */
export interface PreparedTable {
  readonly number: number;
  readonly table: string;
  readonly appender: DuckDBAppender;
}

/** More of one day are not looked up one by one. */
const MAX_DOUBTS = 1000;

export class Segment {
  readonly header: SegmentHeader;
  readonly table: string;
  /** Of its rows, by the day files that they go to. */
  readonly blocks = new GrowingBlocks();
  /** Spans that are logged or about to be. */
  readonly identities = new Set<string>();
  /** Days whose rows may be copies of spans in the day file, nobody knows which: reads and the flush compare them all. */
  readonly unchecked = new Set<number>();
  /** Rows to be looked up, by sequence. */
  readonly #doubts = new Map<bigint, SpanRow>();
  /** Rows that are copies of spans in their day file, by sequence. */
  readonly #copies = new Map<bigint, SpanRow>();
  /** In milliseconds of a clock that nobody sets. */
  readonly openedAt: number;
  readonly logFile: string;
  /** Bytes of its log that reads and limits count. */
  logBytes: number;
  /** About what its table takes in memory. */
  hotBytes = 0;
  lastSequence: bigint;
  #log: LogSegment | undefined;
  readonly #appender: DuckDBAppender;
  #spans = 0;
  #references = 0;
  #retired = false;
  #sealed = false;

  private constructor(
    header: SegmentHeader,
    table: string,
    appender: DuckDBAppender,
    log: { file: string; bytes: number; segment?: LogSegment },
    openedAt: number,
  ) {
    this.header = header;
    this.table = table;
    this.#appender = appender;
    this.logFile = log.file;
    this.logBytes = log.bytes;
    this.#log = log.segment;
    this.lastSequence = header.firstSequence - 1n;
    this.openedAt = openedAt;
  }

  /** A table for the segment of this number. Made ahead: the database may be busy when the segment is due, and requests would wait for it. */
  static async prepareTable(connection: DuckDBConnection, number: number): Promise<PreparedTable> {
    const name = `hot_${number}`;
    await connection.run(`CREATE OR REPLACE TABLE memory.main.${name} (${HOT_COLUMNS})`);
    return { number, table: `memory.main.${name}`, appender: await connection.createAppender(name, 'main', 'memory') };
  }

  /** `table` is for the number in `header`. Errors: those of `createLog`; the table can be used again. */
  static create(
    { table, appender }: PreparedTable,
    header: SegmentHeader,
    createLog: () => { file: string; bytes: number; segment?: LogSegment },
    openedAt: number,
  ): Segment {
    return new Segment(header, table, appender, createLog(), openedAt);
  }

  get number(): number {
    return this.header.number;
  }

  /** Rows in the table. */
  get spans(): number {
    return this.#spans;
  }

  get isSealed(): boolean {
    return this.#sealed;
  }

  /** The log while it takes records. */
  get log(): LogSegment | undefined {
    return this.#log;
  }

  /** The span of a row, known by its ids alone, may be in the row's day file. */
  doubt(row: SpanRow): void {
    if (this.unchecked.has(row.day)) return;
    this.#doubts.set(row.sequence, row);
    if (this.#doubts.size <= MAX_DOUBTS) return;
    for (const { day } of this.#doubts.values()) this.unchecked.add(day);
    this.#doubts.clear();
  }

  get doubts(): ReadonlyMap<bigint, SpanRow> {
    return this.#doubts;
  }

  /** A doubt was looked up. */
  settle(sequence: bigint, isCopy: boolean): void {
    const row = this.#doubts.get(sequence);
    this.#doubts.delete(sequence);
    if (isCopy && row !== undefined) this.#copies.set(sequence, row);
  }

  /** Spans of the day file are gone: what was a copy may be the span itself now. */
  reconsider(day: number): void {
    for (const [sequence, row] of this.#copies) {
      if (row.day !== day) continue;
      this.#copies.delete(sequence);
      this.#doubts.set(sequence, row);
    }
  }

  /** Sequences of rows that are copies of spans in their day file, as far as that is settled. */
  get copies(): bigint[] {
    return [...this.#copies.keys()];
  }

  /** As a read sees it from now on: rows in doubt came after the read began. */
  view(): HotTable {
    return {
      number: this.number,
      table: this.table,
      unchecked: new Set(this.unchecked),
      hidden: [...this.#copies.keys(), ...this.#doubts.keys()],
    };
  }

  /** Visible to every read that begins after this returns. */
  insert(rows: readonly SpanRow[]): void {
    if (rows.length === 0) return;
    for (const row of rows) {
      this.hotBytes += appendSpanRow(this.#appender, row);
      this.blocks.add(row.day, row.project, row.span);
    }
    this.#appender.flushSync();
    this.#spans += rows.length;
  }

  /** Takes nothing more. */
  seal(): void {
    if (this.#sealed) return;
    this.#sealed = true;
    this.#log?.close();
    this.#log = undefined;
    this.#appender.closeSync();
  }

  /** As `seal`, for a database that takes nothing any more. */
  abandon(): void {
    try {
      this.seal();
    } catch {
      // The rows that its appender holds are in the log.
    }
  }

  hold(): void {
    this.#references += 1;
  }

  /** Gives whether the table can be dropped now. */
  letGo(): boolean {
    this.#references -= 1;
    return this.#retired && this.#references === 0;
  }

  /** Its rows are in day files, no new read will use it. Gives whether the table can be dropped now. */
  retire(): boolean {
    this.#retired = true;
    this.identities.clear();
    return this.#references === 0;
  }
}
