/** The `RetryInfo` in a gRPC error's details.   Write path: read by grpc-sender. Source: google/rpc/status.proto, error_details.proto, duration.proto. */

import { ProtoReader } from '../../otlp/decoder.js';
import { OtlpDecodeError } from '../../otlp/index.js';
import { MAX_TIMER_MILLIS } from './clock.js';

const RETRY_INFO = 'google.rpc.RetryInfo';

class StatusReader extends ProtoReader {
  /** Milliseconds, as sent. */
  delay: number | undefined;

  read(): number | undefined {
    this.#status(this.bytes.length);
    return this.delay;
  }

  /** `Status { int32 code = 1; string message = 2; repeated Any details = 3; }` */
  #status(end: number): void {
    while (this.position < end) {
      const tag = this.tag();
      if (tag === 0x1a) this.#any(this.until(end));
      else this.skip(tag, end);
    }
    this.ended(end);
  }

  /** `Any { string type_url = 1; bytes value = 2; }`: the type comes first, as every encoder writes it. */
  #any(end: number): void {
    let isRetryInfo = false;
    while (this.position < end) {
      const tag = this.tag();
      if (tag === 0x0a) isRetryInfo = this.string(end).endsWith(`/${RETRY_INFO}`);
      else if (tag === 0x12 && isRetryInfo) this.#retryInfo(this.until(end));
      else this.skip(tag, end);
    }
    this.ended(end);
  }

  /** `RetryInfo { Duration retry_delay = 1; }` */
  #retryInfo(end: number): void {
    this.delay ??= 0;
    while (this.position < end) {
      const tag = this.tag();
      if (tag === 0x0a) this.#duration(this.until(end));
      else this.skip(tag, end);
    }
    this.ended(end);
  }

  /** `Duration { int64 seconds = 1; int32 nanos = 2; }` */
  #duration(end: number): void {
    let millis = 0;
    while (this.position < end) {
      const tag = this.tag();
      if (tag === 0x08) millis += Number(this.int64()) * 1000;
      else if (tag === 0x10) millis += Number(this.int64()) / 1e6;
      else this.skip(tag, end);
    }
    this.ended(end);
    this.delay = millis;
  }
}

export interface RetryInfo {
  /** Milliseconds to wait; undefined if the delay is absent, zero or negative. */
  readonly afterMillis: number | undefined;
}

/** What `grpc-status-details-bin` says about trying again; undefined if it says nothing, or nothing readable. */
export function decodeRetryInfo(details: Uint8Array): RetryInfo | undefined {
  try {
    const delay = new StatusReader(details).read();
    if (delay === undefined) return undefined;
    return { afterMillis: delay > 0 ? Math.min(delay, MAX_TIMER_MILLIS) : undefined };
  } catch (error) {
    if (error instanceof OtlpDecodeError) return undefined;
    throw error;
  }
}
