/**
 * Attributes of a span, an event or a link while they are collected: a map for a handful of entries.   Write path: span -> [attribute-list] -> encoder.
 *
 * Keys and values alternate in one array, which is searched from its beginning: for as many entries as spans have, that is cheaper than
 * hashing, and a `Map` grows in the runtime at its fifth entry (measured: docs/performance.md, "attributes in a list").
 */
import type { EncodableValue } from './encoder.js';

/** From this many entries on, a `Map` knows where each key is. */
const INDEXED_FROM = 24;

export class AttributeList implements Iterable<[string, EncodableValue]> {
  /** Key, value, key, value ... for the encoder; to be changed through the methods only. */
  readonly entries: (string | EncodableValue)[] = [];
  /** Position of each key, once there are many. */
  #index: Map<string, number> | undefined;

  get size(): number {
    return this.entries.length >> 1;
  }

  has(key: string): boolean {
    return this.#find(key) >= 0;
  }

  get(key: string): EncodableValue | undefined {
    const at = this.#find(key);
    return at < 0 ? undefined : this.entries[at + 1];
  }

  /** A key that is there keeps its place. */
  set(key: string, value: EncodableValue): void {
    const at = this.#find(key);
    if (at < 0) this.append(key, value);
    else this.entries[at + 1] = value;
  }

  /** As `set`, for a key that is known not to be there. */
  append(key: string, value: EncodableValue): void {
    const { entries } = this;
    this.#index?.set(key, entries.length);
    entries.push(key, value);
  }

  *[Symbol.iterator](): Iterator<[string, EncodableValue]> {
    const { entries } = this;
    for (let at = 0; at < entries.length; at += 2) yield [entries[at] as string, entries[at + 1]!];
  }

  #find(key: string): number {
    const { entries } = this;
    if (entries.length < INDEXED_FROM * 2) {
      for (let at = 0; at < entries.length; at += 2) if (entries[at] === key) return at;
      return -1;
    }
    let index = this.#index;
    if (index === undefined) {
      index = new Map();
      for (let at = 0; at < entries.length; at += 2) index.set(entries[at] as string, at);
      this.#index = index;
    }
    return index.get(key) ?? -1;
  }
}
