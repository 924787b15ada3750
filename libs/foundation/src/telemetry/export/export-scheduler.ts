/**
 * Fair batching over all queues of one destination.   Write path: tenant-queue -> [export-scheduler] -> retry-sender.
 *
 * Deficit round robin by bytes: in each round every tenant project with spans waiting gets its turn, and none sends more than a turn's
 * bytes before the others had theirs. So a light tenant waits one round, however much a heavy one has queued.
 */
import type { BlockPool } from './block-pool.js';
import type { ByteBudget } from './byte-budget.js';
import type { RequestPiece, RequestShare } from './export-request.js';
import type { RetrySender } from './retry-sender.js';
import type { QueueScheduler, TenantQueue } from './tenant-queue.js';

/** Bytes a queue may send in one turn, in addition to what its last turns left over. */
const TURN_BYTES = 16 * 1024;
export const DEFAULT_MAX_REQUEST_BYTES = 3.5 * 1024 * 1024;

export interface ExportSchedulerOptions {
  readonly retrySender: RetrySender;
  readonly maxExportBatchSize: number;
  readonly maxRequestBytes: number;
  readonly maxRequestsInFlight: number;
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
  settled: boolean;
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
  #stop: Promise<void> | undefined;

  constructor(options: ExportSchedulerOptions) {
    this.#options = options;
    this.retrySender = options.retrySender;
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
    return this.#queuedSpans >= this.#options.maxExportBatchSize || this.#queuedBytes >= this.#options.maxRequestBytes;
  }

  /** Requests are put together when the caller's code is done, not inside its `span.end()`. */
  #askPump(): void {
    if (this.#pumpAsked || !this.#hasSlot()) return;
    this.#pumpAsked = true;
    queueMicrotask(() => {
      this.#pumpAsked = false;
      this.#pump();
    });
  }

  #hasSlot(): boolean {
    const inFlight = this.#flights.size;
    if (this.#stop !== undefined || inFlight >= this.#options.maxRequestsInFlight) return false;
    if (inFlight === 0) return true;
    if (this.retrySender.probing) return false;
    // Half of the memory stays for what waits, so that a destination that is down cannot take all of it in requests.
    return this.#options.budget.inFlightBytes <= this.#options.budget.maxBytes / 2;
  }

  #pump(): void {
    while (this.#queuedSpans > 0 && (this.#due > 0 || this.#fullBatch()) && this.#hasSlot()) this.#send();
  }

  #send(): void {
    const planned = this.#plan();
    const body = this.#options.pool.takeBlock(planned.bound);
    const shares: RequestShare[] = [];
    let position = 0;
    let bytes = 0;
    for (const queue of planned.queues) {
      const count = queue.planned;
      queue.planned = 0;
      const moved = queue.moveInto(body, position, count);
      position = moved.position;
      bytes += moved.bytes;
      shares.push({ queue, ledger: queue.ledger, from: moved.from, count, open: count, lost: 0 });
    }
    this.#queuedSpans -= planned.spans;
    this.#queuedBytes -= bytes;
    this.#due = Math.max(0, this.#due - planned.spans);
    const piece: RequestPiece = {
      body: body.subarray(0, position),
      spanCount: planned.spans,
      counts: shares.map((share) => ({ share, count: share.count })),
      ambiguous: false,
    };
    const flight: Flight = { shares, bytes, settled: false };
    this.#flights.add(flight);
    this.retrySender.deliver(piece).then(({ bodyHeld }) => {
      if (!bodyHeld && this.#stop === undefined) this.#options.pool.giveBlock(body);
      this.#settle(flight);
    });
  }

  /** Chooses the spans of the next request, in turns. */
  #plan(): { queues: TenantQueue[]; spans: number; bound: number } {
    const { maxExportBatchSize, maxRequestBytes } = this.#options;
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
      queue.settleMarks(from, from + count, lost);
      queue.flightSettled(count);
    }
    this.#options.onSettled();
    this.#pump();
  }

  /** Stops for good, once: what is still in flight counts as `shutdown_timeout`. Resolves when the connections are freed. */
  stop(): Promise<void> {
    if (this.#stop === undefined) {
      this.#stop = this.retrySender.stop();
      for (const flight of [...this.#flights]) {
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
