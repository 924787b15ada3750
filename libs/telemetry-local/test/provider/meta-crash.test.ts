/** Annotations, data sets and experiments survive the death of the process, as soon as their promise has resolved. */
import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeTraces } from '@cogniverse/foundation/otlp';
import type { SpanAnnotation } from '@cogniverse/foundation/telemetry';
import { contractSpan } from '@cogniverse/foundation/telemetry/testing';
import { openLocalStore } from '@cogniverse/telemetry-local';
import { expect, it, onTestFinished } from 'vitest';
import { span, traces } from '../../../foundation/test/otlp/arbitraries.js';

const PROGRAM = fileURLToPath(new URL('./fixtures/meta-process.mjs', import.meta.url));
const ROUNDS = 4;
const project = { tenantId: 'acme', name: 'search' };

interface Answered {
  annotation?: [spanId: string, score: number];
  row?: [round: number, n: number];
  run?: [experiment: string, id: string, n: number];
}

/** Runs the program until it has answered often enough, kills it, and gives all that it answered. */
function runAndKill(dataDir: string, round: number, spanIds: string[], answers: number): Promise<Answered[]> {
  const child = fork(PROGRAM, [dataDir, String(round), spanIds.join(',')], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const answered: Answered[] = [];
  child.on('message', (message: Answered) => {
    answered.push(message);
    if (answered.length === answers) child.kill('SIGKILL');
  });
  return new Promise((resolve, reject) =>
    child.once('exit', (code, signal) =>
      signal === 'SIGKILL' ? resolve(answered) : reject(new Error(`the program ended by itself with ${code}`)),
    ),
  );
}

it('kill -9 loses nothing that was answered', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'cogniverse-meta-'));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  const spanIds = Array.from({ length: 10 }, () => contractSpan().spanId);
  let store = await openLocalStore({ dataDir });
  await store.ingest({
    body: encodeTraces(
      traces(...spanIds.map((spanId) => span({ spanId, attributes: new Map([['tenant.id', 'acme']]) }))),
    ),
    format: 'protobuf',
    projectName: 'search',
  });
  await store.shutdown();

  const rows: [number, number][] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const answered = await runAndKill(dataDir, round, spanIds, 50 + round * 37);
    store = await openLocalStore({ dataDir });
    try {
      const scores = new Map<string, number>();
      for (const { annotation } of answered) {
        if (annotation) scores.set(annotation[0], Math.max(scores.get(annotation[0]) ?? 0, annotation[1]));
      }
      expect(scores.size).toBeGreaterThan(0);
      const { items } = await store.listAnnotations({
        project,
        target: 'span',
        identifiers: [String(round)],
        limit: 10_000,
      });
      const found = items as SpanAnnotation[];
      expect(new Set(found.map(({ id }) => id)).size).toBe(found.length);
      const stored = new Map(found.map(({ spanId, score }) => [spanId, score]));
      // A later one may have been stored whose answer the kill cut off.
      for (const [spanId, score] of scores) expect(stored.get(spanId) ?? -1).toBeGreaterThanOrEqual(score);

      for (const { row } of answered) if (row) rows.push(row);
      const [dataset] = await store.listDatasets({ tenantId: 'acme', name: 'd' });
      const { items: held } = await store.getDatasetRows({ tenantId: 'acme', datasetId: dataset!.id });
      const inputs = held.map(({ input }) => JSON.stringify([input['round'], input['n']]));
      expect(new Set(inputs).size).toBe(inputs.length);
      for (const row of rows) expect(inputs).toContain(JSON.stringify(row));
      expect((await store.listDatasets({ tenantId: 'acme' }))[0]?.exampleCount).toBe(inputs.length);

      const runs = answered.flatMap(({ run }) => (run === undefined ? [] : [run]));
      const experiment = runs[0]?.[0];
      const logged =
        experiment === undefined ? [] : (await store.getRuns({ tenantId: 'acme', experimentId: experiment })).items;
      for (const [, id, n] of runs) {
        const found = logged.find((one) => one.id === id);
        expect(found).toMatchObject({ inputs: { n }, evaluations: [{ name: 'exact', score: n }] });
      }
    } finally {
      await store.shutdown();
    }
  }
  expect(rows.length).toBeGreaterThan(ROUNDS);
}, 120_000);
