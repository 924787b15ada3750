/** The texts that the published demo carries: the data set's own, little enough, and enough for every tenant. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { excerptOf } from '../dist/excerpt.js';
import { passagesOf } from '../dist/passages.js';
import { sotuSpeeches } from '../dist/sotu-speeches.js';
import { DEMO_TENANTS } from '../dist/tenants.js';

const file = new URL('../../../libs/cli/document-search/speeches.json', import.meta.url);
const written = JSON.parse(readFileSync(file, 'utf8')) as { source: string; speeches: ReturnType<typeof excerptOf> };
const script = (await import(new URL('../../../scripts/demo-excerpt.mjs', import.meta.url).href)) as {
  excerptFile(): unknown;
};

it('is what the script writes: node scripts/demo-excerpt.mjs', () => {
  expect(written).toEqual(script.excerptFile());
  expect(readFileSync(file).length).toBeLessThan(200_000);
});

it('has each passage as the data set has it', () => {
  const originals = new Map(sotuSpeeches().map((speech) => [`${speech.year} ${speech.name}`, speech.text]));
  for (const { year, name, text } of written.speeches) {
    for (const passage of text.split('\n\n')) expect(originals.get(`${year} ${name}`), `${year}`).toContain(passage);
  }
});

it('gives each tenant passages of its own, as many as its users ask about', () => {
  for (const tenant of DEMO_TENANTS) {
    const passages = passagesOf(tenant, written.speeches);
    expect(passages.length, tenant.id).toBeGreaterThan(30);
    expect(new Set(passages.map(({ id }) => id)).size).toBe(passages.length);
  }
});

it('keeps to the bound, whatever it is', () => {
  for (const bound of [0, 1000, 50_000]) {
    const bytes = excerptOf(sotuSpeeches(), bound).reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
    expect(bytes).toBeLessThanOrEqual(bound);
  }
});
