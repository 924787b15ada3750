/**
 * What `npm test` does: set-up, then the linter and every test. Arguments go on to vitest: `npm test -- libs/cli`.
 *
 * The last line is `N passed, N failed`. With CI=true a skipped test fails the run: what is not run is not shown.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY, SetupError, setUp } from './setup.mjs';

/** Counts from vitest's JSON report. A file that could not be loaded, and an error outside of any test, is one failure. */
export function countTests(report) {
  let passed = 0;
  let failed = 0;
  const skipped = [];
  for (const file of report.testResults) {
    let failedHere = 0;
    for (const test of file.assertionResults) {
      if (test.status === 'passed') passed += 1;
      else if (test.status === 'failed') failedHere += 1;
      else skipped.push(`${file.name}: ${test.fullName}`);
    }
    if (file.status === 'failed' && failedHere === 0) failedHere = 1;
    failed += failedHere;
  }
  return { passed, failed, skipped };
}

/** A run narrowed to some tests leaves the others out on purpose. */
function isNarrowed(args) {
  return args.some(
    (arg) => arg === '-t' || arg.startsWith('--testNamePattern') || arg.startsWith('--test-name-pattern'),
  );
}

/** Lists what was skipped and says whether that is a failure. */
export function judgeSkipped(skipped, options) {
  if (skipped.length === 0 || options.narrowed) return { failed: false, text: '' };
  const list = skipped.map((name) => `  skipped: ${name}`).join('\n');
  if (!options.ci) return { failed: false, text: `${list}\n${skipped.length} skipped.` };
  return {
    failed: true,
    text: `${list}\n${skipped.length} skipped: with CI=true nothing may be skipped, so this run fails.`,
  };
}

/**
 * Runs vitest on what is installed and built, its output on ours. `node`: the program to run it with; `args` go on to vitest.
 * Gives the counts, and vitest's exit code.
 */
export function runVitest(args, { node = process.execPath, env = process.env } = {}) {
  const reports = mkdtempSync(join(tmpdir(), 'cogniverse-test-'));
  try {
    const reportFile = join(reports, 'report.json');
    const vitest = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
    const exitCode = run(node, [join('node_modules', 'vitest', 'vitest.mjs'), ...vitest, ...args], env);
    if (!existsSync(reportFile)) throw new SetupError('vitest ended without a report; its messages are above.');
    const counts = countTests(JSON.parse(readFileSync(reportFile, 'utf8')));
    // An error outside of any test shows in vitest's exit code alone.
    return { ...counts, failed: Math.max(counts.failed, exitCode === 0 ? 0 : 1), exitCode };
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
}

function run(node, args, env) {
  const done = spawnSync(node, args, { cwd: REPOSITORY, stdio: 'inherit', env });
  if (done.error) throw done.error;
  return done.status === null ? 1 : done.status;
}

export async function main(args) {
  await setUp({});
  console.error('Checking style ...');
  const lint = run(process.execPath, [join('node_modules', '@biomejs', 'biome', 'bin', 'biome'), 'check', '.']);
  if (lint !== 0) console.error('The style check failed (see above). `npm run format` mends most of it.');

  console.error('Running the tests ...');
  const tests = runVitest(args);
  const skipped = judgeSkipped(tests.skipped, { ci: process.env['CI'] === 'true', narrowed: isNarrowed(args) });
  if (skipped.text !== '') console.error(skipped.text);
  console.log(`${tests.passed} passed, ${tests.failed} failed`);
  return lint === 0 && tests.exitCode === 0 && tests.failed === 0 && !skipped.failed ? 0 : 1;
}
