/** From candidates to an answer: fusion of two rankings, filters of the query, and the second look that reorders the best. */
import { best, type Hit } from './bm25-index.js';
import type { Passage } from './passages.js';
import type { ParsedQuery } from './query.js';
import { termsOf } from './tokens.js';

/** Reciprocal rank fusion: the rank counts, not the score, so rankings on different scales can be added. */
const FUSION_CONSTANT = 60;

export function fuse(rankings: readonly (readonly Hit[])[], limit: number): Hit[] {
  const scores = new Map<number, number>();
  for (const ranking of rankings) {
    for (const [rank, hit] of ranking.entries()) {
      scores.set(hit.position, (scores.get(hit.position) ?? 0) + 1 / (FUSION_CONSTANT + rank + 1));
    }
  }
  return best(
    [...scores].map(([position, score]) => ({ position, score })),
    limit,
  );
}

function containsPhrase(all: readonly string[], phrase: readonly string[]): boolean {
  for (let start = all.indexOf(phrase[0]!); start >= 0; start = all.indexOf(phrase[0]!, start + 1)) {
    if (phrase.every((word, index) => all[start + index] === word)) return true;
  }
  return false;
}

/** Whether a passage has every phrase of the query and none of its excluded words. */
export function satisfies(passage: Passage, query: ParsedQuery): boolean {
  if (!query.phrases.every((phrase) => containsPhrase(passage.words, phrase))) return false;
  if (query.excluded.length === 0) return true;
  const found = new Set(termsOf(passage.words));
  return !query.excluded.some((term) => found.has(term));
}

/**
 * Length, in terms, of the shortest stretch of the passage that holds as many different query terms as the passage has at all, and
 * that number.
 */
function closestStretch(passage: Passage, wanted: ReadonlySet<string>): { matched: number; length: number } {
  const all = termsOf(passage.words);
  const matched = new Set(all.filter((term) => wanted.has(term))).size;
  const inWindow = new Map<string, number>();
  let length = all.length;
  let start = 0;
  for (const [end, term] of all.entries()) {
    if (!wanted.has(term)) continue;
    inWindow.set(term, (inWindow.get(term) ?? 0) + 1);
    while (inWindow.size === matched) {
      length = Math.min(length, end - start + 1);
      const first = all[start]!;
      const count = inWindow.get(first);
      if (count === 1) inWindow.delete(first);
      else if (count !== undefined) inWindow.set(first, count - 1);
      start += 1;
    }
  }
  return { matched, length };
}

/**
 * Reorders candidates by how much of the query they cover and how close together its terms stand; the score is between 0 and 1, plus
 * the candidate's first score as a tie-breaker.
 */
export function rerank(candidates: readonly Hit[], passages: readonly Passage[], query: ParsedQuery): Hit[] {
  const wanted = new Set(query.terms);
  const scored = candidates.map((candidate) => {
    const { matched, length } = closestStretch(passages[candidate.position]!, wanted);
    const coverage = matched / wanted.size;
    const closeness = matched === 0 ? 0 : matched / length;
    return { position: candidate.position, score: 0.8 * coverage + 0.2 * closeness + candidate.score };
  });
  return best(scored, scored.length);
}
