/** Every field of every span comes back as it went in: from the hot table and from the day file. (From the log: crash.test.ts.) */

import type { OtlpResourceSpans, OtlpSpan, OtlpTraces } from '@cogniverse/foundation/otlp';
import { type AnyValue, type Attributes, encodeTraces, encodeTracesJson } from '@cogniverse/foundation/otlp';
import type { StoredSpan, TelemetryStore } from '@cogniverse/foundation/telemetry';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allPages, hex, NOON, openStore, temporaryDirectory } from './store-fixture.js';

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.constantFrom(
    '',
    '\0',
    'a\u0000b',
    '"',
    "'",
    '\\',
    '/',
    '~',
    '__proto__',
    'constructor',
    '\u2028',
    '😀',
    '<',
    's',
    'i5',
  ),
);
const double = fc.oneof(fc.double(), fc.constantFrom(-0, 0, NaN, Infinity, -Infinity, 5, 1e300, Number.MIN_VALUE));
const int = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const { value } = fc.letrec<{ value: AnyValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 3 },
    text,
    fc.boolean(),
    int,
    double,
    fc.uint8Array({ maxLength: 12 }),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(text, tie('value')), { maxLength: 3 }).map((entries) => new Map(entries)),
  ),
}));
const key = fc.oneof(
  text,
  fc.constantFrom(
    'input.value',
    'output.value',
    'session.id',
    'openinference.span.kind',
    'llm.token_count.prompt',
    '7',
    '10',
  ),
);
const attributes: fc.Arbitrary<Attributes> = fc
  .array(fc.tuple(key, value), { maxLength: 6 })
  // What decides tenant and project is fixed, so that the test knows where to look.
  .map((entries) => new Map(entries.filter(([k]) => k !== 'tenant.id' && k !== 'openinference.project.name')));
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const time = fc.oneof(
  fc.bigInt({ min: NOON, max: NOON + 1_000_000_000n }),
  fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  fc.constantFrom(0n, 1n, 2n ** 63n - 1n),
);
const spanId = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }).map((id) => hex(id, 16));
const traceId = fc.bigInt({ min: 1n, max: 2n ** 128n - 1n }).map((id) => hex(id, 32));

const spanArbitrary: fc.Arbitrary<OtlpSpan> = fc
  .record({
    traceId,
    spanId,
    traceState: text,
    parentSpanId: fc.oneof(fc.constant(''), spanId),
    flags: uint32,
    name: text,
    kind: fc.integer({ min: 0, max: 9 }),
    startTimeUnixNano: time,
    endTimeUnixNano: time,
    attributes,
    droppedAttributesCount: uint32,
    events: fc.array(fc.record({ timeUnixNano: time, name: text, attributes, droppedAttributesCount: uint32 }), {
      maxLength: 3,
    }),
    droppedEventsCount: uint32,
    links: fc.array(
      fc.record({ traceId, spanId, traceState: text, attributes, droppedAttributesCount: uint32, flags: uint32 }),
      { maxLength: 2 },
    ),
    droppedLinksCount: uint32,
    status: fc.record({ code: fc.constantFrom(0, 1, 2), message: text }),
  })
  .filter((span) => span.parentSpanId !== span.spanId) as fc.Arbitrary<OtlpSpan>;

const resourceSpans: fc.Arbitrary<OtlpResourceSpans> = fc.record({
  resource: fc.record({ attributes, droppedAttributesCount: uint32 }),
  schemaUrl: text,
  scopeSpans: fc.array(
    fc.record({
      scope: fc.record({ name: text, version: text, attributes, droppedAttributesCount: uint32 }),
      schemaUrl: text,
      spans: fc.array(spanArbitrary, { minLength: 1, maxLength: 5 }),
    }),
    { minLength: 1, maxLength: 2 },
  ),
});
const tracesArbitrary: fc.Arbitrary<OtlpTraces> = fc.record({
  resourceSpans: fc.array(resourceSpans, { minLength: 1, maxLength: 2 }),
});

type Expected = Omit<StoredSpan, 'sequence' | 'project'>;

function expectedOf(traces: OtlpTraces): Expected[] {
  return traces.resourceSpans.flatMap(({ resource, schemaUrl, scopeSpans }) =>
    scopeSpans.flatMap(({ scope, schemaUrl: scopeSchemaUrl, spans }) =>
      spans.map((span) => ({ span, resource, resourceSchemaUrl: schemaUrl, scope, scopeSchemaUrl })),
    ),
  );
}

/** Maps compare without regard to order; this makes it count. */
function withOrder(values: unknown): unknown {
  if (values instanceof Map) return { entries: [...values].map(([k, v]) => [k, withOrder(v)]) };
  if (values instanceof Uint8Array) return { bytes: [...values] };
  if (Array.isArray(values)) return values.map(withOrder);
  if (typeof values === 'object' && values !== null) {
    return Object.fromEntries(Object.entries(values).map(([k, v]) => [k, withOrder(v)]));
  }
  return values;
}

async function readProject(store: TelemetryStore, name: string): Promise<unknown> {
  const found = await allPages(store, { project: { tenantId: null, name }, sort: 'sequence', order: 'asc', limit: 7 });
  return withOrder(found.map(({ sequence: _, project: __, ...rest }) => rest));
}

describe('a stored span', () => {
  it('has every field exactly, hot and in its day file', { timeout: 120_000 }, async () => {
    const dataDir = temporaryDirectory();
    const expected = new Map<string, unknown>();
    const store = await openStore({ dataDir });
    let projects = 0;
    await fc.assert(
      fc.asyncProperty(tracesArbitrary, fc.boolean(), async (traces, json) => {
        const projectName = `project ${projects++}`;
        const body = json ? Buffer.from(JSON.stringify(encodeTracesJson(traces))) : encodeTraces(traces);
        const result = await store.ingest({ body, format: json ? 'json' : 'protobuf', projectName });
        const list = expectedOf(traces);
        expect(result).toMatchObject({ status: 'stored', acceptedSpans: list.length, rejectedSpans: 0 });
        expected.set(projectName, withOrder(list));
        expect(await readProject(store, projectName)).toEqual(expected.get(projectName));
      }),
      { numRuns: 60 },
    );
    await store.shutdown();
    const flushed = await openStore({ dataDir });
    expect(await flushed.figures()).toMatchObject({ hot_spans: 0 });
    for (const [name, list] of expected) expect(await readProject(flushed, name)).toEqual(list);
  });
});
