/** Our span beside OpenTelemetry's own: the same calls must give the same OTLP. */
import { decodeTraces, type OtlpSpan } from '@cogniverse/foundation/otlp';
import {
  type Attributes,
  ROOT_CONTEXT,
  type Span,
  type SpanKind,
  type SpanOptions,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
} from '@opentelemetry/api';
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auditedTelemetry } from './audited-telemetry.js';

const LIMITS = {
  attributeCountLimit: 4,
  attributeValueLengthLimit: 6,
  eventCountLimit: 3,
  linkCountLimit: 2,
  attributePerEventCountLimit: 2,
  attributePerLinkCountLimit: 2,
};

type Step = (span: Span) => unknown;
interface Program {
  readonly name: string;
  readonly options: SpanOptions;
  readonly steps: readonly Step[];
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const text = fc.string({ maxLength: 10 });
/** An integer beyond the safe ones is a double of ours, an int64 of the SDK's. */
const number = fc.double().filter((one) => !Number.isInteger(one) || Number.isSafeInteger(one));
const present = fc.oneof(
  text,
  fc.boolean(),
  fc.integer(),
  number,
  fc.array(text, { maxLength: 3 }),
  fc.array(fc.integer(), { maxLength: 3 }),
);
/** Ours leaves null out everywhere; the SDK does so on spans, but keeps it on events and links. */
const value = fc.oneof(present, fc.constantFrom(null, undefined));
const attributesOf = (values: fc.Arbitrary<unknown>): fc.Arbitrary<Attributes> =>
  fc.dictionary(key, values, { maxKeys: 6, noNullPrototype: true }) as fc.Arbitrary<Attributes>;
const attributes = attributesOf(present);
const time = fc.oneof(
  fc.integer({ min: 1_600_000_000_000, max: 1_900_000_000_000 }),
  fc.date({ min: new Date('2020-01-01'), max: new Date('2030-01-01'), noInvalidDate: true }),
  fc.tuple(fc.integer({ min: 1_600_000_000, max: 1_900_000_000 }), fc.integer({ min: 0, max: 999_999_999 })),
);
const hex = (length: number) => fc.stringMatching(new RegExp(`^[1-9a-f]{${length}}$`));
const link = fc.record({
  context: fc.record({
    traceId: hex(32),
    spanId: hex(16),
    traceFlags: fc.constantFrom(TraceFlags.NONE, TraceFlags.SAMPLED),
  }),
  attributes,
});
/** Ours records an exception without any text too. */
const someText = fc.string({ minLength: 1, maxLength: 10 });
const exception = fc.oneof(
  someText,
  fc.record({ name: text, message: someText }, { requiredKeys: ['message'] }),
  fc.record({ code: fc.integer({ min: 1 }), message: text, stack: text }),
);
const status = fc.record({
  code: fc.constantFrom(SpanStatusCode.UNSET, SpanStatusCode.OK, SpanStatusCode.ERROR),
  message: fc.option(text, { nil: undefined }),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(key, value).map(
    ([k, v]): Step =>
      (span) =>
        span.setAttribute(k, v as string),
  ),
  attributes.map(
    (all): Step =>
      (span) =>
        span.setAttributes(all),
  ),
  fc.tuple(text, attributes, time).map(
    ([name, all, at]): Step =>
      (span) =>
        span.addEvent(name, all, at),
  ),
  fc.tuple(text, time).map(
    ([name, at]): Step =>
      (span) =>
        span.addEvent(name, at),
  ),
  link.map(
    (one): Step =>
      (span) =>
        span.addLink(one as never),
  ),
  fc.array(link, { maxLength: 3 }).map(
    (several): Step =>
      (span) =>
        span.addLinks(several as never),
  ),
  status.map(
    (one): Step =>
      (span) =>
        span.setStatus(one as never),
  ),
  text.map(
    (name): Step =>
      (span) =>
        span.updateName(name),
  ),
  fc.tuple(exception, time).map(
    ([error, at]): Step =>
      (span) =>
        span.recordException(error as never, at),
  ),
  time.map(
    (at): Step =>
      (span) =>
        span.end(at),
  ),
);

const program = fc.record({
  name: text,
  options: fc.record({
    kind: fc.constantFrom(...[0, 1, 2, 3, 4]) as fc.Arbitrary<SpanKind>,
    attributes,
    links: fc.array(link, { maxLength: 3 }) as never,
    startTime: time,
  }),
  steps: fc.array(step, { maxLength: 12 }),
});

function run(tracer: Tracer, { name, options, steps }: Program): void {
  const span = tracer.startSpan(name, options, ROOT_CONTEXT);
  for (const apply of steps) apply(span);
  span.end([1_950_000_000, 1]);
  span.setAttribute('after', 'end').addEvent('after end').updateName('after end');
  expect(span.isRecording()).toBe(false);
}

/** Without what is made anew each time, and what only ours records. */
function comparable(span: OtlpSpan): object {
  const { traceId, spanId, attributes, flags, ...rest } = span;
  expect([traceId, spanId]).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/), expect.stringMatching(/^[0-9a-f]{16}$/)]);
  const own = new Map(attributes);
  for (const added of ['tenant.id', 'service.name', 'environment']) own.delete(added);
  return {
    ...rest,
    attributes: own,
    flags: flags & 0xff,
    links: rest.links.map((one) => ({ ...one, flags: one.flags & 0xff })),
  };
}

describe('a span', () => {
  it("becomes the same OTLP as one of OpenTelemetry's SDK, whatever is called on it, within the same limits", async () => {
    await fc.assert(
      fc.asyncProperty(program as fc.Arbitrary<Program>, async (one) => {
        const exporter = new InMemorySpanExporter();
        const { attributeCountLimit, attributeValueLengthLimit } = LIMITS;
        const provider = new BasicTracerProvider({
          spanLimits: LIMITS,
          generalLimits: { attributeCountLimit, attributeValueLengthLimit },
          spanProcessors: [new SimpleSpanProcessor(exporter)],
        });
        run(provider.getTracer('scope', '1.0'), one);
        const theirs = decodeTraces(ProtobufTraceSerializer.serializeRequest(exporter.getFinishedSpans())!);

        const { telemetry, target, flushed } = auditedTelemetry({ ...LIMITS, trustRemoteContext: true });
        telemetry.withTenant('acme', () => undefined);
        const tracer = telemetry.getTracer('acme')!;
        run(tracer, one);
        await flushed();
        const ours = target.spans.map(({ span }) => span);

        const expected = theirs.resourceSpans[0]!.scopeSpans[0]!.spans;
        expect(ours.map(comparable)).toEqual(expected.map(comparable));
      }),
      { numRuns: 400 },
    );
  });
});
