/**
 * The encoder: a text becomes a unit vector of hashed TF-IDF weights over its words and their trigrams.
 *
 * The trigrams let "immigrant" find "immigration", which BM25 cannot.
 */
import { termsOf, words } from './tokens.js';

export const EMBEDDING_DIMENSIONS = 512;
/** What a word's trigrams weigh together beside the word itself. */
const TRIGRAM_SHARE = 0.5;

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}

function addFeature(vector: Float32Array, feature: string, weight: number): void {
  const hashed = hash(feature);
  // The top bit decides the sign, so that features that meet in one dimension cancel out rather than add up.
  vector[hashed % EMBEDDING_DIMENSIONS]! += hashed & 0x80000000 ? -weight : weight;
}

export class HashedTfIdfEncoder {
  readonly name = 'HashedTfIdf';
  readonly #idf: (term: string) => number;

  /** `idf` is the collection's own. */
  constructor(idf: (term: string) => number) {
    this.#idf = idf;
  }

  encode(text: string): Float32Array {
    return this.encodeWords(words(text));
  }

  encodeWords(allWords: readonly string[]): Float32Array {
    const counts = new Map<string, number>();
    for (const term of termsOf(allWords)) counts.set(term, (counts.get(term) ?? 0) + 1);
    const vector = new Float32Array(EMBEDDING_DIMENSIONS);
    for (const [term, count] of counts) {
      const weight = (1 + Math.log(count)) * (this.#idf(term) || 1);
      addFeature(vector, term, weight);
      const trigrams = term.length - 2;
      for (let index = 0; index < trigrams; index += 1) {
        addFeature(vector, `#${term.slice(index, index + 3)}`, (weight * TRIGRAM_SHARE) / Math.sqrt(trigrams));
      }
    }
    let squares = 0;
    for (const value of vector) squares += value * value;
    const length = Math.sqrt(squares);
    if (length > 0) for (let index = 0; index < vector.length; index += 1) vector[index]! /= length;
    return vector;
  }
}
