/** Queues, batches, flush and shutdown, over a target in memory and a clock that the test moves. */
import { memoryTarget, SENT, settle } from '@cogniverse/foundation/telemetry/testing';
import { describe, expect, it } from 'vitest';
import type { SendResult } from '../../dist/telemetry/export/export-target.js';
import { encoded, end, names, numbered, otherScope, scope, startPipeline } from './pipeline-fixture.js';

const UNAVAILABLE: SendResult = {
  status: 'retryable',
  reason: 'http_503',
  error: new Error('HTTP 503'),
  ambiguous: false,
};

describe('a tenant queue', () => {
  it('delivers spans after the schedule delay, in the order they ended, under the resource of their project', async () => {
    const { pipeline, ledger, clock } = startPipeline({ scheduleDelayMillis: 500 });
    const target = memoryTarget({
      resourceAttributes: new Map([['openinference.project.name', 'cogniverse-acme-search']]),
    });
    const queue = pipeline.openProject({
      tenantId: 'acme',
      projectName: 'cogniverse-acme-search',
      target,
      maxQueueSize: 10,
    });
    for (const name of ['first', 'second', 'third']) expect(end(queue, name)).toBe(true);
    await clock.advance(499);
    expect(target.requests).toHaveLength(0);
    expect(ledger.tenant('acme').queued).toBe(3);
    expect(pipeline.audit()).toBeNull();
    await clock.advance(1);
    expect(names(target.spans)).toEqual(['first', 'second', 'third']);
    expect(target.spans[0]?.resource.attributes).toEqual(
      new Map([['openinference.project.name', 'cogniverse-acme-search']]),
    );
    expect(ledger.tenant('acme').counts()).toMatchObject({
      ended: 3,
      exported: 3,
      queued: 0,
      inFlight: 0,
      dropped: {},
    });
    expect(pipeline.audit()).toBeNull();
    expect(pipeline.stats().usedBytes).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it('drops the arriving span, and counts it, when the queue is full', async () => {
    const { pipeline, ledger, clock } = startPipeline();
    const target = memoryTarget();
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 2 });
    for (const name of ['first', 'second']) end(queue, name);
    expect(queue.hasRoom()).toBe(false);
    expect(end(queue, 'third')).toBe(false);
    await clock.advance(500);
    expect(names(target.spans)).toEqual(['first', 'second']);
    expect(ledger.total().dropped).toEqual({ queue_full: 1 });
    expect(pipeline.audit()).toBeNull();
  });

  it('copies the bytes, so the encoder may use its buffer again', async () => {
    const { pipeline, clock } = startPipeline();
    const target = memoryTarget();
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 2 });
    const bytes = encoded('kept');
    queue.ledger.ended += 1;
    queue.offer(scope, bytes);
    bytes.fill(0);
    await clock.advance(500);
    expect(names(target.spans)).toEqual(['kept']);
  });

  it('groups spans by scope, keeping the order within each', async () => {
    const { pipeline, clock } = startPipeline();
    const target = memoryTarget();
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 });
    for (const [name, inScope] of [
      ['a1', scope],
      ['b1', otherScope],
      ['a2', scope],
      ['b2', otherScope],
      ['b3', otherScope],
    ] as const) {
      end(queue, name, { in: inScope });
    }
    await clock.advance(500);
    expect(target.spans.map(({ scope: { name }, span }) => `${name}/${span.name}`)).toEqual([
      'scope-a/a1',
      'scope-a/a2',
      'scope-b/b1',
      'scope-b/b2',
      'scope-b/b3',
    ]);
  });

  it('refuses a span above the largest size, and takes the others', async () => {
    const { pipeline, ledger, clock } = startPipeline();
    const target = memoryTarget({ maxSpanBytes: 1000 });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 });
    expect(end(queue, 'large', { padding: 2000 })).toBe(false);
    expect(end(queue, 'small')).toBe(true);
    await clock.advance(500);
    expect(names(target.spans)).toEqual(['small']);
    expect(ledger.total().dropped).toEqual({ span_too_large: 1 });
  });

  it('gives one queue for equal tenant and project, another for any other pair', () => {
    const { pipeline } = startPipeline();
    const target = memoryTarget();
    const open = (tenantId: string, projectName: string) =>
      pipeline.openProject({ tenantId, projectName, target, maxQueueSize: 10 });
    expect(open('a', 'bc')).toBe(open('a', 'bc'));
    expect(open('ab', 'c')).not.toBe(open('a', 'bc'));
  });

  it('wakes who waits for room in their order, and all of them in time', async () => {
    const { pipeline, clock } = startPipeline();
    const target = memoryTarget();
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 1 });
    end(queue, 'first');
    const woken: string[] = [];
    const waits = ['a', 'b'].map((name) => queue.waitForRoom(5000).then(() => woken.push(name)));
    await clock.advance(499);
    expect(woken).toEqual([]);
    await clock.advance(1);
    expect(woken).toEqual(['a']);
    await clock.advance(4500);
    await Promise.all(waits);
    expect(woken).toEqual(['a', 'b']);
    await queue.waitForRoom(5000);
  });

  it('takes spans beyond its bound, on demand, up to the byte budget', () => {
    const { pipeline, ledger } = startPipeline({ maxQueueBytes: encoded('s0').length * 4 });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target: memoryTarget(), maxQueueSize: 1 });
    const taken = numbered('s', 6).filter((name) => {
      queue.ledger.ended += 1;
      return queue.offerBeyondBound(scope, encoded(name));
    });
    expect(taken).toEqual(['s0', 's1', 's2']);
    expect(ledger.total().dropped).toEqual({ queue_bytes: 3 });
    expect(pipeline.audit()).toBeNull();
  });
});

describe('batches', () => {
  it('go out without delay when they are full', async () => {
    const { pipeline, clock } = startPipeline({ maxExportBatchSize: 3 });
    const target = memoryTarget();
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 100 });
    for (const name of numbered('s', 7)) end(queue, name);
    await settle();
    expect(target.requests.map(({ spans }) => names(spans))).toEqual([
      ['s0', 's1', 's2'],
      ['s3', 's4', 's5'],
    ]);
    await clock.advance(500);
    expect(names(target.spans)).toEqual(numbered('s', 7));
  });

  it('carry many projects, each under its own resource', async () => {
    const { pipeline, clock } = startPipeline();
    const target = memoryTarget();
    for (const tenantId of ['a', 'b', 'c']) {
      const own = target.forProject(new Map([['project', tenantId]]));
      end(pipeline.openProject({ tenantId, projectName: 'p', target: own, maxQueueSize: 10 }), `span of ${tenantId}`);
    }
    await clock.advance(500);
    expect(target.requests).toHaveLength(1);
    expect(target.spans.map(({ resource, span }) => [resource.attributes.get('project'), span.name])).toEqual([
      ['a', 'span of a'],
      ['b', 'span of b'],
      ['c', 'span of c'],
    ]);
  });

  it('stay within the request bound in bytes; a span above it travels alone', async () => {
    const { pipeline, clock } = startPipeline();
    const target = memoryTarget({ maxRequestBytes: 2000 });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 100 });
    for (const [name, padding] of [
      ['s0', 600],
      ['s1', 600],
      ['s2', 600],
      ['huge', 5000],
      ['s3', 600],
    ] as const)
      end(queue, name, { padding });
    await clock.advance(500);
    expect(target.requests.map(({ spans }) => names(spans))).toEqual([['s0', 's1'], ['s2'], ['huge'], ['s3']]);
    for (const { spans, bytes } of target.requests) if (spans.length > 1) expect(bytes).toBeLessThanOrEqual(2000);
  });

  it('are bounded in number per destination', async () => {
    let release: (result: SendResult) => void = () => undefined;
    const held = new Promise<SendResult>((resolve) => {
      release = resolve;
    });
    const { pipeline, clock } = startPipeline({ maxExportBatchSize: 1, maxRequestsInFlight: 4 });
    const target = memoryTarget({ respond: () => held });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 100 });
    for (const name of numbered('s', 20)) end(queue, name);
    await clock.advance(2000);
    expect(target.openRequests).toBe(4);
    expect(pipeline.ledger.total()).toMatchObject({ inFlight: 4, queued: 16 });
    release(SENT);
    await clock.advance(0);
    expect(target.spans).toHaveLength(20);
    expect(target.mostOpenRequests).toBe(4);
  });
});

describe('forceFlush', () => {
  it('covers what is in flight, and says true only when all of it is exported', async () => {
    let release: (result: SendResult) => void = () => undefined;
    const { pipeline, clock } = startPipeline({ maxExportBatchSize: 2 });
    const target = memoryTarget({
      respond: (_request, attempt) =>
        attempt > 1
          ? SENT
          : new Promise((resolve) => {
              release = resolve;
            }),
    });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 100 });
    for (const name of ['s0', 's1']) end(queue, name);
    await settle();
    end(queue, 's2');
    let flushed: boolean | undefined;
    const flush = pipeline.forceFlush(10_000).then((value) => {
      flushed = value;
    });
    await clock.advance(100);
    expect(names(target.spans)).toEqual(['s2']);
    expect(flushed).toBeUndefined();
    release(SENT);
    await flush;
    expect(flushed).toBe(true);
    expect(names(target.spans)).toEqual(['s2', 's0', 's1']);
  });

  it('does not wait for spans that end after the call', async () => {
    const held = new Promise<SendResult>(() => undefined);
    const { pipeline, clock } = startPipeline();
    const target = memoryTarget({ respond: (_request, attempt) => (attempt === 1 ? SENT : held) });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 100 });
    end(queue, 'before');
    const flush = pipeline.forceFlush(10_000);
    await settle();
    end(queue, 'after');
    await clock.advance(600);
    expect(await flush).toBe(true);
  });

  it('says false when a span was refused, or in part, or time is up', async () => {
    const answers: SendResult[] = [
      { status: 'failed', reason: 'http_401', error: new Error('HTTP 401') },
      { status: 'sent', rejectedSpans: 1, message: 'one too many' },
    ];
    const { pipeline, ledger, clock } = startPipeline();
    const target = memoryTarget({ respond: () => answers.shift() ?? new Promise(() => undefined) });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 100 });
    end(queue, 'refused');
    expect(await pipeline.forceFlush(1000)).toBe(false);
    end(queue, 'rejected');
    expect(await pipeline.forceFlush(1000)).toBe(false);
    end(queue, 'stuck');
    const stuck = pipeline.forceFlush(1000);
    await clock.advance(1000);
    expect(await stuck).toBe(false);
    expect(ledger.total()).toMatchObject({ rejected: 1, inFlight: 1, dropped: { http_401: 1 } });
    expect(pipeline.audit()).toBeNull();
  });

  it('takes as long as the slowest destination, not the sum, and one that is down does not hold the others', async () => {
    const { pipeline, clock } = startPipeline();
    const down = memoryTarget({ respond: () => UNAVAILABLE });
    const up = memoryTarget();
    end(pipeline.openProject({ tenantId: 'a', projectName: 'p', target: down, maxQueueSize: 10 }), 'lost');
    end(pipeline.openProject({ tenantId: 'b', projectName: 'p', target: up, maxQueueSize: 10 }), 'kept');
    const flush = pipeline.forceFlush(3000);
    await clock.advance(0);
    expect(names(up.spans)).toEqual(['kept']);
    await clock.advance(3000);
    expect(await flush).toBe(false);
  });

  it('is true at once when there is nothing', async () => {
    const { pipeline } = startPipeline();
    expect(await pipeline.forceFlush(1000)).toBe(true);
  });
});

describe('synchronous export', () => {
  it('resolves when the backend has answered, retries included', async () => {
    const answers = [UNAVAILABLE, UNAVAILABLE, SENT];
    const { pipeline, clock } = startPipeline();
    const target = memoryTarget({ respond: () => answers.shift() ?? SENT });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 });
    queue.ledger.ended += 1;
    let done = false;
    const export_ = queue.offerNow(scope, encoded('now')).then(() => {
      done = true;
    });
    await clock.advance(2900);
    expect(done).toBe(false);
    await clock.advance(200);
    await export_;
    expect(names(target.spans)).toEqual(['now']);
  });

  it('resolves after 5 s when the backend is dead; the span stays under way', async () => {
    const { pipeline, ledger, clock } = startPipeline();
    const target = memoryTarget({ respond: () => new Promise(() => undefined) });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 });
    queue.ledger.ended += 1;
    const export_ = queue.offerNow(scope, encoded('now'));
    await clock.advance(5000);
    await export_;
    expect(ledger.total().inFlight).toBe(1);
    expect(pipeline.audit()).toBeNull();
  });
});

describe('a closed project', () => {
  it('is still delivered, then forgotten, with its destination', async () => {
    const { pipeline, ledger, clock } = startPipeline();
    const target = memoryTarget();
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 });
    end(queue, 'last');
    pipeline.closeProject(queue);
    expect(pipeline.stats()).toMatchObject({ projects: 1, destinations: 1 });
    await clock.advance(500);
    expect(names(target.spans)).toEqual(['last']);
    expect(pipeline.stats()).toMatchObject({ projects: 0, destinations: 0 });
    expect(target.closed).toBe(1);
    expect(ledger.tenant('acme').pins).toBe(0);
  });

  it('delivers a span that was still open when it was forgotten', async () => {
    const { pipeline, clock } = startPipeline();
    const target = memoryTarget();
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 });
    pipeline.closeProject(queue);
    expect(pipeline.stats().projects).toBe(0);
    expect(end(queue, 'late')).toBe(true);
    expect(pipeline.audit()).toBeNull();
    await clock.advance(500);
    expect(names(target.spans)).toEqual(['late']);
    expect(pipeline.stats()).toMatchObject({ projects: 0, destinations: 0, usedBytes: 0 });
  });
});

describe('shutdown', () => {
  it('delivers what waits; spans that come later are counted as such', async () => {
    const { pipeline, ledger } = startPipeline();
    const target = memoryTarget();
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 10 });
    end(queue, 'in time');
    const done = pipeline.shutdown(1000);
    expect(end(queue, 'too late')).toBe(false);
    await done;
    expect(end(queue, 'much too late')).toBe(false);
    expect(names(target.spans)).toEqual(['in time']);
    expect(ledger.total()).toMatchObject({ ended: 3, exported: 1, dropped: { already_shutdown: 2 } });
    expect(pipeline.audit()).toBeNull();
    expect(target.closed).toBe(1);
  });

  it('returns in time during an outage, with every span counted; concurrent calls share one effect', async () => {
    const { pipeline, ledger, clock } = startPipeline({ maxExportBatchSize: 2 });
    const target = memoryTarget({ respond: () => UNAVAILABLE });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 100 });
    for (const name of numbered('s', 20)) end(queue, name);
    await clock.advance(2000);
    const calls = Array.from({ length: 100 }, () => pipeline.shutdown(3000));
    expect(new Set(calls).size).toBe(1);
    const start = clock.monotonicMillis();
    await clock.advance(3000);
    await Promise.all(calls);
    expect(clock.monotonicMillis() - start).toBe(3000);
    expect(ledger.total()).toMatchObject({
      ended: 20,
      queued: 0,
      inFlight: 0,
      ambiguous: 0,
      dropped: { shutdown_timeout: 20 },
    });
    expect(pipeline.audit()).toBeNull();
    expect(pipeline.stats()).toMatchObject({ usedBytes: 0, projects: 0, destinations: 0 });
    expect(target.closed).toBe(1);
    await clock.advance(600_000);
    expect(clock.pending).toBe(0);
  });

  it('marks the spans of a request that it cuts off as ambiguous', async () => {
    const { pipeline, ledger, clock } = startPipeline();
    const target = memoryTarget({ respond: () => new Promise(() => undefined) });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 100 });
    end(queue, 'under way');
    const done = pipeline.shutdown(0);
    await clock.advance(0);
    await done;
    expect(ledger.total()).toMatchObject({ ambiguous: 1, dropped: { shutdown_timeout: 1 } });
    expect(pipeline.audit()).toBeNull();
  });

  it('is not held by a sender that does not close', async () => {
    const { pipeline, clock } = startPipeline();
    const target = memoryTarget();
    const stuck = {
      ...target,
      resourceAttributes: new Map(),
      createSender: () => ({ ...target.createSender(), close: () => new Promise<void>(() => undefined) }),
    };
    end(pipeline.openProject({ tenantId: 'acme', projectName: 'p', target: stuck, maxQueueSize: 1 }), 'span');
    const done = pipeline.shutdown(1000);
    await clock.advance(1000);
    await done;
    expect(names(target.spans)).toEqual(['span']);
    expect(pipeline.audit()).toBeNull();
  });

  it('lets nobody wait for room any more', async () => {
    const { pipeline, clock } = startPipeline();
    const target = memoryTarget({ respond: () => new Promise(() => undefined) });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 1 });
    end(queue, 'first');
    const waiting = queue.waitForRoom(1e6);
    const done = pipeline.shutdown(0);
    await waiting;
    await clock.advance(0);
    await done;
  });
});
