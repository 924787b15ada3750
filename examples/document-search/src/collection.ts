/** One tenant's passages, or other short texts, with their two indexes. Built once, at start. */
import { Bm25Index, best, type Hit } from './bm25-index.js';
import { HashedTfIdfEncoder } from './encoder.js';
import type { Passage } from './passages.js';
import { termsOf } from './tokens.js';
import { VectorIndex } from './vector-index.js';

/** What a collection has to know of a text. */
export interface IndexedText {
  readonly id: string;
  /** All words, in order. */
  readonly words: readonly string[];
}

export class Collection<T extends IndexedText = Passage> {
  readonly passages: readonly T[];
  readonly bm25: Bm25Index;
  readonly encoder: HashedTfIdfEncoder;
  readonly vectors: VectorIndex;
  readonly #positions = new Map<string, number>();

  constructor(passages: readonly T[]) {
    this.passages = passages;
    this.bm25 = new Bm25Index(passages);
    this.encoder = new HashedTfIdfEncoder((term) => this.bm25.idf(term));
    this.vectors = new VectorIndex(passages.map((passage) => this.encoder.encodeWords(passage.words)));
    for (const [position, passage] of passages.entries()) this.#positions.set(passage.id, position);
  }

  /** Position of a passage; undefined if this tenant has no such document. */
  positionOf(id: string): number | undefined {
    return this.#positions.get(id);
  }

  /** The terms that tell a passage from the others: by count and rarity, the most telling first. */
  keyTerms(passage: T, limit: number): string[] {
    const found = termsOf(passage.words).filter((term) => !/^\d+$/.test(term));
    const counts = new Map<string, number>();
    for (const term of found) counts.set(term, (counts.get(term) ?? 0) + 1);
    const distinct = [...counts.keys()];
    const hits: Hit[] = distinct.map((term, position) => ({
      position,
      score: (1 + Math.log(counts.get(term)!)) * this.bm25.idf(term),
    }));
    return best(hits, limit).map((hit) => distinct[hit.position]!);
  }
}
