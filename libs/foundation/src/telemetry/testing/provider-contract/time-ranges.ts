/** Contract: ranges of time hold their start and not their end, to the nanosecond, in every store that takes them.   Testing. */
import assert from 'node:assert/strict';
import { InvalidQueryError } from '../../errors.js';
import type { SpanQuery } from '../../providers/trace-store.js';
import { contractSpan, MILLI, T0 } from './contract-spans.js';
import type { ContractTopic } from './describe-telemetry-provider.js';

type Range = Pick<SpanQuery, 'startTime' | 'endTime'>;

export function describeTimeRanges({ check, lacks }: ContractTopic): void {
  check('takes the start of a range and not its end', async (backend) => {
    const acme = await backend.tenant();
    await acme.send(...[0, 1, 2, 3].map((at) => contractSpan({ name: String(at), at })));
    const between = async (startTime: SpanQuery['startTime'], endTime: SpanQuery['endTime']) => {
      const names = (await acme.traces.getSpans({ startTime, endTime })).map((span) => span.name);
      const traces = (await acme.traces.getTraces({ startTime, endTime })).items.map((trace) => trace.rootName);
      assert.deepEqual(traces, names, 'traces are found in the same range');
      return names;
    };
    assert.deepEqual(await between(T0 + MILLI, T0 + 3n * MILLI), ['2', '1']);
    assert.deepEqual(await between(undefined, undefined), ['3', '2', '1', '0']);
    assert.deepEqual(await between(T0 + 3n * MILLI, undefined), ['3']);
    assert.deepEqual(await between(undefined, T0), []);
    assert.deepEqual(await between(T0 + 4n * MILLI, T0 + 5n * MILLI), []);
  });

  check(
    'is exact to the nanosecond',
    async (backend) => {
      const acme = await backend.tenant();
      const names = ['before', 'first', 'last', 'after'];
      const starts = [T0 + 99n, T0 + 100n, T0 + 199n, T0 + 200n];
      await acme.send(
        ...names.map((name, index) =>
          contractSpan({ name, startTimeUnixNano: starts[index]!, endTimeUnixNano: T0 + MILLI }),
        ),
      );
      const between = async (startTime: bigint, endTime: bigint) =>
        (await acme.traces.getSpans({ startTime, endTime, order: 'asc' })).map((span) => span.name);
      assert.deepEqual(await between(T0 + 100n, T0 + 200n), ['first', 'last']);
      assert.deepEqual(await between(T0 + 99n, T0 + 100n), ['before']);
      assert.deepEqual(await between(T0 + 101n, T0 + 199n), []);
      assert.deepEqual(await between(T0 + 200n, T0 + 201n), ['after']);
      const iso = (nanos: string) => `2026-05-28T20:26:40.000000${nanos}Z`;
      assert.deepEqual(
        (await acme.traces.getSpans({ startTime: iso('100'), endTime: iso('199') })).map((span) => span.name),
        ['first'],
      );
    },
    'nanosecond times',
  );

  check('takes a Date, an ISO string of any zone, and nanoseconds alike', async (backend) => {
    const acme = await backend.tenant();
    await acme.send(...[0, 1000, 2000].map((at) => contractSpan({ name: String(at), at })));
    const millis = Number(T0 / MILLI);
    const start = new Date(millis + 1000);
    const forms: Range[] = [
      { startTime: start, endTime: new Date(millis + 2000) },
      { startTime: start.toISOString(), endTime: new Date(millis + 2000).toISOString() },
      { startTime: '2026-05-28T22:26:41+02:00', endTime: '2026-05-28T22:26:42+02:00' },
      { startTime: T0 + 1000n * MILLI, endTime: T0 + 2000n * MILLI },
      { startTime: start, endTime: T0 + 2000n * MILLI },
    ];
    for (const range of forms) {
      assert.deepEqual(
        (await acme.traces.getSpans(range)).map((span) => span.name),
        ['1000'],
      );
      if (lacks.metrics === undefined) {
        const points = await acme.analytics.getMetrics({ metricNames: ['span_count'], ...range });
        assert.deepEqual(
          points.map(({ value }) => value),
          [1],
        );
      }
    }
    assert.equal((await acme.traces.getSpans({ startTime: '2026-05-28', endTime: '2026-05-29' })).length, 3);
    assert.deepEqual(await acme.traces.getSpans({ startTime: '2026-05-29' }), []);
  });

  const refusedTimes: [why: string, range: object, told: string[]][] = [
    ['a bare number', { startTime: 1_780_000_000 }, ['startTime', '1780000000', 'Date']],
    ['a bare number at the end', { endTime: 1_780_000_000_000 }, ['endTime', '1780000000000', 'Date']],
    ['what is no time', { startTime: 'yesterday' }, ['startTime', 'yesterday', 'ISO']],
    [
      'a time of day without a zone',
      { startTime: '2026-05-28T20:26:40' },
      ['startTime', '2026-05-28T20:26:40', 'zone'],
    ],
    ['a date that does not exist', { startTime: '2026-02-31' }, ['startTime', '2026-02-31']],
    ['an invalid Date', { startTime: new Date(Number.NaN) }, ['startTime', 'Invalid Date']],
    ['a range that ends before it starts', { startTime: T0, endTime: T0 - 1n }, ['endTime', 'startTime', 'after']],
    ['an empty range', { startTime: T0, endTime: T0 }, ['endTime', 'startTime', 'after']],
    [
      'such a range in two forms',
      { startTime: '2026-02-01', endTime: new Date(0) },
      ['endTime', 'startTime', '2026-02-01', 'after'],
    ],
  ];
  check('refuses what is no time and no range, by its name and value', async (backend) => {
    const { traces, analytics } = await backend.tenant();
    for (const [why, given, told] of refusedTimes) {
      const range = given as Range;
      const calls: [string, () => Promise<unknown>][] = [
        ['getSpans', () => traces.getSpans(range)],
        ['getSpanPage', () => traces.getSpanPage(range)],
        ['iterateSpans', async () => traces.iterateSpans(range)[Symbol.asyncIterator]().next()],
        ['getTraces', () => traces.getTraces(range)],
      ];
      if (lacks.metrics === undefined) {
        calls.push(['getMetrics', () => analytics.getMetrics({ metricNames: ['span_count'], ...range })]);
      }
      for (const [call, run] of calls) {
        await assert.rejects(run, (error: Error) => {
          assert.ok(error instanceof InvalidQueryError, `${call} with ${why}: ${error.stack}`);
          for (const part of told) assert.ok(error.message.includes(part), `${call} with ${why}: ${error.message}`);
          return true;
        });
      }
    }
  });
}
