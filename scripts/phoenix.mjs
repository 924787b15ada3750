/**
 * A real Phoenix on this machine.   Beside all paths: what tests and benchmarks compare this project's server with.
 *
 *   npm run phoenix                set it up and serve it on a free port until Ctrl-C
 *   npm run phoenix -- --set-up    only set it up: about 70 s and 855 MB, once
 *   npm run phoenix -- --port N    serve it on this port
 *
 * What is set up is a virtual environment of `phoenix-requirements.txt` in the user's cache directory (`COGNIVERSE_CACHE` names another), so that all
 * clones share it. Needs Python 3.11 to 3.14 with venv and pip; needs the network once.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openingComment } from './opening-comment.mjs';
import { SetupError, withSetupLock } from './setup.mjs';

const REQUIREMENTS = fileURLToPath(new URL('phoenix-requirements.txt', import.meta.url));
/** What this Phoenix runs on: its own `requires-python`. */
const PYTHON_MINORS = [11, 12, 13, 14];
const READY_MILLIS = 120_000;
const STOP_MILLIS = 10_000;
/** Ends Phoenix when the process that started it is gone, however that ended: its end of the pipe closes. */
const SERVE = `
import os, sys, threading
def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=end_with_parent, daemon=True).start()
from phoenix.server.main import main
main()
`;

/** Where set-ups live that all clones of this repository share. */
export function sharedCache(env = process.env) {
  if (env['COGNIVERSE_CACHE']) return resolve(env['COGNIVERSE_CACHE']);
  if (env['XDG_CACHE_HOME']) return resolve(env['XDG_CACHE_HOME'], 'cogniverse');
  return process.platform === 'darwin'
    ? join(homedir(), 'Library', 'Caches', 'cogniverse')
    : join(homedir(), '.cache', 'cogniverse');
}

/** A Python that Phoenix runs on, with its version; undefined where there is none, or it cannot make environments. */
export function findPython() {
  for (const command of ['python3', ...PYTHON_MINORS.map((minor) => `python3.${minor}`).reverse()]) {
    const { status, stdout } = spawnSync(
      command,
      ['-c', 'import ensurepip, sys, venv; print(*sys.version_info[:3], sep=".")'],
      { encoding: 'utf8' },
    );
    const version = status === 0 ? stdout.trim() : '';
    const [major, minor] = version.split('.').map(Number);
    if (major === 3 && PYTHON_MINORS.includes(minor)) return { command, version };
  }
  return undefined;
}

/** The sentence for who lacks that Python. */
export const PYTHON_NEEDED = `A real Phoenix needs Python 3.${PYTHON_MINORS[0]} to 3.${PYTHON_MINORS.at(-1)} with venv and pip, as python3 on the path.`;

/**
 * Makes the environment unless it is there: built aside and renamed, so that what is there is whole; of several at once, one builds.
 * Gives the path of its Python.   Errors: `SetupError`.
 */
export async function setUpPhoenix({ cache = sharedCache(), say = (text) => process.stderr.write(`${text}\n`) } = {}) {
  const found = findPython();
  if (found === undefined) throw new SetupError(PYTHON_NEEDED);
  const minor = found.version.split('.').slice(0, 2).join('.');
  const key = createHash('sha256')
    .update(`${minor} ${process.platform} ${process.arch} `)
    .update(readFileSync(REQUIREMENTS))
    .digest('hex');
  const home = join(cache, 'phoenix');
  const environment = join(home, `${phoenixVersion()}-${key.slice(0, 12)}`);
  const python = join(environment, 'bin', 'python');
  if (existsSync(environment)) return { python };
  mkdirSync(home, { recursive: true });
  await withSetupLock(home, async () => {
    if (existsSync(environment)) return; // another process built it meanwhile
    say(`Setting up Phoenix ${phoenixVersion()} in ${environment} (once; about 70 s and 855 MB) ...`);
    const started = Date.now();
    const building = mkdtempSync(join(home, 'building-'));
    try {
      await run(found.command, ['-m', 'venv', building]);
      const install = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--only-binary=:all:', '--requirement'];
      await run(join(building, 'bin', 'python'), [...install, REQUIREMENTS]);
      // Its own scripts name the directory that they were made in; nothing here runs them.
      renameSync(building, environment);
    } catch (error) {
      rmSync(building, { recursive: true, force: true });
      throw error;
    }
    say(`Set up in ${((Date.now() - started) / 1000).toFixed(0)} s.`);
  });
  return { python };
}

export function phoenixVersion() {
  return /^arize-phoenix==(.+)$/m.exec(readFileSync(REQUIREMENTS, 'utf8'))[1];
}

function run(command, args) {
  return new Promise((done, failed) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const take = (chunk) => {
      said = (said + chunk).slice(-4000);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', failed);
    child.on('close', (code) => {
      if (code === 0) done();
      else failed(new SetupError(`${command} ${args.join(' ')} ended with ${code}:\n${said}`));
    });
  });
}

/**
 * Starts a Phoenix on 127.0.0.1 with a database of its own and waits until it is ready (10 to 27 s). It makes no outbound connection.
 *
 * `port`: 0 is any free one. `directory`: where its database is kept; without it a temporary one, removed at the end.
 * Gives `{ url, grpcPort, pid, log(), stop() }`.   Errors: what it wrote, when it ends before it is ready or takes longer than two minutes.
 */
export async function startPhoenix({ python, port = 0, directory } = {}) {
  const home = directory ?? mkdtempSync(join(tmpdir(), 'cogniverse-phoenix-'));
  mkdirSync(home, { recursive: true });
  const grpcPort = await freePort();
  const child = spawnServer({ python, home, port, grpcPort });
  let log = '';
  let ended = false;
  const exited = new Promise((done) => child.once('close', done)).then(() => {
    ended = true;
    if (directory === undefined) rmSync(home, { recursive: true, force: true });
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      log = (log + chunk).slice(-1_000_000);
    });
  }
  child.once('error', (error) => {
    log += String(error);
  });
  const stop = async () => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MILLIS);
    await exited;
    clearTimeout(timer);
  };
  const deadline = Date.now() + READY_MILLIS;
  for (;;) {
    const url = /running on (http:\S+)/.exec(log)?.[1];
    if (url !== undefined && (await isReady(url))) return { url, grpcPort, pid: child.pid, log: () => log, stop };
    if (ended || Date.now() > deadline) {
      await stop();
      throw new Error(`Phoenix did not become ready: ${log}`);
    }
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** Its process, which ends with ours; `startPhoenix` waits until it is ready. */
export function spawnServer({ python, home = tmpdir(), port = 0, grpcPort }) {
  // Of our own environment only what any program needs: other PHOENIX_ and OTEL_ variables would change it.
  const passed = ['PATH', 'LANG', 'TMPDIR', 'SYSTEMROOT'].filter((name) => process.env[name] !== undefined);
  return spawn(python, ['-c', SERVE, 'serve', '--no-ui'], {
    cwd: home,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...Object.fromEntries(passed.map((name) => [name, process.env[name]])),
      HOME: home,
      PHOENIX_WORKING_DIR: home,
      PHOENIX_HOST: '127.0.0.1',
      PHOENIX_PORT: String(port),
      PHOENIX_GRPC_PORT: String(grpcPort),
      PHOENIX_TELEMETRY_ENABLED: 'false',
      PHOENIX_ALLOW_EXTERNAL_RESOURCES: 'false',
      PHOENIX_DISABLE_AGENT_ASSISTANT: 'true',
      PHOENIX_ENABLE_MCP_SERVER: 'false',
    },
  });
}

async function isReady(url) {
  try {
    return (await fetch(`${url}/readyz`)).ok;
  } catch (error) {
    if (error instanceof TypeError) return false; // nobody listens yet
    throw error;
  }
}

/** Phoenix does not print the gRPC port that it takes when it may choose. */
function freePort() {
  return new Promise((done, failed) => {
    const probe = createServer();
    probe.once('error', failed);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

async function main() {
  const { values } = parseArgs({
    options: {
      'set-up': { type: 'boolean', default: false },
      port: { type: 'string', default: '0' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return void process.stdout.write(openingComment(new URL(import.meta.url)));
  const { python } = await setUpPhoenix();
  if (values['set-up']) return void process.stdout.write(`${python}\n`);
  const phoenix = await startPhoenix({ python, port: Number(values.port) });
  process.stdout.write(`${JSON.stringify({ http: phoenix.url, grpcPort: phoenix.grpcPort, pid: phoenix.pid })}\n`);
  await new Promise((done) => {
    process.once('SIGINT', done);
    process.once('SIGTERM', done);
  });
  await phoenix.stop();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`);
    process.exitCode = 1;
  });
}
