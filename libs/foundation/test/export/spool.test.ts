/** Requests that wait on disk: through outages, restarts, damage, and disks that fail. */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { ManualClock, memoryTarget, SENT } from '@cogniverse/foundation/telemetry/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SendResult } from '../../dist/telemetry/export/export-target.js';
import type { PipelineOptions } from '../../dist/telemetry/export/pipeline.js';
import { Spool, type SpoolOptions } from '../../dist/telemetry/export/spool.js';
import { end, type Fixture, names, numbered, startPipeline } from './pipeline-fixture.js';

let directory: string;
beforeEach(async () => {
  directory = await fs.mkdtemp(path.join(os.tmpdir(), 'spool-test-'));
});
afterEach(() => fs.rm(directory, { recursive: true, force: true }));

const DOWN: SendResult = { status: 'retryable', reason: 'http_503', error: new Error('HTTP 503'), ambiguous: false };
const warnings: string[] = [];
const logger = { warn: (line: string) => void warnings.push(line) };

async function openSpool(clock: ManualClock, options: Partial<SpoolOptions> = {}): Promise<Spool> {
  warnings.length = 0;
  return Spool.open({ directory, ...options }, clock, logger);
}

/** Lets time pass in steps, with real turns of the event loop for the disk, until it holds. */
async function until(clock: ManualClock, holds: () => boolean, stepMillis = 0): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('it never came to hold');
    await clock.advance(stepMillis);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function withSpool(
  options: Partial<SpoolOptions> = {},
  pipelineOptions: Partial<PipelineOptions> = {},
): Promise<Fixture & { spool: Spool }> {
  const fixture = startPipeline({ maxExportBatchSize: 20, ...pipelineOptions });
  // The test's clock may run far ahead of the disk: nothing is to expire on the way, unless a test is about that.
  const spool = await openSpool(fixture.clock, { maxAgeSeconds: 1e9, ...options });
  fixture.pipeline.attachSpool(spool);
  return { ...fixture, spool };
}

async function filesBelow(place: string): Promise<string[]> {
  const found = await fs.readdir(place, { recursive: true, withFileTypes: true });
  return found.filter((one) => one.isFile()).map((one) => path.join(one.parentPath, one.name));
}

describe('an outage of 30 minutes', () => {
  it('costs nothing: all spans are delivered after it, and the disk is empty again', async () => {
    const { pipeline, ledger, clock, spool } = await withSpool();
    let up = false;
    const target = memoryTarget({ key: 'backend', respond: () => (up ? SENT : DOWN) });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 100 });
    for (let minute = 0; minute < 30; minute += 1) {
      for (const name of numbered(`m${minute}.`, 50)) end(queue, name);
      await until(clock, () => queue.size === 0 || queue.size < 20, 500);
      await clock.advance(60_000);
      expect(pipeline.audit()).toBeNull();
    }
    expect(ledger.total().spooled).toBeGreaterThan(1000);
    expect(await Promise.race([pipeline.forceFlush(0), clock.advance(0).then(() => 'time')])).not.toBe(true);
    up = true;
    await until(clock, () => ledger.total().exported === 1500, 1000);
    expect(ledger.total()).toMatchObject({ ended: 1500, exported: 1500, spooled: 0, dropped: {} });
    expect(new Set(names(target.spans)).size).toBe(1500);
    expect(pipeline.audit()).toBeNull();
    await until(clock, () => spool.bytes === 0);
    expect(await pipeline.forceFlush(1000)).toBe(true);
  });

  it('lets live spans through beside what comes back, which comes oldest first', async () => {
    const { pipeline, ledger, clock } = await withSpool();
    let up = false;
    const target = memoryTarget({ key: 'backend', respond: () => (up ? SENT : DOWN) });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 1000 });
    for (let round = 0; round < 20; round += 1) {
      for (const name of numbered(`old${String(round).padStart(2, '0')}.`, 20)) end(queue, name);
      await until(clock, () => queue.size === 0, 300);
    }
    await until(clock, () => ledger.total().spooled >= 300, 100);
    up = true;
    await until(clock, () => target.spans.length > 20, 1000);
    for (const name of numbered('live', 20)) end(queue, name);
    await until(clock, () => ledger.total().exported === 420, 500);
    const order = names(target.spans);
    expect(order.lastIndexOf('live19')).toBeLessThan(order.length - 1);
    const rounds = order.filter((name) => name.startsWith('old')).map((name) => name.slice(3, 5));
    // Requests that were in memory when the outage began, or probed during it, come in between: five at most.
    const steps = rounds.filter((round, index) => index > 0 && round < rounds[index - 1]!);
    expect(steps.length).toBeLessThanOrEqual(5);
  });
});

describe('a restart', () => {
  it('delivers what the process before left, once, under its own tenants', async () => {
    const first = await withSpool();
    const down = memoryTarget({ key: 'backend', respond: () => DOWN });
    for (const tenantId of ['a', 'b']) {
      const queue = first.pipeline.openProject({
        tenantId,
        projectName: 'p',
        target: down.forProject(new Map([['tenant', tenantId]])),
        maxQueueSize: 100,
      });
      for (const name of numbered(`${tenantId}/`, 30)) end(queue, name);
    }
    const done = first.pipeline.shutdown(10_000);
    let stopped = false;
    void done.then(() => {
      stopped = true;
    });
    await first.clock.advance(7000); // the part of the time that is for sending
    await until(first.clock, () => stopped); // the disk takes none of this clock's time
    expect(first.ledger.total()).toMatchObject({ ended: 60, spooled: 60, queued: 0, inFlight: 0, dropped: {} });
    expect(first.pipeline.audit()).toBeNull();

    const second = await withSpool();
    expect(second.ledger.total()).toMatchObject({ ended: 60, spooled: 60 });
    const up = memoryTarget({ key: 'backend' });
    second.pipeline.openProject({ tenantId: 'a', projectName: 'p', target: up, maxQueueSize: 100 });
    await until(second.clock, () => second.ledger.total().exported === 60, 100);
    expect(second.ledger.tenant('b').counts()).toMatchObject({ ended: 30, exported: 30 });
    for (const { resource, span } of up.spans) expect(span.name.split('/')[0]).toBe(resource.attributes.get('tenant'));
    expect(second.pipeline.audit()).toBeNull();
    await second.pipeline.shutdown(1000);
    expect(await filesBelow(directory)).toEqual([]);
  });

  it('leaves alone what belongs to a process that runs, and takes over that of one that does not', async () => {
    const clock = new ManualClock();
    const running = await openSpool(clock);
    await running.append('backend', [{ tenantId: 'a', count: 1 }], Buffer.from('of the running one'));
    const other = await openSpool(clock);
    expect(other.recovered()).toEqual([]);
    const own = (await filesBelow(directory)).find((file) => file.endsWith('.seg'))!;
    const owner = path.join(path.dirname(own), 'owner.json');
    await fs.writeFile(owner, (await fs.readFile(owner, 'utf8')).replace(/"pid":\d+/, '"pid":999999999'));
    const third = await openSpool(clock);
    expect(third.recovered()).toEqual([{ tenantId: 'a', count: 1 }]);
    expect((await openSpool(clock)).recovered()).toEqual([]);
    expect(Buffer.from((await third.read(third.peek('backend')!.entry))!).toString()).toBe('of the running one');
  });

  it('goes on where the process before had come to', async () => {
    const clock = new ManualClock();
    const first = await openSpool(clock);
    for (const text of ['one', 'two', 'three'])
      await first.append('backend', [{ tenantId: text, count: 1 }], Buffer.from(text));
    await first.settle('backend', first.peek('backend')!.entry);
    await first.close();
    const second = await openSpool(clock);
    expect(second.recovered().map(({ tenantId }) => tenantId)).toEqual(['two', 'three']);
  });
});

describe('damage', () => {
  /** Three records of a dead process, as bytes, and the offsets at which they end. */
  async function threeRecords(): Promise<{ segment: string; content: Buffer; ends: number[] }> {
    const spool = await openSpool(new ManualClock());
    const ends: number[] = [];
    for (const text of ['one', 'two', 'three']) {
      await spool.append('backend', [{ tenantId: text, count: 1 }], Buffer.from(text.repeat(5)));
      ends.push(spool.bytes);
    }
    await spool.close();
    const segment = (await filesBelow(directory)).find((file) => file.endsWith('.seg'))!;
    return { segment, content: await fs.readFile(segment), ends };
  }

  /** What a new process finds where the dead one's segment has this content. */
  async function found(segment: string, content: Buffer): Promise<string[]> {
    await fs.rm(directory, { recursive: true, force: true });
    await fs.mkdir(path.dirname(segment), { recursive: true });
    await fs.writeFile(segment, content);
    const spool = await openSpool(new ManualClock());
    return spool.recovered().map(({ tenantId }) => tenantId);
  }

  it('torn at every byte: the records before are delivered', async () => {
    const { segment, content, ends } = await threeRecords();
    for (let length = 0; length < content.length; length += 1) {
      const whole = ends.filter((end) => end <= length).length;
      expect(await found(segment, content.subarray(0, length)), `${length}`).toEqual(
        ['one', 'two', 'three'].slice(0, whole),
      );
    }
  });

  it('one bit flipped, at every byte: all records but that one are delivered', async () => {
    const { segment, content, ends } = await threeRecords();
    for (let at = 0; at < content.length; at += 1) {
      const damaged = Buffer.from(content);
      damaged[at]! ^= 1 << (at % 8);
      const hit = ends.findIndex((end) => at < end);
      expect(await found(segment, damaged), `${at}`).toEqual(
        ['one', 'two', 'three'].filter((_, index) => index !== hit),
      );
    }
  });

  it('foreign and empty files are left where they are, and said', async () => {
    const { segment } = await threeRecords();
    await fs.writeFile(path.join(directory, 'notes.txt'), 'mine');
    await fs.writeFile(path.join(path.dirname(segment), 'other.bin'), 'mine');
    await fs.writeFile(path.join(path.dirname(segment), '0123456789abcdef-000000000009.seg'), '');
    const spool = await openSpool(new ManualClock());
    expect(spool.recovered()).toHaveLength(3);
    expect(await fs.readFile(path.join(directory, 'notes.txt'), 'utf8')).toBe('mine');
    expect(warnings.join('\n')).toContain('notes.txt');
    expect(warnings.join('\n')).toContain('other.bin');
    expect((await filesBelow(directory)).some((file) => file.endsWith('other.bin'))).toBe(true);
  });

  it('found only when a record is read: its spans are counted as spool_corrupt, the others delivered', async () => {
    const { segment } = await threeRecords();
    const { pipeline, ledger, clock } = await withSpool();
    const taken = (await filesBelow(directory)).find((file) => path.basename(file) === path.basename(segment))!;
    const content = await fs.readFile(taken);
    content[content.length - 1]! ^= 1;
    await fs.writeFile(taken, content);
    const bodies: number[] = [];
    const target = memoryTarget({ key: 'backend' });
    const sender = {
      send: async (body: Uint8Array) => {
        bodies.push(body.length);
        return SENT;
      },
      close: async () => undefined,
    };
    pipeline.openProject({
      tenantId: 'x',
      projectName: 'p',
      target: { ...target, resourceAttributes: new Map(), createSender: () => sender },
      maxQueueSize: 1,
    });
    await until(clock, () => ledger.total().spooled === 0 && ledger.total().inFlight === 0, 100);
    expect(ledger.total()).toMatchObject({ ended: 3, exported: 2, dropped: { spool_corrupt: 1 } });
    expect(bodies).toEqual([15, 15]);
    expect(pipeline.audit()).toBeNull();
  });
});

describe('bounds', () => {
  it('in bytes hold: what has no room there waits in memory, and is counted when its time is up', async () => {
    const { pipeline, ledger, clock, spool } = await withSpool({ maxBytes: 3000 });
    const target = memoryTarget({ key: 'backend', respond: () => DOWN, maxRequestBytes: 1000 });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 50 });
    for (let round = 0; round < 40; round += 1) {
      for (const name of numbered(`r${round}.`, 10)) end(queue, name);
      await until(clock, () => true, 20_000);
      expect(spool.bytes).toBeLessThanOrEqual(3000);
      expect(pipeline.audit()).toBeNull();
    }
    await until(clock, () => (ledger.total().dropped['spool_full'] ?? 0) > 0, 5000);
    expect(ledger.total().dropped['queue_full']).toBeGreaterThan(0);
    expect(ledger.total().spooled).toBeGreaterThan(0);
    expect(pipeline.audit()).toBeNull();
  });

  it('in age hold: what is too old is dropped as spool_expired', async () => {
    const clock = new ManualClock();
    const before = await openSpool(clock);
    await before.append('backend', [{ tenantId: 'acme', count: 7 }], Buffer.from('old'));
    await before.close();
    const { pipeline, ledger, clock: later } = startPipeline();
    later.wallOffset += 2 * 3_600_000;
    pipeline.attachSpool(await openSpool(later, { maxAgeSeconds: 3600 }));
    const target = memoryTarget({ key: 'backend' });
    pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 1 });
    await until(later, () => ledger.total().spooled === 0);
    expect(ledger.total()).toMatchObject({ ended: 7, dropped: { spool_expired: 7 } });
    expect(target.requests).toHaveLength(0);
    expect(pipeline.audit()).toBeNull();
  });

  it('of access: directories 0700, files 0600, and no tenant or address in a name', async () => {
    const spool = await openSpool(new ManualClock(), { fsync: true });
    await spool.append('https://backend/ secret', [{ tenantId: '../../acme', count: 1 }], Buffer.from('x'));
    for (const file of await filesBelow(directory)) {
      expect((await fs.stat(file)).mode & 0o777).toBe(0o600);
      expect((await fs.stat(path.dirname(file))).mode & 0o777).toBe(0o700);
      expect(path.relative(directory, file)).toMatch(/^process-[0-9a-f]{16}\/(owner\.json|[0-9a-f]{16}-\d{12}\.seg)$/);
    }
  });
});

describe('a disk that fails', () => {
  it('costs nothing but the disk: memory takes over, and the spool is used again later', async () => {
    const { pipeline, ledger, clock, spool } = await withSpool(
      {},
      { retryPolicy: { initialBackoffMillis: 1000, maxBackoffMillis: 30_000, maxElapsedMillis: 1e9 } },
    );
    let up = false;
    const target = memoryTarget({ key: 'backend', respond: () => (up ? SENT : DOWN) });
    const queue = pipeline.openProject({ tenantId: 'acme', projectName: 'p', target, maxQueueSize: 1000 });
    // A file in the way of the directory: nothing can be written there, whoever asks.
    await fs.rm(directory, { recursive: true });
    await fs.writeFile(directory, 'in the way');
    for (const name of numbered('s', 200)) end(queue, name);
    await until(clock, () => warnings.some((line) => line.includes('could not be written')), 500);
    expect(ledger.total()).toMatchObject({ spooled: 0, dropped: {} });
    expect(pipeline.audit()).toBeNull();
    await fs.rm(directory);
    await until(clock, () => ledger.total().spooled > 0, 500);
    expect(spool.bytes).toBeGreaterThan(0);
    up = true;
    await until(clock, () => ledger.total().exported === 200, 1000);
    expect(ledger.total()).toMatchObject({ ended: 200, exported: 200, spooled: 0, dropped: {} });
    expect(pipeline.audit()).toBeNull();
  });
});
