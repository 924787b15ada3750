/** Contract: sessions, their turns, and what went in and came out.   Testing. */
import assert from 'node:assert/strict';
import { InvalidQueryError } from '../../errors.js';
import { contractSpan, hexId, MILLI, T0 } from './contract-spans.js';
import type { ContractTopic } from './describe-telemetry-provider.js';

export function describeSessions({ check }: ContractTopic): void {
  check(
    'lists sessions with what is known of all their traces',
    async (backend) => {
      const acme = await backend.tenant();
      const first = { traceId: hexId(16), spanId: hexId(8) };
      const session = { 'session.id': 'talk' };
      await acme.send(
        contractSpan({
          ...first,
          millis: 100,
          attributes: { ...session, 'user.id': 'ada', 'input.value': 'When?', 'output.value': '1945' },
        }),
        contractSpan({
          traceId: first.traceId,
          parentSpanId: first.spanId,
          at: 10,
          attributes: {
            'openinference.span.kind': 'LLM',
            'llm.token_count.prompt': 10n,
            'llm.token_count.completion': 2n,
          },
        }),
        contractSpan({
          at: 1000,
          millis: 50,
          status: 2,
          attributes: { ...session, 'input.value': 'Where?', 'output.value': 'Washington' },
        }),
        contractSpan({ at: 5 }),
      );
      const { items, nextCursor } = await acme.sessions.listSessions();
      assert.equal(nextCursor, undefined);
      assert.equal(items.length, 1, 'a trace without a session is in none');
      const { id, costTotal: _costTotal, ...record } = items[0]!;
      assert.ok(id.length > 0);
      assert.deepEqual(record, {
        sessionId: 'talk',
        project: acme.projectName,
        tenantId: acme.tenantId,
        startTimeUnixNano: T0,
        endTimeUnixNano: T0 + 1050n * MILLI,
        traceCount: 2,
        errorCount: 1,
        tokenCountPrompt: 10,
        tokenCountCompletion: 2,
        userId: 'ada',
        firstInput: 'When?',
        lastOutput: 'Washington',
      });
      assert.deepEqual(await acme.sessions.getSession('talk'), items[0]);
      assert.equal(await acme.sessions.getSession('unknown'), undefined);
    },
    'sessions',
  );

  check(
    'gives the turns of a session, the oldest first',
    async (backend) => {
      const acme = await backend.tenant();
      const attributes = (n: number) => ({
        'session.id': 'talk',
        'input.value': `question ${n}`,
        'input.mime_type': 'text/plain',
        'output.value': `answer ${n}`,
      });
      const spans = Array.from({ length: 5 }, (_, n) =>
        contractSpan({
          at: n * 100,
          millis: 50,
          name: `turn ${n}`,
          attributes: attributes(n),
          status: n === 3 ? 2 : 0,
        }),
      );
      await acme.send(...spans.toReversed());
      const turns = await acme.sessions.getTurns('talk');
      assert.deepEqual(
        turns,
        spans.map((span, n) => ({
          traceId: span.traceId,
          startTimeUnixNano: span.startTimeUnixNano,
          endTimeUnixNano: span.endTimeUnixNano,
          errorCount: n === 3 ? 1 : 0,
          rootSpanId: span.spanId,
          rootName: `turn ${n}`,
          input: { value: `question ${n}`, mimeType: 'text/plain' },
          output: { value: `answer ${n}`, mimeType: undefined },
          tokenCountPrompt: 0,
          tokenCountCompletion: 0,
        })),
      );
      assert.deepEqual(await acme.sessions.getTurns('unknown'), []);
    },
    'sessions',
  );

  check(
    'takes the session from any span of a trace, and the root also where its parent is in another process',
    async (backend) => {
      const acme = await backend.tenant();
      const root = { traceId: hexId(16), spanId: hexId(8) };
      const parentSpanId = hexId(8);
      await acme.send(
        contractSpan({
          ...root,
          parentSpanId,
          flags: 0x301,
          attributes: { 'input.value': 'in', 'output.value': 'out' },
        }),
        contractSpan({ traceId: root.traceId, parentSpanId: root.spanId, at: 1, attributes: { 'session.id': 'talk' } }),
      );
      const [session] = (await acme.sessions.listSessions()).items;
      assert.deepEqual([session?.sessionId, session?.firstInput, session?.lastOutput], ['talk', 'in', 'out']);
      const [turn] = await acme.sessions.getTurns('talk');
      assert.deepEqual([turn?.rootSpanId, turn?.input?.value], [root.spanId, 'in']);
    },
    'sessions',
  );

  check(
    'lists sessions in pages, in order, and by time',
    async (backend) => {
      const acme = await backend.tenant();
      const spans = Array.from({ length: 7 }, (_, n) =>
        contractSpan({ at: n * 1000, attributes: { 'session.id': `s${n}` } }),
      );
      await acme.send(...spans);
      const list = async (query: Parameters<typeof acme.sessions.listSessions>[0]) => {
        const found: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await acme.sessions.listSessions({ ...query, cursor });
          found.push(...page.items.map(({ sessionId }) => sessionId));
          cursor = page.nextCursor;
        } while (cursor !== undefined);
        return found.join(' ');
      };
      assert.equal(await list({ limit: 3 }), 's6 s5 s4 s3 s2 s1 s0');
      assert.equal(await list({ limit: 2, order: 'asc' }), 's0 s1 s2 s3 s4 s5 s6');
      assert.equal(await list({ sort: 'end_time', order: 'asc', limit: 4 }), 's0 s1 s2 s3 s4 s5 s6');
      const range = { startTime: T0 + 1000n * MILLI, endTime: T0 + 3000n * MILLI };
      assert.equal(await list({ ...range, limit: 1 }), 's2 s1');
      assert.equal(await list({ sessionId: ['s5', 's1', 'unknown'] }), 's5 s1');
      assert.equal(await list({ project: `unknown-${hexId(8)}` }), '');
      await assert.rejects(acme.sessions.listSessions({ limit: 0 }), InvalidQueryError);
      await assert.rejects(acme.sessions.listSessions({ sort: 'name' } as never), InvalidQueryError);
      await assert.rejects(acme.sessions.listSessions({ cursor: 'none' }), InvalidQueryError);
    },
    'sessions',
  );

  check(
    'keeps equal session ids of two tenants, and of two projects, apart',
    async (backend) => {
      const [acme, globex] = [await backend.tenant(), await backend.tenant()];
      const send = (tenant: typeof acme, input: string) =>
        tenant.send(contractSpan({ attributes: { 'session.id': 'same', 'input.value': input } }));
      await send(acme, 'of acme');
      await send(globex, 'of globex');
      for (const [tenant, input] of [
        [acme, 'of acme'],
        [globex, 'of globex'],
      ] as const) {
        const { items } = await tenant.sessions.listSessions();
        assert.deepEqual(
          items.map(({ firstInput, traceCount }) => [firstInput, traceCount]),
          [[input, 1]],
        );
        assert.equal((await tenant.sessions.getTurns('same')).length, 1);
      }
      const [a, b] = [await acme.sessions.getSession('same'), await globex.sessions.getSession('same')];
      assert.notEqual(a?.id, b?.id);
    },
    'sessions',
  );
}
