/** Spans, traces, projects, statistics and metrics as JSON.   Server <-> remote store. */
import { z } from 'zod';
import type { MetricQuery, ModelPrice } from '../analytics-store.js';
import type { MetricPoint, ProjectRecord, ProjectRef, TenantSummary, TraceRecord } from '../records.js';
import type {
  ProjectIdentity,
  ProjectStatistics,
  SpanCalls,
  StoreMetricQuery,
  StoreSpanQuery,
  StoreTraceQuery,
} from '../store/span-calls.js';
import type { AttributeFilter, SpanFilters, SpanQuery, TraceQuery } from '../trace-store.js';
import { type OperationsOf, reading } from './operation.js';
import { pageOfSpans } from './span-page.js';
import {
  absent,
  answer,
  count,
  dataOf,
  double,
  flag,
  int64,
  isNumber,
  isObject,
  listOf,
  OBJECT,
  ofTenant,
  oneOf,
  oneOrMore,
  optionalText,
  order,
  pageOf,
  pageSize,
  projectRef,
  request,
  type Shape,
  STATUS_CODES,
  tenantId,
  tenantParameter,
  text,
  textOrNull,
  texts,
  time,
} from './values.js';

const tenantSummary = answer<TenantSummary>({ tenantId, projectCount: count, spanCount: count });

export const projectRecord = answer<ProjectRecord>({
  id: text,
  tenantId,
  name: text,
  spanCount: count,
  traceCount: count,
  firstSpanUnixNano: absent(int64),
  lastSpanUnixNano: absent(int64),
  description: text,
});

const projectIdentity = answer<ProjectIdentity>({ id: text, tenantId, name: text, description: text });

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
  condition: optionalText,
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
  condition: optionalText,
  sort: oneOf(['start_time', 'latency']).optional(),
  order,
  limit: pageSize,
  cursor: optionalText,
};
const traceQuery = request<StoreTraceQuery>({ project: projectRef, ...traceQueryShape });

const PRICE = 'it must be a number from 0';
const price = z.number(PRICE).min(0, PRICE);
const modelPrice = request<ModelPrice>({ promptPerMillionTokens: price, completionPerMillionTokens: price });

const metricQueryShape: Shape<Omit<MetricQuery, 'project' | 'allProjects'>> = {
  metricNames: listOf(text, 'it must be a list of names').min(1, 'it must name at least one metric'),
  startTime: time('startTime'),
  endTime: time('endTime'),
  bucketSeconds: z.number(BUCKET_SECONDS).min(0.001, BUCKET_SECONDS).max(1e9, BUCKET_SECONDS).optional(),
  groupBy: optionalText,
  condition: optionalText,
  prices: z.record(z.string(), modelPrice, OBJECT).optional(),
};
const metricQuery = ofTenant<StoreMetricQuery>({
  project: projectRef.optional(),
  tenantId: tenantId.optional(),
  ...metricQueryShape,
});

export const SPAN_OPERATIONS = {
  listTenants: reading('GET tenants', request<object>({}), dataOf(z.array(tenantSummary))),
  listProjects: reading(
    'GET projects',
    ofTenant<Parameters<SpanCalls['listProjects']>[0] & object>({
      tenantId: tenantParameter.optional(),
      name: optionalText,
    }),
    dataOf(z.array(projectRecord)),
  ),
  getProjectById: reading('GET projects/by-id', request<{ id: string }>({ id: text }), dataOf(absent(projectRecord))),
  findProjects: reading(
    'GET projects/find',
    ofTenant<Parameters<SpanCalls['findProjects']>[0] & object>({
      tenantId: tenantParameter.optional(),
      idOrName: text.optional(),
    }),
    dataOf(z.array(projectIdentity)),
  ),
  getStatistics: reading(
    'GET statistics',
    ofTenant<Parameters<SpanCalls['getStatistics']>[0]>({
      tenantId: tenantParameter.optional(),
      startTime: time('startTime'),
      endTime: time('endTime'),
    }),
    dataOf(z.array(projectStatistics)),
  ),
  querySpans: reading('POST spans/query', spanQuery, pageOfSpans),
  queryTraces: reading('POST traces/query', traceQuery, pageOf(traceRecord)),
  getMetrics: reading('POST metrics/query', metricQuery, dataOf(z.array(metricPoint))),
} satisfies OperationsOf<SpanCalls>;

const project = optionalText;

/** The options of a provider's reads of spans. */
export const SPAN_INPUTS = {
  /** `limit` is up to the method. */
  spanQuery: request<SpanQuery>({ project, ...spanQueryShape, limit: z.unknown().optional() }),
  traceQuery: request<TraceQuery>({ project, ...traceQueryShape }),
  metricQuery: request<MetricQuery>({ project, allProjects: flag, ...metricQueryShape }),
  ofProject: request<{ project?: string | undefined }>({ project }),
} as const;
