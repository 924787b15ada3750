/**
 * Deletions that have begun and are not finished, kept over a crash: the next start finishes them.   Control path: deletions -> [pending-deletions].
 *
 * `deletion.pending` holds them all, sealed with the key beside it: names and ids of who is to be forgotten stand nowhere in clear. It is
 * unlinked with the last of them.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StoreOpenError } from '@cogniverse/foundation/store';
import type { ProjectRef } from '@cogniverse/foundation/telemetry';
import { z } from 'zod';
import type { DataDirectory } from '../data-directory.js';
import { syncDirectory } from '../write-ahead-log.js';
import { AuditLog } from './audit-log.js';
import type { SpanChoice } from './span-condition.js';

export interface TenantDeletion {
  readonly kind: 'tenant';
  readonly tenant: string | null;
}

/** Of spans that are chosen in a project, or of the whole project when nothing is chosen. */
export interface SpanDeletion {
  readonly kind: 'spans';
  readonly project: ProjectRef;
  readonly choice: SpanChoice;
  readonly how: 'delete' | 'rewrite';
  /** Spans of a sequence from this on came after the deletion was asked for, and stay. */
  readonly before: bigint;
  /** All else that names the project goes too. */
  readonly rowsToo: boolean;
}

export type Deletion = TenantDeletion | SpanDeletion;

const integer = z
  .string()
  .regex(/^-?\d+$/)
  .transform(BigInt);
const deletionSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('tenant'), tenant: z.string().nullable() }),
  z.strictObject({
    kind: z.literal('spans'),
    project: z.strictObject({ tenantId: z.string().nullable(), name: z.string() }),
    choice: z.strictObject({
      traceIds: z.array(z.string()).optional(),
      spanIds: z.array(z.string()).optional(),
      sessions: z.strictObject({ ids: z.array(z.string()), traceIds: z.array(z.string()) }).optional(),
      range: z.strictObject({ start: integer.optional(), end: integer.optional() }).optional(),
    }),
    how: z.enum(['delete', 'rewrite']),
    before: integer,
    rowsToo: z.boolean(),
  }),
]);

export class PendingDeletions {
  readonly #directory: DataDirectory;
  readonly #file: string;
  readonly #deletions: Set<Deletion>;

  private constructor(directory: DataDirectory, file: string, deletions: readonly Deletion[]) {
    this.#directory = directory;
    this.#file = file;
    this.#deletions = new Set(deletions);
  }

  /** Errors: `StoreOpenError` when the file cannot be read: whose deletions it is about must not be forgotten. */
  static open(directory: DataDirectory): PendingDeletions {
    const file = join(directory.root, 'deletion.pending');
    if (!existsSync(file)) return new PendingDeletions(directory, file, []);
    try {
      const text = AuditLog.open(directory).unseal(readFileSync(file, 'utf8'));
      return new PendingDeletions(directory, file, z.array(deletionSchema).parse(JSON.parse(text)));
    } catch (cause) {
      throw new StoreOpenError(
        `${file} says that a deletion was cut short, and cannot be read: restore audit.key, which sealed it, or remove ` +
          'the file and delete again.',
        { cause },
      );
    }
  }

  /** Oldest first. */
  all(): Deletion[] {
    return [...this.#deletions];
  }

  has(deletion: Deletion): boolean {
    return this.#deletions.has(deletion);
  }

  /** The one of the tenant, if there is one. */
  ofTenant(tenant: string | null): TenantDeletion | undefined {
    for (const one of this.#deletions) if (one.kind === 'tenant' && one.tenant === tenant) return one;
    return undefined;
  }

  /** Durable when it returns. Errors: those of the file system; then it is not pending. */
  add(deletion: Deletion): void {
    this.#change(() => this.#deletions.add(deletion));
  }

  /** In one step. Errors: those of the file system; then nothing has changed. */
  replace(deletion: Deletion, other: Deletion): void {
    this.#change(() => {
      this.#deletions.delete(deletion);
      this.#deletions.add(other);
    });
  }

  /** Errors: those of the file system; then it is still pending, and doing it again changes nothing. */
  remove(deletion: Deletion): void {
    this.#change(() => this.#deletions.delete(deletion));
  }

  #change(change: () => void): void {
    const before = this.all();
    change();
    try {
      this.#write();
    } catch (error) {
      this.#deletions.clear();
      for (const deletion of before) this.#deletions.add(deletion);
      throw error;
    }
  }

  #write(): void {
    if (this.#deletions.size === 0) {
      rmSync(this.#file, { force: true });
    } else {
      const text = JSON.stringify(this.all(), (_key, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      );
      const fresh = `${this.#file}.new`;
      try {
        writeFileSync(fresh, AuditLog.open(this.#directory).seal(text), { mode: 0o600, flush: true });
        renameSync(fresh, this.#file);
      } catch (error) {
        rmSync(fresh, { force: true });
        throw error;
      }
    }
    syncDirectory(this.#directory.root);
  }
}
