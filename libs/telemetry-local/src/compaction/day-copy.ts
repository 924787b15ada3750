/**
 * A day file written anew beside the old one, some rows at a time, in the order that reads like best: by project, then by time.   Compaction, erasure: [day-copy] -> day-files.
 *
 * One transaction over the steps, so rows of many projects fill row groups together; a step sorts few rows, so memory stays small, however large the day.
 * Nothing may change the old file meanwhile: whoever is about to do so abandons the copy first.
 */
import { rmSync } from 'node:fs';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { SqlRows } from '../database.js';
import { attachDayFile, type DayFile, detachDayFile } from '../day-file.js';
import type { SpanCondition } from '../erasure/span-condition.js';

/** About so many rows are copied in a step, which takes some tenths of a second. */
const STEP_ROWS = 20_480;

export interface DayCopyOptions {
  /** Rows that are left out. */
  readonly gone: SpanCondition;
  /** All rows get this segment; undefined: each keeps its own. */
  readonly segment: number | undefined;
}

export class DayCopy {
  readonly source: DayFile;
  /** The new file; complete after `finish`. */
  readonly file: string;
  readonly #catalog: string;
  readonly #connection: DuckDBConnection;
  readonly #options: DayCopyOptions;
  readonly #kept: string;
  /** Conditions, each of a step. */
  #steps: string[] = [];
  #isAttached = false;

  private constructor(source: DayFile, connection: DuckDBConnection, options: DayCopyOptions) {
    this.source = source;
    this.file = `${source.file}.new`;
    this.#catalog = `fresh_${source.catalog}`;
    this.#connection = connection;
    this.#options = options;
    this.#kept = `(${options.gone.sql}) IS NOT TRUE`;
  }

  /** On `connection` a transaction stays open until the copy is finished or abandoned. Errors: those of the database; nothing is left then. */
  static async begin(source: DayFile, connection: DuckDBConnection, options: DayCopyOptions): Promise<DayCopy> {
    const copy = new DayCopy(source, connection, options);
    copy.#removeFile();
    try {
      await attachDayFile(connection, copy.#catalog, copy.file);
      copy.#isAttached = true;
      await connection.run('BEGIN TRANSACTION');
      await copy.#plan();
    } catch (error) {
      await copy.abandon();
      throw error;
    }
    return copy;
  }

  async #rows(sql: string): Promise<SqlRows> {
    return (await this.#connection.runAndReadAll(sql, this.#options.gone.parameters)).getRows();
  }

  async #plan(): Promise<void> {
    const spans = `${this.source.catalog}.spans WHERE ${this.#kept}`;
    const projects = await this.#rows(`SELECT project_key, count(*) FROM ${spans} GROUP BY project_key ORDER BY 1`);
    let together: { first: bigint; last: bigint; rows: number } | undefined;
    const close = () => {
      if (together !== undefined) this.#steps.push(`project_key BETWEEN ${together.first} AND ${together.last}`);
      together = undefined;
    };
    for (const [key, count] of projects as [bigint, bigint][]) {
      const rows = Number(count);
      if (rows > STEP_ROWS) {
        close();
        this.#steps.push(...(await this.#piecesOf(spans, key, Math.ceil(rows / STEP_ROWS))));
        continue;
      }
      if (together !== undefined && together.rows + rows > STEP_ROWS) close();
      together = { first: together?.first ?? key, last: key, rows: (together?.rows ?? 0) + rows };
    }
    close();
  }

  /** A project's rows cut by time, into parts of about the same size. */
  async #piecesOf(spans: string, key: bigint, parts: number): Promise<string[]> {
    const shares = Array.from({ length: parts - 1 }, (_, i) => (i + 1) / parts);
    const found = await this.#rows(
      `SELECT DISTINCT unnest(quantile_disc(start_ns, [${shares.join(', ')}])) FROM ${spans} AND project_key = ${key} ORDER BY 1`,
    );
    const cuts = (found as [bigint][]).map(([start]) => start);
    return [undefined, ...cuts].map((from, i) => {
      const since = from === undefined ? '' : ` AND start_ns >= ${from}`;
      const until = i === cuts.length ? '' : ` AND start_ns < ${cuts[i]}`;
      return `project_key = ${key}${since}${until}`;
    });
  }

  get #columns(): string {
    const { segment } = this.#options;
    return segment === undefined ? '*' : `* REPLACE (${segment}::BIGINT AS seg)`;
  }

  /** Copies some rows. Gives whether there are more. */
  async step(): Promise<boolean> {
    const part = this.#steps.shift();
    if (part === undefined) return false;
    await this.#connection.run(
      `INSERT INTO ${this.#catalog}.spans BY NAME SELECT ${this.#columns} FROM ${this.source.catalog}.spans
       WHERE ${part} AND ${this.#kept} ORDER BY project_key, start_ns, seq`,
      this.#options.gone.parameters,
    );
    return this.#steps.length > 0;
  }

  /** With all rows copied: makes the new file durable, and checks it. Errors: when the rows are not the same, or the database fails. */
  async finish(): Promise<void> {
    const { catalog } = this.source;
    await this.#connection.run(`INSERT INTO ${this.#catalog}.applied FROM ${catalog}.applied`);
    await this.#copyBlocks();
    const sums = 'count(*), sum(seq), sum(hash(span_id)), sum(start_ns)';
    const [expected, written] = [
      await this.#rows(`SELECT ${sums} FROM ${catalog}.spans WHERE ${this.#kept}`),
      (await this.#connection.runAndReadAll(`SELECT ${sums} FROM ${this.#catalog}.spans`)).getRows(),
    ];
    if (String(expected) !== String(written)) {
      throw new Error(`${this.file} holds ${String(written)} in the place of ${String(expected)}`);
    }
    await this.#connection.run('COMMIT');
    await detachDayFile(this.#connection, this.#catalog, this.file);
    this.#isAttached = false;
  }

  /** Blocks of which no row is left must not tell what the rows were. */
  async #copyBlocks(): Promise<void> {
    const { catalog } = this.source;
    if (this.#options.segment !== undefined) {
      // Rows that no block tells of would not be looked for among those that blocks do tell of.
      const untold = await this.#rows(
        `SELECT 1 FROM ${catalog}.spans ANTI JOIN ${catalog}.blocks USING (seg, project_key) WHERE ${this.#kept} LIMIT 1`,
      );
      if (untold.length > 0) return;
    }
    await this.#connection.run(
      `INSERT INTO ${this.#catalog}.blocks BY NAME SELECT ${this.#columns} FROM ${catalog}.blocks
       SEMI JOIN (SELECT DISTINCT seg, project_key FROM ${catalog}.spans WHERE ${this.#kept}) USING (seg, project_key) ORDER BY project_key, first_ns`,
      this.#options.gone.parameters,
    );
  }

  /** Leaves nothing of the copy. */
  async abandon(): Promise<void> {
    try {
      await this.#connection.run('ROLLBACK');
    } catch (error) {
      // A transaction that failed may have ended by itself; what counts is that none is open.
      if (!String(error).includes('no transaction is active')) throw error;
    } finally {
      if (this.#isAttached) await this.#connection.run(`DETACH ${this.#catalog}`);
      this.#isAttached = false;
      this.#removeFile();
    }
  }

  #removeFile(): void {
    for (const left of [this.file, `${this.file}.wal`]) rmSync(left, { force: true });
  }
}
