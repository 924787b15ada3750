/** What a condition may say, and how it is told what it may not. */
import { type ConditionLanguage, InvalidQueryError, parseCondition } from '@cogniverse/foundation/telemetry';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

function refusal(text: string, language: ConditionLanguage = 'span'): string {
  try {
    parseCondition(language, text);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidQueryError);
    return (error as Error).message;
  }
  throw new Error(`accepted: ${text}`);
}

describe('a condition', () => {
  it.each([
    "span_kind == 'LLM' and latency_ms > 500",
    "name in ['search', 'rerank'] or name not in ('x',)",
    '1 < latency_ms <= 30.5e1',
    "llm.model_name == 'gpt-4' and llm.token_count.prompt + llm.token_count.completion > 1_000",
    "attributes['a.b']['c'] is not None and attributes[['a', 'b']] != 3 and attributes['list'][0] == 'x'",
    "metadata['k']['inner'] == True",
    "'x' in input.value and 'y' not in output.value",
    "annotations['q'].label == 'good' and evals['q'].score >= 0.5 and trace_annotations['t'].explanation is None",
    "annotations['q'] and not annotations['r']",
    'parent_span is None or parent_id is None',
    'not (not latency_ms > -1)',
    "start_time >= '2026-07-01T00:00:00Z' and end_time < '2026-07-02'",
    "float(attributes['n']) * 2 - 1 / int(attributes['m']) % 3 > +0.5 and str(attributes['n']) == '1'",
    "\"it's\" in name and r\"\\d\" != name and '''three\nlines''' != name and 'a' 'b' == name",
    "context.span_id == '00' or cumulative_token_count.total > 5",
    "(name == 'x') == True",
    '0x10 < latency_ms < 0b1111111 + 0o17',
  ])('may be: %s', (text) => {
    expect(parseCondition('span', text).text).toBe(text);
  });

  it.each([
    ['trace', "error_count > 0 and any(s.name == 'x' for s in spans)"],
    ['trace', "len([s for s in spans if s.span_kind == 'TOOL' if s.latency_ms > 3]) >= 2"],
    ['trace', 'any(any(c.latency_ms > s.latency_ms for c in s.children) for s in spans)'],
    ['trace', "max(s.end_time for s in spans) > '2026-01-01' and sum(s.llm_token_count_total for s in spans) < 9"],
    ['trace', "any(s.parent_span is None or s.parent_span.name == 'x' for s in spans)"],
    ['trace', "all(a.score > 0.5 for a in span_annotations) and trace_annotations['q'].label == 'x'"],
    ['trace', "user.id == 'u1' and metadata['k'] == 'v' and attributes['a.b'] == 1 and 'x' in input"],
    ['session', "num_traces > 1 and token_count_total < 5 and 'x' in any_input and 'y' not in any_output"],
    ['session', "any(any(s.status_code == 'ERROR' for s in t.spans) and t.latency_ms > 4 for t in traces)"],
    ['session', "session_annotations['mood'].label == 'good' and 'hi' in first_input and last_output is None"],
  ] as const)('on a %s may be: %s', (language, text) => {
    expect(parseCondition(language, text).language).toBe(language);
  });

  it.each([
    ['', 'character 1, before its end: it is empty'],
    ['name ==', 'character 8, before its end: expected a name or a value'],
    [
      "name = 'x'",
      'character 6, before "= \'x\'": expected an operator, `and`, `or`, or the end; to compare, write ==',
    ],
    ['latncy_ms > 5', 'did you mean `latency_ms`?'],
    ["annotations['q'].lable == 'x'", 'an annotation has no `lable`, did you mean `label`?'],
    ["annotations['q'].score.x == 'x'", 'an annotation has no `score`'],
    ["annotations.q == 'x'", "annotations['name']"],
    ["annotations[''].label == 'x'", 'is empty'],
    ['name', '`name` is a text, not a condition; expected a comparison such as `name == ...`'],
    ["name == 'x' and latency_ms", '`latency_ms` is a number, not a condition'],
    ["not attributes['x']", 'is an attribute, not a condition'],
    ['True', 'a constant is no condition on its own'],
    ["latency_ms > '100'", "`'100'` is a text; expected a number; write 100 without quotes"],
    ['name == 3', '`3` is a number; expected a text'],
    ["name in ['a', None]", 'None is found in no list'],
    ["name in [['a']]", 'a list stands on the right'],
    ["'a' in ['a']", 'a constant in a list'],
    ["name in ['a', 1]", '`1` is a number; expected a text'],
    ['3 in name', '`3` is a number; expected a text'],
    ['name in 5', '`in` searches a text or a list'],
    ["name is 'x'", '`is` is for None, True and False'],
    ['name < None', 'None has no order'],
    ["annotations['q'] > False", 'has no order'],
    ["start_time > '2026-07-01T00:00:00'", 'ISO 8601 with its zone'],
    ["start_time > 'yesterday'", 'ISO 8601'],
    ["start_time > attributes['t']", 'a time is compared with a time in quotes'],
    ['parent_span == 3', 'can only be compared with None'],
    ["parent_span.name == 'x'", 'can only be compared with None'],
    ["str(latency_ms) == '1'", 'str() takes an attribute or a text'],
    ["float('1_000') > 1", 'is no number'],
    ['float(name) > 1', 'expected a number'],
    ['latency_ms // 2 == 1', 'the operator // is not supported'],
    ['~latency_ms == 1', '~ is not supported'],
    ['1e999 > 1', 'the number is too large'],
    ["name == 'abc", "the string is not closed; expected '"],
    ["name == b'x'", 'a string cannot begin with "b"'],
    ["name == f'{x}'", 'a string cannot begin with "f"'],
    ["name == '\0'", 'NUL'],
    ["name == '\\0'", 'NUL'],
    ["ｎａｍｅ == 'x'", 'is no name'],
    ['foo(1) == 2', 'there is no `foo(...)`'],
    ["__import__('os').system('x') == 1", 'can be called'],
    ['(lambda: 1)() == 1', 'expected a name or a value'],
    ["any(s.name == 'x' for s in spans)", 'conditions on spans have no loops'],
    ['[x for x in spans] == 1', 'a loop stands in any, all'],
    ["name == 'x'; drop table spans", 'the character ";" has no meaning'],
    [`${'('.repeat(200)}name == 'x'${')'.repeat(200)}`, 'nested too deeply'],
    [`${'not '.repeat(200)}name == 'x'`, 'nested too deeply'],
    [`${'-'.repeat(200)}1 > latency_ms`, 'nested too deeply'],
    [`latency_ms > 1${' + 1'.repeat(200)}`, 'nested too deeply'],
    [`name == '${'x'.repeat(300_000)}'`, '200000 are allowed'],
  ])('is told what is wrong: %s', (text, message) => {
    expect(refusal(text)).toContain(message);
  });

  it.each([
    ['trace', 'num_span > 1', 'there is no `num_span`, did you mean `num_spans`?'],
    ['trace', "strategy == 'x'", 'known are trace_id, input'],
    ['trace', "annotations['x'].label == 'y'", 'there is `trace_annotations`'],
    ['trace', 'spans', 'is a collection; loop over it'],
    ['trace', "any(s.nam == 'x' for s in spans)", '`s` has no `nam`, did you mean `name`?'],
    ['trace', "any(s.name == 'x' for s in span)", 'there is no collection `span`, did you mean `spans`?'],
    ['trace', 'any(error_count > 1 for s in spans)', 'cannot be reached inside a loop'],
    ['trace', 'any(s.name for s in spans)', 'is a text, not a condition'],
    ['trace', 'max(s.name for s in spans) > 1', 'expected a number'],
    ['trace', 'len(s for s in spans) > 1', '`len` takes a list'],
    ['trace', 'len([s.name for s in spans]) > 1', '`len` counts what the loop finds'],
    ['trace', "any(any(s.name == 'x' for s in spans) for s in spans)", 'is the variable of a loop around this one'],
    ['trace', "any(s.name == 'x' for s in spans for t in spans)", 'a loop has one `for`'],
    ['trace', 'any(error_count)', 'takes a loop, such as `any('],
    ['session', "any_input == 'x'", 'stands on the right of `in` only'],
    ['session', "trace_annotations['x'].label == 'y'", 'there is `session_annotations`'],
  ] as const)('on a %s is told what is wrong: %s', (language, text, message) => {
    expect(refusal(text, language)).toContain(message);
  });

  it('may have thousands of operands beside each other', () => {
    const many = Array.from({ length: 5000 }, (_, index) => `name == '${index}'`).join(' or ');
    expect(parseCondition('span', many).expression.kind).toBe('or');
  });

  it('is either understood or refused with a place, whatever text it is', () => {
    const words = fc.constantFrom(
      ...[
        'name',
        "'x'",
        '"',
        "'",
        '\\',
        '==',
        '<',
        'in',
        'not',
        'is',
        'None',
        'and',
        'or',
        '(',
        ')',
        '[',
        ']',
        '.',
        ',',
        '1',
        '1.5e3',
        '-',
        '+',
        '%',
      ],
      ...[
        'annotations',
        'spans',
        'any',
        'len',
        'for',
        's',
        'if',
        'parent_span',
        'attributes',
        'metadata',
        'latency_ms',
        'é',
        '\u2028',
        '__proto__',
      ],
    );
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.array(words, { maxLength: 15 }).map((list) => list.join(' ')),
    );
    fc.assert(
      fc.property(text, fc.constantFrom('span', 'trace', 'session'), (condition, language) => {
        try {
          parseCondition(language as ConditionLanguage, condition);
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidQueryError);
          expect((error as Error).message).toMatch(/^The condition is wrong at character \d+, before /);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
