/** Contract: annotations of spans, one at a time and in bulk.   Testing. */
import assert from 'node:assert/strict';
import { InvalidQueryError, SessionNotFoundError, SpanNotFoundError, TraceNotFoundError } from '../../errors.js';
import type { NewAnnotation } from '../../providers/records.js';
import { contractSpan, hexId } from './contract-spans.js';
import type { ContractTopic } from './describe-telemetry-provider.js';

export function describeAnnotations({ check }: ContractTopic): void {
  check(
    'adds one, and replaces it by span, name and identifier',
    async (backend) => {
      const acme = await backend.tenant();
      const [one, two] = [contractSpan(), contractSpan()];
      await acme.send(one, two);
      const add = (fields: object) =>
        acme.annotations.addAnnotation({ spanId: one.spanId, name: 'relevance', ...fields });
      const id = await add({ label: 'good', score: 0.5, metadata: { by: 'Ä', at: new Date(0) }, explanation: 'why' });
      const [first] = await acme.annotations.getAnnotations({ spans: [one.spanId] });
      assert.ok(first);
      const { createdAt, updatedAt, ...rest } = first;
      assert.deepEqual(rest, {
        id,
        target: 'span',
        spanId: one.spanId,
        name: 'relevance',
        annotatorKind: 'HUMAN',
        label: 'good',
        score: 0.5,
        explanation: 'why',
        metadata: { by: 'Ä', at: '1970-01-01T00:00:00.000Z' },
        identifier: '',
      });
      assert.ok(!Number.isNaN(Date.parse(createdAt)));
      assert.ok(Date.parse(updatedAt) >= Date.parse(createdAt));
      assert.equal(await add({ score: 0 }), id);
      const other = await add({ score: 1, identifier: 'second judge', annotatorKind: 'CODE' });
      assert.notEqual(other, id);
      await acme.annotations.addAnnotation({ spanId: two.spanId, name: 'length', score: 3 });
      const found = await acme.annotations.getAnnotations({ spans: [one.spanId, two.spanId] });
      assert.equal(found.length, 3);
      const replaced = found.find((annotation) => annotation.id === id);
      assert.deepEqual([replaced?.score, replaced?.label, replaced?.createdAt], [0, null, createdAt]);
      assert.equal(replaced?.explanation, null);
      assert.deepEqual(replaced?.metadata, {});
      const second = found.find((annotation) => annotation.id === other);
      assert.deepEqual([second?.identifier, second?.annotatorKind], ['second judge', 'CODE']);
    },
    'annotations',
  );

  check(
    'finds those of the spans and names that are asked for',
    async (backend) => {
      const acme = await backend.tenant();
      const spans = [contractSpan(), contractSpan(), contractSpan()];
      await acme.send(...spans);
      for (const { spanId } of spans.slice(0, 2)) {
        for (const name of ['relevance', 'length']) {
          await acme.annotations.addAnnotation({ spanId, name, score: 1 });
        }
      }
      const find = async (ids: readonly string[], annotationNames?: readonly string[]) => {
        const found = await acme.annotations.getAnnotations({ spans: ids, annotationNames });
        return found.map(({ spanId, name }) => `${spanId} ${name}`).sort();
      };
      const [one, two, three] = spans.map(({ spanId }) => spanId) as [string, string, string];
      assert.deepEqual(await find([one]), [`${one} length`, `${one} relevance`]);
      assert.deepEqual(await find([one, two], ['length']), [`${one} length`, `${two} length`].sort());
      assert.deepEqual(await find([one.toUpperCase()], ['length', 'other']), [`${one} length`]);
      assert.deepEqual(await find([one, one], ['length']), [`${one} length`]);
      assert.deepEqual(await find([three]), []);
      assert.deepEqual(await find([one], ['other']), []);
      assert.deepEqual(await find([one], []), []);
      const records = await acme.traces.getSpans();
      assert.equal((await acme.annotations.getAnnotations({ spans: records })).length, 4);
      await acme.annotations.addAnnotation({ spanId: one.toUpperCase(), name: 'length', score: 2 });
      assert.equal((await find([one])).length, 2);
    },
    'annotations',
  );

  check(
    'finds nothing where there is nothing',
    async (backend) => {
      const { annotations } = await backend.tenant();
      const project = `unknown-${hexId(8)}`;
      assert.deepEqual(await annotations.getAnnotations({ spans: [] }), []);
      assert.deepEqual(await annotations.getAnnotations({ spans: [hexId(8)] }), []);
      assert.deepEqual(await annotations.getAnnotations({ spans: [hexId(8)], project }), []);
    },
    'annotations',
  );

  check(
    'refuses a span that is not stored in that project',
    async (backend) => {
      const acme = await backend.tenant();
      const span = contractSpan();
      await acme.send(span);
      const project = `unknown-${hexId(8)}`;
      const name = 'n';
      const { annotations } = acme;
      for (const add of [
        () => annotations.addAnnotation({ spanId: hexId(8), name, score: 1 }),
        () => annotations.addAnnotation({ spanId: span.spanId, name, score: 1, project }),
        () => annotations.logEvaluations({ evalName: name, evaluations: [{ spanId: hexId(8), score: 1 }] }),
        () => annotations.logEvaluations({ evalName: name, evaluations: [{ spanId: span.spanId, score: 1 }], project }),
      ]) {
        await assert.rejects(add, (error: Error) => {
          assert.ok(error instanceof SpanNotFoundError, error.stack);
          assert.match(error.message, /[0-9a-f]{16}/, 'it names the span');
          return true;
        });
      }
    },
    'annotations',
  );

  check(
    'logs evaluations of many spans, all or none',
    async (backend) => {
      const acme = await backend.tenant();
      const spans = Array.from({ length: 300 }, (_, at) => contractSpan({ at }));
      await acme.send(...spans);
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
      await acme.annotations.logEvaluations({ evalName: 'rank', evaluations: [], annotatorKind: 'CODE' });
      assert.equal((await acme.annotations.getAnnotations({ spans: ids })).length, 300);
    },
    'annotations',
  );

  check(
    'refuses what is none',
    async (backend) => {
      const acme = await backend.tenant();
      const span = contractSpan();
      await acme.send(span);
      const add = (fields: object) =>
        acme.annotations.addAnnotation({ spanId: span.spanId, name: 'n', ...fields } as never);
      for (const fields of [
        { name: '' },
        { score: Number.NaN },
        { score: Number.POSITIVE_INFINITY },
        { annotatorKind: 'CAT' },
        { metadata: { n: 1n } },
        { comment: 'c' },
      ]) {
        await assert.rejects(add(fields), InvalidQueryError, Object.keys(fields)[0]);
      }
      await assert.rejects(add({ spanId: 'no id' }), SpanNotFoundError);
      assert.deepEqual(await acme.annotations.getAnnotations({ spans: [span.spanId] }), []);
    },
    'annotations',
  );

  check(
    'finds those of the identifiers that are asked for, and none of the names that are excluded',
    async (backend) => {
      const acme = await backend.tenant();
      const { spanId } = contractSpan();
      await acme.send(contractSpan({ spanId }));
      for (const [name, identifier] of [
        ['relevance', ''],
        ['relevance', 'first'],
        ['length', 'first'],
        ['tone', 'second'],
      ] as const) {
        await acme.annotations.addAnnotation({ spanId, name, identifier, score: 1 });
      }
      const find = async (fields: object) =>
        (await acme.annotations.getAnnotations({ spans: [spanId], ...fields }))
          .map(({ name, identifier }) => `${name} ${identifier}`)
          .sort();
      assert.deepEqual(await find({ identifiers: ['first'] }), ['length first', 'relevance first']);
      assert.deepEqual(await find({ excludeAnnotationNames: ['relevance'] }), ['length first', 'tone second']);
      assert.deepEqual(
        await find({
          annotationNames: ['relevance', 'tone'],
          excludeAnnotationNames: ['tone'],
          identifiers: ['', 'second'],
        }),
        ['relevance '],
      );
      assert.deepEqual(await find({ identifiers: ['third'] }), []);
    },
    'annotations',
  );

  const fields = { label: 'good', score: 0.5, explanation: 'why', metadata: { by: 'judge' }, identifier: 'i' };
  const said = { name: 'quality', annotatorKind: 'LLM', ...fields } as const;

  check(
    'annotates traces, and replaces by trace, name and identifier',
    async (backend) => {
      const acme = await backend.tenant();
      const span = contractSpan();
      await acme.send(span, contractSpan());
      const { traceId } = span;
      const id = await acme.annotations.addTraceAnnotation({ traceId, ...said });
      const [found] = await acme.annotations.getTraceAnnotations({ traces: [traceId] });
      assert.ok(found);
      const { createdAt, updatedAt: _updatedAt, ...rest } = found;
      assert.deepEqual(rest, { id, target: 'trace', traceId, ...said });
      assert.equal(await acme.annotations.addTraceAnnotation({ traceId, ...said, score: 1, label: undefined }), id);
      const { items: traces } = await acme.traces.getTraces();
      const again = await acme.annotations.getTraceAnnotations({ traces, annotationNames: ['quality'] });
      assert.deepEqual(
        again.map((one) => [one.id, one.score, one.label, one.createdAt]),
        [[id, 1, null, createdAt]],
      );
      assert.deepEqual(await acme.annotations.getTraceAnnotations({ traces: [hexId(16)] }), []);
      await assert.rejects(acme.annotations.addTraceAnnotation({ traceId: hexId(16), ...said }), (error: Error) => {
        assert.ok(error instanceof TraceNotFoundError, error.stack);
        assert.match(error.message, /[0-9a-f]{32}/, 'it names the trace');
        return true;
      });
    },
    'annotations of traces',
  );

  check(
    'annotates sessions, and replaces by session, name and identifier',
    async (backend) => {
      const acme = await backend.tenant();
      const sessionId = `talk ${hexId(8)}`;
      await acme.send(contractSpan({ attributes: { 'session.id': sessionId } }));
      const id = await acme.annotations.addSessionAnnotation({ sessionId, ...said });
      assert.equal(await acme.annotations.addSessionAnnotation({ sessionId, ...said, score: 1 }), id);
      const found = await acme.annotations.getSessionAnnotations({ sessions: [sessionId] });
      assert.deepEqual(
        found.map(({ createdAt: _createdAt, updatedAt: _updatedAt, ...rest }) => rest),
        [{ id, target: 'session', sessionId, ...said, score: 1 }],
      );
      assert.deepEqual(await acme.annotations.getSessionAnnotations({ sessions: ['unknown'] }), []);
      await assert.rejects(
        acme.annotations.addSessionAnnotation({ sessionId: 'unknown', ...said }),
        SessionNotFoundError,
      );
    },
    'annotations of sessions',
  );

  check(
    'annotates documents of a span, by their position',
    async (backend) => {
      const acme = await backend.tenant();
      const attributes = {
        'openinference.span.kind': 'RETRIEVER',
        'retrieval.documents.0.document.content': 'first',
        'retrieval.documents.1.document.content': 'second',
      };
      const [span, bare] = [contractSpan({ attributes }), contractSpan()];
      await acme.send(span, bare);
      const { spanId } = span;
      const { identifier: _identifier, ...rest } = said;
      const add = (documentPosition: number, score = 0.5) =>
        acme.annotations.addDocumentAnnotation({ spanId, documentPosition, ...rest, score });
      const [first, second] = [await add(0), await add(1)];
      assert.notEqual(first, second);
      assert.equal(await add(1, 1), second);
      const found = await acme.annotations.getDocumentAnnotations({ spans: [spanId] });
      assert.deepEqual(
        found.map(({ id, target, documentPosition, score }) => ({ id, target, documentPosition, score })),
        [
          { id: first, target: 'document', documentPosition: 0, score: 0.5 },
          { id: second, target: 'document', documentPosition: 1, score: 1 },
        ],
      );
      assert.deepEqual(await acme.annotations.getAnnotations({ spans: [spanId] }), [], 'they are none of the span');
      for (const position of [2, -1, 0.5]) await assert.rejects(add(position), InvalidQueryError, String(position));
      await assert.rejects(
        acme.annotations.addDocumentAnnotation({ spanId: bare.spanId, documentPosition: 0, ...rest }),
        InvalidQueryError,
      );
      await assert.rejects(
        acme.annotations.addDocumentAnnotation({ spanId: hexId(8), documentPosition: 0, ...rest }),
        SpanNotFoundError,
      );
    },
    'annotations of documents',
  );

  check(
    'adds annotations of spans, traces, sessions and documents in one go, all or none',
    async (backend) => {
      const acme = await backend.tenant();
      const attributes = { 'session.id': 's', 'retrieval.documents.0.document.content': 'first' };
      const { spanId, traceId } = contractSpan();
      await acme.send(contractSpan({ spanId, traceId, attributes }));
      const annotations: NewAnnotation[] = [
        { spanId, name: 'n', score: 0 },
        { target: 'trace', traceId, name: 'n', score: 1 },
        { target: 'session', sessionId: 's', name: 'n', score: 2 },
        { target: 'document', spanId, documentPosition: 0, name: 'n', score: 3 },
      ];
      const missing: NewAnnotation[] = [
        { spanId: hexId(8), name: 'n' },
        { target: 'trace', traceId: hexId(16), name: 'n' },
        { target: 'session', sessionId: 'other', name: 'n' },
        { target: 'document', spanId, documentPosition: 1, name: 'n' },
      ];
      const scores = async () => [
        ...(await acme.annotations.getAnnotations({ spans: [spanId] })),
        ...(await acme.annotations.getTraceAnnotations({ traces: [traceId] })),
        ...(await acme.annotations.getSessionAnnotations({ sessions: ['s'] })),
        ...(await acme.annotations.getDocumentAnnotations({ spans: [spanId] })),
      ];
      for (const one of missing) {
        await assert.rejects(acme.annotations.addAnnotations({ annotations: [...annotations, one] }), Error);
        assert.deepEqual(await scores(), []);
      }
      const ids = await acme.annotations.addAnnotations({ annotations });
      const found = await scores();
      assert.deepEqual(
        found.map(({ id, score }) => [id, score]),
        ids.map((id, score) => [id, score]),
      );
      await assert.rejects(
        acme.annotations.addAnnotations({ annotations: [{ target: 'trace', spanId, name: 'n' }] as never }),
        InvalidQueryError,
      );
      assert.deepEqual(await acme.annotations.addAnnotations({ annotations: [] }), []);
    },
    'annotations',
    'annotations of traces',
    'annotations of sessions',
    'annotations of documents',
  );

  check(
    'deletes those that fit, and no others',
    async (backend) => {
      const acme = await backend.tenant();
      const { spanId } = contractSpan();
      await acme.send(contractSpan({ spanId }));
      const { annotations } = acme;
      const add = (name: string, identifier: string, annotatorKind: 'LLM' | 'CODE') =>
        annotations.addAnnotation({ spanId, name, identifier, annotatorKind });
      await add('a', 'one', 'LLM');
      await add('a', 'two', 'CODE');
      await add('b', 'one', 'CODE');
      await add('c', 'one', 'LLM');
      const left = async () =>
        (await annotations.getAnnotations({ spans: [spanId] })).map((one) => `${one.name} ${one.identifier}`).sort();
      await assert.rejects(annotations.deleteAnnotations({ name: 'a' }), InvalidQueryError, 'nothing bounds it');
      await assert.rejects(annotations.deleteAnnotations({ name: 'a', startTime: new Date(0) }), InvalidQueryError);
      const past = { startTime: new Date(0), endTime: new Date(1000) };
      assert.equal(await annotations.deleteAnnotations(past), 0);
      assert.equal(await annotations.deleteAnnotations({ name: 'a', identifier: 'two', deleteAll: true }), 1);
      assert.deepEqual(await left(), ['a one', 'b one', 'c one']);
      const now = { startTime: new Date(0), endTime: new Date(Date.now() + 86_400_000) };
      assert.equal(await annotations.deleteAnnotations({ ...now, annotatorKind: 'CODE' }), 1);
      assert.deepEqual(await left(), ['a one', 'c one']);
      assert.equal(await annotations.deleteAnnotations({ target: 'trace', deleteAll: true }), 0);
      assert.equal(await annotations.deleteAnnotations({ identifier: 'one', deleteAll: true }), 2);
      assert.deepEqual(await left(), []);
    },
    'annotations',
    'deletion of annotations',
  );
}
