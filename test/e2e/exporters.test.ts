/**
 * OpenTelemetry's own exporters, unmodified, deliver to `cogniverse serve`, and every field comes back exactly.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeTracesJson } from '@cogniverse/foundation/otlp';
import { type Attributes, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Served, serve } from './serve.js';

const data = mkdtempSync(join(tmpdir(), 'cogniverse exporters '));
let server: Served;
beforeAll(async () => {
  server = await serve(data);
});
afterAll(async () => {
  expect(await server.stop(), server.log()).toBe(0);
  rmSync(data, { recursive: true, force: true });
});

const exporters: [string, () => SpanExporter][] = [
  ['HTTP with protobuf', () => new ProtobufExporter({ url: server.otlpHttp })],
  ['HTTP with JSON', () => new JsonExporter({ url: server.otlpHttp })],
  ['HTTP on the main port', () => new ProtobufExporter({ url: `${server.http}/v1/traces` })],
  ['HTTP with gzip', () => new ProtobufExporter({ url: server.otlpHttp, compression: 'gzip' as never })],
  ['gRPC', () => new GrpcExporter({ url: `http://${server.otlpGrpc}` })],
];

describe.each(exporters)('the OpenTelemetry JS exporter over %s', (transport, createExporter) => {
  const tenantId = `acme-${transport.toLowerCase().replaceAll(' ', '-')}`;
  const project = `cogniverse-${tenantId}-search`;

  it('delivers, and .../spans/otlpv1 gives back every field exactly', async () => {
    const memory = new InMemorySpanExporter();
    const provider = new BasicTracerProvider({
      resource: resourceFromAttributes({
        'service.name': 'search',
        'openinference.project.name': project,
        'process.pid': 4242,
        'list.of.texts': ['a', 'b'],
      }),
      spanProcessors: [new SimpleSpanProcessor(createExporter()), new SimpleSpanProcessor(memory)],
    });
    const tracer = provider.getTracer('a scope', '1.2.3', { schemaUrl: 'https://opentelemetry.io/schemas/1.30.0' });
    const attributes: Attributes = {
      'tenant.id': tenantId,
      text: 'ünïcode, \u0000 and 🦋',
      empty: '',
      whole: 12,
      negative: -9_007_199_254_740_991,
      fraction: 0.1,
      tiny: 5e-324,
      yes: true,
      texts: ['x', '', 'z'],
      numbers: [1, 2.5, -3],
      flags: [true, false],
      'a.dotted.key': 'value',
      __proto__x: 'harmless',
    };
    const root = tracer.startSpan('root', {
      kind: SpanKind.SERVER,
      attributes,
      startTime: [1_760_000_000, 123_456_789],
      links: [
        {
          context: { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), traceFlags: TraceFlags.SAMPLED },
          attributes: { why: 'a link' },
        },
      ],
    });
    root.addEvent('search_results', { rank: 1, 'document.id': 'd1' }, [1_760_000_000, 200_000_001]);
    root.recordException(new TypeError('broken'), [1_760_000_000, 200_000_002]);
    root.setStatus({ code: SpanStatusCode.ERROR, message: 'it failed' });
    const child = tracer.startSpan(
      'child',
      { kind: SpanKind.CLIENT, attributes: { 'tenant.id': tenantId }, startTime: [1_760_000_000, 300_000_000] },
      trace.setSpan(ROOT_CONTEXT, root),
    );
    child.setStatus({ code: SpanStatusCode.OK });
    child.end([1_760_000_000, 300_000_001]);
    root.end([1_760_000_001, 1]);
    await provider.forceFlush();

    const response = await fetch(`${server.http}/v1/projects/${project}/spans/otlpv1?sort=start_time&order=asc`);
    expect(response.status).toBe(200);
    const page = (await response.json()) as { data: object[]; next_cursor: string | null };
    expect(page.next_cursor).toBeNull();
    const { resourceSpans } = decodeTracesJson({ resourceSpans: page.data });
    const found = resourceSpans.flatMap(({ resource, scopeSpans }) =>
      scopeSpans.flatMap(({ scope, schemaUrl, spans }) => spans.map((span) => ({ resource, scope, schemaUrl, span }))),
    );
    expect(found.map(({ span }) => span.name).sort()).toEqual(['child', 'root']);

    const gotRoot = found.find(({ span }) => span.name === 'root')!;
    const gotChild = found.find(({ span }) => span.name === 'child')!;
    const int = (value: number) => BigInt(value);
    expect(Object.fromEntries(gotRoot.resource.attributes)).toEqual({
      'service.name': 'search',
      'openinference.project.name': project,
      'process.pid': int(4242),
      'list.of.texts': ['a', 'b'],
    });
    expect(gotRoot.scope).toMatchObject({ name: 'a scope', version: '1.2.3' });
    expect(gotRoot.schemaUrl).toBe('https://opentelemetry.io/schemas/1.30.0');
    expect(gotRoot.span).toMatchObject({
      traceId: root.spanContext().traceId,
      spanId: root.spanContext().spanId,
      parentSpanId: '',
      kind: 2,
      startTimeUnixNano: 1_760_000_000_123_456_789n,
      endTimeUnixNano: 1_760_000_001_000_000_001n,
      status: { code: 2, message: 'it failed' },
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    });
    expect(Object.fromEntries(gotRoot.span.attributes)).toEqual({
      ...attributes,
      whole: 12n,
      negative: -9_007_199_254_740_991n,
      numbers: [1n, 2.5, -3n],
    });
    expect([...gotRoot.span.attributes.keys()]).toEqual(Object.keys(attributes));
    expect(gotRoot.span.links).toMatchObject([
      { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), attributes: new Map([['why', 'a link']]) },
    ]);
    const [results, exception] = gotRoot.span.events;
    expect(results).toMatchObject({ name: 'search_results', timeUnixNano: 1_760_000_000_200_000_001n });
    expect(Object.fromEntries(results!.attributes)).toEqual({ rank: 1n, 'document.id': 'd1' });
    expect(exception).toMatchObject({ name: 'exception', timeUnixNano: 1_760_000_000_200_000_002n });
    expect(exception!.attributes.get('exception.message')).toBe('broken');
    expect(gotChild.span).toMatchObject({
      parentSpanId: root.spanContext().spanId,
      kind: 3,
      endTimeUnixNano: 1_760_000_000_300_000_001n,
      status: { code: 1, message: '' },
    });
    await provider.shutdown();
  });

  it('and .../spans gives them in the shape of Phoenix', async () => {
    const response = await fetch(`${server.http}/v1/projects/${project}/spans?name=root`);
    const { data: spans } = (await response.json()) as { data: Record<string, unknown>[] };
    expect(spans).toHaveLength(1);
    expect(spans[0]).toMatchObject({
      name: 'root',
      span_kind: 'UNKNOWN',
      parent_id: null,
      status_code: 'ERROR',
      status_message: 'it failed',
      attributes: { whole: 12, fraction: 0.1, 'a.dotted.key': 'value', texts: ['x', '', 'z'] },
      context: { trace_id: expect.stringMatching(/^[0-9a-f]{32}$/), span_id: expect.stringMatching(/^[0-9a-f]{16}$/) },
    });
    expect(new Date(spans[0]!['start_time'] as string).toISOString()).toBe('2025-10-09T08:53:20.123Z');
  });
});
