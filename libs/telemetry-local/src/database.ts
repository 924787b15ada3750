/**
 * The one DuckDB instance of a store, and the connections that queries take turns on.   Read path: engine -> [database] -> DuckDB.
 *
 * Each running query holds a thread of libuv's pool, so their number is capped; each has a time limit, after which it is interrupted.
 * Text of the database's own errors stays here: it goes into `cause`, never into a message that reaches a client.
 */
import { BackendUnavailableError } from '@cogniverse/foundation/store';
import { DOUBLE, type DuckDBConnection, DuckDBInstance, type DuckDBType, type DuckDBValue } from '@duckdb/node-api';

export type SqlParameters = Record<string, DuckDBValue>;
export type SqlRows = DuckDBValue[][];

export interface DatabaseOptions {
  readonly memoryLimitMb: number;
  readonly threads: number;
  readonly tempDirectory: string;
  readonly maxConcurrentQueries: number;
  readonly maxWaitingQueries: number;
  readonly queryTimeoutMillis: number;
  /** The database can only be opened anew. */
  readonly onFatal: (error: Error) => void;
}

/** After some failures, of disk or memory, DuckDB refuses everything until it is opened anew. */
export function isFatal(error: unknown): boolean {
  return String(error).includes('has been invalidated');
}

/** A file that cannot be opened for a reason that is none of the file: held by another process, no room, no right, no memory. */
export function isNoDamage(error: unknown): boolean {
  return /set lock on file|No space left|File too large|quota exceeded|Permission denied|Too many open files|Could not write|Out of Memory/i.test(
    String(error),
  );
}

/** A string as an SQL literal; for paths, which DuckDB's ATTACH does not take as parameters. */
export function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Numbers are doubles; left to itself, the client takes whole ones for 64-bit integers, and refuses those that are larger. */
function numberTypes(parameters: SqlParameters): Record<string, DuckDBType> {
  const types: Record<string, DuckDBType> = {};
  for (const [name, value] of Object.entries(parameters)) if (typeof value === 'number') types[name] = DOUBLE;
  return types;
}

export class Database {
  readonly #instance: DuckDBInstance;
  readonly #options: DatabaseOptions;
  readonly #connections: readonly DuckDBConnection[];
  readonly #idle: DuckDBConnection[];
  #interrupted = false;
  #isExclusive = false;
  #exclusiveTurn: Promise<void> = Promise.resolve();
  #whenIdle: (() => void) | undefined;
  readonly #waiting: ((connection: DuckDBConnection) => void)[] = [];

  private constructor(instance: DuckDBInstance, options: DatabaseOptions, connections: DuckDBConnection[]) {
    this.#instance = instance;
    this.#options = options;
    this.#connections = connections;
    this.#idle = [...connections];
  }

  static async open(options: DatabaseOptions): Promise<Database> {
    const instance = await DuckDBInstance.create(':memory:', {
      memory_limit: `${options.memoryLimitMb}MiB`,
      threads: String(options.threads),
      temp_directory: options.tempDirectory,
      preserve_insertion_order: 'false',
      // Sorted pages of up to so many rows read their wide columns for these rows alone.
      late_materialization_max_rows: '1001',
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    });
    const connections: DuckDBConnection[] = [];
    for (let i = 0; i < options.maxConcurrentQueries; i++) connections.push(await instance.connect());
    return new Database(instance, options, connections);
  }

  /** A connection of one's own, for work that is not a query. */
  connect(): Promise<DuckDBConnection> {
    return this.#instance.connect();
  }

  /** Queries that wait for their turn. */
  get waitingQueries(): number {
    return this.#waiting.length;
  }

  /**
   * Runs one statement when its turn comes.
   *
   * Errors: `BackendUnavailableError` if too many wait already, if it took too long, or if the database failed.
   */
  async query(sql: string, parameters: SqlParameters = {}): Promise<SqlRows> {
    const connection = await this.#acquire();
    if (this.#interrupted) {
      this.#release(connection);
      throw new BackendUnavailableError('The store is stopping.');
    }
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      connection.interrupt();
    }, this.#options.queryTimeoutMillis);
    try {
      // Prepared by hand: each step is a turn of an event loop that is busy with taking spans in, and `runAndReadAll` takes one more.
      const statement = await connection.prepare(sql);
      try {
        statement.bind(parameters, numberTypes(parameters));
        return (await statement.runAndReadAll()).getRows();
      } finally {
        statement.destroySync();
      }
    } catch (error) {
      if (isFatal(error)) this.#options.onFatal(error as Error);
      throw new BackendUnavailableError(
        timedOut
          ? `The query took longer than ${this.#options.queryTimeoutMillis} ms and was stopped. Narrow its time range or its filters.`
          : 'The store could not answer the query.',
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
      this.#release(connection);
    }
  }

  /**
   * Runs `work` while no query runs; queries that come meanwhile wait for it. One at a time.
   *
   * For commits and checkpoints of database files: in DuckDB 1.5.6 a query that is planned while one is under way now and then finds a table empty
   * that is not (seen six times in 3,000 reads beside 300 flushes; never in 1,600 that excluded each other).
   */
  exclusive(work: () => Promise<void>): Promise<void> {
    const turn = this.#exclusiveTurn.then(() => this.#exclude(work));
    this.#exclusiveTurn = turn.catch(() => undefined); // its caller hears of it; the next one has its turn all the same
    return turn;
  }

  async #exclude(work: () => Promise<void>): Promise<void> {
    this.#isExclusive = true;
    try {
      if (this.#idle.length < this.#connections.length) {
        await new Promise<void>((resolve) => {
          this.#whenIdle = resolve;
        });
      }
      await work();
    } finally {
      this.#isExclusive = false;
      this.#whenIdle = undefined;
      this.#serve();
    }
  }

  #acquire(): DuckDBConnection | Promise<DuckDBConnection> {
    const connection = this.#isExclusive ? undefined : this.#idle.pop();
    if (connection !== undefined) return connection;
    if (this.#waiting.length >= this.#options.maxWaitingQueries) {
      throw new BackendUnavailableError(
        `${this.#waiting.length} queries wait for the store already. Ask again in a moment.`,
      );
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #release(connection: DuckDBConnection): void {
    this.#idle.push(connection);
    if (!this.#isExclusive) this.#serve();
    else if (this.#idle.length === this.#connections.length) this.#whenIdle?.();
  }

  #serve(): void {
    while (this.#idle.length > 0 && this.#waiting.length > 0) this.#waiting.shift()!(this.#idle.pop()!);
  }

  /** Stops the queries that run, and refuses those that wait. */
  interrupt(): void {
    this.#interrupted = true;
    for (const connection of this.#connections) connection.interrupt();
  }

  /** Called when nothing runs any more. */
  close(): void {
    for (const connection of this.#connections) connection.closeSync();
    this.#instance.closeSync();
  }
}
