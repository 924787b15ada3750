/**
 * Ingest of the server, and query latency while it ingests.   `npm run bench -- server [options]`
 *
 *   --seconds N        how long each rate lasts, in seconds (default: 10)
 *   --rates A,B,...    spans offered a second, one after the other; 0 only queries, max as fast as answers come (default: 0,5000,10000,max)
 *   --spans-before N   spans stored before the first rate (default: 100000)
 *   --json             the last line is the result as JSON
 *
 * A real `cogniverse serve` in a process of its own, on a new directory. At each offered rate
 * requests of 128 traces of four spans arrive over HTTP, while one client asks the usual questions one after the other.
 * Ratios: query latency beside the same server at rest; ingest beside a server that acknowledges without storing (the delivered benchmark's sink).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeBody } from './load.mjs';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rates: { type: 'string', default: '0,5000,10000,max' },
    'spans-before': { type: 'string', default: '100000' },
    json: { type: 'boolean', default: false },
  },
});
const TENANTS = 20;
const IN_FLIGHT = 4;
const seconds = Number(values.seconds);
const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const agent = new Agent({ keepAlive: true, maxSockets: 32 });

function call(url, { method = 'GET', body } = {}) {
  return new Promise((resolve, reject) => {
    const headers = body ? { 'content-type': 'application/x-protobuf', 'content-length': body.length } : {};
    const outgoing = request(url, { method, agent, headers }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode,
          text: () => Buffer.concat(chunks).toString(),
          headers: response.headers,
        }),
      );
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const percentile = (sorted, p) =>
  sorted.length === 0 ? Number.NaN : sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)];
const spread = (samples) => {
  const sorted = [...samples].sort((a, b) => a - b);
  return {
    n: sorted.length,
    p50: percentile(sorted, 0.5),
    p95: percentile(sorted, 0.95),
    p99: percentile(sorted, 0.99),
    max: sorted.at(-1) ?? Number.NaN,
  };
};
const millis = (number) => (Number.isFinite(number) ? number.toFixed(1) : '-');
const run = process.pid * 100;
let bodies = 0;
const nextBody = () => {
  bodies += 1;
  const tenantId = `tenant-${bodies % TENANTS}`;
  return { ...makeBody({ tenantId, project: `cogniverse-${tenantId}-document-search`, traces: 128, run }), tenantId };
};

/** Sends at `rate` spans/s (or as fast as answers come) until `until`. Counts only what was acknowledged. */
async function ingest(url, rate, until) {
  const acknowledgements = [];
  const recent = [];
  let acknowledged = 0;
  let refused = 0;
  let due = performance.now();
  const lane = async () => {
    while (performance.now() < until) {
      const next = nextBody();
      if (rate !== 'max') {
        const wait = due - performance.now();
        due += (next.spanCount / rate) * 1000;
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      }
      const sent = performance.now();
      const { status, headers } = await call(url, { method: 'POST', body: next.body });
      if (status === 200) {
        acknowledged += next.spanCount;
        acknowledgements.push(performance.now() - sent);
        recent.push(next);
        if (recent.length > 50) recent.shift();
      } else if (status === 429 || status === 503) {
        refused += 1;
        await new Promise((resolve) => setTimeout(resolve, Math.min(1, Number(headers['retry-after'] ?? 1)) * 1000));
      } else throw new Error(`POST ${url}: ${status}`);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return {
    rate: (acknowledged / (performance.now() - started)) * 1000,
    refused,
    acknowledgement: spread(acknowledgements),
    recent,
    acknowledged,
  };
}

const questions = {
  'spans, newest 100': ({ project }) => `/v1/projects/${project}/spans?limit=100&sort=start_time`,
  'spans, by name': ({ project }) => `/v1/projects/${project}/spans?limit=100&name=search.execute`,
  'spans, by attribute': ({ project }) => `/v1/projects/${project}/spans?limit=100&attribute=strategy:bm25`,
  'one trace': ({ project, traceId }) => `/v1/projects/${project}/spans?trace_id=${traceId}`,
  'traces, newest 100': ({ project }) => `/v1/projects/${project}/traces?limit=100`,
  statistics: ({ tenantId }) => `/v1/cogniverse/statistics?tenant=${tenantId}`,
};
async function ask(base, known, until) {
  const samples = Object.fromEntries(Object.keys(questions).map((name) => [name, []]));
  for (let i = 0; performance.now() < until; i += 1) {
    for (const [name, path] of Object.entries(questions)) {
      const from = known[i % known.length];
      const started = performance.now();
      const { status, text } = await call(
        base + path({ ...from, project: `cogniverse-${from.tenantId}-document-search`, traceId: from.traceIds[0] }),
      );
      if (status !== 200) throw new Error(`${name}: ${status} ${text()}`);
      samples[name].push(performance.now() - started);
    }
  }
  return Object.fromEntries(Object.entries(samples).map(([name, values_]) => [name, spread(values_)]));
}

const directory = mkdtempSync(join(tmpdir(), 'cogniverse-bench-'));
const server = spawn(
  process.execPath,
  [
    file('../../libs/cli/dist/cogniverse.cjs'),
    'serve',
    '--data',
    directory,
    '--port',
    '0',
    '--otlp-port',
    '0',
    '--grpc-port',
    '0',
    '--json',
  ],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
const sink = spawn(process.execPath, [file('../delivered/sink.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
try {
  const [first] = await once(server.stdout, 'data');
  const { http } = JSON.parse(String(first).split('\n')[0]);
  const [port] = await once(sink.stdout, 'data');
  const otlp = `${http}/v1/traces`;
  const known = [];
  while (known.reduce((sum, body) => sum + body.spanCount, 0) < Number(values['spans-before'])) {
    const next = nextBody();
    const { status } = await call(otlp, { method: 'POST', body: next.body });
    if (status === 200) known.push({ tenantId: next.tenantId, traceIds: next.traceIds, spanCount: next.spanCount });
    else await new Promise((resolve) => setTimeout(resolve, 500));
  }
  process.stdout.write(
    `${known.length * 512} spans stored before; ${seconds} s at each rate; 512 spans a request, ${IN_FLIGHT} in flight; one client asks\n`,
  );
  let atRest;
  const report = [];
  for (const rate of values.rates.split(',')) {
    const until = performance.now() + seconds * 1000;
    const [taken, asked] = await Promise.all([
      rate === '0' ? undefined : ingest(otlp, rate === 'max' ? 'max' : Number(rate), until),
      ask(http, known, until),
    ]);
    atRest ??= asked;
    const all = Object.values(asked);
    process.stdout.write(
      `\noffered ${rate} spans/s${taken ? `: acknowledged ${Math.round(taken.rate)} spans/s, acknowledgement p50 ${millis(taken.acknowledgement.p50)} ms, p99 ${millis(taken.acknowledgement.p99)} ms, refused ${taken.refused}` : ''}\n`,
    );
    for (const [name, { n, p50, p95 }] of Object.entries(asked)) {
      const ratio = taken ? `  p95 ${(p95 / atRest[name].p95).toFixed(2)} of at rest` : '';
      process.stdout.write(
        `  ${name.padEnd(20)} p50 ${millis(p50).padStart(7)} ms  p95 ${millis(p95).padStart(7)} ms  (${n})${ratio}\n`,
      );
    }
    report.push({
      offered: rate,
      ingest: taken && { rate: taken.rate, refused: taken.refused, acknowledgement: taken.acknowledgement },
      queries: asked,
      worstP95: Math.max(...all.map((q) => q.p95)),
    });
  }
  const until = performance.now() + 3000;
  const counted = await ingest(`http://127.0.0.1:${String(port).trim()}/v1/traces`, 'max', until);
  const fastest = report.find(({ offered }) => offered === 'max');
  if (fastest) {
    process.stdout.write(
      `\na server that only counts takes ${Math.round(counted.rate)} spans/s from this client; storing with queries takes ${(fastest.ingest.rate / counted.rate).toFixed(2)} of that\n`,
    );
  }
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
} finally {
  server.kill('SIGTERM');
  sink.kill();
  await once(server, 'exit');
  rmSync(directory, { recursive: true, force: true });
}
