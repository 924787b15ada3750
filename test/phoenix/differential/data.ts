/** The spans that both servers get: traces as applications send them, and what is odd in them. One list of OTLP requests, the same bytes for both. */
import {
  type AnyValue,
  encodeTraces,
  type OtlpEvent,
  type OtlpSpan,
  type StatusCodeNumber,
} from '@cogniverse/foundation/otlp';

const BASE = BigInt(Date.parse('2026-01-02T03:04:05Z')) * 1_000_000n;
const MILLI = 1_000_000n;

export const SESSIONS = ['session-RUN-a', 'session-RUN-b'] as const;

interface Sketch {
  name?: string;
  parent?: string;
  /** Milliseconds after 2026-01-02T03:04:05Z, and how long. */
  at?: number;
  lasts?: number;
  /** Nanoseconds more. */
  nanos?: bigint;
  status?: StatusCodeNumber;
  message?: string;
  kind?: string;
  attributes?: Record<string, AnyValue>;
  events?: readonly OtlpEvent[];
}

export interface Data {
  /** Bodies of `POST /v1/traces`, in the order in which they are sent. */
  readonly requests: readonly { readonly body: Uint8Array; readonly spanCount: number }[];
  /** What requests name: ids of traces and spans. */
  readonly variables: Record<string, string>;
}

/** `run`: eight hex digits that make names and ids those of this run: Phoenix's ids of spans are unique over all projects. */
export function makeData(run: string, project: string): Data {
  const traceId = (number: number) => `${run}${number.toString(16).padStart(24, '0')}`;
  let spanIds = 0;
  const spanId = (number: number) => `${run}${number.toString(16).padStart(8, '0')}`;
  const span = (trace: number, sketch: Sketch, id?: string): OtlpSpan => {
    spanIds += 1;
    const start = BASE + BigInt(sketch.at ?? 0) * MILLI + (sketch.nanos ?? 0n);
    const attributes = new Map<string, AnyValue>(Object.entries(sketch.attributes ?? {}));
    if (sketch.kind !== undefined) attributes.set('openinference.span.kind', sketch.kind);
    return {
      traceId: traceId(trace),
      spanId: id ?? spanId(spanIds + 1000),
      traceState: '',
      parentSpanId: sketch.parent ?? '',
      flags: 0,
      name: sketch.name ?? 'span',
      kind: 1,
      startTimeUnixNano: start,
      endTimeUnixNano: start + BigInt(sketch.lasts ?? 1) * MILLI,
      attributes,
      droppedAttributesCount: 0,
      events: [...(sketch.events ?? [])],
      droppedEventsCount: 0,
      links: [],
      droppedLinksCount: 0,
      status: { code: sketch.status ?? 0, message: sketch.message ?? '' },
    };
  };
  const event = (name: string, at: number, attributes: Record<string, AnyValue>): OtlpEvent => ({
    timeUnixNano: BASE + BigInt(at) * MILLI,
    name,
    attributes: new Map(Object.entries(attributes)),
    droppedAttributesCount: 0,
  });
  const session = (index: 0 | 1) => SESSIONS[index].replace('RUN', run);
  const root = spanId(1);
  const retriever = spanId(2);
  const llm = spanId(3);

  // An agent's turn whose parent comes last, and a second turn of its session.
  const children = [
    span(
      1,
      {
        name: 'retrieve',
        parent: root,
        kind: 'RETRIEVER',
        at: 100,
        lasts: 200,
        status: 1,
        attributes: {
          'input.value': 'why',
          'retrieval.documents.0.document.content': 'first',
          'retrieval.documents.0.document.score': 0.75,
          'retrieval.documents.1.document.content': 'second',
        },
      },
      retriever,
    ),
    span(
      1,
      {
        name: 'generate',
        parent: root,
        kind: 'LLM',
        at: 300,
        lasts: 650,
        status: 2,
        message: 'cut off',
        attributes: {
          'llm.model_name': 'some-model',
          'llm.token_count.prompt': 10n,
          'llm.token_count.completion': 5n,
          'llm.token_count.total': 15n,
          'llm.input_messages.0.message.role': 'user',
          'llm.input_messages.0.message.content': 'Why? 為什麼 😀',
        },
        events: [
          event('first token', 400, { index: 1n, text: 'B' }),
          event('exception', 900, {
            'exception.type': 'Timeout',
            'exception.message': 'took too long',
            'exception.stacktrace': 'at line 1',
          }),
        ],
      },
      llm,
    ),
  ];
  const parent = span(
    1,
    {
      name: 'answer',
      kind: 'AGENT',
      lasts: 1000,
      attributes: {
        'session.id': session(0),
        'user.id': 'u-1',
        'input.value': 'Why?',
        'input.mime_type': 'text/plain',
        'output.value': '{"text":"Because."}',
        'output.mime_type': 'application/json',
        'tag.tags': ['a', 'b'],
      },
    },
    root,
  );
  const turns = [
    span(2, {
      name: 'answer',
      kind: 'AGENT',
      at: 60_000,
      lasts: 2000,
      status: 1,
      attributes: { 'session.id': session(0), 'user.id': 'u-1', 'input.value': 'How?', 'output.value': 'So.' },
    }),
    span(3, {
      name: 'answer',
      kind: 'CHAIN',
      at: 30_000,
      lasts: 500,
      attributes: { 'session.id': session(1), 'user.id': 'ü-2', 'input.value': 'Who?' },
    }),
  ];
  // A parent that never comes; times below a microsecond; an end before its start.
  const odd = [
    span(4, { name: 'orphan', parent: spanId(999), kind: 'TOOL', at: 5000, lasts: 10 }),
    span(5, { name: 'fine times', kind: 'CHAIN', at: 6000, lasts: 3, nanos: 123_456n }),
    span(6, { name: 'ends before', kind: 'CHAIN', at: 7000, lasts: -5 }),
    span(7, {
      name: 'types',
      kind: 'CHAIN',
      at: 8000,
      attributes: {
        text: 'plain',
        empty: '',
        whole: 12n,
        negative: -3n,
        double: 12.5,
        'double.whole': 12,
        yes: true,
        no: false,
        texts: ['a', 'b'],
        wholes: [1n, 2n],
        mixed: ['a', 1n, true],
        none: [],
        map: new Map<string, AnyValue>([
          ['inner', 'x'],
          ['deep', new Map<string, AnyValue>([['er', 1n]])],
        ]),
        maps: [new Map<string, AnyValue>([['k', 'v']])],
        'dotted.key.path': 'p',
        'ключ.値': 'значение',
        'with blank': 'b',
        'quote"d': 'q',
        'list.3.x': 'sparse',
        'text.more': 'a key below a text',
      },
    }),
    span(8, {
      name: 'metadata',
      kind: 'CHAIN',
      at: 9000,
      attributes: {
        metadata: '{"tier":"gold","n":2,"nested":{"list":[1,2]}}',
        'llm.prompt_template.variables': '{"name":"Ada"}',
        'tool.parameters': 'no JSON',
      },
    }),
    span(9, { name: 'no kind', at: 10_000 }),
    span(10, { name: 'lower-case kind', kind: 'llm', at: 11_000, attributes: { 'llm.token_count.prompt': 7n } }),
    span(11, { name: 'unknown kind', kind: 'WORKFLOW', at: 12_000 }),
    span(12, { name: 'a name with ünïcode, "quotes" & ?#/', kind: 'TOOL', at: 13_000, status: 2 }),
  ];
  const KINDS = ['EMBEDDING', 'RERANKER', 'GUARDRAIL', 'EVALUATOR', 'PROMPT'];
  // Thirty traces out of order, some at the same time, for pages.
  const many = Array.from({ length: 30 }, (_, index) =>
    span(100 + index, {
      name: `page ${index % 5}`,
      kind: KINDS[index % KINDS.length]!,
      at: 100_000 + Math.floor(((index * 7) % 30) / 2) * 1000,
      lasts: 10 + ((index * 11) % 30),
      status: (index % 3) as StatusCodeNumber,
      attributes: { index: BigInt(index), even: index % 2 === 0, third: index / 3 },
    }),
  );
  const groups = [children, [...many.slice(0, 20)], [parent], turns, odd, many.slice(20)];
  const encode = (spans: OtlpSpan[]) =>
    encodeTraces({
      resourceSpans: [
        {
          resource: {
            attributes: new Map([['openinference.project.name', project]]),
            droppedAttributesCount: 0,
          },
          schemaUrl: '',
          scopeSpans: [
            {
              scope: { name: 'differential', version: '1', attributes: new Map(), droppedAttributesCount: 0 },
              schemaUrl: '',
              spans,
            },
          ],
        },
      ],
    });
  return {
    requests: groups.map((spans) => ({ body: encode(spans), spanCount: spans.length })),
    variables: {
      p: project,
      run,
      trace: traceId(1),
      trace2: traceId(2),
      pageTrace: traceId(103),
      root,
      retriever,
      llm,
      session: session(0),
      session2: session(1),
    },
  };
}
