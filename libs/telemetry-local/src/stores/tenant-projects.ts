/**
 * Which projects one tenant may name.   Read path: provider stores -> [tenant-projects] -> store.
 *
 * Every read goes by a `ProjectRef` with this tenant's id, so a wrong name finds nothing of another tenant. What is added here is
 * that the mistake is told instead of answered with an empty result.
 */

import { TenantMismatchError } from '@cogniverse/foundation/store';
import type { ProjectRef, TelemetryStore } from '@cogniverse/foundation/telemetry';

export class TenantProjects {
  readonly store: TelemetryStore;
  readonly tenantId: string;
  /** Full name of the provider's own project. */
  readonly projectName: string;
  /** Names that were seen to be this tenant's; only ever one that the store listed under its id. */
  readonly #own: Set<string>;

  constructor(store: TelemetryStore, tenantId: string, projectName: string) {
    this.store = store;
    this.tenantId = tenantId;
    this.projectName = projectName;
    this.#own = new Set([projectName]);
  }

  /** The provider's own project by default. Errors: `TenantMismatchError` if only other tenants have a project of that name. */
  async resolve(project: string = this.projectName): Promise<ProjectRef> {
    if (!this.#own.has(project)) {
      const namesakes = await this.store.listProjects({ name: project });
      if (namesakes.some(({ tenantId }) => tenantId === this.tenantId)) this.#own.add(project);
      else if (namesakes.length > 0) {
        throw new TenantMismatchError(
          `Project "${project}" belongs to another tenant than "${this.tenantId}". Ask for it through that tenant's provider.`,
        );
      }
    }
    return { tenantId: this.tenantId, name: project };
  }
}
