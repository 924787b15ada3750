/**
 * Makes stored data go away: a tenant without a byte left behind, or some spans of a project.   Control path: deletions -> [eraser] -> day files, meta.
 *
 * All of it begins by settling: what was acknowledged is flushed, so that log and hot tables hold nothing of it any more and the day files are all
 * there is to be changed. Flushes and erasures take turns file by file, so others write and read on.
 *
 * A tenant: each file that may hold a byte of it is written anew without it and swapped in; what was set aside as damaged is removed altogether,
 * because nobody can say whose it is; temporary files are waited out. All of it can be repeated: `deletions.ts` sees to it that what was cut short is.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { BackendUnavailableError } from '@cogniverse/foundation/store';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { DataDirectory } from '../data-directory.js';
import { isFatal } from '../database.js';
import type { DayFile } from '../day-file.js';
import { type DayFiles, NANOS_PER_DAY } from '../day-files.js';
import type { MetaDatabase } from '../meta/meta-database.js';
import { phase } from '../phases.js';
import { deleteAnnotationsOfSpans, deleteRowsOfProject } from './annotations-of.js';
import { AuditLog } from './audit-log.js';
import { FileSwapError } from './file-swap.js';
import type { SpanDeletion } from './pending-deletions.js';
import { rewriteMeta } from './rewrite-meta.js';
import { type SpanCondition, spansOfProject, spansOfTenant } from './span-condition.js';

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
  /** Errors: `BackendUnavailableError` when the disk has no room for so many bytes. */
  requireRoom(bytes: number): void;
  /** Remembered requests of the tenant are taken anew when they come again. */
  forget(tenant: string | null): void;
  /** Called before a day file is changed. */
  changing(day: number): Promise<void>;
  /** Rows of the day file are gone. */
  changed(day: number): void;
  fatal(error: unknown): void;
}

export interface TenantDeletionOutcome {
  /** Rows that are gone, by table. */
  readonly deleted: Readonly<Record<string, number>>;
  /** Files in `damaged/` that were removed, whoever's they were. */
  readonly damagedFiles: number;
  /** As the audit entry names the tenant: a keyed hash. */
  readonly tenantHash: string;
}

/** Runs `work` while nothing writes to `meta.duckdb`. */
type MetaAlone = <T>(work: () => Promise<T>) => Promise<T>;

/** Queries that hold temporary files end within their time limit; after so many turns something else does. */
const TEMPORARY_TURNS = 5;

export class Eraser {
  readonly #host: EraseHost;

  constructor(host: EraseHost) {
    this.#host = host;
  }

  /**
   * Resolves when no byte of the tenant is in the data directory any more. Its writes must be refused, and none under way.
   * Errors: `BackendUnavailableError` when it cannot be finished now; it can be repeated.
   */
  async eraseTenant(tenant: string | null, metaAlone: MetaAlone): Promise<TenantDeletionOutcome> {
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
        if (found.gone < found.all) host.requireRoom(sizeOf(file.file));
        await this.#remove(file, gone, found, 'rewrite');
        return found.gone;
      });
    }
    const meta = await host.coldTurn(() =>
      metaAlone(async () => {
        phase('delete_meta');
        host.requireRoom(sizeOf(host.directory.metaFile) + sizeOf(`${host.directory.metaFile}.wal`));
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
    return { deleted, damagedFiles, tenantHash: audit.tenantHash(tenant) };
  }

  /**
   * Deletes spans of one project, with their annotations. Gives how many rows are gone, by table. `mark` is called before the first change.
   *
   * Few spans are deleted where they are, which is quick and leaves their bytes in free blocks of the file until it is written anew; many are left
   * out of a new file, which gives the space back at once.
   */
  async eraseSpans(deletion: SpanDeletion, meta: MetaDatabase, mark: () => void): Promise<Record<string, number>> {
    const host = this.#host;
    await host.settle();
    const gone = spansOfProject(deletion.project, deletion.choice, deletion.before);
    const deleted: Record<string, number> = await this.#eraseRows(gone, deletion.how, meta, { mark });
    host.forget(deletion.project.tenantId);
    return deleted;
  }

  /** Deletes all else that names the project. Gives how many rows are gone, by table. */
  eraseProjectRows({ project }: SpanDeletion, meta: MetaDatabase): Promise<Record<string, number>> {
    return meta.commit((connection) => deleteRowsOfProject(connection, project));
  }

  /** Removes spans of whatever project that are past their time; none starts at or after `end`. Gives their number. */
  async expire(gone: SpanCondition, end: bigint, meta: MetaDatabase): Promise<number> {
    return (await this.#eraseRows(gone, 'rewrite', meta, { end })).spans;
  }

  /** In all day files that may hold spans before `end`, one after another. */
  async #eraseRows(
    gone: SpanCondition,
    how: SpanDeletion['how'],
    meta: MetaDatabase,
    { end, mark }: { end?: bigint; mark?: () => void },
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
        if (found.gone < found.all) host.requireRoom(sizeOf(file.file));
        mark?.();
        phase('delete_day');
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
    how: SpanDeletion['how'],
  ): Promise<void> {
    const { days, exclusive } = this.#host;
    await this.#host.changing(file.day);
    phase('delete_rows');
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

function sizeOf(file: string): number {
  return existsSync(file) ? statSync(file).size : 0;
}
