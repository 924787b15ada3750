/**
 * The directory that `export` writes and `import` reads: files of JSON lines, and a manifest with their counts and checksums.
 *
 * The same content gives the same bytes: no time and no machine is in it, and what has no order of its own is sorted.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { CliError } from '../cli-error.js';

export const TRANSFER_FORMAT = 1;
const MANIFEST = 'manifest.json';
/** Files that an export has finished before it was interrupted. */
const UNFINISHED_MANIFEST = 'manifest.unfinished.json';

export const TRANSFER_KINDS = ['projects', 'spans', 'annotations', 'datasets', 'experiments'] as const;
export type TransferKind = (typeof TRANSFER_KINDS)[number];

const fileSchema = z.strictObject({
  path: z.string().regex(/^[\w.-]+(?:\/[\w.-]+)?$/, 'must be a path inside the directory'),
  kind: z.enum(TRANSFER_KINDS),
  tenant_id: z.string().nullable(),
  /** Null where the file holds things of a tenant that belong to no project. */
  project: z.string().nullable(),
  /** Spans, annotations, data sets, experiments; not lines. */
  count: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type TransferFile = z.output<typeof fileSchema>;

const manifestSchema = z.strictObject({
  format: z.literal(TRANSFER_FORMAT),
  /** What was asked for: an interrupted export goes on only with the same. */
  selection: z.record(z.string(), z.string()),
  files: z.array(fileSchema),
});
export type TransferManifest = z.output<typeof manifestSchema>;

/** A name for a file of a project: readable as far as it goes, and its own by the digest. */
export function transferPath(kind: TransferKind, tenantId: string | null, project: string | null): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([tenantId, project]))
    .digest('hex')
    .slice(0, 12);
  const readable = [tenantId, project]
    .filter((name) => name !== null)
    .map((name) => name.replaceAll(/[^A-Za-z0-9-]+/g, '_').slice(0, 60))
    .join('.');
  return `${kind}/${readable}${readable === '' ? '' : '.'}${digest}.jsonl`;
}

/** Errors: `CliError` if there is none, or none that this release reads. */
export async function readManifest(directory: string): Promise<TransferManifest> {
  const path = join(directory, MANIFEST);
  if (!existsSync(path)) {
    throw new CliError(
      existsSync(join(directory, UNFINISHED_MANIFEST))
        ? `The export in ${resolve(directory)} was interrupted. Run the same "cogniverse export" again: it goes on where it stopped.`
        : `${resolve(directory)} has no ${MANIFEST}: it is no directory that "cogniverse export" wrote.`,
    );
  }
  return parseManifest(path, await readFile(path, 'utf8'));
}

/** What an interrupted export with the same selection has finished. Errors: `CliError` if the directory holds something else. */
export async function finishedFiles(
  directory: string,
  selection: TransferManifest['selection'],
): Promise<readonly TransferFile[]> {
  if (existsSync(join(directory, MANIFEST))) {
    throw new CliError(`${resolve(directory)} holds an export already. Name another directory.`);
  }
  const path = join(directory, UNFINISHED_MANIFEST);
  if (!existsSync(path)) return [];
  const manifest = parseManifest(path, await readFile(path, 'utf8'));
  if (JSON.stringify(manifest.selection) === JSON.stringify(selection)) return manifest.files;
  throw new CliError(
    `${resolve(directory)} holds an interrupted export of something else (${JSON.stringify(manifest.selection)}). Name another directory, or the same options.`,
  );
}

function parseManifest(path: string, text: string): TransferManifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new CliError(`${path} is no JSON: ${(cause as Error).message}. Export again.`, { cause });
  }
  const format = (json as { format?: unknown } | null)?.format;
  if (typeof format === 'number' && format > TRANSFER_FORMAT) {
    throw new CliError(`${path} has format ${format}; this release reads ${TRANSFER_FORMAT}. Install a newer release.`);
  }
  const parsed = manifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CliError(`${path} is damaged: ${issue?.path.join('.')} ${issue?.message}. Export again.`);
}

export async function writeManifest(directory: string, manifest: TransferManifest, finished: boolean): Promise<void> {
  const path = join(directory, finished ? MANIFEST : UNFINISHED_MANIFEST);
  await writeFile(`${path}.part`, `${JSON.stringify(manifest, null, 2)}\n`);
  await rename(`${path}.part`, path);
  if (finished) await rm(join(directory, UNFINISHED_MANIFEST), { force: true });
}

/** Writes one file. It has its name only once it is whole and on disk. */
export class TransferFileWriter {
  readonly #directory: string;
  readonly #about: Pick<TransferFile, 'path' | 'kind' | 'tenant_id' | 'project'>;
  readonly #handle: FileHandle;
  readonly #digest = createHash('sha256');
  #count = 0;
  #bytes = 0;

  private constructor(
    directory: string,
    about: Pick<TransferFile, 'path' | 'kind' | 'tenant_id' | 'project'>,
    handle: FileHandle,
  ) {
    this.#directory = directory;
    this.#about = about;
    this.#handle = handle;
  }

  static async create(
    directory: string,
    kind: TransferKind,
    tenantId: string | null,
    project: string | null,
  ): Promise<TransferFileWriter> {
    const path = transferPath(kind, tenantId, project);
    await mkdir(dirname(join(directory, path)), { recursive: true });
    const handle = await open(join(directory, `${path}.part`), 'w', 0o600);
    return new TransferFileWriter(directory, { path, kind, tenant_id: tenantId, project }, handle);
  }

  /** `count`: how many things the line holds. */
  async line(text: string, count = 1): Promise<void> {
    const bytes = Buffer.from(`${text}\n`);
    this.#digest.update(bytes);
    this.#bytes += bytes.length;
    this.#count += count;
    await this.#handle.writeFile(bytes);
  }

  async finish(): Promise<TransferFile> {
    const path = join(this.#directory, this.#about.path);
    await this.#handle.sync();
    await this.#handle.close();
    await rename(`${path}.part`, path);
    return { ...this.#about, count: this.#count, bytes: this.#bytes, sha256: this.#digest.digest('hex') };
  }

  async abandon(): Promise<void> {
    await this.#handle.close();
    await rm(join(this.#directory, `${this.#about.path}.part`), { force: true });
  }
}

/** Errors: `CliError` if the file is not the one that was exported. */
export async function checkTransferFile(directory: string, file: TransferFile): Promise<void> {
  const path = join(directory, file.path);
  if (!existsSync(path)) throw new CliError(`${path} is missing. Copy the whole directory, or export again.`);
  const digest = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path)) {
    digest.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  if (digest.digest('hex') === file.sha256) return;
  throw new CliError(
    `${path} is damaged: its ${bytes} bytes are not the ${file.bytes} that were exported. Copy it again, or export again. Nothing was imported.`,
  );
}

export function linesOf(directory: string, file: TransferFile): AsyncIterable<string> {
  return createInterface({ input: createReadStream(join(directory, file.path)), crlfDelay: Number.POSITIVE_INFINITY });
}
