/**
 * The names that conditions know, by language and by what a loop runs over.   Read path: [vocabulary] -> resolver, errors, docs.
 *
 * Source: Phoenix 20.26, `phoenix/trace/dsl/{filter,trace_filter,session_filter}.py`.
 */
import type { ConditionLanguage, ConditionLoopSource, ConditionRowKind, ConditionType } from './condition.js';

type Fields = Readonly<Record<string, ConditionType>>;

interface Row {
  readonly fields: Fields;
  readonly loops: Readonly<Partial<Record<ConditionLoopSource, ConditionRowKind>>>;
}

/** Objects without prototype: names come from outside. */
function names<T>(record: Record<string, T>): Readonly<Record<string, T>> {
  return Object.assign(Object.create(null) as Record<string, T>, record);
}

const COSTS = { total_cost: 'number', prompt_cost: 'number', completion_cost: 'number' } as const;
const CUMULATIVE = {
  cumulative_llm_token_count_prompt: 'number',
  cumulative_llm_token_count_completion: 'number',
  cumulative_llm_token_count_total: 'number',
} as const;
const TIMES = { start_time: 'time', end_time: 'time' } as const;
const TOKENS = { token_count_prompt: 'number', token_count_completion: 'number', token_count_total: 'number' } as const;
const KIND_COUNTS = { tool_span_count: 'number', llm_span_count: 'number' } as const;

/** What a condition in a language can say of its row. */
export const LANGUAGES: Readonly<Record<ConditionLanguage, Row>> = {
  span: {
    fields: names({
      span_id: 'string',
      trace_id: 'string',
      parent_id: 'string',
      span_kind: 'string',
      name: 'string',
      status_code: 'string',
      status_message: 'string',
      latency_ms: 'number',
      ...TIMES,
      ...CUMULATIVE,
      ...COSTS,
    } as const),
    loops: {},
  },
  trace: {
    fields: names({
      trace_id: 'string',
      input: 'string',
      output: 'string',
      latency_ms: 'number',
      ...TIMES,
      num_spans: 'number',
      error_count: 'number',
      ...TOKENS,
      ...COSTS,
      ...KIND_COUNTS,
    } as const),
    loops: { spans: 'span', trace_annotations: 'annotation', span_annotations: 'annotation' },
  },
  session: {
    fields: names({
      session_id: 'string',
      first_input: 'string',
      last_output: 'string',
      duration_ms: 'number',
      ...TIMES,
      num_traces: 'number',
      num_traces_with_error: 'number',
      ...TOKENS,
      ...COSTS,
      ...KIND_COUNTS,
    } as const),
    loops: { spans: 'span', traces: 'trace', session_annotations: 'annotation', span_annotations: 'annotation' },
  },
};

/** What can be said of a loop's variable. */
export const ELEMENTS: Readonly<Record<ConditionRowKind, Row>> = {
  span: {
    fields: names({
      name: 'string',
      parent_id: 'string',
      span_kind: 'string',
      status_code: 'string',
      ...TIMES,
      latency_ms: 'number',
      cumulative_error_count: 'number',
      ...CUMULATIVE,
      llm_token_count_prompt: 'number',
      llm_token_count_completion: 'number',
      llm_token_count_total: 'number',
    } as const),
    loops: { children: 'span', siblings: 'span', annotations: 'annotation' },
  },
  trace: { fields: names({ ...TIMES, latency_ms: 'number' } as const), loops: { spans: 'span' } },
  session: { fields: names({}), loops: {} },
  annotation: {
    fields: names({ name: 'string', label: 'string', score: 'number', identifier: 'string' } as const),
    loops: {},
  },
};

/** What annotations are looked up in, by language. */
export const ANNOTATION_ACCESSORS: Readonly<
  Record<ConditionLanguage, Readonly<Record<string, 'span' | 'trace' | 'session'>>>
> = {
  span: names({ annotations: 'span', evals: 'span', trace_annotations: 'trace' } as const),
  trace: names({ trace_annotations: 'trace' } as const),
  session: names({ session_annotations: 'session' } as const),
};

export const ANNOTATION_FIELDS: Readonly<Record<string, 'string' | 'number'>> = names({
  label: 'string',
  score: 'number',
  explanation: 'string',
  identifier: 'string',
} as const);

/** Older spellings that Phoenix takes too. */
export const OLD_NAMES: Readonly<Record<string, string>> = names({
  'context.span_id': 'span_id',
  'context.trace_id': 'trace_id',
  'cumulative_token_count.completion': 'cumulative_llm_token_count_completion',
  'cumulative_token_count.prompt': 'cumulative_llm_token_count_prompt',
  'cumulative_token_count.total': 'cumulative_llm_token_count_total',
});

/** Attributes that are numbers without being told. */
export const NUMBER_ATTRIBUTES: ReadonlySet<string> = new Set([
  'llm.token_count.completion',
  'llm.token_count.prompt',
  'llm.token_count.total',
]);

/** Compared without regard to case: their values are upper case. */
export const UPPER_CASE_FIELDS: ReadonlySet<string> = new Set(['span_kind', 'status_code']);

/** Session language: what stands on the right of `in`, and the attribute that it looks at. */
export const ANY_ROOT: Readonly<Record<string, 'input.value' | 'output.value'>> = names({
  any_input: 'input.value',
  any_output: 'output.value',
} as const);
