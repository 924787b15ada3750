/**
 * The demo's application, in a process of its own: instrumentation has to be loaded before what it instruments.   Write path: [run-application] -> OTLP endpoint.
 *
 * Takes `DemoTarget` as JSON on standard input, gives the result as one line of JSON.
 */
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { runApplication } from '#document-search/application.js';
import type { Speech } from '#document-search/passages.js';
import type { DemoTarget } from './run-demo.js';

const { speeches } = JSON.parse(
  readFileSync(new URL('../../document-search/speeches.json', import.meta.url), 'utf8'),
) as { speeches: Speech[] };
const target = JSON.parse(await text(process.stdin)) as DemoTarget;
const result = await runApplication({
  ...target,
  speeches,
  say: (line) => {
    process.stderr.write(`${line}\n`);
  },
});
process.stdout.write(`${JSON.stringify(result)}\n`);
