/**
 * Strings by their bytes: the second time the same bytes come, the same string comes back without decoding.   Decoder of OTLP.
 *
 * A table of fixed size where a newcomer takes the place of what was there: bounded, whatever is thrown at it.
 */
export class ByteInterner {
  readonly #slots: number;
  readonly #maxBytes: number;
  readonly #strings: string[];
  readonly #lengths: Uint8Array;
  readonly #bytes: Uint8Array;

  /** `slots` is a power of two; strings of up to `maxBytes` (255 at most) bytes are kept. */
  constructor(slots: number, maxBytes: number) {
    this.#slots = slots;
    this.#maxBytes = maxBytes;
    this.#strings = new Array<string>(slots).fill('');
    this.#lengths = new Uint8Array(slots);
    this.#bytes = new Uint8Array(slots * maxBytes);
  }

  /** The string of `length` (1 or more) bytes of UTF-8 at `start`. Bytes that are no UTF-8 become U+FFFD. */
  get(source: Buffer, start: number, length: number): string {
    const maxBytes = this.#maxBytes;
    if (length > maxBytes) return source.toString('utf8', start, start + length);
    const end = start + length;
    let hash = length;
    for (let i = start; i < end; i += 1) hash = Math.imul(hash ^ source[i]!, 0x01000193);
    const slot = (hash ^ (hash >>> 15)) & (this.#slots - 1);
    const bytes = this.#bytes;
    const offset = slot * maxBytes;
    if (this.#lengths[slot] === length) {
      let i = 0;
      while (i < length && bytes[offset + i] === source[start + i]) i += 1;
      if (i === length) return this.#strings[slot]!;
    }
    const text = source.toString('utf8', start, end);
    for (let i = 0; i < length; i += 1) bytes[offset + i] = source[start + i]!;
    this.#lengths[slot] = length;
    this.#strings[slot] = text;
    return text;
  }
}
