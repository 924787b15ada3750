/** What the application process says about its own run, when it is over. */
import type { ExperimentResult } from './experiment.js';

export interface TenantResult {
  /** Full name of the tenant's project. */
  readonly project: string;
  readonly ended: number;
  readonly exported: number;
  /** Questions that users asked, and those that the service refused. */
  readonly asked: number;
  readonly failed: number;
  /** Mean judgement of the answers: 0 to 1. */
  readonly relevance: number;
  readonly experiments: readonly ExperimentResult[];
}

export interface ApplicationResult {
  /** Also the resource attribute `demo.run_id` of every span of the run. */
  readonly runId: string;
  /** ISO 8601; no span of the run began earlier. */
  readonly startedAt: string;
  readonly tenants: Readonly<Record<string, TenantResult>>;
  /** The first account that does not add up, or null. */
  readonly audit: string | null;
}
