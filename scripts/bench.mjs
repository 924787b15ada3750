/**
 * `npm run bench [-- NAME [options]]`: runs one benchmark of `bench/`, or all. Each prints what it did, on what, and ratios.
 *
 * The comment that opens a benchmark is its help, and names its options.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { openingComment } from './opening-comment.mjs';
import { setUp } from './setup.mjs';

const BENCHMARKS = {
  delivered: 'delivered spans/s beside OpenTelemetry JS, for 1 and 100 tenants',
  span: 'what a span costs the code that records it, beside OpenTelemetry JS',
  'tenant-cache': 'how often a span finds its tenant live, beside a simulation, and the size that suffices',
  pipeline: 'the export pipeline alone: encoded spans to a sink, over HTTP or gRPC',
  'otlp-codec': "encoding and decoding OTLP, beside OpenTelemetry's serializer",
  'modality-metrics':
    'latencies per modality: a record, a reading, memory and error, beside arrays and hdr-histogram-js',
  store: 'the embedded store alone: ingest, acknowledgement, queries meanwhile, restart',
  server: 'ingest of the server, and query latency while it ingests',
  'store-goals': 'the store and server over five million spans: goals 6 to 9, beside SQLite and Phoenix',
};
const list = Object.entries(BENCHMARKS).map(([name, meaning]) => `  ${name.padEnd(16)} ${meaning}\n`);
const OVERVIEW = `npm run bench [-- NAME [options]]\n\n${list.join('')}\nOptions of one: npm run bench -- NAME --help\n`;

const urlOf = (name) => new URL(`../bench/${name}/run.mjs`, import.meta.url);
const isHelp = (text) => text === '--help' || text === '-h';

/** What to print instead of running, and the exit code; undefined when the command line is right. */
function answerAtOnce([name, ...options]) {
  if (name === undefined) return undefined;
  if (isHelp(name)) return { code: 0, text: OVERVIEW };
  if (!Object.hasOwn(BENCHMARKS, name)) return { code: 2, text: `There is no benchmark "${name}".\n\n${OVERVIEW}` };
  const help = openingComment(urlOf(name));
  if (options.some(isHelp)) return { code: 0, text: help };
  const known = new Set(help.match(/--[a-z][a-z-]*/g));
  const unknown = options.find((text) => text.startsWith('-') && !known.has(text.split('=')[0]));
  return unknown === undefined ? undefined : { code: 2, text: `"${name}" has no option ${unknown}.\n\n${help}` };
}

const args = process.argv.slice(2);
const answer = answerAtOnce(args);
if (answer !== undefined) {
  (answer.code === 0 ? process.stdout : process.stderr).write(answer.text);
  process.exitCode = answer.code;
} else {
  await setUp();
  const [name, ...options] = args;
  for (const benchmark of name === undefined ? Object.keys(BENCHMARKS) : [name]) {
    const { status } = spawnSync(process.execPath, [fileURLToPath(urlOf(benchmark)), ...options], { stdio: 'inherit' });
    if (status !== 0) process.exit(status ?? 1);
  }
}
