/** `node --import @cogniverse/foundation/register run-application.js ENDPOINT OTLP_HTTP OTLP_GRPC`: gives the result as one line of JSON. */
import { randomUUID } from 'node:crypto';
import { runApplication } from './application.js';
import { sotuSpeeches } from './sotu-speeches.js';

const [endpoint, otlpHttp, otlpGrpc] = process.argv.slice(2);
if (endpoint === undefined || otlpHttp === undefined || otlpGrpc === undefined) {
  process.stderr.write('Usage: run-application.js ENDPOINT OTLP_HTTP OTLP_GRPC\n');
  process.exitCode = 2;
} else {
  const result = await runApplication({
    endpoint,
    otlpHttp,
    otlpGrpc,
    speeches: sotuSpeeches(),
    runId: randomUUID(),
    say: (text) => {
      process.stderr.write(`${text}\n`);
    },
  });
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
