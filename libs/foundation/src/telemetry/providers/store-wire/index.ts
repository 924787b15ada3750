/**
 * The JSON form of a `TelemetryStore`: every read and meta operation with its route, request and answer.   Server <-> remote store.
 *
 * One table for both ends: the server registers its routes from it, the remote store calls them. A method is added in three places: its
 * signature (`store/`), its entry in the file of its domain here, its handler in the store.
 */
import { z } from 'zod';
import type { StoreCalls, TelemetryStore } from '../store/telemetry-store.js';
import { ANNOTATION_INPUTS, ANNOTATION_OPERATIONS } from './annotations.js';
import { DATASET_INPUTS, DATASET_OPERATIONS } from './datasets.js';
import { DELETION_OPERATIONS } from './deletion.js';
import { EXPERIMENT_INPUTS, EXPERIMENT_OPERATIONS } from './experiments.js';
import { type OperationsOf, reading, type StoreOperation } from './operation.js';
import { PROJECT_OPERATIONS } from './projects.js';
import { SESSION_INPUTS, SESSION_OPERATIONS } from './sessions.js';
import { SPAN_INPUTS, SPAN_OPERATIONS } from './spans.js';
import { UPKEEP_OPERATIONS } from './upkeep.js';
import { dataOf, double, request } from './values.js';

export {
  checkInput,
  decodeStoreRequest,
  decodeStoreResult,
  encodeStoreRequest,
  encodeStoreResult,
  type StoreOperation,
} from './operation.js';

/** Where the routes hang on the server. */
export const STORE_ROUTE_PREFIX = '/v1/cogniverse/';

/** Every operation of a `TelemetryStore` that crosses HTTP, under the name of its method. Spans come in by OTLP. */
export const STORE_OPERATIONS = {
  ...SPAN_OPERATIONS,
  ...PROJECT_OPERATIONS,
  ...SESSION_OPERATIONS,
  ...ANNOTATION_OPERATIONS,
  ...DATASET_OPERATIONS,
  ...EXPERIMENT_OPERATIONS,
  ...DELETION_OPERATIONS,
  ...UPKEEP_OPERATIONS,
  figures: reading('GET figures', request<object>({}), dataOf(z.record(z.string(), double))),
} satisfies OperationsOf<StoreCalls>;

export type StoreCallName = keyof typeof STORE_OPERATIONS;

/** What passes the calls of a store on, to a thread or to a server. */
export interface StoreTransport extends Pick<TelemetryStore, 'ingest' | 'health' | 'shutdown'> {
  call<Request, Result>(
    name: StoreCallName,
    operation: StoreOperation<Request, Result>,
    request: Request,
  ): Promise<Result>;
}

/** The store at the other end. */
export function storeOver(transport: StoreTransport): TelemetryStore {
  const operations = Object.entries(STORE_OPERATIONS) as [StoreCallName, StoreOperation<object, unknown>][];
  const calls = operations.map(([name, operation]) => [
    name,
    (request: object = {}) => transport.call(name, operation, request),
  ]);
  return {
    ...(Object.fromEntries(calls) as unknown as StoreCalls),
    ingest: (request) => transport.ingest(request),
    health: () => transport.health(),
    shutdown: () => transport.shutdown(),
  };
}

/** The options of the methods of a provider's stores, made of the same shapes: a provider checks with them, wherever its store is. */
export const PROVIDER_INPUTS = {
  ...SPAN_INPUTS,
  ...SESSION_INPUTS,
  ...ANNOTATION_INPUTS,
  ...DATASET_INPUTS,
  ...EXPERIMENT_INPUTS,
} as const;
