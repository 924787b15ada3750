import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeStoreFigure, STORE_FIGURES } from '../dist/store-figures.js';
import { send, startTestServer, type TestServer, withMethods } from './running-server.js';

let running: TestServer;
let figuresFail = false;
beforeAll(async () => {
  running = await startTestServer({
    wrap: (store) =>
      withMethods(store, { figures: () => (figuresFail ? Promise.reject(new Error('inside')) : store.figures()) }),
  });
  await send(running.url, [{}, {}], { project: 'p', tenant: 'a"b\\c\nd' });
  await send(running.url, [{}], { project: 'p' });
});
afterAll(() => running.stop());
const metrics = async () => (await fetch(`${running.url}/metrics`)).text();

it('gives the ledger, the requests, the store and the process as Prometheus text', async () => {
  await fetch(`${running.url}/v1/projects`);
  await fetch(`${running.url}/one/of/many/paths`);
  const text = await metrics();
  expect(text).toContain('cogniverse_server_spans_acknowledged_total{tenant="a\\"b\\\\c\\nd"} 2\n');
  expect(text).toContain('cogniverse_server_spans_received_total{tenant=""} 1\n');
  expect(text).toContain('cogniverse_server_requests_total{listener="http",route="/v1/traces",status="200"} 2\n');
  expect(text).toContain('cogniverse_server_requests_total{listener="http",route="unmatched",status="404"} 1\n');
  expect(text).toContain(
    'cogniverse_server_request_duration_seconds_bucket{listener="http",route="/v1/traces",le="+Inf"} 2\n',
  );
  expect(text).toMatch(/^cogniverse_store_ready 1$/m);
  expect(text).toMatch(/^cogniverse_store_(?!ready)[a-z0-9_]+ \d/m);
  expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
  expect(text).not.toContain('/one/of/many/paths');
});

it('tells what each figure of the store means, and which of them only grow', async () => {
  const text = await metrics();
  const types = new Map(
    [...text.matchAll(/^# TYPE cogniverse_store_(\w+) (\w+)$/gm)].map(([, name, type]) => [name, type]),
  );
  types.delete('ready');
  expect([...types.keys()].sort()).toEqual(Object.keys(STORE_FIGURES).sort());
  for (const [name, type] of types) expect(type, name).toBe(name!.endsWith('_total') ? 'counter' : 'gauge');
  expect(text).toContain('# HELP cogniverse_store_hot_spans Spans in memory that are not in day files yet');
  expect(text).toContain('set aside in damaged/.\n# TYPE cogniverse_store_damaged_total counter\n');
  expect(describeStoreFigure('of_another_store')).toEqual({
    type: 'gauge',
    help: 'A figure of this store alone.',
  });
});

it('is well formed: every sample belongs to a type declared once, before it', async () => {
  const declared = new Map<string, string>();
  for (const line of (await metrics()).trimEnd().split('\n')) {
    const type = /^# TYPE (\w+) (counter|gauge|histogram)$/.exec(line);
    if (type !== null) {
      expect(declared.has(type[1]!), line).toBe(false);
      declared.set(type[1]!, type[2]!);
    } else if (!line.startsWith('# HELP ')) {
      const name = /^(\w+)(?:\{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*\})? [-+0-9.eInfNa]+$/.exec(line)?.[1];
      expect(name, line).toBeDefined();
      expect(declared.has(name!) || declared.get(name!.replace(/_(bucket|sum|count)$/, '')) === 'histogram', line).toBe(
        true,
      );
    }
  }
});

it('still gives the rest when the store does not answer', async () => {
  figuresFail = true;
  const text = await metrics();
  figuresFail = false;
  expect(text).toMatch(/^process_cpu_seconds_total /m);
  expect(text).not.toContain('inside');
});
