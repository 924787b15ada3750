/** Byte blocks and rings that queues and requests borrow and give back.   Write path: steady traffic allocates nothing. */

const SMALLEST = 11; // 2 KiB
const LARGEST = 22; // 4 MiB

/** Bits of the smallest power of two that is at least `size`. */
function sizeClass(size: number): number {
  return size <= 1 ? 0 : 32 - Math.clz32(size - 1);
}

export class BlockPool {
  readonly #blocks: Uint8Array[][] = [];
  readonly #rings: Int32Array[][] = [];
  readonly #maxRetainedBytes: number;
  #retainedBytes = 0;

  /** Keeps up to `maxRetainedBytes` that nobody uses at the moment. */
  constructor(maxRetainedBytes = 8 * 1024 * 1024) {
    this.#maxRetainedBytes = maxRetainedBytes;
  }

  /** A block of at least `size` bytes, not zeroed. */
  takeBlock(size: number): Uint8Array {
    const bits = Math.max(sizeClass(size), SMALLEST);
    if (bits > LARGEST) return Buffer.allocUnsafeSlow(size);
    const block = this.#blocks[bits]?.pop();
    if (block === undefined) return Buffer.allocUnsafeSlow(1 << bits);
    this.#retainedBytes -= block.length;
    return block;
  }

  giveBlock(block: Uint8Array): void {
    const bits = sizeClass(block.length);
    if (bits > LARGEST || block.length !== 1 << bits || this.#retainedBytes + block.length > this.#maxRetainedBytes)
      return;
    this.#retainedBytes += block.length;
    this.#blocks[bits] ??= [];
    this.#blocks[bits].push(block);
  }

  /** A ring of at least `length` numbers; its length is a power of two. */
  takeRing(length: number): Int32Array {
    const bits = sizeClass(length);
    const ring = this.#rings[bits]?.pop();
    if (ring === undefined) return new Int32Array(1 << bits);
    this.#retainedBytes -= ring.byteLength;
    return ring;
  }

  giveRing(ring: Int32Array): void {
    if (this.#retainedBytes + ring.byteLength > this.#maxRetainedBytes) return;
    const bits = sizeClass(ring.length);
    this.#retainedBytes += ring.byteLength;
    this.#rings[bits] ??= [];
    this.#rings[bits].push(ring);
  }

  /** Keeps at most `bytes` of what nobody uses: the largest go first. */
  trim(bytes: number): void {
    for (const kept of [this.#blocks, this.#rings]) {
      for (let bits = kept.length - 1; bits >= 0 && this.#retainedBytes > bytes; bits -= 1) {
        const ofClass = kept[bits];
        while (ofClass !== undefined && this.#retainedBytes > bytes) {
          const one = ofClass.pop();
          if (one === undefined) break;
          this.#retainedBytes -= one.byteLength;
        }
      }
    }
  }
}
