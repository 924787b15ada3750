/**
 * `DELETE` of spans, traces, sessions and projects.   Control path: client -> [deletions] -> store.   Source: Phoenix 20.26.
 *
 * Phoenix names a span or a trace without its project. Here ids are those of a project, so an id that several hold is refused until the
 * request names the tenant, or the GlobalID that the reads give out.
 */

import { InvalidQueryError, SessionNotFoundError } from '@cogniverse/foundation/store';
import type { ProjectRef, TelemetryStore } from '@cogniverse/foundation/telemetry';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { HttpAnswer } from '../error-answers.js';
import { readJsonBody } from './json-body.js';
import { readOpaqueId } from './opaque-id.js';
import { chosenTenant, resolveProject, TENANT_HEADER, TENANT_PARAMETER } from './project-resolution.js';
import { QueryParameters } from './query-parameters.js';
import { resolveSession } from './sessions.js';

const DEFAULT_PROJECT = 'default';
const sessionDeletion = z.object({
  session_identifiers: z.array(z.string()).min(1, 'it must name a session').max(1000),
});

export function registerDeletions(app: FastifyInstance, store: TelemetryStore): void {
  app.delete('/v1/spans/:span', async (request, reply) => {
    const { span } = request.params as { span: string };
    const { project, id } = await findHolder(store, request, 'Span', span);
    await store.deleteSpans({ project, spanIds: [id] });
    return reply.code(204).send();
  });
  app.delete('/v1/traces/:trace', async (request, reply) => {
    const { trace } = request.params as { trace: string };
    const { project, id } = await findHolder(store, request, 'Trace', trace);
    await store.deleteTraces({ project, traceIds: [id] });
    return reply.code(204).send();
  });
  app.delete('/v1/sessions/:session', async (request, reply) => {
    const { session } = request.params as { session: string };
    const { project, sessionId } = await resolveSession(store, request, session);
    const { tenantId, name } = project;
    await store.deleteSessions({ project: { tenantId, name }, sessionIds: [sessionId] });
    return reply.code(204).send();
  });
  // What is not there is passed over.
  app.post('/v1/sessions/delete', async (request, reply) => {
    const { session_identifiers: identifiers } = readJsonBody(request, sessionDeletion);
    const ofServer = identifiers.filter(
      (identifier) => readOpaqueId('ProjectSession', identifier) !== undefined,
    ).length;
    if (ofServer !== 0 && ofServer !== identifiers.length) {
      throw new InvalidQueryError(
        'All identifiers must be the same type: either all GlobalIDs or all session_id strings.',
      );
    }
    // All are found before any is deleted: one that several projects hold refuses the whole request.
    const projects = new Map<string, { project: ProjectRef; sessionIds: string[] }>();
    for (const identifier of identifiers) {
      try {
        const { project, sessionId } = await resolveSession(store, request, identifier);
        const { id, tenantId, name } = project;
        const known = projects.get(id);
        if (known === undefined) projects.set(id, { project: { tenantId, name }, sessionIds: [sessionId] });
        else known.sessionIds.push(sessionId);
      } catch (error) {
        if (!(error instanceof SessionNotFoundError)) throw error;
      }
    }
    for (const { project, sessionIds } of projects.values()) await store.deleteSessions({ project, sessionIds });
    return reply.code(204).send();
  });
  app.delete('/v1/projects/:project/traces', async (request, reply) => {
    const query = new QueryParameters(request, ['start_time', 'end_time', TENANT_PARAMETER]);
    const [startTime, endTime] = [query.time('start_time'), query.time('end_time')];
    if (startTime === undefined || endTime === undefined)
      throw new InvalidQueryError('"start_time" and "end_time" are both needed: the traces between them are deleted.');
    const { tenantId, name } = await resolveProject(store, request, query);
    await store.deleteTraces({ project: { tenantId, name }, startTime, endTime });
    return reply.code(204).send();
  });
  app.delete('/v1/projects/:project', async (request, reply) => {
    const query = new QueryParameters(request, [TENANT_PARAMETER]);
    const { tenantId, name } = await resolveProject(store, request, query);
    if (name === DEFAULT_PROJECT)
      throw new HttpAnswer(403, `The project "${DEFAULT_PROJECT}" is not deleted; delete its traces instead.`);
    await store.deleteProject({ project: { tenantId, name } });
    return reply.code(204).send();
  });
}

/** Errors: `HttpAnswer` 404 where nobody holds it, 409 where several do. */
async function findHolder(
  store: TelemetryStore,
  request: FastifyRequest,
  type: 'Span' | 'Trace',
  identifier: string,
): Promise<{ project: ProjectRef; id: string }> {
  const query = new QueryParameters(request, [TENANT_PARAMETER]);
  const tenantId = chosenTenant(request, query);
  const [projectId, inProject] = readOpaqueId(type, identifier)?.split(':') ?? [];
  const id = (inProject ?? identifier).toLowerCase();
  const isId = new RegExp(`^[0-9a-f]{${type === 'Span' ? 16 : 32}}$`).test(id);
  const within = projectId === undefined ? undefined : await store.getProjectById({ id: projectId });
  const located = isId ? await store.locate({ tenantId, [type === 'Span' ? 'spanIds' : 'traceIds']: [id] }) : [];
  const holders = located.filter(
    ({ project }) => projectId === undefined || (project.tenantId === within?.tenantId && project.name === within.name),
  );
  const kind = type.toLowerCase();
  const shown = identifier.slice(0, 200);
  if (holders.length === 0) throw new HttpAnswer(404, `There is no ${kind} "${shown}".`);
  if (holders.length > 1) {
    throw new HttpAnswer(
      409,
      `${holders.length} projects hold a ${kind} "${shown}". Choose the tenant with the header ${TENANT_HEADER} or the parameter ` +
        `"${TENANT_PARAMETER}", or use the "id" that the reads give.`,
    );
  }
  return { project: holders[0]!.project, id };
}
