/** Writes what `export` wrote into a store.   Write path: files -> [import-store] -> store. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { decodeStoreRequest, STORE_OPERATIONS } from '@cogniverse/foundation/store';
import type {
  ImportCounts,
  IngestRequest,
  IngestResult,
  ProjectRef,
  TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import { CliError } from '../cli-error.js';
import type { Terminal } from '../format/terminal.js';
import { safe } from '../format/text.js';
import {
  checkTransferFile,
  linesOf,
  type TransferFile,
  type TransferKind,
  type TransferManifest,
} from './transfer-directory.js';

/** How long an import goes on trying while the store takes nothing. */
const LONGEST_REFUSAL_MILLIS = 120_000;
/** Lines between two notes of how far it came. */
const LINES_A_CHECKPOINT = 50;
const RECORDS_A_REQUEST = 500;
/** A request has room for one more line than these. */
const CHARACTERS_A_REQUEST = 1_000_000;

export interface ImportOptions {
  readonly directory: string;
  readonly manifest: TransferManifest;
  readonly files: readonly TransferFile[];
  /** Says where the data goes, so that a note of one import is none of another's. */
  readonly target: string;
  /** Whether the store is a server, which takes the tenant of what names none from the key of the caller; an open directory is told. */
  readonly isServer: boolean;
  /** Whether the caller has a key. */
  readonly hasKey: boolean;
  readonly terminal: Terminal;
}

export interface ImportReport {
  readonly spans: { read: number; rejected: number };
  /** `existing`: there already, and left as they were. */
  readonly annotations: { imported: number; existing: number };
  /** Records: data sets with versions, rows and splits; experiments with runs and evaluations. */
  readonly datasets: { imported: number; existing: number };
  readonly experiments: { imported: number; existing: number };
  /** What the store refused, and why. */
  readonly refusals: string[];
  /** Files whose content is not all there afterwards. */
  readonly missing: string[];
}

/**
 * Imports `files`. What is there already stays as it is, so that an import that was interrupted, or done, may be run again.
 *
 * Errors: `CliError` if a file is damaged, before anything is written; or if the store takes nothing for two minutes.
 */
export async function importStore(store: TelemetryStore, options: ImportOptions): Promise<ImportReport> {
  const { directory, files, terminal } = options;
  for (const file of files) {
    terminal.status(`checking ${safe(file.path)}`);
    await checkTransferFile(directory, file);
  }
  const checkpoint = await Checkpoint.open(options);
  let report = await run(store, options, checkpoint);
  if (report.missing.length > 0 && checkpoint.wentOn) {
    // What an earlier import noted as done is not there: another store took its place. From the beginning, then.
    await checkpoint.forget();
    report = await run(store, options, checkpoint);
  }
  if (report.missing.length === 0) await checkpoint.forget();
  terminal.status('');
  return report;
}

async function run(store: TelemetryStore, options: ImportOptions, checkpoint: Checkpoint): Promise<ImportReport> {
  const report: ImportReport = {
    spans: { read: 0, rejected: 0 },
    annotations: { imported: 0, existing: 0 },
    datasets: { imported: 0, existing: 0 },
    experiments: { imported: 0, existing: 0 },
    refusals: [],
    missing: [],
  };
  const ofKind = (kind: TransferKind) => options.files.filter((file) => file.kind === kind);
  for (const file of ofKind('spans')) await importSpans(store, file, options, checkpoint, report);
  for (const kind of ['annotations', 'datasets', 'experiments'] as const) {
    for (const file of ofKind(kind)) await importRecords(store, file, options, report[kind]);
  }
  return report;
}

/** What one request of an import adds. */
async function write(store: TelemetryStore, file: TransferFile, lines: readonly unknown[]): Promise<ImportCounts> {
  const tenant = file.tenant_id;
  if (file.kind === 'datasets') {
    return store.importDatasets(decodeStoreRequest(STORE_OPERATIONS.importDatasets, { tenant, records: lines }));
  }
  if (file.kind === 'experiments') {
    return store.importExperiments(decodeStoreRequest(STORE_OPERATIONS.importExperiments, { tenant, records: lines }));
  }
  const project = { tenant_id: tenant, name: file.project };
  return store.importAnnotations(
    decodeStoreRequest(STORE_OPERATIONS.importAnnotations, { project, annotations: lines }),
  );
}

/** Of a file in which each line is one record with an id. */
async function importRecords(
  store: TelemetryStore,
  file: TransferFile,
  { directory, terminal }: ImportOptions,
  sum: { imported: number; existing: number },
): Promise<void> {
  let done = 0;
  let waiting: unknown[] = [];
  let characters = 0;
  const flush = async () => {
    const counts = await write(store, file, waiting);
    sum.imported += counts.imported;
    sum.existing += counts.existing;
    done += waiting.length;
    waiting = [];
    characters = 0;
    terminal.status(
      `${safe(file.project ?? file.tenant_id ?? '-')}: ${done.toLocaleString('en-US')} lines of ${file.kind}`,
    );
  };
  for await (const line of linesOf(directory, file)) {
    waiting.push(JSON.parse(line));
    characters += line.length;
    if (waiting.length === RECORDS_A_REQUEST || characters > CHARACTERS_A_REQUEST) await flush();
  }
  if (waiting.length > 0) await flush();
}

async function importSpans(
  store: TelemetryStore,
  file: TransferFile,
  options: ImportOptions,
  checkpoint: Checkpoint,
  report: ImportReport,
): Promise<void> {
  const { directory, isServer, hasKey, terminal } = options;
  const project: ProjectRef = { tenantId: file.tenant_id, name: file.project ?? 'default' };
  const before = await spanCount(store, project);
  const done = checkpoint.lines(file);
  let line = 0;
  let spans = 0;
  let rejected = 0;
  for await (const text of linesOf(directory, file)) {
    line += 1;
    const found = lookAt(text);
    spans += found.spans;
    if (line <= done) continue;
    if (isServer && !hasKey && project.tenantId !== null && found.withoutTenant > 0) {
      throw new CliError(
        `Spans of tenant "${safe(project.tenantId)}" in ${file.path} do not name it: they came with its key. ` +
          'Give that key with COGNIVERSE_API_KEY, or import into a directory with --data.',
      );
    }
    const result = await ingest(store, {
      body: Buffer.from(text),
      format: 'json',
      projectName: project.name,
      tenantId: isServer || project.tenantId === null ? undefined : project.tenantId,
    });
    if (result.status === 'invalid') {
      throw new CliError(`The store refuses line ${line} of ${file.path}: ${result.message}`);
    }
    if (result.rejectedSpans > 0) {
      rejected += result.rejectedSpans;
      if (report.refusals.length < 10) report.refusals.push(`${file.path}, line ${line}: ${result.message}`);
    }
    if (line % LINES_A_CHECKPOINT === 0) await checkpoint.note(file, line);
    terminal.status(
      `${safe(project.name)}: ${spans.toLocaleString('en-US')} of ${file.count.toLocaleString('en-US')} spans`,
    );
  }
  await checkpoint.note(file, line);
  report.spans.read += spans;
  report.spans.rejected += rejected;
  const after = await spanCount(store, project);
  // The store may have held other spans before, and takes others meanwhile: it must hold these at least.
  if (after < spans - rejected) {
    report.missing.push(
      `${file.path}: project "${safe(project.name)}"${project.tenantId === null ? '' : ` of tenant "${safe(project.tenantId)}"`} ` +
        `holds ${after} spans (${before} before), and ${spans - rejected} were imported.`,
    );
  }
}

interface AttributeHolder {
  readonly attributes?: readonly { readonly key: string }[];
}

function namesTenant({ attributes = [] }: AttributeHolder): boolean {
  return attributes.some(({ key }) => key === 'tenant.id');
}

function lookAt(line: string): { spans: number; withoutTenant: number } {
  const traces = JSON.parse(line) as {
    resourceSpans: { resource: AttributeHolder; scopeSpans: { spans: AttributeHolder[] }[] }[];
  };
  let spans = 0;
  let withoutTenant = 0;
  for (const { resource, scopeSpans } of traces.resourceSpans) {
    for (const scope of scopeSpans) {
      spans += scope.spans.length;
      if (!namesTenant(resource)) withoutTenant += scope.spans.filter((span) => !namesTenant(span)).length;
    }
  }
  return { spans, withoutTenant };
}

async function spanCount(store: TelemetryStore, { tenantId, name }: ProjectRef): Promise<number> {
  const [project] = await store.listProjects({ tenantId, name });
  return project?.spanCount ?? 0;
}

/** Waits while the store is overloaded or away. Errors: `CliError` after two minutes of that. */
export async function ingest(
  store: TelemetryStore,
  request: IngestRequest,
): Promise<Exclude<IngestResult, { status: 'overloaded' | 'unavailable' }>> {
  const deadline = Date.now() + LONGEST_REFUSAL_MILLIS;
  for (;;) {
    // The store keeps what it is given.
    const result = await store.ingest({ ...request, body: new Uint8Array(request.body) });
    if (result.status !== 'overloaded' && result.status !== 'unavailable') return result;
    if (Date.now() + result.retryAfterMillis > deadline) {
      throw new CliError(
        `The store has taken nothing for two minutes: ${result.message} Run the same command again: it goes on where it stopped.`,
      );
    }
    await wait(result.retryAfterMillis);
  }
}

/** How far an import into one store came, in the exported directory; only a help, as all may be imported again. */
class Checkpoint {
  readonly #path: string;
  readonly #terminal: Terminal;
  #lines: Record<string, number>;
  #writable = true;
  #wentOn = false;

  private constructor(path: string, lines: Record<string, number>, terminal: Terminal) {
    this.#path = path;
    this.#lines = lines;
    this.#terminal = terminal;
  }

  static async open({ directory, target, terminal }: ImportOptions): Promise<Checkpoint> {
    const digest = createHash('sha256').update(target).digest('hex').slice(0, 12);
    const path = join(directory, `import.${digest}.json`);
    const lines = existsSync(path) ? (JSON.parse(await readFile(path, 'utf8')) as Record<string, number>) : {};
    return new Checkpoint(path, lines, terminal);
  }

  /** Whether something was passed over because of an earlier import. */
  get wentOn(): boolean {
    return this.#wentOn;
  }

  lines(file: TransferFile): number {
    const lines = this.#lines[file.sha256] ?? 0;
    if (lines > 0) this.#wentOn = true;
    return lines;
  }

  async note(file: TransferFile, lines: number): Promise<void> {
    this.#lines[file.sha256] = lines;
    if (!this.#writable) return;
    try {
      await writeFile(`${this.#path}.part`, JSON.stringify(this.#lines));
      await rename(`${this.#path}.part`, this.#path);
    } catch (error) {
      this.#writable = false;
      this.#terminal.note(
        `The directory cannot be written to (${(error as Error).message}): an interrupted import begins again from its start.`,
      );
    }
  }

  async forget(): Promise<void> {
    this.#lines = {};
    this.#wentOn = false;
    if (this.#writable) await rm(this.#path, { force: true });
  }
}
