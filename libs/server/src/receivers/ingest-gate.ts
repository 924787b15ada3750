/**
 * Bounds the bytes that requests hold in this process.   Write path: socket -> [ingest-gate] -> store.
 *
 * Bytes are reserved as they arrive, not as they are announced, and given back once the store has answered.
 */
export class IngestGate {
  readonly #maxBytes: number;
  #bytes = 0;
  #requests = 0;

  constructor(options: { maxBytes: number }) {
    this.#maxBytes = options.maxBytes;
  }

  get bytesInFlight(): number {
    return this.#bytes;
  }
  get requestsInFlight(): number {
    return this.#requests;
  }

  open(): IngestLease {
    this.#requests += 1;
    let held = 0;
    let open = true;
    return {
      reserve: (bytes) => {
        if (!open || this.#bytes + bytes > this.#maxBytes) return false;
        this.#bytes += bytes;
        held += bytes;
        return true;
      },
      release: () => {
        if (!open) return;
        open = false;
        this.#bytes -= held;
        this.#requests -= 1;
      },
    };
  }
}

/** The bytes of one request. */
export interface IngestLease {
  /** False when there is no room: the request is to be refused. */
  reserve(bytes: number): boolean;
  /** Gives everything back; any further call does nothing. */
  release(): void;
}
