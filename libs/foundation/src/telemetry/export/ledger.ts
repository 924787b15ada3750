/**
 * The fates of all spans.   Write path: every step counts here.
 *
 * Per tenant, at every instant between two turns of the event loop:
 *   ended = unsampled + held + queued + inFlight + spooled + exported + rejected + sampledOut + sum(dropped)
 */
import type { DropLog } from './drop-log.js';

/** `http_<status>` and `grpc_<code>` beside the fixed reasons. A closed list. */
export type DropReason =
  | 'queue_full'
  | 'queue_bytes'
  | 'span_too_large'
  | 'tenant_limit'
  | 'no_tenant'
  | 'invalid'
  | 'serialize_error'
  | 'redaction_error'
  | 'response_too_large'
  | 'redirect'
  | 'tls'
  | 'max_elapsed'
  | 'spool_full'
  | 'spool_corrupt'
  | 'spool_expired'
  | 'shutdown_timeout'
  | 'already_shutdown'
  | `http_${number}`
  | `grpc_${number}`;

/** What a counter of a span's fate is called. `started` and `ambiguous` stand beside the equation, not in it. */
const FATES = ['unsampled', 'held', 'queued', 'inFlight', 'spooled', 'exported', 'rejected', 'sampledOut'] as const;
const COUNTERS = ['started', 'ended', ...FATES, 'ambiguous'] as const;

const NOTHING_DROPPED: ReadonlyMap<DropReason, number> = new Map();

/** A copy of counters, in spans. */
export interface LedgerCounts {
  started: number;
  ended: number;
  /** Refused by the head sampler. */
  unsampled: number;
  /** Waiting for a tenant or for a tail decision. */
  held: number;
  queued: number;
  inFlight: number;
  spooled: number;
  exported: number;
  /** Refused by the backend in a partial success. */
  rejected: number;
  sampledOut: number;
  /** Of all spans, those that an attempt may have delivered before it failed: only these can be at the backend twice. */
  ambiguous: number;
  dropped: Record<string, number>;
}

export interface LedgerSnapshot {
  tenants: Record<string, LedgerCounts>;
  /** Tenants that were idle when there were too many, as one. */
  folded: LedgerCounts;
  total: LedgerCounts;
}

/** Counters of one tenant. Mutable: the step that decides a span's fate counts it, in the same turn. */
export class TenantLedger {
  readonly tenantId: string;
  started = 0;
  ended = 0;
  unsampled = 0;
  held = 0;
  queued = 0;
  inFlight = 0;
  spooled = 0;
  exported = 0;
  rejected = 0;
  sampledOut = 0;
  ambiguous = 0;
  /** Absent until something is dropped: most tenants never need it. */
  #dropped: Map<DropReason, number> | undefined;
  /** Open queues and others that keep this object; it is not folded while there are any. */
  pins = 0;
  readonly #dropLog: DropLog | undefined;

  constructor(tenantId: string, dropLog?: DropLog) {
    this.tenantId = tenantId;
    this.#dropLog = dropLog;
  }

  get dropped(): ReadonlyMap<DropReason, number> {
    return this.#dropped ?? NOTHING_DROPPED;
  }

  #addDropped(reason: DropReason, count: number): void {
    this.#dropped ??= new Map();
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + count);
  }

  /** Counts `count` spans as dropped, and has it logged. */
  countDropped(reason: DropReason, count: number): void {
    this.#addDropped(reason, count);
    this.#dropLog?.record(this.tenantId, reason, count);
  }

  get droppedTotal(): number {
    let sum = 0;
    for (const count of this.dropped.values()) sum += count;
    return sum;
  }

  /** Nothing of this tenant can change its fate any more, and nobody keeps the object. */
  get idle(): boolean {
    return this.pins === 0 && this.held + this.queued + this.inFlight + this.spooled === 0 && violation(this) === null;
  }

  counts(): LedgerCounts {
    const counts = { dropped: Object.create(null) as Record<string, number> } as LedgerCounts;
    for (const name of COUNTERS) counts[name] = this[name];
    for (const [reason, count] of this.dropped) counts.dropped[reason] = count;
    return counts;
  }

  /** Adds what `other` counted. */
  add(other: TenantLedger): void {
    for (const name of COUNTERS) this[name] += other[name];
    for (const [reason, count] of other.dropped) this.#addDropped(reason, count);
  }
}

export interface LedgerOptions {
  /** Tenants with counters of their own. Beyond it, idle ones are folded into one aggregate. Default 10,000. */
  maxTenants?: number | undefined;
  /** Told of every drop. */
  dropLog?: DropLog | undefined;
}

export class Ledger {
  readonly #tenants = new Map<string, TenantLedger>();
  readonly #folded = new TenantLedger('');
  readonly #maxTenants: number;
  readonly #dropLog: DropLog | undefined;
  #foldAt: number;

  constructor(options: LedgerOptions = {}) {
    this.#maxTenants = options.maxTenants ?? 10_000;
    this.#foldAt = this.#maxTenants;
    this.#dropLog = options.dropLog;
  }

  /**
   * The counters of a tenant. Use them in the same turn, or hold them with `pins += 1` (and give them back): an idle tenant's are
   * folded into the aggregate when there are too many tenants, and what is counted on a folded object is lost.
   */
  tenant(tenantId: string): TenantLedger {
    let tenant = this.#tenants.get(tenantId);
    if (tenant === undefined) {
      if (this.#tenants.size >= this.#foldAt) this.#foldIdle();
      tenant = new TenantLedger(tenantId, this.#dropLog);
      this.#tenants.set(tenantId, tenant);
    }
    return tenant;
  }

  #foldIdle(): void {
    // A tenth at once, oldest first: the scan is paid once per many new tenants.
    let excess = this.#tenants.size - Math.floor(this.#maxTenants * 0.9);
    for (const [tenantId, tenant] of this.#tenants) {
      if (excess <= 0) break;
      if (!tenant.idle) continue;
      this.#folded.add(tenant);
      this.#tenants.delete(tenantId);
      excess -= 1;
    }
    this.#foldAt = Math.max(this.#maxTenants, Math.ceil(this.#tenants.size * 1.1));
  }

  /** Tenants with counters of their own, as they are now. */
  tenants(): IterableIterator<TenantLedger> {
    return this.#tenants.values();
  }

  #sum(): TenantLedger {
    const sum = new TenantLedger('total');
    sum.add(this.#folded);
    for (const tenant of this.#tenants.values()) sum.add(tenant);
    return sum;
  }

  total(): LedgerCounts {
    return this.#sum().counts();
  }

  snapshot(): LedgerSnapshot {
    const tenants = Object.create(null) as Record<string, LedgerCounts>;
    for (const [tenantId, tenant] of this.#tenants) tenants[tenantId] = tenant.counts();
    return { tenants, folded: this.#folded.counts(), total: this.total() };
  }

  /** Has the lines about drops written that still wait. */
  writeDrops(): void {
    this.#dropLog?.close();
  }

  /** The first equation that does not hold, in words, or null. */
  audit(): string | null {
    for (const tenant of this.#tenants.values()) {
      const found = violation(tenant);
      if (found !== null) return `tenant ${JSON.stringify(tenant.tenantId)}: ${found}`;
    }
    const folded = violation(this.#folded);
    if (folded !== null) return `folded tenants: ${folded}`;
    const total = violation(this.#sum());
    return total === null ? null : `total: ${total}`;
  }
}

function violation(tenant: TenantLedger): string | null {
  for (const name of COUNTERS) {
    if (!Number.isSafeInteger(tenant[name]) || tenant[name] < 0) return `${name} is ${tenant[name]}`;
  }
  let sum = 0;
  for (const name of FATES) sum += tenant[name];
  for (const [reason, count] of tenant.dropped) {
    if (!Number.isSafeInteger(count) || count < 0) return `dropped[${reason}] is ${count}`;
    sum += count;
  }
  if (sum === tenant.ended) return null;
  const parts = FATES.map((name) => `${name} ${tenant[name]}`).join(' + ');
  const dropped = [...tenant.dropped].map(([reason, count]) => `${reason} ${count}`).join(', ');
  return `ended ${tenant.ended} is not ${parts} + dropped ${tenant.droppedTotal}${dropped === '' ? '' : ` (${dropped})`} = ${sum}`;
}
