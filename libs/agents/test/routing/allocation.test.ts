/** What recording costs in memory. Times are a benchmark's (`bench/modality-metrics`). */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ModalityMetricsTracker, QueryModality } from '@cogniverse/agents/routing';
import { expect, it } from 'vitest';

it('recording allocates nothing: a million records leave less than a byte each', async () => {
  const script = join(import.meta.dirname, 'allocation-run.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    '--max-semi-space-size=128',
    '--min-semi-space-size=128',
    script,
  ]);
  const { recorded, clock, recordedWithClock, requests } = JSON.parse(stdout) as Record<string, number>;
  expect(requests).toBe(2_000_000);
  expect(recorded).toBeLessThan(1);
  expect(recordedWithClock).toBeLessThan(clock! + 1); // beside the number that Node's clock may box
});

it('a modality that is never asked for takes no window', () => {
  const buffers = () => process.memoryUsage().arrayBuffers;
  const before = buffers();
  const trackers = Array.from({ length: 8 }, () => new ModalityMetricsTracker({ windowSize: 1_000_000 }));
  for (const tracker of trackers) tracker.recordModalityExecution(QueryModality.VIDEO, 1, true);
  const taken = buffers() - before;
  expect(taken).toBeGreaterThan(7 * 8_000_000);
  expect(taken).toBeLessThan(2 * 8 * 8_000_000); // one window each, not six
  expect(trackers[0]!.getModalityStats(QueryModality.AUDIO).totalRequests).toBe(0);
});
