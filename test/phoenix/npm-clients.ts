/** Phoenix's npm packages, as published, installed from a manifest and lock of their own under `.cache/`. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const cache = resolve(import.meta.dirname, '../../.cache');
const locked = ['package.json', 'package-lock.json'].map((name) => join(import.meta.dirname, 'clients', name));

/** Modules of the packages, whose types are theirs; the tests say what they expect of each answer. */
// biome-ignore lint/suspicious/noExplicitAny: see above.
export type ForeignModule = Record<string, any>;

/** Loads `@arizeai/phoenix-client/spans` and the like. */
export async function loadPhoenixPackage(specifier: string): Promise<ForeignModule> {
  const packages = await installed();
  // Node finds the entry point that an application in that directory would get.
  const { resolve: find } = createRequire(join(packages, 'application.cjs'));
  const [, scope, name, subpath = ''] = /^(@[^/]+)\/([^/]+)(.*)$/.exec(specifier)!;
  const manifest = find(`${scope}/${name}`).replace(
    /^(.*[\\/]node_modules[\\/]@[^\\/]+[\\/][^\\/]+).*$/,
    '$1/package.json',
  );
  const { exports } = JSON.parse(readFileSync(manifest, 'utf8')) as { exports: Record<string, { import: string }> };
  return (await import(pathToFileURL(join(manifest, '..', exports[`.${subpath}`]!.import)).href)) as ForeignModule;
}

let installation: Promise<string> | undefined;
function installed(): Promise<string> {
  installation ??= install();
  return installation;
}

/** Installed aside and renamed: what is there is whole. */
async function install(): Promise<string> {
  const key = createHash('sha256')
    .update(Buffer.concat(locked.map((file) => readFileSync(file))))
    .digest('hex');
  const directory = join(cache, `phoenix-clients-${key.slice(0, 12)}`);
  if (existsSync(directory)) return directory;
  mkdirSync(cache, { recursive: true });
  const building = mkdtempSync(join(cache, 'phoenix-clients-building-'));
  for (const file of locked) cpSync(file, join(building, basename(file)));
  await promisify(execFile)('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: building,
    timeout: 240_000,
  });
  renameSync(building, directory);
  return directory;
}
