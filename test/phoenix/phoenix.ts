/**
 * A real Phoenix for a test file: one server a run, shared by all files, so tests keep apart by the names of their projects and data sets.
 *
 *   describe.skipIf(!phoenixCanRun)(`... ${SKIPPED}`, () => {
 *     let phoenix: SharedPhoenix;
 *     beforeAll(async () => { phoenix = await sharedPhoenix(); }, PHOENIX_START_MILLIS);
 */
import { request } from 'node:http';
import { inject } from 'vitest';

const { findPython, PYTHON_NEEDED, startPhoenix } = (await import(
  new URL('../../scripts/phoenix.mjs', import.meta.url).href
)) as {
  findPython(): { command: string; version: string } | undefined;
  PYTHON_NEEDED: string;
  startPhoenix(options: { python: string }): Promise<{ url: string; stop(): Promise<void> }>;
};

export interface SharedPhoenix {
  /** Base URL of its HTTP port: REST, and OTLP under /v1/traces. */
  readonly url: string;
  /** A Python that has Phoenix's own client too. */
  readonly python: string;
}

/** False without a fitting Python; with `CI=true` that is an error instead: nothing is left out there. */
export const phoenixCanRun = findPython() !== undefined;
if (!phoenixCanRun && process.env['CI'] === 'true') throw new Error(`With CI=true: ${PYTHON_NEEDED}`);

/** For the name of what is left out. */
export const SKIPPED = `(skipped where there is no Phoenix: ${PYTHON_NEEDED})`;

/** The first start of all also installs: about 85 s, and 10 to 27 s for the server. */
export const PHOENIX_START_MILLIS = 400_000;

/** Its first caller in a run waits until it is set up and started. */
export function sharedPhoenix(): Promise<SharedPhoenix> {
  return new Promise((resolve, reject) => {
    // Not fetch, which gives up on an answer after five minutes.
    const asked = request(inject('phoenixStarter'), (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(text) as SharedPhoenix);
        else reject(new Error(`There is no Phoenix to test with: ${text}`));
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}

/** One that no other test writes to; the shared one is set up before. */
export async function ownPhoenix(): Promise<SharedPhoenix & { stop(): Promise<void> }> {
  const { python } = await sharedPhoenix();
  const { url, stop } = await startPhoenix({ python });
  return { url, python, stop };
}

/** Until a project shows that many spans: Phoenix acknowledges spans before it stores them, about 150 a second. */
export async function waitForSpans(url: string, project: string, count: number, timeoutMillis = 60_000): Promise<void> {
  const deadline = Date.now() + timeoutMillis;
  for (;;) {
    const seen = await countSpans(url, project);
    if (seen >= count) return;
    if (Date.now() > deadline)
      throw new Error(`"${project}" shows ${seen} of ${count} spans after ${timeoutMillis} ms.`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

async function countSpans(url: string, project: string): Promise<number> {
  let count = 0;
  let cursor: string | null = null;
  do {
    const after: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const response = await fetch(`${url}/v1/projects/${encodeURIComponent(project)}/spans?limit=1000${after}`);
    if (response.status === 404) return 0; // its first span makes the project
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    const page = (await response.json()) as { data: unknown[]; next_cursor: string | null };
    count += page.data.length;
    cursor = page.next_cursor;
  } while (cursor !== null);
  return count;
}
