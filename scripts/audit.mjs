/**
 * `npm run audit`: what users install, held against the list that was agreed to, and the registry's advisories.
 *
 * `--write`: takes what is there as the list; for a change of dependencies that somebody has looked at. Exits 1 for a difference or an advisory.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { differences, LIST, root, runtimeDependencies } from './runtime-dependencies.mjs';

const actual = runtimeDependencies();
if (process.argv.includes('--write')) writeFileSync(LIST, `${JSON.stringify(actual, null, 2)}\n`);
const told = differences(actual);
const scripts = Object.entries(actual).filter(([, { installScript }]) => installScript);
console.log(`${Object.keys(actual).length} runtime dependencies, ${scripts.length} with an install script.`);
for (const sentence of told) console.error(sentence);
if (told.length > 0) console.error('Look at each, then take them into the list with: npm run audit -- --write');

const { stdout } = spawnSync('npm', ['audit', '--omit=dev', '--json'], {
  cwd: root,
  encoding: 'utf8',
  shell: process.platform === 'win32',
});
let report;
try {
  report = JSON.parse(stdout);
} catch {
  report = undefined; // no JSON: the registry has no such service, or none is reached
}
const vulnerabilities = report?.metadata?.vulnerabilities;
if (vulnerabilities === undefined) {
  console.log(
    `This registry gives no advisories (${report?.message ?? report?.error?.summary ?? 'no answer'}): nothing is known of them here. Ask another one.`,
  );
} else {
  console.log(
    vulnerabilities.total === 0
      ? 'No advisories.'
      : `Advisories: ${JSON.stringify(vulnerabilities)}. See: npm audit --omit=dev`,
  );
}
process.exitCode = told.length > 0 || (vulnerabilities?.total ?? 0) > 0 ? 1 : 0;
