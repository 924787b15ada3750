/**
 * Records traces of the demo as templates for the generator.   node bench/store-goals/record.mjs DATA
 *
 * DATA is the data directory of `npm start -- --once --data DATA`. Takes an even sample of its traces, whole, and writes `fixtures/templates.json`:
 * the spans as they were recorded, texts kept once each, paths of this machine as `/app`. Repeat it when the demo's spans change.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openLocalStore } from '@cogniverse/telemetry-local';

const TRACES = 120;

const store = await openLocalStore({ dataDir: process.argv[2] });
const traces = [];
for (const project of await store.listProjects()) {
  const { tenantId, name } = project;
  const ofProject = new Map();
  let cursor;
  do {
    const page = await store.querySpans({ project: { tenantId, name }, order: 'asc', cursor });
    for (const { span, scope } of page.items) {
      const spans = ofProject.get(span.traceId) ?? [];
      spans.push({ span, scope: scope.name });
      ofProject.set(span.traceId, spans);
    }
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  for (const spans of ofProject.values()) traces.push({ tenantId, spans });
}
await store.shutdown();

const here = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');
const texts = new Map();
const textOf = (recorded) => {
  const text = recorded.replaceAll(here, '/app');
  if (!texts.has(text)) texts.set(text, texts.size);
  return texts.get(text);
};
/** A text is its place among the texts; a whole number is `{ i }`, so that it does not come back as a double. */
const templateValue = (value) => {
  if (typeof value === 'string') return textOf(value);
  if (typeof value === 'bigint') return { i: Number(value) };
  if (typeof value === 'number') return { d: value };
  if (typeof value === 'boolean') return value;
  throw new Error(`a recorded attribute is a ${typeof value}; the templates hold texts, numbers and booleans`);
};
const attributesOf = (attributes) => [...attributes].flatMap(([key, value]) => [textOf(key), templateValue(value)]);
const micros = (nanos) => Number(nanos / 1000n);

const sample = Array.from({ length: TRACES }, (_, i) => traces[Math.floor((i * traces.length) / TRACES)]);
const templates = sample.map(({ tenantId, spans }) => {
  const first = spans[0].span.startTimeUnixNano;
  const places = new Map(spans.map(({ span }, place) => [span.spanId, place]));
  return {
    tenant: tenantId,
    spans: spans.map(({ span, scope }) => ({
      name: textOf(span.name),
      scope: textOf(scope),
      kind: span.kind,
      parent: places.get(span.parentSpanId) ?? -1,
      start: micros(span.startTimeUnixNano - first),
      duration: micros(span.endTimeUnixNano - span.startTimeUnixNano),
      status: span.status.code,
      message: textOf(span.status.message),
      attributes: attributesOf(span.attributes),
      events: span.events.map((event) => ({
        name: textOf(event.name),
        at: micros(event.timeUnixNano - first),
        attributes: attributesOf(event.attributes),
      })),
    })),
  };
});
const file = new URL('fixtures/templates.json', import.meta.url);
writeFileSync(file, `${JSON.stringify({ texts: [...texts.keys()], traces: templates })}\n`);
process.stdout.write(
  `${templates.length} of ${traces.length} traces, ${templates.reduce((sum, { spans }) => sum + spans.length, 0)} spans\n`,
);
