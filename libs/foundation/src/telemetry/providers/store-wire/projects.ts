/** Projects that are written, and ids without a project, as JSON.   Server <-> remote store. */
import { z } from 'zod';
import type { LocatedId, ProjectRef } from '../records.js';
import type { ProjectCalls } from '../store/project-calls.js';
import { type OperationsOf, reading, writing } from './operation.js';
import { projectRecord } from './spans.js';
import { answer, dataOf, listOf, ofTenant, optionalText, projectRef, request, tenantId, text } from './values.js';

const ids = listOf(text, 'it must be a list of ids').optional();

export const PROJECT_OPERATIONS = {
  createProject: writing(
    'POST projects',
    request<Parameters<ProjectCalls['createProject']>[0]>({ project: projectRef, description: optionalText }),
    dataOf(projectRecord),
  ),
  updateProject: writing(
    'POST projects/update',
    request<Parameters<ProjectCalls['updateProject']>[0]>({ project: projectRef, description: text }),
    dataOf(projectRecord),
  ),
  locate: reading(
    'POST locate',
    ofTenant<Parameters<ProjectCalls['locate']>[0]>({
      tenantId: tenantId.optional(),
      spanIds: ids,
      traceIds: ids,
      sessionIds: ids,
    }),
    dataOf(z.array(answer<LocatedId>({ id: text, project: answer<ProjectRef>({ tenantId, name: text }) }))),
  ),
} satisfies OperationsOf<ProjectCalls>;
