/**
 * The embedded store: spans taken in a second, time to the acknowledgement, and queries while it takes them in.
 *
 *   npm run bench -- store [--seconds 6] [--rate 0] [--batch 512] [--senders 8]
 *
 * Several senders keep one request each under way (rate 0), or offer so many spans a second; one client asks queries in a row. Prints one
 * line for each phase; then the disk it took, a restart, and the same queries over day files alone.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { encodeTraces } from '@cogniverse/foundation/otlp';
import { openLocalStore } from '@cogniverse/telemetry-local';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '6' },
    rate: { type: 'string', default: '0' },
    batch: { type: 'string', default: '512' },
    senders: { type: 'string', default: '8' },
  },
});
const seconds = Number(values.seconds);
const rate = Number(values.rate);
const batch = Number(values.batch);
const senders = Number(values.senders);

const PROJECTS = Array.from({ length: 20 }, (_, i) => ({ tenantId: `tenant-${i % 5}`, name: `project-${i}` }));
const WORDS = 'vector query rank index shard token answer passage model prompt cache encode score merge filter'.split(
  ' ',
);
const words = (count, from) =>
  Array.from({ length: count }, (_, i) => WORDS[(from * 7 + i * i) % WORDS.length]).join(' ');
const hex = (n, digits) => n.toString(16).padStart(digits, '0');

/** Spans of 12 attributes, every tenth with some 3 kB of text; eight make a trace, a request belongs to one project. */
function bodyOf(first) {
  const project = PROJECTS[first % PROJECTS.length];
  const spans = [];
  for (let n = first * batch; n < (first + 1) * batch; n++) {
    const start = BigInt(Date.now()) * 1_000_000n + BigInt(n % 1000);
    const root = n - (n % 8);
    spans.push({
      traceId: hex(root * 2654435761 + 1, 32),
      spanId: hex(n + 1, 16),
      parentSpanId: n === root ? '' : hex(root + 1, 16),
      traceState: '',
      flags: 0x101,
      name: `operation ${n % 17}`,
      kind: 1,
      startTimeUnixNano: start,
      endTimeUnixNano: start + BigInt(1_000_000 + (n % 97) * 50_000),
      attributes: new Map([
        ['tenant.id', project.tenantId],
        ['service.name', 'bench'],
        ['environment', 'test'],
        ['openinference.span.kind', n % 3 ? 'CHAIN' : 'LLM'],
        ['session.id', `session-${n % 101}`],
        ['input.value', words(n % 10 ? 12 : 350, n)],
        ['output.value', words(n % 10 ? 15 : 100, n + 1)],
        ['top_k', BigInt(n % 50)],
        ['latency_ms', (n % 997) / 3],
        ['llm.model_name', `model-${n % 4}`],
        ['llm.token_count.prompt', BigInt(n % 2000)],
        ['llm.token_count.completion', BigInt(n % 300)],
      ]),
      droppedAttributesCount: 0,
      events: [],
      droppedEventsCount: 0,
      links: [],
      droppedLinksCount: 0,
      status: { code: n % 20 ? 1 : 2, message: '' },
    });
  }
  return encodeTraces({
    resourceSpans: [
      {
        resource: {
          attributes: new Map([
            ['openinference.project.name', project.name],
            ['service.name', 'bench'],
          ]),
          droppedAttributesCount: 0,
        },
        schemaUrl: '',
        scopeSpans: [
          {
            scope: { name: 'bench', version: '1', attributes: new Map(), droppedAttributesCount: 0 },
            schemaUrl: '',
            spans,
          },
        ],
      },
    ],
  });
}

const percentile = (list, p) => {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted.length === 0 ? Number.NaN : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))];
};
const ms = (value) => `${value.toFixed(1)} ms`;
const directoryBytes = (directory) =>
  readdirSync(directory, { recursive: true }).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);

const QUERIES = {
  'newest 100': (store, project) => store.querySpans({ project, limit: 100 }),
  'errors, 100': (store, project) => store.querySpans({ project, limit: 100, filters: { status: 'ERROR' } }),
  'attribute, 100': (store, project) =>
    store.querySpans({ project, limit: 100, filters: { attributes: [{ key: 'top_k', operator: 'gt', value: 45 }] } }),
  'newest 50 traces': (store, project) => store.queryTraces({ project, limit: 50 }),
  statistics: (store, project) => store.getStatistics({ tenantId: project.tenantId }),
};

async function main() {
  const dataDir = mkdtempSync(join(tmpdir(), 'cogniverse-bench-'));
  try {
    // Encoded beforehand: what is measured is the store.
    const made = Math.ceil(((rate || 40_000) * seconds * 2) / batch);
    const bodies = Array.from({ length: made }, (_, i) => bodyOf(i));
    const bytes = bodies[0].length / batch;
    console.log(
      `node ${process.version}, ${cpus().length} x ${cpus()[0].model.trim()}; ${batch} spans a request, ${bytes.toFixed(0)} B a span, ${senders} senders`,
    );
    const openedAt = performance.now();
    const store = await openLocalStore({ dataDir });
    console.log(`open, empty: ${ms(performance.now() - openedAt)}`);
    let next = 0;
    for (const withQueries of [false, true]) await phase(withQueries);

    async function phase(withQueries) {
      const acks = [];
      const asked = new Map(Object.keys(QUERIES).map((name) => [name, []]));
      let stored = 0;
      let refused = 0;
      const began = performance.now();
      const cpu = process.cpuUsage();
      const end = began + seconds * 1000;
      const lane = async (index) => {
        for (let turn = index; performance.now() < end && next < bodies.length; turn += senders) {
          if (rate > 0) {
            const due = began + ((turn * batch) / rate) * 1000;
            if (due > performance.now()) await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
            if (next === bodies.length) return;
          }
          const body = bodies[next++];
          const sent = performance.now();
          let result = await store.ingest({ body: body.slice(), format: 'protobuf' });
          while (result.status !== 'stored') {
            refused += 1;
            await new Promise((resolve) => setTimeout(resolve, 50));
            result = await store.ingest({ body: body.slice(), format: 'protobuf' });
          }
          acks.push(performance.now() - sent);
          stored += batch;
        }
      };
      const ask = async () => {
        const names = Object.keys(QUERIES);
        for (let i = 0; performance.now() < end; i++) {
          const name = names[i % names.length];
          const from = performance.now();
          await QUERIES[name](store, PROJECTS[i % PROJECTS.length]);
          asked.get(name).push(performance.now() - from);
        }
      };
      await Promise.all([...Array.from({ length: senders }, (_, i) => lane(i)), ...(withQueries ? [ask()] : [])]);
      const took = (performance.now() - began) / 1000;
      const used = process.cpuUsage(cpu);
      const perSpan = (used.user + used.system) / stored;
      console.log(
        `${withQueries ? 'with queries' : 'ingest only'}: ${Math.round(stored / took)} spans/s, ${perSpan.toFixed(1)} us CPU a span, ` +
          `ack p50 ${ms(percentile(acks, 0.5))} p99 ${ms(percentile(acks, 0.99))}, refused ${refused}`,
      );
      const all = [...asked.values()].flat();
      if (withQueries)
        console.log(`  all queries: ${all.length}, p50 ${ms(percentile(all, 0.5))}, p95 ${ms(percentile(all, 0.95))}`);
      for (const [name, list] of asked) {
        if (list.length > 0)
          console.log(
            `  ${name}: p50 ${ms(percentile(list, 0.5))}, p95 ${ms(percentile(list, 0.95))}, n ${list.length}`,
          );
      }
    }

    const figures = await store.figures();
    console.log(
      `syncs ${figures.log_syncs_total}, flushes ${figures.flushes_total}, waiting ${figures.waiting_segments}, RSS ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB`,
    );
    const closing = performance.now();
    await store.shutdown();
    console.log(
      `shutdown with flush: ${ms(performance.now() - closing)}; disk ${(directoryBytes(dataDir) / figures.spans_accepted_total).toFixed(0)} B a span`,
    );
    const reopening = performance.now();
    const again = await openLocalStore({ dataDir });
    console.log(`open, ${figures.spans_accepted_total} spans: ${ms(performance.now() - reopening)}`);
    for (const [name, query] of Object.entries(QUERIES)) {
      const times = [];
      for (let i = 0; i < 10; i++) {
        const from = performance.now();
        await query(again, PROJECTS[i]);
        times.push(performance.now() - from);
      }
      console.log(`  cold side, ${name}: p50 ${ms(percentile(times, 0.5))}, max ${ms(Math.max(...times))}`);
    }
    await again.shutdown();
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

await main();
