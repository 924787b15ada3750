/** Makes a data directory of a back-up.   Control path: command -> [restore]; the store is opened afterwards. */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { StoreOpenError } from '@cogniverse/foundation/store';
import { syncDirectory } from '../write-ahead-log.js';
import { type BackupManifest, checksumOf, verifyBackup } from './manifest.js';

/** Entries of a directory; none where it is missing. */
async function entriesOf(directory: string): Promise<string[] | undefined> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Verifies the back-up in `from` and copies it to `dataDir`, which appears complete or not at all.
 *
 * Errors: `StoreOpenError` when the back-up is damaged or incomplete, when `dataDir` holds anything, or when the copy could not be made.
 */
export async function restoreBackup(options: { from: string; dataDir: string }): Promise<BackupManifest> {
  const from = resolve(options.from);
  const dataDir = resolve(options.dataDir);
  const present = await entriesOf(dataDir);
  if (present !== undefined && present.length > 0) {
    throw new StoreOpenError(
      `${dataDir} is not empty (${present.slice(0, 3).join(', ')}). A back-up is restored into a new directory: name another, or move this one away.`,
    );
  }
  const manifest = await verifyBackup(from);
  const fresh = `${dataDir}.restoring-${randomUUID()}`;
  try {
    for (const part of ['', 'wal', 'days']) await mkdir(join(fresh, part), { recursive: true, mode: 0o700 });
    for (const { path, sha256 } of manifest.files) {
      await copyDurably(join(from, path), join(fresh, path));
      if ((await checksumOf(join(fresh, path))) !== sha256) throw new Error(`the copy of ${path} differs`);
    }
    for (const part of ['wal', 'days', '']) syncDirectory(join(fresh, part));
    if (present !== undefined) await rmdir(dataDir);
    await rename(fresh, dataDir);
    syncDirectory(dirname(dataDir));
  } catch (cause) {
    await rm(fresh, { recursive: true, force: true });
    throw new StoreOpenError(`${from} could not be restored to ${dataDir}: ${(cause as Error).message}`, { cause });
  }
  return manifest;
}

/** Shares blocks with the original where the file system can. */
export async function copyDurably(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  await chmod(to, 0o600);
  const handle = await open(to, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
