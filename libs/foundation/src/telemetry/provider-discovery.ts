/**
 * Finds what providers the application's packages offer.   Read path: getProvider() -> registry -> [provider-discovery].
 *
 * A package offers providers in its `package.json`: `"cogniverse": { "telemetry.providers": { "phoenix": "./dist/provider.js#PhoenixProvider" } }`.
 * Looked at are the direct dependencies of the running application, in order of name. Nothing is loaded here.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import path from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { z } from 'zod';

/** Keys of `"cogniverse"` in a `package.json`. */
export type ProviderEntry = 'telemetry.providers' | 'evaluation.providers';

/** A provider that a package offers. */
export interface OfferedProvider {
  readonly name: string;
  readonly packageName: string;
  readonly directory: string;
  /** `./file.js#Export`. */
  readonly target: string;
}

export interface Discovery {
  /** What was looked at, for errors. */
  readonly lookedAt: string;
  readonly offered: readonly OfferedProvider[];
  /** What may be the reason that a provider is missing: sentences for errors. */
  readonly problems: readonly string[];
}

const dependenciesSchema = z.record(z.string(), z.unknown()).default({});
const providersSchema = z.record(z.string().min(1), z.string()).default({});
const manifestSchema = z.object({
  name: z.string().optional(),
  dependencies: dependenciesSchema,
  optionalDependencies: dependenciesSchema,
  // A backend for development: where the application is installed without these, there is none.
  devDependencies: dependenciesSchema,
  // A plugin's own tests run with what its host would install.
  peerDependencies: dependenciesSchema,
  cogniverse: z.object({ 'telemetry.providers': providersSchema, 'evaluation.providers': providersSchema }).optional(),
});
type Manifest = z.output<typeof manifestSchema>;

export function discover(entry: ProviderEntry, from: string): Discovery {
  const found = applicationManifest(from);
  if (found === undefined)
    return { lookedAt: `package.json at ${from} and above: there is none`, offered: [], problems: [] };
  if ('problem' in found) return { lookedAt: found.file, offered: [], problems: [found.problem] };
  const { file, manifest } = found;
  const dependencies = new Set([
    ...Object.keys(manifest.dependencies),
    ...Object.keys(manifest.optionalDependencies),
    ...Object.keys(manifest.devDependencies),
    ...Object.keys(manifest.peerDependencies),
  ]);
  const offered: OfferedProvider[] = [];
  const problems: string[] = [];
  for (const packageName of [...dependencies].sort()) {
    const directory = packageDirectory(file, packageName);
    if (directory === undefined) {
      if (packageName in manifest.dependencies) problems.push(`${packageName} is not installed: install it.`);
      continue;
    }
    const read = readManifest(path.join(directory, 'package.json'));
    if ('problem' in read) {
      problems.push(`${read.problem} Reinstall ${packageName}.`);
      continue;
    }
    for (const [name, target] of Object.entries(read.manifest.cogniverse?.[entry] ?? {})) {
      offered.push({ name, packageName, directory, target });
    }
  }
  const count = dependencies.size === 1 ? 'one direct dependency' : `${dependencies.size} direct dependencies`;
  return { lookedAt: `the ${count} of ${file}`, offered, problems };
}

/**
 * Where the running program is: the directory of its script; the working directory under a tool that runs it (a test runner, a shell) and for code from
 * the command line.
 */
export function runningDirectory(): string {
  const script = process.argv[1];
  // A worker has the arguments of the process that it is in, and a script of its own.
  const isCode = isMainThread && process.execArgv.some((argument) => /^(-e|-p|-pe|--eval|--print)(=|$)/.test(argument));
  if (script === undefined || isCode || !path.isAbsolute(script)) return process.cwd();
  let file: string;
  try {
    // As Node finds it: `node .` and `node app` name no file. Links are followed: a command in `node_modules/.bin` is one.
    file = realpathSync(createRequire(script).resolve(script));
  } catch {
    return process.cwd(); // no file: a worker's code, or a bundle inside an executable
  }
  return file.split(path.sep).includes('node_modules') ? process.cwd() : path.dirname(file);
}

type ManifestRead =
  | { readonly file: string; readonly manifest: Manifest }
  | { readonly file: string; readonly problem: string };

/** The nearest `package.json` upwards that is more than a marker: `{ "type": "module" }` beside built code is no application's. */
function applicationManifest(from: string): ManifestRead | undefined {
  let marker: ManifestRead | undefined;
  for (let directory = from; ; directory = path.dirname(directory)) {
    const file = path.join(directory, 'package.json');
    if (existsSync(file)) {
      const read = readManifest(file);
      if (!('manifest' in read) || !isMarker(read.manifest)) return read;
      marker ??= read;
    }
    if (directory === path.dirname(directory)) {
      return marker;
    }
  }
}

function isMarker(manifest: Manifest): boolean {
  const { name, dependencies, optionalDependencies, devDependencies, peerDependencies } = manifest;
  const all = { ...dependencies, ...optionalDependencies, ...devDependencies, ...peerDependencies };
  return name === undefined && Object.keys(all).length === 0;
}

function readManifest(file: string): ManifestRead {
  try {
    return { file, manifest: manifestSchema.parse(JSON.parse(readFileSync(file, 'utf8'))) };
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error).replace(/\s+/g, ' ') : String(error);
    return { file, problem: `${file} cannot be read: ${reason}.` };
  }
}

/** yarn's Plug'n'Play, where a process runs under it. */
interface PnpApi {
  resolveToUnqualified(request: string, issuer: string): string | null;
}
const { findPnpApi } = Module as unknown as { findPnpApi?: (lookupSource: string) => PnpApi | null };

/** A dependency's directory, as Node finds it from the application. Not by its exports: few packages export their `package.json`. */
function packageDirectory(manifest: string, packageName: string): string | undefined {
  const pnp = findPnpApi?.(manifest);
  if (pnp) {
    try {
      return pnp.resolveToUnqualified(packageName, manifest) ?? undefined;
    } catch {
      return undefined; // not installed: an optional or a development dependency
    }
  }
  for (const directory of createRequire(manifest).resolve.paths(packageName) ?? []) {
    const candidate = path.join(directory, packageName);
    if (existsSync(path.join(candidate, 'package.json'))) return realpathSync(candidate);
  }
  return undefined;
}
