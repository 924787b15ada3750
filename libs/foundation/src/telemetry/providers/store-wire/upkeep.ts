/** Retention and back-ups as JSON.   Server <-> remote store. */
import { z } from 'zod';
import type { ProjectRef } from '../records.js';
import type { BackupRecord, RetentionRecord, UpkeepCalls } from '../store/upkeep-calls.js';
import { type OperationsOf, reading, writing } from './operation.js';
import {
  answer,
  count,
  dataOf,
  nonEmpty,
  nothing,
  ofTenant,
  projectRef,
  request,
  tenantId,
  tenantParameter,
  text,
} from './values.js';

const DAYS = 'it must be a whole number of days from 0 to 36500, or null';
const days = z.int(DAYS).min(0, DAYS).max(36_500, DAYS);

type Request<M extends keyof UpkeepCalls> = NonNullable<Parameters<UpkeepCalls[M]>[0]>;

export const UPKEEP_OPERATIONS = {
  setRetention: writing(
    'POST retention',
    request<Request<'setRetention'>>({ project: projectRef, days: days.nullable() }),
    nothing,
  ),
  listRetention: reading(
    'GET retention',
    ofTenant<Request<'listRetention'>>({ tenantId: tenantParameter.optional() }),
    dataOf(z.array(answer<RetentionRecord>({ project: answer<ProjectRef>({ tenantId, name: text }), days: count }))),
  ),
  backup: writing(
    'POST backup',
    request<Request<'backup'>>({ directory: nonEmpty }),
    dataOf(answer<BackupRecord>({ directory: text, files: count, bytes: count, createdAt: text })),
  ),
} satisfies OperationsOf<UpkeepCalls>;
