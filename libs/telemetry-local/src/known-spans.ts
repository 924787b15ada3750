/**
 * Which spans a day file may hold already, so that nearly all new ones are known to be new without a look into the file.   Write path: admission -> [known-spans] -> segment.
 *
 * A Bloom filter a day: a span that is in the day file, or on its way there, is always taken for known; of 25,000 new ones some one is too, and is looked up. Filters are
 * added as the day grows, each for twice as many spans; three bytes a span.
 */
const FIRST_CAPACITY = 65_536;
const BITS_A_SPAN = 24;
const PROBES = 8;

class Filter {
  readonly capacity: number;
  readonly #words: Uint32Array;
  readonly #bits: number;
  count = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#bits = capacity * BITS_A_SPAN;
    this.#words = new Uint32Array(this.#bits / 32);
  }

  has(first: number, second: number): boolean {
    let hash = first;
    for (let i = 0; i < PROBES; i++) {
      const bit = (hash >>> 0) % this.#bits;
      if ((this.#words[bit >>> 5]! & (1 << (bit & 31))) === 0) return false;
      hash = (hash + second) | 0;
    }
    return true;
  }

  add(first: number, second: number): void {
    let hash = first;
    for (let i = 0; i < PROBES; i++) {
      const bit = (hash >>> 0) % this.#bits;
      this.#words[bit >>> 5]! |= 1 << (bit & 31);
      hash = (hash + second) | 0;
    }
    this.count += 1;
  }
}

/** Ids are meant to be random, but some are counters: all bits are mixed (the end of MurmurHash3). */
function mixed(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

const word = (id: string, from: number) => Number.parseInt(id.slice(from, from + 8), 16);

export class KnownSpans {
  readonly #filters: Filter[] = [new Filter(FIRST_CAPACITY)];
  #isComplete: boolean;

  /** `isComplete`: the day file is empty, so what is added is all there is. */
  constructor(isComplete: boolean) {
    this.#isComplete = isComplete;
  }

  /** Whether everything in the day file was added. Before, nothing can be said of a span that is not known. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  complete(): void {
    this.#isComplete = true;
  }

  /** Ids in hexadecimal. Adds the span. Gives whether it may have been known before; never false for one that was. */
  addAndTell(traceId: string, spanId: string): boolean {
    const first = mixed(word(spanId, 0) ^ word(traceId, 24));
    const second = mixed(word(spanId, 8) ^ Math.imul(word(traceId, 16), 0x9e3779b1)) | 1;
    for (const filter of this.#filters) if (filter.has(first, second)) return true;
    let last = this.#filters.at(-1)!;
    if (last.count >= last.capacity) {
      last = new Filter(last.capacity * 2);
      this.#filters.push(last);
    }
    last.add(first, second);
    return false;
  }
}
