/**
 * Whether a block of spans may hold what is asked for.   Read path: block-index -> [filled-block] -> block-tests.
 */
import { mixed } from './block-hash.js';

/** Bits that each value sets in a block's filter. */
export const PROBES = 6;
/** Of the bounds of one numeric attribute. */
export const NUMBER_BYTES = 24;

export interface StoredBlock {
  readonly segment: number;
  readonly spans: number;
  /** Earliest and latest start in nanoseconds. */
  readonly first: bigint;
  readonly last: bigint;
  /** Undefined where it was not asked for, or is not known. */
  readonly filled: FilledBlock | undefined;
}

/** Hashes are those of `block-hash.ts`, bytes those of the columns of `blocks.ts`. */
export class FilledBlock {
  readonly #filter: Uint8Array;
  readonly #fragments: Uint8Array;
  readonly #numbers: DataView;

  constructor(filter: Uint8Array, fragments: Uint8Array, numbers: Uint8Array) {
    this.#filter = filter;
    this.#fragments = fragments;
    this.#numbers = new DataView(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  }

  get bytes(): number {
    return this.#filter.length + this.#fragments.length + this.#numbers.byteLength;
  }

  /** False only if no span of the block has it. */
  has(value: number): boolean {
    const last = this.#filter.length * 8 - 1;
    const step = mixed(value) | 1;
    let hash = value;
    for (let i = 0; i < PROBES; i++) {
      const bit = hash & last;
      if ((this.#filter[bit >>> 3]! & (1 << (bit & 7))) === 0) return false;
      hash = (hash + step) | 0;
    }
    return true;
  }

  /** False only if no text in the block has all of these. */
  hasFragments(fragments: readonly number[]): boolean {
    const last = this.#fragments.length * 8 - 1;
    for (const fragment of fragments) {
      const bit = fragment & last;
      if ((this.#fragments[bit >>> 3]! & (1 << (bit & 7))) === 0) return false;
    }
    return true;
  }

  /** Least and greatest number of the attribute in the block; undefined if it has none. */
  bounds(key: number): { least: number; greatest: number } | undefined {
    for (let at = 0; at < this.#numbers.byteLength; at += NUMBER_BYTES) {
      if (this.#numbers.getInt32(at, true) !== key) continue;
      return { least: this.#numbers.getFloat64(at + 8, true), greatest: this.#numbers.getFloat64(at + 16, true) };
    }
    return undefined;
  }
}
