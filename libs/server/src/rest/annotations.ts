/**
 * Annotations and notes of spans, traces, sessions and documents in Phoenix's form.   Write and read path: client -> [annotations] -> store.
 *
 * Source: Phoenix 20.26. What is written names no project: it is looked for within the tenant of the request. With `sync` or without, the answer
 * comes when the annotations are on disk, and what is not there is a 404 at once; only with `sync` it has their ids, as in Phoenix.
 */
import { randomUUID } from 'node:crypto';
import { checkTimeRange, InvalidQueryError } from '@cogniverse/foundation/store';
import type {
  Annotation,
  AnnotationTarget,
  NewAnnotation,
  ProjectRef,
  TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import type { FastifyInstance, FastifyRequest, HTTPMethods } from 'fastify';
import { z } from 'zod';
import { HttpAnswer } from '../error-answers.js';
import { JSON_BODY_LIMIT, readJsonBody } from './json-body.js';
import { ID_KINDS, type IdKind, locateTargets, targetKey } from './located-targets.js';
import { opaqueId, type PhoenixType } from './opaque-id.js';
import { isoMicros } from './phoenix-span.js';
import { chosenTenant, resolveProject, TENANT_PARAMETER } from './project-resolution.js';
import { badValue, QueryParameters } from './query-parameters.js';

/** Served paths, for the answer to other methods. */
export const ANNOTATION_PATHS: readonly { path: string; methods: readonly HTTPMethods[] }[] = [
  ...ID_KINDS.flatMap((kind) => [
    { path: `/v1/${kind}_annotations`, methods: ['POST'] as const },
    { path: `/v1/${kind}_notes`, methods: ['POST'] as const },
    { path: `/v1/projects/:project/${kind}_annotations`, methods: ['GET', 'HEAD', 'DELETE'] as const },
  ]),
  { path: '/v1/document_annotations', methods: ['POST'] },
];

const NODE_TYPES: Readonly<Record<AnnotationTarget, PhoenixType>> = {
  span: 'SpanAnnotation',
  trace: 'TraceAnnotation',
  session: 'ProjectSessionAnnotation',
  document: 'DocumentAnnotation',
};
const ID_FIELDS = { span: 'span_id', trace: 'trace_id', session: 'session_id' } as const;
const ANNOTATOR_KINDS = ['LLM', 'CODE', 'HUMAN'] as const;
const NOTE = 'note';
const MAX_IDS = 1000;

/** A number, or the text of one, as Phoenix takes it. */
const score = z
  .union(
    [
      z.number(),
      z
        .string()
        .regex(/^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?\s*$/i)
        .transform(Number),
    ],
    {
      error: 'it must be a number or null',
    },
  )
  .nullish();
const annotationFields = {
  name: z.string().min(1, 'it must not be empty'),
  annotator_kind: z.enum(ANNOTATOR_KINDS),
  result: z.object({ label: z.string().nullish(), score, explanation: z.string().nullish() }).nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  identifier: z.string().default(''),
};
const listSchemas = {
  span: z.object({ data: z.array(z.object({ ...annotationFields, span_id: z.string() })) }),
  trace: z.object({ data: z.array(z.object({ ...annotationFields, trace_id: z.string() })) }),
  session: z.object({ data: z.array(z.object({ ...annotationFields, session_id: z.string() })) }),
};
const documentList = z.object({
  data: z.array(z.object({ ...annotationFields, span_id: z.string(), document_position: z.int() })),
});
const trimmed = z.string().trim().min(1, 'it must not be empty');
const noteSchema = (kind: IdKind) =>
  z.object({ data: z.object({ [ID_FIELDS[kind]]: trimmed, note: trimmed, identifier: z.string().default('') }) });

type Fields = z.output<z.ZodObject<typeof annotationFields>>;

function said({ name, annotator_kind, result, metadata, identifier }: Fields) {
  return { name, annotatorKind: annotator_kind, ...result, metadata: metadata ?? {}, identifier };
}

function newAnnotation(kind: IdKind, id: string, fields: ReturnType<typeof said>): NewAnnotation {
  if (kind === 'trace') return { target: 'trace', traceId: id, ...fields };
  if (kind === 'session') return { target: 'session', sessionId: id, ...fields };
  return { target: 'span', spanId: id, ...fields };
}

export function registerAnnotations(app: FastifyInstance, store: TelemetryStore): void {
  for (const kind of ID_KINDS) {
    app.post(`/v1/${kind}_annotations`, { bodyLimit: JSON_BODY_LIMIT }, async (request) => {
      const { tenantId, sync } = parametersOf(request);
      const data = readJsonBody<{ data: readonly (Fields & Record<string, unknown>)[] }>(
        request,
        listSchemas[kind],
      ).data.map((fields) => ({ id: targetKey(kind, String(fields[ID_FIELDS[kind]])), fields: said(fields) }));
      if (data.some(({ fields }) => fields.name === NOTE)) {
        throw new HttpAnswer(
          400,
          `The name '${NOTE}' is reserved for ${kind} notes. Use POST /v1/${kind}_notes instead.`,
        );
      }
      const ids = await write(
        store,
        tenantId,
        kind,
        data.map(({ id, fields }) => ({ id, annotation: newAnnotation(kind, id, fields) })),
      );
      return { data: sync ? ids.map((id) => ({ id: opaqueId(NODE_TYPES[kind], id) })) : [] };
    });

    app.post(`/v1/${kind}_notes`, { bodyLimit: JSON_BODY_LIMIT }, async (request) => {
      const tenantId = chosenTenant(request, new QueryParameters(request, [TENANT_PARAMETER]));
      const { data } = readJsonBody<{ data: Record<string, string> }>(request, noteSchema(kind) as never);
      const id = targetKey(kind, data[ID_FIELDS[kind]]!);
      const fields = {
        name: NOTE,
        annotatorKind: 'HUMAN' as const,
        explanation: data['note'],
        metadata: {},
        // Without an identifier, each call adds a note.
        identifier: data['identifier'] || `px-${kind}-note:${randomUUID()}`,
      };
      const [written] = await write(store, tenantId, kind, [{ id, annotation: newAnnotation(kind, id, fields) }]);
      return { data: { id: opaqueId(NODE_TYPES[kind], written!) } };
    });

    app.get(`/v1/projects/:project/${kind}_annotations`, (request) => listAnnotations(store, kind, request));

    app.delete(`/v1/projects/:project/${kind}_annotations`, async (request, reply) => {
      await deleteAnnotations(store, kind, request);
      return reply.code(204).send();
    });
  }

  app.post('/v1/document_annotations', { bodyLimit: JSON_BODY_LIMIT }, async (request) => {
    const { tenantId, sync } = parametersOf(request);
    const { data } = readJsonBody(request, documentList);
    for (const { identifier } of data) {
      if (identifier.trim() !== '') throw badValue('identifier', identifier, 'empty for annotations of documents');
    }
    const ids = await write(
      store,
      tenantId,
      'span',
      data.map(({ span_id, document_position, ...fields }) => {
        const id = targetKey('span', span_id);
        const annotation = { ...said(fields), spanId: id, documentPosition: document_position, identifier: '' };
        return { id, annotation: { ...annotation, target: 'document' as const } };
      }),
    );
    return { data: sync ? ids.map((id) => ({ id: opaqueId(NODE_TYPES.document, id) })) : [] };
  });
}

/** `sync` says in Phoenix whether the answer waits for the writing, and so whether it has ids. */
function parametersOf(request: FastifyRequest): { tenantId: string | null | undefined; sync: boolean } {
  const query = new QueryParameters(request, ['sync', TENANT_PARAMETER]);
  const sync = query.boolean('sync') ?? false;
  return { tenantId: chosenTenant(request, query), sync };
}

interface Addressed {
  /** Of what is looked for. */
  readonly id: string;
  readonly annotation: NewAnnotation;
}

/** Nothing is written if any target is missing. Gives the ids, in the order of the annotations. Errors: `HttpAnswer` 404 naming what is missing, 409. */
async function write(
  store: TelemetryStore,
  tenantId: string | null | undefined,
  kind: IdKind,
  annotations: readonly Addressed[],
): Promise<string[]> {
  const located = await locateTargets(
    store,
    tenantId,
    kind,
    annotations.map(({ id }) => id),
  );
  const missing = [...new Set(annotations.map(({ id }) => id))].filter((id) => !located.has(id));
  if (missing.length > 0) {
    const shown = missing.slice(0, 20).join(', ');
    const title = `${kind[0]!.toUpperCase()}${kind.slice(1)}`;
    throw new HttpAnswer(
      404,
      missing.length === 1
        ? `${title} with ID ${shown} does not exist.`
        : `${title}s with IDs ${shown}${missing.length > 20 ? ', ...' : ''} do not exist.`,
      { code: `${kind}_not_found` },
    );
  }
  const projects = new Map<string, { project: ProjectRef; places: number[] }>();
  for (const [place, { id }] of annotations.entries()) {
    const project = located.get(id)!;
    const key = JSON.stringify([project.tenantId, project.name]);
    const group = projects.get(key) ?? { project, places: [] };
    projects.set(key, group);
    group.places.push(place);
  }
  const ids: string[] = [];
  for (const { project, places } of projects.values()) {
    const written = await store.addAnnotations({
      project,
      annotations: places.map((place) => annotations[place]!.annotation),
    });
    for (const [index, place] of places.entries()) ids[place] = written[index]!;
  }
  return ids;
}

async function listAnnotations(store: TelemetryStore, kind: IdKind, request: FastifyRequest) {
  const idsName = `${kind}_ids`;
  const query = new QueryParameters(request, [
    idsName,
    'identifier',
    'include_annotation_names',
    'exclude_annotation_names',
    'cursor',
    'limit',
    TENANT_PARAMETER,
  ]);
  const ids = atMost(query, idsName);
  const identifiers = atMost(query, 'identifier');
  if (ids === undefined && identifiers === undefined) {
    throw new InvalidQueryError(`At least one of ${idsName} or identifier must be supplied.`);
  }
  if (identifiers?.includes('')) throw badValue('identifier', '', 'not empty');
  const limit = query.integer('limit', { min: 1, max: 10_000, default: 10 });
  const { tenantId, name } = await resolveProject(store, request, query);
  const project = { tenantId, name };
  const digits = { span: 16, trace: 32, session: undefined }[kind];
  const possible = ids
    ?.map((id) => targetKey(kind, id))
    .filter((id) => digits === undefined || (id.length === digits && /^[0-9a-f]+$/.test(id)));
  const page = await store.listAnnotations({
    project,
    target: kind,
    ...(kind === 'span' ? { spanIds: possible } : kind === 'trace' ? { traceIds: possible } : { sessionIds: possible }),
    identifiers,
    annotationNames: query.list('include_annotation_names'),
    excludeAnnotationNames: query.list('exclude_annotation_names'),
    order: 'desc',
    limit,
    cursor: query.single('cursor') || undefined,
  });
  if (page.items.length === 0 && possible !== undefined && identifiers === undefined) {
    const field = { span: 'spanIds', trace: 'traceIds', session: 'sessionIds' }[kind];
    const found = possible.length === 0 ? [] : await store.locate({ tenantId, [field]: possible });
    if (!found.some((located) => located.project.name === name)) {
      throw new HttpAnswer(404, `None of the supplied ${idsName} exist in this project.`, {
        code: `${kind}_not_found`,
      });
    }
  }
  return { data: page.items.map(phoenixAnnotation), next_cursor: page.nextCursor ?? null };
}

function atMost(query: QueryParameters, name: string): readonly string[] | undefined {
  const values = query.list(name);
  const distinct = values && [...new Set(values)];
  if (distinct !== undefined && distinct.length > MAX_IDS) {
    throw new InvalidQueryError(`"${name}" is given ${distinct.length} times; ${MAX_IDS} are allowed.`);
  }
  return distinct;
}

async function deleteAnnotations(store: TelemetryStore, kind: IdKind, request: FastifyRequest): Promise<void> {
  const query = new QueryParameters(request, [
    'name',
    'identifier',
    'annotator_kind',
    'start_time',
    'end_time',
    'delete_all',
    TENANT_PARAMETER,
  ]);
  const notEmpty = (name: string) => {
    const value = query.single(name);
    if (value === '') throw badValue(name, value, 'not empty');
    return value;
  };
  const annotatorKind = query.single('annotator_kind');
  const selection = {
    target: kind,
    name: notEmpty('name'),
    identifier: notEmpty('identifier'),
    annotatorKind: annotatorKind === undefined ? undefined : query.oneOf('annotator_kind', ANNOTATOR_KINDS, 'HUMAN'),
    startTime: query.time('start_time'),
    endTime: query.time('end_time'),
    deleteAll: query.boolean('delete_all'),
  };
  checkTimeRange(selection);
  const { tenantId, name } = await resolveProject(store, request, query);
  await store.deleteAnnotations({ ...selection, project: { tenantId, name } });
}

function phoenixAnnotation(annotation: Annotation): Record<string, unknown> {
  const { target, label, score: value, explanation } = annotation;
  return {
    id: opaqueId(NODE_TYPES[target], annotation.id),
    created_at: phoenixTime(annotation.createdAt),
    updated_at: phoenixTime(annotation.updatedAt),
    source: 'API',
    user_id: null,
    name: annotation.name,
    annotator_kind: annotation.annotatorKind,
    result: { label, score: value, explanation },
    metadata: annotation.metadata,
    identifier: annotation.identifier,
    ...(target === 'trace'
      ? { trace_id: annotation.traceId }
      : target === 'session'
        ? { session_id: annotation.sessionId }
        : { span_id: annotation.spanId }),
  };
}

function phoenixTime(iso: string): string {
  return isoMicros(BigInt(Date.parse(iso)) * 1_000_000n);
}
