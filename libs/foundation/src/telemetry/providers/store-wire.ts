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
import type { MetricQuery, ModelPrice } from './analytics-store.js';
import type { AnnotationQuery, AnnotationStore, EvaluationRow } from './annotation-store.js';
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
  SpanRecord,
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
import type { AttributeFilter, SpanFilters, SpanQuery, TraceQuery } from './trace-store.js';

/** Where the routes hang on the server. */
export const STORE_ROUTE_PREFIX = '/v1/cogniverse/';

// ---- values

type Shape<T> = { readonly [K in keyof T]-?: z.ZodType };

function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function renameKeys(value: unknown, names: ReadonlyMap<string, string>): unknown {
  // zod encodes what a schema holds once before it checks it. What is no object goes on, to be refused as none.
  if (!isObject(value)) return value;
  // A key without a name stays as it is, so that a strict schema refuses it by its name instead of losing it.
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [names.get(key) ?? key, held]));
}

/** A record whose keys are camelCase in TypeScript and snake_case on the wire. `strict` refuses keys that it does not know. */
function wireObject<T extends object>(shape: Shape<T>, mode: 'strict' | 'loose'): z.ZodType<T> {
  const keys = Object.keys(shape) as (keyof T & string)[];
  const fields = Object.fromEntries(keys.map((key) => [snakeCase(key), shape[key]]));
  const camelOf = new Map(keys.map((key) => [snakeCase(key), key]));
  const snakeOf = new Map<string, string>(keys.map((key) => [key, snakeCase(key)]));
  const record = z.custom<T>(isObject, OBJECT);
  const strict = mode === 'strict';
  return z.codec(
    strict ? knowing(Object.keys(fields), z.looseObject(fields, OBJECT)) : z.object(fields),
    strict ? knowing(keys, record) : record,
    {
      decode: (wire) => renameKeys(wire, camelOf) as T,
      encode: (value) => renameKeys(value, snakeOf) as never,
    },
  );
}

/** Refuses keys that are not among `known`, and lists these. On either side, so that a key of the wire is none of TypeScript's. */
function knowing<S extends z.ZodType>(known: readonly string[], schema: S): S {
  return schema.check((payload) => {
    if (!isObject(payload.value)) return;
    const keys = Object.keys(payload.value).filter((key) => !known.includes(key));
    if (keys.length === 0) return;
    const message = known.length === 0 ? 'there are none' : `known are ${known.join(', ')}`;
    payload.issues.push({ code: 'unrecognized_keys', keys, message, input: payload.value });
  });
}

/** A request: unknown keys are refused. */
const request = <T extends object>(shape: Shape<T>) => wireObject<T>(shape, 'strict');
/** An answer: keys that a newer server adds are passed over. */
const answer = <T extends object>(shape: Shape<T>) => wireObject<T>(shape, 'loose');

const OBJECT = 'it must be an object';

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
const jsonObject = z.custom<Record<string, unknown>>(isObject, OBJECT);

/** ISO 8601, or a decimal string of nanoseconds since 1970. */
function time(field: string): z.ZodType<TimeInput | undefined> {
  return z
    .codec(z.string(), z.custom<TimeInput>(), {
      decode: (text) => parseTime(/^\d{1,19}$/.test(text) ? BigInt(text) : text, field),
      encode: (input) => parseTime(input, field).toString(),
    })
    .optional();
}

/** What may be said of each value stands with it, as the end of a sentence: "<field> is <value>; it must be ...". */
const STRING = 'it must be a string';

function oneOrMore<T extends z.ZodType>(schema: T, what: string) {
  return z.union([schema, z.array(schema)], `it must be ${what}, or a list of these`).optional();
}

function listOf<T extends z.ZodType>(schema: T, what = 'it must be a list') {
  return z.array(schema, what);
}

function oneOf<const T extends readonly string[]>(values: T) {
  return z.enum(values, `it must be one of ${values.join(', ')}`);
}

const text = z.string(STRING);
const optionalText = text.optional();
const textOrNull = z.string('it must be a string or null').nullish();
const texts = oneOrMore(text, 'a string');
const nonEmpty = z.string(STRING).min(1, 'it must not be empty');
const flag = z.boolean('it must be true or false').optional();
const count = z.int().nonnegative();
const tenantId = z.string('it must be a string or null').nullable();
const PAGE_SIZE = 'it must be a whole number from 1 to 1000';
const pageSize = z.int(PAGE_SIZE).min(1, PAGE_SIZE).max(1000, PAGE_SIZE).optional();
const scoreOrNull = z.number('it must be a finite number or null').nullish();
const annotatorKind = oneOf(['HUMAN', 'LLM', 'CODE']);
const STATUS_CODES = ['UNSET', 'OK', 'ERROR'] as const;
const order = oneOf(['desc', 'asc']).optional();

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

const annotationShape: Shape<NewAnnotation> = {
  spanId: nonEmpty,
  name: nonEmpty,
  label: textOrNull,
  score: scoreOrNull,
  explanation: textOrNull,
  metadata: jsonObject.optional(),
  annotatorKind: annotatorKind.optional(),
  identifier: optionalText,
};
const newAnnotation = request<NewAnnotation>(annotationShape);

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

const FROM_ONE = 'it must be a whole number from 1';

const newRun = request<NewExperimentRun>({
  inputs: jsonObject,
  outputs: jsonObject,
  metadata: jsonObject.optional(),
  datasetExampleId: optionalText,
  repetitionNumber: z.int(FROM_ONE).min(1, FROM_ONE).optional(),
  traceId: optionalText,
  error: optionalText,
  startTime: time('startTime'),
  endTime: time('endTime'),
});

// ---- queries

const BUCKET_SECONDS = 'it must be a number from 0.001 to 1e9';

/** A 64-bit integer beyond JSON's numbers, and doubles that JSON has none for, are objects in OTLP's spelling. */
const FILTER_VALUE = 'it must be a string, a number or a boolean';
const filterValue = z.codec(
  z.union(
    [
      z.string(),
      z.boolean(),
      z.number(),
      z.strictObject({ int_value: z.string().regex(/^-?\d{1,19}$/) }),
      z.strictObject({ double_value: z.enum(['NaN', 'Infinity', '-Infinity']) }),
    ],
    FILTER_VALUE,
  ),
  z.union([z.string(), z.boolean(), z.custom<number>(isNumber), z.bigint()], FILTER_VALUE),
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
  name: texts,
  status: oneOrMore(z.enum(STATUS_CODES), `one of ${STATUS_CODES.join(', ')}`),
  spanKind: texts,
  traceId: texts,
  spanId: texts,
  parentId: textOrNull,
  sessionId: texts,
  rootOnly: flag,
  attributes: listOf(
    request<AttributeFilter>({
      key: text,
      operator: oneOf(['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'contains', 'exists']),
      value: filterValue.optional(),
    }),
    'it must be a list of conditions',
  ).optional(),
});

const spanQueryShape: Shape<Omit<SpanQuery, 'project'>> = {
  startTime: time('startTime'),
  endTime: time('endTime'),
  filters: spanFilters.optional(),
  limit: pageSize,
  cursor: optionalText,
  sort: oneOf(['start_time', 'sequence']).optional(),
  order,
};
const spanQuery = request<StoreSpanQuery>({ project: projectRef, ...spanQueryShape });

const traceQueryShape: Shape<Omit<TraceQuery, 'project'>> = {
  startTime: time('startTime'),
  endTime: time('endTime'),
  sessionId: texts,
  sort: oneOf(['start_time', 'latency']).optional(),
  order,
  limit: pageSize,
  cursor: optionalText,
};
const traceQuery = request<StoreTraceQuery>({ project: projectRef, ...traceQueryShape });

const PRICE = 'it must be a number from 0';
const price = z.number(PRICE).min(0, PRICE);
const modelPrice = request<ModelPrice>({ promptPerMillionTokens: price, completionPerMillionTokens: price });

const metricQueryShape: Shape<Omit<MetricQuery, 'project'>> = {
  metricNames: listOf(text, 'it must be a list of names').min(1, 'it must name at least one metric'),
  startTime: time('startTime'),
  endTime: time('endTime'),
  bucketSeconds: z.number(BUCKET_SECONDS).min(0.001, BUCKET_SECONDS).max(1e9, BUCKET_SECONDS).optional(),
  groupBy: optionalText,
  prices: z.record(z.string(), modelPrice, OBJECT).optional(),
};
const metricQuery = request<StoreMetricQuery>({ project: projectRef, ...metricQueryShape });

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

const datasetShape: Shape<DatasetInput> = {
  name: nonEmpty,
  rows: listOf(newDatasetRow),
  description: optionalText,
  metadata: jsonObject.optional(),
};

const experimentShape: Shape<ExperimentInput> = {
  name: nonEmpty,
  datasetName: optionalText,
  metadata: jsonObject.optional(),
};

const runEvaluation = request<RunEvaluationInput>({
  name: nonEmpty,
  label: textOrNull,
  score: scoreOrNull,
  explanation: textOrNull,
  error: textOrNull,
  annotatorKind: annotatorKind.optional(),
});

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
      annotations: listOf(newAnnotation),
    }),
    dataOf(z.array(text)),
    (store, { project, annotations }) => store.addAnnotations(project, annotations),
  ),
  getAnnotations: reading(
    'POST annotations/query',
    request<AnnotationLookup>({
      project: projectRef,
      spanIds: listOf(text),
      annotationNames: listOf(text).optional(),
    }),
    dataOf(z.array(annotation)),
    (store, query) => store.getAnnotations(query),
  ),

  createDataset: writing(
    'POST datasets',
    request<OfTenant & DatasetInput>({ tenant: tenantId, ...datasetShape }),
    dataOf(datasetRecord),
    (store, { tenant, ...dataset }) => store.createDataset(tenant, dataset),
  ),
  appendToDataset: writing(
    'POST datasets/rows',
    request<OfTenant & { name: string; rows: readonly NewDatasetRow[] }>({
      tenant: tenantId,
      name: nonEmpty,
      rows: listOf(newDatasetRow),
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
    request<OfTenant & ExperimentInput>({ tenant: tenantId, ...experimentShape }),
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
      evaluation: runEvaluation,
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

// ---- what callers of a provider give

const project = optionalText;
const evaluationRow = request<EvaluationRow>({
  spanId: nonEmpty,
  score: scoreOrNull,
  label: textOrNull,
  explanation: textOrNull,
});

/** The options of the methods of a provider's stores, made of the same shapes: a provider checks with them, wherever its store is. */
export const PROVIDER_INPUTS = {
  /** `limit` is up to the method. */
  spanQuery: request<SpanQuery>({ project, ...spanQueryShape, limit: z.unknown().optional() }),
  traceQuery: request<TraceQuery>({ project, ...traceQueryShape }),
  metricQuery: request<MetricQuery>({ project, ...metricQueryShape }),
  ofProject: request<{ project?: string | undefined }>({ project }),
  annotation: request<NewAnnotation & { project?: string | undefined }>({ ...annotationShape, project }),
  annotationQuery: request<AnnotationQuery>({
    spans: listOf(
      z.union([z.string(), z.custom<SpanRecord>(isObject)], 'it must be a span or the id of one'),
      'it must be a list of spans, or of their ids',
    ),
    project,
    annotationNames: listOf(text, 'it must be a list of names').optional(),
  }),
  evaluations: request<Parameters<AnnotationStore['logEvaluations']>[0]>({
    evalName: nonEmpty,
    evaluations: listOf(evaluationRow),
    project,
    annotatorKind: annotatorKind.optional(),
  }),
  dataset: request<DatasetInput>(datasetShape),
  datasetRows: request<{ rows: readonly NewDatasetRow[] }>({ rows: datasetShape.rows }),
  experiment: request<ExperimentInput>(experimentShape),
  experimentQuery: request<{ datasetName?: string | undefined }>({ datasetName: optionalText }),
  run: newRun,
  runEvaluation,
} as const;

/** Errors: `InvalidQueryError` naming each field and value that cannot be, and each key that is not known. */
export function checkInput<T>(schema: z.ZodType<T>, value: T): void {
  const checked = schema.safeEncode(value);
  if (!checked.success) throw refusal(checked.error, value, camelCase);
}

// ---- both ends

/** Parses a request that came over HTTP. Errors: `InvalidQueryError` naming each field and its value. */
export function decodeStoreRequest<Request, Result>(
  operation: StoreOperation<Request, Result>,
  wire: unknown,
): Request {
  const parsed = operation.request.safeDecode(wire as never);
  if (parsed.success) return parsed.data;
  throw refusal(parsed.error, wire, String);
}

/** The JSON form of a request. Errors: `InvalidQueryError` naming each field and its value. */
export function encodeStoreRequest<Request, Result>(
  operation: StoreOperation<Request, Result>,
  value: Request,
): unknown {
  const encoded = operation.request.safeEncode(value as never);
  if (encoded.success) return encoded.data;
  throw refusal(encoded.error, value, camelCase);
}

export function encodeStoreResult<Request, Result>(operation: StoreOperation<Request, Result>, value: Result): unknown {
  return operation.result.encode(value as never);
}

/** Errors: zod's, if this is no answer of that operation. */
export function decodeStoreResult<Request, Result>(operation: StoreOperation<Request, Result>, wire: unknown): Result {
  return operation.result.decode(wire as never);
}

/** A sentence for each fault, in the names that the caller wrote: those of a path are the wire's. */
function refusal(error: z.ZodError, input: unknown, nameOf: (key: PropertyKey) => string): InvalidQueryError {
  const sentences = error.issues.map((issue) => {
    const { names: path, value } = placeOf(issue.path, input, nameOf);
    const field = path.join('.');
    if (issue.code === 'unrecognized_keys') {
      const keys = issue.keys.map((key) => JSON.stringify(key)).join(', ');
      return `Unknown ${issue.keys.length === 1 ? 'key' : 'keys'} ${keys}${field === '' ? '' : ` in ${field}`}; ${issue.message}.`;
    }
    const isAbsent = issue.code === 'invalid_type' && issue.expected === 'nonoptional'; // zod's own word, for whatever schema
    const remedy = isAbsent ? 'it must be given' : issue.message;
    return `${field || 'The request'} is ${shown(value)}; ${remedy}.`;
  });
  return new InvalidQueryError(sentences.join(' '), { cause: error });
}

function camelCase(key: PropertyKey): string {
  return String(key).replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}

/** What stands at a path, and the path as the caller wrote it. A key that the caller has is his own, such as the name of a model. */
function placeOf(path: readonly PropertyKey[], input: unknown, nameOf: (key: PropertyKey) => string) {
  const names: string[] = [];
  let value = input;
  for (const key of path) {
    const held = Object(value) as Record<PropertyKey, unknown>;
    const name = Object.hasOwn(held, key) ? String(key) : nameOf(key);
    names.push(name);
    value = Object.hasOwn(held, name) ? held[name] : undefined;
  }
  return { names, value };
}

function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'number') return String(value); // JSON has no NaN
  const json =
    JSON.stringify(value, (_key, held) => (typeof held === 'bigint' ? held.toString() : held)) ?? typeof value;
  return json.length > 60 ? `${json.slice(0, 60)}...` : json;
}
