/** The table of differences in docs/phoenix-compatibility.md, as the tests read it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Difference } from './comparison.js';

export const GUIDE = join(import.meta.dirname, '../../../docs/phoenix-compatibility.md');
const COLUMNS = ['Request', 'Field', 'Phoenix', 'This server', 'Why'];

export interface Row extends Difference {
  readonly reason: string;
}

export function readTable(): Row[] {
  const lines = readFileSync(GUIDE, 'utf8').split('\n');
  const start = lines.findIndex((line) => cellsOf(line).join() === COLUMNS.join());
  if (start === -1) throw new Error(`${GUIDE} has no table with the columns ${COLUMNS.join(', ')}`);
  const rows: Row[] = [];
  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith('|')) break;
    const cells = cellsOf(line);
    const [request, field, phoenix, ours, reason] = cells as [string, string, string, string, string];
    if (cells.length !== 5 || reason === '') throw new Error(`A row of the table lacks a cell: ${line}`);
    rows.push({ request, field, phoenix, ours, reason });
  }
  return rows;
}

function cellsOf(line: string): string[] {
  return line
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) =>
      cell
        .trim()
        .replaceAll('\\|', '|')
        .replace(/^`(.*)`$/, '$1'),
    );
}

/** `*` in a cell stands for anything. */
export function matches(row: Row, difference: Difference): boolean {
  return (['request', 'field', 'phoenix', 'ours'] as const).every((cell) => fits(row[cell], difference[cell]));
}

function fits(pattern: string, text: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(text);
}

export function asRow({ request, field, phoenix, ours }: Difference): string {
  const cells = [request, field, phoenix, ours].map((cell) => `\`${cell.replaceAll('|', '\\|')}\``);
  return `| ${cells.join(' | ')} | |`;
}
