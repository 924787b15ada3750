/**
 * npm run install-size [-- OPTIONS]
 *
 * What a plain `npm install` of @cogniverse/foundation brings into an empty project, beside that of `langfuse`, `langsmith` and
 * `@arizeai/phoenix-otel`, the newest of each: packages, peers and all that they depend on included, and the bytes of their files.
 * Each is installed into an empty folder of its own, which is deleted afterwards. Needs the network.
 *
 * --json   the figures as JSON
 * --help   this text
 */
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openingComment } from './opening-comment.mjs';
import { REPOSITORY, runCommand, SetupError, setUp } from './setup.mjs';

const OURS = '@cogniverse/foundation';
const PEERS = ['langfuse', 'langsmith', '@arizeai/phoenix-otel'];

/** Packages in a `node_modules` folder, those that packages brought for themselves included, and the sizes of all their files. */
export function measure(nodeModules) {
  const sum = { packages: 0, bytes: 0 };
  for (const entry of packageFolders(nodeModules)) {
    sum.packages += 1;
    addFiles(entry, sum);
  }
  return sum;
}

/** `name` and `@scope/name`; what begins with a dot is npm's own. */
function packageFolders(nodeModules) {
  return directories(nodeModules).flatMap((name) => {
    const path = join(nodeModules, name);
    return name.startsWith('@') ? directories(path).map((inner) => join(path, inner)) : [path];
  });
}

function directories(path) {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name);
}

function addFiles(folder, sum) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isFile()) sum.bytes += lstatSync(path).size;
    else if (entry.isDirectory() && entry.name === 'node_modules') {
      const inner = measure(path);
      sum.packages += inner.packages;
      sum.bytes += inner.bytes;
    } else if (entry.isDirectory()) addFiles(path, sum);
  }
}

const npm = (args, cwd) =>
  execFileSync('npm', args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    shell: process.platform === 'win32',
  });

/** Installs into an empty project below `directory`; gives the figures. */
function installed(directory, name, what) {
  const project = mkdtempSync(join(directory, 'project-'));
  writeFileSync(join(project, 'package.json'), '{"name":"empty","private":true}');
  npm(['install', what, '--no-audit', '--no-fund', '--loglevel=error'], project);
  const nodeModules = join(project, 'node_modules');
  const { version } = JSON.parse(readFileSync(join(nodeModules, name, 'package.json'), 'utf8'));
  return { name, version, ...measure(nodeModules) };
}

/** The figures as lines of text. */
export function sizeTable(results) {
  const rows = results.map(({ name, version, packages, bytes }) => [
    `${name} ${version}`,
    String(packages),
    (bytes / 1e6).toFixed(1),
  ]);
  const all = [['installed', 'packages', 'MB'], ...rows];
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return all
    .map((row) =>
      row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('  '),
    )
    .join('\n');
}

export async function main(args) {
  let values;
  try {
    ({ values } = parseArgs({ args, options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } }));
  } catch (error) {
    throw new SetupError(`${error.message}\nOptions: --json, --help.`);
  }
  if (values.help) {
    process.stdout.write(openingComment(import.meta.url));
    return 0;
  }
  await setUp({ projects: [join('libs', 'foundation')] });
  const directory = mkdtempSync(join(tmpdir(), 'cogniverse-size-'));
  try {
    const packed = join(directory, 'packed');
    mkdirSync(packed);
    npm(['pack', '--silent', '--pack-destination', packed], join(REPOSITORY, 'libs', 'foundation'));
    const [tarball] = readdirSync(packed);
    const results = [installed(directory, OURS, join(packed, tarball))];
    for (const name of PEERS) results.push(installed(directory, name, `${name}@latest`));
    console.log(values.json ? JSON.stringify(results, null, 2) : sizeTable(results));
    return 0;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) runCommand(async () => ({ main }));
