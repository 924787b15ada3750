/** Kill -9 at every step of the write path: every acknowledged span is there afterwards, exactly once and unaltered. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { OtlpSpan } from '@cogniverse/foundation/otlp';
import { describe, expect, it } from 'vitest';
import { ACME, type AtEnd, allPages, openStore, request, span, temporaryDirectory } from './store-fixture.js';
import { audit, StoreProcess } from './store-process.js';

const BATCH = 25;
/** Segments are closed by what is in them, never by their age: which step comes when does not depend on the machine's speed. */
const SMALL = { segmentMaxSpans: 200, segmentMaxAgeMillis: 3_600_000, threads: 1, maxWaitingSegments: 1000 };
/** The earliest step, the flush of the second segment's first day, has 400 spans in the log, and no more than four batches wait for their answer. */
const LEAST_ACKNOWLEDGED = 300;

/** With all that has a place of its own in the files; and now and then a late one, for another day file. */
function richSpan(n: number): OtlpSpan {
  const late = n % 11 === 0 ? 86_400_000_000_000n : 0n;
  const plain = span(n);
  return {
    ...plain,
    startTimeUnixNano: plain.startTimeUnixNano - late,
    endTimeUnixNano: plain.endTimeUnixNano - late,
    attributes: new Map<string, never>([
      ['input.value', `question ${n}`],
      ['n', BigInt(n)],
      ['share', n / 7],
    ] as never),
    events:
      n % 3 === 0
        ? [{ timeUnixNano: plain.startTimeUnixNano, name: 'tick', attributes: new Map(), droppedAttributesCount: 1 }]
        : [],
  };
}

/** Sends batches, four at a time, until the process is gone or `enough` spans are acknowledged. */
async function sendUntilGone(store: StoreProcess, enough = Number.POSITIVE_INFINITY): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (store.acknowledged.size < enough) {
      const from = next;
      next += BATCH;
      const result = await store.ingest(Array.from({ length: BATCH }, (_, i) => richSpan(from + i)));
      if (result === undefined) return;
    }
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
}

async function checkAfterCrash(dataDir: string, crashed: StoreProcess, atEnd: AtEnd): Promise<void> {
  const store = await openStore({ dataDir, ...SMALL }, atEnd);
  const found = await allPages(store, { project: ACME });
  expect(audit(crashed, found, isDeepStrictEqual)).toEqual([]);
  // An exporter that got no answer sends again; and one that got an answer may do so too.
  const all = [...crashed.sent.values()];
  const batches = Array.from({ length: all.length / BATCH }, (_, i) => request(all.slice(i * BATCH, (i + 1) * BATCH)));
  await Promise.all(batches.map((batch) => store.ingest(batch)));
  const complete = { acknowledged: crashed.sent, sent: crashed.sent };
  expect(audit(complete, await allPages(store, { project: ACME }), isDeepStrictEqual)).toEqual([]);
  // And once more when all of it is in day files.
  await store.shutdown();
  const flushed = await openStore({ dataDir, ...SMALL }, atEnd);
  expect((await flushed.figures())['hot_spans']).toBe(0);
  expect(audit(complete, await allPages(flushed, { project: ACME }), isDeepStrictEqual)).toEqual([]);
}

describe('a store that is killed', { timeout: 120_000 }, () => {
  it.concurrent.for([
    ['append', 24],
    ['sync', 23],
    ['acknowledge', 24],
    ['insert', 22],
    ['roll', 4],
    ['flush', 3],
    ['flush', 6],
    ['commit', 4],
    ['commit', 5],
    ['checkpoint', 5],
    ['checkpoint', 6],
    ['publish', 3],
    ['unlink', 3],
  ] as const)(
    'as %s begins for the %i. time has every acknowledged span once',
    async ([phase, count], { onTestFinished }) => {
      const dataDir = temporaryDirectory(onTestFinished);
      const phaseLog = join(temporaryDirectory(onTestFinished), 'phases');
      const store = await StoreProcess.start(
        { dataDir, ...SMALL },
        { COGNIVERSE_STORE_KILL_AT: `${phase}:${count}`, COGNIVERSE_STORE_PHASE_LOG: phaseLog },
        onTestFinished,
      );
      await sendUntilGone(store, 3000);
      expect(await store.exit).toEqual({ code: null, signal: 'SIGKILL' });
      const phases = readFileSync(phaseLog, 'utf8').trimEnd().split('\n');
      expect(phases.filter((line) => line.endsWith('kill'))).toEqual([`${store.child.pid} ${phase} ${count} kill`]);
      expect(store.acknowledged.size).toBeGreaterThanOrEqual(LEAST_ACKNOWLEDGED);
      await checkAfterCrash(dataDir, store, onTestFinished);
    },
  );

  it.concurrent.for([500, 850, 1175])(
    'from outside after %i spans has every acknowledged span once',
    async (enough, { onTestFinished }) => {
      const dataDir = temporaryDirectory(onTestFinished);
      const store = await StoreProcess.start({ dataDir, ...SMALL }, {}, onTestFinished);
      const sending = sendUntilGone(store, 3000);
      await sendProgress(store, enough);
      store.child.kill('SIGKILL');
      await sending;
      await store.exit;
      await checkAfterCrash(dataDir, store, onTestFinished);
    },
  );

  it('would be found out if a span were missing, doubled, altered or made up', async () => {
    const store = await openStore();
    const sent = new Map(Array.from({ length: 20 }, (_, n) => [richSpan(n).spanId, richSpan(n)]));
    await store.ingest(request([...sent.values()]));
    const found = await allPages(store, { project: ACME });
    const account = { acknowledged: sent, sent };
    const id = found[3]!.span.spanId;
    expect(audit(account, found, isDeepStrictEqual)).toEqual([]);
    expect(audit(account, found.toSpliced(3, 1), isDeepStrictEqual)).toEqual([`missing ${id}`]);
    expect(audit(account, [...found, found[3]!], isDeepStrictEqual)).toEqual([`duplicate ${id}`]);
    const altered = { ...found[3]!, span: { ...found[3]!.span, endTimeUnixNano: 1n } };
    expect(audit(account, found.toSpliced(3, 1, altered), isDeepStrictEqual)).toEqual([`altered ${id}`]);
    const foreign = { ...found[3]!, span: span(999) };
    expect(audit(account, [...found, foreign], isDeepStrictEqual)).toEqual([`unknown ${span(999).spanId}`]);
  });
});

/** Resolves once so many spans are acknowledged. */
async function sendProgress(store: StoreProcess, enough: number): Promise<void> {
  while (store.acknowledged.size < enough) await new Promise((resolve) => store.child.once('message', resolve));
}
