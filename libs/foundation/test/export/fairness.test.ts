/** What one tenant does to the others: nothing. */
import { memoryTarget, SENT, settle } from '@cogniverse/foundation/telemetry/testing';
import { describe, expect, it } from 'vitest';
import type { SendResult } from '../../dist/telemetry/export/export-target.js';
import { encoded, end, names, numbered, startPipeline } from './pipeline-fixture.js';

describe('a tenant at a hundred times the rate of the others', () => {
  it('fills its own queue only: the others lose nothing', async () => {
    const { pipeline, ledger, clock } = startPipeline({ maxExportBatchSize: 64 });
    const target = memoryTarget();
    const open = (tenantId: string) => pipeline.openProject({ tenantId, projectName: 'p', target, maxQueueSize: 200 });
    const noisy = open('noisy');
    const quiet = ['q1', 'q2', 'q3'].map(open);
    for (let round = 0; round < 50; round += 1) {
      for (let index = 0; index < 1000; index += 1) end(noisy, `noisy${round}.${index}`, { padding: 200 });
      for (const queue of quiet)
        for (const name of numbered(`${queue.tenantId} ${round}.`, 10)) end(queue, name, { padding: 200 });
      expect(pipeline.audit()).toBeNull();
      await clock.advance(100);
    }
    await clock.advance(1000);
    for (const { tenantId } of quiet)
      expect(ledger.tenant(tenantId).counts()).toMatchObject({ ended: 500, exported: 500, dropped: {} });
    expect(ledger.tenant('noisy').dropped.get('queue_full')).toBeGreaterThan(10_000);
    expect(pipeline.audit()).toBeNull();
  });

  it('waits with the others: whoever comes later is served in the next turn, not behind the flood', async () => {
    let release: (result: SendResult) => void = () => undefined;
    const first = new Promise<SendResult>((resolve) => {
      release = resolve;
    });
    const { pipeline, clock } = startPipeline({ maxExportBatchSize: 100, maxRequestsInFlight: 1 });
    const target = memoryTarget({ respond: (_request, attempt) => (attempt === 1 ? first : SENT) });
    const open = (tenantId: string) => pipeline.openProject({ tenantId, projectName: 'p', target, maxQueueSize: 5000 });
    const noisy = open('noisy');
    for (const name of numbered('noisy', 3000)) end(noisy, name, { padding: 300 });
    await settle();
    const quiet = open('quiet');
    for (const name of numbered('quiet', 5)) end(quiet, name, { padding: 300 });
    release(SENT);
    await clock.advance(500);
    const order = names(target.spans);
    expect(order).toHaveLength(3005);
    // The request that was under way when they came, and then at once theirs.
    const withQuiet = target.requests.map(
      ({ spans }) => names(spans).filter((name) => name.startsWith('quiet')).length,
    );
    expect(withQuiet.slice(0, 3)).toEqual([0, 5, 0]);
    expect(order.filter((name) => name.startsWith('noisy'))).toEqual(numbered('noisy', 3000));
  });

  it('shares by bytes: large spans are not a way to get more', async () => {
    const { pipeline, clock } = startPipeline({ maxExportBatchSize: 40, maxRequestsInFlight: 1 });
    const target = memoryTarget();
    const open = (tenantId: string) => pipeline.openProject({ tenantId, projectName: 'p', target, maxQueueSize: 5000 });
    const [large, small] = [open('large'), open('small')];
    for (const name of numbered('large', 100)) end(large, name, { padding: 8000 });
    for (const name of numbered('small', 1000)) end(small, name, { padding: 200 });
    await clock.advance(500);
    const order = names(target.spans);
    const largeBefore = order.slice(0, order.indexOf('small999')).filter((name) => name.startsWith('large')).length;
    // 1,000 spans of about 300 bytes are as much as some 38 of about 8,100.
    expect(largeBefore).toBeGreaterThan(30);
    expect(largeBefore).toBeLessThan(46);
  });

  it('does not keep a light tenant waiting longer than the schedule delay', async () => {
    const { pipeline, clock } = startPipeline({ maxExportBatchSize: 512, scheduleDelayMillis: 500 });
    const target = memoryTarget();
    const open = (tenantId: string) => pipeline.openProject({ tenantId, projectName: 'p', target, maxQueueSize: 5000 });
    const [noisy, quiet] = [open('noisy'), open('quiet')];
    end(quiet, 'the one');
    for (let step = 0; step < 10; step += 1) {
      for (const name of numbered('noisy', 100)) end(noisy, name);
      await clock.advance(50);
    }
    expect(names(target.spans)).toContain('the one');
  });
});

describe('the byte budget', () => {
  const spanBytes = encoded('noisy000', 1000).length + 3;

  it('takes from the tenant that holds most, and counts it there', async () => {
    const { pipeline, ledger, clock } = startPipeline({ maxQueueBytes: spanBytes * 100 });
    const target = memoryTarget({ respond: () => new Promise(() => undefined) });
    const open = (tenantId: string) =>
      pipeline.openProject({ tenantId, projectName: 'p', target, maxQueueSize: 10_000 });
    const noisy = open('noisy');
    for (let index = 0; index < 300; index += 1)
      end(noisy, `noisy${String(index).padStart(3, '0')}`, { padding: 1000 });
    expect(ledger.tenant('noisy').dropped.get('queue_bytes')).toBe(200);
    for (const tenantId of ['q1', 'q2', 'q3', 'q4']) {
      const queue = open(tenantId);
      for (const name of numbered(`${tenantId} `, 10)) expect(end(queue, name, { padding: 1000 })).toBe(true);
    }
    expect(pipeline.audit()).toBeNull();
    expect(pipeline.stats().usedBytes).toBeLessThanOrEqual(pipeline.stats().maxBytes);
    expect(ledger.total().dropped).toEqual(ledger.tenant('noisy').counts().dropped);
    expect(ledger.tenant('noisy').dropped.get('queue_bytes')).toBeGreaterThanOrEqual(239);
    await clock.advance(0);
  });

  it('drops the newest of a flood: what it had queued first still arrives, in order', async () => {
    const { pipeline, clock } = startPipeline({ maxQueueBytes: spanBytes * 10 });
    const target = memoryTarget();
    const open = (tenantId: string) =>
      pipeline.openProject({ tenantId, projectName: 'p', target, maxQueueSize: 10_000 });
    const noisy = open('noisy');
    for (const name of numbered('noisy', 10)) end(noisy, name, { padding: 1000 });
    for (const name of numbered('quiet', 4)) expect(end(open('quiet'), name, { padding: 1000 })).toBe(true);
    await clock.advance(500);
    const order = names(target.spans);
    expect(order.filter((name) => name.startsWith('quiet'))).toEqual(numbered('quiet', 4));
    expect(order.filter((name) => name.startsWith('noisy'))).toEqual(numbered('noisy', 6));
    expect(pipeline.audit()).toBeNull();
  });

  it('counts all projects of a tenant together', () => {
    const { pipeline, ledger } = startPipeline({ maxQueueBytes: spanBytes * 40 });
    const target = memoryTarget({ respond: () => new Promise(() => undefined) });
    for (const projectName of numbered('project', 20)) {
      const queue = pipeline.openProject({ tenantId: 'spread', projectName, target, maxQueueSize: 100 });
      for (const name of numbered('s', 2)) end(queue, name, { padding: 1000 });
    }
    const other = pipeline.openProject({ tenantId: 'one', projectName: 'p', target, maxQueueSize: 100 });
    for (const name of numbered('o', 10)) expect(end(other, name, { padding: 1000 })).toBe(true);
    expect(ledger.tenant('one').droppedTotal).toBe(0);
    expect(ledger.tenant('spread').dropped.get('queue_bytes')).toBeGreaterThanOrEqual(9);
    expect(pipeline.audit()).toBeNull();
  });

  it('holds over a thousand tenants that all want more', () => {
    const { pipeline, ledger } = startPipeline({ maxQueueBytes: spanBytes * 500 });
    const target = memoryTarget({ respond: () => new Promise(() => undefined) });
    const queues = numbered('tenant', 1000).map((tenantId) =>
      pipeline.openProject({ tenantId, projectName: 'p', target, maxQueueSize: 100 }),
    );
    for (let round = 0; round < 5; round += 1) for (const queue of queues) end(queue, `s${round}`, { padding: 1000 });
    const { usedBytes, maxBytes } = pipeline.stats();
    expect(usedBytes).toBeLessThanOrEqual(maxBytes);
    expect(usedBytes).toBeGreaterThan(maxBytes * 0.9);
    expect(ledger.audit()).toBeNull();
    expect(pipeline.audit()).toBeNull();
  });
});
