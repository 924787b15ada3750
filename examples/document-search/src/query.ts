/** The query language: words, "exact phrases", and -words that must not occur. */
import { terms, words } from './tokens.js';

export interface ParsedQuery {
  readonly text: string;
  readonly terms: readonly string[];
  /** Each a sequence of words that must occur as it stands. */
  readonly phrases: readonly (readonly string[])[];
  readonly excluded: readonly string[];
}

/** A query that cannot be answered: the user's mistake, and a 400. */
export class QueryError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'QueryError';
  }
}

export function parseQuery(text: string): ParsedQuery {
  const phrases: string[][] = [];
  const excluded: string[] = [];
  let plain = '';
  for (let index = 0; index < text.length; ) {
    const character = text[index]!;
    if (character === '"') {
      const end = text.indexOf('"', index + 1);
      if (end < 0) throw new QueryError(`The quotation that begins at character ${index + 1} is never closed.`);
      const phrase = text.slice(index + 1, end);
      if (words(phrase).length > 0) phrases.push(words(phrase));
      plain += ` ${phrase} `;
      index = end + 1;
    } else if (character === '-' && (index === 0 || /\s/.test(text[index - 1]!))) {
      const word = /^\S*/.exec(text.slice(index + 1))![0];
      excluded.push(...terms(word));
      index += 1 + word.length;
    } else {
      plain += character;
      index += 1;
    }
  }
  const found = terms(plain);
  if (found.length === 0)
    throw new QueryError('The query has no word to search for: it is empty, or has stop words and exclusions only.');
  return { text, terms: found, phrases, excluded };
}
