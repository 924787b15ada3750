/** The comment that opens a script, as its `--help`.   Used by scripts and benchmarks that say there what they take. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Without its stars. `url`: of the script's file. */
export function openingComment(url) {
  const [, comment] = /^\/\*\*\n([\s\S]*?)\n \*\/\n/.exec(readFileSync(fileURLToPath(url), 'utf8'));
  return `${comment.replace(/^ \* ?/gm, '')}\n`;
}
