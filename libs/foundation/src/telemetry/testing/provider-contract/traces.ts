/** Contract: spans and traces, as they were recorded and by every filter.   Testing. */
import assert from 'node:assert/strict';
import type { AnyValue } from '../../../otlp/index.js';
import type { AttributeFilter, SpanFilters } from '../../providers/trace-store.js';
import { contractSpan, hexId, MILLI, T0 } from './contract-spans.js';
import type { ContractTopic } from './describe-telemetry-provider.js';

export function describeTraces({ check }: ContractTopic): void {
  check('gives a span as it was recorded', async (backend) => {
    const acme = await backend.tenant();
    const span = contractSpan({
      name: 'search',
      status: 2,
      parentSpanId: hexId(8),
      startTimeUnixNano: T0 + MILLI,
      endTimeUnixNano: T0 + 3n * MILLI,
      attributes: {
        'openinference.span.kind': 'retriever',
        'session.id': 's 1',
        'input.value': 'x'.repeat(10_000),
        int: 7n,
        double: 0.1,
        whole: 3,
        yes: true,
        texts: ['a', 'b'],
      },
      events: [
        {
          name: 'exception',
          timeUnixNano: T0 + 2n * MILLI,
          attributes: new Map([['exception.type', 'Error']]),
          droppedAttributesCount: 0,
        },
      ],
    });
    await acme.send(span);
    const record = await acme.traces.getSpanById(span.spanId);
    assert.ok(record);
    assert.equal(record.traceId, span.traceId);
    assert.equal(record.spanId, span.spanId);
    assert.equal(record.parentSpanId, span.parentSpanId);
    assert.equal(record.name, 'search');
    assert.equal(record.spanKind, 'RETRIEVER');
    assert.equal(record.startTimeUnixNano, T0 + MILLI);
    assert.equal(record.endTimeUnixNano, T0 + 3n * MILLI);
    assert.equal(record.durationMillis, 2);
    assert.equal(record.statusCode, 'ERROR');
    assert.equal(record.statusMessage, 'it broke');
    assert.equal(record.sessionId, 's 1');
    assert.equal(record.tenantId, acme.tenantId);
    assert.equal(record.project, acme.projectName);
    assert.equal(record.attributes['int'], 7);
    assert.equal(record.attributes['double'], 0.1);
    assert.equal(record.attributes['whole'], 3);
    assert.equal(record.attributes['yes'], true);
    assert.deepEqual(record.attributes['texts'], ['a', 'b']);
    assert.equal(String(record.attributes['input.value']).length, 10_000);
    assert.equal(record.attributes['tenant.id'], acme.tenantId);
    assert.equal(record.events.length, 1);
    assert.equal(record.events[0]?.name, 'exception');
    assert.equal(record.events[0]?.timeUnixNano, T0 + 2n * MILLI);
    assert.equal(record.events[0]?.attributes['exception.type'], 'Error');
    const json = JSON.parse(JSON.stringify(record)) as Record<string, unknown>;
    assert.equal(json['startTimeUnixNano'], String(T0 + MILLI));
  });

  check(
    'keeps times to the nanosecond',
    async (backend) => {
      const acme = await backend.tenant();
      const span = contractSpan({
        startTimeUnixNano: T0 + 1n,
        endTimeUnixNano: T0 + 2_500_003n,
        events: [{ name: 'e', timeUnixNano: T0 + 5n, attributes: new Map(), droppedAttributesCount: 0 }],
      });
      await acme.send(span);
      const record = await acme.traces.getSpanById(span.spanId);
      assert.equal(record?.startTimeUnixNano, T0 + 1n);
      assert.equal(record?.endTimeUnixNano, T0 + 2_500_003n);
      assert.equal(record?.durationMillis, 2.500002);
      assert.equal(record?.events[0]?.timeUnixNano, T0 + 5n);
    },
    'nanosecond times',
  );

  check(
    'keeps integers that are no numbers of JavaScript',
    async (backend) => {
      const acme = await backend.tenant();
      const span = contractSpan({ attributes: { big: 2n ** 62n, least: -(2n ** 63n), exact: 2n ** 53n - 1n } });
      await acme.send(span);
      const attributes = (await acme.traces.getSpanById(span.spanId))?.attributes;
      assert.equal(attributes?.['big'], 2n ** 62n);
      assert.equal(attributes?.['least'], -(2n ** 63n));
      assert.equal(attributes?.['exact'], 2 ** 53 - 1);
    },
    '64-bit integers',
  );

  check(
    'keeps bytes, lists of anything, maps and null',
    async (backend) => {
      const acme = await backend.tenant();
      const span = contractSpan({
        attributes: {
          bytes: new Uint8Array([0, 255]),
          list: ['a', 1n, false],
          map: new Map<string, AnyValue>([['k', new Map([['v', 1.5]])]]),
          nothing: null,
        },
      });
      await acme.send(span);
      const attributes = (await acme.traces.getSpanById(span.spanId))?.attributes;
      assert.ok(attributes);
      assert.deepEqual([...(attributes['bytes'] as Uint8Array)], [0, 255]);
      assert.deepEqual(attributes['list'], ['a', 1, false]);
      assert.equal((attributes['map'] as Record<string, Record<string, unknown>>)['k']?.['v'], 1.5);
      assert.equal(attributes['nothing'], null);
    },
    'structured attributes',
  );

  check(
    'keeps attributes of any key',
    async (backend) => {
      const acme = await backend.tenant();
      const span = contractSpan({
        attributes: { '': 'empty key', constructor: 'c', __proto: 'p', '7': 'a number as key', 'a.b/c~d"e': 'odd key' },
      });
      span.attributes.set('__proto__', 'own');
      await acme.send(span);
      const attributes = (await acme.traces.getSpanById(span.spanId))?.attributes;
      assert.ok(attributes);
      assert.equal(attributes[''], 'empty key');
      assert.equal(attributes['constructor'], 'c');
      assert.equal(attributes['__proto'], 'p');
      assert.equal(attributes['7'], 'a number as key');
      assert.equal(attributes['a.b/c~d"e'], 'odd key');
      assert.equal(Object.getOwnPropertyDescriptor(attributes, '__proto__')?.value, 'own');
    },
    'any attribute key',
  );

  check(
    'keeps kind, resource and scope',
    async (backend) => {
      const acme = await backend.tenant();
      const span = contractSpan({ kind: 3 });
      await acme.send(span);
      const record = await acme.traces.getSpanById(span.spanId);
      assert.equal(record?.kind, 'CLIENT');
      assert.equal(record.resource['service.name'], 'contract');
      assert.deepEqual(record.scope, { name: 'contract', version: '1' });
    },
    'kind, resource and scope',
  );

  check(
    'keeps links',
    async (backend) => {
      const acme = await backend.tenant();
      const linked = { traceId: hexId(16), spanId: hexId(8) };
      const span = contractSpan({
        links: [
          { ...linked, traceState: 'a=b', attributes: new Map([['w', 1n]]), droppedAttributesCount: 0, flags: 1 },
        ],
      });
      await acme.send(span);
      const record = await acme.traces.getSpanById(span.spanId);
      assert.equal(record?.links.length, 1);
      const { attributes, ...ids } = record.links[0]!;
      assert.deepEqual(ids, linked);
      assert.equal(attributes['w'], 1);
    },
    'links',
  );

  check('gives nothing for a project without spans, an unknown project, span or trace', async (backend) => {
    const { traces } = await backend.tenant();
    const project = `unknown-${hexId(8)}`;
    assert.deepEqual(await traces.getSpans(), []);
    assert.deepEqual(await traces.getSpans({ project }), []);
    assert.deepEqual(await traces.getSpanPage(), { items: [], nextCursor: undefined });
    for await (const span of traces.iterateSpans({ project })) assert.fail(`span ${span.spanId} of an unknown project`);
    assert.deepEqual(await traces.getTraces(), { items: [], nextCursor: undefined });
    assert.deepEqual(await traces.getTraces({ project }), { items: [], nextCursor: undefined });
    assert.equal(await traces.getSpanById(hexId(8)), undefined);
    assert.equal(await traces.getSpanById(hexId(8), { project }), undefined);
    assert.deepEqual(await traces.getTrace(hexId(16)), []);
    assert.deepEqual(await traces.getTrace(hexId(16), { project }), []);
  });

  check('finds by each filter, by all of them together, and by any of a list', async (backend) => {
    const acme = await backend.tenant();
    const root = contractSpan({ name: 'root', attributes: { 'session.id': 's1' } });
    const child = contractSpan({
      name: 'child',
      at: 1,
      traceId: root.traceId,
      parentSpanId: root.spanId,
      status: 2,
      attributes: { 'openinference.span.kind': 'LLM' },
    });
    const other = contractSpan({ name: 'other', at: 2, status: 1, attributes: { 'session.id': 's2' } });
    await acme.send(root, child, other);
    const names = async (filters: SpanFilters) =>
      (await acme.traces.getSpans({ filters, order: 'asc' })).map((span) => span.name);
    assert.deepEqual(await names({}), ['root', 'child', 'other']);
    assert.deepEqual(await names({ name: 'child' }), ['child']);
    assert.deepEqual(await names({ name: ['child', 'other'] }), ['child', 'other']);
    assert.deepEqual(await names({ name: [] }), []);
    assert.deepEqual(await names({ name: 'nobody' }), []);
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
    assert.deepEqual(await names({ name: 'root', status: 'ERROR' }), []);
  });

  const tagged = () => [
    contractSpan({ name: 'root', attributes: { tag: 'a', n: 1n, flag: true } }),
    contractSpan({ name: 'child', at: 1, attributes: { tag: 'Übergröße', n: 2.5 } }),
    contractSpan({ name: 'other', at: 2, attributes: { n: 10n, text: '10' } }),
  ];
  const whereOf =
    (traces: { getSpans(query: object): Promise<{ name: string }[]> }) =>
    async (key: string, operator: AttributeFilter['operator'], value?: AttributeFilter['value']) => {
      const attributes = [{ key, operator, ...(value === undefined ? {} : { value }) }];
      return (await traces.getSpans({ filters: { attributes }, order: 'asc' })).map((span) => span.name);
    };

  check(
    'finds by the value of an attribute, whose type counts',
    async (backend) => {
      const acme = await backend.tenant();
      await acme.send(...tagged());
      const where = whereOf(acme.traces);
      assert.deepEqual(await where('tag', 'eq', 'a'), ['root']);
      assert.deepEqual(await where('n', 'eq', 1), ['root']);
      assert.deepEqual(await where('flag', 'eq', true), ['root']);
      assert.deepEqual(await where('text', 'eq', '10'), ['other']);
      assert.deepEqual(await where('text', 'eq', 10), []);
      assert.deepEqual(await where('text', 'eq', "' OR 1=1 --"), []);
      assert.deepEqual(await where('missing', 'eq', 'a'), []);
    },
    'attribute filters',
  );

  check(
    'finds by comparing an attribute',
    async (backend) => {
      const acme = await backend.tenant();
      await acme.send(...tagged());
      const where = whereOf(acme.traces);
      assert.deepEqual(await where('tag', 'ne', 'a'), ['child']);
      assert.deepEqual(await where('tag', 'contains', 'ÜBER'), ['child']);
      assert.deepEqual(await where('tag', 'exists'), ['root', 'child']);
      assert.deepEqual(await where('n', 'gt', 1), ['child', 'other']);
      assert.deepEqual(await where('n', 'gte', 2.5), ['child', 'other']);
      assert.deepEqual(await where('n', 'lt', 10n), ['root', 'child']);
      assert.deepEqual(await where('n', 'lte', 1), ['root']);
      assert.deepEqual(await where('text', 'gt', 1), []);
    },
    'attribute filters',
    'attribute comparison filters',
  );

  check(
    'takes a map for one attribute, and finds what is in it by its path',
    async (backend) => {
      const acme = await backend.tenant();
      const user = new Map<string, AnyValue>([['id', 7n]]);
      await acme.send(contractSpan({ attributes: { user } }), contractSpan({ attributes: { 'user.id': 7n } }));
      const withKey = async (key: string) => {
        const spans = await acme.traces.getSpans({ filters: { attributes: [{ key, operator: 'exists' }] } });
        return spans.map(({ attributes }) => Object.keys(attributes).sort().join()).sort();
      };
      assert.deepEqual(await withKey('user'), ['tenant.id,user']);
      assert.deepEqual(await withKey('user.id'), ['tenant.id,user', 'tenant.id,user.id']);
    },
    'structured attributes',
    'attribute filters',
    'attribute comparison filters',
  );

  check('takes kinds and ids in either case', async (backend) => {
    const acme = await backend.tenant();
    const root = contractSpan({ attributes: { 'openinference.span.kind': 'chain' } });
    const child = contractSpan({ traceId: root.traceId, parentSpanId: root.spanId, at: 1 });
    await acme.send(root, child);
    const upper = { traceId: root.traceId.toUpperCase(), spanId: root.spanId.toUpperCase() };
    const ids = async (filters: SpanFilters) => (await acme.traces.getSpans({ filters })).map((span) => span.spanId);
    for (const spanKind of ['chain', 'CHAIN', 'Chain', ['chain', 'llm']]) {
      assert.deepEqual(await ids({ spanKind }), [root.spanId]);
    }
    assert.deepEqual(await ids({ traceId: upper.traceId }), [child.spanId, root.spanId]);
    assert.deepEqual(await ids({ spanId: [upper.spanId] }), [root.spanId]);
    assert.deepEqual(await ids({ parentId: upper.spanId }), [child.spanId]);
    assert.equal((await acme.traces.getSpanById(upper.spanId))?.spanId, root.spanId);
    assert.equal((await acme.traces.getTrace(upper.traceId)).length, 2);
  });

  check('gives a trace by start time, with a root that came last', async (backend) => {
    const acme = await backend.tenant();
    const root = contractSpan({ name: 'root', millis: 50, attributes: { 'session.id': 's' } });
    const child = contractSpan({
      name: 'child',
      at: 5,
      millis: 100,
      traceId: root.traceId,
      parentSpanId: root.spanId,
      status: 2,
    });
    await acme.send(child);
    await acme.send(root);
    assert.deepEqual(
      (await acme.traces.getTrace(root.traceId)).map((span) => span.name),
      ['root', 'child'],
    );
    const { items } = await acme.traces.getTraces();
    assert.equal(items.length, 1);
    assert.equal(items[0]?.traceId, root.traceId);
    assert.equal(items[0].project, acme.projectName);
    assert.equal(items[0].latencyMillis, 50);
    assert.equal(items[0].spanCount, 2);
    assert.equal(items[0].errorCount, 1);
    assert.equal(items[0].rootName, 'root');
    assert.equal(items[0].rootSpanId, root.spanId);
    assert.equal(items[0].sessionId, 's');
    assert.equal(items[0].startTimeUnixNano, T0);
    assert.equal(items[0].endTimeUnixNano, T0 + 105n * MILLI);
  });

  check('takes the whole stretch of its spans for the latency of a trace without a root', async (backend) => {
    const acme = await backend.tenant();
    const traceId = hexId(16);
    await acme.send(
      contractSpan({ traceId, parentSpanId: hexId(8), at: 0, millis: 10 }),
      contractSpan({ traceId, parentSpanId: hexId(8), at: 30, millis: 20 }),
    );
    const { items } = await acme.traces.getTraces();
    assert.deepEqual(
      items.map((trace) => [trace.latencyMillis, trace.spanCount, trace.rootName]),
      [[50, 2, undefined]],
    );
  });

  check('finds the traces of a session', async (backend) => {
    const acme = await backend.tenant();
    const of = (session: string, at: number) => contractSpan({ at, attributes: { 'session.id': session } });
    const spans = [of('s1', 0), of('s2', 1), of('s1', 2)];
    await acme.send(...spans);
    const found = async (sessionId: string | string[]) =>
      (await acme.traces.getTraces({ sessionId })).items.map(({ traceId }) => traceId);
    assert.deepEqual(await found('s1'), [spans[2]!.traceId, spans[0]!.traceId]);
    assert.deepEqual(await found(['s1', 's2']), spans.map(({ traceId }) => traceId).reverse());
    assert.deepEqual(await found('s'), []);
  });
}
