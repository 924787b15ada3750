/**
 * One bound on the bytes of all spans in memory, queued and in flight.   Write path: tenant-queue asks here before it takes a span.
 *
 * When it is short, the tenant that holds most gives way: its newest spans are dropped and counted for it (`queue_bytes`), so a tenant
 * that floods never costs another a span.
 */

/** A queue, as the budget sees it. */
export interface BudgetedQueue {
  readonly queuedBytes: number;
  /** Drops spans from the newest on until `bytes` are free or nothing is left; counts them; gives the bytes freed. */
  giveWay(bytes: number): number;
}

/** What one tenant has queued, over all its projects. */
export interface TenantHolding {
  readonly tenantId: string;
  queuedBytes: number;
  /** Few, so a list. */
  queues: BudgetedQueue[];
}

export class ByteBudget {
  maxBytes: number;
  /** Queued and in flight. */
  usedBytes = 0;
  inFlightBytes = 0;
  readonly #holdings = new Map<string, TenantHolding>();
  /** Holds most, or within an eighth of it. */
  #heaviest: TenantHolding | undefined;
  /** No tenant but the heaviest holds more. */
  #othersAtMost = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  join(tenantId: string, queue: BudgetedQueue): TenantHolding {
    let holding = this.#holdings.get(tenantId);
    if (holding === undefined) {
      holding = { tenantId, queuedBytes: 0, queues: [] };
      this.#holdings.set(tenantId, holding);
    }
    holding.queues.push(queue);
    return holding;
  }

  leave(holding: TenantHolding, queue: BudgetedQueue): void {
    holding.queues = holding.queues.filter((other) => other !== queue);
    if (holding.queues.length > 0) return;
    this.#holdings.delete(holding.tenantId);
    if (this.#heaviest === holding) this.#heaviest = undefined;
  }

  /** Takes `bytes` for a span that is about to be queued; false if its own tenant is the one to give way. */
  reserve(holding: TenantHolding, bytes: number): boolean {
    if (this.usedBytes + bytes > this.maxBytes && !this.#makeRoom(holding, bytes)) return false;
    this.usedBytes += bytes;
    holding.queuedBytes += bytes;
    if (holding !== this.#heaviest && holding.queuedBytes > this.#othersAtMost) {
      if (this.#heaviest !== undefined && holding.queuedBytes <= this.#heaviest.queuedBytes) {
        this.#othersAtMost = holding.queuedBytes;
      } else {
        this.#othersAtMost = Math.max(this.#othersAtMost, this.#heaviest?.queuedBytes ?? 0);
        this.#heaviest = holding;
      }
    }
    return true;
  }

  #makeRoom(arriving: TenantHolding, bytes: number): boolean {
    while (this.usedBytes + bytes > this.maxBytes) {
      const heaviest = this.#findHeaviest();
      if (heaviest === undefined || heaviest === arriving) return false;
      // Whoever would hold as much as the heaviest gives way itself: else two that are alike would push each other out in turn.
      if (arriving.queuedBytes + bytes >= heaviest.queuedBytes) return false;
      let largest: BudgetedQueue | undefined;
      for (const queue of heaviest.queues) {
        if (largest === undefined || queue.queuedBytes > largest.queuedBytes) largest = queue;
      }
      if (largest === undefined || largest.giveWay(this.usedBytes + bytes - this.maxBytes) === 0) return false;
    }
    return true;
  }

  #findHeaviest(): TenantHolding | undefined {
    const known = this.#heaviest;
    // An eighth of slack: a scan over all tenants is then paid once per many drops, not at each.
    if (known !== undefined && known.queuedBytes > 0 && known.queuedBytes * 1.125 >= this.#othersAtMost) return known;
    let heaviest: TenantHolding | undefined;
    let second = 0;
    for (const holding of this.#holdings.values()) {
      if (heaviest === undefined || holding.queuedBytes > heaviest.queuedBytes) {
        second = heaviest?.queuedBytes ?? 0;
        heaviest = holding;
      } else if (holding.queuedBytes > second) {
        second = holding.queuedBytes;
      }
    }
    this.#heaviest = heaviest;
    this.#othersAtMost = second;
    return heaviest;
  }

  /** Spans left the queue and are gone. */
  releaseQueued(holding: TenantHolding, bytes: number): void {
    holding.queuedBytes -= bytes;
    this.usedBytes -= bytes;
  }

  /** Spans left the queue and are in a request. */
  moveToFlight(holding: TenantHolding, bytes: number): void {
    holding.queuedBytes -= bytes;
    this.inFlightBytes += bytes;
  }

  /** A request came back from the spool; it is one per destination, so the bound is not asked. */
  takeFlight(bytes: number): void {
    this.inFlightBytes += bytes;
    this.usedBytes += bytes;
  }

  /** The request has its answer. */
  releaseInFlight(bytes: number): void {
    this.inFlightBytes -= bytes;
    this.usedBytes -= bytes;
  }
}
