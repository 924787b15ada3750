/**
 * A segment while it is hot: its log file, its table in memory, and the ids of its spans.   Write path: log -> [segment] -> day files.
 */
import type { DuckDBAppender, DuckDBConnection } from '@duckdb/node-api';
import type { HotTable } from './snapshot.js';
import { appendSpanRow, HOT_COLUMNS, type SpanRow } from './span-table.js';
import type { LogSegment, SegmentHeader } from './write-ahead-log.js';

/** The identity of a span in the store. */
export function spanIdentity(row: SpanRow): string {
  return `${row.project.key}:${row.span.traceId}${row.span.spanId}`;
}

export class Segment implements HotTable {
  readonly header: SegmentHeader;
  readonly table: string;
  readonly days = new Set<number>();
  /** Spans that are logged or about to be. */
  readonly identities = new Set<string>();
  readonly openedAt: number;
  readonly logFile: string;
  /** Bytes of its log that reads and limits count. */
  logBytes: number;
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

  /** `createLog` runs last, so that a failure leaves no log file behind without its segment. */
  static async create(
    connection: DuckDBConnection,
    header: SegmentHeader,
    createLog: () => { file: string; bytes: number; segment?: LogSegment },
    openedAt: number,
  ): Promise<Segment> {
    const name = `hot_${header.number}`;
    await connection.run(`CREATE OR REPLACE TABLE memory.main.${name} (${HOT_COLUMNS})`);
    const appender = await connection.createAppender(name, 'main', 'memory');
    try {
      return new Segment(header, `memory.main.${name}`, appender, createLog(), openedAt);
    } catch (error) {
      appender.closeSync();
      await connection.run(`DROP TABLE memory.main.${name}`);
      throw error;
    }
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

  /** Visible to every read that begins after this returns. */
  insert(rows: readonly SpanRow[]): void {
    if (rows.length === 0) return;
    for (const row of rows) {
      appendSpanRow(this.#appender, row);
      this.days.add(row.day);
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
