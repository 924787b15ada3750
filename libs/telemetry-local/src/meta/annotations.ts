/**
 * Annotations: what people and evaluators say about spans, traces, sessions and documents.   Meta store: handlers -> [annotations] -> meta database.
 *
 * All kinds are rows of one table: `target` says what, `target_id` which one, and `document_position` which document of a span.
 */
import { createHash } from 'node:crypto';
import {
  checkTimeRange,
  InvalidQueryError,
  isoTime,
  parseTime,
  SessionNotFoundError,
  SpanNotFoundError,
  TraceNotFoundError,
} from '@cogniverse/foundation/store';
import type {
  Annotation,
  AnnotationTarget,
  AnnotatorKind,
  ImportCounts,
  NewAnnotation,
  Page,
  ProjectRef,
  StoreAnnotationQuery,
  StoreAnnotationSelection,
} from '@cogniverse/foundation/telemetry';
import { DuckDBBlobValue, type DuckDBConnection } from '@duckdb/node-api';
import { attributeValue } from '../attribute-text.js';
import { decodeCursor, encodeCursor, queryDigest } from '../query/cursor.js';
import { hexId, oneOf, pageLimit, requireKnownFields, requireProject, textList } from '../query/query-input.js';
import { SqlBuilder } from '../query/sql-builder.js';
import { wellFormed } from '../span-table.js';
import type { MetaDatabase, MetaSchema } from './meta-database.js';
import { annotatorKindOf, appendText, finiteScore, jsonText, requiredName } from './meta-fields.js';

export const ANNOTATION_SCHEMA: MetaSchema = {
  sql: `
  CREATE TABLE IF NOT EXISTS meta.target_annotations (
    id VARCHAR PRIMARY KEY, tenant_id VARCHAR, project VARCHAR NOT NULL, target VARCHAR NOT NULL, target_id VARCHAR NOT NULL,
    document_position INTEGER, name VARCHAR NOT NULL, identifier VARCHAR NOT NULL, annotator_kind VARCHAR NOT NULL, label VARCHAR,
    score DOUBLE, explanation VARCHAR, metadata VARCHAR NOT NULL, created_at VARCHAR NOT NULL, updated_at VARCHAR NOT NULL,
    position BIGINT NOT NULL);
  CREATE TEMP TABLE new_annotations AS FROM meta.target_annotations LIMIT 0;`,
  positioned: ['target_annotations'],
};

/** Ids in one statement. */
const IDS_PER_STATEMENT = 5000;
const TARGETS = ['span', 'trace', 'session', 'document'] as const satisfies readonly AnnotationTarget[];
const MAX_PAGE = 10_000;
const MAX_DOCUMENT_POSITION = 2 ** 31 - 1;

/** How the ids of what can be annotated are found among spans. */
const ID_COLUMNS = { span: 'span_id', trace: 'trace_id', session: 'session_id' } as const;
type IdColumn = (typeof ID_COLUMNS)[keyof typeof ID_COLUMNS];
const ID_BYTES: Readonly<Partial<Record<IdColumn, number>>> = { span_id: 8, trace_id: 16 };

export class Annotations {
  readonly #meta: MetaDatabase;
  /** Ids that wait to be looked up, by project and column: one query for all that came while another ran. */
  readonly #lookups = new Map<string, Lookup>();
  /** Annotations that wait to be written. */
  #annotations: { readonly byId: Map<string, AnnotationRow>; readonly written: Promise<void> } | undefined;

  constructor(meta: MetaDatabase) {
    this.#meta = meta;
  }

  /**
   * Adds or replaces, all or nothing. Gives the ids, in the order of the annotations.
   *
   * Errors: `SpanNotFoundError`, `TraceNotFoundError`, `SessionNotFoundError` naming what the project does not hold; `InvalidQueryError`.
   */
  async add(project: ProjectRef, annotations: readonly NewAnnotation[]): Promise<string[]> {
    const now = new Date().toISOString();
    const rows = annotations.map((annotation, index) =>
      annotationRow(project, annotation, { createdAt: now, updatedAt: now }, `annotations.${index}`),
    );
    if (rows.length === 0) return [];
    await Promise.all([
      this.#requireStored(project, rows, 'span'),
      this.#requireStored(project, rows, 'trace'),
      this.#requireStored(project, rows, 'session'),
    ]);
    await this.#requireDocuments(project, rows);
    await this.#group(rows);
    return rows.map((row) => row.id);
  }

  /** What `list` gave, into the same project or another one, with its times. What is there already stays as it is. */
  async import(project: ProjectRef, annotations: readonly Annotation[]): Promise<ImportCounts> {
    const rows = new Map<string, AnnotationRow>();
    for (const [index, { id, createdAt, updatedAt, ...annotation }] of annotations.entries()) {
      const field = `annotations.${index}`;
      const times = {
        createdAt: isoTime(parseTime(createdAt, `${field}.createdAt`)),
        updatedAt: isoTime(parseTime(updatedAt, `${field}.updatedAt`)),
      };
      const row = annotationRow(project, annotation as NewAnnotation, times, field);
      if (!rows.has(row.id)) rows.set(row.id, row);
    }
    return this.#meta.commit(async (connection) => {
      const before = await countOf(connection, 'meta.target_annotations');
      await this.#write(connection, rows.values(), 'NOTHING');
      const imported = Number((await countOf(connection, 'meta.target_annotations')) - before);
      return { imported, existing: annotations.length - imported };
    });
  }

  /** Rows that wait for their turn are written in one statement, whoever brought them. Resolves when they are on disk. */
  #group(rows: readonly AnnotationRow[]): Promise<void> {
    let group = this.#annotations;
    if (group === undefined) {
      const byId = new Map<string, AnnotationRow>();
      const written = this.#meta.commit(async (connection) => {
        if (this.#annotations?.byId === byId) this.#annotations = undefined;
        await this.#write(connection, byId.values(), REPLACE);
      });
      group = { byId, written };
      this.#annotations = group;
    }
    // A statement may not meet a row twice: of equal keys the last one holds.
    for (const row of rows) group.byId.set(row.id, row);
    return group.written;
  }

  /** In bulk through a temporary table; what is there already keeps its place and its time of creation. */
  async #write(connection: DuckDBConnection, rows: Iterable<AnnotationRow>, onConflict: string): Promise<void> {
    const appender = await connection.createAppender('new_annotations', 'main', 'temp');
    for (const row of rows) {
      appender.appendVarchar(row.id);
      appendText(appender, row.tenantId);
      appender.appendVarchar(row.project);
      appender.appendVarchar(row.target);
      appender.appendVarchar(row.targetId);
      if (row.documentPosition === null) appender.appendNull();
      else appender.appendInteger(row.documentPosition);
      appender.appendVarchar(row.name);
      appender.appendVarchar(row.identifier);
      appender.appendVarchar(row.annotatorKind);
      appendText(appender, row.label);
      if (row.score === null) appender.appendNull();
      else appender.appendDouble(row.score);
      appendText(appender, row.explanation);
      appender.appendVarchar(row.metadata);
      appender.appendVarchar(row.createdAt);
      appender.appendVarchar(row.updatedAt);
      appender.appendBigInt(this.#meta.nextPosition());
      appender.endRow();
    }
    appender.closeSync();
    await connection.run(`INSERT INTO meta.target_annotations FROM new_annotations ON CONFLICT (id) DO ${onConflict}`);
    await connection.run('DELETE FROM new_annotations');
  }

  /** In the order in which they were first written; an annotation that is replaced keeps its place. Errors: `InvalidQueryError`. */
  async list(query: StoreAnnotationQuery): Promise<Page<Annotation>> {
    requireKnownFields(query, QUERY_FIELDS, '');
    const project = requireProject(query.project);
    const order = oneOf(query.order ?? 'asc', ['asc', 'desc'], 'order');
    const limit = pageLimit(query.limit, 1000, MAX_PAGE);
    const sql = new SqlBuilder();
    const conditions = [
      `tenant_id IS NOT DISTINCT FROM ${sql.bind(project.tenantId)}`,
      `project = ${sql.bind(project.name)}`,
    ];
    if (query.target !== undefined) conditions.push(`target = ${sql.bind(oneOf(query.target, TARGETS, 'target'))}`);
    const ids = targetIds(query);
    if (ids !== undefined) conditions.push(sql.anyOf('target_id', ids));
    const anyOf = (column: string, values: readonly string[] | undefined, field: string) => {
      if (values !== undefined) conditions.push(sql.anyOf(column, textList(values, field)));
    };
    anyOf('name', query.annotationNames, 'annotationNames');
    anyOf('identifier', query.identifiers, 'identifiers');
    if (query.excludeAnnotationNames !== undefined)
      conditions.push(`NOT (${sql.anyOf('name', textList(query.excludeAnnotationNames, 'excludeAnnotationNames'))})`);
    const digest = queryDigest({ ...query, project, order });
    if (query.cursor !== undefined) {
      const expected = { query: digest, sort: 'position', order, value: /^\d{1,19}$/, id: /^$/ };
      const { value } = decodeCursor(query.cursor, expected);
      conditions.push(`position ${order === 'asc' ? '>' : '<'} ${value}`);
    }
    const rows = (await this.#meta.host.query(
      `SELECT id, target, target_id, document_position, name, annotator_kind, label, score, explanation, metadata, identifier,
         created_at, updated_at, position
       FROM meta.target_annotations WHERE ${conditions.join(' AND ')} ORDER BY position ${order} LIMIT ${limit + 1}`,
      sql.parameters,
    )) as AnnotationColumns[];
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      items: page.map(annotationOf),
      nextCursor:
        rows.length > limit && last !== undefined
          ? encodeCursor({ query: digest, sort: 'position', order, value: String(last[13]), id: '' })
          : undefined,
    };
  }

  /** Gives how many there were. Errors: `InvalidQueryError` for a selection that has neither a range of times nor `deleteAll`. */
  async delete(selection: StoreAnnotationSelection): Promise<number> {
    requireKnownFields(selection, SELECTION_FIELDS, '');
    const project = requireProject(selection.project);
    checkTimeRange(selection);
    const { startTime, endTime, target, name, identifier, annotatorKind } = selection;
    if (selection.deleteAll !== true && (startTime === undefined || endTime === undefined)) {
      throw new InvalidQueryError(
        'Nothing bounds what is deleted. Give startTime and endTime, or set deleteAll to delete whatever their time.',
      );
    }
    const sql = new SqlBuilder();
    const conditions = [
      `tenant_id IS NOT DISTINCT FROM ${sql.bind(project.tenantId)}`,
      `project = ${sql.bind(project.name)}`,
    ];
    if (target !== undefined) conditions.push(`target = ${sql.bind(oneOf(target, TARGETS, 'target'))}`);
    if (name !== undefined) conditions.push(`name = ${sql.bind(wellFormed(requiredName(name, 'name')))}`);
    if (identifier !== undefined)
      conditions.push(`identifier = ${sql.bind(wellFormed(requiredName(identifier, 'identifier')))}`);
    if (annotatorKind !== undefined)
      conditions.push(`annotator_kind = ${sql.bind(annotatorKindOf(annotatorKind, 'annotatorKind'))}`);
    const created = 'epoch_ns(created_at::TIMESTAMP_NS)';
    if (startTime !== undefined) conditions.push(`${created} >= ${parseTime(startTime, 'startTime')}`);
    if (endTime !== undefined) conditions.push(`${created} < ${parseTime(endTime, 'endTime')}`);
    return this.#meta.commit(async (connection) => {
      const deleted = await connection.run(
        `DELETE FROM meta.target_annotations WHERE ${conditions.join(' AND ')}`,
        sql.parameters,
      );
      return deleted.rowsChanged;
    });
  }

  // ---- what is annotated

  async #requireStored(project: ProjectRef, rows: readonly AnnotationRow[], kind: keyof typeof ID_COLUMNS) {
    const wanted = new Set(
      rows.filter(({ target }) => (target === 'document' ? 'span' : target) === kind).map((row) => row.targetId),
    );
    if (wanted.size === 0) return;
    const stored = await this.#stored(project, ID_COLUMNS[kind], wanted);
    const missing = [...wanted].filter((id) => !stored.has(id));
    if (missing.length === 0) return;
    const more = missing.length > 5 ? ` and ${missing.length - 5} more` : '';
    throw new NOT_FOUND[kind](
      `Project "${project.name}" holds no ${kind} ${missing.slice(0, 5).join(', ')}${more}. ` +
        `Flush the recording process first, and check project and ${kind} id.`,
    );
  }

  async #requireDocuments(project: ProjectRef, rows: readonly AnnotationRow[]): Promise<void> {
    const wanted = new Set(rows.filter(({ target }) => target === 'document').map((row) => row.targetId));
    if (wanted.size === 0) return;
    const counts = new Map<string, number>();
    for (const ids of slices([...wanted])) {
      await this.#meta.host.withSpans(project, {}, async ({ source, sql, run }) => {
        const found = await run(
          `SELECT lower(hex(span_id)), span_kind, attributes FROM (${source}) WHERE ${sql.anyOf('span_id', blobs(ids))}`,
        );
        for (const [id, spanKind, attributes] of found as [string, string, string][]) {
          counts.set(id, Math.max(counts.get(id) ?? 0, documentCount(spanKind, attributes)));
        }
      });
    }
    for (const [index, { target, targetId, documentPosition }] of rows.entries()) {
      const count = counts.get(targetId) ?? 0;
      if (target !== 'document' || documentPosition! < count) continue;
      throw new InvalidQueryError(
        `annotations.${index}.documentPosition is ${documentPosition}; span ${targetId} has ` +
          (count === 0 ? 'no documents.' : `the positions 0 to ${count - 1}.`),
      );
    }
  }

  /** Ids that the project holds: of those asked for, and perhaps of others. */
  #stored(project: ProjectRef, column: IdColumn, wanted: Iterable<string>): Promise<ReadonlySet<string>> {
    const key = JSON.stringify([project.tenantId, project.name, column]);
    let lookup = this.#lookups.get(key);
    if (lookup?.begun !== false) {
      const ids = new Set<string>();
      const before = lookup?.result.catch(() => undefined); // its own callers hear of its failure
      const next: Lookup = {
        ids,
        begun: false,
        result: Promise.resolve(before).then(() => this.#lookUp(project, column, next)),
      };
      next.result
        .catch(() => undefined)
        .finally(() => {
          if (this.#lookups.get(key) === next) this.#lookups.delete(key);
        });
      this.#lookups.set(key, next);
      lookup = next;
    }
    const bytes = ID_BYTES[column];
    for (const id of wanted) if (bytes === undefined || isHexId(id, bytes)) lookup.ids.add(id);
    return lookup.result;
  }

  async #lookUp(project: ProjectRef, column: IdColumn, lookup: Lookup): Promise<ReadonlySet<string>> {
    lookup.begun = true;
    const stored = new Set<string>();
    const isBlob = ID_BYTES[column] !== undefined;
    for (const ids of slices([...lookup.ids])) {
      await this.#meta.host.withSpans(project, {}, async ({ source, sql, run }) => {
        const selected = isBlob ? `lower(hex(${column}))` : column;
        const rows = await run(
          `SELECT DISTINCT ${selected} FROM (${source}) WHERE ${sql.anyOf(column, isBlob ? blobs(ids) : ids)}`,
        );
        for (const [id] of rows) stored.add(id as string);
      });
    }
    return stored;
  }
}

const NOT_FOUND = { span: SpanNotFoundError, trace: TraceNotFoundError, session: SessionNotFoundError } as const;

interface Lookup {
  readonly ids: Set<string>;
  /** From here on it takes no more ids. */
  begun: boolean;
  readonly result: Promise<ReadonlySet<string>>;
}

function isHexId(id: string, bytes: number): boolean {
  return id.length === 2 * bytes && /^[0-9a-f]*$/.test(id);
}

function blobs(ids: readonly string[]): DuckDBBlobValue[] {
  return ids.map((id) => new DuckDBBlobValue(Buffer.from(id, 'hex')));
}

function* slices(ids: readonly string[]): Generator<readonly string[]> {
  for (let start = 0; start < ids.length; start += IDS_PER_STATEMENT) yield ids.slice(start, start + IDS_PER_STATEMENT);
}

async function countOf(connection: DuckDBConnection, table: string): Promise<bigint> {
  return (await connection.runAndReadAll(`SELECT count(*) FROM ${table}`)).getRows()[0]![0] as bigint;
}

/** Documents that the attributes of a span list: of a reranker what came out, of any other span what was retrieved. */
function documentCount(spanKind: string, attributes: string): number {
  const list = spanKind === 'RERANKER' ? 'reranker.output_documents' : 'retrieval.documents';
  const texts = JSON.parse(attributes) as Record<string, string>;
  const whole = texts[list];
  if (whole !== undefined) {
    const value = attributeValue(whole);
    if (Array.isArray(value)) return value.length;
  }
  const positions = new Set<string>();
  for (const key of Object.keys(texts)) {
    const position = key.startsWith(`${list}.`) ? /^\d+(?=\.)/.exec(key.slice(list.length + 1))?.[0] : undefined;
    if (position !== undefined) positions.add(position);
  }
  return positions.size;
}

// ---- queries

const QUERY_FIELDS = [
  'project',
  'target',
  'spanIds',
  'traceIds',
  'sessionIds',
  'annotationNames',
  'excludeAnnotationNames',
  'identifiers',
  'order',
  'limit',
  'cursor',
] as const satisfies readonly (keyof StoreAnnotationQuery)[];
const SELECTION_FIELDS = [
  'project',
  'target',
  'name',
  'identifier',
  'annotatorKind',
  'startTime',
  'endTime',
  'deleteAll',
] as const satisfies readonly (keyof StoreAnnotationSelection)[];

/** The ids that the query names; undefined when it names none. Errors: `InvalidQueryError` for ids of another target than the query's. */
function targetIds(query: StoreAnnotationQuery): string[] | undefined {
  const given = [
    { ids: query.spanIds, field: 'spanIds', bytes: 8, targets: ['span', 'document'] },
    { ids: query.traceIds, field: 'traceIds', bytes: 16, targets: ['trace'] },
    { ids: query.sessionIds, field: 'sessionIds', bytes: undefined, targets: ['session'] },
  ].filter(({ ids }) => ids !== undefined);
  if (given.length === 0) return undefined;
  const [{ ids, field, bytes, targets } = given[0]!, other] = given;
  if (other !== undefined) throw new InvalidQueryError(`${field} and ${other.field} are given; ask for one of them.`);
  if (query.target === undefined || !targets.includes(query.target)) {
    throw new InvalidQueryError(`${field} is given; then target must be ${targets.join(' or ')}.`);
  }
  return [
    ...new Set(textList(ids, field).map((id) => (bytes === undefined ? wellFormed(id) : hexId(id, bytes, field)))),
  ];
}

// ---- rows

type AnnotationColumns = [
  id: string,
  target: AnnotationTarget,
  targetId: string,
  documentPosition: number | null,
  name: string,
  annotatorKind: AnnotatorKind,
  label: string | null,
  score: number | null,
  explanation: string | null,
  metadata: string,
  identifier: string,
  createdAt: string,
  updatedAt: string,
  position: bigint,
];

function annotationOf(row: AnnotationColumns): Annotation {
  const [id, target, targetId, documentPosition, name, annotatorKind, label, score, explanation, metadata] = row;
  const [, , , , , , , , , , identifier, createdAt, updatedAt] = row;
  const fields = { name, annotatorKind, label, score, explanation, metadata: JSON.parse(metadata), identifier };
  const times = { createdAt, updatedAt };
  switch (target) {
    case 'span':
      return { id, target, spanId: targetId, ...fields, ...times };
    case 'trace':
      return { id, target, traceId: targetId, ...fields, ...times };
    case 'session':
      return { id, target, sessionId: targetId, ...fields, ...times };
    case 'document':
      return { id, target, spanId: targetId, documentPosition: documentPosition!, ...fields, ...times };
  }
}

interface AnnotationRow {
  readonly id: string;
  readonly tenantId: string | null;
  readonly project: string;
  readonly target: AnnotationTarget;
  readonly targetId: string;
  readonly documentPosition: number | null;
  readonly name: string;
  readonly identifier: string;
  readonly annotatorKind: AnnotatorKind;
  readonly label: string | null;
  readonly score: number | null;
  readonly explanation: string | null;
  readonly metadata: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** ON CONFLICT DO: what is said is replaced as a whole. */
const REPLACE = `UPDATE SET annotator_kind = excluded.annotator_kind, label = excluded.label, score = excluded.score,
  explanation = excluded.explanation, metadata = excluded.metadata, updated_at = excluded.updated_at`;

const NEW_FIELDS = ['name', 'label', 'score', 'explanation', 'metadata', 'annotatorKind', 'identifier', 'target'];
const TARGET_FIELDS: Readonly<Record<AnnotationTarget, readonly string[]>> = {
  span: ['spanId'],
  trace: ['traceId'],
  session: ['sessionId'],
  document: ['spanId', 'documentPosition'],
};

/** The id is a digest of what an annotation is replaced by, so it is the same before and after, and unique over all tenants. */
function annotationRow(
  project: ProjectRef,
  annotation: NewAnnotation,
  times: { createdAt: string; updatedAt: string },
  field: string,
): AnnotationRow {
  const target = oneOf(annotation.target ?? 'span', TARGETS, `${field}.target`);
  requireKnownFields(annotation, [...TARGET_FIELDS[target], ...NEW_FIELDS], field);
  const { targetId, documentPosition } = targetOf(annotation, field);
  const name = wellFormed(requiredName(annotation.name, `${field}.name`));
  const identifier = wellFormed(annotation.identifier ?? '');
  const place =
    target === 'span' ? [targetId] : [target, targetId, ...(target === 'document' ? [documentPosition] : [])];
  const key = JSON.stringify([project.tenantId, project.name, ...place, name, identifier]);
  return {
    id: createHash('sha256').update(key).digest('hex').slice(0, 32),
    tenantId: project.tenantId,
    project: project.name,
    target,
    targetId,
    documentPosition,
    name,
    identifier,
    annotatorKind: annotatorKindOf(annotation.annotatorKind ?? 'HUMAN', `${field}.annotatorKind`),
    label: annotation.label ?? null,
    score: finiteScore(annotation.score, `${field}.score`),
    explanation: annotation.explanation ?? null,
    metadata: jsonText(annotation.metadata ?? {}, `${field}.metadata`),
    ...times,
  };
}

function targetOf(
  annotation: NewAnnotation,
  field: string,
): { readonly targetId: string; readonly documentPosition: number | null } {
  switch (annotation.target) {
    case 'trace':
      return { targetId: requiredName(annotation.traceId, `${field}.traceId`).toLowerCase(), documentPosition: null };
    case 'session':
      return { targetId: wellFormed(requiredName(annotation.sessionId, `${field}.sessionId`)), documentPosition: null };
    case 'document': {
      const { documentPosition } = annotation;
      if (!Number.isInteger(documentPosition) || documentPosition < 0 || documentPosition > MAX_DOCUMENT_POSITION) {
        throw new InvalidQueryError(
          `${field}.documentPosition is ${String(documentPosition)}; it must be a whole number from 0.`,
        );
      }
      return { targetId: requiredName(annotation.spanId, `${field}.spanId`).toLowerCase(), documentPosition };
    }
    default:
      return { targetId: requiredName(annotation.spanId, `${field}.spanId`).toLowerCase(), documentPosition: null };
  }
}
