/** What the store answers to deletions.   Store worker -> [handlers] -> deletions. */

import { checkTimeRange, InvalidQueryError, parseTime } from '@cogniverse/foundation/store';
import type { ProjectRef } from '@cogniverse/foundation/telemetry';
import type { StoreEngine } from '../engine.js';
import type { MetaDatabase } from '../meta/meta-database.js';
import { keepProject } from '../meta/projects.js';
import { hexId } from '../query/query-input.js';
import { traceIdsOfSessions } from '../query/session-query.js';
import type { StoreHandlers } from '../store-port.js';
import type { Deletions } from './deletions.js';
import type { SpanChoice } from './span-condition.js';

const BACKUPS =
  'Back-ups are files of their own and were not touched: delete those that hold the tenant, or delete the tenant again after a restore.';

export function erasureHandlers(engine: StoreEngine, meta: MetaDatabase, deletions: Deletions) {
  const erase = async (project: ProjectRef, choice: SpanChoice, how: 'rewrite' | 'delete') => ({
    deleted: await deletions.deleteSpans(project, choice, how),
  });
  /** The project stays, without spans at the last. */
  const eraseSome: typeof erase = async (project, choice, how) => {
    await keepProject(meta, engine, project);
    return erase(project, choice, how);
  };
  return {
    deleteTenant: async ({ tenantId }) => ({ ...(await deletions.deleteTenant(tenantId)), note: BACKUPS }),
    deleteProject: ({ project }) => erase(project, {}, 'rewrite'),
    deleteTraces: async ({ project, traceIds, startTime, endTime }) => {
      if (traceIds === undefined && startTime === undefined && endTime === undefined) {
        throw new InvalidQueryError('Neither traceIds nor startTime nor endTime is given; name what is to be deleted.');
      }
      checkTimeRange({ startTime, endTime });
      const choice = {
        traceIds: traceIds?.map((id) => hexId(id, 16, 'traceIds')),
        range: {
          start: startTime === undefined ? undefined : parseTime(startTime, 'startTime'),
          end: endTime === undefined ? undefined : parseTime(endTime, 'endTime'),
        },
      };
      return eraseSome(project, choice, traceIds === undefined ? 'rewrite' : 'delete');
    },
    deleteSpans: async ({ project, spanIds }) =>
      eraseSome(project, { spanIds: spanIds.map((id) => hexId(id, 8, 'spanIds')) }, 'delete'),
    deleteSessions: async ({ project, sessionIds }) => {
      const traceIds = await traceIdsOfSessions(engine, project, sessionIds);
      return eraseSome(project, { sessions: { ids: sessionIds, traceIds } }, 'delete');
    },
  } satisfies Partial<StoreHandlers>;
}
