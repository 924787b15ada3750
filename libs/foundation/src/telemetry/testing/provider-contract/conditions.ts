/** Contract: conditions in Phoenix's language, over spans, traces, sessions and metrics.   Testing. */
import assert from 'node:assert/strict';
import { InvalidQueryError } from '../../errors.js';
import type { ContractTenant } from './backend.js';
import { contractSpan, hexId, MILLI, T0 } from './contract-spans.js';
import type { ContractTopic } from './describe-telemetry-provider.js';

/** Two traces of one conversation and one of another: a question whose answer fails, one that is answered, and one in error. */
async function conversations(tenant: ContractTenant): Promise<void> {
  const ask = (name: string, at: number, session: string, millis: number, more: object = {}) =>
    contractSpan({
      traceId: hexId(16),
      spanId: hexId(8),
      name,
      at,
      millis,
      attributes: { 'session.id': session, 'input.value': `${name}?`, 'openinference.span.kind': 'CHAIN' },
      ...more,
    });
  const [first, second, third] = [
    ask('first', 0, 'long', 100),
    ask('second', 1000, 'long', 200),
    ask('third', 2000, 'short', 300, { status: 2 }),
  ];
  const answer = (of: typeof first, at: number, status: 0 | 2, total: bigint) =>
    contractSpan({
      traceId: of.traceId,
      parentSpanId: of.spanId,
      name: 'generate',
      at,
      millis: 50,
      status,
      attributes: {
        'openinference.span.kind': 'LLM',
        'llm.model_name': 'some-model',
        'llm.token_count.prompt': total,
        'llm.token_count.completion': 0n,
        'llm.token_count.total': total,
      },
    });
  await tenant.send(first, second, third, answer(first, 10, 2, 5n), answer(second, 1010, 0, 50n));
}

export function describeConditions({ check }: ContractTopic): void {
  check(
    'find the spans of which they are true',
    async (backend) => {
      const acme = await backend.tenant();
      await conversations(acme);
      const names = async (condition: string, more: object = {}) =>
        (await acme.traces.getSpans({ condition, order: 'asc', ...more })).map(({ name }) => name);
      assert.deepEqual(await names("span_kind == 'LLM'"), ['generate', 'generate']);
      assert.deepEqual(await names("name == 'first' or name == 'third'"), ['first', 'third']);
      assert.deepEqual(await names("span_kind == 'LLM' and status_code == 'ERROR'"), ['generate']);
      assert.deepEqual(await names('latency_ms >= 200'), ['second', 'third']);
      assert.deepEqual(await names("'model' in llm.model_name and llm.token_count.total > 10"), ['generate']);
      assert.deepEqual(await names("name in ['first', 'nobody']"), ['first']);
      assert.deepEqual(await names("not (span_kind == 'LLM')"), ['first', 'second', 'third']);
      assert.deepEqual(await names('parent_id is None'), ['first', 'second', 'third']);
      assert.deepEqual(await names("name == 'nobody'"), []);
      assert.deepEqual(
        await names("span_kind == 'LLM'", { filters: { status: 'ERROR' } }),
        ['generate'],
        'a condition holds beside the filters',
      );
      const paged: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await acme.traces.getSpanPage({ condition: 'parent_id is None', order: 'asc', limit: 1, cursor });
        paged.push(...page.items.map(({ name }) => name));
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      assert.deepEqual(paged, ['first', 'second', 'third']);
    },
    'conditions',
  );

  check(
    'find traces by what they are as a whole, and by any of their spans',
    async (backend) => {
      const acme = await backend.tenant();
      await conversations(acme);
      const roots = async (condition: string) =>
        (await acme.traces.getTraces({ condition, order: 'asc' })).items.map(({ rootName }) => rootName);
      assert.deepEqual(await roots('error_count > 0'), ['first', 'third']);
      assert.deepEqual(await roots('latency_ms >= 200'), ['second', 'third']);
      assert.deepEqual(await roots("any(s.name == 'generate' and s.status_code == 'OK' for s in spans)"), []);
      assert.deepEqual(await roots("any(s.name == 'generate' for s in spans)"), ['first', 'second']);
      assert.deepEqual(await roots('token_count_total > 10'), ['second']);
    },
    'conditions',
  );

  check(
    'find sessions by what they are as a whole',
    async (backend) => {
      const acme = await backend.tenant();
      await conversations(acme);
      const sessions = async (condition: string) =>
        (await acme.sessions.listSessions({ condition })).items.map(({ sessionId }) => sessionId);
      assert.deepEqual(await sessions('num_traces > 1'), ['long']);
      assert.deepEqual(await sessions("session_id == 'short'"), ['short']);
      assert.deepEqual(await sessions('token_count_total >= 55'), ['long']);
      assert.deepEqual(await sessions('num_traces > 2'), []);
    },
    'conditions',
    'sessions',
  );

  check(
    'find spans and traces by their annotations',
    async (backend) => {
      const acme = await backend.tenant();
      await conversations(acme);
      const [span] = await acme.traces.getSpans({ filters: { name: 'second' } });
      const { spanId, traceId } = span!;
      await acme.annotations.addAnnotation({ spanId, name: 'relevance', label: 'good', score: 0.75 });
      await acme.annotations.addTraceAnnotation({ traceId, name: 'solved', label: 'yes' });
      const names = async (condition: string) => (await acme.traces.getSpans({ condition })).map(({ name }) => name);
      assert.deepEqual(await names("annotations['relevance'].label == 'good'"), ['second']);
      assert.deepEqual(await names("annotations['relevance'].score > 0.5"), ['second']);
      assert.deepEqual(await names("annotations['relevance'].score > 0.8"), []);
      assert.deepEqual(await names("trace_annotations['solved'].label == 'yes' and name == 'second'"), ['second']);
    },
    'conditions',
    'annotations',
    'annotations of traces',
  );

  check(
    'leave of a metric what they are true of',
    async (backend) => {
      const acme = await backend.tenant();
      await conversations(acme);
      const points = await acme.analytics.getMetrics({
        metricNames: ['span_count', 'trace_count', 'tokens_total'],
        condition: "span_kind == 'LLM'",
        startTime: T0,
        endTime: T0 + 1500n * MILLI,
      });
      assert.deepEqual(
        points.map(({ metricName, value }) => [metricName, value]),
        [
          ['span_count', 2],
          ['trace_count', 2],
          ['tokens_total', 55],
        ],
      );
    },
    'conditions',
    'metrics',
  );

  check(
    'are refused where they are wrong, with the place',
    async (backend) => {
      const { traces, sessions } = await backend.tenant();
      const calls = [
        (condition: string) => traces.getSpans({ condition }),
        (condition: string) => traces.getSpanPage({ condition }),
        (condition: string) => traces.getTraces({ condition }),
        (condition: string) => sessions.listSessions({ condition }),
      ];
      for (const call of calls) {
        for (const condition of ["name == 'x' and", "name = 'x'", '', 'import os', "name == 'x"]) {
          await assert.rejects(call(condition), InvalidQueryError, `${condition} ${call}`);
        }
      }
      await assert.rejects(traces.getSpans({ condition: "name == 'x' andd" }), /14|"andd"/);
    },
    'conditions',
    'sessions',
  );
}
