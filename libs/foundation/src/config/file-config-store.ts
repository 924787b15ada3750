/**
 * Configuration in a JSON file.   Control path: configuration file <-> [file config store] <-> ConfigManager.
 *
 * Writers of all processes take turns (`file-lock.ts`). Each reads the file anew, writes the whole of it beside the old one, and puts it in
 * its place in one step: whoever reads, and whenever a writer is killed, sees the old file or the new one. A file that cannot be
 * understood is never written to.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync, unlinkSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { requireOptions } from '../telemetry/config.js';
import type { Environment } from '../telemetry/environment.js';
import { ConfigurationError } from '../telemetry/errors.js';
import { type Clock, systemClock } from '../telemetry/export/clock.js';
import { ConfigDocument } from './config-document.js';
import { configLocation } from './config-location.js';
import type { ConfigEntry, ConfigKey, ConfigStore, ConfigStoreEvent, JsonValue, SetOptions } from './config-store.js';
import { ConfigConflictError, ConfigFileError } from './errors.js';
import { FileLock, LockCandidate } from './file-lock.js';
import { FileWatcher, stateOf } from './file-watcher.js';
import { storableValue } from './json-text.js';

/** A file changed so lately that the next change may leave the same signature is read each time. */
const SETTLED_MILLIS = 2000;
/** Longest wait between two tries for the lock. */
const LOCK_RETRY_MILLIS = 20;
/** How often a write begins anew because something that knows no lock, an editor for instance, changed the file meanwhile. */
const MAX_ATTEMPTS = 20;

export interface FileConfigStoreOptions {
  /** Default: `COGNIVERSE_CONFIG`, `./.cogniverse/config.json` or the personal one; see `configLocation`. */
  readonly path?: string | undefined;
  /** Versions kept of each entry, the current one among them. Default 50. */
  readonly maxVersions?: number | undefined;
  /** Longest wait for another writer, in milliseconds. Default 10,000. */
  readonly lockTimeoutMillis?: number | undefined;
  /** How often a watched file is looked at, where the system gives no notice, in milliseconds. Default 5,000. */
  readonly pollIntervalMillis?: number | undefined;
  /** How long a watched file has to be left alone before it is read, in milliseconds. Default 100. */
  readonly debounceMillis?: number | undefined;
  /** Default: `process.env`, read now and never again. */
  readonly environment?: Environment | undefined;
  readonly clock?: Clock | undefined;
}

const OPTIONS_SCHEMA = z.strictObject({
  path: z.string().min(1).optional(),
  maxVersions: z.int().positive().optional(),
  lockTimeoutMillis: z.int().nonnegative().optional(),
  pollIntervalMillis: z.int().positive().optional(),
  debounceMillis: z.int().nonnegative().optional(),
  environment: z.unknown().optional(),
  clock: z.unknown().optional(),
});

interface Read {
  readonly document: ConfigDocument;
  readonly signature: string;
  /** Undefined: there is no file. */
  readonly text: string | undefined;
}

export class FileConfigStore implements ConfigStore {
  /** Absolute. */
  readonly path: string;
  readonly #maxVersions: number;
  readonly #lockTimeoutMillis: number;
  readonly #pollMillis: number;
  readonly #debounceMillis: number;
  readonly #clock: Clock;
  #read: Read | undefined;
  /** Writes of this store, one after the other in the order of their calls. */
  #writing: Promise<unknown> = Promise.resolve();
  readonly #listeners = new Set<(event: ConfigStoreEvent) => void>();
  #watcher: FileWatcher | undefined;
  /** What the listeners know of. */
  #toldText: string | undefined;
  #toldError: string | undefined;

  /** Touches no file. Errors: `ConfigurationError` for a bad option. */
  constructor(options: FileConfigStoreOptions = {}) {
    requireOptions(options, OPTIONS_SCHEMA, 'FileConfigStore');
    this.path = options.path === undefined ? configLocation(options.environment) : resolve(options.path);
    this.#maxVersions = options.maxVersions ?? 50;
    this.#lockTimeoutMillis = options.lockTimeoutMillis ?? 10_000;
    this.#pollMillis = options.pollIntervalMillis ?? 5000;
    this.#debounceMillis = options.debounceMillis ?? 100;
    this.#clock = options.clock ?? systemClock;
  }

  // Reading. Errors of all: `ConfigFileError`. No file is the same as an empty one.

  get(key: ConfigKey, version?: number): ConfigEntry | undefined {
    return this.#current().document.get(key, version);
  }

  list(filter: Partial<ConfigKey> = {}): ConfigEntry[] {
    return this.#current().document.list(filter);
  }

  history(key: ConfigKey, limit = Number.MAX_SAFE_INTEGER): ConfigEntry[] {
    return this.#current().document.history(key, limit);
  }

  #current(): Read {
    const known = this.#read;
    const { signature, changedMillis } = stateOf(this.path);
    if (known?.signature === signature && Math.abs(Date.now() - changedMillis) > SETTLED_MILLIS) return known;
    const read = readConfigFile(this.path);
    this.#read = read;
    return read;
  }

  // Writing. Errors of all: `ConfigFileError`, `ConfigConflictError`, `ConfigurationError` for a value or a key that cannot be stored.

  async set(key: ConfigKey, value: JsonValue, options: SetOptions = {}): Promise<ConfigEntry> {
    requireKey(key);
    const stored = storableValue(value);
    const now = this.#now();
    return this.#write((document) => {
      requireVersion(document, key, options.expectedVersion);
      return document.add(key, stored, now, this.#maxVersions);
    });
  }

  async delete(key: ConfigKey, options: SetOptions & { readonly forget?: boolean | undefined } = {}): Promise<boolean> {
    requireKey(key);
    const now = this.#now();
    const done = await this.#write((document) => {
      requireVersion(document, key, options.expectedVersion);
      if (options.forget === true && document.currentVersion(key) > 0) document.forget(key);
      else if (document.isDeleted(key)) return undefined;
      else document.add(key, undefined, now, this.#maxVersions);
      return true;
    });
    return done !== undefined;
  }

  #now(): string {
    return new Date(this.#clock.wallMillis()).toISOString();
  }

  /** `change` changes the document and gives the result; undefined: nothing is to be written. */
  #write<T>(change: (document: ConfigDocument) => T): Promise<T> {
    const written = this.#writing.then(() => this.#writeLocked(change));
    this.#writing = written.catch(() => undefined); // its caller has the error
    return written;
  }

  async #writeLocked<T>(change: (document: ConfigDocument) => T): Promise<T> {
    const file = this.#writable(() => this.#target());
    const lock = await this.#lock(`${file}.lock`);
    try {
      this.#writable(() => {
        removeAbandonedFiles(file);
        lock.removeAbandonedCandidates();
      });
      for (let attempt = 1; ; attempt++) {
        const read = readConfigFile(file);
        const result = change(read.document);
        if (result === undefined) return result;
        const text = read.document.toText();
        if (!(await this.#replace(file, text, read.signature, lock))) {
          if (attempt < MAX_ATTEMPTS) continue;
          throw this.#unwritable(`something that takes no lock changes it all the time`);
        }
        this.#read = undefined;
        queueMicrotask(() => this.#look());
        return result;
      }
    } finally {
      lock.release();
    }
  }

  /** Where the file is in truth: a link to it stays a link. Makes its directory. */
  #target(): string {
    const file = existsSync(this.path) ? realpathSync(this.path) : this.path;
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    return file;
  }

  async #lock(lockFile: string): Promise<FileLock> {
    const candidate = this.#writable(() => new LockCandidate(lockFile));
    try {
      const deadline = this.#clock.monotonicMillis() + this.#lockTimeoutMillis;
      for (;;) {
        const found = this.#writable(() => candidate.tryAcquire());
        if (found instanceof FileLock) return found;
        if (this.#clock.monotonicMillis() >= deadline) {
          const holder = found.pid === 0 ? 'an unknown process' : `process ${found.pid} on ${found.host}`;
          throw new ConfigFileError(
            this.path,
            'locked',
            `The configuration file ${this.path} was not written: ${holder} has held its lock ${lockFile} for ${this.#lockTimeoutMillis} ms. ` +
              'Try again; if that process does not run any more, remove the lock file.',
          );
        }
        await this.#wait(1 + Math.random() * LOCK_RETRY_MILLIS);
      }
    } finally {
      candidate.close();
    }
  }

  #wait(millis: number): Promise<void> {
    return new Promise((done) => {
      this.#clock.schedule(millis, done, true);
    });
  }

  /** Puts `text` in the place of what was read. False if that has changed meanwhile. */
  async #replace(file: string, text: string, signature: string, lock: FileLock): Promise<boolean> {
    const temporary = join(dirname(file), `${temporaryPrefix(file)}${randomUUID()}`);
    try {
      const mode = statSync(file, { throwIfNoEntry: false })?.mode;
      const handle = await open(temporary, 'wx', 0o600);
      try {
        // A file that its owner opened to others stays so; a new one is for its owner alone.
        if (mode !== undefined) await handle.chmod(mode & 0o777);
        await handle.writeFile(text);
        await handle.sync();
      } finally {
        await handle.close();
      }
      if (stateOf(file).signature !== signature || !lock.isHeld()) {
        await unlink(temporary);
        return false;
      }
      await rename(temporary, file);
      await syncDirectory(dirname(file));
      return true;
    } catch (error) {
      await unlink(temporary).catch(() => undefined); // what is left of it is removed by the next writer
      throw this.#unwritable((error as Error).message, error);
    }
  }

  #writable<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#unwritable((error as Error).message, error);
    }
  }

  #unwritable(why: string, cause?: unknown): ConfigFileError {
    return new ConfigFileError(
      this.path,
      'unwritable',
      `The configuration file ${this.path} cannot be written: ${why}. What is stored is unchanged. ` +
        'Make room, or give the process the right to write to its directory, or name another file with COGNIVERSE_CONFIG.',
      { cause },
    );
  }

  // Watching.

  watch(listener: (event: ConfigStoreEvent) => void): () => void {
    if (this.#watcher === undefined) {
      try {
        this.#toldText = this.#current().text;
        this.#toldError = undefined;
      } catch (error) {
        this.#toldError = (error as Error).message; // whoever reads gets it; mended, it is a change
      }
      this.#watcher = new FileWatcher({
        file: this.path,
        clock: this.#clock,
        pollMillis: this.#pollMillis,
        debounceMillis: this.#debounceMillis,
        onNotice: () => this.#look(),
      });
    }
    // An object of its own, so that one function that watches twice is told twice.
    const own = (event: ConfigStoreEvent): void => listener(event);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size > 0) return;
      this.#watcher?.close();
      this.#watcher = undefined;
    };
  }

  /** Tells the listeners what is new to them. */
  #look(): void {
    if (this.#listeners.size === 0) return;
    let text: string | undefined;
    try {
      ({ text } = this.#current());
      if (text === undefined && this.#toldText !== undefined) {
        throw new ConfigFileError(this.path, 'unreadable', `The configuration file ${this.path} is gone.`);
      }
    } catch (error) {
      if ((error as Error).message === this.#toldError) return;
      this.#toldError = (error as Error).message;
      this.#tell({ type: 'unreadable', error: error as Error });
      return;
    }
    const wasUnreadable = this.#toldError !== undefined;
    this.#toldError = undefined;
    if (text === this.#toldText && !wasUnreadable) return;
    this.#toldText = text;
    this.#tell({ type: 'changed' });
  }

  #tell(event: ConfigStoreEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        // The listener's own mistake: it costs nobody else the event, and is not hidden either.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

function readConfigFile(file: string): Read {
  // Before the text: a change in between shows as another signature next time.
  const { signature } = stateOf(file);
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return { document: ConfigDocument.empty(), signature, text: undefined };
    }
    throw new ConfigFileError(
      file,
      'unreadable',
      `The configuration file ${file} cannot be read: ${(error as Error).message}. Give the process the right to read it, or name another file with COGNIVERSE_CONFIG.`,
      { cause: error },
    );
  }
  return { document: ConfigDocument.parse(file, bytes), signature, text: Buffer.from(bytes).toString('utf8') };
}

function temporaryPrefix(file: string): string {
  return `.${basename(file)}.new-`;
}

/** Only who holds the lock makes such files: any that is there was left by a writer that was killed. */
function removeAbandonedFiles(file: string): void {
  const directory = dirname(file);
  for (const name of readdirSync(directory)) {
    if (name.startsWith(temporaryPrefix(file))) unlinkSync(join(directory, name));
  }
}

async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return; // a directory cannot be opened there
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function requireKey(key: ConfigKey): void {
  for (const field of ['tenantId', 'scope', 'service', 'key'] as const) {
    const value: unknown = key[field];
    if (typeof value !== 'string' || value === '' || value.length > 400) {
      throw new ConfigurationError(`${field} of a stored configuration is a text of 1 to 400 characters.`);
    }
  }
}

function requireVersion(document: ConfigDocument, key: ConfigKey, expected: number | undefined): void {
  const current = document.isDeleted(key) && expected === 0 ? 0 : document.currentVersion(key);
  if (expected === undefined || expected === current) return;
  throw new ConfigConflictError(
    `The configuration "${key.key}" of scope "${key.scope}" and tenant "${key.tenantId}" is at version ${current}, not ${expected}: ` +
      'somebody else stored it meanwhile. Read it, and decide again.',
    expected,
    current,
  );
}
