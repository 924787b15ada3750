/** Data sets and experiments go from one store into another, through the form that travels. */
import {
  DatasetExistsError,
  type DatasetExport,
  DatasetNotFoundError,
  type ExperimentExport,
  ExperimentNotFoundError,
  InvalidQueryError,
  type TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import { describe, expect, it } from 'vitest';
import {
  decodeStoreRequest,
  encodeStoreRequest,
  STORE_OPERATIONS,
} from '../../../foundation/dist/telemetry/providers/store-wire/index.js';
import { openStore } from '../store/store-fixture.js';

const tenantId = 'acme';

/** Two data sets, of which one has a changed, a deleted and a returned row, splits, and experiments with a failed run. */
async function fill(store: TelemetryStore, owner: string | null = tenantId): Promise<void> {
  const of = { tenantId: owner };
  const rows = ['a', 'b', 'c'].map((name) => ({ input: { name, '10': 1, '9': 2 }, externalId: name, splits: ['all'] }));
  const { id: datasetId } = await store.createDataset({ ...of, name: 'questions', rows, metadata: { team: 'x' } });
  const changed = { input: { name: 'b2' }, output: { y: null }, externalId: 'b', spanId: 'b7ad6b7169203331' };
  await store.uploadDataset({ ...of, name: 'questions', action: 'update', rows: [rows[0]!, changed] });
  await store.appendToDataset({ ...of, name: 'questions', rows: [rows[2]!, { input: { name: 'd' } }] });
  await store.createDatasetSplit({ ...of, datasetId, name: 'empty', description: 'none yet', color: '#ff0000' });
  await store.createDataset({ ...of, name: 'other', description: 'the other', rows: [{ input: { n: 1 } }] });

  const experiment = await store.createExperiment({
    ...of,
    name: 'first',
    datasetName: 'questions',
    repetitions: 2,
    projectName: 'p',
    metadata: { model: 'm' },
  });
  const ofExperiment = { ...of, experimentId: experiment.id };
  const { items } = await store.getDatasetRows({ ...of, datasetId });
  for (const [index, row] of items.entries()) {
    const failed = index === 1 ? { error: 'timeout' } : {};
    const run = {
      datasetExampleId: row.id,
      outputs: { index },
      traceId: '0af7651916cd43dd8448eb211c80319c',
      ...failed,
    };
    const { id: runId } = await store.logRun({ ...ofExperiment, run });
    const judged = { name: 'quality', score: index / 3, label: 'ok', metadata: { k: [1] } };
    await store.logRunEvaluation({ ...of, runId, evaluation: judged });
    await store.logRunEvaluation({ ...of, runId, evaluation: { name: 'whole', score: 1, explanation: 'because' } });
  }
  await store.createExperiment({ ...of, name: 'without a data set' });
}

async function pagesOf<T>(
  limit: number,
  read: (page: { limit: number; cursor: string | undefined }) => Promise<{
    items: readonly T[];
    nextCursor: string | undefined;
  }>,
): Promise<(readonly T[])[]> {
  const pages: (readonly T[])[] = [];
  let cursor: string | undefined;
  do {
    const page = await read({ limit, cursor });
    pages.push(page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return pages;
}

interface Exported {
  readonly datasets: readonly (readonly DatasetExport[])[];
  readonly experiments: readonly (readonly ExperimentExport[])[];
}

async function exported(store: TelemetryStore, limit: number, owner: string | null = tenantId): Promise<Exported> {
  return {
    datasets: await pagesOf(limit, (page) => store.exportDatasets({ tenantId: owner, ...page })),
    experiments: await pagesOf(limit, (page) => store.exportExperiments({ tenantId: owner, ...page })),
  };
}

async function imported(store: TelemetryStore, { datasets, experiments }: Exported, owner: string | null = tenantId) {
  const sum = { imported: 0, existing: 0 };
  const add = (counts: typeof sum) => {
    sum.imported += counts.imported;
    sum.existing += counts.existing;
  };
  for (const records of datasets) {
    const wire = JSON.stringify(encodeStoreRequest(STORE_OPERATIONS.importDatasets, { tenantId: owner, records }));
    add(await store.importDatasets(decodeStoreRequest(STORE_OPERATIONS.importDatasets, JSON.parse(wire))));
  }
  for (const records of experiments) {
    const wire = JSON.stringify(encodeStoreRequest(STORE_OPERATIONS.importExperiments, { tenantId: owner, records }));
    add(await store.importExperiments(decodeStoreRequest(STORE_OPERATIONS.importExperiments, JSON.parse(wire))));
  }
  return sum;
}

/** All that can be read of a tenant. */
async function look(store: TelemetryStore, owner: string | null = tenantId) {
  const of = { tenantId: owner };
  const datasets = await store.listDatasets(of);
  const ofDatasets = datasets.map(async ({ id: datasetId }) => {
    const versions = (await store.listDatasetVersions({ ...of, datasetId })).items;
    const rows = versions.map(({ id: versionId }) => store.getDatasetRows({ ...of, datasetId, versionId }));
    const splits = await store.listDatasetSplits({ ...of, datasetId });
    const inSplits = splits.map(({ id }) => store.getDatasetRows({ ...of, datasetId, splits: [id] }));
    return { versions, rows: await Promise.all(rows), splits, inSplits: await Promise.all(inSplits) };
  });
  const experiments = await store.listExperiments(of);
  const ofExperiments = experiments.map(async ({ id: experimentId }) => ({
    runs: await store.getRuns({ ...of, experimentId }),
    incomplete: await store.listIncompleteRuns({ ...of, experimentId }),
  }));
  return {
    datasets,
    ofDatasets: await Promise.all(ofDatasets),
    experiments,
    ofExperiments: await Promise.all(ofExperiments),
  };
}

const total = ({ datasets, experiments }: Exported) => [...datasets, ...experiments].flat().length;

describe('export and import of data sets and experiments', () => {
  it.each([1, 3, 1000])('gives the same reads in an empty store, in pages of %i', async (limit) => {
    const [from, to] = [await openStore(), await openStore()];
    await fill(from);
    await fill(from, null);
    const pages = await exported(from, limit);
    expect(pages.datasets.every((page) => page.length <= limit)).toBe(true);
    expect(await imported(to, pages)).toEqual({ imported: total(pages), existing: 0 });
    const before = await look(from);
    expect(before.ofDatasets[0]!.versions.map(({ exampleCount }) => exampleCount)).toEqual([4, 2, 3]);
    expect(await look(to)).toEqual(before);
    expect(await look(to, null)).toMatchObject({ datasets: [], experiments: [] });
    expect(await exported(to, limit)).toEqual(pages);
  });

  it('adds what is missing and changes nothing that is there', async () => {
    const [from, to] = [await openStore(), await openStore()];
    await fill(from);
    const pages = await exported(from, 5);
    await imported(to, pages);
    const [dataset] = await to.listDatasets({ tenantId, name: 'questions' });
    await to.changeDataset({ tenantId, datasetId: dataset!.id, description: 'changed here' });
    const before = await look(to);
    expect(await imported(to, pages)).toEqual({ imported: 0, existing: total(pages) });
    expect(await look(to)).toEqual(before);

    const added = { input: { name: 'later' } };
    await from.appendToDataset({ tenantId, name: 'questions', rows: [added] });
    const later = await exported(from, 5);
    expect(await imported(to, later)).toEqual({ imported: 2, existing: total(pages) });
    const { items } = await to.getDatasetRows({ tenantId, datasetId: dataset!.id });
    expect(items.at(-1)!.input).toEqual(added.input);
    // The store goes on from there.
    await to.appendToDataset({ tenantId, name: 'questions', rows: [{ input: { name: 'own' } }] });
    expect((await to.getDatasetRows({ tenantId, datasetId: dataset!.id })).items).toHaveLength(items.length + 1);
  });

  it("touches no other tenant's: its ids are refused, and what belongs to them is unknown", async () => {
    const store = await openStore();
    await fill(store);
    const before = await look(store);
    const { datasets, experiments } = await exported(store, 1000);
    const other = 'globex';
    const records = datasets.flat();
    await expect(store.importDatasets({ tenantId: other, records })).rejects.toThrow(InvalidQueryError);
    for (const kind of ['version', 'row', 'split', 'split_row']) {
      const part = store.importDatasets({ tenantId: other, records: records.filter((one) => one.kind === kind) });
      await expect(part, kind).rejects.toThrow(DatasetNotFoundError);
    }
    // A data set of its own, with the ids of the other's parts.
    const [dataset] = records;
    const own = { ...(dataset as Extract<DatasetExport, { kind: 'dataset' }>), id: 'own', name: 'own' };
    for (const kind of ['version', 'split'] as const) {
      const taken = records.find((one) => one.kind === kind) as Extract<DatasetExport, { kind: typeof kind }>;
      const stolen = store.importDatasets({ tenantId: other, records: [own, { ...taken, datasetId: 'own' }] });
      await expect(stolen, kind).rejects.toThrow(/its id is taken/);
    }
    const version = records.find((one) => one.kind === 'version')!;
    const row = records.find((one) => one.kind === 'row')!;
    const ownVersion = { ...version, id: 'own version', datasetId: 'own' };
    const stolenRow = { ...row, datasetId: 'own', versionId: 'own version' };
    await expect(store.importDatasets({ tenantId: other, records: [own, ownVersion, stolenRow] })).rejects.toThrow(
      /its id is taken/,
    );

    const all = experiments.flat();
    const withData = { ...all[0]!, id: 'own' };
    await expect(store.importExperiments({ tenantId: other, records: all })).rejects.toThrow(InvalidQueryError);
    await expect(store.importExperiments({ tenantId: other, records: [withData] })).rejects.toThrow(
      DatasetNotFoundError,
    );
    for (const kind of ['example', 'run', 'evaluation']) {
      const part = store.importExperiments({ tenantId: other, records: all.filter((one) => one.kind === kind) });
      await expect(part, kind).rejects.toThrow(ExperimentNotFoundError);
    }
    expect(await look(store)).toEqual(before);
    expect(await exported(store, 10, other)).toEqual({ datasets: [[]], experiments: [[]] });
    const { nextCursor } = await store.exportDatasets({ tenantId, limit: 2 });
    expect(await store.exportDatasets({ tenantId: other, limit: 10, cursor: nextCursor })).toMatchObject({ items: [] });
  });

  it('refuses a data set that was changed on both sides, another of the same name, and a record out of form', async () => {
    const [from, to] = [await openStore(), await openStore()];
    await fill(from);
    await imported(to, await exported(from, 1000));
    for (const store of [from, to]) {
      await store.appendToDataset({ tenantId, name: 'questions', rows: [{ input: { name: 'e' } }] });
    }
    const before = await look(to);
    await expect(imported(to, await exported(from, 1000))).rejects.toThrow(/version 4 already/);
    const third = await openStore();
    await third.createDataset({ tenantId, name: 'other', rows: [] });
    await expect(imported(third, await exported(from, 1000))).rejects.toThrow(DatasetExistsError);
    expect(await look(to)).toEqual(before);
    const wrong = { tenant: 'acme', records: [{ kind: 'version', id: 'x', dataset_id: 'y', number: 0 }] };
    expect(() => decodeStoreRequest(STORE_OPERATIONS.importDatasets, wrong)).toThrow(
      /records\.0\.number is 0; it must/,
    );
    const unknown = { tenant: 'acme', records: [{ kind: 'verses' }] };
    expect(() => decodeStoreRequest(STORE_OPERATIONS.importDatasets, unknown)).toThrow(/records\.0\.kind is "verses"/);
    await expect(to.exportDatasets({ tenantId, cursor: 'bm9uZQ' })).rejects.toThrow(/cursor is not one/);
  });

  it('gives a data set as it was when its export began', async () => {
    const [from, to] = [await openStore(), await openStore()];
    await fill(from);
    const before = await look(from);
    const first = await from.exportDatasets({ tenantId, limit: 2 });
    await from.appendToDataset({ tenantId, name: 'questions', rows: [{ input: { name: 'e' }, splits: ['late'] }] });
    await from.uploadDataset({
      tenantId,
      name: 'questions',
      action: 'append',
      rows: [{ input: { name: 'b3' }, externalId: 'b' }],
    });
    const rest = await from.exportDatasets({ tenantId, cursor: first.nextCursor });
    await imported(to, { datasets: [[...first.items, ...rest.items]], experiments: [] });
    const { ofDatasets } = await look(to);
    expect(ofDatasets).toEqual(before.ofDatasets);
  });
});
