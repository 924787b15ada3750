/** Data sets and experiments of Phoenix into a store.   Write path: Phoenix -> [import-datasets] -> store. */
import { itemsOfPages } from '@cogniverse/foundation/store';
import type { DatasetExport, ExperimentRunRecord, TelemetryStore } from '@cogniverse/foundation/telemetry';
import type { Terminal } from '../format/terminal.js';
import { safe } from '../format/text.js';
import { contentDigest } from './content-digest.js';
import type { PhoenixDataset, PhoenixExperiment, PhoenixRun, PhoenixSource } from './phoenix-source.js';

export interface DatasetsReport {
  datasets: number;
  versions: number;
  experiments: number;
  runs: number;
  /** Versions and runs whose content was read back and is Phoenix's, by its digest. */
  readonly verified: { versions: number; runs: number };
  /** What has another content here than there. */
  readonly missing: string[];
}

const RECORDS_A_REQUEST = 500;
const CHARACTERS_A_REQUEST = 1_000_000;

interface Context {
  readonly source: PhoenixSource;
  readonly tenantId: string | null;
  readonly terminal: Terminal;
}

/** A version of a data set in both places. */
interface VersionHere {
  readonly versionId: string;
  /** By either id that Phoenix gives an example. */
  readonly rowOf: ReadonlyMap<string, string>;
}

/**
 * Data sets come with all versions; one whose name is another's here stays as it is. Experiments get the runs that they lack.
 *
 * All ids follow from Phoenix's, so that an import that was interrupted, or done, finds what is there already.
 */
export async function importDatasets(store: TelemetryStore, context: Context): Promise<DatasetsReport> {
  const { source, tenantId, terminal } = context;
  const report: DatasetsReport = {
    datasets: 0,
    versions: 0,
    experiments: 0,
    runs: 0,
    verified: { versions: 0, runs: 0 },
    missing: [],
  };
  const there = new Map((await store.listDatasets({ tenantId })).map((dataset) => [dataset.name, dataset]));
  for await (const dataset of source.datasets()) {
    terminal.status(`data set ${safe(dataset.name)}`);
    report.datasets += 1;
    const datasetId = ownId(source, tenantId, dataset.id);
    const held = there.get(dataset.name);
    if (held !== undefined && held.id !== datasetId) {
      report.missing.push(
        `Data set "${safe(dataset.name)}" is another one here: it was here before, and stays as it is.`,
      );
      continue;
    }
    const versions = await importVersions(store, context, { dataset, datasetId, report });
    for (const experiment of await source.experiments(dataset.id)) {
      const version = versions.get(experiment.dataset_version_id);
      if (version === undefined) {
        report.missing.push(
          `Experiment "${safe(experiment.name)}" is over a version of "${safe(dataset.name)}" that Phoenix does not give out.`,
        );
      } else await importExperiment(store, { ...context, dataset, experiment, version, report });
    }
  }
  terminal.status('');
  return report;
}

/** An id here for what has one in Phoenix: the same at each import. In the form of a UUID, as all ids of the store. */
function ownId({ url }: PhoenixSource, tenantId: string | null, ...ids: readonly string[]): string {
  const digits = contentDigest([url, tenantId, ...ids]);
  return digits.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Gives each version by Phoenix's id for it. */
async function importVersions(
  store: TelemetryStore,
  { source, tenantId }: Context,
  { dataset, datasetId, report }: { dataset: PhoenixDataset; datasetId: string; report: DatasetsReport },
): Promise<Map<string, VersionHere>> {
  const { name, description, metadata, created_at: createdAt, updated_at: updatedAt } = dataset;
  const records: DatasetExport[] = [
    {
      kind: 'dataset',
      id: datasetId,
      name,
      description: description ?? '',
      metadata: metadata ?? {},
      createdAt,
      updatedAt,
    },
  ];
  const flush = async (least: number) => {
    while (records.length > least) {
      let characters = 0;
      const some = records.findIndex((record) => {
        characters += JSON.stringify(record).length;
        return characters > CHARACTERS_A_REQUEST;
      });
      const count = Math.max(1, Math.min(RECORDS_A_REQUEST, some === -1 ? records.length : some));
      await store.importDatasets({ tenantId, records: records.splice(0, count) });
    }
  };
  const here = new Map<string, VersionHere>();
  const contents = new Map<string, string>();
  /** Of the version before: digest of each example by its row. */
  let before = new Map<string, string>();
  for (const [at, version] of (await source.versions(dataset.id)).entries()) {
    const examples = await source.examples(dataset.id, version.version_id);
    const versionId = ownId(source, tenantId, dataset.id, version.version_id);
    const own = { kind: 'row', datasetId, versionId, spanId: null } as const;
    records.push({
      kind: 'version',
      id: versionId,
      datasetId,
      number: at + 1,
      createdAt: version.created_at,
      exampleCount: examples.length,
    });
    const now = new Map<string, string>();
    const rowOf = new Map<string, string>();
    for (const { id, node_id: nodeId = id, input, output, metadata: about } of examples) {
      const rowId = ownId(source, tenantId, dataset.id, 'example', nodeId);
      const content = { input, output, metadata: about ?? {} };
      now.set(rowId, contentDigest(content));
      for (const key of [id, nodeId]) rowOf.set(key, rowId);
      if (before.get(rowId) !== now.get(rowId)) {
        records.push({ ...own, id: rowId, externalId: id === nodeId ? null : id, ...content, isDeleted: false });
      }
    }
    for (const rowId of before.keys()) {
      if (now.has(rowId)) continue;
      records.push({ ...own, id: rowId, externalId: null, input: {}, output: {}, metadata: {}, isDeleted: true });
    }
    await flush(RECORDS_A_REQUEST);
    before = now;
    here.set(version.version_id, { versionId, rowOf });
    contents.set(versionId, contentDigest([...now].sort()));
  }
  await flush(0);
  for (const [at, [versionId, digest]] of [...contents].entries()) {
    const rows = new Map<string, string>();
    for await (const { id, input, output, metadata: about } of itemsOfPages((cursor) =>
      store.getDatasetRows({ tenantId, datasetId, versionId, cursor }),
    )) {
      rows.set(id, contentDigest({ input, output, metadata: about }));
    }
    report.versions += 1;
    if (contentDigest([...rows].sort()) === digest) report.verified.versions += 1;
    else report.missing.push(`Version ${at + 1} of data set "${safe(name)}" has another content here than in Phoenix.`);
  }
  return here;
}

async function importExperiment(
  store: TelemetryStore,
  context: Context & {
    dataset: PhoenixDataset;
    experiment: PhoenixExperiment;
    version: VersionHere;
    report: DatasetsReport;
  },
): Promise<void> {
  const { source, tenantId, dataset, experiment, version, report, terminal } = context;
  terminal.status(`experiment ${safe(experiment.name)}`);
  const runs = await source.runs(experiment.id);
  // Names of experiments are not unique, in Phoenix neither: its own id says which one this is.
  const marked = (await store.listExperiments({ tenantId })).find(
    ({ metadata }) => metadata['phoenix_experiment_id'] === experiment.id && metadata['phoenix_url'] === source.url,
  );
  const held =
    marked ??
    (await store.createExperiment({
      tenantId,
      name: experiment.name,
      description: experiment.description ?? undefined,
      datasetName: dataset.name,
      versionId: version.versionId,
      metadata: { ...experiment.metadata, phoenix_experiment_id: experiment.id, phoenix_url: source.url },
    }));
  const read = () => itemsOfPages((cursor) => store.getRuns({ tenantId, experimentId: held.id, cursor }));
  const present = new Map<string, ExperimentRunRecord>();
  for await (const run of read()) present.set(keyOfHeld(run), run);
  const contents = new Map<string, string>();
  for (const run of runs) {
    const rowId = version.rowOf.get(run.example_id);
    const key = `${rowId} ${run.repetition_number}`;
    contents.set(key, digestOfRun(outputsOf(run), run.error, run.annotations));
    const there = present.get(key);
    const runId = there?.id ?? (await importRun(store, tenantId, held.id, rowId, run));
    // An import that was cut off left a run without some of them.
    const evaluated = new Set(there?.evaluations.map(({ name }) => name));
    for (const { name, label, score, explanation, error, annotator_kind: annotatorKind } of run.annotations) {
      if (evaluated.has(name)) continue;
      const evaluation = { name, label, score, explanation, error, annotatorKind };
      await store.logRunEvaluation({ tenantId, runId, evaluation });
    }
  }
  for await (const run of read()) {
    const key = keyOfHeld(run);
    if (contents.get(key) === digestOfRun(run.outputs, run.error, run.evaluations)) report.verified.runs += 1;
    else if (contents.has(key))
      report.missing.push(
        `Run ${safe(run.id)} of experiment "${safe(experiment.name)}" has another content here than in Phoenix.`,
      );
    contents.delete(key);
  }
  if (contents.size > 0)
    report.missing.push(`${contents.size} runs of experiment "${safe(experiment.name)}" are not here.`);
  report.experiments += 1;
  report.runs += runs.length;
}

function outputsOf({ output }: PhoenixRun): Record<string, unknown> {
  const isRecord = typeof output === 'object' && output !== null && !Array.isArray(output);
  return isRecord ? (output as Record<string, unknown>) : { output: output ?? null };
}

interface Judged {
  readonly name: string;
  readonly label?: string | null | undefined;
  readonly score?: number | null | undefined;
  readonly explanation?: string | null | undefined;
  readonly error?: string | null | undefined;
}

function digestOfRun(outputs: unknown, error: string | null | undefined, evaluations: readonly Judged[]): string {
  const judged = evaluations.map((each) => [
    each.name,
    each.label ?? null,
    each.score ?? null,
    each.explanation ?? null,
    each.error ?? null,
  ]);
  return contentDigest([outputs, error ?? null, judged.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))]);
}

function keyOfHeld(run: { datasetExampleId: string | undefined; repetitionNumber: number }): string {
  return `${run.datasetExampleId} ${run.repetitionNumber}`;
}

async function importRun(
  store: TelemetryStore,
  tenantId: string | null,
  experimentId: string,
  datasetExampleId: string | undefined,
  run: PhoenixRun,
): Promise<string> {
  const { id } = await store.logRun({
    tenantId,
    experimentId,
    run: {
      inputs: run.input,
      outputs: outputsOf(run),
      datasetExampleId,
      repetitionNumber: run.repetition_number,
      traceId: run.trace_id ?? undefined,
      error: run.error ?? undefined,
      startTime: run.start_time ?? undefined,
      endTime: run.end_time ?? undefined,
    },
  });
  return id;
}
