/**
 * What crosses between the main thread and the store's thread.   Local store <-> [store-port] <-> store worker.
 *
 * Values travel by structured clone, which keeps bigints, maps and bytes. Errors do not keep their class that way, so they travel as what
 * they say and are made anew on the other side.
 */
import { BackendUnavailableError, errorOfCode, TelemetryError } from '@cogniverse/foundation/store';
import type {
  IngestRequest,
  IngestResult,
  StoreCallName,
  StoreCalls,
  StoreHealth,
} from '@cogniverse/foundation/telemetry';
import type { LocalStoreConfig } from './options.js';

/** What a call of a store is asked with. */
export type StoreRequest<M extends StoreCallName> = NonNullable<Parameters<StoreCalls[M]>[0]>;

/** What answers each call. */
export type StoreHandlers = {
  readonly [M in StoreCallName]: (request: StoreRequest<M>) => ReturnType<StoreCalls[M]>;
};

export interface WorkerData {
  readonly config: LocalStoreConfig;
  /** One number in shared memory: 1 once the thread has halted. */
  readonly halted: Int32Array;
}

export type ToWorker =
  | { readonly type: 'ingest'; readonly id: number; readonly request: IngestRequest }
  | { readonly type: 'call'; readonly id: number; readonly name: StoreCallName; readonly request: unknown }
  | { readonly type: 'shutdown'; readonly id: number }
  /** The process exits: stop what runs, begin nothing. */
  | { readonly type: 'halt' };

export type FromWorker =
  | { readonly type: 'opened' }
  | { readonly type: 'ingested'; readonly id: number; readonly result: IngestResult }
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'error'; readonly id: number | null; readonly error: ErrorMessage }
  /** The thread ends once nothing runs in the database any more. */
  | { readonly type: 'failing'; readonly error: ErrorMessage }
  | { readonly type: 'health'; readonly health: StoreHealth }
  | { readonly type: 'report'; readonly line: string };

interface ErrorMessage {
  /** The code of a `TelemetryError`, else the error's name. */
  readonly code: string;
  readonly message: string;
  /** What the error came from, without its class. */
  readonly cause?: unknown;
}

export function errorToMessage(error: unknown): ErrorMessage {
  if (!(error instanceof Error)) return { code: 'Error', message: String(error) };
  const { name, message, cause } = error;
  const code = error instanceof TelemetryError ? error.code : name;
  return { code, message, ...(cause instanceof Error ? { cause: new Error(cause.message) } : {}) };
}

/** An error of a class that is not ours is the backend's own: it becomes the cause of a `BackendUnavailableError`. */
export function errorFromMessage({ code, message, cause }: ErrorMessage): Error {
  const options = cause === undefined ? undefined : { cause };
  return (
    errorOfCode(code, message, options) ??
    new BackendUnavailableError('The store failed to answer.', { cause: new Error(`${code}: ${message}`, options) })
  );
}
