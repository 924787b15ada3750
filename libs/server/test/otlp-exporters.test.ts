import { type Link, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, SimpleSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { getJson, startTestServer, type TestServer } from './running-server.js';

let running: TestServer;
beforeAll(async () => {
  running = await startTestServer();
});
afterAll(() => running.stop());

const START: [number, number] = [1_772_366_400, 123_456_789];
const END: [number, number] = [1_772_366_401, 987_654_321];
const linked: Link = {
  context: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: TraceFlags.SAMPLED },
  attributes: { why: 'follows' },
};

/** One trace of a parent and a child with everything that the API can set. */
async function record(exporter: SpanExporter, project: string) {
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'openinference.project.name': project, 'service.name': 'shop', replicas: 3 }),
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  const tracer = provider.getTracer('checkout', '1.2.3');
  const parent = tracer.startSpan('parent', { kind: SpanKind.SERVER, startTime: START });
  const child = tracer.startSpan(
    'Käse "süß"\n日本',
    {
      kind: SpanKind.CLIENT,
      startTime: START,
      links: [linked],
      attributes: {
        text: 'a\u0000b',
        int: 42,
        double: 0.1,
        big: 2 ** 53,
        yes: true,
        list: ['a', 'b'],
        numbers: [1, 2],
        none: [],
      },
    },
    trace.setSpan(ROOT_CONTEXT, parent),
  );
  child.addEvent('retry', { attempt: 2, __proto__x: 'y' }, END);
  child.setStatus({ code: SpanStatusCode.ERROR, message: 'no stock' });
  child.end(END);
  parent.end(END);
  await provider.forceFlush();
  await provider.shutdown();
  return { parent: parent.spanContext(), child: child.spanContext() };
}

it.each([
  ['protobuf', () => new ProtobufExporter({ url: running.server.addresses.otlpHttp })],
  [
    'protobuf on the main port, gzip',
    () => new ProtobufExporter({ url: `${running.url}/v1/traces`, compression: CompressionAlgorithm.GZIP }),
  ],
  ['JSON', () => new JsonExporter({ url: running.server.addresses.otlpHttp })],
  [
    'JSON, gzip',
    () => new JsonExporter({ url: running.server.addresses.otlpHttp, compression: CompressionAlgorithm.GZIP }),
  ],
  ['gRPC', () => new GrpcExporter({ url: `http://${running.server.addresses.otlpGrpc}` })],
  [
    'gRPC, gzip',
    () =>
      new GrpcExporter({ url: `http://${running.server.addresses.otlpGrpc}`, compression: CompressionAlgorithm.GZIP }),
  ],
] as const)("OpenTelemetry's exporter delivers, and every field comes back: %s", async (name, createExporter) => {
  const project = `exporter ${name}`;
  const { parent, child } = await record(createExporter(), project);
  const { status, body } = await getJson(
    `${running.url}/v1/projects/${encodeURIComponent(project)}/spans/otlpv1?order=asc`,
  );
  expect(status).toBe(200);
  expect(body.next_cursor).toBeNull();
  expect(body.data).toHaveLength(1);
  const [group] = body.data;
  expect(group.resource.attributes).toEqual([
    { key: 'openinference.project.name', value: { stringValue: project } },
    { key: 'service.name', value: { stringValue: 'shop' } },
    { key: 'replicas', value: { intValue: '3' } },
  ]);
  expect(group.scopeSpans).toHaveLength(1);
  expect(group.scopeSpans[0].scope).toMatchObject({ name: 'checkout', version: '1.2.3' });
  // The exporter sends each span as it ends and awaits none of them: either may be stored first.
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
  const spans = group.scopeSpans[0].spans.sort(byName);
  expect(spans.map((span: { name: string }) => span.name)).toEqual(['Käse "süß"\n日本', 'parent']);
  expect(spans[0]).toMatchObject({
    traceId: child.traceId,
    spanId: child.spanId,
    parentSpanId: parent.spanId,
    kind: 3,
    startTimeUnixNano: '1772366400123456789',
    endTimeUnixNano: '1772366401987654321',
    status: { code: 2, message: 'no stock' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
    attributes: [
      { key: 'text', value: { stringValue: 'a\u0000b' } },
      { key: 'int', value: { intValue: '42' } },
      { key: 'double', value: { doubleValue: 0.1 } },
      { key: 'big', value: { intValue: '9007199254740992' } },
      { key: 'yes', value: { boolValue: true } },
      { key: 'list', value: { arrayValue: { values: [{ stringValue: 'a' }, { stringValue: 'b' }] } } },
      { key: 'numbers', value: { arrayValue: { values: [{ intValue: '1' }, { intValue: '2' }] } } },
      { key: 'none', value: { arrayValue: { values: [] } } },
    ],
    events: [
      {
        name: 'retry',
        timeUnixNano: '1772366401987654321',
        attributes: [
          { key: 'attempt', value: { intValue: '2' } },
          { key: '__proto__x', value: { stringValue: 'y' } },
        ],
      },
    ],
    links: [
      {
        traceId: 'a'.repeat(32),
        spanId: 'b'.repeat(16),
        attributes: [{ key: 'why', value: { stringValue: 'follows' } }],
      },
    ],
  });
  expect(spans[1]).toMatchObject({ spanId: parent.spanId, parentSpanId: '', kind: 2, status: { code: 0 } });
});
