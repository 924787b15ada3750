/** All passages' vectors in one block, searched by cosine similarity. Exact: a few thousand vectors need no approximation. */
import { best, type Hit } from './bm25-index.js';
import { EMBEDDING_DIMENSIONS } from './encoder.js';

export class VectorIndex {
  readonly #vectors: Float32Array;
  readonly #count: number;

  constructor(vectors: readonly Float32Array[]) {
    this.#count = vectors.length;
    this.#vectors = new Float32Array(vectors.length * EMBEDDING_DIMENSIONS);
    for (const [position, vector] of vectors.entries()) this.#vectors.set(vector, position * EMBEDDING_DIMENSIONS);
  }

  search(query: Float32Array, limit: number): Hit[] {
    const hits: Hit[] = [];
    // A query has few words: most of its dimensions are 0 and need no multiplication.
    const dimensions = [...query.keys()].filter((dimension) => query[dimension] !== 0);
    for (let position = 0; position < this.#count; position += 1) {
      const offset = position * EMBEDDING_DIMENSIONS;
      let score = 0;
      for (const dimension of dimensions) score += query[dimension]! * this.#vectors[offset + dimension]!;
      if (score > 0) hits.push({ position, score });
    }
    return best(hits, limit);
  }
}
