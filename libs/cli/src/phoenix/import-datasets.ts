/** Data sets and experiments of Phoenix into a store.   Write path: Phoenix -> [import-datasets] -> store. */
import type { Page, TelemetryStore } from '@cogniverse/foundation/telemetry';
import type { Terminal } from '../format/terminal.js';
import { safe } from '../format/text.js';
import type { PhoenixDataset, PhoenixExperiment, PhoenixRun, PhoenixSource } from './phoenix-source.js';

export interface DatasetsReport {
  datasets: number;
  experiments: number;
  runs: number;
  /** What has another content here than there. */
  readonly missing: string[];
}

/** Of a data set its newest version comes; one whose name is there already stays as it is. Experiments get the runs that they lack. */
export async function importDatasets(
  store: TelemetryStore,
  { source, tenantId, terminal }: { source: PhoenixSource; tenantId: string | null; terminal: Terminal },
): Promise<DatasetsReport> {
  const report: DatasetsReport = { datasets: 0, experiments: 0, runs: 0, missing: [] };
  const there = new Map((await store.listDatasets({ tenantId })).map((dataset) => [dataset.name, dataset]));
  for await (const dataset of source.datasets()) {
    terminal.status(`data set ${safe(dataset.name)}`);
    const examples = await source.examples(dataset.id);
    const held =
      there.get(dataset.name) ??
      (await store.createDataset({
        tenantId,
        name: dataset.name,
        description: dataset.description ?? '',
        metadata: dataset.metadata ?? {},
        rows: examples.map(({ input, output, metadata }) => ({ input, output, metadata: metadata ?? {} })),
      }));
    report.datasets += 1;
    if (held.exampleCount !== examples.length) {
      report.missing.push(
        `Data set "${safe(dataset.name)}" has ${examples.length} examples in Phoenix and ${held.exampleCount} here: it was here before, and stays as it is.`,
      );
      continue;
    }
    // In the order of the examples, which is the order of the rows.
    const rows = await all((cursor) => store.getDatasetRows({ tenantId, datasetId: held.id, cursor }));
    const rowOf = new Map(
      examples.flatMap(({ id, node_id }, at) => [id, node_id ?? id].map((key) => [key, rows[at]!.id])),
    );
    for (const experiment of await source.experiments(dataset.id)) {
      await importExperiment(store, { source, tenantId, dataset, experiment, rowOf, report, terminal });
    }
  }
  terminal.status('');
  return report;
}

async function importExperiment(
  store: TelemetryStore,
  context: {
    source: PhoenixSource;
    tenantId: string | null;
    dataset: PhoenixDataset;
    experiment: PhoenixExperiment;
    rowOf: ReadonlyMap<string, string>;
    report: DatasetsReport;
    terminal: Terminal;
  },
): Promise<void> {
  const { source, tenantId, dataset, experiment, rowOf, report, terminal } = context;
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
      datasetName: dataset.name,
      metadata: { ...experiment.metadata, phoenix_experiment_id: experiment.id, phoenix_url: source.url },
    }));
  const present = new Set(
    (await all((cursor) => store.getRuns({ tenantId, experimentId: held.id, cursor }))).map(keyOfHeld),
  );
  for (const run of runs) {
    const rowId = rowOf.get(run.example_id);
    if (present.has(`${rowId} ${run.repetition_number}`)) continue;
    await importRun(store, tenantId, held.id, rowId, run);
  }
  report.experiments += 1;
  report.runs += runs.length;
}

async function all<T>(read: (cursor: string | undefined) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await read(cursor);
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return items;
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
): Promise<void> {
  const isRecord = typeof run.output === 'object' && run.output !== null && !Array.isArray(run.output);
  const { id } = await store.logRun({
    tenantId,
    experimentId,
    run: {
      inputs: run.input,
      outputs: isRecord ? (run.output as Record<string, unknown>) : { output: run.output ?? null },
      datasetExampleId,
      repetitionNumber: run.repetition_number,
      traceId: run.trace_id ?? undefined,
      error: run.error ?? undefined,
      startTime: run.start_time ?? undefined,
      endTime: run.end_time ?? undefined,
    },
  });
  for (const { name, label, score, explanation, error, annotator_kind: annotatorKind } of run.annotations) {
    const evaluation = { name, label, score, explanation, error, annotatorKind };
    await store.logRunEvaluation({ tenantId, runId: id, evaluation });
  }
}
