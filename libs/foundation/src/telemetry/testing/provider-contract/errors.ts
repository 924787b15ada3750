/** Contract: a mistake is told by its field, its value and what to write instead; what cannot be answered is never answered with nothing.   Testing. */
import assert from 'node:assert/strict';
import { BackendUnavailableError, ConfigurationError, InvalidQueryError, TelemetryError } from '../../errors.js';
import type { MetricQuery } from '../../providers/analytics-store.js';
import type { ContractTenant } from './backend.js';
import type { ProviderCapability } from './capabilities.js';
import { contractSpan, hexId } from './contract-spans.js';
import type { ContractTopic } from './describe-telemetry-provider.js';

type Mistake = readonly [
  call: string,
  run: (tenant: ContractTenant) => Promise<unknown>,
  /** What the message holds: the field, the value, and something of what can be written instead. */
  told: readonly string[],
];

/** As a program without types gives it. */
const sent = <T>(value: unknown) => value as T;
const row = { input: {} };
const spanId = '00000000000000ab';

const TRACE_MISTAKES: readonly Mistake[] = [
  // Keys that do not exist.
  ['getSpans', ({ traces }) => traces.getSpans(sent({ filter: { name: 'x' } })), ['"filter"', 'filters', 'startTime']],
  [
    'getSpans in snake case',
    ({ traces }) => traces.getSpans(sent({ start_time: '2026-01-31', filters: {} })),
    ['"start_time"', 'startTime'],
  ],
  [
    'filters',
    ({ traces }) => traces.getSpans(sent({ filters: { nmae: 'x', rootOnly: true } })),
    ['"nmae"', 'filters', 'name'],
  ],
  [
    'a condition',
    ({ traces }) => traces.getSpans(sent({ filters: { attributes: [{ key: 'k', operator: 'exists', not: 1 }] } })),
    ['"not"', 'attributes', 'operator'],
  ],
  ['getSpanPage', ({ traces }) => traces.getSpanPage(sent({ page: 1, size: 2 })), ['"page"', '"size"', 'limit']],
  ['getSpanById', ({ traces }) => traces.getSpanById(spanId, sent({ projekt: 'p' })), ['"projekt"', 'project']],
  ['getTrace', ({ traces }) => traces.getTrace(hexId(16), sent({ projekt: 'p' })), ['"projekt"', 'project']],
  ['getTraces', ({ traces }) => traces.getTraces(sent({ filters: {} })), ['"filters"', 'sessionId']],
  // Values that cannot be.
  ['no object', ({ traces }) => traces.getSpanPage(sent('all')), ['"all"', 'object']],
  ['nothing', ({ traces }) => traces.getSpans(sent(null)), ['null', 'object']],
  ['no filters', ({ traces }) => traces.getSpans(sent({ filters: null })), ['filters', 'null', 'object']],
  ['too many', ({ traces }) => traces.getSpanPage({ limit: 1001 }), ['limit', '1001', '1000']],
  ['no limit', ({ traces }) => traces.getSpans({ limit: 0 }), ['limit', '0', '1']],
  ['too many traces', ({ traces }) => traces.getTraces({ limit: 1001 }), ['limit', '1001', '1000']],
  ['sort', ({ traces }) => traces.getSpans(sent({ sort: 'name' })), ['sort', '"name"', 'start_time']],
  ['order', ({ traces }) => traces.getTraces(sent({ order: 'up' })), ['order', '"up"', 'asc']],
  [
    'status',
    ({ traces }) => traces.getSpans(sent({ filters: { status: ['FINE'] } })),
    ['filters.status', 'FINE', 'UNSET, OK, ERROR'],
  ],
  ['name', ({ traces }) => traces.getSpans(sent({ filters: { name: 7 } })), ['filters.name', '7', 'string']],
  [
    'rootOnly',
    ({ traces }) => traces.getSpans(sent({ filters: { rootOnly: 'yes' } })),
    ['filters.rootOnly', '"yes"', 'true'],
  ],
  [
    'operator',
    ({ traces }) => traces.getSpans(sent({ filters: { attributes: [{ key: 'k', operator: '>', value: 1 }] } })),
    ['operator', '">"', 'eq'],
  ],
  // What nothing could ever be found by.
  ['a span id', ({ traces }) => traces.getSpanById('zz'), ['spanId', '"zz"', '16 hex digits']],
  ['a trace id', ({ traces }) => traces.getTrace(spanId), ['traceId', spanId, '32 hex digits']],
  [
    'an id of a filter',
    ({ traces }) => traces.getSpans({ filters: { spanId: [spanId, 'zz'] } }),
    ['filters.spanId', '"zz"', '16 hex digits'],
  ],
  ['a parent', ({ traces }) => traces.getSpans({ filters: { parentId: '' } }), ['filters.parentId', '""']],
];

const ANNOTATION_MISTAKES: readonly Mistake[] = [
  [
    'addAnnotation',
    ({ annotations }) => annotations.addAnnotation(sent({ spanId, name: 'n', value: 1 })),
    ['"value"', 'score'],
  ],
  [
    'getAnnotations',
    ({ annotations }) => annotations.getAnnotations(sent({ spans: [], names: ['n'] })),
    ['"names"', 'annotationNames'],
  ],
  [
    'logEvaluations',
    ({ annotations }) => annotations.logEvaluations(sent({ evalName: 'n', evaluations: [], kind: 'CODE' })),
    ['"kind"', 'annotatorKind'],
  ],
  [
    'an evaluation',
    ({ annotations }) => annotations.logEvaluations(sent({ evalName: 'n', evaluations: [{ spanId, value: 1 }] })),
    ['"value"', 'evaluations.0', 'score'],
  ],
  [
    'the score',
    ({ annotations }) => annotations.addAnnotation({ spanId, name: 'n', score: Number.NaN }),
    ['score', 'NaN', 'number'],
  ],
  [
    'a name that is missing',
    ({ annotations }) => annotations.addAnnotation(sent({ spanId })),
    ['name', 'missing', 'string'],
  ],
  ['annotations of', ({ annotations }) => annotations.getAnnotations({ spans: ['zz'] }), ['"zz"', '16 hex digits']],
];

const DATASET_MISTAKES: readonly Mistake[] = [
  [
    'createDataset',
    ({ datasets }) => datasets.createDataset(sent({ name: 'd', rows: [], tenant: 'globex' })),
    ['"tenant"', 'name', 'rows'],
  ],
  [
    'a row',
    ({ datasets }) => datasets.createDataset(sent({ name: 'd', rows: [row, { ...row, expected: {} }] })),
    ['"expected"', 'rows.1', 'output'],
  ],
  [
    'appendToDataset',
    ({ datasets }) => datasets.appendToDataset('d', sent([{ ...row, expected: {} }])),
    ['"expected"', 'rows.0', 'output'],
  ],
  ['the rows', ({ datasets }) => datasets.createDataset(sent({ name: 'd', rows: row })), ['rows', 'list']],
  ['the input', ({ datasets }) => datasets.appendToDataset('d', sent([{}])), ['rows.0.input', 'missing']],
];

const EXPERIMENT_MISTAKES: readonly Mistake[] = [
  [
    'createExperiment',
    ({ experiments }) => experiments.createExperiment(sent({ name: 'e', dataset: 'd' })),
    ['"dataset"', 'datasetName'],
  ],
  [
    'listExperiments',
    ({ experiments }) => experiments.listExperiments(sent({ dataset: 'd' })),
    ['"dataset"', 'datasetName'],
  ],
  [
    'logRun',
    ({ experiments }) => experiments.logRun('none', sent({ inputs: {}, outputs: {}, repetition: 2 })),
    ['"repetition"', 'repetitionNumber'],
  ],
  [
    'logEvaluation',
    ({ experiments }) => experiments.logEvaluation('none', sent({ name: 'n', value: 1 })),
    ['"value"', 'score'],
  ],
  [
    'the repetition',
    ({ experiments }) => experiments.logRun('none', { inputs: {}, outputs: {}, repetitionNumber: 0 }),
    ['repetitionNumber', '0', '1'],
  ],
];

const METRIC_MISTAKES: readonly Mistake[] = [
  [
    'getMetrics',
    ({ analytics }) => analytics.getMetrics(sent({ metricNames: ['span_count'], bucket: 60 })),
    ['"bucket"', 'bucketSeconds'],
  ],
  [
    'the bucket',
    ({ analytics }) => analytics.getMetrics({ metricNames: ['span_count'], bucketSeconds: 0 }),
    ['bucketSeconds', '0', '0.001'],
  ],
  ['no metric', ({ analytics }) => analytics.getMetrics({ metricNames: [] }), ['metricNames', '[]', 'at least one']],
];

const priced = (prices: unknown) => sent<MetricQuery>({ metricNames: ['cost_total'], prices });
const PRICE_MISTAKES: readonly Mistake[] = [
  ['the table', ({ analytics }) => analytics.getMetrics(priced([])), ['prices', '[]', 'object']],
  [
    'a price below 0',
    ({ analytics }) =>
      analytics.getMetrics(priced({ my_model: { promptPerMillionTokens: -1, completionPerMillionTokens: 1 } })),
    ['prices.my_model.promptPerMillionTokens', '-1', 'a number from 0'],
  ],
  [
    'a price that is missing',
    ({ analytics }) => analytics.getMetrics(priced({ my_model: { promptPerMillionTokens: 1 } })),
    ['prices.my_model.completionPerMillionTokens', 'missing', 'a number from 0'],
  ],
  [
    'a price of something else',
    ({ analytics }) =>
      analytics.getMetrics(
        priced({ my_model: { promptPerMillionTokens: 1, completionPerMillionTokens: 1, perImage: 1 } }),
      ),
    ['"perImage"', 'prices.my_model', 'completionPerMillionTokens'],
  ],
  [
    'no prices of a model',
    ({ analytics }) => analytics.getMetrics(priced({ my_model: null })),
    ['prices.my_model', 'null', 'object'],
  ],
];

const GROUP_MISTAKES: readonly Mistake[] = [
  [
    'the group',
    ({ analytics }) => analytics.getMetrics({ metricNames: ['span_count'], groupBy: 'colour' }),
    ['groupBy', '"colour"', 'session', 'attribute:<key>'],
  ],
];

const MISTAKES: readonly (readonly [what: string, mistakes: readonly Mistake[], ...needs: ProviderCapability[]])[] = [
  ['spans and traces', TRACE_MISTAKES],
  ['annotations', ANNOTATION_MISTAKES, 'annotations'],
  ['data sets', DATASET_MISTAKES, 'datasets'],
  ['experiments', EXPERIMENT_MISTAKES, 'experiments'],
  ['metrics', METRIC_MISTAKES, 'metrics'],
  ['the prices of metrics', PRICE_MISTAKES, 'metrics', 'price tables'],
  ['the groups of metrics', GROUP_MISTAKES, 'metrics', 'metric groups'],
];

export function describeErrors({ check, lacks, withOwnBackend }: ContractTopic): void {
  for (const [what, mistakes, ...needs] of MISTAKES) {
    check(
      `tell a mistake about ${what} by its name, its value, and what to write instead`,
      async (backend) => {
        const tenant = await backend.tenant();
        for (const [call, run, told] of mistakes) {
          await assert.rejects(run(tenant), (error: Error) => {
            assert.ok(error instanceof InvalidQueryError, `${call}: ${error.stack}`);
            for (const part of told) {
              assert.ok(error.message.includes(part), `${call}: ${part} is not in: ${error.message}`);
            }
            return true;
          });
        }
      },
      ...needs,
    );
  }

  check('come as a rejection, never as a throw', async (backend) => {
    const { traces } = await backend.tenant();
    for (const call of [
      () => traces.getSpans(sent({ limit: 0 })),
      () => traces.getSpanPage(sent({ limit: 0 })),
      () => traces.getTraces(sent({ limit: 0 })),
      () => traces.getSpanById('zz'),
      () => traces.getTrace('zz'),
    ]) {
      let promise: Promise<unknown> | undefined;
      assert.doesNotThrow(() => {
        promise = call();
      });
      await assert.rejects(promise!, InvalidQueryError);
    }
    assert.doesNotThrow(() => traces.iterateSpans(sent({ limit: 0 })));
  });

  check('refuse options that the provider does not know', async (backend) => {
    const provider = await backend.newProvider();
    const options = { ...backend.options, no_such_option: 1 };
    await assert.rejects(
      async () => provider.initialize({ tenantId: 'acme', projectName: 'cogniverse-acme-search', options }),
      (error: Error) => {
        assert.ok(error instanceof ConfigurationError, error.stack);
        assert.ok(error.message.includes('no_such_option'), error.message);
        return true;
      },
    );
    await provider.shutdown();
  });

  check('tell that the provider was not initialized', async (backend) => {
    const provider = await backend.newProvider();
    await assert.rejects(async () => provider.traces.getSpans(), ConfigurationError);
    await provider.shutdown();
  });

  check('follow the end of the provider: no read is answered after it', async () => {
    await withOwnBackend(async (backend) => {
      const provider = await backend.provider('acme', `cogniverse-acme-${hexId(8)}`);
      const { traces, annotations, datasets, experiments, analytics, sessions } = provider;
      assert.deepEqual(await traces.getSpans(), []);
      await provider.shutdown();
      await provider.shutdown(); // once more does nothing
      const calls: [string, () => Promise<unknown>][] = [
        ['getSpans', () => traces.getSpans()],
        ['getSpanPage', () => traces.getSpanPage()],
        ['getSpanById', () => traces.getSpanById(contractSpan().spanId)],
        ['getTraces', () => traces.getTraces()],
        ['getTrace', () => traces.getTrace(hexId(16))],
      ];
      if (lacks.annotations === undefined) {
        calls.push(
          ['getAnnotations', () => annotations.getAnnotations({ spans: [spanId] })],
          ['addAnnotation', () => annotations.addAnnotation({ spanId, name: 'n', score: 1 })],
        );
      }
      if (lacks.sessions === undefined) calls.push(['listSessions', () => sessions.listSessions()]);
      if (lacks.datasets === undefined) {
        calls.push(
          ['listDatasets', () => datasets.listDatasets()],
          ['createDataset', () => datasets.createDataset({ name: 'd', rows: [] })],
        );
      }
      if (lacks.experiments === undefined) calls.push(['listExperiments', () => experiments.listExperiments()]);
      if (lacks.metrics === undefined) {
        calls.push(['getMetrics', () => analytics.getMetrics({ metricNames: ['span_count'] })]);
      }
      for (const [call, run] of calls) {
        await assert.rejects(run, (error: Error) => {
          assert.ok(error instanceof BackendUnavailableError, `${call}: ${error.stack}`);
          return true;
        });
      }
    });
  });

  check('have a class and a code to branch on, and a sentence to read', async (backend) => {
    const { traces } = await backend.tenant();
    await assert.rejects(traces.getSpans(sent({ limit: 0 })), (error: Error) => {
      assert.ok(error instanceof TelemetryError);
      assert.equal(error.code, 'invalid_query');
      assert.equal(error.name, 'InvalidQueryError');
      assert.match(error.message, /^[A-Za-z].*\.$/s);
      return true;
    });
  });
}
