/**
 * A growing block of bytes in protobuf's wire format.   Write path: span -> [proto-writer] -> tenant queue.
 *
 * Made to be kept and reset, so that a span costs no allocation. A message whose length is not known yet is written behind a guess of its
 * length's size, and moved where the guess was wrong (bench: otlp-encode, "length of a span").
 */

/** The caller's own bound was met; nothing is wrong with the writer, which may be reset and used again. */
export class OtlpEncodeError extends Error {
  /** `too_large`: more bytes than `maxBytes`. `too_deep`: values nested deeper than `MAX_ENCODE_DEPTH`. */
  readonly code: 'too_large' | 'too_deep';
  constructor(code: 'too_large' | 'too_deep', message: string) {
    super(message);
    this.name = 'OtlpEncodeError';
    this.code = code;
  }
}

export interface ProtoWriterOptions {
  /** Size of the first block, in bytes. Default 4096. */
  initialBytes?: number;
  /** Most bytes the block may hold; one more is an `OtlpEncodeError` (`too_large`). Default 2^31 - 1. */
  maxBytes?: number;
}

/** Up to this length a string is copied character by character; above it a call into the runtime is cheaper. */
const SHORT_STRING = 48;
/** A block above this size is given back on `reset()`, so that one huge span does not stay in memory. */
const KEPT_BYTES = 1024 * 1024;

// One 64-bit integer seen as two halves, without a BigInt operation.
const bigScratch = new BigInt64Array(1);
const halves = new Uint32Array(bigScratch.buffer);
const [LOW, HIGH] = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? ([0, 1] as const) : ([1, 0] as const);

/** Bytes that `value` (0 to 2^32 - 1) takes as a varint. */
export function varintSize(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5;
}

export class ProtoWriter {
  readonly #initialBytes: number;
  readonly #maxBytes: number;
  #block: Buffer;
  #view: DataView;
  #position = 0;

  constructor(options: ProtoWriterOptions = {}) {
    this.#maxBytes = options.maxBytes ?? 0x7fffffff;
    this.#initialBytes = Math.min(options.initialBytes ?? 4096, this.#maxBytes);
    this.#block = Buffer.allocUnsafeSlow(this.#initialBytes);
    this.#view = new DataView(this.#block.buffer);
  }

  /** Bytes written since the last `reset()`. */
  get length(): number {
    return this.#position;
  }

  /** Forgets what was written. */
  reset(): void {
    this.#position = 0;
    if (this.#block.length > KEPT_BYTES && this.#initialBytes <= KEPT_BYTES) {
      this.#block = Buffer.allocUnsafeSlow(this.#initialBytes);
      this.#view = new DataView(this.#block.buffer);
    }
  }

  /** Takes back everything behind `length` bytes. */
  truncate(length: number): void {
    if (length < this.#position) this.#position = length;
  }

  /** What was written, without copying: valid until the next write or `reset()`. */
  view(): Uint8Array {
    // Not `subarray`: that of a Buffer takes longer (docs/performance.md).
    return new Uint8Array(this.#block.buffer, 0, this.#position);
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return new Uint8Array(this.#block.subarray(0, this.#position));
  }

  /** One byte, as it is: a tag of a field below 16. */
  byte(value: number): void {
    this.#reserve(1);
    this.#block[this.#position++] = value;
  }

  /** An unsigned varint, 0 to 2^32 - 1. */
  varint(value: number): void {
    this.#reserve(5);
    this.#varint(value);
  }

  /** `int32` or an enum: a negative number takes ten bytes. */
  int32(tag: number, value: number): void {
    this.#reserve(11);
    this.#block[this.#position++] = tag;
    if (value >= 0) this.#varint(value);
    else this.#varint64(value >>> 0, 0xffffffff);
  }

  /** `int64` from a bigint: its low 64 bits. */
  int64(tag: number, value: bigint): void {
    this.#reserve(11);
    this.#block[this.#position++] = tag;
    bigScratch[0] = value;
    this.#varint64(halves[LOW]!, halves[HIGH]!);
  }

  /** `fixed64` from a bigint: its low 64 bits. */
  fixed64(tag: number, value: bigint): void {
    bigScratch[0] = value;
    this.fixed64HighLow(tag, halves[HIGH]!, halves[LOW]!);
  }

  /** `fixed64` from its halves, each 0 to 2^32 - 1. */
  fixed64HighLow(tag: number, high: number, low: number): void {
    this.#reserve(9);
    this.#block[this.#position] = tag;
    this.#view.setUint32(this.#position + 1, low, true);
    this.#view.setUint32(this.#position + 5, high, true);
    this.#position += 9;
  }

  /** `fixed32` of a field below 2048 and above 15: its tag takes two bytes. */
  fixed32(tag: number, value: number): void {
    this.#reserve(9);
    this.#varint(tag);
    this.#view.setUint32(this.#position, value, true);
    this.#position += 4;
  }

  double(tag: number, value: number): void {
    this.#reserve(9);
    this.#block[this.#position] = tag;
    this.#view.setFloat64(this.#position + 1, value, true);
    this.#position += 9;
  }

  /** Bytes as they are, without tag and length. */
  raw(bytes: Uint8Array): void {
    const length = bytes.length;
    this.#reserve(length);
    if (length > 32) this.#block.set(bytes, this.#position);
    else for (let i = 0; i < length; i += 1) this.#block[this.#position + i] = bytes[i]!;
    this.#position += length;
  }

  /** A field of known bytes: `bytes`, or a message that is encoded already. */
  bytes(tag: number, bytes: Uint8Array): void {
    this.#reserve(6);
    this.#block[this.#position++] = tag;
    this.#varint(bytes.length);
    this.raw(bytes);
  }

  /** A `bytes` field from hex digits of either case. Their number is even: whoever made the span saw to that. */
  hex(tag: number, digits: string): void {
    const length = digits.length >> 1;
    this.#reserve(length + 6);
    const block = this.#block;
    block[this.#position++] = tag;
    this.#varint(length);
    let at = this.#position;
    for (let i = 0; i < length * 2; i += 2) {
      const high = digits.charCodeAt(i);
      const low = digits.charCodeAt(i + 1);
      // '0'..'9' end in 0..9; 'a'..'f' and 'A'..'F' end in 1..6 and have bit 6 set.
      block[at++] = (((high & 15) + (high >> 6) * 9) << 4) | ((low & 15) + (low >> 6) * 9);
    }
    this.#position = at;
  }

  /** A string field in UTF-8. A lone surrogate becomes U+FFFD. */
  string(tag: number, value: string): void {
    this.#reserveString(value, 6);
    const guess = varintSize(value.length);
    const at = this.#position + 1 + guess;
    const length = this.#utf8(value, at);
    const size = varintSize(length);
    if (size !== guess) this.#block.copyWithin(at + size - guess, at, at + length);
    this.#block[this.#position++] = tag;
    this.#varint(length);
    this.#position += length;
  }

  /**
   * A `KeyValue` field with a string value, in one piece: the commonest field there is.
   * `keyField` holds the key's own field: tag, length and UTF-8.
   */
  stringKeyValue(tag: number, keyField: Uint8Array, value: string): void {
    const keyLength = keyField.length;
    this.#reserveString(value, keyLength + 18);
    // Written as if the text were ASCII, whose length is known; moved where it was not, and the heads' sizes changed with it.
    let length = value.length;
    let valueLength = 1 + varintSize(length) + length;
    let pairLength = keyLength + 1 + varintSize(valueLength) + valueLength;
    const guess = this.#position + 1 + varintSize(pairLength) + pairLength - length;
    const written = this.#utf8(value, guess);
    if (written !== length) {
      length = written;
      valueLength = 1 + varintSize(length) + length;
      pairLength = keyLength + 1 + varintSize(valueLength) + valueLength;
      const at = this.#position + 1 + varintSize(pairLength) + pairLength - length;
      if (at !== guess) this.#block.copyWithin(at, guess, guess + length);
    }
    this.#block[this.#position++] = tag;
    this.#varint(pairLength);
    this.#short(keyField);
    this.#block[this.#position++] = 0x12; // KeyValue.value
    this.#varint(valueLength);
    this.#block[this.#position++] = 0x0a; // AnyValue.string_value
    this.#varint(length);
    this.#position += length;
  }

  /** The head of a `KeyValue` field whose `AnyValue` takes `valueLength` bytes, which follow. */
  keyValueHead(tag: number, keyField: Uint8Array, valueLength: number): void {
    this.#reserve(keyField.length + 12);
    this.#block[this.#position++] = tag;
    this.#varint(keyField.length + 1 + varintSize(valueLength) + valueLength);
    this.#short(keyField);
    this.#block[this.#position++] = 0x12;
    this.#varint(valueLength);
  }

  /**
   * Opens a message field of unknown length; `end()` takes what this gives. `lengthBytes` is how many bytes the length will probably take:
   * 1 up to 127 bytes, 2 up to 16 kB, 3 up to 2 MB. A wrong guess costs a move of the message.
   */
  begin(tag: number, lengthBytes = 1): number {
    this.#reserve(1 + lengthBytes);
    this.#block[this.#position] = tag;
    this.#position += 1 + lengthBytes;
    return this.#position;
  }

  end(start: number, lengthBytes = 1): void {
    const length = this.#position - start;
    const size = varintSize(length);
    if (size !== lengthBytes) {
      if (size > lengthBytes) this.#reserve(size - lengthBytes);
      this.#block.copyWithin(start + size - lengthBytes, start, this.#position);
    }
    this.#position = start - lengthBytes;
    this.#varint(length);
    this.#position += length;
  }

  #varint(value: number): void {
    const block = this.#block;
    let rest = value;
    while (rest >= 0x80) {
      block[this.#position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    block[this.#position++] = rest;
  }

  #varint64(low: number, high: number): void {
    const block = this.#block;
    let lowRest = low;
    let highRest = high;
    while (highRest !== 0) {
      block[this.#position++] = (lowRest & 0x7f) | 0x80;
      lowRest = ((lowRest >>> 7) | (highRest << 25)) >>> 0;
      highRest >>>= 7;
    }
    this.#varint(lowRest);
  }

  #short(bytes: Uint8Array): void {
    const block = this.#block;
    let at = this.#position;
    for (let i = 0; i < bytes.length; i += 1) block[at++] = bytes[i]!;
    this.#position = at;
  }

  /** UTF-8 of `value` at `at`; gives the number of bytes. Room was reserved. */
  #utf8(value: string, at: number): number {
    const block = this.#block;
    const length = value.length;
    if (length > SHORT_STRING) return block.write(value, at);
    for (let i = 0; i < length; i += 1) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) return block.write(value, at);
      block[at + i] = code;
    }
    return length;
  }

  #reserve(bytes: number): void {
    if (this.#position + bytes > this.#block.length) this.#grow(bytes);
  }

  #reserveString(value: string, besides: number): void {
    const worst = value.length * 3 + besides;
    if (this.#position + worst > this.#block.length) {
      // Measured only where the worst case does not fit, so that a long text does not claim three times its size.
      const exact = Buffer.byteLength(value) + besides;
      if (this.#position + exact > this.#block.length) this.#grow(exact);
    }
  }

  #grow(bytes: number): void {
    const needed = this.#position + bytes;
    if (needed > this.#maxBytes) {
      throw new OtlpEncodeError(
        'too_large',
        `The message takes ${needed} bytes or more; at most ${this.#maxBytes} are allowed.`,
      );
    }
    const block = Buffer.allocUnsafeSlow(Math.min(Math.max(this.#block.length * 2, needed), this.#maxBytes));
    block.set(this.#block.subarray(0, this.#position));
    this.#block = block;
    this.#view = new DataView(block.buffer);
  }
}
