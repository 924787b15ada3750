/** What of the speeches a package can carry: whole passages from the beginnings of speeches of all times. */
import { type Speech, splitIntoPassages } from './passages.js';

/** One speech in so many. */
const EVERY = 5;

/** At most `maxBytes` of text in all, in UTF-8; each chosen speech has about the same share. */
export function excerptOf(speeches: readonly Speech[], maxBytes: number): Speech[] {
  const chosen = speeches.filter((_speech, at) => at % EVERY === 0);
  const share = Math.floor(maxBytes / chosen.length);
  return chosen.map(({ year, name, text }) => {
    let kept = '';
    for (const passage of splitIntoPassages(text)) {
      const longer = kept === '' ? passage : `${kept}\n\n${passage}`;
      if (Buffer.byteLength(longer) > share) break;
      kept = longer;
    }
    return { year, name, text: kept };
  });
}
