/**
 * Which project a request means.   Read path: client -> [project-resolution] -> routes.
 *
 * A project is a tenant and a name. An id is unambiguous; a name that several tenants hold is not, until the request names the tenant.
 */

import { InvalidQueryError, ProjectNotFoundError } from '@cogniverse/foundation/store';
import type { ProjectIdentity, TelemetryStore } from '@cogniverse/foundation/telemetry';
import type { FastifyRequest } from 'fastify';
import { allowedTenant } from '../auth/access.js';
import { HttpAnswer } from '../error-answers.js';
import { opaqueId, readOpaqueId } from './opaque-id.js';
import type { QueryParameters } from './query-parameters.js';

export const TENANT_HEADER = 'x-cogniverse-tenant';
export const TENANT_PARAMETER = 'tenant';

/**
 * The tenant that the request is about: of its key, else what it names; null, given as an empty value, for spans that name none; undefined
 * when it does not say, and all are meant.
 *
 * Errors: `TenantMismatchError` where it names another than its key's; `InvalidQueryError` where it names two.
 */
export function chosenTenant(request: FastifyRequest, query: QueryParameters): string | null | undefined {
  const header = request.headers[TENANT_HEADER];
  const parameter = query.single(TENANT_PARAMETER);
  if (typeof header === 'string' && parameter !== undefined && utf8(header) !== parameter) {
    throw new InvalidQueryError(
      `The header ${TENANT_HEADER} and the parameter "${TENANT_PARAMETER}" name different tenants.`,
    );
  }
  const tenant = parameter ?? (typeof header === 'string' ? utf8(header) : undefined);
  return allowedTenant(request.access, tenant === '' ? null : tenant);
}

/** By id or name, of the path unless told. Errors: `ProjectNotFoundError`; `HttpAnswer` 409 with the tenants that hold the name. */
export async function resolveProject(
  store: TelemetryStore,
  request: FastifyRequest,
  query: QueryParameters,
  identifier: string = (request.params as { project: string }).project,
): Promise<ProjectIdentity> {
  const tenantId = chosenTenant(request, query);
  const opaque = readOpaqueId('Project', identifier);
  let named = opaque === undefined ? [] : await store.findProjects({ idOrName: opaque, tenantId });
  if (named.length === 0) named = await store.findProjects({ idOrName: identifier, tenantId });
  if (named.length === 1) return named[0]!;
  const shown = identifier.length > 200 ? `${identifier.slice(0, 200)}...` : identifier;
  if (named.length === 0)
    throw new ProjectNotFoundError(`There is no project "${shown}"${tenantId === undefined ? '' : ' of this tenant'}.`);
  throw new HttpAnswer(
    409,
    `${named.length} tenants hold a project named "${shown}". Choose one with the header ${TENANT_HEADER} or the parameter ` +
      `"${TENANT_PARAMETER}" (empty for spans without a tenant), or use the project's id.`,
    {
      code: 'project_ambiguous',
      projects: named.map((project) => ({
        id: opaqueId('Project', project.id),
        name: project.name,
        tenant_id: project.tenantId,
      })),
    },
  );
}

/** HTTP headers carry UTF-8 as Latin-1. */
function utf8(header: string): string {
  return Buffer.from(header, 'latin1').toString('utf8');
}
