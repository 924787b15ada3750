/**
 * `GET /v1/projects/{p}/sessions` and `GET /v1/sessions/{s}`.   Read path: client -> [sessions] -> store.   Source: Phoenix 20.26.
 *
 * A session id is unique within a project alone. By the id that this server gives out a session is unambiguous; by its own id it is looked for
 * within the tenant of the request.
 */

import { SessionNotFoundError } from '@cogniverse/foundation/store';
import type {
  ProjectRecord,
  ProjectRef,
  SessionRecord,
  TelemetryStore,
  TraceRecord,
} from '@cogniverse/foundation/telemetry';
import type { FastifyInstance, FastifyRequest, HTTPMethods } from 'fastify';
import { readFilter } from './filter-parameter.js';
import { locateTargets } from './located-targets.js';
import { opaqueId, readOpaqueId } from './opaque-id.js';
import { isoMicros } from './phoenix-span.js';
import { chosenTenant, resolveProject, TENANT_PARAMETER } from './project-resolution.js';
import { QueryParameters } from './query-parameters.js';

/** Served paths, for the answer to other methods. */
export const SESSION_PATHS: readonly { path: string; methods: readonly HTTPMethods[] }[] = [
  { path: '/v1/projects/:project/sessions', methods: ['GET', 'HEAD'] },
  { path: '/v1/sessions/:session', methods: ['GET', 'HEAD', 'DELETE'] },
  { path: '/v1/sessions/delete', methods: ['POST'] },
];

export function registerSessions(app: FastifyInstance, store: TelemetryStore): void {
  app.get('/v1/projects/:project/sessions', async (request) => {
    const query = new QueryParameters(request, ['cursor', 'limit', 'order', 'filter', TENANT_PARAMETER]);
    const condition = readFilter(query, 'session');
    const limit = query.integer('limit', { min: 1, max: 1000, default: 100 });
    const order = query.oneOf('order', ['asc', 'desc'], 'asc');
    const cursor = query.single('cursor') || undefined;
    const { id, tenantId, name } = await resolveProject(store, request, query);
    const project = { tenantId, name };
    // Phoenix orders by its row numbers: the order in which sessions came.
    const page = await store.listSessions({ project, condition, sort: 'sequence', order, limit, cursor });
    const traces = await tracesOf(store, project, page.items);
    return {
      data: page.items.map((session) => phoenixSession(id, session, traces.get(session.sessionId) ?? [])),
      next_cursor: page.nextCursor ?? null,
    };
  });

  app.get('/v1/sessions/:session', async (request) => {
    const { session: identifier } = request.params as { session: string };
    const { project, sessionId } = await resolveSession(store, request, identifier);
    const { tenantId, name } = project;
    const ref = { tenantId, name };
    const [session] = (await store.listSessions({ project: ref, sessionId, limit: 1 })).items;
    if (session === undefined) throw sessionNotFound(identifier);
    const traces = await tracesOf(store, ref, [session]);
    return { data: phoenixSession(project.id, session, traces.get(sessionId) ?? []) };
  });
}

/** The session id in an id of this server's; anything else is a session id as it is. */
export function sessionIdOf(identifier: string): string {
  const session = readOpaqueId('ProjectSession', identifier)?.split(':')[1];
  return session === undefined ? identifier : Buffer.from(session, 'base64url').toString('utf8');
}

/** Key of a session's id: of letters, digits, `-` and `_`, whatever the session id holds. */
export function sessionKey(projectId: string, sessionId: string): string {
  return `${projectId}:${Buffer.from(sessionId, 'utf8').toString('base64url')}`;
}

/**
 * The session that an id of this server's or a session id names, within the tenant of the request.
 *
 * Errors: `SessionNotFoundError`; `HttpAnswer` 409 with the projects that hold the session id.
 */
export async function resolveSession(
  store: TelemetryStore,
  request: FastifyRequest,
  identifier: string,
): Promise<{ project: ProjectRecord; sessionId: string }> {
  const tenantId = chosenTenant(request, new QueryParameters(request, [TENANT_PARAMETER]));
  const key = readOpaqueId('ProjectSession', identifier)?.split(':');
  if (key !== undefined) {
    const [projectId = '', session = ''] = key;
    const project = await store.getProjectById({ id: projectId });
    if (project === undefined || (tenantId !== undefined && project.tenantId !== tenantId))
      throw sessionNotFound(identifier);
    return { project, sessionId: Buffer.from(session, 'base64url').toString('utf8') };
  }
  const located = (await locateTargets(store, tenantId, 'session', [identifier])).get(identifier);
  const [project] =
    located === undefined ? [] : await store.listProjects({ tenantId: located.tenantId, name: located.name });
  if (project === undefined) throw sessionNotFound(identifier);
  return { project, sessionId: identifier };
}

function sessionNotFound(identifier: string): SessionNotFoundError {
  return new SessionNotFoundError(`Session with session_id ${identifier.slice(0, 200)} not found.`);
}

/** The traces of each session, the oldest first. */
async function tracesOf(
  store: TelemetryStore,
  project: ProjectRef,
  sessions: readonly SessionRecord[],
): Promise<Map<string, TraceRecord[]>> {
  const traces = new Map<string, TraceRecord[]>();
  if (sessions.length === 0) return traces;
  const sessionId = sessions.map((session) => session.sessionId);
  let cursor: string | undefined;
  do {
    const page = await store.queryTraces({
      project,
      sessionId,
      sort: 'start_time',
      order: 'asc',
      limit: 1000,
      cursor,
    });
    for (const trace of page.items) {
      if (trace.sessionId === undefined) continue;
      const known = traces.get(trace.sessionId);
      if (known === undefined) traces.set(trace.sessionId, [trace]);
      else known.push(trace);
    }
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return traces;
}

/** Beside Phoenix's fields: the tenant, how many traces failed, the cost, the user, and what went in first and came out last. */
function phoenixSession(
  projectId: string,
  session: SessionRecord,
  traces: readonly TraceRecord[],
): Record<string, unknown> {
  return {
    id: opaqueId('ProjectSession', sessionKey(projectId, session.sessionId)),
    session_id: session.sessionId,
    project_id: opaqueId('Project', projectId),
    start_time: isoMicros(session.startTimeUnixNano),
    end_time: isoMicros(session.endTimeUnixNano),
    traces: traces.map((trace) => ({
      id: opaqueId('Trace', `${projectId}:${trace.traceId}`),
      trace_id: trace.traceId,
      start_time: isoMicros(trace.startTimeUnixNano),
      end_time: isoMicros(trace.endTimeUnixNano),
    })),
    token_count_prompt: session.tokenCountPrompt,
    token_count_completion: session.tokenCountCompletion,
    token_count_total: session.tokenCountPrompt + session.tokenCountCompletion,
    tenant_id: session.tenantId ?? null,
    error_count: session.errorCount,
    cost_total: session.costTotal ?? null,
    user_id: session.userId ?? null,
    first_input: session.firstInput ?? null,
    last_output: session.lastOutput ?? null,
  };
}
