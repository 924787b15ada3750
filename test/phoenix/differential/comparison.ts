/**
 * Two answers to one request, compared field by field.
 *
 * What must differ is not compared: an id that a server gives out stands for its type, and each of Phoenix's for one of ours; times of creation are
 * times; a cursor is there or not; of an error its status and its form.
 */
export interface Answer {
  readonly status: number;
  /** Media type without parameters. */
  readonly mediaType: string;
  /** JSON as a value, anything else as text. */
  readonly body: unknown;
}

export interface Difference {
  readonly request: string;
  /** Path in the body, as in `data[].attributes.text`; or `status`, `media type`, `form of the error`. */
  readonly field: string;
  readonly phoenix: string;
  readonly ours: string;
}

const ABSENT = Symbol('absent');
const TIMES = new Set(['created_at', 'updated_at']);
const CURSOR = 'next_cursor';

/** Which of our ids stands for which of Phoenix's. */
export class IdPairs {
  readonly #oursByPhoenix = new Map<string, string>();
  readonly #phoenixByOurs = new Map<string, string>();

  /** False when either already stands for another. */
  match(phoenix: string, ours: string): boolean {
    const known = this.#oursByPhoenix.get(phoenix);
    if (known === undefined && !this.#phoenixByOurs.has(ours)) {
      this.#oursByPhoenix.set(phoenix, ours);
      this.#phoenixByOurs.set(ours, phoenix);
      return true;
    }
    return known === ours;
  }
}

export function compareAnswers(request: string, phoenix: Answer, ours: Answer, ids: IdPairs): Difference[] {
  const found: Difference[] = [];
  const note = (field: string, a: unknown, b: unknown) =>
    found.push({ request, field, phoenix: shown(a), ours: shown(b) });
  if (phoenix.status !== ours.status) note('status', phoenix.status, ours.status);
  else if (phoenix.status >= 400) {
    const forms = [errorForm(phoenix), errorForm(ours)] as const;
    if (forms[0] !== forms[1]) found.push({ request, field: 'form of the error', phoenix: forms[0], ours: forms[1] });
  } else {
    // Without a body its media type says nothing.
    if (phoenix.status !== 204 && phoenix.mediaType !== ours.mediaType)
      note('media type', phoenix.mediaType, ours.mediaType);
    compareValues('', phoenix.body, ours.body);
  }
  return distinct(found);

  function compareValues(field: string, a: unknown, b: unknown): void {
    const name = field.split('.').at(-1)!;
    if (TIMES.has(name) && isTime(a) && isTime(b)) return;
    if (name === CURSOR && typeof a === 'string' && typeof b === 'string') return;
    const [idA, idB] = [idType(a), idType(b)];
    if (idA !== undefined && idA === idB) {
      if (!ids.match(a as string, b as string)) note(field, `another ${idA}`, 'not the one that it stands for');
      return;
    }
    if (Array.isArray(a) && Array.isArray(b)) compareLists(field, a, b);
    else if (isObject(a) && isObject(b)) {
      for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
        const below = field === '' ? key : `${field}.${key}`;
        compareValues(below, Object.hasOwn(a, key) ? a[key] : ABSENT, Object.hasOwn(b, key) ? b[key] : ABSENT);
      }
    } else if (canonical(a) !== canonical(b)) note(field, a, b);
  }

  /** Items are told apart by what they are called, so that one that is missing is one difference and not many. */
  function compareLists(field: string, a: readonly unknown[], b: readonly unknown[]): void {
    const [keysA, keysB] = [a.map(identity), b.map(identity)];
    if (keysA.some((key) => key === undefined) || keysB.some((key) => key === undefined)) {
      if (a.length !== b.length) note(field, a, b);
      else for (const [index, item] of a.entries()) compareValues(`${field}[]`, item, b[index]);
      return;
    }
    if (keysA.join('\n') !== keysB.join('\n')) {
      const sameItems = [...keysA].sort().join('\n') === [...keysB].sort().join('\n');
      note(sameItems ? `order of ${field}` : field, keysA, keysB);
    }
    for (const [index, key] of keysA.entries()) {
      const other = keysB.indexOf(key);
      if (other !== -1) compareValues(`${field}[]`, a[index], b[other]);
    }
  }
}

/** What names an item of a list on both servers alike. */
function identity(item: unknown): string | undefined {
  if (!isObject(item)) return undefined;
  const context = item['context'];
  if (isObject(context)) return String(context['span_id']);
  for (const key of ['context.span_id', 'span_id', 'trace_id', 'session_id', 'key']) {
    if (typeof item[key] === 'string')
      return [item[key], item['name'], item['identifier'], item['document_position']?.toString()]
        .filter(Boolean)
        .map(canonical)
        .join(' ');
  }
  return undefined;
}

function errorForm({ mediaType, body }: Answer): string {
  if (!isObject(body)) return mediaType;
  return Array.isArray(body['detail']) ? `${mediaType}, a list of details` : `${mediaType}, a detail`;
}

/** `Span` for an id that is base64 of `Span:1`. */
function idType(value: unknown): string | undefined {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]{6,}={0,2}$/.test(value)) return undefined;
  return /^([A-Z][A-Za-z]+):./.exec(Buffer.from(value, 'base64').toString('latin1'))?.[1];
}

/** Without what a server makes up: ids inside of texts, and random names. */
function canonical(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return value
    .replace(/[A-Za-z0-9+/]{8,}={0,2}/g, (text) => (idType(text) === undefined ? text : `<${idType(text)}>`))
    .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '<uuid>')
    .replace(/\bExperiment-[0-9a-f]{24}\b/g, 'Experiment-<hex>')
    .replace(/-[0-9a-f]{8}\b/g, '-<hex>');
}

function isTime(value: unknown): boolean {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  if (value === ABSENT) return 'absent';
  const id = idType(value);
  if (id !== undefined) return `<${id}>`;
  const text = JSON.stringify(value, (_key, inner: unknown) => (idType(inner) ? `<${idType(inner)}>` : inner));
  return text.length > 70 ? `${text.slice(0, 67)}...` : text;
}

function distinct(differences: readonly Difference[]): Difference[] {
  return [...new Map(differences.map((one) => [JSON.stringify(one), one])).values()];
}
