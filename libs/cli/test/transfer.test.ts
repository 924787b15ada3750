/** `cogniverse export` and `cogniverse import`: what goes out comes in again, byte by byte. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { openRemoteStore } from '@cogniverse/foundation/client';
import { type AnyValue, encodeTraces, type OtlpSpan } from '@cogniverse/foundation/otlp';
import type { TelemetryStore } from '@cogniverse/foundation/telemetry';
import { openLocalStore } from '@cogniverse/telemetry-local';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FREE_PORTS, inProcess, type Serving, send, serve, temporaryDirectory } from './command-line.js';

let work: { path: string; remove: () => void };
beforeEach(() => {
  work = temporaryDirectory();
});
afterEach(() => work.remove());
const at = (...names: string[]) => join(work.path, ...names);

/** Every file below a directory with its bytes. */
function contentOf(directory: string): Record<string, string> {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    files
      .filter((file) => statSync(join(directory, file)).isFile())
      .map((file) => [file, readFileSync(join(directory, file), 'latin1')]),
  );
}

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await inProcess(args);
  if (code !== 0) throw new Error(`${args.join(' ')} gave ${code}: ${stderr}`);
  return stdout;
}

const BASE = BigInt(Date.parse('2026-03-01T12:00:00Z')) * 1_000_000n;

const leaf: fc.Arbitrary<AnyValue> = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.boolean(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.double(),
  fc.uint8Array({ maxLength: 8 }),
);
const attributes = fc
  .array(
    fc.tuple(
      fc
        .string({ unit: 'binary', minLength: 1, maxLength: 12 })
        .filter((key) => key !== 'tenant.id' && key !== 'openinference.project.name'),
      fc.oneof(leaf, fc.array(leaf, { maxLength: 3 })),
    ),
    { maxLength: 4 },
  )
  .map((entries) => new Map<string, AnyValue>(entries));

const spanArbitrary = fc.record({
  name: fc.string({ unit: 'binary', maxLength: 20 }),
  tenant: fc.constantFrom(undefined, 'acme', 'gl/obex', 'ümlaut ☃'),
  project: fc.constantFrom(undefined, 'search', 'se/arch', '..'),
  start: fc.bigInt({ min: 0n, max: 3n * 86_400n * 1_000_000_000n }),
  duration: fc.bigInt({ min: 0n, max: 10_000_000_000n }),
  attributes,
  events: fc.array(fc.record({ name: fc.string({ maxLength: 5 }), attributes }), { maxLength: 2 }),
  scope: fc.constantFrom('a', 'b'),
  schemaUrl: fc.constantFrom('', 'https://example.org/1'),
  status: fc.constantFrom(0, 1, 2),
});

function bytesOf(count: number, from: number): string {
  return from.toString(16).padStart(count * 2, '1');
}

function tracesOf(
  sketches: readonly (typeof spanArbitrary extends fc.Arbitrary<infer T> ? T : never)[],
  first: number,
) {
  return {
    resourceSpans: sketches.map((sketch, i) => {
      const span: OtlpSpan = {
        traceId: bytesOf(16, (first + i) >> 1),
        spanId: bytesOf(8, first + i),
        parentSpanId: '',
        traceState: '',
        flags: 0,
        name: sketch.name,
        kind: 1,
        startTimeUnixNano: BASE + sketch.start,
        endTimeUnixNano: BASE + sketch.start + sketch.duration,
        attributes: sketch.attributes,
        droppedAttributesCount: 0,
        events: sketch.events.map((event, k) => ({
          name: event.name,
          timeUnixNano: BASE + BigInt(k),
          attributes: event.attributes,
          droppedAttributesCount: 0,
        })),
        droppedEventsCount: 0,
        links: [],
        droppedLinksCount: 0,
        status: { code: sketch.status, message: '' },
      };
      const own = new Map<string, AnyValue>(
        sketch.project === undefined ? [] : [['openinference.project.name', sketch.project]],
      );
      if (sketch.tenant !== undefined) own.set('tenant.id', sketch.tenant);
      return {
        resource: { attributes: own, droppedAttributesCount: 0 },
        schemaUrl: sketch.schemaUrl,
        scopeSpans: [
          {
            scope: { name: sketch.scope, version: '', attributes: new Map(), droppedAttributesCount: 0 },
            schemaUrl: '',
            spans: [span],
          },
        ],
      };
    }),
  };
}

describe('export and import', () => {
  it('whatever the spans: export, import into an empty store, export again is the same, byte by byte; a second import changes nothing', async () => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(spanArbitrary, { minLength: 20, maxLength: 60 }), { minLength: 3, maxLength: 5 }),
        async (batches) => {
          round += 1;
          const [first, second, third] = ['first', 'second', 'third'].map((name) => at(`${round}`, name));
          mkdirSync(at(`${round}`));
          const store = await openLocalStore({ dataDir: at(`${round}`, 'one') });
          let ids = 1;
          for (const batch of batches) {
            const body = encodeTraces(tracesOf(batch, ids));
            ids += batch.length;
            expect(await store.ingest({ body, format: 'protobuf' })).toMatchObject({
              status: 'stored',
              rejectedSpans: 0,
            });
          }
          await store.shutdown();
          await done('export', first!, '--data', at(`${round}`, 'one'));
          await done('import', first!, '--data', at(`${round}`, 'two'));
          await done('export', second!, '--data', at(`${round}`, 'two'));
          await done('import', first!, '--data', at(`${round}`, 'two'));
          await done('export', third!, '--data', at(`${round}`, 'two'));
          expect(contentOf(second!)).toEqual(contentOf(first!));
          expect(contentOf(third!)).toEqual(contentOf(first!));
        },
      ),
      { numRuns: 2 },
    );
  });

  describe('with a server', () => {
    let serving: Serving;
    beforeEach(async () => {
      serving = await serve(['--data', at('served'), ...FREE_PORTS]);
      await send(serving.addresses.otlpHttp, new Date('2026-03-01T12:00:00Z'), [
        {
          tenant: 'acme',
          name: 'one',
          traceId: '1'.repeat(32),
          spanId: '1'.repeat(16),
          start: 0,
          duration: 5,
          attributes: { 'retrieval.documents.0.document.content': 'text' },
        },
        { tenant: 'acme', name: 'two', traceId: '2'.repeat(32), spanId: '2'.repeat(16), start: 90_000, duration: 5 },
        { tenant: 'globex', name: 'three', traceId: '3'.repeat(32), spanId: '3'.repeat(16), start: 0, duration: 5 },
      ]);
    });
    afterEach(() => serving.stop());

    it('brings annotations, with their times', async () => {
      const project = { tenantId: 'acme', name: 'cogniverse-acme-search' };
      const server = openRemoteStore({ endpoint: serving.addresses.http });
      await server.addAnnotations({
        project,
        annotations: [
          { spanId: '2'.repeat(16), name: 'relevance', score: 0.5, metadata: { ü: ['\u2028'] }, identifier: 'i' },
          { spanId: '1'.repeat(16), name: 'relevance', label: 'good', explanation: 'why', annotatorKind: 'LLM' },
          { target: 'trace', traceId: '1'.repeat(32), name: 'helpful', score: 1 },
          { target: 'document', spanId: '1'.repeat(16), documentPosition: 0, name: 'relevance', score: 0 },
        ],
      });
      const { items } = await server.listAnnotations({ project });
      await server.shutdown();
      expect(await done('export', at('out'), '--endpoint', serving.addresses.http)).toMatch(
        /^3 spans, 4 annotations in /,
      );
      await done('import', at('out'), '--data', at('new'));
      await done('import', at('out'), '--data', at('new'));
      await done('export', at('again'), '--data', at('new'));
      expect(contentOf(at('again'))).toEqual(contentOf(at('out')));
      const store = await openLocalStore({ dataDir: at('new') });
      expect((await store.listAnnotations({ project })).items).toEqual(items);
      await store.shutdown();
    });

    it('brings data sets with all versions and splits, experiments with runs and evaluations, with their ids and times', async () => {
      const server = openRemoteStore({ endpoint: serving.addresses.http });
      const tenantId = 'acme';
      const dataset = await server.createDataset({
        tenantId,
        name: 'questions',
        description: 'what people ask',
        metadata: { ü: ['\u2028'] },
        rows: [
          { input: { q: 1 }, output: { a: 1 }, externalId: 'one', splits: ['train'] },
          { input: { q: 2 }, splits: ['test', 'train'], spanId: '1'.repeat(16) },
          { input: { q: 3 } },
        ],
      });
      const first = dataset.versionId;
      await server.appendToDataset({
        tenantId,
        name: 'questions',
        rows: [{ input: { q: 'one again' }, externalId: 'one' }, { input: { q: 4 } }],
      });
      const { items: rows } = await server.getDatasetRows({ tenantId, datasetId: dataset.id });
      await server.deleteDatasetRows({ tenantId, datasetId: dataset.id, rowIds: [rows[2]!.id] });
      // Of a tenant without any span, and of none at all.
      await server.createDataset({ tenantId: 'quiet', name: 'questions', rows: [] });
      await server.createDataset({ tenantId: null, name: 'questions', rows: [{ input: { q: 1 } }] });
      const over = { tenantId, datasetName: 'questions', repetitions: 2 };
      const experiment = await server.createExperiment({ ...over, name: 'bm25', versionId: first, splits: ['train'] });
      const run = await server.logRun({
        tenantId,
        experimentId: experiment.id,
        run: { outputs: { a: 'peace' }, datasetExampleId: rows[0]!.id, traceId: '1'.repeat(32) },
      });
      await server.logRunEvaluation({ tenantId, runId: run.id, evaluation: { name: 'exact', score: 0.5 } });
      await server.logRunEvaluation({ tenantId, runId: run.id, evaluation: { name: 'judge', label: 'good' } });
      await server.logRun({
        tenantId,
        experimentId: experiment.id,
        run: { outputs: {}, datasetExampleId: rows[1]!.id, repetitionNumber: 2, error: 'index is gone' },
      });
      const loose = await server.createExperiment({ tenantId, name: 'without a data set' });
      await server.logRun({ tenantId, experimentId: loose.id, run: { outputs: { a: 1 } } });

      /** All that the reads give; tenant by tenant, as the order among tenants is not kept. */
      const heldBy = async (store: TelemetryStore) => {
        const datasets = (
          await Promise.all(['acme', 'quiet', null].map((tenantId) => store.listDatasets({ tenantId })))
        ).flat();
        const experiments = await store.listExperiments({});
        return {
          datasets,
          experiments,
          contents: await Promise.all(
            datasets.map(async (one) => {
              const of = { tenantId: one.tenantId, datasetId: one.id };
              const { items: versions } = await store.listDatasetVersions(of);
              return {
                versions,
                splits: await store.listDatasetSplits(of),
                rows: await Promise.all(versions.map(({ id }) => store.getDatasetRows({ ...of, versionId: id }))),
              };
            }),
          ),
          runs: await Promise.all(
            experiments.map((one) => store.getRuns({ tenantId: one.tenantId, experimentId: one.id })),
          ),
        };
      };
      const held = await heldBy(server);
      await server.shutdown();
      expect(held.contents[0]!.rows.map(({ items }) => items.length)).toEqual([3, 4, 3]);

      expect(await done('export', at('out'), '--endpoint', serving.addresses.http)).toMatch(
        /^3 spans, 3 data sets, 2 experiments in 6 files of /,
      );
      await done('import', at('out'), '--data', at('new'));
      const again = JSON.parse(await done('import', at('out'), '--data', at('new'), '--json'));
      expect([again.datasets.imported, again.experiments.imported]).toEqual([0, 0]);
      await done('export', at('again'), '--data', at('new'));
      expect(contentOf(at('again'))).toEqual(contentOf(at('out')));
      const store = await openLocalStore({ dataDir: at('new') });
      expect(await heldBy(store)).toEqual(held);
      await store.shutdown();

      // One tenant, without a span; and over a server.
      expect(await done('export', at('quiet'), '--endpoint', serving.addresses.http, '--tenant', 'quiet')).toMatch(
        /^1 data set in 1 file /,
      );
      const other = await serve(['--data', at('other'), ...FREE_PORTS]);
      try {
        await done('import', at('out'), '--endpoint', other.addresses.http);
        await done('export', at('third'), '--endpoint', other.addresses.http);
        expect(contentOf(at('third'))).toEqual(contentOf(at('out')));
      } finally {
        await other.stop();
      }
    });

    it('asks the server, and gives the same as its directory does', async () => {
      const text = await done('export', at('out'), '--endpoint', serving.addresses.http);
      expect(text).toMatch(/^3 spans in 2 files of /);
      await serving.stop();
      await done('export', at('direct'), '--data', at('served'));
      expect(contentOf(at('direct'))).toEqual(contentOf(at('out')));
    });

    it('selects by tenant and by age, and says so in the manifest', async () => {
      await done(
        'export',
        at('out'),
        '--endpoint',
        serving.addresses.http,
        '--tenant',
        'acme',
        '--since',
        '2026-03-01T12:01:00Z',
      );
      const manifest = JSON.parse(readFileSync(at('out', 'manifest.json'), 'utf8'));
      expect(manifest.selection).toEqual({ tenant: 'acme', since: '2026-03-01T12:01:00.000Z' });
      expect(manifest.files).toMatchObject([
        { kind: 'spans', tenant_id: 'acme', project: 'cogniverse-acme-search', count: 1 },
      ]);
    });

    it('imports into a server', async () => {
      await done('export', at('out'), '--endpoint', serving.addresses.http);
      const other = await serve(['--data', at('other'), ...FREE_PORTS]);
      try {
        expect(await done('import', at('out'), '--endpoint', other.addresses.http)).toMatch(
          /^3 spans imported into http/,
        );
        await done('export', at('again'), '--endpoint', other.addresses.http);
        expect(contentOf(at('again'))).toEqual(contentOf(at('out')));
      } finally {
        await other.stop();
      }
    });

    it('goes on with an export that was interrupted, and refuses a directory that holds another', async () => {
      await done('export', at('out'), '--endpoint', serving.addresses.http);
      const before = contentOf(at('out'));
      // As an interruption after the first file leaves it.
      const manifest = JSON.parse(before['manifest.json']!);
      const [kept, lost] = manifest.files;
      writeFileSync(at('out', 'manifest.unfinished.json'), JSON.stringify({ ...manifest, files: [kept] }));
      rmSync(at('out', 'manifest.json'));
      rmSync(at('out', lost.path));
      const keptSince = statSync(at('out', kept.path)).mtimeMs;
      const unfinished = await inProcess(['import', at('out'), '--data', at('nowhere')]);
      expect([unfinished.code, unfinished.stderr]).toEqual([1, expect.stringContaining('was interrupted')]);

      const other = await inProcess(['export', at('out'), '--endpoint', serving.addresses.http, '--tenant', 'acme']);
      expect([other.code, other.stderr]).toEqual([
        1,
        expect.stringContaining('an interrupted export of something else'),
      ]);
      await done('export', at('out'), '--endpoint', serving.addresses.http);
      expect(contentOf(at('out'))).toEqual(before);
      expect(statSync(at('out', kept.path)).mtimeMs).toBe(keptSince);

      const full = await inProcess(['export', at('out'), '--endpoint', serving.addresses.http]);
      expect([full.code, full.stderr]).toEqual([1, expect.stringContaining('holds an export already')]);
    });

    it('goes on with an import that was interrupted, and begins again where the store is another one', async () => {
      await done('export', at('out'), '--endpoint', serving.addresses.http);
      await done('import', at('out'), '--data', at('new'));
      expect(readdirSync(at('out')).sort()).toEqual(['manifest.json', 'spans']);
      // An interrupted import noted that all lines are in; but the directory was made anew since.
      const { files } = JSON.parse(readFileSync(at('out', 'manifest.json'), 'utf8'));
      const lines = Object.fromEntries(files.map((file: { sha256: string }) => [file.sha256, 1]));
      const { createHash } = await import('node:crypto');
      const note = `import.${createHash('sha256').update(at('new')).digest('hex').slice(0, 12)}.json`;
      writeFileSync(at('out', note), JSON.stringify(lines));
      rmSync(at('new'), { recursive: true });
      await done('import', at('out'), '--data', at('new'));
      expect(existsSync(at('out', note))).toBe(false);
      await done('export', at('again'), '--data', at('new'));
      expect(contentOf(at('again'))).toEqual(contentOf(at('out')));
    });

    it('finds a damaged file before it imports anything', async () => {
      await done('export', at('out'), '--endpoint', serving.addresses.http);
      const { files } = JSON.parse(readFileSync(at('out', 'manifest.json'), 'utf8'));
      appendFileSync(at('out', files[1].path), ' ');
      const { code, stderr } = await inProcess(['import', at('out'), '--data', at('new')]);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/is damaged: .* Nothing was imported\./)]);
      expect(JSON.parse(`[${(await done('projects', '--json', '--data', at('new'))).trim()}]`)).toEqual([]);
    });
  });

  it('a directory without an export, and a manifest of a later format, are told', async () => {
    mkdirSync(at('empty'));
    const empty = await inProcess(['import', at('empty'), '--data', at('new')]);
    expect([empty.code, empty.stderr]).toEqual([1, expect.stringContaining('has no manifest.json')]);
    writeFileSync(at('empty', 'manifest.json'), '{"format":99}');
    const later = await inProcess(['import', at('empty'), '--data', at('new')]);
    expect([later.code, later.stderr]).toEqual([1, expect.stringContaining('Install a newer release')]);
  });
});
