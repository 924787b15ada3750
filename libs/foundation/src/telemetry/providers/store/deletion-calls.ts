/** How stored data goes away.   Server -> [deletion-calls]. */
import type { ProjectRef, TimeInput } from '../records.js';

/** What is gone. */
export interface DeletionRecord {
  /** Rows by table: `spans`, and those of annotations, data sets and experiments that went with them. */
  readonly deleted: Readonly<Record<string, number>>;
}

export interface TenantDeletionRecord extends DeletionRecord {
  /** Files that were set aside as damaged and are removed with any tenant, because nobody can say whose they are. */
  readonly damagedFiles: number;
  /** The tenant in the audit log: a hash of its id with the store's own key, 64 hexadecimal digits. */
  readonly tenantHash: string;
  /** Back-ups are files of their own, and not touched: what has to be done about them. */
  readonly note: string;
}

export interface DeletionCalls {
  /**
   * Deletes all of a tenant; null is what names no tenant. When it resolves no content, attribute, name or id of it is in the data directory.
   * While it runs what the tenant writes is refused (`tenant_deleted`); afterwards the tenant is as one that never was, and may begin anew.
   *
   * Errors: `BackendUnavailableError` when it cannot be finished now: the tenant stays refused, and calling again or the next start goes on with it.
   */
  deleteTenant(request: { tenantId: string | null }): Promise<TenantDeletionRecord>;
  /** Spans and annotations of a project. What comes for it afterwards makes it anew. */
  deleteProject(request: { project: ProjectRef }): Promise<DeletionRecord>;
  /**
   * Traces by their ids, or the spans that start in a range of time, with their annotations. The project stays, also without spans.
   * Errors: `InvalidQueryError` when neither ids nor a time is given.
   */
  deleteTraces(request: {
    project: ProjectRef;
    /** 32 hexadecimal digits each. */
    traceIds?: readonly string[] | undefined;
    /** Included. */
    startTime?: TimeInput | undefined;
    /** Not included. */
    endTime?: TimeInput | undefined;
  }): Promise<DeletionRecord>;
  /** Single spans with their annotations; spans below them stay, as ones whose parent is missing, and so does the project. Ids are 16 hexadecimal digits. */
  deleteSpans(request: { project: ProjectRef; spanIds: readonly string[] }): Promise<DeletionRecord>;
  /** Sessions with all of their traces, also spans of these that carry no session id, and the annotations of all of it. The project stays. */
  deleteSessions(request: { project: ProjectRef; sessionIds: readonly string[] }): Promise<DeletionRecord>;
}
