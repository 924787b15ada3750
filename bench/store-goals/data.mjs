/**
 * Stores full of generated spans, made once and kept.   Benchmark store-goals: generator -> [data] -> directories in the cache.
 *
 * Parts of 50,000 spans, each the same whenever it is made, so that what was interrupted goes on where it stopped, and a store can be made larger.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECTS, SpanGenerator, timeAt } from './spans.mjs';

export const DAYS = 7;
export const PART_SPANS = 50_000;
const REQUEST_SPANS = 512;
const SENDERS = 8;
/** A trace follows another of its request after so many milliseconds: what an application of that load sends together. */
const TRACE_GAP_MILLIS = 40;
const DAY_MILLIS = 86_400_000;
/** Projects that are asked about: of 19, 1.8 and 0.3 % of all spans. */
export const ASKED = [0, 10, 60].map((place) => PROJECTS[place]);

/** What a directory holds: `made.json` beside it. */
export function readMade(directory) {
  const file = join(directory, 'made.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

function writeMade(directory, made) {
  const file = join(directory, 'made.json');
  writeFileSync(`${file}.new`, `${JSON.stringify(made)}\n`);
  renameSync(`${file}.new`, file);
}

/** The requests of one part of a store of `total` spans that ends at `endMillis`. */
export function* requestsOfPart(generator, part, { total, endMillis }) {
  generator.begin(part);
  for (let spans = 0; spans < PART_SPANS; ) {
    const at = timeAt((part * PART_SPANS + spans) / total, endMillis, DAYS);
    const request = generator.request(REQUEST_SPANS, (i) => at + i * TRACE_GAP_MILLIS);
    spans += request.spans;
    yield request;
  }
}

/**
 * Fills `directory` up to `total` spans. `open(directory)` gives `{ add(request), close() }`; `add` resolves when the request is stored.
 * Gives what `made.json` says: spans, bytes on the wire, `endMillis`, and known projects, traces and sessions to ask for.
 */
export async function fill(directory, { total, say, open }) {
  mkdirSync(directory, { recursive: true });
  let made = readMade(directory);
  if (made !== undefined && made.total !== total) {
    say(`${directory} was made for ${made.total} spans; made anew for ${total}`);
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    made = undefined;
  }
  // The last day ends with the day before today, so that what is sent later is newer.
  made ??= {
    total,
    parts: 0,
    spans: 0,
    bytes: 0,
    endMillis: Math.floor(Date.now() / DAY_MILLIS) * DAY_MILLIS,
    cpuMicros: 0,
    millis: 0,
    samples: ASKED.map(() => []),
  };
  const parts = Math.ceil(total / PART_SPANS);
  if (made.parts === parts) return made;
  const generator = new SpanGenerator();
  const target = await open(directory);
  try {
    while (made.parts < parts) {
      const began = performance.now();
      const cpu = process.cpuUsage();
      const requests = requestsOfPart(generator, made.parts, made);
      const sampled = new Set();
      const sender = async () => {
        for (const request of requests) {
          await target.add(request);
          made.spans += request.spans;
          made.bytes += request.body.length;
          const place = ASKED.findIndex(({ name }) => name === request.project.name);
          if (place !== -1 && !sampled.has(place)) {
            sampled.add(place);
            made.samples[place].push({ traceId: request.traceIds[0], session: request.session });
          }
        }
      };
      await Promise.all(Array.from({ length: SENDERS }, sender));
      const used = process.cpuUsage(cpu);
      made.cpuMicros += used.user + used.system;
      made.millis += performance.now() - began;
      made.parts += 1;
      writeMade(directory, made);
      if (made.parts % 4 === 0 || made.parts === parts)
        say(`${made.spans} of ${total} spans, ${Math.round(made.spans / (made.millis / 1000))} spans/s`);
    }
  } finally {
    await target.close();
  }
  return made;
}
