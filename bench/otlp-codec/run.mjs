/**
 * How fast OTLP spans become bytes, and bytes spans, beside OpenTelemetry's serializer on the same spans.
 *
 *     npm run bench -- otlp-codec
 *
 * Prints microseconds a span: the median of the rounds, with the fastest and slowest. Contenders take turns within a round, so that what
 * else the machine does hits all of them. Compare the ratios; the figures themselves are this machine's.
 */
import { isDeepStrictEqual, parseArgs } from 'node:util';
import {
  decodeTraces,
  decodeTracesJson,
  encodeSpanInto,
  encodeTraces,
  encodeTracesJson,
  ProtoWriter,
} from '@cogniverse/foundation/otlp';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '9' } } });
const ROUNDS = Number(options.rounds);
const SPANS = 512;

let seed = 1;
const random = () => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return seed / 2 ** 32;
};
const hex = (digits) => Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('');
const text = (length) => 'lorem ipsum dolor sit amet '.repeat(Math.ceil(length / 27)).slice(0, length);

/** Six attributes: what a search span carries. */
const searchAttributes = (i) => [
  ['openinference.span.kind', 'RETRIEVER'],
  ['session.id', `session-${i % 40}`],
  ['input.value', `how do I bake bread number ${i}`],
  ['top_k', 10],
  ['latency_ms', random() * 100],
  ['cached', i % 2 === 0],
];
/** Seventeen, a tenth of them with long texts: what the store's measurements were made on. */
const modelAttributes = (i) => [
  ...searchAttributes(i),
  ['llm.model_name', 'gpt-4o-mini'],
  ['llm.provider', 'openai'],
  ['llm.token_count.prompt', 1000 + i],
  ['llm.token_count.completion', 200 + i],
  ['llm.token_count.total', 1200 + 2 * i],
  ['user.id', `user-${i % 100}`],
  ['tag.tags', ['production', 'v2']],
  ['metadata', '{"region":"eu-west-1","tier":"gold"}'],
  ['output.value', i % 10 === 0 ? text(6000) : text(120)],
  ['llm.invocation_parameters', '{"temperature":0.2,"max_tokens":1024}'],
  ['tenant.id', `tenant-${i % 20}`],
];

function workload(attributesOf) {
  const ours = [];
  const theirs = [];
  const resource = resourceFromAttributes({ 'service.name': 'bench' });
  const instrumentationScope = { name: 'bench' }; // one object: the serializer groups spans by it
  for (let i = 0; i < SPANS; i += 1) {
    const attributes = attributesOf(i);
    const [traceId, spanId, parentSpanId] = [hex(32), hex(16), hex(16)];
    const start = 1_700_000_000_000_000_000n + BigInt(i) * 1_234_567n;
    const end = start + 41_999_001n;
    const split = (nanos) => [Number(nanos / 1_000_000_000n), Number(nanos % 1_000_000_000n)];
    ours.push({
      traceId,
      spanId,
      traceState: '',
      parentSpanId,
      flags: 257,
      name: 'search_service.search',
      kind: 1,
      startTimeUnixNano: start,
      endTimeUnixNano: end,
      attributes: new Map(attributes),
      droppedAttributesCount: 0,
      events: [],
      droppedEventsCount: 0,
      links: [],
      droppedLinksCount: 0,
      status: { code: 1, message: '' },
      integersAsInt: true,
    });
    theirs.push({
      name: 'search_service.search',
      kind: SpanKind.INTERNAL,
      spanContext: () => ({ traceId, spanId, traceFlags: 1 }),
      parentSpanContext: { traceId, spanId: parentSpanId, traceFlags: 1 },
      startTime: split(start),
      endTime: split(end),
      status: { code: SpanStatusCode.OK },
      attributes: Object.fromEntries(attributes),
      links: [],
      events: [],
      duration: [0, 0],
      ended: true,
      resource,
      instrumentationScope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    });
  }
  return { ours, theirs };
}

/** Runs the contenders in turns; gives microseconds a span of each. `spans` is how many a call handles. */
function compare(title, contenders, spans = SPANS, callsARound = 8) {
  const names = Object.keys(contenders);
  const times = new Map(names.map((name) => [name, []]));
  for (let round = -5; round < ROUNDS; round += 1) {
    for (const name of names) {
      const run = contenders[name];
      const start = process.hrtime.bigint();
      for (let call = 0; call < callsARound; call += 1) run();
      const micros = Number(process.hrtime.bigint() - start) / 1000 / callsARound / spans;
      if (round >= 0) times.get(name).push(micros);
    }
  }
  console.log(`\n${title}`);
  let base;
  for (const name of names) {
    const sorted = times.get(name).sort((a, b) => a - b);
    const median = sorted[sorted.length >> 1];
    base ??= median;
    const figures = `${median.toFixed(3)} us (${sorted[0].toFixed(3)} to ${sorted.at(-1).toFixed(3)})`;
    console.log(`  ${name.padEnd(44)} ${figures.padEnd(34)} ${(median / base).toFixed(2)}x`);
  }
}

let sink = 0;
for (const [name, attributesOf] of [
  ['6 attributes', searchAttributes],
  ['17 attributes, a tenth with 6 kB', modelAttributes],
]) {
  const { ours, theirs } = workload(attributesOf);
  const writer = new ProtoWriter();
  const request = {
    resourceSpans: [
      {
        resource: { attributes: new Map([['service.name', 'bench']]), droppedAttributesCount: 0 },
        schemaUrl: '',
        scopeSpans: [
          {
            scope: { name: 'bench', version: '', attributes: new Map(), droppedAttributesCount: 0 },
            schemaUrl: '',
            spans: ours,
          },
        ],
      },
    ],
  };
  const body = encodeTraces(request);
  const official = ProtobufTraceSerializer.serializeRequest(theirs);
  if (!isDeepStrictEqual(decodeTraces(official), decodeTraces(body)))
    throw new Error('The contenders do not write the same spans.');
  compare(`Encoding ${SPANS} spans of ${name} (${Math.round(body.length / SPANS)} bytes a span)`, {
    'encodeSpanInto, a span at a time': () => {
      for (const span of ours) {
        writer.reset();
        encodeSpanInto(writer, span);
        sink += writer.length;
      }
    },
    'encodeTraces, a request': () => {
      sink += encodeTraces(request).length;
    },
    "OpenTelemetry's ProtobufTraceSerializer": () => {
      sink += ProtobufTraceSerializer.serializeRequest(theirs).length;
    },
  });
  const json = JSON.stringify(encodeTracesJson(decodeTraces(body)));
  compare(
    `Decoding the same ${SPANS} spans`,
    {
      'decodeTraces, protobuf': () => {
        sink += decodeTraces(body).resourceSpans.length;
      },
      'decodeTracesJson, text': () => {
        sink += decodeTracesJson(json).resourceSpans.length;
      },
      'JSON.parse alone': () => {
        sink += JSON.parse(json).resourceSpans.length;
      },
    },
    SPANS,
    4,
  );
}

// Why a length is guessed: a wrong guess moves the span, and a buffer of its own copies it.
{
  const { ours } = workload(modelAttributes);
  const [writer, apart] = [new ProtoWriter({ initialBytes: 2 ** 21 }), new ProtoWriter()];
  const guessed = (lengthBytes) => () => {
    writer.reset();
    for (const span of ours) {
      const start = writer.begin(0x12, lengthBytes);
      encodeSpanInto(writer, span);
      writer.end(start, lengthBytes);
    }
    sink += writer.length;
  };
  compare('The length of a span, written in front of it', {
    'guessed: two bytes': guessed(2),
    'guessed wrong: one byte': guessed(1),
    'written apart, then copied': () => {
      writer.reset();
      for (const span of ours) {
        apart.reset();
        encodeSpanInto(apart, span);
        writer.bytes(0x12, apart.view());
      }
      sink += writer.length;
    },
  });
}

// Why a short string is copied by character: the two ways that `ProtoWriter` takes, apart.
for (const length of [8, 16, 32, 64, 256]) {
  const block = Buffer.allocUnsafeSlow(1024);
  const strings = Array.from({ length: SPANS }, (_, i) => `${text(length - 3)}${100 + (i % 900)}`);
  compare(`A string of ${length} characters`, {
    'by character': () => {
      for (const string of strings) {
        let i = 0;
        for (; i < string.length; i += 1) {
          const code = string.charCodeAt(i);
          if (code >= 0x80) break;
          block[i] = code;
        }
        sink += i;
      }
    },
    'Buffer.write': () => {
      for (const string of strings) sink += block.write(string, 0);
    },
  });
}
if (sink === 0) throw new Error('Nothing was done.');
