/**
 * npm run test:node-versions [-- OPTIONS]
 *
 * Runs the tests under each major version of Node that is supported: the newest release of each, from npm's package `node`, kept in
 * `.cache/node`. Packages and build are the same for all: native parts use N-API. The exit code is 1 if a test failed anywhere.
 *
 * --versions LIST   majors, with commas between (default: 20,22,24,26)
 * --only PATH       only tests whose path contains PATH; may be given several times
 * --write           records the results in docs/node-versions.md; of a whole run only
 * --help            this text
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { alignedTable } from '../libs/foundation/dist/telemetry/configuration-table.js';
import { openingComment } from './opening-comment.mjs';
import { runVitest } from './run-tests.mjs';
import { REPOSITORY, SetupError, setUp } from './setup.mjs';

const MAJORS = ['20', '22', '24', '26'];
const PAGE = join(REPOSITORY, 'docs', 'node-versions.md');
const PART =
  /(<!-- generated: results \(npm run test:node-versions -- --write\) -->\n)[\s\S]*?(\n<!-- end of results -->)/;
const COLUMNS = ['Node', 'platform', 'date', 'passed', 'failed', 'skipped', 'seconds'];

/** What the command line asks for. Errors: `SetupError`. */
export function parseCommandLine(args) {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        versions: { type: 'string', default: MAJORS.join(',') },
        only: { type: 'string', multiple: true, default: [] },
        write: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${openingComment(import.meta.url)}`);
  }
  const versions = values.versions.split(',').map((text) => text.trim());
  const unknown = versions.find((version) => !MAJORS.includes(version));
  if (unknown !== undefined) {
    throw new SetupError(`--versions takes majors out of ${MAJORS.join(', ')}, not "${unknown}".`);
  }
  if (values.write && values.only.length > 0) {
    throw new SetupError('--write records what all tests gave: leave out --only.');
  }
  return { ...values, versions };
}

/** Path of the newest Node of a major. Without a network that of an earlier run. Errors: `SetupError`. */
function installNode(major) {
  const directory = join(REPOSITORY, '.cache', 'node', major);
  mkdirSync(directory, { recursive: true });
  if (!existsSync(join(directory, 'package.json'))) writeFileSync(join(directory, 'package.json'), '{"private":true}');
  const binary = join(directory, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  const npm = spawnSync(
    'npm',
    ['install', `node@${major}`, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd: directory, stdio: ['ignore', process.stderr, process.stderr], shell: process.platform === 'win32' },
  );
  const manifest = join(directory, 'node_modules', 'node', 'package.json');
  const wanted = existsSync(manifest) ? `v${JSON.parse(readFileSync(manifest, 'utf8')).version}` : undefined;
  if (npm.status === 0 && versionOf(binary) !== wanted) {
    // By hand, because npm may be told not to run scripts: fetches the package of this platform.
    execFileSync(process.execPath, ['installArchSpecificPackage.js'], {
      cwd: dirname(manifest),
      stdio: ['ignore', process.stderr, process.stderr],
    });
  }
  const version = versionOf(binary);
  if (version === undefined) {
    throw new SetupError(
      `Node ${major} could not be installed; npm's messages are above. The first run needs the network.`,
    );
  }
  if (npm.status !== 0)
    console.error(`No newer Node ${major} could be looked for; this is ${version} of an earlier run.`);
  return { binary, version };
}

function versionOf(binary) {
  if (!existsSync(binary)) return undefined;
  return execFileSync(binary, ['--version'], { encoding: 'utf8' }).trim();
}

/** Results as a table; those of a page as they are read back by `readResults()`. */
export function resultTable(results) {
  return alignedTable([COLUMNS, ...results.map((result) => COLUMNS.map((column) => String(result[column])))]).join(
    '\n',
  );
}

/** The rows of the page's table; none while it has no table. */
export function readResults(page) {
  const rows = page.split('\n').filter((line) => /^\| v\d/.test(line));
  return rows.map((row) => {
    const cells = row.split('|').slice(1, -1);
    return Object.fromEntries(COLUMNS.map((column, index) => [column, cells[index].trim()]));
  });
}

/** The page with these results in place of those of the same majors. */
export function withResults(page, results) {
  const major = (result) => Number(/^v(\d+)/.exec(result.Node)[1]);
  const rows = new Map([...readResults(page), ...results].map((result) => [major(result), result]));
  const sorted = [...rows.entries()].sort(([a], [b]) => a - b).map(([, result]) => result);
  return page.replace(PART, (_all, begin, end) => `${begin}\n${resultTable(sorted)}\n${end}`);
}

export async function main(args) {
  const { versions, only, write, help: isHelp } = parseCommandLine(args);
  if (isHelp) {
    process.stdout.write(openingComment(import.meta.url));
    return 0;
  }
  await setUp({});
  const results = [];
  for (const major of versions) {
    const { binary, version } = installNode(major);
    console.error(`\nNode ${version}: running the tests ...`);
    const started = Date.now();
    // Programs that tests start take the same Node: by `process.execPath`, or by this path.
    const env = { ...process.env, PATH: `${dirname(binary)}${delimiter}${process.env['PATH']}` };
    delete env['npm_node_execpath'];
    const { passed, failed, skipped } = runVitest(only, { node: binary, env });
    results.push({
      Node: version,
      platform: `${process.platform} ${process.arch}`,
      date: new Date().toISOString().slice(0, 10),
      passed,
      failed,
      skipped: skipped.length,
      seconds: Math.round((Date.now() - started) / 1000),
    });
  }
  console.log(`\n${resultTable(results)}`);
  if (write) writeFileSync(PAGE, withResults(readFileSync(PAGE, 'utf8'), results));
  return results.every(({ passed, failed }) => failed === 0 && passed > 0) ? 0 : 1;
}
