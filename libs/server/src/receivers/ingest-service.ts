/**
 * What HTTP and gRPC have in common: a decoded body goes to the store, its answer into the ledger.   Write path: receiver -> [ingest-service] -> store.
 */
import type { IngestRequest, IngestResult, TelemetryStore } from '@cogniverse/foundation/telemetry';
import type { ServerLedger } from '../server-ledger.js';
import type { ServerLimits } from '../server-options.js';
import { IngestGate } from './ingest-gate.js';

/** How long a client should wait when this process, not the store, has no room. */
const NO_ROOM_RETRY_MILLIS = 1000;

export class IngestService {
  readonly gate: IngestGate;
  readonly limits: ServerLimits;
  readonly #store: TelemetryStore;
  readonly #ledger: ServerLedger;
  readonly #onError: (error: unknown) => void;

  constructor(options: {
    store: TelemetryStore;
    ledger: ServerLedger;
    limits: ServerLimits;
    /** Told about a store that rejects, which it should never do. */
    onError: (error: unknown) => void;
  }) {
    this.#store = options.store;
    this.#ledger = options.ledger;
    this.limits = options.limits;
    this.#onError = options.onError;
    this.gate = new IngestGate({ maxBytes: options.limits.maxBytesInFlight });
  }

  /** Never rejects: whatever goes wrong in the store, the client is told to come again. */
  async ingest(request: IngestRequest): Promise<IngestResult> {
    let result: IngestResult;
    try {
      result = await this.#store.ingest(request);
    } catch (error) {
      this.#onError(error);
      result = { status: 'unavailable', retryAfterMillis: NO_ROOM_RETRY_MILLIS, message: 'The store did not answer.' };
    }
    this.#ledger.count(result);
    return result;
  }

  /** The answer when the gate is shut. */
  refuseForRoom(): IngestResult {
    const result: IngestResult = {
      status: 'unavailable',
      retryAfterMillis: NO_ROOM_RETRY_MILLIS,
      message: `More than ${this.limits.maxBytesInFlight} bytes of requests are under way. Try again later.`,
    };
    this.#ledger.count(result);
    return result;
  }
}

/** The project named by a header or metadata value; undefined when there is none. HTTP headers carry UTF-8 as Latin-1. */
export function projectNameFromHeader(value: string | readonly string[] | undefined): string | undefined {
  const text = typeof value === 'string' ? value : value?.[0];
  if (text === undefined || text === '') return undefined;
  const decoded = Buffer.from(text, 'latin1').toString('utf8');
  return decoded.includes('\ufffd') ? text : decoded;
}
