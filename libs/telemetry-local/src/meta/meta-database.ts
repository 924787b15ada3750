/**
 * The writer of `meta.duckdb`, which its domains share: annotations, data sets, experiments.   Store worker: engine -> [meta-database] <- domains.
 *
 * One connection writes. Each change is an operation that first reads and checks, then writes; all that wait are committed together,
 * so many small changes share one sync. A promise resolves when its change is on disk. Every row carries its tenant's id, and every
 * statement compares it.
 */
import { StoreOpenError, TelemetryError } from '@cogniverse/foundation/store';
import type { DuckDBConnection } from '@duckdb/node-api';
import { isFatal, type SqlParameters, type SqlRows } from '../database.js';
import { type Change, CommitQueue } from './commit-queue.js';
import type { SpanSource } from './metrics.js';

/** What the meta database needs of the engine it lives in. */
export interface MetaHost extends SpanSource {
  /** A connection of its own, with `meta.duckdb` attached as `meta`. */
  metaConnection(): Promise<DuckDBConnection>;
  /** Reads, in turn with all other queries. */
  query(sql: string, parameters?: SqlParameters): Promise<SqlRows>;
  /** Called before `meta` is written to: see `prepareLogOf`. */
  prepareMetaLog(): void;
  /** The database can only be opened anew. */
  fatal(error: unknown): void;
  /** Runs `work` while no query runs: see `Database.exclusive`. */
  exclusive(work: () => Promise<void>): Promise<void>;
}

/** The tables of one domain. */
export interface MetaSchema {
  /**
   * Makes what is missing. JSON is kept as text, as it came. Every table has `tenant_id`; null is no tenant. A column that is added to a table
   * of an earlier format goes into `upgrade/` too, at the end of its table.
   */
  readonly sql: string;
  /** Tables with a column `position`: the order of creation, counted over all of them. */
  readonly positioned: readonly string[];
}

/** What the rows of a table are called where they are counted. */
export function rowsOf(table: string): string {
  return table === 'target_annotations' ? 'annotations' : table;
}

/** A condition of every statement: the rows of the tenant `$tenant`, which may be null. */
export const OF_TENANT = 'tenant_id IS NOT DISTINCT FROM $tenant';

export class MetaDatabase {
  readonly host: MetaHost;
  readonly #writer: DuckDBConnection;
  readonly #commits: CommitQueue;
  /** The largest position that was given out. */
  #position: bigint;

  private constructor(host: MetaHost, writer: DuckDBConnection, position: bigint) {
    this.host = host;
    this.#writer = writer;
    this.#commits = new CommitQueue(
      writer,
      (error) => error instanceof TelemetryError,
      (commit) =>
        host.exclusive(() => {
          host.prepareMetaLog();
          return commit();
        }),
    );
    this.#position = position;
  }

  /** Makes the tables that are missing. Errors: `StoreOpenError` if the file cannot be used. */
  static async open(host: MetaHost, schemas: readonly MetaSchema[]): Promise<MetaDatabase> {
    const writer = await host.metaConnection();
    try {
      for (const { sql } of schemas) {
        host.prepareMetaLog();
        await writer.run(sql);
      }
      const highest = schemas
        .flatMap(({ positioned }) => positioned)
        .map((table) => `SELECT max(position) AS position FROM meta.${table}`)
        .join(' UNION ALL ');
      const rows = (await writer.runAndReadAll(`SELECT coalesce(max(position), 0) FROM (${highest})`)).getRows();
      return new MetaDatabase(host, writer, rows[0]![0] as bigint);
    } catch (cause) {
      writer.closeSync();
      throw new StoreOpenError(
        'meta.duckdb in the data directory cannot be used. Restore it from a backup, or move it away to begin anew.',
        { cause },
      );
    }
  }

  /** Resolves when the change is on disk; rejects with its own error, or the database's. */
  commit<T>(change: Change<T>): Promise<T> {
    return this.#commits.commit(change).catch((error: unknown) => {
      if (isFatal(error)) this.host.fatal(error);
      throw error;
    });
  }

  /** Runs `work` while nothing writes to the database. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#commits.alone(work);
  }

  nextPosition(): bigint {
    this.#position += 1n;
    return this.#position;
  }

  /** Waits for the changes under way. Called before the engine closes. */
  async close(): Promise<void> {
    await this.#commits.drained();
    this.#writer.closeSync();
  }
}
