/**
 * What a span costs the code that records it, beside OpenTelemetry JS.   `npm run bench -- span [--rounds N]`
 *
 * Ours is `span()` with five attributes and a callback, encoded and queued, as in production; its requests end in a sender that does nothing,
 * because `delivered` measures those. The peer is `startActiveSpan()` with the same attributes and the same context manager, once without any
 * processor (its span is made and thrown away) and once with its batch processor and an exporter that does nothing.
 *
 * All run in one process, in turns of 2,048 spans, so that what else the machine does hits all alike. Time is the processor time of the
 * process, its collector of garbage included. Printed: microseconds a span, median of the turns, and the quarter points; ratios are of the
 * medians.
 */
import { parseArgs } from 'node:util';
import { createTelemetry } from '@cogniverse/foundation/telemetry';
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { attributesOf, nextTurn } from '../delivered/workload.mjs';

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '60' } } });
const ROUNDS = Number(options.rounds);
const WARM_UP_ROUNDS = 20;
const SPANS = 2048;
const BURST = 256;

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

const answered = { status: 'sent', rejectedSpans: 0, message: '' };
const target = {
  key: 'nowhere',
  resourceAttributes: new Map(),
  createSender: () => ({ send: async () => answered, close: async () => undefined }),
};
const telemetry = createTelemetry({ batchConfig: { maxQueueSize: 100_000 } }, { exportTarget: () => target });
const disabled = createTelemetry({ enabled: false });
const bare = new BasicTracerProvider().getTracer('bench');
const batching = new BasicTracerProvider({
  spanProcessors: [
    new BatchSpanProcessor(
      { export: (_spans, done) => done({ code: 0 }), shutdown: async () => undefined },
      { maxQueueSize: 100_000 },
    ),
  ],
}).getTracer('bench');

const work = () => 1;
const asyncWork = async () => 1;
const ours = (i, fn) => telemetry.span('search.execute', { tenantId: 'acme', attributes: attributesOf(i) }, fn);
const endAfter = (span) => {
  const result = work();
  span.end();
  return result;
};
const endAfterAsync = async (span) => {
  try {
    return await asyncWork();
  } finally {
    span.end();
  }
};
/** The attributes that ours has by itself, so that both record the same. */
const peer = (tracer) => (i, fn) => {
  const own = { 'tenant.id': 'acme', 'service.name': 'video-search', environment: 'development' };
  return tracer.startActiveSpan('search.execute', { attributes: { ...own, ...attributesOf(i) } }, fn);
};
/** Five attributes and no more, as the goal has it. */
const peerOfFive = (tracer) => (i, fn) => tracer.startActiveSpan('search.execute', { attributes: attributesOf(i) }, fn);

const contenders = [
  { name: 'cogniverse span(), sync', record: (i) => ours(i, work) },
  { name: 'cogniverse span(), async', record: (i) => ours(i, asyncWork) },
  { name: 'opentelemetry, no processor, five attributes, sync', record: (i) => peerOfFive(bare)(i, endAfter) },
  { name: 'opentelemetry, no processor, five attributes, async', record: (i) => peerOfFive(bare)(i, endAfterAsync) },
  { name: 'opentelemetry, batch processor, sync', record: (i) => peer(batching)(i, endAfter) },
  { name: 'opentelemetry, batch processor, async', record: (i) => peer(batching)(i, endAfterAsync) },
  { name: 'cogniverse, disabled, sync', record: () => disabled.span('search.execute', DISABLED_OPTIONS, work) },
  { name: 'nothing: the loop alone', record: work },
];
/** A caller's options are its own cost; disabled telemetry is asked for what it adds. */
const DISABLED_OPTIONS = { tenantId: 'acme' };

async function turn(record, awaited) {
  const before = process.cpuUsage();
  for (let i = 0; i < SPANS; i += BURST) {
    if (awaited) {
      const pending = [];
      for (let j = 0; j < BURST; j += 1) pending.push(record(i + j));
      await Promise.all(pending);
    } else for (let j = 0; j < BURST; j += 1) record(i + j);
    await nextTurn();
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / SPANS;
}

const figures = contenders.map(() => []);
for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
  for (const [index, { name, record }] of contenders.entries()) {
    const micros = await turn(record, name.endsWith(', async'));
    if (round >= 0) figures[index].push(micros);
  }
}
const at = (sorted, share) => sorted[Math.floor(sorted.length * share)];
const report = figures.map((turns) => {
  const sorted = turns.sort((a, b) => a - b);
  return { low: at(sorted, 0.25), median: at(sorted, 0.5), high: at(sorted, 0.75) };
});
process.stdout.write(`${ROUNDS} turns of ${SPANS} spans each, in turns; us CPU a span: median (quarter points)\n`);
for (const [index, { name }] of contenders.entries()) {
  const { low, median, high } = report[index];
  process.stdout.write(`  ${name.padEnd(52)} ${median.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})\n`);
}
const ratio = (a, b) => (report[a].median / report[b].median).toFixed(2);
process.stdout.write(
  `  ours, against the peer without a processor: sync ${ratio(0, 2)}, async ${ratio(1, 3)}; with its batch processor: sync ${ratio(0, 4)}, async ${ratio(1, 5)}\n` +
    `  disabled telemetry adds ${((report[6].median - report[7].median) * 1000).toFixed(0)} ns\n`,
);
const audit = telemetry.audit();
if (audit !== null) throw new Error(audit);
await telemetry.shutdown();
