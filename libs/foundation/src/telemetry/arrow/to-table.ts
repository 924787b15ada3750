/**
 * Makes an Arrow table of records, for Arquero, DuckDB, pandas and everything else that reads Arrow.   Read path: stores -> records -> [to-table].
 *
 * The records are turned into columns one by one and not kept; types follow from all values; buffers are written batch by batch at the end.
 */
import type { DataType, Field, Table } from 'apache-arrow';
import { TelemetryError } from '../errors.js';
import { type Arrow, JSON_CONTENT, toData } from './arrow-data.js';
import { type ColumnType, NO_TYPE, type ScalarKind, widen } from './column-type.js';
import {
  type FixedColumnType,
  RECORD_COLUMNS,
  type RecordColumns,
  type TableRecord,
  type TableRecordKind,
} from './record-columns.js';

/** Rows of one record batch. Offsets of texts are of a batch, so that the 2 GiB which they can address are a batch's too. */
const BATCH_ROWS = 16_384;

/** The optional peer dependency `apache-arrow` is not installed. */
export class ArrowNotInstalledError extends TelemetryError {
  readonly code = 'arrow_not_installed';
}

export interface ToTableOptions {
  /** What the records are. Needed only where there may be none: a table without records has the columns of this kind. Default: `span`. */
  kind?: TableRecordKind | undefined;
}

/**
 * An Arrow table of spans, annotations, metric points or rows of a data set: one row a record, in their order.
 *
 * Shape:  spans have `context.span_id`, `context.trace_id`, `name`, `span_kind`, `parent_id`, `start_time`, `end_time`, `duration_ms`, `status_code`,
 *         `status_message`, `events`, `links`, `kind`, `scope.name`, `scope.version`, `project`, `tenant_id`, `session_id`, then one column an attribute
 *         (`attributes.*`, `resource.*`) by key. A column of a key is `int64`, `float64`, `bool`, `utf8`, `binary` or a list of one of these, where all its values
 *         are; else `utf8` with the JSON text of each value, which the field's metadata says (`content_type: application/json`).
 * Units:  times are `timestamp[ns, UTC]`, durations milliseconds. A time after 2262 is null.
 * Empty:  no records give the fixed columns without rows.
 * Errors: `ArrowNotInstalledError` without the package `apache-arrow`; `TypeError` for records of several kinds, and for what is no list of records; `RangeError` where 16,384 rows have more
 *         than 2 GiB of text in one column.
 */
export async function toTable(
  records: Iterable<TableRecord> | AsyncIterable<TableRecord>,
  options: ToTableOptions = {},
): Promise<Table> {
  requireArguments(records, options);
  const arrow = await loadArrow();
  let columns: TableColumns | undefined;
  for await (const record of records) {
    columns ??= new TableColumns(options.kind ?? kindOf(record));
    columns.add(record);
  }
  return (columns ?? new TableColumns(options.kind ?? 'span')).toTable(arrow);
}

function requireArguments(records: unknown, { kind }: ToTableOptions): void {
  const iterable = Object(records) as { [Symbol.iterator]?: unknown; [Symbol.asyncIterator]?: unknown };
  if (typeof (iterable[Symbol.asyncIterator] ?? iterable[Symbol.iterator]) !== 'function') {
    throw new TypeError('toTable() takes records: what getSpans() gave, iterateSpans(), or another list of a store.');
  }
  if (kind !== undefined && !Object.hasOwn(RECORD_COLUMNS, kind)) {
    const kinds = Object.keys(RECORD_COLUMNS).join(', ');
    throw new TypeError(`toTable() knows no kind ${JSON.stringify(kind)}; kinds are ${kinds}.`);
  }
}

async function loadArrow(): Promise<Arrow> {
  try {
    return await import('apache-arrow');
  } catch (cause) {
    throw new ArrowNotInstalledError(
      'toTable() needs the package "apache-arrow", which could not be loaded. Install it in the application: npm install apache-arrow',
      { cause },
    );
  }
}

function kindOf(record: TableRecord): TableRecordKind {
  for (const [kind, { mark }] of Object.entries(RECORD_COLUMNS)) {
    if (typeof record === 'object' && record !== null && mark in record) return kind as TableRecordKind;
  }
  throw new TypeError(
    'toTable() got a record that is no span, annotation, metric point or row of a data set. Give it what a store of a provider gives.',
  );
}

/** A column of what a map holds under one key. */
interface KeyColumn {
  type: ColumnType;
  /** By row; a hole where the map has no such key. */
  readonly values: unknown[];
}

/** Records as columns of values. */
class TableColumns {
  readonly #kind: TableRecordKind;
  readonly #columns: RecordColumns<TableRecord>;
  readonly #fixed: unknown[][];
  readonly #groups: Map<string, KeyColumn>[];
  #length = 0;

  constructor(kind: TableRecordKind) {
    this.#kind = kind;
    this.#columns = RECORD_COLUMNS[kind];
    this.#fixed = this.#columns.fixed.map(() => []);
    this.#groups = this.#columns.groups.map(() => new Map());
  }

  add(record: TableRecord): void {
    const kind = kindOf(record);
    if (kind !== this.#kind) {
      throw new TypeError(
        `toTable() got a ${kind} in a table of ${this.#kind}s (row ${this.#length}). Make a table of each kind.`,
      );
    }
    const row = this.#length;
    this.#columns.fixed.forEach((column, index) => {
      this.#fixed[index]!.push(column.read(record));
    });
    this.#columns.groups.forEach((group, index) => {
      const columns = this.#groups[index]!;
      for (const [key, value] of Object.entries(group.read(record))) {
        let column = columns.get(key);
        if (column === undefined) {
          column = { type: NO_TYPE, values: [] };
          columns.set(key, column);
        }
        column.type = widen(column.type, value);
        column.values[row] = value;
      }
    });
    this.#length += 1;
  }

  toTable(arrow: Arrow): Table {
    const fields: Field[] = [];
    const values: unknown[][] = [];
    this.#columns.fixed.forEach(({ name, type }, index) => {
      fields.push(fixedField(arrow, name, type));
      values.push(this.#fixed[index]!);
    });
    this.#columns.groups.forEach(({ prefix }, index) => {
      const columns = this.#groups[index]!;
      for (const key of [...columns.keys()].sort()) {
        const column = columns.get(key)!;
        fields.push(keyField(arrow, prefix + key, column.type));
        values.push(column.values);
      }
    });
    const schema = new arrow.Schema(fields);
    const type = new arrow.Struct(fields);
    const batches = [];
    for (let from = 0; from === 0 || from < this.#length; from += BATCH_ROWS) {
      const to = Math.min(from + BATCH_ROWS, this.#length);
      const children = fields.map((field, index) => toData(arrow, field, values[index]!, from, to));
      batches.push(new arrow.RecordBatch(schema, arrow.makeData({ type, length: to - from, nullCount: 0, children })));
    }
    return new arrow.Table(schema, batches);
  }
}

function fixedField(arrow: Arrow, name: string, type: FixedColumnType): Field {
  switch (type) {
    case 'text':
      return textField(arrow, name);
    case 'float':
      return new arrow.Field(name, new arrow.Float64(), true);
    case 'time':
      return timeField(arrow, name);
    case 'events':
      return structuresField(arrow, name, [textField(arrow, 'name'), timeField(arrow, 'timestamp')]);
    case 'links':
      return structuresField(arrow, name, [textField(arrow, 'trace_id'), textField(arrow, 'span_id')]);
  }
}

function textField(arrow: Arrow, name: string): Field {
  return new arrow.Field(name, new arrow.Utf8(), true);
}

function jsonField(arrow: Arrow, name: string): Field {
  return new arrow.Field(name, new arrow.Utf8(), true, JSON_CONTENT);
}

function timeField(arrow: Arrow, name: string): Field {
  return new arrow.Field(name, new arrow.TimestampNanosecond('UTC'), true);
}

/** A list of structures, whose attributes are JSON: each structure may have others. */
function structuresField(arrow: Arrow, name: string, fields: Field[]): Field {
  const structure = new arrow.Struct([...fields, jsonField(arrow, 'attributes')]);
  return new arrow.Field(name, new arrow.List(new arrow.Field('item', structure, true)), true);
}

function keyField(arrow: Arrow, name: string, { list, kind }: ColumnType): Field {
  if (kind === 'json') return jsonField(arrow, name);
  const type = scalarType(arrow, kind);
  return new arrow.Field(name, list ? new arrow.List(new arrow.Field('item', type, true)) : type, true);
}

function scalarType(arrow: Arrow, kind: Exclude<ScalarKind, 'json'>): DataType {
  switch (kind) {
    case 'bool':
      return new arrow.Bool();
    case 'int':
    case 'long':
      return new arrow.Int64();
    case 'float':
      return new arrow.Float64();
    case 'text':
    case 'none': // not Arrow's null type: not every reader skips its missing buffers
      return new arrow.Utf8();
    case 'bytes':
      return new arrow.Binary();
  }
}
