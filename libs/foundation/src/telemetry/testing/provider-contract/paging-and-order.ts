/** Contract: pages are complete and free of repetitions, and their order is the same every time.   Testing. */
import assert from 'node:assert/strict';
import { InvalidQueryError } from '../../errors.js';
import type { Page, SpanRecord } from '../../providers/records.js';
import type { SpanQuery, TraceQuery, TraceStore } from '../../providers/trace-store.js';
import { contractSpan, hexId, T0 } from './contract-spans.js';
import type { ContractTopic } from './describe-telemetry-provider.js';

/** All pages of a query; `between` runs after each of them. */
export async function allPages<T>(
  read: (cursor: string | undefined) => Promise<Page<T>>,
  limit: number,
  between: (page: number) => Promise<void> = async () => undefined,
): Promise<T[]> {
  const seen: T[] = [];
  let cursor: string | undefined;
  let page = 0;
  do {
    const { items, nextCursor } = await read(cursor);
    assert.ok(items.length <= limit, `a page of ${limit} holds ${items.length}`);
    assert.ok(nextCursor === undefined || items.length > 0, 'an empty page is the last');
    seen.push(...items);
    cursor = nextCursor;
    page += 1;
    assert.ok(page < 1000, 'the pages come to an end');
    await between(page);
  } while (cursor !== undefined);
  return seen;
}

const allSpans = (traces: TraceStore, query: SpanQuery & { limit: number }) =>
  allPages((cursor) => traces.getSpanPage({ ...query, cursor }), query.limit);
const spanIds = (spans: readonly SpanRecord[]) => spans.map(({ spanId }) => spanId);

export function describePagingAndOrder({ check }: ContractTopic): void {
  check('gives each span once over pages, whatever arrives between them', async (backend) => {
    const acme = await backend.tenant();
    await acme.send(...Array.from({ length: 25 }, (_, at) => contractSpan({ name: String(at), at: at >> 1 })));
    const seen = await allPages(
      (cursor) => acme.traces.getSpanPage({ limit: 10, cursor }),
      10,
      async (page) => {
        if (page === 1) await acme.send(contractSpan({ name: 'late', at: 1000 }));
      },
    );
    assert.equal(seen.length, 25);
    assert.equal(new Set(seen.map((span) => span.name)).size, 25);
  });

  check('gives the same spans in pages of any size', async (backend) => {
    const acme = await backend.tenant();
    // Every third begins with another one: ties.
    await acme.send(...Array.from({ length: 20 }, (_, index) => contractSpan({ at: Math.floor(index / 3) })));
    const whole = spanIds(await acme.traces.getSpans());
    assert.equal(new Set(whole).size, 20);
    for (const limit of [1, 2, 3, 7, 19, 20, 21, 1000]) {
      for (const order of ['desc', 'asc'] as const) {
        const expected = order === 'desc' ? whole : whole.toReversed();
        assert.deepEqual(spanIds(await allSpans(acme.traces, { limit, order })), expected, `${limit} a page, ${order}`);
      }
    }
  });

  check('gives a page and the filter of its query at once', async (backend) => {
    const acme = await backend.tenant();
    await acme.send(
      ...Array.from({ length: 30 }, (_, at) => contractSpan({ at, name: at % 2 === 0 ? 'even' : 'odd' })),
    );
    const seen = await allSpans(acme.traces, { limit: 4, filters: { name: 'even' }, startTime: T0 + 1n });
    assert.equal(seen.length, 14);
    assert.ok(seen.every(({ name }) => name === 'even'));
  });

  check('reads more than a page by itself, and stops at the limit', async (backend) => {
    const acme = await backend.tenant();
    await acme.send(...Array.from({ length: 2300 }, (_, at) => contractSpan({ at })));
    assert.equal((await acme.traces.getSpans()).length, 1000);
    assert.equal((await acme.traces.getSpanPage()).items.length, 1000);
    const spans = await acme.traces.getSpans({ limit: 2100 });
    assert.equal(new Set(spanIds(spans)).size, 2100);
    assert.ok(
      spans.every((span, index) => index === 0 || span.startTimeUnixNano < spans[index - 1]!.startTimeUnixNano),
    );
    assert.equal((await acme.traces.getSpans({ limit: 1e9 })).length, 2300);
    let count = 0;
    for await (const _ of acme.traces.iterateSpans()) count += 1;
    assert.equal(count, 2300);
    count = 0;
    for await (const _ of acme.traces.iterateSpans({ limit: 1500 })) count += 1;
    assert.equal(count, 1500);
    for await (const _ of acme.traces.iterateSpans()) break; // whoever has seen enough may leave
  });

  check('gives the newest first, whatever order they came in', async (backend) => {
    const acme = await backend.tenant();
    for (const at of [3, 1, 4, 2, 0]) await acme.send(contractSpan({ name: String(at), at }));
    const names = async (query: SpanQuery) => (await acme.traces.getSpans(query)).map((span) => span.name);
    assert.deepEqual(await names({}), ['4', '3', '2', '1', '0']);
    assert.deepEqual(await names({ order: 'desc' }), ['4', '3', '2', '1', '0']);
    assert.deepEqual(await names({ order: 'asc' }), ['0', '1', '2', '3', '4']);
    assert.deepEqual(await names({ limit: 2 }), ['4', '3']);
    const roots = async (query: TraceQuery) => (await acme.traces.getTraces(query)).items.map((one) => one.rootName);
    assert.deepEqual(await roots({}), ['4', '3', '2', '1', '0']);
    assert.deepEqual(await roots({ order: 'asc', limit: 2 }), ['0', '1']);
  });

  check(
    'gives spans in the order of ingestion when asked for it',
    async (backend) => {
      const acme = await backend.tenant();
      for (const at of [3, 1, 2]) await acme.send(contractSpan({ name: String(at), at }));
      const names = async (query: SpanQuery) =>
        (await allSpans(acme.traces, { ...query, sort: 'sequence', limit: 2 })).map((span) => span.name);
      assert.deepEqual(await names({ order: 'asc' }), ['3', '1', '2']);
      assert.deepEqual(await names({ order: 'desc' }), ['2', '1', '3']);
    },
    'order of ingestion',
  );

  check(
    'orders spans that begin together the same way each time, and the other way round ascending',
    async (backend) => {
      const acme = await backend.tenant();
      for (let batch = 0; batch < 3; batch += 1) {
        await acme.send(...Array.from({ length: 5 }, () => contractSpan()));
      }
      const first = spanIds(await acme.traces.getSpans());
      assert.equal(new Set(first).size, 15);
      assert.deepEqual(spanIds(await acme.traces.getSpans()), first);
      assert.deepEqual(spanIds(await acme.traces.getSpans({ order: 'asc' })), first.toReversed());
    },
  );

  check('gives each trace once over pages', async (backend) => {
    const acme = await backend.tenant();
    const spans = Array.from({ length: 13 }, (_, index) => contractSpan({ at: Math.floor(index / 2) }));
    await acme.send(...spans);
    for (const limit of [1, 4, 13, 100]) {
      const traces = await allPages((cursor) => acme.traces.getTraces({ limit, cursor }), limit);
      assert.deepEqual(new Set(traces.map(({ traceId }) => traceId)), new Set(spans.map(({ traceId }) => traceId)));
      assert.equal(traces.length, 13);
    }
  });

  check(
    'orders traces by latency, a page at a time',
    async (backend) => {
      const acme = await backend.tenant();
      await acme.send(...[30, 10, 20].map((millis, at) => contractSpan({ millis, at })));
      const latencies = async (order: 'desc' | 'asc') => {
        const read = (cursor: string | undefined) =>
          acme.traces.getTraces({ sort: 'latency', order, limit: 2, cursor });
        return (await allPages(read, 2)).map((trace) => trace.latencyMillis);
      };
      assert.deepEqual(await latencies('desc'), [30, 20, 10]);
      assert.deepEqual(await latencies('asc'), [10, 20, 30]);
    },
    'traces by latency',
  );

  check('refuses a cursor that is none, or of another query', async (backend) => {
    const acme = await backend.tenant();
    const other = await backend.tenant();
    for (const tenant of [acme, other]) {
      await tenant.send(
        ...Array.from({ length: 5 }, (_, at) => contractSpan({ at, attributes: { 'session.id': 's' } })),
      );
    }
    const query: SpanQuery = { limit: 2, order: 'desc', startTime: T0, filters: { name: 'search' } };
    const { nextCursor: cursor } = await acme.traces.getSpanPage(query);
    assert.ok(cursor !== undefined);
    assert.equal(
      (await acme.traces.getSpanPage({ ...query, cursor, limit: 3 })).items.length,
      3,
      'pages may differ in size',
    );
    const changed: SpanQuery[] = [
      { ...query, order: 'asc' },
      { ...query, startTime: T0 + 1n },
      { ...query, filters: { name: 'other' } },
      { ...query, filters: {} },
    ];
    for (const one of changed) {
      await assert.rejects(acme.traces.getSpanPage({ ...one, cursor }), InvalidQueryError, Object.keys(one).join());
    }
    for (const none of ['no cursor', '', '[]', hexId(16), `${cursor}x`.repeat(50)]) {
      await assert.rejects(acme.traces.getSpanPage({ ...query, cursor: none }), InvalidQueryError, none);
      await assert.rejects(acme.traces.getTraces({ cursor: none }), InvalidQueryError, none);
    }
    const traces: TraceQuery = { limit: 2, startTime: T0 };
    const { nextCursor: next } = await acme.traces.getTraces(traces);
    assert.ok(next !== undefined);
    for (const one of [{ ...traces, order: 'asc' }, { limit: 2 }, { ...traces, sessionId: 's' }] as TraceQuery[]) {
      await assert.rejects(acme.traces.getTraces({ ...one, cursor: next }), InvalidQueryError);
    }
    // Of another tenant it may be refused; what it shows is this tenant's own.
    const shown = await other.traces.getSpanPage({ ...query, cursor }).catch((error: unknown) => {
      assert.ok(error instanceof InvalidQueryError, String(error));
      return { items: [] };
    });
    assert.ok(shown.items.every((span) => span.tenantId === other.tenantId));
  });

  check('refuses a limit that is none', async (backend) => {
    const { traces } = await backend.tenant();
    for (const limit of [0, -1, 1.5, Number.NaN, '10' as never]) {
      for (const read of [
        () => traces.getSpans({ limit }),
        () => traces.getSpanPage({ limit }),
        async () => traces.iterateSpans({ limit })[Symbol.asyncIterator]().next(),
        () => traces.getTraces({ limit }),
      ]) {
        await assert.rejects(read, (error: Error) => {
          assert.ok(error instanceof InvalidQueryError, `${limit}: ${error.stack}`);
          assert.ok(error.message.includes('limit') && error.message.includes(String(limit)), error.message);
          return true;
        });
      }
    }
    await assert.rejects(traces.getSpanPage({ limit: 1001 }), InvalidQueryError);
    await assert.rejects(traces.getTraces({ limit: 1001 }), InvalidQueryError);
    assert.deepEqual(await traces.getSpans({ limit: 1_000_000 }), []);
  });
}
