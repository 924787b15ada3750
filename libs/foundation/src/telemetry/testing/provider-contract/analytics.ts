/** Contract: metrics of spans and of traces, by bucket and group.   Testing. */
import assert from 'node:assert/strict';
import { InvalidQueryError } from '../../errors.js';
import { METRIC_NAMES, type MetricQuery } from '../../providers/analytics-store.js';
import { contractSpan, hexId, MILLI, T0 } from './contract-spans.js';
import type { ContractTopic } from './describe-telemetry-provider.js';

/** Sums and means of decimal fractions differ in their last digit with the order of the addends. */
function assertClose(actual: number | undefined, expected: number, what: string): void {
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) <= 1e-9 * Math.max(1, Math.abs(expected)),
    `${what} is ${actual}, and should be ${expected}`,
  );
}

export function describeAnalytics({ check }: ContractTopic): void {
  check(
    'are of spans, and of traces by their root',
    async (backend) => {
      const acme = await backend.tenant();
      const root = contractSpan({ millis: 40 });
      await acme.send(
        root,
        contractSpan({
          traceId: root.traceId,
          parentSpanId: root.spanId,
          millis: 100,
          status: 2,
          attributes: {
            'openinference.span.kind': 'LLM',
            'llm.token_count.prompt': 5n,
            'llm.token_count.completion': 7n,
            'llm.cost.total': 0.25,
            'llm.model_name': 'm',
          },
        }),
        contractSpan({ at: 1, millis: 20 }),
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
      ];
      const points = await acme.analytics.getMetrics({ metricNames });
      const expected = [3, 2, 0.5, 30, 39, 30, 5, 7, 12, 0.25];
      assert.deepEqual(
        points.map((point) => point.metricName),
        metricNames,
      );
      for (const [index, name] of metricNames.entries()) assertClose(points[index]?.value, expected[index]!, name);
      assert.ok(
        points.every((point) => point.timestamp === new Date(Number(T0 / MILLI)).toISOString() && !('group' in point)),
      );
    },
    'metrics',
  );

  check(
    'take percentiles by linear interpolation',
    async (backend) => {
      const acme = await backend.tenant();
      await acme.send(...[400, 100, 300, 200].map((millis, at) => contractSpan({ millis, at })));
      const points = await acme.analytics.getMetrics({
        metricNames: ['latency_p50', 'latency_p95', 'latency_p99', 'latency_mean'],
      });
      for (const [index, expected] of [250, 385, 397, 250].entries()) {
        assertClose(points[index]?.value, expected, points[index]?.metricName ?? 'nothing');
      }
    },
    'metrics',
  );

  check(
    'take a trace without a root by the whole stretch of its spans, and one error for all of them',
    async (backend) => {
      const acme = await backend.tenant();
      const traceId = hexId(16);
      const child = (at: number, status: 0 | 2) =>
        contractSpan({ traceId, parentSpanId: hexId(8), at, millis: 10, status });
      await acme.send(child(0, 2), child(40, 2), contractSpan({ millis: 10 }), contractSpan({ millis: 10 }));
      const points = await acme.analytics.getMetrics({ metricNames: ['latency_mean', 'error_rate', 'trace_count'] });
      for (const [index, expected] of [70 / 3, 1 / 3, 3].entries()) {
        assertClose(points[index]?.value, expected, points[index]?.metricName ?? 'nothing');
      }
    },
    'metrics',
  );

  check(
    'are there under every name, and none is there without data',
    async (backend) => {
      const acme = await backend.tenant();
      const names = [...METRIC_NAMES];
      assert.deepEqual(await acme.analytics.getMetrics({ metricNames: names }), []);
      assert.deepEqual(await acme.analytics.getMetrics({ metricNames: names, project: `unknown-${hexId(8)}` }), []);
      await acme.send(contractSpan());
      const ofPlain = await acme.analytics.getMetrics({ metricNames: names });
      assert.deepEqual(
        ofPlain.map(({ metricName }) => metricName),
        names.filter((name) => !/^(tokens|cost)_/.test(name)),
        'a span that says nothing of tokens and cost has none, not 0',
      );
      await acme.send(
        contractSpan({
          attributes: {
            'openinference.span.kind': 'LLM',
            'llm.model_name': 'm',
            'llm.token_count.prompt': 1n,
            'llm.token_count.completion': 2n,
            'llm.cost.total': 0.5,
          },
        }),
      );
      const all = await acme.analytics.getMetrics({ metricNames: names.toReversed() });
      assert.deepEqual(
        all.map(({ metricName }) => metricName),
        names.toReversed(),
        'in the order in which they are asked for',
      );
      assert.ok(all.every(({ value }) => Number.isFinite(value)));
      const later = { startTime: T0 + 9_000n * MILLI };
      assert.deepEqual(await acme.analytics.getMetrics({ metricNames: names, ...later }), []);
    },
    'metrics',
  );

  check(
    'take the total of tokens as recorded, else the sum of their parts',
    async (backend) => {
      const acme = await backend.tenant();
      const llm = (attributes: Record<string, bigint>) =>
        contractSpan({ attributes: { 'openinference.span.kind': 'LLM', ...attributes } });
      await acme.send(
        llm({ 'llm.token_count.prompt': 5n, 'llm.token_count.completion': 7n }),
        llm({ 'llm.token_count.prompt': 10n, 'llm.token_count.completion': 20n, 'llm.token_count.total': 30n }),
        llm({ 'llm.token_count.prompt': 100n }),
      );
      const points = await acme.analytics.getMetrics({
        metricNames: ['tokens_prompt', 'tokens_completion', 'tokens_total'],
      });
      assert.deepEqual(
        points.map(({ value }) => value),
        [115, 27, 142],
      );
    },
    'metrics',
  );

  /** Spans with what each costs by the prices of `PRICED`. */
  const pricedSpans = [
    // As recorded, whatever the tokens would cost.
    { cost: 0.25, model: 'small', recorded: { 'llm.token_count.prompt': 1000n, 'llm.cost.total': 0.25 } },
    {
      cost: 0.035,
      model: 'small',
      recorded: { 'llm.token_count.prompt': 10_000n, 'llm.token_count.completion': 20_000n },
    },
    { cost: 6, model: 'my_model', recorded: { 'llm.token_count.prompt': 2_000_000n } },
    { cost: 0.5, model: 'my_model', recorded: { 'llm.token_count.completion': 50_000n } },
    { cost: 0, model: 'free', recorded: { 'llm.token_count.prompt': 1000n } },
    // Of no known price, or with nothing that has a price: no cost, also no 0.
    { cost: undefined, model: 'unknown', recorded: { 'llm.token_count.prompt': 1000n } },
    { cost: undefined, model: 'Small', recorded: { 'llm.token_count.prompt': 1000n } },
    { cost: undefined, model: undefined, recorded: { 'llm.token_count.prompt': 1000n } },
    { cost: undefined, model: 'small', recorded: { 'llm.token_count.total': 1000n } },
    { cost: 0.125, model: 'unknown', recorded: { 'llm.cost.total': 0.125 } },
  ].map(({ cost, model, recorded }, at) => ({
    cost,
    model,
    span: () =>
      contractSpan({
        name: `priced ${at}`,
        at: at * 1000,
        attributes: {
          'openinference.span.kind': 'LLM',
          ...(model === undefined ? {} : { 'llm.model_name': model }),
          ...(recorded as Record<string, number | bigint>),
        },
      }),
  }));
  const PRICED = {
    small: { promptPerMillionTokens: 0.5, completionPerMillionTokens: 1.5 },
    my_model: { promptPerMillionTokens: 3, completionPerMillionTokens: 10 },
    free: { promptPerMillionTokens: 0, completionPerMillionTokens: 0 },
  };

  check(
    'price the tokens of spans that record no cost',
    async (backend) => {
      const acme = await backend.tenant();
      await acme.send(...pricedSpans.map(({ span }) => span()));
      const cost = async (prices: MetricQuery['prices'], range: Partial<MetricQuery> = {}) => {
        const points = await acme.analytics.getMetrics({ metricNames: ['cost_total'], prices, ...range });
        return points.map(({ value }) => value);
      };
      assertClose((await cost(PRICED))[0], 0.25 + 0.035 + 6 + 0.5 + 0.125, 'the cost with prices');
      for (const prices of [undefined, {}])
        assert.deepEqual(await cost(prices), [0.375], 'without a price: as recorded');
      const from = (at: number, to: number) => ({
        startTime: T0 + BigInt(at) * 1000n * MILLI,
        endTime: T0 + BigInt(to) * 1000n * MILLI,
      });
      assert.deepEqual(await cost(PRICED, from(4, 5)), [0], 'tokens that cost nothing cost 0');
      assert.deepEqual(await cost(PRICED, from(5, 9)), [], 'what has no price gives no point, not 0');
      assert.deepEqual(
        (
          await acme.analytics.getMetrics({ metricNames: ['span_count', 'cost_total'], prices: PRICED, ...from(5, 9) })
        ).map(({ metricName, value }) => [metricName, value]),
        [['span_count', 4]],
        'prices change no other metric',
      );
    },
    'metrics',
    'price tables',
  );

  check(
    'price in groups and in buckets as over the whole',
    async (backend) => {
      const acme = await backend.tenant();
      await acme.send(...pricedSpans.map(({ span }) => span()));
      const points = await acme.analytics.getMetrics({ metricNames: ['cost_total'], prices: PRICED, groupBy: 'model' });
      const ofModel = new Map<string, number>();
      for (const { model, cost } of pricedSpans) {
        if (model !== undefined && cost !== undefined) ofModel.set(model, (ofModel.get(model) ?? 0) + cost);
      }
      assert.deepEqual(points.map(({ group }) => group).sort(), [...ofModel.keys()].sort());
      for (const { group, value } of points) assertClose(value, ofModel.get(group!)!, `the cost of ${group}`);
      const seconds = await acme.analytics.getMetrics({
        metricNames: ['cost_total'],
        prices: PRICED,
        startTime: T0,
        bucketSeconds: 1,
      });
      assert.deepEqual(
        seconds.map(({ timestamp, value }) => [timestamp, value]),
        pricedSpans.flatMap(({ cost }, at) =>
          cost === undefined ? [] : [[new Date(Number(T0 / MILLI) + at * 1000).toISOString(), cost]],
        ),
        'one span a bucket: its cost to the last bit',
      );
    },
    'metrics',
    'price tables',
    'metric groups',
    'metric buckets',
  );

  check(
    'calculate with an attribute of numbers, and pass over what is none',
    async (backend) => {
      const acme = await backend.tenant();
      await acme.send(
        ...[4n, 1.5, 10n, '7', true].map((top_k, at) => contractSpan({ at, attributes: { top_k } })),
        contractSpan(),
      );
      const metricNames = ['mean', 'sum', 'min', 'max', 'p95'].map((name) => `attribute:top_k:${name}`);
      const points = await acme.analytics.getMetrics({ metricNames });
      assert.deepEqual(
        points.map(({ metricName }) => metricName),
        metricNames,
      );
      for (const [index, expected] of [15.5 / 3, 15.5, 1.5, 10, 9.4].entries()) {
        assertClose(points[index]?.value, expected, metricNames[index]!);
      }
      assert.deepEqual(await acme.analytics.getMetrics({ metricNames: ['attribute:nobody:sum'] }), []);
    },
    'metrics',
    'attribute metrics',
  );

  check(
    'come in buckets, and a bucket without data gives no point',
    async (backend) => {
      const acme = await backend.tenant();
      await acme.send(...[0, 999, 3000, 4000].map((at) => contractSpan({ at })));
      const points = await acme.analytics.getMetrics({
        metricNames: ['span_count', 'cost_total'],
        startTime: T0,
        endTime: T0 + 4_000n * MILLI,
        bucketSeconds: 1,
      });
      const second = (n: number) => new Date(Number(T0 / MILLI) + n * 1000).toISOString();
      assert.deepEqual(points, [
        { timestamp: second(0), metricName: 'span_count', value: 2 },
        { timestamp: second(3), metricName: 'span_count', value: 1 },
      ]);
      const halves = await acme.analytics.getMetrics({
        metricNames: ['span_count'],
        startTime: T0 + 500n * MILLI,
        bucketSeconds: 1,
      });
      assert.deepEqual(
        halves.map(({ timestamp, value }) => [timestamp, value]),
        [
          [new Date(Number(T0 / MILLI) + 500).toISOString(), 1],
          [new Date(Number(T0 / MILLI) + 2500).toISOString(), 1],
          [new Date(Number(T0 / MILLI) + 3500).toISOString(), 1],
        ],
        'buckets count from the start of the range',
      );
    },
    'metrics',
    'metric buckets',
  );

  check(
    'come in groups, each with its name',
    async (backend) => {
      const acme = await backend.tenant();
      const root = contractSpan({ name: 'a', millis: 40, attributes: { 'session.id': 's' } });
      await acme.send(
        root,
        contractSpan({
          name: 'b',
          traceId: root.traceId,
          parentSpanId: root.spanId,
          attributes: { 'llm.model_name': 'm', 'openinference.span.kind': 'LLM', profile: 'p1' },
        }),
        contractSpan({ name: 'a', attributes: { profile: 'p1' } }),
      );
      const counts = async (groupBy: string) => {
        const points = await acme.analytics.getMetrics({ metricNames: ['span_count'], groupBy });
        return Object.fromEntries(points.map(({ group, value }) => [group, value]));
      };
      assert.deepEqual(await counts('name'), { a: 2, b: 1 });
      assert.deepEqual(await counts('kind'), { LLM: 1, UNKNOWN: 2 });
      assert.deepEqual(await counts('model'), { m: 1 });
      assert.deepEqual(await counts('session'), { s: 1 });
      assert.deepEqual(await counts('tenant'), { [acme.tenantId]: 3 });
      assert.deepEqual(await counts('attribute:profile'), { p1: 2 });
      assert.deepEqual(await counts('attribute:nobody'), {});
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
        "a trace's latency is that of its root, whichever of its spans is in the group",
      );
    },
    'metrics',
    'metric groups',
  );

  check(
    'come in groups within buckets, for each kind of group',
    async (backend) => {
      const acme = await backend.tenant();
      const spans = (at: number, count: number, model: string, session: string, tag: string) =>
        Array.from({ length: count }, (_, n) =>
          contractSpan({
            at: at + n,
            name: `of ${model}`,
            attributes: {
              'openinference.span.kind': n === 0 ? 'LLM' : 'TOOL',
              'llm.model_name': model,
              'session.id': session,
              tag,
            },
          }),
        );
      await acme.send(
        ...spans(0, 3, 'm1', 's1', 'x'),
        ...spans(1000, 1, 'm1', 's2', 'y'),
        ...spans(1500, 2, 'm2', 's2', 'y'),
      );
      const counts = async (groupBy: string) => {
        const points = await acme.analytics.getMetrics({
          metricNames: ['span_count'],
          startTime: T0,
          bucketSeconds: 1,
          groupBy,
        });
        return points.map(({ timestamp, group, value }) => [
          (Date.parse(timestamp) - Number(T0 / MILLI)) / 1000,
          group,
          value,
        ]);
      };
      assert.deepEqual(await counts('name'), [
        [0, 'of m1', 3],
        [1, 'of m1', 1],
        [1, 'of m2', 2],
      ]);
      assert.deepEqual(await counts('kind'), [
        [0, 'LLM', 1],
        [0, 'TOOL', 2],
        [1, 'LLM', 2],
        [1, 'TOOL', 1],
      ]);
      assert.deepEqual(await counts('model'), [
        [0, 'm1', 3],
        [1, 'm1', 1],
        [1, 'm2', 2],
      ]);
      assert.deepEqual(await counts('session'), [
        [0, 's1', 3],
        [1, 's2', 3],
      ]);
      assert.deepEqual(await counts('tenant'), [
        [0, acme.tenantId, 3],
        [1, acme.tenantId, 3],
      ]);
      assert.deepEqual(await counts('project'), [
        [0, acme.projectName, 3],
        [1, acme.projectName, 3],
      ]);
      assert.deepEqual(await counts('attribute:tag'), [
        [0, 'x', 3],
        [1, 'y', 3],
      ]);
    },
    'metrics',
    'metric groups',
    'metric buckets',
  );

  check(
    'are of all projects of the tenant where that is asked for, and of no other tenant',
    async (backend) => {
      const search = await backend.tenant();
      const { tenantId } = search;
      const agent = await backend.tenant({ tenantId, project: 'agent' });
      const other = await backend.tenant();
      const traceId = hexId(16);
      await search.send(contractSpan({ traceId, millis: 10 }), contractSpan({ millis: 30, status: 2 }));
      // The same trace goes through two projects: each has its part of it, with a latency of its own.
      await agent.send(contractSpan({ traceId, millis: 50, name: 'step' }), contractSpan({ millis: 70, name: 'step' }));
      await other.send(contractSpan({ millis: 1000 }));
      const metricNames = ['span_count', 'trace_count', 'error_rate', 'latency_mean'];
      const values = async (query: Partial<MetricQuery>) =>
        (await search.analytics.getMetrics({ metricNames, ...query })).map(({ group, value }) =>
          group === undefined ? value : [group, value],
        );
      assert.deepEqual(await values({}), [2, 2, 0.5, 20]);
      assert.deepEqual(await values({ allProjects: true }), [4, 4, 0.25, 40]);
      assert.deepEqual(await values({ allProjects: false }), [2, 2, 0.5, 20]);
      const byProject = new Map(
        (
          await search.analytics.getMetrics({ metricNames: ['latency_mean'], allProjects: true, groupBy: 'project' })
        ).map(({ group, value }) => [group, value]),
      );
      assert.deepEqual(
        byProject,
        new Map([
          [agent.projectName, 60],
          [search.projectName, 20],
        ]),
      );
      assert.deepEqual(
        await search.analytics
          .getMetrics({ metricNames: ['span_count'], allProjects: true, groupBy: 'name' })
          .then((points) => points.map(({ group, value }) => [group, value])),
        [
          ['search', 2],
          ['step', 2],
        ],
      );
      const project = agent.projectName;
      await assert.rejects(values({ allProjects: true, project }), InvalidQueryError, 'one or the other');
      const nobody = await backend.tenant();
      assert.deepEqual(await nobody.analytics.getMetrics({ metricNames, allProjects: true }), []);
    },
    'metrics',
    'metric groups',
    'equal ids of two tenants',
    'metrics over all projects',
  );

  check(
    'refuse an unknown name, and list the known ones',
    async (backend) => {
      const { analytics } = await backend.tenant();
      for (const name of ['latency_p42', 'attribute:top_k', 'attribute::sum', 'attribute:k:median', '']) {
        await assert.rejects(analytics.getMetrics({ metricNames: ['span_count', name] }), (error: Error) => {
          assert.ok(error instanceof InvalidQueryError, error.stack);
          assert.ok(error.message.includes(JSON.stringify(name)), error.message);
          for (const known of METRIC_NAMES) assert.ok(error.message.includes(known), error.message);
          assert.ok(error.message.includes('attribute:<key>'), error.message);
          return true;
        });
      }
      await assert.rejects(analytics.getMetrics({ metricNames: [] }), InvalidQueryError);
      for (const bucketSeconds of [0, -1, Number.NaN]) {
        await assert.rejects(analytics.getMetrics({ metricNames: ['span_count'], bucketSeconds }), InvalidQueryError);
      }
    },
    'metrics',
  );
}
