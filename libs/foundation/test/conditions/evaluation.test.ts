/** What conditions mean, by examples. */
import type { AttributeValue, TargetedAnnotation } from '@cogniverse/foundation/telemetry';
import { describe, expect, it } from 'vitest';
import { found, holds, span } from './records.js';

const attributes = (values: Record<string, AttributeValue>) => ({ attributes: values });

function annotation(fields: Partial<TargetedAnnotation> = {}): TargetedAnnotation {
  return {
    target: 'span',
    targetId: 'a'.repeat(16),
    name: 'q',
    label: 'good',
    score: 0.7,
    explanation: null,
    identifier: '',
    ...fields,
  };
}

describe('a condition on spans', () => {
  it.each([
    ["name == 'search'", true],
    ["name != 'search'", false],
    ["span_kind == 'chain' and status_code in ['ok', 'error']", true],
    ["'SEAR' in name and 'x' not in name", true],
    ['latency_ms == 100 and 50 < latency_ms < 101', true],
    ['latency_ms / 0 == 1 or latency_ms % 0 == 1', false],
    ['not (latency_ms / 0 == 1)', false],
    ["parent_id is None and parent_span is None and not parent_id == 'x'", false],
    ['parent_id is None and parent_span is None', true],
    ["start_time == '2023-11-14T22:13:20Z' and start_time < '2024-01-01'", true],
    ['name in [] or name not in []', true],
    ["status_message == '' and trace_id != span_id", true],
  ])('%s', (text, expected) => {
    expect(holds(text)).toBe(expected);
  });

  it.each([
    ["strategy == 'binary'", { strategy: 'binary' }, true],
    ["strategy != 'binary'", {}, false],
    ['strategy is None', {}, true],
    ['strategy == None', { strategy: '' }, false],
    ["llm.model_name == 'm'", { 'llm.model_name': 'm' }, true],
    ["attributes['llm.model_name'] == 'm' and attributes['llm']['model_name'] == 'm'", { 'llm.model_name': 'm' }, true],
    ['user.id == 7', { user: { id: 7 } }, true],
    ["attributes['user']['id'] == '7'", { user: { id: 7 } }, true],
    ["a.b.c == 'x'", { a: { 'b.c': 'x' } }, true],
    ["a.b.c == 'x'", { 'a.b': 'no map', a: { b: { c: 'x' } } }, true],
    ["metadata['k'] == 'v'", { metadata: '{"k":"v"}' }, true],
    ["metadata['k']['n'] > 1", { metadata: '{"k":{"n":2}}' }, true],
    ["metadata['k'] == 'v'", { 'metadata.k': 'v' }, true],
    ["metadata['k'] is None", { metadata: 'no JSON' }, true],
    ["other['k'] is None", { other: '{"k":"v"}' }, 'refused'],
    ["attributes['other']['k'] is None", { other: '{"k":"v"}' }, true],
    ["attributes['list'][1] == 'b'", { list: ['a', 'b'] }, true],
    ["'b' in tag.tags", { 'tag.tags': ['a', 'b'] }, true],
    ["attributes['n'] > 9", { n: '10' }, true],
    ["attributes['n'] > 9", { n: 'ten' }, false],
    ["attributes['n'] == '10'", { n: 10 }, true],
    ["attributes['n'] > attributes['m']", { n: 10, m: 9 }, true],
    ["attributes['n'] > 9007199254740992", { n: 9007199254740994n }, true],
    ["attributes['f'] == True and attributes['f'] is True", { f: true }, true],
    ["attributes['f'] == False", { f: 'False' }, true],
    ["attributes['f'] == True", { f: 2 }, false],
    ["attributes['f'] in [True, False]", { f: 0 }, true],
    ["attributes['a'] + '-' + attributes['b'] == 'x-y'", { a: 'x', b: 'y' }, true],
    ["attributes['a'] + 1 == 3 and -attributes['a'] == -2", { a: 2 }, true],
    [
      'llm.token_count.prompt + llm.token_count.completion > 10',
      { 'llm.token_count.prompt': 6, 'llm.token_count.completion': 5 },
      true,
    ],
    ['total_cost == 0', {}, true],
    ['total_cost > 0.1', { 'llm.cost.total': 0.2 }, true],
    ["attributes['map'] is not None", { map: { k: 1 } }, true],
    ["attributes['__proto__'] is None and attributes['constructor'] is None", {}, true],
  ])('%s', (text, values, expected) => {
    const result = () => holds(text, attributes(values as Record<string, AttributeValue>));
    if (expected === 'refused') expect(result).toThrow('has no keys');
    else expect(result()).toBe(expected);
  });

  it('looks at annotations, of which any one may make it true', () => {
    const notes = [annotation(), annotation({ label: 'bad', score: 0.1, identifier: 'second' })];
    expect(holds("annotations['q'].label == 'good'", {}, notes)).toBe(true);
    expect(holds("annotations['q'].label == 'bad' and annotations['q'].score > 0.5", {}, notes)).toBe(false);
    expect(holds("evals['q'] and not evals['r'] and evals['r'].score is None", {}, notes)).toBe(true);
    expect(holds("annotations['q'].identifier == 'second'", {}, notes)).toBe(true);
    expect(holds("trace_annotations['q'].label == 'good'", {}, notes)).toBe(false);
  });

  it('knows parents, and what is recorded below a span, whatever cycles there are', () => {
    const one = { traceId: '1'.repeat(32) };
    const tokens = (count: number) => attributes({ 'llm.token_count.prompt': count });
    const spans = [
      span({ ...one, spanId: 'a', name: 'root', ...tokens(1) }),
      span({ ...one, spanId: 'b', parentSpanId: 'a', ...tokens(2) }),
      span({ ...one, spanId: 'c', parentSpanId: 'b', ...tokens(4) }),
      span({ ...one, spanId: 'd', parentSpanId: 'missing', ...tokens(8) }),
      span({ ...one, spanId: 'e', parentSpanId: 'f', ...tokens(16) }),
      span({ ...one, spanId: 'f', parentSpanId: 'e', ...tokens(32) }),
      span({ ...one, spanId: 'g', parentSpanId: 'g', ...tokens(64) }),
    ];
    expect(found('span', 'parent_span is None', spans)).toEqual(['a', 'd']);
    expect(found('span', 'parent_id is not None and parent_span is None', spans)).toEqual(['d']);
    expect(found('span', 'cumulative_llm_token_count_prompt == 7', spans)).toEqual(['a']);
    expect(found('span', 'cumulative_llm_token_count_total in [6, 48, 64]', spans)).toEqual(['b', 'e', 'f', 'g']);
  });
});

describe('a condition on traces', () => {
  const [first, second] = ['1'.repeat(32), '2'.repeat(32)];
  const spans = [
    span({ traceId: first, spanId: 'a', name: 'root', attributes: { 'input.value': 'Hello', 'user.id': 'u1' } }),
    span({
      traceId: first,
      spanId: 'b',
      parentSpanId: 'a',
      spanKind: 'LLM',
      attributes: { 'llm.token_count.prompt': 5 },
    }),
    span({ traceId: first, spanId: 'c', parentSpanId: 'a', spanKind: 'TOOL', statusCode: 'ERROR' }),
    span({ traceId: second, spanId: 'd', parentSpanId: 'gone', endTimeUnixNano: 1_700_000_000_900_000_000n }),
  ];
  const notes = [
    annotation({ targetId: 'b', score: 0.9 }),
    annotation({ target: 'trace', targetId: second, name: 't', label: 'bad' }),
  ];
  it.each([
    ['error_count > 0 and num_spans == 3', [first]],
    ["'HELL' in input and user.id == 'u1' and output is None", [first]],
    ['input is None', [second]],
    ['latency_ms > 500', [second]],
    ['tool_span_count == 1 and llm_span_count == 1 and token_count_total == 5', [first]],
    ["any(s.span_kind == 'llm' for s in spans)", [first]],
    ["all(s.parent_id is None for s in spans if s.name == 'root')", [first, second]],
    ['len([s for s in spans if s.parent_span is None]) == 1', [first, second]],
    ["any(s.parent_span.name == 'root' for s in spans)", [first]],
    ['any(len([c for c in s.children]) == 2 for s in spans)', [first]],
    ["any(any(o.span_kind == 'TOOL' for o in s.siblings) and s.span_kind == 'LLM' for s in spans)", [first]],
    ['any(any(a.score > 0.8 for a in s.annotations) for s in spans)', [first]],
    ["any(a.name == 'q' for a in span_annotations)", [first]],
    ["trace_annotations['t'].label == 'bad'", [second]],
    ["any(a.label == 'bad' for a in trace_annotations)", [second]],
    ['sum(s.llm_token_count_prompt for s in spans) == 0', [second]],
    ['max(s.latency_ms for s in spans) == 900', [second]],
    ["min(s.start_time for s in spans) < '2024-01-01'", [first, second]],
    ['max(s.llm_token_count_prompt for s in spans) is None', [second]],
    ["any(s.cumulative_error_count == 1 and s.name == 'root' for s in spans)", [first]],
  ])('%s', (text, expected) => {
    expect(found('trace', text, spans, notes)).toEqual(expected);
  });
});

describe('a condition on sessions', () => {
  const at = (second: number) => 1_700_000_000_000_000_000n + BigInt(second) * 1_000_000_000n;
  const turn = (id: string, sessionId: string, second: number, values: Record<string, AttributeValue>) =>
    span({ traceId: id.repeat(32), spanId: id, sessionId, startTimeUnixNano: at(second), attributes: values });
  const spans = [
    turn('2', 'chat', 5, { 'input.value': 'second question', 'output.value': 'second answer' }),
    turn('1', 'chat', 0, { 'input.value': 'First question', 'output.value': 'first answer', 'user.id': 'u1' }),
    turn('3', 'other', 0, {}),
    span({ traceId: '3'.repeat(32), spanId: '4', parentSpanId: '3', statusCode: 'ERROR' }),
    span(),
  ];
  const notes = [annotation({ target: 'session', targetId: 'other', name: 'mood' })];
  it.each([
    ['num_traces > 1', ['chat']],
    ["'first' in first_input and last_output == 'second answer' and user.id == 'u1'", ['chat']],
    ["'SECOND' in any_input", ['chat']],
    ["'second' not in any_output", ['other']],
    ['duration_ms == 5100', ['chat']],
    ['num_traces_with_error == 1', ['other']],
    ["session_annotations['mood'].label == 'good'", ['other']],
    ["any(any(s.status_code == 'ERROR' for s in t.spans) for t in traces)", ['other']],
    ["session_id in ['chat']", ['chat']],
    ['len([t for t in traces if t.latency_ms >= 100]) == 2', ['chat']],
  ])('%s', (text, expected) => {
    expect(found('session', text, spans, notes)).toEqual(expected);
  });
});
