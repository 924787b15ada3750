/**
 * What a user installs with the published packages: every runtime dependency, direct and indirect, with its licence and whether it runs a
 * script when it is installed. Read from the lock file and the packages that are installed; `scripts/runtime-dependencies.json` is the list
 * that was looked at and agreed to.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const LIST = join(root, 'scripts/runtime-dependencies.json');

const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'));

/** Where the lock file has `name` as seen from the package at `from`. */
function resolveIn(packages, from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const key = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
    if (packages[key] !== undefined) return packages[key].link === true ? packages[key].resolved : key;
    if (at === '') return undefined;
    if (!at.includes('/node_modules/')) at = '';
  }
}

/** `name` to licence and install script; the packages of this repository are left out. */
export function runtimeDependencies() {
  const { packages } = readJson(join(root, 'package-lock.json'));
  const published = readdirSync(join(root, 'libs'))
    .map((name) => `libs/${name}`)
    .filter((path) => packages[path] !== undefined && readJson(join(root, path, 'package.json')).private !== true);
  const found = new Map();
  const seen = new Set();
  const visit = (key) => {
    if (seen.has(key)) return;
    seen.add(key);
    const entry = packages[key];
    if (!key.startsWith('libs/')) {
      const name = key.slice(key.lastIndexOf('node_modules/') + 'node_modules/'.length);
      found.set(name, { licence: entry.license ?? 'unknown', installScript: entry.hasInstallScript === true });
    }
    for (const name of Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })) {
      const next = resolveIn(packages, key, name);
      if (next !== undefined) visit(next);
    }
  };
  for (const path of published) visit(path);
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Sentences for what differs from the list. */
export function differences(actual, listed = readJson(LIST)) {
  const told = [];
  for (const [name, { licence, installScript }] of Object.entries(actual)) {
    const known = listed[name];
    if (known === undefined) told.push(`${name} (${licence}) is new among the runtime dependencies.`);
    else if (known.licence !== licence) told.push(`${name} has the licence ${licence}, not ${known.licence}.`);
    else if (installScript && !known.installScript) told.push(`${name} runs a script when it is installed.`);
  }
  for (const name of Object.keys(listed))
    if (actual[name] === undefined) told.push(`${name} is listed and no longer there.`);
  return told;
}
