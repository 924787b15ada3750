/**
 * An upload of a data set as a file: CSV or JSON lines in a multipart body.   Write path: client -> [dataset-file] -> datasets.   Source: Phoenix 20.26.
 */
import { gunzipSync, inflateSync } from 'node:zlib';
import { InvalidQueryError } from '@cogniverse/foundation/store';
import type { NewDatasetRow } from '@cogniverse/foundation/telemetry';
import { HttpAnswer } from '../error-answers.js';
import { readOpaqueId } from './opaque-id.js';

/** A file that is larger when it is unpacked is refused. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

interface FormPart {
  readonly name: string;
  readonly fileName: string | undefined;
  readonly headers: ReadonlyMap<string, string>;
  readonly content: Buffer;
}

/** Parts of a `multipart/form-data` body (RFC 7578), with their headers. Errors: `InvalidQueryError`. */
export function parseForm(contentType: string, body: Buffer): FormPart[] {
  const boundary = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(contentType);
  if (boundary === null) throw new InvalidQueryError('The content type names no boundary of the form.');
  const delimiter = Buffer.from(`\r\n--${boundary[1] ?? boundary[2]}`, 'latin1');
  const parts: FormPart[] = [];
  // As if the body began after a line's end, so that the first delimiter is like the others.
  const text = Buffer.concat([Buffer.from('\r\n'), body]);
  let at = text.indexOf(delimiter);
  while (at !== -1) {
    const begin = at + delimiter.length;
    const end = text.indexOf(delimiter, begin);
    if (end === -1) break; // after the last delimiter there is nothing
    const head = text.indexOf('\r\n\r\n', begin);
    if (head === -1 || head > end) throw new InvalidQueryError('A part of the form has no end of its headers.');
    parts.push(partOf(text.subarray(begin, head).toString('utf8'), text.subarray(head + 4, end)));
    at = end;
  }
  return parts;
}

function partOf(head: string, content: Buffer): FormPart {
  const headers = new Map<string, string>();
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const disposition = headers.get('content-disposition') ?? '';
  const name = /;\s*name="([^"]*)"/i.exec(disposition)?.[1];
  if (name === undefined) throw new InvalidQueryError('A part of the form has no name.');
  return { name, fileName: /;\s*filename="([^"]*)"/i.exec(disposition)?.[1], headers, content };
}

/** Errors: `InvalidQueryError`; `HttpAnswer` 501 for a file of another kind. */
export function uploadOfForm(parts: readonly FormPart[]): {
  name: string;
  action: string | undefined;
  description: string;
  rows: NewDatasetRow[];
} {
  const values = (name: string) =>
    parts.filter((part) => part.name === name && part.fileName === undefined).map(({ content }) => content.toString());
  const value = (name: string) => values(name)[0] || undefined;
  const keys = (name: string) => [...new Set(values(`${name}_keys[]`).filter((key) => key !== ''))];
  const name = value('name');
  const file = parts.find((part) => part.name === 'file' && part.fileName !== undefined);
  if (name === undefined) throw new InvalidQueryError('Dataset name must not be empty');
  if (file === undefined) throw new InvalidQueryError('The form holds no file named "file".');
  const plan: ColumnPlan = {
    input: keys('input'),
    output: keys('output'),
    metadata: keys('metadata'),
    splits: keys('split'),
    split: value('split_key'),
    spanId: value('span_id_key'),
    exampleId: value('example_id_key'),
    flatten: keys('flatten'),
  };
  if (plan.split !== undefined && plan.splits.length > 0) {
    throw new InvalidQueryError("Cannot specify both 'split_keys[]' and 'split_key'.");
  }
  const type = file.headers.get('content-type')?.toLowerCase();
  const content = unpacked(file);
  const upload = { name, action: value('action'), description: value('description') ?? file.fileName ?? '' };
  if (type === 'text/csv') return { ...upload, rows: rowsOfCsv(content, plan) };
  if (type === 'application/jsonl') return { ...upload, rows: rowsOfLines(content, plan) };
  if (type === 'application/x-pandas-pyarrow') {
    throw new HttpAnswer(
      501,
      'Files of PyArrow are not read here. Upload the table as CSV, as JSON lines, or as JSON.',
    );
  }
  throw new InvalidQueryError(`Invalid file content type: ${type ?? 'none'}`);
}

function unpacked({ headers, content }: FormPart): string {
  const encoding = headers.get('content-encoding')?.toLowerCase() ?? 'none';
  try {
    if (encoding === 'none') return content.toString('utf8');
    if (encoding === 'gzip') return gunzipSync(content, { maxOutputLength: MAX_FILE_BYTES }).toString('utf8');
    if (encoding === 'deflate') return inflateSync(content, { maxOutputLength: MAX_FILE_BYTES }).toString('utf8');
  } catch (cause) {
    throw new InvalidQueryError(`The file is not valid ${encoding}: ${(cause as Error).message}.`, { cause });
  }
  throw new InvalidQueryError(`Invalid file content encoding: ${encoding}`);
}

/** Which columns make what of an example. */
interface ColumnPlan {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly metadata: readonly string[];
  readonly splits: readonly string[];
  readonly split: string | undefined;
  readonly spanId: string | undefined;
  readonly exampleId: string | undefined;
  /** Columns of objects, whose entries stand in for them. */
  readonly flatten: readonly string[];
}

type Row = Readonly<Record<string, unknown>>;
const BUCKETS = ['input', 'output', 'metadata'] as const;

function rowsOfCsv(text: string, plan: ColumnPlan): NewDatasetRow[] {
  const [header, ...records] = parseCsv(text);
  if (header === undefined) throw new InvalidQueryError('Missing CSV column header');
  const twice = header.find((column, index) => header.indexOf(column) < index);
  if (twice !== undefined) throw new InvalidQueryError(`Duplicated column header in CSV file: ${twice}`);
  requireColumns(header, plan);
  const dotted = BUCKETS.some((bucket) => plan[bucket].some((key) => /^(?:input|output|metadata)\./.test(key)));
  return records.map((record) => {
    const row: Record<string, unknown> = Object.fromEntries(header.map((column, index) => [column, record[index]]));
    if (dotted && plan.flatten.length === 0) return example(row, plan, nestedBucket);
    for (const key of plan.flatten) row[key] = parsedObject(row[key]);
    return example(row, plan, (held, keys, bucket) =>
      Object.fromEntries(
        Object.entries(plainBucket(held, keys, bucket, plan.flatten)).filter(([, cell]) => !isEmpty(cell)),
      ),
    );
  });
}

function rowsOfLines(text: string, plan: ColumnPlan): NewDatasetRow[] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  return lines.map((line, index) => {
    let row: unknown;
    try {
      row = JSON.parse(line);
    } catch (cause) {
      throw new InvalidQueryError(`Line ${index + 1} of the file is no JSON: ${(cause as Error).message}.`, { cause });
    }
    if (typeof row !== 'object' || row === null) {
      throw new InvalidQueryError(`Line ${index + 1} of the file is no object.`);
    }
    return example(row as Row, plan, (held, keys, bucket) => plainBucket(held, keys, bucket, plan.flatten));
  });
}

function example(
  row: Row,
  plan: ColumnPlan,
  bucketOf: (row: Row, keys: readonly string[], bucket: string) => Record<string, unknown>,
): NewDatasetRow {
  const externalId = idOf(row, plan.exampleId);
  const rowId = externalId === undefined ? undefined : readOpaqueId('DatasetExample', externalId);
  return {
    input: bucketOf(row, plan.input, 'input'),
    output: bucketOf(row, plan.output, 'output'),
    metadata: bucketOf(row, plan.metadata, 'metadata'),
    splits: splitsOf(row, plan),
    spanId: idOf(row, plan.spanId),
    ...(rowId === undefined ? { externalId } : { id: rowId }),
  };
}

function plainBucket(row: Row, keys: readonly string[], _bucket: string, flatten: readonly string[]) {
  const bucket: Record<string, unknown> = {};
  for (const key of keys) {
    const value = row[key];
    if (!flatten.includes(key)) {
      if (value !== undefined) bucket[key] = value;
    } else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      Object.assign(bucket, value);
    } else if (value !== undefined && value !== null) {
      throw new InvalidQueryError(`Cannot flatten '${key}': expected object values`);
    }
  }
  return bucket;
}

/** `input.a.b` of the bucket `input` is `{ a: { b } }`; texts of lists and objects are read. */
function nestedBucket(row: Row, keys: readonly string[], bucket: string): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const key of keys) {
    const cell = row[key];
    if (isEmpty(cell)) continue;
    const value = parsedValue(cell);
    if (!key.startsWith(`${bucket}.`)) {
      result[key] = value;
      continue;
    }
    const path = key.slice(bucket.length + 1).split('.');
    let held = result;
    for (const part of path.slice(0, -1)) {
      const inner = Object.hasOwn(held, part) ? held[part] : undefined;
      if (typeof inner === 'object' && inner !== null) held = inner as Record<string, unknown>;
      else {
        const made: Record<string, unknown> = {};
        define(held, part, made);
        held = made;
      }
    }
    define(held, path.at(-1)!, value);
  }
  return result;
}

/** Also for a key such as `__proto__`, which is an ordinary one here. */
function define(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

function parsedValue(cell: unknown): unknown {
  const text = String(cell).trim();
  if (!/^(?:\[[\s\S]*\]|\{[\s\S]*\})$/.test(text)) return cell;
  try {
    return JSON.parse(text);
  } catch {
    return cell; // a text that only looks like JSON
  }
}

function parsedObject(cell: unknown): unknown {
  const value = parsedValue(cell);
  return isEmpty(value) ? undefined : value;
}

function isEmpty(cell: unknown): boolean {
  return cell === undefined || cell === null || (typeof cell === 'string' && cell.trim() === '');
}

function splitsOf(row: Row, { split, splits }: ColumnPlan): string[] {
  const names =
    split === undefined
      ? splits.map((key) => row[key])
      : [row[split]].flatMap((cell) => {
          const value = Array.isArray(cell) ? cell : parsedValue(cell ?? '');
          return Array.isArray(value) ? value : [cell];
        });
  return [...new Set(names.filter((name) => !isEmpty(name)).map((name) => String(name).trim()))];
}

function idOf(row: Row, key: string | undefined): string | undefined {
  const cell = key === undefined ? undefined : row[key];
  return isEmpty(cell) || String(cell).toLowerCase() === 'nan' ? undefined : String(cell);
}

function requireColumns(header: readonly string[], plan: ColumnPlan): void {
  for (const [what, keys] of Object.entries({ ...plan, flatten: [] })) {
    const missing = [keys ?? []].flat().filter((key) => !header.includes(key));
    if (missing.length > 0) {
      throw new InvalidQueryError(`${what} keys not found in column headers: ${missing.join(', ')}`);
    }
  }
}

/** Records of RFC 4180: fields in quotes may hold commas, quotes twice, and ends of lines. Empty lines are none. */
export function parseCsv(text: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/y;
  field.lastIndex = text.startsWith('\ufeff') ? 1 : 0;
  while (field.lastIndex < text.length || record.length > 0) {
    const start = field.lastIndex;
    const match = field.exec(text);
    if (match === null) throw new InvalidQueryError(`The CSV has a quote where none can be, at character ${start}.`);
    const [, quoted, plain, end] = match;
    record.push(quoted === undefined ? plain! : quoted.replaceAll('""', '"'));
    if (end === ',') continue;
    if (record.length > 1 || record[0] !== '') records.push(record);
    record = [];
  }
  return records;
}
