/**
 * Data sets, examples and experiments in the shapes of Phoenix's REST.   Read path: store -> [phoenix-examples] -> client.   Source: Phoenix 20.26.
 */
import { parseTime } from '@cogniverse/foundation/store';
import type {
  DatasetRecord,
  DatasetRow,
  ExperimentRecord,
  ExperimentRunRecord,
  TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import { opaqueId } from './opaque-id.js';
import { isoMicros } from './phoenix-span.js';

export function phoenixTime(iso: string): string {
  return isoMicros(parseTime(iso, 'time'));
}

export function phoenixDataset(dataset: DatasetRecord): Record<string, unknown> {
  return {
    id: opaqueId('Dataset', dataset.id),
    name: dataset.name,
    description: dataset.description,
    metadata: dataset.metadata,
    created_at: phoenixTime(dataset.createdAt),
    updated_at: phoenixTime(dataset.updatedAt),
    example_count: dataset.exampleCount,
    tenant_id: dataset.tenantId,
  };
}

/** Ids of the spans that examples were made of, as the lists of spans show them, by span id. */
export type SourceIds = ReadonlyMap<string, string>;

/** One query for all of them. What is not stored has none. */
export async function sourceIdsOf(
  store: TelemetryStore,
  tenantId: string | null,
  rows: readonly DatasetRow[],
): Promise<SourceIds> {
  const spanIds = [...new Set(rows.flatMap(({ spanId }) => spanId ?? []))].filter((id) => /^[0-9a-f]{16}$/i.test(id));
  if (spanIds.length === 0) return new Map();
  const located = await store.locate({ tenantId, spanIds });
  const projects = new Map<string, string>();
  for (const { project } of located) {
    if (projects.has(project.name)) continue;
    const found = await store.findProjects({ tenantId, idOrName: project.name });
    const id = found.find(({ name }) => name === project.name)?.id;
    if (id !== undefined) projects.set(project.name, id);
  }
  return new Map(located.map(({ id, project }) => [id, opaqueId('Span', `${projects.get(project.name)}:${id}`)]));
}

/** The id is the one that its owner gave it, if there is one; `node_id` is always ours. */
export function phoenixExample(row: DatasetRow, sources: SourceIds = new Map()): Record<string, unknown> {
  const nodeId = opaqueId('DatasetExample', row.id);
  const source = row.spanId === undefined ? undefined : sources.get(row.spanId.toLowerCase());
  return {
    id: row.externalId ?? nodeId,
    node_id: nodeId,
    input: row.input,
    output: row.output,
    metadata: row.metadata,
    updated_at: phoenixTime(row.updatedAt),
    // As in Phoenix, a span that is not stored is none to go to.
    source: source === undefined ? null : { span_id: row.spanId, span_node_id: source },
  };
}

export function phoenixExperiment(experiment: ExperimentRecord): Record<string, unknown> {
  return {
    id: opaqueId('Experiment', experiment.id),
    dataset_id: opaqueId('Dataset', experiment.datasetId ?? ''),
    dataset_version_id: opaqueId('DatasetVersion', experiment.datasetVersionId ?? ''),
    name: experiment.name,
    description: experiment.description === '' ? null : experiment.description,
    repetitions: experiment.repetitions,
    metadata: experiment.metadata,
    project_name: experiment.projectName ?? null,
    created_at: phoenixTime(experiment.createdAt),
    updated_at: phoenixTime(experiment.updatedAt),
    example_count: experiment.exampleCount,
    successful_run_count: experiment.successfulRunCount,
    failed_run_count: experiment.failedRunCount,
    missing_run_count: experiment.missingRunCount,
    tenant_id: experiment.tenantId,
  };
}

export function phoenixRun(run: ExperimentRunRecord): Record<string, unknown> {
  return {
    id: opaqueId('ExperimentRun', run.id),
    experiment_id: opaqueId('Experiment', run.experimentId),
    dataset_example_id: opaqueId('DatasetExample', run.datasetExampleId ?? ''),
    output: outputOfRun(run),
    repetition_number: run.repetitionNumber,
    start_time: phoenixTime(run.startTime),
    end_time: phoenixTime(run.endTime),
    trace_id: run.traceId ?? null,
    error: run.error ?? null,
  };
}

const WRAPPED = 'task_output';

/** A task gives any JSON, a run holds an object: what is none is held under one key, as Phoenix holds it. */
export function outputsOfTask(output: unknown): Record<string, unknown> {
  const isObject = typeof output === 'object' && output !== null && !Array.isArray(output);
  const isPlain = isObject && !(Object.keys(output).length === 1 && WRAPPED in output);
  return isPlain ? (output as Record<string, unknown>) : { [WRAPPED]: output ?? null };
}

export function outputOfRun({ outputs }: ExperimentRunRecord): unknown {
  const keys = Object.keys(outputs);
  return keys.length === 1 && keys[0] === WRAPPED ? outputs[WRAPPED] : outputs;
}
