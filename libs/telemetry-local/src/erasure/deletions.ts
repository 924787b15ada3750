/**
 * Sees each deletion through: what a crash cut short is finished by the next start before it serves, and what fails is tried again while the store
 * serves on.   Control path: handler, start, tick -> [deletions] -> eraser.
 *
 * A tenant's writes and reads are refused from the beginning of its deletion to the end, however long that takes.
 */

import { BackendUnavailableError } from '@cogniverse/foundation/store';
import type { ProjectRef } from '@cogniverse/foundation/telemetry';
import type { MetaDatabase } from '../meta/meta-database.js';
import { phase } from '../phases.js';
import type { Eraser, TenantDeletionOutcome } from './eraser.js';
import type { Deletion, PendingDeletions, SpanDeletion, TenantDeletion } from './pending-deletions.js';
import type { SpanChoice } from './span-condition.js';

/** What deletions need of the store around them. */
export interface DeletionsHost {
  readonly eraser: Eraser;
  /** The sequence of the next span that comes. */
  readonly nextSequence: bigint;
  refuse(tenant: string | null): void;
  accept(tenant: string | null): void;
  /** Resolves when the calls of the tenant that are under way have been answered. */
  callsOf(tenant: string | null): Promise<void>;
  report(line: string): void;
}

const RETRY_MILLIS = 1000;
const RETRY_MAX_MILLIS = 60_000;

const GOES_ON = 'It is pending: the store goes on with it by itself, and so does the next start.';

function nameOf(deletion: Deletion): string {
  return deletion.kind === 'tenant' ? 'the deletion of a tenant' : 'a deletion of spans';
}

export class Deletions {
  readonly #host: DeletionsHost;
  readonly #meta: MetaDatabase;
  readonly #pending: PendingDeletions;
  /** Those that are not under way: their last attempt failed. */
  readonly #failed = new Set<Deletion>();
  /** One tenant, or one that is tried again, at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  #retrying: Promise<void> | undefined;
  #retryMillis = RETRY_MILLIS;
  #retryAt = 0;
  #stopping = false;

  /** From here on the tenants whose deletion is pending are refused. */
  constructor(host: DeletionsHost, meta: MetaDatabase, pending: PendingDeletions) {
    this.#host = host;
    this.#meta = meta;
    this.#pending = pending;
    for (const deletion of pending.all()) {
      this.#failed.add(deletion);
      if (deletion.kind === 'tenant') host.refuse(deletion.tenant);
    }
  }

  figures(): Record<string, number> {
    return { pending_deletions: this.#pending.all().length };
  }

  /** Called at start, before anything is served. What cannot be finished is reported, and stays pending. */
  async finishPending(): Promise<void> {
    for (const deletion of [...this.#failed]) {
      this.#host.report(`${nameOf(deletion)} was cut short; it is finished before the store serves`);
      await this.#again(deletion);
    }
    this.#retryAt = performance.now() + this.#retryMillis;
  }

  /** Called from time to time: tries again what failed, after pauses that grow. */
  tick(): void {
    if (this.#failed.size === 0 || this.#retrying !== undefined || performance.now() < this.#retryAt) return;
    const retry = async () => {
      for (const deletion of [...this.#failed]) if (!this.#stopping) await this.#again(deletion);
    };
    this.#retrying = retry().finally(() => {
      this.#retrying = undefined;
      this.#retryMillis = this.#failed.size === 0 ? RETRY_MILLIS : Math.min(this.#retryMillis * 2, RETRY_MAX_MILLIS);
      this.#retryAt = performance.now() + this.#retryMillis;
    });
  }

  /** Begins nothing more by itself. Resolves when none is tried again. */
  async drained(): Promise<void> {
    this.#stopping = true;
    await this.#retrying;
  }

  /** Never fails: it is reported. */
  #again(deletion: Deletion): Promise<void> {
    return this.#inTurn(async () => {
      // Finished meanwhile, by a caller.
      if (!this.#failed.has(deletion)) return;
      try {
        await this.#finish(deletion);
        this.#host.report(
          deletion.kind === 'tenant' ? 'the deletion of the tenant is finished' : 'the deletion of spans is finished',
        );
      } catch (error) {
        this.#host.report(`${nameOf(deletion)} is pending, and tried again: ${messageOf(error)}`);
      }
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined); // its caller hears of it; the next one has its turn all the same
    return turn;
  }

  #finish(deletion: Deletion): Promise<unknown> {
    return deletion.kind === 'tenant' ? this.#finishTenant(deletion) : this.#finishSpans(deletion);
  }

  /**
   * Resolves when no byte of the tenant is in the data directory any more. From the call on its writes are refused.
   *
   * Errors: `BackendUnavailableError` when it cannot be finished now: the tenant stays refused, and the deletion goes on; or when it could
   * not even begin: then nothing is changed.
   */
  deleteTenant(tenant: string | null): Promise<TenantDeletionOutcome> {
    return this.#inTurn(async () => {
      const { callsOf, refuse, accept } = this.#host;
      refuse(tenant);
      await callsOf(tenant);
      let deletion = this.#pending.ofTenant(tenant);
      if (deletion === undefined) {
        phase('delete_mark');
        deletion = { kind: 'tenant', tenant };
        try {
          this.#pending.add(deletion);
        } catch (cause) {
          accept(tenant);
          throw notBegun(cause);
        }
      }
      return this.#finishTenant(deletion);
    });
  }

  async #finishTenant(deletion: TenantDeletion): Promise<TenantDeletionOutcome> {
    const { tenant } = deletion;
    return this.#seenThrough(deletion, async () => {
      const outcome = await this.#host.eraser.eraseTenant(tenant, (work) => this.#meta.alone(work));
      phase('delete_done');
      // What else was pending of it names it.
      for (const one of this.#pending.all()) {
        if (one.kind === 'spans' && one.project.tenantId === tenant) this.#forget(one);
      }
      this.#forget(deletion);
      this.#host.accept(tenant);
      return outcome;
    });
  }

  /**
   * Deletes spans of a project that have come by now, with their annotations; all else of the project too when nothing is chosen.
   * Gives how many rows are gone, by table.
   *
   * Errors: `BackendUnavailableError` when it cannot be finished now; it goes on if it says so, and has changed nothing otherwise.
   */
  deleteSpans(project: ProjectRef, choice: SpanChoice, how: SpanDeletion['how']): Promise<Record<string, number>> {
    return this.#finishSpans({
      kind: 'spans',
      project,
      choice,
      how,
      before: this.#host.nextSequence,
      rowsToo: isWhole(choice),
    });
  }

  async #finishSpans(asked: SpanDeletion): Promise<Record<string, number>> {
    const { eraser } = this.#host;
    let deletion = asked;
    /** Before the first change, and only then: most name what one file holds, or none. */
    const mark = () => {
      if (this.#pending.has(deletion)) return;
      try {
        this.#pending.add(deletion);
      } catch (cause) {
        throw notBegun(cause);
      }
    };
    let rows: Record<string, number> = {};
    if (deletion.rowsToo) {
      mark();
      const rest = { ...deletion, rowsToo: false };
      rows = await this.#seenThrough(deletion, async () => {
        const gone = await eraser.eraseProjectRows(asked, this.#meta);
        // What is written of the project from now on stays, also when the spans take longer.
        this.#pending.replace(deletion, rest);
        return gone;
      });
      deletion = rest;
    }
    return this.#seenThrough(deletion, async () => {
      const deleted = await eraser.eraseSpans(deletion, this.#meta, mark);
      this.#forget(deletion);
      for (const [table, count] of Object.entries(rows)) deleted[table] = (deleted[table] ?? 0) + count;
      return deleted;
    });
  }

  #forget(deletion: Deletion): void {
    if (this.#pending.has(deletion)) this.#pending.remove(deletion);
    this.#failed.delete(deletion);
  }

  /** What fails while it is pending goes on later. */
  async #seenThrough<T>(deletion: Deletion, work: () => Promise<T>): Promise<T> {
    this.#failed.delete(deletion);
    try {
      return await work();
    } catch (cause) {
      if (!this.#pending.has(deletion)) throw cause;
      this.#failed.add(deletion);
      throw new BackendUnavailableError(`The deletion is not finished: ${messageOf(cause)} ${GOES_ON}`, { cause });
    }
  }
}

function isWhole(choice: SpanChoice): boolean {
  return Object.values(choice).every((part) => part === undefined);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function notBegun(cause: unknown): BackendUnavailableError {
  return new BackendUnavailableError(
    `The deletion cannot begin, and nothing was changed: ${messageOf(cause)}. Make room on the disk and ask again.`,
    { cause },
  );
}
