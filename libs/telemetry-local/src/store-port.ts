/**
 * What crosses between the main thread and the store's thread.   Local store <-> [store-port] <-> store worker.
 *
 * Values travel by structured clone, which keeps bigints, maps and bytes. Errors do not keep their class that way, so they travel as what
 * they say and are made anew on the other side.
 */

import type {
  IngestRequest,
  IngestResult,
  StoreCallName,
  StoreCalls,
  StoreHealth,
} from '@cogniverse/foundation/telemetry';
import * as telemetry from '@cogniverse/foundation/telemetry';
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
  readonly name: string;
  readonly message: string;
  /** What the error came from, without its class. */
  readonly cause?: unknown;
}

type ErrorClass = new (message: string, options?: ErrorOptions) => Error;

const CLASSES: ReadonlyMap<string, ErrorClass> = new Map(
  [
    telemetry.BackendUnavailableError,
    telemetry.ConfigurationError,
    telemetry.DatasetExistsError,
    telemetry.DatasetNotFoundError,
    telemetry.ExperimentNotFoundError,
    telemetry.ExperimentRunExistsError,
    telemetry.InvalidNameError,
    telemetry.InvalidQueryError,
    telemetry.ProjectAmbiguousError,
    telemetry.ProjectNotFoundError,
    telemetry.ProjectExistsError,
    telemetry.SessionNotFoundError,
    telemetry.SpanNotFoundError,
    telemetry.StoreOpenError,
    telemetry.TenantDeletedError,
    telemetry.TenantMismatchError,
    telemetry.TraceNotFoundError,
  ].map((errorClass) => [errorClass.name, errorClass]),
);

export function errorToMessage(error: unknown): ErrorMessage {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message, cause } = error;
  return { name, message, ...(cause instanceof Error ? { cause: new Error(cause.message) } : {}) };
}

/** An error of a class that is not ours is the backend's own: it becomes the cause of a `BackendUnavailableError`. */
export function errorFromMessage({ name, message, cause }: ErrorMessage): Error {
  const errorClass = CLASSES.get(name);
  if (errorClass !== undefined) return new errorClass(message, cause === undefined ? undefined : { cause });
  return new telemetry.BackendUnavailableError('The store failed to answer.', {
    cause: new Error(`${name}: ${message}`, cause === undefined ? undefined : { cause }),
  });
}
