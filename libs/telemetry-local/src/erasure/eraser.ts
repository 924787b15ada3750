/**
 * Makes stored data go away: a tenant without a byte left behind, or some spans of a project.   Control path: handler -> [eraser] -> day files, meta.
 *
 * All of it begins by settling: what was acknowledged is flushed, so that log and hot tables hold nothing of it any more and the day files are all
 * there is to be changed. Flushes and erasures take turns file by file, so others write and read on.
 *
 * A tenant: its writes are refused while it lasts; each file that may hold a byte of it is written anew without it and swapped in; what was set aside as
 * damaged is removed altogether, because nobody can say whose it is; temporary files are waited out. A marker makes the next start finish what a crash
 * cut short, before it serves.
 */
import { readdirSync } from 'node:fs';
import { BackendUnavailableError, type ProjectRef } from '@cogniverse/foundation/telemetry';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { DataDirectory } from '../data-directory.js';
import { isFatal } from '../database.js';
import { type DayFile, type DayFiles, NANOS_PER_DAY } from '../day-files.js';
import type { MetaDatabase } from '../meta/meta-database.js';
import { phase } from '../phases.js';
import { deleteAnnotationsOfSpans, deleteRowsOfProject } from './annotations-of.js';
import { AuditLog } from './audit-log.js';
import { FileSwapError } from './file-swap.js';
import { readPendingDeletion, removePendingDeletion, writePendingDeletion } from './pending-deletion.js';
import { rewriteMeta } from './rewrite-meta.js';
import { type SpanChoice, type SpanCondition, spansOfProject, spansOfTenant } from './span-condition.js';

/** What an erasure needs of the engine. */
export interface EraseHost {
  readonly directory: DataDirectory;
  readonly days: DayFiles;
  /** Writes day files; used in a cold turn only. */
  readonly connection: DuckDBConnection;
  /** Runs `work` while no query runs. */
  exclusive(work: () => Promise<void>): Promise<void>;
  /** Runs `work` while no flush and no other step of an erasure runs. */
  coldTurn<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when all spans that are acknowledged by now are in day files, and in no log. */
  settle(): Promise<void>;
  refuse(tenant: string | null): void;
  accept(tenant: string | null): void;
  /** Remembered requests of the tenant are taken anew when they come again. */
  forget(tenant: string | null): void;
  /** Rows of the day file are gone. */
  changed(day: number): void;
  fatal(error: unknown): void;
  report(line: string): void;
}

export interface TenantDeletionOutcome {
  /** Rows that are gone, by table. */
  readonly deleted: Readonly<Record<string, number>>;
  /** Files in `damaged/` that were removed, whoever's they were. */
  readonly damagedFiles: number;
  /** As the audit entry names the tenant: a keyed hash. */
  readonly tenantHash: string;
}

export interface SpanErasure {
  readonly project: ProjectRef;
  readonly choice: SpanChoice;
  readonly how: 'delete' | 'rewrite';
}

/** Runs `work` while nothing writes to `meta.duckdb`. */
type MetaAlone = <T>(work: () => Promise<T>) => Promise<T>;

/** Queries that hold temporary files end within their time limit; after so many turns something else does. */
const TEMPORARY_TURNS = 5;

export class Eraser {
  readonly #host: EraseHost;
  /** One tenant at a time. */
  #tenantTurn: Promise<unknown> = Promise.resolve();

  constructor(host: EraseHost) {
    this.#host = host;
  }

  /** Called at start, with the log recovered and before anything is served. */
  async finishPending(): Promise<void> {
    const pending = readPendingDeletion(this.#host.directory);
    if (pending === undefined) return;
    this.#host.report('the deletion of a tenant was cut short; it is finished before the store serves');
    this.#host.refuse(pending.tenant);
    await this.#deleteTenant(pending.tenant, (work) => work());
    this.#host.accept(pending.tenant);
    this.#host.report('the deletion of the tenant is finished');
  }

  /**
   * Resolves when no byte of the tenant is in the data directory any more. From the call on its writes are refused.
   * `begun` gives what of the tenant is under way by then; it is waited for before anything is deleted.
   *
   * Errors: `BackendUnavailableError` when it cannot be finished now: the tenant stays refused, calling again or the next start goes on.
   */
  deleteTenant(
    tenant: string | null,
    begun: () => Promise<unknown>,
    metaAlone: MetaAlone,
  ): Promise<TenantDeletionOutcome> {
    const turn = this.#tenantTurn.then(async () => {
      this.#host.refuse(tenant);
      await begun();
      phase('delete_mark');
      writePendingDeletion(this.#host.directory, AuditLog.open(this.#host.directory), tenant);
      const outcome = await this.#deleteTenant(tenant, metaAlone);
      this.#host.accept(tenant);
      return outcome;
    });
    this.#tenantTurn = turn.catch(() => undefined); // its caller hears of it; the next one has its turn all the same
    return turn;
  }

  async #deleteTenant(tenant: string | null, metaAlone: MetaAlone): Promise<TenantDeletionOutcome> {
    const host = this.#host;
    phase('delete_settle');
    await host.settle();
    const gone = spansOfTenant(tenant);
    let spans = 0;
    for (const { day } of host.days.all()) {
      spans += await host.coldTurn(async () => {
        const file = host.days.get(day);
        if (file === undefined) return 0;
        const found = await host.days.count(file, gone);
        if (found.gone === 0 && !(await host.days.holdsErased(file))) return 0;
        phase('delete_day');
        await this.#remove(file, gone, found, 'rewrite');
        return found.gone;
      });
    }
    const meta = await host.coldTurn(() =>
      metaAlone(() => {
        phase('delete_meta');
        return this.#swap(() =>
          rewriteMeta(host.connection, host.directory, tenant, host.exclusive, () => phase('delete_meta_swap')),
        );
      }),
    );
    phase('delete_damaged');
    const damagedFiles = host.directory.removeDamaged();
    await this.#waitForTemporaryFiles();
    phase('delete_audit');
    const audit = AuditLog.open(host.directory);
    const deleted = { spans, ...meta };
    audit.append(tenant, { action: 'delete_tenant', deleted });
    phase('delete_done');
    removePendingDeletion(host.directory);
    return { deleted, damagedFiles, tenantHash: audit.tenantHash(tenant) };
  }

  /**
   * Deletes spans of one project, with their annotations. Gives how many rows are gone, by table.
   *
   * Few spans are deleted where they are, which is quick and leaves their bytes in free blocks of the file until it is written anew; many are left
   * out of a new file, which gives the space back at once.
   */
  async deleteSpans({ project, choice, how }: SpanErasure, meta: MetaDatabase): Promise<Record<string, number>> {
    const host = this.#host;
    const isWhole = Object.values(choice).every((part) => part === undefined);
    await host.settle();
    const deleted: Record<string, number> = await this.#eraseRows(spansOfProject(project, choice), how, meta);
    if (isWhole) {
      const rows = await meta.commit((connection) => deleteRowsOfProject(connection, project));
      for (const [table, count] of Object.entries(rows)) deleted[table] = (deleted[table] ?? 0) + count;
    }
    host.forget(project.tenantId);
    return deleted;
  }

  /** Removes spans of whatever project that are past their time; none starts at or after `end`. Gives their number. */
  async expire(gone: SpanCondition, end: bigint, meta: MetaDatabase): Promise<number> {
    return (await this.#eraseRows(gone, 'rewrite', meta, end)).spans;
  }

  /** In all day files that may hold spans before `end`, one after another. */
  async #eraseRows(
    gone: SpanCondition,
    how: SpanErasure['how'],
    meta: MetaDatabase,
    end?: bigint,
  ): Promise<{ spans: number; annotations: number }> {
    const host = this.#host;
    let [spans, annotations] = [0, 0];
    for (const { day } of host.days.all()) {
      if (end !== undefined && BigInt(day) * NANOS_PER_DAY >= end) continue;
      await host.coldTurn(async () => {
        const file = host.days.get(day);
        if (file === undefined) return;
        const found = await host.days.count(file, gone);
        if (found.gone === 0) return;
        annotations += await meta.commit((connection) =>
          deleteAnnotationsOfSpans(connection, file, host.days.all(), gone),
        );
        await this.#remove(file, gone, found, how);
        spans += found.gone;
      });
    }
    return { spans, annotations };
  }

  async #remove(
    file: DayFile,
    gone: SpanCondition,
    found: { readonly gone: number; readonly all: number },
    how: SpanErasure['how'],
  ): Promise<void> {
    const { days, exclusive } = this.#host;
    if (found.gone === found.all) await this.#swap(() => days.remove(file, exclusive));
    else if (how === 'rewrite') await this.#rewrite(file, gone);
    else await this.#swap(() => days.deleteRows(file, gone, exclusive));
    this.#host.changed(file.day);
  }

  #rewrite(file: DayFile, gone: SpanCondition): Promise<void> {
    return this.#swap(() => this.#host.days.rewrite(file, gone, this.#host.exclusive, () => phase('delete_day_swap')));
  }

  async #swap<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof FileSwapError || isFatal(error)) this.#host.fatal(error);
      throw new BackendUnavailableError('A file of the store could not be written anew. Try again in a moment.', {
        cause: error,
      });
    }
  }

  /** What DuckDB put into temporary files is gone when the queries and hot tables that needed them are. */
  async #waitForTemporaryFiles(): Promise<void> {
    for (let turn = 0; readdirSync(this.#host.directory.temp).length > 0; turn++) {
      if (turn === TEMPORARY_TURNS) {
        throw new BackendUnavailableError(
          'Temporary files of the database may still hold data of the tenant. Start the store again: that removes them, and finishes the deletion.',
        );
      }
      await this.#host.settle();
      await this.#host.exclusive(async () => undefined);
    }
  }
}
