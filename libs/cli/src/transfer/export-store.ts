/** Writes what a store holds into a directory.   Read path: store -> [export-store] -> files. */
import { mkdir } from 'node:fs/promises';
import { encodeStoreResult, itemsOfPages, STORE_OPERATIONS } from '@cogniverse/foundation/store';
import type {
  DatasetExport,
  ExperimentExport,
  ProjectRecord,
  ProjectRef,
  StoredSpan,
  TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import type { Terminal } from '../format/terminal.js';
import { count, safe } from '../format/text.js';
import { spanLines } from './span-lines.js';
import {
  finishedFiles,
  TRANSFER_FORMAT,
  TRANSFER_KINDS,
  type TransferFile,
  TransferFileWriter,
  type TransferKind,
  type TransferManifest,
  transferPath,
  writeManifest,
} from './transfer-directory.js';

const LARGEST_PAGE = 1000;

export interface ExportSelection {
  readonly tenant?: string | undefined;
  readonly project?: string | undefined;
  readonly since?: Date | undefined;
}

/** Lines of one file, each with the number of things in it. */
type Lines = AsyncIterable<{ readonly text: string; readonly count: number }>;

/**
 * Exports the spans and annotations of `projects`, and the data sets and experiments of `tenants`. Files that an interrupted export finished are not written again.
 *
 * Errors: `CliError` if the directory holds something else.
 */
export async function exportStore(
  store: TelemetryStore,
  options: {
    directory: string;
    projects: readonly ProjectRecord[];
    tenants: readonly (string | null)[];
    selection: ExportSelection;
    terminal: Terminal;
  },
): Promise<TransferManifest> {
  const { directory, projects, tenants, selection, terminal } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const asked: TransferManifest['selection'] = {
    ...(selection.tenant === undefined ? {} : { tenant: selection.tenant }),
    ...(selection.project === undefined ? {} : { project: selection.project }),
    ...(selection.since === undefined ? {} : { since: selection.since.toISOString() }),
  };
  const files: TransferFile[] = [...(await finishedFiles(directory, asked))];
  const finished = new Set(files.map(({ path }) => path));

  const write = async (kind: TransferKind, tenantId: string | null, project: string | null, lines: Lines) => {
    if (finished.has(transferPath(kind, tenantId, project))) return;
    // A file is made with its first line: what has nothing has no file.
    let writer: TransferFileWriter | undefined;
    let things = 0;
    try {
      for await (const line of lines) {
        writer ??= await TransferFileWriter.create(directory, kind, tenantId, project);
        await writer.line(line.text, line.count);
        things += line.count;
        terminal.status(`${safe(project ?? tenantId ?? '-')}: ${things.toLocaleString('en-US')} ${kind}`);
      }
    } catch (error) {
      await writer?.abandon();
      throw error;
    }
    if (writer === undefined) return;
    const file = await writer.finish();
    files.push(file);
    await writeManifest(directory, { format: TRANSFER_FORMAT, selection: asked, files }, false);
  };

  const sorted = [...projects].sort((a, b) => byText(a.tenantId ?? '', b.tenantId ?? '') || byText(a.name, b.name));
  for (const { tenantId, name } of sorted) {
    await write('spans', tenantId, name, spansOf(store, { tenantId, name }, selection.since));
    await write('annotations', tenantId, name, annotationsOf(store, { tenantId, name }, selection.since));
  }
  for (const tenantId of [...tenants].sort((a, b) => byText(a ?? '', b ?? ''))) {
    for (const kind of RECORD_KINDS) await write(kind, tenantId, null, recordsOf(store, kind, tenantId));
  }
  const manifest: TransferManifest = {
    format: TRANSFER_FORMAT,
    selection: asked,
    files: files.sort((a, b) => byText(a.path, b.path)),
  };
  await writeManifest(directory, manifest, true);
  terminal.status('');
  return manifest;
}

/** By code unit: the same order in every locale. */
function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function* spansOf(store: TelemetryStore, project: ProjectRef, since: Date | undefined): Lines {
  for await (const { text, spans } of spanLines(storedSpans(store, project, since))) yield { text, count: spans };
}

/** In the order of their arrival, which an import keeps. */
function storedSpans(store: TelemetryStore, project: ProjectRef, since: Date | undefined): AsyncGenerator<StoredSpan> {
  return itemsOfPages((cursor) =>
    store.querySpans({ project, startTime: since, sort: 'sequence', order: 'asc', limit: LARGEST_PAGE, cursor }),
  );
}

/** In the order in which they were first written, as they travel. */
async function* annotationsOf(store: TelemetryStore, project: ProjectRef, since: Date | undefined): Lines {
  const all = itemsOfPages((cursor) => store.listAnnotations({ project, limit: LARGEST_PAGE, cursor }));
  for await (const annotation of all) {
    if (since !== undefined && Date.parse(annotation.updatedAt) < since.getTime()) continue;
    const wire = encodeStoreResult(STORE_OPERATIONS.listAnnotations, { items: [annotation], nextCursor: undefined });
    yield { text: JSON.stringify((wire as { data: unknown[] }).data[0]), count: 1 };
  }
}

/** Whose data sets or experiments there are; of `tenantId` alone where it is given. */
export async function tenantsWithRecords(
  store: TelemetryStore,
  tenantId: string | undefined,
): Promise<ReadonlySet<string | null>> {
  const datasets = await store.listDatasets({ tenantId });
  const experiments = await store.listExperiments({ tenantId });
  return new Set([...datasets, ...experiments].map((record) => record.tenantId));
}

/** What belongs to a tenant and to no project, the one before what is made of it. */
const RECORD_KINDS = ['datasets', 'experiments'] as const;

/** In the order of their creation, each with what belongs to it behind it. */
async function* recordsOf(store: TelemetryStore, kind: (typeof RECORD_KINDS)[number], tenantId: string | null): Lines {
  const records = itemsOfPages<DatasetExport | ExperimentExport>((cursor) => {
    const asked = { tenantId, limit: LARGEST_PAGE, cursor };
    return kind === 'datasets' ? store.exportDatasets(asked) : store.exportExperiments(asked);
  });
  const operation = kind === 'datasets' ? STORE_OPERATIONS.exportDatasets : STORE_OPERATIONS.exportExperiments;
  for await (const record of records) {
    const wire = encodeStoreResult(
      operation as typeof STORE_OPERATIONS.exportDatasets,
      { items: [record], nextCursor: undefined } as never,
    );
    const isHead = record.kind === 'dataset' || record.kind === 'experiment';
    yield { text: JSON.stringify((wire as { data: unknown[] }).data[0]), count: isHead ? 1 : 0 };
  }
}

/** What an export holds, for people. */
export function describeFiles(files: readonly TransferFile[]): string {
  const sums = TRANSFER_KINDS.map((kind) => {
    const sum = files.filter((file) => file.kind === kind).reduce((total, file) => total + file.count, 0);
    return sum === 0 ? '' : count(sum, NOUNS[kind]);
  });
  return sums.filter((text) => text !== '').join(', ') || 'nothing';
}

const NOUNS: Readonly<Record<TransferKind, string>> = {
  projects: 'project',
  spans: 'span',
  annotations: 'annotation',
  datasets: 'data set',
  experiments: 'experiment',
};
