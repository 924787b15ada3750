/**
 * Makes the fixture of a store's format, written by the release of that format:
 *
 *   node libs/telemetry-local/test/upgrade/make-fixture.mjs 1 65676d3
 *   node libs/telemetry-local/test/upgrade/make-fixture.mjs 2 4474d65
 *
 * Checks the commit out beside this repository's own work tree, installs and builds it there, runs `fixtures/write-format-<n>.mjs` with it, and
 * packs the directory that is left into `fixtures/format-<n>.json.gz`: `files` (path to base64) and `expected`, what the store was given.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const [format, commit] = process.argv.slice(2);
if (!/^\d+$/.test(format ?? '') || commit === undefined) {
  process.stderr.write('usage: make-fixture.mjs FORMAT COMMIT\n');
  process.exit(2);
}
const fixtures = fileURLToPath(new URL('./fixtures', import.meta.url));
const repository = fileURLToPath(new URL('../../../..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'cogniverse-fixture-'));
const tree = join(work, 'tree');
const dataDir = join(work, 'data');
const expectedFile = join(work, 'expected.json');
const run = (command, args, cwd) => execFileSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
try {
  run('git', ['worktree', 'add', '--detach', tree, commit], repository);
  run('npm', ['ci', '--no-audit', '--no-fund'], tree);
  run('npx', ['tsc', '-b'], tree);
  try {
    run(process.execPath, [join(fixtures, `write-format-${format}.mjs`), tree, dataDir, expectedFile], tree);
  } catch (error) {
    if (error.signal !== 'SIGKILL') throw error; // it kills itself, so that its log is left as a crash leaves it
  }
  const files = {};
  for (const name of readdirSync(dataDir, { recursive: true }).sort()) {
    // The lock names this machine, and its holder is dead.
    if (name === 'lock' || !statSync(join(dataDir, name)).isFile()) continue;
    files[name] = readFileSync(join(dataDir, name)).toString('base64');
  }
  const packed = gzipSync(JSON.stringify({ files, expected: JSON.parse(readFileSync(expectedFile, 'utf8')) }), {
    level: 9,
  });
  writeFileSync(join(fixtures, `format-${format}.json.gz`), packed);
  process.stderr.write(`format-${format}.json.gz: ${Object.keys(files).length} files, ${packed.length} bytes\n`);
} finally {
  run('git', ['worktree', 'remove', '--force', tree], repository);
  rmSync(work, { recursive: true, force: true });
}
