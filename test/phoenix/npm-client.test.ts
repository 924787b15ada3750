/** Phoenix's npm client and exporter, unmodified: every function they export, against a real Phoenix and against this project's server. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { methodsOfGuide } from './guide-methods.js';
import { type ForeignModule, loadPhoenixPackage } from './npm-clients.js';
import { PHOENIX_START_MILLIS, phoenixCanRun, SKIPPED, waitForSpans } from './phoenix.js';
import { startTarget, TARGETS, type Target, type TargetName } from './targets.js';

const MODULES = ['', '/spans', '/traces', '/sessions', '/datasets', '/experiments'] as const;
/** What no test calls, and why. */
const DECLARED_OUT: Record<string, string> = {
  '/prompts createPrompt': 'prompts are not kept: 501',
  '/prompts getPrompt': 'prompts are not kept: 501',
  '/prompts listPrompts': 'prompts are not kept: 501',
  '/prompts promptVersion': 'makes an argument of createPrompt, without a request',
  '/prompts toSDK': 'converts a prompt, without a request',
};

/** Names of functions that a test took from a module. */
const called = new Set<string>();

function recorded(subpath: string, module: ForeignModule): ForeignModule {
  return new Proxy(module, {
    get(target, name: string) {
      if (typeof target[name] === 'function') called.add(`${subpath} ${name}`);
      return target[name];
    },
  });
}

const SILENT = Object.fromEntries(
  ['info', 'warn', 'error', 'log', 'debug', 'table'].map((name) => [name, () => undefined]),
);

describe.skipIf(!phoenixCanRun)(`Phoenix's npm client ${SKIPPED}`, () => {
  let root: ForeignModule;
  let spans: ForeignModule;
  let traces: ForeignModule;
  let sessions: ForeignModule;
  let datasets: ForeignModule;
  let experiments: ForeignModule;
  let prompts: ForeignModule;
  let otel: ForeignModule;

  beforeAll(async () => {
    const load = async (subpath: string) =>
      recorded(subpath, await loadPhoenixPackage(`@arizeai/phoenix-client${subpath}`));
    [root, spans, traces, sessions, datasets, experiments] = (await Promise.all(MODULES.map(load))) as [
      ForeignModule,
      ForeignModule,
      ForeignModule,
      ForeignModule,
      ForeignModule,
      ForeignModule,
    ];
    prompts = await loadPhoenixPackage('@arizeai/phoenix-client/prompts');
    otel = await loadPhoenixPackage('@arizeai/phoenix-otel');
  }, PHOENIX_START_MILLIS);

  describe.each(TARGETS)('on %s', (targetName: TargetName) => {
    const project = `npm-${randomUUID()}`;
    const sessionId = `session-${randomUUID()}`;
    let target: Target;
    let client: ForeignModule;
    /** Of the seeded trace: a retriever and a model below the root, which failed. */
    const seeded = { traceId: '', root: '', retriever: '', llm: '', secondTraceId: '' };

    beforeAll(async () => {
      target = await startTarget(targetName);
      client = root['createClient']({ options: { baseUrl: target.url } });
      const provider = otel['register']({ projectName: project, url: target.url, global: false });
      const tracer = provider.getTracer('seed');
      const { trace, context } = otel as { trace: ForeignModule; context: ForeignModule };
      const startTime = new Date('2026-01-02T03:04:05Z');
      const rootSpan = tracer.startSpan('answer', {
        startTime,
        attributes: {
          'openinference.span.kind': 'CHAIN',
          'session.id': sessionId,
          'input.value': 'Why?',
          'output.value': 'Because.',
          'user.id': 'u-1',
        },
      });
      const inside = trace['setSpan'](context['active'](), rootSpan);
      const retriever = tracer.startSpan(
        'retrieve',
        {
          startTime,
          attributes: {
            'openinference.span.kind': 'RETRIEVER',
            'retrieval.documents.0.document.content': 'first',
            'retrieval.documents.1.document.content': 'second',
          },
        },
        inside,
      );
      retriever.end();
      const llm = tracer.startSpan(
        'generate',
        {
          startTime,
          attributes: {
            'openinference.span.kind': 'LLM',
            'llm.model_name': 'some-model',
            'llm.token_count.prompt': 10,
            'llm.token_count.completion': 5,
            'llm.token_count.total': 15,
          },
        },
        inside,
      );
      llm.addEvent('first token', { index: 1 });
      llm.setStatus({ code: 2, message: 'cut off' });
      llm.end();
      rootSpan.end();
      const second = tracer.startSpan('answer', {
        startTime: new Date(startTime.getTime() + 1000),
        attributes: {
          'openinference.span.kind': 'CHAIN',
          'session.id': sessionId,
          'input.value': 'How?',
          'output.value': 'So.',
        },
      });
      second.end();
      await provider.forceFlush();
      await provider.shutdown();
      Object.assign(seeded, {
        traceId: rootSpan.spanContext().traceId,
        root: rootSpan.spanContext().spanId,
        retriever: retriever.spanContext().spanId,
        llm: llm.spanContext().spanId,
        secondTraceId: second.spanContext().traceId,
      });
      await waitForSpans(target.url, project, 4);
    }, PHOENIX_START_MILLIS);
    afterAll(() => target.stop());

    it('createClient, getMergedOptions and createAuthFetch reach the server and read its version', async () => {
      expect(root['getMergedOptions']({ options: { baseUrl: target.url } })).toMatchObject({ baseUrl: target.url });
      expect(await client['getServerVersion']()).toEqual([20, 26, 1]);
      const tokens: unknown[] = [];
      const fetch = root['createAuthFetch']({ getAccessToken: async (how: unknown) => String(tokens.push(how)) });
      const response = (await fetch(`${target.url}/v1/projects`)) as Response;
      expect([response.status, tokens]).toEqual([200, [{ forceRefresh: false }]]);
    });

    it('the typed client lists, creates, reads, changes and deletes projects', async () => {
      const name = `${project}-made`;
      const made = await client['POST']('/v1/projects', { body: { name, description: 'first' } });
      expect(made.data.data).toMatchObject({ name, description: 'first' });
      const path = { project_identifier: made.data.data.id };
      const listed = await client['GET']('/v1/projects', { params: { query: { name_contains: project, limit: 10 } } });
      expect(listed.data.data.map((item: ForeignModule) => item['name']).sort()).toEqual([project, name]);
      const changed = await client['PUT']('/v1/projects/{project_identifier}', {
        params: { path },
        body: { description: 'second' },
      });
      expect(changed.data.data).toMatchObject({ name, description: 'second' });
      const read = await client['GET']('/v1/projects/{project_identifier}', { params: { path } });
      expect(read.data.data).toMatchObject({ name, description: 'second' });
      const deleted = await client['DELETE']('/v1/projects/{project_identifier}', { params: { path } });
      expect(deleted.response.status).toBe(204);
      await expect(
        client['GET']('/v1/projects/{project_identifier}', { params: { path: { project_identifier: name } } }),
      ).rejects.toBeInstanceOf(root['HttpError']);
    });

    it('getSpans finds spans by every filter and pages', async () => {
      const names = async (query: object) => {
        const { spans: found } = await spans['getSpans']({ client, project: { projectName: project }, ...query });
        return found.map((span: ForeignModule) => span['name']).sort();
      };
      expect(await names({})).toEqual(['answer', 'answer', 'generate', 'retrieve']);
      expect(await names({ traceIds: [seeded.secondTraceId] })).toEqual(['answer']);
      expect(await names({ name: ['generate', 'retrieve'] })).toEqual(['generate', 'retrieve']);
      expect(await names({ spanKind: ['LLM', 'RETRIEVER'] })).toEqual(['generate', 'retrieve']);
      expect(await names({ statusCode: 'ERROR' })).toEqual(['generate']);
      expect(await names({ parentId: null })).toEqual(['answer', 'answer']);
      expect(await names({ parentId: seeded.root })).toEqual(['generate', 'retrieve']);
      expect(await names({ attributes: { 'llm.token_count.total': 15 } })).toEqual(['generate']);
      expect(await names({ attributes: { 'user.id': 'u-1', 'input.value': 'Why?' } })).toEqual(['answer']);
      expect(await names({ startTime: new Date(Date.now() + 3_600_000) })).toEqual([]);
      expect(await names({ endTime: '2026-01-02T03:04:05Z' })).toEqual([]);
      const first = await spans['getSpans']({ client, project: { projectName: project }, limit: 3 });
      const rest = await spans['getSpans']({ client, project: { project }, limit: 3, cursor: first.nextCursor });
      expect([first.spans.length, rest.spans.length, rest.nextCursor]).toEqual([3, 1, null]);
      expect(new Set([...first.spans, ...rest.spans].map(({ id }) => id)).size).toBe(4);
      const { spans: found } = await spans['getSpans']({ client, project: { project }, name: 'generate' });
      expect(found[0]).toMatchObject({
        name: 'generate',
        context: { trace_id: seeded.traceId, span_id: seeded.llm },
        span_kind: 'LLM',
        parent_id: seeded.root,
        status_code: 'ERROR',
        status_message: 'cut off',
        attributes: { 'llm.model_name': 'some-model', 'llm.token_count.prompt': 10 },
        events: [{ name: 'first token', attributes: { index: 1 } }],
      });
    });

    it('addSpanAnnotation, logSpanAnnotations and addSpanNote are read by getSpanAnnotations', async () => {
      const annotation = { spanId: seeded.llm, name: 'quality', annotatorKind: 'LLM' };
      const { id } = await spans['addSpanAnnotation']({
        client,
        sync: true,
        spanAnnotation: { ...annotation, label: 'good', score: 0.5, explanation: 'why', metadata: { model: 'm' } },
      });
      const again = await spans['addSpanAnnotation']({
        client,
        sync: true,
        spanAnnotation: { ...annotation, label: 'better' },
      });
      expect(again.id).toBe(id);
      const logged = await spans['logSpanAnnotations']({
        client,
        sync: true,
        spanAnnotations: [
          { spanId: seeded.llm, name: 'speed', annotatorKind: 'CODE', score: 1, identifier: 'run-1' },
          { spanId: seeded.root, name: 'quality', annotatorKind: 'HUMAN', score: 0.25 },
        ],
      });
      expect(logged).toHaveLength(2);
      const note = await spans['addSpanNote']({ client, spanNote: { spanId: seeded.llm, note: 'look at this' } });
      expect(note.id).toEqual(expect.any(String));
      const read = async (query: object) => {
        const { annotations } = await spans['getSpanAnnotations']({ client, project: { project }, ...query });
        return annotations;
      };
      const all = await read({ spanIds: [seeded.llm, seeded.root] });
      expect(all.map((item: ForeignModule) => `${item['name']} ${item['span_id']}`).sort()).toEqual(
        [`note ${seeded.llm}`, `quality ${seeded.llm}`, `quality ${seeded.root}`, `speed ${seeded.llm}`].sort(),
      );
      const [better] = await read({ spanIds: [seeded.llm], includeAnnotationNames: ['quality'] });
      expect(better).toMatchObject({
        id,
        name: 'quality',
        annotator_kind: 'LLM',
        span_id: seeded.llm,
        identifier: '',
        source: 'API',
        result: { label: 'better', score: null, explanation: null },
      });
      const others = await read({ spanIds: [seeded.llm], excludeAnnotationNames: ['quality', 'note'] });
      expect(others).toMatchObject([{ name: 'speed', identifier: 'run-1', result: { score: 1 } }]);
      const page = await spans['getSpanAnnotations']({ client, project: { project }, spanIds: [seeded.llm], limit: 2 });
      expect([page.annotations.length, typeof page.nextCursor]).toEqual([2, 'string']);
      const next = await read({ spanIds: [seeded.llm], limit: 2, cursor: page.nextCursor });
      expect(next).toHaveLength(1);
      // Without `sync` nothing comes back, and the annotation follows.
      expect(
        await spans['addSpanAnnotation']({ client, spanAnnotation: { spanId: seeded.llm, name: 'late', score: 1 } }),
      ).toBeNull();
      await expect.poll(() => read({ spanIds: [seeded.llm], includeAnnotationNames: ['late'] })).toHaveLength(1);
    });

    it('addDocumentAnnotation and logDocumentAnnotations are taken', async () => {
      const documentAnnotation = { spanId: seeded.retriever, name: 'relevance', annotatorKind: 'LLM', score: 1 };
      expect(
        await spans['addDocumentAnnotation']({
          client,
          sync: true,
          documentAnnotation: { ...documentAnnotation, documentPosition: 0 },
        }),
      ).toEqual({ id: expect.any(String) });
      expect(
        await spans['logDocumentAnnotations']({
          client,
          sync: true,
          documentAnnotations: [0, 1].map((documentPosition) => ({ ...documentAnnotation, documentPosition })),
        }),
      ).toEqual([{ id: expect.any(String) }, { id: expect.any(String) }]);
    });

    it('logSpans writes spans, refuses duplicates, and deleteSpan deletes one', async () => {
      const own = `${project}-logged`;
      const made = (spanId: string, parentId: string | null) => ({
        name: `span ${spanId}`,
        context: { trace_id: randomUUID().replaceAll('-', ''), span_id: spanId },
        span_kind: 'CHAIN',
        ...(parentId !== null && { parent_id: parentId }),
        start_time: '2026-01-02T03:04:05.123456+00:00',
        end_time: '2026-01-02T03:04:06+00:00',
        status_code: 'OK',
        attributes: { 'custom.key': 'value', 'llm.token_count.total': 3 },
      });
      const ids = [1, 2].map(() => randomUUID().replaceAll('-', '').slice(0, 16)) as [string, string];
      const written = [made(ids[0], null), made(ids[1], ids[0])];
      // A project must be there before this client can log into it.
      await client['POST']('/v1/projects', { body: { name: own } });
      expect(await spans['logSpans']({ client, project: { projectName: own }, spans: written })).toEqual({
        totalReceived: 2,
        totalQueued: 2,
      });
      await waitForSpans(target.url, own, 2);
      const { spans: found } = await spans['getSpans']({ client, project: { project: own }, name: `span ${ids[0]}` });
      expect(found[0]).toMatchObject({
        parent_id: null,
        span_kind: 'CHAIN',
        start_time: '2026-01-02T03:04:05.123456+00:00',
        end_time: '2026-01-02T03:04:06+00:00',
        attributes: { 'custom.key': 'value', 'llm.token_count.total': 3 },
      });
      await expect(spans['logSpans']({ client, project: { projectName: own }, spans: written })).rejects.toThrow();
      expect(spans['SpanCreationError'].prototype).toBeInstanceOf(Error);
      await spans['deleteSpan']({ client, spanIdentifier: ids[0] });
      const { spans: left } = await spans['getSpans']({ client, project: { project: own } });
      expect(left.map((span: ForeignModule) => span['context'].span_id)).toEqual([ids[1]]);
      await expect(spans['deleteSpan']({ client, spanIdentifier: ids[0] })).rejects.toThrow();
    });

    it('getTraces sorts, pages, includes spans and finds a session', async () => {
      const read = (query: object) => traces['getTraces']({ client, project: { projectName: project }, ...query });
      const { traces: both } = await read({ sort: 'start_time', order: 'asc', includeSpans: true });
      expect(both.map((trace: ForeignModule) => [trace['trace_id'], trace['spans'].length])).toEqual([
        [seeded.traceId, 3],
        [seeded.secondTraceId, 1],
      ]);
      expect(both[0]).toMatchObject({ token_count_prompt: 10, token_count_completion: 5, token_count_total: 15 });
      expect((await read({ sessionId })).traces).toHaveLength(2);
      expect((await read({ startTime: new Date(Date.now() + 3_600_000) })).traces).toEqual([]);
      expect((await read({ endTime: new Date(Date.now() + 3_600_000), sort: 'latency_ms' })).traces).toHaveLength(2);
      const first = await read({ limit: 1 });
      const second = await read({ limit: 1, cursor: first.nextCursor });
      expect([first, second].map((page) => page.traces[0].trace_id)).toEqual([seeded.secondTraceId, seeded.traceId]);
      expect(second.nextCursor).toBeNull();
    });

    it('addTraceAnnotation, logTraceAnnotations and addTraceNote are read back', async () => {
      const annotation = { traceId: seeded.traceId, name: 'correctness', annotatorKind: 'HUMAN', label: 'correct' };
      expect(await traces['addTraceAnnotation']({ client, sync: true, traceAnnotation: annotation })).toEqual({
        id: expect.any(String),
      });
      expect(
        await traces['logTraceAnnotations']({
          client,
          sync: true,
          traceAnnotations: [{ ...annotation, name: 'tone', score: 0.5 }],
        }),
      ).toEqual([{ id: expect.any(String) }]);
      await traces['addTraceNote']({ client, traceNote: { traceId: seeded.traceId, note: 'fine' } });
      const { data } = await client['GET']('/v1/projects/{project_identifier}/trace_annotations', {
        params: { path: { project_identifier: project }, query: { trace_ids: [seeded.traceId] } },
      });
      expect(data.data.map((item: ForeignModule) => [item['name'], item['trace_id']]).sort()).toEqual([
        ['correctness', seeded.traceId],
        ['note', seeded.traceId],
        ['tone', seeded.traceId],
      ]);
    });

    it('listSessions, getSession and getSessionTurns tell what was asked and answered', async () => {
      const listed = await sessions['listSessions']({ client, project });
      expect(listed).toMatchObject([{ sessionId, traces: [{}, {}] }]);
      const session = await sessions['getSession']({ client, sessionId });
      expect(session).toEqual(listed[0]);
      expect((await sessions['getSession']({ client, sessionId: session.id })).sessionId).toBe(sessionId);
      const turns = await sessions['getSessionTurns']({ client, sessionId });
      expect(turns).toMatchObject([
        { traceId: seeded.traceId, input: { value: 'Why?' }, output: { value: 'Because.' } },
        { traceId: seeded.secondTraceId, input: { value: 'How?' }, output: { value: 'So.' } },
      ]);
    });

    it('addSessionAnnotation, logSessionAnnotations and addSessionNote are read back', async () => {
      const annotation = { sessionId, name: 'mood', annotatorKind: 'HUMAN', score: 1 };
      expect(await sessions['addSessionAnnotation']({ client, sync: true, sessionAnnotation: annotation })).toEqual({
        id: expect.any(String),
      });
      expect(
        await sessions['logSessionAnnotations']({
          client,
          sync: true,
          sessionAnnotations: [{ ...annotation, name: 'length', label: 'short' }],
        }),
      ).toEqual([{ id: expect.any(String) }]);
      await sessions['addSessionNote']({ client, sessionNote: { sessionId, note: 'resolved' } });
      const { data } = await client['GET']('/v1/projects/{project_identifier}/session_annotations', {
        params: { path: { project_identifier: project }, query: { session_ids: [sessionId] } },
      });
      expect(data.data.map((item: ForeignModule) => item['name']).sort()).toEqual(['length', 'mood', 'note']);
    });

    it('deleteSession and deleteSessions delete them with their traces', async () => {
      const own = `${project}-sessions`;
      const ids = ['a', 'b', 'c'].map((letter) => `${letter}-${randomUUID()}`) as [string, string, string];
      const provider = otel['register']({ projectName: own, url: target.url, global: false });
      for (const id of ids)
        provider
          .getTracer('t')
          .startSpan('turn', { attributes: { 'session.id': id } })
          .end();
      await provider.forceFlush();
      await provider.shutdown();
      await waitForSpans(target.url, own, 3);
      await sessions['deleteSession']({ client, sessionId: ids[0] });
      expect(await sessions['listSessions']({ client, project: own })).toHaveLength(2);
      await sessions['deleteSessions']({ client, sessionIds: [ids[1], ids[2]] });
      expect(await sessions['listSessions']({ client, project: own })).toEqual([]);
      const { spans: left } = await spans['getSpans']({ client, project: { project: own } });
      expect(left).toEqual([]);
    });

    it('createDataset, appendDatasetExamples, getDataset, getDatasetExamples and getDatasetInfo', async () => {
      const name = `${project}-cities`;
      const examples = [
        { input: { q: 'France' }, output: { a: 'Paris' }, metadata: { n: 1 }, splits: ['train'], id: 'fr' },
        { input: { q: 'Japan' }, output: { a: 'Tokyo' }, splits: 'test' },
      ];
      const { datasetId } = await datasets['createDataset']({ client, name, description: 'capitals', examples });
      const before = await datasets['getDataset']({ client, dataset: { datasetId } });
      expect(before).toMatchObject({ id: datasetId, name, description: 'capitals' });
      expect(before.examples.map((example: ForeignModule) => example['input'].q).sort()).toEqual(['France', 'Japan']);
      const appended = await datasets['appendDatasetExamples']({
        client,
        dataset: { datasetName: name },
        examples: [{ input: { q: 'Peru' }, output: { a: 'Lima' } }],
      });
      expect(appended.datasetId).toBe(datasetId);
      expect(appended.versionId).not.toBe(before.versionId);
      const questions = async (dataset: object) => {
        const { examples: found } = await datasets['getDatasetExamples']({ client, dataset });
        return found.map((example: ForeignModule) => example['input'].q).sort();
      };
      expect(await questions({ datasetName: name })).toEqual(['France', 'Japan', 'Peru']);
      expect(await questions({ datasetId, versionId: before.versionId })).toEqual(['France', 'Japan']);
      expect(await questions({ datasetId, splits: ['train'] })).toEqual(['France']);
      expect(await datasets['getDatasetInfo']({ client, dataset: { datasetName: name } })).toMatchObject({
        id: datasetId,
        name,
        description: 'capitals',
      });
      // What is not uploaded again is gone in the next version.
      await datasets['createDataset']({ client, name, description: 'capitals', examples: examples.slice(0, 1) });
      expect(await questions({ datasetId })).toEqual(['France']);
    });

    describe('experiments', () => {
      let datasetId = '';
      const evaluator = () =>
        experiments['asExperimentEvaluator']({
          name: 'exact',
          kind: 'CODE',
          evaluate: async ({ output, expected }: ForeignModule) => ({
            score: output === expected?.['a'] ? 1 : 0,
            label: output === expected?.['a'] ? 'right' : 'wrong',
          }),
        });
      const capitals = (example: ForeignModule) => {
        if (example['input'].q === 'Atlantis') throw new Error('no such place');
        return example['input'].q === 'France' ? 'Paris' : 'unknown';
      };
      const evaluationsOf = async (experimentId: string) => {
        const { data } = await client['GET']('/v1/experiments/{experiment_id}/json', {
          params: { path: { experiment_id: experimentId } },
          parseAs: 'json',
        });
        return data.flatMap((run: ForeignModule) =>
          run['annotations'].map((item: ForeignModule) => `${run['input'].q} ${item['name']} ${item['label']}`),
        );
      };

      beforeAll(async () => {
        ({ datasetId } = await datasets['createDataset']({
          client,
          name: `${project}-experiments`,
          description: '',
          examples: ['France', 'Japan', 'Atlantis'].map((q) => ({
            input: { q },
            output: { a: q === 'France' ? 'Paris' : 'Tokyo' },
          })),
        }));
      });

      it('runExperiment runs tasks and evaluators, and records runs, evaluations and spans', async () => {
        const ran = await experiments['runExperiment']({
          client,
          experimentName: 'first',
          experimentDescription: 'the first',
          experimentMetadata: { temperature: 0 },
          dataset: { datasetId },
          task: capitals,
          evaluators: [evaluator()],
          logger: SILENT,
          repetitions: 2,
        });
        expect(ran).toMatchObject({
          datasetId,
          repetitions: 2,
          metadata: { temperature: 0 },
          exampleCount: 3,
          successfulRunCount: 4,
          failedRunCount: 2,
          missingRunCount: 0,
        });
        expect(Object.keys(ran.runs)).toHaveLength(6);
        expect(ran.evaluationRuns).toHaveLength(6);
        await expect.poll(async () => (await evaluationsOf(ran.id)).length).toBe(6);
        expect((await evaluationsOf(ran.id)).sort()).toEqual([
          'Atlantis exact wrong',
          'Atlantis exact wrong',
          'France exact right',
          'France exact right',
          'Japan exact wrong',
          'Japan exact wrong',
        ]);
        await waitForSpans(target.url, ran.projectName, 6);
        const { spans: tasks } = await spans['getSpans']({ client, project: { projectName: ran.projectName } });
        expect(new Set(tasks.map((span: ForeignModule) => span['name']))).toEqual(new Set(['Task: capitals']));
      });

      it('createExperiment, resumeExperiment and resumeEvaluation do what is missing', async () => {
        const made = await experiments['createExperiment']({
          client,
          datasetId,
          experimentName: 'resumed',
          experimentMetadata: { step: 1 },
        });
        expect(made).toMatchObject({ datasetId, exampleCount: 3, missingRunCount: 3, successfulRunCount: 0 });
        await experiments['resumeExperiment']({
          client,
          experimentId: made.id,
          task: capitals,
          evaluators: [evaluator()],
          logger: SILENT,
        });
        const info = await experiments['getExperimentInfo']({ client, experimentId: made.id });
        expect(info).toMatchObject({ successfulRunCount: 2, failedRunCount: 1, missingRunCount: 0 });
        const asked: string[] = [];
        await experiments['resumeExperiment']({
          client,
          experimentId: made.id,
          task: (example: ForeignModule) => {
            asked.push(example['input'].q);
            return 'unknown';
          },
          logger: SILENT,
        });
        expect(asked).toEqual(['Atlantis']);
        await experiments['resumeEvaluation']({
          client,
          experimentId: made.id,
          evaluators: [
            experiments['asEvaluator']({ name: 'short', kind: 'CODE', evaluate: () => ({ label: 'yes', score: 1 }) }),
          ],
          logger: SILENT,
        });
        await expect
          .poll(async () => (await evaluationsOf(made.id)).filter((text: string) => text.includes('short')).length)
          .toBe(3);
      });

      it('evaluateExperiment judges an experiment that is done; getExperiment, getExperimentRuns, listExperiments and deleteExperiment', async () => {
        const ran = await experiments['runExperiment']({
          client,
          experimentName: 'judged later',
          dataset: { datasetName: `${project}-experiments` },
          task: capitals,
          logger: SILENT,
        });
        expect(ran.evaluationRuns).toEqual([]);
        const { evaluationRuns } = await experiments['evaluateExperiment']({
          client,
          experiment: ran,
          evaluators: [evaluator()],
          logger: SILENT,
        });
        expect(evaluationRuns).toHaveLength(3);
        await expect.poll(async () => (await evaluationsOf(ran.id)).length).toBe(3);
        const read = await experiments['getExperiment']({ client, experimentId: ran.id });
        expect(Object.keys(read.runs).sort()).toEqual(Object.keys(ran.runs).sort());
        const { runs } = await experiments['getExperimentRuns']({ client, experimentId: ran.id, pageSize: 2 });
        expect(runs.map((run: ForeignModule) => run['output'] ?? run['error']).sort()).toEqual([
          'Paris',
          'no such place',
          'unknown',
        ]);
        const ids = async () =>
          (await experiments['listExperiments']({ client, datasetId })).map((item: ForeignModule) => item['id']);
        expect(await ids()).toContain(ran.id);
        await experiments['deleteExperiment']({ client, experimentId: ran.id, deleteProject: true });
        expect(await ids()).not.toContain(ran.id);
      });

      it('a dry run sends nothing', async () => {
        const before = await experiments['listExperiments']({ client, datasetId });
        const ran = await experiments['runExperiment']({
          client,
          dataset: { datasetId },
          task: capitals,
          evaluators: experiments['getExperimentEvaluators']([
            evaluator(),
            experiments['fromPhoenixLLMEvaluator']({
              name: 'judge',
              kind: 'LLM',
              evaluate: async () => ({ score: 1, label: 'fine' }),
            }),
          ]),
          logger: SILENT,
          dryRun: 2,
        });
        expect(Object.keys(ran.runs)).toHaveLength(2);
        expect(ran.evaluationRuns).toHaveLength(4);
        expect(await experiments['listExperiments']({ client, datasetId })).toEqual(before);
      });
    });

    it('listPrompts is answered by Phoenix, and refused with 501 by this server', async () => {
      const listed = prompts['listPrompts']({ client }).then(
        () => 200,
        (error: ForeignModule) => error['response'].status,
      );
      expect(await listed).toBe(targetName === 'Phoenix' ? 200 : 501);
    });
  });

  it('is called in full: every function of its modules, but those declared out', async () => {
    const exported: string[] = [];
    for (const subpath of [...MODULES, '/prompts']) {
      const module = await loadPhoenixPackage(`@arizeai/phoenix-client${subpath}`);
      for (const [name, value] of Object.entries(module)) {
        if (typeof value === 'function') exported.push(`${subpath} ${name}`);
      }
    }
    expect([...called, ...Object.keys(DECLARED_OUT)].sort()).toEqual(exported.sort());
    const named = methodsOfGuide(/^`@arizeai\/phoenix-client(.*)`$/).map(([subpath, name]) => `${subpath} ${name}`);
    expect(named.sort()).toEqual(exported);
  });
});
