/**
 * Bounded queue of one tenant project's ended spans, as OTLP bytes.   Write path: encoder -> [tenant-queue] -> scheduler -> sender.
 * One queue per tenant project, so a tenant that floods fills only its own.
 */
import type { BlockPool } from './block-pool.js';
import type { BudgetedQueue, ByteBudget, TenantHolding } from './byte-budget.js';
import type { Clock, ClockTimer } from './clock.js';
import type { ExportTarget } from './export-target.js';
import type { Ledger, TenantLedger } from './ledger.js';
import { Settlement, type SettlementMark } from './settlement.js';
import { framedLength, SpanBlocks, writeVarint } from './span-blocks.js';

/** An instrumentation scope, encoded. One object a scope for the life of the process. */
export interface ScopeBytes {
  /** A small integer, its own for each scope of the process. */
  readonly id: number;
  /** The fields of OTLP `ScopeSpans` except `spans`. */
  readonly prefix: Uint8Array;
}

/** How long a caller of a synchronous export waits at most, in milliseconds. */
const SYNC_EXPORT_WAIT_MILLIS = 5000;
const DEFAULT_MAX_SPAN_BYTES = 16 * 1024 * 1024;
/** Two numbers a span: framed length, scope id. */
const ENTRY = 2;
const SMALLEST_RING = 16 * ENTRY;
/** `ExportTraceServiceRequest.resource_spans`. */
const RESOURCE_SPANS_TAG = 0x0a;
/** `ResourceSpans.scope_spans`. */
const SCOPE_SPANS_TAG = 0x12;

/** What a queue needs of its pipeline. */
export interface QueueHost {
  /** Shut down: nothing new is taken. */
  readonly stopped: boolean;
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly budget: ByteBudget;
  readonly pool: BlockPool;
  /** Every scope seen, by id. */
  readonly scopes: Map<number, ScopeBytes>;
  /** The queue is in use (again); gives the scheduler of its destination. */
  remember(queue: TenantQueue): QueueScheduler;
  /** The queue is closed, and nothing of it is left. */
  forget(queue: TenantQueue): void;
}

/** What a queue tells the scheduler of its destination. */
export interface QueueScheduler {
  spanQueued(queue: TenantQueue, framedBytes: number): void;
  spansWithdrawn(queue: TenantQueue, count: number, framedBytes: number): void;
  /** Everything queued now goes out without waiting for a full batch. */
  hasten(): void;
}

export interface TenantQueueOptions {
  tenantId: string;
  projectName: string;
  target: ExportTarget;
  /** The encoded body of the project's OTLP `Resource`. */
  resource: Uint8Array;
  /** Spans that may wait. */
  maxQueueSize: number;
  host: QueueHost;
}

interface RoomWaiter {
  readonly resolve: () => void;
  readonly timer: ClockTimer;
}

export class TenantQueue implements BudgetedQueue {
  readonly tenantId: string;
  readonly projectName: string;
  readonly target: ExportTarget;
  #maxQueueSize: number;
  readonly #maxSpanBytes: number;
  readonly #host: QueueHost;
  #scheduler: QueueScheduler;
  /** The `resource` entry of `ResourceSpans`, with tag and length. */
  readonly #resourceEntry: Uint8Array;

  #ledger: TenantLedger;
  #holding: TenantHolding | undefined;
  readonly #blocks: SpanBlocks;
  /** A power of two long; absent while the queue is empty, so that an idle tenant costs next to nothing. */
  #ring: Int32Array | undefined;
  /** Index of the oldest entry's first number. */
  #head = 0;
  #size = 0;
  /** Sequence number of the oldest span: spans are numbered from 0 as they are queued. */
  #headSequence = 0;
  #inFlight = 0;
  #closed = false;
  #lastScope: ScopeBytes | undefined;
  #marks: SettlementMark[] = [];
  #roomWaiters: RoomWaiter[] = [];

  // The scheduler's own notes, here so that a turn needs no look-up.
  /** Next in the round, while `scheduled`. */
  nextInRound: TenantQueue | undefined;
  scheduled = false;
  /** Bytes it may still send in this turn. */
  deficit = 0;
  /** In the middle of a turn that a full batch cut off. */
  midTurn = false;
  /** Spans of it in the batch that is being put together. */
  planned = 0;

  constructor(options: TenantQueueOptions) {
    this.tenantId = options.tenantId;
    this.projectName = options.projectName;
    this.target = options.target;
    this.#maxQueueSize = options.maxQueueSize;
    this.#maxSpanBytes = options.target.maxSpanBytes ?? DEFAULT_MAX_SPAN_BYTES;
    this.#host = options.host;
    this.#blocks = new SpanBlocks(options.host.pool);
    const { resource } = options;
    this.#resourceEntry = new Uint8Array(framedLength(resource.length));
    this.#resourceEntry[0] = 0x0a; // ResourceSpans.resource
    this.#resourceEntry.set(resource, writeVarint(this.#resourceEntry, 1, resource.length));
    ({ ledger: this.#ledger, scheduler: this.#scheduler } = this.#attach());
  }

  /** Spans that may wait. */
  get maxQueueSize(): number {
    return this.#maxQueueSize;
  }

  /** Another bound, for spans from now on: what waits stays. */
  resize(maxQueueSize: number): void {
    this.#maxQueueSize = maxQueueSize;
    this.#wakeRoomWaiters();
  }

  /** Spans waiting. */
  get size(): number {
    return this.#size;
  }

  /** Bytes waiting, as they will travel. */
  get queuedBytes(): number {
    return this.#blocks.byteLength;
  }

  /** Spans in requests that have no answer yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** The tenant's counters; for use in the same turn. */
  get ledger(): TenantLedger {
    return this.#holding === undefined ? this.#host.ledger.tenant(this.tenantId) : this.#ledger;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Takes an ended span's encoded body; the bytes are copied. Counts what becomes of it: queued, or dropped (`queue_full`,
   * `queue_bytes`, `span_too_large`, `already_shutdown`), and says whether it was queued. Runs inside the caller's request: no await, no throw.
   */
  offer(scope: ScopeBytes, span: Uint8Array): boolean {
    return this.#add(scope, span, this.#maxQueueSize);
  }

  /** As `offer`, but bounded by the byte budget alone, for callers that cannot wait and must not lose the span. */
  offerBeyondBound(scope: ScopeBytes, span: Uint8Array): boolean {
    return this.#add(scope, span, Number.MAX_SAFE_INTEGER);
  }

  /**
   * Takes a span and sends it at once, with whatever else waits for the same destination. Resolves when the span has its fate, retries
   * included, after 5 s in any case (the span is then still under way, and counted as such). Never rejects.
   */
  async offerNow(scope: ScopeBytes, span: Uint8Array): Promise<void> {
    if (!this.offer(scope, span)) return;
    const settlement = new Settlement();
    const to = this.#headSequence + this.#size;
    this.#mark(settlement, to - 1, to, 1);
    const timer = this.#host.clock.schedule(SYNC_EXPORT_WAIT_MILLIS, () => settlement.expire(), true);
    this.#scheduler.hasten();
    await settlement.settled;
    timer.cancel();
    this.#marks = this.#marks.filter((mark) => mark.settlement !== settlement);
  }

  hasRoom(): boolean {
    return this.#size < this.maxQueueSize;
  }

  /** Resolves when the queue has room, or after `timeoutMillis`; first come, first served. */
  waitForRoom(timeoutMillis: number): Promise<void> {
    if (this.hasRoom() || this.#host.stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const waiter: RoomWaiter = {
        resolve,
        timer: this.#host.clock.schedule(timeoutMillis, () => {
          this.#roomWaiters = this.#roomWaiters.filter((other) => other !== waiter);
          resolve();
        }),
      };
      this.#roomWaiters.push(waiter);
    });
  }

  #wakeRoomWaiters(): void {
    if (this.#roomWaiters.length === 0) return;
    const room = this.#host.stopped ? this.#roomWaiters.length : this.maxQueueSize - this.#size;
    for (const waiter of this.#roomWaiters.splice(0, Math.max(room, 0))) {
      waiter.timer.cancel();
      waiter.resolve();
    }
  }

  #add(scope: ScopeBytes, span: Uint8Array, bound: number): boolean {
    if (this.#host.stopped) return this.#refuse('already_shutdown');
    // Closed and forgotten: a span that was still open then is delivered all the same.
    if (this.#holding === undefined) ({ ledger: this.#ledger, scheduler: this.#scheduler } = this.#attach());
    if (this.#size >= bound) return this.#refuse('queue_full'); // the arriving span: those that wait are older, and order is kept
    if (span.length > this.#maxSpanBytes) return this.#refuse('span_too_large');
    const framed = framedLength(span.length);
    if (!this.#host.budget.reserve(this.#holding!, framed)) return this.#refuse('queue_bytes');
    if (scope !== this.#lastScope) {
      this.#lastScope = scope;
      this.#host.scopes.set(scope.id, scope);
    }
    let ring = this.#ring;
    if (ring === undefined || this.#size * ENTRY === ring.length) ring = this.#growRing();
    const entry = (this.#head + this.#size * ENTRY) & (ring.length - 1);
    ring[entry] = framed;
    ring[entry + 1] = scope.id;
    this.#blocks.append(span);
    this.#size += 1;
    this.#ledger.queued += 1;
    this.#scheduler.spanQueued(this, framed);
    return true;
  }

  #refuse(reason: 'already_shutdown' | 'queue_full' | 'span_too_large' | 'queue_bytes'): false {
    this.ledger.countDropped(reason, 1);
    this.#forgetIfDone();
    return false;
  }

  #growRing(): Int32Array {
    const old = this.#ring;
    const ring = this.#host.pool.takeRing(Math.max(SMALLEST_RING, this.#size * ENTRY * 2));
    if (old !== undefined) {
      const firstPart = old.subarray(this.#head);
      ring.set(firstPart);
      ring.set(old.subarray(0, this.#head), firstPart.length);
      this.#host.pool.giveRing(old);
    }
    this.#ring = ring;
    this.#head = 0;
    return ring;
  }

  #releaseIfEmpty(): void {
    if (this.#size > 0 || this.#ring === undefined) return;
    this.#host.pool.giveRing(this.#ring);
    this.#ring = undefined;
    this.#head = 0;
  }

  // For the byte budget.

  giveWay(bytes: number): number {
    let freed = 0;
    let count = 0;
    const ring = this.#ring;
    // Spans that are in the batch being put together stay.
    while (ring !== undefined && freed < bytes && this.#size > this.planned) {
      this.#size -= 1;
      const framed = ring[(this.#head + this.#size * ENTRY) & (ring.length - 1)]!;
      this.#blocks.dropNewest(framed);
      freed += framed;
      count += 1;
    }
    if (count > 0) this.#withdraw(count, freed, 'queue_bytes');
    return freed;
  }

  /** Drops everything that waits. */
  dropAll(reason: 'shutdown_timeout'): void {
    const count = this.#size;
    if (count === 0) return;
    const bytes = this.queuedBytes;
    this.#size = 0;
    this.#blocks.clear();
    this.#withdraw(count, bytes, reason);
  }

  #withdraw(count: number, bytes: number, reason: 'queue_bytes' | 'shutdown_timeout'): void {
    this.#ledger.queued -= count;
    this.#ledger.countDropped(reason, count);
    this.#host.budget.releaseQueued(this.#holding!, bytes);
    this.#scheduler.spansWithdrawn(this, count, bytes);
    const tail = this.#headSequence + this.#size;
    for (const mark of this.#marks) {
      if (mark.to <= tail) continue;
      mark.settlement.settle(mark.to - Math.max(mark.from, tail), true);
      mark.to = Math.max(mark.from, tail); // the numbers are given out again
    }
    this.#releaseIfEmpty();
    this.#wakeRoomWaiters();
  }

  // For the scheduler.

  /** Framed length of the `index`-th oldest span. */
  framedLengthAt(index: number): number {
    const ring = this.#ring!;
    return ring[(this.#head + index * ENTRY) & (ring.length - 1)]!;
  }

  scopeIdAt(index: number): number {
    const ring = this.#ring!;
    return ring[((this.#head + index * ENTRY) & (ring.length - 1)) + 1]!;
  }

  /** Bytes that the project's resource takes in a request, headers included, at most. */
  get resourceOverhead(): number {
    return this.#resourceEntry.length + 6;
  }

  /** Bytes that one scope takes in a request, headers included, at most. */
  scopeOverhead(scopeId: number): number {
    return this.#host.scopes.get(scopeId)!.prefix.length + 6;
  }

  /**
   * Moves the oldest `count` spans into a request, as one `ResourceSpans`, grouped by scope, in the order they ended within each.
   * They count as in flight from here on. Gives the position behind them.
   */
  moveInto(request: Uint8Array, at: number, count: number): { position: number; from: number; bytes: number } {
    const { position, bytes } = this.#writeOneScope(request, at, count) ?? this.#writeByScope(request, at, count);
    const mask = this.#ring!.length - 1;
    const from = this.#headSequence;
    this.#head = (this.#head + count * ENTRY) & mask;
    this.#size -= count;
    this.#headSequence += count;
    this.#inFlight += count;
    this.#ledger.queued -= count;
    this.#ledger.inFlight += count;
    this.#host.budget.moveToFlight(this.#holding!, bytes);
    this.#releaseIfEmpty();
    this.#wakeRoomWaiters();
    return { position, from, bytes };
  }

  /** The nearly constant case, without look-ups: all spans are of one scope, so they are one copy. Undefined if they are not. */
  #writeOneScope(request: Uint8Array, at: number, count: number): { position: number; bytes: number } | undefined {
    const ring = this.#ring!;
    const mask = ring.length - 1;
    const id = ring[this.#head + 1]!;
    let bytes = 0;
    for (let index = 0; index < count; index += 1) {
      const entry = (this.#head + index * ENTRY) & mask;
      if (ring[entry + 1] !== id) return undefined;
      bytes += ring[entry]!;
    }
    const prefix = this.#prefix(id);
    const inScope = prefix.length + bytes;
    let position = this.#writeResource(request, at, this.#resourceEntry.length + framedLength(inScope));
    position = writeScopeHeader(request, position, inScope, prefix);
    this.#blocks.moveOut(request, position, bytes);
    return { position: position + bytes, bytes };
  }

  #writeByScope(request: Uint8Array, at: number, count: number): { position: number; bytes: number } {
    const ring = this.#ring!;
    const mask = ring.length - 1;
    // How many bytes each scope has.
    const scopeIds: number[] = [];
    const sums: number[] = [];
    const groupOf = new Map<number, number>();
    let bytes = 0;
    let lastId = -1;
    let group = -1;
    for (let index = 0; index < count; index += 1) {
      const entry = (this.#head + index * ENTRY) & mask;
      const framed = ring[entry]!;
      const id = ring[entry + 1]!;
      if (id !== lastId || group < 0) {
        lastId = id;
        group = groupOf.get(id) ?? -1;
        if (group < 0) {
          group = scopeIds.length;
          groupOf.set(id, group);
          scopeIds.push(id);
          sums.push(0);
        }
      }
      sums[group]! += framed;
      bytes += framed;
    }
    let content = this.#resourceEntry.length;
    for (const [index, id] of scopeIds.entries()) content += framedLength(this.#prefix(id).length + sums[index]!);
    let position = this.#writeResource(request, at, content);
    const cursors: number[] = [];
    for (const [index, id] of scopeIds.entries()) {
      const prefix = this.#prefix(id);
      position = writeScopeHeader(request, position, prefix.length + sums[index]!, prefix);
      cursors.push(position);
      position += sums[index]!;
    }
    this.#moveRuns(request, count, groupOf, cursors);
    return { position, bytes };
  }

  /** The beginning of a `ResourceSpans` with `content` bytes in all. */
  #writeResource(request: Uint8Array, at: number, content: number): number {
    request[at] = RESOURCE_SPANS_TAG;
    const position = writeVarint(request, at + 1, content);
    request.set(this.#resourceEntry, position);
    return position + this.#resourceEntry.length;
  }

  /** Copies run by run (neighbours of one scope), each to where its scope's entries go. */
  #moveRuns(request: Uint8Array, count: number, groupOf: Map<number, number>, cursors: number[]): void {
    const ring = this.#ring!;
    const mask = ring.length - 1;
    let index = 0;
    while (index < count) {
      const id = ring[((this.#head + index * ENTRY) & mask) + 1]!;
      let run = 0;
      for (; index < count; index += 1) {
        const entry = (this.#head + index * ENTRY) & mask;
        if (ring[entry + 1] !== id) break;
        run += ring[entry]!;
      }
      const group = groupOf.get(id)!;
      this.#blocks.moveOut(request, cursors[group]!, run);
      cursors[group]! += run;
    }
  }

  #prefix(scopeId: number): Uint8Array {
    return this.#host.scopes.get(scopeId)!.prefix;
  }

  /** `count` of the spans in flight have their fate; their counters are the caller's. */
  flightSettled(count: number): void {
    this.#inFlight -= count;
    this.#forgetIfDone();
  }

  /** The spans numbered `from` to `to` have their fates; `lost` of them were not exported. */
  settleMarks(from: number, to: number, lost: number): void {
    if (this.#marks.length === 0) return;
    for (const mark of this.#marks) {
      const overlap = Math.min(to, mark.to) - Math.max(from, mark.from);
      if (overlap > 0) mark.settlement.settle(overlap, lost > 0);
    }
    this.#marks = this.#marks.filter((mark) => !mark.settlement.done);
  }

  // For the pipeline.

  /** Has `settlement` wait for all that is queued or in flight here; false if there is nothing. */
  markAll(settlement: Settlement): boolean {
    if (this.#size + this.#inFlight === 0) return false;
    // From 0: older requests may be under way while younger ones have their answer. What is settled already is not expected again.
    this.#mark(settlement, 0, this.#headSequence + this.#size, this.#size + this.#inFlight);
    return true;
  }

  #mark(settlement: Settlement, from: number, to: number, expected: number): void {
    this.#marks.push({ settlement, from, to });
    settlement.expect(expected);
  }

  /** Nothing new is expected: once all of it is delivered, the pipeline forgets it. */
  close(): void {
    this.#closed = true;
    this.#forgetIfDone();
  }

  /** In use again, before it was forgotten. */
  reopen(): void {
    this.#closed = false;
  }

  /** The pipeline stopped: nobody waits for room any more. */
  releaseWaiters(): void {
    this.#wakeRoomWaiters();
  }

  #attach(): { ledger: TenantLedger; scheduler: QueueScheduler } {
    const ledger = this.#host.ledger.tenant(this.tenantId);
    ledger.pins += 1;
    this.#holding = this.#host.budget.join(this.tenantId, this);
    return { ledger, scheduler: this.#host.remember(this) };
  }

  #forgetIfDone(): void {
    if (!this.#closed || this.#size + this.#inFlight > 0 || this.#holding === undefined) return;
    this.#host.budget.leave(this.#holding, this);
    this.#holding = undefined;
    this.#ledger.pins -= 1;
    this.#host.forget(this);
  }
}

/** The beginning of a `ScopeSpans` with `content` bytes in all, up to its first span. */
function writeScopeHeader(request: Uint8Array, at: number, content: number, prefix: Uint8Array): number {
  request[at] = SCOPE_SPANS_TAG;
  const position = writeVarint(request, at + 1, content);
  request.set(prefix, position);
  return position + prefix.length;
}
