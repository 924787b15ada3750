/** Every relative link of the documentation leads to a file, and where it names a section, to that section. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './code-blocks.js';

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => join('docs', name)),
  ...readdirSync(join(root, 'libs')).map((name) => join('libs', name, 'README.md')),
].filter((page) => page.endsWith('.md') && existsSync(join(root, page)));

/** Without code, in which brackets are no links. */
function textOf(page: string): string {
  return readFileSync(join(root, page), 'utf8')
    .replace(/^```[\s\S]*?^```$/gm, '')
    .replace(/``[^`]*``/g, '');
}

/** A heading's anchor as GitHub makes it. */
function anchorsOf(page: string): string[] {
  const seen = new Map<string, number>();
  return [...textOf(page).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) => {
    const slug = heading!
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
      .replaceAll(' ', '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  });
}

/** What is wrong with the links of a page. */
function deadLinks(page: string): string[] {
  const links = [...textOf(page).matchAll(/\[(?:[^\]]*)\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
  return links
    .filter((target) => !/^[a-z]+:/i.test(target))
    .filter((target) => {
      const [path, anchor] = decodeURI(target).split('#') as [string, string | undefined];
      const file = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(root, file))) return true;
      return anchor !== undefined && file.endsWith('.md') && !anchorsOf(file).includes(anchor);
    });
}

describe('links', () => {
  it('are looked for where there are some', () => {
    expect(pages.length).toBeGreaterThan(10);
    expect(textOf('README.md')).toMatch(/\]\(docs\/reading\.md\)/);
  });

  it.each(pages)('of %s lead somewhere', (page) => {
    expect(deadLinks(page)).toEqual([]);
  });
});
