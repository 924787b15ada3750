/** Metrics over one tenant's spans.   Read path: getProvider() -> provider -> [analytics] -> store. */
import {
  type AnalyticsStore,
  checkInput,
  checkTimeRange,
  type MetricPoint,
  type MetricQuery,
  PROVIDER_INPUTS,
} from '@cogniverse/foundation/telemetry';
import type { TenantProjects } from './tenant-projects.js';

export class LocalAnalyticsStore implements AnalyticsStore {
  readonly #projects: TenantProjects;

  constructor(projects: TenantProjects) {
    this.#projects = projects;
  }

  async getMetrics(query: MetricQuery): Promise<MetricPoint[]> {
    checkInput(PROVIDER_INPUTS.metricQuery, query);
    checkTimeRange(query);
    const { project, ...rest } = query;
    return this.#projects.store.getMetrics({ ...rest, project: await this.#projects.resolve(project) });
  }
}
