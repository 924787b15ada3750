/**
 * A project of Phoenix into a store, page by page.   Write path: Phoenix -> [import-project] -> store.
 *
 * What is there already stays as it is, so that all of it may be run again; how far it came is kept in a file, so that it need not be.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { decodeTracesJson, type OtlpSpan } from '@cogniverse/foundation/otlp';
import type { Annotation, ProjectRef, TelemetryStore } from '@cogniverse/foundation/telemetry';
import { CliError } from '../cli-error.js';
import type { Terminal } from '../format/terminal.js';
import { safe } from '../format/text.js';
import { ingest } from '../transfer/import-store.js';
import { contentDigest } from './content-digest.js';
import type { PhoenixAnnotation, PhoenixSource, PhoenixSpan } from './phoenix-source.js';
import { toOtlpJson } from './phoenix-span.js';

const SPANS_A_PAGE = 500;
const SAMPLE_EVERY = 50;

export interface ProjectImport {
  readonly source: PhoenixSource;
  readonly from: string;
  readonly to: ProjectRef;
  /** Whether the store is told the tenant; a server takes it from the spans, or from the caller's key. */
  readonly isServer: boolean;
  /** Where it is kept how far the import came; gone when it is done. */
  readonly stateFile: string;
  readonly terminal: Terminal;
}

export interface ProjectReport {
  spans: number;
  rejectedSpans: number;
  /** Notes among them. */
  annotations: number;
  /** Spans whose content was read back and is Phoenix's, by its digest: of each page the first, the last and every fiftieth. Of this run. */
  verifiedSpans: number;
  refusals: string[];
  /** Empty when the store holds at least what was read. */
  missing: string;
}

interface State {
  /** Which import this is of: another one has another file, unless it is named. */
  readonly of: string;
  cursor: string | undefined;
  spans: number;
  rejectedSpans: number;
  annotations: number;
}

/** Errors: `CliError` if the state file is of another import, if Phoenix or the store gives up, or if the store refuses a page. */
export async function importProject(store: TelemetryStore, options: ProjectImport): Promise<ProjectReport> {
  const { source, from, to, terminal } = options;
  const before = await spanCount(store, to);
  const state = await readState(options);
  const wentOn = state.cursor !== undefined;
  const refusals: string[] = [];
  const compared = { same: 0, other: [] as string[] };
  let isLast = false;
  while (!isLast) {
    const page = await source.spans(from, state.cursor, SPANS_A_PAGE);
    if (page.data.length > 0) {
      state.rejectedSpans += await importPage(store, options, page.data, refusals);
      await compareSample(store, options, page.data, compared);
      state.annotations += await importAnnotations(store, options, page.data);
    }
    state.spans += page.data.length;
    terminal.status(`${safe(from)}: ${state.spans.toLocaleString('en-US')} spans`);
    isLast = page.next_cursor === null;
    state.cursor = page.next_cursor ?? undefined;
    if (!isLast) await writeState(options.stateFile, state);
  }
  const after = await spanCount(store, to);
  const expected = state.spans - state.rejectedSpans;
  const differing =
    compared.other.length === 0
      ? ''
      : `Of ${compared.same + compared.other.length} spans of "${safe(to.name)}" that were read back, ${compared.other.length} are not as in Phoenix: ${compared.other.slice(0, 3).join(', ')}. What was here before stays as it is.`;
  const missing =
    after >= expected
      ? differing
      : `Project "${safe(to.name)}" holds ${after} spans (${before} before), and ${expected} were read.${wentOn ? ' What an earlier run imported is not there: run it again, from the start.' : ''}`;
  await rm(options.stateFile, { force: true });
  const { spans, rejectedSpans, annotations } = state;
  return { spans, rejectedSpans, annotations, verifiedSpans: compared.same, refusals, missing };
}

/** Reads some spans of a page back, and compares all that they hold with what was sent. */
async function compareSample(
  store: TelemetryStore,
  { to }: ProjectImport,
  spans: readonly PhoenixSpan[],
  compared: { same: number; other: string[] },
): Promise<void> {
  const sample = spans.filter((_span, at) => at % SAMPLE_EVERY === 0 || at === spans.length - 1);
  const sent = decodeTracesJson(toOtlpJson(sample, { project: to.name, tenantId: to.tenantId }));
  for (const span of sent.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans))) {
    const { spanId, traceId } = span;
    const page = await store.querySpans({ project: to, filters: { spanId, traceId }, limit: 2 });
    const digests = page.items.map((held) => digestOfSpan(held.span));
    if (digests.includes(digestOfSpan(span))) compared.same += 1;
    else compared.other.push(spanId);
  }
}

function digestOfSpan({ attributes, events, ...span }: OtlpSpan): string {
  return contentDigest({
    ...span,
    attributes: Object.fromEntries(attributes),
    events: events.map((event) => ({ ...event, attributes: Object.fromEntries(event.attributes) })),
  });
}

/** Gives how many the store rejected. */
async function importPage(
  store: TelemetryStore,
  { to, isServer }: ProjectImport,
  spans: readonly PhoenixSpan[],
  refusals: string[],
): Promise<number> {
  const result = await ingest(store, {
    body: Buffer.from(toOtlpJson(spans, { project: to.name, tenantId: to.tenantId })),
    format: 'json',
    projectName: to.name,
    tenantId: isServer || to.tenantId === null ? undefined : to.tenantId,
  });
  if (result.status === 'invalid') throw new CliError(`The store refuses a page of spans: ${result.message}`);
  if (result.rejectedSpans > 0 && refusals.length < 10) refusals.push(result.message);
  return result.rejectedSpans;
}

/**
 * Those of a page's spans, of traces whose root is on it, and of sessions of these traces: each is asked for where its target is stored already,
 * or soon will be. Gives how many there are.
 */
async function importAnnotations(
  store: TelemetryStore,
  { source, from, to }: ProjectImport,
  spans: readonly PhoenixSpan[],
): Promise<number> {
  const roots = spans.filter((span) => !span.parent_span_id);
  const sessionOf = (span: PhoenixSpan) =>
    span.attributes?.find(({ key }) => key === 'session.id')?.value.string_value?.trim() ?? '';
  const found = [
    ...(await source.annotations(from, 'span', ids(spans.map((span) => span.span_id)))),
    ...(await source.annotations(from, 'trace', ids(roots.map((span) => span.trace_id)))),
    ...(await source.annotations(from, 'session', ids(spans.map(sessionOf)))),
  ];
  if (found.length === 0) return 0;
  const { imported } = await store.importAnnotations({ project: to, annotations: found.map(toAnnotation) });
  return imported;
}

function ids(all: readonly string[]): string[] {
  return [...new Set(all)].filter((id) => id !== '');
}

function toAnnotation(annotation: PhoenixAnnotation): Annotation {
  const { span_id: spanId, trace_id: traceId, session_id: sessionId, result } = annotation;
  const fields = {
    // The store gives its own, by target, name and identifier.
    id: '',
    name: annotation.name,
    annotatorKind: annotation.annotator_kind,
    label: result?.label ?? null,
    score: result?.score ?? null,
    explanation: result?.explanation ?? null,
    metadata: annotation.metadata ?? {},
    identifier: annotation.identifier ?? '',
    createdAt: annotation.created_at,
    updatedAt: annotation.updated_at,
  };
  if (spanId !== undefined) return { target: 'span', spanId: spanId.toLowerCase(), ...fields };
  if (traceId !== undefined) return { target: 'trace', traceId: traceId.toLowerCase(), ...fields };
  return { target: 'session', sessionId: sessionId ?? '', ...fields };
}

async function spanCount(store: TelemetryStore, { tenantId, name }: ProjectRef): Promise<number> {
  const [project] = await store.listProjects({ tenantId, name });
  return project?.spanCount ?? 0;
}

function nameOf({ source, from, to }: ProjectImport): string {
  return JSON.stringify([source.url, from, to.tenantId, to.name]);
}

async function readState(options: ProjectImport): Promise<State> {
  const fresh: State = { of: nameOf(options), cursor: undefined, spans: 0, rejectedSpans: 0, annotations: 0 };
  if (!existsSync(options.stateFile)) return fresh;
  const state = { ...fresh, ...noteOf(await readFile(options.stateFile, 'utf8'), options.stateFile) };
  if (state.of !== fresh.of) {
    throw new CliError(
      `${options.stateFile} is of another import (${state.of}). Name another with --state, or delete it.`,
    );
  }
  options.terminal.note(`Going on after ${state.spans.toLocaleString('en-US')} spans, as ${options.stateFile} says.`);
  return state;
}

/** Errors: `CliError` if the file is something else. */
function noteOf(text: string, file: string): Partial<State> {
  try {
    const note: unknown = JSON.parse(text);
    if (typeof note === 'object' && note !== null) return note;
  } catch (cause) {
    throw new CliError(
      `${file} does not say how far an import came: ${(cause as Error).message}. Delete it, or name another with --state.`,
      { cause },
    );
  }
  throw new CliError(`${file} does not say how far an import came. Delete it, or name another with --state.`);
}

async function writeState(file: string, state: State): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.part`, JSON.stringify(state));
  await rename(`${file}.part`, file);
}
