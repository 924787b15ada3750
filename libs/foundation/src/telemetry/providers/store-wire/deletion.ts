/** Deletions as JSON.   Server <-> remote store. */
import { z } from 'zod';
import type { DeletionCalls, DeletionRecord, TenantDeletionRecord } from '../store/deletion-calls.js';
import { type OperationsOf, writing } from './operation.js';
import { answer, count, dataOf, listOf, ofTenant, projectRef, request, tenantId, text, time } from './values.js';

const deleted = z.record(z.string(), count);
const deletion = dataOf(answer<DeletionRecord>({ deleted }));

type Request<M extends keyof DeletionCalls> = Parameters<DeletionCalls[M]>[0];

export const DELETION_OPERATIONS = {
  deleteTenant: writing(
    'POST tenants/delete',
    ofTenant<Request<'deleteTenant'>>({ tenantId }),
    dataOf(answer<TenantDeletionRecord>({ deleted, damagedFiles: count, tenantHash: text, note: text })),
  ),
  deleteProject: writing('POST projects/delete', request<Request<'deleteProject'>>({ project: projectRef }), deletion),
  deleteTraces: writing(
    'POST traces/delete',
    request<Request<'deleteTraces'>>({
      project: projectRef,
      traceIds: listOf(text).optional(),
      startTime: time('startTime'),
      endTime: time('endTime'),
    }),
    deletion,
  ),
  deleteSpans: writing(
    'POST spans/delete',
    request<Request<'deleteSpans'>>({ project: projectRef, spanIds: listOf(text) }),
    deletion,
  ),
  deleteSessions: writing(
    'POST sessions/delete',
    request<Request<'deleteSessions'>>({ project: projectRef, sessionIds: listOf(text) }),
    deletion,
  ),
} satisfies OperationsOf<DeletionCalls>;
