/** Opens what a command reads: a server's API or a data directory, behind the same interface.   Read path: command -> [store-access] -> TelemetryStore. */
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { openRemoteStore } from '@cogniverse/foundation/client';
import { StoreOpenError } from '@cogniverse/foundation/store';
import type { ProjectRecord, TelemetryStore } from '@cogniverse/foundation/telemetry';
import { type OpenLocalStoreOptions, openLocalStore } from '@cogniverse/telemetry-local/store';
import { InvalidArgumentError } from 'commander';
import { CliError, UsageError } from './cli-error.js';
import {
  type AccessOptions,
  DEFAULT_ENDPOINT,
  defaultData,
  endpointOfEnvironment,
  parseEndpoint,
  type ScopeOptions,
} from './options.js';

export interface StoreAccess {
  /** Opens the usual data directory where nothing was named and nothing listens at the usual server's address. True by default. */
  readonly fallback?: boolean;
  /** The usual server. */
  readonly usualEndpoint?: string;
  /** The directory of `--data` may be a new one. False by default. */
  readonly createsData?: boolean;
}

/** What a command talks to. */
export interface StorePlace {
  readonly kind: 'server' | 'directory';
  /** The server's address, or the directory's full path. */
  readonly name: string;
}

/**
 * Runs `work` with a store: the directory of `--data`, or the server of `--endpoint` or `COGNIVERSE_ENDPOINT`. Without any of these the
 * server at the usual address, and where nothing listens there the usual data directory.
 *
 * Errors: `UsageError` for a variable that is no URL, `CliError` for a directory that is missing or in use, and what `work` throws.
 */
export async function withStore<T>(
  options: AccessOptions,
  work: (store: TelemetryStore, place: StorePlace) => Promise<T>,
  access: StoreAccess = {},
): Promise<T> {
  const { store, place } = await openStore(options, access);
  try {
    return await work(store, place);
  } finally {
    await store.shutdown();
  }
}

async function openStore(
  { data, endpoint = data === undefined ? namedEndpoint() : undefined, apiKey, plainHttp }: AccessOptions,
  { fallback = true, usualEndpoint = DEFAULT_ENDPOINT, createsData = false }: StoreAccess,
): Promise<{ store: TelemetryStore; place: StorePlace }> {
  if (data !== undefined) {
    if (!createsData && !existsSync(data)) {
      throw new CliError(
        `There is no data directory ${resolve(data)}. Correct --data, or leave it out to ask a server.`,
      );
    }
    const remedy = 'leave out --data and ask its server with --endpoint';
    return {
      store: await openDataDirectory({ dataDir: data }, remedy),
      place: { kind: 'directory', name: resolve(data) },
    };
  }
  if (endpoint !== undefined || !fallback || !(await isRefused(usualEndpoint))) {
    const name = endpoint ?? usualEndpoint;
    return { store: openRemoteStore({ endpoint: name, apiKey, plainHttp }), place: { kind: 'server', name } };
  }
  const directory = defaultData();
  if (!existsSync(directory)) {
    throw new CliError(
      `No server answers at ${usualEndpoint}, and there is no data directory ${resolve(directory)}. ` +
        'Start a server with "cogniverse serve", or name one with --endpoint, or a data directory with --data.',
    );
  }
  const remedy = `name the address of its server with --endpoint (it is not ${usualEndpoint})`;
  return {
    store: await openDataDirectory({ dataDir: directory }, remedy),
    place: { kind: 'directory', name: resolve(directory) },
  };
}

/** The server of `COGNIVERSE_ENDPOINT`. Errors: `UsageError`, as for the option. */
export function namedEndpoint(): string | undefined {
  const named = endpointOfEnvironment();
  if (named === undefined) return undefined;
  try {
    return parseEndpoint(named);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new UsageError(`COGNIVERSE_ENDPOINT is "${named}". ${error.message} Or name the server with --endpoint.`, {
      cause: error,
    });
  }
}

/** Whether surely nothing listens there. Every other trouble is for the request to tell. */
function isRefused(endpoint: string): Promise<boolean> {
  const { hostname, port } = new URL(endpoint);
  return new Promise((done) => {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.once('connect', () => {
      socket.destroy();
      done(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code === 'ECONNREFUSED'));
  });
}

/** Errors: `CliError` if another process has the directory open, with `remedy` as what else to do than to stop that. */
export async function openDataDirectory(options: OpenLocalStoreOptions, remedy: string): Promise<TelemetryStore> {
  try {
    return await openLocalStore(options);
  } catch (error) {
    if (!(error instanceof StoreOpenError) || error.holderPid === undefined) throw error;
    throw new CliError(
      `The data directory ${resolve(options.dataDir)} is open in process ${error.holderPid}, and only one may have it open. ` +
        `Stop that process, or ${remedy}.`,
      { cause: error },
    );
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
