/** Contract: what is a tenant's, no other sees, finds, counts, changes or is told of.   Testing. */
import assert from 'node:assert/strict';
import { DatasetNotFoundError, ExperimentNotFoundError, SpanNotFoundError, TenantMismatchError } from '../../errors.js';
import type { ContractTenant } from './backend.js';
import { contractSpan, hexId } from './contract-spans.js';
import type { ContractTopic } from './describe-telemetry-provider.js';

/** What a call gives or is refused with, as text. */
async function told(call: () => Promise<unknown>): Promise<string> {
  const answer = await call().catch((error: unknown) => ({
    error: String(error),
    cause: String((error as Error).cause),
  }));
  return JSON.stringify([answer], (_key, value) => (typeof value === 'bigint' ? String(value) : value));
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export function describeIsolation({ check, lacks }: ContractTopic): void {
  async function assertOwn(one: ContractTenant, name: string, ids: { traceId: string; spanId: string }): Promise<void> {
    const filters = { sessionId: 's', traceId: ids.traceId, spanId: ids.spanId };
    assert.deepEqual(
      (await one.traces.getSpans({ filters })).map((span) => [span.name, span.tenantId]),
      [[name, one.tenantId]],
    );
    assert.equal((await one.traces.getSpanById(ids.spanId))?.name, name);
    assert.equal((await one.traces.getTrace(ids.traceId)).length, 1);
    const { items } = await one.traces.getTraces({ sessionId: 's' });
    assert.deepEqual(
      items.map((trace) => [trace.rootName, trace.spanCount]),
      [[name, 1]],
    );
    if (lacks.metrics !== undefined) return;
    const points = await one.analytics.getMetrics({ metricNames: ['span_count'] });
    assert.deepEqual(
      points.map((point) => point.value),
      [1],
    );
  }

  check('keeps equal sessions apart', async (backend) => {
    for (const name of ['of acme', 'of globex']) {
      const tenant = await backend.tenant();
      const span = contractSpan({ name, attributes: { 'session.id': 's' } });
      await tenant.send(span);
      await assertOwn(tenant, name, span);
    }
  });

  check(
    'keeps equal trace ids and span ids apart',
    async (backend) => {
      const [acme, globex] = [await backend.tenant(), await backend.tenant()];
      const ids = { traceId: hexId(16), spanId: hexId(8) };
      const of = (name: string) => contractSpan({ ...ids, name, attributes: { 'session.id': 's' } });
      await acme.send(of('of acme'));
      await globex.send(of('of globex'));
      await assertOwn(acme, 'of acme', ids);
      await assertOwn(globex, 'of globex', ids);
    },
    'equal ids of two tenants',
  );

  check(
    'keeps equal project names apart',
    async (backend) => {
      const projectName = `shared-${hexId(8)}`;
      const [acme, globex] = [await backend.tenant({ projectName }), await backend.tenant({ projectName })];
      const ids = { traceId: hexId(16), spanId: hexId(8) };
      const of = (name: string) => contractSpan({ ...ids, name, attributes: { 'session.id': 's' } });
      await acme.send(of('of acme'));
      await globex.send(of('of globex'));
      await assertOwn(acme, 'of acme', ids);
      await assertOwn(globex, 'of globex', ids);
    },
    'equal ids of two tenants',
    'equal project names of two tenants',
  );

  check(
    'refuses a project of another tenant',
    async (backend) => {
      const [acme, globex] = [await backend.tenant(), await backend.tenant()];
      const span = contractSpan();
      await globex.send(span);
      const { projectName: project } = globex;
      const { spanId, traceId } = span;
      const { traces, annotations, analytics, sessions } = acme;
      const calls: [string, () => Promise<unknown>][] = [
        ['getSpans', () => traces.getSpans({ project })],
        ['getSpanPage', () => traces.getSpanPage({ project })],
        ['iterateSpans', () => collect(traces.iterateSpans({ project }))],
        ['getSpanById', () => traces.getSpanById(spanId, { project })],
        ['getTrace', () => traces.getTrace(traceId, { project })],
        ['getTraces', () => traces.getTraces({ project })],
      ];
      if (lacks.annotations === undefined) {
        const [name, evaluations] = ['n', [{ spanId, score: 1 }]];
        calls.push(
          ['getAnnotations', () => annotations.getAnnotations({ spans: [spanId], project })],
          ['addAnnotation', () => annotations.addAnnotation({ spanId, name, project })],
          ['logEvaluations', () => annotations.logEvaluations({ evalName: name, evaluations, project })],
        );
      }
      if (lacks['annotations of traces'] === undefined) {
        calls.push(
          ['getTraceAnnotations', () => annotations.getTraceAnnotations({ traces: [traceId], project })],
          ['addTraceAnnotation', () => annotations.addTraceAnnotation({ traceId, name: 'n', project })],
        );
      }
      if (lacks['deletion of annotations'] === undefined) {
        calls.push(['deleteAnnotations', () => annotations.deleteAnnotations({ deleteAll: true, project })]);
      }
      if (lacks.sessions === undefined) {
        calls.push(
          ['listSessions', () => sessions.listSessions({ project })],
          ['getSession', () => sessions.getSession('s', { project })],
          ['getTurns', () => sessions.getTurns('s', { project })],
        );
      }
      if (lacks.metrics === undefined) {
        calls.push(['getMetrics', () => analytics.getMetrics({ project, metricNames: ['span_count'] })]);
      }
      for (const [call, run] of calls) await assert.rejects(run, TenantMismatchError, call);
    },
    "word of others' projects",
  );

  check('reads other projects of its own', async (backend) => {
    const search = await backend.tenant();
    const { tenantId } = search;
    const agent = await backend.tenant({ tenantId, project: 'agent' });
    await agent.send(contractSpan({ name: 'step' }));
    assert.deepEqual(await search.traces.getSpans(), []);
    assert.deepEqual(
      (await search.traces.getSpans({ project: agent.projectName })).map((span) => span.name),
      ['step'],
    );
  });

  check(
    'keeps annotations apart',
    async (backend) => {
      const [acme, globex] = [await backend.tenant(), await backend.tenant()];
      const span = contractSpan();
      const { spanId } = span;
      await acme.send(span);
      await acme.annotations.addAnnotation({ spanId, name: 'secret', label: 'acme' });
      await assert.rejects(globex.annotations.addAnnotation({ spanId, name: 'x' }), SpanNotFoundError);
      await assert.rejects(
        globex.annotations.logEvaluations({ evalName: 'x', evaluations: [{ spanId, score: 1 }] }),
        SpanNotFoundError,
      );
      assert.deepEqual(await globex.annotations.getAnnotations({ spans: [spanId] }), []);
      const [record] = await acme.traces.getSpans();
      await assert.rejects(globex.annotations.getAnnotations({ spans: [record!] }), TenantMismatchError);
      assert.equal((await acme.annotations.getAnnotations({ spans: [spanId] })).length, 1);
    },
    'annotations',
  );

  check(
    'keeps annotations of equal span ids apart',
    async (backend) => {
      const projectName = `shared-${hexId(8)}`;
      const [acme, globex] = [await backend.tenant({ projectName }), await backend.tenant({ projectName })];
      const ids = { traceId: hexId(16), spanId: hexId(8) };
      for (const tenant of [acme, globex]) {
        await tenant.send(contractSpan(ids));
        await tenant.annotations.addAnnotation({ spanId: ids.spanId, name: 'n', label: tenant.tenantId });
      }
      for (const tenant of [acme, globex]) {
        const found = await tenant.annotations.getAnnotations({ spans: [ids.spanId] });
        assert.deepEqual(
          found.map(({ label }) => label),
          [tenant.tenantId],
        );
      }
    },
    'annotations',
    'equal ids of two tenants',
    'equal project names of two tenants',
  );

  check(
    'keeps data sets apart',
    async (backend) => {
      const [acme, globex] = [await backend.tenant(), await backend.tenant()];
      await acme.datasets.createDataset({ name: 'golden', rows: [{ input: { q: 'acme' } }] });
      await assert.rejects(globex.datasets.getDataset('golden'), DatasetNotFoundError);
      await assert.rejects(globex.datasets.getDatasetInfo('golden'), DatasetNotFoundError);
      await assert.rejects(globex.datasets.appendToDataset('golden', []), DatasetNotFoundError);
      assert.deepEqual(await globex.datasets.listDatasets(), []);
      await globex.datasets.createDataset({ name: 'golden', rows: [] });
      assert.deepEqual(await globex.datasets.getDataset('golden'), []);
      assert.equal((await acme.datasets.getDataset('golden')).length, 1);
      assert.equal((await acme.datasets.getDatasetInfo('golden')).exampleCount, 1);
    },
    'datasets',
  );

  check(
    'keeps experiments apart',
    async (backend) => {
      const [acme, globex] = [await backend.tenant(), await backend.tenant()];
      for (const { datasets } of [acme, globex]) {
        await datasets.createDataset({ name: 'golden', rows: [{ input: {} }] });
      }
      const experiment = await acme.experiments.createExperiment({ name: 'e', datasetName: 'golden' });
      const run = await acme.experiments.logRun(experiment, { inputs: {}, outputs: {} });
      const { experiments } = globex;
      assert.deepEqual(await experiments.listExperiments(), []);
      assert.deepEqual(await experiments.listExperiments({ datasetName: 'golden' }), []);
      await assert.rejects(experiments.getRuns(experiment), ExperimentNotFoundError);
      await assert.rejects(experiments.getExperiment(experiment), ExperimentNotFoundError);
      await assert.rejects(experiments.logRun(experiment, { inputs: {}, outputs: {} }), ExperimentNotFoundError);
      await assert.rejects(experiments.logEvaluation(run, { name: 'x' }), ExperimentNotFoundError);
      const own = await experiments.createExperiment({ name: 'e', datasetName: 'golden' });
      assert.notEqual(own, experiment);
      assert.deepEqual(await experiments.getRuns(own), []);
      const runs = await acme.experiments.getRuns(experiment);
      assert.deepEqual(
        runs.map(({ id, evaluations }) => [id, evaluations]),
        [[run, []]],
      );
    },
    'datasets',
    'experiments',
  );

  check('tells nothing of another tenant, whatever is asked by whatever id', async (backend) => {
    const canary = `canary${hexId(8)}`;
    const [acme, globex] = [await backend.tenant(), await backend.tenant()];
    const content = { 'input.value': canary, 'output.value': canary, 'user.id': canary };
    const span = contractSpan({
      name: canary,
      attributes: { 'session.id': 's', secret: canary, [canary]: 1, ...content },
    });
    await acme.send(span);
    await globex.send(contractSpan({ attributes: { 'session.id': 's' } }));
    const { spanId, traceId } = span;
    const filters = { spanId, traceId };
    const { traces, annotations, datasets, experiments, analytics, sessions } = globex;
    const calls: (() => Promise<unknown>)[] = [
      () => traces.getSpans(),
      () => traces.getSpans({ filters }),
      () => traces.getSpans({ filters: { sessionId: 's' } }),
      () => traces.getSpanPage({ filters }),
      () => collect(traces.iterateSpans()),
      () => traces.getSpanById(spanId),
      () => traces.getTrace(traceId),
      () => traces.getTraces(),
      () => traces.getTraces({ sessionId: 's' }),
      // Of another tenant's project, an error; its own name is all that it repeats.
      () => traces.getSpans({ project: acme.projectName }),
      () => traces.getSpanById(spanId, { project: acme.projectName }),
    ];
    if (lacks['attribute filters'] === undefined) {
      const attributes = [{ key: 'tenant.id', operator: 'eq', value: acme.tenantId }] as const;
      calls.push(() => traces.getSpans({ filters: { attributes } }));
    }
    if (lacks.annotations === undefined) {
      const label = canary;
      await acme.annotations.addAnnotation({ spanId, name: canary, label, explanation: label, metadata: { canary } });
      calls.push(
        () => annotations.getAnnotations({ spans: [spanId] }),
        () => annotations.addAnnotation({ spanId, name: 'n' }),
        () => annotations.logEvaluations({ evalName: 'n', evaluations: [{ spanId, score: 1 }] }),
      );
    }
    if (lacks['annotations of traces'] === undefined) {
      await acme.annotations.addTraceAnnotation({ traceId, name: canary, label: canary });
      calls.push(
        () => annotations.getTraceAnnotations({ traces: [traceId] }),
        () => annotations.addTraceAnnotation({ traceId, name: 'n' }),
      );
    }
    if (lacks['annotations of sessions'] === undefined) {
      await acme.annotations.addSessionAnnotation({ sessionId: 's', name: canary, label: canary });
      calls.push(() => annotations.getSessionAnnotations({ sessions: ['s'] }));
    }
    if (lacks['deletion of annotations'] === undefined) {
      calls.push(() => annotations.deleteAnnotations({ deleteAll: true }));
    }
    if (lacks.sessions === undefined) {
      calls.push(
        () => sessions.listSessions(),
        () => sessions.getSession('s'),
        () => sessions.getTurns('s'),
      );
    }
    if (lacks.datasets === undefined) {
      const name = 'golden';
      await acme.datasets.createDataset({ name, rows: [{ input: { canary } }], description: canary });
      await acme.datasets.createDataset({ name: canary, rows: [] });
      calls.push(
        () => datasets.listDatasets(),
        () => datasets.getDataset(name),
        () => datasets.getDatasetInfo(name),
        () => datasets.appendToDataset(name, [{ input: {} }]),
      );
    }
    if (lacks.experiments === undefined && lacks.datasets === undefined) {
      const id = await acme.experiments.createExperiment({ name: canary, datasetName: 'golden', metadata: { canary } });
      const run = await acme.experiments.logRun(id, { inputs: { canary }, outputs: {}, error: canary });
      await acme.experiments.logEvaluation(run, { name: canary, label: canary });
      calls.push(
        () => experiments.listExperiments(),
        () => experiments.getExperiment(id),
        () => experiments.getRuns(id),
        () => experiments.logRun(id, { inputs: {}, outputs: {} }),
        () => experiments.logEvaluation(run, { name: 'n', score: 1 }),
      );
    }
    if (lacks.metrics === undefined) {
      calls.push(() => analytics.getMetrics({ metricNames: ['span_count', 'trace_count'] }));
      if (lacks['metric groups'] === undefined) {
        for (const groupBy of ['name', 'session', 'tenant', 'attribute:secret']) {
          calls.push(() => analytics.getMetrics({ metricNames: ['span_count'], groupBy }));
        }
      }
    }
    for (const call of calls) {
      const answer = await told(call);
      assert.ok(!answer.includes(canary), `${call}: ${answer}`);
      assert.ok(!answer.replaceAll(acme.projectName, '').includes(acme.tenantId), `${call}: ${answer}`);
    }
    // And nothing of it was changed.
    assert.equal((await acme.traces.getSpans()).length, 1);
    if (lacks.annotations === undefined) {
      assert.equal((await acme.annotations.getAnnotations({ spans: [spanId] })).length, 1);
    }
    if (lacks.datasets === undefined) assert.equal((await acme.datasets.getDataset('golden')).length, 1);
  });
}
