/**
 * No acknowledged span is lost, doubled or changed by kill -9 at any moment.
 *
 * Each round writes over HTTP and gRPC, kills the server, starts it again on the same directory, and compares what was acknowledged with what is read
 * back; in the end all rounds are compared once more. `npm run test:crash` runs 200 rounds, more than the 20 of every test run.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeTracesJson, type OtlpSpan } from '@cogniverse/foundation/otlp';
import { afterAll, describe, expect, it } from 'vitest';
import { type Served, serve } from '../serve.js';
import { projectOf, ROUND_SIZE, spanOf, tenants } from './spans.js';
import { faultless, verify } from './verify.js';
import { Tally, type Writer, writeOverGrpc, writeOverHttp } from './writers.js';

const ROUNDS = Number(process.env['COGNIVERSE_CRASH_ROUNDS'] ?? 20);
const LEAST_ACKNOWLEDGED = 1_000;
const PHASES = ['append', 'sync', 'flush', 'publish', 'unlink'] as const;

const data = mkdtempSync(join(tmpdir(), 'cogniverse-crash-'));
const config = join(data, 'serve.json');
const phaseLog = join(data, 'phases.log');
// Small segments, so that a round passes through every phase.
writeFileSync(config, JSON.stringify({ store: { segmentMaxSpans: 400 } }));
afterAll(() => rmSync(data, { recursive: true, force: true }));

const start = (env: Record<string, string> = {}) => serve(join(data, 'store'), { args: ['--config', config], env });

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

async function until(condition: () => boolean, gone: () => boolean, deadlineMillis = 30_000): Promise<void> {
  const deadline = Date.now() + deadlineMillis;
  while (!condition() && !gone()) {
    if (Date.now() > deadline) throw new Error(`not reached within ${deadlineMillis} ms`);
    await new Promise((resolve) => setImmediate(resolve));
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

describe(`kill -9, ${ROUNDS} rounds of at least ${LEAST_ACKNOWLEDGED} acknowledged spans`, () => {
  const tallies: Tally[] = [];
  const hit = new Map<string, number>();
  const compare = async (server: Served, round: number) => {
    const { acknowledged, sent } = tallies[round]!;
    return verify(await readRound(server, round), acknowledged, sent);
  };

  it(
    'loses, doubles and changes nothing',
    async () => {
      for (let round = 0; round < ROUNDS; round += 1) {
        rmSync(phaseLog, { force: true });
        const tally = new Tally(round * ROUND_SIZE);
        tallies.push(tally);
        // Most rounds end inside a chosen phase, the others wherever the kill from outside strikes.
        const phase = round % 6 === 5 ? undefined : PHASES[round % 6]!;
        const entry = phase === 'append' || phase === 'sync' ? 60 + round : 4;
        const server = await start({
          COGNIVERSE_STORE_PHASE_LOG: phaseLog,
          ...(phase === undefined ? {} : { COGNIVERSE_STORE_KILL_AT: `${phase}:${entry}` }),
        });
        let ended: number | string | undefined;
        void server.exited.then((code) => {
          ended = code;
        });
        const writers = startWriters(server, tally);
        if (phase === undefined) {
          await until(
            () => tally.acknowledged.size >= LEAST_ACKNOWLEDGED,
            () => ended !== undefined,
          );
          server.process.kill('SIGKILL');
        }
        expect(await server.exited, server.log()).toBe('SIGKILL');
        await Promise.all(writers.map((writer) => writer.done));
        expect(
          tally.acknowledged.size,
          `acknowledged in round ${round}, killed at ${phase}:${entry}`,
        ).toBeGreaterThanOrEqual(LEAST_ACKNOWLEDGED);
        // `<pid> <phase> <count>`: written as a phase begins, so the last line is where the kill struck.
        const where = readFileSync(phaseLog, 'utf8').trim().split('\n').at(-1)!.split(' ')[1]!;
        if (phase !== undefined) expect(where).toBe(phase);
        hit.set(where, (hit.get(where) ?? 0) + 1);

        const again = await start();
        expect(await compare(again, round), `after round ${round}, killed in ${where}`).toEqual(faultless);
        // Every other time the second server is killed too, so that recovery meets the traces of recovery.
        again.process.kill(round % 2 === 0 ? 'SIGKILL' : 'SIGTERM');
        await again.exited;
      }
      const last = await start();
      for (let round = 0; round < ROUNDS; round += 1) {
        expect(await compare(last, round), `round ${round}, after all rounds`).toEqual(faultless);
      }
      expect(await last.stop()).toBe(0);
      const sum = (of: (tally: Tally) => number) => tallies.reduce((total, tally) => total + of(tally), 0);
      console.log(
        `acknowledged ${sum((tally) => tally.acknowledged.size)} of ${sum((tally) => tally.sent.size)} spans sent; killed in ${JSON.stringify(Object.fromEntries(hit))}`,
      );
    },
    ROUNDS * 30_000,
  );

  it('was killed in every phase', () => {
    expect([...hit.keys()]).toEqual(expect.arrayContaining([...PHASES]));
  });
});
