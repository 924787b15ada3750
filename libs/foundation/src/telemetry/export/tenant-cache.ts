/**
 * The live tenants: least recently used first out, with a time limit.   Write path: router -> [tenant-cache] -> tenant project.
 *
 * Evicting loses nothing: queues drain, and spans still open keep their project.
 */
import type { TenantProject } from './tenant-project.js';

/** A tenant and its live projects. An element of the cache's list. */
export class CachedTenant {
  readonly tenantId: string;
  /** By the name that calls use (undefined: the default project), full names among them. */
  readonly byCallName = new Map<string | undefined, TenantProject>();
  readonly byFullName = new Map<string, TenantProject>();
  /** Answers for projects beyond the limit. */
  overLimit: TenantProject | undefined;
  live = true;
  lastUsedMillis = 0;
  newer: CachedTenant | undefined;
  older: CachedTenant | undefined;

  constructor(tenantId: string) {
    this.tenantId = tenantId;
  }
}

export interface TenantCacheOptions {
  readonly maxTenants: number;
  readonly ttlMillis: number;
  /** Monotonic. */
  readonly nowMillis: () => number;
  readonly onEvict: (tenant: CachedTenant) => void;
}

export class TenantCache {
  readonly #options: TenantCacheOptions;
  #maxTenants: number;
  #ttlMillis: number;
  readonly #tenants = new Map<string, CachedTenant>();
  #newest: CachedTenant | undefined;
  #oldest: CachedTenant | undefined;

  constructor(options: TenantCacheOptions) {
    this.#options = options;
    this.#maxTenants = options.maxTenants;
    this.#ttlMillis = options.ttlMillis;
  }

  get size(): number {
    return this.#tenants.size;
  }

  tenants(): IterableIterator<CachedTenant> {
    return this.#tenants.values();
  }

  /** Does not renew: `renew()` does. */
  get(tenantId: string): CachedTenant | undefined {
    return this.#tenants.get(tenantId);
  }

  /** The tenant is in use: the newest again. */
  renew(tenant: CachedTenant, nowMillis = this.#options.nowMillis()): void {
    tenant.lastUsedMillis = nowMillis;
    if (tenant === this.#newest || !tenant.live) return;
    this.#unlink(tenant);
    this.#link(tenant);
  }

  /** Adds a tenant, and evicts who is too old or one too many. */
  add(tenantId: string): CachedTenant {
    this.sweep();
    while (this.#tenants.size >= this.#maxTenants) this.#evict(this.#oldest!);
    const tenant = new CachedTenant(tenantId);
    tenant.lastUsedMillis = this.#options.nowMillis();
    this.#tenants.set(tenantId, tenant);
    this.#link(tenant);
    return tenant;
  }

  /** Other bounds, at once. */
  resize(maxTenants: number, ttlMillis: number): void {
    this.#maxTenants = maxTenants;
    this.#ttlMillis = ttlMillis;
    this.sweep();
    while (this.#tenants.size > maxTenants) this.#evict(this.#oldest!);
  }

  /** Evicts tenants unused beyond the time limit. Cheap: the oldest is known. */
  sweep(): void {
    const deadline = this.#options.nowMillis() - this.#ttlMillis;
    while (this.#oldest !== undefined && this.#oldest.lastUsedMillis < deadline) this.#evict(this.#oldest);
  }

  /** Milliseconds until the next tenant is due, or undefined if there is none. */
  get millisToNextSweep(): number | undefined {
    if (this.#oldest === undefined) return undefined;
    return Math.max(0, this.#oldest.lastUsedMillis + this.#ttlMillis - this.#options.nowMillis());
  }

  clear(): void {
    while (this.#oldest !== undefined) this.#evict(this.#oldest);
  }

  #evict(tenant: CachedTenant): void {
    this.#unlink(tenant);
    this.#tenants.delete(tenant.tenantId);
    tenant.live = false;
    this.#options.onEvict(tenant);
  }

  #link(tenant: CachedTenant): void {
    tenant.older = this.#newest;
    tenant.newer = undefined;
    if (this.#newest !== undefined) this.#newest.newer = tenant;
    this.#newest = tenant;
    this.#oldest ??= tenant;
  }

  #unlink(tenant: CachedTenant): void {
    if (tenant.newer === undefined) this.#newest = tenant.older;
    else tenant.newer.older = tenant.older;
    if (tenant.older === undefined) this.#oldest = tenant.newer;
    else tenant.older.newer = tenant.newer;
    tenant.newer = undefined;
    tenant.older = undefined;
  }
}
