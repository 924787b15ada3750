/** The pipeline against a small model, under any order of what can happen to it. */
import { memoryTarget, SENT, settle } from '@cogniverse/foundation/telemetry/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SendResult } from '../../dist/telemetry/export/export-target.js';
import { end, names, otherScope, scope, startPipeline } from './pipeline-fixture.js';

type Step =
  | { do: 'offer'; tenant: number; project: number; count: number; padding: number; other: boolean }
  | { do: 'advance'; millis: number }
  | { do: 'answer'; with: 'sent' | 'retry' | 'ambiguous' | 'fail' | 'split' | 'partial'; which: number }
  | { do: 'flush'; timeout: number }
  | { do: 'close'; tenant: number; project: number }
  | { do: 'shutdown'; timeout: number };

const tenant = fc.integer({ min: 0, max: 2 });
const project = fc.integer({ min: 0, max: 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('offer' as const),
      tenant,
      project,
      count: fc.integer({ min: 1, max: 40 }),
      padding: fc.constantFrom(0, 0, 100, 1500),
      other: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      millis: fc.constantFrom(0, 1, 500, 5000, 40_000, 310_000),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      with: fc.constantFrom('sent', 'sent', 'sent', 'retry', 'ambiguous', 'fail', 'split', 'partial'),
      which: fc.nat(10),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('flush' as const), timeout: fc.constantFrom(0, 1000, 60_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), tenant, project }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('shutdown' as const), timeout: fc.constantFrom(0, 1000, 60_000) }),
  },
);

const RESULTS: Record<Extract<Step, { do: 'answer' }>['with'], SendResult> = {
  sent: SENT,
  retry: { status: 'retryable', reason: 'http_503', error: new Error('503'), ambiguous: false },
  ambiguous: { status: 'retryable', reason: 'max_elapsed', error: new Error('reset'), ambiguous: true },
  fail: { status: 'failed', reason: 'http_401', error: new Error('401') },
  split: { status: 'splittable', reason: 'http_400', error: new Error('400') },
  partial: { status: 'sent', rejectedSpans: 1, message: '' },
};

describe('the pipeline', () => {
  it('keeps every equation after every step, delivers no span twice, and none under another tenant', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), fc.boolean(), async (steps, smallBudget) => {
        const { pipeline, ledger, clock } = startPipeline({
          maxExportBatchSize: 16,
          maxQueueBytes: smallBudget ? 20_000 : 64 * 1024 * 1024,
          exportTimeoutMillis: 1_000_000, // only this test's answers end an attempt
        });
        const open: { resolve: (result: SendResult) => void }[] = [];
        const target = memoryTarget({
          maxRequestBytes: 8000,
          respond: () => new Promise((resolve) => open.push({ resolve })),
        });
        const offered = new Map<string, string[]>();
        const flushes: { done: boolean; deadline: number }[] = [];
        const failures: string[] = [];
        let sequence = 0;
        let shutdownBy: number | undefined;
        let shutdownDone = false;
        const check = (): void => {
          expect(pipeline.audit()).toBeNull();
          expect(failures).toEqual([]);
        };
        const queueOf = (tenantNumber: number, projectNumber: number) =>
          pipeline.openProject({
            tenantId: `t${tenantNumber}`,
            projectName: `p${projectNumber}`,
            target: target.forProject(new Map([['tenant', `t${tenantNumber}`]])),
            maxQueueSize: 64,
          });

        for (const one of steps) {
          if (one.do === 'offer') {
            if (shutdownBy !== undefined && shutdownDone) continue;
            const queue = queueOf(one.tenant, one.project);
            for (let index = 0; index < one.count; index += 1) {
              sequence += 1;
              const name = `t${one.tenant}/p${one.project}/${sequence}`;
              const taken = end(queue, name, { padding: one.padding, in: one.other ? otherScope : scope });
              if (shutdownBy !== undefined) expect(taken).toBe(false);
              if (taken) offered.set(name, []);
            }
          } else if (one.do === 'advance') {
            await clock.advance(one.millis);
          } else if (one.do === 'answer') {
            open.splice(one.which % Math.max(open.length, 1), 1)[0]?.resolve(RESULTS[one.with]);
            await settle();
          } else if (one.do === 'flush') {
            const flush = { done: false, deadline: clock.monotonicMillis() + one.timeout };
            flushes.push(flush);
            const waiting = [...offered.keys()];
            void pipeline.forceFlush(one.timeout).then((all) => {
              flush.done = true;
              if (!all) return;
              // True means that whatever waited at the call has arrived, unless it had been dropped before.
              const arrived = new Set(names(target.spans));
              const { queued, inFlight } = ledger.total();
              const missing = waiting.filter((name) => !arrived.has(name)).length;
              const lost = ledger.total().ended - queued - inFlight - arrived.size;
              if (missing > lost) failures.push(`flush said true, ${missing} are missing, ${lost} were lost`);
            });
            await settle();
          } else if (one.do === 'close') {
            if (!shutdownDone) pipeline.closeProject(queueOf(one.tenant, one.project));
          } else {
            shutdownBy ??= clock.monotonicMillis() + one.timeout;
            void pipeline.shutdown(one.timeout).then(() => {
              shutdownDone = true;
            });
            await settle();
          }
          check();
          for (const flush of flushes) if (clock.monotonicMillis() > flush.deadline) expect(flush.done).toBe(true);
          if (shutdownBy !== undefined && clock.monotonicMillis() > shutdownBy) expect(shutdownDone).toBe(true);
        }

        // At the end the backend takes everything: each span has its fate, and what is exported is there.
        const done = pipeline.shutdown(60_000);
        for (let round = 0; round < 200 && !shutdownDone; round += 1) {
          for (const { resolve } of open.splice(0)) resolve(SENT);
          await clock.advance(1000);
        }
        await done;
        check();
        const total = ledger.total();
        expect([total.queued, total.inFlight, pipeline.stats().usedBytes, pipeline.stats().projects]).toEqual([
          0, 0, 0, 0,
        ]);
        const arrived = names(target.spans);
        // What arrived beyond that was cut off by the shutdown, and is marked.
        const beyond = arrived.length - total.exported - total.rejected;
        expect(beyond).toBeGreaterThanOrEqual(0);
        expect(beyond).toBeLessThanOrEqual(total.ambiguous);
        for (const { resource, span } of target.spans) {
          expect(span.name.startsWith(`${resource.attributes.get('tenant')}/`)).toBe(true);
          expect(offered.has(span.name)).toBe(true);
        }
        expect(new Set(arrived).size).toBe(arrived.length);
      }),
      { numRuns: 200 },
    );
  });
});
