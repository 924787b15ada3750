/**
 * `POST /v1/projects/{p}/spans`: spans in the shape that `GET` gives.   Write path: client -> [create-spans] -> ingest-service -> store.
 *
 * Source: Phoenix 20.26, `createSpans`: all or nothing, 202; a missing project is made. They go the way of OTLP: logged and synced before the
 * answer. Where Phoenix takes ids that are none, they are reported as invalid here. Integers of 64 bits keep their digits, and `12.0` is a double.
 */
import {
  type AnyValue,
  type Attributes,
  encodeTraces,
  type OtlpSpan,
  type StatusCodeNumber,
} from '@cogniverse/foundation/otlp';
import { checkInput, InvalidQueryError, ProjectNotFoundError, parseTime } from '@cogniverse/foundation/store';
import type { ProjectRef, TelemetryStore } from '@cogniverse/foundation/telemetry';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { IngestService } from '../receivers/ingest-service.js';
import { exactNumber, parseExactJson, WrittenNumber } from './exact-json.js';
import { chosenTenant, resolveProject, TENANT_PARAMETER } from './project-resolution.js';
import { QueryParameters } from './query-parameters.js';

const MAX_SPANS = 10_000;
const IDS_A_QUERY = 1000;
const ID_OF_PROJECT = /^[A-Za-z0-9+/_-]+={0,2}$/;
const attributes = z.record(z.string(), z.unknown()).nullish();

const spanSchema = z.object({
  name: z.string(),
  context: z.object({ trace_id: z.string(), span_id: z.string() }),
  span_kind: z.string(),
  parent_id: z.string().nullish(),
  start_time: z.string(),
  end_time: z.string(),
  status_code: z.string(),
  status_message: z.string().nullish(),
  attributes,
  events: z.array(z.object({ name: z.string(), timestamp: z.string(), attributes })).nullish(),
});
const bodySchema = z.object({ data: z.array(spanSchema).max(MAX_SPANS, `it holds more than ${MAX_SPANS} spans`) });
type SpanText = z.output<typeof spanSchema>;

interface SpanId {
  readonly span_id: string;
  readonly trace_id: string;
}

/** In a scope of its own, whose parser keeps numbers as they were written. */
export function registerCreateSpans(app: FastifyInstance, store: TelemetryStore, service: IngestService): void {
  app.register(async (scope) => {
    scope.removeContentTypeParser('application/json');
    scope.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
      try {
        done(null, parseExactJson(body as string));
      } catch (cause) {
        done(new InvalidQueryError(`The body is no JSON: ${(cause as Error).message}.`, { cause }));
      }
    });
    registerRoute(scope, store, service);
  });
}

function registerRoute(app: FastifyInstance, store: TelemetryStore, service: IngestService): void {
  app.post('/v1/projects/:project/spans', async (request, reply) => {
    const parameters = new QueryParameters(request, [TENANT_PARAMETER]);
    checkInput(bodySchema, request.body);
    const { data } = bodySchema.parse(request.body);
    const project = await targetProject(store, request, parameters);
    const spans: OtlpSpan[] = [];
    const invalid: (SpanId & { error: string })[] = [];
    for (const given of data) {
      try {
        spans.push(toSpan(given));
      } catch (error) {
        if (!(error instanceof InvalidQueryError)) throw error;
        invalid.push({ ...given.context, error: error.message });
      }
    }
    const duplicates = await storedAlready(store, project, spans);
    if (invalid.length + duplicates.length > 0) return refused(reply, data.length, duplicates, invalid);
    if (data.length === 0) return reply.code(202).send({ total_received: 0, total_queued: 0 });
    return ingest(reply, request, service, project, spans);
  });
}

/** By id or name; a name that no tenant of the request has is a new project of its tenant. */
async function targetProject(
  store: TelemetryStore,
  request: FastifyRequest,
  parameters: QueryParameters,
): Promise<ProjectRef> {
  try {
    const { tenantId, name } = await resolveProject(store, request, parameters);
    return { tenantId, name };
  } catch (error) {
    const { project: name } = request.params as { project: string };
    const isId = ID_OF_PROJECT.test(name) && Buffer.from(name, 'base64').toString('utf8').startsWith('Project:');
    if (!(error instanceof ProjectNotFoundError) || isId) throw error;
    return { tenantId: chosenTenant(request, parameters) ?? null, name };
  }
}

/** Errors: `InvalidQueryError` for an id that is none, and a time that is none or has no zone. */
function toSpan(span: SpanText): OtlpSpan {
  const given = attributesOf(span.attributes);
  given.set('openinference.span.kind', span.span_kind);
  const code = ['UNSET', 'OK', 'ERROR'].indexOf(span.status_code.toUpperCase());
  return {
    traceId: id('trace_id', span.context.trace_id, 32),
    spanId: id('span_id', span.context.span_id, 16),
    parentSpanId: span.parent_id ? id('parent_id', span.parent_id, 16) : '',
    traceState: '',
    flags: 0,
    name: span.name,
    kind: 1,
    startTimeUnixNano: parseTime(span.start_time, 'start_time'),
    endTimeUnixNano: parseTime(span.end_time, 'end_time'),
    attributes: given,
    droppedAttributesCount: 0,
    events: (span.events ?? []).map((event) => ({
      timeUnixNano: parseTime(event.timestamp, 'timestamp of an event'),
      name: event.name,
      attributes: attributesOf(event.attributes),
      droppedAttributesCount: 0,
    })),
    droppedEventsCount: 0,
    links: [],
    droppedLinksCount: 0,
    status: { code: Math.max(code, 0) as StatusCodeNumber, message: span.status_message ?? '' },
  };
}

function id(field: string, text: string, digits: number): string {
  if (text.length === digits && /^[0-9a-f]+$/i.test(text) && !/^0+$/.test(text)) return text.toLowerCase();
  throw new InvalidQueryError(
    `${field} is ${JSON.stringify(text.slice(0, 60))}; it must be ${digits} hex digits, not all 0.`,
  );
}

function attributesOf(values: Record<string, unknown> | null | undefined): Attributes {
  return new Map(Object.entries(values ?? {}).map(([key, value]) => [key, anyValueOf(value)]));
}

function anyValueOf(value: unknown): AnyValue {
  if (Array.isArray(value)) return value.map(anyValueOf);
  if (typeof value === 'number' || value instanceof WrittenNumber) return exactNumber(value);
  if (typeof value === 'object' && value !== null) return attributesOf(value as Record<string, unknown>);
  return value as AnyValue;
}

async function storedAlready(
  store: TelemetryStore,
  project: ProjectRef,
  spans: readonly OtlpSpan[],
): Promise<SpanId[]> {
  const found: SpanId[] = [];
  for (let from = 0; from < spans.length; from += IDS_A_QUERY) {
    const part = spans.slice(from, from + IDS_A_QUERY);
    const filters = { spanId: part.map(({ spanId }) => spanId) };
    const { items } = await store.querySpans({ project, filters, limit: IDS_A_QUERY });
    const stored = new Set(items.map(({ span }) => span.spanId));
    found.push(
      ...part
        .filter(({ spanId }) => stored.has(spanId))
        .map(({ spanId, traceId }) => ({ span_id: spanId, trace_id: traceId })),
    );
  }
  return found;
}

/** `detail` is JSON in a string: what Phoenix's clients read. */
function refused(
  reply: FastifyReply,
  received: number,
  duplicates: readonly SpanId[],
  invalid: readonly SpanId[],
): FastifyReply {
  const report = {
    error: 'Request contains invalid or duplicate spans',
    total_received: received,
    total_queued: 0,
    total_duplicates: duplicates.length,
    total_invalid: invalid.length,
    duplicate_spans: duplicates,
    invalid_spans: invalid,
  };
  return reply.code(400).send({ detail: JSON.stringify(report) });
}

async function ingest(
  reply: FastifyReply,
  request: FastifyRequest,
  service: IngestService,
  project: ProjectRef,
  spans: readonly OtlpSpan[],
): Promise<FastifyReply> {
  const resource: Attributes = new Map([['openinference.project.name', project.name]]);
  if (project.tenantId !== null) resource.set('tenant.id', project.tenantId);
  const scope = { name: '', version: '', attributes: new Map(), droppedAttributesCount: 0 };
  const body = encodeTraces({
    resourceSpans: [
      {
        resource: { attributes: resource, droppedAttributesCount: 0 },
        schemaUrl: '',
        scopeSpans: [{ scope, schemaUrl: '', spans: [...spans] }],
      },
    ],
  });
  const lease = service.gate.open();
  try {
    const result = lease.reserve(body.length)
      ? await service.ingest({
          body,
          format: 'protobuf',
          tenantId: request.access.tenantId ?? project.tenantId ?? undefined,
        })
      : service.refuseForRoom();
    if (result.status === 'stored' && result.rejectedSpans === 0) {
      return reply.code(202).send({ total_received: spans.length, total_queued: result.acceptedSpans });
    }
    if (result.status === 'stored') {
      const invalid = {
        error: result.message,
        total_received: spans.length,
        total_queued: result.acceptedSpans,
        total_duplicates: 0,
        total_invalid: result.rejectedSpans,
        duplicate_spans: [],
        invalid_spans: [],
      };
      return reply.code(400).send({ detail: JSON.stringify(invalid) });
    }
    if (result.status === 'invalid') return reply.code(422).send({ detail: result.message });
    reply.header('retry-after', String(Math.max(1, Math.ceil(result.retryAfterMillis / 1000))));
    return reply.code(503).send({ detail: result.message });
  } finally {
    lease.release();
  }
}
