/**
 * Group commit over one connection: changes that wait while another commits share the next transaction.   Meta store: [commit-queue].
 */
import type { DuckDBConnection } from '@duckdb/node-api';

/**
 * One change. It checks first and writes after, so that an error of its own (a name that is taken) leaves the transaction as it was.
 * It may run twice, and must then do the same again.
 */
export type Change<T> = (connection: DuckDBConnection) => Promise<T>;

interface Waiting {
  /** Undefined: `alone` is to run instead, without a transaction. */
  readonly change: Change<unknown> | undefined;
  readonly alone?: () => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type Outcome = { readonly value: unknown } | { readonly error: unknown };

/** Changes in one transaction; bounds how long the first of them waits. */
const MAX_CHANGES = 200;

export class CommitQueue {
  readonly #connection: DuckDBConnection;
  /** Whether an error came from a change's own check, and not from the database. */
  readonly #isRefusal: (error: unknown) => boolean;
  /** Runs a commit apart from queries. */
  readonly #apart: (commit: () => Promise<void>) => Promise<void>;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(
    connection: DuckDBConnection,
    isRefusal: (error: unknown) => boolean,
    apart: (commit: () => Promise<void>) => Promise<void>,
  ) {
    this.#connection = connection;
    this.#isRefusal = isRefusal;
    this.#apart = apart;
  }

  /** Resolves when the change is on disk; rejects with its own error, or the database's. */
  commit<T>(change: Change<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ change, resolve: resolve as (value: unknown) => void, reject });
      this.#running ??= this.#run();
    });
  }

  /** Runs `work` while no change runs, after those that wait already. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({
        change: undefined,
        alone: work,
        resolve: resolve as (value: unknown) => void,
        reject,
      });
      this.#running ??= this.#run();
    });
  }

  async drained(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const { alone, resolve, reject } = this.#waiting[0]!;
      if (alone !== undefined) {
        this.#waiting.shift();
        await alone().then(resolve, reject);
        continue;
      }
      const next = this.#waiting.findIndex(({ change }) => change === undefined);
      const batch = this.#waiting.splice(0, next === -1 ? MAX_CHANGES : Math.min(next, MAX_CHANGES));
      try {
        await this.#together(batch);
      } catch {
        // The database refused the transaction as a whole: each change alone, so that only the one at fault hears of it.
        for (const one of batch) await this.#together([one]).catch(one.reject);
      }
    }
    this.#running = undefined;
  }

  async #together(batch: readonly Waiting[]): Promise<void> {
    const outcomes: Outcome[] = [];
    await this.#connection.run('BEGIN');
    try {
      for (const { change } of batch) {
        try {
          outcomes.push({ value: await change!(this.#connection) });
        } catch (error) {
          if (!this.#isRefusal(error)) throw error;
          outcomes.push({ error });
        }
      }
      await this.#apart(async () => {
        await this.#connection.run('COMMIT');
      });
    } catch (error) {
      await this.#connection.run('ROLLBACK').catch(() => undefined); // a failed COMMIT has ended the transaction already
      throw error;
    }
    batch.forEach(({ resolve, reject }, index) => {
      const outcome = outcomes[index]!;
      if ('error' in outcome) reject(outcome.error);
      else resolve(outcome.value);
    });
  }
}
