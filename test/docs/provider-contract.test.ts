/** The contract of providers can fail: each of these faults, put into the provider of the guide, is found by it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  type ConfigurationError,
  DatasetExistsError,
  ExperimentNotFoundError,
  InvalidQueryError,
  type NewDatasetRow,
  NotSupportedError,
  type Page,
  parseTime,
  type SpanQuery,
  type SpanRecord,
  type TelemetryProvider,
  type TelemetryProviderFactory,
  TenantMismatchError,
} from '@cogniverse/foundation/telemetry';
import {
  describeTelemetryProvider,
  type ProviderContractOptions,
  SENT,
} from '@cogniverse/foundation/telemetry/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programsOf, root } from './code-blocks.js';

mkdirSync(join(root, '.cache'), { recursive: true });
// Inside the repository, so that packages resolve as they do where they are installed.
const directory = mkdtempSync(join(root, '.cache/contract-'));
let JsonlProvider: new () => TelemetryProvider;

beforeAll(async () => {
  for (const [name, code] of programsOf('docs/writing-a-provider.md')) writeFileSync(join(directory, name), code);
  const url = pathToFileURL(join(directory, 'provider.mjs')).href;
  ({ JsonlProvider } = (await import(url)) as { JsonlProvider: new () => TelemetryProvider });
});
afterAll(() => rmSync(directory, { recursive: true }));

const LACKS = Object.fromEntries(
  [
    'attribute comparison filters',
    'conditions',
    'dataset changes',
    'dataset splits',
    'experiment plans',
    'experiment changes',
    'metrics over all projects',
    'attribute metrics',
  ].map((capability) => [capability, 'the guide has none']),
);

interface Case {
  readonly topic: string;
  readonly title: string;
  readonly run: () => Promise<void>;
}

/** The cases of the suite, as a test runner gets them. */
function casesOf(options: ProviderContractOptions): Case[] {
  const cases: Case[] = [];
  const path: string[] = [];
  describeTelemetryProvider('mutant', options, {
    describe(name, define) {
      path.push(name);
      define();
      path.pop();
    },
    it: (title, run) => cases.push({ topic: path.at(-1)!, title, run }),
  });
  return cases;
}

function starting(factory: TelemetryProviderFactory): ProviderContractOptions['start'] {
  return async () => {
    const data = await mkdtemp(join(tmpdir(), 'mutant-'));
    return { factory, options: { directory: data }, stop: () => rm(data, { recursive: true, force: true }) };
  };
}

/** Runs the cases, and gives the titles of those that fail; the first alone, if that is enough. */
async function failing(cases: readonly Case[], upTo = Number.POSITIVE_INFINITY): Promise<string[]> {
  const failed: string[] = [];
  for (const { title, run } of cases) {
    const passed = await run().then(
      () => true,
      () => false,
    );
    if (!passed) failed.push(title);
    if (failed.length >= upTo) break;
  }
  return failed;
}

type Fault = (provider: TelemetryProvider, all: readonly TelemetryProvider[]) => void;

/** Replaces a method of a store by one that may call it. */
function replace<T extends object, K extends keyof T>(object: T, name: K, make: (original: T[K]) => unknown): void {
  const original = (object[name] as (...given: unknown[]) => unknown).bind(object) as T[K];
  Object.defineProperty(object, name, { value: make(original), configurable: true, writable: true });
}

function withFault(fault: Fault): TelemetryProviderFactory {
  const all: TelemetryProvider[] = [];
  return () => {
    const provider = new JsonlProvider();
    replace(provider, 'initialize', (initialize) => async (config: Parameters<typeof initialize>[0]) => {
      await initialize(config);
      fault(provider, all);
      all.push(provider);
    });
    return provider;
  };
}

type SpanPage = (query?: SpanQuery) => Promise<Page<SpanRecord>>;
const onPages =
  (change: (original: SpanPage, query: SpanQuery) => Promise<Page<SpanRecord>>): Fault =>
  ({ traces }) =>
    replace(
      traces,
      'getSpanPage',
      (original) =>
        (query: SpanQuery = {}) =>
          change(original, query),
    );
const onSpans = (change: (span: { -readonly [K in keyof SpanRecord]: SpanRecord[K] }) => void) =>
  onPages(async (original, query) => {
    const page = await original(query);
    for (const span of page.items) change(span);
    return page;
  });
const EMPTY: Page<SpanRecord> = { items: [], nextCursor: undefined };
const instead =
  <T>(errorClass: abstract new (...given: never[]) => Error, value: T) =>
  (error: unknown): T => {
    if (error instanceof errorClass) return value;
    throw error;
  };
const nanosLater = (time: SpanQuery['startTime']) => (time === undefined ? undefined : parseTime(time, 'time') + 1n);

const listsOfAll: TelemetryProvider['datasets']['listDatasets'][] = [];

const FAULTS: readonly (readonly [fault: string, topic: string, apply: Fault])[] = [
  [
    'drops the last span of a full page',
    'paging and order',
    onPages(async (original, query) => {
      const page = await original(query);
      return page.nextCursor === undefined ? page : { ...page, items: page.items.slice(0, -1) };
    }),
  ],
  [
    'repeats a span on the next page',
    'paging and order',
    onPages(async (original, query) => {
      const page = await original(query);
      return query.cursor === undefined ? page : { ...page, items: [page.items[0]!, ...page.items.slice(0, -1)] };
    }),
  ],
  [
    'gives the oldest first',
    'paging and order',
    onPages((original, query) => original({ ...query, order: query.order === 'asc' ? 'desc' : 'asc' })),
  ],
  [
    'starts from the first page for a cursor of another query',
    'paging and order',
    onPages((original, query) =>
      original(query).catch((error: unknown) => {
        if (query.cursor === undefined) throw error;
        return original({ ...query, cursor: undefined });
      }),
    ),
  ],
  [
    'takes limit 0 for none',
    'paging and order',
    onPages((original, query) => (query.limit === 0 ? Promise.resolve(EMPTY) : original(query))),
  ],
  [
    'includes the end of a range',
    'time ranges',
    onPages((original, query) => original({ ...query, endTime: nanosLater(query.endTime) })),
  ],
  [
    'excludes the start of a range',
    'time ranges',
    onPages((original, query) => original({ ...query, startTime: nanosLater(query.startTime) })),
  ],
  [
    'takes a bare number for milliseconds',
    'time ranges',
    onPages((original, query) => {
      const startTime = typeof query.startTime === 'number' ? new Date(query.startTime) : query.startTime;
      return original({ ...query, startTime });
    }),
  ],
  [
    'keeps microseconds and does not say so',
    'traces',
    onSpans((span) => {
      span.startTimeUnixNano -= span.startTimeUnixNano % 1000n;
    }),
  ],
  [
    'passes over a filter',
    'traces',
    onPages((original, query) => original({ ...query, filters: { ...query.filters, status: undefined } })),
  ],
  [
    'rounds integers to doubles',
    'traces',
    onSpans((span) => {
      span.attributes = Object.fromEntries(
        Object.entries(span.attributes).map(([key, value]) => [key, typeof value === 'bigint' ? Number(value) : value]),
      );
    }),
  ],
  [
    'loses the message of an error',
    'traces',
    onSpans((span) => {
      span.statusMessage = '';
    }),
  ],
  [
    'gives nothing where it lacks something',
    'traces',
    onPages((original, query) => original(query).catch(instead(NotSupportedError, EMPTY))),
  ],
  [
    'composes characters',
    'unicode',
    onSpans((span) => {
      span.name = span.name.normalize('NFC');
    }),
  ],
  [
    'cuts long values',
    'unicode',
    onSpans((span) => {
      span.attributes = { ...span.attributes, 'input.value': String(span.attributes['input.value']).slice(0, 65_536) };
    }),
  ],
  [
    'gives nothing for a mistake',
    'errors',
    onPages((original, query) => original(query).catch(instead(InvalidQueryError, EMPTY))),
  ],
  ['answers after its end', 'errors', (provider) => replace(provider, 'shutdown', () => async () => undefined)],
  [
    'gives nothing for a project of another tenant',
    'tenants',
    onPages((original, query) => original(query).catch(instead(TenantMismatchError, EMPTY))),
  ],
  [
    'finds spans of other tenants by their id',
    'tenants',
    ({ traces }, all) =>
      replace(traces, 'getSpanById', (original) => async (...given: Parameters<typeof original>) => {
        const own = await original(...given);
        if (own !== undefined) return own;
        const [spanId] = given;
        for (const other of all) {
          const [found] = await other.traces.getSpans({ filters: { spanId } });
          if (found !== undefined) return found;
        }
        return undefined;
      }),
  ],
  [
    'lists the data sets of all tenants',
    'tenants',
    ({ datasets }) =>
      replace(datasets, 'listDatasets', (original) => {
        listsOfAll.push(original);
        return async () => {
          const lists = await Promise.all(listsOfAll.map((list) => list().catch(() => [])));
          return [...new Map(lists.flat().map((one) => [one.id, one])).values()];
        };
      }),
  ],
  [
    'adds an annotation anew each time',
    'annotations',
    ({ annotations }) => {
      let count = 0;
      replace(annotations, 'addAnnotation', (original) => (annotation: Parameters<typeof original>[0]) => {
        count += 1;
        return original({ ...annotation, identifier: annotation.identifier ?? `no. ${count}` });
      });
    },
  ],
  [
    'logs the evaluations before the one that fails',
    'annotations',
    ({ annotations }) =>
      replace(annotations, 'logEvaluations', (original) => async (given: Parameters<typeof original>[0]) => {
        for (const evaluation of given.evaluations) await original({ ...given, evaluations: [evaluation] });
      }),
  ],
  [
    'gives rows in another order',
    'data sets',
    ({ datasets }) =>
      replace(
        datasets,
        'getDataset',
        (original) =>
          async (...given: Parameters<typeof original>) =>
            (await original(...given)).toReversed(),
      ),
  ],
  [
    'gives the newest rows for every version',
    'data sets',
    ({ datasets }) => replace(datasets, 'getDataset', (original) => (name: string) => original(name)),
  ],
  [
    'lists the oldest version first',
    'data sets',
    ({ datasets }) =>
      replace(
        datasets,
        'listDatasetVersions',
        (original) => async (name: string) => (await original(name)).toReversed(),
      ),
  ],
  [
    'passes over the splits of rows, which it lacks',
    'data sets',
    ({ datasets }) =>
      replace(
        datasets,
        'appendToDataset',
        (original) => (name: string, rows: readonly NewDatasetRow[]) =>
          original(
            name,
            rows.map(({ splits: _splits, ...row }) => row),
          ),
      ),
  ],
  [
    'creates a data set that exists',
    'data sets',
    ({ datasets }) =>
      replace(
        datasets,
        'createDataset',
        (original) => (given: Parameters<typeof original>[0]) =>
          original(given).catch(instead(DatasetExistsError, 'd')),
      ),
  ],
  [
    'loses rows that are appended at once',
    'concurrent use',
    ({ datasets }) => {
      let under = false;
      replace(datasets, 'appendToDataset', (original) => async (...given: Parameters<typeof original>) => {
        if (under) return;
        under = true;
        await original(...given);
        under = false;
      });
    },
  ],
  [
    'gives no runs for an unknown experiment',
    'experiments',
    ({ experiments }) =>
      replace(
        experiments,
        'getRuns',
        (original) => (id: string) => original(id).catch(instead(ExperimentNotFoundError, [])),
      ),
  ],
  [
    'passes over repetitions, which it lacks',
    'experiments',
    ({ experiments }) =>
      replace(
        experiments,
        'createExperiment',
        (original) =>
          ({ repetitions: _repetitions, ...given }: Parameters<typeof original>[0]) =>
            original(given),
      ),
  ],
  [
    'compares with the last experiment',
    'experiments',
    ({ experiments }) =>
      replace(experiments, 'compareExperiments', (original) => (ids: readonly string[]) => original(ids.toReversed())),
  ],
  [
    'passes over a condition, which it lacks',
    'conditions',
    onPages((original, query) => original({ ...query, condition: undefined })),
  ],
  [
    'passes over a condition of metrics',
    'conditions',
    ({ analytics }) =>
      replace(
        analytics,
        'getMetrics',
        (original) =>
          ({ condition: _condition, ...query }: Parameters<typeof original>[0]) =>
            original(query),
      ),
  ],
  [
    'has metrics of its own project for those of all',
    'metrics',
    ({ analytics }) =>
      replace(
        analytics,
        'getMetrics',
        (original) =>
          ({ allProjects: _allProjects, ...query }: Parameters<typeof original>[0]) =>
            original(query),
      ),
  ],
  [
    'puts the spans of all buckets into the first',
    'metrics',
    ({ analytics }) =>
      replace(
        analytics,
        'getMetrics',
        (original) =>
          ({ bucketSeconds: _bucketSeconds, ...query }: Parameters<typeof original>[0]) =>
            original(query),
      ),
  ],
  [
    'gives 0 for no data',
    'metrics',
    ({ analytics }) =>
      replace(analytics, 'getMetrics', (original) => async (query: Parameters<typeof original>[0]) => {
        const points = await original(query);
        const timestamp = new Date(0).toISOString();
        return points.length > 0
          ? points
          : query.metricNames.map((metricName) => ({ timestamp, metricName, value: 0 }));
      }),
  ],
  [
    'gives the nearest value as percentile',
    'metrics',
    ({ analytics }) =>
      replace(
        analytics,
        'getMetrics',
        (original) => async (query: Parameters<typeof original>[0]) =>
          (await original(query)).map((point) =>
            point.metricName.startsWith('latency_p') ? { ...point, value: Math.ceil(point.value / 100) * 100 } : point,
          ),
      ),
  ],
  [
    'prices nothing',
    'metrics',
    ({ analytics }) =>
      replace(
        analytics,
        'getMetrics',
        (original) =>
          ({ prices: _unused, ...query }: Parameters<typeof original>[0]) =>
            original(query),
      ),
  ],
  [
    'gives the error rate in percent',
    'metrics',
    ({ analytics }) =>
      replace(
        analytics,
        'getMetrics',
        (original) => async (query: Parameters<typeof original>[0]) =>
          (await original(query)).map((point) =>
            point.metricName === 'error_rate' ? { ...point, value: point.value * 100 } : point,
          ),
      ),
  ],
  [
    'acknowledges spans that it does not store',
    'the write end',
    (provider) =>
      replace(provider, 'configureSpanExport', (original) => (options: Parameters<typeof original>[0]) => ({
        ...original(options)!,
        createSender: () => ({ send: async () => SENT, close: async () => undefined }),
      })),
  ],
  [
    'forgets the session',
    'the write end',
    (provider) => replace(provider, 'sessionContext', () => (_sessionId: string, fn: () => unknown) => fn()),
  ],
];

describe('the contract of providers', () => {
  it('passes the provider of the guide, under a runner that knows describe and it alone', {
    timeout: 120_000,
  }, async () => {
    let [started, stopped] = [0, 0];
    const start = starting(JsonlProvider);
    const counting: ProviderContractOptions['start'] = async () => {
      const backend = await start();
      started += 1;
      return {
        ...backend,
        stop: async () => {
          stopped += 1;
          await backend.stop();
        },
      };
    };
    const cases = casesOf({ start: counting, lacks: LACKS });
    expect(await failing(cases)).toEqual([]);
    expect(cases.length).toBeGreaterThan(90);
    expect(new Set(cases.map(({ topic, title }) => `${topic} ${title}`)).size).toBe(cases.length);
    expect(stopped).toBe(started);
  });

  it.each(FAULTS)(
    'finds a provider that %s, among the cases of %s',
    { timeout: 120_000 },
    async (_fault, topic, apply) => {
      const cases = casesOf({ start: starting(withFault(apply)), lacks: LACKS }).filter((one) => one.topic === topic);
      expect(cases.length).toBeGreaterThan(1);
      expect(await failing(cases, 1)).toHaveLength(1);
    },
  );

  it('finds a provider that has what it is said to lack', async () => {
    const lacks = { ...LACKS, metrics: 'by mistake' };
    const cases = casesOf({ start: starting(JsonlProvider), lacks }).filter(({ title }) =>
      title.includes('by mistake'),
    );
    expect(cases.length).toBeGreaterThan(5);
    expect(await failing(cases)).toHaveLength(cases.length);
  });

  it('tells in the title of a case why it checks something else', () => {
    const titles = casesOf({ start: starting(JsonlProvider), lacks: LACKS }).map(({ title }) => title);
    expect(
      titles.filter((title) => title.includes('lacks attribute metrics (the guide has none) and refuses')),
    ).toHaveLength(1);
  });

  it.each([
    [{ 'flux capacitors': 'none' }, /"flux capacitors".*known are nanosecond times, .*attribute metrics/s],
    [{ datasets: ' ' }, /"datasets" is " "; it must say why/],
  ])('refuses to lack %j', (lacks, told) => {
    const given = { start: starting(JsonlProvider), lacks: lacks as object };
    const error = (() => {
      try {
        return casesOf(given);
      } catch (caught) {
        return caught as ConfigurationError;
      }
    })();
    expect(error).toMatchObject({ code: 'configuration', message: expect.stringMatching(told) });
  });

  it('tells with each case why the backend did not start, and tries it once', async () => {
    let tries = 0;
    const cases = casesOf({
      start: () => {
        tries += 1;
        return Promise.reject(new Error('port 1 is taken'));
      },
    }).slice(0, 3);
    for (const { run } of cases) await expect(run()).rejects.toThrow('port 1 is taken');
    expect(tries).toBe(1);
  });
});
