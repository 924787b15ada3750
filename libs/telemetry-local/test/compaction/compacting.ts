/** What the tests of compaction share: stores whose days came in many segments, all answers of a store, and what is in its files. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { OtlpSpan } from '@cogniverse/foundation/otlp';
import type { ProjectRef, TelemetryStore } from '@cogniverse/foundation/telemetry';
import { DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';
import { vi } from 'vitest';
import { allPages, NOON, openStore, request, resourceOf, span } from '../store/store-fixture.js';

export const PROJECTS: readonly ProjectRef[] = [
  { tenantId: 'acme', name: 'search' },
  { tenantId: 'acme', name: 'chat' },
  { tenantId: null, name: 'search' },
];
export const DAY = 86_400_000_000_000n;

export const until = (expectation: () => Promise<void> | void) =>
  vi.waitFor(expectation, { timeout: 30_000, interval: 25 });

/** The n-th span of a store: days, sessions, values and texts take turns. */
export function variedSpan(n: number, changes: Partial<OtlpSpan> = {}): OtlpSpan {
  const start = NOON + BigInt(n % 3) * DAY + BigInt((n * 7919) % 1000) * 1_000_000_000n;
  return span(n, {
    startTimeUnixNano: start,
    endTimeUnixNano: start + BigInt(n % 9) * 1_000_000n,
    status: { code: n % 5 === 0 ? 2 : 0, message: n % 5 === 0 ? 'failed' : '' },
    attributes: new Map<string, never>([
      ['session.id', `session ${n % 4}`],
      ['input.value', `question ${n % 11}`],
      ['n', BigInt(n % 13)],
      ['colour', n % 2 === 0 ? 'red' : 'blue'],
    ] as never),
    ...changes,
  });
}

/** Each request becomes a segment of its own. Nothing is compacted. */
export async function filledStore(dataDir: string, requests: readonly { project: ProjectRef; spans: OtlpSpan[] }[]) {
  const store = await openStore({ dataDir, segmentMaxSpans: 1, maxWaitingSegments: 1000, compactAfterMillis: 0 });
  for (const { project, spans } of requests) await store.ingest(request(spans, resourceOf(project)));
  await until(async () => expect_((await store.figures())['hot_spans'], 0));
  await store.shutdown();
}

function expect_(found: unknown, wanted: unknown): void {
  if (found !== wanted) throw new Error(`${String(found)} is not ${String(wanted)}`);
}

/** Spans of all projects over three days, in twelve segments. */
export function manySegments(): { project: ProjectRef; spans: OtlpSpan[] }[] {
  return Array.from({ length: 12 }, (_, i) => ({
    project: PROJECTS[i % PROJECTS.length]!,
    spans: Array.from({ length: 10 }, (_, k) => variedSpan(i * 10 + k)),
  }));
}

/** Whatever a store can be asked about its spans. */
export async function answersOf(store: TelemetryStore): Promise<unknown> {
  const answers: unknown[] = [
    await store.listTenants(),
    await store.getStatistics({}),
    await store.getStatistics({ tenantId: 'acme' }),
  ];
  for (const project of PROJECTS) {
    for (const order of ['asc', 'desc'] as const) {
      answers.push(
        await allPages(store, { project, order, limit: 40 }),
        await allPages(store, { project, order, sort: 'sequence', limit: 100 }),
      );
    }
    for (const filters of [
      { status: 'ERROR' as const },
      { name: 'step 3' },
      { sessionId: 'session 2' },
      { attributes: [{ key: 'n', operator: 'gt' as const, value: 9 }] },
      { attributes: [{ key: 'colour', operator: 'eq' as const, value: 'red' }] },
      { attributes: [{ key: 'input.value', operator: 'contains' as const, value: 'question 7' }] },
    ]) {
      answers.push(await allPages(store, { project, filters, limit: 30 }));
    }
    answers.push(
      await allPages(store, { project, startTime: NOON + DAY, endTime: NOON + DAY + 500_000_000_000n }),
      await store.queryTraces({ project, limit: 100 }),
      await store.listSessions({ project, limit: 100 }),
    );
  }
  return answers;
}

export const dayFilesOf = (dataDir: string) =>
  readdirSync(join(dataDir, 'days'))
    .filter((name) => name.endsWith('.duckdb'))
    .map((name) => join(dataDir, 'days', name));

/** Files that were to take the place of others. */
export const unfinished = (dataDir: string) =>
  existsSync(join(dataDir, 'days')) ? readdirSync(join(dataDir, 'days')).filter((name) => name.includes('.new')) : [];

/** Of a store that is closed. */
export async function rowsOfFile(file: string, sql: string): Promise<DuckDBValue[][]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await connection.run(`ATTACH '${file}' AS day (READ_ONLY)`);
    return (await connection.runAndReadAll(sql)).getRows();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
