/** What a store answers of sessions: traces with the same session id.   Server -> [session-calls]. */
import type { Page, ProjectRef, SessionRecord, SessionTurn } from '../records.js';
import type { SessionQuery } from '../session-store.js';

export type StoreSessionQuery = Omit<SessionQuery, 'project'> & { readonly project: ProjectRef };

export interface SessionCalls {
  listSessions(query: StoreSessionQuery): Promise<Page<SessionRecord>>;
  /** The oldest first; 1 to 1000 a page, 100 by default. Errors: `SessionNotFoundError`. */
  getSessionTurns(query: {
    readonly project: ProjectRef;
    readonly sessionId: string;
    readonly limit?: number | undefined;
    readonly cursor?: string | undefined;
  }): Promise<Page<SessionTurn>>;
}
