/**
 * Sends generated spans over HTTP, in a process of its own, and tells what became of them.   Benchmark store-goals: run -> [sender] -> server.
 *
 *   node sender.mjs URL RATE SECONDS PART    RATE 0: as fast as answers come, four requests under way
 *
 * Requests are generated before, and go out again and again with other ids and times (renewed.mjs). One that is late goes out at once, and the time to its
 * acknowledgement counts from when it goes out. Prints one JSON object.
 */
import { Agent, request as httpRequest } from 'node:http';
import { spread } from './questions.mjs';
import { RenewableRequest } from './renewed.mjs';
import { SpanGenerator } from './spans.mjs';

const [url, rateText, secondsText, part] = process.argv.slice(2);
const rate = Number(rateText);
const seconds = Number(secondsText);
const REQUEST_SPANS = 512;
const LANES = rate === 0 ? 4 : 16;
const GENERATED = 256;
const agent = new Agent({ keepAlive: true, maxSockets: LANES });
const generator = new SpanGenerator();
generator.begin(Number(part));
const requests = Array.from({ length: GENERATED }, () => {
  const madeAt = Date.now();
  return new RenewableRequest(
    generator.request(REQUEST_SPANS, (i) => madeAt + i),
    madeAt,
  );
});

function post(body) {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-protobuf', 'content-length': body.length };
    const outgoing = httpRequest(url, { method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const sleep = (millis) => new Promise((done) => setTimeout(done, millis));
const acknowledgements = [];
let acknowledged = 0;
let turns = 0;
let refused = 0;
const began = performance.now();
const end = began + seconds * 1000;
let due = began;

async function lane() {
  while (performance.now() < end) {
    let turn = due;
    if (rate > 0) {
      // Taken before the wait, so that two lanes never send the same turn. A sender that fell far behind does not make up for all of it.
      turn = Math.max(due, performance.now() - 1000);
      due = turn + (REQUEST_SPANS / rate) * 1000;
      const wait = turn - performance.now();
      if (wait > 0) await sleep(wait);
    }
    const next = requests[turns++ % GENERATED];
    const body = next.now();
    const sent = performance.now();
    const status = await post(body);
    if (status === 200) {
      acknowledgements.push(performance.now() - sent);
      acknowledged += next.spans;
    } else if (status === 429 || status === 503) {
      refused += 1;
      await sleep(200);
    } else throw new Error(`POST ${url}: ${status}`);
  }
}

await Promise.all(Array.from({ length: LANES }, lane));
const took = (performance.now() - began) / 1000;
process.stdout.write(
  JSON.stringify({
    rate: acknowledged / took,
    acknowledged,
    refused,
    seconds: took,
    acknowledgement: spread(acknowledgements),
  }),
);
agent.destroy();
