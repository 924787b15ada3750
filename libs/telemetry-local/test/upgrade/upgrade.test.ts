/** A directory that an earlier release wrote is opened by this one, and everything is in it; also when the upgrade is cut short. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeTraces } from '@cogniverse/foundation/otlp';
import { StoreOpenError, type TelemetryStore } from '@cogniverse/foundation/telemetry';
import { openLocalStore } from '@cogniverse/telemetry-local';
import { DuckDBInstance } from '@duckdb/node-api';
import { describe, expect, it } from 'vitest';
import { FORMAT_VERSION } from '../../dist/data-directory.js';
import { allPages, openStore, request, spans, temporaryDirectory } from '../store/store-fixture.js';
import { StoreProcess } from '../store/store-process.js';
import { type FixtureContent, unpackFixture } from './fixture.js';

/** Every format, this release's own too: what wrote its fixture is older than this code. */
const FORMATS = Array.from({ length: FORMAT_VERSION }, (_, i) => i + 1);
const EARLIER_FORMATS = FORMATS.slice(0, -1);

function formatOf(dataDir: string): number {
  return (JSON.parse(readFileSync(join(dataDir, 'FORMAT'), 'utf8')) as { cogniverseStore: number }).cogniverseStore;
}

async function expectEverything(store: TelemetryStore, content: FixtureContent): Promise<void> {
  const projects = new Map(content.spans.map(({ project }) => [JSON.stringify(project), project]));
  expect(projects.size).toBe(3);
  for (const project of projects.values()) {
    const sent = content.spans
      .filter((request) => JSON.stringify(request.project) === JSON.stringify(project))
      .flatMap(({ body }) => decodeTraces(Buffer.from(body, 'base64')).resourceSpans)
      .flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
    const byId = <T extends { spanId: string }>(list: T[]) => list.sort((a, b) => (a.spanId < b.spanId ? -1 : 1));
    const found = await allPages(store, { project });
    expect(byId(found.map(({ span }) => span))).toEqual(byId(sent));
    expect(found[0]?.resource.attributes.get('openinference.project.name')).toBe(project.name);
  }
  expect(content.annotations.length).toBeGreaterThan(0);
  for (const { project, spanId, identifier = '', ...annotation } of content.annotations) {
    const found = await store.listAnnotations({ project, target: 'span', spanIds: [spanId] });
    expect(found.items.find((one) => one.identifier === identifier)).toMatchObject({ spanId, ...annotation });
  }
  expect(content.datasets.length).toBeGreaterThan(0);
  for (const { tenantId, rows, ...dataset } of content.datasets) {
    expect(await store.listDatasets({ tenantId })).toEqual([expect.objectContaining(dataset)]);
    const datasetId = (await store.listDatasets({ tenantId }))[0]!.id;
    expect((await store.getDatasetRows({ tenantId, datasetId })).items).toMatchObject(rows);
  }
  expect(content.experiments.length).toBeGreaterThan(0);
  for (const { tenantId, runs, ...experiment } of content.experiments) {
    expect(await store.listExperiments({ tenantId })).toEqual([expect.objectContaining(experiment)]);
    expect((await store.getRuns({ tenantId, experimentId: experiment.id })).items).toMatchObject(runs);
  }
  await expectRest(store, content);
}

/** What format 1 did not know. */
async function expectRest(store: TelemetryStore, content: FixtureContent): Promise<void> {
  for (const { project, ...annotation } of content.otherAnnotations ?? []) {
    const { items } = await store.listAnnotations({ project, target: annotation.target });
    expect(items).toContainEqual(expect.objectContaining(annotation));
  }
  for (const { tenantId, datasetId, id, name, rowIds } of content.splits ?? []) {
    expect(await store.listDatasetSplits({ tenantId, datasetId })).toMatchObject([{ id, name }]);
    const { items } = await store.getDatasetRows({ tenantId, datasetId, splits: [name] });
    expect(items.map((row) => row.id)).toEqual(rowIds);
  }
  for (const { tenantId, name, description } of content.described ?? []) {
    expect(await store.listProjects({ tenantId, name })).toMatchObject([{ description, spanCount: 0 }]);
  }
  for (const { project, id } of content.projectIds ?? []) {
    expect(await store.listProjects({ tenantId: project.tenantId, name: project.name })).toMatchObject([{ id }]);
  }
  if (content.retention !== undefined) expect(await store.listRetention()).toEqual(content.retention);
  for (const project of content.emptied ?? []) {
    expect(await store.listProjects({ tenantId: project.tenantId, name: project.name })).toMatchObject([
      { spanCount: 0 },
    ]);
    expect(await allPages(store, { project })).toEqual([]);
  }
}

/** Columns of every table, and whether they take null, by table. */
async function tablesOf(file: string): Promise<Map<string, Set<string>>> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await connection.run(`ATTACH '${file}' AS looked_at (READ_ONLY)`);
    const rows = await connection.runAndReadAll(
      `SELECT table_name, column_name || ' ' || data_type || ' ' || is_nullable FROM duckdb_columns() WHERE database_name = 'looked_at'`,
    );
    const tables = new Map<string, Set<string>>();
    for (const [table, column] of rows.getRows() as [string, string][]) {
      tables.set(table, (tables.get(table) ?? new Set()).add(column));
    }
    return tables;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

describe.each(FORMATS)('a directory of format %i', (format) => {
  it('has everything in it, before and after the log is flushed', async () => {
    const dataDir = temporaryDirectory();
    const content = unpackFixture(format, dataDir);
    const store = await openStore({ dataDir, report: () => undefined });
    await expectEverything(store, content);
    await store.shutdown();
    const again = await openStore({ dataDir });
    expect((await again.figures())['hot_spans']).toBe(0);
    await expectEverything(again, content);
    // A span that it holds is known when it comes again.
    const [{ body, project }] = content.spans as [FixtureContent['spans'][number]];
    const before = (await allPages(again, { project })).length;
    await again.ingest({ body: Buffer.from(body, 'base64'), format: 'protobuf' });
    expect(await allPages(again, { project })).toHaveLength(before);
  });

  it('takes new data like one that this release made', async () => {
    const dataDir = temporaryDirectory();
    const [first] = unpackFixture(format, dataDir).datasets;
    const store = await openStore({ dataDir, report: () => undefined });
    const project = { tenantId: first!.tenantId, name: 'search' };
    await store.ingest(request(spans(500, 5)));
    const spanId = spans(500, 1)[0]!.spanId;
    await store.addAnnotations({ project, annotations: [{ spanId, name: 'relevance', score: 1 }] });
    expect((await store.listAnnotations({ project, target: 'span', spanIds: [spanId] })).items).toHaveLength(1);
    const { tenantId, name } = first!;
    const { id: datasetId } = await store.appendToDataset({ tenantId, name, rows: [{ input: { q: 'four' } }] });
    expect((await store.getDatasetRows({ tenantId, datasetId })).items).toHaveLength(first!.rows.length + 1);
    const experiment = await store.createExperiment({ tenantId, name: 'new', datasetName: name });
    const run = await store.logRun({ tenantId, experimentId: experiment.id, run: { inputs: {}, outputs: {} } });
    await store.logRunEvaluation({ tenantId, runId: run.id, evaluation: { name: 'exact', score: 1 } });
    expect((await store.getRuns({ tenantId, experimentId: experiment.id })).items).toMatchObject([
      { evaluations: [{ name: 'exact' }] },
    ]);
  });

  it('has the tables and columns of a new one afterwards', async () => {
    const dataDir = temporaryDirectory();
    unpackFixture(format, dataDir);
    await (await openStore({ dataDir, report: () => undefined })).shutdown();
    const fresh = temporaryDirectory();
    const store = await openStore({ dataDir: fresh });
    await store.ingest(request(spans(0, 5)));
    await store.shutdown();
    for (const file of ['meta.duckdb', 'days/2026-05-28.duckdb']) {
      const expected = await tablesOf(join(fresh, file));
      expect(expected.size).toBeGreaterThan(0);
      const found = await tablesOf(join(dataDir, file));
      found.delete('erased'); // marks a file from which rows were deleted
      expect(found).toEqual(expected);
    }
  });
});

describe.each(EARLIER_FORMATS)('a directory of the earlier format %i', (format) => {
  it('is upgraded with a line for each step, and everything is in it, before and after the log is flushed', async () => {
    const dataDir = temporaryDirectory();
    const content = unpackFixture(format, dataDir);
    const lines: string[] = [];
    const store = await openStore({ dataDir, report: (line) => lines.push(line) });
    expect(lines[0]).toBe(`upgrading ${dataDir} from format ${format} to ${format + 1}: 1 files`);
    expect(lines).toContain('upgraded meta.duckdb, 1 of 1');
    expect(lines).toContain(`upgraded ${dataDir} to format ${FORMAT_VERSION}`);
    expect(formatOf(dataDir)).toBe(FORMAT_VERSION);
    await expectEverything(store, content);
    await store.shutdown();
    const again = await openStore({ dataDir, report: (line) => lines.push(line) });
    expect(lines.filter((line) => line.startsWith('upgrading'))).toHaveLength(FORMAT_VERSION - format);
    expect((await again.figures())['hot_spans']).toBe(0);
    await expectEverything(again, content);
  });

  it.each([1, 9, 11, 13])('is upgraded all the same when the process is killed at statement %i of it', async (at) => {
    const dataDir = temporaryDirectory();
    const content = unpackFixture(format, dataDir);
    await expect(StoreProcess.start({ dataDir }, { COGNIVERSE_STORE_KILL_AT: `upgrade:${at}` })).rejects.toThrow(
      'SIGKILL',
    );
    expect(formatOf(dataDir)).toBe(format);
    await expectEverything(await openStore({ dataDir, report: () => undefined }), content);
    expect(formatOf(dataDir)).toBe(FORMAT_VERSION);
  });

  it('is upgraded all the same when the process is killed as FORMAT is written', async () => {
    const dataDir = temporaryDirectory();
    const content = unpackFixture(format, dataDir);
    await expect(StoreProcess.start({ dataDir }, { COGNIVERSE_STORE_KILL_AT: 'upgraded:1' })).rejects.toThrow(
      'SIGKILL',
    );
    expect(formatOf(dataDir)).toBe(format);
    await expectEverything(await openStore({ dataDir, report: () => undefined }), content);
  });

  it('whose meta.duckdb is damaged is opened without it, and what it held is set aside', async () => {
    const dataDir = temporaryDirectory();
    unpackFixture(format, dataDir);
    writeFileSync(join(dataDir, 'meta.duckdb'), 'this is no database any more, and long enough to be looked at');
    const lines: string[] = [];
    const store = await openStore({ dataDir, report: (line) => lines.push(line) });
    expect(lines.join('\n')).toMatch(
      /meta\.duckdb is passed over.*\n(.*\n)*.*meta\.duckdb cannot be read and was set aside/,
    );
    expect(formatOf(dataDir)).toBe(FORMAT_VERSION);
    expect(await store.listDatasets({ tenantId: 'acme' })).toEqual([]);
  });
});

describe('a directory of a format', () => {
  it.each([0, FORMAT_VERSION + 1])('%i is refused and left alone', async (format) => {
    const dataDir = temporaryDirectory();
    writeFileSync(join(dataDir, 'FORMAT'), `{"cogniverseStore":${format}}\n`);
    await expect(openLocalStore({ dataDir })).rejects.toThrow(StoreOpenError);
    await expect(openLocalStore({ dataDir })).rejects.toThrow(`has format ${format}`);
    expect(formatOf(dataDir)).toBe(format);
  });
});
