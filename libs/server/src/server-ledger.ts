/**
 * What the server received and what became of it, per tenant.   Write path: receivers -> store -> [server-ledger] -> /metrics.
 *
 * The equations `received = acknowledged + rejected` and `acknowledged = stored + duplicate` hold for every tenant after every request.
 */
import type { IngestResult } from '@cogniverse/foundation/telemetry';

/** Spans, counted since the server started. */
export interface TenantCounts {
  readonly received: number;
  readonly acknowledged: number;
  readonly rejected: number;
  /** Among the acknowledged: held already, stored once. */
  readonly duplicate: number;
  /** Among the acknowledged: all others. */
  readonly stored: number;
}

export interface ServerLedgerSnapshot {
  /** `tenantId: null` counts the spans that name no tenant. */
  readonly tenants: readonly (TenantCounts & { readonly tenantId: string | null })[];
  /** Tenants beyond the bound, together. */
  readonly others: TenantCounts;
  readonly total: TenantCounts;
  /** Requests, by what the store said. */
  readonly requests: Readonly<Record<IngestResult['status'], number>>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
const zero = (): Mutable<TenantCounts> => ({ received: 0, acknowledged: 0, rejected: 0, duplicate: 0, stored: 0 });

export class ServerLedger {
  readonly #tenants = new Map<string | null, Mutable<TenantCounts>>();
  readonly #others = zero();
  readonly #total = zero();
  readonly #requests = { stored: 0, invalid: 0, overloaded: 0, unavailable: 0 };
  readonly #maxTenants: number;

  constructor(options: { maxTenants: number }) {
    this.#maxTenants = options.maxTenants;
  }

  count(result: IngestResult): void {
    this.#requests[result.status] += 1;
    if (result.status !== 'stored') return;
    for (const { tenantId, accepted, rejected, duplicate } of result.tenants) {
      for (const counts of [this.#countsOf(tenantId), this.#total]) {
        counts.received += accepted + rejected;
        counts.acknowledged += accepted;
        counts.rejected += rejected;
        counts.duplicate += duplicate;
        counts.stored += accepted - duplicate;
      }
    }
  }

  snapshot(): ServerLedgerSnapshot {
    return {
      tenants: [...this.#tenants].map(([tenantId, counts]) => ({ tenantId, ...counts })),
      others: { ...this.#others },
      total: { ...this.#total },
      requests: { ...this.#requests },
    };
  }

  #countsOf(tenantId: string | null): Mutable<TenantCounts> {
    let counts = this.#tenants.get(tenantId);
    if (counts === undefined) {
      if (this.#tenants.size >= this.#maxTenants) return this.#others;
      counts = zero();
      this.#tenants.set(tenantId, counts);
    }
    return counts;
  }
}
