/** The search that the examples observe: the demo's BM25 and hashed TF-IDF vectors over the catalogue. */
import { Collection } from '@cogniverse/example-document-search/collection';
import { terms } from '@cogniverse/example-document-search/tokens';
import { CATALOGUE, type ContentType, type Item } from './catalogue.js';

export interface Result {
  readonly documentId: string;
  readonly videoId: string;
  readonly contentType: ContentType;
  readonly score: number;
}

export interface SearchScope {
  readonly topK?: number;
  /** Only items of this type. */
  readonly contentType?: ContentType;
}

const collection = new Collection<Item>(CATALOGUE);

/** Name of the encoder, for spans. */
export const ENCODER = collection.encoder.name;

/** Errors: `Error` for a query without any word to search for. */
export function encodeQuery(query: string): Float32Array {
  if (terms(query).length === 0) throw new Error(`The query "${query}" has no word to search for.`);
  return collection.encoder.encode(query);
}

/** Nearest by cosine, best first. */
export function searchVectors(embedding: Float32Array, scope: SearchScope = {}): Result[] {
  return resultsOf(collection.vectors.search(embedding, CATALOGUE.length), scope);
}

/** By words, best first. Errors: as `encodeQuery`. */
export function searchWords(query: string, scope: SearchScope = {}): Result[] {
  if (terms(query).length === 0) throw new Error(`The query "${query}" has no word to search for.`);
  return resultsOf(collection.bm25.search(terms(query), CATALOGUE.length), scope);
}

/** The best scene of each film. */
export function onePerVideo(results: readonly Result[]): Result[] {
  const seen = new Set<string>();
  return results.filter(({ videoId }) => !seen.has(videoId) && seen.add(videoId));
}

function resultsOf(hits: readonly { position: number; score: number }[], scope: SearchScope): Result[] {
  const { topK = 10, contentType } = scope;
  return hits
    .map(({ position, score }) => ({ item: CATALOGUE[position]!, score }))
    .filter(({ item }) => contentType === undefined || item.contentType === contentType)
    .slice(0, topK)
    .map(({ item, score }) => ({ documentId: item.id, videoId: item.videoId, contentType: item.contentType, score }));
}
