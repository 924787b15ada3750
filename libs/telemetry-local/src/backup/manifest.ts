/**
 * The list of a back-up's files with their checksums; written last, so that without it a directory is no back-up.   Control path: [manifest].
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { StoreOpenError } from '@cogniverse/foundation/store';
import { z } from 'zod';
import { FORMAT_VERSION } from '../data-directory.js';
import { syncDirectory } from '../write-ahead-log.js';

const MANIFEST_FILE = 'backup.json';

const manifestSchema = z.strictObject({
  cogniverseBackup: z.literal(1),
  /** Of the store. */
  format: z.int().positive(),
  createdAt: z.string(),
  files: z.array(
    z.strictObject({
      /** Below the directory, with slashes; never out of it. */
      path: z.string().regex(/^(?:(?:wal|days)\/)?[\w-][\w.-]*$/),
      bytes: z.int().nonnegative(),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});
export type BackupManifest = z.output<typeof manifestSchema>;

export async function checksumOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** Durable when it resolves; the files must be already. */
export async function writeManifest(directory: string, paths: readonly string[]): Promise<BackupManifest> {
  const files: BackupManifest['files'] = [];
  for (const path of [...paths].sort()) {
    const file = join(directory, path);
    files.push({ path, bytes: (await stat(file)).size, sha256: await checksumOf(file) });
  }
  const manifest = { cogniverseBackup: 1 as const, format: FORMAT_VERSION, createdAt: new Date().toISOString(), files };
  const fresh = join(directory, `${MANIFEST_FILE}.new`);
  await writeFile(fresh, `${JSON.stringify(manifest, null, 1)}\n`, { mode: 0o600, flush: true });
  await rename(fresh, join(directory, MANIFEST_FILE));
  syncDirectory(directory);
  return manifest;
}

/**
 * Reads every byte of a back-up. Gives its manifest.
 *
 * Errors: `StoreOpenError` for a directory that is no back-up or an incomplete one, a file that is missing or altered (named), and a newer format.
 */
export async function verifyBackup(directory: string): Promise<BackupManifest> {
  let manifest: BackupManifest;
  try {
    manifest = manifestSchema.parse(JSON.parse(await readFile(join(directory, MANIFEST_FILE), 'utf8')));
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new StoreOpenError(
      `${directory} is no complete back-up: ${isMissing ? `it has no ${MANIFEST_FILE}` : `its ${MANIFEST_FILE} cannot be read`}. ` +
        'Use another back-up.',
      { cause },
    );
  }
  if (manifest.format > FORMAT_VERSION) {
    throw new StoreOpenError(
      `The back-up ${directory} has format ${manifest.format}; this release knows format ${FORMAT_VERSION}. Restore it with the release that wrote it, or a newer one.`,
    );
  }
  for (const { path, bytes, sha256 } of manifest.files) {
    const file = join(directory, path);
    const problem = await problemOf(file, bytes, sha256);
    if (problem !== undefined) {
      throw new StoreOpenError(`The back-up ${directory} is damaged: ${path} ${problem}. Use another back-up.`);
    }
  }
  return manifest;
}

async function problemOf(file: string, bytes: number, sha256: string): Promise<string | undefined> {
  try {
    const { size } = await stat(file);
    if (size !== bytes) return `has ${size} bytes instead of ${bytes}`;
    return (await checksumOf(file)) === sha256 ? undefined : 'has other content than was written';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'is missing';
    throw error;
  }
}
