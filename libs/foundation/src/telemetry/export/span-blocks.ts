/**
 * Encoded spans one behind the other, in byte blocks.   Write path: the storage of tenant-queue.
 *
 * Each span is stored as the `spans` entry of an OTLP `ScopeSpans` (tag, length, body), so that a run of spans goes into a request as
 * one copy. A span never straddles two blocks, and the live bytes of a block have no gaps.
 */
import type { BlockPool } from './block-pool.js';

/** Field 2 (`ScopeSpans.spans`), length-delimited. */
const SPANS_TAG = 0x12;
const SMALLEST_BLOCK = 2 * 1024;
const LARGEST_BLOCK = 64 * 1024;

interface Block {
  bytes: Uint8Array;
  start: number;
  end: number;
}

function varintLength(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

/** Writes an unsigned 32-bit varint; gives the position behind it. */
export function writeVarint(into: Uint8Array, at: number, value: number): number {
  let position = at;
  let rest = value;
  while (rest >= 0x80) {
    into[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  into[position++] = rest;
  return position;
}

/** Bytes that a span of `length` bytes takes as an entry of a request. */
export function framedLength(length: number): number {
  return 1 + varintLength(length) + length;
}

export class SpanBlocks {
  readonly #pool: BlockPool;
  /** Oldest first; the live ones begin at `#first`. */
  #blocks: Block[] = [];
  #first = 0;
  #bytes = 0;

  constructor(pool: BlockPool) {
    this.#pool = pool;
  }

  /** Live bytes. */
  get byteLength(): number {
    return this.#bytes;
  }

  append(span: Uint8Array): void {
    const framed = framedLength(span.length);
    let block = this.#blocks.length > this.#first ? this.#blocks[this.#blocks.length - 1] : undefined;
    if (block === undefined || block.end + framed > block.bytes.length) {
      // A quarter of what is there: a small queue stays small, a large one wastes little.
      const wish = Math.max(framed, Math.min(Math.max(this.#bytes >> 2, SMALLEST_BLOCK), LARGEST_BLOCK));
      block = { bytes: this.#pool.takeBlock(wish), start: 0, end: 0 };
      this.#blocks.push(block);
    }
    const bytes = block.bytes;
    bytes[block.end] = SPANS_TAG;
    bytes.set(span, writeVarint(bytes, block.end + 1, span.length));
    block.end += framed;
    this.#bytes += framed;
  }

  /** Moves the oldest `count` bytes (whole spans) into `into`, at `at`. */
  moveOut(into: Uint8Array, at: number, count: number): void {
    let position = at;
    let rest = count;
    while (rest > 0) {
      const block = this.#blocks[this.#first]!;
      const part = Math.min(rest, block.end - block.start);
      into.set(block.bytes.subarray(block.start, block.start + part), position);
      position += part;
      rest -= part;
      block.start += part;
      if (block.start === block.end) this.#releaseFirst();
    }
    this.#bytes -= count;
  }

  #releaseFirst(): void {
    this.#pool.giveBlock(this.#blocks[this.#first]!.bytes);
    this.#first += 1;
    if (this.#first === this.#blocks.length) {
      this.#blocks = [];
      this.#first = 0;
    } else if (this.#first >= 64) {
      this.#blocks.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /** Drops the newest span, whose framed length is `framed`. */
  dropNewest(framed: number): void {
    const block = this.#blocks[this.#blocks.length - 1]!;
    block.end -= framed;
    this.#bytes -= framed;
    if (block.start < block.end) return;
    this.#pool.giveBlock(block.bytes);
    this.#blocks.pop();
    if (this.#first === this.#blocks.length) {
      this.#blocks = [];
      this.#first = 0;
    }
  }

  /** Gives all blocks back. */
  clear(): void {
    for (let index = this.#first; index < this.#blocks.length; index += 1)
      this.#pool.giveBlock(this.#blocks[index]!.bytes);
    this.#blocks = [];
    this.#first = 0;
    this.#bytes = 0;
  }
}
