/**
 * Annotations: what people and evaluators say about spans.   Meta store: handlers -> [annotations] -> meta database.
 */
import { createHash } from 'node:crypto';
import {
  type Annotation,
  type AnnotatorKind,
  type NewAnnotation,
  type ProjectRef,
  SpanNotFoundError,
  type TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import { DuckDBBlobValue, type DuckDBConnection } from '@duckdb/node-api';
import { hexId, requireKnownFields } from '../query/query-input.js';
import { SqlBuilder } from '../query/sql-builder.js';
import type { MetaDatabase, MetaSchema } from './meta-database.js';
import { annotatorKindOf, appendText, finiteScore, jsonText, requiredName } from './meta-fields.js';

export const ANNOTATION_SCHEMA: MetaSchema = {
  sql: `
  CREATE TABLE IF NOT EXISTS meta.annotations (
    id VARCHAR PRIMARY KEY, tenant_id VARCHAR, project VARCHAR NOT NULL, span_id VARCHAR NOT NULL, name VARCHAR NOT NULL,
    identifier VARCHAR NOT NULL, annotator_kind VARCHAR NOT NULL, label VARCHAR, score DOUBLE, explanation VARCHAR,
    metadata VARCHAR NOT NULL, created_at VARCHAR NOT NULL, updated_at VARCHAR NOT NULL);
  CREATE TEMP TABLE new_annotations AS FROM meta.annotations LIMIT 0;`,
  positioned: [],
};

export class Annotations {
  readonly #meta: MetaDatabase;
  /** Span ids that wait to be looked up, by project: one query for all that came while another ran. */
  readonly #lookups = new Map<string, Lookup>();
  /** Annotations that wait to be written. */
  #annotations: { readonly byId: Map<string, AnnotationRow>; readonly written: Promise<void> } | undefined;

  constructor(meta: MetaDatabase) {
    this.#meta = meta;
  }

  /** Adds or replaces, all or nothing. Errors: `SpanNotFoundError` naming the spans that the project does not hold, `InvalidQueryError`. */
  async addAnnotations(project: ProjectRef, annotations: readonly NewAnnotation[]): Promise<string[]> {
    const now = new Date().toISOString();
    const rows = annotations.map((annotation, index) =>
      annotationRow(project, annotation, now, `annotations.${index}`),
    );
    if (rows.length === 0) return [];
    const stored = await this.#storedSpans(project, rows);
    const missing = [...new Set(rows.map((row) => row.spanId))].filter((id) => !stored.has(id));
    if (missing.length > 0) {
      const more = missing.length > 5 ? ` and ${missing.length - 5} more` : '';
      throw new SpanNotFoundError(
        `Project "${project.name}" holds no span ${missing.slice(0, 5).join(', ')}${more}. ` +
          'Flush the recording process first, and check project and span id.',
      );
    }
    await this.#annotationGroup(rows);
    return rows.map((row) => row.id);
  }

  /** Rows that wait for their turn are written in one statement, whoever brought them. Resolves when they are on disk. */
  #annotationGroup(rows: readonly AnnotationRow[]): Promise<void> {
    let group = this.#annotations;
    if (group === undefined) {
      const byId = new Map<string, AnnotationRow>();
      const written = this.#meta.commit(async (connection) => {
        if (this.#annotations?.byId === byId) this.#annotations = undefined;
        await writeAnnotations(connection, byId.values());
      });
      group = { byId, written };
      this.#annotations = group;
    }
    // A statement may not meet a row twice: of equal keys the last one holds.
    for (const row of rows) group.byId.set(row.id, row);
    return group.written;
  }

  async getAnnotations(query: Parameters<TelemetryStore['getAnnotations']>[0]): Promise<Annotation[]> {
    const { project, annotationNames } = query;
    const spanIds = [...new Set(query.spanIds.map((id) => hexId(id, 8, 'spanIds')))];
    const found: Annotation[] = [];
    for (let start = 0; start < spanIds.length; start += IDS_PER_STATEMENT) {
      const sql = new SqlBuilder();
      const conditions = [
        `tenant_id IS NOT DISTINCT FROM ${sql.bind(project.tenantId)}`,
        `project = ${sql.bind(project.name)}`,
        sql.anyOf('span_id', spanIds.slice(start, start + IDS_PER_STATEMENT)),
        ...(annotationNames === undefined ? [] : [sql.anyOf('name', annotationNames)]),
      ];
      const rows = await this.#meta.host.query(
        `SELECT id, span_id, name, annotator_kind, label, score, explanation, metadata, identifier, created_at, updated_at
         FROM meta.annotations WHERE ${conditions.join(' AND ')} ORDER BY created_at, span_id, name, identifier`,
        sql.parameters,
      );
      for (const row of rows) found.push(annotationOf(row as AnnotationColumns));
    }
    return found;
  }

  /** Ids of spans that the project holds: of those asked for, and perhaps of others. */
  #storedSpans(project: ProjectRef, wanted: readonly { readonly spanId: string }[]): Promise<ReadonlySet<string>> {
    const key = JSON.stringify([project.tenantId, project.name]);
    let lookup = this.#lookups.get(key);
    if (lookup?.begun !== false) {
      const ids = new Set<string>();
      const before = lookup?.result.catch(() => undefined); // its own callers hear of its failure
      const next: Lookup = {
        ids,
        begun: false,
        result: Promise.resolve(before).then(() => this.#lookUp(project, next)),
      };
      next.result
        .catch(() => undefined)
        .finally(() => {
          if (this.#lookups.get(key) === next) this.#lookups.delete(key);
        });
      this.#lookups.set(key, next);
      lookup = next;
    }
    for (const { spanId } of wanted) if (/^[0-9a-f]{16}$/.test(spanId)) lookup.ids.add(spanId);
    return lookup.result;
  }

  async #lookUp(project: ProjectRef, lookup: Lookup): Promise<ReadonlySet<string>> {
    lookup.begun = true;
    const ids = [...lookup.ids];
    const stored = new Set<string>();
    for (let start = 0; start < ids.length; start += IDS_PER_STATEMENT) {
      await this.#meta.host.withSpans(project, {}, async ({ source, sql, run }) => {
        const blobs = ids
          .slice(start, start + IDS_PER_STATEMENT)
          .map((id) => new DuckDBBlobValue(Buffer.from(id, 'hex')));
        const rows = await run(
          `SELECT DISTINCT lower(hex(span_id)) FROM (${source}) WHERE ${sql.anyOf('span_id', blobs)}`,
        );
        for (const [id] of rows) stored.add(id as string);
      });
    }
    return stored;
  }
}

interface Lookup {
  readonly ids: Set<string>;
  /** From here on it takes no more ids. */
  begun: boolean;
  readonly result: Promise<ReadonlySet<string>>;
}

/** Ids in one statement. */
const IDS_PER_STATEMENT = 5000;

type AnnotationColumns = [
  id: string,
  spanId: string,
  name: string,
  annotatorKind: AnnotatorKind,
  label: string | null,
  score: number | null,
  explanation: string | null,
  metadata: string,
  identifier: string,
  createdAt: string,
  updatedAt: string,
];

interface AnnotationRow {
  readonly id: string;
  readonly tenantId: string | null;
  readonly project: string;
  readonly spanId: string;
  readonly name: string;
  readonly identifier: string;
  readonly annotatorKind: AnnotatorKind;
  readonly label: string | null;
  readonly score: number | null;
  readonly explanation: string | null;
  readonly metadata: string;
  /** ISO 8601. */
  readonly writtenAt: string;
}

/** The id is a digest of what an annotation is replaced by, so it is the same before and after, and unique over all tenants. */
const ANNOTATION_FIELDS = [
  'spanId',
  'name',
  'label',
  'score',
  'explanation',
  'metadata',
  'annotatorKind',
  'identifier',
] as const satisfies readonly (keyof NewAnnotation)[];

function annotationRow(
  project: ProjectRef,
  annotation: NewAnnotation,
  writtenAt: string,
  field: string,
): AnnotationRow {
  requireKnownFields(annotation, ANNOTATION_FIELDS, field);
  const spanId = requiredName(annotation.spanId, `${field}.spanId`).toLowerCase();
  const name = requiredName(annotation.name, `${field}.name`);
  const identifier = annotation.identifier ?? '';
  const key = JSON.stringify([project.tenantId, project.name, spanId, name, identifier]);
  return {
    id: createHash('sha256').update(key).digest('hex').slice(0, 32),
    tenantId: project.tenantId,
    project: project.name,
    spanId,
    name,
    identifier,
    annotatorKind: annotatorKindOf(annotation.annotatorKind ?? 'HUMAN', `${field}.annotatorKind`),
    label: annotation.label ?? null,
    score: finiteScore(annotation.score, `${field}.score`),
    explanation: annotation.explanation ?? null,
    metadata: jsonText(annotation.metadata ?? {}, `${field}.metadata`),
    writtenAt,
  };
}

/** In bulk through a temporary table; what is there already keeps its time of creation. */
async function writeAnnotations(connection: DuckDBConnection, rows: Iterable<AnnotationRow>): Promise<void> {
  const appender = await connection.createAppender('new_annotations', 'main', 'temp');
  for (const row of rows) {
    appender.appendVarchar(row.id);
    appendText(appender, row.tenantId);
    appender.appendVarchar(row.project);
    appender.appendVarchar(row.spanId);
    appender.appendVarchar(row.name);
    appender.appendVarchar(row.identifier);
    appender.appendVarchar(row.annotatorKind);
    appendText(appender, row.label);
    if (row.score === null) appender.appendNull();
    else appender.appendDouble(row.score);
    appendText(appender, row.explanation);
    appender.appendVarchar(row.metadata);
    appender.appendVarchar(row.writtenAt);
    appender.appendVarchar(row.writtenAt);
    appender.endRow();
  }
  appender.closeSync();
  await connection.run(`INSERT INTO meta.annotations FROM new_annotations ON CONFLICT (id) DO UPDATE SET
    annotator_kind = excluded.annotator_kind, label = excluded.label, score = excluded.score,
    explanation = excluded.explanation, metadata = excluded.metadata, updated_at = excluded.updated_at`);
  await connection.run('DELETE FROM new_annotations');
}

function annotationOf(row: AnnotationColumns): Annotation {
  const [id, spanId, name, annotatorKind, label, score, explanation, metadata, identifier, createdAt, updatedAt] = row;
  return {
    id,
    spanId,
    name,
    annotatorKind,
    label,
    score,
    explanation,
    metadata: JSON.parse(metadata),
    identifier,
    createdAt,
    updatedAt,
  };
}
