/**
 * What `npm start` does: set-up, a server, the demo application against it, what its traces say, and serving until Ctrl-C.
 *
 * Four processes: this one, the server, the application that records, and one that reads back.
 */
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { REPOSITORY, SetupError, setUp } from './setup.mjs';

const PORTS = { port: 6006, 'otlp-port': 4318, 'grpc-port': 4317 };

/** What a shell makes of a program that Ctrl-C ended. */
const INTERRUPTED = 130;

const USAGE = `Usage: npm start -- [options]

Sets up what is missing, starts the embedded server, runs the demo application against it, prints what each tenant's
traces say, and goes on serving until Ctrl-C.

Options:
  --once           end after the summary
  --json           the last line of standard output is the summary as one JSON object; everything else goes to standard error
  --data DIR       data directory (default: ./.cogniverse/data)
  --port N         HTTP port (default: 6006, or a free one if that is taken; 0 for any free one)
  --otlp-port N    port for OTLP over HTTP (default: 4318, likewise)
  --grpc-port N    port for OTLP over gRPC (default: 4317, likewise)
  --help           show this

Example:
  $ npm start -- --once --json
`;

/** Errors: `SetupError` with what is wrong. */
export function parseOptions(args) {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        once: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        data: { type: 'string', default: join('.cogniverse', 'data') },
        port: { type: 'string' },
        'otlp-port': { type: 'string' },
        'grpc-port': { type: 'string' },
      },
    }));
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${USAGE}`);
  }
  for (const name of Object.keys(PORTS)) {
    const text = values[name];
    if (text !== undefined && !(/^\d{1,5}$/.test(text) && Number(text) <= 65535)) {
      throw new SetupError(`--${name} is "${text}"; give a port from 1 to 65535, or 0 for any free one.`);
    }
  }
  return values;
}

function isFree(port) {
  return new Promise((done) => {
    const probe = createServer();
    probe.once('error', () => done(false));
    probe.listen({ port, host: '127.0.0.1' }, () => probe.close(() => done(true)));
  });
}

/** A port that was asked for is taken as it is; a default one that is taken gives way to any free one. */
export async function choosePorts(values, say) {
  const chosen = {};
  for (const [name, usual] of Object.entries(PORTS)) {
    if (values[name] !== undefined) {
      chosen[name] = values[name];
    } else if (await isFree(usual)) {
      chosen[name] = String(usual);
    } else {
      say(`Port ${usual} is taken; using a free one instead (choose one with --${name}).`);
      chosen[name] = '0';
    }
  }
  return chosen;
}

/** Starts the server with these options of `cogniverse serve`. Resolves with its addresses once it answers. */
export async function startServer(options) {
  const args = [join(REPOSITORY, 'libs', 'cli', 'dist', 'cogniverse.cjs'), 'serve', '--json'];
  for (const [name, value] of Object.entries(options)) args.push(`--${name}`, value);
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  child.stderr.on('data', (chunk) => {
    // Its own words once it has trouble; while all goes well its log would only bury the summary.
    log = (log + chunk).slice(-20000);
  });
  const ended = new Promise((done) => {
    child.once('close', (code) => done(code));
  });
  const first = new Promise((done) => {
    createInterface({ input: child.stdout }).once('line', done);
  });
  const line = await Promise.race([first, ended]);
  if (typeof line !== 'string') throw new SetupError(`The server did not start.\n${log.trim()}`);
  return {
    ...JSON.parse(line),
    ended,
    log: () => log.trim(),
    /** Resolves with its exit code. */
    stop: () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      return ended;
    },
  };
}

/** Runs a program of the demo to its end. Gives what it wrote to standard output; what it says besides goes to our standard error. */
function runProgram(args, { input = '', signal }) {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, args, {
      cwd: join(REPOSITORY, 'examples', 'document-search'),
      stdio: ['pipe', 'pipe', 'inherit'],
      signal,
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.once('error', fail);
    child.once('close', (code) => {
      if (code === 0) done(output);
      else fail(new SetupError(`A part of the demo ended with exit code ${code}; its messages are above.`));
    });
    child.stdin.on('error', () => undefined); // a program that ended early is told by its exit code
    child.stdin.end(input);
  });
}

export async function main(args) {
  const values = parseOptions(args);
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const say = (text) => process.stderr.write(`${text}\n`);
  const show = values.json ? say : (text) => process.stdout.write(`${text}\n`);

  await setUp({ projects: [join('libs', 'cli'), join('examples', 'document-search')] });
  const ports = await choosePorts(values, say);
  say('Starting the server ...');
  const server = await startServer({ data: resolve(values.data), ...ports });
  const stopping = new AbortController();
  const { signal } = stopping;
  const stop = () => {
    stopping.abort();
    server.stop();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const serverGone = server.ended.then((code) => {
    if (!signal.aborted) throw new SetupError(`The server ended with exit code ${code}.\n${server.log()}`);
  });
  serverGone.catch(() => undefined); // told where it is awaited

  try {
    say(`Serving on ${server.http} (process ${server.pid}, data in ${server.data}).`);
    const demo = join(REPOSITORY, 'examples', 'document-search', 'dist');
    const work = async () => {
      const application = [
        // Before the application's own modules: else its HTTP server stays without spans.
        '--import',
        '@cogniverse/foundation/register',
        join(demo, 'run-application.js'),
        server.http,
        server.otlpHttp,
        server.otlpGrpc,
      ];
      const output = await runProgram(application, { signal });
      say('Reading back what was stored, from another process ...');
      const report = JSON.parse(
        await runProgram([join(demo, 'run-report.js'), server.http], { input: output, signal }),
      );
      return { report, result: JSON.parse(output) };
    };
    const done = await Promise.race([work(), serverGone]);
    if (done === undefined) return INTERRUPTED;
    const { report, result } = done;

    show('');
    for (const [tenant, { slowestTraceId }] of Object.entries(report.tenants)) {
      if (slowestTraceId === null) continue;
      show(`Slowest trace of ${tenant}:`);
      const cli = join(REPOSITORY, 'libs', 'cli', 'dist', 'cogniverse.cjs');
      const trace = [cli, 'trace', '--endpoint', server.http, '--tenant', tenant, slowestTraceId];
      show((await runProgram(trace, { signal })).trimEnd());
      show('');
    }
    const { findFaults, formatSummary, summaryOf } = await import('../examples/document-search/dist/summary.js');
    const { table } = await import('../libs/cli/dist/format/table.js');
    const { colorsFor } = await import('../libs/cli/dist/format/terminal.js');
    const colors = colorsFor(values.json ? process.stderr : process.stdout);
    show(formatSummary(result, report, { table, colors }));
    const faults = findFaults(report);
    for (const fault of faults) say(`FAULT: ${fault}`);

    if (!values.once) {
      say(`\nStill serving on ${server.http}. Look around, for example:`);
      say(`  npx cogniverse spans --tenant globex --status ERROR --endpoint ${server.http}`);
      say('Stop with Ctrl-C.');
      if (values.json) process.stdout.write(`${JSON.stringify(summaryOf(result, report))}\n`);
      await serverGone;
      return 0;
    }
    stopping.abort();
    const code = await server.stop();
    if (code !== 0) throw new SetupError(`The server ended with exit code ${code}.\n${server.log()}`);
    if (values.json) process.stdout.write(`${JSON.stringify(summaryOf(result, report))}\n`);
    return faults.length === 0 ? 0 : 1;
  } catch (error) {
    if (!signal.aborted || error instanceof SetupError) throw error;
    return INTERRUPTED;
  } finally {
    stopping.abort();
    await server.stop();
    process.removeListener('SIGINT', stop);
    process.removeListener('SIGTERM', stop);
  }
}
