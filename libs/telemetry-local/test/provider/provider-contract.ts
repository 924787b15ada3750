/**
 * What every provider does, told by examples: spans, traces, annotations, data sets, experiments, metrics, and the borders of tenants.
 *
 * Independent of the test runner: it gets `describe` and `it`, and asserts with Node's own `assert`.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type AnyValue, encodeTraces, type OtlpSpan, type OtlpTraces } from '@cogniverse/foundation/otlp';
import {
  type AttributeFilter,
  DatasetExistsError,
  DatasetNotFoundError,
  ExperimentNotFoundError,
  InvalidQueryError,
  type SpanFilters,
  SpanNotFoundError,
  type SpanQuery,
  type TelemetryProvider,
  TenantMismatchError,
} from '@cogniverse/foundation/telemetry';

export interface ContractBackend {
  /** An initialized provider of the tenant. `projectName` is the full name that this backend's way in makes of `project`. */
  provider(tenantId: string, project: string): Promise<{ provider: TelemetryProvider; projectName: string }>;
  stop(): Promise<void>;
}

export interface TestRunner {
  describe(name: string, define: () => void): void;
  it(name: string, run: () => Promise<void>): void;
  beforeAll(run: () => Promise<void>): void;
  afterAll(run: () => Promise<void>): void;
}

const T0 = 1_780_000_000_000_000_000n;
const MILLI = 1_000_000n;

export const hexId = (bytes: 8 | 16) => randomBytes(bytes).toString('hex');

type SpanFields = Partial<Omit<OtlpSpan, 'attributes' | 'status'>> & {
  attributes?: Record<string, AnyValue>;
  /** From T0. */
  at?: number;
  millis?: number;
  status?: 0 | 1 | 2;
};

export function contractSpan(fields: SpanFields = {}): OtlpSpan {
  const { at = 0, millis = 10, attributes = {}, status = 0, ...rest } = fields;
  const start = T0 + BigInt(at) * MILLI;
  return {
    traceId: hexId(16),
    spanId: hexId(8),
    traceState: '',
    parentSpanId: '',
    flags: 0x101,
    name: 'search',
    kind: 1,
    startTimeUnixNano: start,
    endTimeUnixNano: start + BigInt(millis) * MILLI,
    attributes: new Map(Object.entries(attributes)),
    droppedAttributesCount: 0,
    events: [],
    droppedEventsCount: 0,
    links: [],
    droppedLinksCount: 0,
    status: { code: status, message: status === 2 ? 'it broke' : '' },
    ...rest,
  };
}

/** Delivers spans the way the provider says that spans get there. */
export async function deliver(
  provider: TelemetryProvider,
  owner: { tenantId: string; projectName: string },
  spans: readonly OtlpSpan[],
): Promise<void> {
  const target = provider.configureSpanExport(owner);
  assert.ok(target, 'the provider has an export target');
  const traces: OtlpTraces = {
    resourceSpans: [
      {
        resource: {
          attributes: new Map<string, AnyValue>([['service.name', 'contract'], ...target.resourceAttributes]),
          droppedAttributesCount: 0,
        },
        schemaUrl: '',
        scopeSpans: [
          {
            scope: { name: 'contract', version: '1', attributes: new Map(), droppedAttributesCount: 0 },
            schemaUrl: '',
            spans: spans.map((span) => ({
              ...span,
              attributes: new Map([['tenant.id', owner.tenantId], ...span.attributes]),
            })),
          },
        ],
      },
    ],
  };
  const sender = target.createSender();
  try {
    const result = await sender.send(encodeTraces(traces), { timeoutMillis: 20_000, spanCount: spans.length });
    assert.deepEqual(result, { status: 'sent', rejectedSpans: 0, message: '' });
  } finally {
    await sender.close();
  }
}

/** The behaviours. `start` gives a backend that may hold other tenants' data. */
export function describeProviderContract(
  name: string,
  start: () => Promise<ContractBackend>,
  { describe, it, beforeAll, afterAll }: TestRunner,
): void {
  describe(`the provider ${name}`, () => {
    let backend: ContractBackend;
    beforeAll(async () => {
      backend = await start();
    });
    afterAll(() => backend.stop());

    /** A tenant of its own for each test, with a provider, and a way to bring spans in. */
    async function tenant(project = 'search', tenantId = `tenant-${hexId(8)}`) {
      const { provider, projectName } = await backend.provider(tenantId, project);
      return {
        tenantId,
        projectName,
        ...storesOf(provider),
        provider,
        deliver: (...spans: OtlpSpan[]) => deliver(provider, { tenantId, projectName }, spans),
      };
    }

    describe('spans', () => {
      it('gives a span as it was recorded', async () => {
        const acme = await tenant();
        const linked = { traceId: hexId(16), spanId: hexId(8) };
        const one = contractSpan({
          name: 'Suche \u{1F50E} "ü" \u0000 \u202E\n',
          kind: 3,
          status: 2,
          parentSpanId: hexId(8),
          startTimeUnixNano: T0 + 1n,
          endTimeUnixNano: T0 + 2_500_003n,
          attributes: {
            'openinference.span.kind': 'retriever',
            'session.id': 's 1',
            'input.value': 'x'.repeat(10_000),
            int: 7n,
            big: 2n ** 62n,
            double: 0.1,
            whole: 3,
            yes: true,
            bytes: new Uint8Array([0, 255]),
            list: ['a', 1n, false],
            map: new Map<string, AnyValue>([['k', new Map([['v', 1.5]])]]),
            nothing: null,
            '': 'empty key',
            constructor: 'c',
            __proto: 'p',
            '7': 'a number as key',
            'a.b/c~d"e': 'odd key',
          },
          events: [
            {
              name: 'exception',
              timeUnixNano: T0 + 5n,
              attributes: new Map([['exception.type', 'Error']]),
              droppedAttributesCount: 1,
            },
          ],
          links: [
            { ...linked, traceState: 'a=b', attributes: new Map([['w', 1n]]), droppedAttributesCount: 0, flags: 1 },
          ],
        });
        one.attributes.set('__proto__', 'own');
        await acme.deliver(one);
        const record = await acme.traces.getSpanById(one.spanId);
        assert.ok(record);
        assert.equal(record.traceId, one.traceId);
        assert.equal(record.parentSpanId, one.parentSpanId);
        assert.equal(record.name, one.name);
        assert.equal(record.spanKind, 'RETRIEVER');
        assert.equal(record.kind, 'CLIENT');
        assert.equal(record.startTimeUnixNano, T0 + 1n);
        assert.equal(record.endTimeUnixNano, T0 + 2_500_003n);
        assert.equal(record.durationMillis, 2.500002);
        assert.equal(record.statusCode, 'ERROR');
        assert.equal(record.statusMessage, 'it broke');
        assert.equal(record.sessionId, 's 1');
        assert.equal(record.tenantId, acme.tenantId);
        assert.equal(record.project, acme.projectName);
        assert.equal(record.resource['service.name'], 'contract');
        assert.deepEqual(record.scope, { name: 'contract', version: '1' });
        assert.equal(record.attributes['int'], 7);
        assert.equal(record.attributes['big'], 2n ** 62n);
        assert.equal(record.attributes['double'], 0.1);
        assert.equal(record.attributes['whole'], 3);
        assert.equal(record.attributes['yes'], true);
        assert.deepEqual([...(record.attributes['bytes'] as Uint8Array)], [0, 255]);
        assert.deepEqual(record.attributes['list'], ['a', 1, false]);
        assert.equal((record.attributes['map'] as Record<string, Record<string, unknown>>)['k']?.['v'], 1.5);
        assert.equal(record.attributes['nothing'], null);
        assert.equal(record.attributes[''], 'empty key');
        assert.equal(record.attributes['constructor'], 'c');
        assert.equal(Object.getOwnPropertyDescriptor(record.attributes, '__proto__')?.value, 'own');
        assert.equal(record.attributes['7'], 'a number as key');
        assert.equal(record.attributes['a.b/c~d"e'], 'odd key');
        assert.equal(String(record.attributes['input.value']).length, 10_000);
        assert.equal(record.events.length, 1);
        assert.equal(record.events[0]?.timeUnixNano, T0 + 5n);
        assert.equal(record.events[0]?.attributes['exception.type'], 'Error');
        assert.equal(record.links[0]?.spanId, linked.spanId);
        assert.doesNotThrow(() => JSON.stringify(record));
      });

      it('gives nothing for a project without spans, an unknown project, span or trace', async () => {
        const acme = await tenant();
        assert.deepEqual(await acme.traces.getSpans(), []);
        assert.deepEqual(await acme.traces.getSpans({ project: `unknown-${hexId(8)}` }), []);
        assert.deepEqual((await acme.traces.getTraces()).items, []);
        assert.equal(await acme.traces.getSpanById(hexId(8)), undefined);
        assert.deepEqual(await acme.traces.getTrace(hexId(16)), []);
      });

      it('finds by each filter, by all of them together, and by any of a list', async () => {
        const acme = await tenant();
        const root = contractSpan({ name: 'root', attributes: { 'session.id': 's1', tag: 'a', n: 1n, flag: true } });
        const child = contractSpan({
          name: 'child',
          at: 1,
          traceId: root.traceId,
          parentSpanId: root.spanId,
          status: 2,
          attributes: { 'openinference.span.kind': 'LLM', tag: 'Übergröße', n: 2.5 },
        });
        const other = contractSpan({
          name: 'other',
          at: 2,
          status: 1,
          attributes: { 'session.id': 's2', n: 10n, text: '10' },
        });
        await acme.deliver(root, child, other);
        const names = async (filters: SpanFilters) =>
          (await acme.traces.getSpans({ filters, order: 'asc' })).map((span) => span.name);
        const where = (key: string, operator: AttributeFilter['operator'], value?: AttributeFilter['value']) =>
          names({ attributes: [{ key, operator, ...(value === undefined ? {} : { value }) }] });
        assert.deepEqual(await names({}), ['root', 'child', 'other']);
        assert.deepEqual(await names({ name: 'child' }), ['child']);
        assert.deepEqual(await names({ name: ['child', 'other'] }), ['child', 'other']);
        assert.deepEqual(await names({ name: [] }), []);
        assert.deepEqual(await names({ status: 'ERROR' }), ['child']);
        assert.deepEqual(await names({ status: ['OK', 'UNSET'] }), ['root', 'other']);
        assert.deepEqual(await names({ spanKind: 'LLM' }), ['child']);
        assert.deepEqual(await names({ spanKind: 'UNKNOWN' }), ['root', 'other']);
        assert.deepEqual(await names({ traceId: root.traceId }), ['root', 'child']);
        assert.deepEqual(await names({ spanId: [child.spanId, other.spanId] }), ['child', 'other']);
        assert.deepEqual(await names({ parentId: root.spanId }), ['child']);
        assert.deepEqual(await names({ parentId: null }), ['root', 'other']);
        assert.deepEqual(await names({ rootOnly: true }), ['root', 'other']);
        assert.deepEqual(await names({ rootOnly: false }), ['root', 'child', 'other']);
        assert.deepEqual(await names({ sessionId: 's1' }), ['root']);
        assert.deepEqual(await names({ sessionId: ['s1', 's2'], status: 'OK' }), ['other']);
        assert.deepEqual(await where('tag', 'eq', 'a'), ['root']);
        assert.deepEqual(await where('tag', 'ne', 'a'), ['child']);
        assert.deepEqual(await where('tag', 'contains', 'ÜBER'), ['child']);
        assert.deepEqual(await where('tag', 'exists'), ['root', 'child']);
        assert.deepEqual(await where('n', 'eq', 1), ['root']);
        assert.deepEqual(await where('n', 'gt', 1), ['child', 'other']);
        assert.deepEqual(await where('n', 'gte', 2.5), ['child', 'other']);
        assert.deepEqual(await where('n', 'lt', 10n), ['root', 'child']);
        assert.deepEqual(await where('flag', 'eq', true), ['root']);
        assert.deepEqual(await where('text', 'eq', 10), []);
        assert.deepEqual(await where('text', 'eq', "' OR 1=1 --"), []);
      });

      it('takes a map for one attribute, under its own key', async () => {
        const acme = await tenant();
        const user = new Map<string, AnyValue>([['id', 7n]]);
        await acme.deliver(contractSpan({ attributes: { user } }), contractSpan({ attributes: { 'user.id': 7n } }));
        const withKey = async (key: string) => {
          const spans = await acme.traces.getSpans({ filters: { attributes: [{ key, operator: 'exists' }] } });
          return spans.map(({ attributes }) => Object.keys(attributes).sort());
        };
        assert.deepEqual(await withKey('user'), [['tenant.id', 'user']]);
        assert.deepEqual(await withKey('user.id'), [['tenant.id', 'user.id']]);
      });

      it('takes the start of a range and not its end', async () => {
        const acme = await tenant();
        await acme.deliver(...[0, 1, 2, 3].map((at) => contractSpan({ name: String(at), at })));
        const between = async (startTime: SpanQuery['startTime'], endTime: SpanQuery['endTime']) =>
          (await acme.traces.getSpans({ startTime, endTime })).map((span) => span.name);
        assert.deepEqual(await between(T0 + MILLI, T0 + 3n * MILLI), ['2', '1']);
        assert.deepEqual(await between(T0 + MILLI + 1n, undefined), ['3', '2']);
        assert.deepEqual(await between(undefined, T0 + 1n), ['0']);
        const date = new Date(Number(T0 / MILLI) + 1);
        assert.deepEqual(await between(date, new Date(date.getTime() + 1).toISOString()), ['1']);
      });

      it('takes kinds and ids in either case', async () => {
        const acme = await tenant();
        const root = contractSpan({ attributes: { 'openinference.span.kind': 'chain' } });
        const child = contractSpan({ traceId: root.traceId, parentSpanId: root.spanId, at: 1 });
        await acme.deliver(root, child);
        const upper = { traceId: root.traceId.toUpperCase(), spanId: root.spanId.toUpperCase() };
        const ids = async (filters: SpanFilters) =>
          (await acme.traces.getSpans({ filters })).map((span) => span.spanId);
        for (const spanKind of ['chain', 'CHAIN', 'Chain', ['chain', 'llm']]) {
          assert.deepEqual(await ids({ spanKind }), [root.spanId]);
        }
        assert.deepEqual(await ids({ traceId: upper.traceId }), [child.spanId, root.spanId]);
        assert.deepEqual(await ids({ spanId: [upper.spanId] }), [root.spanId]);
        assert.deepEqual(await ids({ parentId: upper.spanId }), [child.spanId]);
        assert.equal((await acme.traces.getSpanById(upper.spanId))?.spanId, root.spanId);
        assert.equal((await acme.traces.getTrace(upper.traceId)).length, 2);
        await acme.annotations.addAnnotation({ spanId: upper.spanId, name: 'n', score: 1 });
        const annotations = await acme.annotations.getAnnotations({ spans: [upper.spanId] });
        assert.deepEqual(
          annotations.map(({ spanId }) => spanId),
          [root.spanId],
        );
      });

      it('gives each span once over pages, whatever arrives between them', async () => {
        const acme = await tenant();
        await acme.deliver(...Array.from({ length: 25 }, (_, at) => contractSpan({ name: String(at), at: at >> 1 })));
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await acme.traces.getSpanPage({ limit: 10, cursor });
          assert.ok(page.items.length <= 10);
          seen.push(...page.items.map((span) => span.name));
          cursor = page.nextCursor;
          if (seen.length === 10) await acme.deliver(contractSpan({ name: 'late', at: 1000 }));
        } while (cursor !== undefined);
        assert.equal(seen.length, 25);
        assert.equal(new Set(seen).size, 25);
      });

      it('reads more than a page by itself, and stops at the limit', async () => {
        const acme = await tenant();
        await acme.deliver(...Array.from({ length: 2300 }, (_, at) => contractSpan({ at })));
        assert.equal((await acme.traces.getSpans()).length, 1000);
        const spans = await acme.traces.getSpans({ limit: 2100 });
        assert.equal(new Set(spans.map((span) => span.spanId)).size, 2100);
        assert.ok(
          spans.every((span, index) => index === 0 || span.startTimeUnixNano < spans[index - 1]!.startTimeUnixNano),
        );
        let count = 0;
        for await (const _ of acme.traces.iterateSpans()) count += 1;
        assert.equal(count, 2300);
      });

      it('gives a trace by start time, with a root that came last', async () => {
        const acme = await tenant();
        const root = contractSpan({ name: 'root', millis: 50 });
        const child = contractSpan({
          name: 'child',
          at: 5,
          millis: 100,
          traceId: root.traceId,
          parentSpanId: root.spanId,
          status: 2,
        });
        await acme.deliver(child);
        await acme.deliver(root);
        assert.deepEqual(
          (await acme.traces.getTrace(root.traceId)).map((span) => span.name),
          ['root', 'child'],
        );
        const { items } = await acme.traces.getTraces();
        assert.equal(items.length, 1);
        assert.equal(items[0]?.latencyMillis, 50);
        assert.equal(items[0]?.spanCount, 2);
        assert.equal(items[0]?.errorCount, 1);
        assert.equal(items[0]?.rootName, 'root');
        assert.equal(items[0]?.endTimeUnixNano, T0 + 105n * MILLI);
      });

      it('orders traces by latency, a page at a time', async () => {
        const acme = await tenant();
        await acme.deliver(...[30, 10, 20].map((millis, at) => contractSpan({ millis, at })));
        const first = await acme.traces.getTraces({ sort: 'latency', limit: 2 });
        const second = await acme.traces.getTraces({ sort: 'latency', limit: 2, cursor: first.nextCursor });
        assert.deepEqual(
          [...first.items, ...second.items].map((trace) => trace.latencyMillis),
          [30, 20, 10],
        );
        assert.equal(second.nextCursor, undefined);
      });

      it('refuses a query that is wrong', async () => {
        const { traces } = await tenant();
        for (const query of [
          { limit: 0 },
          { limit: 1.5 },
          { startTime: 1_780_000_000 },
          { startTime: 'yesterday' },
          { filters: { nmae: 'x' } },
          { filters: { status: 'FINE' } },
          { cursor: 'no cursor' },
          { sort: 'name' },
          { starttime: '2026-01-01T00:00:00Z' },
        ]) {
          await assert.rejects(
            traces.getSpans(query as unknown as SpanQuery),
            InvalidQueryError,
            JSON.stringify(query),
          );
        }
        await assert.rejects(traces.getSpanPage({ limit: 1001 }), InvalidQueryError);
        await assert.rejects(traces.getTraces({ session: 's' } as never), InvalidQueryError);
      });
    });

    describe('a mistake', () => {
      type Stores = Awaited<ReturnType<typeof tenant>>;
      /** As a program without types makes it. */
      const sent = <T>(value: unknown) => value as T;
      const row = { input: {} };

      const mistakes: [call: string, run: (stores: Stores) => Promise<unknown>, told: RegExp][] = [
        // Keys that do not exist.
        [
          'getSpans',
          ({ traces }) => traces.getSpans(sent({ filter: { name: 'x' } })),
          /^Unknown key "filter"; known are project, startTime, endTime, filters, limit, cursor, sort, order\.$/,
        ],
        [
          'getSpans in snake case',
          ({ traces }) => traces.getSpans(sent({ start_time: '2026-01-31', filters: {} })),
          /^Unknown key "start_time"; known are project, startTime,/,
        ],
        [
          'filters',
          ({ traces }) => traces.getSpans(sent({ filters: { nmae: 'x', rootOnly: true } })),
          /^Unknown key "nmae" in filters; known are name, status, spanKind,/,
        ],
        [
          'a condition',
          ({ traces }) =>
            traces.getSpans(sent({ filters: { attributes: [{ key: 'k', operator: 'exists', not: 1 }] } })),
          /^Unknown key "not" in filters\.attributes\.0; known are key, operator, value\.$/,
        ],
        [
          'getSpanPage',
          ({ traces }) => traces.getSpanPage(sent({ page: 1, size: 2 })),
          /^Unknown keys "page", "size"; /,
        ],
        [
          'getSpanById',
          ({ traces }) => traces.getSpanById(hexId(8), sent({ projekt: 'p' })),
          /"projekt"; known are project/,
        ],
        [
          'getTrace',
          ({ traces }) => traces.getTrace(hexId(16), sent({ projekt: 'p' })),
          /"projekt"; known are project/,
        ],
        [
          'getTraces',
          ({ traces }) => traces.getTraces(sent({ filters: {} })),
          /^Unknown key "filters"; known are project/,
        ],
        [
          'getMetrics',
          ({ analytics }) => analytics.getMetrics(sent({ metricNames: ['span_count'], bucket: 60 })),
          /^Unknown key "bucket"; known are .*bucketSeconds/,
        ],
        [
          'addAnnotation',
          ({ annotations }) => annotations.addAnnotation(sent({ spanId: hexId(8), name: 'n', value: 1 })),
          /^Unknown key "value"; known are spanId, name, label, score, /,
        ],
        [
          'getAnnotations',
          ({ annotations }) => annotations.getAnnotations(sent({ spans: [], names: ['n'] })),
          /^Unknown key "names"; known are spans, project, annotationNames\.$/,
        ],
        [
          'logEvaluations',
          ({ annotations }) => annotations.logEvaluations(sent({ evalName: 'n', evaluations: [], kind: 'CODE' })),
          /^Unknown key "kind"; known are evalName, evaluations, project, annotatorKind\.$/,
        ],
        [
          'an evaluation',
          ({ annotations }) =>
            annotations.logEvaluations(sent({ evalName: 'n', evaluations: [{ spanId: hexId(8), value: 1 }] })),
          /^Unknown key "value" in evaluations\.0; known are spanId, score, label, explanation\.$/,
        ],
        [
          'createDataset',
          ({ datasets }) => datasets.createDataset(sent({ name: 'd', rows: [], tenant: 'globex' })),
          /^Unknown key "tenant"; known are name, rows, description, metadata\.$/,
        ],
        [
          'a row',
          ({ datasets }) => datasets.createDataset(sent({ name: 'd', rows: [row, { ...row, expected: {} }] })),
          /^Unknown key "expected" in rows\.1; known are input, output, metadata\.$/,
        ],
        [
          'appendToDataset',
          ({ datasets }) => datasets.appendToDataset('d', sent([{ ...row, expected: {} }])),
          /^Unknown key "expected" in rows\.0; /,
        ],
        [
          'createExperiment',
          ({ experiments }) => experiments.createExperiment(sent({ name: 'e', dataset: 'd' })),
          /^Unknown key "dataset"; known are name, datasetName, metadata\.$/,
        ],
        [
          'listExperiments',
          ({ experiments }) => experiments.listExperiments(sent({ dataset: 'd' })),
          /^Unknown key "dataset"; known are datasetName\.$/,
        ],
        [
          'logRun',
          ({ experiments }) => experiments.logRun('none', sent({ inputs: {}, outputs: {}, repetition: 2 })),
          /^Unknown key "repetition"; known are .*repetitionNumber/,
        ],
        [
          'logEvaluation',
          ({ experiments }) => experiments.logEvaluation('none', sent({ name: 'n', value: 1 })),
          /^Unknown key "value"; known are name, label, score, /,
        ],
        // Values that cannot be.
        [
          'no object',
          ({ traces }) => traces.getSpanPage(sent('all')),
          /^The request is "all"; it must be an object\.$/,
        ],
        [
          'too many',
          ({ traces }) => traces.getSpanPage({ limit: 1001 }),
          /^limit is 1001; a page holds 1 to 1000 spans\.$/,
        ],
        ['no limit', ({ traces }) => traces.getSpans({ limit: 0 }), /^limit is 0; it must be a whole number from 1\.$/],
        [
          'too many traces',
          ({ traces }) => traces.getTraces({ limit: 1001 }),
          /^limit is 1001; it must be a whole number from 1 to 1000\.$/,
        ],
        [
          'sort',
          ({ traces }) => traces.getSpans(sent({ sort: 'name' })),
          /^sort is "name"; it must be one of start_time, sequence\.$/,
        ],
        [
          'status',
          ({ traces }) => traces.getSpans(sent({ filters: { status: ['FINE'] } })),
          /^filters\.status is \["FINE"\]; it must be one of UNSET, OK, ERROR, or a list of these\.$/,
        ],
        [
          'name',
          ({ traces }) => traces.getSpans(sent({ filters: { name: 7 } })),
          /^filters\.name is 7; it must be a string, or a list of these\.$/,
        ],
        [
          'rootOnly',
          ({ traces }) => traces.getSpans(sent({ filters: { rootOnly: 'yes' } })),
          /^filters\.rootOnly is "yes"; it must be true or false\.$/,
        ],
        [
          'operator',
          ({ traces }) => traces.getSpans(sent({ filters: { attributes: [{ key: 'k', operator: '>', value: 1 }] } })),
          /^filters\.attributes\.0\.operator is ">"; it must be one of eq, ne, /,
        ],
        [
          'a bare number as time',
          ({ traces }) => traces.getTraces(sent({ startTime: 1_780_000_000 })),
          /^startTime is 1780000000: its unit would be a guess\. /,
        ],
        [
          'the bucket',
          ({ analytics }) => analytics.getMetrics({ metricNames: ['span_count'], bucketSeconds: 0 }),
          /^bucketSeconds is 0; it must be a number from 0\.001 to 1e9\.$/,
        ],
        [
          'no metric',
          ({ analytics }) => analytics.getMetrics({ metricNames: [] }),
          /^metricNames is \[\]; it must name at least one metric\.$/,
        ],
        [
          'the score',
          ({ annotations }) => annotations.addAnnotation({ spanId: hexId(8), name: 'n', score: Number.NaN }),
          /^score is NaN; it must be a finite number or null\.$/,
        ],
        [
          'a name that is missing',
          ({ annotations }) => annotations.addAnnotation(sent({ spanId: hexId(8) })),
          /^name is missing; it must be a string\.$/,
        ],
        [
          'the rows',
          ({ datasets }) => datasets.createDataset(sent({ name: 'd', rows: row })),
          /^rows is \{"input":\{\}\}; it must be a list\.$/,
        ],
        [
          'the input',
          ({ datasets }) => datasets.appendToDataset('d', sent([{}])),
          /^rows\.0\.input is missing; it must be given\.$/,
        ],
        [
          'the repetition',
          ({ experiments }) => experiments.logRun('none', { inputs: {}, outputs: {}, repetitionNumber: 0 }),
          /^repetitionNumber is 0; it must be a whole number from 1\.$/,
        ],
        // What nothing could ever be found by.
        [
          'a span id',
          ({ traces }) => traces.getSpanById('zz'),
          /^spanId is "zz"; it must be an id of 16 hex digits\.$/,
        ],
        [
          'a trace id',
          ({ traces }) => traces.getTrace(hexId(8)),
          /^traceId is "\w{16}"; it must be an id of 32 hex digits\.$/,
        ],
        [
          'an id of a filter',
          ({ traces }) => traces.getSpans({ filters: { spanId: [hexId(8), 'zz'] } }),
          /^filters\.spanId is "zz"; it must be an id of 16 hex digits\.$/,
        ],
        ['a parent', ({ traces }) => traces.getSpans({ filters: { parentId: '' } }), /^filters\.parentId is ""; /],
        [
          'annotations of',
          ({ annotations }) => annotations.getAnnotations({ spans: ['zz'] }),
          /"zz"; it must be an id of 16/,
        ],
        [
          'a range that ends before it starts',
          ({ traces }) => traces.getSpans({ startTime: T0, endTime: T0 - 1n }),
          /^endTime is 1779999999999999999, which is not after startTime 1780000000000000000; /,
        ],
        ['an empty range', ({ traces }) => traces.getTraces({ startTime: T0, endTime: T0 }), /not after startTime/],
        [
          'a range of metrics',
          ({ analytics }) =>
            analytics.getMetrics({ metricNames: ['span_count'], startTime: '2026-02-01', endTime: new Date(0) }),
          /^endTime is 1970-01-01T00:00:00\.000Z, which is not after startTime 2026-02-01; /,
        ],
      ];
      it('is told by its name, its value, and what to write instead', async () => {
        const stores = await tenant();
        for (const [call, run, told] of mistakes) {
          await assert.rejects(run(stores), (error: Error) => {
            assert.ok(error instanceof InvalidQueryError, `${call}: ${error.stack}`);
            assert.match(error.message, told, call);
            return true;
          });
        }
      });
    });

    describe('tenants', () => {
      it('keeps equal project names, trace ids, span ids and sessions apart', async () => {
        const [acme, globex] = [await tenant('shared'), await tenant('shared')];
        const ids = { traceId: hexId(16), spanId: hexId(8) };
        const of = (name: string) => contractSpan({ ...ids, name, attributes: { 'session.id': 's' } });
        await acme.deliver(of('of acme'));
        await globex.deliver(of('of globex'));
        for (const [one, name] of [
          [acme, 'of acme'],
          [globex, 'of globex'],
        ] as const) {
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
          assert.deepEqual(
            (await one.analytics.getMetrics({ metricNames: ['span_count'] })).map((point) => point.value),
            [1],
          );
        }
      });

      it('refuses a project of another tenant', async () => {
        const acme = await tenant();
        const globex = await tenant(`globex-${hexId(8)}`);
        await globex.deliver(contractSpan());
        const { projectName: project } = globex;
        await assert.rejects(acme.traces.getSpans({ project }), TenantMismatchError);
        await assert.rejects(acme.traces.getTraces({ project }), TenantMismatchError);
        await assert.rejects(acme.analytics.getMetrics({ project, metricNames: ['span_count'] }), TenantMismatchError);
        await assert.rejects(acme.annotations.getAnnotations({ spans: [hexId(8)], project }), TenantMismatchError);
        await assert.rejects(
          acme.annotations.addAnnotation({ spanId: hexId(8), name: 'n', project }),
          TenantMismatchError,
        );
      });

      it('reads other projects of its own', async () => {
        const tenantId = `tenant-${hexId(8)}`;
        const [search, agent] = [await tenant('search', tenantId), await tenant('agent', tenantId)];
        await agent.deliver(contractSpan({ name: 'step' }));
        assert.deepEqual(await search.traces.getSpans(), []);
        assert.deepEqual(
          (await search.traces.getSpans({ project: agent.projectName })).map((span) => span.name),
          ['step'],
        );
      });

      it('keeps annotations, data sets and experiments apart', async () => {
        const [acme, globex] = [await tenant('shared'), await tenant('shared')];
        const ids = { traceId: hexId(16), spanId: hexId(8) };
        await acme.deliver(contractSpan(ids));
        await acme.annotations.addAnnotation({ spanId: ids.spanId, name: 'secret', label: 'acme' });
        await assert.rejects(globex.annotations.addAnnotation({ spanId: ids.spanId, name: 'x' }), SpanNotFoundError);
        await globex.deliver(contractSpan(ids));
        assert.deepEqual(await globex.annotations.getAnnotations({ spans: [ids.spanId] }), []);
        const [record] = await acme.traces.getSpans();
        await assert.rejects(globex.annotations.getAnnotations({ spans: [record!] }), TenantMismatchError);

        await acme.datasets.createDataset({ name: 'golden', rows: [{ input: { q: 'acme' } }] });
        await assert.rejects(globex.datasets.getDataset('golden'), DatasetNotFoundError);
        await assert.rejects(globex.datasets.appendToDataset('golden', []), DatasetNotFoundError);
        assert.deepEqual(await globex.datasets.listDatasets(), []);
        await globex.datasets.createDataset({ name: 'golden', rows: [] });
        assert.equal((await acme.datasets.getDataset('golden')).length, 1);

        const experiment = await acme.experiments.createExperiment({ name: 'e', datasetName: 'golden' });
        const run = await acme.experiments.logRun(experiment, { inputs: {}, outputs: {} });
        assert.deepEqual(await globex.experiments.listExperiments(), []);
        await assert.rejects(globex.experiments.getRuns(experiment), ExperimentNotFoundError);
        await assert.rejects(globex.experiments.getExperiment(experiment), ExperimentNotFoundError);
        await assert.rejects(
          globex.experiments.logRun(experiment, { inputs: {}, outputs: {} }),
          ExperimentNotFoundError,
        );
        await assert.rejects(globex.experiments.logEvaluation(run, { name: 'x' }), ExperimentNotFoundError);
      });
    });

    describe('annotations', () => {
      it('adds one, and replaces it by span, name and identifier', async () => {
        const acme = await tenant();
        const [one, two] = [contractSpan(), contractSpan()];
        await acme.deliver(one, two);
        const add = (fields: object) =>
          acme.annotations.addAnnotation({ spanId: one.spanId, name: 'relevance', ...fields });
        const id = await add({ label: 'good', score: 0.5, metadata: { by: 'Ä', at: new Date(0) }, explanation: 'why' });
        const [first] = await acme.annotations.getAnnotations({ spans: [one.spanId] });
        assert.ok(first);
        const { createdAt, updatedAt, ...rest } = first;
        assert.deepEqual(rest, {
          id,
          spanId: one.spanId,
          name: 'relevance',
          annotatorKind: 'HUMAN',
          label: 'good',
          score: 0.5,
          explanation: 'why',
          metadata: { by: 'Ä', at: '1970-01-01T00:00:00.000Z' },
          identifier: '',
        });
        assert.equal(createdAt, updatedAt);
        assert.equal(await add({ score: 0 }), id);
        const other = await add({ score: 1, identifier: 'second judge', annotatorKind: 'CODE' });
        assert.notEqual(other, id);
        await acme.annotations.addAnnotation({ spanId: two.spanId, name: 'length', score: 3 });
        const found = await acme.annotations.getAnnotations({ spans: [one.spanId, two.spanId] });
        assert.equal(found.length, 3);
        const replaced = found.find((annotation) => annotation.id === id);
        assert.deepEqual([replaced?.score, replaced?.label, replaced?.createdAt], [0, null, createdAt]);
        assert.deepEqual(replaced?.metadata, {});
        const named = await acme.annotations.getAnnotations({
          spans: [one.spanId, two.spanId],
          annotationNames: ['length'],
        });
        assert.deepEqual(
          named.map((annotation) => annotation.spanId),
          [two.spanId],
        );
        const records = await acme.traces.getSpans();
        assert.equal((await acme.annotations.getAnnotations({ spans: records })).length, 3);
      });

      it('finds nothing where there is nothing', async () => {
        const acme = await tenant();
        assert.deepEqual(await acme.annotations.getAnnotations({ spans: [] }), []);
        assert.deepEqual(await acme.annotations.getAnnotations({ spans: [hexId(8)] }), []);
      });

      it('logs evaluations of many spans, all or none', async () => {
        const acme = await tenant();
        const spans = Array.from({ length: 300 }, (_, at) => contractSpan({ at }));
        await acme.deliver(...spans);
        const evaluations = spans.map((span, index) => ({ spanId: span.spanId, score: index, label: String(index) }));
        await assert.rejects(
          acme.annotations.logEvaluations({
            evalName: 'rank',
            evaluations: [...evaluations, { spanId: hexId(8), score: 1 }],
          }),
          SpanNotFoundError,
        );
        const ids = spans.map((span) => span.spanId);
        assert.deepEqual(await acme.annotations.getAnnotations({ spans: ids }), []);
        await acme.annotations.logEvaluations({ evalName: 'rank', evaluations });
        const found = await acme.annotations.getAnnotations({ spans: ids });
        assert.deepEqual(
          new Map(found.map((one) => [one.spanId, one.score])),
          new Map(evaluations.map((one) => [one.spanId, one.score])),
        );
        assert.ok(found.every((one) => one.annotatorKind === 'LLM' && one.name === 'rank'));
      });

      it('takes many single ones at once', async () => {
        const acme = await tenant();
        const spans = Array.from({ length: 40 }, (_, at) => contractSpan({ at }));
        await acme.deliver(...spans);
        await Promise.all(
          spans.map((span, score) => acme.annotations.addAnnotation({ spanId: span.spanId, name: 'n', score })),
        );
        assert.equal((await acme.annotations.getAnnotations({ spans: spans.map((span) => span.spanId) })).length, 40);
      });

      it('refuses what is none', async () => {
        const acme = await tenant();
        const span = contractSpan();
        await acme.deliver(span);
        const add = (fields: object) =>
          acme.annotations.addAnnotation({ spanId: span.spanId, name: 'n', ...fields } as never);
        for (const fields of [
          { name: '' },
          { score: Number.NaN },
          { annotatorKind: 'CAT' },
          { metadata: { n: 1n } },
          { comment: 'c' },
        ]) {
          await assert.rejects(add(fields), InvalidQueryError);
        }
        await assert.rejects(add({ spanId: 'no id' }), SpanNotFoundError);
      });
    });

    describe('data sets', () => {
      it('keeps rows in their order, and counts versions', async () => {
        const { datasets } = await tenant();
        const rows = Array.from({ length: 50 }, (_, n) => ({
          input: { n, deep: { list: [n, null, 'ü\u0000'] } },
          output: { a: n },
        }));
        const id = await datasets.createDataset({ name: 'gold/en ü?', rows, description: 'd', metadata: { m: [1] } });
        const info = await datasets.getDatasetInfo('gold/en ü?');
        assert.deepEqual([info.id, info.name, info.description, info.exampleCount], [id, 'gold/en ü?', 'd', 50]);
        assert.deepEqual(info.metadata, { m: [1] });
        const more: Record<string, unknown> = JSON.parse('{"__proto__":{"x":1},"constructor":2}');
        await datasets.appendToDataset('gold/en ü?', [{ input: more, metadata: { source: 'late' } }]);
        const after = await datasets.getDatasetInfo('gold/en ü?');
        assert.equal(after.exampleCount, 51);
        assert.notEqual(after.versionId, info.versionId);
        assert.equal(after.createdAt, info.createdAt);
        const read = await datasets.getDataset('gold/en ü?');
        assert.deepEqual(
          read.slice(0, 50).map(({ input, output }) => ({ input, output })),
          rows,
        );
        assert.equal(new Set(read.map((row) => row.id)).size, 51);
        assert.equal(JSON.stringify(read[50]?.input), JSON.stringify(more));
        assert.deepEqual([read[50]?.output, read[50]?.metadata], [{}, { source: 'late' }]);
      });

      it('lists them, takes an empty one, and refuses a name twice or unknown', async () => {
        const { datasets } = await tenant();
        await datasets.createDataset({ name: 'b', rows: [] });
        await datasets.createDataset({ name: 'a', rows: [] });
        assert.deepEqual(
          (await datasets.listDatasets()).map((one) => one.name),
          ['b', 'a'],
        );
        assert.deepEqual(await datasets.getDataset('a'), []);
        await assert.rejects(datasets.createDataset({ name: 'a', rows: [] }), DatasetExistsError);
        await assert.rejects(datasets.getDataset('c'), DatasetNotFoundError);
        await assert.rejects(datasets.getDatasetInfo('c'), DatasetNotFoundError);
        await assert.rejects(datasets.appendToDataset('c', []), DatasetNotFoundError);
        await assert.rejects(datasets.createDataset({ name: '', rows: [] }), InvalidQueryError);
      });

      it('of two that create the same, one succeeds', async () => {
        const { datasets } = await tenant();
        const results = await Promise.allSettled(
          Array.from({ length: 5 }, () => datasets.createDataset({ name: 'n', rows: [] })),
        );
        assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
        for (const result of results)
          if (result.status === 'rejected') assert.ok(result.reason instanceof DatasetExistsError);
      });
    });

    describe('experiments', () => {
      it('keeps runs and their evaluations', async () => {
        const { datasets, experiments } = await tenant();
        const dataset = await datasets.createDataset({ name: 'd', rows: [{ input: { q: 1 } }] });
        const example = (await datasets.getDataset('d'))[0]!.id;
        const id = await experiments.createExperiment({ name: 'e', datasetName: 'd', metadata: { k: 'v' } });
        const free = await experiments.createExperiment({ name: 'free' });
        const traceId = hexId(16);
        const run = await experiments.logRun(id, {
          inputs: { q: 1 },
          outputs: { a: [1.5] },
          metadata: { m: true },
          datasetExampleId: example,
          repetitionNumber: 2,
          traceId,
          startTime: new Date(1000),
          endTime: 2_000_000_001n,
        });
        const failed = await experiments.logRun(id, { inputs: {}, outputs: {}, error: 'it broke' });
        await experiments.logEvaluation(run, { name: 'exact', score: 0.25, label: 'no' });
        await experiments.logEvaluation(run, {
          name: 'judge',
          label: 'good',
          annotatorKind: 'LLM',
          explanation: 'why',
        });
        await experiments.logEvaluation(run, { name: 'exact', score: 1, label: 'yes' });
        const runs = await experiments.getRuns(id);
        assert.deepEqual(runs[0], {
          id: run,
          experimentId: id,
          datasetExampleId: example,
          inputs: { q: 1 },
          outputs: { a: [1.5] },
          metadata: { m: true },
          repetitionNumber: 2,
          traceId,
          error: undefined,
          startTime: '1970-01-01T00:00:01.000Z',
          endTime: '1970-01-01T00:00:02.000000001Z',
          evaluations: [
            { name: 'judge', annotatorKind: 'LLM', label: 'good', score: null, explanation: 'why', error: null },
            { name: 'exact', annotatorKind: 'CODE', label: 'yes', score: 1, explanation: null, error: null },
          ],
        });
        assert.deepEqual(
          [runs[1]?.id, runs[1]?.error, runs[1]?.repetitionNumber, runs[1]?.evaluations],
          [failed, 'it broke', 1, []],
        );
        const record = await experiments.getExperiment(id);
        assert.deepEqual(
          [record.name, record.datasetId, record.metadata, record.runCount],
          ['e', dataset, { k: 'v' }, 2],
        );
        assert.deepEqual(
          (await experiments.listExperiments()).map((one) => one.id),
          [id, free],
        );
        assert.deepEqual(
          (await experiments.listExperiments({ datasetName: 'd' })).map((one) => one.id),
          [id],
        );
        assert.deepEqual(await experiments.getRuns(free), []);
      });

      it('refuses what it does not know', async () => {
        const { experiments } = await tenant();
        await assert.rejects(experiments.createExperiment({ name: 'e', datasetName: 'none' }), DatasetNotFoundError);
        await assert.rejects(experiments.listExperiments({ datasetName: 'none' }), DatasetNotFoundError);
        await assert.rejects(experiments.logRun('none', { inputs: {}, outputs: {} }), ExperimentNotFoundError);
        await assert.rejects(experiments.getRuns('none'), ExperimentNotFoundError);
        await assert.rejects(experiments.getExperiment('none'), ExperimentNotFoundError);
        await assert.rejects(experiments.logEvaluation('none', { name: 'n' }), ExperimentNotFoundError);
        const id = await experiments.createExperiment({ name: 'e' });
        await assert.rejects(
          experiments.logRun(id, { inputs: {}, outputs: {}, repetitionNumber: 0 }),
          InvalidQueryError,
        );
      });
    });

    describe('metrics', () => {
      it('are of spans, and of traces by their root', async () => {
        const acme = await tenant();
        const root = contractSpan({ millis: 40 });
        await acme.deliver(
          root,
          contractSpan({
            traceId: root.traceId,
            parentSpanId: root.spanId,
            millis: 100,
            status: 2,
            attributes: {
              'llm.token_count.prompt': 5n,
              'llm.token_count.completion': 7n,
              'llm.cost.total': 0.25,
              'llm.model_name': 'm',
            },
          }),
          contractSpan({ at: 1, millis: 20, attributes: { top_k: 10n } }),
        );
        const metricNames = [
          'span_count',
          'trace_count',
          'error_rate',
          'latency_p50',
          'latency_p95',
          'latency_mean',
          'tokens_prompt',
          'tokens_completion',
          'tokens_total',
          'cost_total',
          'attribute:top_k:mean',
        ];
        const points = await acme.analytics.getMetrics({ metricNames });
        assert.deepEqual(
          points.map((point) => [point.metricName, point.value]),
          [
            ['span_count', 3],
            ['trace_count', 2],
            ['error_rate', 0.5],
            ['latency_p50', 30],
            ['latency_p95', 39],
            ['latency_mean', 30],
            ['tokens_prompt', 5],
            ['tokens_completion', 7],
            ['tokens_total', 12],
            ['cost_total', 0.25],
            ['attribute:top_k:mean', 10],
          ],
        );
        assert.ok(
          points.every(
            (point) => point.timestamp === new Date(Number(T0 / MILLI)).toISOString() && !('group' in point),
          ),
        );
        const grouped = await acme.analytics.getMetrics({
          metricNames: ['span_count', 'latency_mean'],
          groupBy: 'model',
        });
        assert.deepEqual(
          grouped.map((point) => [point.metricName, point.group, point.value]),
          [
            ['span_count', 'm', 1],
            ['latency_mean', 'm', 40],
          ],
        );
      });

      it('come in buckets, and a bucket without data gives no point', async () => {
        const acme = await tenant();
        await acme.deliver(contractSpan({ at: 0 }), contractSpan({ at: 999 }), contractSpan({ at: 3000 }));
        const points = await acme.analytics.getMetrics({
          metricNames: ['span_count', 'cost_total'],
          startTime: T0,
          bucketSeconds: 1,
        });
        const second = (n: number) => new Date(Number(T0 / MILLI) + n * 1000).toISOString();
        assert.deepEqual(points, [
          { timestamp: second(0), metricName: 'span_count', value: 2 },
          { timestamp: second(3), metricName: 'span_count', value: 1 },
        ]);
        assert.deepEqual(
          await acme.analytics.getMetrics({ metricNames: ['span_count'], startTime: T0 + 9_000n * MILLI }),
          [],
        );
      });

      it('refuse an unknown name, and list the known ones', async () => {
        const { analytics } = await tenant();
        await assert.rejects(analytics.getMetrics({ metricNames: ['latency_p42'] }), (error: Error) => {
          assert.ok(error instanceof InvalidQueryError);
          assert.match(error.message, /latency_p42.*span_count.*attribute:<key>/s);
          return true;
        });
        await assert.rejects(analytics.getMetrics({ metricNames: [] }), InvalidQueryError);
        await assert.rejects(
          analytics.getMetrics({ metricNames: ['span_count'], groupBy: 'colour' }),
          InvalidQueryError,
        );
        await assert.rejects(
          analytics.getMetrics({ metricNames: ['span_count'], bucketSeconds: 0 }),
          InvalidQueryError,
        );
        await assert.rejects(
          analytics.getMetrics({ metricNames: ['span_count'], bucket: 60 } as never),
          InvalidQueryError,
        );
      });
    });
  });
}

/** Bound once, as an application does it. */
function storesOf({ traces, annotations, datasets, experiments, analytics }: TelemetryProvider) {
  return { traces, annotations, datasets, experiments, analytics };
}
