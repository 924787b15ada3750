/** The middlewares behind OpenTelemetry's own HTTP instrumentations, in programs of ES modules. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

interface Row {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly project: string;
  readonly tenant: string;
  readonly session?: string;
  readonly route?: string;
  readonly aborted?: boolean;
}

const SERVER = 2;
const run = promisify(execFile);

describe.each(['Express', 'Fastify', 'Hono'])('%s behind instrumentation-http', (framework) => {
  it('has each request of a keep-alive connection in its tenant, session and one trace, with outbound calls and listeners', async () => {
    const program = join(import.meta.dirname, 'fixtures/instrumented.mjs');
    const { stdout, stderr } = await run(
      process.execPath,
      ['--import', '@cogniverse/foundation/register', program, framework],
      { cwd: import.meta.dirname, env: { ...process.env, NODE_OPTIONS: '' } },
    );
    expect(stderr).toBe('');
    const { spans, baggageSeen, ...fates } = JSON.parse(stdout) as {
      spans: Row[];
      baggageSeen: string[];
    };
    expect(fates).toEqual({ flushed: true, dropped: {}, audit: null });
    const traces = new Map<string, Row[]>();
    for (const span of spans) traces.set(span.traceId, [...(traces.get(span.traceId) ?? []), span]);
    const requests = [...traces.values()].map((trace) => {
      const inside = new Set(trace.map(({ spanId }) => spanId));
      const [root, ...others] = trace.filter(({ parentSpanId }) => !inside.has(parentSpanId));
      expect(others).toEqual([]);
      const { tenant } = root!;
      for (const span of trace) {
        expect(span).toMatchObject({ tenant, project: `cogniverse-${tenant}-search` });
        // The lower service, which is called with a tenant and no session, is in the trace as well.
        if (span.name !== 'lookup' && !(span.kind === SERVER && span !== root))
          expect(span.session).toBe(`of ${tenant}`);
      }
      expect(root!.kind).toBe(SERVER); // that of the instrumentation; there is no second one
      expect(root!.name).toMatch(new RegExp(` ${root!.route}$`));
      const names = trace.filter((span) => span !== root).map(({ name, kind }) => `${name} ${kind}`);
      return [tenant, root!.name, root!.aborted ?? false, names.sort().join(', ')];
    });
    const search = 'GET 2, GET 2, GET 3, GET 3, lookup 1, lookup 1, plan 1, rank 1';
    expect(requests.sort()).toEqual([
      ['acme', 'GET /hang', true, ''],
      ['acme', 'GET /search/:id', false, search],
      ['acme', 'GET /search/:id', false, search],
      ['acme', 'POST /upload', false, expect.stringMatching(/^(data 1, )+end 1(, parse 1)+$/)],
      ['globex', 'GET /search/:id', false, search],
      ['globex', 'GET /search/:id', false, search],
      ['globex', 'POST /upload', false, expect.stringMatching(/^(data 1, )+end 1(, parse 1)+$/)],
      ['initech', 'GET /search/:id', false, search],
    ]);
    expect(traces.has('0af7651916cd43dd8448eb211c80319c')).toBe(true);
    // Of the one request that brought baggage beside a trusted trace, to both calls, without what names tenant and session.
    expect(baggageSeen).toEqual(['shop=book', 'shop=book']);
  });
});
