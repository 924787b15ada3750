/** What the tenants' users ask: conversations made from the texts, the same in every run. */
import type { Collection } from './collection.js';
import type { DemoTenant } from './tenants.js';

export const STRATEGIES = ['bm25', 'vector', 'hybrid'] as const;
export type Strategy = (typeof STRATEGIES)[number];

export interface SearchQuestion {
  readonly kind: 'search';
  readonly query: string;
  readonly strategy: Strategy;
  readonly topK: number;
  /** Position of the passage that the user has in mind. */
  readonly about: number;
}

export interface DocumentQuestion {
  readonly kind: 'document';
  readonly documentId: string;
}

export type Question = SearchQuestion | DocumentQuestion;

export interface Conversation {
  readonly sessionId: string;
  readonly questions: readonly Question[];
}

/** Mulberry32: small, and the same everywhere. It chooses what is asked, never how well it is answered. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value = (value + Math.imul(value ^ (value >>> 7), value | 61)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

function seedOf(text: string): number {
  return [...text].reduce((seed, character) => Math.imul(seed, 31) + character.charCodeAt(0), 7);
}

/** Longer than the service takes: a user who pasted a whole page into the search field. */
const OVERSIZED_REPETITIONS = 80;

/** The ways in which users go wrong, in turn. */
function mistake(number: number, question: SearchQuestion, foreignId: string, text: string): Question {
  switch (number % 4) {
    case 0:
      return { ...question, query: `"${question.query}` };
    case 1:
      return { ...question, query: 'what should we do about it' };
    case 2:
      return { kind: 'document', documentId: foreignId };
    default:
      return { ...question, query: `${text} `.repeat(OVERSIZED_REPETITIONS) };
  }
}

/** Two letters inside the word change places. */
function mistyped(word: string): string {
  if (word.length < 5) return word;
  const middle = Math.floor(word.length / 2);
  return `${word.slice(0, middle - 1)}${word[middle]}${word[middle - 1]}${word.slice(middle + 1)}`;
}

/** All conversations of one tenant. `foreignId` is a document of another tenant, which some users ask for by mistake. */
export function conversationsOf(tenant: DemoTenant, collection: Collection, foreignId: string): Conversation[] {
  const random = seededRandom(seedOf(tenant.id));
  const pick = (below: number) => Math.floor(random() * below);
  const conversations: Conversation[] = [];
  let asked = 0;
  let mistakes = 0;
  for (let session = 0; session < tenant.sessions; session += 1) {
    const about = pick(collection.passages.length);
    const passage = collection.passages[about]!;
    const vocabulary = collection.keyTerms(passage, 16);
    const questions: Question[] = [];
    const count = 4 + pick(3);
    for (let number = 0; number < count; number += 1) {
      // A user starts broad and adds words, mistypes one now and then, and puts one in quotation marks when nothing else helps.
      const offset = 2 + pick(Math.max(1, vocabulary.length - 6));
      const chosen = vocabulary
        .slice(offset, offset + 2 + Math.min(number, 3))
        .map((word) => (pick(7) === 0 ? mistyped(word) : word));
      const question: SearchQuestion = {
        kind: 'search',
        query: number === 3 ? `"${chosen[0]}" ${chosen.slice(1).join(' ')}` : chosen.join(' '),
        strategy: STRATEGIES[asked % STRATEGIES.length]!,
        topK: number % 2 === 0 ? 10 : 5,
        about,
      };
      asked += 1;
      if ((asked * tenant.mistakesPerMille) % 1000 < tenant.mistakesPerMille) {
        questions.push(mistake(mistakes, question, foreignId, passage.text));
        mistakes += 1;
      } else {
        questions.push(question);
      }
    }
    questions.push({ kind: 'document', documentId: passage.id });
    conversations.push({ sessionId: `${tenant.id}-session-${session + 1}`, questions });
  }
  return conversations;
}
