/**
 * A Python with the packages that read what we write: an environment of its own under `.cache/`, made once a set of requirements.
 */
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Version of the `python3` on the path; undefined where it is missing, or cannot make environments. */
export function pythonVersion(): string | undefined {
  const { status, stdout } = spawnSync('python3', ['-c', 'import ensurepip, sys, venv; print(sys.version)'], {
    encoding: 'utf8',
  });
  return status === 0 ? stdout.trim() : undefined;
}

/** Path of a Python that has the requirements of this file. `name`: what the environment is for, in its folder's name. */
export async function pythonWith(version: string, name: string, requirements: string): Promise<string> {
  const key = createHash('sha256').update(version).update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const cache = resolve(import.meta.dirname, '../.cache');
  const environment = join(cache, `python-${name}-${key}`);
  const python = join(environment, 'bin/python');
  const complete = join(environment, 'complete');
  if (existsSync(complete)) return python;
  mkdirSync(cache, { recursive: true });
  // What another run left unfinished is out of the way at once, and then removed.
  if (existsSync(environment)) {
    const unfinished = `${environment}-${process.pid}`;
    renameSync(environment, unfinished);
    rmSync(unfinished, { recursive: true });
  }
  await run('python3', ['-m', 'venv', environment]);
  await run(python, ['-m', 'pip', 'install', '--quiet', '--only-binary=:all:', '--requirement', requirements], {
    timeout: 240_000,
  });
  writeFileSync(complete, version);
  return python;
}
