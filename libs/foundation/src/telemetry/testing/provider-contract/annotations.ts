/** Contract: annotations of spans, one at a time and in bulk.   Testing. */
import assert from 'node:assert/strict';
import { InvalidQueryError, SpanNotFoundError } from '../../errors.js';
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
}
