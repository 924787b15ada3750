/**
 * A table as pandas reads it from JSON.   Read path: span-query -> [dataframe-json] -> client.
 *
 * Source: `pandas.io.json` "table" orient, and `encode_df_as_json_string` of Phoenix 20.26, which puts the place of a column before its name.
 */
import type { AnyValue } from '@cogniverse/foundation/otlp';
import { valueText } from '../phoenix-span.js';

/** A point in time, in nanoseconds since 1970. */
export class Instant {
  readonly nanos: bigint;

  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

export type Cell = AnyValue | Instant | undefined;

/** Rows by the names of columns; the index is a column of the rows, too. */
export interface Dataframe {
  readonly index: readonly string[];
  readonly columns: readonly string[];
  readonly rows: readonly ReadonlyMap<string, Cell>[];
}

function isMissing(cell: Cell): boolean {
  return cell === undefined || cell === null;
}

/** The type of the field, as pandas says it. */
function fieldType(cells: readonly Cell[]): Record<string, string> {
  const present = cells.filter((cell) => !isMissing(cell));
  const all = (test: (cell: Cell) => boolean) => present.length > 0 && present.every(test);
  if (all((cell) => cell instanceof Instant)) return { type: 'datetime', tz: 'UTC' };
  if (all((cell) => typeof cell === 'bigint') && present.length === cells.length) return { type: 'integer' };
  if (all((cell) => typeof cell === 'bigint' || typeof cell === 'number')) return { type: 'number' };
  if (all((cell) => typeof cell === 'boolean') && present.length === cells.length) return { type: 'boolean' };
  return { type: 'string' };
}

function cellText(cell: Cell): string {
  if (isMissing(cell)) return 'null';
  if (!(cell instanceof Instant)) return valueText(cell as AnyValue);
  const seconds = new Date(Number(cell.nanos / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `"${seconds}.${String(cell.nanos % 1_000_000_000n).padStart(9, '0')}Z"`;
}

export function dataframeJson({ index, columns, rows }: Dataframe): string {
  const fields = [...index, ...columns].map((name, place) => {
    const cells = rows.map((row) => row.get(name));
    const numbered = `${place}_${name}`;
    return { label: JSON.stringify(numbered), cells, field: { name: numbered, ...fieldType(cells) } };
  });
  const primaryKey = fields.slice(0, index.length).map(({ field }) => field.name);
  const schema = JSON.stringify({ fields: fields.map(({ field }) => field), primaryKey, pandas_version: '1.4.0' });
  const data = rows.map(
    (_, row) => `{${fields.map(({ label, cells }) => `${label}:${cellText(cells[row])}`).join(',')}}`,
  );
  return `{"schema":${schema},"data":[${data.join(',')}]}`;
}
