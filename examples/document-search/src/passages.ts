/** The documents: speeches, cut into passages of whole sentences. */
import type { DemoTenant } from './tenants.js';
import { words } from './tokens.js';

export interface Passage {
  /** For example `1941-franklin-d-roosevelt-12`: the speech and the passage's number in it. */
  readonly id: string;
  readonly speechId: string;
  readonly year: number;
  readonly speaker: string;
  readonly text: string;
  /** All words of the text, in order. */
  readonly words: readonly string[];
}

export interface Speech {
  readonly year: number;
  /** Who held it. */
  readonly name: string;
  readonly text: string;
}

/** A passage ends with the sentence that reaches this many characters. */
const PASSAGE_CHARACTERS = 900;

export function splitIntoPassages(text: string): string[] {
  const passages: string[] = [];
  let start = 0;
  for (const sentence of text.matchAll(/[.!?]["')\]]*\s+/g)) {
    const end = sentence.index + sentence[0].length;
    if (end - start >= PASSAGE_CHARACTERS) {
      passages.push(text.slice(start, end).trim());
      start = end;
    }
  }
  const rest = text.slice(start).trim();
  if (rest !== '') passages.push(rest);
  return passages;
}

/** The passages of one tenant, in the order of the speeches. */
export function passagesOf(tenant: Pick<DemoTenant, 'firstYear' | 'lastYear'>, speeches: readonly Speech[]): Passage[] {
  const result: Passage[] = [];
  for (const speech of speeches) {
    if (speech.year < tenant.firstYear || speech.year > tenant.lastYear) continue;
    const speechId = `${speech.year}-${speech.name.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`;
    for (const [index, text] of splitIntoPassages(speech.text).entries()) {
      result.push({
        id: `${speechId}-${index + 1}`,
        speechId,
        year: speech.year,
        speaker: speech.name,
        text,
        words: words(text),
      });
    }
  }
  return result;
}
