/**
 * How many encoded spans a second the export pipeline delivers to a sink in another process, over OTLP/HTTP.
 *
 *     npm run bench -- pipeline [--seconds 2] [--tenants 1,100] [--bytes 300] [--grpc]
 *
 * (It starts itself with `--sink` as the other process.)
 *
 * Prints spans delivered a second (from the first offer to the last answer, every span counted), processor time a span of this process,
 * and the longest pause of its event loop. Spans are encoded beforehand: this is the pipeline alone.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    sink: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '2' },
    tenants: { type: 'string', default: '1,100,1000' },
    bytes: { type: 'string', default: '300' },
    grpc: { type: 'boolean', default: false },
  },
});
if (options.sink) await runSink();
else await runBenchmark();

/** Takes everything and answers at once. Reports what came when asked. */
async function runSink() {
  let bytes = 0;
  let requests = 0;
  let connections = 0;
  const server = options.grpc ? http2.createServer() : http.createServer();
  server.on('connection', () => {
    connections += 1;
  });
  if (options.grpc) {
    server.on('stream', (stream) => {
      stream.on('data', (chunk) => {
        bytes += chunk.length;
      });
      stream.on('end', () => {
        requests += 1;
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.alloc(5));
      });
    });
  } else {
    server.on('request', (request, response) => {
      request.on('data', (chunk) => {
        bytes += chunk.length;
      });
      request.on('end', () => {
        requests += 1;
        response.end();
      });
    });
  }
  process.on('message', () => {
    process.send({ bytes, requests, connections });
    bytes = 0;
    requests = 0;
    connections = 0;
  });
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
}

async function runBenchmark() {
  const { encodeScopePrefix } = await import('@cogniverse/foundation/otlp');
  const { ExportPipeline, Ledger, otlpTarget } = await import('@cogniverse/foundation/telemetry');
  const { encodeSampleSpan } = await import('@cogniverse/foundation/telemetry/testing');
  const sink = fork(new URL(import.meta.url), ['--sink', ...(options.grpc ? ['--grpc'] : [])]);
  const [{ port }] = await once(sink, 'message');
  const bare = encodeSampleSpan('search_service.search').length;
  const attributes = new Map([['text', 'x'.repeat(Math.max(Number(options.bytes) - bare - 20, 0))]]);
  const span = encodeSampleSpan('search_service.search', { attributes });
  const scope = {
    id: 1,
    prefix: encodeScopePrefix({ name: 'bench', version: '1', attributes: new Map(), droppedAttributesCount: 0 }, ''),
  };
  console.log(
    `${options.grpc ? 'gRPC' : 'HTTP'}, spans of ${span.length} bytes, ${options.seconds} s each, a sink process that only counts`,
  );
  for (const tenants of options.tenants.split(',').map(Number)) {
    const ledger = new Ledger();
    const pipeline = new ExportPipeline({ ledger });
    const maxQueueSize = Math.max(64, Math.ceil(16_384 / tenants));
    const queues = Array.from({ length: tenants }, (_, index) => {
      const target = otlpTarget({
        endpoint: `http://127.0.0.1:${port}`,
        protocol: options.grpc ? 'grpc' : 'http/protobuf',
        resourceAttributes: new Map([
          ['service.name', 'bench'],
          ['openinference.project.name', `cogniverse-tenant${index}-search`],
        ]),
      });
      return pipeline.openProject({
        tenantId: `tenant${index}`,
        projectName: `cogniverse-tenant${index}-search`,
        target,
        maxQueueSize,
      });
    });
    await offerFor(0.3, queues, scope, span);
    await pipeline.forceFlush(10_000);
    sink.send('report');
    await once(sink, 'message');

    const before = ledger.total();
    const cpu = process.cpuUsage();
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const start = performance.now();
    await offerFor(Number(options.seconds), queues, scope, span);
    const flushed = await pipeline.forceFlush(10_000);
    const seconds = (performance.now() - start) / 1000;
    delay.disable();
    const { user, system } = process.cpuUsage(cpu);
    const total = ledger.total();
    sink.send('report');
    const [received] = await once(sink, 'message');
    const ended = total.ended - before.ended;
    const exported = total.exported - before.exported;
    console.log(
      `${String(tenants).padStart(5)} tenants: ${Math.round(exported / seconds).toLocaleString('en')} spans/s delivered, ` +
        `${((user + system) / exported).toFixed(2)} us CPU a span, ${(ended - exported).toLocaleString('en')} of ${ended.toLocaleString('en')} dropped, ` +
        `${received.requests} requests of ${Math.round(received.bytes / received.requests / 1024)} KiB, ` +
        `longest pause ${(delay.max / 1e6).toFixed(1)} ms, flushed ${flushed}, audit ${pipeline.audit()}`,
    );
    await pipeline.shutdown(1000);
  }
  sink.kill();
}

/** Offers as fast as the queues have room, leaving the event loop a turn after each 256 spans, as an application does. */
async function offerFor(seconds, queues, scope, span) {
  const until = performance.now() + seconds * 1000;
  let next = 0;
  while (performance.now() < until) {
    for (let index = 0; index < 256; index += 1) {
      const queue = queues[next];
      next = next + 1 === queues.length ? 0 : next + 1;
      if (!queue.hasRoom()) break;
      queue.ledger.ended += 1;
      queue.offer(scope, span);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
