import { ModalityMetricsTracker, QueryModality } from '@cogniverse/agents/routing';
import { expect, it } from 'vitest';

it('what is no measurement gives one warning a process, for the first, however many trackers there are', async () => {
  const warnings: (Error & { code?: string })[] = [];
  const listener = (warning: Error) => warnings.push(warning);
  process.on('warning', listener);
  const trackers = [new ModalityMetricsTracker(), new ModalityMetricsTracker()];
  for (const tracker of trackers) {
    for (const latency of [Number.NaN, -1]) tracker.recordModalityExecution(QueryModality.TEXT, latency, true);
  }
  await new Promise((resolve) => setImmediate(resolve)); // warnings are emitted on the next tick
  process.off('warning', listener);
  expect(trackers.map(({ invalidRecords }) => invalidRecords)).toEqual([2, 2]);
  expect(warnings.map(({ code, message }) => [code, message])).toEqual([
    ['COGNIVERSE_INVALID_MODALITY_RECORD', expect.stringContaining('its latencyMs is NaN')],
  ]);
});
