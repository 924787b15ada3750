/** Prometheus' own parser reads the whole of `/metrics`, and of the page of an application's export pipeline: types, help, labels, counters that only grow. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { prometheusText } from '@cogniverse/foundation/telemetry';
import { type RunningServer, startServer } from '@cogniverse/server';
import { openLocalStore } from '@cogniverse/telemetry-local';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ledger } from '../../libs/foundation/dist/telemetry/export/ledger.js';
import { pythonVersion, pythonWith } from '../python-environment.js';

const version = pythonVersion();
if (version === undefined && process.env['CI'] === 'true')
  throw new Error('With CI=true python3 (with venv and pip) is needed.');

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** What breaks a label that is not escaped, or one that is escaped too much. */
const NASTY = [
  'plain',
  'with "quotes"',
  'back\\slash',
  'ends with a backslash\\',
  '\\n is not a line break',
  'a\nline break',
  'a carriage\rreturn',
  'tab\there',
  '} 1\n# TYPE injected counter\ninjected{a="b',
  '"} 99',
  'a,b="c"',
  '# HELP',
  '  spaces  ',
  'ä 日本 🦀 \u2028 \u202e',
  '__proto__',
];

describe.skipIf(version === undefined)(
  'Prometheus reads the metrics (skipped where python3 with venv and pip is missing)',
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'cogniverse-metrics-'));
    let python = '';
    let server: RunningServer;
    let store: Awaited<ReturnType<typeof openLocalStore>>;
    beforeAll(async () => {
      python = await pythonWith(version!, 'metrics', join(import.meta.dirname, 'requirements.txt'));
      store = await openLocalStore({ dataDir: directory });
      server = await startServer({ store, port: 0, otlpPort: 0, grpcPort: 0, logger: { log: () => undefined } });
    }, 300_000);
    afterAll(async () => {
      await server.close();
      await store.shutdown();
      rmSync(directory, { recursive: true, force: true });
    });

    async function parse(page: string): Promise<Family[]> {
      const child = spawn(python, [join(import.meta.dirname, 'parse_metrics.py')], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      child.stdin.end(page);
      return JSON.parse(await text(child.stdout)) as Family[];
    }

    async function scrape(): Promise<Map<string, Family>> {
      const response = await fetch(`${server.addresses.http}/metrics`);
      expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
      const families = await parse(await response.text());
      const named = new Map(families.map((family) => [family.name, family]));
      expect(named.size).toBe(families.length);
      return named;
    }

    let sent = 0;
    /** One good span and one without an id of each tenant. */
    async function send(): Promise<void> {
      const good = () => ({ traceId: '1'.repeat(32), spanId: (++sent).toString(16).padStart(16, '0'), name: 'x' });
      for (const tenant of NASTY) {
        const body = JSON.stringify({
          resourceSpans: [
            {
              resource: { attributes: [{ key: 'tenant.id', value: { stringValue: tenant } }] },
              scopeSpans: [{ spans: [{ ...good(), startTimeUnixNano: '1', endTimeUnixNano: '2' }, { name: 'x' }] }],
            },
          ],
        });
        const response = await fetch(server.addresses.otlpHttp, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        });
        expect(response.status).toBe(200);
        await response.arrayBuffer();
      }
    }

    /** Name, type and labels of each metric in the tables of the guide; the store's have no labels. */
    function documented(): Map<string, { type: string; labels: string[] }> {
      const page = readFileSync(resolve(import.meta.dirname, '../../docs/operations.md'), 'utf8');
      const rows = [
        ...page.matchAll(/^\| `((?:cogniverse|process|nodejs)_\w+)` +\| (counter|gauge|histogram) +\|(.*)$/gm),
      ];
      return new Map(
        rows.map(([, name, type, rest]) => {
          const cells = rest!.split('|');
          const labels =
            name!.startsWith('cogniverse_store_') && cells.length < 4 ? [] : [...cells[1]!.matchAll(/`(\w+)`/g)];
          return [name!, { type: type!, labels: labels.map((match) => match[1]!) }];
        }),
      );
    }

    /** A counter's family is without its ending, as the parser has it. */
    const fullName = ({ name, type }: Family) => (type === 'counter' ? `${name}_total` : name);

    it('finds every metric of the guide, with its type and a help, and no other', async () => {
      await send();
      const families = [...(await scrape()).values()];
      const guide = documented();
      expect(families.map(fullName).sort()).toEqual([...guide.keys()].sort());
      for (const family of families) {
        const name = fullName(family);
        expect.soft(family.type, name).toBe(guide.get(name)!.type);
        expect.soft(family.help.length, name).toBeGreaterThan(8);
        const allowed = new Set([...guide.get(name)!.labels, ...(family.type === 'histogram' ? ['le'] : [])]);
        for (const { labels } of family.samples)
          expect
            .soft(
              Object.keys(labels).filter((label) => !allowed.has(label)),
              name,
            )
            .toEqual([]);
      }
    });

    it('finds each tenant under its own name, whatever is in it, with the counts that it sent', async () => {
      const families = await scrape();
      for (const [fate, count] of Object.entries({
        received: 2,
        acknowledged: 1,
        rejected: 1,
        stored: 1,
        duplicate: 0,
      })) {
        const { samples } = families.get(`cogniverse_server_spans_${fate}`)!;
        expect(samples.map(({ labels }) => labels['tenant'])).toEqual(NASTY);
        for (const { value } of samples) expect(value).toBe(count * (sent / NASTY.length));
      }
      expect(families.has('injected')).toBe(false);
    });

    it('finds no counter smaller than before, those of what happened larger, and no series gone', async () => {
      const before = await scrape();
      await send();
      const after = await scrape();
      let counters = 0;
      for (const [name, family] of before) {
        if (family.type === 'gauge') continue;
        const later = new Map(after.get(name)!.samples.map((s) => [JSON.stringify([s.name, s.labels]), s.value]));
        for (const { name: series, labels, value } of family.samples) {
          counters += 1;
          expect
            .soft(later.get(JSON.stringify([series, labels])), `${series} ${JSON.stringify(labels)}`)
            .toBeGreaterThanOrEqual(value);
        }
      }
      expect(counters).toBeGreaterThan(50);
      const grown = (name: string) => {
        const sum = (families: Map<string, Family>) =>
          families.get(name)!.samples.reduce((total, { value }) => total + value, 0);
        return sum(after) - sum(before);
      };
      expect(grown('cogniverse_server_spans_acknowledged')).toBe(NASTY.length);
      expect(grown('cogniverse_store_spans_accepted')).toBe(NASTY.length);
      expect(grown('cogniverse_server_ingest_requests')).toBe(NASTY.length);
      expect(grown('process_cpu_seconds')).toBeGreaterThan(0);
    });

    it('finds histograms whose buckets add up', async () => {
      const { samples, type } = (await scrape()).get('cogniverse_server_request_duration_seconds')!;
      expect(type).toBe('histogram');
      const series = new Map<string, Sample[]>();
      for (const sample of samples) {
        const { le: _le, ...labels } = sample.labels;
        const key = JSON.stringify(labels);
        series.set(key, [...(series.get(key) ?? []), sample]);
      }
      expect(series.size).toBeGreaterThan(1);
      for (const [key, all] of series) {
        const buckets = all.filter(({ name }) => name.endsWith('_bucket'));
        expect(buckets.at(-1)!.labels['le'], key).toBe('+Inf');
        for (const [i, { value, labels }] of buckets.entries()) {
          expect(value).toBeGreaterThanOrEqual(buckets[i - 1]?.value ?? 0);
          if (i > 0 && labels['le'] !== '+Inf')
            expect(Number(labels['le'])).toBeGreaterThan(Number(buckets[i - 1]!.labels['le']));
        }
        expect(all.find(({ name }) => name.endsWith('_count'))!.value).toBe(buckets.at(-1)!.value);
        expect(all.find(({ name }) => name.endsWith('_sum'))!.value).toBeGreaterThan(0);
      }
    });

    it("reads an application's page of its export pipeline too, with the same tenants", async () => {
      const ledger = new Ledger();
      for (const [i, tenant] of NASTY.entries()) {
        const counts = ledger.tenant(tenant);
        counts.ended = i + 1;
        counts.countDropped('queue_full', i + 1);
      }
      const families = await parse(prometheusText(ledger));
      for (const name of ['cogniverse_spans_ended', 'cogniverse_spans_dropped']) {
        const { samples, type } = families.find((family) => family.name === name)!;
        expect(type).toBe('counter');
        expect(samples.map(({ labels, value }) => [labels['tenant'], value])).toEqual(
          NASTY.map((tenant, i) => [tenant, i + 1]),
        );
      }
      expect(families.every(({ help, type }) => help !== '' && (type === 'counter' || type === 'gauge'))).toBe(true);
    });
  },
);
