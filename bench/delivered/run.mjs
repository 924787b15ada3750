/**
 * Delivered spans per second, beside OpenTelemetry JS.   `npm run bench -- delivered [options]`
 *
 *   --spans N          spans recorded in a round (default: 200000)
 *   --rounds N         rounds, of which medians are taken (default: 3)
 *   --tenants A,B,...  tenants that share them, one after the other (default: 1,100)
 *   --json             the last line is the result as JSON
 *
 * Both record the same spans and send OTLP protobuf over HTTP to a sink in another process. A round runs one after the other;
 * the ratio of a round is taken from that round alone, and the median and the spread of the rounds are printed.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs, promisify } from 'node:util';

const run = promisify(execFile);
const { values } = parseArgs({
  options: {
    spans: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '3' },
    tenants: { type: 'string', default: '1,100' },
    json: { type: 'boolean', default: false },
  },
});
const path = (name) => new URL(name, import.meta.url).pathname;
const sink = spawn(process.execPath, [decodeURIComponent(path('./sink.mjs'))], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const [line] = await once(sink.stdout, 'data');
const base = `http://127.0.0.1:${String(line).trim()}`;
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
/** Less disturbed by what else the machine does than the rate. */
const cpuRatio = ({ ours, peer }) => peer.cpuMicrosPerSpan / ours.cpuMicrosPerSpan;
const rounded = (number, digits = 0) =>
  number.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits });

async function measureSubject(subject, tenants) {
  await fetch(base, { method: 'DELETE' });
  const { stdout } = await run(process.execPath, [
    decodeURIComponent(path(`./${subject}.mjs`)),
    `${base}/v1/traces`,
    tenants,
    values.spans,
  ]);
  const result = JSON.parse(stdout);
  const received = await (await fetch(base)).json();
  if (subject === 'cogniverse' && (received.spans !== result.total || result.audit !== null)) {
    throw new Error(`cogniverse: ${result.total} recorded, ${received.spans} received, audit ${result.audit}`);
  }
  // Counted at the sink: what a peer drops is not delivered.
  const share = received.spans / result.total;
  return {
    ...result,
    received: received.spans,
    connections: received.connections,
    rate: (result.spans * share) / result.seconds,
  };
}

try {
  const report = [];
  for (const tenants of values.tenants.split(',')) {
    const rounds = [];
    for (let round = 0; round < Number(values.rounds); round += 1) {
      const ours = await measureSubject('cogniverse', tenants);
      const peer = await measureSubject('opentelemetry', tenants);
      rounds.push({ ours, peer, ratio: ours.rate / peer.rate });
    }
    const of = (side, field) => median(rounds.map((round) => round[side][field]));
    report.push({
      tenants: Number(tenants),
      ratios: rounds.map((round) => round.ratio),
      ratio: median(rounds.map((round) => round.ratio)),
    });
    process.stdout.write(
      `${tenants} tenant(s), ${rounded(Number(values.spans))} spans of five attributes, ${values.rounds} rounds, medians\n` +
        `  cogniverse     ${rounded(of('ours', 'rate'))} spans/s, ${rounded(of('ours', 'cpuMicrosPerSpan'), 2)} us CPU a span, ${of('ours', 'connections')} connections, ${rounded(of('ours', 'rssMegabytes'))} MB\n` +
        `  opentelemetry  ${rounded(of('peer', 'rate'))} spans/s, ${rounded(of('peer', 'cpuMicrosPerSpan'), 2)} us CPU a span, ${of('peer', 'connections')} connections, ${rounded(of('peer', 'rssMegabytes'))} MB\n` +
        `  ratio          ${rounded(median(rounds.map((round) => round.ratio)), 2)} (${rounds.map((round) => rounded(round.ratio, 2)).join(', ')}); of CPU a span ${rounded(median(rounds.map(cpuRatio)), 2)} (${rounds.map((round) => rounded(cpuRatio(round), 2)).join(', ')})\n`,
    );
  }
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
} finally {
  sink.kill();
}
