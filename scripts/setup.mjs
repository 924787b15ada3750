/**
 * Set-up: installs from the lock file and builds, each only where stale.   Used by `npm start` and `npm test`.
 *
 * Plain Node without dependencies, in syntax that Node 12.20 can parse, so that a Node that is too old gets a sentence and not a
 * syntax error. Says what it does on standard error; needs the network only where something has to be installed.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const REPOSITORY = fileURLToPath(new URL('..', import.meta.url));
export const OLDEST_NODE = [20, 19];

const STAMP = '.cogniverse-setup';
/** A set-up at work renews its lock this often; one that has not been renewed for `LOCK_EXPIRES_MILLIS` is abandoned. */
const LOCK_RENEW_MILLIS = 5000;
const LOCK_EXPIRES_MILLIS = 60000;
const LOCK_POLL_MILLIS = 200;

/** Something the user can act on; printed without a stack. */
export class SetupError extends Error {}

function say(text) {
  process.stderr.write(`${text}\n`);
}

/** What is wrong with this Node, or undefined. `version` is like `20.19.0`. */
export function checkNode(version) {
  const parts = version.split('.').map(Number);
  const fits = parts[0] > OLDEST_NODE[0] || (parts[0] === OLDEST_NODE[0] && parts[1] >= OLDEST_NODE[1]);
  if (fits) return undefined;
  return (
    `Node ${version} is too old: Cogniverse Telemetry needs Node ${OLDEST_NODE.join('.')} or newer.\n` +
    'Install a current Node from https://nodejs.org (or `nvm install 22`), then run the same command again.'
  );
}

/** What an installation depends on: the lock file, and what npm chooses platform packages by. Native parts are N-API: any Node's. */
function wantedStamp(root) {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  return { lock, platform: process.platform, arch: process.arch };
}

/**
 * Whether what is installed is not what the lock file says. Without our stamp (somebody ran `npm ci` by hand) npm's own record of what
 * it installed is compared; packages for other platforms are not in it.
 */
export function isInstallStale(root) {
  const stamp = join(root, 'node_modules', STAMP);
  if (existsSync(stamp)) {
    const found = JSON.parse(readFileSync(stamp, 'utf8'));
    return Object.entries(wantedStamp(root)).some(([key, value]) => found[key] !== value);
  }
  const record = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return true;
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const isMissing = (path) =>
    path !== '' && !wanted[path].optional && (!installed[path] || installed[path].version !== wanted[path].version);
  const isLeftOver = (path) => !wanted[path];
  return Object.keys(wanted).some(isMissing) || Object.keys(installed).some(isLeftOver);
}

/** npm as this process was started by it, else the one on the path. */
function npmCommand() {
  const cli = process.env['npm_execpath'];
  if (cli && basename(cli) === 'npm-cli.js' && existsSync(cli)) {
    return { command: process.execPath, args: [cli], shell: false };
  }
  return { command: 'npm', args: [], shell: process.platform === 'win32' };
}

/** Runs a program with its output on our standard error. Resolves with its exit code and the end of what it said. */
function run(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.root,
      env: options.env || process.env,
      shell: options.shell === true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let tail = '';
    const take = (chunk) => {
      tail = (tail + chunk).slice(-20000);
      process.stderr.write(chunk);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code === null ? 1 : code, tail }));
  });
}

/** Why npm failed and what to do, from what it said. */
export function explainNpmFailure(tail, code) {
  if (/\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED)\b/.test(tail)) {
    return (
      'The packages could not be fetched: the package registry was not reachable.\n' +
      'The first run needs the network once. Connect (or set a proxy: npm config set proxy URL), then run the same command again; ' +
      'later runs need no network.'
    );
  }
  if (/\bEUSAGE\b/.test(tail)) {
    return 'package.json and package-lock.json do not fit together. Run `npm install`, which updates the lock file, then the same command again.';
  }
  if (/\b(EACCES|EPERM|EROFS)\b/.test(tail)) {
    return 'npm may not write here (see above). Make this directory writable for your user, then run the same command again.';
  }
  if (/\bENOSPC\b/.test(tail)) {
    return 'The disk is full: the packages need about 400 MB. Free some space, then run the same command again.';
  }
  return `npm ci failed with exit code ${code}; its messages are above. Run \`npm ci\` by hand to see more, then the same command again.`;
}

/** Installs from the lock file if what is installed does not come from it. Says whether it had to. */
export async function ensureInstalled({ root }) {
  if (!existsSync(join(root, 'package-lock.json'))) {
    throw new SetupError(
      `${join(root, 'package-lock.json')} is missing. Restore it (git checkout package-lock.json), then run again.`,
    );
  }
  if (!isInstallStale(root)) return false;
  const fresh = !existsSync(join(root, 'node_modules'));
  say(
    `Installing packages from package-lock.json (${fresh ? 'first run' : 'the lock file or the platform changed'}; this takes a moment) ...`,
  );
  const started = Date.now();
  const npm = npmCommand();
  // Development packages are what builds and tests: they are wanted whatever NODE_ENV says.
  const args = npm.args.concat(['ci', '--prefer-offline', '--include=dev', '--include=optional', '--loglevel=error']);
  let result;
  try {
    result = await run(npm.command, args, { root, shell: npm.shell });
  } catch (error) {
    throw new SetupError(
      `npm could not be started (${error.message}). It comes with Node: install Node from https://nodejs.org, then run again.`,
    );
  }
  if (result.code !== 0) throw new SetupError(explainNpmFailure(result.tail, result.code));
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  writeFileSync(join(root, 'node_modules', STAMP), `${JSON.stringify(wantedStamp(root))}\n`);
  say(`Installed in ${((Date.now() - started) / 1000).toFixed(1)} s.`);
  return true;
}

/** Builds the given projects (all by default). `tsc -b` itself knows what is stale. */
export async function ensureBuilt({ root, projects }) {
  const started = Date.now();
  say('Building what changed ...');
  const result = await run(
    process.execPath,
    [join('node_modules', 'typescript', 'bin', 'tsc'), '-b'].concat(projects),
    { root },
  );
  if (result.code !== 0) throw new SetupError('The build failed; the errors are above.');
  const cli = join(root, 'libs', 'cli', 'dist', 'cogniverse.cjs');
  if (existsSync(cli)) chmodSync(cli, 0o755); // npm linked it as a command before it existed
  say(`Built in ${((Date.now() - started) / 1000).toFixed(1)} s.`);
}

function ownerOf(lock) {
  try {
    const owner = JSON.parse(readFileSync(join(lock, 'owner.json'), 'utf8'));
    return { pid: owner.pid, renewed: statSync(lock).mtimeMs };
  } catch (error) {
    if (error.code === 'ENOENT') return undefined; // released in this moment
    throw error;
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/**
 * Runs `work` while no other set-up of this directory does. The lock is a directory that appears whole by a rename (which fails while
 * one is there); an abandoned one is moved aside under a name made of its owner, so that of many waiters only one can take it over.
 */
export async function withSetupLock(root, work) {
  const cache = join(root, '.cache');
  mkdirSync(cache, { recursive: true });
  const lock = join(cache, 'setup.lock');
  const mine = mkdtempSync(join(cache, 'setup-'));
  writeFileSync(join(mine, 'owner.json'), JSON.stringify({ pid: process.pid }));
  let told = false;
  for (;;) {
    try {
      renameSync(mine, lock);
      break;
    } catch (error) {
      if (['ENOTEMPTY', 'EEXIST', 'EPERM', 'ENOTDIR'].indexOf(error.code) < 0) throw error;
    }
    const owner = ownerOf(lock);
    if (owner !== undefined && (!isRunning(owner.pid) || Date.now() - owner.renewed > LOCK_EXPIRES_MILLIS)) {
      try {
        renameSync(lock, join(cache, `setup.lock.abandoned-${owner.pid}-${Math.round(owner.renewed)}`));
      } catch (error) {
        if (['ENOENT', 'ENOTEMPTY', 'EEXIST', 'EPERM'].indexOf(error.code) < 0) throw error; // another waiter was first
      }
      continue;
    }
    if (owner !== undefined && !told) {
      say(`Another set-up of this directory is at work (process ${owner.pid}); waiting for it ...`);
      told = true;
    }
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MILLIS));
  }
  const renewal = setInterval(() => utimesSync(lock, new Date(), new Date()), LOCK_RENEW_MILLIS);
  try {
    return await work();
  } finally {
    clearInterval(renewal);
    unlinkSync(join(lock, 'owner.json'));
    rmdirSync(lock);
  }
}

/** All the set-up there is: install if stale, build if stale. Repeated, it needs no network. */
export async function setUp({ root = REPOSITORY, projects = [] } = {}) {
  await withSetupLock(root, async () => {
    await ensureInstalled({ root });
    await ensureBuilt({ root, projects });
  });
}

/** Runs a command's main function after the check of Node's version: its exit code is the process's, its `SetupError` a sentence. */
export async function runCommand(loadMain) {
  const problem = checkNode(process.versions.node);
  if (problem !== undefined) {
    say(problem);
    process.exitCode = 1;
    return;
  }
  try {
    const { main } = await loadMain();
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    say(error instanceof SetupError ? error.message : String(error.stack));
    process.exitCode = 1;
  }
}
