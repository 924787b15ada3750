/**
 * What is said of projects beside their spans: a description, and that a project is there before its first span.
 * Meta store: handlers -> [projects] -> meta database.
 */

import { ProjectExistsError, ProjectNotFoundError } from '@cogniverse/foundation/store';
import type { ProjectIdentity, ProjectRecord, ProjectRef, StoreCalls } from '@cogniverse/foundation/telemetry';
import type { StoreEngine } from '../engine.js';
import { projectKey } from '../project-key.js';
import { getProjectById, listProjects } from '../query/project-query.js';
import { requireProject } from '../query/query-input.js';
import { type MetaDatabase, type MetaSchema, OF_TENANT } from './meta-database.js';
import { requiredName } from './meta-fields.js';

export const PROJECT_SCHEMA: MetaSchema = {
  sql: `
  CREATE TABLE IF NOT EXISTS meta.projects (
    id VARCHAR PRIMARY KEY, tenant_id VARCHAR, project VARCHAR NOT NULL, description VARCHAR NOT NULL, created_at VARCHAR NOT NULL);`,
  positioned: [],
};

/** Keeps a project that came by its spans, before some of them are deleted: without the last it is there still, as one that was created. */
export async function keepProject(meta: MetaDatabase, engine: StoreEngine, project: ProjectRef): Promise<void> {
  const { id } = projectKey(project);
  if (!(await engine.projects()).some((one) => one.id === id)) return;
  const [created] = await meta.host.query('SELECT 1 FROM meta.projects WHERE id = $id', { id });
  if (created !== undefined) return;
  await meta.commit((connection) =>
    connection.run("INSERT INTO meta.projects VALUES ($id, $tenant, $name, '', $now) ON CONFLICT (id) DO NOTHING", {
      id,
      tenant: project.tenantId,
      name: project.name,
      now: new Date().toISOString(),
    }),
  );
}

type ProjectColumns = [id: string, tenantId: string | null, name: string, description: string];

export class Projects {
  readonly #meta: MetaDatabase;
  readonly #engine: StoreEngine;

  constructor(meta: MetaDatabase, engine: StoreEngine) {
    this.#meta = meta;
    this.#engine = engine;
  }

  /** Errors: `ProjectExistsError`, also for one that is there by its spans alone; `InvalidQueryError`. */
  async create(request: { project: ProjectRef; description?: string | undefined }): Promise<ProjectRecord> {
    const project = requireProject(request.project);
    requiredName(project.name, 'project.name');
    const { id } = projectKey(project);
    if ((await this.byId(id)) !== undefined) throw projectExists(project);
    await this.#meta.commit(async (connection) => {
      const there = await connection.runAndReadAll('SELECT 1 FROM meta.projects WHERE id = $id', { id });
      if (there.currentRowCount > 0) throw projectExists(project); // it came while this one waited
      await connection.run('INSERT INTO meta.projects VALUES ($id, $tenant, $name, $description, $now)', {
        id,
        tenant: project.tenantId,
        name: project.name,
        description: request.description ?? '',
        now: new Date().toISOString(),
      });
    });
    return (await this.byId(id))!;
  }

  /** Errors: `ProjectNotFoundError`. */
  async update(request: { project: ProjectRef; description: string }): Promise<ProjectRecord> {
    const project = requireProject(request.project);
    const { id } = projectKey(project);
    if ((await this.byId(id)) === undefined) {
      throw new ProjectNotFoundError(`There is no project "${project.name}". Create it, or send its first span.`);
    }
    await this.#meta.commit(async (connection) => {
      await connection.run(
        `INSERT INTO meta.projects VALUES ($id, $tenant, $name, $description, $now)
         ON CONFLICT (id) DO UPDATE SET description = excluded.description`,
        {
          id,
          tenant: project.tenantId,
          name: project.name,
          description: request.description,
          now: new Date().toISOString(),
        },
      );
    });
    return (await this.byId(id))!;
  }

  /** By tenant and name: those of the spans, and those that were created. */
  async list(query: NonNullable<Parameters<StoreCalls['listProjects']>[0]>): Promise<ProjectRecord[]> {
    const [withSpans, described] = await Promise.all([
      listProjects(this.#engine, query),
      this.#described(
        [
          'true',
          ...(query.tenantId === undefined ? [] : [OF_TENANT]),
          ...(query.name === undefined ? [] : ['project = $name']),
        ].join(' AND '),
        {
          ...(query.tenantId === undefined ? {} : { tenant: query.tenantId }),
          ...(query.name === undefined ? {} : { name: query.name }),
        },
      ),
    ]);
    const records = new Map(withSpans.map((record) => [record.id, record]));
    for (const record of described) {
      records.set(record.id, { ...(records.get(record.id) ?? record), description: record.description });
    }
    return [...records.values()].sort((a, b) => compare(a.tenantId ?? '', b.tenantId ?? '') || compare(a.name, b.name));
  }

  /** In memory, but for the projects that were created. */
  async find({
    idOrName,
    tenantId,
  }: NonNullable<Parameters<StoreCalls['findProjects']>[0]>): Promise<ProjectIdentity[]> {
    const [withSpans, described] = await Promise.all([
      this.#engine.projects(),
      idOrName === undefined
        ? this.#described('true', {})
        : this.#described('id = $text OR project = $text', { text: idOrName }),
    ]);
    const all = new Map<string, ProjectIdentity>(
      withSpans.map(({ id, name, tenantId: tenant }) => [id, { id, tenantId: tenant, name, description: '' }]),
    );
    for (const { id, name, tenantId: tenant, description } of described)
      all.set(id, { id, tenantId: tenant, name, description });
    const byId = idOrName === undefined ? undefined : all.get(idOrName);
    return (byId === undefined ? [...all.values()] : [byId])
      .filter(({ name }) => byId !== undefined || idOrName === undefined || name === idOrName)
      .filter((project) => tenantId === undefined || project.tenantId === tenantId)
      .sort((a, b) => compare(a.tenantId ?? '', b.tenantId ?? '') || compare(a.name, b.name));
  }

  async byId(id: string): Promise<ProjectRecord | undefined> {
    const [withSpans, described] = await Promise.all([
      getProjectById(this.#engine, id),
      this.#described('id = $id', { id }),
    ]);
    const [own] = described;
    if (withSpans === undefined || own === undefined) return withSpans ?? own;
    return { ...withSpans, description: own.description };
  }

  async #described(condition: string, parameters: Record<string, string | null>): Promise<ProjectRecord[]> {
    const rows = await this.#meta.host.query(
      `SELECT id, tenant_id, project, description FROM meta.projects WHERE ${condition}`,
      parameters,
    );
    return (rows as ProjectColumns[]).map(([id, tenantId, name, description]) => ({
      id,
      tenantId,
      name,
      spanCount: 0,
      traceCount: 0,
      firstSpanUnixNano: undefined,
      lastSpanUnixNano: undefined,
      description,
    }));
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function projectExists(project: ProjectRef): ProjectExistsError {
  return new ProjectExistsError(`There is a project "${project.name}" already. Choose another name.`);
}
