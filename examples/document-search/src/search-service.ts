/** Answers a search over one tenant's passages, and records how: search, encode, execute and rerank spans. */
import {
  addEmbeddingDetailsToSpan,
  addSearchResultsToSpan,
  backendSearchSpan,
  encodeSpan,
  searchSpan,
  type Telemetry,
} from '@cogniverse/foundation/telemetry';
import type { Hit } from './bm25-index.js';
import type { Collection } from './collection.js';
import { type ParsedQuery, parseQuery } from './query.js';
import { fuse, rerank, satisfies } from './ranking.js';
import type { Strategy } from './traffic.js';

export interface SearchRequest {
  readonly query: string;
  readonly strategy: Strategy;
  readonly topK: number;
}

export interface SearchAnswer {
  readonly results: readonly { readonly id: string; readonly score: number; readonly excerpt: string }[];
}

/** A document that the tenant does not have: whether another tenant has one of that name is not told. */
export class DocumentNotFoundError extends Error {
  constructor(id: string) {
    super(`There is no document "${id.slice(0, 100)}".`);
    this.name = 'DocumentNotFoundError';
  }
}

/** The second look takes this many of each first ranking. */
const CANDIDATES = 50;
const EXCERPT_CHARACTERS = 160;
const PROFILE = 'state_of_the_union';

export class SearchService {
  readonly #telemetry: Telemetry;
  readonly #collections: ReadonlyMap<string, Collection>;

  constructor(telemetry: Telemetry, collections: ReadonlyMap<string, Collection>) {
    this.#telemetry = telemetry;
    this.#collections = collections;
  }

  hasTenant(tenantId: string): boolean {
    return this.#collections.has(tenantId);
  }

  /** Errors: `QueryError` for a query that cannot be understood. */
  search(tenantId: string, request: SearchRequest): SearchAnswer {
    const collection = this.#collections.get(tenantId)!;
    const telemetry = this.#telemetry;
    const { query: text, strategy, topK } = request;
    const options = {
      telemetry,
      tenantId,
      query: text,
      topK,
      rankingStrategy: strategy,
      profile: PROFILE,
      backend: 'memory',
    };
    return searchSpan(options, (span) => {
      const query = parseQuery(text);
      const hits = this.#rank(tenantId, collection, query, strategy);
      const results = hits
        .filter((hit) => satisfies(collection.passages[hit.position]!, query))
        .slice(0, topK)
        .map(({ position, score }) => {
          const passage = collection.passages[position]!;
          return { id: passage.id, score, excerpt: passage.text.slice(0, EXCERPT_CHARACTERS) };
        });
      addSearchResultsToSpan(
        span,
        results.map(({ id, score }) => ({ documentId: id, score, contentType: 'text' })),
      );
      return { results };
    });
  }

  #rank(tenantId: string, collection: Collection, query: ParsedQuery, strategy: Strategy): Hit[] {
    if (strategy === 'bm25') return this.#searchTerms(tenantId, collection, query);
    const vector = this.#encode(tenantId, collection, query);
    if (strategy === 'vector') return this.#searchVectors(tenantId, collection, query, vector);
    const rankings = [
      this.#searchTerms(tenantId, collection, query),
      this.#searchVectors(tenantId, collection, query, vector),
    ];
    const attributes = {
      'openinference.span.kind': 'RERANKER',
      'operation.name': 'rerank',
      'reranker.model_name': 'coverage-and-proximity',
      'reranker.query': query.text,
      'reranker.top_k': CANDIDATES,
    };
    return this.#telemetry.span('reranker.rerank', { tenantId, attributes }, (span) => {
      const candidates = fuse(rankings, CANDIDATES);
      const reranked = rerank(candidates, collection.passages, query);
      span.setAttribute('num_results', reranked.length);
      span.setAttribute('first_changed', reranked[0]?.position !== candidates[0]?.position);
      return reranked;
    });
  }

  #encode(tenantId: string, collection: Collection, query: ParsedQuery): Float32Array {
    const { encoder } = collection;
    const options = {
      telemetry: this.#telemetry,
      tenantId,
      encoderType: encoder.name,
      queryLength: query.text.length,
      query: query.text,
    };
    return encodeSpan(options, (span) => {
      const vector = encoder.encode(query.text);
      addEmbeddingDetailsToSpan(span, vector);
      return vector;
    });
  }

  #searchTerms(tenantId: string, collection: Collection, query: ParsedQuery): Hit[] {
    return this.#execute(tenantId, query, 'inverted_index', 'bm25', false, () =>
      collection.bm25.search(query.terms, CANDIDATES),
    );
  }

  #searchVectors(tenantId: string, collection: Collection, query: ParsedQuery, vector: Float32Array): Hit[] {
    return this.#execute(tenantId, query, 'vector_index', 'cosine', true, () =>
      collection.vectors.search(vector, CANDIDATES),
    );
  }

  #execute(
    tenantId: string,
    query: ParsedQuery,
    schemaName: string,
    rankingStrategy: string,
    hasEmbeddings: boolean,
    find: () => Hit[],
  ): Hit[] {
    const telemetry = this.#telemetry;
    const options = {
      telemetry,
      tenantId,
      backendType: 'memory',
      schemaName,
      rankingStrategy,
      topK: CANDIDATES,
      hasEmbeddings,
      queryText: query.text,
    };
    return backendSearchSpan(options, (span) => {
      const hits = find();
      span.setAttribute('num_results', hits.length);
      span.setAttribute('top_score', hits[0]?.score ?? 0);
      return hits;
    });
  }

  /** Errors: `DocumentNotFoundError`. */
  document(tenantId: string, id: string): { id: string; speaker: string; year: number; text: string } {
    return this.#telemetry.span('document.read', { tenantId, attributes: { 'document.id': id } }, (span) => {
      const collection = this.#collections.get(tenantId)!;
      const position = collection.positionOf(id);
      if (position === undefined) throw new DocumentNotFoundError(id);
      const { speaker, year, text } = collection.passages[position]!;
      span.setAttribute('document.characters', text.length);
      return { id, speaker, year, text };
    });
  }
}
