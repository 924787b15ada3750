/**
 * Whose data each operation of `/v1/cogniverse/` is about, and how a tenant's key limits it.   HTTP: access -> [operation-scopes] -> store.
 *
 * An operation without an entry here does not compile. The entry has to fit its request: only what names a tenant can be limited by it.
 */
import type { ProjectRef, StoreCallName, TelemetryStore } from '@cogniverse/foundation/telemetry';
import { type Access, allowedTenant } from './access.js';

/**
 * `tenant`: the request's `tenantId` has to be the key's, and is the key's where it may be left out. `project`: so has the tenant of its
 * `project`. `tenant or project`: the request has either. `operator`: a tenant's key is refused. A function: a tenant's key gets what it leaves
 * of the answer.
 */
type ScopeOf<Call> = Call extends (request: infer Request) => Promise<infer Result>
  ?
      | 'operator'
      | ('tenantId' extends keyof NonNullable<Request>
          ? 'project' extends keyof NonNullable<Request>
            ? 'tenant or project'
            : 'tenant'
          : never)
      | (NonNullable<Request> extends { project: ProjectRef } ? 'project' : never)
      | ((result: Result, tenantId: string) => Result)
  : never;

export const OPERATION_SCOPES: { readonly [Name in StoreCallName]: ScopeOf<TelemetryStore[Name]> } = {
  listTenants: (tenants, own) => tenants.filter(({ tenantId }) => tenantId === own),
  listProjects: 'tenant',
  getProjectById: (project, own) => (project?.tenantId === own ? project : undefined),
  findProjects: 'tenant',
  querySpans: 'project',
  queryTraces: 'project',
  getStatistics: 'tenant',
  getMetrics: 'tenant or project',
  addAnnotations: 'project',
  createProject: 'project',
  updateProject: 'project',
  locate: 'tenant',
  listSessions: 'project',
  getSessionTurns: 'project',
  listAnnotations: 'project',
  importAnnotations: 'project',
  deleteAnnotations: 'project',
  createDataset: 'tenant',
  appendToDataset: 'tenant',
  uploadDataset: 'tenant',
  changeDataset: 'tenant',
  deleteDataset: 'tenant',
  deleteDatasetRows: 'tenant',
  listDatasets: 'tenant',
  queryDatasets: 'tenant',
  listDatasetVersions: 'tenant',
  getDatasetRows: 'tenant',
  listDatasetSplits: 'tenant',
  createDatasetSplit: 'tenant',
  changeDatasetSplit: 'tenant',
  deleteDatasetSplit: 'tenant',
  createExperiment: 'tenant',
  listExperiments: 'tenant',
  queryExperiments: 'tenant',
  changeExperiment: 'tenant',
  deleteExperiment: 'tenant',
  logRun: 'tenant',
  logRunEvaluation: 'tenant',
  getRuns: 'tenant',
  deleteTenant: 'operator',
  deleteProject: 'project',
  deleteTraces: 'project',
  deleteSpans: 'project',
  deleteSessions: 'project',
  setRetention: 'project',
  listRetention: 'tenant',
  backup: 'operator',
  listIncompleteRuns: 'tenant',
  listIncompleteEvaluations: 'tenant',
  compareExperiments: 'tenant',
  exportDatasets: 'tenant',
  importDatasets: 'tenant',
  exportExperiments: 'tenant',
  importExperiments: 'tenant',
  figures: 'operator',
};

interface Scoped {
  readonly tenantId?: string | null | undefined;
  readonly project?: ProjectRef | undefined;
}

/** The request as the key allows it. Errors: `TenantMismatchError`. */
export function limitRequest(name: StoreCallName, request: object, access: Access): object {
  const scope = OPERATION_SCOPES[name];
  const named = request as Scoped;
  const isOfProject = scope === 'project' || (scope === 'tenant or project' && named.project !== undefined);
  if (isOfProject) allowedTenant(access, named.project!.tenantId);
  if (scope === 'tenant' || (scope === 'tenant or project' && !isOfProject)) {
    return { ...request, tenantId: allowedTenant(access, named.tenantId) };
  }
  return request;
}

/** The answer as the key allows it. */
export function limitResult(name: StoreCallName, result: unknown, { tenantId }: Access): unknown {
  const scope = OPERATION_SCOPES[name] as ScopeOf<(request: object) => Promise<unknown>>;
  return typeof scope === 'function' && tenantId !== undefined ? scope(result, tenantId) : result;
}
