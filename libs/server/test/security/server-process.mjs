/** A server in a process of its own, whose memory a test can measure: started by bounds and prototype tests. */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { startServer } from '@cogniverse/server';
import { openLocalStore } from '@cogniverse/telemetry-local';

const store = await openLocalStore({ dataDir: process.argv[2] });
const server = await startServer({
  store,
  port: 0,
  otlpPort: 0,
  grpcPort: 0,
  logger: { log: (...line) => console.error(JSON.stringify(line)) },
});
process.send(server.addresses);
let peak = 0;
const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
const timer = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 5);
process.on('message', async (message) => {
  if (message === 'memory') {
    const lagMillis = delay.max / 1e6;
    globalThis.gc?.();
    const now = process.memoryUsage.rss();
    process.send({ now, peak: Math.max(peak, now), cpu: process.cpuUsage(), lagMillis });
    peak = now;
    delay.reset();
    return;
  }
  clearInterval(timer);
  await server.close();
  await store.shutdown();
  process.disconnect();
});
