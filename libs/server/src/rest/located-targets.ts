/**
 * What a request names by its id alone, without a project: where it is, within the tenant of the request.   Write path: routes -> [located-targets] -> store.
 */
import type { ProjectRef, TelemetryStore } from '@cogniverse/foundation/telemetry';
import { HttpAnswer } from '../error-answers.js';
import { TENANT_HEADER, TENANT_PARAMETER } from './project-resolution.js';

export type IdKind = 'span' | 'trace' | 'session';
export const ID_KINDS: readonly IdKind[] = ['span', 'trace', 'session'];
const REQUEST_FIELDS = { span: 'spanIds', trace: 'traceIds', session: 'sessionIds' } as const;
const DIGITS = { span: 16, trace: 32, session: undefined } as const;

/** Ids in one request of the store. */
const IDS_PER_REQUEST = 5000;

/**
 * The project of each id; ids of spans and traces in lower case. What is nowhere is not in the answer.
 *
 * Errors: `HttpAnswer` 409 with the projects, where an id is in several.
 */
export async function locateTargets(
  store: TelemetryStore,
  tenantId: string | null | undefined,
  kind: IdKind,
  ids: Iterable<string>,
): Promise<Map<string, ProjectRef>> {
  const digits = DIGITS[kind];
  // What can be no id is nowhere.
  const possible = [...new Set(ids)].filter(
    (id) => digits === undefined || (id.length === digits && /^[0-9a-f]+$/i.test(id)),
  );
  const located = new Map<string, ProjectRef>();
  for (let start = 0; start < possible.length; start += IDS_PER_REQUEST) {
    const some = possible.slice(start, start + IDS_PER_REQUEST);
    const found = await store.locate({ tenantId, [REQUEST_FIELDS[kind]]: some });
    for (const { id, project } of found) {
      if (!located.has(id)) located.set(id, project);
      else
        throw ambiguous(
          kind,
          id,
          found.filter((other) => other.id === id).map((other) => other.project),
        );
    }
  }
  return located;
}

export function targetKey(kind: IdKind, id: string): string {
  return kind === 'session' ? id : id.toLowerCase();
}

function ambiguous(kind: IdKind, id: string, projects: readonly ProjectRef[]): HttpAnswer {
  return new HttpAnswer(
    409,
    `${projects.length} projects hold the ${kind} "${id.slice(0, 100)}". Choose a tenant with the header ${TENANT_HEADER} or the parameter ` +
      `"${TENANT_PARAMETER}" (empty for spans without a tenant), or name the project: POST /v1/cogniverse/annotations.`,
    {
      code: 'project_ambiguous',
      projects: projects.map(({ name, tenantId }) => ({ name, tenant_id: tenantId })),
    },
  );
}
