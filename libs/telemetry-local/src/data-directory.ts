/**
 * The directory of a store: its parts, its format version, and what is set aside.   Control path: open -> [data-directory].
 *
 *   FORMAT       version, checked before anything is touched     days/     one DuckDB file a day, and other.duckdb
 *   lock         the process that has it open                    meta.duckdb   annotations, data sets, experiments
 *   wal/         log segments                                    damaged/  what could not be read   temp/  DuckDB's own
 *   audit.jsonl, audit.key   deletions of tenants                deletion.pending   those that are under way
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { StoreOpenError } from '@cogniverse/foundation/store';
import { syncDirectory } from './write-ahead-log.js';

/** Raised when older releases could no longer read the directory. */
export const FORMAT_VERSION = 2;

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** A directory of ours, never a link to somewhere else. */
function ownDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  if (!lstatSync(path).isDirectory()) {
    throw new StoreOpenError(`${path} is not a directory. Move it away, the store makes it anew.`);
  }
  chmodSync(path, 0o700);
}

/**
 * Called before a database file is written to: DuckDB makes the log beside it anew after each checkpoint, with what rights the process's umask
 * leaves; one that is there keeps its own.
 */
export function prepareLogOf(databaseFile: string): void {
  closeSync(openSync(`${databaseFile}.wal`, 'a', 0o600));
}

export class DataDirectory {
  readonly root: string;
  readonly wal: string;
  readonly days: string;
  readonly damaged: string;
  readonly temp: string;
  readonly metaFile: string;
  /** Where a new `meta.duckdb` is written before it takes the place of the old one. */
  readonly freshMetaFile: string;
  readonly lockFile: string;
  readonly #formatFile: string;

  constructor(dataDir: string) {
    this.root = resolve(dataDir);
    this.wal = join(this.root, 'wal');
    this.days = join(this.root, 'days');
    this.damaged = join(this.root, 'damaged');
    this.temp = join(this.root, 'temp');
    this.metaFile = join(this.root, 'meta.duckdb');
    this.freshMetaFile = `${this.metaFile}.new`;
    this.lockFile = join(this.root, 'lock');
    this.#formatFile = join(this.root, 'FORMAT');
  }

  /** Makes what is missing. The root keeps the mode it has when it was there already. */
  prepareRoot(): void {
    try {
      mkdirSync(this.root, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new StoreOpenError(`The data directory ${this.root} cannot be made: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /** Called with the lock held. Errors: `StoreOpenError` for a newer format or a path that is in the way. */
  prepareParts(): void {
    this.#checkFormat();
    for (const directory of [this.wal, this.days, this.damaged]) ownDirectory(directory);
    rmSync(this.temp, { recursive: true, force: true });
    ownDirectory(this.temp);
    this.#removeUnfinished();
  }

  /** Files that were to take the place of others when the process ended. */
  #removeUnfinished(): void {
    for (const directory of [this.root, this.days]) {
      for (const name of readdirSync(directory)) {
        if (/\.new(\.wal)?$/.test(name)) rmSync(join(directory, name), { force: true });
      }
    }
  }

  /** Removes what was set aside. Gives the number of files. */
  removeDamaged(): number {
    const names = readdirSync(this.damaged);
    for (const name of names) rmSync(join(this.damaged, name), { force: true });
    syncDirectory(this.damaged);
    return names.length;
  }

  #checkFormat(): void {
    let version: number;
    try {
      version = this.formatVersion();
    } catch (error) {
      if (!isMissing(error)) throw error;
      this.writeFormat(FORMAT_VERSION);
      return;
    }
    if (version > FORMAT_VERSION) {
      throw new StoreOpenError(
        `The data directory ${this.root} has format ${version}; this release knows format ${FORMAT_VERSION}. ` +
          'Open it with the release that wrote it, or a newer one.',
      );
    }
  }

  /** Errors: `StoreOpenError` when FORMAT names none, those of the file system when it is missing. */
  formatVersion(): number {
    const version = /^\{"cogniverseStore":(\d{1,9})\}\s*$/.exec(readFileSync(this.#formatFile, 'utf8'))?.[1];
    if (version !== undefined) return Number(version);
    throw new StoreOpenError(
      `${this.#formatFile} cannot be read: it does not name a format version. Restore it from a backup.`,
    );
  }

  /** Whole or not at all, and durable. */
  writeFormat(version: number): void {
    const fresh = `${this.#formatFile}.new`;
    writeFileSync(fresh, `${JSON.stringify({ cogniverseStore: version })}\n`, { mode: 0o600, flush: true });
    renameSync(fresh, this.#formatFile);
    syncDirectory(this.root);
  }

  /** Writes so many bytes, and removes them. Errors: those of the file system when it does not take them. */
  probe(bytes: number): void {
    const file = join(this.root, 'probe.new');
    try {
      writeFileSync(file, Buffer.alloc(bytes), { mode: 0o600, flush: true });
    } finally {
      rmSync(file, { force: true });
    }
  }

  /** Moves a file that cannot be read out of the way. Gives its new path. */
  setAside(file: string): string {
    const target = this.#damagedPath(basename(file));
    renameSync(file, target);
    return target;
  }

  /** A DuckDB file, with the log of its own beside it. */
  setAsideDatabase(file: string): string {
    if (existsSync(`${file}.wal`)) this.setAside(`${file}.wal`);
    return this.setAside(file);
  }

  /** Keeps bytes that cannot be read. Gives their path. */
  keepDamaged(name: string, bytes: Uint8Array): string {
    const target = this.#damagedPath(name);
    writeFileSync(target, bytes, { mode: 0o600 });
    return target;
  }

  #damagedPath(name: string): string {
    return join(this.damaged, `${new Date().toISOString().replaceAll(':', '-')}-${name}`);
  }
}
