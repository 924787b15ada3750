/** Contract: text of any kind goes in and comes out unchanged, and is found by.   Testing. */
import assert from 'node:assert/strict';
import { contractSpan } from './contract-spans.js';
import type { ContractTopic } from './describe-telemetry-provider.js';

const TEXTS: Readonly<Record<string, string>> = {
  emoji: 'Suche \u{1F50E}\u{1F469}\u200D\u{1F52C} \u{1F1E9}\u{1F1EA}',
  'right to left': '\u05E9\u05DC\u05D5\u05DD \u202E\u0645\u0631\u062D\u0628\u0627\u202C',
  accents: 'e\u0301 is not \u00E9, nor \u01C5',
  'quotes and breaks': '"\'`\\ \n\r\t %00 \u2028 </script> $\x7Bx} {{x}} ; -- /* ?',
  'beyond the first plane': '\u{10FFFD}\u{20000}\uFFFD\uFEFF',
  blanks: ' \u00A0\u3000 ',
};
const LONE = 'a\uD800b\uDC00';
const LONE_REPLACED = 'a\uFFFDb\uFFFD';
const LONG = 'Größe \u{1F50E} '.repeat(20_000);

/** JSON may hold a lone surrogate, escaped; what cannot be written in UTF-8 is U+FFFD at the latest when it is shown. */
function assertReplaced(text: unknown, what: string): void {
  assert.ok(text === LONE || text === LONE_REPLACED, `${what} is ${JSON.stringify(text)}`);
}

/** Without showing it. */
function assertLong(text: unknown, what: string): void {
  assert.ok(
    text === LONG,
    `${what} of ${LONG.length} characters comes back with ${String(text).length}, or with others`,
  );
}

export function describeUnicode({ check }: ContractTopic): void {
  check('goes through spans unchanged', async (backend) => {
    const acme = await backend.tenant();
    const spans = Object.entries(TEXTS).map(([what, text], at) =>
      contractSpan({
        at,
        name: text,
        attributes: { what, 'input.value': text, 'session.id': `s ${text.trim()}`, texts: [text, text] },
        events: [
          {
            name: text,
            timeUnixNano: contractSpan({ at }).startTimeUnixNano,
            attributes: new Map([['e', text]]),
            droppedAttributesCount: 0,
          },
        ],
      }),
    );
    for (const span of spans) span.status = { code: 2, message: span.name };
    await acme.send(...spans);
    const records = await acme.traces.getSpans({ order: 'asc' });
    assert.equal(records.length, spans.length);
    for (const [index, [what, text]] of Object.entries(TEXTS).entries()) {
      const record = records[index]!;
      assert.equal(record.name, text, what);
      assert.equal(record.statusMessage, text, what);
      assert.equal(record.attributes['input.value'], text, what);
      assert.equal(record.sessionId, `s ${text.trim()}`, what);
      assert.deepEqual(record.attributes['texts'], [text, text], what);
      assert.equal(record.events[0]?.name, text, what);
      assert.equal(record.events[0]?.attributes['e'], text, what);
      assert.deepEqual(
        (await acme.traces.getSpans({ filters: { name: text } })).map(({ spanId }) => spanId),
        [record.spanId],
        `found by name: ${what}`,
      );
      assert.deepEqual(
        (await acme.traces.getSpans({ filters: { sessionId: `s ${text.trim()}` } })).map(({ spanId }) => spanId),
        [record.spanId],
        `found by session: ${what}`,
      );
    }
    assert.deepEqual(await acme.traces.getSpans({ filters: { name: '\u00E9 is not \u00E9, nor \u01C5' } }), []);
  });

  check(
    'is found by as the value and the key of an attribute',
    async (backend) => {
      const acme = await backend.tenant();
      const texts = Object.values(TEXTS);
      await acme.send(
        ...texts.map((text, at) => contractSpan({ at, name: String(at), attributes: { text, [`k ${text}`]: at } })),
      );
      for (const [at, text] of texts.entries()) {
        for (const [key, value] of [
          ['text', text],
          [`k ${text}`, at],
        ] as const) {
          const spans = await acme.traces.getSpans({ filters: { attributes: [{ key, operator: 'eq', value }] } });
          assert.deepEqual(
            spans.map(({ name }) => name),
            [String(at)],
            JSON.stringify(key),
          );
        }
      }
    },
    'attribute filters',
    'any attribute key',
  );

  check(
    'may hold null characters',
    async (backend) => {
      const acme = await backend.tenant();
      const text = 'a\u0000b\u0000';
      const span = contractSpan({ name: text, attributes: { 'input.value': text } });
      await acme.send(span);
      const record = await acme.traces.getSpanById(span.spanId);
      assert.equal(record?.name, text);
      assert.equal(record.attributes['input.value'], text);
      assert.equal((await acme.traces.getSpans({ filters: { name: text } })).length, 1);
    },
    'null characters',
  );

  check('holds U+FFFD in the place of half a character', async (backend) => {
    const acme = await backend.tenant();
    const span = contractSpan({ name: LONE, attributes: { 'input.value': LONE } });
    const other = contractSpan({ name: 'other', at: 1 });
    await acme.send(span, other);
    const record = await acme.traces.getSpanById(span.spanId);
    assert.equal(record?.name, LONE_REPLACED);
    assert.equal(record.attributes['input.value'], LONE_REPLACED);
    assert.equal((await acme.traces.getSpans()).length, 2, 'the others of its request are there');
    assert.deepEqual(
      (await acme.traces.getSpans({ filters: { name: LONE_REPLACED } })).map(({ spanId }) => spanId),
      [span.spanId],
    );
  });

  check('may be very long', async (backend) => {
    const acme = await backend.tenant();
    const span = contractSpan({ attributes: { 'input.value': LONG } });
    await acme.send(span);
    const text = (await acme.traces.getSpanById(span.spanId))?.attributes['input.value'];
    assertLong(text, 'the attribute');
  });

  check(
    'goes through annotations unchanged',
    async (backend) => {
      const acme = await backend.tenant();
      const span = contractSpan();
      await acme.send(span);
      const { spanId } = span;
      for (const text of Object.values(TEXTS)) {
        const fields = { label: text, explanation: text, identifier: text, metadata: { [text]: text } };
        await acme.annotations.addAnnotation({ spanId, name: text, score: 1, ...fields });
        const found = await acme.annotations.getAnnotations({ spans: [spanId], annotationNames: [text] });
        assert.equal(found.length, 1, JSON.stringify(text));
        const { name, label, explanation, identifier, metadata } = found[0]!;
        assert.deepEqual(
          { name, label, explanation, identifier, metadata: { ...metadata } },
          { name: text, ...fields },
        );
      }
      await acme.annotations.addAnnotation({ spanId, name: 'long', explanation: LONG });
      await acme.annotations.addAnnotation({ spanId, name: 'lone', label: LONE, metadata: { text: LONE } });
      const [long] = await acme.annotations.getAnnotations({ spans: [spanId], annotationNames: ['long'] });
      assertLong(long?.explanation, 'the explanation');
      const [lone] = await acme.annotations.getAnnotations({ spans: [spanId], annotationNames: ['lone'] });
      assertReplaced(lone?.label, 'label');
      assertReplaced(lone?.metadata['text'], 'metadata');
    },
    'annotations',
  );

  check(
    'goes through data sets unchanged',
    async (backend) => {
      const { datasets } = await backend.tenant();
      for (const text of Object.values(TEXTS)) {
        const row = { input: { [text]: text }, output: { text }, metadata: { text: [text] } };
        await datasets.createDataset({ name: text, rows: [row], description: text, metadata: { text } });
        const [read] = await datasets.getDataset(text);
        assert.deepEqual([read?.input, read?.output, read?.metadata], [row.input, row.output, row.metadata]);
        const { name, description, metadata } = await datasets.getDatasetInfo(text);
        assert.deepEqual([name, description, metadata], [text, text, { text }]);
      }
      assert.deepEqual(
        (await datasets.listDatasets()).map(({ name }) => name),
        Object.values(TEXTS),
      );
      await datasets.createDataset({ name: 'other', rows: [{ input: { text: LONG } }, { input: { text: LONE } }] });
      const [long, lone] = await datasets.getDataset('other');
      assertLong(long?.input['text'], 'the input');
      assertReplaced(lone?.input['text'], 'input');
    },
    'datasets',
  );

  check(
    'goes through experiments unchanged',
    async (backend) => {
      const { datasets, experiments } = await backend.tenant();
      const texts = Object.values(TEXTS);
      await datasets.createDataset({ name: 'd', rows: texts.map((text) => ({ input: { text } })) });
      const examples = await datasets.getDataset('d');
      const id = await experiments.createExperiment({ name: TEXTS['emoji']!, datasetName: 'd', metadata: TEXTS });
      for (const [index, text] of texts.entries()) {
        const run = await experiments.logRun(id, {
          inputs: { [text]: text },
          outputs: { text },
          metadata: { text },
          error: text,
          datasetExampleId: examples[index]!.id,
        });
        await experiments.logEvaluation(run, { name: text, label: text, explanation: text });
      }
      const { name, metadata } = await experiments.getExperiment(id);
      assert.deepEqual([name, { ...metadata }], [TEXTS['emoji'], TEXTS]);
      const runs = await experiments.getRuns(id);
      for (const [index, text] of texts.entries()) {
        const { inputs, outputs, metadata: ofRun, error, evaluations } = runs[index]!;
        assert.deepEqual([inputs, outputs, ofRun, error], [{ [text]: text }, { text }, { text }, text]);
        const [{ name: evaluation, label, explanation }] = evaluations as [(typeof evaluations)[number]];
        assert.deepEqual([evaluation, label, explanation], [text, text, text]);
      }
    },
    'datasets',
    'experiments',
  );

  check(
    'names the groups of metrics',
    async (backend) => {
      const acme = await backend.tenant();
      const texts = Object.values(TEXTS);
      await acme.send(...texts.map((name) => contractSpan({ name, attributes: { [`k ${name}`]: 2n } })));
      const points = await acme.analytics.getMetrics({ metricNames: ['span_count'], groupBy: 'name' });
      assert.deepEqual(points.map(({ group }) => group).sort(), [...texts].sort());
    },
    'metrics',
    'metric groups',
  );
}
