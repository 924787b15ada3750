/** The code of a Markdown page, as a reader would paste it. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

export interface CodeBlock {
  /** The first word behind the fence; empty without one. */
  readonly language: string;
  readonly code: string;
}

/** All fenced blocks of a page, in their order. */
export function allCodeBlocks(page: string): CodeBlock[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => ({
    language: language!,
    code: code!,
  }));
}

/** All fenced blocks of one language, in their order. */
export function codeBlocks(page: string, language: string): string[] {
  return allCodeBlocks(page)
    .filter((block) => block.language === language)
    .map(({ code }) => code);
}

/** Files of a page's programs, by name: a `js` block that begins with `// name.mjs` begins one, and the next ones go on with it. */
export function programsOf(page: string, edit: (code: string) => string = (code) => code): Map<string, string> {
  const files = new Map<string, string>();
  let name = 'example.mjs';
  for (const code of codeBlocks(page, 'js')) {
    name = /^\/\/ ([\w-]+\.mjs)\b/.exec(code)?.[1] ?? name;
    files.set(name, `${files.get(name) ?? ''}${edit(code)}\n`);
  }
  return files;
}
