/**
 * The same data and the same requests for a real Phoenix and for this project's server, the answers compared field by field.
 *
 * What differs is in the table of docs/phoenix-compatibility.md with its reason: a difference that is not there fails, and a row that is none any more.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCsv } from '../../../libs/server/dist/rest/dataset-file.js';
import { PHOENIX_START_MILLIS, phoenixCanRun, SKIPPED, waitForSpans } from '../phoenix.js';
import { startTarget, type Target } from '../targets.js';
import { type Answer, compareAnswers, type Difference, IdPairs } from './comparison.js';
import { makeData } from './data.js';
import { type Ask, GROUPS } from './requests.js';
import { asRow, matches, readTable } from './table.js';

/** Names a file for the rows of what was found, for who works on the table. */
const FOUND_FILE = 'COGNIVERSE_TEST_DIFFERENCES';

describe.skipIf(!phoenixCanRun)(`Phoenix and this server ${SKIPPED}`, () => {
  const run = randomBytes(4).toString('hex');
  const data = makeData(run, `differential-${run}`);
  const found: Difference[] = [];
  const ids = new IdPairs();
  const table = readTable();
  let sides: readonly [Side, Side];

  beforeAll(async () => {
    const targets = await Promise.all([startTarget('Phoenix'), startTarget('this server')]);
    sides = targets.map((target) => new Side(target, { ...data.variables })) as [Side, Side];
    for (const { target } of sides) {
      let sent = 0;
      for (const { body, spanCount } of data.requests) {
        const response = await fetch(`${target.url}/v1/traces`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-protobuf' },
          body,
        });
        expect(response.status).toBe(200);
        // Phoenix stores what it has acknowledged in an order of its own, unless it is waited for.
        sent += spanCount;
        await waitForSpans(target.url, data.variables['p']!, sent);
      }
    }
  }, PHOENIX_START_MILLIS);
  afterAll(async () => {
    for (const { target } of sides) await target.stop();
  });

  it.each(Object.entries(GROUPS))(
    '%s: every difference is in the table',
    async (_group, asks) => {
      const here: Difference[] = [];
      for (const ask of asks) here.push(...(await compare(ask)));
      found.push(...here);
      const unlisted = here.filter((difference) => !table.some((row) => matches(row, difference)));
      expect(unlisted.map(asRow).join('\n')).toBe('');
    },
    180_000,
  );

  it('every path of its OpenAPI document is served, or refused with the reason', async () => {
    const [phoenix, ours] = sides.map(({ target }) => target.url) as [string, string];
    const { paths } = (await (await fetch(`${phoenix}/openapi.json`)).json()) as { paths: Record<string, object> };
    const unknown: string[] = [];
    for (const [path, methods] of Object.entries(paths)) {
      for (const method of Object.keys(methods).map((name) => name.toUpperCase())) {
        const sends = method !== 'GET' && method !== 'DELETE';
        const response = await fetch(`${ours}${path.replace(/\{\w+\}/g, 'x')}`, {
          method,
          ...(sends && { headers: { 'content-type': 'application/json' }, body: '{}' }),
        });
        const { detail } = JSON.parse((await response.text()) || '{}') as { detail?: string };
        if (response.status === 405 || detail?.startsWith(`There is no ${method} `)) unknown.push(`${method} ${path}`);
        if (response.status === 501) expect(detail, path).toMatch(/\.$/);
      }
    }
    expect(Object.keys(paths).length).toBeGreaterThan(60);
    expect(unknown).toEqual([]);
  });

  it('every row of the table is a difference', () => {
    const file = process.env[FOUND_FILE];
    if (file !== undefined) writeFileSync(file, `${found.map(asRow).join('\n')}\n`);
    const stale = table.filter((row) => !found.some((difference) => matches(row, difference)));
    expect(stale).toEqual([]);
  });

  async function compare(ask: Ask): Promise<Difference[]> {
    const name = `${ask.method} ${ask.path}${ask.label === undefined ? '' : ` (${ask.label})`}`;
    const [phoenix, ours] = await Promise.all(sides.map((side) => side.ask(ask)));
    const differences: Difference[] = [];
    for (let page = 0; page < Math.max(phoenix!.length, ours!.length); page += 1) {
      const [a, b] = [phoenix![page], ours![page]];
      if (a !== undefined && b !== undefined) differences.push(...compareAnswers(name, a, b, ids));
      else {
        const pages = { phoenix: `${phoenix!.length} pages`, ours: `${ours!.length} pages` };
        differences.push({ request: name, field: CURSOR, ...pages });
        break;
      }
    }
    return differences.map((one) => ({
      ...one,
      field: one.field.replaceAll(run, 'RUN'),
      phoenix: one.phoenix.replaceAll(run, 'RUN'),
      ours: one.ours.replaceAll(run, 'RUN'),
    }));
  }
});

const CURSOR = 'next_cursor';
/** More pages than any request here has. */
const MAX_PAGES = 100;

/** One of the two servers, with the values that requests name: each has ids of its own. */
class Side {
  readonly target: Target;
  readonly #variables: Record<string, string>;

  constructor(target: Target, variables: Record<string, string>) {
    this.target = target;
    this.#variables = variables;
  }

  /** The answer, or those of all pages. */
  async ask(ask: Ask): Promise<Answer[]> {
    const answers: Answer[] = [];
    let cursor: string | undefined;
    do {
      const deadline = Date.now() + 20_000;
      let answer = await this.#send(ask, cursor);
      while (count(answer.body) < (ask.until ?? 0) && Date.now() < deadline) answer = await this.#send(ask, cursor);
      answers.push(answer);
      const next: unknown = ask.walk === true ? read(answer.body, CURSOR) : undefined;
      cursor = typeof next === 'string' ? next : undefined;
    } while (cursor !== undefined && answers.length < MAX_PAGES);
    for (const [variable, path] of Object.entries(ask.save ?? {})) {
      this.#variables[variable] = String(read(answers[0]!.body, path));
    }
    return ask.orderedBy === undefined ? answers : inOrderOf(ask.orderedBy, answers);
  }

  async #send(ask: Ask, cursor: string | undefined): Promise<Answer> {
    const after = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const response = await fetchAgain(`${this.target.url}${this.#fill(ask.path, encodeURIComponent)}${after}`, {
      method: ask.method,
      ...this.#content(ask),
    });
    const mediaType = response.headers.get('content-type')?.split(';')[0]?.trim() ?? '';
    const text = await response.text();
    return {
      status: response.status,
      mediaType,
      body: response.ok ? parse(ask.path, mediaType, text) : parseJson(mediaType, text),
    };
  }

  #content({ body, text = body === undefined ? undefined : JSON.stringify(body), form }: Ask): RequestInit {
    const asIs = (value: string) => value;
    const headers = { accept: 'application/json' };
    if (form !== undefined) {
      const data = new FormData();
      for (const [name, value] of form.fields) data.append(name, this.#fill(value, asIs));
      data.append('file', new Blob([this.#fill(form.file.text, asIs)], { type: form.file.type }), 'table');
      return { headers, body: data };
    }
    if (text === undefined) return { headers };
    return { headers: { ...headers, 'content-type': 'application/json' }, body: this.#fill(text, asIs) };
  }

  #fill(text: string, encode: (value: string) => string): string {
    return text.replace(/\{(\w+)\}/g, (all, name: string) =>
      this.#variables[name] === undefined ? all : encode(this.#variables[name]),
    );
  }
}

/** The same answers, the items of their lists by a field, over all of them. */
function inOrderOf(field: string, answers: readonly Answer[]): Answer[] {
  const listOf = (answer: Answer) => (read(answer.body, 'data') ?? []) as object[];
  const key = (item: object) => String(read(item, field));
  const items = answers.flatMap(listOf).sort((a, b) => (key(a) < key(b) ? -1 : 1));
  return answers.map((answer) => {
    const data = items.splice(0, listOf(answer).length);
    return { ...answer, body: { ...(answer.body as object), data } };
  });
}

/** Phoenix closes connections that were idle, at times just when a request goes out on one: that request was not read, and goes out again. */
async function fetchAgain(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    const { code } = (error as { cause?: { code?: string } }).cause ?? {};
    if (code !== 'ECONNRESET' && code !== 'UND_ERR_SOCKET') throw error;
    return fetch(url, init);
  }
}

function parseJson(mediaType: string, text: string): unknown {
  return mediaType === 'application/json' && text !== '' ? JSON.parse(text) : text;
}

/** A number of JSON that JavaScript would write in another way, such as `12.0` or one beyond 2^53, stays what was written. */
function withNumbersAsWritten(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
    token.startsWith('"') || String(Number(token)) === token ? token : `"<${token}>"`,
  );
}

/** Rows of a CSV as objects; cells of JSON as values. */
function parseTable(text: string): unknown {
  const [header = [], ...rows] = parseCsv(text);
  const cell = (value: string) => (/^[[{]/.test(value) ? (JSON.parse(value) as unknown) : value);
  return {
    columns: header,
    rows: rows.map((row) => Object.fromEntries(header.map((name, index) => [name, cell(row[index]!)]))),
  };
}

/** JSON as a value; JSON lines as a list; a CSV as a table; of a multipart body the tables of its parts. */
function parse(path: string, mediaType: string, text: string): unknown {
  if (path.includes('/jsonl'))
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as unknown);
  if (mediaType === 'text/csv') return parseTable(text);
  if (mediaType !== 'multipart/mixed')
    return parseJson(mediaType, /\/spans(\?|$)/.test(path) ? withNumbersAsWritten(text) : text);
  return text
    .split(/^--.*$/m)
    .map((part) =>
      part
        .split(/\r?\n\r?\n/)
        .slice(1)
        .join('\n')
        .trim(),
    )
    .filter((part) => part !== '')
    .map((part) => plainTable(JSON.parse(part)));
}

interface PandasTable {
  readonly schema: { readonly fields: readonly { readonly name: string }[] };
  readonly data: readonly Record<string, unknown>[];
}

/** Columns by their names: the numbers before them are their places in a table, which clients cut off. */
function plainTable({ schema, data }: PandasTable): PandasTable {
  const plain = (name: string) => name.replace(/^\d+_/, '');
  const fields = schema.fields.map((field) => ({ ...field, name: plain(field.name) }));
  return {
    schema: { ...schema, fields: fields.sort((a, b) => (a.name < b.name ? -1 : 1)) },
    data: data.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [plain(name), value]))),
  };
}

function count(body: unknown): number {
  const data = read(body, 'data');
  return Array.isArray(data) ? data.length : 0;
}

function read(body: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => {
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  }, body);
}
