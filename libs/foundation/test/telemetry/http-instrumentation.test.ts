import type { OtlpSpan } from '@cogniverse/foundation/otlp';
import { type ScriptedBackend, startScriptedBackend } from '@cogniverse/foundation/telemetry/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runProgram } from './run-program.js';

interface Sent extends OtlpSpan {
  project: string;
}

let backend: ScriptedBackend;
beforeAll(async () => {
  backend = await startScriptedBackend();
});
afterAll(() => backend.close());

describe("an application of ES modules with OpenTelemetry's own instrumentations", () => {
  it("has every span of a request in its tenant's project, in one trace, from client to the lower service", async () => {
    const rounds = 40;
    const result = await runProgram('http-app.mjs', {
      nodeArgs: ['--import', '@cogniverse/foundation/register'],
      args: [`${backend.httpEndpoint}/v1/traces`, String(rounds)],
    });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    const report = JSON.parse(result.stdout);
    // 9 spans a round, and none of our own requests to the backend.
    expect(report).toMatchObject({
      flushed: true,
      audit: null,
      total: { ended: rounds * 9, exported: rounds * 9, dropped: {} },
    });
    const spans = backend.requests.flatMap(({ traces }) =>
      traces!.resourceSpans.flatMap(({ resource, scopeSpans }) =>
        scopeSpans.flatMap((scope) =>
          scope.spans.map(
            (span): Sent => ({ ...span, project: String(resource.attributes.get('openinference.project.name')) }),
          ),
        ),
      ),
    );
    const traces = groupBy(spans);
    expect(traces.size).toBe(rounds);
    for (const trace of traces.values()) {
      const names = trace.map((span) => span.name).sort();
      expect(names).toEqual(['GET', 'GET', 'POST', 'POST', 'authenticate', 'client', 'lookup', 'parse', 'search']);
      const round = trace.find((span) => span.name === 'client')!.attributes.get('round') as bigint;
      const tenant = round % 2n === 0n ? 'acme' : 'globex';
      expect(new Set(trace.map((span) => span.project))).toEqual(new Set([`cogniverse-${tenant}-video-search`]));
      expect(new Set(trace.map((span) => span.attributes.get('tenant.id')))).toEqual(new Set([tenant]));
      // client -> GET (client) -> GET (server) -> search -> POST (client) -> POST (server) -> lookup
      const path = ['client'];
      for (let span = trace.find(({ name }) => name === 'lookup'); span !== undefined; ) {
        path.splice(1, 0, `${span.name} ${span.kind}`);
        const { parentSpanId } = span;
        span = trace.find(({ spanId }) => spanId === parentSpanId);
      }
      expect(path.slice(1)).toEqual(['client 1', 'GET 3', 'GET 2', 'search 1', 'POST 3', 'POST 2', 'lookup 1']);
    }
  });
});

function groupBy(spans: readonly Sent[]): Map<string, Sent[]> {
  const groups = new Map<string, Sent[]>();
  for (const span of spans) groups.set(span.traceId, [...(groups.get(span.traceId) ?? []), span]);
  return groups;
}
