/** What a store keeps of projects beside their spans, and where it finds what is named without a project.   Server -> [project-calls]. */
import type { LocatedId, ProjectRecord, ProjectRef } from '../records.js';

export interface ProjectCalls {
  /** A project that is listed before its first span. Errors: `ProjectExistsError`, also for one that is there by its spans. */
  createProject(request: { project: ProjectRef; description?: string | undefined }): Promise<ProjectRecord>;
  /** Errors: `ProjectNotFoundError`. */
  updateProject(request: { project: ProjectRef; description: string }): Promise<ProjectRecord>;
  /**
   * Which projects hold these spans, traces or sessions (one of the three is given): of any tenant, unless one is named. What is nowhere is
   * not in the answer; what is in several projects is there several times.
   */
  locate(request: {
    tenantId?: string | null | undefined;
    spanIds?: readonly string[] | undefined;
    traceIds?: readonly string[] | undefined;
    sessionIds?: readonly string[] | undefined;
  }): Promise<LocatedId[]>;
}
