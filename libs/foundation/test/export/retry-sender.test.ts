/** Repetition, splitting and the circuit, over a target in memory and a clock that the test moves. */
import { memoryTarget, type ReceivedRequest, SENT } from '@cogniverse/foundation/telemetry/testing';
import { describe, expect, it } from 'vitest';
import type { SendResult } from '../../dist/telemetry/export/export-target.js';
import { end, names, numbered, otherScope, scope, startPipeline } from './pipeline-fixture.js';

const http = (status: number, more: Partial<Extract<SendResult, { status: 'retryable' }>> = {}): SendResult => ({
  status: 'retryable',
  reason: `http_${status}`,
  error: new Error(`HTTP ${status}`),
  ambiguous: false,
  ...more,
});

describe('repetition', () => {
  it('after 503 ten times: gaps that grow, and delivered', async () => {
    const times: number[] = [];
    const { pipeline, ledger, clock } = startPipeline({ random: () => 0.5 });
    const target = memoryTarget({
      respond: (_request, attempt) => {
        times.push(clock.monotonicMillis());
        return attempt <= 10 ? http(503) : SENT;
      },
    });
    end(pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 }), 'span');
    await clock.advance(200_000);
    const gaps = times.slice(1).map((time, index) => time - times[index]!);
    expect(gaps).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000, 15_000, 15_000]);
    expect(ledger.total()).toMatchObject({ exported: 1, ambiguous: 0 });
  });

  it('waits as long as the backend asks, if that is longer', async () => {
    const { pipeline, clock } = startPipeline();
    const target = memoryTarget({
      respond: (_request, attempt) => (attempt === 1 ? http(429, { afterMillis: 60_000 }) : SENT),
    });
    end(pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 }), 'span');
    await clock.advance(500 + 59_999);
    expect(target.spans).toHaveLength(0);
    await clock.advance(1);
    expect(target.spans).toHaveLength(1);
  });

  it('gives up after 300 s as max_elapsed, and starts afresh with what came later', async () => {
    const { pipeline, ledger, clock } = startPipeline();
    let up = false;
    const target = memoryTarget({ respond: () => (up ? SENT : http(503)) });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 });
    end(queue, 'early');
    await clock.advance(300_499);
    expect(ledger.total()).toMatchObject({ inFlight: 1, dropped: {} });
    await clock.advance(1);
    expect(ledger.total()).toMatchObject({ inFlight: 0, dropped: { max_elapsed: 1 } });
    end(queue, 'late');
    up = true;
    await clock.advance(40_000);
    expect(names(target.spans)).toEqual(['late']);
    expect(pipeline.audit()).toBeNull();
  });

  it('counts a lasting TLS failure as tls', async () => {
    const { pipeline, ledger, clock } = startPipeline();
    const target = memoryTarget({ respond: () => http(503, { reason: 'tls', error: new Error('self-signed') }) });
    end(pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 }), 'span');
    await clock.advance(301_000);
    expect(ledger.total().dropped).toEqual({ tls: 1 });
  });

  it('marks spans as ambiguous once, however many attempts may have reached the backend', async () => {
    const { pipeline, ledger, clock } = startPipeline();
    const target = memoryTarget({
      respond: (_request, attempt) => (attempt <= 3 ? http(504, { ambiguous: true }) : SENT),
    });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 });
    for (const name of ['a', 'b']) end(queue, name);
    await clock.advance(30_000);
    expect(ledger.total()).toMatchObject({ exported: 2, ambiguous: 2 });
  });

  it('goes on at once, one time, after a kept connection that was dead', async () => {
    const { pipeline, clock } = startPipeline();
    const stale = http(503, { reason: 'max_elapsed', ambiguous: true, staleConnection: true });
    const target = memoryTarget({ respond: (_request, attempt) => (attempt <= 2 ? stale : SENT) });
    end(pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 }), 'span');
    await clock.advance(500);
    expect(target.requests).toHaveLength(2);
    await clock.advance(999);
    expect(target.spans).toHaveLength(1);
  });

  it('is not touched by a wall clock that jumps', async () => {
    const { pipeline, clock } = startPipeline();
    const target = memoryTarget({ respond: (_request, attempt) => (attempt === 1 ? http(503) : SENT) });
    end(pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 }), 'span');
    await clock.advance(500);
    clock.wallOffset -= 3_600_000;
    await clock.advance(1000);
    expect(target.spans).toHaveLength(1);
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('broken sender'))],
    [
      'throws',
      () => {
        throw new Error('broken sender');
      },
    ],
  ])('survives a sender that %s', async (_name, send) => {
    const { pipeline, ledger, clock, warnings } = startPipeline();
    const target = {
      ...memoryTarget(),
      resourceAttributes: new Map(),
      createSender: () => ({
        send,
        close: async () => {
          throw new Error('cannot close');
        },
      }),
    };
    end(pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 }), 'span');
    await clock.advance(301_000);
    expect(ledger.total().dropped).toEqual({ max_elapsed: 1 });
    await pipeline.shutdown(0);
    expect(warnings.join('\n')).toContain('broken sender');
    expect(warnings.join('\n')).toContain('cannot close');
    expect(pipeline.audit()).toBeNull();
  });

  it('survives a sender that never answers', async () => {
    const { pipeline, ledger, clock } = startPipeline({ exportTimeoutMillis: 10_000 });
    const target = memoryTarget({
      respond: (_request, attempt) => (attempt === 1 ? new Promise(() => undefined) : SENT),
    });
    end(pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 }), 'span');
    await clock.advance(13_000);
    expect(ledger.total()).toMatchObject({ exported: 1, ambiguous: 1 });
  });
});

describe('splitting', () => {
  const refuseBad = (request: ReceivedRequest): SendResult =>
    request.spans.some(({ span }) => span.name.startsWith('bad'))
      ? { status: 'splittable', reason: 'http_400', error: new Error('HTTP 400: bad span') }
      : SENT;

  it('finds the spans at fault, over tenants and scopes, and delivers all the others once', async () => {
    const { pipeline, ledger, clock } = startPipeline();
    const target = memoryTarget({ respond: refuseBad });
    for (const tenantId of ['a', 'b', 'c']) {
      const own = target.forProject(new Map([['project', tenantId]]));
      const queue = pipeline.openProject({ tenantId, projectName: 'p', target: own, maxQueueSize: 100 });
      for (let index = 0; index < 21; index += 1) {
        const name = tenantId === 'b' && index % 10 === 3 ? `bad${index}` : `${tenantId}${index}`;
        end(queue, name, { in: index % 2 === 0 ? scope : otherScope });
      }
    }
    await clock.advance(500);
    expect(ledger.tenant('a').counts()).toMatchObject({ ended: 21, exported: 21, dropped: {} });
    expect(ledger.tenant('b').counts()).toMatchObject({ ended: 21, exported: 19, dropped: { http_400: 2 } });
    expect(ledger.tenant('c').counts()).toMatchObject({ ended: 21, exported: 21, dropped: {} });
    expect(pipeline.audit()).toBeNull();
    for (const { resource, scope: inScope, span } of target.spans) {
      const tenantId = resource.attributes.get('project') as string;
      expect(span.name.startsWith(tenantId)).toBe(true);
      expect(inScope.name).toBe(Number(span.name.slice(1)) % 2 === 0 ? 'scope-a' : 'scope-b');
    }
    expect(new Set(names(target.spans)).size).toBe(61);
    expect(target.spans).toHaveLength(61);
  });

  it('makes requests as small as a backend wants them', async () => {
    const { pipeline, ledger, clock } = startPipeline();
    const target = memoryTarget({
      respond: ({ bytes }) =>
        bytes > 2000 ? { status: 'splittable', reason: 'http_413', error: new Error('HTTP 413') } : SENT,
    });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 100 });
    for (const name of numbered('s', 30)) end(queue, name, { padding: 300 });
    end(queue, 'huge', { padding: 3000 });
    await clock.advance(500);
    expect(names(target.spans)).toEqual(numbered('s', 30));
    expect(ledger.total()).toMatchObject({ exported: 30, dropped: { http_413: 1 } });
  });

  it('repeats a half that meets an outage, and keeps its marks', async () => {
    const { pipeline, ledger, clock } = startPipeline();
    const target = memoryTarget({
      respond: (request, attempt) => (attempt === 2 ? http(504, { ambiguous: true }) : refuseBad(request)),
    });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 100 });
    for (const name of ['a', 'b', 'c', 'bad']) end(queue, name);
    await clock.advance(10_000);
    expect(names(target.spans)).toEqual(['a', 'b', 'c']);
    expect(ledger.total()).toMatchObject({ exported: 3, ambiguous: 2, dropped: { http_400: 1 } });
  });
});

describe('a partial success', () => {
  it.each([
    [2, 2],
    [1000, 10],
    [-3, 0],
    [Number.NaN, 0],
  ])(
    'of %d rejected among 10 counts %d, never repeated, shared out over the tenants',
    async (rejectedSpans, expected) => {
      const { pipeline, ledger, clock, warnings } = startPipeline();
      const target = memoryTarget({ respond: () => ({ status: 'sent', rejectedSpans, message: 'too old\u001b[2J' }) });
      for (const [tenantId, count] of [
        ['a', 3],
        ['b', 7],
      ] as const) {
        const queue = pipeline.openProject({ tenantId, projectName: 'p', target, maxQueueSize: 100 });
        for (const name of numbered(tenantId, count)) end(queue, name);
      }
      await clock.advance(60_000);
      expect(target.requests).toHaveLength(1);
      expect(ledger.total()).toMatchObject({ rejected: expected, exported: 10 - expected });
      expect(pipeline.audit()).toBeNull();
      expect(warnings).toEqual(['[cogniverse telemetry] the backend says: too old\\u001b[2J']);
    },
  );

  it('with a text only is said once per text', async () => {
    const { pipeline, clock, warnings } = startPipeline({ maxExportBatchSize: 1 });
    const target = memoryTarget({
      respond: (_request, attempt) => ({
        status: 'sent',
        rejectedSpans: 0,
        message: attempt < 4 ? 'old version' : 'older',
      }),
    });
    const queue = pipeline.openProject({ tenantId: 'a', projectName: 'p', target, maxQueueSize: 100 });
    for (const name of numbered('s', 6)) end(queue, name);
    await clock.advance(1000);
    expect(warnings.map((line) => line.replace('[cogniverse telemetry] the backend says: ', ''))).toEqual([
      'old version',
      'older',
    ]);
  });
});

describe('a destination that keeps failing', () => {
  it('is tried by one request at a time, however many tenants wait', async () => {
    const { pipeline, clock } = startPipeline({ maxExportBatchSize: 10 });
    let up = false;
    const target = memoryTarget({
      respond: () => new Promise((resolve) => clock.schedule(100, () => resolve(up ? SENT : http(503)))),
    });
    for (let tenant = 0; tenant < 50; tenant += 1) {
      const queue = pipeline.openProject({ tenantId: `t${tenant}`, projectName: 'p', target, maxQueueSize: 100 });
      for (const name of numbered(`t${tenant}.`, 10)) end(queue, name);
    }
    await clock.advance(5000);
    target.clear();
    let most = 0;
    for (let step = 0; step < 600; step += 1) {
      await clock.advance(100);
      most = Math.max(most, target.openRequests);
    }
    expect(most).toBe(1);
    expect(target.requests.length).toBeLessThan(8);
    up = true;
    await clock.advance(60_000);
    expect(new Set(names(target.spans)).size).toBe(500);
    expect(pipeline.audit()).toBeNull();
  });

  it('sends no burst after the event loop was blocked for 30 s', async () => {
    const { pipeline, clock } = startPipeline({ maxExportBatchSize: 10 });
    const target = memoryTarget({ respond: () => http(503) });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 1000 });
    for (const name of numbered('s', 500)) end(queue, name);
    await clock.advance(20_000);
    target.clear();
    await clock.advance(30_000);
    expect(target.requests.length).toBeLessThanOrEqual(6);
  });

  it('up and down every 2 s: nothing is lost', async () => {
    const { pipeline, ledger, clock } = startPipeline({ random: () => 0.7 });
    const target = memoryTarget({
      respond: () => (Math.floor(clock.monotonicMillis() / 2000) % 2 === 0 ? SENT : http(503)),
    });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10_000 });
    for (let second = 0; second < 30; second += 1) {
      for (const name of numbered(`s${second}.`, 50)) end(queue, name);
      await clock.advance(1000);
      expect(pipeline.audit()).toBeNull();
    }
    await clock.advance(60_000);
    expect(ledger.total()).toMatchObject({ ended: 1500, exported: 1500, dropped: {} });
    expect(new Set(names(target.spans)).size).toBe(1500);
    expect(target.spans).toHaveLength(1500);
  });

  it('for an hour: memory stays within the budget, every span is counted, and it recovers', async () => {
    const { pipeline, ledger, clock } = startPipeline({ maxQueueBytes: 200_000 });
    let up = false;
    const target = memoryTarget({ respond: () => (up ? SENT : http(503)) });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 1000 });
    for (let minute = 0; minute < 60; minute += 1) {
      for (const name of numbered(`m${minute}.`, 100)) end(queue, name, { padding: 200 });
      await clock.advance(60_000);
      expect(pipeline.stats().usedBytes).toBeLessThanOrEqual(200_000);
      expect(pipeline.audit()).toBeNull();
    }
    up = true;
    await clock.advance(60_000);
    const { ended, exported, dropped, queued, inFlight } = ledger.total();
    expect({ ended, queued, inFlight }).toEqual({ ended: 6000, queued: 0, inFlight: 0 });
    expect(exported).toBeGreaterThan(300);
    expect(exported + Object.values(dropped).reduce((sum, count) => sum + count, 0)).toBe(6000);
  });
});
