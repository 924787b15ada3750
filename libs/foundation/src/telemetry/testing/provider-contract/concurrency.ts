/** Contract: many at once lose nothing, repeat nothing, and settle on one answer.   Testing. */
import assert from 'node:assert/strict';
import { contractSpan } from './contract-spans.js';
import type { ContractTopic } from './describe-telemetry-provider.js';
import { allPages } from './paging-and-order.js';

const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));

export function describeConcurrency({ check }: ContractTopic): void {
  check('reads pages without a repetition while others write', async (backend) => {
    const acme = await backend.tenant();
    const before = times(40, (at) => contractSpan({ at }));
    await acme.send(...before);
    const written: string[] = [];
    let writing = true;
    const writers = times(4, async (writer) => {
      for (let batch = 0; batch < 6; batch += 1) {
        // Before, among and after what is there.
        const spans = times(8, (at) => contractSpan({ at: at * 7 - 5 + writer }));
        await acme.send(...spans);
        written.push(...spans.map(({ spanId }) => spanId));
      }
    });
    const readers = times(3, async (reader) => {
      do {
        const order = reader === 0 ? 'asc' : 'desc';
        const read = (cursor: string | undefined) => acme.traces.getSpanPage({ limit: 7, order, cursor });
        const ids = (await allPages(read, 7)).map(({ spanId }) => spanId);
        assert.equal(new Set(ids).size, ids.length, 'no span comes twice');
        assert.ok(
          before.every(({ spanId }) => ids.includes(spanId)),
          'no span that was there is missing',
        );
      } while (writing);
    });
    await Promise.all([Promise.all(writers).finally(() => (writing = false)), ...readers]);
    const all = new Set((await acme.traces.getSpans()).map(({ spanId }) => spanId));
    assert.equal(all.size, 40 + 4 * 6 * 8);
    assert.ok(written.every((spanId) => all.has(spanId)));
  });

  check('keeps tenants apart that write and read at once', async (backend) => {
    const tenants = await Promise.all(times(6, () => backend.tenant()));
    await Promise.all(
      tenants.map(async (tenant) => {
        for (let at = 0; at < 5; at += 1) {
          await tenant.send(contractSpan({ at, name: tenant.tenantId }));
          const spans = await tenant.traces.getSpans();
          assert.deepEqual(
            spans.map(({ name, tenantId }) => [name, tenantId]),
            times(at + 1, () => [tenant.tenantId, tenant.tenantId]),
          );
        }
      }),
    );
  });

  check(
    'takes many annotations at once',
    async (backend) => {
      const acme = await backend.tenant();
      const spans = times(40, (at) => contractSpan({ at }));
      await acme.send(...spans);
      await Promise.all(
        spans.map((span, score) => acme.annotations.addAnnotation({ spanId: span.spanId, name: 'n', score })),
      );
      const found = await acme.annotations.getAnnotations({ spans: spans.map((span) => span.spanId) });
      assert.equal(found.length, 40);
      assert.equal(new Set(found.map(({ id }) => id)).size, 40);
    },
    'annotations',
  );

  check(
    'keeps one annotation of those that are added for the same at once',
    async (backend) => {
      const acme = await backend.tenant();
      const span = contractSpan();
      await acme.send(span);
      const ids = await Promise.all(
        times(20, (score) =>
          acme.annotations.addAnnotation({ spanId: span.spanId, name: 'n', score, label: `${score}` }),
        ),
      );
      assert.equal(new Set(ids).size, 1);
      const found = await acme.annotations.getAnnotations({ spans: [span.spanId] });
      assert.deepEqual(
        found.map(({ id }) => id),
        [ids[0]],
      );
      assert.equal(found[0]?.label, String(found[0]?.score), 'label and score are of one call');
    },
    'annotations',
  );

  check(
    'loses no row of appends at once, and keeps the rows of each together',
    async (backend) => {
      const { datasets } = await backend.tenant();
      await datasets.createDataset({ name: 'd', rows: [] });
      await Promise.all(
        times(10, (writer) =>
          datasets.appendToDataset(
            'd',
            times(5, (row) => ({ input: { writer, row } })),
          ),
        ),
      );
      const rows = (await datasets.getDataset('d')).map(({ input }) => input as { writer: number; row: number });
      assert.equal(rows.length, 50);
      for (let start = 0; start < 50; start += 5) {
        const { writer } = rows[start]!;
        assert.deepEqual(
          rows.slice(start, start + 5),
          times(5, (row) => ({ writer, row })),
        );
      }
      assert.equal((await datasets.getDatasetInfo('d')).exampleCount, 50);
    },
    'datasets',
  );

  check(
    'logs runs at once, and one evaluation of those that have one name',
    async (backend) => {
      const { datasets, experiments } = await backend.tenant();
      await datasets.createDataset({ name: 'd', rows: times(20, (n) => ({ input: { n } })) });
      const examples = await datasets.getDataset('d');
      const id = await experiments.createExperiment({ name: 'e', datasetName: 'd' });
      const ids = await Promise.all(
        examples.map(({ id: datasetExampleId, input }) =>
          experiments.logRun(id, { inputs: { ...input }, outputs: {}, datasetExampleId }),
        ),
      );
      assert.equal(new Set(ids).size, 20);
      await Promise.all(
        times(10, (score) => experiments.logEvaluation(ids[0]!, { name: 'n', score, label: String(score) })),
      );
      const runs = await experiments.getRuns(id);
      assert.deepEqual(new Set(runs.map((run) => run.id)), new Set(ids));
      const evaluations = runs.find((run) => run.id === ids[0])?.evaluations;
      assert.equal(evaluations?.length, 1);
      assert.equal(evaluations[0]?.label, String(evaluations[0]?.score));
    },
    'datasets',
    'experiments',
  );
}
