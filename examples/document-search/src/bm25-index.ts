/** An inverted index with BM25 ranking. */
import { termsOf } from './tokens.js';

export interface Hit {
  /** Position of the passage in its tenant's list. */
  readonly position: number;
  readonly score: number;
}

interface Postings {
  readonly positions: number[];
  readonly counts: number[];
}

/** The usual parameters: how fast repetition saturates, and how much length counts. */
const K1 = 1.2;
const B = 0.75;

export class Bm25Index {
  readonly #postings = new Map<string, Postings>();
  readonly #lengths: Float64Array;
  readonly #meanLength: number;

  constructor(passages: readonly { readonly words: readonly string[] }[]) {
    this.#lengths = new Float64Array(passages.length);
    let total = 0;
    for (const [position, passage] of passages.entries()) {
      const counts = new Map<string, number>();
      const found = termsOf(passage.words);
      for (const term of found) counts.set(term, (counts.get(term) ?? 0) + 1);
      for (const [term, count] of counts) {
        let postings = this.#postings.get(term);
        if (postings === undefined) {
          postings = { positions: [], counts: [] };
          this.#postings.set(term, postings);
        }
        postings.positions.push(position);
        postings.counts.push(count);
      }
      this.#lengths[position] = found.length;
      total += found.length;
    }
    this.#meanLength = passages.length === 0 ? 0 : total / passages.length;
  }

  /** Inverse document frequency; 0 for a term that no passage has. */
  idf(term: string): number {
    const frequency = this.#postings.get(term)?.positions.length ?? 0;
    if (frequency === 0) return 0;
    return Math.log(1 + (this.#lengths.length - frequency + 0.5) / (frequency + 0.5));
  }

  /** Positions of the passages that have a term. */
  positionsOf(term: string): readonly number[] {
    return this.#postings.get(term)?.positions ?? [];
  }

  /** The best `limit` passages, best first; equal scores in order of position. */
  search(queryTerms: readonly string[], limit: number): Hit[] {
    const scores = new Map<number, number>();
    for (const term of new Set(queryTerms)) {
      const postings = this.#postings.get(term);
      if (postings === undefined) continue;
      const idf = this.idf(term);
      for (let index = 0; index < postings.positions.length; index += 1) {
        const position = postings.positions[index]!;
        const count = postings.counts[index]!;
        const norm = K1 * (1 - B + (B * this.#lengths[position]!) / this.#meanLength);
        scores.set(position, (scores.get(position) ?? 0) + (idf * count * (K1 + 1)) / (count + norm));
      }
    }
    return best(
      [...scores].map(([position, score]) => ({ position, score })),
      limit,
    );
  }
}

/** The best `limit` hits, best first; equal scores in order of position, so that a ranking is always the same. */
export function best(hits: Hit[], limit: number): Hit[] {
  return hits.sort((a, b) => b.score - a.score || a.position - b.position).slice(0, limit);
}
