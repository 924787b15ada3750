/** `node run-report.js ENDPOINT < result.json`: reads back what the application recorded, gives the report as one line of JSON. */
import { openRemoteStore } from '@cogniverse/foundation/client';
import type { ApplicationResult } from './application-result.js';
import { createReport } from './report.js';

const [endpoint] = process.argv.slice(2);
if (endpoint === undefined) {
  process.stderr.write('Usage: run-report.js ENDPOINT < result.json\n');
  process.exitCode = 2;
} else {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
  const result = JSON.parse(Buffer.concat(chunks).toString('utf8')) as ApplicationResult;
  const store = openRemoteStore({ endpoint });
  try {
    process.stdout.write(`${JSON.stringify(await createReport(store, result))}\n`);
  } finally {
    await store.shutdown();
  }
}
