/** `cogniverse import-phoenix`, from a real Phoenix: what comes over, what does not, twice, and interrupted. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type AnyValue, encodeTraces, type OtlpSpan } from '@cogniverse/foundation/otlp';
import { toSpanRecord } from '@cogniverse/foundation/telemetry';
import { openLocalStore } from '@cogniverse/telemetry-local';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownPhoenix, PHOENIX_START_MILLIS, phoenixCanRun, SKIPPED, waitForSpans } from './phoenix.js';

const COMMAND = resolve(import.meta.dirname, '../../libs/cli/dist/cogniverse.cjs');
const SPANS = 603;
const PROJECT = 'to be moved';
const START = 1_795_357_045_123_456_789n;

const traceId = (at: number) => `c${(at >> 1).toString(16).padStart(31, '0')}`;
const spanId = (at: number) => `d${at.toString(16).padStart(15, '0')}`;

function sentSpan(at: number): OtlpSpan {
  const attributes: [string, AnyValue][] = [
    ['openinference.span.kind', 'LLM'],
    ['tenant.id', 'of the old days'],
    ['session.id', `session ${at % 7}`],
    ['llm.model_name', 'm'],
    ['llm.token_count.prompt', 10n],
    ['big', 9_007_199_254_740_993n],
    ['double', 12],
    ['flag', true],
    ['list', ['a', 'b']],
    ['metadata', '{"k":"v","n":{"x":1}}'],
    ['input.value', 'say "int_value": 12 \\ and "start_time_unix_nano": 5'],
    ['llm.input_messages.0.message.role', 'user'],
  ];
  return {
    traceId: traceId(at),
    spanId: spanId(at),
    parentSpanId: at % 2 === 1 ? spanId(at - 1) : '',
    traceState: '',
    flags: 0,
    name: `span ${at}`,
    kind: 3,
    startTimeUnixNano: START + BigInt(at) * 1_000_000n,
    endTimeUnixNano: START + BigInt(at) * 1_000_000n + 5_000_000n,
    attributes: new Map(attributes),
    droppedAttributesCount: 0,
    events: [{ name: 'e', timeUnixNano: START, attributes: new Map([['x', 1n]]), droppedAttributesCount: 0 }],
    droppedEventsCount: 0,
    links: [],
    droppedLinksCount: 0,
    status: { code: at % 2 === 1 ? 2 : 0, message: at % 2 === 1 ? 'bad' : '' },
  };
}

describe.skipIf(!phoenixCanRun)(`cogniverse import-phoenix ${SKIPPED}`, () => {
  let phoenix: Awaited<ReturnType<typeof ownPhoenix>>;
  const directory = mkdtempSync(join(tmpdir(), 'cogniverse import-phoenix '));
  afterAll(async () => {
    await phoenix?.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  const at = (...names: string[]) => join(directory, ...names);

  async function post<T>(path: string, body: unknown): Promise<T> {
    const response = await fetch(`${phoenix.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  beforeAll(async () => {
    // Of its own: it brings all data sets over, and those of other tests change meanwhile.
    phoenix = await ownPhoenix();
    for (let from = 0; from < SPANS; from += 200) {
      const spans = Array.from({ length: Math.min(200, SPANS - from) }, (_, i) => sentSpan(from + i));
      const resource = { attributes: new Map([['openinference.project.name', PROJECT]]), droppedAttributesCount: 0 };
      const scope = { name: 's', version: '', attributes: new Map(), droppedAttributesCount: 0 };
      const body = encodeTraces({
        resourceSpans: [{ resource, schemaUrl: '', scopeSpans: [{ scope, schemaUrl: '', spans }] }],
      });
      const response = await fetch(`${phoenix.url}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-protobuf' },
        body: new Uint8Array(body),
      });
      expect(response.status).toBe(200);
    }
    await waitForSpans(phoenix.url, PROJECT, SPANS, 150_000);
    const judged = {
      annotator_kind: 'LLM',
      result: { label: 'good', score: 0.5, explanation: 'why' },
      metadata: { a: 1 },
    };
    await post('/v1/span_annotations?sync=true', {
      data: [{ span_id: spanId(7), name: 'relevance', identifier: 'i', ...judged }],
    });
    await post('/v1/trace_annotations?sync=true', { data: [{ trace_id: traceId(7), name: 'helpful', ...judged }] });
    await post('/v1/session_annotations?sync=true', { data: [{ session_id: 'session 0', name: 'polite', ...judged }] });
    await post('/v1/span_notes', { data: { span_id: spanId(7), note: 'look at this' } });
    const uploaded = await post<{ data: { dataset_id: string } }>('/v1/datasets/upload?sync=true', {
      action: 'create',
      name: 'moved questions',
      description: 'as asked',
      inputs: [{ q: 1, int_value: 7 }, { q: 2 }],
      outputs: [{ a: 1 }, { a: 2 }],
      metadata: [{}, { m: 1 }],
    });
    const dataset = `/v1/datasets/${uploaded.data.dataset_id}`;
    // A second version, in which one example is changed, one gone and one new; the experiment is over it.
    await post('/v1/datasets/upload?sync=true', {
      action: 'update',
      name: 'moved questions',
      inputs: [{ q: 2 }, { q: 3 }],
      outputs: [{ a: 2 }, { a: 3 }],
      metadata: [{ m: 2 }, {}],
    });
    const { data } = (await (await fetch(`${phoenix.url}${dataset}/examples`)).json()) as {
      data: { examples: { node_id: string }[] };
    };
    const experiment = await post<{ data: { id: string } }>(`${dataset}/experiments`, {
      name: 'first of the move',
      metadata: { model: 'm' },
    });
    const times = { start_time: '2026-01-01T00:00:00Z', end_time: '2026-01-01T00:00:01Z' };
    for (const { node_id } of data.examples) {
      const run = await post<{ data: { id: string } }>(`/v1/experiments/${experiment.data.id}/runs`, {
        dataset_example_id: node_id,
        output: 'an answer',
        repetition_number: 1,
        ...times,
      });
      await post('/v1/experiment_evaluations', {
        experiment_run_id: run.data.id,
        name: 'exact',
        annotator_kind: 'CODE',
        result: { score: 1, label: 'yes' },
        ...times,
      });
    }
  }, PHOENIX_START_MILLIS);

  function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const command = [COMMAND, 'import-phoenix', '--project', PROJECT, '--tenant', 'acme', ...args];
    return new Promise((done) => {
      execFile(process.execPath, command, { cwd: directory }, (error, stdout, stderr) => {
        done({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      });
    });
  }

  it('brings spans, sessions, data sets and experiments; a second time nothing changes', {
    timeout: 180_000,
  }, async () => {
    const args = ['--from', phoenix.url, '--to', 'moved', '--data', at('data')];
    const first = await run(...args, '--json');
    expect(first.stderr).toContain('is Phoenix 20.26.1.');
    expect(first.stderr).toContain('Not in Phoenix, so not here: times below a microsecond, links, resources');
    expect([first.code, JSON.parse(first.stdout)]).toEqual([
      0,
      expect.objectContaining({
        spans: SPANS,
        annotations: 4,
        rejectedSpans: 0,
        missing: [],
        runs: expect.any(Number),
      }),
    ]);
    // Content was read back: a sample of the spans, every version and run that came over.
    const { verified, versions, runs } = JSON.parse(first.stdout) as Record<string, never> & {
      verified: Record<string, number>;
    };
    expect(verified).toEqual({ spans: expect.any(Number), versions, runs });
    expect(verified['spans']).toBeGreaterThanOrEqual(SPANS / 50);
    expect(verified['versions']).toBeGreaterThanOrEqual(2);

    const read = async () => {
      const store = await openLocalStore({ dataDir: at('data') });
      try {
        const project = { tenantId: 'acme', name: 'moved' };
        const page = await store.querySpans({ project, filters: { spanId: spanId(7) } });
        const [dataset] = (await store.listDatasets({ tenantId: 'acme' })).filter(
          ({ name }) => name === 'moved questions',
        );
        const experiments = (await store.listExperiments({ tenantId: 'acme' })).filter(
          ({ name }) => name === 'first of the move',
        );
        return {
          projects: await store.listProjects({}),
          annotations: (await store.listAnnotations({ project })).items,
          span: toSpanRecord(page.items[0]!),
          dataset,
          versions: await Promise.all(
            (await store.listDatasetVersions({ tenantId: 'acme', datasetId: dataset!.id })).items.map(async ({ id }) =>
              (await store.getDatasetRows({ tenantId: 'acme', datasetId: dataset!.id, versionId: id })).items.map(
                ({ input, output, metadata }) => ({ input, output, metadata }),
              ),
            ),
          ),
          experiments: experiments.map(({ name, metadata }) => ({ name, model: metadata['model'] })),
          runs: (await store.getRuns({ tenantId: 'acme', experimentId: experiments[0]!.id })).items,
        };
      } finally {
        await store.shutdown();
      }
    };
    const found = await read();
    expect(found.projects).toMatchObject([{ tenantId: 'acme', name: 'moved', spanCount: SPANS }]);
    expect(found.span).toMatchObject({
      traceId: traceId(7),
      parentSpanId: spanId(6),
      name: 'span 7',
      spanKind: 'LLM',
      // Microseconds are what Phoenix keeps.
      startTimeUnixNano: 1_795_357_045_130_457_000n,
      endTimeUnixNano: 1_795_357_045_135_457_000n,
      statusCode: 'ERROR',
      statusMessage: 'bad',
      sessionId: 'session 0',
      events: [{ name: 'e', attributes: { x: 1 } }],
    });
    expect(found.span.attributes).toMatchObject({
      big: 9_007_199_254_740_993n,
      double: 12,
      flag: true,
      list: ['a', 'b'],
      metadata: '{"k":"v","n":{"x":1}}',
      'input.value': 'say "int_value": 12 \\ and "start_time_unix_nano": 5',
      'llm.input_messages.0.message.role': 'user',
    });
    const judged = { annotatorKind: 'LLM', label: 'good', score: 0.5, explanation: 'why', metadata: { a: 1 } };
    expect(found.annotations).toHaveLength(4);
    expect(found.annotations).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ target: 'span', spanId: spanId(7), name: 'relevance', identifier: 'i', ...judged }),
        expect.objectContaining({ target: 'trace', traceId: traceId(7), name: 'helpful', ...judged }),
        expect.objectContaining({ target: 'session', sessionId: 'session 0', name: 'polite', ...judged }),
        expect.objectContaining({ target: 'span', spanId: spanId(7), name: 'note', explanation: 'look at this' }),
      ]),
    );
    expect(found.dataset).toMatchObject({ description: 'as asked', exampleCount: 2 });
    const byQuestion = (rows: { input: Readonly<Record<string, unknown>> }[]) =>
      rows.sort((a, b) => Number(a.input['q']) - Number(b.input['q']));
    // The newest first.
    expect(found.versions.map(byQuestion)).toEqual([
      [
        { input: { q: 2 }, output: { a: 2 }, metadata: { m: 2 } },
        { input: { q: 3 }, output: { a: 3 }, metadata: {} },
      ],
      [
        { input: { q: 1, int_value: 7 }, output: { a: 1 }, metadata: {} },
        { input: { q: 2 }, output: { a: 2 }, metadata: { m: 1 } },
      ],
    ]);
    expect(found.experiments).toEqual([{ name: 'first of the move', model: 'm' }]);
    expect(found.runs).toHaveLength(2);
    expect(found.runs[0]).toMatchObject({
      outputs: { output: 'an answer' },
      evaluations: [{ name: 'exact', annotatorKind: 'CODE', score: 1, label: 'yes' }],
    });

    expect((await run(...args)).code).toBe(0);
    const json = (value: unknown) =>
      JSON.stringify(value, (_key, held) => (typeof held === 'bigint' ? String(held) : held));
    expect(json(await read())).toBe(json(found));
  });

  it('goes on where it was interrupted', { timeout: 180_000 }, async () => {
    let pages = 0;
    // Phoenix, that goes away after its first page of spans.
    const gate: Server = createServer((request, response) => {
      void (async () => {
        const isPage = request.url!.includes('/spans/otlpv1');
        if (isPage) pages += 1;
        if (isPage && pages === 2) {
          response.writeHead(400).end('gone');
          return;
        }
        const answer = await fetch(`${phoenix.url}${request.url}`);
        const version = answer.headers.get('x-phoenix-server-version') ?? '';
        response.writeHead(answer.status, { 'x-phoenix-server-version': version });
        response.end(Buffer.from(await answer.arrayBuffer()));
      })();
    });
    await new Promise<void>((listening) => gate.listen(0, '127.0.0.1', listening));
    try {
      const from = `http://127.0.0.1:${(gate.address() as AddressInfo).port}`;
      const args = ['--from', from, '--data', at('interrupted'), '--state', at('state.json'), '--no-datasets'];
      const broken = await run(...args);
      expect([broken.code, broken.stderr]).toEqual([1, expect.stringContaining('it answered 400: gone')]);
      expect(JSON.parse(readFileSync(at('state.json'), 'utf8'))).toMatchObject({ spans: 500 });
      const other = await run(...args, '--to', 'elsewhere');
      expect([other.code, other.stderr]).toEqual([1, expect.stringContaining('is of another import')]);
      pages = 2;
      const rest = await run(...args);
      expect([rest.code, rest.stderr]).toEqual([0, expect.stringContaining('Going on after 500 spans')]);
      expect(rest.stdout).toMatch(
        new RegExp(
          `^${SPANS.toLocaleString('en-US')} spans, 4 new annotations, 0 data sets in 0 versions, 0 experiments imported into `,
        ),
      );
      expect(pages).toBe(2 + 1);
      expect(existsSync(at('state.json'))).toBe(false);

      // The note says that it is all there; but the store is another one.
      rmSync(at('interrupted'), { recursive: true });
      writeFileSync(
        at('state.json'),
        JSON.stringify({
          of: JSON.stringify([from, PROJECT, 'acme', PROJECT]),
          cursor: 'U3BhbjoxMA==',
          spans: 1190,
          rejectedSpans: 0,
        }),
      );
      const short = await run(...args);
      expect([short.code, short.stderr]).toEqual([
        1,
        expect.stringMatching(/Not all there: Project "to be moved" holds \d+ spans/),
      ]);
    } finally {
      gate.close();
    }
  });

  it('goes on after kill -9 in the middle, and nothing is there twice or missing', { timeout: 180_000 }, async () => {
    let pages = 0;
    let child: ChildProcess | undefined;
    // Between us and Phoenix: when the second page is asked for, the first is stored, and the command is killed.
    const between: Server = createServer((request, response) => {
      void (async () => {
        if (request.url!.includes('/spans/otlpv1')) {
          pages += 1;
          if (pages === 2) child!.kill('SIGKILL');
        }
        const answer = await fetch(`${phoenix.url}${request.url}`);
        const version = answer.headers.get('x-phoenix-server-version') ?? '';
        response.writeHead(answer.status, { 'x-phoenix-server-version': version });
        response.end(Buffer.from(await answer.arrayBuffer()));
      })();
    });
    await new Promise<void>((listening) => between.listen(0, '127.0.0.1', listening));
    try {
      const from = `http://127.0.0.1:${(between.address() as AddressInfo).port}`;
      const args = ['--from', from, '--data', at('killed'), '--state', at('killed.json'), '--no-datasets', '--json'];
      const command = [COMMAND, 'import-phoenix', '--project', PROJECT, '--tenant', 'acme', ...args];
      child = spawn(process.execPath, command, { cwd: directory, stdio: 'ignore' });
      expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);
      expect(JSON.parse(readFileSync(at('killed.json'), 'utf8'))).toMatchObject({ spans: 500 });
      const rest = await run(...args);
      expect([rest.code, JSON.parse(rest.stdout)]).toEqual([
        0,
        expect.objectContaining({ spans: SPANS, rejectedSpans: 0, missing: [] }),
      ]);
      const store = await openLocalStore({ dataDir: at('killed') });
      const [project] = await store.listProjects({ tenantId: 'acme', name: PROJECT });
      const annotations = await store.listAnnotations({ project: { tenantId: 'acme', name: PROJECT } });
      await store.shutdown();
      expect([project!.spanCount, annotations.items.length]).toEqual([SPANS, 4]);
    } finally {
      between.close();
    }
  });

  it('says what is wrong: no Phoenix, no such project', async () => {
    const noProject = await run('--from', phoenix.url, '--project', 'nothing', '--data', at('none'));
    expect([noProject.code, noProject.stderr]).toEqual([
      1,
      expect.stringMatching(/has no project "nothing". It has: .*to be moved/),
    ]);
    const nobody = createServer((_request, response) => response.end('hello'));
    await new Promise<void>((listening) => nobody.listen(0, '127.0.0.1', listening));
    const from = `http://127.0.0.1:${(nobody.address() as AddressInfo).port}`;
    const noPhoenix = await run('--from', from, '--data', at('none'));
    expect([noPhoenix.code, noPhoenix.stderr]).toEqual([1, expect.stringContaining('is no Phoenix')]);
    nobody.close();
  });
});
