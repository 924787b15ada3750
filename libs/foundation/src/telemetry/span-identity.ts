/** Trace and span ids, and the times of spans.   Write path: span() -> [identity, clock] -> span. Both are injected, so that tests own them. */
import { randomFillSync } from 'node:crypto';
import { endianness } from 'node:os';
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

/** Bytes of randomness made at once, and how many of them become hex digits at once. */
const POOL_BYTES = 64 * 1024;
const DIGITS_BYTES = 4096;
const NO_SPAN_ID = '0000000000000000';

/** Random ids. Randomness is made for thousands of ids at once, its hex digits for hundreds. */
export class RandomIdGenerator implements IdGenerator {
  readonly #bytes = Buffer.allocUnsafeSlow(POOL_BYTES);
  #bytesAt = POOL_BYTES;
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
      if (this.#bytesAt === POOL_BYTES) {
        randomFillSync(this.#bytes);
        this.#bytesAt = 0;
      }
      this.#digits = this.#bytes.toString('hex', this.#bytesAt, this.#bytesAt + DIGITS_BYTES);
      this.#bytesAt += DIGITS_BYTES;
      this.#at = 0;
    }
    const id = this.#digits.slice(this.#at, this.#at + digits);
    this.#at += digits;
    return id;
  }
}

/** A wall clock that has moved by more than this against the monotonic one is followed, by the next local trace. */
const DRIFT_MILLIS = 20;
/** How often the wall clock is read at most. */
const WALL_CHECK_MILLIS = 1;
const NANOS_PER_MILLI = 1_000_000;
const scratch = new BigInt64Array(1);
const halves = new Uint32Array(scratch.buffer);
const [LOW, HIGH] = endianness() === 'LE' ? ([0, 1] as const) : ([1, 0] as const);

/**
 * Times of spans, in nanoseconds since 1970. The spans of one local trace share an anchor and count on with the monotonic clock, so that
 * no jump of the wall clock turns their order round.
 */
export class SpanClock {
  readonly #clock: Clock;
  #anchorMillis: number;
  #anchor: bigint;
  /** When the wall clock was last read. */
  #checkedMillis: number;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
    this.#checkedMillis = clock.monotonicMillis();
    this.#anchorMillis = clock.wallMillis() - this.#checkedMillis;
    this.#anchor = millisToNanos(this.#anchorMillis);
  }

  /** The anchor of a local trace that begins now, at `monotonicMillis`. */
  anchor(monotonicMillis = this.#clock.monotonicMillis()): bigint {
    if (monotonicMillis - this.#checkedMillis < WALL_CHECK_MILLIS) return this.#anchor;
    this.#checkedMillis = monotonicMillis;
    const anchorMillis = this.#clock.wallMillis() - monotonicMillis;
    if (Math.abs(anchorMillis - this.#anchorMillis) > DRIFT_MILLIS) {
      this.#anchorMillis = anchorMillis;
      this.#anchor = millisToNanos(anchorMillis);
    }
    return this.#anchor;
  }

  now(anchor: bigint, monotonicMillis = this.#clock.monotonicMillis()): bigint {
    // By way of memory: `BigInt()` is a call into the runtime (docs/performance.md, "times").
    const nanos = Math.round(monotonicMillis * NANOS_PER_MILLI);
    halves[LOW] = nanos;
    halves[HIGH] = nanos / 2 ** 32;
    return BigInt.asUintN(64, anchor + scratch[0]!);
  }

  /** A time as OpenTelemetry's API takes it; now (`monotonicMillis`, where it was read already), if it is no finite time. Source: OpenTelemetry JS, `TimeInput` and `Span._getTime`. */
  at(input: TimeInput | undefined, anchor: bigint, monotonicMillis?: number): bigint {
    if (input === undefined) return this.now(anchor, monotonicMillis);
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
