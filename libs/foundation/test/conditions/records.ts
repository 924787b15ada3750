/** Records for conditions: spans with what matters to a case. */
import {
  type ConditionLanguage,
  conditionRows,
  matchesCondition,
  parseCondition,
  type SpanRecord,
  type TargetedAnnotation,
} from '@cogniverse/foundation/telemetry';

let count = 0;

/** A root of 100 ms of a trace of its own, unless told otherwise. */
export function span(fields: Partial<SpanRecord> = {}): SpanRecord {
  count += 1;
  const { startTimeUnixNano: start = 1_700_000_000_000_000_000n } = fields;
  return {
    traceId: count.toString(16).padStart(32, '0'),
    spanId: count.toString(16).padStart(16, '0'),
    parentSpanId: undefined,
    name: 'search',
    spanKind: 'CHAIN',
    kind: 'INTERNAL',
    endTimeUnixNano: start + 100_000_000n,
    durationMillis: 100,
    statusCode: 'OK',
    statusMessage: '',
    attributes: {},
    events: [],
    links: [],
    resource: {},
    scope: { name: '', version: '' },
    project: 'search',
    tenantId: 'acme',
    sessionId: undefined,
    toJSON: () => ({}),
    ...fields,
    startTimeUnixNano: start,
  };
}

/** Ids of what the condition is true of, in the order of the records. */
export function found(
  language: ConditionLanguage,
  text: string,
  spans: readonly SpanRecord[],
  annotations: readonly TargetedAnnotation[] = [],
): string[] {
  const condition = parseCondition(language, text);
  const rows = conditionRows({ spans, annotations });
  if (language === 'span') {
    return rows.spans.filter(({ row }) => matchesCondition(condition, row)).map(({ record }) => record.spanId);
  }
  if (language === 'trace') {
    return rows.traces.filter(({ row }) => matchesCondition(condition, row)).map(({ traceId }) => traceId);
  }
  return rows.sessions.filter(({ row }) => matchesCondition(condition, row)).map(({ sessionId }) => sessionId);
}

/** Whether the condition is true of one span. */
export function holds(
  text: string,
  fields: Partial<SpanRecord> = {},
  annotations: readonly TargetedAnnotation[] = [],
): boolean {
  return found('span', text, [span({ spanId: 'a'.repeat(16), ...fields })], annotations).length === 1;
}
