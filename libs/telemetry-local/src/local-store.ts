/**
 * The embedded store as its users see it.   Provider or server -> [local-store] -> port -> store worker.
 *
 * The thread that takes requests does nothing here but pass messages: bodies are handed over, not copied.
 */
import { Worker } from 'node:worker_threads';
import type { FileLock } from '@cogniverse/foundation/config';
import { BackendUnavailableError, StoreOpenError, storeOver } from '@cogniverse/foundation/store';
import type {
  IngestRequest,
  IngestResult,
  StoreCallName,
  StoreHealth,
  StoreOperation,
  StoreTransport,
  TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import { DataDirectory } from './data-directory.js';
import { type LocalStoreConfig, type LocalStoreOptions, parseLocalStoreOptions } from './options.js';
import { acquireStoreLock } from './store-lock.js';
import { errorFromMessage, type FromWorker, type ToWorker, type WorkerData } from './store-port.js';

export interface OpenLocalStoreOptions extends LocalStoreOptions {
  /** Takes lines that an operator should see: what was set aside at start, a disk that cannot be written to. Default: standard error. */
  report?: ((line: string) => void) | undefined;
}

const MAX_REPORT_LENGTH = 2000;
const RETRY_BUSY_MILLIS = 500;
const RETRY_ENDED_MILLIS = 2000;
/** Longest time that the exit of a process waits for the thread. */
const HALT_MILLIS = 10_000;
const RESTART_MILLIS = 100;
const RESTART_MAX_MILLIS = 30_000;

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** One line, whatever stands in names and errors: control, escape and direction characters are shown by their numbers. */
function oneLine(text: string): string {
  return text
    .slice(0, MAX_REPORT_LENGTH)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) => `\\u${char.codePointAt(0)!.toString(16).padStart(4, '0')}`);
}

function reportToStandardError(line: string): void {
  process.stderr.write(`cogniverse store: ${line}\n`);
}

class LocalStore implements StoreTransport {
  readonly #config: LocalStoreConfig;
  readonly #lock: FileLock;
  readonly #report: (line: string) => void;
  readonly #pending = new Map<number, Pending>();
  readonly #pendingBodies = new Map<number, { bytes: number; resolve(result: IngestResult): void }>();
  #worker: Worker;
  /** Settles when the thread is gone. */
  #exited: Promise<void> = Promise.resolve();
  #pendingBytes = 0;
  #nextId = 1;
  /** Becomes 1 when the thread does nothing any more. */
  readonly #halted = new Int32Array(new SharedArrayBuffer(4));
  #health: StoreHealth = { ready: false, reason: 'the store is starting' };
  /** Why the store does not answer. */
  #ended: string | undefined;
  #shutdown: Promise<void> | undefined;
  readonly #opened: Promise<void>;
  #hasOpened = false;
  #restart: NodeJS.Timeout | undefined;
  #restartMillis = RESTART_MILLIS;

  constructor(config: LocalStoreConfig, lock: FileLock, report: (line: string) => void) {
    this.#config = config;
    this.#lock = lock;
    this.#report = report;
    this.#opened = new Promise((resolve, reject) => {
      // Id 0 is the opening itself.
      this.#pending.set(0, { resolve: () => resolve(), reject });
    });
    this.#worker = this.#startWorker();
    process.on('exit', this.#haltAtExit);
  }

  #startWorker(): Worker {
    const worker = new Worker(new URL('./store-worker.js', import.meta.url), {
      workerData: { config: this.#config, halted: this.#halted } satisfies WorkerData,
      name: 'cogniverse-store',
      // Loaders and hooks of the application (--import) have no business in this thread, and some options are refused in threads.
      execArgv: [],
    });
    worker.on('message', (message: FromWorker) => this.#receive(message));
    worker.on('error', (error: Error) => this.#end(`the store's thread failed: ${error.message}`, error));
    this.#exited = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#end("the store's thread has ended");
        if (this.#shutdown === undefined && this.#hasOpened) this.#scheduleRestart();
        resolve();
      });
    });
    return worker;
  }

  /** A thread that failed starts again from the log, after a pause that grows while it goes on failing. */
  #scheduleRestart(): void {
    this.#restart = setTimeout(() => {
      this.#worker = this.#startWorker();
    }, this.#restartMillis).unref();
    this.#restartMillis = Math.min(this.#restartMillis * 2, RESTART_MAX_MILLIS);
  }

  opened(): Promise<void> {
    return this.#opened;
  }

  /** The thread keeps the process alive while somebody waits for it or for its end, and not otherwise: a program may end without a shutdown. */
  #keepAlive(): void {
    if (this.#shutdown !== undefined || this.#pending.size + this.#pendingBodies.size > 0) this.#worker.ref();
    else this.#worker.unref();
  }

  /**
   * A process that exits while the thread is at work in the database would end with an abort instead of its exit code. So the exit waits until the
   * thread has stopped what runs, which takes milliseconds; what was acknowledged is in the log.
   */
  readonly #haltAtExit = () => {
    if (this.#ended !== undefined) return;
    this.#post({ type: 'halt' });
    if (Atomics.wait(this.#halted, 0, 0, HALT_MILLIS) !== 'timed-out') this.#lock.release();
  };

  #receive(message: FromWorker): void {
    this.#take(message);
    this.#keepAlive();
  }

  #take(message: FromWorker): void {
    switch (message.type) {
      case 'ingested': {
        const body = this.#pendingBodies.get(message.id);
        if (body === undefined) return;
        this.#pendingBodies.delete(message.id);
        this.#pendingBytes -= body.bytes;
        body.resolve(message.result);
        return;
      }
      case 'result':
        this.#taken(message.id)?.resolve(message.value);
        return;
      case 'error':
        if (message.id === null) {
          this.#ended = 'the store could not be opened';
          if (this.#hasOpened) this.#report(oneLine(`${this.#ended}: ${message.error.message}`));
        }
        this.#taken(message.id ?? 0)?.reject(errorFromMessage(message.error));
        return;
      case 'opened':
        if (this.#hasOpened) this.#report("the store's thread runs again");
        this.#hasOpened = true;
        this.#restartMillis = RESTART_MILLIS;
        if (this.#shutdown === undefined) this.#ended = undefined;
        this.#health = { ready: true, reason: '' };
        this.#taken(0)?.resolve(undefined);
        return;
      case 'failing':
        this.#end(`the store's thread failed: ${message.error.message}`);
        return;
      case 'health':
        this.#health = message.health;
        return;
      case 'report':
        this.#report(oneLine(message.line));
    }
  }

  #taken(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  /** The thread is gone, for now or for good. Who waits is told; what was acknowledged is in the log. */
  #end(reason: string, cause?: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = this.#shutdown === undefined ? reason : 'the store is shut down';
    this.#health = { ready: false, reason: this.#ended };
    if (this.#shutdown === undefined) this.#report(oneLine(reason));
    for (const { reject } of this.#pending.values()) reject(this.#unavailable(cause));
    this.#pending.clear();
    for (const { resolve } of this.#pendingBodies.values()) resolve(this.#refused());
    this.#pendingBodies.clear();
    this.#pendingBytes = 0;
  }

  #unavailable(cause?: Error): BackendUnavailableError {
    return new BackendUnavailableError(
      `No answer: ${this.#ended}. What was acknowledged is in its log.`,
      cause === undefined ? undefined : { cause },
    );
  }

  #refused(): IngestResult {
    return { status: 'unavailable', retryAfterMillis: RETRY_ENDED_MILLIS, message: this.#ended ?? '' };
  }

  ingest(request: IngestRequest): Promise<IngestResult> {
    if (this.#shutdown !== undefined) this.#ended ??= 'the store is shut down';
    if (this.#ended !== undefined) return Promise.resolve(this.#refused());
    const bytes = request.body.byteLength;
    // One request may always wait, however large it is.
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > this.#config.maxPendingBytes) {
      return Promise.resolve({
        status: 'overloaded',
        retryAfterMillis: RETRY_BUSY_MILLIS,
        message: `${this.#pendingBytes} bytes of requests wait for the store`,
      });
    }
    const id = this.#nextId++;
    this.#pendingBytes += bytes;
    return new Promise((resolve) => {
      this.#pendingBodies.set(id, { bytes, resolve });
      const { format, tenantId, projectName } = request;
      const body = transferable(request.body);
      this.#post({ type: 'ingest', id, request: { body, format, tenantId, projectName } }, [body.buffer]);
    });
  }

  #post(message: ToWorker, transfer?: ArrayBuffer[]): void {
    this.#worker.postMessage(message, transfer);
    this.#keepAlive();
  }

  #request(message: (id: number) => ToWorker): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#unavailable());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      try {
        this.#post(message(id));
      } catch (error) {
        this.#pending.delete(id);
        reject(error as Error);
      }
    });
  }

  call<Request, Result>(
    name: StoreCallName,
    _operation: StoreOperation<Request, Result>,
    request: Request,
  ): Promise<Result> {
    if (this.#shutdown !== undefined) this.#ended ??= 'the store is shut down';
    return this.#request((id) => ({ type: 'call', id, name, request })) as Promise<Result>;
  }

  health(): StoreHealth {
    return this.#health;
  }

  shutdown(): Promise<void> {
    this.#shutdown ??= this.#close();
    this.#keepAlive(); // also after a failed opening, when nobody waits for an answer: the thread's end is waited for
    return this.#shutdown;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#restart);
    try {
      if (this.#ended === undefined) await this.#request((id) => ({ type: 'shutdown', id }));
    } catch (error) {
      this.#report(oneLine(`the store could not be closed properly, its log keeps what it holds: ${String(error)}`));
    } finally {
      await this.#exited;
      process.off('exit', this.#haltAtExit);
      this.#lock.release();
    }
  }
}

/** A view of a buffer that can be handed over: a small Buffer is a window into a block that others use, so it is copied. */
function transferable(body: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = body.byteOffset === 0 && body.byteLength === body.buffer.byteLength;
  return whole && body.buffer instanceof ArrayBuffer ? new Uint8Array(body.buffer) : new Uint8Array(body);
}

/**
 * Opens the store in a directory; makes it when it is missing.
 *
 * Errors: `ConfigurationError` for options that cannot be used; `StoreOpenError` when another process has it open (named by its pid), when
 * its format is newer, or when it cannot be read at all. Single files that are damaged are set aside and reported, the rest is opened.
 */
export async function openLocalStore(options: OpenLocalStoreOptions): Promise<TelemetryStore> {
  const { report = reportToStandardError, ...rest } = options;
  const config = parseLocalStoreOptions(rest);
  const directory = new DataDirectory(config.dataDir);
  directory.prepareRoot();
  const lock = acquireStoreLock(directory.lockFile);
  const store = new LocalStore(config, lock, report);
  try {
    await store.opened();
  } catch (error) {
    await store.shutdown();
    if (error instanceof StoreOpenError) throw error;
    throw new StoreOpenError(
      `The store in ${directory.root} cannot be opened: ${error instanceof Error ? describe(error) : String(error)}`,
      { cause: error },
    );
  }
  return storeOver(store);
}

function describe(error: Error): string {
  return error.cause instanceof Error ? error.cause.message : error.message;
}
