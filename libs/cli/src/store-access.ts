/** Opens what a command reads: a server's API or a data directory, behind the same interface.   Read path: command -> [store-access] -> TelemetryStore. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type ProjectRecord, StoreOpenError, type TelemetryStore } from '@cogniverse/foundation/telemetry';
import { openLocalStore, openRemoteStore } from '@cogniverse/telemetry-local';
import { CliError } from './cli-error.js';
import { type AccessOptions, defaultEndpoint, type ScopeOptions } from './options.js';

export async function withStore<T>(options: AccessOptions, work: (store: TelemetryStore) => Promise<T>): Promise<T> {
  const store =
    options.data === undefined
      ? openRemoteStore({ endpoint: options.endpoint ?? defaultEndpoint(), apiKey: options.apiKey })
      : await openExisting(options.data);
  try {
    return await work(store);
  } finally {
    await store.shutdown();
  }
}

/** A directory to read must be there: a mistyped path is no new, empty store. */
async function openExisting(directory: string): Promise<TelemetryStore> {
  if (!existsSync(directory)) {
    throw new CliError(
      `There is no data directory ${resolve(directory)}. Correct --data, or leave it out to ask a server.`,
    );
  }
  try {
    return await openLocalStore({ dataDir: directory });
  } catch (error) {
    if (!(error instanceof StoreOpenError)) throw error;
    throw new CliError(`${error.message}\nTo read through its server, give --endpoint instead of --data.`, {
      cause: error,
    });
  }
}

/** Projects that `--project` and `--tenant` name; all without them. Errors: `CliError` if a named one is not there. */
export async function findProjects(store: TelemetryStore, scope: ScopeOptions): Promise<ProjectRecord[]> {
  const projects = await store.listProjects({ tenantId: scope.tenant, name: scope.project });
  if (projects.length > 0 || (scope.project === undefined && scope.tenant === undefined)) return projects;
  const all = await store.listProjects();
  const known = all
    .slice(0, 10)
    .map((project) => `${project.name}${project.tenantId === null ? '' : ` (tenant ${project.tenantId})`}`);
  const asked = [
    scope.project === undefined ? 'No project' : `No project named "${scope.project}"`,
    scope.tenant === undefined ? '' : ` of tenant "${scope.tenant}"`,
  ].join('');
  throw new CliError(
    `${asked}. ${known.length === 0 ? 'Nothing is stored yet.' : `Stored: ${known.join(', ')}${all.length > known.length ? ', ...' : ''}.`} ` +
      'See all with: cogniverse projects',
  );
}
