/** Sessions of one tenant: traces with the same session id, a conversation.   Read path: getProvider() -> provider -> [sessions]. */
import type { Page, SessionRecord, SessionTurn, TimeInput } from './records.js';

export interface SessionQuery {
  /** Full project name; the provider's own project by default. */
  project?: string | undefined;
  /** A session is found if any of its spans starts in the range; what is said of it is of all its spans. Included. */
  startTime?: TimeInput | undefined;
  /** Not included; after the start. */
  endTime?: TimeInput | undefined;
  /** Only these sessions, by session id. */
  sessionId?: string | readonly string[] | undefined;
  /** In Phoenix's language, for example `num_traces > 1 and 'refund' in any_input`; see `parseCondition`. */
  condition?: string | undefined;
  /** `start_time` (default); `end_time`: of the last span; `sequence`: the order in which they first came. */
  sort?: 'start_time' | 'end_time' | 'sequence' | undefined;
  /** Newest first (`desc`) by default. */
  order?: 'desc' | 'asc' | undefined;
  /** 1 to 1000. Default 100. */
  limit?: number | undefined;
  cursor?: string | undefined;
}

export interface SessionStore {
  /**
   * One page of a project's sessions, newest first.
   *
   * A trace belongs to the session that its first span with a session id names (`session.id`, else `gen_ai.conversation.id`).
   * Errors: `InvalidQueryError`, `BackendUnavailableError`. An unknown project, or nothing in the range, gives an empty page.
   */
  listSessions(query?: SessionQuery): Promise<Page<SessionRecord>>;
  /** By session id; undefined where the project has none of it. */
  getSession(sessionId: string, options?: { project?: string | undefined }): Promise<SessionRecord | undefined>;
  /** Its traces, the oldest first, each with what went in and came out; `[]` if unknown. */
  getTurns(sessionId: string, options?: { project?: string | undefined }): Promise<SessionTurn[]>;
}
