/**
 * The demo's own evaluator: how relevant an answer is to what the user was after, judged from the texts alone.
 *
 * A question is asked with one passage in mind. The grade of any other is how much of that passage's subject it shares, whatever rank or
 * score the search gave it; the answer's judgement is NDCG over the grades.
 */
import type { Collection } from './collection.js';

export interface Judgement {
  /** NDCG at `JUDGED_RESULTS`: 0 to 1, 1 for the best possible order. */
  readonly score: number;
  readonly label: 'relevant' | 'partly relevant' | 'irrelevant';
  readonly explanation: string;
}

export const JUDGED_RESULTS = 10;
/** A subject is this many key terms. */
const SUBJECT_TERMS = 20;

/** Grade of each passage of the collection for one passage in mind: 3 it is the one, 2 same subject, 1 related, 0 neither. */
export function gradesFor(collection: Collection, target: number): Uint8Array {
  const subject = collection.keyTerms(collection.passages[target]!, SUBJECT_TERMS);
  const shared = new Float64Array(collection.passages.length);
  let whole = 0;
  for (const term of subject) {
    const weight = collection.bm25.idf(term);
    whole += weight;
    for (const position of collection.bm25.positionsOf(term)) shared[position]! += weight;
  }
  const grades = Uint8Array.from(shared, (weight) => (weight / whole >= 0.3 ? 2 : weight / whole >= 0.15 ? 1 : 0));
  grades[target] = 3;
  return grades;
}

function discountedGain(grades: readonly number[]): number {
  return grades.reduce((sum, grade, rank) => sum + (2 ** grade - 1) / Math.log2(rank + 2), 0);
}

/** Judges an answer: the positions of its passages, best first. */
export function judge(grades: Uint8Array, answer: readonly number[]): Judgement {
  const gained = answer.slice(0, JUDGED_RESULTS).map((position) => grades[position] ?? 0);
  const ideal = [...grades].sort((a, b) => b - a).slice(0, JUDGED_RESULTS);
  const best = discountedGain(ideal);
  const score = best === 0 ? 0 : discountedGain(gained) / best;
  const rank = gained.indexOf(3);
  const place = rank < 0 ? 'the passage in mind is not among them' : `the passage in mind is number ${rank + 1}`;
  const related = gained.filter((grade) => grade > 0).length;
  return {
    score,
    label: score >= 0.5 ? 'relevant' : score > 0 ? 'partly relevant' : 'irrelevant',
    explanation: `${related} of ${gained.length} results share its subject; ${place}.`,
  };
}
