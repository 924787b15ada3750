/**
 * Spans, traces and sessions of one project as the rows that conditions are evaluated on.   Read path: records -> [condition-rows] -> evaluate.
 */
import type { AttributeValue, SpanRecord } from '../providers/records.js';
import type { ConditionLoopSource } from './condition.js';
import type { ConditionAnnotation, ConditionRow, ConditionValue } from './evaluate.js';

export interface TargetedAnnotation extends ConditionAnnotation {
  readonly target: 'span' | 'trace' | 'session';
  /** Span, trace or session id. */
  readonly targetId: string;
}

/** All spans of one project in the order of their ingestion, and what is annotated there. */
export interface ConditionRecords {
  readonly spans: readonly SpanRecord[];
  readonly annotations?: readonly TargetedAnnotation[] | undefined;
}

export interface ConditionRows {
  /** By span id within its trace; in the order of the records. */
  readonly spans: readonly { readonly record: SpanRecord; readonly row: ConditionRow }[];
  readonly traces: readonly { readonly traceId: string; readonly row: ConditionRow }[];
  readonly sessions: readonly { readonly sessionId: string; readonly row: ConditionRow }[];
}

export function conditionRows({ spans, annotations = [] }: ConditionRecords): ConditionRows {
  const notes = new Annotations(annotations);
  const traces = [...grouped(spans, (span) => span.traceId)].map(([id, members]) => new TraceRow(id, members, notes));
  const rowOfSpan = new Map(traces.flatMap((trace) => trace.spans.map((row) => [row.span, row] as const)));
  const inSessions = traces.filter((trace) => trace.sessionId !== undefined);
  return {
    spans: spans.map((record) => ({ record, row: rowOfSpan.get(record)! })),
    traces: traces.map((row) => ({ traceId: row.traceId, row })),
    sessions: [...grouped(inSessions, (trace) => trace.sessionId!)].map(([sessionId, members]) => ({
      sessionId,
      row: new SessionRow(sessionId, members, notes),
    })),
  };
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

class Annotations {
  readonly #byTarget: Map<string, TargetedAnnotation[]>;

  constructor(annotations: readonly TargetedAnnotation[]) {
    this.#byTarget = grouped(annotations, ({ target, targetId }) => `${target}:${targetId}`);
  }

  of(target: TargetedAnnotation['target'], id: string): readonly TargetedAnnotation[] {
    return this.#byTarget.get(`${target}:${id}`) ?? [];
  }
}

class AnnotationRow implements ConditionRow {
  readonly #annotation: ConditionAnnotation;

  constructor(annotation: ConditionAnnotation) {
    this.#annotation = annotation;
  }

  field(name: string): ConditionValue {
    return this.#annotation[name as 'name' | 'label' | 'score' | 'identifier'];
  }
}

class SpanRow implements ConditionRow {
  readonly span: SpanRecord;
  readonly #trace: TraceRow;
  readonly #notes: Annotations;

  constructor(span: SpanRecord, trace: TraceRow, notes: Annotations) {
    this.span = span;
    this.#trace = trace;
    this.#notes = notes;
  }

  get attributes(): Readonly<Record<string, AttributeValue>> {
    return this.span.attributes;
  }

  get parent(): SpanRow | undefined {
    return this.span.parentSpanId === undefined ? undefined : this.#trace.spanById.get(this.span.parentSpanId);
  }

  /** Those whose parent it is, itself included if it is its own. */
  get children(): readonly SpanRow[] {
    return this.#trace.spans.filter(({ span }) => span.parentSpanId === this.span.spanId);
  }

  /** It and all below it, each once, whatever cycles there are. */
  get subtree(): readonly SpanRow[] {
    const found = new Set<SpanRow>([this]);
    for (const row of found) for (const child of row.children) found.add(child);
    return [...found];
  }

  get tokens(): { prompt: number | null; completion: number | null; total: number | null } {
    const prompt = recordedNumber(this.attributes, 'llm.token_count.prompt');
    const completion = recordedNumber(this.attributes, 'llm.token_count.completion');
    return {
      prompt,
      completion,
      total: prompt === null && completion === null ? null : (prompt ?? 0) + (completion ?? 0),
    };
  }

  get costs(): { total: number; prompt: number; completion: number } {
    const cost = (part: string) => recordedNumber(this.attributes, `llm.cost.${part}`) ?? 0;
    return { total: cost('total'), prompt: cost('prompt'), completion: cost('completion') };
  }

  field(name: string): ConditionValue {
    const { span } = this;
    switch (name) {
      case 'span_id':
        return span.spanId;
      case 'trace_id':
        return span.traceId;
      case 'parent_id':
        return span.parentSpanId ?? null;
      case 'span_kind':
        return span.spanKind;
      case 'name':
        return span.name;
      case 'status_code':
        return span.statusCode;
      case 'status_message':
        return span.statusMessage;
      case 'start_time':
        return span.startTimeUnixNano;
      case 'end_time':
        return span.endTimeUnixNano;
      case 'latency_ms':
        return Number(span.endTimeUnixNano - span.startTimeUnixNano) / 1e6;
      case 'cumulative_error_count':
        return this.subtree.filter((row) => row.span.statusCode === 'ERROR').length;
      case 'total_cost':
        return this.costs.total;
      case 'prompt_cost':
        return this.costs.prompt;
      case 'completion_cost':
        return this.costs.completion;
      default: {
        const [, cumulative, part] = /^(cumulative_)?llm_token_count_(prompt|completion|total)$/.exec(name)!;
        const kind = part as 'prompt' | 'completion' | 'total';
        return cumulative === undefined ? this.tokens[kind] : sum(this.subtree.map(({ tokens }) => tokens[kind] ?? 0));
      }
    }
  }

  annotations(target: 'span' | 'trace' | 'session'): readonly ConditionAnnotation[] {
    return target === 'span' ? this.#notes.of('span', this.span.spanId) : this.#notes.of('trace', this.span.traceId);
  }

  rows(source: ConditionLoopSource): readonly ConditionRow[] {
    if (source === 'annotations') return this.annotations('span').map((annotation) => new AnnotationRow(annotation));
    if (source === 'children') return this.children;
    // Siblings have a parent that is stored.
    return this.parent === undefined ? [] : this.parent.children.filter((row) => row !== this);
  }
}

class TraceRow implements ConditionRow {
  readonly traceId: string;
  readonly spans: readonly SpanRow[];
  readonly spanById: ReadonlyMap<string, SpanRow>;
  readonly #notes: Annotations;

  constructor(traceId: string, spans: readonly SpanRecord[], notes: Annotations) {
    this.traceId = traceId;
    this.spans = spans.map((span) => new SpanRow(span, this, notes));
    this.spanById = new Map(this.spans.map((row) => [row.span.spanId, row]));
    this.#notes = notes;
  }

  /** The earliest span without a parent id. */
  get root(): SpanRow | undefined {
    return earliest(this.spans.filter(({ span }) => span.parentSpanId === undefined));
  }

  get sessionId(): string | undefined {
    return earliest(this.spans.filter(({ span }) => span.sessionId !== undefined))?.span.sessionId;
  }

  get start(): bigint {
    return least(this.spans.map(({ span }) => span.startTimeUnixNano));
  }

  get end(): bigint {
    return -least(this.spans.map(({ span }) => -span.endTimeUnixNano));
  }

  get attributes(): Readonly<Record<string, AttributeValue>> | undefined {
    return this.root?.attributes;
  }

  get errors(): number {
    return this.spans.filter(({ span }) => span.statusCode === 'ERROR').length;
  }

  field(name: string): ConditionValue {
    const root = this.root?.span;
    switch (name) {
      case 'trace_id':
        return this.traceId;
      case 'start_time':
        return this.start;
      case 'end_time':
        return this.end;
      case 'latency_ms':
        return Number(root ? root.endTimeUnixNano - root.startTimeUnixNano : this.end - this.start) / 1e6;
      case 'input':
        return stringAttribute(root?.attributes, 'input.value');
      case 'output':
        return stringAttribute(root?.attributes, 'output.value');
      case 'num_spans':
        return this.spans.length;
      case 'error_count':
        return this.errors;
      default:
        return sumOf(name, this.spans);
    }
  }

  annotations(): readonly ConditionAnnotation[] {
    return this.#notes.of('trace', this.traceId);
  }

  rows(source: ConditionLoopSource): readonly ConditionRow[] {
    if (source === 'spans') return this.spans;
    if (source === 'trace_annotations') return this.annotations().map((annotation) => new AnnotationRow(annotation));
    return this.spans.flatMap((span) => span.rows('annotations'));
  }
}

class SessionRow implements ConditionRow {
  readonly #id: string;
  readonly #traces: readonly TraceRow[];
  readonly #notes: Annotations;

  /** Its traces, by start, then by id. */
  constructor(id: string, traces: readonly TraceRow[], notes: Annotations) {
    this.#id = id;
    this.#traces = [...traces].sort((a, b) =>
      a.start === b.start ? (a.traceId < b.traceId ? -1 : 1) : a.start < b.start ? -1 : 1,
    );
    this.#notes = notes;
  }

  get #rootsOfTraces(): readonly SpanRow[] {
    return this.#traces.flatMap((trace) => trace.root ?? []);
  }

  get roots(): readonly Readonly<Record<string, AttributeValue>>[] {
    const spans = this.#traces.flatMap((trace) => trace.spans);
    return spans.filter(({ span }) => span.parentSpanId === undefined).map((row) => row.attributes);
  }

  get attributes(): Readonly<Record<string, AttributeValue>> | undefined {
    return this.#rootsOfTraces[0]?.attributes;
  }

  field(name: string): ConditionValue {
    const start = least(this.#traces.map((trace) => trace.start));
    const end = -least(this.#traces.map((trace) => -trace.end));
    switch (name) {
      case 'session_id':
        return this.#id;
      case 'start_time':
        return start;
      case 'end_time':
        return end;
      case 'duration_ms':
        return Number(end - start) / 1e6;
      case 'first_input':
        return stringAttribute(this.attributes, 'input.value');
      case 'last_output':
        return stringAttribute(this.#rootsOfTraces.at(-1)?.attributes, 'output.value');
      case 'num_traces':
        return this.#traces.length;
      case 'num_traces_with_error':
        return this.#traces.filter((trace) => trace.errors > 0).length;
      default:
        return sumOf(
          name,
          this.#traces.flatMap((trace) => trace.spans),
        );
    }
  }

  annotations(): readonly ConditionAnnotation[] {
    return this.#notes.of('session', this.#id);
  }

  rows(source: ConditionLoopSource): readonly ConditionRow[] {
    if (source === 'traces') return this.#traces;
    if (source === 'session_annotations') return this.annotations().map((annotation) => new AnnotationRow(annotation));
    return this.#traces.flatMap((trace) => trace.rows(source));
  }
}

/** The sums and counts that traces and sessions have over their spans; 0 where there is nothing to add. */
function sumOf(name: string, spans: readonly SpanRow[]): number {
  switch (name) {
    case 'token_count_prompt':
      return sum(spans.map(({ tokens }) => tokens.prompt ?? 0));
    case 'token_count_completion':
      return sum(spans.map(({ tokens }) => tokens.completion ?? 0));
    case 'token_count_total':
      return sum(spans.map(({ tokens }) => tokens.total ?? 0));
    case 'total_cost':
      return sum(spans.map(({ costs }) => costs.total));
    case 'prompt_cost':
      return sum(spans.map(({ costs }) => costs.prompt));
    case 'completion_cost':
      return sum(spans.map(({ costs }) => costs.completion));
    case 'tool_span_count':
      return spans.filter(({ span }) => span.spanKind === 'TOOL').length;
    default:
      return spans.filter(({ span }) => span.spanKind === 'LLM').length; // llm_span_count
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function least(values: readonly bigint[]): bigint {
  let best = values[0]!;
  for (const value of values) if (value < best) best = value;
  return best;
}

/** The first of the earliest. */
function earliest(rows: readonly SpanRow[]): SpanRow | undefined {
  return rows.reduce<SpanRow | undefined>(
    (best, row) => (best === undefined || row.span.startTimeUnixNano < best.span.startTimeUnixNano ? row : best),
    undefined,
  );
}

function stringAttribute(attributes: Readonly<Record<string, AttributeValue>> | undefined, key: string): string | null {
  const value = attributes?.[key];
  return typeof value === 'string' ? value : null;
}

/** A finite number that was recorded as such. */
function recordedNumber(attributes: Readonly<Record<string, AttributeValue>>, key: string): number | null {
  const value = attributes[key];
  const number = typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : null;
}
