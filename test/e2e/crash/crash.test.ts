/**
 * Nothing acknowledged is lost, doubled or changed by kill -9 at any moment, and nothing that was deleted comes back.
 *
 * Each round writes spans over HTTP and gRPC, annotations and data sets, and deletes tenants, projects and traces; kills the server, starts it again
 * on the same directory, and compares what was acknowledged with what is read back. Every so many rounds all of them are compared once more, and
 * a new directory is begun. `npm run test:crash` runs 200 rounds, more than the 20 of every test run.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { openRemoteStore } from '@cogniverse/foundation/client';
import { decodeTracesJson, type OtlpSpan } from '@cogniverse/foundation/otlp';
import { afterAll, describe, expect, it } from 'vitest';
import { type Served, serve } from '../serve.js';
import { Doomed } from './doomed.js';
import { Notes } from './notes.js';
import { projectOf, ROUND_SIZE, spanOf, tenants } from './spans.js';
import { faultless, verify } from './verify.js';
import { Tally, type Writer, writeOverGrpc, writeOverHttp } from './writers.js';

const ROUNDS = Number(process.env['COGNIVERSE_CRASH_ROUNDS'] ?? 20);
const ROUNDS_A_DIRECTORY = 10;
const LEAST_ACKNOWLEDGED = 1_000;
/**
 * Where rounds end, and when a step begins for which time: as a log segment of 400 spans is closed, or after so many requests of 20 spans, so that
 * enough is acknowledged however fast the machine is; deletions begin only then. `outside`: wherever the kill strikes, after so many deletions.
 */
const ENDS = [
  ['append', 60],
  ['delete_rows', 2],
  ['sync', 60],
  ['delete_day_swap', 1],
  ['flush', 10],
  ['delete_mark', 1],
  ['publish', 4],
  ['delete_meta_swap', 1],
  ['unlink', 4],
  ['outside', 0],
  ['delete_done', 1],
  ['outside', 2],
] as const;

const data = mkdtempSync(join(tmpdir(), 'cogniverse-crash-'));
const config = join(data, 'serve.json');
const phaseLog = join(data, 'phases.log');
// Small segments, so that a round passes through every phase.
writeFileSync(config, JSON.stringify({ store: { segmentMaxSpans: 400, segmentMaxAgeMillis: 600_000 } }));
afterAll(() => rmSync(data, { recursive: true, force: true }));

const directoryOf = (round: number) => join(data, `store-${Math.floor(round / ROUNDS_A_DIRECTORY)}`);
const start = (round: number, env: Record<string, string> = {}) =>
  serve(directoryOf(round), { args: ['--config', config], env });
const storeOf = (server: Served) => openRemoteStore({ endpoint: server.http });
/** Past the test runner, which would put a heading before each line. */
const print = (line: string) => writeSync(2, `${line}\n`);

/** Every span of a round that the server holds, read page by page over its exact API. */
async function readRound(server: Served, round: number): Promise<OtlpSpan[]> {
  const spans: OtlpSpan[] = [];
  for (const tenant of tenants) {
    let cursor: string | null = '';
    while (cursor !== null) {
      const query = new URLSearchParams({ limit: '1000', tenant, ...(cursor === '' ? {} : { cursor }) });
      const response = await fetch(`${server.http}/v1/projects/${projectOf(tenant, round)}/spans/otlpv1?${query}`);
      if (response.status === 404) break;
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
      const page = (await response.json()) as { data: object[]; next_cursor: string | null };
      for (const { scopeSpans } of decodeTracesJson({ resourceSpans: page.data }).resourceSpans) {
        for (const scope of scopeSpans) spans.push(...scope.spans);
      }
      cursor = page.next_cursor;
    }
  }
  return spans;
}

const startWriters = (server: Served, tally: Tally): Writer[] => [
  writeOverHttp(server.otlpHttp, tally),
  writeOverHttp(`${server.http}/v1/traces`, tally),
  writeOverGrpc(server.otlpGrpc, tally),
];

async function until(condition: () => boolean, gone: () => boolean, deadlineMillis = 120_000): Promise<void> {
  const deadline = Date.now() + deadlineMillis;
  while (!condition() && !gone()) {
    if (Date.now() > deadline) throw new Error(`not reached within ${deadlineMillis} ms`);
    await wait(5);
  }
}

describe('what the check itself finds', () => {
  const all = Array.from({ length: 40 }, (_, index) => index);
  const found = all.map(spanOf);
  const sent = new Set(all);

  it('nothing, where everything is there once and as it was sent', () => {
    expect(verify(found, all, sent)).toEqual(faultless);
  });
  it('a missing span', () => {
    expect(verify(found.slice(1), all, sent)).toEqual({ ...faultless, missing: [0] });
  });
  it('a duplicate span', () => {
    expect(verify([...found, spanOf(7)], all, sent)).toEqual({ ...faultless, duplicate: [7] });
  });
  it.each<[string, (span: OtlpSpan) => void]>([
    ['a name', (span) => (span.name += '!')],
    ['a time, by a nanosecond', (span) => (span.endTimeUnixNano += 1n)],
    ['an integer that became a double', (span) => span.attributes.set('index', 3)],
    ['a lost attribute', (span) => span.attributes.delete('bytes')],
  ])('an altered span: %s', (_, alter) => {
    const altered = all.map(spanOf);
    alter(altered[3]!);
    expect(verify(altered, all, sent)).toEqual({ ...faultless, altered: [3] });
  });
  it('a span that nobody sent', () => {
    expect(verify([...found, spanOf(99)], all, sent)).toEqual({ ...faultless, unknown: [99] });
  });
});

/** What one round wrote, and what of it was acknowledged. */
interface Account {
  readonly tally: Tally;
  readonly notes: Notes;
  readonly doomed: Doomed;
}

describe(`kill -9, ${ROUNDS} rounds of at least ${LEAST_ACKNOWLEDGED} acknowledged spans`, () => {
  const accounts: Account[] = [];
  const hit = new Map<string, number>();
  const violations: string[] = [];

  async function compare(server: Served, round: number): Promise<string[]> {
    const { tally, notes, doomed } = accounts[round]!;
    const store = storeOf(server);
    const spans = Object.entries(verify(await readRound(server, round), tally.acknowledged, tally.sent))
      .filter(([, indexes]) => indexes.length > 0)
      .map(
        ([what, indexes]) => `round ${round}: ${indexes.length} spans are ${what}: ${indexes.slice(0, 5).join(', ')}`,
      );
    return [
      ...spans,
      ...(await notes.violations(store, tenants)),
      ...(await doomed.violations(store, directoryOf(round))),
    ];
  }

  /** Writes until the server is gone. Gives the step in which it was killed. */
  async function write(round: number, { tally, notes, doomed }: Account): Promise<string> {
    rmSync(phaseLog, { force: true });
    const [end, entry] = ENDS[round % ENDS.length]!;
    const server = await start(round, {
      COGNIVERSE_STORE_PHASE_LOG: phaseLog,
      ...(end === 'outside' ? {} : { COGNIVERSE_STORE_KILL_AT: `${end}:${entry}` }),
    });
    let gone = false;
    void server.exited.then(() => {
      gone = true;
    });
    const isGone = () => gone;
    const writers = startWriters(server, tally);
    const store = storeOf(server);
    const annotating = notes.write(store, tally, isGone);
    await until(() => tally.acknowledged.size >= LEAST_ACKNOWLEDGED, isGone);
    const deleting = doomed.live(store, isGone);
    if (end === 'outside') {
      await until(() => doomed.acknowledged >= entry && doomed.steps >= 1 + (round % 9), isGone);
      server.process.kill('SIGKILL');
    }
    expect(await server.exited, server.log()).toBe('SIGKILL');
    await Promise.all([...writers.map((writer) => writer.done), annotating, deleting]);
    expect(tally.acknowledged.size, `acknowledged in round ${round}, ended at ${end}`).toBeGreaterThanOrEqual(
      LEAST_ACKNOWLEDGED,
    );
    // `<pid> <phase> <count>`: written as a phase begins, so the last line is where the kill struck.
    const where = readFileSync(phaseLog, 'utf8').trim().split('\n').at(-1)!.split(' ')[1]!;
    if (end !== 'outside') expect(where).toBe(end);
    return where;
  }

  const sum = (of: (account: Account) => number) => accounts.reduce((total, account) => total + of(account), 0);

  it(
    'loses, doubles and changes nothing, and brings nothing back',
    async () => {
      const begun = performance.now();
      for (let round = 0; round < ROUNDS; round += 1) {
        const account = { tally: new Tally(round * ROUND_SIZE), notes: new Notes(round), doomed: new Doomed(round) };
        accounts.push(account);
        const where = await write(round, account);
        hit.set(where, (hit.get(where) ?? 0) + 1);

        const again = await start(round);
        const found = await compare(again, round);
        if (existsSync(join(directoryOf(round), 'deletion.pending'))) {
          found.push(`round ${round}: a deletion was not finished by the start`);
        }
        violations.push(...found);
        const { notes, dataSets } = account.notes.acknowledged;
        print(
          `round ${round + 1} of ${ROUNDS}, killed in ${where}: acknowledged ${account.tally.acknowledged.size} spans, ${notes} annotations, ` +
            `${dataSets} data sets, ${account.doomed.acknowledged} deletions; ${found.length} violations`,
        );
        // Every other time the second server is killed too, so that recovery meets the traces of recovery.
        again.process.kill(round % 2 === 0 ? 'SIGKILL' : 'SIGTERM');
        await again.exited;
        if ((round + 1) % ROUNDS_A_DIRECTORY === 0 || round + 1 === ROUNDS) await compareAll(round);
      }
      print(
        `acknowledged ${sum(({ tally }) => tally.acknowledged.size)} of ${sum(({ tally }) => tally.sent.size)} spans sent, ` +
          `${sum(({ notes }) => notes.acknowledged.notes)} annotations, ${sum(({ notes }) => notes.acknowledged.dataSets)} data sets, ` +
          `${sum(({ doomed }) => doomed.acknowledged)} deletions; killed in ${JSON.stringify(Object.fromEntries(hit))}; ` +
          `${violations.length} violations in ${ROUNDS} rounds; ${Math.round((performance.now() - begun) / 1000)} s`,
      );
      expect(violations).toEqual([]);
    },
    ROUNDS * 120_000,
  );

  /** All rounds of a directory once more; then it is done with. */
  async function compareAll(last: number): Promise<void> {
    const server = await start(last);
    for (let round = last - (last % ROUNDS_A_DIRECTORY); round <= last; round += 1) {
      violations.push(...(await compare(server, round)).map((text) => `after all rounds, ${text}`));
    }
    expect(await server.stop()).toBe(0);
    rmSync(directoryOf(last), { recursive: true, force: true });
  }

  it.skipIf(ROUNDS < ENDS.length)('was killed in every step that was chosen', () => {
    const chosen = ENDS.map(([end]) => end).filter((end) => end !== 'outside');
    expect([...hit.keys()]).toEqual(expect.arrayContaining(chosen));
  });
});
