/** Trace and span ids, and the times of spans.   Write path: span() -> [identity, clock] -> span. Both are injected, so that tests own them. */
import { randomFillSync } from 'node:crypto';
import { types } from 'node:util';
import type { TimeInput } from '@opentelemetry/api';
import { type Clock, systemClock } from './export/clock.js';

const { isDate, isProxy } = types;

export interface IdGenerator {
  /** 32 lower-case hex digits, not all zero. */
  generateTraceId(): string;
  /** 16 lower-case hex digits, not all zero. */
  generateSpanId(): string;
}

const POOL_BYTES = 4096;
const NO_SPAN_ID = '0000000000000000';

/** Random ids. Randomness and its hex digits are made for hundreds of ids at once (bench: span, "ids"). */
export class RandomIdGenerator implements IdGenerator {
  readonly #bytes = Buffer.allocUnsafeSlow(POOL_BYTES);
  #digits = '';
  #at = 0;

  generateTraceId(): string {
    const id = this.#take(32);
    return id.startsWith(NO_SPAN_ID) && id.endsWith(NO_SPAN_ID) ? this.generateTraceId() : id;
  }

  generateSpanId(): string {
    const id = this.#take(16);
    return id === NO_SPAN_ID ? this.generateSpanId() : id;
  }

  #take(digits: number): string {
    if (this.#at + digits > this.#digits.length) {
      this.#digits = randomFillSync(this.#bytes).toString('hex');
      this.#at = 0;
    }
    const id = this.#digits.slice(this.#at, this.#at + digits);
    this.#at += digits;
    return id;
  }
}

/** A wall clock that has moved by more than this against the monotonic one is followed, by the next local trace. */
const DRIFT_MILLIS = 20;
const NANOS_PER_MILLI = 1_000_000;

/**
 * Times of spans, in nanoseconds since 1970. The spans of one local trace share an anchor and count on with the monotonic clock, so that
 * no jump of the wall clock turns their order round.
 */
export class SpanClock {
  readonly #clock: Clock;
  #anchorMillis: number;
  #anchor: bigint;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
    this.#anchorMillis = clock.wallMillis() - clock.monotonicMillis();
    this.#anchor = millisToNanos(this.#anchorMillis);
  }

  /** The anchor of a local trace that begins now. */
  anchor(): bigint {
    const anchorMillis = this.#clock.wallMillis() - this.#clock.monotonicMillis();
    if (Math.abs(anchorMillis - this.#anchorMillis) > DRIFT_MILLIS) {
      this.#anchorMillis = anchorMillis;
      this.#anchor = millisToNanos(anchorMillis);
    }
    return this.#anchor;
  }

  now(anchor: bigint): bigint {
    return anchor + BigInt(Math.round(this.#clock.monotonicMillis() * NANOS_PER_MILLI));
  }

  /** A time as OpenTelemetry's API takes it; now, if it is no finite time. Source: OpenTelemetry JS, `TimeInput` and `Span._getTime`. */
  at(input: TimeInput | undefined, anchor: bigint): bigint {
    if (input === undefined) return this.now(anchor);
    const nanos = this.#nanosOf(input, anchor);
    // OTLP's times are unsigned 64-bit numbers.
    return nanos === undefined || nanos < 0n || nanos > 0xffff_ffff_ffff_ffffn ? this.now(anchor) : nanos;
  }

  #nanosOf(input: TimeInput, anchor: bigint): bigint | undefined {
    if (typeof input === 'number') {
      // A number below the process' age is one of `performance.now()`; otherwise milliseconds since 1970.
      if (input >= 0 && input <= this.#clock.monotonicMillis())
        return anchor + BigInt(Math.round(input * NANOS_PER_MILLI));
      return millisToNanos(input);
    }
    if (!isTimeInput(input)) return undefined;
    if (!Array.isArray(input)) return millisToNanos(Date.prototype.getTime.call(input));
    const [seconds, nanos] = input;
    if (!Number.isFinite(seconds) || !Number.isFinite(nanos)) return undefined;
    return BigInt(Math.trunc(seconds)) * 1_000_000_000n + BigInt(Math.trunc(nanos));
  }
}

/** A number, a date, or seconds and nanoseconds. Never throws, whatever it is asked about. */
export function isTimeInput(value: unknown): value is TimeInput {
  if (typeof value === 'number') return true;
  if (typeof value !== 'object') return false;
  return (
    isDate(value) ||
    (isPlainArray(value) && value.length === 2 && typeof value[0] === 'number' && typeof value[1] === 'number')
  );
}

function isPlainArray(value: unknown): value is unknown[] {
  return !isProxy(value) && Array.isArray(value); // a revoked proxy throws when it is asked
}

function millisToNanos(millis: number): bigint {
  if (!Number.isFinite(millis)) return -1n;
  const whole = Math.trunc(millis);
  return BigInt(whole) * 1_000_000n + BigInt(Math.round((millis - whole) * NANOS_PER_MILLI));
}
