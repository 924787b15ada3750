/** Sessions of one tenant.   Read path: getProvider() -> provider -> [sessions] -> store. */

import { checkInput, checkTimeRange, PROVIDER_INPUTS, SessionNotFoundError } from '@cogniverse/foundation/store';
import type { Page, SessionQuery, SessionRecord, SessionStore, SessionTurn } from '@cogniverse/foundation/telemetry';
import type { TenantProjects } from './tenant-projects.js';

const TURNS_PER_REQUEST = 1000;

export class LocalSessionStore implements SessionStore {
  readonly #projects: TenantProjects;

  constructor(projects: TenantProjects) {
    this.#projects = projects;
  }

  async listSessions(query: SessionQuery = {}): Promise<Page<SessionRecord>> {
    checkInput(PROVIDER_INPUTS.sessionQuery, query);
    checkTimeRange(query);
    const { project, ...rest } = query;
    return this.#projects.store.listSessions({ ...rest, project: await this.#projects.resolve(project) });
  }

  async getSession(
    sessionId: string,
    options: { project?: string | undefined } = {},
  ): Promise<SessionRecord | undefined> {
    checkInput(PROVIDER_INPUTS.ofProject, options);
    return (await this.listSessions({ ...options, sessionId, limit: 1 })).items[0];
  }

  async getTurns(sessionId: string, options: { project?: string | undefined } = {}): Promise<SessionTurn[]> {
    checkInput(PROVIDER_INPUTS.ofProject, options);
    const query = { project: await this.#projects.resolve(options.project), sessionId, limit: TURNS_PER_REQUEST };
    const turns: SessionTurn[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.#projects.store.getSessionTurns({ ...query, cursor }).catch((error: unknown) => {
        if (error instanceof SessionNotFoundError) return undefined;
        throw error;
      });
      if (page === undefined) return [];
      turns.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return turns;
  }
}
