/** Words of a text, as the indexes and the queries see them. */

const STOP_WORDS = new Set(
  (
    'a about above after again against all also am an and any are as at be because been before being below between both but by can ' +
    'could did do does doing down during each few for from further had has have having he her here hers him his how i if in into is it ' +
    'its itself just may me might more most must my no nor not now of off on once only or other our ours out over own same shall she ' +
    'should so some such than that the their theirs them then there these they this those through to too under until up upon us very ' +
    'was we were what when where which while who whom why will with would you your'
  ).split(' '),
);

/** Plural and singular are one word here; anything cleverer would blur what the two ranking strategies are compared on. */
function singular(word: string): string {
  if (word.length > 4 && word.endsWith('ies')) return `${word.slice(0, -3)}y`;
  if (word.length > 3 && word.endsWith('s') && !word.endsWith('ss') && !word.endsWith('us')) return word.slice(0, -1);
  return word;
}

/** All words in their order, stop words included: what phrases are compared on. */
export function words(text: string): string[] {
  const found = text.toLowerCase().match(/[\p{L}\p{N}]+(?:'[\p{L}]+)?/gu) ?? [];
  return found.map((word) => word.replace(/'s$/, ''));
}

/** The words that carry meaning, singular: what is indexed and searched. */
export function terms(text: string): string[] {
  return termsOf(words(text));
}

export function termsOf(allWords: readonly string[]): string[] {
  const result: string[] = [];
  for (const word of allWords) {
    if (word.length > 1 && !STOP_WORDS.has(word)) result.push(singular(word));
  }
  return result;
}
