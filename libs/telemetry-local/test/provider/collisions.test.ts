/**
 * Project names are not injective: `a-b` + `c` and `a` + `b-c` are one name, and so are `getTracer("a-b")` and project `b` of `a`. One process
 * refuses the second; what several processes wrote under one name each tenant reads for itself.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import type { TelemetryProvider } from '@cogniverse/foundation/telemetry';
import { describe, expect, it } from 'vitest';
import { localTelemetry, storeDirectory, storeServer } from './local-telemetry.js';

interface Writer {
  readonly tenantId: string;
  readonly projects: readonly { readonly projectName?: string; readonly tenantWide?: boolean }[];
}

/** The two tenants of each row have the full name `project` both. */
const COLLISIONS: { project: string; one: Writer; other: Writer }[] = [
  {
    project: 'cogniverse-a-b-c',
    one: { tenantId: 'a-b', projects: [{ projectName: 'c' }] },
    other: { tenantId: 'a', projects: [{ projectName: 'b-c' }] },
  },
  {
    project: 'cogniverse-a-b',
    one: { tenantId: 'a-b', projects: [{ tenantWide: true }] },
    other: { tenantId: 'a', projects: [{ projectName: 'b' }] },
  },
];

async function run(providerConfig: object, writer: Writer): Promise<void> {
  const program = fileURLToPath(new URL('./fixtures/colliding-writer.mjs', import.meta.url));
  const child = spawn(process.execPath, [program, JSON.stringify({ providerConfig, ...writer })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  await new Promise((resolve) => child.once('close', resolve));
  expect(JSON.parse(output)).toEqual({ flushed: true, audit: null, exported: writer.projects.length });
}

/** Every read of the traces, metrics and annotations of a project, as one text. */
async function everythingIn({ traces, analytics, annotations }: TelemetryProvider): Promise<string> {
  const spans = await traces.getSpans();
  const read = [
    spans,
    await traces.getSpans({ filters: { sessionId: 'the same' } }),
    await traces.getTraces(),
    await Promise.all(spans.map(({ traceId }) => traces.getTrace(traceId))),
    await analytics.getMetrics({ metricNames: ['span_count', 'trace_count'] }),
    await annotations.getAnnotations({ spans }),
  ];
  return inspect(read, { depth: 20, maxArrayLength: null });
}

describe.each(COLLISIONS)('$one.tenantId and $other.tenantId with the one name $project', ({ project, one, other }) => {
  it('in one process: the second is refused, with both named', async () => {
    const lines: string[] = [];
    const telemetry = localTelemetry({ data_dir: await storeDirectory() }, { warn: (line) => lines.push(line) });
    const start = ({ tenantId, projects }: Writer): boolean | undefined =>
      projects[0]!.tenantWide === true
        ? telemetry.getTracer(tenantId)?.startSpan('x').isRecording()
        : telemetry.span('x', { tenantId, projectName: projects[0]!.projectName }, (span) => span.isRecording());
    const [first, second] = [other, one];
    expect(start(first)).toBe(true);
    expect([false, undefined]).toContain(start(second));
    expect(lines).toEqual([expect.stringContaining(`"${project}"`)]);
    for (const { tenantId } of [one, other]) expect(lines[0]).toContain(`tenant "${tenantId}"`);
    const projectName = second.projects[0]!.projectName ?? project;
    const collision = expect.objectContaining({ code: 'project_collision' });
    expect(() => telemetry.registerProject({ tenantId: second.tenantId, projectName })).toThrow(collision);
    expect(() => telemetry.tenant(second.tenantId, { projectName })).toThrow(collision);
    await expect(telemetry.getProvider(second.tenantId, projectName)).rejects.toEqual(collision);
  });

  it.each([
    ['at once into one server', async () => ({ endpoint: await storeServer() }), true],
    ['one after the other into one data directory', async () => ({ data_dir: await storeDirectory() }), false],
  ] as const)('in two processes, %s: each reads its own alone', { timeout: 120_000 }, async (_how, place, together) => {
    const providerConfig = await place();
    if (together) await Promise.all([run(providerConfig, one), run(providerConfig, other)]);
    else for (const writer of [one, other]) await run(providerConfig, writer);
    const spanIds = new Map<string, string>();
    for (const { tenantId } of [one, other]) {
      // A process of its own for each: one that had both live would refuse the second.
      const handle = localTelemetry(providerConfig).tenant(tenantId, { projectName: project });
      const provider = await handle.provider();
      const spans = await provider.traces.getSpans();
      expect(spans.map((span) => [span.project, span.tenantId, span.attributes['secret']])).toEqual([
        [project, tenantId, `of ${tenantId}`],
      ]);
      spanIds.set(tenantId, spans[0]!.spanId);
      await handle.score({ span: spans[0], name: 'note', explanation: `of ${tenantId}` });
    }
    for (const [mine, theirs] of [
      [one, other],
      [other, one],
    ] as const) {
      const handle = localTelemetry(providerConfig).tenant(mine.tenantId, { projectName: project });
      const read = await everythingIn(await handle.provider());
      expect(read).toContain(`of ${mine.tenantId}'`);
      expect(read).not.toContain(`of ${theirs.tenantId}'`);
      expect(read).not.toContain(spanIds.get(theirs.tenantId));
      const foreign = { spanId: spanIds.get(theirs.tenantId)!, name: 'note', score: 1 };
      await expect(handle.score(foreign)).rejects.toMatchObject({ code: 'span_not_found' });
    }
  });
});
