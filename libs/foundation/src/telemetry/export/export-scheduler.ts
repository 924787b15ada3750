/**
 * Fair batching over all queues of one destination.   Write path: tenant-queue -> [export-scheduler] -> retry-sender.
 *
 * Deficit round robin by bytes: in each round every tenant project with spans waiting gets its turn, and none sends more than a turn's
 * bytes before the others had theirs. So a light tenant waits one round, however much a heavy one has queued.
 */
import type { BlockPool } from './block-pool.js';
import type { ByteBudget } from './byte-budget.js';
import type { RequestPiece, RequestShare } from './export-request.js';
import type { Ledger } from './ledger.js';
import type { RetrySender } from './retry-sender.js';
import type { Spool, SpoolEntry } from './spool.js';
import type { QueueScheduler, TenantQueue } from './tenant-queue.js';

/** Bytes a queue may send in one turn, in addition to what its last turns left over. */
const TURN_BYTES = 16 * 1024;
export const DEFAULT_MAX_REQUEST_BYTES = 3.5 * 1024 * 1024;

/** Requests on their way to the disk at once, per destination. */
const MAX_SPOOL_WRITES = 2;

export interface ExportSchedulerOptions {
  /** The target's. */
  readonly key: string;
  /** Where requests wait for a destination that is gone, if there is such a place. */
  readonly spool: () => Spool | undefined;
  readonly ledger: Ledger;
  readonly retrySender: RetrySender;
  /** As they are now. */
  readonly settings: () => { readonly maxExportBatchSize: number; readonly maxRequestsInFlight: number };
  readonly maxRequestBytes: number;
  readonly budget: ByteBudget;
  readonly pool: BlockPool;
  /** Spans wait that are to go out at the next tick. */
  readonly needTick: () => void;
  /** A request has its answer. */
  readonly onSettled: () => void;
}

/** A request in flight, as the pipeline sees it at shutdown. */
interface Flight {
  readonly shares: RequestShare[];
  readonly bytes: number;
  /** It came back from the spool, and is still there. */
  readonly fromSpool: boolean;
  settled: boolean;
  /** Resolves when it is settled, or nothing more will be done for it. */
  done: Promise<void>;
}

export class ExportScheduler implements QueueScheduler {
  readonly retrySender: RetrySender;
  /** Queues that send through it. */
  projects = 0;
  readonly #options: ExportSchedulerOptions;
  readonly #flights = new Set<Flight>();
  // The round: a list of queues with spans waiting.
  #first: TenantQueue | undefined;
  #last: TenantQueue | undefined;
  #queuedSpans = 0;
  #queuedBytes = 0;
  /** Spans that are to go out without waiting for a full batch. */
  #due = 0;
  #pumpAsked = false;
  readonly #spoolWrites = new Set<Flight>();
  #replaying = false;
  /** What is left goes to the spool: nothing is sent any more. */
  #draining = false;
  #stop: Promise<void> | undefined;

  constructor(options: ExportSchedulerOptions) {
    this.#options = options;
    this.retrySender = options.retrySender;
    this.retrySender.onFailure = () => this.#askPump(); // what waits may go to the spool now
  }

  get queuedSpans(): number {
    return this.#queuedSpans;
  }

  get requestsInFlight(): number {
    return this.#flights.size;
  }

  /** Spans wait that no tick has called for yet. */
  get needsTick(): boolean {
    return this.#queuedSpans > this.#due;
  }

  spanQueued(queue: TenantQueue, framedBytes: number): void {
    this.#queuedSpans += 1;
    this.#queuedBytes += framedBytes;
    if (!queue.scheduled) this.#append(queue);
    if (this.#fullBatch()) this.#askPump();
    if (this.#queuedSpans === this.#due + 1) this.#options.needTick();
  }

  spansWithdrawn(_queue: TenantQueue, count: number, framedBytes: number): void {
    // An emptied queue stays in the round until its turn, which then is over at once.
    this.#queuedSpans -= count;
    this.#queuedBytes -= framedBytes;
    this.#due = Math.min(this.#due, this.#queuedSpans);
  }

  hasten(): void {
    this.#due = this.#queuedSpans;
    this.#askPump();
  }

  /** The schedule delay is over: what waits now goes out. */
  tick(): void {
    this.#due = this.#queuedSpans;
    this.#pump();
  }

  #append(queue: TenantQueue): void {
    queue.scheduled = true;
    queue.nextInRound = undefined;
    if (this.#last === undefined) this.#first = queue;
    else this.#last.nextInRound = queue;
    this.#last = queue;
  }

  #removeFirst(): TenantQueue {
    const queue = this.#first!;
    this.#first = queue.nextInRound;
    if (this.#first === undefined) this.#last = undefined;
    queue.nextInRound = undefined;
    queue.scheduled = false;
    return queue;
  }

  #fullBatch(): boolean {
    return (
      this.#queuedSpans >= this.#options.settings().maxExportBatchSize ||
      this.#queuedBytes >= this.#options.maxRequestBytes
    );
  }

  /** Requests are put together when the caller's code is done, not inside its `span.end()`. */
  #askPump(): void {
    if (this.#pumpAsked || !(this.#hasSlot() || this.#canSpool())) return;
    this.#pumpAsked = true;
    queueMicrotask(() => {
      this.#pumpAsked = false;
      this.#pump();
    });
  }

  #hasSlot(): boolean {
    const inFlight = this.#flights.size;
    if (this.#stop !== undefined || this.#draining || inFlight >= this.#options.settings().maxRequestsInFlight)
      return false;
    if (inFlight === 0) return true;
    if (this.retrySender.probing) return false;
    // Half of the memory stays for what waits, so that a destination that is down cannot take all of it in requests.
    return this.#options.budget.inFlightBytes <= this.#options.budget.maxBytes / 2;
  }

  /** While the destination is being probed, what else comes goes to the disk. */
  #canSpool(): boolean {
    if (this.#stop !== undefined || this.#draining || !this.retrySender.probing) return false;
    return (
      this.#spoolWrites.size < MAX_SPOOL_WRITES &&
      this.#options.spool()?.hasRoom(this.#options.maxRequestBytes) === true
    );
  }

  #pump(): void {
    while (this.#queuedSpans > 0 && (this.#due > 0 || this.#fullBatch())) {
      if (this.#hasSlot()) this.#send();
      else if (this.#canSpool()) this.#sendToSpool();
      else break;
    }
    this.#replay();
  }

  /** Puts the next request together. Its spans are in flight from here on. */
  #compose(): { flight: Flight; piece: RequestPiece; block: Uint8Array } {
    const planned = this.#plan();
    const block = this.#options.pool.takeBlock(planned.bound);
    const shares: RequestShare[] = [];
    let position = 0;
    let bytes = 0;
    for (const queue of planned.queues) {
      const count = queue.planned;
      queue.planned = 0;
      const moved = queue.moveInto(block, position, count);
      position = moved.position;
      bytes += moved.bytes;
      shares.push({ queue, ledger: queue.ledger, from: moved.from, count, open: count, lost: 0 });
    }
    this.#queuedSpans -= planned.spans;
    this.#queuedBytes -= bytes;
    this.#due = Math.max(0, this.#due - planned.spans);
    const piece: RequestPiece = {
      body: block.subarray(0, position),
      spanCount: planned.spans,
      counts: shares.map((share) => ({ share, count: share.count })),
      ambiguous: false,
    };
    return { flight: { shares, bytes, fromSpool: false, settled: false, done: Promise.resolve() }, piece, block };
  }

  #send(): void {
    const { flight, piece, block } = this.#compose();
    this.#deliver(flight, piece, block);
  }

  #deliver(flight: Flight, piece: RequestPiece, block: Uint8Array): void {
    this.#flights.add(flight);
    flight.done = this.retrySender
      .deliver(piece, (left) => this.#giveToSpool(left))
      .then(({ bodyHeld }) => {
        // After a stop the rest is `stop()`'s to count, and the memory may still be in a socket.
        if (this.#stop !== undefined) return;
        if (!bodyHeld) this.#options.pool.giveBlock(block);
        if (!this.#draining || flight.shares.every(({ open }) => open === 0)) this.#settle(flight);
      });
  }

  #sendToSpool(): void {
    const { flight, piece, block } = this.#compose();
    this.#spoolWrites.add(flight);
    flight.done = this.#giveToSpool(piece).then((taken) => {
      this.#spoolWrites.delete(flight);
      if (this.#stop !== undefined) return;
      if (!taken && !this.#draining) return this.#deliver(flight, piece, block); // the disk failed: memory, as without a spool
      this.#options.pool.giveBlock(block);
      if (taken) this.#settle(flight);
    });
  }

  /** Writes a request, or a part of one, to the spool. False if there is none, or the disk failed: it has no fate then. */
  async #giveToSpool(piece: RequestPiece): Promise<boolean> {
    const spool = this.#options.spool();
    if (spool === undefined) return false;
    const shares = piece.counts.map(({ share, count }) => ({ tenantId: share.ledger.tenantId, count }));
    const result = await spool.append(this.#options.key, shares, piece.body);
    if (result === 'failed') return false;
    for (const { share, count } of piece.counts) {
      if (share.open < count) continue; // a shutdown that ran out of time counted it meanwhile
      share.open -= count;
      share.lost += count;
      share.ledger.inFlight -= count;
      if (result === 'spooled') share.ledger.spooled += count;
      else share.ledger.countDropped('spool_full', count);
    }
    return true;
  }

  /** Sends what waits in the spool: oldest first, one request at a time, so that live spans keep the other slots. */
  #replay(): void {
    const spool = this.#options.spool();
    if (spool === undefined || this.#replaying || !this.#hasSlot()) return;
    const oldest = spool.peek(this.#options.key);
    if (oldest === undefined) return;
    this.#replaying = true;
    void this.#replayEntry(spool, oldest.entry, oldest.expired).then(() => {
      this.#replaying = false;
      this.#pump();
    });
  }

  async #replayEntry(spool: Spool, entry: SpoolEntry, expired: boolean): Promise<void> {
    const { key, ledger, budget } = this.#options;
    const body = expired ? undefined : await spool.read(entry);
    if (this.#stop !== undefined || this.#draining) return;
    const shares: RequestShare[] = entry.shares.map(({ tenantId, count }) => {
      const tenant = ledger.tenant(tenantId);
      tenant.spooled -= count;
      if (body === undefined) tenant.countDropped(expired ? 'spool_expired' : 'spool_corrupt', count);
      else tenant.inFlight += count;
      return { queue: undefined, ledger: tenant, from: 0, count, open: count, lost: 0 };
    });
    if (body === undefined) return spool.settle(key, entry);
    const counts = shares.map((share) => ({ share, count: share.count }));
    const whole: RequestPiece = {
      body,
      spanCount: counts.reduce((sum, { count }) => sum + count, 0),
      counts,
      ambiguous: false,
    };
    const flight: Flight = { shares, bytes: body.length, fromSpool: true, settled: false, done: Promise.resolve() };
    this.#flights.add(flight);
    budget.takeFlight(body.length);
    let kept = false;
    const delivered = this.retrySender.deliver(whole, async (piece) => {
      if (piece !== whole) return this.#giveToSpool(piece); // the other part is delivered: this one is a record of its own
      kept = true;
      if (!flight.settled) putBack(flight);
      return true;
    });
    flight.done = delivered.then(() => undefined);
    await delivered;
    if (this.#stop !== undefined && flight.settled) return;
    this.#settle(flight);
    if (!kept) await spool.settle(key, entry);
  }

  /** Chooses the spans of the next request, in turns. */
  #plan(): { queues: TenantQueue[]; spans: number; bound: number } {
    const { maxRequestBytes } = this.#options;
    const { maxExportBatchSize } = this.#options.settings();
    const queues: TenantQueue[] = [];
    let spans = 0;
    let bound = 0;
    let lastScope = -1;
    while (this.#first !== undefined && spans < maxExportBatchSize) {
      const queue = this.#first;
      if (!queue.midTurn) {
        queue.deficit += TURN_BYTES;
        queue.midTurn = true;
      }
      lastScope = -1;
      let full = false;
      while (queue.planned < queue.size && spans < maxExportBatchSize) {
        const framed = queue.framedLengthAt(queue.planned);
        if (framed > queue.deficit) break;
        const scope = queue.scopeIdAt(queue.planned);
        let cost = framed;
        if (queue.planned === 0) cost += queue.resourceOverhead;
        if (scope !== lastScope) cost += queue.scopeOverhead(scope);
        // A span above the bound travels alone.
        if (spans > 0 && bound + cost > maxRequestBytes) {
          full = true;
          break;
        }
        if (queue.planned === 0) queues.push(queue);
        lastScope = scope;
        bound += cost;
        queue.deficit -= framed;
        queue.planned += 1;
        spans += 1;
      }
      if (queue.planned === queue.size) {
        this.#removeFirst();
        queue.deficit = 0;
        queue.midTurn = false;
      } else if (full || spans === maxExportBatchSize) {
        break; // it goes on with its turn in the next request
      } else {
        queue.midTurn = false;
        this.#append(this.#removeFirst());
      }
    }
    return { queues, spans, bound };
  }

  #settle(flight: Flight): void {
    if (flight.settled) return;
    flight.settled = true;
    this.#flights.delete(flight);
    this.#options.budget.releaseInFlight(flight.bytes);
    for (const { queue, from, count, lost } of flight.shares) {
      queue?.settleMarks(from, from + count, lost);
      queue?.flightSettled(count);
    }
    this.#options.onSettled();
    this.#pump();
  }

  /** Spans in flight that came back from the spool. */
  get replayedSpans(): number {
    let spans = 0;
    for (const { fromSpool, shares } of this.#flights) {
      if (fromSpool) for (const { count } of shares) spans += count;
    }
    return spans;
  }

  /** A spool is there now: what waits in it for this destination goes out. */
  spoolOpened(): void {
    this.#pump();
  }

  /** Writes all that waits or is under way to the spool; nothing is sent any more. What the spool does not take is left for `stop()`. */
  async spoolRest(): Promise<void> {
    this.#draining = true;
    const stopped = this.retrySender.stop();
    while (this.#queuedSpans > 0 && this.#stop === undefined) {
      const { flight, piece } = this.#compose();
      this.#spoolWrites.add(flight);
      const taken = await this.#giveToSpool(piece);
      this.#spoolWrites.delete(flight);
      if (this.#stop !== undefined) break;
      if (taken) this.#settle(flight);
      else {
        this.#flights.add(flight); // `stop()` counts it
        break;
      }
    }
    await stopped;
    await Promise.all([...this.#flights, ...this.#spoolWrites].map(({ done }) => done));
  }

  /** Stops for good, once: what is still in flight counts as `shutdown_timeout`. Resolves when the connections are freed. */
  stop(): Promise<void> {
    if (this.#stop === undefined) {
      this.#stop = this.retrySender.stop();
      for (const flight of [...this.#flights, ...this.#spoolWrites]) {
        if (flight.fromSpool && flight.shares.every(({ open, count }) => open === count)) putBack(flight);
        for (const share of flight.shares) {
          if (share.open === 0) continue;
          share.ledger.inFlight -= share.open;
          share.ledger.countDropped('shutdown_timeout', share.open);
          share.lost += share.open;
          share.open = 0;
        }
        this.#settle(flight);
      }
    }
    return this.#stop;
  }
}

/** The spans of a request from the spool are there again. */
function putBack(flight: Flight): void {
  for (const share of flight.shares) {
    share.ledger.inFlight -= share.open;
    share.ledger.spooled += share.open;
    share.open = 0;
  }
}
