/**
 * The JSON form of a `TelemetryStore`: every read and meta operation with its route, request and answer.   Server <-> remote store.
 *
 * One table for both ends: the server registers its routes from it, the remote store calls them. Keys are snake_case; 64-bit
 * integers are decimal strings; what OTLP defines (spans, resources, scopes) is OTLP JSON. Both directions are exact.
 */
import { z } from 'zod';
import { decodeTracesJson, encodeTracesJson, type OtlpLimits } from '../../otlp/index.js';
import type { OtlpResource, OtlpResourceSpans, OtlpScope, OtlpScopeSpans, OtlpTraces } from '../../otlp/model.js';
import { InvalidQueryError } from '../errors.js';
import type { NewExperimentRun } from './experiment-store.js';
import type {
  Annotation,
  DatasetRecord,
  DatasetRow,
  ExperimentEvaluation,
  ExperimentRecord,
  ExperimentRunRecord,
  MetricPoint,
  NewAnnotation,
  NewDatasetRow,
  Page,
  ProjectRecord,
  ProjectRef,
  StoredSpan,
  TenantSummary,
  TimeInput,
  TraceRecord,
} from './records.js';
import type {
  ProjectStatistics,
  StoreMetricQuery,
  StoreSpanQuery,
  StoreTraceQuery,
  TelemetryStore,
} from './telemetry-store.js';
import { parseTime } from './time.js';
import type { AttributeFilter, SpanFilters } from './trace-store.js';

/** Where the routes hang on the server. */
export const STORE_ROUTE_PREFIX = '/v1/cogniverse/';

// ---- values

type Shape<T> = { readonly [K in keyof T]-?: z.ZodType };

function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function renameKeys(value: object, names: ReadonlyMap<string, string>): Record<string, unknown> {
  // A key without a name stays as it is, so that a strict schema refuses it by its name instead of losing it.
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [names.get(key) ?? key, held]));
}

/** A record whose keys are camelCase in TypeScript and snake_case on the wire. `strict` refuses keys that it does not know. */
function wireObject<T extends object>(shape: Shape<T>, mode: 'strict' | 'loose'): z.ZodType<T> {
  const keys = Object.keys(shape) as (keyof T & string)[];
  const fields = Object.fromEntries(keys.map((key) => [snakeCase(key), shape[key]]));
  const camelOf = new Map(keys.map((key) => [snakeCase(key), key]));
  const snakeOf = new Map<string, string>(keys.map((key) => [key, snakeCase(key)]));
  return z.codec(mode === 'strict' ? z.strictObject(fields) : z.object(fields), z.custom<T>(isObject), {
    decode: (wire) => renameKeys(wire, camelOf) as T,
    encode: (record) => renameKeys(record, snakeOf) as never,
  });
}

/** A request: unknown keys are refused. */
const request = <T extends object>(shape: Shape<T>) => wireObject<T>(shape, 'strict');
/** An answer: keys that a newer server adds are passed over. */
const answer = <T extends object>(shape: Shape<T>) => wireObject<T>(shape, 'loose');

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const int64 = z.codec(z.string().regex(/^-?\d{1,19}$/, 'expected a decimal string'), z.bigint(), {
  decode: (text) => BigInt(text),
  encode: (value) => value.toString(),
});

/** A double; what JSON has no number for is a string, as in OTLP JSON. */
const double = z.codec(z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])]), z.custom<number>(isNumber), {
  decode: (wire) => Number(wire),
  encode: (value) => (Number.isFinite(value) ? value : (String(value) as 'NaN')),
});

function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}

/** `undefined` in a record that always has the key; `null` on the wire. */
function absent<T>(schema: z.ZodType<T>): z.ZodType<T | undefined> {
  return z.codec(schema.nullable(), z.custom<T | undefined>(), {
    decode: (wire) => wire ?? undefined,
    encode: (value) => value ?? null,
  });
}

/** Any JSON object, taken as it is: no copy, so no key is lost. */
const jsonObject = z.custom<Record<string, unknown>>(isObject, 'expected a JSON object');

/** ISO 8601, or a decimal string of nanoseconds since 1970. */
function time(field: string): z.ZodType<TimeInput | undefined> {
  return z
    .codec(z.string(), z.custom<TimeInput>(), {
      decode: (text) => parseTime(/^\d{1,19}$/.test(text) ? BigInt(text) : text, field),
      encode: (input) => parseTime(input, field).toString(),
    })
    .optional();
}

const oneOrMore = <T extends z.ZodType>(schema: T) => z.union([schema, z.array(schema)]).optional();

const text = z.string();
const optionalText = z.string().optional();
const nonEmpty = z.string().min(1, 'must not be empty');
const count = z.int().nonnegative();
const tenantId = z.string().nullable();
const pageSize = z.int().min(1).max(1000).optional();
const annotatorKind = z.enum(['HUMAN', 'LLM', 'CODE']);
const statusCode = z.enum(['UNSET', 'OK', 'ERROR']);
const order = z.enum(['desc', 'asc']).optional();

// ---- records

const projectRef = request<ProjectRef>({ tenantId, name: text });

const tenantSummary = answer<TenantSummary>({ tenantId, projectCount: count, spanCount: count });

const projectRecord = answer<ProjectRecord>({
  id: text,
  tenantId,
  name: text,
  spanCount: count,
  traceCount: count,
  firstSpanUnixNano: absent(int64),
  lastSpanUnixNano: absent(int64),
  description: text,
});

const projectStatistics = answer<ProjectStatistics>({
  project: answer<ProjectRef>({ tenantId, name: text }),
  spanCount: count,
  traceCount: count,
  errorRate: double,
  latencyP50Millis: double.nullable(),
  latencyP95Millis: double.nullable(),
  latencyP99Millis: double.nullable(),
  latencyMeanMillis: double.nullable(),
});

const traceRecord = answer<TraceRecord>({
  traceId: text,
  project: text,
  tenantId: absent(text),
  startTimeUnixNano: int64,
  endTimeUnixNano: int64,
  latencyMillis: double,
  spanCount: count,
  errorCount: count,
  rootName: absent(text),
  rootSpanId: absent(text),
  sessionId: absent(text),
  tokenCountPrompt: double,
  tokenCountCompletion: double,
});

const metricPoint = answer<MetricPoint>({ timestamp: text, metricName: text, value: double, group: optionalText });

const annotation = answer<Annotation>({
  id: text,
  spanId: text,
  name: text,
  annotatorKind,
  label: text.nullable(),
  score: z.number().nullable(),
  explanation: text.nullable(),
  metadata: jsonObject,
  identifier: text,
  createdAt: text,
  updatedAt: text,
});

const newAnnotation = request<NewAnnotation>({
  spanId: nonEmpty,
  name: nonEmpty,
  label: text.nullish(),
  score: z.number().nullish(),
  explanation: text.nullish(),
  metadata: jsonObject.optional(),
  annotatorKind: annotatorKind.optional(),
  identifier: optionalText,
});

const datasetRecord = answer<DatasetRecord>({
  id: text,
  name: text,
  description: text,
  metadata: jsonObject,
  versionId: text,
  createdAt: text,
  updatedAt: text,
  exampleCount: count,
});

const datasetRow = answer<DatasetRow>({ id: text, input: jsonObject, output: jsonObject, metadata: jsonObject });

const newDatasetRow = request<NewDatasetRow>({
  input: jsonObject,
  output: jsonObject.optional(),
  metadata: jsonObject.optional(),
});

const experimentRecord = answer<ExperimentRecord>({
  id: text,
  name: text,
  datasetId: absent(text),
  datasetVersionId: absent(text),
  metadata: jsonObject,
  createdAt: text,
  runCount: count,
});

const runRecord = answer<ExperimentRunRecord>({
  id: text,
  experimentId: text,
  datasetExampleId: absent(text),
  inputs: jsonObject,
  outputs: jsonObject,
  metadata: jsonObject,
  repetitionNumber: count,
  traceId: absent(text),
  error: absent(text),
  startTime: text,
  endTime: text,
  evaluations: z.array(
    answer<ExperimentEvaluation>({
      name: text,
      annotatorKind,
      label: text.nullable(),
      score: z.number().nullable(),
      explanation: text.nullable(),
      error: text.nullable(),
    }),
  ),
});

const newRun = request<NewExperimentRun>({
  inputs: jsonObject,
  outputs: jsonObject,
  metadata: jsonObject.optional(),
  datasetExampleId: optionalText,
  repetitionNumber: z.int().min(1).optional(),
  traceId: optionalText,
  error: optionalText,
  startTime: time('startTime'),
  endTime: time('endTime'),
});

// ---- queries

/** A 64-bit integer beyond JSON's numbers, and doubles that JSON has none for, are objects in OTLP's spelling. */
const filterValue = z.codec(
  z.union([
    z.string(),
    z.boolean(),
    z.number(),
    z.strictObject({ int_value: z.string().regex(/^-?\d{1,19}$/) }),
    z.strictObject({ double_value: z.enum(['NaN', 'Infinity', '-Infinity']) }),
  ]),
  z.union([z.string(), z.boolean(), z.custom<number>(isNumber), z.bigint()]),
  {
    decode: (wire) => {
      if (!isObject(wire)) return wire;
      return 'int_value' in wire ? BigInt(wire.int_value) : Number(wire.double_value);
    },
    encode: (value) => {
      if (typeof value === 'bigint') return { int_value: value.toString() };
      if (typeof value === 'number' && !Number.isFinite(value)) return { double_value: String(value) as 'NaN' };
      return value;
    },
  },
);

const spanFilters = request<SpanFilters>({
  name: oneOrMore(text),
  status: oneOrMore(statusCode),
  spanKind: oneOrMore(text),
  traceId: oneOrMore(text),
  spanId: oneOrMore(text),
  parentId: text.nullish(),
  sessionId: oneOrMore(text),
  rootOnly: z.boolean().optional(),
  attributes: z
    .array(
      request<AttributeFilter>({
        key: nonEmpty,
        operator: z.enum(['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'contains', 'exists']),
        value: filterValue.optional(),
      }),
    )
    .optional(),
});

const spanQuery = request<StoreSpanQuery>({
  project: projectRef,
  startTime: time('startTime'),
  endTime: time('endTime'),
  filters: spanFilters.optional(),
  limit: pageSize,
  cursor: optionalText,
  sort: z.enum(['start_time', 'sequence']).optional(),
  order,
});

const traceQuery = request<StoreTraceQuery>({
  project: projectRef,
  startTime: time('startTime'),
  endTime: time('endTime'),
  sessionId: oneOrMore(text),
  sort: z.enum(['start_time', 'latency']).optional(),
  order,
  limit: pageSize,
  cursor: optionalText,
});

const metricQuery = request<StoreMetricQuery>({
  project: projectRef,
  metricNames: z.array(text).min(1, 'name at least one metric'),
  startTime: time('startTime'),
  endTime: time('endTime'),
  bucketSeconds: z.number().positive().optional(),
  groupBy: optionalText,
});

/** In an address: absent is "all tenants", empty is "spans that name no tenant". */
const tenantParameter = z.codec(z.string(), tenantId, {
  decode: (wire) => (wire === '' ? null : wire),
  encode: (value) => value ?? '',
});

// ---- pages of spans

const wirePageOfSpans = z.object({
  data: z.object({
    /** OTLP `TracesData`: every resource and every scope stands once, with its spans below it. */
    traces: z.custom<object>(isObject, 'expected OTLP JSON'),
    projects: z.array(answer<ProjectRef>({ tenantId, name: text })),
    /** One entry a span, in the order of the page: its place among the spans of `traces`, its sequence, its place in `projects`. */
    spans: z.array(z.tuple([count, int64, count])),
  }),
  next_cursor: z.string().nullable(),
});

type WirePageOfSpans = z.output<typeof wirePageOfSpans>;

/** Gives equal resources, or equal scopes, equal keys. The same object is encoded once. */
function contentKeys<T extends object>(traces: (value: T) => OtlpTraces): (value: T, schemaUrl: string) => string {
  const known = new Map<T, string>();
  return (value, schemaUrl) => {
    let key = known.get(value);
    if (key === undefined) {
      key = JSON.stringify(encodeTracesJson(traces(value)));
      known.set(value, key);
    }
    return JSON.stringify([schemaUrl, key]);
  };
}

function encodeSpanPage(page: Page<StoredSpan>): WirePageOfSpans {
  const resourceKey = contentKeys<OtlpResource>((resource) => ({
    resourceSpans: [{ resource, schemaUrl: '', scopeSpans: [] }],
  }));
  const scopeKey = contentKeys<OtlpScope>((scope) => ({
    resourceSpans: [{ resource: NO_RESOURCE, schemaUrl: '', scopeSpans: [{ scope, schemaUrl: '', spans: [] }] }],
  }));
  interface ScopeGroup {
    readonly scopeSpans: OtlpScopeSpans;
    readonly positions: number[];
  }
  const groups = new Map<string, { resourceSpans: OtlpResourceSpans; scopes: Map<string, ScopeGroup> }>();
  const projects = new Map<string, number>();
  const projectRefs: ProjectRef[] = [];
  for (const [position, stored] of page.items.entries()) {
    const ofResource = resourceKey(stored.resource, stored.resourceSchemaUrl);
    let group = groups.get(ofResource);
    if (group === undefined) {
      const { resource, resourceSchemaUrl: schemaUrl } = stored;
      group = { resourceSpans: { resource, schemaUrl, scopeSpans: [] }, scopes: new Map() };
      groups.set(ofResource, group);
    }
    const ofScope = scopeKey(stored.scope, stored.scopeSchemaUrl);
    let scopeGroup = group.scopes.get(ofScope);
    if (scopeGroup === undefined) {
      const { scope, scopeSchemaUrl: schemaUrl } = stored;
      scopeGroup = { scopeSpans: { scope, schemaUrl, spans: [] }, positions: [] };
      group.scopes.set(ofScope, scopeGroup);
      group.resourceSpans.scopeSpans.push(scopeGroup.scopeSpans);
    }
    scopeGroup.scopeSpans.spans.push(stored.span);
    scopeGroup.positions.push(position);
  }
  const spans: WirePageOfSpans['data']['spans'] = new Array(page.items.length);
  let place = 0;
  for (const { scopes } of groups.values()) {
    for (const { positions } of scopes.values()) {
      for (const position of positions) {
        const { project, sequence } = page.items[position]!;
        const projectKey = JSON.stringify([project.tenantId, project.name]);
        let projectAt = projects.get(projectKey);
        if (projectAt === undefined) {
          projectAt = projectRefs.push({ tenantId: project.tenantId, name: project.name }) - 1;
          projects.set(projectKey, projectAt);
        }
        spans[position] = [place, sequence, projectAt];
        place += 1;
      }
    }
  }
  const traces = encodeTracesJson({ resourceSpans: Array.from(groups.values(), (group) => group.resourceSpans) });
  return { data: { traces, projects: projectRefs, spans }, next_cursor: page.nextCursor ?? null };
}

const NO_RESOURCE: OtlpResource = { attributes: new Map(), droppedAttributesCount: 0 };

/** A page is bounded by the store, so the limits for what strangers send do not hold here. */
const PAGE_LIMITS: OtlpLimits = Object.freeze({
  maxGroups: Number.MAX_SAFE_INTEGER,
  maxSpans: Number.MAX_SAFE_INTEGER,
  maxAttributes: Number.MAX_SAFE_INTEGER,
  maxEvents: Number.MAX_SAFE_INTEGER,
  maxLinks: Number.MAX_SAFE_INTEGER,
  maxNodes: Number.MAX_SAFE_INTEGER,
  maxDepth: 256,
  maxJsonContainers: Number.MAX_SAFE_INTEGER,
  maxJsonValues: Number.MAX_SAFE_INTEGER,
});

function decodeSpanPage(wire: WirePageOfSpans): Page<StoredSpan> {
  const { traces, projects, spans } = wire.data;
  const flat: Omit<StoredSpan, 'project' | 'sequence'>[] = [];
  for (const { resource, schemaUrl, scopeSpans } of decodeTracesJson(traces, PAGE_LIMITS).resourceSpans) {
    for (const { scope, schemaUrl: scopeSchemaUrl, spans: members } of scopeSpans) {
      for (const span of members) flat.push({ span, resource, resourceSchemaUrl: schemaUrl, scope, scopeSchemaUrl });
    }
  }
  const items = spans.map(([place, sequence, projectAt]) => {
    const found = flat[place];
    const project = projects[projectAt];
    if (found === undefined || project === undefined) {
      throw new Error(`The page names span ${place} of ${flat.length} and project ${projectAt} of ${projects.length}.`);
    }
    return { project, sequence, ...found };
  });
  return { items, nextCursor: wire.next_cursor ?? undefined };
}

const pageOfSpans = z.codec(wirePageOfSpans, z.custom<Page<StoredSpan>>(isObject), {
  decode: decodeSpanPage,
  encode: encodeSpanPage,
});

function pageOf<T>(item: z.ZodType<T>): z.ZodType<Page<T>> {
  return z.codec(z.object({ data: z.array(item), next_cursor: z.string().nullable() }), z.custom<Page<T>>(isObject), {
    decode: ({ data, next_cursor }) => ({ items: data, nextCursor: next_cursor ?? undefined }),
    encode: ({ items, nextCursor }) => ({ data: [...items], next_cursor: nextCursor ?? null }),
  });
}

/** An answer's envelope, as in Phoenix's REST API. */
function dataOf<T>(schema: z.ZodType<T>): z.ZodType<T> {
  return z.codec(z.object({ data: schema }), z.custom<T>(), {
    decode: ({ data }) => data as T,
    encode: (data) => ({ data }),
  });
}

// ---- operations

export interface StoreOperation<Request, Result> {
  readonly method: 'GET' | 'POST';
  /** Below `STORE_ROUTE_PREFIX`. */
  readonly path: string;
  /** Asks twice and nothing has changed: may be tried again when no answer came. */
  readonly reads: boolean;
  readonly request: z.ZodType<Request>;
  readonly result: z.ZodType<Result>;
  /** Runs it on a store. */
  run(store: TelemetryStore, request: Request): Promise<Result>;
}

function reading<Request extends object, Result>(
  route: `${'GET' | 'POST'} ${string}`,
  requestShape: z.ZodType<Request>,
  result: z.ZodType<Result>,
  run: (store: TelemetryStore, request: Request) => Promise<Result>,
): StoreOperation<Request, Result> {
  const [method, path] = route.split(' ') as ['GET' | 'POST', string];
  return { method, path, reads: true, request: requestShape, result, run };
}

function writing<Request extends object, Result>(
  route: `POST ${string}`,
  requestShape: z.ZodType<Request>,
  result: z.ZodType<Result>,
  run: (store: TelemetryStore, request: Request) => Promise<Result>,
): StoreOperation<Request, Result> {
  return { ...reading(route, requestShape, result, run), reads: false };
}

type DatasetInput = Parameters<TelemetryStore['createDataset']>[1];
type ExperimentInput = Parameters<TelemetryStore['createExperiment']>[1];
type RunEvaluationInput = Parameters<TelemetryStore['logRunEvaluation']>[2];
type AnnotationLookup = Parameters<TelemetryStore['getAnnotations']>[0];
/** `null`: what names no tenant. */
type OfTenant = { tenant: string | null };
type MaybeOfTenant = { tenant?: string | null | undefined };

/** Every operation of a `TelemetryStore` that crosses HTTP, under the name of its method. Spans come in by OTLP. */
export const STORE_OPERATIONS = {
  listTenants: reading('GET tenants', request<object>({}), dataOf(z.array(tenantSummary)), (store) =>
    store.listTenants(),
  ),
  listProjects: reading(
    'GET projects',
    request<MaybeOfTenant & { name?: string | undefined }>({ tenant: tenantParameter.optional(), name: optionalText }),
    dataOf(z.array(projectRecord)),
    (store, { tenant, name }) => store.listProjects({ tenantId: tenant, name }),
  ),
  getProjectById: reading(
    'GET projects/by-id',
    request<{ id: string }>({ id: text }),
    dataOf(absent(projectRecord)),
    (store, { id }) => store.getProjectById(id),
  ),
  getStatistics: reading(
    'GET statistics',
    request<MaybeOfTenant & { startTime?: TimeInput | undefined; endTime?: TimeInput | undefined }>({
      tenant: tenantParameter.optional(),
      startTime: time('startTime'),
      endTime: time('endTime'),
    }),
    dataOf(z.array(projectStatistics)),
    (store, { tenant, startTime, endTime }) => store.getStatistics({ tenantId: tenant, startTime, endTime }),
  ),
  querySpans: reading('POST spans/query', spanQuery, pageOfSpans, (store, query) => store.querySpans(query)),
  queryTraces: reading('POST traces/query', traceQuery, pageOf(traceRecord), (store, query) =>
    store.queryTraces(query),
  ),
  getMetrics: reading('POST metrics/query', metricQuery, dataOf(z.array(metricPoint)), (store, query) =>
    store.getMetrics(query),
  ),

  addAnnotations: writing(
    'POST annotations',
    request<{ project: ProjectRef; annotations: readonly NewAnnotation[] }>({
      project: projectRef,
      annotations: z.array(newAnnotation),
    }),
    dataOf(z.array(text)),
    (store, { project, annotations }) => store.addAnnotations(project, annotations),
  ),
  getAnnotations: reading(
    'POST annotations/query',
    request<AnnotationLookup>({
      project: projectRef,
      spanIds: z.array(text),
      annotationNames: z.array(text).optional(),
    }),
    dataOf(z.array(annotation)),
    (store, query) => store.getAnnotations(query),
  ),

  createDataset: writing(
    'POST datasets',
    request<OfTenant & DatasetInput>({
      tenant: tenantId,
      name: nonEmpty,
      rows: z.array(newDatasetRow),
      description: optionalText,
      metadata: jsonObject.optional(),
    }),
    dataOf(datasetRecord),
    (store, { tenant, ...dataset }) => store.createDataset(tenant, dataset),
  ),
  appendToDataset: writing(
    'POST datasets/rows',
    request<OfTenant & { name: string; rows: readonly NewDatasetRow[] }>({
      tenant: tenantId,
      name: nonEmpty,
      rows: z.array(newDatasetRow),
    }),
    dataOf(datasetRecord),
    (store, { tenant, name, rows }) => store.appendToDataset(tenant, name, rows),
  ),
  listDatasets: reading(
    'GET datasets',
    request<OfTenant>({ tenant: tenantParameter }),
    dataOf(z.array(datasetRecord)),
    (store, { tenant }) => store.listDatasets(tenant),
  ),
  getDatasetRows: reading(
    'GET datasets/rows',
    request<OfTenant & { name: string }>({ tenant: tenantParameter, name: text }),
    dataOf(z.array(datasetRow)),
    (store, { tenant, name }) => store.getDatasetRows(tenant, name),
  ),

  createExperiment: writing(
    'POST experiments',
    request<OfTenant & ExperimentInput>({
      tenant: tenantId,
      name: nonEmpty,
      datasetName: optionalText,
      metadata: jsonObject.optional(),
    }),
    dataOf(experimentRecord),
    (store, { tenant, ...experiment }) => store.createExperiment(tenant, experiment),
  ),
  listExperiments: reading(
    'GET experiments',
    request<OfTenant>({ tenant: tenantParameter }),
    dataOf(z.array(experimentRecord)),
    (store, { tenant }) => store.listExperiments(tenant),
  ),
  logRun: writing(
    'POST experiments/runs',
    request<OfTenant & { experimentId: string; run: NewExperimentRun }>({
      tenant: tenantId,
      experimentId: text,
      run: newRun,
    }),
    dataOf(runRecord),
    (store, { tenant, experimentId, run }) => store.logRun(tenant, experimentId, run),
  ),
  getRuns: reading(
    'GET experiments/runs',
    request<OfTenant & { experimentId: string }>({ tenant: tenantParameter, experimentId: text }),
    dataOf(z.array(runRecord)),
    (store, { tenant, experimentId }) => store.getRuns(tenant, experimentId),
  ),
  logRunEvaluation: writing(
    'POST experiments/evaluations',
    request<OfTenant & { runId: string; evaluation: RunEvaluationInput }>({
      tenant: tenantId,
      runId: text,
      evaluation: request<RunEvaluationInput>({
        name: nonEmpty,
        label: text.nullish(),
        score: z.number().nullish(),
        explanation: text.nullish(),
        error: text.nullish(),
        annotatorKind: annotatorKind.optional(),
      }),
    }),
    dataOf(z.null()),
    async (store, { tenant, runId, evaluation }) => {
      await store.logRunEvaluation(tenant, runId, evaluation);
      return null;
    },
  ),

  figures: reading(
    'GET figures',
    request<object>({}),
    dataOf(z.record(z.string(), double)),
    (store) => store.figures() as Promise<Record<string, number>>,
  ),
} as const;

// ---- both ends

/** Parses a request that came over HTTP. Errors: `InvalidQueryError` naming each field and its value. */
export function decodeStoreRequest<Request, Result>(
  operation: StoreOperation<Request, Result>,
  wire: unknown,
): Request {
  const parsed = operation.request.safeDecode(wire as never);
  if (parsed.success) return parsed.data;
  throw new InvalidQueryError(describeIssues(parsed.error, wire));
}

/** The JSON form of a request. Errors: `InvalidQueryError` naming each field and its value. */
export function encodeStoreRequest<Request, Result>(
  operation: StoreOperation<Request, Result>,
  value: Request,
): unknown {
  const encoded = operation.request.safeEncode(value as never);
  if (encoded.success) return encoded.data;
  throw new InvalidQueryError(describeIssues(encoded.error, value));
}

export function encodeStoreResult<Request, Result>(operation: StoreOperation<Request, Result>, value: Result): unknown {
  return operation.result.encode(value as never);
}

/** Errors: zod's, if this is no answer of that operation. */
export function decodeStoreResult<Request, Result>(operation: StoreOperation<Request, Result>, wire: unknown): Result {
  return operation.result.decode(wire as never);
}

/** Each fault as `field: what is wrong (given: value)`. */
function describeIssues(error: z.ZodError, input: unknown): string {
  return error.issues
    .map((issue) => {
      const path = issue.path.map(String).join('.') || 'request';
      const given = issue.path.reduce<unknown>(heldAt, input);
      return `${path}: ${issue.message} (given: ${shown(given)})`;
    })
    .join('; ');
}

/** The names in a path are the wire's; the input may be the camelCase side. */
function heldAt(value: unknown, key: PropertyKey): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  const held = value as Record<PropertyKey, unknown>;
  return held[key] ?? held[String(key).replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase())];
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const json =
    JSON.stringify(value, (_key, held) => (typeof held === 'bigint' ? held.toString() : held)) ?? typeof value;
  return json.length > 120 ? `${json.slice(0, 120)}...` : json;
}
