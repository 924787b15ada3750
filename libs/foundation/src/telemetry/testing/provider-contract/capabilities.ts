/**
 * What a provider may lack, by name, and how it then has to behave: an error that says so, or a loss within bounds.   Testing.
 *
 * The list is closed: a name that is not on it is refused, and everything that is not on it, every provider has.
 */
import assert from 'node:assert/strict';
import type { AnyValue } from '../../../otlp/index.js';
import { ConfigurationError, NotSupportedError, TelemetryError } from '../../errors.js';
import type { MetricQuery } from '../../providers/analytics-store.js';
import type { SpanRecord } from '../../providers/records.js';
import type { ContractBackend, ContractTenant } from './backend.js';
import { contractSpan, hexId, MILLI, T0 } from './contract-spans.js';

interface Lacking {
  /** End of the sentence "The provider lacks ..., so it ...". */
  readonly behaviour: string;
  readonly check: (backend: ContractBackend) => Promise<void>;
}

/** Each call is refused with `NotSupportedError`: an empty answer would be a false one. */
function refuses(...calls: ((tenant: ContractTenant) => Promise<unknown>)[]): Lacking {
  return {
    behaviour: 'refuses with NotSupportedError',
    check: async (backend) => {
      const tenant = await backend.tenant();
      await tenant.send(contractSpan());
      for (const call of calls) {
        const answer: unknown = await call(tenant).then(
          (value) => ({ value }),
          (error: unknown) => error,
        );
        assert.ok(
          answer instanceof NotSupportedError,
          `NotSupportedError is expected of ${String(call)}, and it gives ${String(answer)}`,
        );
        assert.ok(answer.message.length > 20, 'the error says what is not there, and what to do');
      }
    },
  };
}

/** The provider keeps less than was sent, and nothing wrong. */
function keeps(behaviour: string, check: (backend: ContractBackend) => Promise<void>): Lacking {
  return { behaviour, check };
}

/** Sends one span and reads it back. */
async function roundTrip(backend: ContractBackend, fields: Parameters<typeof contractSpan>[0]): Promise<SpanRecord> {
  const tenant = await backend.tenant();
  const span = contractSpan(fields);
  await tenant.send(span);
  const record = await tenant.traces.getSpanById(span.spanId);
  assert.ok(record, 'the span itself is kept');
  return record;
}

const metrics =
  (fields: Partial<MetricQuery> = {}) =>
  ({ analytics }: ContractTenant) =>
    analytics.getMetrics({ metricNames: ['span_count'], ...fields });

export const CAPABILITIES = {
  'nanosecond times': keeps('keeps times to the microsecond', async (backend) => {
    const record = await roundTrip(backend, { startTimeUnixNano: T0 + 1_001n, endTimeUnixNano: T0 + 5n * MILLI + 1n });
    const offBy = (a: bigint, b: bigint) => (a < b ? b - a : a - b);
    assert.ok(offBy(record.startTimeUnixNano, T0 + 1_001n) < 1_000n);
    assert.ok(offBy(record.endTimeUnixNano, T0 + 5n * MILLI + 1n) < 1_000n);
  }),
  '64-bit integers': keeps('keeps those to 2^53 exactly', async (backend) => {
    const { attributes } = await roundTrip(backend, { attributes: { exact: 2n ** 53n - 1n, big: 2n ** 62n } });
    assert.equal(attributes['exact'], 2 ** 53 - 1);
  }),
  'structured attributes': keeps('keeps the others of that span', async (backend) => {
    const { attributes } = await roundTrip(backend, {
      attributes: {
        text: 't',
        number: 1.5,
        list: ['a', 1n, false],
        map: new Map<string, AnyValue>([['k', 1n]]),
        bytes: new Uint8Array([0, 255]),
        nothing: null,
      },
    });
    assert.equal(attributes['text'], 't');
    assert.equal(attributes['number'], 1.5);
  }),
  'any attribute key': keeps('keeps the usual ones of that span', async (backend) => {
    const { attributes } = await roundTrip(backend, {
      attributes: { '': 'empty', 'a.b/c~d"e': 'odd', '7': 'number', 'input.value': 'i' },
    });
    assert.equal(attributes['input.value'], 'i');
  }),
  'null characters': keeps('keeps the rest of the text', async (backend) => {
    const { name } = await roundTrip(backend, { name: 'before\u0000after' });
    assert.match(name, /^before.?after$/su);
  }),
  'kind, resource and scope': keeps('gives none, rather than wrong ones', async (backend) => {
    const { kind, resource, scope } = await roundTrip(backend, { kind: 3 });
    assert.ok(kind === 'CLIENT' || kind === 'UNSPECIFIED', `kind is ${kind}`);
    assert.ok(resource['service.name'] === undefined || resource['service.name'] === 'contract');
    assert.ok(scope.name === '' || scope.name === 'contract');
  }),
  links: keeps('gives none, rather than wrong ones', async (backend) => {
    const link = { traceId: hexId(16), spanId: hexId(8), traceState: '', attributes: new Map(), flags: 1 };
    const { links } = await roundTrip(backend, { links: [{ ...link, droppedAttributesCount: 0 }] });
    assert.deepEqual(links, []);
  }),
  'equal ids of two tenants': keeps('shows neither of them the span of the other', async (backend) => {
    const [acme, globex] = [await backend.tenant(), await backend.tenant()];
    const ids = { traceId: hexId(16), spanId: hexId(8) };
    await acme.send(contractSpan({ ...ids, name: 'of acme' }));
    await globex.send(contractSpan({ ...ids, name: 'of globex' })).catch((error: unknown) => {
      assert.ok(error instanceof TelemetryError || error instanceof assert.AssertionError, String(error));
    });
    for (const [tenant, other] of [
      [acme, 'of globex'],
      [globex, 'of acme'],
    ] as const) {
      const spans = [...(await tenant.traces.getSpans()), ...(await tenant.traces.getTrace(ids.traceId))];
      assert.ok(spans.every(({ name }) => name !== other));
    }
  }),
  'equal project names of two tenants': keeps('shows neither of them the spans of the other', async (backend) => {
    const projectName = `shared-${hexId(8)}`;
    const [acme, globex] = [await backend.tenant({ projectName }), await backend.tenant({ projectName })];
    await acme.send(contractSpan({ name: 'of acme' }));
    await globex.send(contractSpan({ name: 'of globex' })).catch((error: unknown) => {
      assert.ok(error instanceof TelemetryError || error instanceof assert.AssertionError, String(error));
    });
    const names = async ({ traces }: ContractTenant) => (await traces.getSpans()).map(({ name }) => name);
    assert.ok(!(await names(acme)).includes('of globex'));
    assert.ok(!(await names(globex)).includes('of acme'));
  }),
  "word of others' projects": keeps('answers as for a project that is not there', async (backend) => {
    const [acme, globex] = [await backend.tenant(), await backend.tenant()];
    const span = contractSpan();
    await globex.send(span);
    for (const project of [globex.projectName, `${globex.projectName}-${hexId(8)}`]) {
      assert.deepEqual(await acme.traces.getSpans({ project }), []);
      assert.deepEqual((await acme.traces.getTraces({ project })).items, []);
      assert.equal(await acme.traces.getSpanById(span.spanId, { project }), undefined);
    }
  }),
  'attribute filters': refuses(({ traces }) =>
    traces.getSpans({ filters: { attributes: [{ key: 'k', operator: 'eq', value: 'v' }] } }),
  ),
  'attribute comparison filters': refuses(
    ...(['ne', 'gt', 'gte', 'lt', 'lte'] as const).map(
      (operator) =>
        ({ traces }: ContractTenant) =>
          traces.getSpans({ filters: { attributes: [{ key: 'k', operator, value: 1 }] } }),
    ),
    ({ traces }) => traces.getSpans({ filters: { attributes: [{ key: 'k', operator: 'contains', value: 'v' }] } }),
    ({ traces }) => traces.getSpans({ filters: { attributes: [{ key: 'k', operator: 'exists' }] } }),
  ),
  conditions: refuses(
    ({ traces }) => traces.getSpans({ condition: "name == 'n'" }),
    ({ traces }) => traces.getSpanPage({ condition: "name == 'n'" }),
    ({ traces }) => traces.getTraces({ condition: 'error_count > 0' }),
    ({ sessions }) => sessions.listSessions({ condition: 'num_traces > 1' }),
    metrics({ condition: "name == 'n'" }),
  ),
  'order of ingestion': refuses(({ traces }) => traces.getSpans({ sort: 'sequence' })),
  'traces by latency': refuses(({ traces }) => traces.getTraces({ sort: 'latency' })),
  annotations: refuses(
    ({ annotations }) => annotations.addAnnotation({ spanId: hexId(8), name: 'n', score: 1 }),
    ({ annotations }) => annotations.getAnnotations({ spans: [hexId(8)] }),
    ({ annotations }) => annotations.logEvaluations({ evalName: 'n', evaluations: [{ spanId: hexId(8), score: 1 }] }),
  ),
  'annotations of traces': refuses(
    ({ annotations }) => annotations.addTraceAnnotation({ traceId: hexId(16), name: 'n', score: 1 }),
    ({ annotations }) => annotations.getTraceAnnotations({ traces: [hexId(16)] }),
  ),
  'annotations of sessions': refuses(
    ({ annotations }) => annotations.addSessionAnnotation({ sessionId: 's', name: 'n', score: 1 }),
    ({ annotations }) => annotations.getSessionAnnotations({ sessions: ['s'] }),
  ),
  'annotations of documents': refuses(
    ({ annotations }) => annotations.addDocumentAnnotation({ spanId: hexId(8), documentPosition: 0, name: 'n' }),
    ({ annotations }) => annotations.getDocumentAnnotations({ spans: [hexId(8)] }),
  ),
  'deletion of annotations': refuses(({ annotations }) => annotations.deleteAnnotations({ deleteAll: true })),
  sessions: refuses(
    ({ sessions }) => sessions.listSessions(),
    ({ sessions }) => sessions.getSession('s'),
    ({ sessions }) => sessions.getTurns('s'),
  ),
  datasets: refuses(
    ({ datasets }) => datasets.createDataset({ name: 'd', rows: [] }),
    ({ datasets }) => datasets.getDataset('d'),
    ({ datasets }) => datasets.getDatasetInfo('d'),
    ({ datasets }) => datasets.listDatasets(),
    ({ datasets }) => datasets.appendToDataset('d', []),
  ),
  'dataset versions': refuses(
    ({ datasets }) => datasets.getDataset('d', { versionId: 'v' }),
    ({ datasets }) => datasets.listDatasetVersions('d'),
  ),
  'dataset changes': refuses(
    ({ datasets }) => datasets.createDataset({ name: 'd', rows: [{ input: {}, externalId: 'x' }] }),
    ({ datasets }) => datasets.appendToDataset('d', [{ input: {}, externalId: 'x' }]),
    ({ datasets }) => datasets.updateDataset('d', []),
    ({ datasets }) => datasets.deleteDatasetRows('d', ['r']),
    ({ datasets }) => datasets.changeDataset('d', { description: 'x' }),
    ({ datasets }) => datasets.deleteDataset('d'),
  ),
  'dataset splits': refuses(
    ({ datasets }) => datasets.createDataset({ name: 'd', rows: [{ input: {}, splits: ['s'] }] }),
    ({ datasets }) => datasets.appendToDataset('d', [{ input: {}, splits: ['s'] }]),
    ({ datasets }) => datasets.getDataset('d', { splits: ['s'] }),
    ({ datasets }) => datasets.listDatasetSplits('d'),
    ({ datasets }) => datasets.setDatasetSplit('d', 's', []),
    ({ datasets }) => datasets.deleteDatasetSplit('d', 's'),
  ),
  experiments: refuses(
    ({ experiments }) => experiments.createExperiment({ name: 'e' }),
    ({ experiments }) => experiments.logRun('e', { inputs: {}, outputs: {} }),
    ({ experiments }) => experiments.logEvaluation('r', { name: 'n', score: 1 }),
    ({ experiments }) => experiments.listExperiments(),
    ({ experiments }) => experiments.getExperiment('e'),
    ({ experiments }) => experiments.getRuns('e'),
  ),
  'experiments without a data set': refuses(({ experiments }) => experiments.createExperiment({ name: 'e' })),
  'experiment plans': refuses(
    ({ experiments }) => experiments.createExperiment({ name: 'e', datasetName: 'd', repetitions: 2 }),
    ({ experiments }) => experiments.createExperiment({ name: 'e', datasetName: 'd', versionId: 'v' }),
    ({ experiments }) => experiments.createExperiment({ name: 'e', datasetName: 'd', splits: ['s'] }),
    ({ experiments }) => experiments.getIncompleteRuns('e'),
    ({ experiments }) => experiments.getIncompleteEvaluations('e', ['n']),
  ),
  'experiment changes': refuses(
    ({ experiments }) => experiments.changeExperiment('e', { name: 'f' }),
    ({ experiments }) => experiments.deleteExperiment('e'),
  ),
  'experiment comparison': refuses(({ experiments }) => experiments.compareExperiments(['e', 'f'])),
  metrics: refuses(metrics()),
  'metrics over all projects': refuses(metrics({ allProjects: true })),
  'metric buckets': refuses(metrics({ bucketSeconds: 60 })),
  'metric groups': refuses(metrics({ groupBy: 'name' })),
  'price tables': refuses(
    metrics({
      metricNames: ['cost_total'],
      prices: { m: { promptPerMillionTokens: 1, completionPerMillionTokens: 2 } },
    }),
  ),
  'attribute metrics': refuses(metrics({ metricNames: ['attribute:k:mean'] })),
} as const satisfies Record<string, Lacking>;

export type ProviderCapability = keyof typeof CAPABILITIES;

/** What a provider lacks, each with its reason. */
export type LackedCapabilities = { readonly [Name in ProviderCapability]?: string };

/** Errors: `ConfigurationError` naming what is no capability, or has no reason. */
export function requireCapabilities(lacks: LackedCapabilities): void {
  for (const [name, reason] of Object.entries(lacks)) {
    if (!Object.hasOwn(CAPABILITIES, name)) {
      throw new ConfigurationError(
        `lacks names "${name}", which is no capability; known are ${Object.keys(CAPABILITIES).join(', ')}.`,
      );
    }
    if (typeof reason !== 'string' || reason.trim() === '') {
      throw new ConfigurationError(
        `lacks."${name}" is ${JSON.stringify(reason)}; it must say why the provider lacks it.`,
      );
    }
  }
}
