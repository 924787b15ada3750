/**
 * A query of Phoenix's span query language, answered as a table.   Read path: query-spans -> [span-query] -> dataframe.
 *
 * Source: `SpanQuery` of Phoenix 20.26, `phoenix/trace/dsl/query.py`. Rows are newest first.
 */
import type { AnyValue } from '@cogniverse/foundation/otlp';
import {
  conditionRows,
  InvalidQueryError,
  parseCondition,
  parseProjection,
  toSpanRecord,
} from '@cogniverse/foundation/store';
import type { ProjectRef, SpanProjection, StoredSpan, TelemetryStore } from '@cogniverse/foundation/telemetry';
import { z } from 'zod';
import { flatten, isoMicros, phoenixSpanKind, phoenixStatusCode } from '../phoenix-span.js';
import { attributeColumns, nestedAttributes, valueAt } from './attribute-tree.js';
import { type Cell, type Dataframe, Instant } from './dataframe-json.js';

const key = z.string().min(1);
const columns = z.record(z.string(), key);
const projection = z.object({ key });
const exploding = z.object({ key: z.string(), kwargs: columns.nullish() });
const concatenating = z.object({ key: z.string(), kwargs: columns.nullish(), separator: z.string().nullish() });

export const spanQuerySchema = z.object({
  select: z.record(z.string(), projection).nullish(),
  filter: z.object({ condition: z.string().nullish() }).nullish(),
  explode: exploding.nullish(),
  concat: concatenating.nullish(),
  rename: columns.nullish(),
  index: projection.nullish(),
});
export type SpanQueryText = z.output<typeof spanQuerySchema>;

export interface SpanQueryScope {
  /** Undefined for a project that is not there: the table is empty. */
  readonly project: ProjectRef | undefined;
  readonly startTime: string | undefined;
  readonly endTime: string | undefined;
  readonly limit: number;
  /** Only roots: `strict`, without a parent id; `orphans`, without a parent that is stored. */
  readonly roots: 'strict' | 'orphans' | undefined;
}

const PAGE = 1000;
const TRACES_A_QUERY = 100;
/** Phoenix's columns, in its order. */
const SPAN_COLUMNS = [
  'name',
  'span_kind',
  'parent_id',
  'start_time',
  'end_time',
  'status_code',
  'status_message',
  'events',
  'context.span_id',
  'context.trace_id',
];
const LONG_NAMES: Readonly<Record<string, string>> = { span_id: 'context.span_id', trace_id: 'context.trace_id' };

function longName(name: string): string {
  return Object.hasOwn(LONG_NAMES, name) ? LONG_NAMES[name]! : name;
}

/** Errors: `InvalidQueryError` for a condition or a projection that cannot be read. */
export async function runSpanQuery(
  store: TelemetryStore,
  query: SpanQueryText,
  scope: SpanQueryScope,
): Promise<Dataframe> {
  const plan = planOf(query);
  const spans = await spansOf(store, query.filter?.condition?.trim() || undefined, scope);
  if (plan === undefined) return wholeSpans(spans);
  const rowOf = await readerOf(store, scope.project, plan, spans);
  return selected(plan, spans.map(rowOf));
}

interface Plan {
  readonly index: string;
  readonly projections: ReadonlyMap<string, SpanProjection>;
  readonly select: readonly string[];
  readonly explode:
    | { readonly path: string; readonly position: string; readonly columns: readonly [string, string][] }
    | undefined;
  readonly concat:
    | {
        readonly label: string;
        readonly path: string;
        readonly separator: string;
        readonly columns: readonly [string, string][];
      }
    | undefined;
  readonly rename: Readonly<Record<string, string>>;
}

/** Undefined for a query that selects nothing, which means all of the spans. */
function planOf({ select, explode, concat, rename, index }: SpanQueryText): Plan | undefined {
  const asked = Object.entries(select ?? {});
  const explodes = explode?.key ? explode : undefined;
  const concats = concat?.key ? concat : undefined;
  if (asked.length === 0 && explodes === undefined && concats === undefined) return undefined;
  const indexName = longName(index?.key ?? 'context.span_id');
  const projections = new Map(asked.map(([label, { key: path }]) => [longName(label), parseProjection(path)]));
  projections.set(indexName, parseProjection(indexName));
  return {
    index: indexName,
    projections,
    select: asked.map(([label]) => longName(label)),
    explode: explodes && {
      path: attributePath(explodes.key),
      position: attributePath(explodes.key) === 'retrieval.documents' ? 'document_position' : 'position',
      columns: Object.entries(explodes.kwargs ?? {}),
    },
    concat: concats && {
      label: concats.key,
      path: attributePath(concats.key),
      separator: concats.separator ?? '\n\n',
      columns: Object.entries(concats.kwargs ?? {}),
    },
    rename: rename ?? {},
  };
}

function attributePath(text: string): string {
  const projected = parseProjection(text);
  if (projected.kind === 'attribute') return projected.path;
  throw new InvalidQueryError(`"${text}" is no attribute; only lists in attributes can be exploded or concatenated.`);
}

async function spansOf(
  store: TelemetryStore,
  condition: string | undefined,
  scope: SpanQueryScope,
): Promise<StoredSpan[]> {
  const { project, startTime, endTime, limit, roots } = scope;
  if (condition !== undefined) parseCondition('span', condition); // a mistake is told at its place in what the client wrote
  if (project === undefined) return [];
  const only = roots === 'orphans' ? 'parent_span is None' : undefined;
  const both = condition !== undefined && only !== undefined ? `(${condition}) and ${only}` : (condition ?? only);
  const spans: StoredSpan[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.querySpans({
      project,
      startTime,
      endTime,
      condition: both,
      filters: roots === 'strict' ? { rootOnly: true } : undefined,
      limit: Math.min(PAGE, limit - spans.length),
      cursor,
    });
    spans.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined && spans.length < limit);
  return spans;
}

// ---- all of a span

function wholeSpans(spans: readonly StoredSpan[]): Dataframe {
  const attributes = new Set<string>();
  const rows = spans.map((stored) => {
    const { span } = stored;
    const row = new Map<string, Cell>([
      ['name', span.name],
      ['span_kind', phoenixSpanKind(stored)],
      ['parent_id', span.parentSpanId === '' ? null : span.parentSpanId],
      ['start_time', new Instant(span.startTimeUnixNano)],
      ['end_time', new Instant(span.endTimeUnixNano)],
      ['status_code', phoenixStatusCode(stored)],
      ['status_message', span.status.message],
      [
        'events',
        span.events.map(
          (event) =>
            new Map<string, AnyValue>([
              ['name', event.name],
              ['timestamp', isoMicros(event.timeUnixNano)],
              ['attributes', flatten(event.attributes)],
            ]),
        ),
      ],
      ['context.span_id', span.spanId],
      ['context.trace_id', span.traceId],
    ]);
    for (const [name, value] of attributeColumns(span.attributes)) {
      attributes.add(`attributes.${name}`);
      row.set(`attributes.${name}`, value);
    }
    return row;
  });
  return { index: ['context.span_id'], columns: [...SPAN_COLUMNS, ...attributes], rows };
}

// ---- what is selected of a span

interface SelectedRow {
  readonly cells: ReadonlyMap<string, Cell>;
  readonly tree: ReadonlyMap<string, AnyValue>;
}

/** How rows are made. What is known only from the other spans of a trace (cumulative counts) is read beforehand. */
async function readerOf(
  store: TelemetryStore,
  project: ProjectRef | undefined,
  { projections }: Plan,
  spans: readonly StoredSpan[],
): Promise<(stored: StoredSpan) => SelectedRow> {
  const ofTraces = [...projections.values()].some((one) => one.kind === 'field' && one.name.startsWith('cumulative_'));
  const known = ofTraces && project !== undefined ? await withTraces(store, project, spans) : spans;
  const rows = conditionRows({ spans: known.map(toSpanRecord) });
  const rowOf = new Map(rows.spans.map(({ record, row }) => [`${record.traceId} ${record.spanId}`, row]));
  return (stored) => {
    const { span } = stored;
    const row = rowOf.get(`${span.traceId} ${span.spanId}`)!;
    const tree = nestedAttributes(span.attributes);
    const cells = new Map<string, Cell>();
    for (const [label, projected] of projections) {
      if (projected.kind === 'attribute')
        cells.set(label, span.attributes.get(projected.path) ?? valueAt(tree, projected.path));
      else if (projected.name === 'start_time') cells.set(label, new Instant(span.startTimeUnixNano));
      else if (projected.name === 'end_time') cells.set(label, new Instant(span.endTimeUnixNano));
      else cells.set(label, row.field(projected.name));
    }
    return { cells, tree };
  };
}

async function withTraces(
  store: TelemetryStore,
  project: ProjectRef,
  spans: readonly StoredSpan[],
): Promise<StoredSpan[]> {
  const ids = [...new Set(spans.map(({ span }) => span.traceId))];
  const all: StoredSpan[] = [];
  for (let from = 0; from < ids.length; from += TRACES_A_QUERY) {
    const filters = { traceId: ids.slice(from, from + TRACES_A_QUERY) };
    let cursor: string | undefined;
    do {
      const page = await store.querySpans({ project, filters, limit: PAGE, cursor });
      all.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
  }
  return all;
}

function selected(plan: Plan, rows: readonly SelectedRow[]): Dataframe {
  const { index, select, explode, concat, rename } = plan;
  const columns = new Set(select.filter((name) => name !== index));
  const finished: Map<string, Cell>[] = [];
  for (const { cells, tree } of rows) {
    const row = new Map(cells);
    if (concat !== undefined) {
      const list = valueAt(tree as Map<string, AnyValue>, concat.path);
      if (!Array.isArray(list) && explode === undefined) continue;
      for (const [label, text] of Array.isArray(list) ? joined(list, concat) : []) row.set(label, text);
      for (const [label] of concat.columns.length > 0 ? concat.columns : [[concat.label]]) columns.add(label!);
    }
    if (explode === undefined) {
      finished.push(row);
      continue;
    }
    const list = valueAt(tree as Map<string, AnyValue>, explode.path);
    for (const [label] of explode.columns) columns.add(label);
    for (const [position, item] of (Array.isArray(list) ? list : []).entries()) {
      if (!(item instanceof Map)) continue;
      const values =
        explode.columns.length > 0
          ? explode.columns.map(([label, path]) => [label, valueAt(item, path)] as const)
          : flatten(item);
      const one = new Map<string, Cell>([...row, [explode.position, BigInt(position)]]);
      for (const [label, value] of values) {
        columns.add(label);
        one.set(label, value);
      }
      finished.push(one);
    }
  }
  const newName = (name: string) => (Object.hasOwn(rename, name) ? rename[name]! : name);
  return {
    index: explode === undefined ? [index] : [index, explode.position],
    columns: [...columns].map(newName),
    rows: finished.map(
      (row) => new Map(Array.from(row, ([name, cell]) => [columns.has(name) ? newName(name) : name, cell] as const)),
    ),
  };
}

function joined(
  list: readonly AnyValue[],
  { label, separator, columns }: NonNullable<Plan['concat']>,
): [string, string][] {
  if (columns.length === 0) return [[label, list.map(textOf).join(separator)]];
  return columns.flatMap(([name, path]): [string, string][] => {
    const values = list.map((item) => valueAt(item, path)).filter((value) => value !== undefined && value !== null);
    return values.length === 0 ? [] : [[name, values.map(textOf).join(separator)]];
  });
}

function textOf(value: AnyValue): string {
  return typeof value === 'string' ? value : String(value);
}
