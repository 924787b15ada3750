/** Metrics over one tenant's spans.   Read path: getProvider() -> provider -> [analytics] -> store. */

import { checkInput, checkTimeRange, InvalidQueryError, PROVIDER_INPUTS } from '@cogniverse/foundation/store';
import type { AnalyticsStore, MetricPoint, MetricQuery } from '@cogniverse/foundation/telemetry';
import type { TenantProjects } from './tenant-projects.js';

export class LocalAnalyticsStore implements AnalyticsStore {
  readonly #projects: TenantProjects;

  constructor(projects: TenantProjects) {
    this.#projects = projects;
  }

  async getMetrics(query: MetricQuery): Promise<MetricPoint[]> {
    checkInput(PROVIDER_INPUTS.metricQuery, query);
    checkTimeRange(query);
    const { project, allProjects = false, ...rest } = query;
    if (allProjects) {
      if (project !== undefined) {
        throw new InvalidQueryError(`project is "${project}" and allProjects is true; ask for one or the other.`);
      }
      return this.#projects.store.getMetrics({ ...rest, tenantId: this.#projects.tenantId });
    }
    return this.#projects.store.getMetrics({ ...rest, project: await this.#projects.resolve(project) });
  }
}
