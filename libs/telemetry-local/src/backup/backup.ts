/**
 * Copies a store while it takes spans in and answers.   Control path: handler -> [backup] -> directory.
 *
 * From the beginning on, log segments that are flushed go into the copy before they are unlinked; then come the day files, each between two
 * flushes, `meta.duckdb` between two changes, and last what the log holds by then. Whatever a day file was copied too early for is in the log of the copy,
 * and the marks in the day files (`applied`) make its recovery take each segment once: what a start after a crash relies on too.
 */
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { BackendUnavailableError, InvalidQueryError } from '@cogniverse/foundation/store';
import type { BackupRecord } from '@cogniverse/foundation/telemetry';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { DataDirectory } from '../data-directory.js';
import { isFatal, sqlText } from '../database.js';
import type { DayFiles } from '../day-files.js';
import { readSegment, syncDirectory } from '../write-ahead-log.js';
import { type BackupManifest, verifyBackup, writeManifest } from './manifest.js';
import { copyDurably } from './restore.js';

/** A log segment, as far as it counts. */
export interface LogPart {
  readonly file: string;
  /** All of the file when undefined. */
  readonly length: number | undefined;
}

/** What a back-up needs of the engine. */
export interface BackupHost {
  readonly directory: DataDirectory;
  readonly days: DayFiles;
  readonly connection: DuckDBConnection;
  exclusive(work: () => Promise<void>): Promise<void>;
  /** Only a new start from the log helps. */
  fatal(error: unknown): void;
  coldTurn<T>(work: () => Promise<T>): Promise<T>;
  /** From here on `take` gets each log segment before it is unlinked. */
  keepLogs(take: (log: LogPart) => void): void;
  /** No more; gives the segments there are. */
  releaseLogs(): LogPart[];
}

/** Files beside the parts that belong to the store, whoever wrote them; never its lock, nor what is being written. */
function belongs(name: string): boolean {
  return !/^(?:lock|meta\.duckdb)|\.(?:new|wal|lock)$|[^\w.-]|^\./.test(name);
}

export async function writeBackup(
  host: BackupHost,
  directory: string,
  metaAlone: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<BackupRecord> {
  const target = resolve(directory);
  await makeTarget(target, host.directory.root);
  const paths: string[] = [];
  const add = async (file: string, path: string) => {
    await copyDurably(file, join(target, path));
    paths.push(path);
  };
  const addLog = (log: LogPart) => {
    const path = join('wal', basename(log.file));
    copyLog(log, join(target, path));
    paths.push(path);
  };
  try {
    host.keepLogs(addLog);
    let released = false;
    try {
      for (const { day } of host.days.all()) {
        await host.coldTurn(async () => {
          const file = host.days.get(day)?.file;
          if (file !== undefined) await add(file, join('days', basename(file)));
        });
      }
      await host.coldTurn(() =>
        metaAlone(async () => {
          await host.exclusive(async () => {
            await host.connection.run('CHECKPOINT meta');
          });
          await add(host.directory.metaFile, basename(host.directory.metaFile));
        }),
      );
      released = true;
      // In one go: nothing may come into the log, or out of it, between two of them.
      for (const log of host.releaseLogs()) addLog(log);
    } finally {
      if (!released) host.releaseLogs();
    }
    for (const name of await readdir(host.directory.root, { withFileTypes: true })) {
      if (name.isFile() && belongs(name.name)) await add(join(host.directory.root, name.name), name.name);
    }
    for (const part of ['wal', 'days', '']) syncDirectory(join(target, part));
    await checkCopies(target, paths);
    const slashed = paths.map((path) => path.replaceAll('\\', '/'));
    await writeManifest(target, slashed);
    return recordOf(target, await verifyBackup(target));
  } catch (cause) {
    if (isFatal(cause)) host.fatal(cause);
    throw new BackendUnavailableError(
      `The back-up to ${target} is not complete: ${(cause as Error).message}. Remove the directory and try again.`,
      { cause },
    );
  }
}

function recordOf(directory: string, { files, createdAt }: BackupManifest): BackupRecord {
  return { directory, files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0), createdAt };
}

async function makeTarget(target: string, root: string): Promise<void> {
  const within = relative(root, target);
  if (!within.startsWith('..') && within !== target) {
    throw new InvalidQueryError(`directory is ${JSON.stringify(target)}; it must not be within the store, ${root}.`);
  }
  try {
    await mkdir(target, { recursive: true, mode: 0o700 });
    if ((await readdir(target)).length === 0) {
      for (const part of ['wal', 'days']) await mkdir(join(target, part), { mode: 0o700 });
      return;
    }
  } catch (cause) {
    throw new InvalidQueryError(
      `directory is ${JSON.stringify(target)}; it cannot be made: ${(cause as Error).message}.`,
      {
        cause,
      },
    );
  }
  throw new InvalidQueryError(`directory is ${JSON.stringify(target)}; it must be empty or not there.`);
}

/** Synchronous: the log must not change meanwhile. */
function copyLog({ file, length }: LogPart, target: string): void {
  const handle = openSync(file, 'r');
  try {
    const chunks: Buffer[] = [];
    for (let position = 0; length === undefined || position < length; ) {
      const chunk = Buffer.allocUnsafe(1024 * 1024);
      const read = readSync(
        handle,
        chunk,
        0,
        Math.min(chunk.length, (length ?? Number.MAX_SAFE_INTEGER) - position),
        position,
      );
      if (read === 0) break;
      chunks.push(chunk.subarray(0, read));
      position += read;
    }
    writeFileSync(target, Buffer.concat(chunks), { flag: 'wx', mode: 0o600, flush: true });
  } finally {
    closeSync(handle);
  }
}

/** Errors: when a copy is none that a store could open. */
async function checkCopies(target: string, paths: readonly string[]): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    for (const path of paths) {
      const file = join(target, path);
      if (path.endsWith('.wal')) {
        const { damaged, tornBytes } = readSegment(file);
        if (damaged.length > 0 || tornBytes > 0) throw new Error(`${path} is damaged`);
      } else if (path.endsWith('.duckdb')) {
        await connection.run(`ATTACH ${sqlText(file)} AS copy (READ_ONLY)`);
        await connection.run("SELECT count(*) FROM duckdb_tables() WHERE database_name = 'copy'");
        await connection.run('DETACH copy');
      }
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
