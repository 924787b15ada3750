/**
 * One live project of a tenant: what its spans share, and the way into its queue.   Write path: span's end -> [tenant-project] -> tenant queue.
 *
 * Spans that end before the project's destination is known (a provider that is still loading) wait here, counted as held.
 */
import { ProtoWriter } from '../../otlp/index.js';
import type { TenantConfiguration } from '../live-configuration.js';
import type { ExportTarget } from './export-target.js';
import type { DropReason, TenantLedger } from './ledger.js';
import type { CachedTenant } from './tenant-cache.js';
import type { ScopeBytes, TenantQueue } from './tenant-queue.js';
import type { TenantRouter } from './tenant-router.js';

/** How long a caller waits at most: for room in a full queue, or for a destination that is not known yet. */
const MAX_WAIT_MILLIS = 5000;

const defaultsWriter = new ProtoWriter({ initialBytes: 512 });

interface EarlySpan {
  readonly scope: ScopeBytes;
  readonly bytes: Uint8Array;
  /** Told when it is, for callers that wait. */
  readonly exported: (() => void) | undefined;
}

export interface TenantProjectOptions {
  readonly router: TenantRouter;
  readonly tenantId: string;
  /** Full name. */
  readonly projectName: string;
  /** Recorded on every span, after its own attributes: `tenant.id` first. */
  readonly defaultAttributes: readonly (readonly [string, string])[];
  readonly useSyncExport: boolean;
  /** What holds for its tenant. */
  readonly configuration: TenantConfiguration;
  /** Absent for a project that takes no spans. */
  readonly cachedTenant?: CachedTenant | undefined;
  /** Why no span of this project is recorded. */
  readonly refused?: DropReason | undefined;
}

export class TenantProject {
  readonly router: TenantRouter;
  readonly tenantId: string;
  readonly projectName: string;
  readonly refused: DropReason | undefined;
  readonly cachedTenant: CachedTenant | undefined;
  readonly defaultAttributes: readonly (readonly [string, string])[];
  /** `defaultAttributes` as `Span.attributes` entries, to be appended to an encoded span. */
  readonly defaultBytes: Uint8Array;
  /** A span has started in it. */
  used = false;
  useSyncExport: boolean;
  /** What holds for its tenant, as of the last change. */
  configuration: TenantConfiguration;
  maxSpanBytes: number;
  #ledger: TenantLedger | undefined;
  #queue: TenantQueue | undefined;
  #early: EarlySpan[] = [];
  #detached = false;
  /** Where its spans go, once that is known. */
  target: ExportTarget | undefined;

  constructor(options: TenantProjectOptions) {
    this.router = options.router;
    this.tenantId = options.tenantId;
    this.projectName = options.projectName;
    this.refused = options.refused;
    this.cachedTenant = options.cachedTenant;
    this.defaultAttributes = options.defaultAttributes;
    this.useSyncExport = options.useSyncExport;
    this.configuration = options.configuration;
    this.maxSpanBytes = options.router.maxSpanBytes;
    defaultsWriter.reset();
    for (const [key, value] of options.defaultAttributes) writeTextAttribute(defaultsWriter, key, value);
    this.defaultBytes = defaultsWriter.finish();
    if (options.cachedTenant !== undefined) {
      this.#ledger = options.router.ledger.tenant(options.tenantId);
      this.#ledger.pins += 1;
    }
  }

  /** The tenant's counters, for use in this turn. */
  get ledger(): TenantLedger {
    return this.#ledger ?? this.router.ledger.tenant(this.tenantId);
  }

  /** No tenant named: everyone's. */
  isOf(tenantId: string | undefined): boolean {
    return tenantId === undefined || this.tenantId === tenantId;
  }

  get queue(): TenantQueue | undefined {
    return this.#queue;
  }

  /** Spans that wait for the destination to be known. */
  get earlySpans(): number {
    return this.#early.length;
  }

  /** The destination is known, or has changed. */
  open(queue: TenantQueue): void {
    this.target = queue.target;
    if (!this.#detached) this.#queue = queue;
    this.maxSpanBytes = Math.min(queue.target.maxSpanBytes ?? this.router.maxSpanBytes, this.router.maxSpanBytes);
    for (const { scope, bytes, exported } of this.#takeEarly()) {
      const waiting = this.#offer(queue, scope, bytes);
      if (exported === undefined) continue;
      if (waiting === undefined) exported();
      else waiting.then(exported, exported);
    }
  }

  #takeEarly(): EarlySpan[] {
    const early = this.#early;
    this.#early = [];
    this.router.projectsWithEarlySpans().delete(this);
    this.ledger.held -= early.length;
    for (const { bytes } of early) this.router.earlyBytes -= bytes.length;
    return early;
  }

  /** Evicted: spans still open are delivered when they end. The pipeline forgets the queue, so it is not kept here. */
  detach(): void {
    if (this.#ledger !== undefined) this.#ledger.pins -= 1;
    this.#ledger = undefined;
    this.#queue = undefined;
    this.#detached = true;
  }

  /** There will be no destination for them. */
  dropEarly(): void {
    for (const { exported } of this.#takeEarly()) {
      this.ledger.countDropped('shutdown_timeout', 1);
      exported?.();
    }
  }

  /** Takes an ended, encoded span and counts its fate. The promise is for callers that can wait: for the export, or for room. */
  write(scope: ScopeBytes, span: Uint8Array): Promise<void> | undefined {
    if (this.#detached) {
      // The tenant is back: its project has what was settled since.
      const live = this.router.liveProject(this.tenantId, this.projectName);
      if (live !== undefined) return live.write(scope, span);
    }
    const { ledger } = this;
    ledger.ended += 1;
    const { observer, stopped } = this.router;
    if (observer !== undefined && !stopped) observer.written(this, scope, span);
    if (this.#queue !== undefined) return this.#offer(this.#queue, scope, span);
    if (this.target !== undefined) {
      return this.router.destinations.writeLate(this, (queue) => this.#offer(queue, scope, span));
    }
    if (stopped) return void ledger.countDropped('already_shutdown', 1);
    if (this.#early.length >= this.configuration.config.batchConfig.maxQueueSize)
      return void ledger.countDropped('queue_full', 1);
    if (this.router.earlyBytes + span.length > this.router.maxQueueBytes)
      return void ledger.countDropped('queue_bytes', 1);
    ledger.held += 1;
    this.router.projectsWithEarlySpans().add(this);
    this.router.earlyBytes += span.length;
    const bytes = new Uint8Array(span); // a copy: the writer's block is used again
    if (!this.useSyncExport) {
      this.#early.push({ scope, bytes, exported: undefined });
      return undefined;
    }
    return new Promise((resolve) => {
      // A provider that never loads hangs no caller.
      const timer = this.router.clock.schedule(MAX_WAIT_MILLIS, resolve, true);
      const exported = (): void => {
        timer.cancel();
        resolve();
      };
      this.#early.push({ scope, bytes, exported });
    });
  }

  #offer(queue: TenantQueue, scope: ScopeBytes, span: Uint8Array): Promise<void> | undefined {
    if (this.useSyncExport) return queue.offerNow(scope, span);
    if (this.router.dropOnQueueFull) {
      queue.offer(scope, span);
      return undefined;
    }
    queue.offerBeyondBound(scope, span);
    return queue.hasRoom() ? undefined : queue.waitForRoom(MAX_WAIT_MILLIS);
  }
}

/** One `Span.attributes` entry. */
export function writeTextAttribute(writer: ProtoWriter, key: string, value: string): void {
  const pair = writer.begin(0x4a);
  writer.string(0x0a, key);
  const any = writer.begin(0x12);
  writer.string(0x0a, value);
  writer.end(any);
  writer.end(pair);
}
