/** What is wrong with a condition, where, and what was probably meant.   Read path: text -> [parser, resolver] -> error. */
import { InvalidQueryError } from '../errors.js';

const SHOWN = 60;

/** `position` counts UTF-16 units from 0; people read it from 1. */
export function conditionError(text: string, position: number, problem: string): InvalidQueryError {
  const at = Math.min(position, text.length);
  const rest = text.slice(at, at + SHOWN);
  const near = rest === '' ? 'its end' : `${JSON.stringify(rest)}${at + SHOWN < text.length ? '...' : ''}`;
  return new InvalidQueryError(`The condition is wrong at character ${at + 1}, before ${near}: ${problem}.`);
}

/** A name as an error repeats it. */
export function shownName(name: string): string {
  return `\`${name.length > SHOWN ? `${name.slice(0, SHOWN)}...` : name}\``;
}

/** `, did you mean ...?`, or nothing where no known name is near. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? '' : `, did you mean ${shownName(nearest)}?`;
}

/** The known name that differs by a slip or two of the keyboard. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  if (name.length > SHOWN) return undefined;
  let nearest: string | undefined;
  let least = name.length < 3 ? 1 : name.length < 8 ? 2 : 3;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase(), least);
    if (distance < least) [nearest, least] = [candidate, distance];
  }
  return nearest;
}

/** Insertions, removals, replacements, and swaps of neighbours; `limit` if there are as many or more. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, beforeLast[j - 2]! + 1);
      row.push(least);
    }
    [beforeLast, last] = [last, row];
  }
  return Math.min(last[b.length]!, limit);
}
