/**
 * `GET` and `POST /v1/projects`, `GET` and `PUT /v1/projects/{p}`.   Read and write path: client -> [projects] -> store.   Source: Phoenix 20.26.
 */

import { InvalidQueryError } from '@cogniverse/foundation/store';
import type { ProjectIdentity, ProjectRecord, TelemetryStore } from '@cogniverse/foundation/telemetry';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { readJsonBody } from './json-body.js';
import { makeCursor, opaqueId, readCursor } from './opaque-id.js';
import { chosenTenant, resolveProject, TENANT_PARAMETER } from './project-resolution.js';
import { QueryParameters } from './query-parameters.js';

const KNOWN = [
  'cursor',
  'limit',
  'name_contains',
  'include_experiment_projects',
  'include_dataset_evaluator_projects',
  TENANT_PARAMETER,
];

export function registerProjects(app: FastifyInstance, store: TelemetryStore): void {
  app.get('/v1/projects', async (request) => {
    const query = new QueryParameters(request, KNOWN);
    const limit = query.integer('limit', { min: 1, max: 1000, default: 100 });
    const nameContains = query.single('name_contains')?.toLowerCase() ?? '';
    const includeExperiments = query.boolean('include_experiment_projects');
    query.boolean('include_dataset_evaluator_projects'); // this server has no such projects
    const from = firstKey(query.single('cursor') || undefined);
    const tenantId = chosenTenant(request, query);
    const hidden = includeExperiments ? new Set<string>() : await experimentProjects(store, tenantId);
    const projects = (await store.findProjects({ tenantId }))
      .filter((project) => project.name.toLowerCase().includes(nameContains))
      .filter((project) => !hidden.has(projectKey(project.tenantId, project.name)))
      .map((project) => ({ project, key: [project.name, project.tenantId] as const }))
      .filter(({ key }) => from === undefined || compareKeys(key, from) >= 0)
      .sort((a, b) => compareKeys(a.key, b.key));
    const next = projects[limit];
    return {
      data: projects.slice(0, limit).map(({ project }) => phoenixProject(project)),
      next_cursor: next === undefined ? null : makeCursor(next.key),
    };
  });
  app.get('/v1/projects/:project', async (request) => {
    const query = new QueryParameters(request, [TENANT_PARAMETER]);
    return { data: countedPhoenixProject(await countedProject(store, await resolveProject(store, request, query))) };
  });
  app.post('/v1/projects', async (request) => {
    const query = new QueryParameters(request, [TENANT_PARAMETER]);
    const tenantId = chosenTenant(request, query) ?? null;
    const { name, description } = readJsonBody(request, newProject);
    const project = await store.createProject({
      project: { tenantId, name },
      description: description ?? undefined,
    });
    return { data: countedPhoenixProject(project) };
  });
  // A name in the body is passed over, as in Phoenix: names cannot be changed.
  app.put('/v1/projects/:project', async (request) => {
    const query = new QueryParameters(request, [TENANT_PARAMETER]);
    const { description } = readJsonBody(request, projectChange);
    const project = await resolveProject(store, request, query);
    if (description === undefined || description === null)
      return { data: countedPhoenixProject(await countedProject(store, project)) };
    const { tenantId, name } = project;
    return { data: countedPhoenixProject(await store.updateProject({ project: { tenantId, name }, description })) };
  });
}

/** Those that an experiment names as its own: Phoenix leaves them out of its list unless they are asked for. */
async function experimentProjects(store: TelemetryStore, tenantId: string | null | undefined): Promise<Set<string>> {
  const experiments = await store.listExperiments({ tenantId });
  return new Set(
    experiments.flatMap((one) => (one.projectName === undefined ? [] : [projectKey(one.tenantId, one.projectName)])),
  );
}

function projectKey(tenantId: string | null, name: string): string {
  return JSON.stringify([tenantId, name]);
}

async function countedProject(store: TelemetryStore, found: ProjectIdentity): Promise<ProjectRecord> {
  const project = await store.getProjectById({ id: found.id });
  // Its last span may have gone in between.
  return (
    project ?? { ...found, spanCount: 0, traceCount: 0, firstSpanUnixNano: undefined, lastSpanUnixNano: undefined }
  );
}

/** As long as the name of a project may be that comes with spans. */
const MAX_NAME_LENGTH = 512;
const newProject = z.object({
  name: z
    .string()
    .min(1, 'it must not be empty')
    .max(MAX_NAME_LENGTH, `it must have at most ${MAX_NAME_LENGTH} characters`),
  description: z.string().nullish(),
});
const projectChange = z.object({ description: z.string().nullish() });

function phoenixProject(project: ProjectIdentity): Record<string, unknown> {
  return {
    id: opaqueId('Project', project.id),
    name: project.name,
    description: project.description === '' ? null : project.description,
    tenant_id: project.tenantId,
  };
}

/** One project says how much it has; a list does not, because that is to be counted. */
function countedPhoenixProject(project: ProjectRecord): Record<string, unknown> {
  return { ...phoenixProject(project), span_count: project.spanCount, trace_count: project.traceCount };
}

type ProjectKey = readonly [name: string, tenantId: string | null];

function firstKey(cursor: string | undefined): ProjectKey | undefined {
  if (cursor === undefined) return undefined;
  const [name, tenantId] = readCursor(cursor, 2) ?? [];
  if (typeof name !== 'string' || tenantId === undefined) {
    throw new InvalidQueryError(
      '"cursor" is not one that this server gave out. Use "next_cursor" of the page before, unchanged.',
    );
  }
  return [name, tenantId];
}

/** By name, then tenant; without a tenant first. */
function compareKeys(a: ProjectKey, b: ProjectKey): number {
  if (a[0] !== b[0]) return a[0] < b[0] ? -1 : 1;
  if (a[1] === b[1]) return 0;
  if (a[1] === null || b[1] === null) return a[1] === null ? -1 : 1;
  return a[1] < b[1] ? -1 : 1;
}
