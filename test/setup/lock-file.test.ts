/**
 * The lock file must serve every platform: `npm ci` refuses one that lacks an optional dependency, for another platform or not.
 * A registry mirror that does not carry all of them makes npm leave them out without a word.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

interface LockEntry {
  readonly version?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly optionalDependencies?: Record<string, string>;
}

const lock = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as {
  packages: Record<string, LockEntry>;
};

/** Node's lookup: the nearest `node_modules` upwards. */
function resolve(from: string, name: string): LockEntry | undefined {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const found = lock.packages[`${at === '' ? '' : `${at}/`}node_modules/${name}`];
    if (found !== undefined || at === '') return found;
  }
}

describe('package-lock.json', () => {
  it('holds each optional dependency of each package, for every platform', () => {
    const missing: string[] = [];
    for (const [path, entry] of Object.entries(lock.packages)) {
      for (const name of Object.keys(entry.optionalDependencies ?? {})) {
        if (resolve(path, name) === undefined) missing.push(`${name} (of ${path})`);
      }
    }
    expect(missing).toEqual([]);
  });

  it('names no registry, like that of the package managers', () => {
    const apart = new URL('../package-managers/package-lock.json', import.meta.url);
    const { packages } = JSON.parse(readFileSync(apart, 'utf8')) as typeof lock;
    const entries = [...Object.values(lock.packages), ...Object.values(packages)];
    expect(entries.filter((entry) => entry.resolved?.includes('://'))).toEqual([]);
  });
});
