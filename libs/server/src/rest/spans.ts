/**
 * `GET /v1/projects/{p}/spans` and `.../spans/otlpv1`.   Read path: client -> [spans] -> store.
 *
 * Source: Phoenix 20.26. `/spans` has Phoenix's shape; `/otlpv1` gives the spans exactly, in OTLP/JSON.
 */
import { encodeTracesJson, type OtlpJsonResourceSpans } from '@cogniverse/foundation/otlp';
import type { Page, SpanFilters, StoredSpan, TelemetryStore } from '@cogniverse/foundation/telemetry';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { parseAttributeCondition } from './attribute-conditions.js';
import { phoenixSpanText } from './phoenix-span.js';
import { resolveProject, TENANT_PARAMETER } from './project-resolution.js';
import { badValue, hexId, QueryParameters } from './query-parameters.js';

const KNOWN = [
  'cursor',
  'limit',
  'start_time',
  'end_time',
  'trace_id',
  'span_id',
  'parent_id',
  'name',
  'span_kind',
  'status_code',
  'attribute',
  'sort',
  'order',
  TENANT_PARAMETER,
];
/** OpenInference's kinds as Phoenix 20.26 knows them. */
const SPAN_KINDS = [
  'AGENT',
  'CHAIN',
  'DECISION',
  'EMBEDDING',
  'EVALUATOR',
  'GUARDRAIL',
  'LLM',
  'PROMPT',
  'RERANKER',
  'RETRIEVER',
  'TOOL',
  'UNKNOWN',
] as const;
const STATUS_CODES = ['OK', 'ERROR', 'UNSET'] as const;
/** Pages of the store that one answer may take to fill where a condition is left for the server to decide. */
const MAX_REFILLS = 20;

export function registerSpans(app: FastifyInstance, store: TelemetryStore): void {
  app.get('/v1/projects/:project/spans', async (request, reply) => {
    const page = await readSpans(store, request);
    const cursor = JSON.stringify(page.nextCursor ?? null);
    const texts = page.items.map((stored) => phoenixSpanText(stored, page.projectId));
    const text = `{"data":[${texts.join(',')}],"next_cursor":${cursor}}`;
    return reply.type('application/json; charset=utf-8').send(text);
  });
  app.get('/v1/projects/:project/spans/otlpv1', async (request) => {
    const page = await readSpans(store, request);
    return { data: groupSpans(page.items), next_cursor: page.nextCursor ?? null };
  });
}

async function readSpans(
  store: TelemetryStore,
  request: FastifyRequest,
): Promise<Page<StoredSpan> & { projectId: string }> {
  const query = new QueryParameters(request, KNOWN);
  const limit = query.integer('limit', { min: 1, max: 1000, default: 100 });
  const conditions = query.list('attribute')?.map(parseAttributeCondition);
  const filters: SpanFilters = {
    traceId: query.ids('trace_id', 32),
    spanId: query.ids('span_id', 16),
    parentId: parentId(query.single('parent_id')),
    name: query.list('name'),
    spanKind: query.list('span_kind')?.map(spanKind),
    status: query.list('status_code')?.map(statusCode),
    attributes: conditions?.map((condition) => condition.filter),
  };
  const scope = {
    filters,
    startTime: query.time('start_time'),
    endTime: query.time('end_time'),
    sort: query.oneOf('sort', ['id', 'start_time'], 'id') === 'id' ? ('sequence' as const) : ('start_time' as const),
    order: query.oneOf('order', ['desc', 'asc'], 'desc'),
  };
  const cursor = query.single('cursor') || undefined;
  const { id: projectId, tenantId, name } = await resolveProject(store, request, query);
  const project = { tenantId, name };
  const keep = conditions?.flatMap((condition) => condition.keep ?? []) ?? [];
  if (keep.length === 0) return { ...(await store.querySpans({ ...scope, project, limit, cursor })), projectId };
  const items: StoredSpan[] = [];
  let nextCursor = cursor;
  for (let refill = 0; refill < MAX_REFILLS; refill += 1) {
    const page = await store.querySpans({ ...scope, project, limit: limit - items.length, cursor: nextCursor });
    items.push(...page.items.filter((stored) => keep.every((holds) => holds(stored))));
    nextCursor = page.nextCursor;
    if (nextCursor === undefined || items.length === limit) break;
  }
  return { items, nextCursor, projectId };
}

function parentId(text: string | undefined): string | null | undefined {
  if (text === undefined) return undefined;
  return text === 'null' ? null : hexId('parent_id', text, 16);
}

function spanKind(text: string): string {
  const kind = SPAN_KINDS.find((known) => known === text.toUpperCase());
  if (kind !== undefined) return kind;
  throw badValue(
    'span_kind',
    text,
    `one of ${SPAN_KINDS.join(', ')}; find others with attribute=openinference.span.kind:...`,
  );
}

function statusCode(text: string): 'OK' | 'ERROR' | 'UNSET' {
  const code = STATUS_CODES.find((known) => known === text.toUpperCase());
  if (code !== undefined) return code;
  throw badValue('status_code', text, `one of ${STATUS_CODES.join(', ')}`);
}

/** Spans under their resource and scope, each once, in the order in which they first appear. */
export function groupSpans(spans: readonly StoredSpan[]): OtlpJsonResourceSpans[] {
  const resources = new Map<
    string,
    { group: OtlpJsonResourceSpans; scopes: Map<string, OtlpJsonResourceSpans['scopeSpans'][number]> }
  >();
  for (const stored of spans) {
    const encoded = encodeTracesJson({
      resourceSpans: [
        {
          resource: stored.resource,
          schemaUrl: stored.resourceSchemaUrl,
          scopeSpans: [{ scope: stored.scope, schemaUrl: stored.scopeSchemaUrl, spans: [stored.span] }],
        },
      ],
    }).resourceSpans[0]!;
    const { spans: added, ...scope } = encoded.scopeSpans[0]!;
    const resourceKey = JSON.stringify([encoded.resource, encoded.schemaUrl]);
    let resource = resources.get(resourceKey);
    if (resource === undefined) {
      resource = { group: { ...encoded, scopeSpans: [] }, scopes: new Map() };
      resources.set(resourceKey, resource);
    }
    const scopeKey = JSON.stringify(scope);
    let scopeSpans = resource.scopes.get(scopeKey);
    if (scopeSpans === undefined) {
      scopeSpans = { ...scope, spans: [] };
      resource.scopes.set(scopeKey, scopeSpans);
      resource.group.scopeSpans.push(scopeSpans);
    }
    scopeSpans.spans.push(...added);
  }
  return [...resources.values()].map(({ group }) => group);
}
