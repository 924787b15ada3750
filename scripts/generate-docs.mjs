/** Writes what is generated in `docs/` between its markers. `--check`: changes nothing, exits 1 if something is out of date. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { configurationTable } from '../libs/foundation/dist/telemetry/configuration-table.js';

const BEGIN = '<!-- generated: configuration (npm run docs) -->';
const END = '<!-- end of generated -->';
const file = fileURLToPath(new URL('../docs/configuration.md', import.meta.url));

const before = readFileSync(file, 'utf8');
const begin = before.indexOf(BEGIN);
const end = before.indexOf(END);
if (begin < 0 || end < begin) throw new Error(`${file} lacks the markers ${BEGIN} and ${END}.`);
const after = `${before.slice(0, begin + BEGIN.length)}\n\n${configurationTable()}\n${before.slice(end)}`;

if (after !== before && process.argv.includes('--check')) {
  console.error('docs/configuration.md is out of date: run "npm run docs".');
  process.exitCode = 1;
} else if (after !== before) writeFileSync(file, after);
