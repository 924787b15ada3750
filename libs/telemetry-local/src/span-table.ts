/**
 * The table of spans: its columns, a span as a row, and a row as the exact span.   Write path: admission -> [span-table] -> hot table;
 * read path: query -> [span-table] -> StoredSpan.
 *
 * What queries look at has a column. All else that is rare (events, links, dropped counts, attributes whose order text cannot keep) is one
 * OTLP message in `rest`; resource and scope are one OTLP message in `origin`, equal for all spans of a scope, so it compresses to nearly nothing.
 */
import {
  type AnyValue,
  type Attributes,
  decodeTraces,
  encodeTraces,
  type OtlpResourceSpans,
  type OtlpSpan,
  type StatusCodeNumber,
} from '@cogniverse/foundation/otlp';
import { sessionIdOf } from '@cogniverse/foundation/store';
import type { StoredSpan } from '@cogniverse/foundation/telemetry';
import type { DuckDBAppender, DuckDBValue } from '@duckdb/node-api';
import { attributeText, attributeValue, IN_COLUMN } from './attribute-text.js';
import type { ProjectKey } from './project-key.js';

/**
 * Columns of a stored span. `seq` is the order of ingestion, `seg` the log segment it came with.
 * `attributes` is JSON text: key to value as `attribute-text.ts` writes it. `packed`: how columns are kept that repeat themselves.
 */
const columns = (packed: string) => `
  project_key BIGINT NOT NULL,
  tenant_id VARCHAR,
  project VARCHAR NOT NULL,
  trace_id BLOB NOT NULL,
  span_id BLOB NOT NULL,
  parent_id BLOB,
  name VARCHAR NOT NULL,
  kind INTEGER NOT NULL,
  start_ns BIGINT NOT NULL,
  end_ns BIGINT NOT NULL,
  status UTINYINT NOT NULL,
  status_message VARCHAR NOT NULL,
  span_kind VARCHAR NOT NULL,
  session_id VARCHAR,
  model VARCHAR,
  tokens_prompt DOUBLE,
  tokens_completion DOUBLE,
  cost DOUBLE,
  input_value VARCHAR,
  output_value VARCHAR,
  attributes VARCHAR NOT NULL${packed},
  flags UINTEGER NOT NULL,
  trace_state VARCHAR NOT NULL,
  rest BLOB${packed},
  origin BLOB NOT NULL,
  seq BIGINT NOT NULL`;

/**
 * Of a day file. By zstd attributes take a quarter of what DuckDB's own choice makes of them, and are read as quickly; inputs and outputs gain less, and rows of them
 * that stand apart would take twice as long to read.
 */
export const STORED_COLUMNS = `${columns(' USING COMPRESSION zstd')},\n  seg BIGINT NOT NULL`;
/** Of a hot table; `day` is the day file that the row will go to. */
export const HOT_COLUMNS = `${columns('')},\n  day INTEGER NOT NULL`;

/** Attributes that have a column of their own for their text, because it may be long. */
export const TEXT_COLUMNS: Readonly<Record<string, string>> = Object.assign(Object.create(null), {
  'input.value': 'input_value',
  'output.value': 'output_value',
});

export interface SpanRow {
  readonly project: ProjectKey;
  readonly span: OtlpSpan;
  readonly origin: Uint8Array;
  readonly sequence: bigint;
  readonly day: number;
}

function stringAttribute(attributes: Attributes, key: string): string | null {
  const value = attributes.get(key);
  return typeof value === 'string' ? value : null;
}

function numberAttribute(attributes: Attributes, key: string): number | null {
  const value = attributes.get(key);
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : null;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** Objects put keys that are whole numbers first, so text would not keep their order. */
function keepsOrder(attributes: Attributes): boolean {
  for (const key of attributes.keys()) if (isDigit(key.charCodeAt(0))) return false;
  return true;
}

/** A lone surrogate, which no UTF-8 can hold, becomes U+FFFD. (Every Node that is supported has this method, the types do not yet.) */
export function wellFormed(text: string): string {
  return (text as unknown as { toWellFormed(): string }).toWellFormed();
}

function attributesJson(attributes: Attributes): string {
  const texts: Record<string, string> = Object.create(null);
  for (const [key, value] of attributes) {
    texts[wellFormed(key)] =
      key in TEXT_COLUMNS && typeof value === 'string' ? IN_COLUMN : wellFormed(attributeText(value));
  }
  return JSON.stringify(texts);
}

/** What has no column, as an OTLP message with one span; null for most spans. */
function restOf(span: OtlpSpan): Uint8Array | null {
  const ordered = keepsOrder(span.attributes);
  if (
    ordered &&
    span.events.length === 0 &&
    span.links.length === 0 &&
    span.droppedAttributesCount === 0 &&
    span.droppedEventsCount === 0 &&
    span.droppedLinksCount === 0
  ) {
    return null;
  }
  const rest: OtlpSpan = {
    ...span,
    traceState: '',
    parentSpanId: '',
    flags: 0,
    name: '',
    kind: 0,
    startTimeUnixNano: 0n,
    endTimeUnixNano: 0n,
    status: { code: 0, message: '' },
    attributes: ordered ? new Map() : span.attributes,
  };
  const scope = { name: '', version: '', attributes: new Map(), droppedAttributesCount: 0 };
  return encodeTraces({
    resourceSpans: [
      {
        resource: { attributes: new Map(), droppedAttributesCount: 0 },
        schemaUrl: '',
        scopeSpans: [{ scope, schemaUrl: '', spans: [rest] }],
      },
    ],
  });
}

function appendText(appender: DuckDBAppender, value: string | null): void {
  if (value === null) appender.appendNull();
  else appender.appendVarchar(value);
}

function appendNumber(appender: DuckDBAppender, value: number | null): void {
  if (value === null) appender.appendNull();
  else appender.appendDouble(value);
}

/** What the columns of fixed width of a row take in memory, and the heads of its texts. */
const ROW_BYTES = 350;

/** In the order of `HOT_COLUMNS`. Gives about how many bytes of memory the row takes. */
export function appendSpanRow(appender: DuckDBAppender, row: SpanRow): number {
  const { project, span } = row;
  const attributes = span.attributes;
  appender.appendBigInt(project.key);
  appendText(appender, project.tenantId);
  appender.appendVarchar(project.name);
  appender.appendBlob(Buffer.from(span.traceId, 'hex'));
  appender.appendBlob(Buffer.from(span.spanId, 'hex'));
  if (span.parentSpanId === '') appender.appendNull();
  else appender.appendBlob(Buffer.from(span.parentSpanId, 'hex'));
  appender.appendVarchar(span.name);
  appender.appendInteger(span.kind);
  appender.appendBigInt(span.startTimeUnixNano);
  appender.appendBigInt(span.endTimeUnixNano);
  appender.appendUTinyInt(span.status.code);
  appender.appendVarchar(span.status.message);
  appender.appendVarchar(stringAttribute(attributes, 'openinference.span.kind')?.toUpperCase() || 'UNKNOWN');
  appendText(appender, sessionIdOf(attributes) ?? null);
  appendText(appender, stringAttribute(attributes, 'llm.model_name'));
  appendNumber(appender, numberAttribute(attributes, 'llm.token_count.prompt'));
  appendNumber(appender, numberAttribute(attributes, 'llm.token_count.completion'));
  appendNumber(appender, numberAttribute(attributes, 'llm.cost.total'));
  const input = stringAttribute(attributes, 'input.value');
  const output = stringAttribute(attributes, 'output.value');
  const json = attributesJson(attributes);
  appendText(appender, input);
  appendText(appender, output);
  appender.appendVarchar(json);
  appender.appendUInteger(span.flags);
  appender.appendVarchar(span.traceState);
  const rest = restOf(span);
  if (rest === null) appender.appendNull();
  else appender.appendBlob(rest);
  appender.appendBlob(row.origin);
  appender.appendBigInt(row.sequence);
  appender.appendInteger(row.day);
  appender.endRow();
  return (
    ROW_BYTES +
    (input?.length ?? 0) +
    (output?.length ?? 0) +
    json.length +
    span.traceState.length +
    span.status.message.length +
    (rest?.length ?? 0) +
    row.origin.length
  );
}

/** What `restoreSpan` reads, in its order. */
export const RESTORE_SELECT = `tenant_id, project, lower(hex(trace_id)), lower(hex(span_id)), lower(hex(parent_id)), name, kind,
  start_ns, end_ns, status, status_message, attributes, input_value, output_value, flags, trace_state, rest, origin, seq`;

/** Place of the sequence in it. */
export const RESTORE_SEQUENCE = 18;

type RestoreRow = [
  tenantId: string | null,
  project: string,
  traceId: string,
  spanId: string,
  parentId: string | null,
  name: string,
  kind: number,
  start: bigint,
  end: bigint,
  status: number,
  statusMessage: string,
  attributes: string,
  inputValue: string | null,
  outputValue: string | null,
  flags: number,
  traceState: string,
  rest: { bytes: Uint8Array } | null,
  origin: { bytes: Uint8Array },
  seq: bigint,
];

function restoreAttributes(json: string, inputValue: string | null, outputValue: string | null): Attributes {
  const attributes = new Map<string, AnyValue>();
  for (const [key, text] of Object.entries(JSON.parse(json) as Record<string, string>)) {
    if (text !== IN_COLUMN) attributes.set(key, attributeValue(text));
    else attributes.set(key, TEXT_COLUMNS[key] === 'input_value' ? inputValue : outputValue);
  }
  return attributes;
}

/** Restores rows; one for each answer, so that spans of one scope share its decoded resource and scope. */
export class SpanRestorer {
  readonly #origins = new Map<string, OtlpResourceSpans>();

  /** The row of a `RESTORE_SELECT`. */
  restore(values: readonly DuckDBValue[]): StoredSpan {
    const row = values as unknown as RestoreRow;
    const [tenantId, project, traceId, spanId, parentId, name, kind, start, end, status, statusMessage] = row;
    const [, , , , , , , , , , , attributes, inputValue, outputValue, flags, traceState, rest, origin, sequence] = row;
    const restSpan = rest === null ? undefined : decodeTraces(rest.bytes).resourceSpans[0]?.scopeSpans[0]?.spans[0];
    const resourceSpans = this.#origin(origin.bytes);
    const scopeSpans = resourceSpans.scopeSpans[0]!;
    return {
      project: { tenantId, name: project },
      sequence,
      span: {
        traceId,
        spanId,
        traceState,
        parentSpanId: parentId ?? '',
        flags,
        name,
        kind,
        startTimeUnixNano: start,
        endTimeUnixNano: end,
        attributes: restSpan?.attributes.size
          ? restSpan.attributes
          : restoreAttributes(attributes, inputValue, outputValue),
        droppedAttributesCount: restSpan?.droppedAttributesCount ?? 0,
        events: restSpan?.events ?? [],
        droppedEventsCount: restSpan?.droppedEventsCount ?? 0,
        links: restSpan?.links ?? [],
        droppedLinksCount: restSpan?.droppedLinksCount ?? 0,
        status: { code: status as StatusCodeNumber, message: statusMessage },
      },
      resource: resourceSpans.resource,
      resourceSchemaUrl: resourceSpans.schemaUrl,
      scope: scopeSpans.scope,
      scopeSchemaUrl: scopeSpans.schemaUrl,
    };
  }

  #origin(bytes: Uint8Array): OtlpResourceSpans {
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
    let origin = this.#origins.get(key);
    if (origin === undefined) {
      origin = decodeTraces(bytes).resourceSpans[0]!;
      this.#origins.set(key, origin);
    }
    return origin;
  }
}
