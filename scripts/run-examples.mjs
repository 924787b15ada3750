/**
 * What `npm run examples` does: set-up, a server, and each example of `examples/reference` as a process of its own against it.
 *
 * The example with a production configuration has a server that speaks TLS. Data directories are temporary.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startServer } from './run-demo.mjs';
import { REPOSITORY, SetupError, setUp } from './setup.mjs';

const EXAMPLES = join(REPOSITORY, 'examples', 'reference');
const OVER_TLS = '5';
const ANY_PORTS = { port: '0', 'otlp-port': '0', 'grpc-port': '0' };

/** Number and name of each, in order. */
const examples = readdirSync(join(EXAMPLES, 'src'))
  .map((file) => /^(example-(\d)-.*)\.ts$/.exec(file))
  .filter((match) => match !== null)
  .map(([, name, number]) => ({ number, name }))
  .sort((a, b) => a.number - b.number);

const USAGE = `Usage: npm run examples -- [options] [number ...]

Sets up what is missing, starts the embedded server on free ports, and runs the examples one after the other, or those
whose numbers are given. Each reads back what it recorded. Ends with exit code 1 if one of them fails.

Examples:
${examples.map(({ number, name }) => `  ${number}  ${name}\n`).join('')}
Options:
  --help  show this

Example:
  $ npm run examples -- 2 3
`;

/** Which examples to run, or undefined for help. Errors: `SetupError` with what is wrong. */
export function parseCommand(args) {
  let parsed;
  try {
    parsed = parseArgs({ args, allowPositionals: true, options: { help: { type: 'boolean', default: false } } });
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${USAGE}`);
  }
  if (parsed.values.help) return undefined;
  const unknown = parsed.positionals.find((number) => !examples.some((example) => example.number === number));
  if (unknown !== undefined) throw new SetupError(`There is no example "${unknown}".\n\n${USAGE}`);
  if (parsed.positionals.length === 0) return examples;
  return examples.filter(({ number }) => parsed.positionals.includes(number));
}

/** Runs one to its end; its output is ours. Resolves with its exit code. */
function runExample(name, env) {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [join(EXAMPLES, 'dist', `${name}.js`)], {
      cwd: EXAMPLES,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env },
    });
    child.once('error', fail);
    child.once('close', (code) => done(code ?? 1));
  });
}

/** The servers that the chosen examples need. */
async function startServers(chosen, directory) {
  const servers = { plain: undefined, tls: undefined };
  if (chosen.some(({ number }) => number !== OVER_TLS)) {
    servers.plain = await startServer({ data: join(directory, 'plain'), ...ANY_PORTS });
  }
  if (chosen.some(({ number }) => number === OVER_TLS)) {
    const { selfSigned } = await import('../examples/reference/dist/self-signed.js');
    const { key, cert } = selfSigned({ dns: 'localhost' });
    const files = { 'tls-cert': join(directory, 'cert.pem'), 'tls-key': join(directory, 'key.pem') };
    writeFileSync(files['tls-cert'], cert);
    writeFileSync(files['tls-key'], key, { mode: 0o600 });
    servers.tls = await startServer({ data: join(directory, 'tls'), ...ANY_PORTS, ...files });
  }
  return servers;
}

function environmentOf(server) {
  return { EXAMPLES_ENDPOINT: server.http, EXAMPLES_OTLP_ENDPOINT: server.otlpGrpc };
}

/** The certificate is for a name, and both fetch and gRPC are told to trust it. */
function tlsEnvironment(server, directory) {
  const certificate = join(directory, 'cert.pem');
  const byName = Object.entries(environmentOf(server)).map(([key, url]) => [
    key,
    url.replace('127.0.0.1', 'localhost'),
  ]);
  return {
    ...Object.fromEntries(byName),
    EXAMPLES_USE_TLS: 'true',
    NODE_EXTRA_CA_CERTS: certificate,
    GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: certificate,
  };
}

export async function main(args) {
  const chosen = parseCommand(args);
  if (chosen === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  await setUp({ projects: [join('libs', 'cli'), join('examples', 'reference')] });
  const directory = mkdtempSync(join(tmpdir(), 'cogniverse-examples-'));
  let servers = {};
  const failed = [];
  try {
    servers = await startServers(chosen, directory);
    for (const { number, name } of chosen) {
      const server = number === OVER_TLS ? servers.tls : servers.plain;
      const env = number === OVER_TLS ? tlsEnvironment(server, directory) : environmentOf(server);
      const code = await runExample(name, env);
      if (code !== 0) {
        failed.push(number);
        process.stderr.write(`Example ${number} ended with exit code ${code}.\n`);
      }
      process.stdout.write('\n');
    }
  } finally {
    for (const server of Object.values(servers)) await server?.stop();
    rmSync(directory, { recursive: true, force: true });
  }
  const ran = `${chosen.length} ${chosen.length === 1 ? 'example' : 'examples'} ran`;
  process.stdout.write(failed.length === 0 ? `${ran}.\n` : `${ran}; failed: ${failed.join(', ')}.\n`);
  return failed.length === 0 ? 0 : 1;
}
