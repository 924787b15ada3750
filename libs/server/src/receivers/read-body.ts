/**
 * Reads a request body within bounds, decompressing it on the way.   Write path: socket -> [read-body] -> store.
 *
 * Both sizes are counted while the bytes come, so a bomb costs what the bound allows and no more. Several gzip members count as one.
 */
import type { Readable } from 'node:stream';
import { createGunzip, type Gunzip } from 'node:zlib';
import type { IngestLease } from './ingest-gate.js';

export type BodyResult =
  /** `body` has an `ArrayBuffer` of its own, so that it can be handed to another thread. */
  | { readonly status: 'read'; readonly body: Uint8Array<ArrayBuffer> }
  | { readonly status: 'too_large'; readonly message: string }
  | { readonly status: 'malformed'; readonly message: string }
  | { readonly status: 'no_room' }
  /** The client went away; nobody waits for an answer. */
  | { readonly status: 'aborted' };

export interface BodyLimits {
  readonly maxWireBytes: number;
  readonly maxDecodedBytes: number;
}

/** Takes chunks as they arrive, in either encoding. */
export class BodyReader {
  readonly #limits: BodyLimits;
  readonly #lease: IngestLease;
  readonly #chunks: Uint8Array[] = [];
  readonly #gunzip: Gunzip | undefined;
  readonly #closed: Promise<void> = Promise.resolve();
  #wireBytes = 0;
  #decodedBytes = 0;
  #failure: Exclude<BodyResult, { status: 'read' }> | undefined;

  constructor(options: { gzip: boolean; limits: BodyLimits; lease: IngestLease }) {
    this.#limits = options.limits;
    this.#lease = options.lease;
    if (!options.gzip) return;
    const gunzip = createGunzip({ chunkSize: 64 * 1024 });
    this.#gunzip = gunzip;
    this.#closed = new Promise((resolve) => gunzip.once('close', resolve));
    this.#gunzip.on('data', (chunk: Buffer) => this.#keep(chunk));
    this.#gunzip.on('error', (error) =>
      this.#fail({ status: 'malformed', message: `The gzip data is damaged: ${error.message}.` }),
    );
  }

  /** Undefined while all is well; what is wrong once it is. */
  get failure(): Exclude<BodyResult, { status: 'read' }> | undefined {
    return this.#failure;
  }

  /** Takes a chunk; a promise when the caller should wait before the next one. */
  write(chunk: Uint8Array): Promise<unknown> | undefined {
    if (this.#failure !== undefined) return undefined;
    this.#wireBytes += chunk.length;
    if (this.#wireBytes > this.#limits.maxWireBytes) {
      this.#fail({
        status: 'too_large',
        message: `The request is larger than ${this.#limits.maxWireBytes} bytes. Send smaller batches.`,
      });
      return undefined;
    }
    if (this.#gunzip === undefined) {
      this.#keep(chunk);
      return undefined;
    }
    const gunzip = this.#gunzip;
    // A write under way when the stream is destroyed is never called back, so closing counts too.
    return Promise.race([new Promise<void>((resolve) => gunzip.write(chunk, () => resolve())), this.#closed]);
  }

  /** After the last chunk. */
  async end(): Promise<BodyResult> {
    const gunzip = this.#gunzip;
    if (gunzip !== undefined && this.#failure === undefined) {
      gunzip.end();
      await this.#closed; // follows the end of the data as well as an error
    }
    if (this.#failure !== undefined) return this.#failure;
    const body = new Uint8Array(this.#decodedBytes);
    let offset = 0;
    for (const chunk of this.#chunks) {
      body.set(chunk, offset);
      offset += chunk.length;
    }
    this.#chunks.length = 0;
    return { status: 'read', body };
  }

  /** The client went away, or took too long. */
  abort(): void {
    this.#fail({ status: 'aborted' });
  }

  #keep(chunk: Uint8Array): void {
    if (this.#failure !== undefined) return;
    this.#decodedBytes += chunk.length;
    if (this.#decodedBytes > this.#limits.maxDecodedBytes) {
      this.#fail({
        status: 'too_large',
        message: `The request is larger than ${this.#limits.maxDecodedBytes} bytes after decompression. Send smaller batches.`,
      });
    } else if (!this.#lease.reserve(chunk.length)) {
      this.#fail({ status: 'no_room' });
    } else {
      this.#chunks.push(chunk);
    }
  }

  #fail(failure: Exclude<BodyResult, { status: 'read' }>): void {
    this.#failure ??= failure;
    this.#chunks.length = 0;
    this.#gunzip?.destroy();
  }
}

/** Reads an HTTP request's body to its end, or to the point where it is refused; the rest of it is then read and forgotten. */
export async function readBody(
  source: Readable,
  options: { gzip: boolean; limits: BodyLimits; lease: IngestLease },
): Promise<BodyResult> {
  const reader = new BodyReader(options);
  try {
    for await (const chunk of source.iterator({ destroyOnReturn: false })) {
      await reader.write(chunk as Buffer);
      if (reader.failure !== undefined) break;
    }
    source.resume(); // what is left of a refused request; the next one on this connection would wait behind it
  } catch {
    // The stream broke off: whoever sent it is gone, and the lease is released by the caller.
    reader.abort();
  }
  return reader.end();
}
