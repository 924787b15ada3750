/**
 * Which columns a kind of record has.   Read path: record -> [record-columns] -> column -> Arrow table.
 *
 * The names are those of the reference's DataFrames: `context.span_id`, `attributes.*`, `metric_name`, and so on.
 */
import type { Annotation, DatasetRow, MetricPoint, SpanRecord } from '../providers/records.js';
import { parseTime } from '../providers/time.js';

/** Types of columns that do not follow from the values. `events` and `links` are lists of structures. */
export type FixedColumnType = 'text' | 'float' | 'time' | 'events' | 'links';

export interface FixedColumn<R> {
  readonly name: string;
  readonly type: FixedColumnType;
  read(record: R): unknown;
}

/** One column a key of a map, named `<prefix><key>` and typed by its values. */
export interface ColumnGroup<R> {
  readonly prefix: string;
  read(record: R): Readonly<Record<string, unknown>>;
}

export interface RecordColumns<R> {
  /** A field that only this kind of record has. */
  readonly mark: string;
  /** Always there, in this order. */
  readonly fixed: readonly FixedColumn<R>[];
  /** Behind them, each sorted by key. */
  readonly groups: readonly ColumnGroup<R>[];
}

const span: RecordColumns<SpanRecord> = {
  mark: 'startTimeUnixNano',
  fixed: [
    { name: 'context.span_id', type: 'text', read: (record) => record.spanId },
    { name: 'context.trace_id', type: 'text', read: (record) => record.traceId },
    { name: 'name', type: 'text', read: (record) => record.name },
    { name: 'span_kind', type: 'text', read: (record) => record.spanKind },
    { name: 'parent_id', type: 'text', read: (record) => record.parentSpanId },
    { name: 'start_time', type: 'time', read: (record) => record.startTimeUnixNano },
    { name: 'end_time', type: 'time', read: (record) => record.endTimeUnixNano },
    { name: 'duration_ms', type: 'float', read: (record) => record.durationMillis },
    { name: 'status_code', type: 'text', read: (record) => record.statusCode },
    { name: 'status_message', type: 'text', read: (record) => record.statusMessage },
    {
      name: 'events',
      type: 'events',
      read: ({ events }) =>
        events.length === 0
          ? events
          : events.map(({ name, timeUnixNano, attributes }) => ({ name, timestamp: timeUnixNano, attributes })),
    },
    {
      name: 'links',
      type: 'links',
      read: ({ links }) =>
        links.length === 0
          ? links
          : links.map(({ traceId, spanId, attributes }) => ({ trace_id: traceId, span_id: spanId, attributes })),
    },
    { name: 'kind', type: 'text', read: (record) => record.kind },
    { name: 'scope.name', type: 'text', read: (record) => record.scope.name },
    { name: 'scope.version', type: 'text', read: (record) => record.scope.version },
    { name: 'project', type: 'text', read: (record) => record.project },
    { name: 'tenant_id', type: 'text', read: (record) => record.tenantId },
    { name: 'session_id', type: 'text', read: (record) => record.sessionId },
  ],
  groups: [
    { prefix: 'attributes.', read: (record) => record.attributes },
    { prefix: 'resource.', read: (record) => record.resource },
  ],
};

const annotation: RecordColumns<Annotation> = {
  mark: 'annotatorKind',
  fixed: [
    { name: 'target', type: 'text', read: (record) => record.target },
    { name: 'span_id', type: 'text', read: (record) => ('spanId' in record ? record.spanId : undefined) },
    { name: 'trace_id', type: 'text', read: (record) => (record.target === 'trace' ? record.traceId : undefined) },
    {
      name: 'session_id',
      type: 'text',
      read: (record) => (record.target === 'session' ? record.sessionId : undefined),
    },
    {
      name: 'document_position',
      type: 'float',
      read: (record) => (record.target === 'document' ? record.documentPosition : undefined),
    },
    { name: 'name', type: 'text', read: (record) => record.name },
    { name: 'label', type: 'text', read: (record) => record.label },
    { name: 'score', type: 'float', read: (record) => record.score },
    { name: 'explanation', type: 'text', read: (record) => record.explanation },
    { name: 'annotator_kind', type: 'text', read: (record) => record.annotatorKind },
    { name: 'identifier', type: 'text', read: (record) => record.identifier },
    { name: 'id', type: 'text', read: (record) => record.id },
    { name: 'created_at', type: 'time', read: (record) => parseTime(record.createdAt, 'createdAt') },
    { name: 'updated_at', type: 'time', read: (record) => parseTime(record.updatedAt, 'updatedAt') },
  ],
  groups: [{ prefix: 'metadata.', read: (record) => record.metadata }],
};

const metric: RecordColumns<MetricPoint> = {
  mark: 'metricName',
  fixed: [
    { name: 'timestamp', type: 'time', read: (record) => parseTime(record.timestamp, 'timestamp') },
    { name: 'metric_name', type: 'text', read: (record) => record.metricName },
    { name: 'value', type: 'float', read: (record) => record.value },
  ],
  // Only a query that groups has it.
  groups: [{ prefix: '', read: ({ group }) => (group === undefined ? {} : { group }) }],
};

const datasetRow: RecordColumns<DatasetRow> = {
  mark: 'input',
  fixed: [{ name: 'id', type: 'text', read: (record) => record.id }],
  groups: [
    { prefix: 'input.', read: (record) => record.input },
    { prefix: 'output.', read: (record) => record.output },
    { prefix: 'metadata.', read: (record) => record.metadata },
  ],
};

export const RECORD_COLUMNS = { span, annotation, metric, dataset_row: datasetRow } as const;

/** What a table is made of. */
export type TableRecord = SpanRecord | Annotation | MetricPoint | DatasetRow;
export type TableRecordKind = keyof typeof RECORD_COLUMNS;
