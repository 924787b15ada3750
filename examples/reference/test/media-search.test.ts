/** The search behind the examples: it has to be a real one, or what they measure means nothing. */
import { describe, expect, it } from 'vitest';
import { CATALOGUE } from '../dist/catalogue.js';
import { encodeQuery, onePerVideo, searchVectors, searchWords } from '../dist/media-search.js';

describe('the catalogue', () => {
  it('has items of three types, each with an id of its own', () => {
    expect(new Set(CATALOGUE.map((item) => item.id)).size).toBe(CATALOGUE.length);
    expect(new Set(CATALOGUE.map((item) => item.contentType))).toEqual(new Set(['video', 'image', 'text']));
  });
});

describe('the search', () => {
  it('finds by words, best first, within a type and a number', () => {
    const results = searchWords('Marie Curie radioactivity');
    expect(results[0]!.documentId).toBe('nobel-1903');
    expect(results.map((result) => result.score)).toEqual(results.map((result) => result.score).sort((a, b) => b - a));
    expect(searchWords('Marie Curie', { contentType: 'video', topK: 2 }).map((result) => result.contentType)).toEqual([
      'video',
      'video',
    ]);
    expect(searchWords('telephone')).toEqual([]);
  });

  it('finds by vector what has no word in common', () => {
    expect(searchWords('photographic')).toEqual([]);
    const nearest = searchVectors(encodeQuery('photographic'), { topK: 2 }).map((result) => result.documentId);
    expect(nearest.sort()).toEqual(['cloud-chamber', 'radium-dial']); // the two photographs
  });

  it('keeps the best scene of each film', () => {
    const results = searchVectors(encodeQuery('Marie Curie'), { contentType: 'video' });
    const films = onePerVideo(results).map((result) => result.videoId);
    expect(films).toEqual([...new Set(results.map((result) => result.videoId))]);
    expect(films[0]).toBe('curie');
  });

  it('refuses a query without a word to search for', () => {
    expect(() => searchWords('of the')).toThrow('"of the" has no word');
    expect(() => encodeQuery('')).toThrow('no word');
  });
});
