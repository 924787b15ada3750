import { memoryTarget } from '@cogniverse/foundation/telemetry/testing';
import { expect, it } from 'vitest';
import { end, names, startPipeline } from './pipeline-fixture.js';

it('a target that cannot make its sender yet costs no span and no exception: the next attempt makes it', async () => {
  const { pipeline, ledger, clock, warnings } = startPipeline();
  const target = memoryTarget();
  let refusals = 2;
  const moody = {
    ...target,
    createSender() {
      if (refusals-- > 0) throw new Error('not ready');
      return target.createSender();
    },
  };
  const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target: moody, maxQueueSize: 10 });
  expect(end(queue, 'first')).toBe(true);
  await clock.advance(500);
  expect(names(target.spans)).toEqual([]);
  expect(pipeline.audit()).toBeNull();
  await clock.advance(10_000);
  expect(names(target.spans)).toEqual(['first']);
  expect(warnings.join()).toContain('not ready');
  expect(ledger.total()).toMatchObject({ exported: 1, ambiguous: 0 });
  expect(pipeline.audit()).toBeNull();
});
