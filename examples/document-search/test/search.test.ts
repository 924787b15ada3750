/** The demo's search engine: it has to be a real one, or its traces mean nothing. */
import { describe, expect, it } from 'vitest';
import { Collection } from '../dist/collection.js';
import { EMBEDDING_DIMENSIONS } from '../dist/encoder.js';
import type { Passage } from '../dist/passages.js';
import { passagesOf } from '../dist/passages.js';
import { parseQuery, QueryError } from '../dist/query.js';
import { fuse, rerank, satisfies } from '../dist/ranking.js';
import { gradesFor, judge } from '../dist/relevance.js';
import { sotuSpeeches } from '../dist/sotu-speeches.js';
import { terms, words } from '../dist/tokens.js';

function passage(id: string, text: string): Passage {
  return { id, speechId: id, year: 1900, speaker: 'Someone', text, words: words(text) };
}

const TEXTS = {
  canal: 'The canal across the isthmus will shorten the way of ships between the oceans.',
  gold: 'Gold and silver are the money of the nation; the value of silver has fallen.',
  ships: 'Our ships carry grain. The ships of war guard the ships of trade, and no canal helps them.',
  schools: 'Schools for every child are the best defense of liberty.',
  immigration: 'Immigration from across the ocean continues, and each immigrant is welcome.',
};
const collection = new Collection(Object.entries(TEXTS).map(([id, text]) => passage(id, text)));
const idsOf = (hits: readonly { position: number }[]) => hits.map((hit) => collection.passages[hit.position]!.id);

describe('the inverted index', () => {
  it('ranks by rarity and count of terms, and finds nothing for unknown words', () => {
    expect(idsOf(collection.bm25.search(terms('silver money'), 5))).toEqual(['gold']);
    expect(idsOf(collection.bm25.search(terms('ships canal'), 5))).toEqual(['ships', 'canal']);
    expect(collection.bm25.search(terms('telephone'), 5)).toEqual([]);
  });

  it('gives the BM25 score of the textbook', () => {
    const [hit] = collection.bm25.search(['school'], 1);
    const lengths = Object.values(TEXTS).map((text) => terms(text).length);
    const mean = lengths.reduce((a, b) => a + b) / lengths.length;
    const idf = Math.log(1 + (5 - 1 + 0.5) / (1 + 0.5));
    const norm = 1.2 * (1 - 0.75 + (0.75 * lengths[3]!) / mean);
    expect(hit!.score).toBeCloseTo((idf * 1 * 2.2) / (1 + norm), 12);
  });
});

describe('the encoder and the vector index', () => {
  it('makes unit vectors; a passage is nearest to itself', () => {
    for (const [position, { text }] of collection.passages.entries()) {
      const vector = collection.encoder.encode(text);
      expect(vector).toHaveLength(EMBEDDING_DIMENSIONS);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
      expect(collection.vectors.search(vector, 1)[0]!.position).toBe(position);
    }
  });

  it('finds a word that is mistyped, which the inverted index cannot', () => {
    expect(collection.bm25.search(terms('immigratoin'), 5)).toEqual([]);
    expect(idsOf(collection.vectors.search(collection.encoder.encode('immigratoin'), 1))).toEqual(['immigration']);
  });
});

describe('queries', () => {
  it('understand phrases and exclusions', () => {
    expect(parseQuery('ships "of war" -canal')).toMatchObject({
      terms: ['ship', 'war'],
      phrases: [['of', 'war']],
      excluded: ['canal'],
    });
    const fits = (query: string) =>
      collection.passages.filter((candidate) => satisfies(candidate, parseQuery(query))).map(({ id }) => id);
    expect(fits('"ships of war"')).toEqual(['ships']);
    expect(fits('ships -grain')).not.toContain('ships');
    expect(fits('"war of ships"')).toEqual([]);
  });

  it.each([
    ['"never closed', 'is never closed'],
    ['', 'no word to search for'],
    ['the of and', 'no word'],
    ['-ships', 'no word'],
  ])('%j is refused', (query, message) => {
    expect(() => parseQuery(query)).toThrow(QueryError);
    expect(() => parseQuery(query)).toThrow(message);
  });
});

describe('ranking and relevance', () => {
  it('fuses by rank, whatever the scale of the scores', () => {
    const a = [
      { position: 0, score: 1000 },
      { position: 1, score: 999 },
    ];
    const b = [
      { position: 1, score: 0.2 },
      { position: 2, score: 0.1 },
    ];
    expect(fuse([a, b], 3).map(({ position }) => position)).toEqual([1, 0, 2]);
  });

  it('puts first what covers the query, then what has its terms close together', () => {
    const near = passage('near', 'the blue whale swims');
    const far = passage('far', 'blue sky over the land and the sea and much else, and then a whale');
    const half = passage('half', 'whale whale whale');
    const candidates = [2, 1, 0].map((position) => ({ position, score: 0 }));
    const ranked = rerank(candidates, [near, far, half], parseQuery('blue whale'));
    expect(ranked.map(({ position }) => position)).toEqual([0, 1, 2]);
  });

  it('judges the best order 1, a worse order less, a miss 0', () => {
    const grades = gradesFor(collection, 2);
    expect(grades[2]).toBe(3);
    const ideal = [...grades.keys()].sort((a, b) => grades[b]! - grades[a]!);
    expect(judge(grades, ideal)).toMatchObject({ score: 1, label: 'relevant' });
    const worse = judge(grades, [...ideal].reverse());
    expect(worse.score).toBeGreaterThan(0);
    expect(worse.score).toBeLessThan(1);
    expect(judge(grades, [])).toMatchObject({ score: 0, label: 'irrelevant' });
  });
});

describe('the documents', () => {
  it('are whole sentences of the speeches, and no word is lost or doubled', () => {
    const passages = passagesOf({ firstYear: 1861, lastYear: 1864 }, sotuSpeeches());
    expect(new Set(passages.map(({ speaker }) => speaker))).toEqual(new Set(['Abraham Lincoln']));
    expect(new Set(passages.map(({ id }) => id)).size).toBe(passages.length);
    for (const { text } of passages.slice(0, -1)) expect(text).toMatch(/[.!?]["')\]]*$|\w$/);
    expect(passages.filter(({ speechId }) => speechId === passages[0]!.speechId).length).toBeGreaterThan(10);
  });
});
