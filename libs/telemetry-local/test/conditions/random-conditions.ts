/** Random spans of one project, and random conditions in each language that are always well formed. */
import type { AnyValue, Attributes, OtlpSpan } from '@cogniverse/foundation/otlp';
import type { ConditionLanguage } from '@cogniverse/foundation/telemetry';
import fc from 'fast-check';
import { hex, NOON, span } from '../store/store-fixture.js';

const WORDS = [
  'search',
  'SEARCH',
  "o'brien",
  '"; DROP TABLE spans; --',
  '$p0',
  '%',
  '_',
  '\\',
  'Ärger',
  'ärger',
  '😀',
  '',
  '5',
  'true',
  '1e3',
  'null',
];
const NUMBERS = [0, -0, 5, 5.5, -5, 1000, 2 ** 53];
const KEYS = [
  'k',
  'a.b',
  'a',
  'a.b.c',
  'm',
  'metadata',
  'metadata.k',
  'input.value',
  'output.value',
  'llm.model_name',
  'tag.tags',
  '__proto__',
  "it's",
];
const PATHS = [
  'k',
  'a.b',
  'a',
  'a.b.c',
  'm.x',
  'm.x.y',
  'm.0',
  'metadata.k',
  'metadata.n.o',
  'input.value',
  'output.value',
  'llm.model_name',
  'tag.tags',
  'tag.tags.0',
  '__proto__',
  "it's",
  'user.id',
  'session.id',
  'llm.cost.prompt',
];
const NOTES = ['q', 'r', "o'q"];

const word = fc.constantFrom(...WORDS);
const leaf: fc.Arbitrary<AnyValue> = fc.oneof(
  word,
  fc.boolean(),
  fc.constantFrom(...NUMBERS),
  fc.constantFrom(0n, 1n, 5n, -5n, 2n ** 60n),
  fc.constant(null),
);
const nested: fc.Arbitrary<AnyValue> = fc.oneof(
  leaf,
  fc.array(leaf, { maxLength: 3 }),
  fc
    .array(fc.tuple(fc.constantFrom('x', 'b', 'x.y', 'b.c', 'c', '0'), leaf), { maxLength: 3 })
    .map((entries) => new Map(entries)),
  fc
    .array(
      fc.tuple(
        fc.constantFrom('x', 'b'),
        fc.array(fc.tuple(fc.constantFrom('y', 'c'), leaf), { maxLength: 2 }).map((entries) => new Map(entries)),
      ),
      { maxLength: 2 },
    )
    .map((entries) => new Map<string, AnyValue>(entries)),
);
const json = fc.oneof(
  fc
    .record(
      {
        k: fc.oneof(word, fc.constantFrom(5, true, null, 'v')),
        n: fc.record({ o: fc.oneof(word, fc.integer({ min: -9, max: 9 })) }),
      },
      { requiredKeys: [] },
    )
    .map((value) => JSON.stringify(value)),
  fc.constantFrom('no JSON', '5', '[1,"a"]', '{'),
);
const extra: fc.Arbitrary<[string, AnyValue]>[] = [
  fc.tuple(fc.constantFrom(...KEYS), nested),
  fc.tuple(fc.constant('metadata'), json),
  fc.tuple(fc.constant('user'), fc.constant<AnyValue>(new Map([['id', 7n]]))),
  fc.tuple(
    fc.constantFrom('llm.token_count.prompt', 'llm.token_count.completion'),
    fc.integer({ min: 0, max: 20 }).map(BigInt),
  ),
  fc.tuple(fc.constantFrom('llm.cost.total', 'llm.cost.prompt'), fc.constantFrom(0.25, 0.5, 2)),
  fc.tuple(fc.constant('session.id'), fc.constantFrom('chat', "o'chat", '')),
  fc.tuple(fc.constant('openinference.span.kind'), fc.constantFrom('LLM', 'TOOL', 'chain')),
];
const attributes: fc.Arbitrary<Attributes> = fc
  .array(fc.oneof(...extra), { maxLength: 7 })
  .map((entries) => new Map(entries));

/** Spans of a few traces. Parents are any span of the trace, one that is missing, or the span itself. */
export const randomSpans: fc.Arbitrary<OtlpSpan[]> = fc
  .array(
    fc.record({
      trace: fc.integer({ min: 1, max: 8 }),
      parent: fc.oneof(
        { weight: 2, arbitrary: fc.constant(0) },
        { weight: 5, arbitrary: fc.integer({ min: 1, max: 40 }) },
      ),
      name: word,
      start: fc.integer({ min: 0, max: 5 }),
      length: fc.constantFrom(0, 5, 1000),
      status: fc.constantFrom(0 as const, 1 as const, 2 as const),
      message: fc.constantFrom('', 'failed'),
      attributes,
    }),
    { minLength: 30, maxLength: 30 },
  )
  .map((list) =>
    list.map(({ trace, parent, name, start, length, status, message, ...rest }, index) =>
      span(index, {
        ...rest,
        name,
        traceId: hex(trace, 32),
        spanId: hex(index + 1, 16),
        parentSpanId: parent === 0 ? '' : hex(parent, 16),
        startTimeUnixNano: NOON + BigInt(start) * 1_000_000n,
        endTimeUnixNano: NOON + BigInt(start) * 1_000_000n + BigInt(length) * 1_000_000n,
        status: { code: status, message },
      }),
    ),
  );

const text = (value: string) => JSON.stringify(value); // JSON's strings are Python's
const textLiteral = word.map(text);
const numberLiteral = fc.constantFrom('0', '5', '5.5', '-5', '1000.', '1e3', '9007199254740992', '0.25');
const timeLiteral = fc.constantFrom("'2026-05-28T20:26:40Z'", "'2026-05-28T20:26:40.003Z'", "'2026-05-28'");

interface Terms {
  strings: readonly string[];
  numbers: readonly string[];
  times: readonly string[];
  /** Paths can be read. */
  attributes: boolean;
  notes: readonly string[];
  /** Whole conditions. */
  others: fc.Arbitrary<string>[];
}

const attribute = fc.constantFrom(...PATHS).chain((path) => {
  const parts = path.split('.');
  return fc.constantFrom(`attributes[${text(path)}]`, `attributes[${parts.map(text).join('][')}]`);
});

function conditions(terms: Terms): fc.Arbitrary<string> {
  const paths = terms.attributes ? [attribute] : [];
  const note = (field: string) =>
    fc
      .tuple(fc.constantFrom(...terms.notes), fc.constantFrom(...NOTES))
      .map(([accessor, name]) => `${accessor}[${text(name)}]${field}`);
  const ofNotes = terms.notes.length > 0;
  const typedText = fc.oneof(
    fc.constantFrom(...terms.strings),
    ...(ofNotes ? [note('.label'), note('.identifier'), note('.explanation')] : []),
    ...paths.map((path) => path.map((one) => `str(${one})`)),
  );
  const typedNumber = fc.oneof(
    fc.constantFrom(...terms.numbers),
    ...(ofNotes ? [note('.score')] : []),
    ...paths.map((path) => path.map((one) => `float(${one})`)),
  );
  const anyText = fc.oneof(typedText, ...paths);
  const number = fc.oneof(
    { weight: 3, arbitrary: typedNumber },
    {
      weight: 1,
      arbitrary: fc
        .tuple(typedNumber, fc.constantFrom('+', '-', '*', '/', '%'), fc.oneof(typedNumber, numberLiteral))
        .map(([a, sign, b]) => `(${a} ${sign} ${b})`),
    },
    { weight: 1, arbitrary: typedNumber.map((one) => `-${one}`) },
  );
  const order = fc.constantFrom('==', '!=', '<', '<=', '>', '>=');
  const equality = fc.constantFrom('==', '!=');
  const is = fc.constantFrom('is', 'is not', '==', '!=');
  const tests: fc.Arbitrary<string>[] = [
    fc.tuple(typedText, order, fc.oneof(textLiteral, typedText)).map((parts) => parts.join(' ')),
    fc.tuple(number, order, fc.oneof(numberLiteral, number)).map((parts) => parts.join(' ')),
    fc.tuple(numberLiteral, order, typedNumber, order, numberLiteral).map((parts) => parts.join(' ')),
    fc.tuple(textLiteral, fc.constantFrom('in', 'not in'), anyText).map((parts) => parts.join(' ')),
    fc
      .tuple(
        typedText,
        fc.constantFrom('in', 'not in'),
        fc.array(textLiteral, { maxLength: 3 }).map((list) => `[${list.join(', ')}]`),
      )
      .map((parts) => parts.join(' ')),
    fc
      .tuple(
        typedNumber,
        fc.constantFrom('in', 'not in'),
        fc.array(numberLiteral, { maxLength: 3 }).map((list) => `[${list.join(', ')}]`),
      )
      .map((parts) => parts.join(' ')),
    fc.tuple(fc.oneof(anyText, typedNumber), is, fc.constant('None')).map((parts) => parts.join(' ')),
    ...(terms.times.length > 0
      ? [fc.tuple(fc.constantFrom(...terms.times), order, timeLiteral).map((parts) => parts.join(' '))]
      : []),
    ...(ofNotes ? [note('')] : []),
    ...paths.flatMap((path) => [
      fc.tuple(path, order, fc.oneof(textLiteral, numberLiteral)).map((parts) => parts.join(' ')),
      fc.tuple(path, order, path).map((parts) => parts.join(' ')),
      fc.tuple(path, fc.oneof(equality, is), fc.constantFrom('True', 'False')).map((parts) => parts.join(' ')),
      fc
        .tuple(
          path,
          fc.constantFrom('in', 'not in'),
          fc
            .oneof(fc.array(textLiteral, { maxLength: 3 }), fc.array(numberLiteral, { maxLength: 3 }))
            .map((list) => `[${list.join(', ')}]`),
        )
        .map((parts) => parts.join(' ')),
      fc.tuple(path, path, equality, textLiteral).map(([a, b, sign, value]) => `${a} + '-' + ${b} ${sign} ${value}`),
    ]),
    ...terms.others,
  ];
  const { condition } = fc.letrec<{ condition: string; joined: string }>((tie) => ({
    condition: fc.oneof(
      { maxDepth: 2 },
      { weight: 3, arbitrary: fc.oneof(...tests) },
      { weight: 1, arbitrary: tie('joined') },
    ),
    joined: fc.oneof(
      fc
        .tuple(tie('condition'), fc.constantFrom('and', 'or'), tie('condition'))
        .map(([a, word, b]) => `(${a} ${word} ${b})`),
      tie('condition').map((one) => `not (${one})`),
      tie('condition').map((one) => `(${one}) == True`),
    ),
  }));
  return condition;
}

const COSTS = ['total_cost', 'prompt_cost', 'completion_cost'];
const SUMS = [
  'token_count_prompt',
  'token_count_completion',
  'token_count_total',
  ...COSTS,
  'tool_span_count',
  'llm_span_count',
];
const CUMULATIVE = ['prompt', 'completion', 'total'].map((part) => `cumulative_llm_token_count_${part}`);

/** Loops over `source` of which the elements are `element`, with variable `v`. */
function loops(source: string, element: fc.Arbitrary<string>, numbers: readonly string[]): fc.Arbitrary<string>[] {
  const filter = fc.option(element).map((condition) => (condition === null ? '' : ` if ${condition}`));
  const number = fc.tuple(fc.constantFrom('==', '>', '<'), numberLiteral).map((parts) => parts.join(' '));
  return [
    fc
      .tuple(fc.constantFrom('any', 'all'), element, filter)
      .map(([call, condition, only]) => `${call}(${condition} for v in ${source}${only})`),
    fc.tuple(filter, number).map(([only, compared]) => `len([v for v in ${source}${only}]) ${compared}`),
    fc
      .tuple(fc.constantFrom('sum', 'max', 'min'), fc.constantFrom(...numbers), filter, number)
      .map(([call, value, only, compared]) => `${call}(${value} for v in ${source}${only}) ${compared}`),
  ];
}

const NOTE_TERMS: Terms = {
  strings: ['v.name', 'v.label', 'v.identifier'],
  numbers: ['v.score'],
  times: [],
  attributes: false,
  notes: [],
  others: [],
};
const noteElement = conditions(NOTE_TERMS);
const SPAN_NUMBERS = [
  'latency_ms',
  'cumulative_error_count',
  'llm_token_count_prompt',
  'llm_token_count_total',
  ...CUMULATIVE,
];
const ofSpan = (variable: string): Terms => ({
  strings: ['name', 'parent_id', 'span_kind', 'status_code', 'parent_span.name', 'parent_span.status_code'].map(
    (field) => `${variable}.${field}`,
  ),
  numbers: [...SPAN_NUMBERS, 'parent_span.latency_ms', 'parent_span.cumulative_llm_token_count_total'].map(
    (field) => `${variable}.${field}`,
  ),
  times: [`${variable}.start_time`, `${variable}.end_time`],
  attributes: false,
  notes: [],
  others: [fc.constantFrom(`${variable}.parent_span is None`, `${variable}.parent_span != None`)],
});
const spanNumbers = SPAN_NUMBERS.map((field) => `v.${field}`);
/** Of a span `s`, with loops over what belongs to it, which look back at it. */
const spanElement = conditions({
  ...ofSpan('s'),
  others: [
    ...ofSpan('s').others,
    ...loops(
      's.children',
      fc.oneof(conditions(ofSpan('v')), fc.constantFrom('v.latency_ms > s.latency_ms', 'v.name == s.name')),
      spanNumbers,
    ),
    ...loops('s.siblings', conditions(ofSpan('v')), spanNumbers),
    ...loops('s.annotations', noteElement, ['v.score']),
  ],
});
const outer = (source: string) =>
  fc
    .tuple(fc.constantFrom('any', 'all'), spanElement)
    .map(([call, condition]) => `${call}(${condition} for s in ${source})`);

export const RANDOM_CONDITIONS: Readonly<Record<ConditionLanguage, fc.Arbitrary<string>>> = {
  span: conditions({
    strings: [
      'span_id',
      'trace_id',
      'parent_id',
      'span_kind',
      'name',
      'status_code',
      'status_message',
      'context.span_id',
    ],
    numbers: ['latency_ms', ...CUMULATIVE, ...COSTS, 'llm.token_count.prompt', 'llm.token_count.completion'],
    times: ['start_time', 'end_time'],
    attributes: true,
    notes: ['annotations', 'evals', 'trace_annotations'],
    others: [
      fc.constantFrom('parent_span is None', 'parent_span is not None'),
      fc
        .array(fc.integer({ min: 1, max: 60 }), { maxLength: 3 })
        .map((ids) => `span_id in [${ids.map((id) => `'${hex(id, 16)}'`).join(', ')}]`),
      fc.integer({ min: 0, max: 12 }).map((id) => `trace_id == '${hex(id, 32)}' and parent_id != '${hex(id, 16)}'`),
      fc
        .tuple(fc.constantFrom('in', '=='), fc.constantFrom('llm', 'Tool', 'UNKNOWN'))
        .map(([sign, kind]) => (sign === 'in' ? `span_kind in ['${kind}', 'error']` : `span_kind == '${kind}'`)),
    ],
  }),
  trace: conditions({
    strings: ['trace_id', 'input', 'output'],
    numbers: ['latency_ms', 'num_spans', 'error_count', ...SUMS],
    times: ['start_time', 'end_time'],
    attributes: true,
    notes: ['trace_annotations'],
    others: [
      outer('spans'),
      ...loops('spans', conditions(ofSpan('v')), spanNumbers),
      ...loops('span_annotations', noteElement, ['v.score']),
      ...loops('trace_annotations', noteElement, ['v.score']),
      fc
        .tuple(fc.constantFrom('max', 'min'), fc.constantFrom('<', '>=', '=='), timeLiteral)
        .map(([call, sign, time]) => `${call}(s.end_time for s in spans) ${sign} ${time}`),
    ],
  }),
  session: conditions({
    strings: ['session_id', 'first_input', 'last_output'],
    numbers: ['duration_ms', 'num_traces', 'num_traces_with_error', ...SUMS],
    times: ['start_time', 'end_time'],
    attributes: true,
    notes: ['session_annotations'],
    others: [
      outer('spans'),
      ...loops('spans', conditions(ofSpan('v')), spanNumbers),
      ...loops(
        'traces',
        fc.oneof(
          fc
            .tuple(fc.constantFrom('>', '==', '!='), numberLiteral)
            .map(([sign, value]) => `v.latency_ms ${sign} ${value}`),
          timeLiteral.map((time) => `v.start_time >= ${time}`),
          conditions(ofSpan('s')).map((condition) => `any(${condition} for s in v.spans)`),
        ),
        ['v.latency_ms'],
      ),
      ...loops('span_annotations', noteElement, ['v.score']),
      ...loops('session_annotations', noteElement, ['v.score']),
      fc
        .tuple(textLiteral, fc.constantFrom('in', 'not in'), fc.constantFrom('any_input', 'any_output'))
        .map((parts) => parts.join(' ')),
    ],
  }),
};

export const randomNotes = fc.array(
  fc.record({
    span: fc.integer({ min: 1, max: 30 }),
    name: fc.constantFrom(...NOTES),
    label: fc.option(word),
    score: fc.option(fc.constantFrom(0, 0.25, 5)),
    explanation: fc.option(word),
    identifier: fc.constantFrom('', 'second'),
  }),
  { maxLength: 30 },
);
