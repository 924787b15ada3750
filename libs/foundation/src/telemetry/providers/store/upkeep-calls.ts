/** What keeps a store healthy: how long spans are kept, and back-ups.   Server -> [upkeep-calls]. */
import type { ProjectRef } from '../records.js';

/** How long the spans of a project are kept, where that is not the store's own `retentionDays`. */
export interface RetentionRecord {
  readonly project: ProjectRef;
  /** Days after its start that a span is kept; 0 means for ever. */
  readonly days: number;
}

export interface BackupRecord {
  /** Absolute path, on the machine of the store. */
  readonly directory: string;
  readonly files: number;
  readonly bytes: number;
  /** ISO 8601. */
  readonly createdAt: string;
}

export interface UpkeepCalls {
  /**
   * Sets how long the spans of a project are kept, whether it has any or not; `null` gives it the store's `retentionDays` again, 0 keeps them for ever.
   * Spans go with their annotations, by whole UTC days of their start, within an hour.
   */
  setRetention(request: { project: ProjectRef; days: number | null }): Promise<void>;
  /** Projects with a retention of their own, by tenant and name; of all tenants when none is given. */
  listRetention(request?: { tenantId?: string | null | undefined }): Promise<RetentionRecord[]>;
  /**
   * Writes a consistent copy of the whole store into a directory that is empty or not there, on the machine of the store, while it goes on: all that was
   * acknowledged before the call, and nothing in part. It is verified before the answer; restoring is opening a verified copy of it.
   *
   * Errors: `InvalidQueryError` for a directory that is not empty or within the store; `BackendUnavailableError` when it could not be written.
   */
  backup(request: { directory: string }): Promise<BackupRecord>;
}
