/** The functions and methods that docs/phoenix-compatibility.md names, for the tests that call them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const GUIDE = join(import.meta.dirname, '../../docs/phoenix-compatibility.md');

/** Pairs of a row's first cell, as the group of `of` cuts it out, and a name of its second. */
export function methodsOfGuide(of: RegExp): [string, string][] {
  return readFileSync(GUIDE, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .flatMap((line) => {
      const [first = '', names = ''] = line
        .split('|')
        .slice(1)
        .map((cell) => cell.trim());
      const group = of.exec(first)?.[1];
      if (group === undefined) return [];
      return [...names.matchAll(/`(\w+)`/g)].map(([, name]): [string, string] => [group, name!]);
    });
}
