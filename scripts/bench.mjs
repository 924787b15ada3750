/**
 * `npm run bench`: every benchmark; `npm run bench -- NAME [options]`: one of them.   Each prints what it did, on what, and ratios.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setUp } from './setup.mjs';

const benchmarks = {
  delivered: 'delivered spans/s beside OpenTelemetry JS, for 1 and 100 tenants',
  span: 'what a span costs the code that records it, beside OpenTelemetry JS',
  server: 'ingest of the server, and query latency while it ingests',
};
const [name, ...options] = process.argv.slice(2);
if (name === '--help' || name === '-h' || (name !== undefined && !(name in benchmarks))) {
  const list = Object.entries(benchmarks).map(([key, meaning]) => `  ${key.padEnd(12)} ${meaning}\n`);
  process.stdout.write(`npm run bench [-- NAME [options]]\n\n${list.join('')}`);
  process.exit(name?.startsWith('-') ? 0 : 2);
}
await setUp();
for (const benchmark of name === undefined ? Object.keys(benchmarks) : [name]) {
  const file = fileURLToPath(new URL(`../bench/${benchmark}/run.mjs`, import.meta.url));
  if (!existsSync(file)) throw new Error(`${file} is missing`);
  const { status } = spawnSync(process.execPath, [file, ...options], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
